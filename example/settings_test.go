package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// pool is a complete set of a real pool's settings.
var pool = map[string]string{
	"COGNITO_USER_POOL_DOMAIN": "https://auth.example.com",
	"COGNITO_CLIENT_ID":        "1example23456789",
	"COGNITO_USER_POOL_ID":     "eu-west-2_AbCdEfGhI",
}

// setEnvironment sets exactly these of the variables that the app reads.
func setEnvironment(t *testing.T, pairs ...map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "COGNITO_") || slices.Contains([]string{"BASE_URL", "ADDR", "REDIS_URL"}, name) {
			t.Setenv(name, "")
		}
	}
	for _, each := range pairs {
		for name, value := range each {
			t.Setenv(name, value)
		}
	}
}

// TestEveryHalfFilledEnvironment tries all ways to give some of the three required
// settings, each alone, with an optional one beside it, and with one that does not
// exist. Whoever gives any COGNITO_ variable gets a real pool or an error that names
// exactly what is missing, and never the local pool.
func TestEveryHalfFilledEnvironment(t *testing.T) {
	required := slices.Sorted(maps.Keys(pool))
	extras := map[string]string{"": "", "COGNITO_CLIENT_SECRET": "secret", "COGNITO_SCOPES": "openid", "COGNITO_USERPOOL_ID": "eu-west-2_AbCdEfGhI"}
	for given := range 1 << len(required) {
		for extra, value := range extras {
			env := map[string]string{}
			var missing []string
			for i, name := range required {
				if given&(1<<i) != 0 {
					env[name] = pool[name]
				} else {
					missing = append(missing, name)
				}
			}
			if extra != "" {
				env[extra] = value
			}
			t.Run(fmt.Sprint(slices.Sorted(maps.Keys(env))), func(t *testing.T) {
				setEnvironment(t, env)
				s, err := readSettings()
				if s.local != (len(env) == 0) {
					t.Errorf("the local pool is used: %v", s.local)
				}
				if got := namedAsMissing(err); !slices.Equal(got, missing) && len(env) > 0 {
					t.Errorf("named as missing: %v, want %v; the error is:\n%v", got, missing, err)
				}
				if wanted := len(env) > 0 && (len(missing) > 0 || extra == "COGNITO_USERPOOL_ID"); (err != nil) != wanted {
					t.Errorf("the error is %v", err)
				}
			})
		}
	}
}

// namedAsMissing are the variables that the error says are missing, sorted.
func namedAsMissing(err error) []string {
	if err == nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(err.Error()) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), ` "": is required`); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestEmptyVariables checks that empty is the same as unset, for any name.
func TestEmptyVariables(t *testing.T) {
	setEnvironment(t, map[string]string{"COGNITO_CLIENT_ID": "", "COGNITO_USERPOOL_ID": "  ", "BASE_URL": " ", "ADDR": ""})
	s, err := readSettings()
	if err != nil || !s.local || s.addr != ":8021" || s.origin(8021) != "http://localhost:8021" {
		t.Errorf("the local pool is used: %v, at %s as %s, with the error %v", s.local, s.addr, s.origin(8021), err)
	}
}

// TestSettings checks that each variable arrives where it belongs.
func TestSettings(t *testing.T) {
	setEnvironment(t, pool, map[string]string{
		"COGNITO_SCOPES": "openid, email  phone", "COGNITO_USERINFO": "1", "COGNITO_KEYS": "vXq3tJ0m5Z3rT7wY1uB6nL9cE4sD0fGh",
		"BASE_URL": "https://app.example.com", "ADDR": ":9000", "REDIS_URL": "redis://localhost:6379/0",
	})
	s, err := readSettings()
	if err != nil {
		t.Fatal(err)
	}
	c := s.config
	got := fmt.Sprint(c.UserPoolDomain, c.ClientID, c.UserPoolID, c.Scopes, c.UserInfo, c.BaseURL, c.Bearer, len(c.Keys), s.addr, s.redisURL, s.local)
	want := fmt.Sprint("https://auth.example.com", "1example23456789", "eu-west-2_AbCdEfGhI",
		[]string{"openid", "email", "phone"}, true, "https://app.example.com", true, 1, ":9000", "redis://localhost:6379/0", false)
	if got != want {
		t.Errorf("settings are\n%s, want\n%s", got, want)
	}
	if origin := s.origin(9000); origin != "https://app.example.com" {
		t.Errorf("the origin is %s", origin)
	}
}

// TestUnusableSettings checks that an error names the variable and what to do, says how
// to get the local pool instead, and shows no secret.
func TestUnusableSettings(t *testing.T) {
	tests := []struct{ variable, value, says string }{
		{"COGNITO_USER_POOL_DOMAIN", "my-app", "my-app.auth.eu-west-2.amazoncognito.com"},
		{"COGNITO_USERINFO", "perhaps", "1 or 0"},
		{"COGNITO_CLIENTSECRET", "hunter2", "COGNITO_CLIENT_SECRET"},
		{"BASE_URL", "https://app.example.com/", "slash"},
	}
	for _, tt := range tests {
		t.Run(tt.variable+"="+tt.value, func(t *testing.T) {
			setEnvironment(t, pool, map[string]string{tt.variable: tt.value})
			_, err := readSettings()
			if err == nil || !strings.Contains(err.Error(), "\n  "+tt.variable+" ") || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "local pool") {
				t.Errorf("the error is %v\nwant one that names %s and says %q", err, tt.variable, tt.says)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the error shows the value: %v", err)
			}
		})
	}
	setEnvironment(t, pool, map[string]string{"REDIS_URL": "redis://localhost:6379/0"})
	if _, err := readSettings(); err == nil || !strings.Contains(err.Error(), "COGNITO_KEYS") {
		t.Errorf("Redis without keys: %v", err)
	}
}

// TestAddressOfTheLocalPool checks which addresses a pool in this process can
// serve, and that whoever has set BASE_URL alone reads of nothing else that is
// wrong.
func TestAddressOfTheLocalPool(t *testing.T) {
	for _, address := range []string{"http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000", "https://localhost/prefix"} {
		setEnvironment(t, map[string]string{"BASE_URL": address})
		if s, err := readSettings(); err != nil || !s.local {
			t.Errorf("%s is refused: %v", address, err)
		}
	}
	for _, address := range []string{"https://example.com", "https://localhost.example.com", "http://192.168.0.1:8021", "foo", "localhost:8021", "http://[::1"} {
		setEnvironment(t, map[string]string{"BASE_URL": address})
		_, err := readSettings()
		want := fmt.Sprintf("BASE_URL %q: the local test pool works for localhost only; "+
			"set COGNITO_USER_POOL_DOMAIN, COGNITO_CLIENT_ID and COGNITO_USER_POOL_ID to use a real pool, or unset BASE_URL", address)
		if err == nil || err.Error() != want {
			t.Errorf("the error is\n%v, want\n%s", err, want)
		}
	}
}
