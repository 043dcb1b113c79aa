package engine

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
)

// How a refusal is told: to people with a page, to programs with a problem.

// problem is an answer for scripts (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	// Reference finds the refusal in the log.
	Reference string `json:"reference,omitempty"`
	LoginURL  string `json:"login_url,omitempty"`
}

// sealResponse keeps a response of ours out of every cache, and its address out of the
// Referer of the page that the visitor opens next.
func sealResponse(r Request) {
	r.Response.Header.Set("Cache-Control", "no-store")
	r.Response.Header.Set("Referrer-Policy", "no-referrer")
	r.Response.Header.Set("X-Content-Type-Options", "nosniff")
}

// letCachesKeep lets caches keep an answer that is the same for everybody. No browser's
// request for it has a body. If one is too large, or if what follows its last chunk is no
// header, Fiber v3 runs the middleware all the same, and then sends an error with the
// headers that it has set: for five minutes, a cache would give everybody the error.
func letCachesKeep(r Request) {
	header := &r.Request.Header
	// Of a body in chunks that is empty, only the raw headers still tell.
	if header.ContentLength() > 0 || bytes.Contains(bytes.ToLower(header.RawHeaders()), []byte("transfer-encoding")) {
		r.Response.Header.Set("Cache-Control", "no-store")
		return
	}
	r.Response.Header.Set("Cache-Control", "max-age=300")
}

// refuse answers for an error: by the app's ErrorHandler if there is one, or
// with a page for people and a problem for programs.
func (a *Engine) refuse(r Request, e *fault.Error) error {
	e = fault.Referenced(e)
	a.event(r, Event{Kind: EventRefuse, Subject: fault.Of(e).Subject}.failed(e))
	return a.tell(r, e)
}

// tell is refuse for an error that already has its event.
func (a *Engine) tell(r Request, e *fault.Error) error {
	if r.GivenUp() {
		return nil
	}
	// Before the app's ErrorHandler, whose page could be reloaded at the form's address.
	if a.leavesForm(r, e) {
		return a.leaveForm(r, e)
	}
	e = a.answered(r, e)
	a.announce(r, e)
	if answered, err := a.askApp(r, e); answered {
		return err
	}
	return answer(r, e)
}

// answeringKey marks a request that the app's ErrorHandler is answering. Each engine has its
// own, as with identityKey.
type answeringKey struct{ of *Engine }

// askApp lets the app's ErrorHandler answer, unless it is doing so already: one that calls
// Login or Logout may have that refused, too. If it were asked again, it would call itself
// until the stack is full, which ends the process, and whoever makes Login refuse could
// bring that about. If it panics, the built-in answer takes its place: it is asked of nearly
// every refusal, also where nothing else recovers, in guards and of the 500 that follows a
// panic.
func (a *Engine) askApp(r Request, e *fault.Error) (answered bool, err error) {
	unmark, again := r.mark(answeringKey{a})
	if again {
		return false, nil
	}
	defer unmark()
	defer func() {
		if p := recover(); p != nil {
			a.logPanic("asking the app to answer", p)
			answered, err = false, nil
		}
	}()
	return a.hooks.HandleError(r.App, e)
}

// announce sets the headers that an answer has whoever writes it. The error is the
// request's own copy.
func (a *Engine) announce(r Request, e *fault.Error) {
	sealResponse(r)
	fault.Of(e).Announced = true
	a.challenge(r, e)
	if wait := e.RetryAfter(); wait > 0 {
		r.Response.Header.Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	}
}

// answered decides how to answer an error. Afterwards, neither the request nor the
// engine is needed.
func (a *Engine) answered(r Request, e *fault.Error) *fault.Error {
	how := fault.Answer{AsPage: a.wantsPage(r), AppName: a.settings.AppName, Ways: a.waysOn(e, a.itself(r, e))}
	if e.Status() == http.StatusUnauthorized {
		how.LoginURL = a.loginURL(r, e, how.AsPage)
	}
	return fault.Answered(e, how)
}

// answer is the default ErrorHandler.
func answer(r Request, e *fault.Error) error {
	if fault.Of(e).Answer.AsPage {
		return sendPage(r, e.Status(), pageOf(e))
	}
	// Both open the address as a page, which no redirect can make a script do.
	if e.LoginURL() != "" && r.isInertia() {
		return r.leaveInertia(e.LoginURL())
	}
	if e.LoginURL() != "" && r.isHTMX() {
		r.Response.Header.Set("HX-Redirect", e.LoginURL())
	}
	return r.json(e.Status(), "application/problem+json", problem{
		Type: "about:blank", Title: e.Title(), Status: e.Status(), Detail: e.Detail(),
		Code: e.Code(), Reference: fault.Of(e).Reference, LoginURL: e.LoginURL(),
	})
}

// wantsPage reports whether a person will read the answer. Whoever brings a
// bearer token is a program, whatever it accepts. On our own routes, a form that is refused
// where it is (leavesForm) gets a page, too.
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
	_, sent, _ := bearerOf(r) // a malformed one is a program's, too
	return sent
}
