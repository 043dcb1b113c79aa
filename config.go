package cognito

import (
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v2"
)

// Config says which user pool to use and how the app wants to be served.
// UserPoolDomain, ClientID and UserPoolID are required; every other field has
// a default that suits most apps. They stand in four groups: the pool, the app's
// addresses, the session, and the behaviour of the app. [New] and [NewAuth] copy the
// value, so changing it afterwards has no effect. [FromEnv] reads one from the
// environment.
type Config struct {
	// The pool

	// UserPoolDomain is the address of the pool's login pages, such as
	// "https://auth.example.com" or
	// "my-app.auth.eu-west-2.amazoncognito.com". "https://" may be left
	// out. Plain http is accepted for loopback addresses only.
	//
	// Required.
	UserPoolDomain string

	// ClientID is the app client's id, from the pool's "App clients" page.
	//
	// Required.
	ClientID string

	// UserPoolID is the pool's id with its region, such as
	// "eu-west-2_AbCdEfGhI", from the pool's "Overview" page.
	//
	// Required.
	UserPoolID string

	// ClientSecret is the secret of a confidential app client. It is sent as
	// HTTP Basic authentication to the token and revocation endpoints (RFC
	// 6749 section 2.3.1) and is printed nowhere.
	//
	// Optional. Default: "", a public client.
	ClientSecret string

	// Issuer is the exact "iss" claim of the pool's tokens, and the address
	// under which its signing keys are found. Set it for test pools, and to
	// accept no other form than this one.
	//
	// Optional. Default: "", both forms of the pool's own Region and of
	// Regions: https://cognito-idp.{region}.amazonaws.com/{UserPoolID} and
	// https://issuer-cognito-idp.{region}.amazonaws.com/{UserPoolID}, or what
	// they are in other partitions of AWS.
	Issuer string

	// Regions are the further Regions, such as "eu-central-1", of a pool with
	// multi-Region replication: its tokens count whichever Region issued them.
	//
	// Optional. Default: none.
	Regions []string

	// Scopes are asked for at login. "openid" must be among them, since
	// Cognito issues no ID token without it.
	//
	// Optional. Default: openid, email, profile.
	Scopes []string

	// Resource is the API that the access tokens are to be bound to (RFC 8707), such as
	// "https://api.example.com": its URL becomes their "aud", which Audience may ask
	// for. Cognito takes it with the feature plans Essentials and Plus.
	//
	// Optional. Default: "", tokens without "aud".
	Resource string

	// LoginParameters are further parameters that every login sends to Cognito, such as
	// {"lang": "de"} or {"identity_provider": "Google"}. A link to LoginPath that
	// names one of them for itself is heard. What protects the login is not among
	// them: client_id, redirect_uri, response_type, scope, state, nonce,
	// code_challenge, code_challenge_method and resource have fields of their own, or
	// are new for every login.
	//
	// Optional. Default: none.
	LoginParameters map[string]string

	// The app

	// BaseURL is the public origin of the app, such as
	// "https://app.example.com"; a path may follow when a proxy strips one.
	// It alone decides the callback URL, the cookies' Secure flag and their
	// __Host- prefix: nothing is derived from request headers.
	//
	// Optional. Default: "", which signs in visitors of http://localhost,
	// http://127.0.0.1 and http://[::1] only, with no proxy in between.
	BaseURL string

	// LoginPath starts a login, for a GET that opens a page. Its query may hold
	// return_to, the path to come back to, screen, which is "signup" or
	// "forgot_password" to begin on that page, and of Cognito's own parameters
	// login_hint, lang, identity_provider, idp_identifier, prompt, max_age and
	// acr_values: see [LoginOptions] and [Auth.LoginURL]. Like all
	// paths here it is the full path of the request, compared exactly and with
	// case, under a group or a mount too. Two middlewares in a row need paths
	// of their own, or the first one answers for both.
	//
	// Optional. Default: "/login".
	LoginPath string

	// RedirectPath is where Cognito sends the browser back. BaseURL followed
	// by RedirectPath must be one of the app client's allowed callback URLs,
	// letter by letter.
	//
	// Optional. Default: "/login/redirect".
	RedirectPath string

	// LogoutPath ends the session here and at Cognito: for a POST of the app's
	// own pages, or a GET by a link on them. Every other GET gets a page that asks.
	// Its query may hold return_to, a path of the app to end at.
	//
	// Optional. Default: "/logout".
	LogoutPath string

	// RefreshPath renews the tokens of the session at once, unless they are
	// younger than half a minute, for a POST of the app's own pages. It answers {"expires_at": "2006-01-02T15:04:05Z"}, 401
	// when there is no session (any more), 403 to another site, and 503 while
	// that cannot be known.
	//
	// Optional. Default: "/token/refresh".
	RefreshPath string

	// UserPath tells scripts who is signed in, for a GET: {"user": …, "expires_at":
	// …, "session_ends_at": …, "login_url": …, "logout_url": …}, with a null in
	// place of the first three for strangers, and 503 while that cannot be known. The
	// user is what UserFrom has, expires_at is when the tokens have to be renewed,
	// and session_ends_at when the session ends if it is not used before. Asking is
	// no use: it moves no deadline and renews nothing. Other sites get a 403.
	//
	// At UserPath + ".js" stands a small JavaScript module for the app's pages, which
	// exports user, session, renew, fetch, login, loginURL and logout: fetch is the
	// browser's, and renews the tokens and tries once more after a 401.
	//
	// Optional. Default: "", no such route.
	UserPath string

	// AfterLogin is the path, with an optional query, that a visitor reaches
	// after a login that had no better place to return to.
	//
	// Optional. Default: "/".
	AfterLogin string

	// AfterLogout is the path that a visitor reaches after signing out.
	// BaseURL followed by AfterLogout must be one of the app client's allowed
	// sign-out URLs, letter by letter.
	//
	// Optional. Default: "/".
	AfterLogout string

	// AppName is what visitors call the app, such as "Acme Invoices". The built-in
	// pages show it: above what they say, in the title, and as "Back to Acme Invoices".
	//
	// Optional. Default: "", which names none and says "Back to the app".
	AppName string

	// AllowedOrigins are further origins, such as "https://admin.example.com",
	// whose pages may send unsafe requests (POST and the like) with the
	// session cookie. Browsers send the cookie only along with requests of the
	// same site, unless SameSite is "None", so these are sibling subdomains and
	// other ports. No CORS headers are sent for them: that stays with the app.
	//
	// Optional. Default: none.
	AllowedOrigins []string

	// AllowAmbiguousPaths lets requests pass whose path is not what it resolves
	// to: with empty or dot segments ("//admin", "/a/../admin"), escaped letters
	// ("/%61dmin"), escaped slashes or backslashes. They are answered with 400,
	// since a guard on a path compares what was sent while a file server behind it
	// resolves it. Whoever allows them puts guards on routes, not on prefixes.
	//
	// Optional. Default: false.
	AllowAmbiguousPaths bool

	// The session

	// Storage keeps sessions and logins in progress, sealed with Keys and with
	// what only the visitors' cookies hold. Apps with more than one process need
	// one that they share, such as Redis. It is never closed here. Methods with
	// a context are used where a driver has them, but for one that is embedded
	// in a storage of your own, whose Get, Set and Delete may do more.
	//
	// Optional. Default: a new github.com/gofiber/storage/memory/v2.
	Storage fiber.Storage

	// CookieSessions lets sessions travel sealed in their cookies: no storage, any
	// number of instances, and Keys that they share. One cookie of at most 4,096
	// bytes holds a session with tokens of the usual sizes, a second one what does
	// not fit; what is too large for two is refused at the login. What cannot hold
	// without a storage: a copy of a cookie signs in at other instances, after its
	// owner has signed out, until the tokens in it expire. Make them short.
	//
	// Optional. Default: false.
	CookieSessions bool

	// RenewInRequest lets nothing of this package outlive a request, for processes
	// that are frozen in between, as on AWS Lambda and Cloud Run: the request that
	// finds tokens due for renewal waits until they are renewed.
	//
	// Optional. Default: false.
	RenewInRequest bool

	// MaxSessions bounds the sessions that one user has at a time. At a login beyond
	// it the one that was used longest ago ends. It takes a storage of some kind, so
	// it must not be set with CookieSessions.
	//
	// Optional. Default: 0, any number.
	MaxSessions int

	// Keys are secrets of the app, of 32 characters at least, such as "openssl
	// rand -base64 32" prints. All instances that share a Storage share them:
	// whoever can write to the storage, and does not know them, can make no
	// session. The first one seals, all of them open. To replace one, put the new
	// one behind it on all instances, then before it, and remove the old one when
	// IdleTimeout has passed: whatever is in use is sealed anew by then. They are
	// printed nowhere.
	//
	// Optional. Default: random, for the life of the process; required with
	// Storage and with CookieSessions.
	Keys []string

	// CookieName names the session cookie, without prefix: "__Host-" is put
	// before it when BaseURL is https. Apps that share a host, under paths or
	// ports of their own, and the same ClientID need a name each: browsers
	// send all of them the same cookies.
	//
	// Optional. Default: "cognito_" and a short hash of ClientID.
	CookieName string

	// BrowserSession lets the session cookie end with the browser, as people expect
	// of machines that they share. IdleTimeout and AbsoluteTimeout hold as ever:
	// browsers that restore their tabs restore such cookies too.
	//
	// Optional. Default: false, a cookie that lives for AbsoluteTimeout.
	BrowserSession bool

	// SameSite is "Lax", or "None" for an app that other sites show in a frame: its
	// cookies are Secure and Partitioned, so BaseURL must be https. Browsers then send
	// them along with requests of any site. What may change something is refused all the
	// same, unless it comes from the app's own pages or AllowedOrigins; what a GET may
	// cost, see "In the frames of other sites" in docs/security.md. There is no Domain
	// attribute: every host below it could read the session, and browsers would refuse
	// the __Host- prefix, without which one that is taken over could write it.
	//
	// Optional. Default: "Lax".
	SameSite string

	// IdleTimeout ends a session this long after its last request.
	//
	// Optional. Default: 24h, or AbsoluteTimeout when that is shorter.
	IdleTimeout time.Duration

	// AbsoluteTimeout ends a session this long after its login, however busy
	// it is.
	//
	// Optional. Default: 168h (7 days).
	AbsoluteTimeout time.Duration

	// The behaviour

	// Bearer also accepts access tokens in "Authorization: Bearer" headers, of
	// this client and of BearerClientIDs. A request that brings one is judged
	// by it alone: it is never redirected and its cookie is not looked at.
	// OnLogin is not asked, for there is no login: a user whom it refuses is let in
	// by a token. What has to hold for both belongs into a guard, [Require].
	//
	// Optional. Default: false.
	Bearer bool

	// BearerClientIDs are further app clients of the pool, such as those of
	// machines and mobile apps, whose tokens are accepted with Bearer. With an
	// Audience, a "*" alone lets in every client of the pool, also those that
	// register themselves, as agents do: the tokens have to be bound to the Audience.
	//
	// Optional. Default: none.
	BearerClientIDs []string

	// Audience is the "aud" that bearer tokens must have, for an API whose
	// tokens are bound to a resource (RFC 8707). Cognito sets "aud" in access
	// tokens only when the login names a resource. If it is an address, and Bearer
	// and BaseURL are set, programs learn where to get such tokens: from the document
	// at /.well-known/oauth-protected-resource, with the path of the Audience behind
	// it, which every challenge names (RFC 9728).
	//
	// Optional. Default: "", any.
	Audience string

	// UserInfo also reads /oauth2/userInfo at login and adds the claims that
	// the ID token lacks to the user. They stay as they are until the next
	// login.
	//
	// Optional. Default: false.
	UserInfo bool

	// Next skips the middleware for a request when it returns true: nobody
	// is signed in there, and none of the routes answers.
	//
	// Optional. Default: nil.
	Next func(*fiber.Ctx) bool

	// ErrorHandler answers for the middleware and its guards when something
	// is refused or fails. The error is an [*Error]: what [PageOf] makes of it
	// is fit for the visitor, its text with the whole cause is for the log. It is
	// also asked, with the status 200, for the page that a refused form is led to.
	//
	// Optional. Default: [DefaultErrorHandler], a small HTML page for browsers,
	// problem+json (RFC 9457) for the rest.
	ErrorHandler func(*fiber.Ctx, error) error

	// OnLogin runs when a login has been verified and before the session
	// begins: to note the user in a database, or to refuse. A [*fiber.Error]
	// refuses with its status and its message for the visitor, any other
	// error with a bland text. It is one of two doors: with Bearer, access tokens
	// come without a login, and only a guard such as [Require] is asked at both.
	//
	// Optional. Default: nil.
	OnLogin func(*fiber.Ctx, *User) error

	// OnLogout runs when a visitor signs out, before the session ends.
	//
	// Optional. Default: nil.
	OnLogout func(*fiber.Ctx, *User)

	// OnRefresh runs in the background after a session's tokens were renewed,
	// with the user as Cognito now describes them.
	//
	// Optional. Default: nil.
	OnRefresh func(*User)

	// OnEvent receives what happens, for audit and metrics, in place of the log;
	// [Event.Context] has the request's values. It must be quick and safe for
	// concurrent use.
	//
	// Optional. Default: nil, which writes events to Logger.
	OnEvent func(Event)

	// Logger receives what operators need to know. No token, code, secret or
	// cookie is ever written to it.
	//
	// Optional. Default: slog.Default().
	Logger *slog.Logger

	// HTTPClient makes the calls to Cognito. Its transport is used as it is;
	// redirects are never followed and every call has its own deadline.
	//
	// Optional. Default: a client with its own connection pool.
	HTTPClient *http.Client

	// Now is the clock that every deadline is measured with.
	//
	// Optional. Default: time.Now.
	Now func() time.Time
}

// configPath is a field of the config that holds a path.
type configPath struct{ field, path string }

// paths are those that the middleware answers itself.
func (c Config) paths() []configPath {
	paths := []configPath{
		{"LoginPath", c.LoginPath}, {"RedirectPath", c.RedirectPath},
		{"LogoutPath", c.LogoutPath}, {"RefreshPath", c.RefreshPath},
	}
	if c.UserPath != "" {
		paths = append(paths, configPath{"UserPath", c.UserPath})
	}
	return paths
}

// withDefaults returns a copy with every optional field filled in. Slices are
// copied too, so that the caller's later changes stay the caller's.
func (c Config) withDefaults() Config {
	fillString := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fillString(&c.LoginPath, "/login")
	fillString(&c.RedirectPath, "/login/redirect")
	fillString(&c.LogoutPath, "/logout")
	fillString(&c.RefreshPath, "/token/refresh")
	fillString(&c.AfterLogin, "/")
	fillString(&c.AfterLogout, "/")
	fillString(&c.SameSite, "Lax")
	fillString(&c.CookieName, "cognito_"+engine.ShortHash(c.ClientID))

	if len(c.Scopes) == 0 {
		c.Scopes = []string{"openid", "email", "profile"}
	}
	c.Scopes = append([]string(nil), c.Scopes...)
	c.Regions = append([]string(nil), c.Regions...)
	c.LoginParameters = maps.Clone(c.LoginParameters)
	c.AllowedOrigins = append([]string(nil), c.AllowedOrigins...)
	c.BearerClientIDs = append([]string(nil), c.BearerClientIDs...)
	c.Keys = append([]string(nil), c.Keys...)

	if c.AbsoluteTimeout == 0 {
		c.AbsoluteTimeout = 7 * 24 * time.Hour
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 24 * time.Hour
		if c.AbsoluteTimeout >= time.Second { // else that is the mistake to name
			c.IdleTimeout = min(c.IdleTimeout, c.AbsoluteTimeout)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
