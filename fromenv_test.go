package cognito_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
)

// setEnvironment sets exactly these variables of ours.
func setEnvironment(t *testing.T, pairs ...string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "COGNITO_") || name == "BASE_URL" {
			t.Setenv(name, "")
		}
	}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

var threeVariables = []string{
	"COGNITO_USER_POOL_DOMAIN=https://auth.example.com", "COGNITO_CLIENT_ID=1example23456789", "COGNITO_USER_POOL_ID=eu-west-2_AbCdEfGhI",
}

// TestFromEnv: each kind of field arrives where it belongs, in the form that the
// middleware takes.
func TestFromEnv(t *testing.T) {
	const key, old = "vXq3tJ0m5Z3rT7wY1uB6nL9cE4sD0fGh", "hGf0Ds4eC9lN6bU1yW7tR3zZ5m0Jt3qX"
	setEnvironment(t, append(threeVariables,
		"COGNITO_CLIENT_SECRET= sesame\n", "COGNITO_SCOPES=openid, email  phone", "COGNITO_KEYS="+key+","+old,
		"COGNITO_BASE_URL=https://app.example.com", "BASE_URL=https://other.example.com", "COGNITO_IDLE_TIMEOUT=90m", "COGNITO_MAX_SESSIONS=3",
		"COGNITO_BEARER=true", "COGNITO_BEARER_CLIENT_IDS=a,b", "COGNITO_USER_INFO=1", "COGNITO_SAME_SITE=None", "COGNITO_AUDIENCE=")...)
	config, err := cognito.FromEnv()
	want := cognito.Config{
		UserPoolDomain: "https://auth.example.com", ClientID: "1example23456789", UserPoolID: "eu-west-2_AbCdEfGhI", ClientSecret: "sesame",
		Scopes: []string{"openid", "email", "phone"}, Keys: []string{key, old}, BaseURL: "https://app.example.com", IdleTimeout: 90 * time.Minute,
		MaxSessions: 3, Bearer: true, BearerClientIDs: []string{"a", "b"}, UserInfo: true, SameSite: "None",
	}
	if err != nil || !reflect.DeepEqual(config, want) {
		t.Errorf("the config is %v, want %v: %v", config, want, err)
	}
}

// TestFromEnvReadsOtherNames: templates hand the app's address out as BASE_URL.
func TestFromEnvReadsOtherNames(t *testing.T) {
	setEnvironment(t, append(threeVariables, "BASE_URL=https://app.example.com", "COGNITO_USERINFO=1")...)
	if config, err := cognito.FromEnv(); err != nil || config.BaseURL != "https://app.example.com" || !config.UserInfo {
		t.Errorf("the config is %v: %v", config, err)
	}
	setEnvironment(t, append(threeVariables, "BASE_URL=ftp://x")...)
	if _, err := cognito.FromEnv(); err == nil || !strings.Contains(err.Error(), `  BASE_URL "ftp://x": must be`) {
		t.Errorf("the error is %v", err)
	}
}

// TestEveryFieldHasAVariable: whatever a text can say is read, later fields too, and
// has a name that nobody has to look up.
func TestEveryFieldHasAVariable(t *testing.T) {
	names := map[string]string{
		"BaseURL": "BASE_URL", "UserPoolID": "USER_POOL_ID", "BearerClientIDs": "BEARER_CLIENT_IDS", "Now": "", "Storage": "", "OnEvent": "", "HTTPClient": "",
		"AllowAmbiguousPaths": "ALLOW_AMBIGUOUS_PATHS", "RenewInRequest": "RENEW_IN_REQUEST", "SameSite": "SAME_SITE",
	}
	setEnvironment(t, "COGNITO_X_X_X_X_X_X=canary")
	_, err := cognito.FromEnv()
	_, listed, _ := strings.Cut(fmt.Sprint(err), "the settings are ")
	listed, _, _ = strings.Cut(listed, "\n")
	for field, name := range names {
		if known := strings.Contains(", "+listed+",", ", COGNITO_"+name+","); known != (name != "") {
			t.Errorf("%s is read from COGNITO_%s: %t of %s", field, name, known, listed)
		}
	}
	fields := reflect.TypeFor[cognito.Config]()
	texts := 2 // names of old
	for i := range fields.NumField() {
		switch reflect.New(fields.Field(i).Type).Interface().(type) {
		case *string, *bool, *int, *time.Duration, *[]string:
			texts++
		}
	}
	if got := len(strings.Split(listed, ", ")); got != texts {
		t.Errorf("%d variables are read, want %d: %s", got, texts, listed)
	}
}

// TestFromEnvSaysAllThatIsWrong: at once, in the names of the variables, and with no
// secret.
func TestFromEnvSaysAllThatIsWrong(t *testing.T) {
	setEnvironment(t, "COGNITO_USERPOOL_ID=hunter2", "COGNITO_CLIENTSECRET=hunter2", "COGNITO_KEY=hunter2", "COGNITO_CLIENT_SECRET=hun\tter2", "COGNITO_KEYS=hunter2",
		"COGNITO_BEARER=perhaps", "COGNITO_IDLE_TIMEOUT=90", "COGNITO_MAX_SESSIONS=many", "COGNITO_CLIENT_ID=a b", "BASE_URL=ftp://x", "COGNITO_AUDIENCE=y", "COGNITO_SAME_SITE=strict", "COGNITO_STORAGE=hunter2",
		"COGNITO_SCOPES=\"openid email\"", "COGNITO_ABSOLUTE_TIMEOUT=1ms")
	config, err := cognito.FromEnv()
	var invalid *cognito.ConfigError
	if !errors.As(err, &invalid) || !errors.Is(err, cognito.ErrMisconfigured) || !reflect.DeepEqual(config, cognito.Config{}) {
		t.Fatalf("the config is %v, the error %v", config, err)
	}
	for _, line := range []string{
		`COGNITO_USERPOOL_ID "[redacted]": is unknown; rename it to COGNITO_USER_POOL_ID, or unset it`,
		`COGNITO_CLIENTSECRET "[redacted]": is unknown; rename it to COGNITO_CLIENT_SECRET, or unset it`,
		`COGNITO_KEY "[redacted]": is unknown; rename it to COGNITO_KEYS, or unset it`,
		`COGNITO_STORAGE "[redacted]": is for a field that has no environment variable; unset it, and set Config.Storage in Go`,
		`COGNITO_BEARER "perhaps": must be 1 or 0`, `COGNITO_IDLE_TIMEOUT "90": must be a duration with its unit; use a value such as 90m`,
		`COGNITO_MAX_SESSIONS "many": must be a whole number`, `COGNITO_CLIENT_ID "a b": must be letters`, `BASE_URL "ftp://x": must be`,
		`COGNITO_USER_POOL_ID "": is required`, `COGNITO_USER_POOL_DOMAIN "": is required`, `COGNITO_CLIENT_SECRET "[redacted]"`, `COGNITO_KEYS "[redacted]"`,
		`COGNITO_BEARER "false": must be true for COGNITO_BEARER_CLIENT_IDS or COGNITO_AUDIENCE to have an effect`, `COGNITO_SAME_SITE "strict": must not be Strict`,
		`COGNITO_SCOPES "\"openid": must be one scope per entry, without spaces or quotes; separate scopes with spaces or commas`,
		`COGNITO_ABSOLUTE_TIMEOUT "1ms": must be at least 1s; use a duration such as 24h, or leave it out`,
	} {
		if !strings.Contains(err.Error(), "\n  "+line) {
			t.Errorf("it does not say %q", line)
		}
	}
	if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "hun\\t") {
		t.Error("it shows a secret")
	}
	if t.Failed() {
		t.Log(err)
	}
}

// TestFromEnvBesideServices: Kubernetes tells every container of a namespace about its
// services, in variables that begin as ours if the name of the service does, such as that
// of a pool for developers. They keep no app from starting. What somebody misspelt does.
func TestFromEnvBesideServices(t *testing.T) {
	services := []string{}
	for _, service := range []string{"COGNITO", "COGNITO_POOL"} {
		for _, name := range []string{"SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_9229_TCP", "PORT_9229_TCP_PROTO", "PORT_9229_TCP_PORT", "PORT_9229_TCP_ADDR"} {
			services = append(services, service+"_"+name+"=10.0.0.1")
		}
	}
	setEnvironment(t, append(services, threeVariables...)...)
	if config, err := cognito.FromEnv(); err != nil || config.ClientID != "1example23456789" {
		t.Errorf("beside services, the client is %q: %v", config.ClientID, err)
	}
	for _, misspelt := range []string{"COGNITO_SERVICES=x", "COGNITO_PORTS=x", "COGNITO_MAX_SESSION=3"} {
		setEnvironment(t, append(slices.Clip(threeVariables), misspelt)...)
		if _, err := cognito.FromEnv(); err == nil {
			t.Errorf("%s is ignored", misspelt)
		}
	}
}
