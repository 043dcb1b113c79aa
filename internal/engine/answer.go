package engine

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
)

// How a refusal is told: to people with a page, to programs with a problem.

// problem is an answer for scripts (RFC 9457).
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Code     string `json:"code"`
	LoginURL string `json:"login_url,omitempty"`
}

// sealResponse keeps an answer of ours out of every cache and out of the
// Referer of what the visitor opens next.
func sealResponse(r Request) {
	r.Response.Header.Set("Cache-Control", "no-store")
	r.Response.Header.Set("Referrer-Policy", "no-referrer")
	r.Response.Header.Set("X-Content-Type-Options", "nosniff")
}

// refuse answers for an error: by the app's ErrorHandler if there is one, or
// with a page for people and a problem for programs.
func (a *Engine) refuse(r Request, e *fault.Error) error {
	a.event(r, Event{Kind: EventRefuse, Subject: fault.Of(e).Subject}.failed(e))
	return a.tell(r, e)
}

// tell is refuse for what an event has told already.
func (a *Engine) tell(r Request, e *fault.Error) error {
	if a.leavesForm(r, e) {
		return a.leaveForm(r, e)
	}
	sealResponse(r)
	a.challenge(r, e)
	if fault.Of(e).RetryAfter > 0 {
		r.Response.Header.Set("Retry-After", strconv.Itoa(int((fault.Of(e).RetryAfter+time.Second-1)/time.Second)))
	}
	if answered, err := a.hooks.Refuse(r.App, e); answered {
		return err
	}
	return a.answer(r, e)
}

// answer is the default ErrorHandler.
func (a *Engine) answer(r Request, e *fault.Error) error {
	if a.wantsPage(r) {
		return sendPage(r, e.Status(), a.pageFor(e, a.itself(r, e)))
	}
	body := problem{Type: "about:blank", Title: e.Title(), Status: e.Status(), Detail: e.Detail(), Code: e.Code()}
	if e.Status() == http.StatusUnauthorized {
		body.LoginURL = a.loginForScripts(r, e)
	}
	return r.json(e.Status(), "application/problem+json", body)
}

// wantsPage reports whether a person will read the answer. Whoever brings a
// bearer token is a program, whatever it accepts.
func (a *Engine) wantsPage(r Request) bool {
	if a.bringsToken(r) {
		return false
	}
	return r.asking().VisitsPage() || (a.route(r.Path) != nil && r.header("Sec-Fetch-Mode") == "navigate")
}

// bringsToken reports whether a program sent a request.
func (a *Engine) bringsToken(r Request) bool {
	if !a.settings.Bearer {
		return false
	}
	_, sent, _ := bearerOf(r)
	return sent
}

// itself is the address by which a visitor tries once more what could not be done:
// the page itself. Of our own routes that is a login.
func (a *Engine) itself(r Request, e *fault.Error) string {
	if a.route(r.Path) != nil {
		return a.loginAddress(fault.Of(e).ReturnTo, "")
	}
	return a.address(a.returnPath(r.originalURL()))
}

// pageFor tells a visitor what is wrong, and offers a way on that can help. itself
// is where the same thing may be tried once more.
func (a *Engine) pageFor(e *fault.Error, itself string) page {
	p := page{Title: e.Title(), Detail: e.Detail(), Link: a.loginAddress(fault.Of(e).ReturnTo, ""), Label: "Try again"}
	home := a.address(a.settings.AfterLogin)
	switch fault.Of(e).Reason {
	case fault.ErrForbidden:
		p.Link, p.Label, p.Home = a.loginAddress(fault.Of(e).ReturnTo, "login"), "Sign in as someone else", home
	case fault.ErrNotAdmitted:
		p.Link, p.Label = a.loginAddress(fault.Of(e).ReturnTo, "login"), "Sign in as someone else"
	case fault.ErrUnavailable, fault.ErrInternal, fault.ErrMisconfigured:
		p.Link = itself // a login would not help while the storage is down
	case fault.ErrNotSignedIn, fault.ErrSessionEnded, fault.ErrLoginRequired:
		p.Label = "Sign in"
	case fault.ErrStaleLogin:
		p.Link, p.Label = a.loginAddress(fault.Of(e).ReturnTo, "login"), "Sign in"
	case fault.ErrMethod, fault.ErrCrossOrigin, fault.ErrAmbiguousPath:
		p.Link, p.Label = home, "Back to the app"
	}
	return p
}

// loginForScripts is where a script should send the browser to log in. HTMX
// goes there by itself, and back to the page that it was on.
func (a *Engine) loginForScripts(r Request, e *fault.Error) string {
	prompt := ""
	if fault.Of(e).Reason == fault.ErrStaleLogin {
		prompt = "login"
	}
	if r.header("HX-Request") == "" {
		return a.loginAddress("", prompt)
	}
	back := ""
	if current, err := url.Parse(r.header("HX-Current-URL")); err == nil {
		back = a.returnPath(strings.TrimPrefix(current.RequestURI(), a.pathPrefix))
	}
	login := a.loginAddress(back, prompt)
	r.Response.Header.Set("HX-Redirect", login)
	return login
}
