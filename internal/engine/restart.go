package engine

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/login"
	"github.com/bar-tech/cognito/internal/web"
)

// A callback whose attempt is gone is seldom an attack: a login took too long, two
// instances got the same click, tabs that were restored together overwrote each
// other's slots. Signing in again mostly needs no click, since Cognito remembers
// the visitor.

// retryLogin answers a callback whose attempt is gone, although this browser started
// it. The ticket counts the retries, so that there is only one.
func (a *Engine) retryLogin(r Request, mine login.Ticket, result outcome) error {
	id := a.identifyOnRoute(r)
	// Whoever is signed in needs no other login, unless they are linking an account. If it
	// cannot be known who is there, the ticket stays for the next try.
	switch {
	case id.User != nil && !errors.Is(result.err, errLoginAgain):
		a.cookies.clear(r, mine.Name)
		return a.goHome(r)
	case id.Err != nil && errors.Is(id.Err, fault.ErrUnavailable):
		return a.refuse(r, fault.From(id.Err))
	}
	a.cookies.clear(r, mine.Name)
	if mine.Again > 0 { // once already, and Cognito may answer the next one without a click
		return a.refuseLogin(r, result)
	}
	if !result.used {
		a.event(r, Event{Kind: EventLogin}.failed(result.err))
	}
	return a.startOver(r, result.begun)
}

// answerUnexpected answers a callback that no login of this browser is waiting for. A
// visitor who is signed in is redirected home. A visitor with a login in progress
// starts that login again; their other logins stay. Such a link sends nobody else to
// sign in, because it is a bookmark, the back button, or a login that somebody else
// started. known is the cause if there already is one: a ticket that does not open its
// login.
func (a *Engine) answerUnexpected(r Request, answer cognitoAnswer, known *fault.Error) error {
	switch id := a.identifyOnRoute(r); {
	case id.User != nil:
		return a.goHome(r)
	case id.Err != nil && errors.Is(id.Err, fault.ErrUnavailable):
		return a.refuse(r, fault.From(id.Err))
	case known != nil:
		return a.refuse(r, known)
	}
	e := a.whyUnexpected(r, answer)
	open := a.attempts.Tickets(&r.Request.Header)
	if len(open) == 0 {
		return a.refuse(r, e)
	}
	recently := a.settings.Now().Add(-login.Life).UnixMilli()
	// This callback has no ticket that could count. So if any login of this browser has
	// restarted lately, it may be this one, and the browser would be sent round and round.
	for _, t := range open {
		if t.Again > 0 && t.Began > recently {
			return a.refuse(r, e)
		}
	}
	a.event(r, Event{Kind: EventLogin}.failed(e))
	// Of this login nothing is known but that it is lost, so it ends at AfterLogin.
	return a.startOver(r, login.Attempt{})
}

// whyUnexpected gathers what an operator needs to see why a callback found no login.
func (a *Engine) whyUnexpected(r Request, answer cognitoAnswer) *fault.Error {
	cause := errForeignState
	if answer.err != nil {
		cause = fmt.Errorf("%w; %w; %w", cause, answer.err, fault.ErrHearsay)
	}
	if answer.state == "" && answer.code != "" {
		cause = fmt.Errorf("%w; it has a code but no state: if the sign-in began at a SAML provider (IdP-initiated), link from there to %s?identity_provider=… instead", cause, a.settings.LoginPath)
	}
	if host := r.Request.Header.Host(); a.settings.BaseURL != "" && !web.SameHost(string(host), a.settings.BaseURL) {
		cause = fmt.Errorf("%w; the request's host is %.100q, but BaseURL is %s: if visitors use several hosts, redirect them to BaseURL's host before they sign in", cause, host, a.settings.BaseURL)
	}
	message := ""
	// A login leaves a cookie, so a browser without any has kept none, or it is not passed on.
	// The count of logins in a row, which says so to others, is kept in a cookie, too.
	if answer.state != "" && len(r.cookieHeader()) == 0 {
		cause = fmt.Errorf("%w; the request has no cookies: if other logins fail like this, check that what is in front of the app passes Cookie and Set-Cookie on, and redirects http to https", cause)
		message = "It wasn't started in this browser, it was started too long ago, or the browser doesn't accept cookies from this site. Check that it does, then sign in again."
	}
	return fault.New(fault.Details{Reason: fault.ErrStateMismatch, Cause: cause, Message: message})
}

var errForeignState = errors.New("the callback's state does not match any login in this browser")

// startOver begins a login again in place of one that is lost, on the same terms: a lost
// attempt must not be a way to a login that proves less. lost is the zero attempt if
// nothing is known of it.
func (a *Engine) startOver(r Request, lost login.Attempt) error {
	wishes, begun := Wishes{MaxAge: time.Duration(lost.MaxAge) * time.Second}, login.Attempt{MaxAge: lost.MaxAge}
	switch {
	case lost.MFA, lost.Levels != "":
		// The attempt has only marks of the levels, which Cognito cannot be asked for. The
		// page's guard knows their names.
		sealResponse(r)
		return r.redirect(a.Address(a.returnPath(lost.ReturnTo)), http.StatusFound)
	case lost.Silent:
		wishes.Prompt = "none"
	case lost.Fresh:
		wishes.Prompt = "login"
		begun.Fresh, begun.Proved, begun.Whose = true, lost.Proved, lost.Whose
	}
	// What only the ticket knows lay in the open, so it is judged like a link.
	return a.sendToCognito(r, a.returnPath(lost.ReturnTo), wishes, begun, 1)
}

// refuseLogin is refuse for what a callback came to. A failed login is told once:
// if its attempt was used, that was when it failed.
func (a *Engine) refuseLogin(r Request, result outcome) error {
	if !result.used {
		return a.refuse(r, result.err)
	}
	return a.tell(r, result.err)
}

// goHome sends a visitor on who is signed in.
func (a *Engine) goHome(r Request) error {
	sealResponse(r)
	return r.redirect(a.Address(a.settings.AfterLogin), http.StatusFound)
}
