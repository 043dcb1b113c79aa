package engine

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/login"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
)

// Leg 2 of the journey: Cognito redirects the browser to RedirectPath. We match the
// response to the attempt that this browser started, exchange the code for tokens,
// verify them, start the session and redirect the browser home.

// linkedJustNow is how Cognito reports the first login of a federated user whose
// account a Lambda trigger has just linked. The account is linked now, so signing in
// again succeeds.
var linkedJustNow = regexp.MustCompile(`(?i)already found an entry for username`)

// cognitoAnswer is the query of a callback (RFC 6749 section 4.1.2).
type cognitoAnswer struct {
	state secret.Text
	code  secret.Text
	err   *fault.ProviderError // Cognito reported an error, which counts even beside a code
}

// Format prints no secret.
func (cognitoAnswer) Format(f fmt.State, _ rune) { secret.Hide(f, "answer") }

// outcome is the result of a callback. It holds all that is needed to answer the other
// requests of a double click, which share it, so nobody changes it.
type outcome struct {
	used     bool             // the attempt is used up, and the event told
	begun    login.Attempt    // as far as it is known
	again    bool             // signing in again should succeed, without the visitor's help
	location string           // where to go
	session  *session.Session // the new session, or nil
	err      *fault.Error     // instead of location
}

// Format prints no secret.
func (outcome) Format(f fmt.State, _ rune) { secret.Hide(f, "outcome") }

// serveCallback answers RedirectPath. Until the attempt is found, nothing is believed and
// nothing is changed: anybody can send a browser here, with any query.
func (a *Engine) serveCallback(r Request) error {
	if a.framedByStranger(r) {
		return a.refuse(r, errFramed)
	}
	answer, err := a.readAnswer(r)
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	mine, ok := a.ticketFor(r, answer)
	if !ok {
		return a.answerUnexpected(r, answer, nil)
	}
	result := a.callbacks.once(r, answer.state.Reveal(), a.attempts.Value(mine), func() outcome { return a.finish(r, answer, mine) })
	// used is checked with the reasons, because OnLogin's error may wrap any of ours. A
	// hook that returns ErrUnavailable must not look like an attempt that is still good.
	switch {
	case result.err == nil:
		return a.redirectHome(r, mine, result)
	case result.again, !result.used && errors.Is(result.err, fault.ErrAttemptExpired):
		return a.retryLogin(r, mine, result)
	case !result.used && errors.Is(result.err, fault.ErrUnavailable):
		return a.refuse(r, result.err) // nothing changed: the ticket is still good
	case !result.used && errors.Is(result.err, fault.ErrStateMismatch):
		return a.answerUnexpected(r, answer, result.err)
	}
	a.cookies.clear(r, mine.Name)
	return a.refuseLogin(r, result)
}

// ticketFor is the ticket of the login that a callback answers, if this browser has it. Its
// cookie is looked at like the session's: a sibling subdomain can plant a cookie without a
// name whose value is "name=ticket", which an adaptor of net/http in front makes a cookie of
// that name. With the ticket of a login that somebody else has begun, the browser would
// complete it (login CSRF).
func (a *Engine) ticketFor(r Request, answer cognitoAnswer) (login.Ticket, bool) {
	mine, ok := a.attempts.TicketFor(&r.Request.Header, answer.state.Reveal())
	return mine, ok && a.cookies.read(r, []byte(mine.Name)) != nil
}

// Cognito's codes are UUIDs and our states are far shorter than this. What is
// longer is not worth looking up.
const (
	longestState = 128
	longestCode  = 2048
)

// readAnswer reads the query strictly: a repeated parameter, or a code with characters
// that the protocol does not allow, is an attack or a mistake (RFC 6749 section 3.1 and
// appendix A.11). If we guessed which value counts, an attacker could confuse the two.
func (a *Engine) readAnswer(r Request) (cognitoAnswer, error) {
	values := map[string]string{}
	for _, name := range []string{"state", "code", "error", "error_description", "iss"} {
		all := r.QueryArgs().PeekMulti(name)
		if len(all) > 1 {
			return cognitoAnswer{}, fault.Because(fault.ErrBadCallback, "query parameter %s is repeated", name)
		}
		if len(all) == 1 {
			values[name] = string(all[0])
		}
	}
	// An empty iss counts as sent: it names no issuer of ours.
	if iss, sent := values["iss"]; sent && !a.issuers.Has(iss) {
		// Cognito sends none. Another provider's would mean a mix-up (RFC
		// 9207 section 2.4).
		return cognitoAnswer{}, fault.Because(fault.ErrBadCallback, "iss names another issuer")
	}
	if len(values["state"]) > longestState || len(values["code"]) > longestCode || !isPrintableASCII(values["code"]) {
		return cognitoAnswer{}, fault.Because(fault.ErrBadCallback, "state or code is malformed")
	}
	answer := cognitoAnswer{state: secret.Text(values["state"]), code: secret.Text(values["code"])}
	if code, sent := values["error"]; sent {
		answer.err = fault.NewProviderError(code, values["error_description"])
	}
	return answer, nil
}

// isPrintableASCII reports whether s is made of printable ASCII characters, the only ones
// that a code may have.
func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// errLoginAgain asks for another login without telling the visitor, even if somebody is
// signed in.
var errLoginAgain = errors.New("signing in again should succeed")

// finish deals with an answer of Cognito that belongs to this browser. once runs it, for
// the first request of a double click. The order counts: an attempt is opened, then used
// up, and only then the code goes to Cognito. So this process sends no code twice,
// whatever happens in between.
func (a *Engine) finish(r Request, answer cognitoAnswer, mine login.Ticket) outcome {
	begun, err := a.attempts.Open(answer.state.Reveal(), mine)
	if errors.Is(err, secret.ErrTampered) {
		// This browser has a ticket for the state, so somebody has changed or made the
		// record or the ticket. Or Keys are not set, and the process was restarted.
		observer{a}.Tampered(err)
	}
	if err != nil {
		return outcome{begun: begun, err: fault.From(err)}
	}
	if err := a.attempts.Consume(answer.state.Reveal(), mine); err != nil {
		return outcome{begun: begun, err: fault.From(err)}
	}
	if begun.ReturnTo == "" { // it did not fit into the cookie
		begun.ReturnTo = a.settings.AfterLogin
	}
	began := time.Now()
	opened, err := a.signIn(r, answer, begun)
	if err != nil {
		err = fault.Referenced(fault.From(err)) // of the event, and of whoever is refused, however often
	}
	// Nobody else can have used the attempt if the storage is this process's own.
	result := judgeSignIn(begun, opened, err, !a.settings.OwnStorage)
	if err != nil {
		// Told here, and not where the visitor is refused: a double click is refused twice.
		e := fault.From(err)
		a.event(r, Event{Kind: EventLogin, Subject: fault.Of(e).Subject, Duration: time.Since(began)}.failed(e))
		return result
	}
	a.event(r, Event{Kind: EventLogin, OK: true, Subject: opened.Identity.User.Sub(), Duration: time.Since(began)})
	a.replace(r, opened)
	return result
}

// judgeSignIn decides what the visitor of a used attempt gets: the requested page,
// either signed in or, after a silent login (prompt=none), not signed in; otherwise the
// cause. Two instances that share a storage may use the same attempt at the same moment,
// because fiber.Storage has no atomic get-and-delete. Then Cognito's code decides, since
// it works only once, and the loser has only lost a round trip.
func judgeSignIn(begun login.Attempt, opened *session.Session, err error, shared bool) outcome {
	if err == nil {
		return outcome{used: true, location: begun.ReturnTo, session: opened}
	}
	failed := *fault.From(err)
	// The error's own reason, and not what it wraps: OnLogin's may wrap any of ours.
	reason := fault.Of(&failed).Reason
	if begun.Silent && reason == fault.ErrLoginRequired {
		return outcome{used: true, location: begun.ReturnTo}
	}
	fault.Of(&failed).ReturnTo = begun.ReturnTo
	again := errors.Is(err, errLoginAgain) || (shared && reason == fault.ErrCodeRefused)
	return outcome{used: true, begun: begun, again: again, err: &failed}
}

// answerError classifies the errors that come through the browser. Anybody who sends a
// browser here can write them, so they are never more than hearsay.
func answerError(reported *fault.ProviderError) error {
	because := func(reason *fault.Reason, remedy string) error {
		return fault.Because(reason, "%w%s; %w", reported, remedy, fault.ErrHearsay)
	}
	switch reported.Code {
	case "access_denied":
		return because(fault.ErrDenied, "")
	case "login_required":
		return because(fault.ErrLoginRequired, "")
	// Both are the operator's to resolve, but a stranger can make them up, so the
	// remedy is conditional: nobody should change a pool because of a link.
	case "invalid_scope":
		return because(fault.ErrMisconfigured, "; if logins fail, allow every scope of Scopes for the app client")
	case "unauthorized_client":
		return because(fault.ErrMisconfigured, "; if logins fail, allow the authorization code grant for the app client")
	}
	if linkedJustNow.MatchString(reported.Description) {
		return fault.Because(fault.ErrProvider, "%w: %w; %w", errLoginAgain, reported, fault.ErrHearsay)
	}
	return because(fault.ErrProvider, "")
}

// replace ends the session that the browser had before: its cookie is about to be
// overwritten, and a session that nobody can use should not remain. It runs only after the
// new session exists, so a login that fails leaves the visitor signed in as before.
func (a *Engine) replace(r Request, opened *session.Session) {
	old := a.sessionID(r)
	if old == nil || string(old) == string(opened.ID[:]) || r.GivenUp() {
		return
	}
	// An invented cookie must not leave a tombstone in the storage.
	if handle, ok := a.sessions.Handle(old); ok && a.mayExist(handle) {
		a.endNow(handle)
	}
}

// redirectHome sends a browser home that has finished its login. Each request of a double
// click gets the session's cookie: the browser may drop any of the responses.
func (a *Engine) redirectHome(r Request, mine login.Ticket, result outcome) error {
	a.cookies.clear(r, mine.Name)
	if result.session != nil {
		a.countLogin(r) // if the browser does not keep the session's cookie, it will be back
		if err := a.setSession(r, result.session); err != nil {
			return a.refuse(r, fault.From(err))
		}
	}
	sealResponse(r)
	return r.redirect(a.Address(result.location), http.StatusFound)
}

// Address is what browsers call a path of this app: behind a proxy that strips
// a prefix, the prefix comes first again.
func (a *Engine) Address(path string) string { return a.pathPrefix + path }
