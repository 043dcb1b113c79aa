package userpool

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Clients that sign in as themselves, without anybody.

// serveMachine answers grant_type=client_credentials. Scopes that the client is not
// allowed are ignored, says the documentation, unlike at authorize.
func (p *Pool) serveMachine(w http.ResponseWriter, r *http.Request, client Client) {
	scopes := machineScopes(client.Scopes)
	if asked := strings.Fields(r.PostForm.Get("scope")); len(asked) > 0 {
		scopes = slices.DeleteFunc(scopes, func(scope string) bool { return !slices.Contains(asked, scope) })
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"access_token": p.sign(useAccess, grantMachine, p.machineClaims(client, scopes)),
		"token_type":   "Bearer",
		"expires_in":   int64(client.AccessTokenTTL / time.Second),
	})
}

// machineClaims lack the names of a user and of their login; their auth_time is when
// the token was issued.
func (p *Pool) machineClaims(client Client, scopes []string) map[string]any {
	g := grant{clientID: client.ID, scopes: scopes, authTime: p.Now()}
	claims := p.accessClaims(g, client, User{Subject: client.ID})
	for _, name := range []string{"username", "origin_jti", "event_id"} {
		delete(claims, name)
	}
	return claims
}

// machineScopes leaves out what Cognito grants for users only: of a client's
// scopes those of resource servers remain, which have a slash in their names.
func machineScopes(scopes []string) []string {
	var custom []string
	for _, scope := range scopes {
		if strings.Contains(scope, "/") {
			custom = append(custom, scope)
		}
	}
	return custom
}
