package userpool_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// api calls an operation of the API as an SDK does; headers replace its own.
func (p *party) api(operation, body string, headers map[string]string) answer {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, p.pool.URL()+"/", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AWSCognitoIdentityProviderService."+operation)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return p.do(r)
}

// wantAPIError checks an error in the API's own form.
func (a answer) wantAPIError(t *testing.T, status int, kind string) {
	t.Helper()
	if a.status != status || a.members["__type"] != kind || a.header.Get("X-Amzn-ErrorType") != kind+":" ||
		a.header.Get("Content-Type") != "application/x-amz-json-1.1" {
		t.Errorf("got %d %s %v, want %d %s", a.status, a.body, a.header, status, kind)
	}
}

// TestAPIPassword: a password gives tokens, and the API counts as an endpoint.
func TestAPIPassword(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	signIn := func(password string) answer {
		return p.api("InitiateAuth", `{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1",`+
			`"AuthParameters":{"USERNAME":"alice","PASSWORD":"`+password+`"}}`, nil)
	}
	signIn("wrong").wantAPIError(t, http.StatusBadRequest, "NotAuthorizedException")
	got := signIn("wonderland")
	got.wantOK(t)
	result, _ := got.members["AuthenticationResult"].(map[string]any)
	_, access := decode(t, result["AccessToken"])
	_, id := decode(t, result["IdToken"])
	if access["scope"] != "aws.cognito.signin.user.admin" || access["event_id"] != id["event_id"] || id["email"] != "alice@example.com" {
		t.Errorf("the tokens say %v and %v", access, id)
	}
	if calls := p.pool.Calls(userpool.IDP); calls != 2 {
		t.Errorf("counted %d calls, want 2", calls)
	}
}

// TestAPIUnknown: what the pool does not know is answered in JSON.
func TestAPIUnknown(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.api("MakeTea", `{}`, nil).wantAPIError(t, http.StatusBadRequest, "UnknownOperationException")
	p.api("GetUser", `<xml/>`, nil).wantAPIError(t, http.StatusBadRequest, "SerializationException")
}

// TestPagesAdministerThePool: a page that a developer has open, or that a name made to
// point at loopback has turned into one of the pool's own, makes itself no account.
func TestPagesAdministerThePool(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	body := `{"UserPoolId":"us-east-1_TestPool1","Username":"mallory"}`
	for _, headers := range []map[string]string{
		{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": p.pool.URL()},
		{"Sec-Fetch-Site": "same-origin"},
	} {
		p.api("AdminCreateUser", body, headers).wantAPIError(t, http.StatusForbidden, "ForbiddenException")
	}
	// A form can send this without asking before.
	for _, kind := range []string{"text/plain", ""} {
		p.api("AdminCreateUser", body, map[string]string{"Content-Type": kind}).
			wantAPIError(t, http.StatusBadRequest, "SerializationException")
	}
	p.api("AdminCreateUser", body, nil).wantOK(t)
}

// TestAPICORS: scripts of other origins use the operations of users.
func TestAPICORS(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	r, err := http.NewRequest(http.MethodOptions, p.pool.URL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	wanted := "amz-sdk-invocation-id,amz-sdk-request,authorization,cache-control,content-type,x-amz-target,x-amz-user-agent"
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "POST")
	r.Header.Set("Access-Control-Request-Headers", wanted)
	got := p.do(r)
	if got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Origin") != "*" ||
		got.header.Get("Access-Control-Allow-Methods") != "POST" || got.header.Get("Access-Control-Allow-Headers") != wanted {
		t.Errorf("the preflight got %d %v", got.status, got.header)
	}
	got = p.api("InitiateAuth", `{"AuthFlow":"USER_PASSWORD_AUTH","ClientId":"client1",`+
		`"AuthParameters":{"USERNAME":"alice","PASSWORD":"wonderland"}}`, map[string]string{"Origin": "https://app.example"})
	got.wantOK(t)
	if got.header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error("the script cannot read its tokens")
	}
}

// TestUnconfirmedAtThePage: who has not confirmed the address is kept out at the
// pool's page too.
func TestUnconfirmedAtThePage(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.api("SignUp", `{"ClientId":"client1","Username":"carol","Password":"in the tower"}`, nil).wantOK(t)
	login := func() *userpool.Page {
		return p.pool.NewBrowser().Login(p.authorizeURL(nil), "carol", "in the tower")
	}
	if page := login(); !strings.Contains(page.Body, "not confirmed") {
		t.Errorf("carol ended at %s: %s", page.URL, page.Body)
	}
	p.api("ConfirmSignUp", `{"ClientId":"client1","Username":"carol","ConfirmationCode":"`+
		p.pool.ConfirmationCode("carol")+`"}`, nil).wantOK(t)
	if page := login(); page.URL.Query().Get("code") == "" {
		t.Errorf("carol ended at %s: %s", page.URL, page.Body)
	}
}

// TestTheNextOwnerOfAName: a browser, a code and a refresh token of a user who was deleted are
// not those of somebody who then gets the same name.
func TestTheNextOwnerOfAName(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	tokens, code, b := p.tokens(nil), p.code(nil), p.pool.NewBrowser()
	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	p.api("AdminDeleteUser", aliceBody+`}`, nil).wantOK(t)
	p.api("AdminCreateUser", aliceBody+`}`, nil).wantOK(t)
	p.api("AdminSetUserPassword", aliceBody+`,"Password":"through the glass","Permanent":true}`, nil).wantOK(t)
	if page := b.Get(p.authorizeURL(nil)); page.URL.Path != "/login" {
		t.Errorf("the browser is let in: %s", page.URL)
	}
	p.post("/oauth2/token", p.codeForm(code)).wantError(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(tokens["refresh_token"]).wantError(t, http.StatusBadRequest, "invalid_grant")
	if page := b.Login(p.authorizeURL(nil), "alice", "through the glass"); page.URL.Query().Get("code") == "" {
		t.Errorf("the new alice ended at %s", page.URL)
	}
}

// TestConfirmedByEmail: an administrator who names a user by the e-mail address uses up the code.
func TestConfirmedByEmail(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.api("SignUp", `{"ClientId":"client1","Username":"carol","Password":"in the tower",`+
		`"UserAttributes":[{"Name":"email","Value":"carol@example.com"}]}`, nil).wantOK(t)
	p.api("AdminConfirmSignUp", `{"UserPoolId":"us-east-1_TestPool1","Username":"carol@example.com"}`, nil).wantOK(t)
	p.apiSignIn("carol", "in the tower")
	if code := p.pool.ConfirmationCode("carol"); code != "" {
		t.Errorf("the code is still %q", code)
	}
}

// TestAPIMissing: an operation without what it needs says what that is.
func TestAPIMissing(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	inPool := `{"UserPoolId":"` + p.pool.UserPoolID() + `"`
	for _, row := range []struct{ operation, body, missing string }{
		{"InitiateAuth", `{"ClientId":"client1","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"PASSWORD":"wonderland"}}`, "USERNAME"},
		{"InitiateAuth", `{"ClientId":"client1","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"alice"}}`, "PASSWORD"},
		{"InitiateAuth", `{"ClientId":"client1","AuthFlow":"USER_SRP_AUTH","AuthParameters":{"USERNAME":"alice"}}`, "SRP_A"},
		{"InitiateAuth", `{"ClientId":"client1","AuthFlow":"REFRESH_TOKEN_AUTH","AuthParameters":{}}`, "REFRESH_TOKEN"},
		{"GetTokensFromRefreshToken", `{"ClientId":"client1"}`, "RefreshToken"},
		{"RevokeToken", `{"ClientId":"client1"}`, "Token"},
		{"SignUp", `{"ClientId":"client1","Password":"x"}`, "Username"},
		{"AdminCreateUser", inPool + `}`, "Username"},
		{"CreateGroup", inPool + `}`, "GroupName"},
		{"CreateUserPool", `{}`, "PoolName"},
		{"CreateUserPoolClient", inPool + `}`, "ClientName"},
		{"CreateUserPoolDomain", inPool + `}`, "Domain"},
	} {
		got := p.api(row.operation, row.body, nil)
		got.wantAPIError(t, http.StatusBadRequest, "InvalidParameterException")
		if says, _ := got.members["message"].(string); says != "Missing required parameter "+row.missing {
			t.Errorf("%s without %s: %s", row.operation, row.missing, got.body)
		}
	}
}

// TestAPIEmptyPassword: an administrator sets no password that nobody could type.
func TestAPIEmptyPassword(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.api("AdminSetUserPassword", aliceBody+`,"Permanent":true}`, nil).wantAPIError(t, http.StatusBadRequest, "InvalidPasswordException")
	p.apiSignIn("alice", "wonderland")
}

// TestAPIUnknownClient: nobody answers a challenge for a client that is not there.
func TestAPIUnknownClient(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	for operation, body := range map[string]string{
		"InitiateAuth":           `{"ClientId":"nobody","AuthFlow":"USER_PASSWORD_AUTH","AuthParameters":{"USERNAME":"alice","PASSWORD":"wonderland"}}`,
		"RespondToAuthChallenge": `{"ClientId":"nobody","ChallengeName":"PASSWORD_VERIFIER","ChallengeResponses":{"USERNAME":"alice"}}`,
	} {
		p.api(operation, body, nil).wantAPIError(t, http.StatusBadRequest, "ResourceNotFoundException")
	}
	p.apiSignIn("alice", "wonderland")
}
