package cognito

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// A Reason is why something was refused or failed, as far as a program may
// want to act on it: compare with errors.Is. It knows the HTTP status and the
// words for the visitor, which never say more than a stranger may know.
type Reason struct {
	code   string
	status int
	title  string
	detail string
}

// Error names the reason.
func (r *Reason) Error() string { return "cognito: " + r.code }

// Reasons. Every refusal, and every error of an accessor or of
// [Auth.VerifyAccessToken], matches one of them.
var (
	// ErrNotSignedIn is a guard's reason when nobody is signed in.
	ErrNotSignedIn = &Reason{"not_signed_in", http.StatusUnauthorized,
		"Please sign in", "You need to sign in to see this."}
	// ErrForbidden is a guard's reason when the user lacks what it asks for.
	ErrForbidden = &Reason{"forbidden", http.StatusForbidden,
		"Not allowed", "You are signed in, but not allowed to do this."}
	// ErrCrossOrigin is why an unsafe request from another site has no user.
	ErrCrossOrigin = &Reason{"cross_origin", http.StatusForbidden,
		"Request refused", "This request came from another site. Go back to the app and try again there."}
	// ErrSessionEnded is why a session's cookie signs nobody in any more: it
	// expired, was ended, or Cognito no longer renews it.
	ErrSessionEnded = &Reason{"session_ended", http.StatusUnauthorized,
		"You have been signed out", "Your session has ended. Please sign in again."}
	// ErrStaleLogin is a guard's reason when the user has to prove anew who
	// they are (RFC 9470). A login that was begun for that is refused with it
	// if Cognito asked for no password: the classic hosted UI never does while
	// it knows the user.
	ErrStaleLogin = &Reason{"fresh_login_required", http.StatusUnauthorized,
		"Please sign in again", "This needs a fresh sign-in. If you are brought back here, sign out first and then sign in again."}
	// ErrBearerMalformed means that an Authorization header cannot be read
	// (RFC 6750 section 3.1, invalid_request).
	ErrBearerMalformed = &Reason{"invalid_request", http.StatusBadRequest,
		"Bad request", "The Authorization header must hold exactly one bearer token."}
	// ErrNotAdmitted means that [Config.OnLogin] turned away a user whom Cognito
	// had verified.
	ErrNotAdmitted = &Reason{"not_admitted", http.StatusForbidden,
		"You cannot sign in here", "You signed in, but this app does not let you in."}
	// ErrDenied means that the visitor, or the identity provider, declined
	// the login (RFC 6749 section 4.1.2.1, access_denied).
	ErrDenied = &Reason{"access_denied", http.StatusForbidden,
		"Sign-in was cancelled", "The sign-in was cancelled or not allowed. You can try again."}
	// ErrLoginRequired is Cognito's answer to prompt=none when it would have
	// to ask the visitor something (OpenID Connect Core section 3.1.2.6).
	ErrLoginRequired = &Reason{"login_required", http.StatusUnauthorized,
		"Please sign in", "You need to sign in to go on."}
	// ErrProvider means that Cognito ended the login with another error, such
	// as a Lambda trigger that refused it.
	ErrProvider = &Reason{"provider_error", http.StatusBadRequest,
		"Sign-in failed", "The sign-in service could not sign you in. Please try again."}
	// ErrBadLogin means that a link to LoginPath has a parameter that is
	// repeated, too long or holds control characters.
	ErrBadLogin = &Reason{"bad_login", http.StatusBadRequest,
		"This sign-in link does not work", "It was not copied or built correctly. You can sign in without it."}
	// ErrStateMismatch means that a callback belongs to no login that this
	// browser has begun: a bookmark, another browser, or an attack.
	ErrStateMismatch = &Reason{"state_mismatch", http.StatusBadRequest,
		"This sign-in link is not yours to finish", "It was not started in this browser, or too long ago. Please sign in again."}
	// ErrAttemptExpired means that the login took too long or was finished
	// before, and that trying once more did not help.
	ErrAttemptExpired = &Reason{"attempt_expired", http.StatusBadRequest,
		"This sign-in has expired", "It took too long or was already used. Please try again."}
	// ErrBadCallback means that the callback's query is malformed.
	ErrBadCallback = &Reason{"bad_callback", http.StatusBadRequest,
		"Sign-in failed", "The answer of the sign-in service could not be read. Please try again."}
	// ErrCodeRefused means that Cognito did not accept the authorization
	// code or the PKCE verifier (RFC 6749 section 5.2, invalid_grant).
	ErrCodeRefused = &Reason{"code_refused", http.StatusBadRequest,
		"Sign-in failed", "The sign-in could not be completed. Please try again."}
	// ErrInvalidToken means that a token is not one that this pool issued to
	// this client for this purpose, or that it has expired.
	ErrInvalidToken = &Reason{"invalid_token", http.StatusUnauthorized,
		"Sign-in failed", "Your sign-in could not be verified. Please try again."}
	// ErrLoginLoop stops a browser that comes back to log in again and again
	// because it, or the storage, does not keep the session.
	ErrLoginLoop = &Reason{"login_loop", http.StatusBadRequest,
		"Sign-in does not stick", "You signed in several times, but the sign-in was not kept. Check that your browser accepts cookies for this site, then try again."}
	// ErrBusy means that more logins are in progress than can be kept.
	ErrBusy = &Reason{"busy", http.StatusServiceUnavailable,
		"Too busy to sign you in", "Too many people are signing in right now. Please try again in a minute."}
	// ErrUnavailable means that the truth cannot be known now: the storage or
	// Cognito is out of reach. Nobody is logged out for it.
	ErrUnavailable = &Reason{"unavailable", http.StatusServiceUnavailable,
		"Temporarily unavailable", "Sign-in is not available at the moment. You have not been signed out; please try again shortly."}
	// ErrMisconfigured means that the operator has to change a setting, here
	// or in the pool; the log says which.
	ErrMisconfigured = &Reason{"misconfigured", http.StatusInternalServerError,
		"Sign-in is not set up correctly", "Something is wrong with this site's settings. Its operators find the reason in their log."}
	// ErrInternal is a defect of this package.
	ErrInternal = &Reason{"internal_error", http.StatusInternalServerError,
		"Something went wrong", "That was our mistake. Please try again."}
	// ErrMethod means that a route does not serve the request's method.
	ErrMethod = &Reason{"method_not_allowed", http.StatusMethodNotAllowed,
		"Method not allowed", "This address does not work that way. Go back to the app and try again there."}
	// ErrNotNavigation means that a script or a prefetch asked for a page
	// that only a visitor may open.
	ErrNotNavigation = &Reason{"not_a_navigation", http.StatusUnauthorized,
		"Please sign in", "Sign-in has to be opened as a page."}
)

// Error is what [Config.ErrorHandler] receives: the reason, which is fit for
// visitors, and the whole cause, which is for the log.
type Error struct {
	reason *Reason
	cause  error
	// retryAfter is sent to clients with a 503.
	retryAfter time.Duration
	// returnTo lets "Try again" lead to where the visitor was going.
	returnTo string
	// scope and maxAge are what a guard asked for, for the challenge.
	scope  string
	maxAge time.Duration
	// message is the app's own text for the visitor.
	message string
	status  int
	subject string // who was refused, for events
}

// because builds an error from a reason and its cause. The cause must hold no
// secret and may hold text of others only quoted.
func because(reason *Reason, format string, arguments ...any) *Error {
	return &Error{reason: reason, cause: fmt.Errorf(format, arguments...)}
}

// Error is the text for the log, with the whole cause.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.reason.Error()
	}
	return e.reason.Error() + ": " + e.cause.Error()
}

// Unwrap lets errors.Is find the reason and errors.As the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.reason}
	}
	return []error{e.reason, e.cause}
}

// Status is the HTTP status that fits the error.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	return e.reason.status
}

// Code is a stable word for the error, such as "access_denied".
func (e *Error) Code() string { return e.reason.code }

// Title is a short heading for the visitor.
func (e *Error) Title() string { return e.reason.title }

// Detail is one sentence for the visitor. It reveals no cause.
func (e *Error) Detail() string {
	if e.message != "" {
		return e.message
	}
	return e.reason.detail
}

// asError makes an *Error of whatever a deeper layer returned. What no layer
// has named is a defect.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, reason := range []*Reason{ErrUnavailable, ErrMisconfigured, ErrInvalidToken} {
		if errors.Is(err, reason) {
			return &Error{reason: reason, cause: err}
		}
	}
	return &Error{reason: ErrInternal, cause: err}
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

var providerCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

func newProviderError(code, description string) *ProviderError {
	if !providerCode.MatchString(code) {
		code = "unknown"
	}
	return &ProviderError{Code: code, Description: strings.Clone(description[:min(len(description), 200)])}
}
