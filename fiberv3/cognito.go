// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/forward"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/storage/memory/v2"
)

// Auth signs visitors in with one app client of one user pool. It is immutable
// and safe for concurrent use.
type Auth struct {
	engine     *engine.Engine
	config     Config
	ownStorage *memory.Storage // ours to close, or nil
	upstreams  *http.Transport // what Forward calls

	app     atomic.Pointer[fiber.App] // the one that the last request came from
	apps    sync.Map                  // all that any came from and have not shut down
	serving atomic.Int32              // how many those are
	closing sync.Once
	closed  error
}

// New returns the middleware, ready for app.Use. Like other Fiber middleware
// it panics if the config is wrong, with the error of [Config.Validate]. It
// makes no network call, so the app starts while Cognito is down.
//
// When the Fiber app shuts down, the middleware waits for renewals in flight. Use
// [NewAuth] to get an error instead of a panic, or the methods of [Auth].
func New(config Config) fiber.Handler {
	auth, err := NewAuth(config)
	if err != nil {
		panic(err)
	}
	return auth.Handler()
}

// NewAuth is [New] with an error instead of a panic. Call [Auth.Close] if the app
// does not stop with Fiber's Shutdown, or if you need to know that everything is
// done.
func NewAuth(config Config) (*Auth, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	a := &Auth{config: config.withDefaults(), upstreams: forward.NewTransport()}
	if fiber.IsChild() && inMemory(a.config.Storage) && !a.config.CookieSessions {
		return nil, errPrefork
	}
	if a.config.Storage == nil && !a.config.CookieSessions {
		a.ownStorage = memory.New()
		a.config.Storage = a.ownStorage
	}
	var err error
	if a.engine, err = engine.New(a.settings(config.Now == nil), a.hooks()); err != nil {
		return nil, err
	}
	return a, nil
}

// settings are what the engine needs from the config.
func (a *Auth) settings(ownClock bool) engine.Settings {
	c := a.config
	return engine.Settings{
		PoolAddress: withScheme(c.UserPoolDomain), ClientID: c.ClientID, UserPoolID: c.UserPoolID, ClientSecret: secret.Text(c.ClientSecret),
		Issuer: c.Issuer, Regions: c.Regions, Scopes: c.Scopes, Resource: c.Resource, LoginParameters: c.LoginParameters,

		BaseURL: c.BaseURL, LoginPath: c.LoginPath, RedirectPath: c.RedirectPath, LogoutPath: c.LogoutPath, RefreshPath: c.RefreshPath, UserPath: c.UserPath,
		AfterLogin: c.AfterLogin, AfterLogout: c.AfterLogout, AppName: c.AppName, AllowedOrigins: c.AllowedOrigins, AllowAmbiguousPaths: c.AllowAmbiguousPaths,

		Storage: c.Storage, OwnStorage: a.ownStorage != nil, CookieSessions: c.CookieSessions, MaxSessions: c.MaxSessions,
		RenewInRequest: c.RenewInRequest, Keys: secret.NewKeys(c.Keys), CookieName: c.CookieName, BrowserSession: c.BrowserSession,
		Embedded: c.SameSite == "None", IdleTimeout: c.IdleTimeout, AbsoluteTimeout: c.AbsoluteTimeout,

		Bearer: c.Bearer, BearerClientIDs: c.BearerClientIDs, Audience: c.Audience, UserInfo: c.UserInfo,
		Logger: c.Logger, HTTPClient: c.HTTPClient, Now: c.Now, OwnClock: ownClock,
	}
}

var errPrefork = &ConfigError{Problems: []ConfigProblem{{
	Field: "Storage", Value: "", Rule: "must be shared when Fiber runs with Prefork, because its processes do not share memory",
	Remedy: "set a shared Storage, such as Redis or Postgres, or CookieSessions",
}}}

var memoryDriver = regexp.MustCompile(`^github\.com/gofiber/(storage|fiber/v\d+/internal/storage)/memory(/v\d+)?$`)

// inMemory reports whether a storage is the memory of this process: nil, which means
// that, or Fiber's memory driver in any version.
func inMemory(storage fiber.Storage) bool {
	if storage == nil {
		return true
	}
	t := reflect.TypeOf(storage)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return memoryDriver.MatchString(t.PkgPath())
}

// Handler returns the middleware. It lets every request pass, except those for
// its own routes; guards such as [Auth.RequireUser] refuse.
func (a *Auth) Handler() fiber.Handler { return a.handle }

// Register adds routes to a router for LoginPath, RedirectPath, LogoutPath, RefreshPath
// and all other paths that the middleware answers. Most apps do not need it, because the
// middleware answers these paths wherever it runs. Use it if the app lists its routes,
// or answers unknown paths before any middleware runs, as Fiber can since 3.4 with
// SkipUnmatchedRoutes. The router must be the app itself or a group without a prefix,
// because the paths are full paths.
func (a *Auth) Register(router fiber.Router) {
	for _, path := range a.engine.Paths() {
		router.All(path, a.handle)
	}
}

func (a *Auth) handle(c fiber.Ctx) error {
	timed := a.engine.ExpectBody(c.RequestCtx(), c.App().Server(), c)
	defer engine.LeaveBody(c.RequestCtx(), c.App().Server(), timed) // also if a handler panics, or Next skips the rest
	if a.config.Next != nil && a.config.Next(c) {
		return c.Next()
	}
	if a.app.Load() != c.App() {
		a.mount(c)
	}
	r := requestOf(c)
	id, answered, err := a.engine.Enter(r)
	if answered {
		return hideCause(err)
	}
	defer a.engine.Leave(r, id) // also if a handler panics
	return a.adopt(c, c.Next())
}

// requestOf is a request of Fiber v3 as the engine sees it.
func requestOf(c fiber.Ctx) engine.Request {
	return engine.Request{
		RequestCtx: c.RequestCtx(), Path: c.Path(), Method: methodOf(c), App: c,
		AnyCase: c.App().Server().DisableHeaderNamesNormalizing,
	}
}

// Close waits for renewals in flight, for at most fifteen seconds, so that no
// renewed token is lost. Afterwards, sessions last as long as their tokens. Close
// never closes the Storage of the config. Calling it again does nothing.
func (a *Auth) Close() error {
	a.closing.Do(func() {
		if err := a.engine.Close(); err != nil {
			a.closed = fmt.Errorf("cognito: calls to Cognito still in flight: %w", err)
		}
		a.upstreams.CloseIdleConnections()
		if a.ownStorage != nil {
			_ = a.ownStorage.Close() // once only: a second call would block
		}
	})
	return a.closed
}

// Format prints the Auth without its secrets, for every verb.
func (a *Auth) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "cognito.Auth{%v}", a.config) }

// mount runs at the first request from an app, when it is known where the middleware is
// registered.
func (a *Auth) mount(c fiber.Ctx) {
	a.app.Store(c.App())
	if _, known := a.apps.LoadOrStore(c.App(), true); known {
		return
	}
	a.reportUnreachable(c.App(), c.Route().Path)
	a.reportPassedBy(c.App(), c.Route().Path) // slash.go says why
	// In a goroutine, and not waited for without end: Fiber holds the lock
	// that this takes while it drains requests at shutdown, and this very
	// request may be one of them.
	app, registered := c.App(), make(chan struct{})
	go func() {
		defer close(registered)
		a.serving.Add(1)
		app.Hooks().OnPostShutdown(func(error) error { return a.unmount(app) })
	}()
	select {
	case <-registered:
	case <-time.After(100 * time.Millisecond):
	}
}

// unmount closes the middleware when the last of its apps has shut down. It knows only
// apps that have had a request. Fiber calls it at every Shutdown, also at an app's second
// one.
func (a *Auth) unmount(app *fiber.App) error {
	if _, serving := a.apps.LoadAndDelete(app); !serving || a.serving.Add(-1) > 0 {
		return nil
	}
	return a.Close()
}

// reportUnreachable finds our routes outside the path that the middleware is mounted
// under: nothing would answer there, unless they are registered.
func (a *Auth) reportUnreachable(app *fiber.App, mounted string) {
	prefix := strings.TrimRight(mounted, "/")
	if strings.ContainsAny(prefix, ":*+") {
		return // a pattern: only requests could tell
	}
	out := func(path string) bool {
		return !strings.HasPrefix(strings.ToLower(path)+"/", strings.ToLower(prefix)+"/") &&
			!slices.ContainsFunc(app.GetRoutes(true), func(r fiber.Route) bool { return r.Path == path })
	}
	for _, r := range a.config.paths() {
		if out(r.path) {
			a.config.Logger.Error("cognito: a route is unreachable: the middleware is mounted under another path; settings are full paths",
				"field", r.field, "path", r.path, "mounted", strings.Clone(mounted),
				"remedy", "set "+r.field+" to "+prefix+r.path+", or register the middleware before the group, or call Auth.Register")
		}
	}
	if path := a.engine.ResourcePath(); path != "" && out(path) {
		a.config.Logger.Error("cognito: the protected resource metadata is unreachable: the middleware is mounted under another path, and RFC 9728 fixes where the metadata must be",
			"field", "Audience", "path", path, "mounted", strings.Clone(mounted), "remedy", "register the middleware before the group, or call Auth.Register")
	}
}
