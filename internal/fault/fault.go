// Package fault says why something was refused or failed, to two audiences: a neutral
// text and a status for the visitor, and the whole cause for the log. Neither contains a
// secret.
package fault

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// A Reason is why something was refused or failed, for programs: compare with errors.Is.
// It has the HTTP status and the texts for the visitor, which never say more than a
// stranger may know.
type Reason struct {
	code   string // never changes: apps translate pages by it
	status int
	title  string
	detail string
}

// Error names the reason.
func (r *Reason) Error() string { return "cognito: " + r.code }

// CodeOf is a stable word for a reason.
func CodeOf(r *Reason) string { return r.code }

// The reasons. What they mean to an app is told where the root package names them.
var (
	ErrNotSignedIn = &Reason{"not_signed_in", http.StatusUnauthorized,
		"Please sign in", "You need to sign in to see this."}
	ErrForbidden = &Reason{"forbidden", http.StatusForbidden,
		"Not allowed", "You're signed in, but you don't have permission to do this."}
	ErrCrossOrigin = &Reason{"cross_origin", http.StatusForbidden,
		"Request refused", "This request came from another site. Go back to the app and try again there."}
	ErrSessionEnded = &Reason{"session_ended", http.StatusUnauthorized,
		"You have been signed out", "Your session has ended. Please sign in again."}
	ErrStaleLogin = &Reason{"fresh_login_required", http.StatusUnauthorized,
		"Please sign in again", "You need to sign in again to continue. If you end up back on this page, sign out first, then sign in."}
	ErrLevel = &Reason{"level_required", http.StatusUnauthorized,
		"Stronger sign-in required", "To see this page, sign in with an additional step, such as a one-time code."}
	ErrLevelNotReached = &Reason{"level_not_reached", http.StatusForbidden,
		"Stronger sign-in required", "This page requires an additional sign-in step, but the sign-in service didn't offer you one. If you were signed in, you still are."}
	ErrBearerMalformed = &Reason{"invalid_request", http.StatusBadRequest,
		"Bad request", "The Authorization header must contain exactly one bearer token."}
	ErrNotAdmitted = &Reason{"not_admitted", http.StatusForbidden,
		"You can't sign in here", "Your account does not have access to this app."}
	ErrDenied = &Reason{"access_denied", http.StatusForbidden,
		"Sign-in was cancelled", "The sign-in was cancelled or was not allowed. You can try again."}
	ErrLoginRequired = &Reason{"login_required", http.StatusUnauthorized,
		"Please sign in", "You need to sign in to continue."}
	ErrProvider = &Reason{"provider_error", http.StatusBadRequest,
		"Sign-in failed", "The sign-in service couldn't sign you in. Please try again."}
	ErrBadLogin = &Reason{"bad_login", http.StatusBadRequest,
		"This sign-in link doesn't work", "It may have been copied incorrectly. You can sign in without it."}
	ErrStateMismatch = &Reason{"state_mismatch", http.StatusBadRequest,
		"We couldn't complete your sign-in", "It wasn't started in this browser, or it was started too long ago. Please sign in again."}
	ErrAttemptExpired = &Reason{"attempt_expired", http.StatusBadRequest,
		"Sign-in expired", "It took too long, or it was already used. Please sign in again."}
	ErrBadCallback = &Reason{"bad_callback", http.StatusBadRequest,
		"Sign-in failed", "We couldn't read the sign-in service's response. Please try again."}
	ErrCodeRefused = &Reason{"code_refused", http.StatusBadRequest,
		"Sign-in failed", "We couldn't complete your sign-in. Please try again."}
	ErrInvalidToken = &Reason{"invalid_token", http.StatusUnauthorized,
		"Sign-in failed", "We couldn't verify your sign-in. Please try again."}
	ErrLoginLoop = &Reason{"login_loop", http.StatusBadRequest,
		"We couldn't keep you signed in", "You signed in several times, but you were signed out again each time. Check that your browser accepts cookies from this site, then try again."}
	ErrBusy = &Reason{"busy", http.StatusServiceUnavailable,
		"Too busy to sign you in", "Too many people are signing in right now. Please try again in a minute."}
	ErrUnavailable = &Reason{"unavailable", http.StatusServiceUnavailable,
		"Temporarily unavailable", "Sign-in isn't available right now. You haven't been signed out. Please try again in a moment."}
	ErrMisconfigured = &Reason{"misconfigured", http.StatusInternalServerError,
		"Sign-in is not set up correctly", "Something is wrong with this site's settings. The site's administrators can find the reason in the server log."}
	ErrInternal = &Reason{"internal_error", http.StatusInternalServerError,
		"Something went wrong", "That was our mistake. Please try again."}
	ErrMethod = &Reason{"method_not_allowed", http.StatusMethodNotAllowed,
		"This page can't be opened directly", "Go back to the app and try again there."}
	ErrAmbiguousPath = &Reason{"ambiguous_path", http.StatusBadRequest,
		"This address doesn't work", "It may have been copied incorrectly. Go back to the app and try again there."}
	ErrNotNavigation = &Reason{"not_a_navigation", http.StatusUnauthorized,
		"Please sign in", "Open the sign-in page in your browser."}
)

// Error is a refusal or a failure. Apps see it, so what only this library needs is
// behind Of.
type Error struct{ details Details }

// Details are what an error is made of.
type Details struct {
	Reason *Reason // never nil
	Cause  error   // for the log; nil if the reason says it all
	// RetryAfter is sent to clients with a 503.
	RetryAfter time.Duration
	// ReturnTo lets "Try again" lead to where the visitor was going.
	ReturnTo string
	// Login is the login that a script has asked for, for the browser to open, or "".
	Login string
	// Scope, MaxAge, Levels and MFA are what a guard asked for, for the challenge.
	Scope  string
	MaxAge time.Duration
	Levels []string
	MFA    bool
	// Message and Status are the app's own, in place of the reason's.
	Message string
	Status  int
	Subject string // who was refused, for events
	// Reference tells this refusal from all others, in the answer and in the log.
	Reference string
	// Answer is how to answer the request that was refused, once that is known.
	Answer *Answer
	// Asked is the engine that an accessor asked, or nil. Another one may be nearer to the
	// handler, but only this one's login mends the error.
	Asked any
	// Announced: the headers of the answer are set, so whoever writes the body does not
	// set them again.
	Announced bool
}

// Answer is what an error's answer holds that depends on the request.
type Answer struct {
	AsPage   bool   // a person will read it
	AppName  string // or ""
	LoginURL string // where a login mends it, or ""
	Ways     []Way  // where the visitor may go on
	FormLost bool   // the request sent a form, which was not carried out
}

// New makes an error. The cause must hold no secret and may hold text of others
// only quoted.
func New(d Details) *Error { return &Error{d} }

// Of is what an error is made of, to read or to change. Many errors are made once and
// shared by all requests, so only change one that you have made or copied.
func Of(e *Error) *Details { return &e.details }

// Plain is an error with nothing but a reason.
func Plain(reason *Reason) *Error { return New(Details{Reason: reason}) }

// Because builds an error from a reason and its cause.
func Because(reason *Reason, format string, arguments ...any) *Error {
	return New(Details{Reason: reason, Cause: fmt.Errorf(format, arguments...)})
}

// Unavailable wraps a cause that says nothing about the visitor.
func Unavailable(cause error) *Error {
	return New(Details{Reason: ErrUnavailable, Cause: cause, RetryAfter: 5 * time.Second})
}

// AsUnknown turns an operator's error into an outage: a wrong client secret must be
// corrected, but nobody is signed out because of it.
func AsUnknown(err error) error {
	if IsUnknown(err) {
		return err
	}
	return Unavailable(err)
}

// IsUnknown reports that nothing is known: Cognito or the storage did not answer. That
// never signs anybody out.
func IsUnknown(err error) bool { return errors.Is(err, ErrUnavailable) }

// Error is the text for the log, with the whole cause.
func (e *Error) Error() string {
	if e.details.Cause == nil {
		return e.details.Reason.Error()
	}
	return e.details.Reason.Error() + ": " + e.details.Cause.Error()
}

// Unwrap lets errors.Is find the reason and errors.As the cause.
func (e *Error) Unwrap() []error {
	if e.details.Cause == nil {
		return []error{e.details.Reason}
	}
	return []error{e.details.Reason, e.details.Cause}
}

// Status is the HTTP status that fits the error: the app's own, if it has chosen one.
func (e *Error) Status() int {
	if e.details.Status != 0 {
		return e.details.Status
	}
	return e.details.Reason.status
}

// Code is a stable word for the error, such as "access_denied".
func (e *Error) Code() string { return e.details.Reason.code }

// Title is a short heading for the visitor.
func (e *Error) Title() string { return e.details.Reason.title }

// Detail is a sentence or two for the visitor. It reveals no cause.
func (e *Error) Detail() string {
	if e.details.Message != "" {
		return e.details.Message
	}
	return e.details.Reason.detail
}

// LoginURL is where the visitor signs in and comes back, or "".
func (e *Error) LoginURL() string {
	if e.details.Answer == nil {
		return ""
	}
	return e.details.Answer.LoginURL
}

// RetryAfter is how long to wait before the next try, or 0.
func (e *Error) RetryAfter() time.Duration { return e.details.RetryAfter }

// Answered is a copy of an error with what its answer needs, for many errors are shared.
func Answered(e *Error, answer Answer) *Error {
	ready := *e
	ready.details.Answer = &answer
	return &ready
}

// From makes an *Error of whatever a deeper layer returned. What no layer
// has named is a defect. The error may be shared; see Of.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, reason := range []*Reason{ErrUnavailable, ErrMisconfigured, ErrInvalidToken} {
		if errors.Is(err, reason) {
			return New(Details{Reason: reason, Cause: err})
		}
	}
	return New(Details{Reason: ErrInternal, Cause: err})
}

// ProviderError is an error that Cognito reported by one of its codes (RFC
// 6749 sections 4.1.2.1 and 5.2). At the callback, the text comes from the
// query string, so anybody can have written it.
type ProviderError struct {
	Code        string // such as "invalid_request"; "unknown" if it is no such word
	Description string // for the log only, at most 200 bytes
}

// Error quotes the description, so that it cannot forge log lines.
func (e *ProviderError) Error() string {
	if e.Description == "" {
		return "Cognito reported " + e.Code
	}
	return fmt.Sprintf("Cognito reported %s: %q", e.Code, e.Description)
}

// ErrHearsay marks a cause that came in the query of a callback.
var ErrHearsay = errors.New("this came in the callback's query, which anybody can write who sends a browser there")

// providerCode is the form of all registered error codes. RFC 6749 allows more, but the
// code in a callback may be a stranger's, and it is logged without quotes.
var providerCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// NewProviderError is an error that Cognito reported, in words of others. The clone lets
// go of the rest of a long description.
func NewProviderError(code, description string) *ProviderError {
	if !providerCode.MatchString(code) {
		code = "unknown"
	}
	return &ProviderError{Code: code, Description: strings.Clone(description[:min(len(description), 200)])}
}
