package cognito

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/pool"
)

// FuzzConfig: no settings make Validate panic, NewAuth refuses exactly what
// Validate does, and what is accepted makes addresses that are whole and
// cookies that fit the scheme.
func FuzzConfig(f *testing.F) {
	f.Add("https://auth.example.com", "client", "eu-west-2_AbCdEfGhI", "", "", "openid email", "https://app.example.com/shop", "/login", "/", "https://a.example.com", "name", int64(0), int64(0))
	f.Add("my-app.auth.eu-west-2.amazoncognito.com", "client", "eu-west-2_AbCdEfGhI", "secret", "https://idp.example.com/p", "openid", "HTTPS://app.example.com", "", "", "", "", int64(time.Hour), int64(time.Minute))
	f.Add("", "", "", "\n", ":", "", "https://app.example.com/a/..", "//", "/\\x", "*", "__Host-x", int64(-1), int64(-1))
	f.Add("http://127.0.0.1:9", "a", "local_pool", "s", "http://127.0.0.1:9/local_pool", "openid", "http://[::1]:8021", "/%2e", "/login?x", "http://localhost:1", "a", int64(time.Second), int64(time.Second))
	f.Fuzz(func(t *testing.T, domain, client, pool, key, issuer, scopes, base, login, after, origin, cookie string, idle, absolute int64) {
		config := Config{
			UserPoolDomain: domain, ClientID: client, UserPoolID: pool, ClientSecret: key, Issuer: issuer, BaseURL: base,
			LoginPath: login, AfterLogin: after, CookieName: cookie, IdleTimeout: time.Duration(idle), AbsoluteTimeout: time.Duration(absolute),
		}
		if scopes != "" {
			config.Scopes = strings.Split(scopes, " ")
		}
		if origin != "" {
			config.AllowedOrigins = []string{origin}
		}
		problems := config.Validate()
		auth, err := NewAuth(config)
		if !reflect.DeepEqual(err, problems) {
			t.Fatalf("NewAuth() = %v, Validate() = %v", err, problems)
		}
		if err != nil {
			var wrong *ConfigError
			if !errors.As(err, &wrong) || len(wrong.Problems) == 0 || key != "" && len(key) > 8 && strings.Contains(err.Error(), key) && !strings.Contains(domain+client+pool+issuer+scopes+base+login+after+origin+cookie, key) {
				t.Errorf("NewAuth() = %v", err)
			}
			return
		}
		defer func() { _ = auth.Close() }()
		mustBeWhole(t, auth, base)
	})
}

// mustBeWhole checks what an accepted config is made into.
func mustBeWhole(t *testing.T, auth *Auth, base string) {
	t.Helper()
	endpoints := pool.NewEndpoints(withScheme(auth.config.UserPoolDomain))
	keys := pool.NewIssuers(auth.config.UserPoolID, auth.config.Issuer, nil).KeyAddresses()
	if len(keys) == 0 {
		t.Error("there is nowhere to get keys from")
	}
	for _, address := range append(keys, endpoints.Authorize, endpoints.Token, endpoints.UserInfo, endpoints.Revoke, endpoints.Logout) {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path == "" || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("the endpoint %q is not whole: %v", address, err)
		}
	}
	if base == "" {
		return
	}
	callback, err := url.Parse(base + auth.config.RedirectPath)
	if err != nil || !strings.HasSuffix(callback.Path, auth.config.RedirectPath) || callback.Hostname() == "" {
		t.Errorf("the callback %q is not whole: %v", base+auth.config.RedirectPath, err)
	}
}
