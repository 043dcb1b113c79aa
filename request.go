package cognito

import (
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/refresh"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/gofiber/fiber/v2"
)

// Leg 3 of the journey begins here: a request comes in, and the middleware finds
// out who sent it.

func (a *Auth) handle(c *fiber.Ctx) error {
	if a.config.Next != nil && a.config.Next(c) {
		return c.Next()
	}
	if a.app.Load() != c.App() {
		a.mount(c)
	}
	if r := a.route(c.Path()); r != nil {
		return a.serve(c, r)
	}
	id := session.Anonymous
	// Without a cookie of ours there is nobody to identify, and no need for a net
	// under it.
	if a.config.Bearer || a.cookies.mayBeIn(&c.Request().Header) {
		var err *Error
		if id, err = a.identifySafely(c); err != nil {
			return a.refuse(c, err)
		}
	}
	a.attach(c, id)
	err := forFiber(c.Next())
	if id.Cookie || id.Bearer {
		markPersonal(c, id)
	}
	return err
}

// serve answers one of our own routes. A panic in our code becomes a 500:
// fasthttp would end the process.
func (a *Auth) serve(c *fiber.Ctx, r *route) (err error) {
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("serving "+string(append([]byte(nil), c.Path()...)), p)
			err = a.refuse(c, fault.Plain(fault.ErrInternal))
		}
	}()
	for _, method := range r.methods {
		// By hand: Fiber's Get would run for HEAD too, and let a link
		// checker use up a code.
		if c.Method() == method {
			return r.serve(c)
		}
	}
	c.Set(fiber.HeaderAllow, strings.Join(r.methods, ", "))
	return a.refuse(c, fault.Plain(fault.ErrMethod))
}

func (a *Auth) identifySafely(c *fiber.Ctx) (id *session.Identity, err *Error) {
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("reading a session", p)
			err = fault.Plain(fault.ErrInternal)
		}
	}()
	return a.identify(c), nil
}

// identify finds out who sent a request. It never refuses it.
func (a *Auth) identify(c *fiber.Ctx) *session.Identity {
	if a.config.Bearer {
		token, sent, err := bearerOf(c)
		switch {
		case err != nil:
			return &session.Identity{Bearer: true, Err: err}
		case sent:
			return a.identifyBearer(token, a.clock(c))
		}
	}
	return a.identifyCookie(c)
}

// clock is the time by which a request is judged. With the default clock it is
// when the server read the request, a moment ago, which is known already; a
// request that came from no server has no such time.
func (a *Auth) clock(c *fiber.Ctx) time.Time {
	if a.ownClock {
		if read := c.Context().Time(); !read.IsZero() {
			return read
		}
	}
	return a.config.Now()
}

// identifyCookie finds out whose session a request belongs to.
func (a *Auth) identifyCookie(c *fiber.Ctx) *session.Identity {
	value := a.cookies.read(c, a.cookies.session)
	if value == nil {
		return session.Anonymous
	}
	now := a.clock(c)
	s, err := a.sessions.Read(value, now)
	if err != nil {
		return unidentified(err)
	}
	if a.crossOrigin(c) {
		return session.CrossSite
	}
	if !s.CalmUntil.Passed(now) {
		return &s.Identity
	}
	if s.TouchAfter.Passed(now) {
		a.sessions.Touch(s, now)
	}
	if !s.Expires.Passed(now) {
		if s.RenewAfter.Passed(now) {
			a.renewals.Ahead(s)
		}
		return &s.Identity
	}
	return a.renewExpired(s, now)
}

// renewExpired is identify for a session whose tokens have expired: the request has to
// wait for new ones.
func (a *Auth) renewExpired(s *session.Session, now time.Time) *session.Identity {
	if !s.RenewAfter.Passed(now) {
		// Cognito issues tokens that are expired on arrival. Asking on every
		// request would not help.
		return unidentified(fault.Unavailable(refresh.ErrPaused))
	}
	renewed, err := a.renewals.Wait(s)
	if err != nil {
		id := unidentified(err)
		if id == session.StaleCookie {
			return &session.Identity{Cookie: true, Stale: true, Ended: true}
		}
		return id
	}
	return &renewed.Identity
}

// unidentified is for a cookie that signs nobody in.
func unidentified(err error) *session.Identity {
	if fault.IsUnknown(err) {
		return &session.Identity{Cookie: true, Err: err}
	}
	return session.StaleCookie
}

// markPersonal keeps answers that depend on who is there out of shared caches,
// unless the app has decided on that itself.
func markPersonal(c *fiber.Ctx, id *session.Identity) {
	header := &c.Response().Header
	by := headerCookie
	if id.Bearer {
		by = headerAuthorization
	}
	if len(header.PeekCanonical(headerVary)) == 0 {
		header.SetCanonical(headerVary, by)
	} else {
		c.Vary(string(by))
	}
	if id.Payload != nil && len(header.PeekCanonical(headerCacheControl)) == 0 {
		header.SetCanonical(headerCacheControl, privateNoStore)
	}
}

// Header names and values as fasthttp keeps them, which spares every request
// their normalisation.
var (
	headerVary          = []byte(fiber.HeaderVary)
	headerCookie        = []byte(fiber.HeaderCookie)
	headerAuthorization = []byte(fiber.HeaderAuthorization)
	headerCacheControl  = []byte(fiber.HeaderCacheControl)
	privateNoStore      = []byte("private, no-store")
)
