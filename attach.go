package cognito

import (
	"github.com/bar-tech/cognito/internal/session"
	"github.com/valyala/fasthttp"
)

// Leg 3 of the journey, on every request: the app asks who is there.

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
func (a *Auth) attach(r request, id *session.Identity) {
	ctx := r.RequestCtx
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
func (a *Auth) replaceIdentity(r request, id *session.Identity) {
	ctx := r.RequestCtx
	if nearest, ok := ctx.UserValue(nearestKey{}).(identityKey); ok && nearest.of != a {
		ctx.SetUserValue(identityKey{a}, id)
		return
	}
	a.attach(r, id)
}

// setLocals sets the strings, which are for the app's convenience. They are
// cleared if there is nobody, since another handler may have set them.
func setLocals(ctx *fasthttp.RequestCtx, id *session.Identity) {
	if id.User == nil {
		ctx.SetUserValue("user", nil)
	} else {
		ctx.SetUserValue("user", (*User)(id.User))
	}
	if id.Payload == nil {
		ctx.SetUserValue("payload", nil)
	} else {
		ctx.SetUserValue("payload", (*Payload)(id.Payload))
	}
}

// nearestIdentity finds the nearest middleware above, and what it found out, for
// a handler that asks who is there. Both are nil if there is no middleware.
func nearestIdentity(r request) (*Auth, *session.Identity) {
	nearest, ok := r.UserValue(nearestKey{}).(identityKey)
	if !ok {
		return nil, nil
	}
	return nearest.of.askedIdentity(r)
}

// askedIdentity is nearestIdentity for this middleware.
func (a *Auth) askedIdentity(r request) (*Auth, *session.Identity) {
	id, _ := r.UserValue(identityKey{a}).(*session.Identity)
	a.varyIfAnonymous(r, id)
	return a, id
}

// varyIfAnonymous notes in the response that it depends on who is there. For a
// request with a cookie or a token that happens anyway.
func (a *Auth) varyIfAnonymous(r request, id *session.Identity) {
	if id == nil || id.Cookie || id.Bearer {
		return
	}
	r.vary("Cookie")
	if a.config.Bearer {
		// A cache may answer a request that has a token with what it keeps
		// for those that have none.
		r.vary("Authorization")
	}
}
