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

// register asks for an app client, with an initial access token if one is given.
func (p *party) register(metadata, token string) answer {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.pool.URL()+"/oauth2/register", strings.NewReader(metadata))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" && !strings.Contains(token, " ") {
		token = "Bearer " + token
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	return p.do(r)
}

// metadata is what this party would register, with more members.
func (p *party) metadata(more string) string {
	return `{"redirect_uris":["` + p.redirectURI() + `"],"client_name":"Robot"` + more + `}`
}

// TestRegistration (cognito.md §12b): an application finds the endpoint, registers, and
// takes a visitor through a whole login.
func TestRegistration(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{OpenRegistration: true, RegistrationScopes: []string{"orders/read"}})
	discovered := p.get(p.pool.Issuer()+"/.well-known/openid-configuration", "")
	if got := discovered.members["registration_endpoint"]; got != p.pool.URL()+"/oauth2/register" {
		t.Fatalf("discovery names %v", got)
	}
	public := p.register(p.metadata(`,"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"logo_uri":"x"`), "")
	wantClaims(t, public.members, map[string]any{
		"client_name": "Robot", "token_endpoint_auth_method": "none", "scope": "openid email phone profile orders/read",
		"client_secret": nil, "client_secret_expires_at": nil, "logo_uri": nil,
		"response_types": []any{"code"},
	})
	if at, _ := public.members["client_id_issued_at"].(float64); at < 1e9 {
		t.Errorf("it was issued at %v", public.members["client_id_issued_at"])
	}
	if public.status != http.StatusCreated || !strings.Contains(public.header.Get("Cache-Control"), "no-store") {
		t.Fatalf("the answer is %d %v", public.status, public.header)
	}
	p.client.ID, _ = public.members["client_id"].(string)
	tokens := p.tokens(nil)
	if _, id := decode(t, tokens["id_token"]); id["aud"] != p.client.ID {
		t.Errorf("the ID token is for %v, want %s", id["aud"], p.client.ID)
	}
	p.refresh(tokens["refresh_token"]).wantOK(t)

	// Nothing said is the code grant with a secret.
	confidential := p.register(p.metadata(""), "")
	wantClaims(t, confidential.members, map[string]any{"token_endpoint_auth_method": "client_secret_basic", "client_secret_expires_at": 0.0})
	p.client.ID, _ = confidential.members["client_id"].(string)
	secret, _ := confidential.members["client_secret"].(string)
	p.post("/oauth2/token", p.codeForm(p.code(nil))).wantError(t, http.StatusBadRequest, "invalid_client")
	p.post("/oauth2/token", p.codeForm(p.code(nil)), p.client.ID, secret).wantOK(t)
	if p.pool.Calls(userpool.Register) != 2 {
		t.Errorf("counted %d registrations, want 2", p.pool.Calls(userpool.Register))
	}

	p.pool.RemoveClient(p.client.ID)
	if page := p.pool.NewBrowser().Get(p.authorizeURL(nil)); page.URL.Path != "/error" {
		t.Errorf("a removed client comes to %s", page.URL)
	}
}

// TestRegistrationIsOffUnlessAskedFor: neither the endpoint nor its name is there.
func TestRegistrationIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	if got := p.register(p.metadata(""), ""); got.status != http.StatusNotFound {
		t.Errorf("the answer is %d %s", got.status, got.body)
	}
	if got := p.get(p.pool.Issuer()+"/.well-known/openid-configuration", ""); got.members["registration_endpoint"] != nil {
		t.Errorf("discovery names %v", got.members["registration_endpoint"])
	}
}

// TestRegistrationErrors (RFC 7591 §3.2.2).
func TestRegistrationErrors(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{OpenRegistration: true, RegistrationScopes: []string{"orders/read"}})
	const uri, metadata = "invalid_redirect_uri", "invalid_client_metadata"
	for body, code := range map[string]string{
		`{}`:                                                                     uri,
		`{"redirect_uris":["/cb"]}`:                                              uri,
		`{"redirect_uris":["https://a/#b"]}`:                                     uri,
		`{"redirect_uris":["http://a/cb"]}`:                                      uri,
		`{"redirect_uris":["javascript:x"]}`:                                     uri,
		`{"redirect_uris":"https://a"}`:                                          metadata,
		`[]`:                                                                     metadata,
		`redirect_uris=https://a`:                                                metadata,
		p.metadata(`,"grant_types":["implicit"]`):                                metadata,
		p.metadata(`,"grant_types":["refresh_token"]`):                           metadata,
		p.metadata(`,"grant_types":["client_credentials"]`):                      metadata,
		p.metadata(`,"response_types":["token"]`):                                metadata,
		p.metadata(`,"response_types":["code","token"]`):                         metadata,
		p.metadata(`,"token_endpoint_auth_method":"private_key_jwt"`):            metadata,
		p.metadata(`,"scope":"openid orders/write"`):                             metadata,
		p.metadata(`,"scope":"openid aws.cognito.signin.user.admin"`):            metadata,
		p.metadata(`,"grant_types":["authorization_code","client_credentials"]`): metadata,
	} {
		got := p.register(body, "")
		got.wantError(t, http.StatusBadRequest, code)
		if t.Failed() {
			t.Fatal(body)
		}
	}
	// Who may register machines cannot have half a machine either.
	token := p.pool.AccessToken("", "alice", map[string]any{"scope": "aws.cognito/dcr/register"})
	for _, more := range []string{
		`,"grant_types":["client_credentials","authorization_code"]`,
		`,"grant_types":["client_credentials"],"token_endpoint_auth_method":"none"`,
		`,"grant_types":["client_credentials"],"response_types":["code"]`,
		`,"grant_types":["client_credentials"],"scope":"openid"`,
	} {
		p.register(p.metadata(more), token).wantError(t, http.StatusBadRequest, metadata)
	}
	if got := p.register(p.metadata(`,"grant_types":["client_credentials"]`), token); got.status != http.StatusCreated {
		t.Errorf("a machine got %d %s", got.status, got.body)
	}
	for _, uri := range []string{"https://app.example/cb", "http://127.0.0.1:8080/cb", "http://[::1]/cb", "http://localhost/cb", "com.example.app:/cb"} {
		if got := p.register(`{"redirect_uris":["`+uri+`"],"scope":"openid"}`, ""); got.status != http.StatusCreated {
			t.Errorf("%s: %d %s", uri, got.status, got.body)
		}
	}
}

// TestStrangersRegister: without open registration an initial access token is needed, and
// neither a user's token nor an old one will do, even where registration is open.
func TestStrangersRegister(t *testing.T) {
	t.Parallel()
	registrar := userpool.Client{ID: "registrar", Secret: "s", Grants: []string{"client_credentials"}, Scopes: []string{"aws.cognito/dcr/register", "a/b"}}
	p := newParty(t, userpool.Client{}, userpool.Options{
		Registration: true, RegistrationScopes: []string{"orders/read"}, Clients: []userpool.Client{registrar},
	})
	initial := func(scope string) string {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {scope}}
		token, _ := p.post("/oauth2/token", form, "registrar", "s").members["access_token"].(string)
		return token
	}
	old := initial("aws.cognito/dcr/register")
	p.pool.Advance(2 * time.Hour)
	for name, test := range map[string]struct {
		token     string
		status    int
		challenge string
	}{
		"no token":        {"", http.StatusUnauthorized, "Bearer"},
		"no token at all": {"letmein", http.StatusUnauthorized, `Bearer error="invalid_token"`},
		"an old one":      {old, http.StatusUnauthorized, `Bearer error="invalid_token"`},
		"an ID token": {p.pool.IDToken("", "alice", map[string]any{"scope": "aws.cognito/dcr/register"}),
			http.StatusUnauthorized, `Bearer error="invalid_token"`},
		"another issuer's": {p.pool.AccessToken("", "alice", map[string]any{"scope": "aws.cognito/dcr/register", "iss": "https://evil.example"}),
			http.StatusUnauthorized, `Bearer error="invalid_token"`},
		"another scheme": {"Basic " + initial("aws.cognito/dcr/register"), http.StatusUnauthorized, `Bearer error="invalid_token"`},
		"another scope":  {initial("a/b"), http.StatusForbidden, `Bearer error="insufficient_scope"`},
	} {
		got := p.register(p.metadata(""), test.token)
		if got.status != test.status || got.header.Get("WWW-Authenticate") != test.challenge {
			t.Errorf("%s: %d %q, want %d %q", name, got.status, got.header.Get("WWW-Authenticate"), test.status, test.challenge)
		}
	}
	if clients := p.pool.Clients(); len(clients) != 2 {
		t.Errorf("strangers have made clients: %v", clients)
	}

	token := initial("aws.cognito/dcr/register")
	if got := p.register(p.metadata(""), token); got.status != http.StatusCreated {
		t.Errorf("the honest one got %d %s", got.status, got.body)
	}
	machine := p.register(`{"grant_types":["client_credentials"]}`, token)
	if kinds, ok := machine.members["response_types"].([]any); !ok || len(kinds) > 0 || machine.members["scope"] != "orders/read" {
		t.Errorf("a machine got %d %s", machine.status, machine.body)
	}
	id, _ := machine.members["client_id"].(string)
	secret, _ := machine.members["client_secret"].(string)
	p.post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}}, id, secret).wantOK(t)
	if at := slices.IndexFunc(p.pool.Clients(), func(c userpool.Client) bool { return c.ID == id }); at < 0 {
		t.Error("the pool does not list the machine")
	}
}

// TestAPageRegisters: a page of another site sends forms without asking, and a client
// that it has made would lead visitors of this machine to its own address.
func TestAPageRegisters(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{OpenRegistration: true})
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
		r, err := http.NewRequest(http.MethodPost, p.pool.URL()+"/oauth2/register", strings.NewReader(p.metadata("")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", kind)
		p.do(r).wantError(t, http.StatusBadRequest, "invalid_client_metadata")
	}
	r, err := http.NewRequest(http.MethodOptions, p.pool.URL()+"/oauth2/register", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.do(r); got.header.Get("Access-Control-Allow-Origin") != "" || got.status != http.StatusMethodNotAllowed {
		t.Errorf("a preflight got %d %v", got.status, got.header)
	}
	if got := p.register(p.metadata(""), ""); got.status != http.StatusCreated {
		t.Errorf("the honest one got %d %s", got.status, got.body)
	}
}
