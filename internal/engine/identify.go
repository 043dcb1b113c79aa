package engine

import (
	"errors"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/refresh"
	"github.com/bar-tech/cognito/internal/session"
)

// Leg 3 of the journey begins here: a request comes in, and the middleware finds
// out who sent it.

// identifySafely is identify, but a panic becomes a 500: fasthttp would end the process.
func (a *Engine) identifySafely(r Request) (id *session.Identity, err *fault.Error) {
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("reading a session", p)
			err = fault.Plain(fault.ErrInternal)
		}
	}()
	return a.identify(r), nil
}

// identifyOnRoute is identify for our own routes, which no Leave follows.
func (a *Engine) identifyOnRoute(r Request) *session.Identity {
	id := a.identify(r)
	a.carry(r, id)
	return id
}

// identify finds out who sent a request. It never refuses it. A token, even a malformed
// one, decides alone. If the request fell back to its cookie, a proxy that reads the token
// would see another user. Which site's page has sent the request does not matter
// then, because no browser sends a token by itself.
func (a *Engine) identify(r Request) *session.Identity {
	if a.settings.Bearer {
		token, sent, err := bearerOf(r)
		switch {
		case err != nil:
			return &session.Identity{Bearer: true, Err: err}
		case sent:
			return a.identifyBearer(token, a.clock(r))
		}
	}
	return a.identifyCookie(r)
}

// clock is the time by which a request is judged. With the default clock it is
// when the server read the request, a moment ago, which is known already; a
// request that came from no server has no such time.
func (a *Engine) clock(r Request) time.Time {
	if a.settings.OwnClock {
		if read := r.Time(); !read.IsZero() {
			return read
		}
	}
	return a.settings.Now()
}

// identifyCookie finds out whose session a request belongs to. It waits for Cognito only if
// the tokens have expired or, with CookieSessions, are due.
func (a *Engine) identifyCookie(r Request) *session.Identity {
	value := a.sessionID(r)
	if value == nil {
		return session.Anonymous
	}
	now := a.clock(r)
	s, err := a.readSession(r, value, now)
	if err != nil {
		return unidentified(err)
	}
	// Before anything is done to the session: another site's request must neither prolong
	// it nor renew its tokens.
	if a.crossOrigin(r) {
		return &session.Identity{Cookie: true, Err: a.foreign(r)}
	}
	if !s.CalmUntil.Passed(now) { // the first of all deadlines below: one look for most requests
		return &s.Identity
	}
	a.noteUse(s, now)
	if !s.Expires.Passed(now) {
		if s.RenewAfter.Passed(now) {
			return &a.renewAhead(s).Identity
		}
		return &s.Identity
	}
	return a.renewExpired(r, s, now)
}

// noteUse prolongs a session that a request uses.
func (a *Engine) noteUse(s *session.Session, now time.Time) {
	if s.TouchAfter.Passed(now) {
		a.sessions.Touch(s, now)
	}
}

// renewAhead renews tokens that are still valid.
func (a *Engine) renewAhead(s *session.Session) *session.Session {
	if a.sealed != nil {
		return a.renewals.AheadFor(s, carryPatience)
	}
	a.renewals.Ahead(s)
	return s
}

// renewExpired is identify for a session whose tokens have expired: the request has to
// wait for new ones.
func (a *Engine) renewExpired(r Request, s *session.Session, now time.Time) *session.Identity {
	if !s.RenewAfter.Passed(now) {
		// Cognito issues tokens that are expired on arrival. Asking on every
		// request would not help.
		return unidentified(fault.Unavailable(refresh.ErrPaused))
	}
	renewed, err := a.renewNow(s, a.broughtBy(r))
	if err != nil {
		return a.unrenewed(s, err)
	}
	return &renewed.Identity
}

// unrenewed is the identity of a session that could not be renewed.
func (a *Engine) unrenewed(s *session.Session, err error) *session.Identity {
	// Cognito refuses the refresh token of this cookie. Another instance may have used
	// it, and the browser may have that one's cookie by now, so this one stays.
	if a.sealed != nil && !fault.IsUnknown(err) && !a.renewals.HasEnded(s.Name()) {
		return session.KeptCookie
	}
	id := unidentified(err)
	if id == session.StaleCookie { // the one value that all share, so this is exact
		return &session.Identity{Cookie: true, Stale: true, Ended: true}
	}
	return id
}

// unidentified is the identity for a cookie that signs nobody in. If nothing is known, it
// keeps the error: only a session that is known to be gone may ever sign a visitor out.
func unidentified(err error) *session.Identity {
	if fault.IsUnknown(err) {
		return &session.Identity{Cookie: true, Err: err}
	}
	if errors.Is(err, session.ErrElsewhere) {
		return session.KeptCookie
	}
	return session.StaleCookie
}

// markPersonal keeps responses that depend on the user out of shared caches, unless
// the app has set its own Cache-Control.
func markPersonal(r Request, id *session.Identity) {
	header := &r.Response.Header
	by := headerCookie
	if id.Bearer {
		by = headerAuthorization
	}
	if len(r.noted(headerVary)) == 0 {
		header.SetCanonical(headerVary, by)
	} else {
		r.vary(string(by))
	}
	// With a dead cookie the page is a stranger's, so Vary is enough.
	if id.Payload != nil && len(r.noted(headerCacheControl)) == 0 {
		header.SetCanonical(headerCacheControl, privateNoStore)
	}
}

// Header names and values as fasthttp keeps them, which spares every request
// their normalisation.
var (
	headerVary          = []byte("Vary")
	headerCookie        = []byte("Cookie")
	headerAuthorization = []byte("Authorization")
	headerCacheControl  = []byte("Cache-Control")
	privateNoStore      = []byte("private, no-store")
)
