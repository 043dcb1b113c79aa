package userpool_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// verifier and challenge are those of RFC 7636, appendix B.
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// party is the relying party of a test: an origin where visitors land, and what
// it tells the pool.
type party struct {
	t      *testing.T
	pool   *userpool.Pool
	client userpool.Client
	origin string
}

// newParty starts a pool with one client and a place to land.
func newParty(t *testing.T, client userpool.Client, options userpool.Options) *party {
	t.Helper()
	if client.ID == "" {
		client.ID = "client1"
	}
	options.Clients = append([]userpool.Client{client}, options.Clients...)
	pool := userpool.New(options)
	landing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "landed")
	}))
	pool.AllowOrigin(landing.URL)
	t.Cleanup(func() {
		pool.Close()
		landing.Close()
	})
	return &party{t, pool, client, landing.URL}
}

func (p *party) redirectURI() string { return p.origin + "/login/redirect" }

// authorizeURL asks for a code; changes replace parameters, "" removes one.
func (p *party) authorizeURL(changes map[string]string) string {
	q := url.Values{
		"response_type":         {"code"},
		"client_id":             {p.client.ID},
		"redirect_uri":          {p.redirectURI()},
		"scope":                 {"openid email profile"},
		"state":                 {"state-1"},
		"nonce":                 {"nonce-1"},
		"code_challenge":        {challenge},
		"code_challenge_method": {"S256"},
	}
	for name, value := range changes {
		q.Set(name, value)
		if value == "" {
			q.Del(name)
		}
	}
	return p.pool.URL() + "/oauth2/authorize?" + q.Encode()
}

// code signs alice in and returns the code she comes back with.
func (p *party) code(changes map[string]string) string {
	p.t.Helper()
	page := p.pool.NewBrowser().Login(p.authorizeURL(changes), "alice", "wonderland")
	code := page.URL.Query().Get("code")
	if code == "" {
		p.t.Fatalf("alice's login ended at %s without a code", page.URL)
	}
	return code
}

// codeForm is the body that trades a code.
func (p *party) codeForm(code string) url.Values {
	return url.Values{
		"grant_type":    {"authorization_code"},
		"client_id":     {p.client.ID},
		"code":          {code},
		"redirect_uri":  {p.redirectURI()},
		"code_verifier": {verifier},
	}
}

// tokens signs alice in and trades her code.
func (p *party) tokens(changes map[string]string) map[string]any {
	p.t.Helper()
	answer := p.post("/oauth2/token", p.codeForm(p.code(changes)))
	if answer.status != http.StatusOK {
		p.t.Fatalf("trading a code: status %d, %v", answer.status, answer.members)
	}
	return answer.members
}

// refresh trades a refresh token.
func (p *party) refresh(token any) answer {
	p.t.Helper()
	raw, _ := token.(string)
	return p.post("/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {p.client.ID}, "refresh_token": {raw},
	})
}

// answer is what an endpoint said.
type answer struct {
	status  int
	header  http.Header
	body    string
	members map[string]any // if the body is JSON
}

// post sends a form, as a public client unless basic credentials are given.
func (p *party) post(path string, form url.Values, basic ...string) answer {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.pool.URL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(basic) == 2 {
		r.SetBasicAuth(basic[0], basic[1])
	}
	return p.do(r)
}

// get asks for something with a bearer token, if one is given.
func (p *party) get(address, token string) answer {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return p.do(r)
}

// do sends a request without following redirects.
func (p *party) do(r *http.Request) answer {
	p.t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, body: string(body)}
	_ = json.Unmarshal(body, &a.members) // nil if it is no JSON
	return a
}

// wantError checks an OAuth error and its status.
func (a answer) wantError(t *testing.T, status int, code string) {
	t.Helper()
	if a.status != status || a.members["error"] != code {
		t.Errorf("got %d %s, want %d with error %q", a.status, a.body, status, code)
	}
}

// wantOK checks that a request was served.
func (a answer) wantOK(t *testing.T) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Errorf("the honest request got %d %s, want 200", a.status, a.body)
	}
}

// decode returns header and claims of a token, without checking it.
func decode(t *testing.T, token any) (header, claims map[string]any) {
	t.Helper()
	raw, _ := token.(string)
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a token", raw)
	}
	for i, into := range []*map[string]any{&header, &claims} {
		part, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(part, into)
		}
		if err != nil {
			t.Fatalf("part %d of %q: %v", i, raw, err)
		}
	}
	return header, claims
}

// halfHash is the at_hash of a token.
func halfHash(token any) string {
	raw, _ := token.(string)
	sum := sha256.Sum256([]byte(raw))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
