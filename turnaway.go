package cognito

import (
	"net/http"
	"net/url"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/web"
)

// turnAway answers a request that a guard does not let pass.
func (a *Auth) turnAway(r request, id *session.Identity, e *Error) error {
	page := web.IsNavigation(r.method, &r.Request.Header) && !id.Bearer
	if id.Ended || (id.Stale && page) {
		// Only here, and never for a script's dead cookie: its answer may
		// arrive after a login in another tab and delete the new session.
		a.cookies.clear(r, string(a.cookies.session))
	}
	switch {
	case !page || e.Status() != http.StatusUnauthorized:
		e := *e
		details := fault.Of(&e)
		details.ReturnTo, details.Subject = a.returnPath(r.originalURL()), id.Subject()
		return a.refuse(r, &e)
	case fault.Of(e).Reason == fault.ErrStaleLogin:
		a.emit(Event{Kind: EventRefuse, Subject: id.Subject()}.failed(e))
		return a.sendToCognito(r, a.returnPath(r.originalURL()), url.Values{"prompt": {"login"}}, provingAnew(id.User), 0)
	}
	a.emit(Event{Kind: EventRefuse, Subject: id.Subject()}.failed(e))
	sealResponse(r)
	return r.redirect(a.loginAddress(a.returnPath(r.originalURL()), ""), http.StatusFound)
}

// loginAddress is LoginPath as a browser reaches it, with where to go
// afterwards.
func (a *Auth) loginAddress(returnTo, prompt string) string {
	query := url.Values{}
	if returnTo != "" && returnTo != a.config.AfterLogin {
		query.Set("return_to", returnTo)
	}
	if prompt != "" {
		query.Set("prompt", prompt)
	}
	if len(query) == 0 {
		return a.address(a.config.LoginPath)
	}
	return pool.WithQuery(a.address(a.config.LoginPath), query)
}
