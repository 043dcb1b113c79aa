package cognito

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Config sets the user pool and how the middleware works. UserPoolDomain, ClientID
// and UserPoolID are required; every other field has a default that suits most apps.
// The fields are in four groups: the pool, the app's addresses, the session, and the
// behaviour. [New] and [NewAuth] copy the value, so changing it afterwards has no
// effect. [FromEnv] reads a Config from the environment.
type Config struct {
	// The pool

	// UserPoolDomain is the address of the pool's login pages, such as
	// "https://auth.example.com" or
	// "my-app.auth.eu-west-2.amazoncognito.com". You may leave "https://"
	// out. Plain http is accepted for loopback addresses only.
	//
	// Required.
	UserPoolDomain string

	// ClientID is the app client's ID, from the pool's "App clients" page.
	//
	// Required.
	ClientID string

	// UserPoolID is the pool's ID with its region, such as
	// "eu-west-2_AbCdEfGhI", from the pool's "Overview" page.
	//
	// Required.
	UserPoolID string

	// ClientSecret is the secret of a confidential app client. It is sent as
	// HTTP Basic authentication to the token and revocation endpoints (RFC
	// 6749 section 2.3.1) and is never printed.
	//
	// Optional. Default: "", for a public client.
	ClientSecret string

	// Issuer is the exact "iss" claim of the pool's tokens, and the base address
	// of its signing keys. Set it for test pools, or to accept only this form of
	// the issuer.
	//
	// Optional. Default: "", both forms of the pool's own Region and of
	// Regions: https://cognito-idp.{region}.amazonaws.com/{UserPoolID} and
	// https://issuer-cognito-idp.{region}.amazonaws.com/{UserPoolID}, or their
	// equivalents in other AWS partitions.
	Issuer string

	// Regions are the further Regions, such as "eu-central-1", of a pool with
	// multi-Region replication. Tokens are accepted from all of them.
	//
	// Optional. Default: none.
	Regions []string

	// Scopes are requested at login. They must include "openid": without it,
	// Cognito issues no ID token.
	//
	// Optional. Default: openid, email, profile.
	Scopes []string

	// Resource is the API that access tokens are bound to (RFC 8707), such as
	// "https://api.example.com". Its URL becomes their "aud", which Audience can
	// require. Cognito supports it with the feature plans Essentials and Plus.
	//
	// Optional. Default: "", for tokens without "aud".
	Resource string

	// LoginParameters are additional parameters that every login sends to Cognito,
	// such as {"lang": "de"} or {"identity_provider": "Google"}. A link to LoginPath
	// can override those that [LoginOptions] has. Parameters that protect the login
	// are not allowed: client_id, redirect_uri, response_type, scope, state, nonce,
	// code_challenge, code_challenge_method and resource have their own fields, or are
	// new for every login.
	//
	// Optional. Default: none.
	LoginParameters map[string]string

	// The app

	// BaseURL is the public origin of the app, such as
	// "https://app.example.com", followed by a path if a proxy strips one. It
	// alone determines the callback URL, the cookies' Secure flag and their
	// __Host- prefix. Request headers are not used for this.
	//
	// Optional. Default: "", with which only visitors of http://localhost,
	// http://127.0.0.1 and http://[::1] can sign in, with no proxy in between.
	BaseURL string

	// LoginPath starts a login, for a GET that opens a page. Its query may contain
	// return_to, the path to come back to; screen, which is "signup" or
	// "forgot_password" to start on that page; and Cognito's own parameters
	// login_hint, lang, identity_provider, idp_identifier, prompt, max_age and
	// acr_values. See [LoginOptions] and [Auth.LoginURL]. Like all paths in Config,
	// it is the full path of the request, also under a group or a mount. It is
	// compared exactly, with case. Two middlewares in a row need different paths;
	// otherwise the first one answers for both.
	//
	// Optional. Default: "/login".
	LoginPath string

	// RedirectPath is where Cognito sends the browser back to. BaseURL followed
	// by RedirectPath must exactly match one of the app client's allowed callback
	// URLs.
	//
	// Optional. Default: "/login/redirect".
	RedirectPath string

	// LogoutPath ends the session here and at Cognito, for a POST from the app's
	// own pages or a GET from a link on them. Every other GET gets a page that asks
	// first. The query may contain return_to, a path of the app to end at. A script
	// that posts cannot follow the redirect to Cognito. With "Accept: application/json",
	// it gets {"continue_url": "https://…"}, and its page has to go there, to end
	// Cognito's session as well.
	//
	// Optional. Default: "/logout".
	LogoutPath string

	// RefreshPath renews the session's tokens at once, unless they are younger
	// than half a minute, for a POST from the app's own pages. It answers
	// {"expires_at": "2006-01-02T15:04:05Z"}, 401 if there is no session (any
	// more), 403 to other sites, and 503 while it cannot be known.
	//
	// Optional. Default: "/token/refresh".
	RefreshPath string

	// UserPath tells scripts who is signed in. It answers a GET with {"user": …,
	// "expires_at": …, "session_ends_at": …, "login_url": …, "logout_url": …}. The
	// first three are null when nobody is signed in. It answers 503 while that cannot
	// be known. The user is what UserFrom returns, expires_at is when the tokens have
	// to be renewed, and session_ends_at is when the session ends if it is not used
	// before. A request to UserPath does not count as use: it extends no timeout and
	// renews nothing. Other sites get a 403.
	//
	// UserPath + ".js" is a small JavaScript module for the app's pages. It exports
	// user, session, renew, fetch, login, loginURL and logout. Its fetch works like
	// the browser's, but after a 401 it renews the tokens and tries once more.
	//
	// Optional. Default: "", no such route.
	UserPath string

	// AfterLogin is the path, with an optional query, where a login ends if it
	// has no page to return to.
	//
	// Optional. Default: "/".
	AfterLogin string

	// AfterLogout is the path that a visitor reaches after signing out.
	// BaseURL followed by AfterLogout must exactly match one of the app client's
	// allowed sign-out URLs.
	//
	// Optional. Default: "/".
	AfterLogout string

	// AppName is the app's name for visitors, such as "Acme Invoices". The built-in
	// pages show it at the top, in the title, and in "Back to Acme Invoices".
	//
	// Optional. Default: "", with which they show no name and "Back to the app".
	AppName string

	// AllowedOrigins are further origins, such as "https://admin.example.com",
	// whose pages may send unsafe requests (POST and the like) with the session
	// cookie. Unless SameSite is "None", browsers send the cookie with such requests
	// only from the same site, so these are sibling subdomains and other ports. The
	// middleware sends no CORS headers: that is up to the app.
	//
	// Optional. Default: none.
	AllowedOrigins []string

	// AllowAmbiguousPaths lets requests pass whose path differs from the path that
	// it resolves to: with empty or dot segments ("//admin", "/a/../admin"), escaped
	// letters ("/%61dmin"), escaped slashes or backslashes. Otherwise they get a 400,
	// because a guard on a path compares the path as it was sent, while a file server
	// after it resolves the path. If you set this, put guards on routes, not on
	// prefixes.
	//
	// Optional. Default: false.
	AllowAmbiguousPaths bool

	// The session

	// Storage keeps sessions and logins in progress, sealed with Keys and with
	// secrets that only the visitors' cookies hold. Apps with more than one process
	// need a shared storage, such as Redis. This package never closes it. Methods
	// with a context are used if the driver has them, but not those of a driver that
	// is embedded in your own type, whose Get, Set and Delete may do more.
	//
	// Optional. Default: a new github.com/gofiber/storage/memory/v2.
	Storage fiber.Storage

	// CookieSessions keeps each session sealed in its cookie, without a storage, for
	// any number of instances that share Keys. With tokens of the usual size, a
	// session fits into one cookie of at most 4,096 bytes. A larger one uses a second
	// cookie, and if two are not enough, the login is refused. The price of having no
	// storage is that a copy of a cookie still works at other instances after its
	// owner has signed out, until the tokens in it expire. Give tokens a short
	// lifetime.
	//
	// Optional. Default: false.
	CookieSessions bool

	// RenewInRequest is for processes that are frozen between requests, as on AWS
	// Lambda and Cloud Run. The request that finds tokens due for renewal waits until
	// they are renewed, and no work of this package outlives a request.
	//
	// Optional. Default: false.
	RenewInRequest bool

	// MaxSessions limits how many sessions one user can have at a time. When a login
	// exceeds it, the least recently used session ends. It needs a storage, so it must
	// not be set with CookieSessions. With it, [Auth.EndSessions] ends every session at once.
	//
	// Optional. Default: 0, any number.
	MaxSessions int

	// Keys are secrets of the app, of at least 32 characters each, such as the output
	// of "openssl rand -base64 32". All instances must have the same Keys. Someone who
	// can write to the storage but does not know them cannot create a session. The
	// first key seals; any of them opens. To replace a key, add the new one after it
	// on all instances, then move the new one to the front, and remove the old one
	// when IdleTimeout has passed: by then, all sessions in use are sealed with the
	// new key. Keys are never printed.
	//
	// Optional. Default: random, for the lifetime of the process; required with
	// Storage and with CookieSessions.
	Keys []string

	// CookieName is the name of the session cookie, without a prefix: "__Host-" precedes
	// it if BaseURL is https, and "_framed" follows it if SameSite is "None". Apps that
	// share a ClientID and a host, under different paths or ports, each need their own
	// name, because browsers send the same cookies to all of them.
	//
	// Optional. Default: "cognito_" and a short hash of ClientID.
	CookieName string

	// BrowserSession makes the session cookie end when the browser closes, as people
	// expect on shared machines. IdleTimeout and AbsoluteTimeout still apply, because
	// browsers that restore their tabs restore such cookies too.
	//
	// Optional. Default: false, for a cookie that lasts for AbsoluteTimeout.
	BrowserSession bool

	// SameSite is "Lax", or "None" for an app that other sites show in a frame. With
	// "None", the cookies are Secure and Partitioned, so BaseURL must be https, and
	// browsers send them with requests from any site. Unsafe requests are still refused
	// unless they come from the app's own pages or AllowedOrigins. For the risk of GET
	// requests, see "In the frames of other sites" in docs/security.md. The cookies have
	// no Domain attribute: every host below the domain could read the session, and
	// browsers would reject the __Host- prefix, without which any of these hosts could
	// overwrite the session.
	//
	// Optional. Default: "Lax".
	SameSite string

	// IdleTimeout ends a session this long after its last request.
	//
	// Optional. Default: 24h, or AbsoluteTimeout if that is shorter.
	IdleTimeout time.Duration

	// AbsoluteTimeout ends a session this long after its login, even if it is in
	// use.
	//
	// Optional. Default: 168h (7 days).
	AbsoluteTimeout time.Duration

	// The behaviour

	// Bearer also accepts access tokens in "Authorization: Bearer" headers, if they
	// were issued to this client or to one of BearerClientIDs. Such a request is
	// judged by its token alone: it is never redirected, and its cookie is ignored.
	// OnLogin does not run, because there is no login: a user whom it refuses can
	// still use a token. A rule for both belongs in a guard, such as [Require].
	//
	// Optional. Default: false.
	Bearer bool

	// BearerClientIDs are further app clients of the pool, such as those of
	// machines and mobile apps, whose tokens are accepted with Bearer. A single "*"
	// accepts every client of the pool, including clients that register themselves,
	// as AI agents do. It needs an Audience, which the tokens must be bound to.
	//
	// Optional. Default: none.
	BearerClientIDs []string

	// Audience is the "aud" that bearer tokens must have, for an API whose
	// tokens are bound to a resource (RFC 8707). Cognito sets "aud" in access
	// tokens only if the login names a resource. If Audience is a URL, and Bearer
	// and BaseURL are set, programs can find out where to get such tokens: every
	// challenge names the protected resource metadata (RFC 9728), which is at
	// /.well-known/oauth-protected-resource, followed by the path of the Audience.
	//
	// Optional. Default: "", for any.
	Audience string

	// UserInfo also reads /oauth2/userInfo at login, and adds claims that are
	// missing from the ID token to the user. They do not change until the next
	// login.
	//
	// Optional. Default: false.
	UserInfo bool

	// Next skips the middleware for a request if it returns true. Nobody is
	// signed in there, and none of the middleware's own paths is answered. Nor is a
	// path such as "//admin" refused, which a guard on a prefix does not see. So a
	// header that strangers choose, such as Host, must not let a request pass all
	// middlewares.
	//
	// Optional. Default: nil.
	Next func(*fiber.Ctx) bool

	// ErrorHandler answers when the middleware or a guard refuses a request, or
	// fails. The error is an [*Error]. Show visitors only what [PageOf] returns:
	// the error's own text contains the whole cause and is for the log. It is also
	// called, with the status 200, for the page that follows a refused form. If it
	// panics, that is logged, and the built-in answer is sent.
	//
	// Optional. Default: [DefaultErrorHandler], a small HTML page for browsers,
	// problem+json (RFC 9457) for the rest.
	ErrorHandler func(*fiber.Ctx, error) error

	// OnLogin runs after a login has been verified and before the session begins.
	// Use it to save the user in a database, or to refuse the login. A
	// [*fiber.Error] refuses with its status, and visitors see its message. Any
	// other error refuses with a text that says that the account has no access. If
	// it is not the user's fault, return an error that wraps [ErrUnavailable], or a
	// [*fiber.Error] with a status of 500 or more: then visitors are told to try
	// again, and the event is a warning. OnLogin does not run for bearer tokens,
	// which need no login: a rule for both belongs in a guard, such as [Require].
	//
	// Optional. Default: nil.
	OnLogin func(*fiber.Ctx, *User) error

	// OnLogout runs when a visitor signs out, before the session ends.
	//
	// Optional. Default: nil.
	OnLogout func(*fiber.Ctx, *User)

	// OnRefresh runs in the background after a session's tokens were renewed. It
	// gets the user with their current claims.
	//
	// Optional. Default: nil.
	OnRefresh func(*User)

	// OnEvent receives events, for audit and metrics, and replaces the log of them.
	// [Event.Context] has the request's values. OnEvent must be quick and safe for
	// concurrent use. If it panics, that is logged, and nothing else changes.
	//
	// Optional. Default: nil, which writes events to Logger.
	OnEvent func(Event)

	// Logger receives what operators need to know. No token, code, secret or
	// cookie is ever written to it.
	//
	// Optional. Default: slog.Default().
	Logger *slog.Logger

	// HTTPClient makes the calls to Cognito. Its transport is used unchanged.
	// Redirects are never followed, and every call has its own timeout.
	//
	// Optional. Default: a client with its own connection pool.
	HTTPClient *http.Client

	// Now is the clock for all timeouts and expiry checks.
	//
	// Optional. Default: time.Now.
	Now func() time.Time
}
