package cognito

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/web"
	"github.com/gofiber/fiber/v2"
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
func sealResponse(r request) {
	r.Response.Header.Set("Cache-Control", "no-store")
	r.Response.Header.Set("Referrer-Policy", "no-referrer")
	r.Response.Header.Set("X-Content-Type-Options", "nosniff")
}

// refuse answers for an error: by the app's ErrorHandler if there is one, or
// with a page for people and a problem for programs.
func (a *Auth) refuse(r request, e *Error) error {
	a.emit(Event{Kind: EventRefuse, Subject: fault.Of(e).Subject}.failed(e))
	sealResponse(r)
	a.challenge(r, e)
	if fault.Of(e).RetryAfter > 0 {
		r.Response.Header.Set("Retry-After", strconv.Itoa(int((fault.Of(e).RetryAfter+time.Second-1)/time.Second)))
	}
	if a.config.ErrorHandler != nil {
		return forFiber(a.config.ErrorHandler(r.app.(*fiber.Ctx), e))
	}
	return a.answer(r, e)
}

// answer is the default ErrorHandler.
func (a *Auth) answer(r request, e *Error) error {
	if a.wantsPage(r) {
		return sendPage(r, e.Status(), a.pageFor(e), "")
	}
	body := problem{Type: "about:blank", Title: e.Title(), Status: e.Status(), Detail: e.Detail(), Code: e.Code()}
	if e.Status() == http.StatusUnauthorized {
		body.LoginURL = a.loginForScripts(r, e)
	}
	return r.json(e.Status(), "application/problem+json", body)
}

// wantsPage reports whether a person will read the answer. Whoever brings a
// bearer token is a program, whatever it accepts.
func (a *Auth) wantsPage(r request) bool {
	if a.config.Bearer {
		if _, sent, _ := bearerOf(r); sent {
			return false
		}
	}
	return web.IsNavigation(r.method, &r.Request.Header) || (a.route(r.path) != nil && r.header("Sec-Fetch-Mode") == "navigate")
}

// pageFor tells a visitor what is wrong, and offers a way on that can help.
func (a *Auth) pageFor(e *Error) page {
	p := page{Title: e.Title(), Detail: e.Detail(), Link: a.loginAddress(fault.Of(e).ReturnTo, ""), Label: "Try again"}
	home := a.address(a.config.AfterLogin)
	switch fault.Of(e).Reason {
	case fault.ErrForbidden:
		p.Link, p.Label, p.Home = a.loginAddress(fault.Of(e).ReturnTo, "login"), "Sign in as someone else", home
	case fault.ErrNotAdmitted:
		p.Link, p.Label = a.loginAddress(fault.Of(e).ReturnTo, "login"), "Sign in as someone else"
	case fault.ErrMethod, fault.ErrCrossOrigin:
		p.Link, p.Label = home, "Back to the app"
	}
	return p
}

// loginForScripts is where a script should send the browser to log in. HTMX
// goes there by itself, and back to the page that it was on.
func (a *Auth) loginForScripts(r request, e *Error) string {
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

// forFiber keeps causes from strangers: Fiber's own error handler prints the
// text of whatever error reaches it, and an app may well return one of ours.
func forFiber(err error) error {
	if err == nil {
		return nil // before e, which escapes: this runs on every request
	}
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	return blandError{e}
}

// blandError reads like what a visitor may know, and still is the error that
// it was.
type blandError struct{ inner *Error }

// Error is what Fiber's own error handler shows to strangers.
func (b blandError) Error() string { return b.inner.Detail() }

// Unwrap lets Fiber find the status, and the app's error handler our error.
func (b blandError) Unwrap() []error {
	return []error{fiber.NewError(b.inner.Status(), b.inner.Detail()), b.inner}
}
