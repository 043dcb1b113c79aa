package userpool_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestLogout (FACTS.md §6) checks both forms, and that only an honest one ends the
// session.
func TestLogout(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{LogoutURLs: []string{"https://app.example/bye?x=1"}},
		userpool.Options{})
	address := func(parameters ...string) string {
		q := url.Values{}
		for i := 0; i < len(parameters); i += 2 {
			q.Set(parameters[i], parameters[i+1])
		}
		return p.pool.URL() + "/logout?" + q.Encode()
	}
	b := p.pool.NewBrowser()
	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	for name, bad := range map[string]string{
		"no client":              address("logout_uri", p.origin+"/"),
		"unknown client":         address("client_id", "stranger", "logout_uri", p.origin+"/"),
		"nowhere to go":          address("client_id", "client1"),
		"unregistered":           address("client_id", "client1", "logout_uri", "https://evil.example/"),
		"no trailing slash":      address("client_id", "client1", "logout_uri", p.origin),
		"OpenID Connect's":       address("client_id", "client1", "post_logout_redirect_uri", p.origin+"/"),
		"unregistered callback":  address("client_id", "client1", "redirect_uri", p.origin+"/", "response_type", "code"),
		"no response type":       address("client_id", "client1", "redirect_uri", p.redirectURI()),
		"bad one wins over good": address("client_id", "client1", "logout_uri", "https://evil.example/", "redirect_uri", p.redirectURI(), "response_type", "code"),
	} {
		page := b.Get(bad)
		if page.Status != http.StatusBadRequest || page.URL.Path != "/error" ||
			!strings.Contains(page.Body, "Something went wrong") {
			t.Errorf("%s: got %d at %s, want the pool's error page", name, page.Status, page.URL)
		}
	}
	if page := b.Get(p.authorizeURL(nil)); page.Body != "landed" {
		t.Fatalf("refused logouts have ended the session: at %s", page.URL)
	}

	a := p.get(address("client_id", "client1", "logout_uri", "https://app.example/bye?x=1", "state", "s"), "")
	if a.status != http.StatusFound || a.header.Get("Location") != "https://app.example/bye?x=1" {
		t.Errorf("got %d to %q, want 302 to the URL as registered", a.status, a.header.Get("Location"))
	}

	// Another client's sign-in page will do, if it is a callback URL of this one.
	a = p.get(address("client_id", "client1", "logout_uri", p.redirectURI()), "")
	if a.status != http.StatusFound || a.header.Get("Location") != p.redirectURI() {
		t.Errorf("got %d to %q, want 302 to the callback URL", a.status, a.header.Get("Location"))
	}
	// With both, logout_uri wins.
	a = p.get(address("client_id", "client1", "logout_uri", p.origin+"/", "redirect_uri", p.redirectURI(), "response_type", "code"), "")
	if a.header.Get("Location") != p.origin+"/" {
		t.Errorf("with both addresses: to %q, want logout_uri", a.header.Get("Location"))
	}

	// A copy of the cookie must not outlive the logout.
	stolen := b.Cookies(p.pool.URL())
	if page := b.Get(address("client_id", "client1", "logout_uri", p.origin+"/")); page.URL.String() != p.origin+"/" {
		t.Errorf("logged out to %s, want the application", page.URL)
	}
	if page := b.Get(p.authorizeURL(nil)); page.URL.Path != "/login" {
		t.Errorf("after logout: at %s, want the login page", page.URL)
	}
	r, err := http.NewRequest(http.MethodGet, p.authorizeURL(nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range stolen {
		r.AddCookie(cookie)
	}
	if where, _ := splitLocation(t, p.do(r)); where != "/login" {
		t.Errorf("with the old cookie: to %q, want the login page", where)
	}
}

// TestLogoutToLogin checks the second form: straight to the login page, and from
// there to the application with what was asked for.
func TestLogoutToLogin(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	page := b.Login(p.pool.URL()+"/logout?"+url.Values{
		"client_id": {"client1"}, "redirect_uri": {p.redirectURI()}, "response_type": {"code"},
		"state": {"after"}, "scope": {"openid"}, "nonce": {"n"},
	}.Encode(), "bob", "builder")
	if q := page.URL.Query(); page.Body != "landed" || q.Get("state") != "after" || q.Get("code") == "" {
		t.Errorf("ended at %s, want the application with a code and the state", page.URL)
	}
	form := p.codeForm(page.URL.Query().Get("code"))
	form.Del("code_verifier")
	a := p.post("/oauth2/token", form)
	a.wantOK(t)
	_, id := decode(t, a.members["id_token"])
	_, access := decode(t, a.members["access_token"])
	if id["nonce"] != "n" || access["scope"] != "openid" {
		t.Errorf("the tokens say nonce %v, scope %v, want those of the logout", id["nonce"], access["scope"])
	}
}
