// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/verify"
)

// The reasons for errors. Compare with errors.Is. Every refusal, and every error of an
// accessor or of [Auth.VerifyAccessToken], matches one of them.
var (
	// ErrNotSignedIn means that a guard requires a user and nobody is signed in.
	ErrNotSignedIn error = fault.ErrNotSignedIn
	// ErrForbidden means that the user lacks what a guard requires.
	ErrForbidden error = fault.ErrForbidden
	// ErrCrossOrigin means that an unsafe request came from another site, so it
	// has no user.
	ErrCrossOrigin error = fault.ErrCrossOrigin
	// ErrSessionEnded means that the session expired or was ended, or that Cognito
	// no longer renews its tokens.
	ErrSessionEnded error = fault.ErrSessionEnded
	// ErrStaleLogin means that the user has to sign in again, because a guard
	// requires a recent login (RFC 9470). The login for that guard is refused with
	// it too if Cognito did not ask for the password: the classic hosted UI never
	// asks a user whom it remembers.
	ErrStaleLogin error = fault.ErrStaleLogin
	// ErrLevel means that the user has not signed in at the level that a guard
	// requires (RFC 9470). ErrLevelNotReached means that the login for that guard did
	// not reach the level. See [RequireLevel].
	ErrLevel           error = fault.ErrLevel
	ErrLevelNotReached error = fault.ErrLevelNotReached
	// ErrBearerMalformed means that an Authorization header cannot be read
	// (RFC 6750 section 3.1, invalid_request).
	ErrBearerMalformed error = fault.ErrBearerMalformed
	// ErrNotAdmitted means that [Config.OnLogin] refused a user whom Cognito had
	// verified.
	ErrNotAdmitted error = fault.ErrNotAdmitted
	// ErrDenied means that the visitor, or the identity provider, declined
	// the login (RFC 6749 section 4.1.2.1, access_denied).
	ErrDenied error = fault.ErrDenied
	// ErrLoginRequired means that a login had prompt=none, but Cognito had to ask
	// the visitor something (OpenID Connect Core section 3.1.2.6).
	ErrLoginRequired error = fault.ErrLoginRequired
	// ErrProvider means that Cognito ended the login with another error, such
	// as a Lambda trigger that refused it.
	ErrProvider error = fault.ErrProvider
	// ErrBadLogin means that a link to LoginPath has a parameter that is repeated,
	// too long or invalid.
	ErrBadLogin error = fault.ErrBadLogin
	// ErrStateMismatch means that a callback does not match any login in this
	// browser: it is a bookmark, from another browser, or an attack. Its text has
	// what the callback's query reports, and BaseURL and the host if they differ.
	ErrStateMismatch error = fault.ErrStateMismatch
	// ErrAttemptExpired means that the login took too long or was already
	// finished, and that trying once more did not help.
	ErrAttemptExpired error = fault.ErrAttemptExpired
	// ErrBadCallback means that the callback's query is malformed.
	ErrBadCallback error = fault.ErrBadCallback
	// ErrCodeRefused means that Cognito did not accept the authorization
	// code or the PKCE verifier (RFC 6749 section 5.2, invalid_grant).
	ErrCodeRefused error = fault.ErrCodeRefused
	// ErrInvalidToken means that a token is not one that this pool issued to
	// this client for this purpose, or that it has expired.
	ErrInvalidToken error = fault.ErrInvalidToken
	// ErrLoginLoop stops a browser that returns to sign in again and again, because
	// the browser or the storage does not keep the session, or because two app
	// clients share their paths.
	ErrLoginLoop error = fault.ErrLoginLoop
	// ErrBusy means that too many logins are in progress. This package does not
	// return it: a login that does not fit into the storage is kept in a cookie.
	ErrBusy error = fault.ErrBusy
	// ErrUnavailable means that the storage or Cognito cannot be reached, so it
	// is not known who is signed in. Nobody is signed out because of it. It also means
	// that [Config.OnLogin] could not decide, and said so.
	ErrUnavailable error = fault.ErrUnavailable
	// ErrMisconfigured means that the operator has to change a setting, here
	// or in the pool. The log says which one.
	ErrMisconfigured error = fault.ErrMisconfigured
	// ErrInternal means that this package has a bug, or that a hook panicked.
	ErrInternal error = fault.ErrInternal
	// ErrMethod means that a route does not serve the request's method.
	ErrMethod error = fault.ErrMethod
	// ErrNotNavigation means that a script, a prefetch or a frame requested a
	// page that only a visitor may open.
	ErrNotNavigation error = fault.ErrNotNavigation
	// ErrAmbiguousPath means that a path differs from the path that it resolves
	// to, such as "//admin", "/a/../admin" or "/%61dmin". See
	// [Config.AllowAmbiguousPaths].
	ErrAmbiguousPath error = fault.ErrAmbiguousPath
)

// The reasons why a token was refused. The error also matches [ErrInvalidToken], or
// [ErrMisconfigured] if the operator has to act, as for a wrong clock. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
// for Cognito's rules, RFC 7519 and OpenID Connect Core section 3.1.3.7 for
// the others.
var (
	ErrTokenMalformed = verify.ErrTokenMalformed // it is not a signed JWT
	ErrTokenAlgorithm = verify.ErrTokenAlgorithm // it is not signed with RS256
	ErrTokenKey       = verify.ErrTokenKey       // it names no signing key of this pool ("kid")
	ErrTokenSignature = verify.ErrTokenSignature // its signature is invalid
	ErrTokenIssuer    = verify.ErrTokenIssuer    // it comes from another issuer ("iss")
	ErrTokenSubject   = verify.ErrTokenSubject   // it has no subject, or not the expected one ("sub")
	ErrTokenExpired   = verify.ErrTokenExpired   // it has expired, or has no expiry ("exp")
	ErrTokenIssuedAt  = verify.ErrTokenIssuedAt  // it has no time of issue, or one in the future ("iat")
	ErrTokenNotYet    = verify.ErrTokenNotYet    // it is not valid yet ("nbf")
	ErrTokenAudience  = verify.ErrTokenAudience  // it is for another audience ("aud")
	ErrTokenClient    = verify.ErrTokenClient    // it was issued to another app client ("client_id")
	ErrTokenUse       = verify.ErrTokenUse       // it is an ID token instead of an access token, or the reverse ("token_use")
	ErrTokenNonce     = verify.ErrTokenNonce     // it is an ID token of another login ("nonce")
	ErrTokenHash      = verify.ErrTokenHash      // it is an ID token that came with another access token ("at_hash")
)

// Error is what [Config.ErrorHandler] receives: the reason, which visitors may
// see, and the whole cause, which is for the log. Its methods:
//
//	Error() string    the text for the log, with the whole cause
//	Unwrap() []error  lets errors.Is find the reason and errors.As the cause
//	Status() int      the HTTP status that fits the error
//	Code() string     a stable code for the error, such as "access_denied"
//	Title() string    a short heading for the visitor
//	Detail() string   a sentence or two for the visitor, without the cause
//
//	LoginURL() string           where to sign in and come back, if the status is 401, else ""
//	RetryAfter() time.Duration  how long to wait before the next try, or 0
//
// LoginURL is set once the error reaches [Config.ErrorHandler] or the app's own
// error handler.
type Error = fault.Error

// ProviderError is an error that Cognito reported with an error code (RFC 6749
// sections 4.1.2.1 and 5.2). Its fields are Code, such as "invalid_request", and
// Description, which is for the log only. At the callback, both come from the query
// string, so anybody can have written them.
type ProviderError = fault.ProviderError
