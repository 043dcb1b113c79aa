package engine

import (
	"net/http"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// turnAway answers a request that a guard does not let pass.
func (a *Engine) turnAway(r Request, id *session.Identity, e *fault.Error) error {
	page := r.asking().VisitsPage() && !id.Bearer
	if id.Ended || (id.Stale && !id.Kept && page) {
		// Only here, and never for a script's dead cookie: its answer may
		// arrive after a login in another tab and delete the new session.
		a.clearSession(r)
	}
	switch {
	case !page || e.Status() != http.StatusUnauthorized:
		e := *e
		details := fault.Of(&e)
		details.ReturnTo, details.Subject = a.returnPath(r.originalURL()), id.Subject()
		return a.refuse(r, &e)
	case fault.Of(e).Reason == fault.ErrStaleLogin:
		a.event(r, Event{Kind: EventRefuse, Subject: id.Subject()}.failed(e))
		return a.sendToCognito(r, a.returnPath(r.originalURL()), Wishes{Prompt: "login", MaxAge: fault.Of(e).MaxAge}, requireFreshLogin(id.User), 0)
	case fault.Of(e).Reason == fault.ErrLevel:
		a.event(r, Event{Kind: EventRefuse, Subject: id.Subject()}.failed(e))
		return a.sendToCognito(r, a.returnPath(r.originalURL()), mending(e), requireLevel(e), 0)
	}
	a.event(r, Event{Kind: EventRefuse, Subject: id.Subject()}.failed(e))
	sealResponse(r)
	return r.redirect(a.loginAddress(a.returnPath(r.originalURL()), Wishes{}), http.StatusFound)
}
