package cognito

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// pageStyle is allowed by its hash alone, so that the page works under a
// policy that allows nothing else.
const pageStyle = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--paper:#fff;--back:#f4f5f7;--line:#d9dee3;--deed:#0b5cad}
@media(prefers-color-scheme:dark){:root{--ink:#eceff2;--soft:#a5afb9;--paper:#1c2127;--back:#12161a;--line:#333b44;--deed:#4f9fee}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}
main{width:100%;max-width:28rem;padding:2.25rem;background:var(--paper);border:1px solid var(--line);border-radius:.75rem}
h1{margin:0 0 .5rem;font-size:1.375rem;line-height:1.3}
p{margin:0 0 1.75rem;color:var(--soft)}
a,button{display:inline-block;padding:.6rem 1.2rem;border:0;border-radius:.5rem;background:var(--deed);color:#fff;font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
@media(prefers-color-scheme:dark){a,button{color:#0c1116}}
a:focus-visible,button:focus-visible{outline:3px solid var(--deed);outline-offset:3px}
`

var pageStyleHash = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

// page is everything that a visitor is ever shown by this package.
type page struct {
	Title  string
	Detail string
	Link   string // where the only link leads
	Action string // instead of a link: a form posts there
	Label  string // of the link or the button
}

var pageTemplate = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{{if .Page.Action}}<meta name="referrer" content="same-origin">
{{end}}<title>{{.Page.Title}}</title>
<style>{{.Style}}</style>
</head>
<body>
<main>
<h1>{{.Page.Title}}</h1>
<p>{{.Page.Detail}}</p>
{{if .Page.Action}}<form method="post" action="{{.Page.Action}}"><button>{{.Page.Label}}</button></form>
{{else}}<a href="{{.Page.Link}}">{{.Page.Label}}</a>
{{end}}</main>
</body>
</html>
`))

// sendPage writes a page. A page with a form tells browsers to name its origin
// to us: under no-referrer alone they would send "Origin: null", as another
// site's sandbox does, and not all of them say more. Forms may post to us and follow our redirect to
// formTarget, which browsers check against the policy too.
func sendPage(c *fiber.Ctx, status int, p page, formTarget string) error {
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, struct {
		Page  page
		Style template.CSS
	}{p, pageStyle}); err != nil {
		return err
	}
	policy := "default-src 'none'; style-src '" + pageStyleHash + "'; base-uri 'none'; frame-ancestors 'none'; form-action "
	if p.Action == "" {
		policy += "'none'"
	} else {
		policy += "'self' " + formTarget
	}
	c.Set(fiber.HeaderContentSecurityPolicy, policy)
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Status(status).Send(b.Bytes())
}

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
	a.emit(Event{Kind: EventRefuse, Subject: e.subject}.failed(e))
	sealResponse(c)
	a.challenge(c, e)
	if e.retryAfter > 0 {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int((e.retryAfter+time.Second-1)/time.Second)))
	}
	if a.config.ErrorHandler != nil {
		return forFiber(a.config.ErrorHandler(c, e))
	}
	return a.answer(c, e)
}

// answer is the default ErrorHandler.
func (a *Auth) answer(c *fiber.Ctx, e *Error) error {
	ours := a.route(c.Path()) != nil
	if isNavigation(c) || (ours && c.Get("Sec-Fetch-Mode") == "navigate") {
		p := page{Title: e.Title(), Detail: e.Detail(), Link: a.loginAddress(e.returnTo, ""), Label: "Try again"}
		if e.reason == ErrForbidden {
			p.Link, p.Label = a.loginAddress(e.returnTo, "login"), "Sign in as someone else"
		}
		return sendPage(c, e.Status(), p, "")
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

// loginForScripts is where a script should send the browser to log in. HTMX
// goes there by itself, and back to the page that it was on.
func (a *Auth) loginForScripts(c *fiber.Ctx, e *Error) string {
	prompt := ""
	if e.reason == ErrStaleLogin {
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

func (b blandError) Error() string { return b.inner.Detail() }

func (b blandError) Unwrap() []error {
	return []error{fiber.NewError(b.inner.Status(), b.inner.Detail()), b.inner}
}
