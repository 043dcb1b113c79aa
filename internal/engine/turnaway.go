package engine

import (
	"net/http"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// turnAway answers a request that a guard does not let pass. Only somebody who opens a
// page is sent to Cognito: a script would chase a login page, a prefetch would begin a
// login, a form would lose its body, and in a frame of another page no login may begin
// (errFramed).
func (a *Engine) turnAway(r Request, id *session.Identity, e *fault.Error) error {
	page := r.asking().VisitsPage() && !id.Bearer && !a.framedByStranger(r)
	if id.Ended || (id.Stale && !id.Kept && page) {
		// Not for a script that brings a cookie long dead: its answer may arrive after a
		// login in another tab and delete the new session. If this very request has
		// found the end (Ended), the cookie was good a moment ago. It is cleared for
		// scripts too.
		a.clearSession(r)
	}
	// refuse tells OnEvent. The other ways tell it themselves.
	switch {
	case !page || e.Status() != http.StatusUnauthorized:
		// A copy: a guard may return an error that all requests share.
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
	// By way of LoginPath, which stops loops and leads to BaseURL's host first.
	a.event(r, Event{Kind: EventRefuse, Subject: id.Subject()}.failed(e))
	sealResponse(r)
	return r.redirect(a.loginAddress(a.returnPath(r.originalURL()), Wishes{}), http.StatusFound)
}
