package userpool_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestUserInfoErrors checks the errors, which stand in the header and without a
// scheme in front.
func TestUserInfoErrors(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.pool.SetUser(userpool.User{Username: "eve", Disabled: true})
	address := p.pool.URL() + "/oauth2/userInfo"
	honest := p.pool.AccessToken("", "alice", nil)
	claim := func(name string, value any) string {
		return p.pool.AccessToken("", "alice", map[string]any{name: value})
	}
	p.pool.Tamper(func(token *userpool.UnsignedToken) { token.Header["kid"] = "unknown" })
	unknownKey := claim("x", 1)
	p.pool.Tamper(nil)
	for name, token := range map[string]string{
		"garbage":     "garbage",
		"unknown kid": unknownKey,
		"flipped bit": honest[:len(honest)-3] + strings.Map(swap, honest[len(honest)-3:]),
		"ID token": p.pool.IDToken("", "alice", map[string]any{
			"scope": "openid", "username": "alice",
		}),
		"expired":        claim("exp", p.pool.Now().Add(-time.Second).Unix()),
		"without exp":    claim("exp", nil),
		"without openid": claim("scope", "email aws.cognito.signin.user.admin"),
		"other pool":     claim("iss", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"),
		"unknown user":   claim("username", "mallory"),
		"disabled user":  claim("username", "eve"),
	} {
		a := p.get(address, token)
		header := a.header.Get("WWW-Authenticate")
		if a.status != http.StatusUnauthorized || !strings.HasPrefix(header, `error="invalid_token", error_description="Access token is expired`) {
			t.Errorf("%s: got %d with %q, want 401 with invalid_token", name, a.status, header)
		}
	}
	a := p.get(address, "")
	if header := a.header.Get("WWW-Authenticate"); a.status != http.StatusBadRequest ||
		header != `error="invalid_request", error_description="Bad OAuth2 request at UserInfo Endpoint"` {
		t.Errorf("without a token: got %d with %q, want 400 with invalid_request", a.status, header)
	}

	a = p.get(address, honest)
	a.wantOK(t)
	wantClaims(t, a.members, map[string]any{
		"username": "alice", "email": "alice@example.com", "email_verified": "true", "cognito:groups": nil,
	})
	if !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		t.Errorf("Cache-Control %q lets the answer be cached", a.header.Get("Cache-Control"))
	}
}

// TestUserInfoNoticesSignOut checks what local verification cannot see: the end
// of one login, and of all.
func TestUserInfoNoticesSignOut(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	address := p.pool.URL() + "/oauth2/userInfo"
	one, other := p.tokens(nil), p.tokens(nil)
	form := p.codeForm("")
	form.Set("token", one["refresh_token"].(string))
	p.post("/oauth2/revoke", form).wantOK(t)
	if a := p.get(address, one["access_token"].(string)); a.status != http.StatusUnauthorized {
		t.Errorf("after revocation: got %d, want 401", a.status)
	}
	p.get(address, other["access_token"].(string)).wantOK(t)

	minted := p.pool.AccessToken("", "alice", nil)
	p.pool.EndSessions("alice")
	for name, token := range map[string]string{"login": other["access_token"].(string), "minted": minted} {
		if a := p.get(address, token); a.status != http.StatusUnauthorized {
			t.Errorf("%s, after EndSessions: got %d, want 401", name, a.status)
		}
	}
	p.get(address, p.pool.AccessToken("", "alice", nil)).wantOK(t)
}

// swap changes a base64url character for another one.
func swap(r rune) rune {
	if r == 'A' {
		return 'B'
	}
	return 'A'
}
