package userpool

import (
	"cmp"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the options of a pool. The zero value is a complete pool: one
// public client for an application on http://localhost:8021, and two users.
type Options struct {
	// Addr is the address to listen on. Only loopback addresses are accepted, because
	// anybody can sign in with passwords that are printed in tests. See AnyAddr.
	//
	// Optional. Default: "127.0.0.1:0", for a free port.
	Addr string

	// AnyAddr allows an Addr that others can reach, as in a container.
	//
	// Optional. Default: false.
	AnyAddr bool

	// PublicURL is the pool's URL if it differs from Addr, such as
	// "http://pool.localhost:9229". It has no path.
	//
	// Optional. Default: the address that it listens on.
	PublicURL string

	// Front wraps the pool's own endpoints, for a program that adds endpoints. Its
	// argument is the handler of the pool's endpoints.
	//
	// Optional. Default: nil, for none.
	Front func(endpoints http.Handler) http.Handler

	// UserPoolID is the pool's ID, the last part of its issuer.
	//
	// Optional. Default: "us-east-1_TestPool1".
	UserPoolID string

	// Name is the pool's name on its pages.
	//
	// Optional. Default: "Local user pool".
	Name string

	// Clients are the app clients. [Pool.SignIn] and the other helpers use the first
	// one, unless they are told which one to use.
	//
	// Optional. Default: if empty or nil, one public client, "1example23456789", for
	// an application on http://localhost:8021.
	Clients []Client

	// Users are the users who can sign in. An empty slice that is not nil means no
	// users, until [Pool.SetUser].
	//
	// Optional. Default: if nil, alice (password "wonderland", group "admin")
	// and bob (password "builder", no group, e-mail not verified).
	Users []User

	// Providers are the identity providers that the pool federates with.
	//
	// Optional. Default: none.
	Providers []Provider

	// CaseSensitive distinguishes Alice from alice, in usernames and in e-mail
	// addresses.
	//
	// Optional. Default: false, as in pools that the AWS console creates.
	CaseSensitive bool

	// Issuer is the iss of the tokens from the start, such as an issuer of AWS. It ends
	// with the pool's ID. An application then fetches the keys through [Pool.Transport].
	//
	// Optional. Default: [Pool.Home].
	Issuer string

	// InvalidClientStatus is the status of invalid_client at the token endpoint: the
	// documentation says 400, other sources 401.
	//
	// Optional. Default: 400.
	InvalidClientStatus int

	// ErrorsWithoutState leaves state out of errors at the redirect URI, except
	// login_required: the documentation shows state only with that one.
	//
	// Optional. Default: false.
	ErrorsWithoutState bool

	// MaxSessions is how many logins a user can have at a time. One more ends the least
	// recently used one. In Cognito pools that track sessions, it is 20. With it the API
	// lists and revokes them (ListUserSessions, AdminRevokeUserSession).
	//
	// Optional. Default: 0, with which the pool does not track sessions.
	MaxSessions int

	// ClassicHostedUI makes the pool behave like the older hosted UI, which
	// ignores prompt and lang and reloads an abandoned form silently.
	//
	// Optional. Default: false, for managed login.
	ClassicHostedUI bool

	// Unstyled is for managed login without a branding style for its app clients: its
	// sign-in page is unavailable.
	//
	// Optional. Default: false.
	Unstyled bool

	// Levels makes tokens say how the user has signed in (acr, amr), and the login page
	// support acr_values, as the feature plans Essentials and Plus do. If a login requests
	// a level above the first, a user with [User.SecondFactor] is asked again and reaches
	// urn:cognito:loa:3. The classic hosted UI does not support levels.
	//
	// Optional. Default: false.
	Levels bool

	// Registration lets applications register themselves as app clients at
	// /oauth2/register (RFC 7591), as the feature plans Essentials and Plus do, with a
	// token of client_credentials whose scope is aws.cognito/dcr/register.
	//
	// Optional. Default: false, with which there is no such endpoint.
	Registration bool

	// OpenRegistration is Registration that also works without a token, but only for the
	// authorization code grant.
	//
	// Optional. Default: false.
	OpenRegistration bool

	// RegistrationScopes are the scopes that registered clients may have besides openid,
	// email, phone and profile.
	//
	// Optional. Default: none.
	RegistrationScopes []string

	// ShowUsers lists usernames and passwords below the login form, for
	// demonstrations.
	//
	// Optional. Default: false.
	ShowUsers bool
}

// Pool is a running user pool. Its methods may be called from any goroutine.
//
// Everything is in memory, except what [Pool.Save] returns. A closed pool has forgotten its
// users, and behaves like a pool that is down for applications that still use it.
type Pool struct {
	id, name, url       string
	classic             bool
	caseSensitive       bool
	invalidClientStatus int
	errorsWithoutState  bool
	maxSessions         int
	firstIssuer         string // Options.Issuer
	publicURL           string // Options.PublicURL, or ""
	front               func(http.Handler) http.Handler
	showUsers           bool
	levels              bool
	unstyled            bool
	registrations       registrations
	clientRegistration  clientRegistration

	listener    net.Listener
	certificate *x509.Certificate  // after StartTLS
	server      *http.Server       // after Start
	context     context.Context    //nolint:containedctx // the parent of every request's
	quit        context.CancelFunc // ends the context of every request
	served      chan struct{}      // closed when the accept loop has ended
	conns       sync.WaitGroup     // one per open connection
	closing     sync.Once

	offset  atomic.Int64 // what Advance has added to the clock, in nanoseconds
	traffic traffic      // has a lock of its own, as every request passes here
	faults  faults       // likewise

	mu       sync.Mutex // guards everything below
	clients  roll[Client]
	users    roll[User]
	origins  []string        // from AllowOrigin
	issuer   string          // from SetIssuer, or ""
	down     map[string]bool // Regions, from SetRegionDown
	keys     keyring
	codes    map[string]grant
	tickets  map[ticketID]*ticket // refresh tokens
	families map[string]*family   // by origin_jti
	sessions map[string]session   // by value of the cognito cookie
	attempts map[string]time.Time // login forms shown, and since when
	tamper   func(*UnsignedToken)
	failNext *refusal
	browsers []*Browser
	idp      idpState // what only the API cognito-idp needs

	federation federation
}

// poolIDPattern is the pattern of the CreateUserPool API. It also keeps the id
// harmless as a path segment.
var poolIDPattern = regexp.MustCompile(`^[\w-]+_[0-9a-zA-Z]+$`)

// New starts a pool and returns when it is listening. It panics if it cannot
// listen or the options are invalid, because a test could do nothing else about it.
//
// Call [Pool.Close] at the end. Shut the application down before that, because it
// may be waiting for a response from the pool.
func New(options Options) *Pool {
	p := NewUnstarted(options)
	p.Start()
	return p
}

// NewUnstarted is like New, but the pool listens without responding until [Pool.Start]
// or [Pool.StartTLS]. Until then it has no URL.
func NewUnstarted(options Options) *Pool {
	p := &Pool{
		id:      cmp.Or(options.UserPoolID, "us-east-1_TestPool1"),
		name:    cmp.Or(options.Name, "Local user pool"),
		classic: options.ClassicHostedUI,

		caseSensitive:       options.CaseSensitive,
		invalidClientStatus: options.InvalidClientStatus,
		errorsWithoutState:  options.ErrorsWithoutState,
		maxSessions:         options.MaxSessions,
		firstIssuer:         options.Issuer,
		issuer:              options.Issuer,
		publicURL:           options.PublicURL,
		front:               options.Front,

		showUsers: options.ShowUsers, levels: options.Levels, unstyled: options.Unstyled,
		clientRegistration: clientRegistration{
			options.Registration || options.OpenRegistration, options.OpenRegistration, slices.Clone(options.RegistrationScopes),
		},
		served:   make(chan struct{}),
		keys:     newKeyring(),
		codes:    map[string]grant{},
		tickets:  map[ticketID]*ticket{},
		families: map[string]*family{},
		sessions: map[string]session{},
		attempts: map[string]time.Time{},
		down:     map[string]bool{},
		idp:      newIDPState(),

		federation: newFederation(),
	}
	p.mustBeNamed()
	p.fill(options)
	p.listener = listen(cmp.Or(options.Addr, "127.0.0.1:0"), options.AnyAddr)
	// The parent of every request's context, so that Close can wake those that
	// a fault has put to sleep.
	p.context, p.quit = context.WithCancel(context.Background())
	return p
}

// mustBeNamed panics if the pool cannot have the ID, issuer or URL that it was given.
func (p *Pool) mustBeNamed() {
	if !poolIDPattern.MatchString(p.id) {
		panic(fmt.Sprintf("userpool: UserPoolID %q is not of the form region_id", p.id))
	}
	if p.firstIssuer != "" && !strings.HasSuffix(p.firstIssuer, "/"+p.id) {
		panic(fmt.Sprintf("userpool: Issuer %q does not end in the UserPoolID %q", p.firstIssuer, p.id))
	}
	if p.publicURL != "" && siteOf(p.publicURL) != p.publicURL {
		panic(fmt.Sprintf("userpool: PublicURL %q is not an origin: it must be a scheme and a host only", p.publicURL))
	}
}

// URL returns the user pool domain, such as "http://127.0.0.1:40123", and "" before the
// pool is started.
func (p *Pool) URL() string { return p.url }

// UserPoolID returns the pool's ID.
func (p *Pool) UserPoolID() string { return p.id }
