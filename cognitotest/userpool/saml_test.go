package userpool_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestSingleLogout: /logout of a visitor from SAML goes on to the provider, which forgets
// them and posts them back; the session ends there, whatever cookies the form brings.
func TestSingleLogout(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	b.LoginAt("ADFS", p.authorizeURL(at("ADFS")), "123", "lutwidge")
	session := sessionOf(b, p.pool.URL())
	page := b.Get(p.logoutURL())
	trail := strings.Join(page.Trail, " ")
	if page.Body != "landed" || page.URL.Path != "/" || !strings.Contains(trail, "/providers/ADFS/logout?") || p.pool.Calls(userpool.SAMLLogout) != 1 {
		t.Errorf("the logout went by %v", page.Trail)
	}
	if sessionOf(b, p.pool.URL()) != "" {
		t.Error("the browser keeps the pool's cookie")
	}
	copied, _ := http.NewRequest(http.MethodGet, p.authorizeURL(nil), nil)
	copied.AddCookie(&http.Cookie{Name: "cognito", Value: session})
	if where, _ := splitLocation(t, p.do(copied)); where != "/login" {
		t.Errorf("a copied cookie still leads to %s", where)
	}
	if page := b.Get(p.authorizeURL(at("ADFS"))); page.URL.Path != "/providers/ADFS" || page.Status != http.StatusOK {
		t.Errorf("the provider still knows the visitor: %s", page.URL)
	}
	if page := b.Post(p.pool.URL()+"/saml2/logout", url.Values{"RelayState": {"guessed"}}); page.Status != http.StatusBadRequest {
		t.Errorf("a forged answer ends at %s with %d", page.URL, page.Status)
	}
	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	if page := b.Get(p.logoutURL()); page.Body != "landed" || p.pool.Calls(userpool.SAMLLogout) != 2 {
		t.Errorf("alice's logout went by %v", page.Trail)
	}
}

// TestSingleLogoutForm: the form that ends the session comes from another site and may
// bring no cookie; it works once, for five minutes, and for the logout that it answers.
func TestSingleLogoutForm(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	// leave is a visitor on the way out, who has not come back from the provider.
	leave := func() (session string, form url.Values) {
		b := p.pool.NewBrowser()
		b.LoginAt("ADFS", p.authorizeURL(at("ADFS")), "123", "lutwidge")
		p.pool.Break(userpool.SAMLLogout, userpool.Fault{Times: 1, Status: http.StatusTeapot})
		b.Get(p.logoutURL())
		sent := p.pool.Requests(userpool.SAMLLogout)
		return sessionOf(b, p.pool.URL()), sent[len(sent)-1].Form
	}
	alive := func(session string) bool {
		r, _ := http.NewRequest(http.MethodGet, p.authorizeURL(nil), nil)
		r.AddCookie(&http.Cookie{Name: "cognito", Value: session})
		where, _ := splitLocation(t, p.do(r))
		return where == p.redirectURI()
	}
	session, form := leave()
	_, other := leave()
	mixed := url.Values{"RelayState": form["RelayState"], "SAMLResponse": other["SAMLResponse"]}
	if a := p.post("/saml2/logout", mixed); a.status != http.StatusBadRequest || !alive(session) {
		t.Errorf("the answer to another logout: %d", a.status)
	}
	if a := p.get(p.pool.URL()+"/providers/Google/logout?RelayState="+url.QueryEscape(other.Get("RelayState")), ""); a.status != http.StatusBadRequest {
		t.Errorf("another provider answers: %d", a.status)
	}
	session, form = leave()
	if !alive(session) {
		t.Error("the session ends before the provider's")
	}
	if a := p.post("/saml2/logout", form); a.header.Get("Location") != p.origin+"/" || alive(session) {
		t.Errorf("the form without a cookie: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := p.post("/saml2/logout", form); a.status != http.StatusBadRequest {
		t.Errorf("the form twice: %d", a.status)
	}
	session, form = leave()
	p.pool.Advance(5 * time.Minute)
	if a := p.post("/saml2/logout", form); a.status != http.StatusBadRequest || !alive(session) {
		t.Errorf("the form too late: %d", a.status)
	}
}

func sessionOf(b *userpool.Browser, address string) string {
	for _, cookie := range b.Cookies(address) {
		if cookie.Name == "cognito" {
			return cookie.Value
		}
	}
	return ""
}

// TestLoginThatTheProviderBegan: a SAML provider may send a visitor who was never at the
// application, which gets a code without a state, if the pool accepts that.
func TestLoginThatTheProviderBegan(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{CallbackURLs: []string{"http://localhost:1/callback"}}, userpool.Options{})
	start := p.pool.URL() + "/providers/ADFS?redirect_uri=" + url.QueryEscape(p.redirectURI())
	page := p.pool.NewBrowser().LoginAt("ADFS", start, "123", "lutwidge")
	if q := page.URL.Query(); page.Body != "landed" || q.Get("code") == "" || q.Has("state") {
		t.Errorf("the provider's login ends at %s", page.URL)
	}
	foreign := p.pool.NewBrowser().LoginAt("ADFS", p.pool.URL()+"/providers/ADFS?redirect_uri=https://evil.example/", "123", "lutwidge")
	if foreign.URL.Path != "/error" {
		t.Errorf("a stranger's redirect URI ends at %s", foreign.URL)
	}
	q := url.Values{"redirect_uri": {p.redirectURI()}, "SAMLRequest": {"x"}, "RelayState": {"stale"}}
	if page := p.pool.NewBrowser().Get(p.pool.URL() + "/providers/ADFS?" + q.Encode()); page.Status != http.StatusBadRequest {
		t.Errorf("a stale request of the pool's becomes the provider's own: %d %s", page.Status, page.URL)
	}
	quiet := adfs
	quiet.Unsolicited = false
	p.pool.SetProvider(quiet)
	for _, name := range []string{"ADFS", "Google", "Nobody"} {
		if page := p.pool.NewBrowser().Get(p.pool.URL() + "/providers/" + name); page.Status != http.StatusBadRequest {
			t.Errorf("%s begins a login: %d %s", name, page.Status, page.URL)
		}
	}
}

// TestAssertionReplay: what a SAML provider says on its own works once and for five minutes.
func TestAssertionReplay(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	start := p.pool.URL() + "/providers/ADFS?redirect_uri=" + url.QueryEscape(p.redirectURI())
	said := func() url.Values {
		p.pool.NewBrowser().LoginAt("ADFS", start, "123", "lutwidge")
		sent := p.pool.Requests(userpool.SAMLResponse)
		return sent[len(sent)-1].Form
	}
	replay := func(form url.Values) *userpool.Page {
		return p.pool.NewBrowser().Post(p.pool.URL()+"/saml2/idpresponse", form)
	}
	if page := replay(said()); page.URL.Query().Has("code") || page.Status != http.StatusBadRequest {
		t.Errorf("an assertion twice ends at %s", page.URL)
	}
	p.pool.Break(userpool.SAMLResponse, userpool.Fault{Times: 2, Status: http.StatusTeapot})
	late, fresh := said(), said()
	if page := replay(fresh); !page.URL.Query().Has("code") {
		t.Errorf("a fresh assertion ends at %s", page.URL)
	}
	p.pool.Advance(5 * time.Minute)
	if page := replay(late); page.URL.Query().Get("error") != "server_error" || page.URL.Query().Has("code") {
		t.Errorf("an assertion too late ends at %s", page.URL)
	}
}

// TestSAMLOverTLS: the form of a SAML provider comes from another site, so over TLS the
// cookie that it needs says so; over plain HTTP, where browsers refuse that, it is silent.
func TestSAMLOverTLS(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		pool := userpool.NewUnstarted(userpool.Options{Providers: []userpool.Provider{adfs}})
		defer pool.Close()
		begin, want := pool.Start, http.SameSite(0)
		if secure {
			begin, want = pool.StartTLS, http.SameSiteNoneMode
		}
		begin()
		p := &party{t, pool, userpool.Client{ID: "1example23456789"}, "http://localhost:8021"}
		b := pool.NewBrowser()
		page := b.Get(p.authorizeURL(at("ADFS")))
		var found *http.Cookie
		for _, cookie := range page.Cookies {
			if cookie.Name == "csrf-state" {
				found = cookie
			}
		}
		if found == nil || found.SameSite != want || found.Secure != secure || !found.HttpOnly {
			t.Errorf("TLS %v: the cookie is %v", secure, found)
		}
		if page.URL.Hostname() != "localhost" || page.Status != http.StatusOK {
			t.Errorf("TLS %v: the provider is at %s", secure, page.URL)
		}
	}
}

// TestProviderPolicies: a provider's forms lead to the pool and, since browsers ask about redirects too, to the
// applications; only the form that submits itself runs a script, which is known by its digest.
func TestProviderPolicies(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	// Held at the page that submits itself, as the pool's Browser would go on.
	p.pool.Break(userpool.SAMLResponse, userpool.Fault{Times: 1, Status: http.StatusTeapot})
	form := b.Get(p.authorizeURL(at("ADFS")))
	b.LoginAt("ADFS", form.URL.String(), "123", "lutwidge")
	r, _ := http.NewRequest(http.MethodGet, form.URL.String(), nil)
	for _, cookie := range b.Cookies(form.URL.String()) {
		r.AddCookie(cookie)
	}
	onward := p.do(r)
	for name, policy := range map[string]string{"form": form.Header.Get("Content-Security-Policy"), "onward": onward.header.Get("Content-Security-Policy")} {
		if !strings.Contains(policy, "form-action 'self' "+p.pool.URL()+" ") || !strings.Contains(policy, p.origin) {
			t.Errorf("the %s has the policy %s", name, policy)
		}
		if strings.Contains(policy, "script-src 'sha256-") != (name == "onward") || strings.Contains(policy, "unsafe") {
			t.Errorf("scripts on the %s: %s", name, policy)
		}
	}
	if strings.Contains(form.Body, "<script") || !strings.Contains(onward.body, "<script>document.forms[0].submit()</script>") {
		t.Error("the wrong page submits itself")
	}
}

// TestForgedUnsolicitedAnswer: a pool that accepts no logins begun at a provider takes no answer
// without its own state: an attacker would sign a victim in as themselves.
func TestForgedUnsolicitedAnswer(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	quiet := adfs
	quiet.Unsolicited = false
	p.pool.SetProvider(quiet)
	p.pool.Break(userpool.SAMLResponse, userpool.Fault{Times: 1, Status: http.StatusTeapot})
	mallory := p.pool.NewBrowser()
	mallory.LoginAt("ADFS", p.authorizeURL(at("ADFS")), "123", "lutwidge")
	form := p.pool.Requests(userpool.SAMLResponse)[0].Form
	relay := url.Values{"client_id": {p.client.ID}, "response_type": {"code"}, "redirect_uri": {p.redirectURI()}}
	forged := url.Values{"SAMLResponse": form["SAMLResponse"], "RelayState": {relay.Encode()}}
	victim := p.pool.NewBrowser()
	if page := victim.Post(p.pool.URL()+"/saml2/idpresponse", forged); page.Status != http.StatusBadRequest || sessionOf(victim, p.pool.URL()) != "" {
		t.Errorf("the victim ends at %s with %d", page.URL, page.Status)
	}
	if page := mallory.Post(p.pool.URL()+"/saml2/idpresponse", form); !page.URL.Query().Has("code") {
		t.Errorf("the honest answer ends at %s", page.URL)
	}
}
