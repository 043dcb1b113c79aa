package cognito

import (
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/gofiber/fiber/v2"
)

// The last leg of the journey: the visitor leaves. The session ends here
// first, then the refresh token at Cognito, then Cognito's own session, so
// that the next login asks for a password again.

func (a *Auth) serveLogout(c *fiber.Ctx) error {
	if c.Method() == fiber.MethodPost {
		if a.crossOrigin(c) {
			return a.refuse(c, &Error{reason: ErrCrossOrigin})
		}
		return a.Logout(c)
	}
	mode := c.Get("Sec-Fetch-Mode")
	if isPrefetch(c) || (mode != "" && mode != "navigate") {
		return a.refuse(c, &Error{reason: ErrNotNavigation})
	}
	switch c.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return a.Logout(c)
	}
	// Another site's link must not sign anybody out by itself.
	sealResponse(c)
	return sendPage(c, fiber.StatusOK, page{
		Title: "Sign out?", Detail: "You followed a link from another site. Confirm that you want to sign out here.",
		Action: a.address(a.config.LogoutPath), Label: "Sign out",
	}, a.endpoints.origin)
}

// Logout ends the session and sends the browser on to Cognito's logout
// endpoint, and from there to AfterLogout. It does what LogoutPath does, for
// handlers with a route of their own; it does not judge where the request
// comes from. It may be called when nobody is signed in.
//
// The session's cookie is dead on every instance when this returns. If the
// storage is out of reach the cookie is deleted all the same, and ending the
// session is tried again in the background.
func (a *Auth) Logout(c *fiber.Ctx) error {
	if id := a.cookies.read(c, a.cookies.session); id != nil {
		if handle, ok := a.sessions.handle(id); ok {
			// Whatever the app's hook does, the session ends.
			defer a.endNow(handle)
			a.farewell(c, id)
		}
	}
	a.cookies.clear(c, string(a.cookies.session))
	a.cookies.clear(c, a.cookies.trips)
	a.changeVisit(c, &a.nobody)
	base, err := a.baseURL(c)
	if err != nil {
		return a.refuse(c, asError(err))
	}
	sealResponse(c)
	return c.Redirect(withQuery(a.endpoints.logout, url.Values{
		"client_id":  {a.config.ClientID},
		"logout_uri": {base + a.config.AfterLogout},
	}), fiber.StatusSeeOther)
}

// farewell tells the app who is leaving, if that can be known.
func (a *Auth) farewell(c *fiber.Ctx, id []byte) {
	leaving := Event{Kind: EventLogout, OK: true}
	if s, err := a.sessions.read(id, a.config.Now()); err == nil {
		leaving.Subject = s.visit.user.Subject()
		if a.config.OnLogout != nil {
			a.config.OnLogout(c, s.visit.user)
		}
	}
	a.emit(leaving)
}

// endingsKept bounds the sessions that a storage out of reach has not been told
// to end yet.
const endingsKept = 16384

// endNow ends a session here and then at Cognito. A storage that is out of
// reach is told as soon as it is back, since whoever holds a copy of the cookie
// is let in until then.
func (a *Auth) endNow(handle *sessionHandle) {
	refresh, err := a.sessions.end(handle)
	a.sessions.revokeLater(refresh)
	if err == nil {
		return
	}
	a.config.Logger.Error("cognito: a session could not be ended yet; trying again", "session", handle.name()[:8], "error", err)
	if a.endings.Add(1) > endingsKept || !a.caller.untilClosed(func(closing <-chan struct{}) { a.keepEnding(handle, closing) }) {
		a.endings.Add(-1)
	}
}

// keepEnding tries until the session is ended or has ended by itself, and once
// more when the app stops.
func (a *Auth) keepEnding(handle *sessionHandle, closing <-chan struct{}) {
	defer a.endings.Add(-1)
	defer a.recoverBackground("ending a session")
	byItself := time.Now().Add(a.config.AbsoluteTimeout)
	pause := rescuePause
	for last := false; !last && time.Now().Before(byItself); pause = min(2*pause, longestRescuePause) {
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-closing:
			last = true
		}
		refresh, err := a.sessions.end(handle)
		a.sessions.revokeLater(refresh)
		if !isUnknown(err) {
			return
		}
	}
}
