package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// What the rows share: user pools, apps that sign in there, and the people who
// do.

const (
	appHost = "localhost:8021"
	appURL  = "https://" + appHost
	// cookieName is what we call the session cookie; the middleware puts
	// __Host- before it, since the app is served over https.
	cookieName = "session"
	clientID   = "7ks1311iid23h0cnvg2o3i4g7k"
	password   = "wonderland"
	// people is how many users there are. Neighbouring sessions belong to
	// different ones, so taking one for the other would show.
	people = 16
)

// lab holds what is built once and closed at the end.
type lab struct {
	options options
	closers []func()
	main    *cognitotest.Pool
	redis   *redisServer
}

func (l *lab) atEnd(close func()) { l.closers = append(l.closers, close) }

func (l *lab) close() {
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
	l.closers = nil
}

// pool is the user pool of all rows that do not meddle with its clock. Its
// tokens live long, so that no row is disturbed by a refresh it is not about.
func (l *lab) pool() *cognitotest.Pool {
	if l.main == nil {
		l.main = newPool(24 * time.Hour)
		l.atEnd(l.main.Close)
	}
	return l.main
}

// newPool starts a user pool whose tokens are of the size of real ones.
func newPool(tokenLife time.Duration) *cognitotest.Pool {
	users := make([]cognitotest.User, people)
	for i := range users {
		users[i] = cognitotest.User{
			Username: userName(i), Password: password, Name: fmt.Sprintf("Alice Liddell the %dth", i),
			Email: userName(i) + "@example.com", EmailVerified: true,
			Groups:     []string{"admin", "editors"},
			Attributes: map[string]string{"phone_number": "+441632960001", "locale": "en-GB", "custom:plan": "team"},
		}
	}
	return cognitotest.New(cognitotest.Options{
		Users: users,
		Clients: []cognitotest.Client{{
			ID: clientID, CallbackURLs: []string{appURL + "/login/redirect"}, LogoutURLs: []string{appURL + "/"},
			AccessTokenTTL: tokenLife, IDTokenTTL: tokenLife,
		}},
	})
}

func userName(i int) string { return fmt.Sprintf("alice-%02d", i%people) }

// newAuth is the middleware as it runs in production, by the real clock.
func newAuth(pool *cognitotest.Pool, changes ...func(*cognito.Config)) (*cognito.Auth, error) {
	config := pool.Config()
	config.BaseURL, config.CookieName = appURL, cookieName
	config.Now = nil
	config.Logger = slog.New(slog.DiscardHandler)
	for _, change := range changes {
		change(&config)
	}
	return cognito.NewAuth(config)
}

// site is an app with our middleware.
type site struct {
	pool *cognitotest.Pool
	auth *cognito.Auth
	app  *fiber.App
}

// benchKeys is what an app with a storage of its own has besides.
var benchKeys = []string{"m0Xo8sXq5tY2lHqzKc0nZb7dEifiXN3BYT1l8Ij2Bl4="}

func newSite(pool *cognitotest.Pool, changes ...func(*cognito.Config)) (*site, error) {
	auth, err := newAuth(pool, changes...)
	if err != nil {
		return nil, err
	}
	s := &site{pool: pool, auth: auth, app: newApp()}
	s.app.Use(auth.Handler())
	s.app.Get("/", func(c *fiber.Ctx) error {
		user := cognito.UserFrom(c)
		if user == nil {
			return fiber.ErrUnauthorized
		}
		return c.SendString(user.Subject())
	})
	s.app.Get("/public", greet)
	s.app.Get("/guarded", cognito.RequireUser(), cognito.RequireGroup("admin"), func(c *fiber.Ctx) error {
		return c.SendString(cognito.UserFrom(c).Subject())
	})
	s.app.Get("/username", cognito.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString(cognito.UserFrom(c).Username())
	})
	s.app.Get("/claims", func(c *fiber.Ctx) error { return c.JSON(c.Locals("user")) })
	s.app.Get("/token", func(c *fiber.Ctx) error {
		token, err := cognito.AccessToken(c)
		if err != nil {
			return err
		}
		return c.SendString(token)
	})
	return s, nil
}

func newApp() *fiber.App { return fiber.New(fiber.Config{DisableStartupMessage: true}) }

const greeting = "hello, whoever you may be out there"

func greet(c *fiber.Ctx) error { return c.SendString(greeting) }

// bareApp does what every handler here does, and nothing before: the unit.
func bareApp() *fiber.App {
	app := newApp()
	app.Get("/", greet)
	app.Get("/public", greet)
	app.Get("/guarded", greet)
	app.Get("/claims", greet)
	app.Get("/username", greet)
	app.Get("/login", greet)
	return app
}

// against is a row that measures an app against a bare one.
func against(app app, sent script) *row {
	return &row{app: app, sent: sent, work: serving(app, sent), unit: bare(sent)}
}

// bare answers the same requests as s without asking who is there.
func bare(s script) work {
	s.check = func(_ int, answer []byte) bool { return isOK(answer, greeting) }
	return serving(bareApp(), s)
}

// signIn logs a user in and returns the session cookie's value.
func (s *site) signIn(user string) (string, error) {
	for _, cookie := range s.pool.SignIn(s.app, user) {
		if cookie.Name == "__Host-"+cookieName {
			return cookie.Value, nil
		}
	}
	return "", fmt.Errorf("no session cookie after the login of %s", user)
}

// signInMany signs in n visitors, as fast as the machine can, and hands each
// session's id to keep.
func (s *site) signInMany(n int, keep func(i int, id string)) error {
	var (
		group  sync.WaitGroup
		mu     sync.Mutex // guards next and failed
		next   int
		failed error
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && failed == nil
	}
	for range 2 * runtime.NumCPU() {
		group.Go(func() {
			for i, more := take(); more; i, more = take() {
				id, err := s.signIn(userName(i))
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
					return
				}
				keep(i, id)
			}
		})
	}
	group.Wait()
	return failed
}

func sessionHeader(id string) (name, value string) {
	return "Cookie", "__Host-" + cookieName + "=" + id
}

// asSession is a request of a signed-in visitor.
func asSession(path, id string) []byte {
	name, value := sessionHeader(id)
	return get(path, name, value)
}

// sessionScript logs n visitors in and sends their requests in turn.
func (s *site) sessionScript(n int, path string) (script, error) {
	requests, bodies := make([][]byte, n), make([]string, n)
	err := s.signInMany(n, func(i int, id string) {
		requests[i], bodies[i] = asSession(path, id), subjectOf(s.pool, i)
	})
	return repeated(requests, bodies), err
}

// subjectOf is the sub of a user, as the pool itself says it in a token.
func subjectOf(pool *cognitotest.Pool, i int) string {
	subjects.Lock()
	defer subjects.Unlock()
	name := userName(i)
	if subjects.known[name] == "" {
		claims, err := claimsOf(pool.IDToken("", name, nil))
		if err != nil {
			panic(err)
		}
		subjects.known[name], _ = claims["sub"].(string)
	}
	return subjects.known[name]
}

// subjects remembers them; they are the same in all pools.
var subjects = struct {
	sync.Mutex
	known map[string]string
}{known: map[string]string{}}

// visitor is a browser that is signed in at the pool, so that further logins
// ask for no password. What it is sent to the app with is not delivered, only
// noted.
type visitor struct {
	*cognitotest.Browser
	user string
}

func newVisitor(pool *cognitotest.Pool, user string) *visitor {
	v := &visitor{Browser: pool.NewBrowser(), user: user}
	v.HTTPClient.Transport = stopAtApp{v.HTTPClient.Transport}
	return v
}

// stopAtApp answers for the app.
type stopAtApp struct{ pool http.RoundTripper }

// RoundTrip lets calls to the pool through and answers those to the app.
func (s stopAtApp) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != appHost {
		return s.pool.RoundTrip(r)
	}
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// callback opens the pool's authorization endpoint and returns the path and
// query with which the pool sends the visitor back.
func (v *visitor) callback(authorize string) (string, error) {
	page := v.Login(authorize, v.user, password)
	if page.Err != nil {
		return "", page.Err
	}
	if page.URL.Host != appHost || !strings.Contains(page.URL.RawQuery, "code=") {
		return "", fmt.Errorf("the pool sent the visitor to %s", page.URL)
	}
	return page.URL.RequestURI(), nil
}
