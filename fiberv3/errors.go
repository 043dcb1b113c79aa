// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/verify"
)

// Reasons: compare with errors.Is. Every refusal, and every error of an accessor or of
// [Auth.VerifyAccessToken], matches one of them.
var (
	// ErrNotSignedIn is a guard's reason when nobody is signed in.
	ErrNotSignedIn error = fault.ErrNotSignedIn
	// ErrForbidden is a guard's reason when the user lacks what it asks for.
	ErrForbidden error = fault.ErrForbidden
	// ErrCrossOrigin is why an unsafe request from another site has no user.
	ErrCrossOrigin error = fault.ErrCrossOrigin
	// ErrSessionEnded is why a session's cookie signs nobody in any more: it
	// expired, was ended, or Cognito no longer renews it.
	ErrSessionEnded error = fault.ErrSessionEnded
	// ErrStaleLogin is a guard's reason when the user has to prove anew who
	// they are (RFC 9470). A login that was begun for that is refused with it
	// if Cognito asked for no password: the classic hosted UI never does while
	// it knows the user.
	ErrStaleLogin error = fault.ErrStaleLogin
	// ErrLevel is a guard's reason when the user has not signed in at the level that
	// it asks for (RFC 9470), and ErrLevelNotReached that of a login that was begun
	// for it and did not reach it: see [RequireLevel].
	ErrLevel           error = fault.ErrLevel
	ErrLevelNotReached error = fault.ErrLevelNotReached
	// ErrBearerMalformed means that an Authorization header cannot be read
	// (RFC 6750 section 3.1, invalid_request).
	ErrBearerMalformed error = fault.ErrBearerMalformed
	// ErrNotAdmitted means that [Config.OnLogin] turned away a user whom Cognito
	// had verified.
	ErrNotAdmitted error = fault.ErrNotAdmitted
	// ErrDenied means that the visitor, or the identity provider, declined
	// the login (RFC 6749 section 4.1.2.1, access_denied).
	ErrDenied error = fault.ErrDenied
	// ErrLoginRequired is Cognito's answer to prompt=none when it would have
	// to ask the visitor something (OpenID Connect Core section 3.1.2.6).
	ErrLoginRequired error = fault.ErrLoginRequired
	// ErrProvider means that Cognito ended the login with another error, such
	// as a Lambda trigger that refused it.
	ErrProvider error = fault.ErrProvider
	// ErrBadLogin means that a link to LoginPath has a parameter that is
	// repeated, too long or holds control characters.
	ErrBadLogin error = fault.ErrBadLogin
	// ErrStateMismatch means that a callback belongs to no login that this
	// browser has begun: a bookmark, another browser, or an attack. Its text has
	// what the callback's query reports, and BaseURL and the host if they differ.
	ErrStateMismatch error = fault.ErrStateMismatch
	// ErrAttemptExpired means that the login took too long or was finished
	// before, and that trying once more did not help.
	ErrAttemptExpired error = fault.ErrAttemptExpired
	// ErrBadCallback means that the callback's query is malformed.
	ErrBadCallback error = fault.ErrBadCallback
	// ErrCodeRefused means that Cognito did not accept the authorization
	// code or the PKCE verifier (RFC 6749 section 5.2, invalid_grant).
	ErrCodeRefused error = fault.ErrCodeRefused
	// ErrInvalidToken means that a token is not one that this pool issued to
	// this client for this purpose, or that it has expired.
	ErrInvalidToken error = fault.ErrInvalidToken
	// ErrLoginLoop stops a browser that comes back to log in again and again
	// because it, or the storage, does not keep the session, or because two app
	// clients share their paths.
	ErrLoginLoop error = fault.ErrLoginLoop
	// ErrBusy means that too much is under way at once. Logins are not refused
	// with it: what finds no room in the storage travels in a cookie.
	ErrBusy error = fault.ErrBusy
	// ErrUnavailable means that the truth cannot be known now: the storage or
	// Cognito is out of reach. Nobody is signed out for it.
	ErrUnavailable error = fault.ErrUnavailable
	// ErrMisconfigured means that the operator has to change a setting, here
	// or in the pool; the log says which.
	ErrMisconfigured error = fault.ErrMisconfigured
	// ErrInternal is a defect of this package.
	ErrInternal error = fault.ErrInternal
	// ErrMethod means that a route does not serve the request's method.
	ErrMethod error = fault.ErrMethod
	// ErrNotNavigation means that a script or a prefetch asked for a page
	// that only a visitor may open.
	ErrNotNavigation error = fault.ErrNotNavigation
	// ErrAmbiguousPath means that a path is not what it resolves to, such as
	// "//admin", "/a/../admin" or "/%61dmin". See [Config.AllowAmbiguousPaths].
	ErrAmbiguousPath error = fault.ErrAmbiguousPath
)

// Why a token was refused. Each of them also matches [ErrInvalidToken]. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
// for Cognito's rules, RFC 7519 and OpenID Connect Core section 3.1.3.7 for
// the others.
var (
	ErrTokenMalformed = verify.ErrTokenMalformed
	ErrTokenAlgorithm = verify.ErrTokenAlgorithm
	ErrTokenKey       = verify.ErrTokenKey
	ErrTokenSignature = verify.ErrTokenSignature
	ErrTokenIssuer    = verify.ErrTokenIssuer
	ErrTokenSubject   = verify.ErrTokenSubject
	ErrTokenExpired   = verify.ErrTokenExpired
	ErrTokenIssuedAt  = verify.ErrTokenIssuedAt
	ErrTokenNotYet    = verify.ErrTokenNotYet
	ErrTokenAudience  = verify.ErrTokenAudience
	ErrTokenClient    = verify.ErrTokenClient
	ErrTokenUse       = verify.ErrTokenUse
	ErrTokenNonce     = verify.ErrTokenNonce
	ErrTokenHash      = verify.ErrTokenHash
)

// Error is what [Config.ErrorHandler] receives: the reason, which is fit for
// visitors, and the whole cause, which is for the log. Its methods:
//
//	Error() string    the text for the log, with the whole cause
//	Unwrap() []error  lets errors.Is find the reason and errors.As the cause
//	Status() int      the HTTP status that fits the error
//	Code() string     a stable word for the error, such as "access_denied"
//	Title() string    a short heading for the visitor
//	Detail() string   one sentence for the visitor, which reveals no cause
//
//	LoginURL() string           where to sign in and come back, if the status is 401, else ""
//	RetryAfter() time.Duration  how long to wait before the next try, or 0
//
// LoginURL is known when the error reaches [Config.ErrorHandler], or the app's own
// error handler.
type Error = fault.Error

// ProviderError is an error that Cognito reported by one of its codes (RFC 6749
// sections 4.1.2.1 and 5.2), its fields Code, such as "invalid_request", and
// Description, for the log only. At the callback, the text comes from the query
// string, so anybody can have written it.
type ProviderError = fault.ProviderError
