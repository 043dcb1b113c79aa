package userpool

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// The endpoint that applications call, never browsers on their own. It knows who
// calls (clientauth.go) before it looks at what is traded: a code (codegrant.go)
// or a refresh token (refresh.go).

// serveToken trades codes and refresh tokens for tokens. Every error is a 400
// here, also invalid_client unless [Options.InvalidClientStatus] says otherwise; at the
// revocation endpoint that is a 401.
func (p *Pool) serveToken(w http.ResponseWriter, r *http.Request) {
	// What a support case would be about; good to have in an application's log.
	w.Header().Set("X-Amz-Cognito-Request-Id", newUUID())
	client, errorCode := p.authenticate(r)
	if errorCode == "invalid_client" {
		writeOAuthError(w, cmp.Or(p.invalidClientStatus, http.StatusBadRequest), errorCode, "")
		return
	}
	if errorCode != "" {
		writeOAuthError(w, http.StatusBadRequest, errorCode, "")
		return
	}
	grantType := r.PostForm.Get("grant_type")
	if !client.mayTrade(grantType) {
		writeOAuthError(w, http.StatusBadRequest, "unauthorized_client", "")
		return
	}
	switch grantType {
	case "authorization_code":
		p.redeemCode(w, r, client)
	case "refresh_token":
		p.refresh(w, r, client)
	case "client_credentials":
		p.serveMachine(w, r, client)
	case "":
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "")
	default:
		writeOAuthError(w, http.StatusBadRequest, "unsupported_grant_type", "")
	}
}

// issueTokens makes the tokens of one answer. There is no scope member in it;
// applications read the scopes from the access token.
func (p *Pool) issueTokens(grantType string, g grant, client Client, user User) map[string]any {
	g.eventID = newUUID()
	access := p.sign(useAccess, grantType, p.accessClaims(g, client, user))
	answer := map[string]any{
		"access_token": access,
		"token_type":   "Bearer",
		"expires_in":   int64(client.AccessTokenTTL / time.Second),
	}
	// Without openid it was a plain OAuth authorization, and there is nobody to
	// identify.
	if !slices.Contains(g.scopes, "openid") {
		return answer
	}
	claims := p.idClaims(g, client, user)
	// Whether a refresh repeats these two is not documented; the pool leaves
	// them out, so that nobody comes to depend on them.
	if grantType != "refresh_token" {
		// Over the token as it is sent, after any tampering.
		claims["at_hash"] = atHash(access)
		if g.nonce != "" {
			claims["nonce"] = g.nonce
		}
	}
	answer["id_token"] = p.sign(useID, grantType, claims)
	return answer
}
