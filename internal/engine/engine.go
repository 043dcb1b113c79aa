// Package engine signs visitors in with one app client of one user pool, keeps them
// signed in, and signs them out completely. It uses fasthttp and does not depend on
// Fiber: a face calls it for every request, and gives it hooks into the app.
package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/login"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/refresh"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
	"github.com/bar-tech/cognito/internal/verify"
	"github.com/bar-tech/cognito/internal/web"
	"github.com/valyala/fasthttp"
)

// Engine is immutable and safe for concurrent use.
type Engine struct {
	settings   Settings
	hooks      Hooks
	endpoints  pool.Endpoints
	issuers    pool.Issuers
	binding    string // pool, client and app: what every sealed record is bound to
	pathPrefix string // of BaseURL
	baseHost   string // of BaseURL

	afterLogoutPath string   // without a query, to compare with a request's path
	trusted         []string // the origins of BaseURL and AllowedOrigins
	routes          []route
	cookies         cookies
	store           *storage.Store
	tasks           *tasks.Group // all that runs apart from a request
	client          *pool.Client
	endpoint        *pool.TokenEndpoint
	keys            *verify.Keys
	verifier        *verify.Verifier
	tokens          *cache.Cache[string, verifiedToken] // bearer tokens verified lately
	attempts        *login.Attempts
	callbacks       callbacks
	sessions        *session.Store
	sealed          *sealed // nil unless sessions travel in their cookies
	resource        *resource
	renewals        *refresh.Renewals

	pendingLogouts pendingLogouts
	checks         checks
	inProgress     atomic.Int32 // requests, with RenewInRequest

	// What the log says once: any request can bring it about, and a stranger's could
	// otherwise fill the log with it.
	nested        sync.Once // below another engine
	unheardTokens sync.Once // bearer tokens while Bearer is off
	idTokens      sync.Once // ID tokens as bearer tokens
	noLevels      sync.Once // a guard wants what the pool never says
	noRevocation  sync.Once // the client's refresh tokens cannot be revoked
}

// Format prints no secret.
func (*Engine) Format(f fmt.State, _ rune) { secret.Hide(f, "engine") }

// Settings are the app's, complete and valid, in the order of the root package's Config,
// which documents them.
type Settings struct {
	PoolAddress     string // UserPoolDomain, as an address
	ClientID        string
	UserPoolID      string
	ClientSecret    secret.Text
	Issuer          string   // the only one that counts, or ""
	Regions         []string // further ones of the pool
	Scopes          []string
	Resource        string
	LoginParameters map[string]string

	BaseURL             string
	LoginPath           string
	RedirectPath        string
	LogoutPath          string
	RefreshPath         string
	UserPath            string // or ""
	AfterLogin          string
	AfterLogout         string
	AppName             string // on pages, or ""
	AllowedOrigins      []string
	AllowAmbiguousPaths bool

	Storage         storage.Driver
	OwnStorage      bool // the storage is in this process's memory, and nobody else's
	CookieSessions  bool // sessions travel in their cookies; there is no Storage
	RenewInRequest  bool // nothing of ours outlives a request
	MaxSessions     int  // of one user; 0: any number
	Keys            secret.Keys
	CookieName      string
	BrowserSession  bool // the session's cookie ends with the browser
	Embedded        bool // foreign pages may frame the app: cookies are SameSite=None
	IdleTimeout     time.Duration
	AbsoluteTimeout time.Duration

	Bearer          bool
	BearerClientIDs []string
	Audience        string
	UserInfo        bool

	Logger     *slog.Logger
	HTTPClient *http.Client
	Now        func() time.Time
	OwnClock   bool // Now is time.Now
}

// Hooks are how the engine tells the app, and the app's author, what happens. None may
// be nil. An argument named app is Request.App. OnRefresh, and OnEvent for what no request
// has done, may run in any goroutine. All others run in that of their request.
type Hooks struct {
	// Context is what the app's handlers have put into the request's context.
	Context func(app any) context.Context
	// SetLocals sets what the app reads with Locals.
	SetLocals func(ctx *fasthttp.RequestCtx, id *session.Identity)
	// OnLogin may refuse a user whom Cognito has verified.
	OnLogin func(app any, user *claims.Set) error
	// OnLogout hears who is signing out.
	OnLogout func(app any, user *claims.Set)
	// HandleError may answer an error in the app's way, and reports whether it has.
	HandleError func(app any, e *fault.Error) (answered bool, err error)
	// OnRefresh hears of new tokens.
	OnRefresh func(user *claims.Set)
	// OnEvent hears of all that happens.
	OnEvent func(Event)
	// IP is the address of whoever sent a request, as its Fiber is set up to know it.
	IP func(app any) string
	// Challenge derives a code challenge from a verifier (RFC 7636 section 4.2).
	Challenge func(verifier string) string
}

// New makes an engine. It makes no network call.
func New(s Settings, hooks Hooks) (*Engine, error) {
	a := &Engine{
		settings: s, hooks: hooks, endpoints: pool.NewEndpoints(s.PoolAddress), issuers: pool.NewIssuers(s.UserPoolID, s.Issuer, s.Regions), cookies: newCookies(s), trusted: trustedOrigins(s),
		// Not to the issuer: a pool that changes its form, or fails over to another
		// Region, is the same pool.
		binding: strings.Join([]string{s.UserPoolID, s.ClientID, s.BaseURL, s.CookieName}, "\x00"),
		tokens:  cache.New[string, verifiedToken](cache.Limit),
	}
	if s.CookieSessions {
		s.Storage = memoryOfSealed(s.Now)
		a.sealed = newSealed(s, string(a.cookies.session), a.binding)
	}
	a.store = storage.New(s.Storage)
	if base, err := url.Parse(s.BaseURL); err == nil {
		a.pathPrefix, a.baseHost = base.Path, base.Host
	}
	a.afterLogoutPath = pathOf(s.AfterLogout)
	a.tasks = tasks.New(pool.TasksInFlight, a.logPanic)
	if s.RenewInRequest {
		a.tasks = tasks.NewHurried(pool.TasksInFlight, a.logPanic)
	}
	a.client = pool.NewClient(s.HTTPClient, a.tasks.Closing())
	operator := fault.NewOperator(s.Logger)
	clock := pool.NewClock(s.Now, operator)
	a.endpoint = &pool.TokenEndpoint{Client: a.client, At: a.endpoints, ClientID: s.ClientID, ClientSecret: s.ClientSecret, Clock: clock}
	a.keys = verify.NewKeys(a.client, a.tasks, a.issuers.KeyAddresses(), s.Now)
	verifier, err := verify.New(verify.Settings{
		Issuers: a.issuers, ClientID: s.ClientID, BearerClientIDs: s.BearerClientIDs, Audience: s.Audience, Now: s.Now, Clock: clock, Operator: operator,
	}, a.keys)
	if err != nil {
		return nil, err
	}
	a.verifier = verifier
	a.attempts = login.New(login.Settings{
		Store: a.store, Keys: s.Keys, Binding: a.binding, Mark: ShortHash(a.binding + "\x00" + s.CookieName + "\x00" + s.RedirectPath)[:4],
		Slots: a.cookies.attempt, Base: s.BaseURL, InCookie: s.CookieSessions, Now: s.Now,
	})
	a.keepSessions(s)
	a.resource = newResource(s, a.issuers.First())
	a.listRoutes()
	return a, nil
}

// keepSessions makes what reads, writes and renews sessions.
func (a *Engine) keepSessions(s Settings) {
	a.sessions = session.New(session.Settings{
		Keys: s.Keys, Binding: a.binding, Alone: s.OwnStorage,
		CookieSessions: s.CookieSessions, MaxSessions: s.MaxSessions, IdleTimeout: s.IdleTimeout, AbsoluteTimeout: s.AbsoluteTimeout, Now: s.Now,
		Dictionary: claims.NewDictionary(s.ClientID, pool.DefaultIssuers(s.UserPoolID)...),
	}, a.store, a.tasks, observer{a})
	a.renewals = refresh.New(refresh.Needs{
		Sessions: a.sessions, Endpoint: a.endpoint, Verifier: a.verifier, Tasks: a.tasks, Observer: observer{a}, Now: s.Now,
		// With CookieSessions, too, the records are in this process's memory.
		Alone: s.OwnStorage || s.CookieSessions, CookieSessions: s.CookieSessions, RenewInRequest: s.RenewInRequest,
	})
}

// Enter begins a request. It answers requests for our own routes. For every other
// request it finds out who sent it, for the handlers that come next: then id is not nil,
// and Leave has to follow. If the request is answered, err is what the app's ErrorHandler
// has returned, and Leave must not follow.
func (a *Engine) Enter(r Request) (id *session.Identity, answered bool, err error) {
	if a.settings.RenewInRequest {
		a.noteTasks(r)
		leaves := true // also if a hook panics
		defer func() {
			if leaves {
				a.finishTasks(r)
			}
		}()
		id, answered, err = a.enter(r)
		leaves = answered
		return id, answered, err
	}
	return a.enter(r)
}

func (a *Engine) enter(r Request) (id *session.Identity, answered bool, err error) {
	if r.AnyCase {
		r.Request.Header.Cookie("") // makes fasthttp look for "cookie" in any case, for all that follows
	}
	// Before anything else: a path that a guard and a file server would read differently
	// must reach neither of them.
	if path := r.URI().PathOriginal(); !a.settings.AllowAmbiguousPaths && web.IsAmbiguous(path) && !web.AsksServer(r.Method, path) {
		return nil, true, a.refuse(r, errAmbiguousPath)
	}
	if to := a.route(r.Path); to != nil {
		return nil, true, a.serve(r, to)
	}
	id = session.Anonymous
	// Without a cookie of ours there is nobody to identify, so there is no panic to
	// recover from.
	if a.settings.Bearer || a.cookies.mayBeIn(r) {
		var failed *fault.Error
		if id, failed = a.identifySafely(r); failed != nil {
			return nil, true, a.refuse(r, failed)
		}
		if r.GivenUp() {
			return nil, true, nil // nobody waits for the app's handlers
		}
		if id.User == nil {
			// Only here, because the name of that cookie contains the session cookie's:
			// mayBeIn has found either, so strangers do not pay for a second look.
			if to := a.whereTo(r); to != "" {
				return nil, true, a.goWhereTo(r, to)
			}
		}
	}
	a.attach(r, id)
	return id, false, nil
}

var errAmbiguousPath = fault.Because(fault.ErrAmbiguousPath, "the path differs from the path that it resolves to, so a guard and a file server could read it differently; set AllowAmbiguousPaths if the app needs such paths")

// Leave ends a request that the app's handlers have answered.
func (a *Engine) Leave(r Request, id *session.Identity) {
	// First: what ends meanwhile may be a renewal, whose cookie the response can bring.
	if a.settings.RenewInRequest {
		a.finishTasks(r)
	}
	// A handler that was given up may still write, to a request that is answered already.
	if !r.GivenUp() {
		// As the request was identified: what the handler has written may depend on the
		// user, although it has signed them out meanwhile.
		if id.Cookie || id.Bearer {
			markPersonal(r, id)
		}
		if a.sealed != nil {
			// As it is now: after a renewal in the handler, the browser needs the new
			// cookie, and after a sign-out none.
			a.carry(r, a.seen(r))
		}
	}
}

// Close lets no task begin any more, and waits for those that run: renewals, revocations,
// and ends of sessions that the storage has not recorded. Sessions stay as they are.
func (a *Engine) Close() error {
	err := a.tasks.Close(pool.CloseTimeout)
	a.client.CloseIdle()
	return err
}

// logPanic records a defect of ours. The value of a panic may quote what was
// being processed, so only its type is logged, with the stack.
func (a *Engine) logPanic(doing string, p any) {
	a.settings.Logger.Error("cognito: recovered from a panic", "doing", doing, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
}
