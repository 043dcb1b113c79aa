package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
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

// Site is an app under test: a Fiber app on a real socket, with a pool of its
// own and everything it logs.
type Site struct {
	*testing.T
	Pool   *cognitotest.Pool
	Auth   *cognito.Auth
	App    *fiber.App
	URL    string
	Logged *LockedBuffer
}

// Serve starts an app with a few pages. Hooks change its config before.
func Serve(t *testing.T, hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return ServeWith(t, pool, hooks...)
}

// ServeWith is Serve with a pool that the test has prepared.
func ServeWith(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	s := &Site{T: t, Pool: pool, Logged: &LockedBuffer{}}
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(s.Logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, hook := range hooks {
		hook(&config)
	}
	everywhere(&config)
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatalf("NewAuth: %v", err)
	}
	s.Auth = auth
	s.App = fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	s.App.Use(auth.Handler())
	Pages(s.App)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.URL = "http://localhost:" + port
	pool.AllowOrigin(s.URL)
	served := make(chan error, 1)
	go func() { served <- s.App.Listener(listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := s.App.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		_ = listener.Close() // Shutdown does not know it if it was never used
		<-served
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		s.NoSecretsIn(s.Logged.String(), "the log")
	})
	return s
}

// Pages are the app's own: what it does with who is there.
func Pages(app *fiber.App) {
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

// Visitor opens a browser.
func (s *Site) Visitor() *Visitor {
	return &Visitor{Site: s, Browser: s.Pool.NewBrowser()}
}

// Visitor is somebody with a browser of their own.
type Visitor struct {
	*cognitotest.Browser
	Site *Site
}

// LogIn takes alice, or whoever is named, through the whole login.
func (v *Visitor) LogIn(who ...string) *cognitotest.Page {
	v.Site.Helper()
	name := "alice"
	if len(who) > 0 {
		name = who[0]
	}
	page := v.Login(v.Site.URL+"/login", name, PasswordOf(name))
	if body := v.Get(v.Site.URL + "/").Body; body != "hello "+name+"@example.com" {
		v.Site.Fatalf("after the login the home page says %q", body)
	}
	return page
}

// MustBeSignedIn is the honest case that attack tests end with.
func (v *Visitor) MustBeSignedIn() {
	v.Site.Helper()
	if body := v.Get(v.Site.URL + "/").Body; !strings.HasPrefix(body, "hello ") || strings.HasPrefix(body, "hello stranger") || strings.HasPrefix(body, "hello who") {
		v.Site.Errorf("the home page says %q, want a signed-in visitor", body)
	}
}

// MustBeStranger wants the app not to know the visitor.
func (v *Visitor) MustBeStranger() {
	v.Site.Helper()
	if body := v.Get(v.Site.URL + "/").Body; body != "hello stranger" {
		v.Site.Errorf("the home page says %q, want a stranger", body)
	}
}

// SessionCookie is the visitor's session cookie, or nil.
func (v *Visitor) SessionCookie() *http.Cookie {
	for _, cookie := range v.Cookies(v.Site.URL) {
		if IsSessionCookie(cookie.Name) {
			return cookie
		}
	}
	return nil
}

// IsSessionCookie reports whether a cookie of this name carries a session.
func IsSessionCookie(name string) bool {
	name = strings.TrimPrefix(name, "__Host-")
	return strings.HasPrefix(name, "cognito_") && !IsLoginCookie(name) && !strings.HasSuffix(name, "_trips") && !strings.HasSuffix(name, "_out")
}

// IsLoginCookie reports whether it belongs to a login in progress.
func IsLoginCookie(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "__Host-"), "cognito_login_")
}

// PasswordOf is the password of a user whom every pool has.
func PasswordOf(name string) string {
	return map[string]string{"alice": "wonderland", "bob": "builder"}[name]
}

// Request is one HTTP exchange without a jar and without following redirects.
type Request struct {
	Method  string
	Path    string
	Cookies []*http.Cookie
	Header  map[string]string
}

// Answer is what came back, with its body read.
type Answer struct {
	*http.Response
	Text string
}

// Target is where a redirect leads.
func (r *Answer) Target() *url.URL {
	location, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return &url.URL{}
	}
	return location
}

// Cookie is the first cookie set whose name matches, or nil.
func (r *Answer) Cookie(match func(string) bool) *http.Cookie {
	for _, cookie := range r.Cookies() {
		if match(cookie.Name) && cookie.Value != "" {
			return cookie
		}
	}
	return nil
}

// Send makes a request that must be answered.
func (s *Site) Send(r Request) *Answer {
	s.Helper()
	answer, err := s.TrySend(r)
	if err != nil {
		s.Fatal(err)
	}
	return answer
}

// TrySend makes one that may fail, in any goroutine.
func (s *Site) TrySend(r Request) (*Answer, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	req, err := http.NewRequest(r.Method, s.URL+r.Path, nil)
	if err != nil {
		return nil, err
	}
	for _, cookie := range r.Cookies {
		req.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	for name, value := range r.Header {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	res, err := PlainClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return &Answer{res, string(body)}, err
}

// PlainClient opens a connection a request, so that no request hides behind
// an earlier one.
var PlainClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// PendingLogin is a login that has come as far as Cognito's answer: the
// callback is ready to be sent by whoever has the cookie.
type PendingLogin struct {
	State    string
	Cookie   *http.Cookie // of the attempt
	Callback string       // path and query
	Query    url.Values   // of the authorization request
}

// Begin starts a login at the app and stops at Cognito's door.
func (s *Site) Begin(parameters ...string) *PendingLogin {
	s.Helper()
	res := s.Send(Request{Path: "/login?" + strings.Join(parameters, "&")})
	if res.StatusCode != http.StatusFound {
		s.Fatalf("GET /login answered %d: %s", res.StatusCode, res.Text)
	}
	query := res.Target().Query()
	return &PendingLogin{State: query.Get("state"), Cookie: res.Cookie(IsLoginCookie), Query: query}
}

// Finish sends the callback with the attempt's cookie.
func (s *Site) Finish(p *PendingLogin, more ...*http.Cookie) *Answer {
	s.Helper()
	return s.Send(Request{Path: p.Callback, Cookies: append(more, p.Cookie)})
}

// Problem decodes an application/problem+json body.
func (r *Answer) Problem(t *testing.T) map[string]any {
	t.Helper()
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q, want application/problem+json", got)
	}
	return Decode(t, r.Text)
}

// Decode reads a body that is a JSON object.
func Decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Errorf("not a JSON object: %v in %.200q", err, body)
	}
	return fields
}

// NoSecretsIn looks for what the pool was sent, and therefore had issued, in a
// text that must hold none of it.
func (s *Site) NoSecretsIn(text, where string) {
	s.Helper()
	for _, canary := range s.Canaries() {
		if strings.Contains(text, canary) {
			s.Errorf("%s holds a secret: %.12s…", where, canary)
		}
	}
}

// Canaries are the codes, verifiers, tokens and states that have travelled.
func (s *Site) Canaries() []string {
	var found []string
	for _, endpoint := range []cognitotest.Endpoint{cognitotest.Token, cognitotest.Revoke, cognitotest.UserInfo, cognitotest.Authorize} {
		for _, sent := range s.Pool.Requests(endpoint) {
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

// LockedBuffer is a log that may be read while it is written.
type LockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *LockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *LockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// StatusLine is an answer in short.
func StatusLine(r *Answer) string { return fmt.Sprintf("%d %s", r.StatusCode, r.Text) }

// LogOut is a logout from a page of the app itself.
func LogOut(cookies ...*http.Cookie) Request {
	return Request{Method: http.MethodPost, Path: "/logout", Cookies: cookies, Header: map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

// MustLogOut checks the answer of a logout that was carried out.
func (s *Site) MustLogOut(res *Answer) {
	s.Helper()
	if res.StatusCode != http.StatusSeeOther {
		s.Errorf("the logout answered %s, want 303", StatusLine(res))
	}
	want := s.Pool.URL() + "/logout?client_id=" + NewPoolClientID + "&logout_uri=" + url.QueryEscape(s.URL+"/")
	if got := res.Header.Get("Location"); got != want {
		s.Errorf("the logout leads to %q, want %q", got, want)
	}
	if !res.DeletesSession() {
		s.Errorf("the logout does not delete the cookie: %q", res.Header["Set-Cookie"])
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control is %q, want no-store", got)
	}
	if got := res.Header.Get("Referrer-Policy"); got != "no-referrer" {
		s.Errorf("Referrer-Policy is %q, want no-referrer", got)
	}
}

// BasicAuth reads the credentials in a header.
func BasicAuth(header http.Header) (id, secret string, ok bool) {
	return (&http.Request{Header: header}).BasicAuth()
}

// RoundTripper is a transport that is a function.
type RoundTripper func(*http.Request) (*http.Response, error)

func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Absent stands for a header that From leaves out.
const Absent = "-"

// From are the headers by which a browser says who sent a request.
func From(fetchSite, origin string) map[string]string {
	header := map[string]string{}
	if fetchSite != Absent {
		header["Sec-Fetch-Site"] = fetchSite
	}
	if origin != Absent {
		header["Origin"] = origin
	}
	return header
}

// HasCORS reports whether any header of the CORS protocol is set.
func HasCORS(header http.Header) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(header)), func(name string) bool {
		return strings.HasPrefix(name, "Access-Control-")
	})
}
