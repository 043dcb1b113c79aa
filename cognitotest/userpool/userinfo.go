package userpool

import (
	"net/http"
	"slices"
	"strings"
)

// serveUserInfo tells the attributes that an access token opens. Unlike in the
// ID token all values are strings, booleans too; the username has no prefix,
// and groups are missing.
func (p *Pool) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		challenge(w, http.StatusBadRequest, "invalid_request",
			"Bad OAuth2 request at UserInfo Endpoint")
		return
	}
	user, client, scopes, ok := p.bearer(token)
	if !ok {
		challenge(w, http.StatusUnauthorized, "invalid_token", "Access token is expired, "+
			"disabled, or deleted, or the user has globally signed out.")
		return
	}
	// Read from the directory, not from the token: a changed attribute shows
	// here at once.
	members := map[string]any{"sub": user.Subject, "username": user.Username}
	for name, value := range readable(user, client, scopes) {
		members[name] = value
	}
	if identities := p.identitiesText(user.Username); identities != "" {
		members["identities"] = identities
	}
	writeJSON(w, http.StatusOK, members)
}

// challenge answers with an error in the header. The Bearer scheme that RFC 6750
// §3 wants in front is missing, because Cognito leaves it out.
func challenge(w http.ResponseWriter, status int, code, description string) {
	noStore(w)
	w.Header().Set("WWW-Authenticate",
		`error="`+code+`", error_description="`+description+`"`)
	w.WriteHeader(status)
}

// bearer returns whose access token it is, which client's, and with which scopes. This endpoint
// notices a sign-out, which nobody sees who verifies a token locally.
func (p *Pool) bearer(token string) (User, Client, []string, bool) {
	claims, err := p.verify(token)
	if err != nil || claims["token_use"] != useAccess || !p.isOwn(claims["iss"]) {
		return User{}, Client{}, nil, false
	}
	scope, _ := claims["scope"].(string)
	scopes := strings.Fields(scope)
	// Tokens of an SDK login carry aws.cognito.signin.user.admin alone, and are
	// of no use here. Which error a pool gives is not documented.
	if !slices.Contains(scopes, "openid") {
		return User{}, Client{}, nil, false
	}
	origin, _ := claims["origin_jti"].(string)
	p.mu.Lock()
	// A login that the pool does not know is one of the test's making.
	f, known := p.families[origin]
	revoked := known && f.revoked
	p.mu.Unlock()
	username, _ := claims["username"].(string)
	user, ok := p.user(username)
	clientID, _ := claims["client_id"].(string)
	client, _ := p.client(clientID) // one of the test's making may read all
	return user, client, scopes, ok && !revoked
}
