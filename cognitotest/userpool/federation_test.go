package userpool_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// google and adfs are the providers of these tests.
var (
	carol  = userpool.ProviderUser{ID: "123", Password: "lutwidge", Attributes: map[string]string{"email": "carol@example.com", "email_verified": "true", "name": "Carol"}}
	google = userpool.Provider{Name: "Google", Type: "Google", Users: []userpool.ProviderUser{carol}}
	okta   = userpool.Provider{Name: "Okta", Identifiers: []string{"example.com"}, Users: []userpool.ProviderUser{carol}}
	adfs   = userpool.Provider{Name: "ADFS", Type: "SAML", SingleLogout: true, Unsolicited: true, Users: []userpool.ProviderUser{carol}}
)

func newFederation(t *testing.T, client userpool.Client, options userpool.Options) *party {
	t.Helper()
	options.Providers = []userpool.Provider{google, okta, adfs}
	return newParty(t, client, options)
}

func at(provider string) map[string]string { return map[string]string{"identity_provider": provider} }

// trade redeems the code that a page brought.
func (p *party) trade(page *userpool.Page) map[string]any {
	p.t.Helper()
	answer := p.post("/oauth2/token", p.codeForm(page.URL.Query().Get("code")))
	if answer.status != http.StatusOK {
		p.t.Fatalf("the code of %s is answered with %d %s", page.URL, answer.status, answer.body)
	}
	return answer.members
}

// TestFederatedLogin: a visitor reaches each provider by name, by an identifier and by
// the button, signs in on its page and comes back with a code, and with the state.
func TestFederatedLogin(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	for _, row := range []struct {
		provider string
		ask      map[string]string
		through  string
	}{
		{"Google", at("Google"), "/oauth2/idpresponse"}, {"Okta", map[string]string{"idp_identifier": "example.com"}, "/oauth2/idpresponse"},
		{"ADFS", at("ADFS"), "/saml2/idpresponse"}, {"ADFS", nil, "/saml2/idpresponse"}, {"Google", at("COGNITO"), "/oauth2/idpresponse"},
	} {
		b := p.pool.NewBrowser()
		if page := b.LoginAt(row.provider, p.authorizeURL(row.ask), "123", "wrong"); !strings.HasSuffix(page.URL.Path, "/providers/"+row.provider) || !strings.Contains(page.Body, `role="alert"`) {
			t.Errorf("%s: a wrong password ends at %s", row.provider, page.URL)
		}
		page := b.LoginAt(row.provider, p.authorizeURL(row.ask), "123", "lutwidge")
		if q := page.URL.Query(); page.Body != "landed" || q.Get("code") == "" || q.Get("state") != "state-1" || !strings.Contains(strings.Join(page.Trail, " "), row.through) {
			t.Errorf("%s with %v: ended at %s by way of %v", row.provider, row.ask, page.URL, page.Trail)
		}
		if page := b.Get(p.authorizeURL(nil)); page.URL.Query().Get("code") == "" {
			t.Errorf("%s: the pool does not know the visitor again: %s", row.provider, page.URL)
		}
	}
	if calls := p.pool.Calls(userpool.SAMLResponse); calls != 2 || p.pool.Calls(userpool.IDPResponse) != 3 {
		t.Errorf("%d answers of SAML, %d of OpenID Connect", calls, p.pool.Calls(userpool.IDPResponse))
	}
}

// TestIdentities: tokens, userInfo and the API say who a federated user is elsewhere, each
// in its own form.
func TestIdentities(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	for provider, issuer := range map[string]any{"Google": nil, "ADFS": "urn:userpool:ADFS"} {
		before := p.pool.Now()
		members := p.trade(p.pool.NewBrowser().LoginAt(provider, p.authorizeURL(at(provider)), "123", "lutwidge"))
		_, claims := decode(t, members["id_token"])
		list, _ := claims["identities"].([]any)
		if len(list) != 1 {
			t.Fatalf("identities is %v", claims["identities"])
		}
		one, _ := list[0].(map[string]any)
		created, _ := one["dateCreated"].(string)
		kind := map[string]string{"Google": "Google", "ADFS": "SAML"}[provider]
		if one["userId"] != "123" || one["providerName"] != provider || one["providerType"] != kind || one["primary"] != "true" || one["issuer"] != issuer || len(created) != 13 {
			t.Errorf("the identity is %v", one)
		}
		if claims["cognito:username"] != provider+"_123" || claims["email"] != "carol@example.com" || claims["email_verified"] != true || claims["cognito:groups"] != nil {
			t.Errorf("the ID token says %v", claims)
		}
		_, access := decode(t, members["access_token"])
		if access["username"] != provider+"_123" || access["identities"] != nil {
			t.Errorf("the access token says %v", access)
		}
		info := p.get(p.pool.URL()+"/oauth2/userInfo", members["access_token"].(string))
		text, _ := info.members["identities"].(string)
		var told []map[string]any
		if err := json.Unmarshal([]byte(text), &told); err != nil || len(told) != 1 || told[0]["primary"] != true || told[0]["dateCreated"].(float64) < float64(before.UnixMilli()) {
			t.Errorf("userInfo says %s", info.body)
		}
	}
	told := func(name string) answer {
		return p.api("AdminGetUser", `{"UserPoolId":"`+p.pool.UserPoolID()+`","Username":"`+name+`"}`, nil)
	}
	if created, _ := told("ADFS_123").members["UserCreateDate"].(float64); created < 1e9 {
		t.Errorf("the user is of %v", created)
	}
	// An administrator may have changed them since.
	p.pool.SetUser(p.pool.Federate("Google", "123"))
	user := told("Google_123").body
	if !strings.Contains(user, `"UserStatus":"EXTERNAL_PROVIDER"`) || !strings.Contains(user, `\"providerName\":\"Google\"`) {
		t.Errorf("the API says %s", user)
	}
	_, claims := decode(t, p.tokens(nil)["id_token"])
	if claims["identities"] != nil {
		t.Errorf("alice, who has a password here, is also %v", claims["identities"])
	}
}

// TestAttributesAreMappedAtEveryLogin: what the provider says today counts, also over an
// administrator's changes; groups and other attributes stay.
func TestAttributesAreMappedAtEveryLogin(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	provider := okta
	provider.Mapping = map[string]string{"email": "mail", "custom:team": "department"}
	said := map[string]string{"mail": "c@old.example", "department": "a", "name": "ignored"}
	login := func() map[string]any {
		provider.Users = []userpool.ProviderUser{{ID: "7", Password: "x", Attributes: maps.Clone(said)}}
		p.pool.SetProvider(provider)
		members := p.trade(p.pool.NewBrowser().LoginAt("Okta", p.authorizeURL(at("Okta")), "7", "x"))
		_, claims := decode(t, members["id_token"])
		return claims
	}
	first := login()
	if first["email"] != "c@old.example" || first["custom:team"] != "a" || first["email_verified"] != false || first["name"] != nil {
		t.Errorf("the first login says %v", first)
	}
	p.pool.SetUser(userpool.User{Username: "Okta_7", Subject: first["sub"].(string), Email: "admin@example.com", Name: "Admin's", Groups: []string{"staff"}})
	said["mail"] = "c@new.example"
	second := login()
	if second["email"] != "c@new.example" || second["name"] != "Admin's" || second["sub"] != first["sub"] || !slices.Equal(second["cognito:groups"].([]any), []any{"staff"}) {
		t.Errorf("the second login says %v", second)
	}
	delete(said, "mail")
	p.pool.Advance(time.Hour)
	third := login()
	if third["email"] != "c@new.example" {
		t.Errorf("what the provider leaves out: %v", third)
	}
	since := func(claims map[string]any) any {
		return claims["identities"].([]any)[0].(map[string]any)["dateCreated"]
	}
	if since(third) != since(first) {
		t.Errorf("the identity is of %v, want of %v", since(third), since(first))
	}
}

// TestCognitosOwnNonce: who sends none finds one in the ID token of a federated login, and
// none in that of the next, which the session answers.
func TestCognitosOwnNonce(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	nonceOf := func(page *userpool.Page) any {
		_, claims := decode(t, p.trade(page)["id_token"])
		return claims["nonce"]
	}
	without := map[string]string{"identity_provider": "Google", "nonce": ""}
	if nonce, _ := nonceOf(b.LoginAt("Google", p.authorizeURL(without), "123", "lutwidge")).(string); len(nonce) < 20 {
		t.Errorf("the nonce is %q, want one of the pool's", nonce)
	}
	if nonce := nonceOf(b.Get(p.authorizeURL(without))); nonce != nil {
		t.Errorf("the session's nonce is %v", nonce)
	}
	if nonce := nonceOf(p.pool.NewBrowser().LoginAt("Google", p.authorizeURL(at("Google")), "123", "lutwidge")); nonce != "nonce-1" {
		t.Errorf("the application's nonce became %v", nonce)
	}
	if nonce := nonceOf(p.pool.NewBrowser().Login(p.authorizeURL(map[string]string{"nonce": ""}), "alice", "wonderland")); nonce != nil {
		t.Errorf("alice's nonce is %v", nonce)
	}
}

// TestFederatedUsersHaveNoPassword: neither the page nor the API lets them in by one, not
// even one that an administrator has set; somebody else with their address gets in.
func TestFederatedUsersHaveNoPassword(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	user := p.pool.Federate("Google", "123")
	user.Password = "known"
	p.pool.SetUser(user)
	for _, name := range []string{"Google_123", "carol@example.com"} {
		for _, password := range []string{"", "known", "lutwidge"} {
			if page := p.pool.NewBrowser().Login(p.authorizeURL(nil), name, password); page.URL.Path != "/login" {
				t.Errorf("%s with %q ends at %s", name, password, page.URL)
			}
		}
	}
	if answer := p.api("InitiateAuth", `{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1","AuthParameters":{"USERNAME":"Google_123","PASSWORD":"known"}}`, nil).body; !strings.Contains(answer, "NotAuthorizedException") {
		t.Errorf("the API says %s", answer)
	}
	b := p.pool.NewBrowser()
	asks := p.submit(b, b.Get(strings.Replace(p.authorizeURL(nil), "/oauth2/authorize", "/forgotPassword", 1)), url.Values{"username": {"Google_123"}, "password": {"new"}})
	if end := p.submit(b, asks, url.Values{"code": {codeOnPage.FindStringSubmatch(asks.Body)[1]}}); end.URL.Query().Has("code") {
		t.Errorf("a forgotten password ends at %s", end.URL)
	}
	p.pool.SetUser(userpool.User{Username: "carol", Email: "carol@example.com", Password: "own"})
	p.api("InitiateAuth", `{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1","AuthParameters":{"USERNAME":"carol@example.com","PASSWORD":"own"}}`, nil).wantOK(t)
	if page := p.pool.NewBrowser().Login(p.authorizeURL(nil), "carol@example.com", "own"); page.URL.Query().Get("code") == "" {
		t.Errorf("the other carol ends at %s", page.URL)
	}
	if user := p.pool.Federate("Google", "123"); user.Username != "Google_123" {
		t.Errorf("the user is %v", user.Username)
	}
}

// TestSupportedIdentityProviders: a provider that is none of the client's, or of nobody's, ends on
// the login page with a word about it; a client without COGNITO has buttons alone.
func TestSupportedIdentityProviders(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{SupportedIdentityProviders: []string{"COGNITO", "Google"}}, userpool.Options{})
	b := p.pool.NewBrowser()
	for _, ask := range []map[string]string{at("Okta"), at("google"), at("Nobody"), {"idp_identifier": "example.com"}, {"idp_identifier": "x.org"}} {
		if page := b.Get(p.authorizeURL(ask)); page.URL.Path != "/login" || !strings.Contains(page.Body, "Login option is not available") {
			t.Errorf("%v ends at %s", ask, page.URL)
		}
	}
	page := b.Get(p.authorizeURL(nil))
	if !strings.Contains(page.Body, "Continue with Google") || strings.Contains(page.Body, "Okta") || !strings.Contains(page.Body, `id="login"`) || strings.Contains(page.Body, "not available") {
		t.Errorf("the login page is %s", page.Body)
	}
	// Whoever is on the way when the client changes does not get in.
	p.client.SupportedIdentityProviders = []string{"ADFS"}
	start := b.Get(p.authorizeURL(at("Google")))
	p.pool.SetClient(p.client)
	end := p.submit(b, start, url.Values{"username": {"123"}, "password": {"lutwidge"}})
	if end.URL.Query().Get("error") != "invalid_request" {
		t.Errorf("a provider that the client has lost ends at %s", end.URL)
	}
	page = b.Get(p.authorizeURL(nil))
	if !strings.Contains(page.Body, "Continue with ADFS") || strings.Contains(page.Body, `id="login"`) {
		t.Errorf("the page of a client without COGNITO is %s", page.Body)
	}
	other := p.client
	other.ID, other.SupportedIdentityProviders = "other", nil
	p.pool.SetClient(other)
	if page := b.Get(p.authorizeURL(map[string]string{"client_id": "other", "identity_provider": "Nobody"})); page.URL.Path != "/login" || !strings.Contains(page.Body, "not available") {
		t.Errorf("a client of all providers is sent to nobody's: %s", page.URL)
	}
	form := b.Get(p.authorizeURL(map[string]string{"client_id": "other"}))
	forged := strings.Replace(form.URL.String(), "client_id=other", "client_id="+p.client.ID, 1)
	form.URL, _ = url.Parse(forged)
	form.Body = strings.ReplaceAll(form.Body, "client_id=other", "client_id="+p.client.ID)
	if page := p.submit(b, form, url.Values{"username": {"alice"}, "password": {"wonderland"}}); page.URL.Path != "/login" {
		t.Errorf("a password for a client without COGNITO ends at %s", page.URL)
	}
}

// TestProvidersOfAClientByTheAPI: a client that the API makes has the providers that it names, if there are such.
func TestProvidersOfAClientByTheAPI(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	create := func(provider string) answer {
		return p.api("CreateUserPoolClient", `{"UserPoolId":"`+p.pool.UserPoolID()+`","ClientName":"x","SupportedIdentityProviders":["COGNITO","`+provider+`"]}`, nil)
	}
	create("Nobody").wantAPIError(t, http.StatusBadRequest, "InvalidParameterException")
	made := create("Okta")
	made.wantOK(t)
	if !strings.Contains(made.body, `"SupportedIdentityProviders":["COGNITO","Okta"]`) {
		t.Errorf("the client is %s", made.body)
	}
	id, _ := made.members["UserPoolClient"].(map[string]any)["ClientId"].(string)
	page := p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{"client_id": id, "identity_provider": "Google"}))
	if page.URL.Path != "/login" || !strings.Contains(page.Body, "Continue with Okta") || strings.Contains(page.Body, "Continue with Google") {
		t.Errorf("its login page is at %s: %s", page.URL, page.Body)
	}
}
