package e2e

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/storage/memory/v2"
	redisstorage "github.com/gofiber/storage/redis/v3"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

func init() { logging.Disable() } // outages are the point of these tests

// site is an app over a storage.
type site struct {
	*testing.T
	pool *cognitotest.Pool
	url  string
}

func serve(t *testing.T, storage fiber.Storage) *site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	config.Storage, config.Keys = storage, []string{"m0Xo8sXq5tY2lHqzKc0nZb7dEifiXN3BYT1l8Ij2Bl4="}
	config.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	app.Use(auth.Handler())
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("hello " + whoIs(c)) })
	app.Get("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(c.Locals("user")) })

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s := &site{T: t, pool: pool, url: "http://localhost:" + port}
	pool.AllowOrigin(s.url)
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func whoIs(c *fiber.Ctx) string {
	switch user := cognito.UserFrom(c); {
	case user != nil:
		return user.Username()
	case cognito.Err(c) != nil:
		return "unknown"
	}
	return "stranger"
}

// visitor is a browser of its own, which gives up on an answer that does not
// come.
func (s *site) visitor() *cognitotest.Browser {
	visitor := s.pool.NewBrowser()
	visitor.HTTPClient.Timeout = 30 * time.Second
	return visitor
}

// logIn takes alice to /me by way of the login.
func (s *site) logIn(visitor *cognitotest.Browser) {
	s.Helper()
	if page := visitor.Login(s.url+"/me", "alice", "wonderland"); page.Status != http.StatusOK || page.URL.String() != s.url+"/me" {
		s.Fatalf("the login ends on %s with %d: %s (%v)", page.URL, page.Status, page.Body, page.Err)
	}
}

// sessionCookie is the visitor's session, to be sent by somebody else.
func (s *site) sessionCookie(visitor *cognitotest.Browser) *http.Cookie {
	s.Helper()
	for _, cookie := range visitor.Cookies(s.url) {
		if isSessionCookie(cookie.Name) {
			return cookie
		}
	}
	s.Fatal("no session cookie")
	return nil
}

func isSessionCookie(name string) bool {
	return strings.HasPrefix(name, "cognito_") && !strings.HasPrefix(name, "cognito_login_") && !strings.HasSuffix(name, "_trips") && !strings.HasSuffix(name, "_out")
}

// asScript asks like a script with a copied cookie and returns the status.
func (s *site) asScript(path string, cookie *http.Cookie) int {
	s.Helper()
	return scriptStatus(s.T, s.url+path, cookie)
}

func scriptStatus(t *testing.T, address string, cookie *http.Cookie) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	response, err := plainClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

var plainClient = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// openDriver connects the Redis driver as an app does.
func openDriver(t *testing.T, server *machine.Redis) *redisstorage.Storage {
	t.Helper()
	driver := redisstorage.New(redisstorage.Config{URL: server.URL()})
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}

// TestJourneyOnEveryDriver takes the same visitor through the same day on each
// storage: a login with a false start, a renewal, a second login that replaces
// the first session, and a logout.
func TestJourneyOnEveryDriver(t *testing.T) {
	drivers := map[string]func(*testing.T) fiber.Storage{
		"memory": func(t *testing.T) fiber.Storage {
			driver := memory.New()
			t.Cleanup(func() { _ = driver.Close() })
			return driver
		},
		"redis": func(t *testing.T) fiber.Storage { return openDriver(t, machine.StartRedis(t)) },
	}
	for name, open := range drivers {
		t.Run(name, func(t *testing.T) { journey(serve(t, open(t))) })
	}
}

func journey(s *site) {
	visitor := s.visitor()
	if page := visitor.Get(s.url + "/me"); !strings.HasPrefix(page.URL.String(), s.pool.URL()) {
		s.Fatalf("a guarded page leads to %s, want the login page", page.URL)
	}
	if page := visitor.Login(s.url+"/me", "alice", "wrong"); !strings.HasPrefix(page.URL.String(), s.pool.URL()) {
		s.Fatalf("a wrong password leads to %s", page.URL)
	}
	s.logIn(visitor)
	first := s.sessionCookie(visitor)

	s.pool.Advance(61 * time.Minute) // the tokens have expired
	if page := visitor.Get(s.url + "/me"); page.Status != http.StatusOK || len(page.Trail) != 1 {
		s.Errorf("after an hour: %d by way of %v", page.Status, page.Trail)
	}
	if calls := s.pool.Calls(cognitotest.Token); calls != 2 {
		s.Errorf("%d token calls, want one for the login and one for the renewal", calls)
	}

	if page := visitor.Login(s.url+"/login?return_to=/me", "alice", "wonderland"); page.URL.String() != s.url+"/me" {
		s.Fatalf("a second login ends on %s with %d", page.URL, page.Status)
	}
	second := s.sessionCookie(visitor)
	if second.Value == first.Value {
		s.Error("a new login did not get a new session id")
	}
	if status := s.asScript("/me", second); status != http.StatusOK {
		s.Errorf("the session's cookie gets %d", status)
	}
	if page := visitor.Post(s.url+"/logout", nil); page.Body != "hello stranger" {
		s.Errorf("after the logout: %q at %s", page.Body, page.URL)
	}
	for _, cookie := range []*http.Cookie{first, second} {
		if status := s.asScript("/me", cookie); status != http.StatusUnauthorized {
			s.Errorf("a copied cookie of an ended session gets %d", status)
		}
	}
	if page := visitor.Get(s.url + "/login"); !strings.Contains(page.Body, `type="password"`) {
		s.Errorf("after the logout the login asks for no password: %d at %s", page.Status, page.URL)
	}
}

// TestRedisStopsAndComesBack kills Redis under a signed-in visitor. Until it is
// back nobody can know who they are, so nobody is sent to log in and no cookie
// is touched; and when it is back, all is as before.
func TestRedisStopsAndComesBack(t *testing.T) {
	server := machine.StartRedis(t)
	s := serve(t, openDriver(t, server))
	visitor := s.visitor()
	s.logIn(visitor)
	before := s.sessionCookie(visitor)
	logins := s.pool.Calls(cognitotest.Authorization)

	server.Kill()
	page := visitor.Get(s.url + "/me")
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
		t.Errorf("without Redis the guard answers %d (%v), Retry-After %q", page.Status, page.Err, page.Header.Get("Retry-After"))
	}
	if page = visitor.Get(s.url + "/"); page.Body != "hello unknown" {
		t.Errorf("without Redis the home page says %q", page.Body)
	}
	if status := s.asScript("/me", before); status != http.StatusServiceUnavailable {
		t.Errorf("without Redis a script gets %d", status)
	}
	if after := s.sessionCookie(visitor); after.Value != before.Value {
		t.Error("the outage changed the session cookie")
	}

	server.Restart()
	eventually(t, "the visitor is known again", func() bool {
		page := visitor.Get(s.url + "/me")
		if page.Status != http.StatusOK && page.Status != http.StatusServiceUnavailable {
			t.Fatalf("while Redis comes back: %d at %s (%v)", page.Status, page.URL, page.Err)
		}
		return page.Status == http.StatusOK
	})
	if s.sessionCookie(visitor).Value != before.Value || s.pool.Calls(cognitotest.Authorization) != logins {
		t.Error("the visitor had to log in again")
	}
}

// patient is the driver over a connection that waits a minute for an answer,
// and counts the calls that are waiting.
type patient struct {
	*redisstorage.Storage
	waiting atomic.Int64
}

func openPatient(t *testing.T, server *machine.Redis) *patient {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: server.Address(), ReadTimeout: time.Minute})
	driver := &patient{Storage: redisstorage.NewFromConnection(client)}
	t.Cleanup(func() { _ = driver.Close() })
	return driver
}

func (p *patient) Get(key string) ([]byte, error) {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	return p.Storage.Get(key)
}

// TestRedisHangs freezes Redis: connections stay open and nothing answers,
// which is worse than a server that is gone. Answers must come while the
// driver still waits, so it is the library that gave up and not the driver.
func TestRedisHangs(t *testing.T) {
	server := machine.StartRedis(t)
	driver := openPatient(t, server)
	s := serve(t, driver)
	visitor := s.visitor()
	s.logIn(visitor)
	cookie := s.sessionCookie(visitor)

	server.Hang()
	t.Cleanup(server.Resume) // or it could not even be killed
	page := visitor.Get(s.url + "/me")
	if page.Status != http.StatusServiceUnavailable {
		t.Errorf("while Redis hangs the guard answers %d (%v)", page.Status, page.Err)
	}
	if driver.waiting.Load() == 0 {
		t.Error("the answer came when the driver had given up: the library has no deadline of its own")
	}
	if page = visitor.Get(s.url + "/"); page.Body != "hello unknown" {
		t.Errorf("while Redis hangs the home page says %q (%v)", page.Body, page.Err)
	}

	server.Resume()
	if page = visitor.Get(s.url + "/me"); page.Status != http.StatusOK || s.sessionCookie(visitor).Value != cookie.Value {
		t.Errorf("after Redis woke up: %d at %s", page.Status, page.URL)
	}
}

// TestRedisKeepsNothingReadable looks at all that Redis holds during a session:
// whoever steals it learns nothing.
func TestRedisKeepsNothingReadable(t *testing.T) {
	server := machine.StartRedis(t)
	driver := openDriver(t, server)
	s := serve(t, driver)
	visitor := s.visitor()
	visitor.Get(s.url + "/login") // a login in progress
	s.logIn(visitor)
	keys, err := driver.Keys()
	if err != nil || len(keys) < 3 {
		t.Fatalf("Redis holds %d keys (%v), want those of a login and a session", len(keys), err)
	}
	var dump strings.Builder
	for _, key := range keys {
		value, err := driver.Get(string(key))
		if err != nil {
			t.Fatal(err)
		}
		dump.Write(key)
		dump.Write(value)
		if life, err := driver.Conn().TTL(t.Context(), string(key)).Result(); err != nil || life <= 0 {
			t.Errorf("the key %s never expires: %v, %v", key, life, err)
		}
	}
	secrets := []string{"alice", "eyJ", s.sessionCookie(visitor).Value}
	for _, sent := range s.pool.Requests(cognitotest.Token) {
		secrets = append(secrets, sent.Form.Get("code"), sent.Form.Get("code_verifier"))
	}
	for _, sent := range s.pool.Requests(cognitotest.Authorization) {
		secrets = append(secrets, sent.Query.Get("state"), sent.Query.Get("nonce"))
	}
	for _, secret := range secrets {
		if secret == "" || strings.Contains(dump.String(), secret) {
			t.Errorf("Redis holds %q in plain text", secret)
		}
	}
}
