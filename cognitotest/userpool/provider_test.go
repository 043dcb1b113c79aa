package userpool_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestProviderErrors: a provider that fails, and a visitor who cancels, reach the
// application with the state, and without it from SAML; once.
func TestProviderErrors(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	for name, row := range map[string]struct {
		provider                 string
		fail                     []string // code and description, or nothing to cancel
		code, description, state string
	}{
		"cancel":      {"Google", nil, "access_denied", "User cancelled", "state-1"},
		"cancel SAML": {"ADFS", nil, "server_error", "Invalid SAML response", ""},
		"default":     {"Google", []string{"", ""}, "invalid_request", "Google Error - 400 error getting token", "state-1"},
		"SAML":        {"ADFS", []string{"", ""}, "server_error", "Invalid SAML response", ""},
		"timeout":     {"Okta", []string{"", "Timeout occurred in calling IdP token endpoint"}, "invalid_request", "Timeout occurred in calling IdP token endpoint", "state-1"},
		"any":         {"Okta", []string{"temporarily_unavailable", "later"}, "temporarily_unavailable", "later", "state-1"},
	} {
		b := p.pool.NewBrowser()
		var page *userpool.Page
		if row.fail == nil {
			page = b.CancelAt(row.provider, p.authorizeURL(at(row.provider)))
		} else {
			p.pool.FailProvider(row.provider, row.fail[0], row.fail[1])
			page = b.LoginAt(row.provider, p.authorizeURL(at(row.provider)), "123", "lutwidge")
		}
		q := page.URL.Query()
		if page.Body != "landed" || q.Get("error") != row.code || !strings.HasPrefix(q.Get("error_description"), row.description) || q.Get("state") != row.state || q.Has("code") {
			t.Errorf("%s: ended at %s", name, page.URL)
		}
		if page := b.LoginAt(row.provider, p.authorizeURL(at(row.provider)), "123", "lutwidge"); page.URL.Query().Get("code") == "" {
			t.Errorf("%s: the login after it ends at %s", name, page.URL)
		}
	}
	p.pool.FailNextLogin("invalid_request", "Already found an entry for username google_123. ")
	if page := p.pool.NewBrowser().LoginAt("Google", p.authorizeURL(at("Google")), "123", "lutwidge"); page.URL.Query().Get("error_description") != "Already found an entry for username google_123. " {
		t.Errorf("a trigger that refuses ends at %s", page.URL)
	}
	user := p.pool.Federate("Google", "123")
	user.Disabled = true
	p.pool.SetUser(user)
	if page := p.pool.NewBrowser().LoginAt("Google", p.authorizeURL(at("Google")), "123", "lutwidge"); page.URL.Query().Get("error") != "invalid_request" {
		t.Errorf("a disabled user ends at %s", page.URL)
	}
}

// TestForgedProviderAnswer: a visitor who has not left for a provider in this browser does not come back from one,
// neither with somebody else's answer nor late nor twice; whoever has, does.
func TestForgedProviderAnswer(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	mallory, victim := p.pool.NewBrowser(), p.pool.NewBrowser()
	victim.Get(p.authorizeURL(at("Google")))
	held := p.held(mallory, "Google")
	if page := victim.Get(held); page.Status != http.StatusBadRequest || strings.Contains(strings.Join(page.Trail, " "), "code=code") || page.URL.Path != "/oauth2/idpresponse" {
		t.Errorf("mallory's answer lets the victim in: %d %s", page.Status, page.URL)
	}
	if page := mallory.Get(held); page.URL.Query().Get("code") == "" {
		t.Errorf("mallory's own ends at %s", page.URL)
	}
	if page := mallory.Get(held); page.Status != http.StatusBadRequest {
		t.Errorf("an answer twice: %d %s", page.Status, page.URL)
	}
	late := p.held(mallory, "Google")
	p.pool.Advance(5 * time.Minute)
	if page := mallory.Get(late); page.Status != http.StatusBadRequest {
		t.Errorf("an answer too late: %d %s", page.Status, page.URL)
	}
	mixed, _ := url.Parse(p.held(mallory, "Google"))
	q := mixed.Query()
	mine, _ := url.Parse(p.held(mallory, "Okta"))
	q.Set("code", mine.Query().Get("code"))
	if page := mallory.Get(mixed.Scheme + "://" + mixed.Host + mixed.Path + "?" + q.Encode()); page.URL.Query().Get("error") != "invalid_request" {
		t.Errorf("the answer of another provider ends at %s", page.URL)
	}
	provider := p.pool.NewBrowser().Get(p.authorizeURL(at("Google"))).URL
	if page := victim.Post(provider.String(), url.Values{"username": {"123"}, "password": {"lutwidge"}}); page.Status != http.StatusForbidden {
		t.Errorf("a forged form signs the victim in at the provider: %d %s", page.Status, page.URL)
	}
	if page := victim.LoginAt("Google", p.authorizeURL(at("Google")), "123", "lutwidge"); page.URL.Query().Get("code") == "" {
		t.Errorf("the honest login ends at %s", page.URL)
	}
}

// held is the address at which a provider's answer is about to arrive.
func (p *party) held(b *userpool.Browser, provider string) string {
	p.t.Helper()
	p.pool.Break(userpool.IDPResponse, userpool.Fault{Times: 1, Status: http.StatusTeapot})
	start := b.Get(p.authorizeURL(map[string]string{"identity_provider": provider, "prompt": "login"}))
	end := p.submit(b, start, url.Values{"username": {"123"}, "password": {"lutwidge"}})
	if end.Status != http.StatusTeapot {
		p.t.Fatalf("the answer ends at %s with %d", end.URL, end.Status)
	}
	return end.URL.String()
}

// TestProviderRemembersTheVisitor: /logout does not end the session at a provider of
// OpenID Connect, so that the next login asks for nothing, unless prompt=login does.
func TestProviderRemembersTheVisitor(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	b.LoginAt("Okta", p.authorizeURL(at("Okta")), "123", "lutwidge")
	if page := b.Get(p.logoutURL()); page.Body != "landed" || strings.Contains(strings.Join(page.Trail, " "), "/providers/") {
		t.Errorf("the logout went by %v", page.Trail)
	}
	if page := b.Get(p.authorizeURL(nil)); page.URL.Path != "/login" {
		t.Errorf("the pool still knows the visitor: %s", page.URL)
	}
	if page := b.Get(p.authorizeURL(at("Okta"))); page.URL.Query().Get("code") == "" {
		t.Errorf("the provider does not know the visitor: %s", page.URL)
	}
	asked := b.Get(p.authorizeURL(map[string]string{"identity_provider": "Okta", "prompt": "login", "login_hint": "carol"}))
	if asked.URL.Path != "/providers/Okta" || !strings.Contains(asked.Body, `value="carol"`) {
		t.Errorf("prompt=login ends at %s", asked.URL)
	}
	hinted := p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{"identity_provider": "ADFS", "login_hint": "carol"}))
	if strings.Contains(hinted.URL.RawQuery, "carol") {
		t.Errorf("SAML was told the hint: %s", hinted.URL)
	}
	if page := p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{"identity_provider": "Okta", "prompt": "none"})); page.URL.Query().Get("error") != "login_required" {
		t.Errorf("prompt=none ends at %s", page.URL)
	}
}

func (p *party) logoutURL() string {
	return p.pool.URL() + "/logout?client_id=" + p.client.ID + "&logout_uri=" + url.QueryEscape(p.origin+"/")
}

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
	quiet := adfs
	quiet.Unsolicited = false
	p.pool.SetProvider(quiet)
	for _, name := range []string{"ADFS", "Google", "Nobody"} {
		if page := p.pool.NewBrowser().Get(p.pool.URL() + "/providers/" + name); page.Status != http.StatusBadRequest {
			t.Errorf("%s begins a login: %d %s", name, page.Status, page.URL)
		}
	}
}

// TestFederationOutlivesTheProcess: users, their identities and providers are saved.
func TestFederationOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	p.pool.Federate("ADFS", "123")
	saved, err := p.pool.Save()
	if err != nil {
		t.Fatal(err)
	}
	next := userpool.NewUnstarted(userpool.Options{})
	defer next.Close()
	if err := next.Restore(saved); err != nil {
		t.Fatal(err)
	}
	next.Start()
	_, claims := decode(t, next.IDToken("client1", "ADFS_123", nil))
	if claims["identities"] == nil || len(next.Providers()) != 3 {
		t.Errorf("the next process says %v of %v", claims, next.Providers())
	}
}

// TestProvidersThatCannotWork: a mistake shows where it is made.
func TestProvidersThatCannotWork(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	mustPanic := func(name string, mistake func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", name)
			}
		}()
		mistake()
	}
	for name, provider := range map[string]userpool.Provider{
		"no name": {}, "the pool's own name": {Name: "COGNITO"}, "a path": {Name: "a/b"}, "a type": {Name: "X", Type: "LDAP"},
		"logout": {Name: "X", SingleLogout: true}, "unsolicited": {Name: "X", Unsolicited: true},
		"no password": {Name: "X", Users: []userpool.ProviderUser{{ID: "1"}}}, "no id": {Name: "X", Users: []userpool.ProviderUser{{Password: "1"}}},
	} {
		mustPanic(name, func() { p.pool.SetProvider(provider) })
	}
	mustPanic("fail", func() { p.pool.FailProvider("Nobody", "", "") })
	mustPanic("nobody's", func() { p.pool.Federate("Nobody", "1") })
	mustPanic("nobody", func() { p.pool.Federate("Google", "1") })
}
