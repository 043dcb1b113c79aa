package userpool_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// Small facts of FACTS.md §0 and §1 that no story of another file tells.

// signedIn is a browser with a session at the pool.
func (p *party) signedIn() *userpool.Browser {
	p.t.Helper()
	b := p.pool.NewBrowser()
	if page := b.Login(p.authorizeURL(nil), "alice", "wonderland"); page.Body != "landed" {
		p.t.Fatalf("alice's login ended at %s", page.URL)
	}
	return b
}

// step opens an address with a browser's cookies and does not follow it on.
func (p *party) step(b *userpool.Browser, address string) answer {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, cookie := range b.Cookies(p.pool.URL()) {
		r.AddCookie(cookie)
	}
	return p.do(r)
}

// TestNoOtherAddresses (FACTS.md §0, §7.1, §12b): what a pool does not have is not there,
// not even under the name that others give it.
func TestNoOtherAddresses(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	home := "/" + p.pool.UserPoolID()
	for _, path := range []string{
		"/.well-known/openid-configuration", "/.well-known/jwks.json",
		"/.well-known/oauth-authorization-server", home + "/.well-known/oauth-authorization-server",
		"/oauth2/logout", "/oauth2/userinfo", "/oauth2/introspect", "/oauth2/par", home,
	} {
		if a := p.get(p.pool.URL()+path, ""); a.status != http.StatusNotFound {
			t.Errorf("%s answers %d", path, a.status)
		}
	}
	p.get(p.pool.URL()+home+"/.well-known/jwks.json", "").wantOK(t)
}

// TestRedirectURIs (FACTS.md §1.1, §10.4): one of a custom scheme and one of any port
// will do, and each stands for itself: there are no wildcards.
func TestRedirectURIs(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{CallbackURLs: []string{
		"myapp://signed-in", "http://localhost:65000/cb", "https://*.example.com/cb", "https://app.example/*",
	}}, userpool.Options{})
	b := p.signedIn()
	for uri, ok := range map[string]bool{
		"myapp://signed-in": true, "http://localhost:65000/cb": true,
		"http://localhost:65001/cb": false, "http://127.0.0.1:65000/cb": false, "https://localhost:65000/cb": false,
		"https://a.example.com/cb": false, "https://app.example/cb": false, "myapp://other": false,
		"http://localhost:65000/cb#x": false,
	} {
		a := p.step(b, p.authorizeURL(map[string]string{"redirect_uri": uri}))
		if got := a.header.Get("Location"); strings.HasPrefix(got, uri+"?code=") != ok ||
			!ok && !strings.HasPrefix(got, "/error?") {
			t.Errorf("%s: sent to %s", uri, got)
		}
	}
	for _, bad := range []string{"https://app.example/cb#fragment", "app.example/cb"} {
		wantPanic(t, "absolute URL without fragment", func() {
			p.pool.SetClient(userpool.Client{ID: "x", CallbackURLs: []string{bad}})
		})
	}
}

// TestUnknownParameters (FACTS.md §1.1, §1.2): what Cognito does not document changes
// nothing, and an answer has a code and the state alone.
func TestUnknownParameters(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	a := p.step(p.signedIn(), p.authorizeURL(map[string]string{
		"response_mode": "form_post", "display": "popup", "ui_locales": "fr", "claims": "{}",
		"id_token_hint": "x", "request": "x", "request_uri": "https://app.example/request",
	}))
	where, q := splitLocation(t, a)
	if a.status != http.StatusFound || where != p.redirectURI() ||
		!slices.Equal(slices.Sorted(maps.Keys(q)), []string{"code", "state"}) {
		t.Errorf("got %d to %s with %v", a.status, where, q)
	}
	for _, hybrid := range []string{"code id_token", "code token", "none"} {
		a := p.get(p.authorizeURL(map[string]string{"response_type": hybrid}), "")
		if _, q := splitLocation(t, a); q.Get("error") != "invalid_request" {
			t.Errorf("response_type %q: got %v", hybrid, q)
		}
	}
}

// TestResource (FACTS.md §1.1, §12b): the API that a user's login names becomes the
// access token's aud, in managed login alone and not for machines.
func TestResource(t *testing.T) {
	t.Parallel()
	machine := userpool.Client{ID: "machine", Secret: "s", Grants: []string{"client_credentials"}, Scopes: []string{"a/b"}}
	for _, row := range []struct {
		resource string
		classic  bool
		want     any
	}{
		{"https://api.example.com/v1", false, "https://api.example.com/v1"},
		{"http://localhost:3000", false, "http://localhost:3000"},
		{"myapi://orders", false, "myapi://orders"},
		{"https://api.example.com/v1", true, nil},
		{"http://api.example.com", true, nil}, // nobody looks at it
	} {
		p := newParty(t, userpool.Client{}, userpool.Options{ClassicHostedUI: row.classic, Clients: []userpool.Client{machine}})
		tokens := p.tokens(map[string]string{"resource": row.resource})
		_, access := decode(t, tokens["access_token"])
		_, id := decode(t, tokens["id_token"])
		if access["aud"] != row.want || id["aud"] != "client1" {
			t.Errorf("%s, classic %t: aud is %v, and %v in the ID token", row.resource, row.classic, access["aud"], id["aud"])
		}
		a := p.post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "resource": {row.resource}}, "machine", "s")
		a.wantOK(t)
		if _, claims := decode(t, a.members["access_token"]); claims["aud"] != nil {
			t.Errorf("a machine's token is for %v", claims["aud"])
		}
	}
}

// TestLevelsAsked (FACTS.md §1.1, §3, §8.2): the first level that the pool knows is the
// wish, and a refresh says what the login has said.
func TestLevelsAsked(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Levels: true, Users: []userpool.User{
		{Username: "alice", Password: "wonderland", SecondFactor: true},
	}})
	factors, password := []any{"pwd", "otp", "mfa"}, []any{"pwd"}
	for asked, want := range map[string]map[string]any{
		"":                                      {"acr": "urn:cognito:loa:1", "amr": password},
		"urn:example:gold":                      {"acr": "urn:cognito:loa:1", "amr": password},
		"urn:example:gold urn:cognito:loa:3":    {"acr": "urn:cognito:loa:3", "amr": factors},
		"urn:cognito:loa:1 urn:cognito:loa:3":   {"acr": "urn:cognito:loa:1", "amr": password},
		"urn:cognito:loa:2 urn:cognito:loa:1":   {"acr": "urn:cognito:loa:3", "amr": factors},
		"urn:cognito:loa:4  urn:cognito:loa:99": {"acr": "urn:cognito:loa:3", "amr": factors},
	} {
		login := p.tokens(map[string]string{"acr_values": asked})
		for _, answer := range []map[string]any{login, p.refresh(login["refresh_token"]).members} {
			for _, kind := range []string{"id_token", "access_token"} {
				_, claims := decode(t, answer[kind])
				wantClaims(t, claims, want)
			}
		}
	}
}

// TestLevelsOutliveTheProcess: what a login has reached is in the tokens of the next
// process, too, and is not asked for again.
func TestLevelsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	options := userpool.Options{Levels: true, Users: []userpool.User{{Username: "alice", Password: "wonderland", SecondFactor: true}}}
	first := newParty(t, userpool.Client{}, options)
	high := map[string]string{"acr_values": "urn:cognito:loa:3"}
	b := first.pool.NewBrowser()
	login := first.trade(b.Login(first.authorizeURL(high), "alice", "wonderland"))
	state, err := first.pool.Save()
	if err != nil {
		t.Fatal(err)
	}
	pool := userpool.NewUnstarted(options)
	defer pool.Close()
	if err := pool.Restore(state); err != nil {
		t.Fatal(err)
	}
	pool.Start()
	pool.AllowOrigin(first.origin)
	second := *first
	second.pool = pool
	_, claims := decode(t, second.refresh(login["refresh_token"]).members["id_token"])
	wantClaims(t, claims, map[string]any{"acr": "urn:cognito:loa:3", "amr": []any{"pwd", "otp", "mfa"}})
	again, _ := http.NewRequest(http.MethodGet, second.authorizeURL(high), nil)
	again.AddCookie(&http.Cookie{Name: "cognito", Value: sessionOf(b, first.pool.URL())})
	if where, query := splitLocation(t, second.do(again)); query.Get("code") == "" {
		t.Errorf("the next process asks again, at %s", where)
	}
}

// TestLevelsOfOtherPlans (FACTS.md §1.1): a pool without levels does not ask again for
// one, of a user who could reach it either.
func TestLevelsOfOtherPlans(t *testing.T) {
	t.Parallel()
	for _, levels := range []bool{false, true} {
		p := newParty(t, userpool.Client{}, userpool.Options{Levels: levels, Users: []userpool.User{
			{Username: "alice", Password: "wonderland", SecondFactor: true},
		}})
		page := p.signedIn().Get(p.authorizeURL(map[string]string{"acr_values": "urn:cognito:loa:3"}))
		if (page.Body == "landed") == levels {
			t.Errorf("levels %t: acr_values end at %s", levels, page.URL)
		}
	}
}

// TestRememberedThoughChanged (FACTS.md §1.5): new groups and another password are no
// reason to ask again, and the next tokens have the groups.
func TestRememberedThoughChanged(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.signedIn()
	p.pool.SetUser(userpool.User{Username: "alice", Password: "another", Groups: []string{"new"}})
	page := b.Get(p.authorizeURL(nil))
	if page.Body != "landed" {
		t.Fatalf("alice is asked again, at %s", page.URL)
	}
	a := p.post("/oauth2/token", p.codeForm(page.URL.Query().Get("code")))
	_, id := decode(t, a.members["id_token"])
	wantClaims(t, id, map[string]any{"cognito:groups": []any{"new"}})
}

// TestSessionIsNotTokens (FACTS.md §1.5, §3, §5): a refresh does not prolong what the
// pool remembers of a browser, and a revocation does not end it.
func TestSessionIsNotTokens(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	code := b.Login(p.authorizeURL(nil), "alice", "wonderland").URL.Query().Get("code")
	token := p.post("/oauth2/token", p.codeForm(code)).members["refresh_token"]
	p.pool.Advance(50 * time.Minute)
	p.refresh(token).wantOK(t)
	raw, _ := token.(string)
	p.post("/oauth2/revoke", url.Values{"client_id": {"client1"}, "token": {raw}}).wantOK(t)
	if page := b.Get(p.authorizeURL(nil)); page.Body != "landed" {
		t.Errorf("a revocation signs the browser out: at %s", page.URL)
	}
	p.pool.Advance(10 * time.Minute)
	if page := b.Get(p.authorizeURL(nil)); page.URL.Path != "/login" {
		t.Errorf("a refresh keeps the browser signed in: at %s", page.URL)
	}
}

// TestCookieOfTheWayBack (FACTS.md §1.1, §1.5): who asks for a provider, by either of its
// names, is led there past the login page and takes csrf-state along; others do not.
func TestCookieOfTheWayBack(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	for _, row := range []struct {
		ask  map[string]string
		path string
	}{
		{at("Google"), "/providers/Google"}, {at("ADFS"), "/providers/ADFS"},
		{map[string]string{"idp_identifier": "example.com"}, "/providers/Okta"},
		{at("COGNITO"), "/login"}, {nil, "/login"},
	} {
		page := p.pool.NewBrowser().Get(p.authorizeURL(row.ask))
		if page.URL.Path != row.path || slices.ContainsFunc(page.Trail, func(stop string) bool { return strings.Contains(stop, "/login?") }) != (row.path == "/login") {
			t.Errorf("%v: led by %v, want %s", row.ask, page.Trail, row.path)
		}
		if got := slices.ContainsFunc(page.Cookies, func(cookie *http.Cookie) bool {
			return cookie.Name == "csrf-state" && cookie.HttpOnly && cookie.Value != ""
		}); got == (row.path == "/login") {
			t.Errorf("%v: the cookies are %v", row.ask, page.Cookies)
		}
	}
}

// TestClassicHostedUI (FACTS.md §1.1, §1.4, §9, §12b): what the older pages know, and
// what managed login alone does.
func TestClassicHostedUI(t *testing.T) {
	t.Parallel()
	for _, classic := range []bool{false, true} {
		p := newParty(t, userpool.Client{}, userpool.Options{ClassicHostedUI: classic})
		b := p.signedIn()
		spoken := ""
		for _, cookie := range p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{"lang": "de"})).Cookies {
			if cookie.Name == "lang" {
				spoken = cookie.Value
			}
		}
		if (spoken == "de") == classic {
			t.Errorf("classic %t: lang is %q", classic, spoken)
		}
		p.pool.Advance(2 * time.Minute)
		for _, age := range []string{"60", "0"} { // 0 is no way to say nothing
			if page := b.Get(p.authorizeURL(map[string]string{"max_age": age})); (page.Body == "landed") != classic {
				t.Errorf("classic %t: max_age %s ends at %s", classic, age, page.URL)
			}
		}
		for _, path := range []string{"/signup", "/forgotPassword"} {
			page := b.Get(strings.Replace(p.authorizeURL(nil), "/oauth2/authorize", path, 1))
			if page.Status != http.StatusOK || formOnPage.FindString(page.Body) == "" {
				t.Errorf("classic %t: %s has no form: %d", classic, path, page.Status)
			}
		}
		unstyled := newParty(t, userpool.Client{}, userpool.Options{ClassicHostedUI: classic, Unstyled: true})
		if page := unstyled.pool.NewBrowser().Get(unstyled.authorizeURL(nil)); (page.Status == http.StatusOK) != classic {
			t.Errorf("classic %t: without a style the page is %d", classic, page.Status)
		}
	}
}

// TestFailureBehindThePage (FACTS.md §1.3): a failure of the pool's own, too, comes to
// the application and not as a page.
func TestFailureBehindThePage(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	for code, description := range map[string]string{
		"server_error": "", "invalid_request": "Already found an entry for username google_1",
	} {
		p.pool.FailNextLogin(code, description)
		page := p.pool.NewBrowser().Login(p.authorizeURL(nil), "alice", "wonderland")
		q := page.URL.Query()
		if page.Body != "landed" || q.Get("error") != code || q.Get("error_description") != description ||
			q.Has("error_description") != (description != "") {
			t.Errorf("%s: ended at %s", code, page.URL)
		}
	}
}
