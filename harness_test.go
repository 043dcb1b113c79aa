package cognito_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// site is an app under test: a Fiber app on a real socket, with a pool of its
// own and everything it logs.
type site struct {
	*testing.T
	pool *cognitotest.Pool
	auth *cognito.Auth
	app  *fiber.App
	url  string
	log  *lockedBuffer
}

// serve starts an app with a few pages. Hooks change its config before.
func serve(t *testing.T, hooks ...func(*cognito.Config)) *site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return serveWith(t, pool, hooks...)
}

func serveWith(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) *site {
	t.Helper()
	s := &site{T: t, pool: pool, log: &lockedBuffer{}}
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, hook := range hooks {
		hook(&config)
	}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatalf("NewAuth: %v", err)
	}
	s.auth = auth
	s.app = fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	s.app.Use(auth.Handler())
	pages(s.app)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.url = "http://localhost:" + port
	pool.AllowOrigin(s.url)
	served := make(chan error, 1)
	go func() { served <- s.app.Listener(listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.app.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		s.noSecretsIn(s.log.String(), "the log")
	})
	return s
}

// pages are the app's own: what it does with who is there.
func pages(app *fiber.App) {
	app.Get("/", func(c *fiber.Ctx) error {
		if user := cognito.UserFrom(c); user != nil {
			return c.SendString("hello " + user.Email())
		}
		if err := cognito.Err(c); err != nil {
			return c.SendString("hello who? " + err.Error())
		}
		return c.SendString("hello stranger")
	})
	app.Get("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(c.Locals("user")) })
	app.Post("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("changed") })
	app.Get("/payload", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(c.Locals("payload")) })
	app.Get("/token", func(c *fiber.Ctx) error {
		token, err := cognito.AccessToken(c)
		if err != nil {
			return c.Status(fiber.StatusTeapot).SendString(err.Error())
		}
		return c.SendString(token)
	})
	app.Get("/public", func(c *fiber.Ctx) error { return c.SendString("public") })
}

// visitor is a browser of its own.
func (s *site) visitor() *visitor {
	return &visitor{site: s, Browser: s.pool.NewBrowser()}
}

type visitor struct {
	*cognitotest.Browser
	site *site
}

// logIn takes alice, or whoever is named, through the whole login.
func (v *visitor) logIn(who ...string) *cognitotest.Page {
	v.site.Helper()
	name := "alice"
	if len(who) > 0 {
		name = who[0]
	}
	page := v.Login(v.site.url+"/login", name, passwordOf(name))
	if body := v.Get(v.site.url + "/").Body; body != "hello "+name+"@example.com" {
		v.site.Fatalf("after the login the home page says %q", body)
	}
	return page
}

// mustBeSignedIn is the honest case that attack tests end with.
func (v *visitor) mustBeSignedIn() {
	v.site.Helper()
	if body := v.Get(v.site.url + "/").Body; !strings.HasPrefix(body, "hello ") || strings.HasPrefix(body, "hello stranger") || strings.HasPrefix(body, "hello who") {
		v.site.Errorf("the home page says %q, want a signed-in visitor", body)
	}
}

func (v *visitor) mustBeStranger() {
	v.site.Helper()
	if body := v.Get(v.site.url + "/").Body; body != "hello stranger" {
		v.site.Errorf("the home page says %q, want a stranger", body)
	}
}

// sessionCookie is the visitor's session cookie, or nil.
func (v *visitor) sessionCookie() *http.Cookie {
	for _, cookie := range v.Cookies(v.site.url) {
		if isSessionCookie(cookie.Name) {
			return cookie
		}
	}
	return nil
}

func isSessionCookie(name string) bool {
	name = strings.TrimPrefix(name, "__Host-")
	return strings.HasPrefix(name, "cognito_") && !isLoginCookie(name) && !strings.HasSuffix(name, "_trips")
}

func isLoginCookie(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "__Host-"), "cognito_login_")
}

func passwordOf(name string) string {
	return map[string]string{"alice": "wonderland", "bob": "builder"}[name]
}

// request is one HTTP exchange without a jar and without following redirects.
type request struct {
	method  string
	path    string
	cookies []*http.Cookie
	header  map[string]string
}

type response struct {
	*http.Response
	body string
}

func (r *response) location() *url.URL {
	location, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return &url.URL{}
	}
	return location
}

func (r *response) cookie(match func(string) bool) *http.Cookie {
	for _, cookie := range r.Cookies() {
		if match(cookie.Name) && cookie.Value != "" {
			return cookie
		}
	}
	return nil
}

func (s *site) send(r request) *response {
	s.Helper()
	answer, err := s.trySend(r)
	if err != nil {
		s.Fatal(err)
	}
	return answer
}

func (s *site) trySend(r request) (*response, error) {
	if r.method == "" {
		r.method = http.MethodGet
	}
	req, err := http.NewRequest(r.method, s.url+r.path, nil)
	if err != nil {
		return nil, err
	}
	for _, cookie := range r.cookies {
		req.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	for name, value := range r.header {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	res, err := plainClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return &response{res, string(body)}, err
}

// plainClient opens a connection a request, so that no request hides behind
// an earlier one.
var plainClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// pendingLogin is a login that has come as far as Cognito's answer: the
// callback is ready to be sent by whoever has the cookie.
type pendingLogin struct {
	state    string
	cookie   *http.Cookie // of the attempt
	callback string       // path and query
	query    url.Values   // of the authorization request
}

// begin starts a login at the app and stops at Cognito's door.
func (s *site) begin(parameters ...string) *pendingLogin {
	s.Helper()
	res := s.send(request{path: "/login?" + strings.Join(parameters, "&")})
	if res.StatusCode != http.StatusFound {
		s.Fatalf("GET /login answered %d: %s", res.StatusCode, res.body)
	}
	query := res.location().Query()
	return &pendingLogin{state: query.Get("state"), cookie: res.cookie(isLoginCookie), query: query}
}

// finish sends the callback with the attempt's cookie.
func (s *site) finish(p *pendingLogin, more ...*http.Cookie) *response {
	s.Helper()
	return s.send(request{path: p.callback, cookies: append(more, p.cookie)})
}

// problem decodes an application/problem+json body.
func (r *response) problem(t *testing.T) map[string]any {
	t.Helper()
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q, want application/problem+json", got)
	}
	return decode(t, r.body)
}

func decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Errorf("not a JSON object: %v in %.200q", err, body)
	}
	return fields
}

// noSecretsIn looks for what the pool was sent, and therefore had issued, in a
// text that must hold none of it.
func (s *site) noSecretsIn(text, where string) {
	s.Helper()
	for _, canary := range s.canaries() {
		if strings.Contains(text, canary) {
			s.Errorf("%s holds a secret: %.12s…", where, canary)
		}
	}
}

// canaries are the codes, verifiers, tokens and states that have travelled.
func (s *site) canaries() []string {
	var found []string
	for _, endpoint := range []cognitotest.Endpoint{cognitotest.Token, cognitotest.Revoke, cognitotest.UserInfo, cognitotest.Authorize} {
		for _, sent := range s.pool.Requests(endpoint) {
			for _, name := range []string{"code", "code_verifier", "refresh_token", "token"} {
				found = append(found, sent.Form[name]...)
			}
			found = append(found, sent.Query["state"]...)
			found = append(found, sent.Query["nonce"]...)
			found = append(found, strings.TrimPrefix(sent.Header.Get("Authorization"), "Bearer "))
		}
	}
	return slices.DeleteFunc(found, func(s string) bool { return len(s) < 16 })
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func statusLine(r *response) string { return fmt.Sprintf("%d %s", r.StatusCode, r.body) }
