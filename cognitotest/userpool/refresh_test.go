package userpool_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestRefreshWithoutRotation checks that the answer has no refresh token, and
// that the old one goes on working, for its 30 days.
func TestRefreshWithoutRotation(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{
		Clients: []userpool.Client{{ID: "other"}},
	})
	login := p.tokens(nil)
	p.pool.Advance(time.Hour)
	a := p.refresh(login["refresh_token"])
	a.wantOK(t)
	if _, ok := a.members["refresh_token"]; ok || len(a.members) != 4 {
		t.Errorf("got %s, want four members and no refresh token", a.body)
	}
	_, before := decode(t, login["id_token"])
	_, after := decode(t, a.members["id_token"])
	if after["auth_time"] != before["auth_time"] || after["origin_jti"] != before["origin_jti"] ||
		after["sub"] != before["sub"] {
		t.Errorf("refreshed claims %v do not continue %v", after, before)
	}
	if after["jti"] == before["jti"] || after["iat"].(float64) < before["iat"].(float64)+3600 {
		t.Errorf("refreshed claims %v are not new", after)
	}
	if after["nonce"] != nil || after["at_hash"] != nil {
		t.Errorf("refreshed claims %v repeat nonce or at_hash", after)
	}

	p.post("/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"other"},
		"refresh_token": {login["refresh_token"].(string)},
	}).wantError(t, http.StatusBadRequest, "invalid_grant")
	p.refresh("").wantError(t, http.StatusBadRequest, "invalid_request")
	p.refresh("garbage").wantError(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(login["refresh_token"]).wantOK(t)

	p.pool.Advance(30*24*time.Hour - 2*time.Hour)
	p.refresh(login["refresh_token"]).wantOK(t)
	p.pool.Advance(time.Hour)
	p.refresh(login["refresh_token"]).wantError(t, http.StatusBadRequest, "invalid_grant")
}

// TestRefreshRotation checks replacement: at once without a grace, and with one
// as was measured at a real pool.
func TestRefreshRotation(t *testing.T) {
	t.Parallel()
	t.Run("no grace", func(t *testing.T) {
		t.Parallel()
		p := newParty(t, userpool.Client{RotateRefreshTokens: true}, userpool.Options{})
		old := p.tokens(nil)["refresh_token"]
		next := p.refresh(old).members["refresh_token"]
		if next == nil || next == old {
			t.Fatalf("got refresh token %v, want a new one", next)
		}
		p.refresh(old).wantError(t, http.StatusBadRequest, "invalid_grant")
		p.refresh(next).wantOK(t) // reuse does not end the family
	})
	t.Run("grace", func(t *testing.T) {
		t.Parallel()
		p := newParty(t, userpool.Client{RotateRefreshTokens: true, RotationGrace: time.Minute},
			userpool.Options{})
		old := p.tokens(nil)["refresh_token"]
		first := p.refresh(old).members["refresh_token"]
		p.pool.Advance(30 * time.Second)
		second := p.refresh(old).members["refresh_token"]
		if second == nil || second == first {
			t.Fatalf("a replay within the grace got %v, want a second child", second)
		}
		p.refresh(first).wantError(t, http.StatusBadRequest, "invalid_grant")
		p.pool.Advance(30 * time.Second)
		p.refresh(old).wantError(t, http.StatusBadRequest, "invalid_grant")
		p.refresh(second).wantOK(t)
	})
	t.Run("the remaining lifetime only", func(t *testing.T) {
		t.Parallel()
		p := newParty(t, userpool.Client{RotateRefreshTokens: true, RefreshTokenTTL: 2 * time.Hour},
			userpool.Options{})
		token := p.tokens(nil)["refresh_token"]
		p.pool.Advance(90 * time.Minute)
		token = p.refresh(token).members["refresh_token"]
		p.pool.Advance(29 * time.Minute)
		a := p.refresh(token)
		a.wantOK(t)
		p.pool.Advance(time.Minute)
		p.refresh(a.members["refresh_token"]).wantError(t, http.StatusBadRequest, "invalid_grant")
	})
}

// TestRefreshNeedsTheUser checks what an administrator can do to a user, and
// that the user's token survives what can be undone.
func TestRefreshNeedsTheUser(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{RotateRefreshTokens: true}, userpool.Options{})
	alice := userpool.User{Username: "alice", Password: "wonderland", Groups: []string{"new"}}
	token := p.tokens(nil)["refresh_token"]

	disabled := alice
	disabled.Disabled = true
	p.pool.SetUser(disabled)
	p.refresh(token).wantError(t, http.StatusBadRequest, "invalid_grant")
	p.pool.RemoveUser("alice")
	p.refresh(token).wantError(t, http.StatusBadRequest, "invalid_grant")

	p.pool.SetUser(alice)
	a := p.refresh(token)
	a.wantOK(t)
	if _, claims := decode(t, a.members["access_token"]); len(claims["cognito:groups"].([]any)) != 1 {
		t.Errorf("got groups %v, want the new one", claims["cognito:groups"])
	}
	p.pool.EndSessions("bob")
	a = p.refresh(a.members["refresh_token"])
	a.wantOK(t)
	p.pool.EndSessions("alice")
	p.refresh(a.members["refresh_token"]).wantError(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(p.tokens(nil)["refresh_token"]).wantOK(t)
}

// TestMaxSessions (FACTS.md §12b): one login more ends the one that was used least
// recently, and nobody else's.
func TestMaxSessions(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{MaxSessions: 2})
	page := p.pool.NewBrowser().Login(p.authorizeURL(nil), "bob", "builder")
	bob := p.post("/oauth2/token", p.codeForm(page.URL.Query().Get("code"))).members["refresh_token"]
	first, second := p.tokens(nil)["refresh_token"], p.tokens(nil)["refresh_token"]
	p.refresh(first).wantOK(t) // now second is the older one
	third := p.tokens(nil)["refresh_token"]
	p.refresh(second).wantError(t, http.StatusBadRequest, "invalid_grant")
	for _, alive := range []any{first, third, bob} {
		p.refresh(alive).wantOK(t)
	}
	// Those that have ended take no room.
	p.pool.Advance(31 * 24 * time.Hour)
	fourth, fifth := p.tokens(nil)["refresh_token"], p.tokens(nil)["refresh_token"]
	p.refresh(fourth).wantOK(t)
	p.refresh(fifth).wantOK(t)
}
