package cognito_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
)

// TestJourney tells the whole story as a visitor's browser lives it: a guarded
// page, the login, a wrong password, the right one, the page at last, and the
// way out.
func TestJourney(t *testing.T) {
	s := serve(t)
	v := s.visitor()

	v.mustBeStranger()
	page := v.Get(s.url + "/me?tab=2")
	if !strings.HasPrefix(page.URL.String(), s.pool.URL()) {
		t.Fatalf("a guarded page led to %s, want the pool's login page", page.URL)
	}
	page = v.Login(s.url+"/me?tab=2", "alice", "wrong")
	if !strings.HasPrefix(page.URL.String(), s.pool.URL()) {
		t.Fatalf("a wrong password led to %s", page.URL)
	}
	page = v.Login(s.url+"/me?tab=2", "alice", passwordOf("alice"))
	if page.URL.String() != s.url+"/me?tab=2" || page.Status != http.StatusOK {
		t.Fatalf("the login ended on %s with %d, want the page it began at", page.URL, page.Status)
	}
	user := decode(t, page.Body)
	if user["email"] != "alice@example.com" || user["email_verified"] != true {
		t.Errorf("/me shows %v", user)
	}
	for _, name := range []string{"iss", "aud", "exp", "iat", "nonce", "at_hash", "jti", "token_use"} {
		if _, shown := user[name]; shown {
			t.Errorf("/me shows the protocol's own claim %s", name)
		}
	}
	payload := decode(t, v.Get(s.url+"/payload").Body)
	if payload["token_use"] != "access" || payload["client_id"] != s.pool.Config().ClientID || payload["username"] != "alice" {
		t.Errorf("/payload shows %v", payload)
	}
	token := v.Get(s.url + "/token").Body
	if _, err := s.auth.VerifyAccessToken(t.Context(), token); err != nil {
		t.Errorf("the access token does not verify: %v", err)
	}
	if s.pool.Calls(cognitotest.Token) != 1 || s.pool.Calls(cognitotest.UserInfo) != 0 {
		t.Errorf("the login took %d token calls and %d of userInfo, want 1 and 0", s.pool.Calls(cognitotest.Token), s.pool.Calls(cognitotest.UserInfo))
	}

	page = v.Post(s.url+"/logout", nil)
	if page.URL.String() != s.url+"/" || page.Body != "hello stranger" {
		t.Errorf("logging out led to %s, which says %q", page.URL, page.Body)
	}
	if page = v.Get(s.url + "/login"); !strings.Contains(page.Body, `type="password"`) {
		t.Errorf("after logging out, the login asks for no password: %d at %s", page.Status, page.URL)
	}
}

// TestConfidentialClient logs in with a client secret, and reads userInfo.
func TestConfidentialClient(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "s3cret/with+odd=characters"})
	s := serveWith(t, pool, func(c *cognito.Config) {
		c.ClientID, c.ClientSecret, c.UserInfo = "confidential", "s3cret/with+odd=characters", true
	})
	v := s.visitor()
	v.logIn()
	sent := pool.Requests(cognitotest.Token)
	if len(sent) != 1 {
		t.Fatalf("%d token requests, want 1", len(sent))
	}
	id, secret, ok := basicAuth(sent[0].Header)
	if !ok || id != "confidential" || secret != "s3cret/with+odd=characters" {
		t.Errorf("the client authenticated as %q", id)
	}
	if sent[0].Form.Has("client_secret") || sent[0].Form.Has("client_id") {
		t.Error("credentials are in the body as well")
	}
	user := decode(t, v.Get(s.url+"/me").Body)
	if user["email_verified"] != true {
		t.Errorf("email_verified is %v (%T), want the boolean", user["email_verified"], user["email_verified"])
	}
	if strings.Contains(s.log.String(), "s3cret") {
		t.Error("the client secret is in the log")
	}
}

func basicAuth(header http.Header) (id, secret string, ok bool) {
	return (&http.Request{Header: header}).BasicAuth()
}

// TestStaysSignedIn spends a working day: tokens expire and are renewed, and
// nobody notices.
func TestStaysSignedIn(t *testing.T) {
	s := serve(t)
	v := s.visitor()
	v.logIn()
	for range 9 {
		s.pool.Advance(61 * time.Minute)
		v.mustBeSignedIn()
	}
	if calls := s.pool.Calls(cognitotest.Token); calls != 10 {
		t.Errorf("%d token calls in nine hours, want 10", calls)
	}
}
