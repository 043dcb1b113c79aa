package userpool_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestTokenAnswer checks the members and headers of a code grant.
func TestTokenAnswer(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{AccessTokenTTL: 10 * time.Minute}, userpool.Options{})
	a := p.post("/oauth2/token", p.codeForm(p.code(nil)))
	a.wantOK(t)
	if a.members["token_type"] != "Bearer" || a.members["expires_in"] != 600.0 {
		t.Errorf("got token_type %v, expires_in %v", a.members["token_type"], a.members["expires_in"])
	}
	if len(a.members) != 5 {
		t.Errorf("got %d members, want 5 and no scope: %s", len(a.members), a.body)
	}
	jwe := regexp.MustCompile(`^eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ\.[\w-]{342}\.[\w-]{16}\.[\w-]+\.[\w-]{22}$`)
	if token, _ := a.members["refresh_token"].(string); !jwe.MatchString(token) || len(token) < 1700 {
		t.Errorf("refresh token %q does not look like a JWE of 1.8 kB", token)
	}
	if !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		t.Errorf("Cache-Control %q lets tokens be cached", a.header.Get("Cache-Control"))
	}
	if a.header.Get("Content-Type") != "application/json;charset=UTF-8" {
		t.Errorf("Content-Type %q", a.header.Get("Content-Type"))
	}
	if a.header.Get("X-Amz-Cognito-Request-Id") == "" {
		t.Error("the answer has no request id")
	}

	without := p.tokens(map[string]string{"scope": "aws.cognito.signin.user.admin"})
	if _, ok := without["id_token"]; ok || without["refresh_token"] == nil {
		t.Errorf("without openid: got %v, want no ID token but a refresh token", without)
	}
}

// TestTokenRefusesBadCodes checks every way to trade a code wrongly. Each row
// has a code of its own, which the honest form would redeem.
func TestTokenRefusesBadCodes(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Clients: []userpool.Client{{ID: "other"}}})
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		want   string
	}{
		{"no code", func(f url.Values) { f.Del("code") }, "invalid_request"},
		{"no redirect URI", func(f url.Values) { f.Del("redirect_uri") }, "invalid_request"},
		{"unknown code", func(f url.Values) { f.Set("code", "8f14e45f-0000-4000-8000-000000000000") }, "invalid_grant"},
		{"other client's code", func(f url.Values) { f.Set("client_id", "other") }, "invalid_grant"},
		{"other redirect URI", func(f url.Values) { f.Set("redirect_uri", p.origin+"/") }, "unauthorized_client"},
		{"wrong verifier", func(f url.Values) { f.Set("code_verifier", verifier[1:]+"A") }, "invalid_grant"},
		{"challenge as verifier", func(f url.Values) { f.Set("code_verifier", challenge) }, "invalid_grant"},
		{"no verifier", func(f url.Values) { f.Del("code_verifier") }, "invalid_grant"},
		{"no grant type", func(f url.Values) { f.Del("grant_type") }, "invalid_request"},
		{"password grant", func(f url.Values) { f.Set("grant_type", "password") }, "unsupported_grant_type"},
		{"client credentials", func(f url.Values) { f.Set("grant_type", "client_credentials") }, "unauthorized_client"},
		{"expired code", func(url.Values) { p.pool.Advance(5 * time.Minute) }, "invalid_grant"},
		{"user gone", func(url.Values) { p.pool.RemoveUser("alice") }, "invalid_grant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.pool.SetUser(userpool.User{Username: "alice", Password: "wonderland"})
			form := p.codeForm(p.code(nil))
			tt.change(form)
			a := p.post("/oauth2/token", form)
			a.wantError(t, http.StatusBadRequest, tt.want)
			if tt.want == "unauthorized_client" && form.Get("code_verifier") != "" &&
				form.Get("redirect_uri") == p.origin+"/" && a.members["error_description"] != "invalid_redirect" {
				t.Errorf("got %s, want the description invalid_redirect", a.body)
			}
		})
	}
	p.pool.SetUser(userpool.User{Username: "alice", Password: "wonderland"})
	code := p.code(nil)
	p.pool.Advance(4*time.Minute + 30*time.Second)
	p.post("/oauth2/token", p.codeForm(code)).wantOK(t)
}

// TestTokenCodesWorkOnce checks that a code is spent by its first use, whether
// that was good or bad.
func TestTokenCodesWorkOnce(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	form := p.codeForm(p.code(nil))
	p.post("/oauth2/token", form).wantOK(t)
	p.post("/oauth2/token", form).wantError(t, http.StatusBadRequest, "invalid_grant")

	form = p.codeForm(p.code(nil))
	form.Set("code_verifier", "guess")
	p.post("/oauth2/token", form).wantError(t, http.StatusBadRequest, "invalid_grant")
	form.Set("code_verifier", verifier)
	p.post("/oauth2/token", form).wantError(t, http.StatusBadRequest, "invalid_grant")
}

// TestTokenWithoutPKCE checks that PKCE is the application's to choose, and that
// a verifier nobody announced is refused.
func TestTokenWithoutPKCE(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	plain := map[string]string{"code_challenge": "", "code_challenge_method": ""}
	form := p.codeForm(p.code(plain))
	p.post("/oauth2/token", form).wantError(t, http.StatusBadRequest, "invalid_grant")
	form = p.codeForm(p.code(plain))
	form.Del("code_verifier")
	p.post("/oauth2/token", form).wantOK(t)
}

// TestClientAuthentication checks both methods, at both endpoints that need
// them: the token endpoint says 400, revocation 401.
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	const secret = "s3cret+with/odd=chars%20&"
	p := newParty(t, userpool.Client{ID: "conf", Secret: secret}, userpool.Options{
		Clients: []userpool.Client{{ID: "public"}},
	})
	for _, tt := range []struct {
		name  string
		body  url.Values
		basic []string
		want  string
	}{
		{"secret missing", url.Values{"client_id": {"conf"}}, nil, "invalid_client"},
		{"secret wrong", url.Values{"client_id": {"conf"}, "client_secret": {"x"}}, nil, "invalid_client"},
		{"basic wrong", nil, []string{"conf", "x"}, "invalid_client"},
		{"basic form-encoded", nil, []string{"conf", url.QueryEscape(secret)}, "invalid_client"},
		{"basic empty", nil, []string{"public", ""}, "invalid_client"},
		{"basic for another", url.Values{"client_id": {"public"}}, []string{"conf", secret}, "invalid_client"},
		{"both methods", url.Values{"client_secret": {secret}}, []string{"conf", secret}, "invalid_client"},
		{"unknown client", url.Values{"client_id": {"nobody"}}, nil, "invalid_client"},
		{"public with secret", url.Values{"client_id": {"public"}, "client_secret": {"x"}}, nil, "invalid_client"},
		{"nobody", nil, nil, "invalid_request"},
		{"post", url.Values{"client_id": {"conf"}, "client_secret": {secret}}, nil, ""},
		{"basic", nil, []string{"conf", secret}, ""},
		{"basic and the same id", url.Values{"client_id": {"conf"}}, []string{"conf", secret}, ""},
		{"public", url.Values{"client_id": {"public"}}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {"x"}, "token": {"x"}}
			for name, values := range tt.body {
				form[name] = values
			}
			token := p.post("/oauth2/token", form, tt.basic...)
			revoke := p.post("/oauth2/revoke", form, tt.basic...)
			switch tt.want {
			case "":
				// Let in, the token endpoint finds that "x" is no refresh token.
				token.wantError(t, http.StatusBadRequest, "invalid_grant")
				revoke.wantOK(t)
			case "invalid_client":
				token.wantError(t, http.StatusBadRequest, tt.want)
				revoke.wantError(t, http.StatusUnauthorized, tt.want)
			default:
				token.wantError(t, http.StatusBadRequest, tt.want)
				revoke.wantError(t, http.StatusBadRequest, tt.want)
			}
		})
	}
}
