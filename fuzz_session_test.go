package cognito

import (
	"bufio"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/secret"
)

func bufioReader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

// FuzzCookieHeader is row E3: whatever the header, what is read is what a plain
// split finds, and what net/http finds where the header is well formed.
func FuzzCookieHeader(f *testing.F) {
	for _, header := range cookieHeaders {
		f.Add(header, "N")
		f.Add(strings.ReplaceAll(header, "N", "cognito_a"), "cognito_a")
	}
	f.Fuzz(func(t *testing.T, header, name string) {
		if !cookieName.MatchString(name) || strings.ContainsAny(header, "\r\n\x00") {
			return
		}
		header = strings.Trim(header, " \t") // as every parser of headers does
		got, found := scanCookies([]byte(header), []byte(name))
		want, wanted := cookieOracle(name, header)
		if got != want || found != wanted {
			t.Errorf("Cookie: %q, name %q: %q, %t, want %q, %t", header, name, got, found, want, wanted)
		}
		if !wellFormed(header) {
			return
		}
		standard := (&http.Request{Header: http.Header{"Cookie": {header}}}).CookiesNamed(name)
		if found != (len(standard) == 1) || found && standard[0].Value != got {
			t.Errorf("Cookie: %q, name %q: %q, %t, net/http finds %v", header, name, got, found, standard)
		}
	})
}

// scanCookies is cookies.read for one header, without a request around it.
func scanCookies(header, name []byte) (value string, found bool) {
	count := 0
	for steps := len(header) + 2; len(header) > 0; steps-- {
		if steps == 0 {
			panic("nextCookie does not get ahead")
		}
		candidate, rest, ok := nextCookie(header, name)
		if ok {
			value = string(candidate)
			count++
		}
		header = rest
	}
	if count != 1 {
		return "", false
	}
	return value, true
}

// wellFormed reports whether a header is as RFC 6265 section 4.2.1 wants it.
func wellFormed(header string) bool {
	for _, pair := range strings.Split(header, "; ") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
		}) || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`",;\`, r) }) {
			return false
		}
	}
	return true
}

// FuzzTicket: whatever an attempt's cookie holds, reading it does not panic,
// and what is accepted is written in the one form that we write.
func FuzzTicket(f *testing.F) {
	key := strings.Repeat("A", 43)
	for _, value := range []string{"", "..", "1800000000.0." + key, "1.1." + key, "-1.0." + key, "1.-1." + key, "+1.0." + key, "01.00." + key, "1.0." + key + ".", "9223372036854775807.9223372036854775807." + key, "1.0." + strings.Repeat("*", 43), "a.b.c"} {
		f.Add(value)
	}
	a := &attempts{boundTo: secret.BindingOf("attempt", "pool and client"), now: time.Now}
	f.Fuzz(func(t *testing.T, value string) {
		parsed, ok := parseTicket("name", value)
		if !ok {
			return
		}
		if len(value) > 80 || parsed.again < 0 || len(parsed.secret) != 43 {
			t.Errorf("%q is taken for %+v", value, parsed.value())
		}
		if again, ok := parseTicket("name", parsed.value()); !ok || again != parsed {
			t.Errorf("%q is written as %q, which is not the same", value, parsed.value())
		}
		if ring, ok := a.ring(parsed); ok && ring.Name == (secret.Name{}) {
			t.Errorf("%q opens nothing", value)
		}
	})
}

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
	for _, address := range []string{auth.endpoints.Authorize, auth.endpoints.Token, auth.endpoints.UserInfo, auth.endpoints.Revoke, auth.endpoints.Logout, auth.endpoints.JWKS} {
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
	if secure := err == nil && callback.Scheme == "https"; secure != auth.cookies.secure || secure != strings.HasPrefix(string(auth.cookies.session), hostPrefix) {
		t.Errorf("BaseURL %q: cookies are Secure: %t, called %s", base, auth.cookies.secure, auth.cookies.session)
	}
	if err == nil && strings.TrimSuffix(callback.EscapedPath(), auth.config.RedirectPath) != auth.pathPrefix {
		t.Errorf("BaseURL %q: the prefix is %q", base, auth.pathPrefix)
	}
}
