package cognito

import (
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
	"github.com/gofiber/fiber/v2"
)

// UserFrom returns the user who is signed in, or nil. It speaks of the nearest
// middleware above; an app with several uses [Auth.UserFrom].
func UserFrom(c *fiber.Ctx) *User { return userBehind(nearestIdentity(requestOf(c))) }

// PayloadFrom returns the verified access token's claims, or nil.
func PayloadFrom(c *fiber.Ctx) *Payload { return payloadBehind(nearestIdentity(requestOf(c))) }

// AccessToken returns the user's access token, to call other APIs for this
// user. It is never expired: if need be it is renewed first. The error is
// [ErrNotSignedIn] or [ErrSessionEnded] when nobody is signed in,
// [ErrCrossOrigin] when another site sent the request, [ErrInvalidToken] or
// [ErrBearerMalformed] when it brought a bearer token that does not count,
// [ErrUnavailable] when no valid token can be had at the moment, and
// [ErrMisconfigured] when no middleware runs before the handler.
func AccessToken(c *fiber.Ctx) (string, error) {
	a, id := nearestIdentity(requestOf(c))
	return a.accessToken(requestOf(c), id)
}

// Err says why there is no user although there might be one: the storage or
// Cognito is out of reach ([ErrUnavailable]), another site sent the request
// ([ErrCrossOrigin]), or its bearer token does not count ([ErrInvalidToken],
// [ErrBearerMalformed]). It is nil when nobody has signed in, and when the
// session has ended.
func Err(c *fiber.Ctx) error { return errBehind(nearestIdentity(requestOf(c))) }

// UserFrom is [UserFrom] for the users of this middleware.
func (a *Auth) UserFrom(c *fiber.Ctx) *User { return userBehind(a.askedIdentity(requestOf(c))) }

// PayloadFrom is [PayloadFrom] for the users of this middleware.
func (a *Auth) PayloadFrom(c *fiber.Ctx) *Payload {
	return payloadBehind(a.askedIdentity(requestOf(c)))
}

// AccessToken is [AccessToken] for the users of this middleware.
func (a *Auth) AccessToken(c *fiber.Ctx) (string, error) {
	_, id := a.askedIdentity(requestOf(c))
	return a.accessToken(requestOf(c), id)
}

// Err is [Err] for the users of this middleware.
func (a *Auth) Err(c *fiber.Ctx) error { return errBehind(a.askedIdentity(requestOf(c))) }

func userBehind(_ *Auth, id *session.Identity) *User {
	if id == nil {
		return nil
	}
	return (*User)(id.User)
}

func payloadBehind(_ *Auth, id *session.Identity) *Payload {
	if id == nil {
		return nil
	}
	return (*Payload)(id.Payload)
}

func errBehind(_ *Auth, id *session.Identity) error {
	if id == nil {
		return nil
	}
	return id.Err
}

// accessToken is for an identity that a found out. Without one there is no a
// either.
func (a *Auth) accessToken(r request, id *session.Identity) (string, error) {
	if id == nil {
		return "", errUncovered
	}
	if id.Bearer && id.Payload != nil {
		if err := checkBearerExpiry(id, a.config.Now()); err != nil {
			return "", err
		}
		return id.Raw.Reveal(), nil
	}
	if id.Session == nil {
		return "", id.Refusal()
	}
	current := id.Session
	if current.Expires.Passed(a.config.Now()) {
		renewed, err := a.renewals.Wait(current)
		if err != nil {
			return "", err
		}
		a.replaceIdentity(r, &renewed.Identity)
		current = renewed
	}
	if current.Unsaved != nil {
		return current.Unsaved.Access.Reveal(), nil
	}
	cold, err := a.sessions.ReadCold(&current.Handle)
	if err != nil {
		return "", err
	}
	return cold.Access.Reveal(), nil
}

// checkBearerExpiry is exact, unlike the verification before: what is handed
// on must not be refused at its destination.
func checkBearerExpiry(id *session.Identity, now time.Time) error {
	if now.Before(id.Payload.Time("exp")) {
		return nil
	}
	return fault.Because(fault.ErrInvalidToken, "access token: %w", verify.ErrTokenExpired)
}

// Logout ends the session and sends the browser on to Cognito's logout
// endpoint, and from there to AfterLogout. It does what LogoutPath does, for
// handlers with a route of their own; it does not judge where the request
// comes from. It may be called when nobody is signed in.
//
// The session's cookie is dead on every instance when this returns. If the
// storage is out of reach the cookie is deleted all the same, and ending the
// session is tried again in the background.
func (a *Auth) Logout(c *fiber.Ctx) error { return a.logout(requestOf(c)) }
