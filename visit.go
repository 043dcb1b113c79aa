package cognito

import (
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Leg 3 of the journey, on every request: the app asks who is there.

// visit is what the middleware found out about one request. It is immutable:
// the visits of one session share it.
type visit struct {
	auth    *Auth
	user    *User
	payload *Payload
	session *openSession // nil unless a cookie signed the user in
	cookie  bool         // the request carried our cookie
	bearer  bool         // the request carried a bearer token
	stale   bool         // the cookie leads to no session
	ended   bool         // the session was found to have ended just now
	raw     secret       // the bearer token
	err     error        // why there is no user, if not for want of a login
}

// The keys under which visits travel with a request. Their types are
// unexported, so no other middleware can forge a user by setting
// Locals("user").
type (
	nearestKey struct{}
	ownKey     struct{ auth *Auth }
)

// setVisit attaches a visit to a request, on its way down to the handlers.
func (a *Auth) setVisit(c *fiber.Ctx, v *visit) {
	ctx := c.Context()
	if outer, _ := ctx.UserValue(nearestKey{}).(*visit); outer != nil && outer.auth != a {
		ctx.SetUserValue(ownKey{outer.auth}, outer) // another pool's, further up
		a.nested.Do(func() { a.reportTaken(outer.auth) })
	}
	a.setNearest(ctx, v)
}

// changeVisit replaces a visit that has changed while a handler runs. It stays
// in its place: the nearest middleware is still the nearest.
func (a *Auth) changeVisit(c *fiber.Ctx, v *visit) {
	ctx := c.Context()
	if nearest, _ := ctx.UserValue(nearestKey{}).(*visit); nearest != nil && nearest.auth != a {
		ctx.SetUserValue(ownKey{a}, v)
		return
	}
	a.setNearest(ctx, v)
}

// setNearest also sets the strings, which are for the app's convenience. They
// are cleared if there is nobody, since another handler may have set them. They
// come first: as long as nothing is attached, there is nothing to look through.
func (a *Auth) setNearest(ctx *fasthttp.RequestCtx, v *visit) {
	if v.user == nil {
		ctx.SetUserValue("user", nil)
	} else {
		ctx.SetUserValue("user", v.user)
	}
	if v.payload == nil {
		ctx.SetUserValue("payload", nil)
	} else {
		ctx.SetUserValue("payload", v.payload)
	}
	ctx.SetUserValue(nearestKey{}, v)
}

// nearest finds the visit of the nearest middleware above, for a handler that
// asks who is there.
func nearest(c *fiber.Ctx) *visit {
	v, _ := c.Context().UserValue(nearestKey{}).(*visit)
	return asked(c, v)
}

// own finds the visit of this middleware.
func (a *Auth) own(c *fiber.Ctx) *visit {
	v, _ := c.Context().UserValue(nearestKey{}).(*visit)
	if v == nil || v.auth != a {
		v, _ = c.Context().UserValue(ownKey{a}).(*visit)
	}
	return asked(c, v)
}

// asked notes in the response that it depends on who is there. For a request
// with a cookie or a token that happens anyway.
func asked(c *fiber.Ctx, v *visit) *visit {
	if v != nil && !v.cookie && !v.bearer {
		c.Vary(fiber.HeaderCookie)
		if v.auth.config.Bearer {
			// A cache may answer a request that has a token with what it keeps
			// for those that have none.
			c.Vary(fiber.HeaderAuthorization)
		}
	}
	return v
}

func (v *visit) userOrNil() *User {
	if v == nil {
		return nil
	}
	return v.user
}

func (v *visit) payloadOrNil() *Payload {
	if v == nil {
		return nil
	}
	return v.payload
}

// refusal is why a guard turns this visit away.
func (v *visit) refusal() *Error {
	switch {
	case v.err != nil:
		return asError(v.err)
	case v.payload != nil:
		return errNoUser
	case v.stale:
		return errNoSuchSession
	}
	return errNobody
}

var (
	errNobody = &Error{reason: ErrNotSignedIn}
	errNoUser = because(ErrForbidden, "a machine client's token, where a user is wanted")
)

// UserFrom returns the user who is signed in, or nil. It speaks of the nearest
// middleware above; an app with several uses [Auth.UserFrom].
func UserFrom(c *fiber.Ctx) *User { return nearest(c).userOrNil() }

// PayloadFrom returns the verified access token's claims, or nil.
func PayloadFrom(c *fiber.Ctx) *Payload { return nearest(c).payloadOrNil() }

// AccessToken returns the user's access token, to call other APIs for this
// user. It is never expired: if need be it is renewed first. The error is
// [ErrNotSignedIn] or [ErrSessionEnded] when nobody is signed in,
// [ErrCrossOrigin] when another site sent the request, [ErrInvalidToken] or
// [ErrBearerMalformed] when it brought a bearer token that does not count,
// [ErrUnavailable] when no valid token can be had at the moment, and
// [ErrMisconfigured] when no middleware runs before the handler.
func AccessToken(c *fiber.Ctx) (string, error) { return accessTokenOf(c, nearest(c)) }

// Err says why there is no user although there might be one: the storage or
// Cognito is out of reach ([ErrUnavailable]), another site sent the request
// ([ErrCrossOrigin]), or its bearer token does not count ([ErrInvalidToken],
// [ErrBearerMalformed]). It is nil when nobody has signed in, and when the
// session has ended.
func Err(c *fiber.Ctx) error { return errOf(nearest(c)) }

// UserFrom is [UserFrom] for the users of this middleware.
func (a *Auth) UserFrom(c *fiber.Ctx) *User { return a.own(c).userOrNil() }

// PayloadFrom is [PayloadFrom] for the users of this middleware.
func (a *Auth) PayloadFrom(c *fiber.Ctx) *Payload { return a.own(c).payloadOrNil() }

// AccessToken is [AccessToken] for the users of this middleware.
func (a *Auth) AccessToken(c *fiber.Ctx) (string, error) {
	return accessTokenOf(c, a.own(c))
}

// Err is [Err] for the users of this middleware.
func (a *Auth) Err(c *fiber.Ctx) error { return errOf(a.own(c)) }

func errOf(v *visit) error {
	if v == nil {
		return nil
	}
	return v.err
}

func accessTokenOf(c *fiber.Ctx, v *visit) (string, error) {
	if v == nil {
		return "", errUncovered
	}
	if v.bearer && v.payload != nil {
		if err := v.checkBearerExpiry(); err != nil {
			return "", err
		}
		return v.raw.reveal(), nil
	}
	if v.session == nil {
		return "", v.refusal()
	}
	current := v.session
	if current.expires.passed(v.auth.config.Now()) {
		renewed, err := v.auth.renewals.wait(current)
		if err != nil {
			return "", err
		}
		v.auth.changeVisit(c, &renewed.visit)
		current = renewed
	}
	if current.unsaved != nil {
		return current.unsaved.access.reveal(), nil
	}
	cold, err := v.auth.sessions.readCold(&current.sessionHandle)
	if err != nil {
		return "", err
	}
	return cold.access.reveal(), nil
}

// checkBearerExpiry is exact, unlike the verification before: what is handed
// on must not be refused at its destination.
func (v *visit) checkBearerExpiry() error {
	if v.auth.config.Now().Before(v.payload.ExpiresAt()) {
		return nil
	}
	return because(ErrInvalidToken, "access token: %w", ErrTokenExpired)
}

// subject names who a visit is by, for events.
func (v *visit) subject() string {
	if v.payload == nil {
		return ""
	}
	return v.payload.Subject()
}
