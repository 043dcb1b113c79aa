package cognito

import (
	"fmt"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/verify"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// Leg 3 of the journey, on every request: the app asks who is there.

// identity is what the middleware found out about the sender of one request. It
// is immutable: the requests of one session share it. It does not know who found
// it.
type identity struct {
	user    *claims.Set
	payload *claims.Set
	session *openSession // nil unless a cookie signed the user in
	cookie  bool         // the request carried our cookie
	bearer  bool         // the request carried a bearer token
	stale   bool         // the cookie leads to no session
	ended   bool         // the session was found to have ended just now
	raw     secret.Text  // the bearer token
	err     error        // why there is no user, if not for want of a login
}

// Format prints no secret.
func (identity) Format(f fmt.State, _ rune) { secret.Hide(f, "identity") }

// What most requests without a user have in common.
var (
	anonymous   = &identity{}
	staleCookie = &identity{cookie: true, stale: true}
	crossSite   = &identity{cookie: true, err: fault.Plain(fault.ErrCrossOrigin)}
)

// The keys under which an identity travels with a request: each middleware has
// a key of its own, and the nearest is known. Their types are unexported, so no
// other middleware can forge a user by setting Locals("user"). What is nearest is
// kept as its key and not as the *Auth: fasthttp closes every value of a request
// that has a Close method.
type (
	nearestKey  struct{}
	identityKey struct{ of *Auth }
)

// attach hands an identity to the handlers further down.
func (a *Auth) attach(c *fiber.Ctx, id *identity) {
	ctx := c.Context()
	if above, ok := ctx.UserValue(nearestKey{}).(identityKey); ok && above.of != a {
		a.nested.Do(func() { a.reportTaken(above.of) })
	}
	// In this order: a request's values are looked through one by one, and guards
	// and accessors ask for the first two.
	ctx.SetUserValue(nearestKey{}, identityKey{a})
	ctx.SetUserValue(identityKey{a}, id)
	setLocals(ctx, id)
}

// replaceIdentity is for one that changes while a handler runs. It stays in its
// place: the nearest middleware is still the nearest.
func (a *Auth) replaceIdentity(c *fiber.Ctx, id *identity) {
	ctx := c.Context()
	if nearest, ok := ctx.UserValue(nearestKey{}).(identityKey); ok && nearest.of != a {
		ctx.SetUserValue(identityKey{a}, id)
		return
	}
	a.attach(c, id)
}

// setLocals sets the strings, which are for the app's convenience. They are
// cleared if there is nobody, since another handler may have set them.
func setLocals(ctx *fasthttp.RequestCtx, id *identity) {
	if id.user == nil {
		ctx.SetUserValue("user", nil)
	} else {
		ctx.SetUserValue("user", (*User)(id.user))
	}
	if id.payload == nil {
		ctx.SetUserValue("payload", nil)
	} else {
		ctx.SetUserValue("payload", (*Payload)(id.payload))
	}
}

// nearestIdentity finds the nearest middleware above, and what it found out, for
// a handler that asks who is there. Both are nil if there is no middleware.
func nearestIdentity(c *fiber.Ctx) (*Auth, *identity) {
	nearest, ok := c.Context().UserValue(nearestKey{}).(identityKey)
	if !ok {
		return nil, nil
	}
	return nearest.of.askedIdentity(c)
}

// askedIdentity is nearestIdentity for this middleware.
func (a *Auth) askedIdentity(c *fiber.Ctx) (*Auth, *identity) {
	id, _ := c.Context().UserValue(identityKey{a}).(*identity)
	a.varyIfAnonymous(c, id)
	return a, id
}

// varyIfAnonymous notes in the response that it depends on who is there. For a
// request with a cookie or a token that happens anyway.
func (a *Auth) varyIfAnonymous(c *fiber.Ctx, id *identity) {
	if id == nil || id.cookie || id.bearer {
		return
	}
	c.Vary(fiber.HeaderCookie)
	if a.config.Bearer {
		// A cache may answer a request that has a token with what it keeps
		// for those that have none.
		c.Vary(fiber.HeaderAuthorization)
	}
}

// refusal is why a guard turns a request away.
func (id *identity) refusal() *Error {
	switch {
	case id.err != nil:
		return fault.From(id.err)
	case id.payload != nil:
		return errNoUser
	case id.stale:
		return errNoSuchSession
	}
	return errNobody
}

var (
	errNobody = fault.Plain(fault.ErrNotSignedIn)
	errNoUser = fault.Because(fault.ErrForbidden, "a machine client's token, where a user is wanted")
)

// checkBearerExpiry is exact, unlike the verification before: what is handed
// on must not be refused at its destination.
func (id *identity) checkBearerExpiry(now time.Time) error {
	if now.Before(id.payload.Time("exp")) {
		return nil
	}
	return fault.Because(fault.ErrInvalidToken, "access token: %w", verify.ErrTokenExpired)
}

// subject names who sent a request, for events.
func (id *identity) subject() string {
	if id.payload == nil {
		return ""
	}
	return id.payload.Sub()
}
