package main

import (
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

func environment(pairs ...map[string]string) func(string) string {
	all := map[string]string{}
	for _, p := range pairs {
		maps.Copy(all, p)
	}
	return func(name string) string { return all[name] }
}

// TestEveryHalfFilledEnvironment tries all ways to give some of the three
// required settings, each alone and with an optional one beside it. Whoever
// gives any COGNITO_ variable gets a real pool or an error that names exactly
// what is missing, and never the local pool.
func TestEveryHalfFilledEnvironment(t *testing.T) {
	for given := range 1 << len(required) {
		for _, extra := range append([]string{""}, optional...) {
			env := map[string]string{}
			var missing []string
			for i, r := range required {
				if given&(1<<i) != 0 {
					env[r.name] = pool[r.name]
				} else {
					missing = append(missing, r.name)
				}
			}
			if extra != "" {
				env[extra] = map[string]string{"COGNITO_SCOPES": "openid", "COGNITO_ISSUER": "https://issuer.example.com/pool"}[extra]
				if env[extra] == "" {
					env[extra] = "1"
				}
			}
			names := slices.Sorted(maps.Keys(env))
			t.Run(fmt.Sprint(names), func(t *testing.T) {
				s, err := readSettings(environment(env))
				if s.local != (len(env) == 0) {
					t.Errorf("the local pool is used: %v", s.local)
				}
				if got := namedAsMissing(err); !slices.Equal(got, missing) && len(env) > 0 {
					t.Errorf("named as missing: %v, want %v; the error is:\n%v", got, missing, err)
				}
				if len(env) == 0 && err != nil {
					t.Errorf("without settings: %v", err)
				}
			})
		}
	}
}

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
	return names
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
	_, err := readSettings(environment(pool, map[string]string{"COGNITO_CLIENT_ID": "a b", "BASE_URL": "ftp://x"}))
	if err == nil || !strings.Contains(err.Error(), "COGNITO_CLIENT_ID") || !strings.Contains(err.Error(), "BASE_URL") {
		t.Errorf("two mistakes are reported as: %v", err)
	}
}
