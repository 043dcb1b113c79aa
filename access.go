package cognito

import (
	"context"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/gofiber/fiber/v2"
)

// UserFrom returns the signed-in user, or nil. The methods of a nil *User panic, so compare
// with nil where no guard has run before the handler. UserFrom uses the closest middleware
// registered before the handler. If the app has several, use [Auth.UserFrom].
func UserFrom(c *fiber.Ctx) *User { return userOf(nearestIdentity(c)) }

// PayloadFrom returns the verified access token's claims, or nil, as [UserFrom] does.
func PayloadFrom(c *fiber.Ctx) *Payload { return payloadOf(nearestIdentity(c)) }

// AccessToken returns the user's access token, for calling other APIs for this
// user. It is never expired: if necessary, it is renewed first. The error is
// [ErrNotSignedIn] or [ErrSessionEnded] if nobody is signed in,
// [ErrCrossOrigin] if another site sent the request, [ErrInvalidToken] or
// [ErrBearerMalformed] if the request has a bearer token that is refused,
// [ErrUnavailable] if no valid token can be obtained at the moment, and
// [ErrMisconfigured] if no middleware ran before the handler.
func AccessToken(c *fiber.Ctx) (string, error) {
	r := requestOf(c)
	return engine.Nearest(r).AccessToken(r)
}

// IDToken returns the user's raw ID token, for an identity pool or an authorizer that
// requires it. It is never expired: if necessary, it is renewed first. Do not send it
// to an API as a bearer token; use [AccessToken] for that. The errors are those of
// [AccessToken], and [ErrNotSignedIn] for a request with a bearer token, which has no
// ID token. It is [ErrUnavailable], too, if the ID token has expired and Cognito did not
// issue another one when it renewed the access token.
func IDToken(c *fiber.Ctx) (string, error) {
	r := requestOf(c)
	return engine.Nearest(r).IDToken(r)
}

// Refresh renews the user's tokens now. Call it after a handler has changed groups or
// attributes at Cognito: [UserFrom], [PayloadFrom] and guards that run afterwards see
// the change. Values that were read before do not change. The errors are those of
// [AccessToken], and [ErrNotSignedIn] for a request with a bearer token, which nothing
// renews. After [ErrSessionEnded] nobody is signed in, for guards that run afterwards, too.
// If it fails with another error, the user stays signed in.
func Refresh(c *fiber.Ctx) error {
	r := requestOf(c)
	return engine.Nearest(r).Refresh(r)
}

// SessionID identifies the signed-in user's session. It is "" if nobody is signed in,
// and for bearer tokens. It stays the same from sign-in to sign-out, through every
// renewal. It is not a secret and does not open the session. Use it as the key for data
// that your app keeps per session.
func SessionID(c *fiber.Ctx) string {
	r := requestOf(c)
	return engine.Nearest(r).SessionID(r)
}

// Err says why there is no user although there might be one: the storage or
// Cognito cannot be reached ([ErrUnavailable]), another site sent the request
// ([ErrCrossOrigin]), or its bearer token is refused ([ErrInvalidToken],
// [ErrBearerMalformed]). It is nil if nobody has signed in, and if the session
// has ended.
func Err(c *fiber.Ctx) error { return errOf(nearestIdentity(c)) }

// UserFrom is [UserFrom] for the users of this middleware.
func (a *Auth) UserFrom(c *fiber.Ctx) *User { return userOf(a.engine.Identity(requestOf(c))) }

// PayloadFrom is [PayloadFrom] for the users of this middleware.
func (a *Auth) PayloadFrom(c *fiber.Ctx) *Payload {
	return payloadOf(a.engine.Identity(requestOf(c)))
}

// AccessToken is [AccessToken] for the users of this middleware.
func (a *Auth) AccessToken(c *fiber.Ctx) (string, error) { return a.engine.AccessToken(requestOf(c)) }

// IDToken is [IDToken] for the users of this middleware.
func (a *Auth) IDToken(c *fiber.Ctx) (string, error) { return a.engine.IDToken(requestOf(c)) }

// Refresh is [Refresh] for the users of this middleware.
func (a *Auth) Refresh(c *fiber.Ctx) error { return a.engine.Refresh(requestOf(c)) }

// SessionID is [SessionID] for the users of this middleware.
func (a *Auth) SessionID(c *fiber.Ctx) string { return a.engine.SessionID(requestOf(c)) }

// Err is [Err] for the users of this middleware.
func (a *Auth) Err(c *fiber.Ctx) error { return errOf(a.engine.Identity(requestOf(c))) }

// nearestIdentity is what the closest middleware found out, or nil.
func nearestIdentity(c *fiber.Ctx) *session.Identity {
	r := requestOf(c)
	return engine.Nearest(r).Identity(r)
}

func userOf(id *session.Identity) *User {
	if id == nil {
		return nil
	}
	return (*User)(id.User)
}

func payloadOf(id *session.Identity) *Payload {
	if id == nil {
		return nil
	}
	return (*Payload)(id.Payload)
}

func errOf(id *session.Identity) error {
	if id == nil {
		return nil
	}
	return id.Err
}

// VerifyAccessToken verifies an access token, for code that receives tokens
// outside of HTTP requests: over WebSockets, gRPC or queues. The token must be
// from this pool, issued to [Config.ClientID] or one of [Config.BearerClientIDs]
// (any client, if they are "*"), and bound to [Config.Audience] if that is set.
// The error matches [ErrInvalidToken] if the token must be refused, and
// [ErrUnavailable] if it cannot be checked, because the pool's signing keys cannot
// be fetched or the operator has to act.
func (a *Auth) VerifyAccessToken(ctx context.Context, raw string) (*Payload, error) {
	payload, err := a.engine.VerifyAccessToken(ctx, raw)
	return (*Payload)(payload), err
}
