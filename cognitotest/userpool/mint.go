package userpool

import (
	"fmt"
	"net/http"
)

// Tokens for tests that are not about signing in: of APIs that take a bearer
// token, and of everything that looks at claims. No login is made for them, unlike by
// SignIn, which returns a session's cookie, and by the middleware that As returns.

// AccessToken returns a valid access token of a user without any login, with
// every scope of the client. The given claims replace the usual ones; a nil
// value removes one. The clientID "" means the pool's first client.
//
//	// One that has just expired:
//	pool.AccessToken("", "alice", map[string]any{"exp": pool.Now().Unix() - 1})
func (p *Pool) AccessToken(clientID, username string, claims map[string]any) string {
	g, client, user := p.mintGrant(clientID, username)
	return p.sign(useAccess, "", merged(p.accessClaims(g, client, user), claims))
}

// IDToken returns a valid ID token, like [Pool.AccessToken]. It has no nonce and no
// at_hash unless they are given in claims.
func (p *Pool) IDToken(clientID, username string, claims map[string]any) string {
	g, client, user := p.mintGrant(clientID, username)
	return p.sign(useID, "", merged(p.idClaims(g, client, user), claims))
}

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

// mintGrant is the grant of a login that never was. It is kept, so that
// EndSessions reaches these tokens too.
func (p *Pool) mintGrant(clientID, username string) (grant, Client, User) {
	client, ok := p.client(clientID)
	if !ok {
		panic(fmt.Sprintf("userpool: the pool has no client %q", clientID))
	}
	user, ok := p.user(username)
	if !ok {
		panic(fmt.Sprintf("userpool: the pool has no user %q, or a disabled one", username))
	}
	g := grant{
		clientID: client.ID, username: user.Username, scopes: client.Scopes,
		authTime: p.Now(), originJTI: newUUID(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.families[g.originJTI] = &family{grant: g}
	return g, client, user
}

// merged returns claims with changes laid over them.
func merged(claims, changes map[string]any) map[string]any {
	for name, value := range changes {
		if value == nil {
			delete(claims, name)
			continue
		}
		claims[name] = value
	}
	return claims
}
