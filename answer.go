package cognito

import (
	"errors"
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
func sealResponse(c *fiber.Ctx) {
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
}

// refuse answers for an error: by the app's ErrorHandler if there is one, or
// with a page for people and a problem for programs.
func (a *Auth) refuse(c *fiber.Ctx, e *Error) error {
	a.emit(Event{Kind: EventRefuse, Subject: fault.Of(e).Subject}.failed(e))
	sealResponse(c)
	a.challenge(c, e)
	if fault.Of(e).RetryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int((fault.Of(e).RetryAfter+time.Second-1)/time.Second)))
	}
	if a.config.ErrorHandler != nil {
		return forFiber(a.config.ErrorHandler(c, e))
	}
	return a.answer(c, e)
}

// answer is the default ErrorHandler.
func (a *Auth) answer(c *fiber.Ctx, e *Error) error {
	if a.wantsPage(c) {
		return sendPage(c, e.Status(), a.pageFor(e), "")
	}
	body := problem{Type: "about:blank", Title: e.Title(), Status: e.Status(), Detail: e.Detail(), Code: e.Code()}
	if e.Status() == fiber.StatusUnauthorized {
		body.LoginURL = a.loginForScripts(c, e)
	}
	if err := c.Status(e.Status()).JSON(body); err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "application/problem+json")
	return nil
}

// wantsPage reports whether a person will read the answer. Whoever brings a
// bearer token is a program, whatever it accepts.
func (a *Auth) wantsPage(c *fiber.Ctx) bool {
	if a.config.Bearer {
		if _, sent, _ := bearerOf(c); sent {
			return false
		}
	}
	return web.IsNavigation(c.Method(), &c.Request().Header) || (a.route(c.Path()) != nil && c.Get("Sec-Fetch-Mode") == "navigate")
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
func (a *Auth) loginForScripts(c *fiber.Ctx, e *Error) string {
	prompt := ""
	if fault.Of(e).Reason == fault.ErrStaleLogin {
		prompt = "login"
	}
	if c.Get("HX-Request") == "" {
		return a.loginAddress("", prompt)
	}
	back := ""
	if current, err := url.Parse(c.Get("HX-Current-URL")); err == nil {
		back = a.returnPath(strings.TrimPrefix(current.RequestURI(), a.pathPrefix))
	}
	login := a.loginAddress(back, prompt)
	c.Set("HX-Redirect", login)
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
