package userpool_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestTwoSecrets (FACTS.md §10.1): both work while secrets are being changed, and no
// third one.
func TestTwoSecrets(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{Secret: "old", SecondSecret: "new"}, userpool.Options{})
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"garbage"}}
	for secret, want := range map[string]string{"old": "invalid_grant", "new": "invalid_grant", "other": "invalid_client"} {
		p.post("/oauth2/token", form, "client1", secret).wantError(t, http.StatusBadRequest, want)
	}
	form.Set("client_id", "client1")
	p.post("/oauth2/token", form).wantError(t, http.StatusBadRequest, "invalid_client")
	p.pool.SetClient(userpool.Client{ID: "client1", Secret: "new"})
	p.post("/oauth2/token", form, "client1", "old").wantError(t, http.StatusBadRequest, "invalid_client")
}

// TestClientCredentials (FACTS.md §2, §8.3): a machine gets an access token alone, of
// its own scopes, and nobody else gets one.
func TestClientCredentials(t *testing.T) {
	t.Parallel()
	machine := userpool.Client{ID: "machine", Secret: "s", Grants: []string{"client_credentials"}, Scopes: []string{"orders/read", "orders/write", "openid"}}
	p := newParty(t, userpool.Client{}, userpool.Options{Clients: []userpool.Client{machine}})
	form := url.Values{"grant_type": {"client_credentials"}}
	for asked, want := range map[string]string{"": "orders/read orders/write", "orders/read openid other/x": "orders/read"} {
		form.Set("scope", asked)
		a := p.post("/oauth2/token", form, "machine", "s")
		a.wantOK(t)
		if len(a.members) != 3 || a.members["token_type"] != "Bearer" || a.members["expires_in"] != 3600.0 {
			t.Errorf("the answer is %v", a.members)
		}
		_, claims := decode(t, a.members["access_token"])
		if claims["scope"] != want || claims["sub"] != "machine" || claims["client_id"] != "machine" || claims["username"] != nil {
			t.Errorf("asked for %q, got %v", asked, claims)
		}
	}
	p.post("/oauth2/token", form, "machine", "wrong").wantError(t, http.StatusBadRequest, "invalid_client")
	form.Set("client_id", "client1")
	p.post("/oauth2/token", form).wantError(t, http.StatusBadRequest, "unauthorized_client")
	p.pool.SetClient(userpool.Client{ID: "machine", Secret: "s", Grants: []string{"client_credentials"}, CallbackURLs: []string{p.redirectURI()}})
	if _, q := splitLocation(t, p.get(p.authorizeURL(map[string]string{"client_id": "machine"}), "")); q.Get("error") != "unauthorized_client" {
		t.Errorf("a machine at the login: %v", q)
	}
	for _, bad := range []userpool.Client{
		{ID: "x", Grants: []string{"client_credentials"}},
		{ID: "x", Secret: "s", Grants: []string{"code", "client_credentials"}},
		{ID: "x", Grants: []string{"password"}},
	} {
		wantPanic(t, `client "x"`, func() { p.pool.SetClient(bad) })
	}
}

// TestImplicit (FACTS.md §1.2): tokens come in the fragment, with nothing to refresh
// them, and only to clients that may.
func TestImplicit(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{Grants: []string{"implicit"}}, userpool.Options{})
	change := map[string]string{"response_type": "token", "code_challenge": "", "code_challenge_method": ""}
	page := p.pool.NewBrowser().Login(p.authorizeURL(change), "alice", "wonderland")
	q, err := url.ParseQuery(page.URL.Fragment)
	if err != nil || page.URL.RawQuery != "" || q.Get("state") != "state-1" || q.Get("token_type") != "bearer" ||
		q.Get("expires_in") != "3600" || q.Has("refresh_token") || q.Has("code") {
		t.Errorf("alice ended at %s (%v)", page.URL, err)
	}
	_, id := decode(t, q.Get("id_token"))
	if id["nonce"] != "nonce-1" || id["at_hash"] != halfHash(q.Get("access_token")) {
		t.Errorf("the ID token says %v", id)
	}
	p.get(p.pool.URL()+"/oauth2/userInfo", q.Get("access_token")).wantOK(t)
	p.pool.SetClient(userpool.Client{ID: "code-only"})
	change["client_id"] = "code-only"
	if a := p.get(p.authorizeURL(change), ""); !strings.HasPrefix(a.header.Get("Location"), p.redirectURI()+"#error=unauthorized_client") {
		t.Errorf("a client without the grant went to %s", a.header.Get("Location"))
	}
	change["client_id"], change["scope"] = "client1", "nonsense"
	if a := p.get(p.authorizeURL(change), ""); !strings.Contains(a.header.Get("Location"), "#error=invalid_scope") {
		t.Errorf("an error went to %s", a.header.Get("Location"))
	}
	if _, q := splitLocation(t, p.get(p.authorizeURL(nil), "")); q.Get("error") != "unauthorized_client" {
		t.Errorf("a code for a client without that grant: %v", q)
	}
}

// TestReadAttributes (FACTS.md §2.2): who may not read all of a scope gets no tokens,
// and with openid alone gets what may be read.
func TestReadAttributes(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{ReadAttributes: []string{"email", "name"}}, userpool.Options{})
	for _, scope := range []string{"openid email", "openid phone profile"} {
		p.post("/oauth2/token", p.codeForm(p.code(map[string]string{"scope": scope}))).wantError(t, http.StatusBadRequest, "invalid_grant")
	}
	answer := p.tokens(map[string]string{"scope": "openid"})
	_, id := decode(t, answer["id_token"])
	token, _ := answer["access_token"].(string)
	info := p.get(p.pool.URL()+"/oauth2/userInfo", token).members
	for name, claims := range map[string]map[string]any{"ID token": id, "userInfo": info} {
		if claims["email"] != "alice@example.com" || claims["name"] != "Alice Liddell" || claims["email_verified"] != nil {
			t.Errorf("the %s says %v", name, claims)
		}
	}
	p.tokens(map[string]string{"scope": "openid profile"})
}

// TestRevocationOff (FACTS.md §3, §5): the endpoint refuses, and tokens lack the names
// that it needs; rotation brings these back.
func TestRevocationOff(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{RevocationOff: true}, userpool.Options{})
	login := p.tokens(nil)
	for _, kind := range []string{"id_token", "access_token"} {
		if _, claims := decode(t, login[kind]); claims["jti"] != nil || claims["origin_jti"] != nil {
			t.Errorf("the %s says %v", kind, claims)
		}
	}
	token, _ := login["refresh_token"].(string)
	form := url.Values{"client_id": {"client1"}, "token": {token}}
	p.post("/oauth2/revoke", form).wantError(t, http.StatusBadRequest, "invalid_request")
	p.refresh(token).wantOK(t)
	p.pool.SetClient(userpool.Client{ID: "client1", RevocationOff: true, RotateRefreshTokens: true})
	if _, claims := decode(t, p.tokens(nil)["id_token"]); claims["jti"] == nil || claims["origin_jti"] == nil {
		t.Errorf("with rotation the ID token says %v", claims)
	}
}

// TestRoles (FACTS.md §8.2): in ID tokens alone, and absent when there are none.
func TestRoles(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	t.Cleanup(pool.Close)
	roles := []string{"arn:aws:iam::1:role/a", "arn:aws:iam::1:role/b"}
	pool.SetUser(userpool.User{Username: "carol", Roles: roles, PreferredRole: roles[1]})
	_, id := decode(t, pool.IDToken("", "carol", nil))
	got, _ := id["cognito:roles"].([]any)
	if !slices.Equal(got, []any{roles[0], roles[1]}) || id["cognito:preferred_role"] != roles[1] {
		t.Errorf("carol's ID token says %v", id)
	}
	_, access := decode(t, pool.AccessToken("", "carol", nil))
	_, bob := decode(t, pool.IDToken("", "bob", nil))
	for _, claims := range []map[string]any{access, bob} {
		// null is not absent.
		wantClaims(t, claims, map[string]any{"cognito:roles": nil, "cognito:preferred_role": nil})
	}
}

// TestSessionTTL (FACTS.md §1.5, §12b): the pool remembers a visitor for as long as
// the client says, from the sign-in on; and the codes of that time say when it was.
func TestSessionTTL(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{0, 10 * time.Minute, 48 * time.Hour, -1} {
		p := newParty(t, userpool.Client{SessionTTL: ttl}, userpool.Options{})
		b := p.pool.NewBrowser()
		signedIn := p.pool.Now().Unix()
		login := b.Login(p.authorizeURL(nil), "alice", "wonderland")
		for _, cookie := range login.Cookies {
			if cookie.Name == "cognito" && ttl < 0 {
				t.Error("a client without single sign-on sets the cookie")
			}
		}
		lasts := ttl
		if ttl == 0 {
			lasts = time.Hour
		}
		if ttl >= 0 {
			for range 2 { // not sliding
				p.pool.Advance(lasts/2 - 30*time.Second) // the clock goes on meanwhile
				page := b.Get(p.authorizeURL(nil))
				if page.Body != "landed" {
					t.Fatalf("%s: asked again too soon, at %s", ttl, page.URL)
				}
				a := p.post("/oauth2/token", p.codeForm(page.URL.Query().Get("code")))
				_, claims := decode(t, a.members["id_token"])
				if authTime, _ := claims["auth_time"].(float64); int64(authTime)-signedIn > 60 {
					t.Errorf("%s: auth_time is %d s after the sign-in", ttl, int64(authTime)-signedIn)
				}
			}
		}
		p.pool.Advance(61 * time.Second)
		if page := b.Get(p.authorizeURL(nil)); page.URL.Path != "/login" {
			t.Errorf("%s: still known afterwards, at %s", ttl, page.URL)
		}
	}
}

// TestAmbiguities (FACTS.md §1.3, §2.2): where sources differ the pool can do either.
func TestAmbiguities(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{InvalidClientStatus: http.StatusUnauthorized, ErrorsWithoutState: true})
	p.post("/oauth2/token", url.Values{"client_id": {"stranger"}}).wantError(t, http.StatusUnauthorized, "invalid_client")
	p.post("/oauth2/token", url.Values{}).wantError(t, http.StatusBadRequest, "invalid_request")
	if _, q := splitLocation(t, p.get(p.authorizeURL(map[string]string{"scope": "x"}), "")); q.Get("error") != "invalid_scope" || q.Has("state") {
		t.Errorf("the error is %v, want none of state", q)
	}
	if _, q := splitLocation(t, p.get(p.authorizeURL(map[string]string{"prompt": "none"}), "")); q.Get("error") != "login_required" || q.Get("state") != "state-1" {
		t.Errorf("login_required came with %v", q)
	}
	if page := p.pool.NewBrowser().Login(p.authorizeURL(nil), "alice", "wonderland"); page.URL.Query().Get("state") != "state-1" {
		t.Errorf("the honest login ended at %s", page.URL)
	}
}
