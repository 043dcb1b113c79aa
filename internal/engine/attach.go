package engine

import "github.com/bar-tech/cognito/internal/session"

// Leg 3 of the journey, on every request: the app asks who is there.

// The keys under which a request carries an identity. Each middleware has its own
// key, and a further one says which middleware is the nearest. Their types are
// unexported, so no other middleware can forge a user by setting Locals("user"). The
// nearest is stored as its key, not as the engine, because fasthttp closes every
// value of a request that has a Close method.
type (
	nearestKey  struct{}
	identityKey struct{ of *Engine }
)

// attach hands an identity to the handlers further down.
func (a *Engine) attach(r Request, id *session.Identity) {
	ctx := r.RequestCtx
	fresh := true
	ctx.VisitUserValuesAll(func(_, _ any) { fresh = false })
	if fresh && id == session.Anonymous {
		// Most requests of strangers: there is nothing to tell or to clear, and being
		// the nearest says the rest (see seen).
		ctx.SetUserValue(nearestKey{}, identityKey{a})
		return
	}
	if above, ok := ctx.UserValue(nearestKey{}).(identityKey); ok && above.of != a {
		ctx.SetUserValue(above, above.of.seen(r))       // which is not the nearest any more
		a.nested.Do(func() { a.reportTaken(above.of) }) // known only now: apps nest them as they like
	}
	// In this order: a request's values are looked through one by one, and guards
	// and accessors ask for the first two.
	ctx.SetUserValue(nearestKey{}, identityKey{a})
	ctx.SetUserValue(identityKey{a}, id)
	a.hooks.SetLocals(ctx, id)
}

// seen is the identity that attach handed on, or nil if there was none. What a request
// that was given up finds may be another one's, unless it came from the server.
func (a *Engine) seen(r Request) *session.Identity {
	if r.isLost() {
		return nil
	}
	// A stranger's request may have no value of its own (attach).
	id, _ := r.UserValue(identityKey{a}).(*session.Identity)
	if id == nil && Nearest(r) == a {
		return session.Anonymous
	}
	return id
}

// replaceIdentity is for one that changes while a handler runs. It stays in its
// place: the nearest middleware is still the nearest.
func (a *Engine) replaceIdentity(r Request, id *session.Identity) {
	if r.GivenUp() {
		return
	}
	ctx := r.RequestCtx
	if nearest, ok := ctx.UserValue(nearestKey{}).(identityKey); ok && nearest.of != a {
		ctx.SetUserValue(identityKey{a}, id)
		return
	}
	a.attach(r, id)
}

// Nearest is the nearest engine above a handler, or nil.
func Nearest(r Request) *Engine {
	nearest, _ := r.UserValue(nearestKey{}).(identityKey)
	return nearest.of
}

// Identity is what is known about the sender of a request, for handlers, or nil: a nil
// engine, or one that has not seen the request, knows nobody.
func (a *Engine) Identity(r Request) *session.Identity {
	if a == nil {
		return nil
	}
	id := a.seen(r)
	a.varyIfAnonymous(r, id)
	return id
}

// varyIfAnonymous notes in the response that it depends on who is there. For a
// request with a cookie or a token that happens anyway (Leave). Pages that nobody asked
// who is there stay as cacheable as they are.
func (a *Engine) varyIfAnonymous(r Request, id *session.Identity) {
	if id == nil || id.Cookie || id.Bearer {
		return
	}
	r.vary("Cookie")
	if a.settings.Bearer {
		// A cache may answer a request that has a token with what it keeps
		// for those that have none.
		r.vary("Authorization")
	}
}
