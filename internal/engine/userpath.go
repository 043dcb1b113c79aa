package engine

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// Leg 3 of the journey, for a page with scripts: who is signed in, in one response that
// a script may request as often as it likes.

// whoIsThere is the answer of UserPath.
type whoIsThere struct {
	User      json.RawMessage `json:"user"` // null for a stranger
	Expires   *time.Time      `json:"expires_at"`
	Ends      *time.Time      `json:"session_ends_at"`
	LoginURL  string          `json:"login_url"`
	LogoutURL string          `json:"logout_url"`
}

// serveUser answers UserPath.
func (a *Engine) serveUser(r Request) error {
	// Refused alike for everybody: the length or the status of the response must not tell
	// another site whether its visitor is signed in.
	if r.asking().IsReadElsewhere(a.origins(r)) {
		return a.refuse(r, a.foreign(r))
	}
	id := a.glance(r)
	if id.Err != nil {
		return a.refuse(r, fault.From(id.Err))
	}
	sealResponse(r)
	a.varyIfAnonymous(r, session.Anonymous)
	// For browsers that would reveal the length of the response to other sites.
	r.Response.Header.Set("Cross-Origin-Resource-Policy", "same-origin")
	return r.json(http.StatusOK, "application/json", a.whoIs(id))
}

// glance finds out who sent a request without changing their session: a script that
// polls must not keep anybody signed in. Nothing is renewed either. A user whose tokens are
// due for renewal is signed in.
func (a *Engine) glance(r Request) *session.Identity {
	if a.settings.Bearer && a.bringsToken(r) {
		return a.identify(r)
	}
	value := a.sessionID(r)
	if value == nil {
		return session.Anonymous
	}
	now := a.clock(r)
	s, err := a.readSession(r, value, now)
	switch {
	case err != nil:
		return unidentified(err)
	// With a refresh token, the next request renews them. Without, the session is over.
	case s.Expires.Passed(now) && !s.Renewable:
		return session.StaleCookie
	}
	return &s.Identity
}

// whoIs says who is there, until when, and where to go on.
func (a *Engine) whoIs(id *session.Identity) whoIsThere {
	who := whoIsThere{User: json.RawMessage("null"), LoginURL: a.loginAddress("", Wishes{}), LogoutURL: a.Address(a.settings.LogoutPath)}
	if id.User != nil {
		who.User = id.User.Source().Expand()
	}
	switch {
	case id.Session != nil:
		who.Expires, who.Ends = inUTC(id.Session.Expires.Time()), inUTC(id.Session.Ends())
	case id.Payload != nil: // a program's token, which belongs to no session
		who.Expires = inUTC(id.Payload.Time("exp"))
	}
	return who
}

// inUTC is a time as scripts read it, in whole seconds.
func inUTC(t time.Time) *time.Time {
	t = t.UTC().Truncate(time.Second)
	return &t
}
