package userpool_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

var (
	formOnPage   = regexp.MustCompile(`(?s)<form id="[a-z]+" method="post" action="([^"]*)"(.*?)</form>`)
	hiddenOnPage = regexp.MustCompile(`name="(_csrf|registration|attempt)" value="([^"]*)"`)
	codeOnPage   = regexp.MustCompile(`This one is (\d{6})\.`)
)

// submit fills in the form of a page.
func (p *party) submit(b *userpool.Browser, page *userpool.Page, values url.Values) *userpool.Page {
	p.t.Helper()
	form := formOnPage.FindStringSubmatch(page.Body)
	if form == nil {
		p.t.Fatalf("there is no form on %s: %d %s", page.URL, page.Status, page.Body)
	}
	for _, hidden := range hiddenOnPage.FindAllStringSubmatch(form[2], -1) {
		if !values.Has(hidden[1]) {
			values.Set(hidden[1], hidden[2])
		}
	}
	target, err := page.URL.Parse(html.UnescapeString(form[1]))
	if err != nil {
		p.t.Fatal(err)
	}
	return b.Post(target.String(), values)
}

// TestOtherPages: whoever signs up, or chooses another password, comes back to the
// application with a code; a wrong code, a taken name and a form from elsewhere do not.
func TestOtherPages(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	signUp := strings.Replace(p.authorizeURL(nil), "/oauth2/authorize", "/signup", 1)
	b := p.pool.NewBrowser()
	if page := p.submit(b, b.Get(signUp), url.Values{"username": {"Alice"}, "email": {"a@example.com"}, "password": {"x"}}); !strings.Contains(page.Body, "User already exists") {
		t.Errorf("a taken name is answered with %d %s", page.Status, page.Body)
	}
	carol := func() url.Values {
		return url.Values{"username": {"carol"}, "email": {"c@example.com"}, "password": {"x"}}
	}
	forged := carol()
	forged.Set("_csrf", "of another page")
	if page := p.submit(b, b.Get(signUp), forged); page.Status != http.StatusForbidden {
		t.Errorf("a forged form is answered with %d", page.Status)
	}
	asks := p.submit(b, b.Get(signUp), carol())
	code := codeOnPage.FindStringSubmatch(asks.Body)
	again := p.submit(b, asks, url.Values{"code": {"wrong"}})
	if page := p.submit(b, asks, url.Values{"code": {code[1]}}); page.Status != http.StatusBadRequest {
		t.Errorf("a form that was used is answered with %d", page.Status)
	}
	end := p.submit(b, again, url.Values{"code": {code[1]}})
	if end.URL.Query().Get("code") == "" || end.URL.Query().Get("state") != "state-1" {
		t.Errorf("signing up ends at %s", end.URL)
	}
	if page := p.pool.NewBrowser().Login(p.authorizeURL(nil), "carol", "x"); page.URL.Query().Get("code") == "" {
		t.Errorf("carol's login ends at %s", page.URL)
	}

	forgotten := strings.Replace(p.authorizeURL(nil), "/oauth2/authorize", "/forgotPassword", 1)
	for _, name := range []string{"alice", "nobody"} {
		asks := p.submit(b, b.Get(forgotten), url.Values{"username": {name}, "password": {"new"}})
		code := codeOnPage.FindStringSubmatch(asks.Body)
		if code == nil {
			t.Fatalf("%s is answered with %d %s, so strangers learn who exists", name, asks.Status, asks.Body)
		}
		if end := p.submit(b, asks, url.Values{"code": {code[1]}}); (end.URL.Query().Get("code") != "") != (name == "alice") {
			t.Errorf("%s ends at %s", name, end.URL)
		}
	}
	if page := b.Get(strings.Replace(p.authorizeURL(map[string]string{"redirect_uri": "https://evil.example/"}), "/oauth2/authorize", "/signup", 1)); page.URL.Path != "/error" {
		t.Errorf("a stranger's redirect URI ends at %s", page.URL)
	}
}

// page opens another page of a login.
func (p *party) page(b *userpool.Browser, path string) *userpool.Page {
	return b.Get(strings.Replace(p.authorizeURL(nil), "/oauth2/authorize", path, 1))
}

// confirm enters the code that a page shows.
func (p *party) confirm(b *userpool.Browser, asks *userpool.Page) *userpool.Page {
	p.t.Helper()
	code := codeOnPage.FindStringSubmatch(asks.Body)
	if code == nil {
		p.t.Fatalf("there is no code on %s: %d %s", asks.URL, asks.Status, asks.Body)
	}
	return p.submit(b, asks, url.Values{"code": {code[1]}})
}

// TestSigningUpAsSomebodyElse: whoever signs up under the name of a user whom an administrator
// has disabled, or who was faster, does not become that user.
func TestSigningUpAsSomebodyElse(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Users: []userpool.User{{Username: "alice", Password: "wonderland", Disabled: true}}})
	b := p.pool.NewBrowser()
	form := func(name, password string) url.Values {
		return url.Values{"username": {name}, "email": {"e@example.com"}, "password": {password}}
	}
	if page := p.submit(b, p.page(b, "/signup"), form("Alice", "mine now")); !strings.Contains(page.Body, "User already exists") {
		t.Errorf("a disabled user's name is answered with %d %s", page.Status, page.Body)
	}
	late := p.submit(b, p.page(b, "/signup"), form("carol", "the second"))
	if end := p.confirm(b, p.submit(b, p.page(b, "/signup"), form("carol", "the first"))); end.URL.Query().Get("code") == "" {
		t.Errorf("carol ends at %s", end.URL)
	}
	if end := p.confirm(b, late); end.Status != http.StatusBadRequest {
		t.Errorf("the second carol ends at %s", end.URL)
	}
	if page := p.pool.NewBrowser().Login(p.authorizeURL(nil), "carol", "the first"); page.URL.Query().Get("code") == "" {
		t.Errorf("the first carol's login ends at %s", page.URL)
	}
}

// TestForgottenByEmail: the page takes what the sign-in page takes, and changes nothing but the
// password; not even that of a user who was disabled or removed meanwhile.
func TestForgottenByEmail(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	ask := func() *userpool.Page {
		return p.submit(b, p.page(b, "/forgotPassword"), url.Values{"username": {"Bob@example.com"}, "password": {"another"}})
	}
	asks := ask()
	bob := p.pool.Users()[1]
	bob.Groups = []string{"staff"}
	p.pool.SetUser(bob)
	if end := p.confirm(b, asks); end.URL.Query().Get("code") == "" {
		t.Errorf("bob ends at %s: %s", end.URL, end.Body)
	}
	if bob = p.pool.Users()[1]; bob.Password != "another" || len(bob.Groups) != 1 {
		t.Errorf("bob is %+v", bob)
	}
	asks = ask()
	bob.Disabled = true // with the password of now
	p.pool.SetUser(bob)
	before := p.pool.Users()[1].Password
	for when, asks := range map[string]*userpool.Page{"before he is": asks, "afterwards": p.submit(b, p.page(b, "/forgotPassword"), url.Values{"username": {"bob"}, "password": {"a third"}})} {
		if end := p.confirm(b, asks); end.Status != http.StatusBadRequest || !p.pool.Users()[1].Disabled || p.pool.Users()[1].Password != before {
			t.Errorf("a disabled bob, who asks %s, ends at %s", when, end.URL)
		}
	}
	p.pool.RemoveUser("bob")
	if end := p.confirm(b, ask()); !strings.Contains(end.Body, "Invalid verification code") || len(p.pool.Users()) != 1 {
		t.Errorf("a removed bob ends at %s", end.URL)
	}
}

// TestLevels: tokens say how the user has signed in, if the pool has levels; a level
// above the first is asked for anew, of those who can reach it.
func TestLevels(t *testing.T) {
	t.Parallel()
	users := []userpool.User{{Username: "alice", Password: "wonderland", SecondFactor: true}}
	high := map[string]string{"acr_values": "urn:cognito:loa:3"}
	for name, row := range map[string]struct {
		options userpool.Options
		ask     map[string]string
		acr     any
	}{
		"password": {userpool.Options{Levels: true}, nil, "urn:cognito:loa:1"}, "factors": {userpool.Options{Levels: true}, high, "urn:cognito:loa:3"},
		"no levels": {userpool.Options{}, high, nil}, "classic": {userpool.Options{Levels: true, ClassicHostedUI: true}, high, nil},
	} {
		row.options.Users = users
		p := newParty(t, userpool.Client{}, row.options)
		answer := p.tokens(row.ask)
		_, claims := decode(t, answer["id_token"].(string))
		if claims["acr"] != row.acr {
			t.Errorf("%s: acr is %v, want %v", name, claims["acr"], row.acr)
		}
	}
	p := newParty(t, userpool.Client{}, userpool.Options{Levels: true, Users: users})
	b := p.pool.NewBrowser()
	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	if page := b.Get(p.authorizeURL(high)); page.URL.Path != "/login" {
		t.Errorf("whoever has given a password alone is sent to %s", page.URL)
	}
	if page := b.Get(p.authorizeURL(nil)); page.URL.Query().Get("code") == "" {
		t.Errorf("for no level they are sent to %s", page.URL)
	}
}

// TestUnstyled: managed login without a branding style shows no page.
func TestUnstyled(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Unstyled: true})
	if page := p.pool.NewBrowser().Get(p.authorizeURL(nil)); page.Status != http.StatusForbidden || !strings.Contains(page.Body, "Login pages unavailable") {
		t.Errorf("the page is %d %s", page.Status, page.Body)
	}
}
