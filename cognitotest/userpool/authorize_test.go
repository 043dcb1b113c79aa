package userpool_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestAuthorizeErrorsReachTheApplication checks which mistakes are reported to
// the redirect URI, and as what.
func TestAuthorizeErrorsReachTheApplication(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{Scopes: []string{"openid", "email", "api/read"}},
		userpool.Options{})
	honest := map[string]string{"scope": "openid email"}
	for _, tt := range []struct {
		name   string
		change map[string]string
		want   string
	}{
		{"no response type", map[string]string{"response_type": ""}, "invalid_request"},
		{"unknown response type", map[string]string{"response_type": "id_token"}, "invalid_request"},
		{"challenge without method", map[string]string{"code_challenge_method": ""}, "invalid_request"},
		{"method without challenge", map[string]string{"code_challenge": ""}, "invalid_request"},
		{"plain challenge", map[string]string{"code_challenge_method": "plain"}, "invalid_request"},
		{"padded challenge", map[string]string{"code_challenge": challenge + "="}, "invalid_request"},
		{"scope not of the client", map[string]string{"scope": "openid phone"}, "invalid_scope"},
		{"scope unknown", map[string]string{"scope": "openid offline_access"}, "invalid_scope"},
		{"email without openid", map[string]string{"scope": "email"}, "invalid_scope"},
		{"max_age no number", map[string]string{"max_age": "-1"}, "invalid_request"},
		{"resource over http", map[string]string{"resource": "http://api.example"}, "invalid_request"},
		{"silent without session", map[string]string{"prompt": "none"}, "login_required"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changes := map[string]string{}
			for _, more := range []map[string]string{honest, tt.change} {
				for name, value := range more {
					changes[name] = value
				}
			}
			a := p.get(p.authorizeURL(changes), "")
			where, q := splitLocation(t, a)
			if a.status != http.StatusFound || where != p.redirectURI() {
				t.Fatalf("got %d to %q, want 302 to the redirect URI", a.status, where)
			}
			if q.Get("error") != tt.want || q.Get("state") != "state-1" || q.Has("code") {
				t.Errorf("got %v, want error %s with the state", q, tt.want)
			}
		})
	}
	for _, scope := range []string{"openid email", "api/read", ""} {
		if where, _ := splitLocation(t, p.get(p.authorizeURL(map[string]string{"scope": scope}), "")); where != "/login" {
			t.Errorf("the honest request for scope %q went to %q, want /login", scope, where)
		}
	}
}

// TestAuthorizeNeverRedirectsToStrangers checks that what is not registered
// stays on the pool's own page.
func TestAuthorizeNeverRedirectsToStrangers(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	for _, tt := range []struct {
		name   string
		change map[string]string
		want   string
	}{
		{"no client", map[string]string{"client_id": ""}, "Required parameters missing"},
		{"unknown client", map[string]string{"client_id": "stranger"}, "unknown_client"},
		{"no redirect URI", map[string]string{"redirect_uri": ""}, "Required parameters missing"},
		{"other host", map[string]string{"redirect_uri": "https://evil.example/login/redirect"}, "redirect_mismatch"},
		{"trailing slash", map[string]string{"redirect_uri": p.redirectURI() + "/"}, "redirect_mismatch"},
		{"query added", map[string]string{"redirect_uri": p.redirectURI() + "?next=/"}, "redirect_mismatch"},
		{"other port", map[string]string{"redirect_uri": "http://127.0.0.1:1/login/redirect"}, "redirect_mismatch"},
		{"other case", map[string]string{"redirect_uri": p.origin + "/Login/redirect"}, "redirect_mismatch"},
	} {
		for _, path := range []string{"/oauth2/authorize", "/login"} {
			t.Run(tt.name+path, func(t *testing.T) {
				address := strings.Replace(p.authorizeURL(tt.change), "/oauth2/authorize", path, 1)
				a := p.get(address, "")
				where, q := splitLocation(t, a)
				if a.status != http.StatusFound || where != "/error" || q.Get("error") != tt.want ||
					q.Get("client_id") != p.clientIn(address) {
					t.Errorf("got %d to %q, want /error?error=%s", a.status, a.header.Get("Location"), tt.want)
				}
				page := p.get(p.pool.URL()+a.header.Get("Location"), "")
				if page.status != http.StatusBadRequest || !strings.Contains(page.body, "Something went wrong") {
					t.Errorf("got page %q, want the error page", page.body)
				}
			})
		}
	}
	if p.code(nil) == "" {
		t.Error("the honest request got no code")
	}
}

// TestAuthorizeRemembersTheVisitor checks the hour in which no page is shown.
func TestAuthorizeRemembersTheVisitor(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	if page := b.Get(p.authorizeURL(nil)); page.URL.Path != "/login" {
		t.Fatalf("a stranger ended at %s, want the login page", page.URL)
	}
	first := b.Login(p.authorizeURL(nil), "alice", "wonderland").URL.Query()
	if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(first.Get("code")) {
		t.Fatalf("code %q does not look like a UUID", first.Get("code"))
	}

	landsAt := func(what, want string, changes map[string]string) {
		t.Helper()
		page := b.Get(p.authorizeURL(changes))
		if page.URL.Path != want {
			t.Errorf("%s: ended at %s, want %s", what, page.URL, want)
		}
		if q := page.URL.Query(); want == "/login/redirect" &&
			(q.Get("code") == "" || q.Get("code") == first.Get("code") || q.Get("state") != "state-1") {
			t.Errorf("%s: came back with %v, want a new code and the state", what, q)
		}
	}
	landsAt("at once", "/login/redirect", nil)
	landsAt("silently", "/login/redirect", map[string]string{"prompt": "none"})
	landsAt("choosing an account", "/login/redirect", map[string]string{"prompt": "select_account"})
	landsAt("with COGNITO", "/login/redirect", map[string]string{"identity_provider": "COGNITO"})
	landsAt("asking for the password", "/login", map[string]string{"prompt": "login consent"})

	p.pool.Advance(59 * time.Minute)
	landsAt("after 59 minutes", "/login/redirect", nil)
	landsAt("after 59 minutes, at most an hour old", "/login/redirect", map[string]string{"max_age": "3600"})
	landsAt("after 59 minutes, at most a minute old", "/login", map[string]string{"max_age": "60"})
	p.pool.Advance(time.Minute)
	landsAt("after an hour, though used in between", "/login", nil)

	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	landsAt("after signing in again", "/login/redirect", nil)
	p.pool.SetUser(userpool.User{Username: "alice", Password: "wonderland", Disabled: true})
	landsAt("disabled", "/login", nil)
}

// TestClassicHostedUIIgnoresPrompt checks that the older pages do not know it.
func TestClassicHostedUIIgnoresPrompt(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{ClassicHostedUI: true})
	b := p.pool.NewBrowser()
	if page := b.Get(p.authorizeURL(map[string]string{"prompt": "none"})); page.URL.Path != "/login" {
		t.Errorf("prompt=none ended at %s, want the login page", page.URL)
	}
	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	if page := b.Get(p.authorizeURL(map[string]string{"prompt": "login"})); page.URL.Path != "/login/redirect" {
		t.Errorf("prompt=login ended at %s, want the application", page.URL)
	}
}

// TestMethods checks that every endpoint refuses the methods it does not have,
// without doing its work.
func TestMethods(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	for path, allow := range map[string]string{
		"/oauth2/authorize": "GET", "/oauth2/token": "POST", "/oauth2/userInfo": "GET",
		"/oauth2/revoke": "POST", "/logout": "GET", "/login": "GET, POST",
	} {
		r, err := http.NewRequest(http.MethodPut, p.pool.URL()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := p.do(r)
		if a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != allow {
			t.Errorf("PUT %s: got %d, Allow %q, want 405, %q", path, a.status, a.header.Get("Allow"), allow)
		}
	}
}

// clientIn is the client that an address names.
func (p *party) clientIn(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Query().Get("client_id")
}

// TestCORS (FACTS.md §0): scripts of other origins may use what they call, with any
// header, and nothing that a visitor sees.
func TestCORS(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	for path, open := range map[string]bool{
		"/oauth2/token": true, "/oauth2/revoke": true, "/oauth2/userInfo": true,
		"/us-east-1_TestPool1/.well-known/jwks.json": true, "/us-east-1_TestPool1/.well-known/openid-configuration": true,
		"/oauth2/authorize": false, "/login": false, "/logout": false, "/error": false,
	} {
		got := p.get(p.pool.URL()+path, "").header.Get("Access-Control-Allow-Origin")
		if (got == "*") != open {
			t.Errorf("%s: Access-Control-Allow-Origin %q, open should be %t", path, got, open)
		}
	}
	r, err := http.NewRequest(http.MethodOptions, p.pool.URL()+"/oauth2/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Access-Control-Request-Headers", "x-amz-user-agent,content-type")
	before := p.pool.Calls(userpool.Token)
	if a := p.do(r); a.status != http.StatusNoContent || p.pool.Calls(userpool.Token) != before {
		t.Errorf("a preflight got %d or was counted, want an uncounted 204", a.status)
	} else if a.header.Get("Access-Control-Allow-Headers") != "x-amz-user-agent,content-type" ||
		a.header.Get("Access-Control-Allow-Methods") != "POST" || a.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("a preflight is allowed %v", a.header)
	}
}

// splitLocation returns where an answer redirects to, and with what query.
func splitLocation(t *testing.T, a answer) (where string, q url.Values) {
	t.Helper()
	where, query, _ := strings.Cut(a.header.Get("Location"), "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		t.Fatalf("Location %q: %v", a.header.Get("Location"), err)
	}
	return where, q
}
