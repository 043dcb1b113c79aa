// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"context"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/gofiber/fiber/v3"
)

// UserFrom returns the user who is signed in, or nil. It uses the closest middleware
// registered before the handler; an app with several uses [Auth.UserFrom].
func UserFrom(c fiber.Ctx) *User { return userOf(nearest(c)) }

// PayloadFrom returns the verified access token's claims, or nil.
func PayloadFrom(c fiber.Ctx) *Payload { return payloadOf(nearest(c)) }

// AccessToken returns the user's access token, to call other APIs for this
// user. It is never expired: if need be it is renewed first. The error is
// [ErrNotSignedIn] or [ErrSessionEnded] when nobody is signed in,
// [ErrCrossOrigin] when another site sent the request, [ErrInvalidToken] or
// [ErrBearerMalformed] when it brought a bearer token that does not count,
// [ErrUnavailable] when no valid token can be had at the moment, and
// [ErrMisconfigured] when no middleware runs before the handler.
func AccessToken(c fiber.Ctx) (string, error) {
	r := requestOf(c)
	return engine.Nearest(r).AccessToken(r)
}

// IDToken returns the user's raw ID token, for an identity pool or an authorizer that
// asks for it. It is never expired: if need be it is renewed first. Never send it to
// an API as a bearer token; that is what [AccessToken] is for. The errors are those of
// [AccessToken], and [ErrNotSignedIn] for a request that brought a bearer token: an
// access token comes without an ID token.
func IDToken(c fiber.Ctx) (string, error) {
	r := requestOf(c)
	return engine.Nearest(r).IDToken(r)
}

// Refresh renews the user's tokens now, so that [UserFrom], [PayloadFrom] and the
// guards that run after it know what a handler has just changed at Cognito: groups,
// attributes. What a handler has read before stays as it was. The errors are those of
// [AccessToken]; the user stays signed in if it fails.
func Refresh(c fiber.Ctx) error {
	r := requestOf(c)
	return engine.Nearest(r).Refresh(r)
}

// SessionID names the session of whoever is signed in, and is "" for everybody else. It
// stays the same from login to logout, through every renewal. It is no secret and
// opens nothing: use it as the key of what your app keeps for a session.
func SessionID(c fiber.Ctx) string {
	r := requestOf(c)
	return engine.Nearest(r).SessionID(r)
}

// Err says why there is no user although there might be one: the storage or
// Cognito is out of reach ([ErrUnavailable]), another site sent the request
// ([ErrCrossOrigin]), or its bearer token does not count ([ErrInvalidToken],
// [ErrBearerMalformed]). It is nil when nobody has signed in, and when the
// session has ended.
func Err(c fiber.Ctx) error { return errOf(nearest(c)) }

// UserFrom is [UserFrom] for the users of this middleware.
func (a *Auth) UserFrom(c fiber.Ctx) *User { return userOf(a.engine.Identity(requestOf(c))) }

// PayloadFrom is [PayloadFrom] for the users of this middleware.
func (a *Auth) PayloadFrom(c fiber.Ctx) *Payload {
	return payloadOf(a.engine.Identity(requestOf(c)))
}

// AccessToken is [AccessToken] for the users of this middleware.
func (a *Auth) AccessToken(c fiber.Ctx) (string, error) { return a.engine.AccessToken(requestOf(c)) }

// IDToken is [IDToken] for the users of this middleware.
func (a *Auth) IDToken(c fiber.Ctx) (string, error) { return a.engine.IDToken(requestOf(c)) }

// Refresh is [Refresh] for the users of this middleware.
func (a *Auth) Refresh(c fiber.Ctx) error { return a.engine.Refresh(requestOf(c)) }

// SessionID is [SessionID] for the users of this middleware.
func (a *Auth) SessionID(c fiber.Ctx) string { return a.engine.SessionID(requestOf(c)) }

// Err is [Err] for the users of this middleware.
func (a *Auth) Err(c fiber.Ctx) error { return errOf(a.engine.Identity(requestOf(c))) }

// nearest is what the nearest middleware above found out, or nil.
func nearest(c fiber.Ctx) *session.Identity {
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

// Logout ends the session and sends the browser on to Cognito's logout
// endpoint, and from there to AfterLogout. It does what LogoutPath does, for
// handlers with a route of their own; it does not judge where the request
// comes from. It may be called when nobody is signed in.
//
// The session's cookie is dead on every instance when this returns. If the
// storage is out of reach the cookie is deleted all the same, and ending the
// session is tried again in the background.
func (a *Auth) Logout(c fiber.Ctx) error { return a.LogoutTo(c, "") }

// LogoutTo is [Auth.Logout] with another path of the app to end at, with an optional
// query and fragment. Cognito sends the visitor to AfterLogout, which it knows, and from
// there they are sent on. What is no path of this app is ignored.
func (a *Auth) LogoutTo(c fiber.Ctx, path string) error {
	return hideCause(a.engine.Logout(requestOf(c), path))
}

// hideCause keeps causes from strangers: Fiber's own error handler prints the
// text of whatever error reaches it, and an app may well return one of ours.
func hideCause(err error) error {
	if err == nil {
		return nil // before whatever escapes: this runs on every request
	}
	if e := ours(err); e != nil {
		return publicError{e}
	}
	return err
}

// publicError reads like what a visitor may know, and still is the error that
// it was.
type publicError struct{ inner *Error }

// Error is what Fiber's own error handler shows to strangers.
func (b publicError) Error() string { return b.inner.Detail() }

// Unwrap lets Fiber find the status, and the app's error handler our error.
func (b publicError) Unwrap() []error {
	return []error{fiber.NewError(b.inner.Status(), b.inner.Detail()), b.inner}
}

// VerifyAccessToken verifies an access token of this pool, issued to
// [Config.ClientID] or one of [Config.BearerClientIDs] (any client, if they are "*")
// and bound to [Config.Audience] if that is set, for code that receives tokens
// outside of HTTP requests, over WebSockets, gRPC or queues. The error
// matches [ErrInvalidToken] if the token is to be refused, and [ErrUnavailable]
// if the pool's signing keys are out of reach, so that nothing is known.
func (a *Auth) VerifyAccessToken(ctx context.Context, raw string) (*Payload, error) {
	payload, err := a.engine.VerifyAccessToken(ctx, raw)
	return (*Payload)(payload), err
}
