package userpool_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestRevoke checks what ends, what does not, and what is refused.
func TestRevoke(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{
		Clients: []userpool.Client{{ID: "other"}},
	})
	revoke := func(token any, client string) answer {
		raw, _ := token.(string)
		return p.post("/oauth2/revoke", url.Values{"token": {raw}, "client_id": {client}})
	}
	login, second := p.tokens(nil), p.tokens(nil)
	revoke("", "client1").wantError(t, http.StatusBadRequest, "invalid_request")
	revoke(login["access_token"], "client1").wantError(t, http.StatusBadRequest, "unsupported_token_type")
	revoke(login["id_token"], "client1").wantError(t, http.StatusBadRequest, "unsupported_token_type")
	revoke(login["refresh_token"], "other").wantError(t, http.StatusBadRequest, "invalid_request")
	p.refresh(login["refresh_token"]).wantOK(t)

	for _, token := range []any{"garbage", login["refresh_token"], login["refresh_token"]} {
		if a := revoke(token, "client1"); a.status != http.StatusOK || a.body != "" {
			t.Errorf("revoking %.20s: got %d %q, want 200 and nothing", token, a.status, a.body)
		}
	}
	p.refresh(login["refresh_token"]).wantError(t, http.StatusBadRequest, "invalid_grant")
	p.refresh(second["refresh_token"]).wantOK(t)
}

// TestRevokeRotated checks which token of a chain ends all of it: the first and
// the newest, none in between.
func TestRevokeRotated(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{RotateRefreshTokens: true, RotationGrace: time.Minute},
		userpool.Options{})
	for _, tt := range []struct {
		name    string
		revoked int
		survive bool
	}{{"original", 0, false}, {"middle", 1, true}, {"newest", 2, false}} {
		t.Run(tt.name, func(t *testing.T) {
			chain := []any{p.tokens(nil)["refresh_token"]}
			for range 2 {
				chain = append(chain, p.refresh(chain[len(chain)-1]).members["refresh_token"])
			}
			form := url.Values{"client_id": {"client1"}, "token": {chain[tt.revoked].(string)}}
			p.post("/oauth2/revoke", form).wantOK(t)
			p.refresh(chain[tt.revoked]).wantError(t, http.StatusBadRequest, "invalid_grant")
			if tt.survive {
				p.refresh(chain[2]).wantOK(t)
				return
			}
			// Not even one that is in its grace.
			p.refresh(chain[1]).wantError(t, http.StatusBadRequest, "invalid_grant")
			p.refresh(chain[2]).wantError(t, http.StatusBadRequest, "invalid_grant")
		})
	}
}
