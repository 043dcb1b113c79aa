package userpool

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The grants of a client, as the API of Cognito names them.
const (
	grantCode     = "code"
	grantImplicit = "implicit"
	grantMachine  = "client_credentials"
)

// Client is an app client of the pool.
type Client struct {
	// ID is the client ID.
	//
	// Required.
	ID string

	// Secret makes the client confidential.
	//
	// Optional. Default: "", for a public client.
	Secret string

	// CallbackURLs are the redirect URIs that the client may use. They must match
	// exactly.
	//
	// Optional. Default: none but those of [Pool.AllowOrigin].
	CallbackURLs []string

	// LogoutURLs are where /logout may redirect the visitor. They must match exactly.
	//
	// Optional. Default: none but those of [Pool.AllowOrigin].
	LogoutURLs []string

	// Scopes are the scopes that the client may request, and gets if it requests none.
	//
	// Optional. Default: openid email profile phone aws.cognito.signin.user.admin.
	Scopes []string

	// AccessTokenTTL is the lifetime of access tokens. Cognito's minimum of five
	// minutes is not enforced, so that tests can be quick.
	//
	// Optional. Default: 1 hour.
	AccessTokenTTL time.Duration

	// IDTokenTTL is the lifetime of ID tokens.
	//
	// Optional. Default: 1 hour.
	IDTokenTTL time.Duration

	// RefreshTokenTTL is how long after the login its tokens can be refreshed, with
	// or without rotation.
	//
	// Optional. Default: 30 days.
	RefreshTokenTTL time.Duration

	// RotateRefreshTokens issues a new refresh token at every refresh.
	//
	// Optional. Default: false, with which refresh responses have no refresh token.
	RotateRefreshTokens bool

	// RotationGrace is how long a rotated refresh token still works.
	//
	// Optional. Default: 0, with which it is invalid at once.
	RotationGrace time.Duration

	// SecondSecret is a second active secret, while secrets are being rotated.
	//
	// Optional. Default: "", for one secret.
	SecondSecret string

	// Grants are the OAuth grants that the client may use: "code", "implicit", or
	// "client_credentials" alone.
	//
	// Optional. Default: code.
	Grants []string

	// ReadAttributes are the attributes that the client may read. If a login requests a
	// scope with other attributes, the token endpoint answers invalid_grant. So if you
	// list email, list email_verified as well.
	//
	// Optional. Default: nil, for all.
	ReadAttributes []string

	// SupportedIdentityProviders are the identity providers that the client's visitors
	// may sign in with: names of the pool's providers, and "COGNITO" for the pool itself.
	//
	// Optional. Default: nil, for all.
	SupportedIdentityProviders []string

	// RevocationOff switches token revocation off: the client's tokens have no origin_jti
	// and jti, unless it rotates refresh tokens, and the revocation endpoint refuses.
	//
	// Optional. Default: false.
	RevocationOff bool

	// SessionTTL is how long the pool remembers a visitor who has signed in for this
	// client. If it is negative, the pool does not remember them.
	//
	// Optional. Default: 1 hour.
	SessionTTL time.Duration
}

// SetClient adds an app client, or replaces the one with the same ID. Codes and
// tokens that were already issued stay valid. Nothing is merged: as with Cognito's
// UpdateUserPoolClient, fields that are not set get their defaults.
func (p *Pool) SetClient(client Client) {
	if client.ID == "" {
		panic("userpool: a Client needs an ID")
	}
	// A URL that could never match would only show as a redirect_mismatch page,
	// far from the line that is wrong.
	for _, raw := range slices.Concat(client.CallbackURLs, client.LogoutURLs) {
		if u, err := url.Parse(raw); err != nil || !u.IsAbs() || strings.Contains(raw, "#") {
			panic(fmt.Sprintf("userpool: client %q: %q is not an absolute URL without fragment",
				client.ID, raw))
		}
	}
	client.Grants = grantsOf(client)
	// Copies: the caller may well reuse its slices for the next client.
	client.CallbackURLs = slices.Clone(client.CallbackURLs)
	client.LogoutURLs = slices.Clone(client.LogoutURLs)
	client.Scopes = slices.Clone(client.Scopes)
	client.ReadAttributes = slices.Clone(client.ReadAttributes)
	client.SupportedIdentityProviders = slices.Clone(client.SupportedIdentityProviders)
	if len(client.Scopes) == 0 {
		client.Scopes = []string{
			"openid", "email", "profile", "phone", "aws.cognito.signin.user.admin",
		}
	}
	client.AccessTokenTTL = cmp.Or(client.AccessTokenTTL, time.Hour)
	client.IDTokenTTL = cmp.Or(client.IDTokenTTL, time.Hour)
	client.SessionTTL = cmp.Or(client.SessionTTL, time.Hour)
	client.RefreshTokenTTL = cmp.Or(client.RefreshTokenTTL, 30*24*time.Hour)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients.set(client.ID, client)
}

// RemoveClient deletes an app client. Afterwards, nobody can sign in with it or refresh
// its tokens.
func (p *Pool) RemoveClient(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.clients.byName[id]; !known {
		panic(fmt.Sprintf("userpool: RemoveClient: the pool has no client %q", id))
	}
	p.clients.remove(id)
	delete(p.idp.clientNames, id)
}

// grantsOf are the client's grants, once they make sense together.
func grantsOf(client Client) []string {
	if len(client.Grants) == 0 {
		return []string{grantCode}
	}
	for _, grant := range client.Grants {
		if !slices.Contains([]string{grantCode, grantImplicit, grantMachine}, grant) {
			panic(fmt.Sprintf("userpool: client %q: there is no grant %q", client.ID, grant))
		}
	}
	if slices.Contains(client.Grants, grantMachine) && (len(client.Grants) > 1 || client.Secret == "") {
		panic(fmt.Sprintf("userpool: client %q: client_credentials needs a Secret, and must be the only grant", client.ID))
	}
	return slices.Clone(client.Grants)
}

// mayTrade reports whether a client may use a grant at the token endpoint. Refreshing is
// part of every grant that brings a refresh token, and of a login by the API.
func (c Client) mayTrade(grantType string) bool {
	switch grantType {
	case "authorization_code":
		return slices.Contains(c.Grants, grantCode)
	case "refresh_token":
		return !slices.Contains(c.Grants, grantMachine)
	case "client_credentials":
		return slices.Contains(c.Grants, grantMachine)
	default:
		return true // not a grant at all, which is another error
	}
}

// mayRead reports whether the client may read an attribute.
func (c Client) mayRead(attribute string) bool {
	return c.ReadAttributes == nil || slices.Contains(c.ReadAttributes, attribute)
}

// mayReadScopes reports whether a client may read what it asks for. With openid alone
// it asks for what it may read.
func (c Client) mayReadScopes(scopes []string) bool {
	for scope, attributes := range map[string][]string{
		"email": {"email", "email_verified"}, "phone": {"phone_number", "phone_number_verified"}, "profile": {"name"},
	} {
		if !slices.Contains(scopes, scope) {
			continue
		}
		for _, attribute := range attributes {
			if !c.mayRead(attribute) {
				return false
			}
		}
	}
	return true
}
