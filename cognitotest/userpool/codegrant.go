package userpool

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// The third leg of a login: the application exchanges the visitor's code for tokens. The
// browser is not involved any more, and a family of refresh tokens begins (refresh.go).

// codeTTL is how long a code can be redeemed.
const codeTTL = 5 * time.Minute

// grant is what a visitor's login has granted an app client. It travels from the
// code to the family of refresh tokens and is the same for all of them.
type grant struct {
	clientID, username string
	scopes             []string
	nonce, resource    string
	authTime           time.Time // of the login; a refresh does not move it
	level              int       // that the login reached, 0 outside of one
	provider           string    // where it was, or "" in the pool
	browser            string    // the session that it came from, by its name, or ""
	originJTI          string    // names the login in every token that comes of it

	// eventID is the event_id that the tokens of one answer share.
	eventID string

	// What the code is bound to; of no use once it is traded.
	redirectURI, challenge string
	codeExpires            time.Time
}

// issueCode returns a code for a visitor who is known.
func (p *Pool) issueCode(a authorization, visitor session) string {
	now := p.Now()
	code := newUUID()
	p.mu.Lock()
	defer p.mu.Unlock()
	dropExpired(p.codes, func(g grant) bool { return !now.Before(g.codeExpires) })
	p.codes[code] = grant{
		clientID: a.client.ID, username: visitor.username,
		scopes: a.scopes, nonce: a.nonce, resource: a.resource,
		authTime: visitor.authTime, level: visitor.level, provider: visitor.provider, browser: visitor.name, originJTI: newUUID(),
		redirectURI: a.redirectURI, challenge: a.challenge, codeExpires: now.Add(codeTTL),
	}
	return code
}

// grantTo is what a visitor who is known takes back to the application: a code, or with
// the implicit grant the tokens themselves, and then nothing to refresh them with.
func (p *Pool) grantTo(a authorization, visitor session) url.Values {
	code := p.issueCode(a, visitor)
	if !a.implicit {
		return url.Values{"code": {code}}
	}
	g, _ := p.takeCode(code, a.client.ID)
	user, _ := p.user(visitor.username)
	answer := url.Values{}
	for name, value := range p.issueTokens(grantImplicit, g, a.client, user) {
		answer.Set(name, fmt.Sprint(value))
	}
	answer.Set("token_type", "bearer") // in lower case, as nowhere else
	return answer
}

// redeemCode answers grant_type=authorization_code. Every mismatch except the redirect
// URI is invalid_grant, without a description.
func (p *Pool) redeemCode(w http.ResponseWriter, r *http.Request, client Client) {
	code := r.PostForm.Get("code")
	if code == "" || r.PostForm.Get("redirect_uri") == "" {
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "")
		return
	}
	g, ok := p.takeCode(code, client.ID)
	if !ok {
		writeOAuthError(w, http.StatusBadRequest, "invalid_grant", "")
		return
	}
	// Misleading, and what Cognito says: the client is not the problem.
	if r.PostForm.Get("redirect_uri") != g.redirectURI {
		writeOAuthError(w, http.StatusBadRequest, "unauthorized_client", "invalid_redirect")
		return
	}
	// A stolen code is worth nothing without the verifier that only the
	// application's side of the login has.
	user, ok := p.user(g.username)
	readable := client.mayReadScopes(g.scopes)
	if !ok || !readable || !verifierMatches(r.PostForm.Get("code_verifier"), g.challenge) {
		writeOAuthError(w, http.StatusBadRequest, "invalid_grant", "")
		return
	}
	answer := p.issueTokens("authorization_code", g, client, user)
	// Always, and without a scope that asks for it: Cognito has no
	// offline_access.
	answer["refresh_token"] = p.startFamily(g, client.RefreshTokenTTL)
	writeJSON(w, http.StatusOK, answer)
}

// takeCode uses up a code. The code is gone after its own client's first try, even if
// that fails: a second try always fails.
func (p *Pool) takeCode(code, clientID string) (grant, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.codes[code]
	if !ok || g.clientID != clientID {
		return grant{}, false
	}
	delete(p.codes, code)
	return g, p.Now().Before(g.codeExpires)
}

// verifierMatches checks PKCE (RFC 7636 §4.6). A verifier without a challenge
// fails as well: somebody has stripped the challenge on the way.
func verifierMatches(verifier, challenge string) bool {
	if challenge == "" || verifier == "" {
		return challenge == verifier
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:]) == challenge
}
