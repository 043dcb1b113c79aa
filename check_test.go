package cognito_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

const checkedApp = "http://localhost:8021"

// confidential is an app client with a secret.
var confidential = cognitotest.Client{ID: "app", Secret: "s3cret", CallbackURLs: []string{checkedApp + "/login/redirect"}, LogoutURLs: []string{checkedApp + "/"}}

// clientWith is the app client of a pool, with a mistake in it.
func clientWith(change func(*cognitotest.Client)) cognitotest.Options {
	client := cognitotest.Client{ID: "app", CallbackURLs: []string{checkedApp + "/login/redirect"}, LogoutURLs: []string{checkedApp + "/"}}
	change(&client)
	return cognitotest.Options{Clients: []cognitotest.Client{client}}
}

// TestCheck makes every mistake that can be made, one at a time, and gets one finding
// for it. A right setup is silent, with managed login and with the classic hosted UI.
func TestCheck(t *testing.T) {
	t.Parallel()
	type row struct {
		options cognitotest.Options
		pool    func(*cognitotest.Pool)
		config  func(*cognito.Config)
		code    string
		field   string
		says    string // part of the finding
		note    bool   // nothing breaks by it
	}
	// name has the pool's discovery name a domain.
	name := func(p *cognitotest.Pool, origin string) {
		p.Break(cognitotest.Discovery, cognitotest.Fault{Rewrite: func(answer map[string]any) { answer["authorization_endpoint"] = origin + "/oauth2/authorize" }})
	}
	for name, r := range map[string]row{
		"right":            {},
		"right, classic":   {options: cognitotest.Options{ClassicHostedUI: true}},
		"right, secret":    {options: cognitotest.Options{Clients: []cognitotest.Client{confidential}}},
		"right, storage":   {config: lab.On(lab.SharedMemory(t))},
		"right, no origin": {config: func(c *cognito.Config) { c.BaseURL = "" }},
		"nobody there":     {config: func(c *cognito.Config) { c.UserPoolDomain = "http://127.0.0.1:1" }, code: "domain_unreachable", field: "UserPoolDomain"},
		"another client":   {config: func(c *cognito.Config) { c.ClientID = "nobody" }, code: "client_unknown", field: "ClientID"},
		"another client, no origin": {config: func(c *cognito.Config) { c.ClientID, c.BaseURL = "nobody", "" },
			code: "secret_missing", field: "ClientSecret", says: "there is no app client with this ClientID"},
		"callback": {config: func(c *cognito.Config) { c.RedirectPath = "/callback" }, code: "callback_not_registered", field: "RedirectPath"},
		"callback, classic": {options: cognitotest.Options{ClassicHostedUI: true}, config: func(c *cognito.Config) { c.RedirectPath = "/callback" },
			code: "callback_not_registered", field: "RedirectPath"},
		"sign-out URL":       {config: func(c *cognito.Config) { c.AfterLogout = "/bye" }, code: "sign_out_url_not_registered", field: "AfterLogout"},
		"scope":              {config: func(c *cognito.Config) { c.Scopes = []string{"openid", "api/admin"} }, code: "scope_not_allowed", field: "Scopes"},
		"code grant":         {options: clientWith(func(c *cognitotest.Client) { c.Grants = []string{"implicit"} }), code: "code_grant_off", field: "ClientID"},
		"no secret":          {options: cognitotest.Options{Clients: []cognitotest.Client{confidential}}, config: func(c *cognito.Config) { c.ClientSecret = "" }, code: "secret_missing", field: "ClientSecret"},
		"wrong secret":       {options: cognitotest.Options{Clients: []cognitotest.Client{confidential}}, config: func(c *cognito.Config) { c.ClientSecret = "guess" }, code: "secret_wrong", field: "ClientSecret"},
		"superfluous secret": {config: func(c *cognito.Config) { c.ClientSecret = "guess" }, code: "secret_superfluous", field: "ClientSecret"},
		"no branding style":  {options: cognitotest.Options{Unstyled: true}, code: "no_branding_style", field: "ClientID"},
		"no branding style, long page": {pool: func(p *cognitotest.Pool) {
			p.Break(cognitotest.Login, cognitotest.Fault{ContentType: "text/html", Body: "Login pages unavailable" + strings.Repeat(" ", 1<<20)})
		}, code: "no_branding_style", field: "ClientID"},
		"clock":             {config: func(c *cognito.Config) { now := c.Now; c.Now = func() time.Time { return now().Add(time.Hour) } }, code: "clock_wrong", field: "Now"},
		"issuer":            {config: func(c *cognito.Config) { c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1) }, code: "issuer_differs", field: "Issuer"},
		"another pool's ID": {pool: func(p *cognitotest.Pool) { name(p, "https://other.example") }, code: "domain_of_another_pool", field: "UserPoolDomain"},
		"two domains": {pool: func(p *cognitotest.Pool) { name(p, "https://app.auth.us-east-1.amazoncognito.com") },
			code: "domain_of_another_pool", field: "UserPoolDomain", note: true},
		"right, by another name of this machine": {pool: func(p *cognitotest.Pool) { name(p, strings.Replace(p.URL(), "127.0.0.1", "localhost", 1)) }},
		"right, by its FIPS name": {pool: func(p *cognitotest.Pool) { name(p, "https://app.auth.us-east-1.amazoncognito.com") }, config: func(c *cognito.Config) {
			c.HTTPClient = &http.Client{Transport: atAmazons(c.UserPoolDomain)}
			c.UserPoolDomain = "https://app.auth-fips.us-east-1.amazoncognito.com"
		}},
		"parameters that classic ignores": {options: cognitotest.Options{ClassicHostedUI: true},
			config: func(c *cognito.Config) { c.LoginParameters = map[string]string{"lang": "de", "idp_identifier": "x"} },
			code:   "login_parameters_ignored", field: "LoginParameters", note: true},
		"right, parameters": {config: func(c *cognito.Config) { c.LoginParameters = map[string]string{"lang": "de"} }},
		"right, classic parameters": {options: cognitotest.Options{ClassicHostedUI: true},
			config: func(c *cognito.Config) { c.LoginParameters = map[string]string{"idp_identifier": "x"} }},
		"no such pool": {config: func(c *cognito.Config) { c.Issuer += "x"; c.UserPoolID += "x" }, code: "issuer_unreachable", field: "UserPoolID"},
		"test pool, no issuer": {config: func(c *cognito.Config) {
			c.Issuer, c.HTTPClient = "", &http.Client{Transport: onThisMachine}
		}, code: "issuer_unreachable", field: "Issuer"},
		"test pool, issuer of Amazon": {config: func(c *cognito.Config) {
			c.Issuer, c.HTTPClient = "https://cognito-idp.us-east-1.amazonaws.com/"+c.UserPoolID, &http.Client{Transport: onThisMachine}
		}, code: "issuer_unreachable", field: "Issuer", says: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1"},
		"no keys": {pool: func(p *cognitotest.Pool) { p.Break(cognitotest.JWKS, cognitotest.Fault{Body: `{"keys":[]}`}) }, code: "keys_unusable", field: "UserPoolID"},
		"firewall": {pool: func(p *cognitotest.Pool) {
			p.Break(cognitotest.Token, cognitotest.Fault{Status: 403, Body: "<html>", ContentType: "text/html"})
		}, code: "token_endpoint_fails", field: "UserPoolDomain"},
		"dead storage": {config: func(c *cognito.Config) {
			s := lab.NewStore()
			s.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
			lab.On(s)(c)
		}, code: "storage_fails", field: "Storage"},
		"storage that deletes nothing": {config: func(c *cognito.Config) {
			s := lab.NewStore()
			s.Misbehave(func(call lab.StoreCall) *lab.StoreFault {
				if call.Method == "delete" {
					return &lab.StoreFault{Err: lab.ErrDown}
				}
				return nil
			})
			lab.On(s)(c)
		}, code: "storage_fails", field: "Storage"},
		"storage without lifetimes": {config: lab.On(lab.NewStore()), code: "storage_keeps_no_lifetimes", field: "Storage", note: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := cognitotest.New(r.options)
			t.Cleanup(pool.Close)
			if r.pool != nil {
				r.pool(pool)
			}
			config := pool.Config()
			config.BaseURL = checkedApp
			if r.config != nil {
				r.config(&config)
			}
			auth, err := cognito.NewAuth(config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = auth.Close() })
			found, err := auth.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case r.code == "" && len(found) > 0:
				t.Errorf("a right setup has %q", found)
			case r.code != "" && (len(found) != 1 || found[0].Code != r.code || found[0].Field != r.field || found[0].Breaks == r.note || found[0].Problem == "" || found[0].Remedy == "" || !strings.Contains(found[0].String(), r.says)):
				t.Errorf("it finds %q, want %s alone", found, r.code)
			}
			for _, f := range found {
				if strings.Contains(f.String(), "guess") || strings.Contains(f.String(), "s3cret") {
					t.Errorf("a secret is in %s", f)
				}
			}
		})
	}
}

// atAmazons has a pool on this machine answer for Amazon's domains.
func atAmazons(pool string) http.RoundTripper {
	return lab.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Host, ".amazoncognito.com") {
			r = r.Clone(r.Context())
			r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(pool, "http://")
		}
		return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	})
}

// onThisMachine asks nobody outside: a test runs without network.
var onThisMachine = lab.RoundTripper(func(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != "127.0.0.1" {
		return nil, errors.New("no network")
	}
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
})

// TestCheckOutlivesAPanic: what the app has given panics in the middle of it. The
// process goes on, and the check does not say that all is well.
func TestCheckOutlivesAPanic(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	config.BaseURL, config.CookieSessions, config.Keys = checkedApp, true, []string{"kZq3vJ0m5X2rT8wY1uB7nL4cE9sD6fGh"}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	config.HTTPClient = &http.Client{Transport: lab.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/logout" {
			panic("of the app's transport")
		}
		return transport.RoundTrip(r)
	})}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	if found, err := auth.Check(t.Context()); err != nil || len(found) != 1 || found[0].Code != "not_asked" || !found[0].Breaks {
		t.Errorf("it finds %q, %v", found, err)
	}
}

// TestCheckOfTheWrongScheme: each of http, https and a certificate that nobody trusts has a remedy
// of its own, and is not taken for a mistake in other settings.
func TestCheckOfTheWrongScheme(t *testing.T) {
	t.Parallel()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	says := func(status int, text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, text, status) }))
		t.Cleanup(server.Close)
		return server.URL
	}
	// Whatever else names HTTPS is there, and does not want it.
	for _, domain := range []string{says(http.StatusOK, "Your HTTP request reached an HTTPS server"), says(http.StatusBadRequest, "Bad HTTP request"), says(http.StatusBadRequest, "Ask for HTTPS")} {
		config := pool.Config()
		config.BaseURL, config.UserPoolDomain = checkedApp, domain
		auth, err := cognito.NewAuth(config)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := auth.Check(t.Context()); err != nil || strings.Contains(fmt.Sprint(found), "https://") {
			t.Errorf("it finds %v, %v", found, err)
		}
		_ = auth.Close()
	}
	for domain, remedy := range map[string]string{
		strings.Replace(pool.URL(), "http:", "https:", 1): "write it with http://",
		strings.Replace(secure.URL, "https:", "http:", 1): "write it with https://",
		secure.URL: "trust the certificate",
	} {
		config := pool.Config()
		config.BaseURL, config.UserPoolDomain = checkedApp, domain
		config.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		auth, err := cognito.NewAuth(config)
		if err != nil {
			t.Fatal(err)
		}
		found, err := auth.Check(t.Context())
		if err != nil || len(found) != 1 || found[0].Code != "domain_unreachable" || !strings.Contains(found[0].Remedy, remedy) {
			t.Errorf("%s: it finds %q, %v, want %q", domain, found, err, remedy)
		}
		_ = auth.Close()
	}
}

// TestCheckIsKept: a readiness probe that asks again and again costs nothing, and leaves
// no calls behind; one that has no time gets its own error.
func TestCheckIsKept(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	config.BaseURL, config.CookieSessions, config.Keys = checkedApp, true, []string{"kZq3vJ0m5X2rT8wY1uB7nL4cE9sD6fGh"}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := auth.Check(late); !errors.Is(err, context.Canceled) {
		t.Errorf("without time it says %v", err)
	}
	for range 3 {
		if found, err := auth.Check(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("it finds %q, %v", found, err)
		}
	}
	if calls := pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("the token endpoint was asked %d times, want once", calls)
	}
}
