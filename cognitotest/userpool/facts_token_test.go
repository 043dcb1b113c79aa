package userpool_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// Small facts of FACTS.md §2, §8 and §10 that no story of another file tells.

// TestTokenWantsAForm (FACTS.md §2): JSON is no way to ask for tokens, nor is the query.
func TestTokenWantsAForm(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	form := p.codeForm(p.code(nil))
	for kind, body := range map[string]string{
		"application/json": `{"grant_type":"authorization_code","client_id":"client1"}`,
		"text/plain":       form.Encode(), "": form.Encode(),
	} {
		r, err := http.NewRequest(http.MethodPost, p.pool.URL()+"/oauth2/token", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		p.do(r).wantError(t, http.StatusBadRequest, "invalid_request")
	}
	p.post("/oauth2/token?"+form.Encode(), nil).wantError(t, http.StatusBadRequest, "invalid_request")
	p.post("/oauth2/token", form).wantOK(t)
}

// TestErrorAnswers (FACTS.md §2.2, §5): errors are JSON with the word alone, for no cache.
func TestErrorAnswers(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	for path, form := range map[string]url.Values{
		"/oauth2/token":     {"client_id": {"client1"}, "grant_type": {"password"}},
		"/oauth2/token?x=1": {"client_id": {"stranger"}},
		"/oauth2/token?x=2": p.codeForm("nonsense"),
		"/oauth2/revoke":    {"client_id": {"client1"}},
	} {
		a := p.post(path, form)
		if a.header.Get("Content-Type") != "application/json;charset=UTF-8" || len(a.members) != 1 ||
			a.members["error"] == nil || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: got %s under %v", path, a.body, a.header)
		}
	}
}

// TestGrantsAtTheTokenEndpoint (FACTS.md §2.2): a client that has not the grant is told
// so, whatever it brings.
func TestGrantsAtTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Clients: []userpool.Client{
		{ID: "implicit", Grants: []string{"implicit"}},
		{ID: "machine", Secret: "s", Grants: []string{"client_credentials"}},
	}})
	code, refresh := p.codeForm(p.code(nil)), url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}}
	code.Del("client_id")
	for _, form := range []url.Values{code, refresh} {
		p.post("/oauth2/token", form, "machine", "s").wantError(t, http.StatusBadRequest, "unauthorized_client")
	}
	code.Set("client_id", "implicit")
	p.post("/oauth2/token", code).wantError(t, http.StatusBadRequest, "unauthorized_client")
	code.Set("client_id", "client1")
	p.post("/oauth2/token", code).wantOK(t)
}

// TestNoOtherClientAuthentication (FACTS.md §2, §12, §12b): of what RFCs have besides a
// secret and PKCE the pool knows nothing.
func TestNoOtherClientAuthentication(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{ID: "conf", Secret: "secret"}, userpool.Options{})
	form := p.codeForm(p.code(nil))
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", "eyJhbGciOiJSUzI1NiJ9.e30.x")
	p.post("/oauth2/token", form).wantError(t, http.StatusBadRequest, "invalid_client")
	twice := base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte("conf:secret"))))
	r, err := http.NewRequest(http.MethodPost, p.pool.URL()+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Basic "+twice)
	p.do(r).wantError(t, http.StatusBadRequest, "invalid_client")
	exchange := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {"x"}}
	p.post("/oauth2/token", exchange, "conf", "secret").wantError(t, http.StatusBadRequest, "unsupported_grant_type")
	p.post("/oauth2/token", p.codeForm(form.Get("code")), "conf", "secret").wantOK(t)
}

// TestScopeAtRefresh (FACTS.md §2): the parameter is of client_credentials alone, and a
// refresh brings the scopes of the login again.
func TestScopeAtRefresh(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	token, _ := p.tokens(nil)["refresh_token"].(string)
	a := p.post("/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"client1"}, "refresh_token": {token}, "scope": {"openid"},
	})
	a.wantOK(t)
	_, access := decode(t, a.members["access_token"])
	wantClaims(t, access, map[string]any{"scope": "openid email profile"})
}

// TestDefaultLifetimes (FACTS.md §2.1, §8.5): an hour, of which the answer tells that of
// the access token.
func TestDefaultLifetimes(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	tokens := p.tokens(nil)
	for _, kind := range []string{"id_token", "access_token"} {
		_, claims := decode(t, tokens[kind])
		issued, _ := claims["iat"].(float64)
		wantClaims(t, claims, map[string]any{"exp": issued + 3600})
	}
	if tokens["expires_in"] != 3600.0 {
		t.Errorf("expires_in is %v", tokens["expires_in"])
	}
}

// TestSetClientForgets (FACTS.md §10.3): what an update leaves out is back at its default.
func TestSetClientForgets(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{RotateRefreshTokens: true, Scopes: []string{"openid"}}, userpool.Options{})
	p.pool.SetClient(userpool.Client{ID: "client1"})
	login := p.tokens(nil) // with scopes that were not allowed
	if next := p.refresh(login["refresh_token"]).members["refresh_token"]; next != nil {
		t.Error("the client still rotates")
	}
}

// TestRevokeTakesNoHint (FACTS.md §5): what RFC 7009 has besides the token changes nothing.
func TestRevokeTakesNoHint(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	token, _ := p.tokens(nil)["refresh_token"].(string)
	p.post("/oauth2/revoke", url.Values{
		"client_id": {"client1"}, "token": {token}, "token_type_hint": {"access_token"},
	}).wantOK(t)
	p.refresh(token).wantError(t, http.StatusBadRequest, "invalid_grant")
}

// TestChallengesTimeOut (FACTS.md §10.2): who is asked for a new password has three minutes.
func TestChallengesTimeOut(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.api("AdminCreateUser", `{"UserPoolId":"us-east-1_TestPool1","Username":"dave","TemporaryPassword":"for now"}`, nil).wantOK(t)
	answerAfter := func(wait time.Duration) answer {
		asked := p.api("InitiateAuth", `{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1",`+
			`"AuthParameters":{"USERNAME":"dave","PASSWORD":"for now"}}`, nil)
		session, _ := asked.members["Session"].(string)
		p.pool.Advance(wait)
		return p.api("RespondToAuthChallenge", `{"ChallengeName":"NEW_PASSWORD_REQUIRED","ClientId":"client1","Session":"`+session+
			`","ChallengeResponses":{"USERNAME":"dave","NEW_PASSWORD":"for ever"}}`, nil)
	}
	answerAfter(3*time.Minute).wantAPIError(t, http.StatusBadRequest, "NotAuthorizedException")
	answerAfter(150 * time.Second).wantOK(t)
}
