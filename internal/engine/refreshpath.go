package engine

import (
	"net/http"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// serveRefresh answers RefreshPath: the tokens are renewed now, for scripts
// that want to be ahead of an expiry.
func (a *Engine) serveRefresh(r Request) error {
	if a.crossOrigin(r) {
		return a.refuse(r, a.foreign(r))
	}
	id := a.sessionID(r)
	if id == nil {
		return a.refuse(r, session.ErrNobody)
	}
	s, err := a.readSession(r, id, a.settings.Now())
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	a.noteUse(s, a.settings.Now())
	if isYoung(s, a.settings.Now()) {
		// The response that brought the newest cookie may have been lost.
		a.carry(r, &s.Identity)
		return tellExpiry(r, s)
	}
	renewed, err := a.renewNow(s, a.broughtBy(r))
	if err != nil {
		if a.unrenewed(s, err).Ended {
			a.clearSession(r) // it ended just now, and not only here
		}
		return a.refuse(r, fault.From(err))
	}
	if a.sealed != nil {
		if err := a.setSession(r, renewed); err != nil {
			return a.refuse(r, fault.From(err))
		}
	}
	return tellExpiry(r, renewed)
}

// youngFor is how long tokens count as new. A script may post in a loop, and each call
// would delay somebody whose tokens are due for renewal.
const youngFor = 30 * time.Second

// isYoung reports whether a session's tokens were issued just now, and are not due
// again all the same.
func isYoung(s *session.Session, now time.Time) bool {
	return now.Sub(s.Identity.Payload.Time("iat")) < youngFor && !s.RenewAfter.Passed(now)
}

// tellExpiry says until when the tokens are valid, and nothing of what is in them.
func tellExpiry(r Request, s *session.Session) error {
	sealResponse(r)
	return r.json(http.StatusOK, "application/json", map[string]string{"expires_at": s.Expires.Time().UTC().Format(time.RFC3339)})
}
