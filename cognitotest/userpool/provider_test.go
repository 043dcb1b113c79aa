package userpool_test

import (
	"fmt"
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
	p.pool.FailNextLogin("invalid_request", "not today")
	p.pool.FailProvider("Google", "", "")
	p.pool.Heal()
	if page := p.pool.NewBrowser().LoginAt("Google", p.authorizeURL(at("Google")), "123", "lutwidge"); page.URL.Query().Get("code") == "" {
		t.Errorf("after Heal a login ends at %s", page.URL)
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
	if page := victim.Get(strings.Replace(provider.String(), "/providers/Google", "/providers/Okta", 1)); page.Status != http.StatusBadRequest {
		t.Errorf("a visit of one provider works at another: %d %s", page.Status, page.URL)
	}
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
	// Applications have cookies on that host too.
	if cookies := b.Cookies("http://" + asked.URL.Host + "/"); len(cookies) > 0 {
		t.Errorf("the provider's cookies are everybody's: %v", cookies)
	}
	other := p.pool.NewBrowser()
	foreign, _ := http.NewRequest(http.MethodGet, other.Get(p.authorizeURL(at("Google"))).URL.String(), nil)
	for _, cookie := range b.Cookies(asked.URL.String()) {
		foreign.AddCookie(cookie)
	}
	if page := p.do(foreign); page.status != http.StatusOK {
		t.Errorf("the session of one provider is one of another: %d", page.status)
	}
	p.pool.SetProvider(userpool.Provider{Name: "Facebook", Type: "Facebook"})
	for name, told := range map[string]bool{"ADFS": false, "Facebook": false, "Google": true, "Okta": true} {
		hinted := p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{"identity_provider": name, "login_hint": "carol"}))
		if strings.Contains(hinted.URL.RawQuery, "carol") != told {
			t.Errorf("%s was asked %s", name, hinted.URL)
		}
	}
	both := p.pool.NewBrowser().Get(strings.Replace(p.authorizeURL(map[string]string{"identity_provider": "Okta", "prompt": "none consent"}), "/oauth2/authorize", "/login", 1))
	if both.URL.Query().Get("prompt") != "consent" {
		t.Errorf("the provider is asked %s, want all but none", both.URL)
	}
	if page := p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{"identity_provider": "Okta", "prompt": "none"})); page.URL.Query().Get("error") != "login_required" {
		t.Errorf("prompt=none ends at %s", page.URL)
	}
}

func (p *party) logoutURL() string {
	return p.pool.URL() + "/logout?client_id=" + p.client.ID + "&logout_uri=" + url.QueryEscape(p.origin+"/")
}

// TestFederationOutlivesTheProcess: users, their identities and providers are saved.
func TestFederationOutlivesTheProcess(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{Levels: true})
	b := p.pool.NewBrowser()
	login := p.trade(b.LoginAt("ADFS", p.authorizeURL(at("ADFS")), "123", "lutwidge"))
	saved, err := p.pool.Save()
	if err != nil {
		t.Fatal(err)
	}
	next := userpool.NewUnstarted(userpool.Options{Levels: true})
	defer next.Close()
	if err := next.Restore(saved); err != nil {
		t.Fatal(err)
	}
	next.Start()
	_, claims := decode(t, next.IDToken("client1", "ADFS_123", nil))
	leaving, _ := http.NewRequest(http.MethodGet, strings.Replace(p.logoutURL(), p.pool.URL(), next.URL(), 1), nil)
	leaving.AddCookie(&http.Cookie{Name: "cognito", Value: sessionOf(b, p.pool.URL())})
	next.AllowOrigin(p.origin)
	if where, _ := splitLocation(t, p.do(leaving)); !strings.HasSuffix(where, "/providers/ADFS/logout") {
		t.Errorf("a single logout in the next process leads to %s", where)
	}
	if claims["identities"] == nil || len(next.Providers()) != 3 {
		t.Errorf("the next process says %v of %v", claims, next.Providers())
	}
	later := *p
	later.pool = next
	if _, claims := decode(t, later.refresh(login["refresh_token"]).members["id_token"]); fmt.Sprint(claims["amr"]) != "[fed]" {
		t.Errorf("after a refresh in the next process amr is %v", claims["amr"])
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
		"one id twice": {Name: "X", Users: []userpool.ProviderUser{{ID: "1", Password: "1"}, {ID: "1", Password: "1"}}},
	} {
		mustPanic(name, func() { p.pool.SetProvider(provider) })
	}
	mustPanic("fail", func() { p.pool.FailProvider("Nobody", "", "") })
	mustPanic("nobody's", func() { p.pool.Federate("Nobody", "1") })
	mustPanic("nobody", func() { p.pool.Federate("Google", "1") })
}

// TestForgottenIdentity: a user who is removed and set anew is one of the pool's own.
func TestForgottenIdentity(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	p.pool.Federate("Google", "123")
	p.pool.RemoveUser("Google_123")
	p.pool.SetUser(userpool.User{Username: "Google_123", Password: "own"})
	page := p.pool.NewBrowser().Login(p.authorizeURL(nil), "Google_123", "own")
	_, claims := decode(t, p.trade(page)["id_token"])
	if claims["identities"] != nil {
		t.Errorf("the new user is also %v", claims["identities"])
	}
}

// TestFederatedLevel: a pool with levels says that the login was elsewhere.
func TestFederatedLevel(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{Levels: true})
	_, claims := decode(t, p.trade(p.pool.NewBrowser().LoginAt("Google", p.authorizeURL(at("Google")), "123", "lutwidge"))["id_token"])
	if amr, _ := claims["amr"].([]any); len(amr) != 1 || amr[0] != "fed" {
		t.Errorf("amr is %v", claims["amr"])
	}
}

// TestPoolByItsOtherName: a visitor who calls the pool localhost comes back to it by that
// name, where their cookies are; one who calls it by a stranger's name is not sent to the stranger.
func TestPoolByItsOtherName(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	local := strings.Replace(p.authorizeURL(at("ADFS")), "127.0.0.1", "localhost", 1)
	b := p.pool.NewBrowser()
	page := b.LoginAt("ADFS", local, "123", "lutwidge")
	if !page.URL.Query().Has("code") || sessionOf(b, local) == "" || sessionOf(b, p.pool.URL()) != "" {
		t.Errorf("by localhost the login ends at %s by way of %v", page.URL, page.Trail)
	}
	r, _ := http.NewRequest(http.MethodGet, p.authorizeURL(at("Google")), nil)
	r.Host = "evil.example:80"
	a := p.do(r)
	if where, err := url.Parse(a.header.Get("Location")); err != nil || where.Hostname() != "localhost" || strings.Contains(a.header.Get("Location"), "evil") {
		t.Errorf("by a stranger's name the visitor goes to %s", a.header.Get("Location"))
	}
}

// TestProvidersAreCopied: a test may go on using what it registered.
func TestProvidersAreCopied(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	said := map[string]string{"email": "a@example.com"}
	names, people := []string{"a.example"}, []userpool.ProviderUser{{ID: "1", Password: "x", Attributes: said}}
	p.pool.SetProvider(userpool.Provider{Name: "Mine", Identifiers: names, Users: people})
	said["email"], names[0], people[0].Password = "b@example.com", "b.example", "y"
	start := p.authorizeURL(map[string]string{"idp_identifier": "a.example"})
	if page := p.pool.NewBrowser().Get(start); page.URL.Path != "/providers/Mine" {
		t.Errorf("the identifier leads to %s", page.URL)
	}
	page := p.pool.NewBrowser().LoginAt("Mine", start, "1", "x")
	_, claims := decode(t, p.trade(page)["id_token"])
	if claims["email"] != "a@example.com" {
		t.Errorf("the e-mail address is %v", claims["email"])
	}
}
