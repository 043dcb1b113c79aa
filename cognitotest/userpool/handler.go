package userpool

import (
	"net/http"
)

// Bearer tokens for handler tests that are not about signing in. SignIn does a complete
// login and returns a cookie, and As is a middleware that has done one; Authorize does
// none.

// Authorize makes a request a signed-in user's, without any login: it sets the
// Authorization header to a new access token of the pool's first client. The given
// claims replace the usual ones, as in [Pool.AccessToken]. The application must
// accept bearer tokens, with Config.Bearer.
//
//	request := httptest.NewRequest("GET", "/admin", nil)
//	pool.Authorize(request, "bob", map[string]any{"cognito:groups": []string{"admin"}})
//	response, err := app.Test(request, -1)
//
// The username "" means a machine client without a user, as after a
// client_credentials grant. It has the client's scopes that are not about a user;
// set others in claims:
//
//	pool.Authorize(request, "", map[string]any{"scope": "orders/read"})
//
// An access token has fewer claims than a session: no e-mail address and no name. For
// handlers that need these, use [Pool.SignIn].
func (p *Pool) Authorize(r *http.Request, username string, claims map[string]any) {
	token := ""
	if username == "" {
		token = p.machineToken(claims)
	} else {
		token = p.AccessToken("", username, claims)
	}
	r.Header.Set("Authorization", "Bearer "+token)
}

// machineToken is an access token of the first client itself.
func (p *Pool) machineToken(claims map[string]any) string {
	client, ok := p.client("")
	if !ok {
		panic("userpool: Authorize: the pool has no client")
	}
	return p.sign(useAccess, "", merged(p.machineClaims(client, machineScopes(client.Scopes)), claims))
}
