package main

import (
	"cmp"
	"fmt"
	"maps"
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

// optional are the further settings, which also mean that a real pool is wanted.
var optional = map[string]string{
	"COGNITO_CLIENT_SECRET": "secret",
	"COGNITO_ISSUER":        "https://issuer.example.com/pool",
	"COGNITO_SCOPES":        "openid",
	"COGNITO_USERINFO":      "1",
}

// environment is what os.Environ returns when exactly these variables are set.
func environment(pairs ...map[string]string) []string {
	all := map[string]string{}
	for _, p := range pairs {
		maps.Copy(all, p)
	}
	var environ []string
	for name, value := range all {
		environ = append(environ, name+"="+value)
	}
	return environ
}

// TestEveryHalfFilledEnvironment tries all ways to give some of the three
// required settings, each alone, with an optional one beside it, and with one
// that does not exist. Whoever gives any COGNITO_ variable gets a real pool or
// an error that names exactly what is missing, and never the local pool.
func TestEveryHalfFilledEnvironment(t *testing.T) {
	const typo = "COGNITO_USERPOOL_ID"
	for given := range 1 << len(required) {
		for _, extra := range append(slices.Sorted(maps.Keys(optional)), typo, "") {
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
				env[extra] = cmp.Or(optional[extra], "eu-west-2_AbCdEfGhI")
			}
			names := slices.Sorted(maps.Keys(env))
			t.Run(fmt.Sprint(names), func(t *testing.T) {
				s, err := readSettings(environment(env))
				if s.local != (len(env) == 0) {
					t.Errorf("the local pool is used: %v", s.local)
				}
				slices.Sort(missing)
				if got := namedAsMissing(err); !slices.Equal(got, missing) && len(env) > 0 {
					t.Errorf("named as missing: %v, want %v; the error is:\n%v", got, missing, err)
				}
				if wanted := len(env) > 0 && (len(missing) > 0 || extra == typo); (err != nil) != wanted {
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
		if name, _, ok := strings.Cut(strings.TrimSpace(line), " is missing: "); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestUnknownVariable checks that a typing error is named together with what
// it may have been meant for, and that the value, perhaps a secret, is not.
func TestUnknownVariable(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
	}{
		{"beside a complete pool", environment(pool, map[string]string{"COGNITO_CLIENTSECRET": "hunter2"})},
		{"alone", environment(map[string]string{"COGNITO_CLIENTSECRET": "hunter2"})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := readSettings(tt.environ)
			if err == nil || s.local {
				t.Fatalf("the local pool is used: %v, with the error %v", s.local, err)
			}
			for _, says := range slices.Concat([]string{"COGNITO_CLIENTSECRET is unknown"}, required, slices.Collect(maps.Keys(optional))) {
				if !strings.Contains(err.Error(), says) {
					t.Errorf("it does not say %q but: %v", says, err)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the value: %v", err)
			}
		})
	}
}

// TestEmptyVariables checks that empty is the same as unset, for any name.
func TestEmptyVariables(t *testing.T) {
	s, err := readSettings([]string{"COGNITO_CLIENT_ID=", "COGNITO_USERPOOL_ID=  ", "BASE_URL=", "ADDR=", "=C:=C:\\", "PATH"})
	if err != nil || !s.local || s.addr != ":8021" {
		t.Errorf("the local pool is used: %v, at %s, with the error %v", s.local, s.addr, err)
	}
}

// TestSettings checks that each variable arrives where it belongs.
func TestSettings(t *testing.T) {
	s, err := readSettings(environment(pool, map[string]string{
		"COGNITO_CLIENT_SECRET": "secret", "COGNITO_ISSUER": "https://issuer.example.com/pool",
		"COGNITO_SCOPES": "openid, email  phone", "COGNITO_USERINFO": "1",
		"BASE_URL": "https://app.example.com", "ADDR": ":9000", "REDIS_URL": "redis://localhost:6379/0",
	}))
	if err != nil {
		t.Fatal(err)
	}
	c := s.config
	got := fmt.Sprint(c.UserPoolDomain, c.ClientID, c.UserPoolID, c.ClientSecret, c.Issuer, c.Scopes, c.UserInfo, c.BaseURL, s.addr, s.redisURL, s.local)
	want := fmt.Sprint("https://auth.example.com", "1example23456789", "eu-west-2_AbCdEfGhI", "secret", "https://issuer.example.com/pool",
		[]string{"openid", "email", "phone"}, true, "https://app.example.com", ":9000", "redis://localhost:6379/0", false)
	if got != want {
		t.Errorf("settings are\n%s, want\n%s", got, want)
	}
	if origin := s.origin(9000); origin != "https://app.example.com" {
		t.Errorf("the origin is %s", origin)
	}

	s, err = readSettings(environment())
	if err != nil || s.addr != ":8021" || s.origin(8021) != "http://localhost:8021" {
		t.Errorf("without settings: addr %q, origin %q, error %v", s.addr, s.origin(8021), err)
	}
}

// TestUnusableSettings checks that an error names the variable, not the field
// of a struct that the reader has never seen, and what to do.
func TestUnusableSettings(t *testing.T) {
	tests := []struct{ variable, value, says string }{
		{"COGNITO_USER_POOL_ID", "AbCdEfGhI", "eu-west-2_AbCdEfGhI"},
		{"COGNITO_USER_POOL_DOMAIN", "http://auth.example.com", "must be https"},
		{"COGNITO_USER_POOL_DOMAIN", "my-app", "my-app.auth.eu-west-2.amazoncognito.com"},
		{"COGNITO_CLIENT_ID", "not an id", "App clients"},
		{"COGNITO_ISSUER", "issuer", "absolute URL"},
		{"COGNITO_SCOPES", "email profile", "openid"},
		{"COGNITO_USERINFO", "perhaps", "1 or 0"},
		{"COGNITO_USER_POOL_ID", "pool_1", "or set COGNITO_ISSUER for"},
		{"COGNITO_USER_POOL_DOMAIN", "my-app.auth.us-east-1.amazoncognito.com", "while COGNITO_USER_POOL_ID is in eu-west-2"},
		{"BASE_URL", "http://app.example.com", "must be https"},
		{"BASE_URL", "https://app.example.com/", "slash"},
	}
	for _, tt := range tests {
		t.Run(tt.variable+"="+tt.value, func(t *testing.T) {
			_, err := readSettings(environment(pool, map[string]string{tt.variable: tt.value}))
			if err == nil || !strings.Contains(err.Error(), "\n  "+tt.variable+" ") || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error is %v\nwant one that names %s and says %q", err, tt.variable, tt.says)
			}
		})
	}
}

// TestErrorsAreComplete checks that several mistakes are reported in one go.
func TestErrorsAreComplete(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		says    []string
	}{
		{"two fields", environment(pool, map[string]string{"COGNITO_CLIENT_ID": "a b", "BASE_URL": "ftp://x"}),
			[]string{`COGNITO_CLIENT_ID "a b"`, `BASE_URL "ftp://x"`}},
		{"userInfo and a field", environment(pool, map[string]string{"COGNITO_USERINFO": "maybe", "COGNITO_CLIENT_ID": "a b"}),
			[]string{`COGNITO_USERINFO "maybe"`, `COGNITO_CLIENT_ID "a b"`}},
		{"userInfo and nothing else", environment(map[string]string{"COGNITO_USERINFO": "maybe"}),
			[]string{`COGNITO_USERINFO "maybe"`, "COGNITO_USER_POOL_DOMAIN is missing", "COGNITO_CLIENT_ID is missing", "COGNITO_USER_POOL_ID is missing", "unset every COGNITO_ variable"}},
		{"one of each", environment(map[string]string{"COGNITO_USERINFO": "maybe", "COGNITO_CLIENT": "x", "COGNITO_USER_POOL_ID": "pool", "BASE_URL": "ftp://x"}),
			[]string{`COGNITO_USERINFO "maybe"`, "COGNITO_CLIENT is unknown", "COGNITO_CLIENT_ID is missing", `COGNITO_USER_POOL_ID "pool"`, `BASE_URL "ftp://x"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readSettings(tt.environ)
			for _, text := range tt.says {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("it does not say %q but: %v", text, err)
				}
			}
		})
	}
}

// TestAddressOfTheLocalPool checks which addresses a pool in this process can
// serve, and that whoever has set BASE_URL alone reads of nothing else that is
// wrong.
func TestAddressOfTheLocalPool(t *testing.T) {
	for _, address := range []string{"http://localhost:9000", "http://127.0.0.1:9000", "http://[::1]:9000", "https://localhost/prefix"} {
		if s, err := readSettings(environment(map[string]string{"BASE_URL": address})); err != nil || !s.local {
			t.Errorf("%s is refused: %v", address, err)
		}
	}
	for _, address := range []string{"https://example.com", "https://localhost.example.com", "http://192.168.0.1:8021", "foo", "localhost:8021", "http://[::1"} {
		_, err := readSettings(environment(map[string]string{"BASE_URL": address}))
		want := fmt.Sprintf("the settings are not usable:\n\n  BASE_URL %q: the local test pool works for localhost only; "+
			"name a real pool by COGNITO_USER_POOL_DOMAIN, COGNITO_CLIENT_ID and COGNITO_USER_POOL_ID, or unset BASE_URL", address)
		if err == nil || err.Error() != want {
			t.Errorf("the error is\n%v, want\n%s", err, want)
		}
	}
}

// TestFieldNamesBecomeVariables checks that whole words are replaced and parts
// of others are not.
func TestFieldNamesBecomeVariables(t *testing.T) {
	const text = "set UserPoolID, ClientID (not BearerClientIDs) and Issuer, or leave BaseURL empty; Scopes, ClientSecret."
	const want = "set COGNITO_USER_POOL_ID, COGNITO_CLIENT_ID (not BearerClientIDs) and COGNITO_ISSUER, or leave BASE_URL empty; COGNITO_SCOPES, COGNITO_CLIENT_SECRET."
	if got := named(text); got != want {
		t.Errorf("it becomes %q, want %q", got, want)
	}
	_, err := readSettings(environment(pool, map[string]string{
		"COGNITO_USER_POOL_DOMAIN": "http://localhost:9000", "BASE_URL": "https://app.example.com"}))
	if err == nil || !strings.Contains(err.Error(), "COGNITO_USER_POOL_DOMAIN") || fieldNames.MatchString(err.Error()) {
		t.Errorf("a test pool for a public app: %v", err)
	}
}
