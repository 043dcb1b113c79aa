package userpool

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// The tokens of the API, and what can be done with them there.

// scopeSelf is the scope of a login by the API, and the one it needs to read and
// change the user.
const scopeSelf = "aws.cognito.signin.user.admin"

// signInByAPI starts a login that no page has seen. userInfo has no use for its access
// token, which lacks openid.
func (p *Pool) signInByAPI(client Client, user User) map[string]any {
	g := grant{
		clientID: client.ID, username: user.Username, scopes: []string{scopeSelf},
		authTime: p.Now(), originJTI: newUUID(),
	}
	result := p.apiTokens("authorization_code", g, client, user)
	result["RefreshToken"] = p.startFamily(g, client.RefreshTokenTTL)
	return authResult(result)
}

func authResult(tokens map[string]any) map[string]any {
	return map[string]any{"AuthenticationResult": tokens, "ChallengeParameters": map[string]string{}}
}

// apiTokens are the tokens of one answer. The ID token is there whatever the scopes.
func (p *Pool) apiTokens(grantType string, g grant, client Client, user User) map[string]any {
	g.eventID = newUUID()
	return map[string]any{
		"AccessToken": p.sign(useAccess, grantType, p.accessClaims(g, client, user)),
		"IdToken":     p.sign(useID, grantType, p.idClaims(g, client, user)),
		"ExpiresIn":   int64(client.AccessTokenTTL / time.Second),
		"TokenType":   "Bearer",
	}
}

// refreshAuth answers REFRESH_TOKEN_AUTH, which a client with rotation cannot use.
func (p *Pool) refreshAuth(client Client, parameters map[string]string) (any, error) {
	if client.RotateRefreshTokens {
		return nil, refused("InvalidParameterException",
			"REFRESH_TOKEN_AUTH is not for clients that rotate refresh tokens: use GetTokensFromRefreshToken")
	}
	token := parameters["REFRESH_TOKEN"]
	if token == "" {
		return nil, missing("REFRESH_TOKEN")
	}
	// SDKs that have only the tokens at hand send the subject for the name.
	owner := p.ownerOf(token)
	hash := parameters["SECRET_HASH"]
	if err := checkSecretHash(client, hash, owner.Username, owner.Subject, owner.Email); err != nil {
		return nil, err
	}
	return p.renew(client, token)
}

// ownerOf returns the user of a refresh token.
func (p *Pool) ownerOf(token string) User {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.tickets[sha256.Sum256([]byte(token))]
	if !ok {
		return User{}
	}
	return p.users.byName[p.fold(found.family.username)]
}

// renew trades a refresh token.
func (p *Pool) renew(client Client, token string) (any, error) {
	g, next, ok := p.useTicket(token, client)
	user, enabled := p.user(g.username)
	if !ok && p.isReplay(token, client) {
		return nil, refused("RefreshTokenReuseException", "Refresh token reuse detected")
	}
	if !ok || !enabled {
		return nil, refused("NotAuthorizedException", "Invalid Refresh Token")
	}
	result := p.apiTokens("refresh_token", g, client, user)
	if next != "" {
		result["RefreshToken"] = next
	}
	return authResult(result), nil
}

type tokenRequest struct{ ClientID, ClientSecret, RefreshToken, Token string }

// tokenClient finds the client of a request that carries a secret, not a hash of it.
func (p *Pool) tokenClient(in tokenRequest, kind string) (Client, error) {
	client, err := p.idpClient(in.ClientID)
	if err != nil {
		return client, err
	}
	if !client.hasSecret(in.ClientSecret) {
		return client, refused(kind, "Unable to verify secret for client "+client.ID)
	}
	return client, nil
}

func (p *Pool) getTokens(in tokenRequest) (any, error) {
	client, err := p.tokenClient(in, "NotAuthorizedException")
	if err != nil {
		return nil, err
	}
	if in.RefreshToken == "" {
		return nil, missing("RefreshToken")
	}
	return p.renew(client, in.RefreshToken)
}

func (p *Pool) revokeToken(in tokenRequest) (any, error) {
	client, err := p.tokenClient(in, "UnauthorizedException")
	if err != nil {
		return nil, err
	}
	switch {
	case in.Token == "":
		return nil, missing("Token")
	case client.RevocationOff:
		return nil, refused("UnsupportedOperationException", "Revoke Token is not enabled for client "+client.ID)
	case strings.Count(in.Token, ".") == 2:
		return nil, refused("UnsupportedTokenTypeException", "Only refresh tokens can be revoked")
	case !p.revoke(in.Token, client):
		return nil, refused("UnauthorizedException", "The token belongs to another client")
	}
	return none{}, nil
}

type bearerRequest struct {
	AccessToken    string
	UserAttributes []attribute
}

// self returns whose access token it is, when it may act for its user here.
func (p *Pool) self(token string) (User, error) {
	claims, err := p.verify(token)
	if err != nil || claims["token_use"] != useAccess || !p.isOwn(claims["iss"]) {
		return User{}, refused("NotAuthorizedException", "Invalid Access Token")
	}
	scope, _ := claims["scope"].(string)
	if !slices.Contains(strings.Fields(scope), scopeSelf) {
		return User{}, refused("NotAuthorizedException", "Access Token does not have required scopes")
	}
	origin, _ := claims["origin_jti"].(string)
	p.mu.Lock()
	f, known := p.families[origin]
	revoked := known && f.revoked
	p.mu.Unlock()
	if revoked {
		return User{}, refused("NotAuthorizedException", "Access Token has been revoked")
	}
	username, _ := claims["username"].(string)
	user, ok := p.named(username)
	if !ok || user.Subject != claims["sub"] {
		return User{}, refused("UserNotFoundException", "User does not exist.")
	}
	if user.Disabled {
		return User{}, refused("NotAuthorizedException", "User is disabled.")
	}
	return user, nil
}

func (p *Pool) getUser(in bearerRequest) (any, error) {
	user, err := p.self(in.AccessToken)
	if err != nil {
		return nil, err
	}
	return map[string]any{"Username": user.Username, "UserAttributes": p.apiAttributes(user)}, nil
}

func (p *Pool) globalSignOut(in bearerRequest) (any, error) {
	user, err := p.self(in.AccessToken)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revokeAll(user.Username)
	return none{}, nil
}

func (p *Pool) updateAttributes(in bearerRequest) (any, error) {
	user, err := p.self(in.AccessToken)
	if err != nil {
		return nil, err
	}
	for _, a := range in.UserAttributes {
		// A user who could call an address verified would own whoever trusts that.
		if isFlag(a.Name) {
			return nil, refused("NotAuthorizedException", "A client attempted to write unauthorized attribute")
		}
	}
	if err := checkAttributes(in.UserAttributes); err != nil {
		return nil, err
	}
	_, err = p.change(user.Username, "", func(u *User) { apply(u, in.UserAttributes) })
	return none{}, err
}
