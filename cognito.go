package cognito

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/refresh"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
	"github.com/bar-tech/cognito/internal/verify"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/storage/memory/v2"
)

// Auth signs visitors in with one app client of one user pool. It is immutable
// and safe for concurrent use.
type Auth struct {
	config     Config
	endpoints  pool.Endpoints
	binding    string // pool and client: what every sealed record is bound to
	pathPrefix string // of BaseURL
	ownClock   bool   // the clock is the default one
	trusted    []string
	routes     []route
	cookies    cookies
	store      *storage.Store
	tasks      *tasks.Group // all that runs apart from a request
	caller     *pool.Client
	endpoint   *pool.TokenEndpoint
	keys       *verify.Keys
	verifier   *verify.Verifier
	tokens     *cache.Cache[string, verifiedToken] // bearer tokens verified lately
	attempts   *attempts
	sessions   *session.Store
	renewals   *refresh.Renewals
	ownStorage *memory.Storage // ours to close, or nil

	endings endings
	app     atomic.Pointer[fiber.App] // the one that the last request came from
	apps    sync.Map                  // all that any came from and have not shut down
	serving atomic.Int32              // how many those are
	nested  sync.Once                 // below another middleware
	closing sync.Once
	closed  error
}

// route is one of our own paths.
type route struct {
	path    string
	methods []string
	serve   func(request) error
}

// New returns the middleware, ready for app.Use. Like other Fiber middleware
// it panics if the config is wrong, with the error of [Config.Validate]. It
// makes no network call, so the app starts while Cognito is down.
//
// Refreshes in flight are waited for when the Fiber app shuts down. Whoever
// wants the error, or the methods of [Auth], uses [NewAuth].
func New(config Config) fiber.Handler {
	auth, err := NewAuth(config)
	if err != nil {
		panic(err)
	}
	return auth.Handler()
}

// NewAuth is [New] with an error instead of a panic. Calling [Auth.Close] is
// needed only where the app does not end by Fiber's Shutdown, or has to know
// that all is done.
func NewAuth(config Config) (*Auth, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	c := config.withDefaults()
	a := &Auth{
		config: c, endpoints: pool.NewEndpoints(withScheme(c.UserPoolDomain), c.Issuer), cookies: newCookies(c), trusted: trustedOrigins(c),
		binding:  c.Issuer + "\x00" + c.UserPoolID + "\x00" + c.ClientID,
		ownClock: config.Now == nil,
	}
	a.tasks = tasks.New(pool.TasksInFlight, a.logPanic)
	a.caller = pool.NewClient(c.HTTPClient, a.tasks.Closing())
	if base, err := url.Parse(c.BaseURL); err == nil {
		a.pathPrefix = base.Path
	}
	if c.Storage == nil {
		if fiber.IsChild() {
			return nil, prefork
		}
		a.ownStorage = memory.New()
		c.Storage = a.ownStorage
	}
	a.store = storage.New(c.Storage)
	a.endpoint = &pool.TokenEndpoint{Client: a.caller, At: a.endpoints, ClientID: c.ClientID, ClientSecret: secret.Text(c.ClientSecret)}
	a.keys = verify.NewKeys(a.caller, a.tasks, a.endpoints.JWKS, c.Now)
	a.tokens = cache.New[string, verifiedToken](cache.Limit)
	verifier, err := verify.New(verify.Settings{Issuer: c.Issuer, ClientID: c.ClientID, BearerClientIDs: c.BearerClientIDs, Audience: c.Audience, Now: c.Now}, a.keys)
	if err != nil {
		return nil, err
	}
	a.verifier = verifier
	a.attempts = newAttempts(a)
	a.sessions = session.New(session.Settings{
		Binding: a.binding, Dictionary: claims.NewDictionary(c.Issuer, c.ClientID), Idle: c.IdleTimeout, Total: c.AbsoluteTimeout, Now: c.Now,
	}, a.store, a.tasks, observer{a})
	a.renewals = refresh.New(refresh.Needs{
		Sessions: a.sessions, Endpoint: a.endpoint, Verifier: a.verifier, Tasks: a.tasks, Observer: observer{a}, Now: c.Now, Alone: a.ownStorage != nil,
	})
	a.mountRoutes()
	return a, nil
}

var prefork = &ConfigError{Problems: []ConfigProblem{{
	Field: "Storage", Value: "", Rule: "must be shared when Fiber runs with Prefork, whose processes do not share memory",
	Remedy: "set a Redis or Postgres storage",
}}}

// mountRoutes lists every path that the middleware answers itself.
func (a *Auth) mountRoutes() {
	a.routes = []route{
		{a.config.LoginPath, []string{http.MethodGet}, a.serveLogin},
		{a.config.RedirectPath, []string{http.MethodGet}, a.serveCallback},
		{a.config.LogoutPath, []string{http.MethodGet, http.MethodPost}, a.serveLogout},
		{a.config.RefreshPath, []string{http.MethodPost}, a.serveRefresh},
	}
}

// route finds our route for a path, or nil. They are so few that a map would
// cost every request more.
func (a *Auth) route(path string) *route {
	for i := range a.routes {
		if a.routes[i].path == path {
			return &a.routes[i]
		}
	}
	return nil
}

// Handler returns the middleware. It lets every request pass, except those for
// its own routes; guards such as [Auth.RequireUser] refuse.
func (a *Auth) Handler() fiber.Handler { return a.handle }

func (a *Auth) handle(c *fiber.Ctx) error {
	if a.config.Next != nil && a.config.Next(c) {
		return c.Next()
	}
	if a.app.Load() != c.App() {
		a.mount(c)
	}
	r := requestOf(c)
	if to := a.route(r.path); to != nil {
		return a.serve(r, to)
	}
	id := session.Anonymous
	// Without a cookie of ours there is nobody to identify, and no need for a net
	// under it.
	if a.config.Bearer || a.cookies.mayBeIn(&r.Request.Header) {
		var err *Error
		if id, err = a.identifySafely(r); err != nil {
			return a.refuse(r, err)
		}
	}
	a.attach(r, id)
	err := forFiber(c.Next())
	if id.Cookie || id.Bearer {
		markPersonal(r, id)
	}
	return err
}

// requestOf is a request of Fiber v2 as the engine sees it.
func requestOf(c *fiber.Ctx) request {
	return request{RequestCtx: c.Context(), path: c.Path(), method: c.Method(), app: c}
}

// Close waits for refreshes in flight, so that no token that Cognito has
// renewed is lost, for fifteen seconds at most. Afterwards sessions go on as long
// as their tokens last. It never closes the Storage of the config. Calling it
// again does nothing.
func (a *Auth) Close() error {
	a.closing.Do(func() {
		if err := a.tasks.Close(pool.CloseTimeout); err != nil {
			a.closed = fmt.Errorf("cognito: calls to Cognito still in flight: %w", err)
		}
		a.caller.CloseIdle()
		if a.ownStorage != nil {
			_ = a.ownStorage.Close() // once only: a second call would block
		}
	})
	return a.closed
}

// Format prints the Auth without its secrets, for every verb.
func (a *Auth) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "cognito.Auth{%v}", a.config) }

// mount runs at the first request from an app, when it is known where in it the
// middleware stands.
func (a *Auth) mount(c *fiber.Ctx) {
	a.app.Store(c.App())
	if _, known := a.apps.LoadOrStore(c.App(), true); known {
		return
	}
	a.reportUnreachable(c.Route().Path)
	// In a goroutine, and not waited for without end: Fiber holds the lock
	// that this takes while it drains requests at shutdown, and this very
	// request may be one of them.
	app, registered := c.App(), make(chan struct{})
	go func() {
		defer close(registered)
		a.serving.Add(1)
		app.Hooks().OnShutdown(func() error { return a.leave(app) })
	}()
	select {
	case <-registered:
	case <-time.After(100 * time.Millisecond):
	}
}

// leave closes a middleware whose apps have all shut down: those that have had a
// request, since no other is known. Fiber calls it at every Shutdown, also at the
// second one of an app.
func (a *Auth) leave(app *fiber.App) error {
	if _, serving := a.apps.LoadAndDelete(app); !serving || a.serving.Add(-1) > 0 {
		return nil
	}
	return a.Close()
}

// reportUnreachable finds routes of ours outside the path that the middleware
// is mounted under: nothing would ever answer there.
func (a *Auth) reportUnreachable(mounted string) {
	prefix := strings.TrimRight(mounted, "/")
	if strings.ContainsAny(prefix, ":*+") {
		return // a pattern: only requests could tell
	}
	for _, r := range a.config.paths() {
		if !strings.HasPrefix(strings.ToLower(r.path)+"/", strings.ToLower(prefix)+"/") {
			a.config.Logger.Error("cognito: a route is out of reach: the middleware is mounted under another path; settings are full paths",
				"field", r.field, "path", r.path, "mounted", strings.Clone(mounted))
		}
	}
}

// reportTaken finds routes of ours that another middleware further up answers:
// its visitors would come back signed in there and not here, and be sent to log
// in again without end.
func (a *Auth) reportTaken(above *Auth) {
	for _, r := range a.config.paths() {
		if above.route(r.path) != nil {
			a.config.Logger.Error("cognito: a route is out of reach: another middleware above answers there; give each its own paths",
				"field", r.field, "path", r.path, "client", a.config.ClientID, "above", above.config.ClientID)
		}
	}
}

// logPanic records a defect of ours. The value of a panic may quote what was
// being processed, so only its type is logged, with the stack.
func (a *Auth) logPanic(doing string, p any) {
	a.config.Logger.Error("cognito: recovered from a panic", "doing", doing, "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
}
