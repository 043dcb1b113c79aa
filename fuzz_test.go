package cognito_test

import (
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/gofiber/fiber/v2"
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
		config := cognito.Config{
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
		auth, err := cognito.NewAuth(config)
		if !reflect.DeepEqual(err, problems) {
			t.Fatalf("NewAuth() = %v, Validate() = %v", err, problems)
		}
		if err != nil {
			var wrong *cognito.ConfigError
			if !errors.As(err, &wrong) || len(wrong.Problems) == 0 || key != "" && len(key) > 8 && strings.Contains(err.Error(), key) && !strings.Contains(domain+client+pool+issuer+scopes+base+login+after+origin+cookie, key) {
				t.Errorf("NewAuth() = %v", err)
			}
			return
		}
		defer func() { _ = auth.Close() }()
		mustBeWhole(t, auth, config)
	})
}

// mustBeWhole checks where the pool's keys are, where a login leads to, and where it is
// to come back to.
func mustBeWhole(t *testing.T, auth *cognito.Auth, config cognito.Config) {
	t.Helper()
	addresses := pool.NewIssuers(config.UserPoolID, config.Issuer, nil).KeyAddresses()
	if len(addresses) == 0 {
		t.Error("there is nowhere to get keys from")
	}
	login := beginLogin(t, auth, config)
	callback := login.Query().Get("redirect_uri")
	if !strings.HasSuffix(callback, "/login/redirect") {
		t.Errorf("a login comes back to %q", callback)
	}
	login.RawQuery = ""
	for _, address := range append(addresses, callback, login.String()) {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Path == "" || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("the address %q is not whole: %v", address, err)
		}
	}
}

// beginLogin returns where a login leads to.
func beginLogin(t *testing.T, auth *cognito.Auth, config cognito.Config) *url.URL {
	t.Helper()
	app := fiber.New()
	app.Use(auth.Handler())
	path, host := "/login", "localhost"
	if config.LoginPath != "" {
		path = config.LoginPath
	}
	if base, err := url.Parse(config.BaseURL); err == nil && base.Host != "" {
		host = base.Host
	}
	request := &http.Request{Method: http.MethodGet, URL: &url.URL{Opaque: path}, Host: host, Header: http.Header{}}
	response, err := app.Test(request, -1)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	to, err := url.Parse(response.Header.Get("Location"))
	if err != nil || response.StatusCode != http.StatusFound {
		t.Fatalf("GET %s at %s answers %s and leads to %v (%v)", path, host, response.Status, to, err)
	}
	return to
}
