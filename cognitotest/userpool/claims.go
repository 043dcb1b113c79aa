package userpool

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// What tokens say. The two kinds have less in common than one expects: the app
// client is aud in one and client_id in the other, and the username has a prefix
// in one only.

// sharedClaims are those of both kinds of token.
func (p *Pool) sharedClaims(use string, g grant, client Client, user User, ttl time.Duration) map[string]any {
	now := p.Now()
	// Times are whole seconds, as NumericDate is in Cognito's tokens.
	claims := map[string]any{
		"sub":        user.Subject,
		"iss":        p.Issuer(),
		"token_use":  use,
		"auth_time":  g.authTime.Unix(),
		"iat":        now.Unix(),
		"exp":        now.Add(ttl).Unix(),
		"jti":        newUUID(),
		"origin_jti": g.originJTI,
		"event_id":   cmp.Or(g.eventID, newUUID()),
	}
	// What revocation and rotation need, and nobody else.
	if client.RevocationOff && !client.RotateRefreshTokens {
		delete(claims, "jti")
		delete(claims, "origin_jti")
	}
	p.addLevel(claims, g)
	// Cognito leaves the claim out rather than sending an empty list.
	if len(user.Groups) > 0 {
		claims["cognito:groups"] = user.Groups
	}
	return claims
}

// accessClaims are the claims of an access token. There is no aud in it, unless
// the login asked for a resource, and then it is the resource, not the client.
func (p *Pool) accessClaims(g grant, client Client, user User) map[string]any {
	claims := p.sharedClaims(useAccess, g, client, user, client.AccessTokenTTL)
	claims["client_id"] = client.ID
	claims["username"] = user.Username
	claims["scope"] = strings.Join(g.scopes, " ")
	claims["version"] = 2
	if g.resource != "" {
		claims["aud"] = g.resource
	}
	return claims
}

// idClaims are the claims of an ID token.
func (p *Pool) idClaims(g grant, client Client, user User) map[string]any {
	claims := p.sharedClaims(useID, g, client, user, client.IDTokenTTL)
	// Attributes first, so that one of an unfortunate name cannot replace a
	// claim below.
	for name, value := range readable(user, client, g.scopes) {
		claims[name] = value
		if isFlag(name) {
			claims[name] = value == "true"
		}
	}
	claims["aud"] = client.ID
	claims["cognito:username"] = user.Username
	if elsewhere, federated := p.identityOf(user.Username); federated {
		claims["identities"] = []any{elsewhere.claim()}
	}
	if len(user.Roles) > 0 {
		claims["cognito:roles"] = user.Roles
	}
	if user.PreferredRole != "" {
		claims["cognito:preferred_role"] = user.PreferredRole
	}
	return claims
}

// atHash is the at_hash of an access token: the left half of its digest (OpenID
// Connect Core §3.1.3.6).
func atHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// readable returns the attributes that the scopes open to a client, as strings. With openid
// alone those are all: naming email, phone or profile narrows them.
func readable(user User, client Client, scopes []string) map[string]string {
	narrowed := false
	for _, scope := range []string{"email", "phone", "profile"} {
		narrowed = narrowed || slices.Contains(scopes, scope)
	}
	seen := map[string]string{}
	for name, value := range attributesOf(user) {
		if client.mayRead(name) && (!narrowed || slices.Contains(scopes, scopeOf(name))) {
			seen[name] = value
		}
	}
	return seen
}

// attributesOf returns all attributes of a user, as Cognito stores them.
func attributesOf(user User) map[string]string {
	all := map[string]string{}
	for name, value := range user.Attributes {
		all[name] = value
	}
	if user.Name != "" {
		all["name"] = user.Name
	}
	if user.Email != "" {
		all["email"] = user.Email
		all["email_verified"] = "false"
		if user.EmailVerified {
			all["email_verified"] = "true"
		}
	}
	// Not for a user to choose.
	delete(all, "sub")
	return all
}

// scopeOf returns the scope that opens an attribute. Custom attributes come
// with the profile.
func scopeOf(attribute string) string {
	switch attribute {
	case "email", "email_verified":
		return "email"
	case "phone_number", "phone_number_verified":
		return "phone"
	default:
		return "profile"
	}
}

// isFlag reports whether an attribute is a boolean in ID tokens. At userInfo
// the very same ones are strings.
func isFlag(attribute string) bool {
	return attribute == "email_verified" || attribute == "phone_number_verified"
}
