package cognito_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/freeport"
	"github.com/bar-tech/cognito/internal/lab"
)

// goodConfig is one for a pool that exists nowhere.
func goodConfig() cognito.Config {
	return cognito.Config{
		UserPoolDomain: "https://auth.example.com",
		ClientID:       "7ks1311iid23h0cnvg2o3i4g7k",
		UserPoolID:     "eu-west-2_tMeCEUTj8",
	}
}

// fieldsOf lists the fields of a ConfigError, or nil for no error.
func fieldsOf(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var wrong *cognito.ConfigError
	if !errors.As(err, &wrong) || !errors.Is(err, cognito.ErrMisconfigured) {
		t.Fatalf("Validate() = %v, want a *ConfigError that is ErrMisconfigured", err)
	}
	var fields []string
	for _, problem := range wrong.Problems {
		fields = append(fields, problem.Field)
		if problem.Rule == "" || problem.Remedy == "" {
			t.Errorf("the problem of %s lacks its rule or its remedy: %+v", problem.Field, problem)
		}
		for _, part := range []string{problem.Field, fmt.Sprintf("%q", problem.Value), problem.Rule, problem.Remedy} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error does not say %s: %s", part, err)
			}
		}
	}
	return fields
}

// TestConfigRules tries each rule alone: the field that breaks it is named, and
// no other one; and next to it a value that keeps it.
func TestConfigRules(t *testing.T) {
	t.Parallel()
	type c = cognito.Config
	for _, row := range []struct {
		name  string
		spoil func(*c)
		field string // "" for a config that is fine
		says  string // part of the rule or the remedy
	}{
		{"minimal", func(*c) {}, "", ""},

		{"no domain", func(c *c) { c.UserPoolDomain = "" }, "UserPoolDomain", "required"},
		{"domain without scheme", func(c *c) { c.UserPoolDomain = "auth.example.com" }, "", ""},
		{"domain with a slash", func(c *c) { c.UserPoolDomain = "https://auth.example.com/" }, "", ""},
		{"Amazon's domain", func(c *c) { c.UserPoolDomain = "my-app.auth.eu-west-2.amazoncognito.com" }, "", ""},
		{"Amazon's FIPS domain", func(c *c) { c.UserPoolDomain = "my-app.auth-fips.eu-west-2.amazoncognito.com" }, "", ""},
		{"domain over http", func(c *c) { c.UserPoolDomain = "http://auth.example.com" }, "UserPoolDomain", "https"},
		{"domain over ftp", func(c *c) { c.UserPoolDomain = "ftp://auth.example.com" }, "UserPoolDomain", "https"},
		{"domain over http on this machine", func(c *c) { c.UserPoolDomain = "http://127.0.0.1:9000" }, "", ""},
		{"domain over http on [::1]", func(c *c) { c.UserPoolDomain = "http://[::1]:9000" }, "", ""},
		{"domain that only begins like this machine", func(c *c) { c.UserPoolDomain = "http://localhost.example.com" }, "UserPoolDomain", "https"},
		{"domain with a path", func(c *c) { c.UserPoolDomain = "https://auth.example.com/login" }, "UserPoolDomain", "no path"},
		{"domain with a query", func(c *c) { c.UserPoolDomain = "https://auth.example.com?a=b" }, "UserPoolDomain", "query"},
		{"domain with an empty query", func(c *c) { c.UserPoolDomain = "https://auth.example.com?" }, "UserPoolDomain", "query"},
		{"domain with a fragment", func(c *c) { c.UserPoolDomain = "https://auth.example.com#" }, "UserPoolDomain", "fragment"},
		{"domain with credentials", func(c *c) { c.UserPoolDomain = "https://u:p@auth.example.com" }, "UserPoolDomain", "credentials"},
		{"domain without a host", func(c *c) { c.UserPoolDomain = "https://" }, "UserPoolDomain", "absolute"},
		{"domain that is no URL", func(c *c) { c.UserPoolDomain = "https://auth example" }, "UserPoolDomain", "absolute"},
		{"domain with a line break", func(c *c) { c.UserPoolDomain = "https://auth.example.com\n" }, "UserPoolDomain", "absolute"},
		{"issuer for domain", func(c *c) { c.UserPoolDomain = "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_AbCdEfGhI" }, "UserPoolDomain", "no login pages"},
		{"issuer of the other form for domain", func(c *c) { c.UserPoolDomain = "issuer-cognito-idp.eu-west-2.amazonaws.com" }, "UserPoolDomain", "no login pages"},
		{"domain that only begins like an issuer", func(c *c) { c.UserPoolDomain = "https://cognito-idp.example.com" }, "", ""},
		{"prefix for domain", func(c *c) { c.UserPoolDomain = "my-app" }, "UserPoolDomain", "my-app.auth.eu-west-2.amazoncognito.com"},
		{"issuer for domain", func(c *c) { c.UserPoolDomain = "https://cognito-idp.eu-west-2.amazonaws.com" }, "UserPoolDomain", "issuer"},
		{"other issuer for domain", func(c *c) { c.UserPoolDomain = "issuer-cognito-idp.eu-west-2.amazonaws.com" }, "UserPoolDomain", "issuer"},
		{"domain of another region", func(c *c) { c.UserPoolDomain = "my-app.auth.us-east-1.amazoncognito.com" }, "UserPoolDomain", "us-east-1"},

		{"no client", func(c *c) { c.ClientID = "" }, "ClientID", "required"},
		{"client with a space", func(c *c) { c.ClientID = "7ks1311 id23" }, "ClientID", "letters"},
		{"client with a line break", func(c *c) { c.ClientID += "\n" }, "ClientID", "letters"},
		{"client of 128 characters", func(c *c) { c.ClientID = strings.Repeat("a", 128) }, "", ""},
		{"client of 129 characters", func(c *c) { c.ClientID = strings.Repeat("a", 129) }, "ClientID", "128"},

		{"no pool", func(c *c) { c.UserPoolID = "" }, "UserPoolID", "required"},
		{"pool without region", func(c *c) { c.UserPoolID = "tMeCEUTj8" }, "UserPoolID", "region"},
		{"pool without region but underscore", func(c *c) { c.UserPoolID = "_tMeCEUTj8" }, "UserPoolID", "region"},
		{"pool with the region's name", func(c *c) { c.UserPoolID = "London_tMeCEUTj8" }, "UserPoolID", "region"},
		{"pool with a dash", func(c *c) { c.UserPoolID = "eu-west-2_tMeC-UTj8" }, "UserPoolID", "letters"},
		{"pool with a line break", func(c *c) { c.UserPoolID += "\n" }, "UserPoolID", "letters"},
		{"pool in a government cloud", func(c *c) { c.UserPoolID = "us-gov-west-1_tMeCEUTj8" }, "", ""},
		{"pool id too long", func(c *c) { c.UserPoolID = "eu-west-2_" + strings.Repeat("a", 46) }, "UserPoolID", "region"},
		{"pool elsewhere", func(c *c) { c.UserPoolID, c.Issuer = "local_pool", "https://idp.example.com/local_pool" }, "", ""},

		{"secret", func(c *c) { c.ClientSecret = "a/b+c=" }, "", ""},
		{"secret with a line break", func(c *c) { c.ClientSecret = "abc\n" }, "ClientSecret", "line break"},
		{"secret with a space before it", func(c *c) { c.ClientSecret = " abc" }, "ClientSecret", "spaces"},
		{"secret with a NUL", func(c *c) { c.ClientSecret = "a\x00c" }, "ClientSecret", "control"},

		{"pool of the European Sovereign Cloud", func(c *c) { c.UserPoolID, c.UserPoolDomain = "eusc-de-east-1_AbCdEfGhI", "https://auth.example.eu" }, "", ""},
		{"pool of an isolated partition", func(c *c) { c.UserPoolID, c.UserPoolDomain = "us-iso-east-1_AbCdEfGhI", "https://auth.example.com" }, "UserPoolID", "set Issuer"},
		{"issuer of another partition for domain", func(c *c) { c.UserPoolDomain = "https://cognito-idp.eusc-de-east-1.amazonaws.eu" }, "UserPoolDomain", "issuer"},
		{"regions", func(c *c) { c.Regions = []string{"eu-central-1", "us-east-1"} }, "", ""},
		{"region that is none", func(c *c) { c.Regions = []string{"Frankfurt"} }, "Regions", "eu-central-1"},
		{"region of another partition", func(c *c) { c.Regions = []string{"cn-north-1"} }, "Regions", "replicated"},
		{"the pool's own region", func(c *c) { c.Regions = []string{"eu-west-2"} }, "Regions", "remove"},
		{"region listed twice", func(c *c) { c.Regions = []string{"eu-west-1", "eu-west-1"} }, "Regions", "twice"},
		{"regions beside issuer", func(c *c) {
			c.Regions, c.Issuer = []string{"eu-west-1"}, "https://issuer-cognito-idp.eu-west-2.amazonaws.com/eu-west-2_tMeCEUTj8"
		}, "Regions", "Issuer"},
		{"issuer", func(c *c) { c.Issuer = "https://issuer-cognito-idp.eu-west-2.amazonaws.com/eu-west-2_tMeCEUTj8" }, "", ""},
		{"issuer over http", func(c *c) { c.Issuer = "http://idp.example.com/p" }, "Issuer", "https"},
		{"issuer with a slash", func(c *c) { c.Issuer = "https://idp.example.com/p/" }, "Issuer", "slash"},
		{"issuer with a query", func(c *c) { c.Issuer = "https://idp.example.com/p?x" }, "Issuer", "query"},
		{"issuer without scheme", func(c *c) { c.Issuer = "idp.example.com/p" }, "Issuer", "absolute"},

		{"scopes", func(c *c) { c.Scopes = []string{"openid", "https://api.example.com/read"} }, "", ""},
		{"scopes without openid", func(c *c) { c.Scopes = []string{"email"} }, "Scopes", `add "openid"`},
		{"scopes in one string", func(c *c) { c.Scopes = []string{"openid", "email profile"} }, "Scopes", "separate"},
		{"scope with a quote", func(c *c) { c.Scopes = []string{"openid", `a"b`} }, "Scopes", "one scope"},
		{"empty scope", func(c *c) { c.Scopes = []string{"openid", ""} }, "Scopes", "one scope"},
		{"scope twice", func(c *c) { c.Scopes = []string{"openid", "email", "email"} }, "Scopes", "twice"},

		{"BaseURL", func(c *c) { c.BaseURL = "https://app.example.com" }, "", ""},
		{"BaseURL with port and prefix", func(c *c) { c.BaseURL = "https://app.example.com:8443/shop/v2" }, "", ""},
		{"BaseURL with an international name", func(c *c) { c.BaseURL = "https://b\u00fccher.example" }, "BaseURL", "xn--"},
		{"BaseURL with the name as browsers send it", func(c *c) { c.BaseURL = "https://xn--bcher-kva.example" }, "", ""},
		{"BaseURL with an address", func(c *c) { c.BaseURL = "https://[2001:db8::1]:8443" }, "", ""},
		{"BaseURL with a colon and no port", func(c *c) { c.BaseURL = "https://app.example.com:" }, "BaseURL", "port"},
		{"BaseURL with a port too large", func(c *c) { c.BaseURL = "https://app.example.com:65536" }, "BaseURL", "port"},
		{"BaseURL with port 0", func(c *c) { c.BaseURL = "https://app.example.com:0" }, "BaseURL", "port"},
		{"BaseURL with a delimiter in its name", func(c *c) { c.BaseURL = "https://exa;mple.com" }, "BaseURL", "host of letters"},
		{"BaseURL over http", func(c *c) { c.BaseURL = "http://app.example.com" }, "BaseURL", "https"},
		{"BaseURL over http on this machine", func(c *c) { c.BaseURL = "http://localhost:8021" }, "", ""},
		{"BaseURL over http on this machine, in capitals", func(c *c) { c.BaseURL = "http://LOCALHOST:8021" }, "", ""},
		{"BaseURL without scheme", func(c *c) { c.BaseURL = "app.example.com" }, "BaseURL", "absolute"},
		{"BaseURL with a slash", func(c *c) { c.BaseURL = "https://app.example.com/" }, "BaseURL", "remove the slash"},
		{"BaseURL with prefix and slash", func(c *c) { c.BaseURL = "https://app.example.com/shop/" }, "BaseURL", "remove the slash"},
		{"BaseURL with a query", func(c *c) { c.BaseURL = "https://app.example.com?a=b" }, "BaseURL", "query"},
		{"BaseURL with a fragment", func(c *c) { c.BaseURL = "https://app.example.com#a" }, "BaseURL", "fragment"},
		{"BaseURL with credentials", func(c *c) { c.BaseURL = "https://u@app.example.com" }, "BaseURL", "credentials"},
		{"BaseURL with an empty segment", func(c *c) { c.BaseURL = "https://app.example.com//shop" }, "BaseURL", "plain path"},
		{"BaseURL with an escape", func(c *c) { c.BaseURL = "https://app.example.com/%73hop" }, "BaseURL", "plain path"},
		{"BaseURL with a dot segment", func(c *c) { c.BaseURL = "https://app.example.com/shop/.." }, "BaseURL", "plain path"},
		{"BaseURL with a test pool", func(c *c) { c.BaseURL, c.UserPoolDomain = "https://app.example.com", "http://127.0.0.1:9000" }, "BaseURL", "test pool"},

		{"paths", func(c *c) { c.LoginPath, c.RedirectPath, c.LogoutPath, c.RefreshPath = "/a", "/b/c", "/d.e", "/~f_g-h" }, "", ""},
		{"LoginPath without a slash", func(c *c) { c.LoginPath = "login" }, "LoginPath", "absolute path"},
		{"LoginPath with a pattern", func(c *c) { c.LoginPath = "/:login" }, "LoginPath", "pattern"},
		{"LoginPath with a query", func(c *c) { c.LoginPath = "/login?a=b" }, "LoginPath", "query"},
		{"RedirectPath with a slash behind", func(c *c) { c.RedirectPath = "/callback/" }, "RedirectPath", "trailing slash"},
		{"RedirectPath with an origin", func(c *c) { c.RedirectPath = "https://app.example.com/callback" }, "RedirectPath", "absolute path"},
		{"RedirectPath on another host", func(c *c) { c.RedirectPath = "//evil.example.com" }, "RedirectPath", "absolute path"},
		{"LogoutPath with a dot segment", func(c *c) { c.LogoutPath = "/a/../logout" }, "LogoutPath", "plain segments"},
		{"LogoutPath with a line break", func(c *c) { c.LogoutPath = "/logout\n" }, "LogoutPath", "absolute path"},
		{"RefreshPath with a wildcard", func(c *c) { c.RefreshPath = "/*" }, "RefreshPath", "pattern"},
		{"two routes on one path", func(c *c) { c.LogoutPath = "/login" }, "LogoutPath", "LoginPath"},
		{"a default path taken", func(c *c) { c.LoginPath = "/logout" }, "LogoutPath", "LoginPath"},

		{"UserPath", func(c *c) { c.UserPath = "/api/user" }, "", ""},
		{"UserPath without a slash", func(c *c) { c.UserPath = "me" }, "UserPath", "absolute path"},
		{"UserPath on another's path", func(c *c) { c.UserPath = "/login" }, "UserPath", "LoginPath"},
		{"another's path on the script of UserPath", func(c *c) { c.UserPath, c.LogoutPath = "/me", "/me.js" }, "LogoutPath", "script that is served next to UserPath"},
		{"AfterLogin to the script", func(c *c) { c.UserPath, c.AfterLogin = "/me", "/me.js" }, "AfterLogin", "UserPath"},
		{"AfterLogin to the user", func(c *c) { c.UserPath, c.AfterLogin = "/me", "/me" }, "AfterLogin", "UserPath"},

		{"AfterLogin", func(c *c) { c.AfterLogin = "/welcome?first=1" }, "", ""},
		{"AfterLogin elsewhere", func(c *c) { c.AfterLogin = "https://evil.example.com/" }, "AfterLogin", "path of this app"},
		{"AfterLogin elsewhere without scheme", func(c *c) { c.AfterLogin = "//evil.example.com/" }, "AfterLogin", "path of this app"},
		{"AfterLogin with a backslash", func(c *c) { c.AfterLogin = `/\evil.example.com/` }, "AfterLogin", "path of this app"},
		{"AfterLogin without a slash", func(c *c) { c.AfterLogin = "welcome" }, "AfterLogin", "path of this app"},
		{"AfterLogin to the login", func(c *c) { c.AfterLogin = "/login?again" }, "AfterLogin", "LoginPath"},
		{"AfterLogout with a fragment", func(c *c) { c.AfterLogout = "/bye#now" }, "AfterLogout", "path of this app"},
		{"AfterLogout to the logout", func(c *c) { c.AfterLogout = "/logout" }, "AfterLogout", "LogoutPath"},

		{"origins", func(c *c) { c.AllowedOrigins = []string{"https://admin.example.com", "http://localhost:3000"} }, "", ""},
		{"origin with a path", func(c *c) { c.AllowedOrigins = []string{"https://admin.example.com/x"} }, "AllowedOrigins", "no path"},
		{"origin with a slash", func(c *c) { c.AllowedOrigins = []string{"https://admin.example.com/"} }, "AllowedOrigins", "use https://admin.example.com"},
		{"origin with its default port", func(c *c) { c.AllowedOrigins = []string{"https://admin.example.com:443"} }, "AllowedOrigins", "use https://admin.example.com"},
		{"origin in capitals", func(c *c) { c.AllowedOrigins = []string{"https://Admin.example.com"} }, "AllowedOrigins", "use https://admin.example.com"},
		{"origin over http", func(c *c) { c.AllowedOrigins = []string{"http://admin.example.com"} }, "AllowedOrigins", "https"},
		{"origin wildcard", func(c *c) { c.AllowedOrigins = []string{"*"} }, "AllowedOrigins", "absolute"},

		{"CookieName", func(c *c) { c.CookieName = "my_app-1" }, "", ""},
		{"CookieName with a prefix", func(c *c) { c.CookieName = "__Host-app" }, "CookieName", "prefix"},
		{"CookieName with another prefix", func(c *c) { c.CookieName = "__Secure-app" }, "CookieName", "prefix"},
		{"CookieName of a login in progress", func(c *c) { c.CookieName = "cognito_login_0" }, "CookieName", "logins in progress"},
		{"CookieName of which the second part is one", func(c *c) { c.CookieName = "cognito_login" }, "CookieName", "another name"},
		{"CookieName with a semicolon", func(c *c) { c.CookieName = "a;b" }, "CookieName", "letters"},
		{"CookieName with an equals sign", func(c *c) { c.CookieName = "a=b" }, "CookieName", "letters"},
		{"SameSite", func(c *c) { c.SameSite = "Lax" }, "", ""},
		{"SameSite None", func(c *c) { c.SameSite, c.BaseURL = "None", "https://app.example.com" }, "", ""},
		{"SameSite None on plain http", func(c *c) { c.SameSite, c.BaseURL = "None", "http://localhost:3000" }, "SameSite", "https"},
		{"SameSite None without a BaseURL", func(c *c) { c.SameSite, c.BaseURL = "None", "" }, "SameSite", "https"},
		{"SameSite Strict", func(c *c) { c.SameSite = "Strict" }, "SameSite", "no login could be completed"},
		{"SameSite in other letters", func(c *c) { c.SameSite = "none" }, "SameSite", `"Lax" or "None"`},
		{"CookieName of 65 characters", func(c *c) { c.CookieName = strings.Repeat("a", 65) }, "CookieName", "64"},

		{"timeouts", lab.Timeouts(time.Second, time.Second), "", ""},
		{"IdleTimeout in milliseconds", func(c *c) { c.IdleTimeout = 999 * time.Millisecond }, "IdleTimeout", "1s"},
		{"IdleTimeout without a unit", func(c *c) { c.IdleTimeout = 3600 }, "IdleTimeout", "time.Hour"},
		{"IdleTimeout below zero", func(c *c) { c.IdleTimeout = -time.Hour }, "IdleTimeout", "1s"},
		{"IdleTimeout beyond AbsoluteTimeout", lab.Timeouts(2*time.Hour, time.Hour), "IdleTimeout", "AbsoluteTimeout"},
		{"AbsoluteTimeout alone, short", lab.Timeouts(0, time.Hour), "", ""},
		{"AbsoluteTimeout without a unit", lab.Timeouts(0, 3600), "AbsoluteTimeout", "time.Hour"},
		{"AbsoluteTimeout below zero", lab.Timeouts(0, -time.Hour), "AbsoluteTimeout", "1s"},
		{"AbsoluteTimeout of 400 days", lab.Timeouts(0, 400*24*time.Hour), "", ""},
		{"AbsoluteTimeout beyond 400 days", lab.Timeouts(0, 400*24*time.Hour+time.Second), "AbsoluteTimeout", "400 days"},

		{"bearer", func(c *c) {
			c.Bearer, c.BearerClientIDs, c.Audience = true, []string{"machine"}, "https://api.example.com"
		}, "", ""},
		{"clients without bearer", func(c *c) { c.BearerClientIDs = []string{"machine"} }, "Bearer", "must be true"},
		{"audience without bearer", func(c *c) { c.Audience = "https://api.example.com" }, "Bearer", "must be true"},
		{"every client", func(c *c) { c.Bearer, c.BearerClientIDs, c.Audience = true, []string{"*"}, "https://api.example.com" }, "", ""},
		{"every client without an audience", func(c *c) { c.Bearer, c.BearerClientIDs = true, []string{"*"} }, "BearerClientIDs", "Audience must be set"},
		{"every client and another", func(c *c) {
			c.Bearer, c.BearerClientIDs, c.Audience = true, []string{"*", "machine"}, "https://api.example.com"
		}, "BearerClientIDs", "nothing beside"},
		{"client of a bearer", func(c *c) { c.Bearer, c.BearerClientIDs = true, []string{"a b"} }, "BearerClientIDs", "letters"},

		{"HTTPClient", func(c *c) { c.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{}}} }, "", ""},
		{"HTTPClient without a transport", func(c *c) { c.HTTPClient = &http.Client{} }, "", ""},
		{"HTTPClient that trusts everybody", func(c *c) {
			c.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		}, "HTTPClient", "certificates"},
	} {
		t.Run(row.name, func(t *testing.T) {
			config := goodConfig()
			row.spoil(&config)
			var want []string
			if row.field != "" {
				want = []string{row.field}
			}
			err := config.Validate()
			if got := fieldsOf(t, err); !slices.Equal(got, want) {
				t.Errorf("Validate() finds problems in %q, want %q: %v", got, want, err)
			}
			if err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("Validate() = %v, want it to say %q", err, row.says)
			}
		})
	}
}

// TestConfigSecureByItsScheme: schemes are written in any case, and what is
// https must not get cookies as for http.
func TestConfigSecureByItsScheme(t *testing.T) {
	t.Parallel()
	for _, scheme := range []string{"https", "HTTPS", "Https"} {
		pool := cognitotest.New(cognitotest.Options{})
		t.Cleanup(pool.Close)
		config := pool.Config()
		config.BaseURL = scheme + "://localhost:8443"
		if config.Validate() != nil {
			continue // refused is as good
		}
		s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.BaseURL = config.BaseURL })
		pool.AllowOrigin(config.BaseURL)
		cookie := s.Send(lab.Request{Path: "/login"}).Cookie(lab.IsLoginCookie)
		if cookie == nil || !cookie.Secure || !strings.HasPrefix(cookie.Name, "__Host-") {
			t.Errorf("with BaseURL %s:// the cookie is %v, want it Secure and __Host-", scheme, cookie)
		}
	}
}

// TestConfigProblemsAllAtOnce: a newcomer mends everything in one go.
func TestConfigProblemsAllAtOnce(t *testing.T) {
	t.Parallel()
	config := cognito.Config{
		UserPoolDomain: "https://cognito-idp.eu-west-2.amazonaws.com", UserPoolID: "tMeCEUTj8", ClientSecret: "top secret \n",
		Issuer: "x", Scopes: []string{"email", "a b"}, BaseURL: "app", LoginPath: "login", LogoutPath: "/token/refresh",
		AfterLogin: "//x", AllowedOrigins: []string{"*", "x"}, CookieName: "__x", IdleTimeout: 1, AbsoluteTimeout: 1, Audience: "x",
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	}
	want := []string{
		"UserPoolDomain", "ClientID", "UserPoolID", "ClientSecret", "Issuer", "Scopes", "Scopes", "BaseURL", "LoginPath", "RefreshPath",
		"AfterLogin", "AllowedOrigins", "AllowedOrigins", "CookieName", "IdleTimeout", "AbsoluteTimeout", "Bearer", "HTTPClient",
	}
	before := config
	err := config.Validate()
	if got := fieldsOf(t, err); !slices.Equal(got, want) {
		t.Errorf("Validate() finds problems in\n%q, want\n%q", got, want)
	}
	if strings.Contains(err.Error(), "top secret") {
		t.Error("the error tells the client secret")
	}
	if got := fieldsOf(t, cognito.Config{}.Validate()); !slices.Equal(got, []string{"UserPoolDomain", "ClientID", "UserPoolID"}) {
		t.Errorf("an empty config has problems in %q, want the three required fields", got)
	}
	if !reflect.DeepEqual(config, before) {
		t.Error("Validate changed the config")
	}
}

// TestNewPanics: New panics with exactly the error of Validate, and NewAuth
// returns it.
func TestNewPanics(t *testing.T) {
	t.Parallel()
	config := goodConfig()
	config.UserPoolID, config.BaseURL = "nonsense", "nonsense"
	want := config.Validate()
	_, err := cognito.NewAuth(config)
	if !reflect.DeepEqual(err, want) {
		t.Errorf("NewAuth() = %v, want %v", err, want)
	}
	defer func() {
		if got := recover(); !reflect.DeepEqual(got, want) {
			t.Errorf("New panicked with %v, want %v", got, want)
		}
	}()
	cognito.New(config)
	t.Error("New accepted the config")
}

// TestConfigIsCopied: what the caller does with the config afterwards is
// nobody else's business.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	var config cognito.Config
	s := lab.Serve(t, func(c *cognito.Config) {
		c.Scopes, c.AllowedOrigins = []string{"openid", "email"}, []string{"https://admin.example.com"}
		config = *c
	})
	config.Scopes[0], config.AllowedOrigins[0], config.ClientID = "evil", "https://evil.example.com", "evil"
	authorize := s.Send(lab.Request{Path: "/login"}).Target().Query()
	if authorize.Get("scope") != "openid email" || authorize.Get("client_id") == "evil" {
		t.Errorf("the login asks for %v", authorize)
	}
	alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
	for origin, status := range map[string]int{"https://admin.example.com": 200, "https://evil.example.com": 403} {
		res := s.Send(lab.Request{Path: "/me", Method: http.MethodPost, Cookies: []*http.Cookie{alice}, Header: map[string]string{"Origin": origin}})
		s.MustAnswer(res, status)
	}
}

// TestConstructionIsOffline: an app starts while Cognito is down, and makes no
// call before a visitor needs one.
func TestConstructionIsOffline(t *testing.T) {
	t.Parallel()
	dialed := 0
	config := goodConfig()
	config.HTTPClient = &http.Client{Transport: lab.RoundTripper(func(*http.Request) (*http.Response, error) {
		dialed++
		return nil, lab.ErrDown
	})}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := auth.Close(); err != nil {
		t.Error(err)
	}
	if dialed > 0 {
		t.Errorf("%d calls were made at construction", dialed)
	}
	s := lab.Serve(t)
	s.Send(lab.Request{Path: "/public"})
	s.Send(lab.Request{Path: "/me"})
	s.Send(lab.Request{Path: "/login"})
	for _, endpoint := range []cognitotest.Endpoint{cognitotest.Discovery, cognitotest.JWKS, cognitotest.Token} {
		if calls := s.Pool.Calls(endpoint); calls > 0 {
			t.Errorf("%d calls of %s before anybody logged in", calls, endpoint)
		}
	}
	s.MustBe("alice", s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie))
}

// TestNewcomersMistakes are ten things that go wrong at the first try. Each is
// answered with what to change: at construction, on the page that the newcomer
// is looking at, or in the log.
func TestNewcomersMistakes(t *testing.T) {
	t.Parallel()
	logIn := func(s *lab.Site) (page string) {
		v := s.Visitor()
		landed := v.Login(s.URL+"/login", "alice", lab.PasswordOf("alice"))
		return landed.Body + s.Logged.String()
	}
	invalid := func(spoil func(*cognito.Config)) func(*testing.T) string {
		return func(*testing.T) string {
			config := goodConfig()
			spoil(&config)
			return fmt.Sprint(config.Validate())
		}
	}
	for _, row := range []struct {
		name string
		try  func(*testing.T) string
		says []string
	}{
		{"region missing from the pool id", invalid(func(c *cognito.Config) { c.UserPoolID = "tMeCEUTj8" }), []string{"UserPoolID", "region", "eu-west-2_AbCdEfGhI"}},
		{"issuer for the domain", invalid(func(c *cognito.Config) { c.UserPoolDomain = "https://cognito-idp.eu-west-2.amazonaws.com" }), []string{"UserPoolDomain", "no login pages", "Domain"}},
		{"prefix for the domain", invalid(func(c *cognito.Config) { c.UserPoolDomain = "my-app" }), []string{"UserPoolDomain", "use my-app.auth.eu-west-2.amazoncognito.com"}},
		{"http BaseURL", invalid(func(c *cognito.Config) { c.BaseURL = "http://app.example.com" }), []string{"BaseURL", "must be https"}},
		{"scopes without openid", invalid(func(c *cognito.Config) { c.Scopes = []string{"email"} }), []string{"Scopes", `add "openid"`}},
		{"secret missing for a confidential client", func(t *testing.T) string {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			pool.SetClient(cognitotest.Client{ID: "confidential", Secret: lab.ClientSecret})
			return logIn(lab.ServeWith(t, pool, func(c *cognito.Config) { c.ClientID = "confidential" }))
		}, []string{"level=ERROR", "ClientSecret", "must send it"}},
		{"wrong secret", func(t *testing.T) string {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			pool.SetClient(cognitotest.Client{ID: "confidential", Secret: lab.ClientSecret})
			return logIn(lab.ServeWith(t, pool, func(c *cognito.Config) { c.ClientID, c.ClientSecret = "confidential", "wrong" }))
		}, []string{"level=ERROR", "check ClientID and ClientSecret"}},
		{"callback not registered", func(t *testing.T) string {
			return logIn(lab.Serve(t, func(c *cognito.Config) { c.RedirectPath = "/auth/callback" }))
		}, []string{"/auth/callback", "not registered", "exactly"}}, // the pool's page, as Cognito's
		{"wrong client id", func(t *testing.T) string {
			return logIn(lab.Serve(t, func(c *cognito.Config) { c.ClientID = "0wrong0" }))
		}, []string{"no app client with this ID", "0wrong0"}}, // the pool's page
		{"clock ten minutes slow", func(t *testing.T) string {
			return logIn(lab.Serve(t, skewed(-10*time.Minute)))
		}, []string{"ahead of this machine's clock", "set the clock (NTP)"}},
		{"clock two hours fast", func(t *testing.T) string {
			return logIn(lab.Serve(t, skewed(2*time.Hour)))
		}, []string{"token has expired", "by this machine's clock"}},
		{"storage down", func(t *testing.T) string {
			storage := lab.NewStore()
			storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
			return logIn(lab.Serve(t, lab.On(storage)))
		}, []string{"storage", lab.ErrDown.Error(), "Temporarily unavailable"}},
		{"Cognito unreachable", func(t *testing.T) string {
			closed := "127.0.0.1:" + freeport.Next()
			s := lab.Serve(t, func(c *cognito.Config) {
				c.HTTPClient = &http.Client{Transport: lab.RoundTripper(func(*http.Request) (*http.Response, error) {
					return http.Get("http://" + closed)
				})}
			})
			return logIn(s)
		}, []string{"token endpoint", "connection refused", "Temporarily unavailable"}},
		{"scope that the client may not ask for", func(t *testing.T) string {
			return logIn(lab.Serve(t, func(c *cognito.Config) { c.Scopes = []string{"openid", "billing"} }))
		}, []string{"level=WARN", "allow every scope of Scopes"}},
		{"public address without BaseURL", func(t *testing.T) string {
			s := lab.Serve(t)
			return s.Send(lab.Request{Path: "/login", Header: map[string]string{"Host": "app.example.com", "Accept": "text/html"}}).Text + s.Logged.String()
		}, []string{"level=ERROR", "set BaseURL to the app's public address", "Set BaseURL"}},
		{"proxy without BaseURL", func(t *testing.T) string {
			s := lab.Serve(t)
			return s.Send(lab.Request{Path: "/login", Header: map[string]string{"X-Forwarded-Host": "app.example.com"}}).Text + s.Logged.String()
		}, []string{"level=ERROR", "set BaseURL to the address that browsers use", "Set BaseURL"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			told := row.try(t)
			for _, hint := range row.says {
				if !strings.Contains(told, hint) {
					t.Errorf("nothing says %q in:\n%.3000s", hint, told)
				}
			}
		})
	}
}

// skewed sets the app's clock apart from the pool's.
func skewed(by time.Duration) func(*cognito.Config) {
	return func(c *cognito.Config) {
		right := c.Now
		c.Now = func() time.Time { return right().Add(by) }
	}
}
