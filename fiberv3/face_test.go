package cognito_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cognito "github.com/bar-tech/cognito/fiberv3"
	"github.com/bar-tech/cognito/fiberv3/cognitotest"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gofiber/fiber/v3/middleware/cache"
	"github.com/gofiber/fiber/v3/middleware/timeout"
	"github.com/gofiber/storage/memory/v2"
	"github.com/valyala/fasthttp"
)

// What is about Fiber v3 alone. Everything else is the suite for Fiber v2, which
// generate writes for this face.

// withPool is an app with a pool of its own.
func withPool(t *testing.T) (*fiber.App, *cognitotest.Pool) {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := fiber.New()
	app.Use(cognito.New(pool.Config()))
	t.Cleanup(func() { _ = app.Shutdown() })
	return app, pool
}

// TestAllocationsPerRequest: a visitor costs no allocation, and somebody who is
// signed in costs the one of the storage, which hands out a copy.
func TestAllocationsPerRequest(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	app, pool := withPool(t)
	app.Get("/", func(c fiber.Ctx) error { return c.SendString("hello") })
	app.Get("/mine", cognito.RequireUser(), func(c fiber.Ctx) error { return c.SendString(cognito.UserFrom(c).Subject()) })
	alice := ""
	for _, cookie := range pool.SignIn(app, "alice") {
		alice += "; " + cookie.Name + "=" + cookie.Value
	}
	serve := app.Handler()
	for _, row := range []struct {
		path, cookie string
		most         float64
	}{
		{"/", "", 0},
		{"/", "theme=dark; _ga=GA1.1.123", 0},
		{"/mine", "theme=dark" + alice, 1},
	} {
		sent := "GET " + row.path + " HTTP/1.1\r\nHost: localhost\r\nCookie: " + row.cookie + "\r\n\r\n"
		text := strings.NewReader(sent)
		wire := bufio.NewReader(text)
		visit := &fasthttp.RequestCtx{}
		status := 0
		each := testing.AllocsPerRun(500, func() {
			text.Reset(sent)
			wire.Reset(text)
			visit.Response.Reset()
			visit.ResetUserValues()
			if err := visit.Request.Read(wire); err != nil {
				t.Fatal(err)
			}
			serve(visit)
			status = visit.Response.StatusCode()
		})
		if status != http.StatusOK || each > row.most {
			t.Errorf("%s with %q: %d, %.1f allocations, want at most %.0f", row.path, row.cookie, status, each, row.most)
		}
	}
}

// TestHandlerThatIsGivenUp: Fiber's timeout answers while a handler still runs and
// writes. Nothing of ours touches the answer then, and the honest request after it
// is served.
func TestHandlerThatIsGivenUp(t *testing.T) {
	app, pool := withPool(t)
	release, ended := make(chan struct{}), make(chan string, 1)
	app.Get("/slow", timeout.New(func(c fiber.Ctx) error {
		<-release
		user := cognito.UserFrom(c)
		c.Set("X-Late", "yes")
		ended <- user.Email()
		return nil
	}, timeout.Config{Timeout: 20 * time.Millisecond}))
	app.Get("/mine", func(c fiber.Ctx) error { return c.SendString(cognito.UserFrom(c).Email()) })
	alice := pool.SignIn(app, "alice")
	ask := func(path string) (int, string) {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for _, cookie := range alice {
			r.AddCookie(cookie)
		}
		response, err := app.Test(r, fiber.TestConfig{Timeout: 0})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, _ := ask("/slow"); status != http.StatusRequestTimeout {
		t.Errorf("a handler that takes too long is answered %d, want 408", status)
	}
	close(release)
	if email := <-ended; email != "alice@example.com" {
		t.Errorf("the handler that was given up works for %q", email)
	}
	if status, body := ask("/mine"); status != http.StatusOK || body != "alice@example.com" {
		t.Errorf("the next request is answered %d %q", status, body)
	}
}

// TestSlowLoginBesideTimeout: behind ours, Fiber's timeout does not cut a login short that
// takes longer. In front of ours it answers before the session's cookie is there.
func TestSlowLoginBesideTimeout(t *testing.T) {
	for _, inFront := range []bool{false, true} {
		if inFront && raceEnabled {
			continue // the handler that was given up and Fiber write to one answer
		}
		pool := cognitotest.New(cognitotest.Options{})
		t.Cleanup(pool.Close)
		app, status := fiber.New(), 0
		limited := timeout.New(func(c fiber.Ctx) error { return c.Next() }, timeout.Config{Timeout: 1500 * time.Millisecond})
		handlers := []fiber.Handler{cognito.New(pool.Config()), limited}
		if inFront {
			slices.Reverse(handlers)
		}
		app.Use(func(c fiber.Ctx) error {
			err := c.Next()
			if c.Path() == "/login/redirect" {
				status = c.Response().StatusCode()
			}
			return err
		}, handlers[0], handlers[1])
		t.Cleanup(func() { _ = app.Shutdown() })
		pool.Break(cognitotest.Token, cognitotest.Fault{Delay: 3 * time.Second})
		want := http.StatusFound
		if inFront {
			want = http.StatusRequestTimeout
		}
		func() {
			defer func() { _ = recover() }() // SignIn panics without a session
			pool.SignIn(app, "alice")
		}()
		if status != want {
			t.Errorf("in front %v: the callback is answered %d, want %d", inFront, status, want)
		}
	}
}

// TestRestOfWhatIsGivenUp: another site's form holds a request with the app's own Origin,
// and goes to a handler that takes longer than Fiber's timeout allows. The timeout answers,
// behind ours or in front of it, and what nobody has read of the form is not taken for the
// next request on the connection, to which the visitor's own next one would lend its
// cookie. A form that is answered in time is taken.
func TestRestOfWhatIsGivenUp(t *testing.T) {
	// What is to be in time has a minute, or a busy machine is late for everything.
	limit, minute := timeout.Config{Timeout: 400 * time.Millisecond}, timeout.Config{Timeout: time.Minute}
	isSlow := func(c fiber.Ctx) bool { return c.Path() == "/slow" }
	for name, build := range map[string]func(app *fiber.App, ours, slow fiber.Handler){
		"behind": func(app *fiber.App, ours, slow fiber.Handler) {
			app.Use(ours)
			app.Post("/slow", timeout.New(slow, limit))
			app.Post("/quick", timeout.New(slow, minute))
		},
		"in front": func(app *fiber.App, ours, slow fiber.Handler) {
			limit, minute := limit, minute
			limit.Next, minute.Next = func(c fiber.Ctx) bool { return !isSlow(c) }, isSlow
			next := func(c fiber.Ctx) error { return c.Next() }
			app.Use(timeout.New(next, limit), timeout.New(next, minute), ours)
			app.Post("/slow", slow)
			app.Post("/quick", slow)
		},
	} {
		for _, streams := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, streaming %v", name, streams), func(t *testing.T) {
				if raceEnabled && name == "in front" {
					t.Skip("the timeout copies the answer unsynchronized, whatever wrote to it")
				}
				pool := cognitotest.New(cognitotest.Options{})
				t.Cleanup(pool.Close)
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				host := "localhost:" + fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
				config := pool.Config()
				app := fiber.New(fiber.Config{StreamRequestBody: streams, BodyLimit: 1 << 20})
				release := make(chan struct{})
				build(app, cognito.New(config), func(c fiber.Ctx) error {
					if isSlow(c) {
						<-release
					}
					return c.SendString("done")
				})
				app.Post("/change", cognito.RequireUser(), func(c fiber.Ctx) error { return c.SendString("changed") })
				app.Post("/take", func(c fiber.Ctx) error {
					c.RequestCtx().Hijack(func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nours") })
					return nil
				})
				app.Get("/public", func(c fiber.Ctx) error { return c.SendString("public") })
				cookie := ""
				for _, each := range pool.SignIn(app, "alice") {
					cookie += fmt.Sprintf("Cookie: %s=%s\r\n", each.Name, each.Value)
				}
				go func() { _ = app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
				t.Cleanup(func() { close(release); _ = app.Shutdown() })

				smuggled := fmt.Sprintf("POST /change HTTP/1.1\r\nHost: %s\r\nOrigin: http://%s\r\nContent-Length: 0\r\nX-Swallows: ", host, host)
				visit := fmt.Sprintf("GET /public HTTP/1.1\r\nHost: %s\r\n%sConnection: close\r\n\r\n", host, cookie)
				form := func(target, kind, body string) string {
					return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nOrigin: https://evil.example\r\n%sContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", target, host, cookie, kind, len(body), body)
				}
				inParts := func(epilogue string) string {
					return "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n" + epilogue
				}
				const parts = "multipart/form-data; boundary=x"
				forms := map[string]string{}
				for _, lines := range []int{2000, 4000, 8000} { // some are read with the last part
					forms[fmt.Sprint("in parts, ", lines)] = form("/slow", parts, inParts(strings.Repeat("\r\n", lines)+smuggled))
				}
				if streams {
					forms["streamed"] = form("/slow", "text/plain", strings.Repeat("a", 8192)+smuggled)
				}
				for kind, sent := range forms {
					answers := talk(t, listener.Addr(), sent+visit)
					if len(answers) == 0 || !strings.HasPrefix(answers[0], "408") || len(answers) > 1 && answers[1] != "200 public" {
						t.Errorf("%s: the answers are %q", kind, answers)
					}
				}
				if answers := talk(t, listener.Addr(), form("/quick", parts, inParts(""))+visit); len(answers) == 0 || answers[0] != "200 done" {
					t.Errorf("a form that is answered in time: %q", answers)
				}
				if answers := talk(t, listener.Addr(), form("/take", parts, inParts(""))); len(answers) != 2 || answers[1] != "200 ours" {
					t.Errorf("a connection that is taken over: %q", answers)
				}
			})
		}
	}
}

// TestMethodThatTheAppDoesNotServe: a stranger sends a request with such a method, and a
// body that is too large. Fiber hands it to the app's error handler, which asks who is
// there and falls back on our answer. That must not panic, because nothing recovers there.
// A request that is none is served.
func TestMethodThatTheAppDoesNotServe(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := fiber.New(fiber.Config{
		BodyLimit: 1000, RequestMethods: []string{fiber.MethodGet, fiber.MethodHead, fiber.MethodPost},
		ErrorHandler: func(c fiber.Ctx, err error) error {
			if user := cognito.UserFrom(c); user != nil {
				t.Errorf("a request that Fiber cannot read is %s's", user.Email())
			}
			return cognito.DefaultErrorHandler(c, err)
		},
	})
	app.Use(cognito.New(pool.Config()))
	app.Get("/public", func(c fiber.Ctx) error { return c.SendString("public") })
	at := listen(t, app)
	for _, method := range []string{"FOO", "PUT"} {
		answers := talk(t, at, method+" / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n")
		if len(answers) != 1 || !strings.HasPrefix(answers[0], "413 {") {
			t.Errorf("%s: the answers are %q", method, answers)
		}
	}
	answers := talk(t, at, "GET /public HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if !slices.Equal(answers, []string{"200 public"}) {
		t.Errorf("an honest request is answered %q", answers)
	}
}

// TestErrorThatACacheKeeps: a stranger asks for the script of all pages, with a body that
// is too large, or with chunks that end in what is no header. Fiber runs the middleware, and
// answers with an error. A cache in front must not keep it for everybody, as it keeps the
// script.
func TestErrorThatACacheKeeps(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := fiber.New(fiber.Config{BodyLimit: 1000})
	config := pool.Config()
	config.UserPath = "/me"
	config.Bearer, config.BaseURL, config.Audience = true, "http://localhost", "http://localhost"
	app.Use(cognito.New(config))
	at := listen(t, app)
	for _, path := range []string{"/me.js", "/.well-known/oauth-protected-resource"} {
		const chunked = "Transfer-Encoding: chunked\r\n\r\n"
		for rest, want := range map[string]string{
			"Content-Length: 5000\r\n\r\n":           "413 no-store",
			chunked + "1\r\na\r\n0\r\nX@: b\r\n\r\n": "400 no-store",
			chunked + "0\r\nCookie: a=b\r\n\r\n":     "400 no-store",
			"Content-Length: 0\r\n\r\n":              "200 max-age=300",
			"\r\n":                                   "200 max-age=300",
		} {
			if got := ask(t, at, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\n%s", path, rest)); got != want {
				t.Errorf("%s with %q: %q, want %q", path, rest, got, want)
			}
		}
	}
}

// ask sends one request, as it stands, and returns the status of the answer and what the
// answer tells caches.
func ask(t *testing.T, to net.Addr, text string) string {
	t.Helper()
	response, err := http.ReadResponse(send(t, to, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.StatusCode, " ", response.Header.Get("Cache-Control"))
}

// inProcess asks an app by Fiber's adaptor for net/http.
func inProcess(handler http.Handler, path string, cookies []*http.Cookie) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil)
	r.RequestURI = path
	r.Header.Set("Accept", "text/html")
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	return answer.Result()
}

// slowStorage is one that takes a while to read, and may fail then.
type slowStorage struct {
	fiber.Storage
	delay atomic.Int64
	fails atomic.Bool
}

func (s *slowStorage) Get(key string) ([]byte, error) {
	fails := s.fails.Load()
	time.Sleep(time.Duration(s.delay.Load()))
	if fails {
		return nil, errors.New("down")
	}
	return s.Storage.Get(key)
}

// TestAnswerForTheNextVisitor: Fiber's timeout gives up alice's request, and Fiber's adaptor
// for net/http lends its memory to the next visitor, bob, while ours goes on. He gets nothing
// of it: not her session, not her claims, not what refuses her. He is not taken for her, nor
// she for him, and he keeps his own session. When nothing is given up, she is served.
func TestAnswerForTheNextVisitor(t *testing.T) {
	if raceEnabled {
		t.Skip("the adaptor shares the request with the handler that was given up")
	}
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	storage, ended := &slowStorage{Storage: memory.New()}, make(chan struct{}, 100)
	t.Cleanup(func() { _ = storage.Close() })
	config := pool.Config()
	config.Storage, config.Keys, config.UserPath = storage, []string{"q83HhZkP0vXyTt5nE2mJ9sWbL7dRcGfA4uYoKiN1xzQ="}, "/me"
	limited := func(next fiber.Handler) fiber.Handler {
		return timeout.New(func(c fiber.Ctx) error {
			defer func() { ended <- struct{}{} }()
			return next(c)
		}, timeout.Config{Timeout: 500 * time.Millisecond, Next: func(c fiber.Ctx) bool { return c.Path() == "/wait" }})
	}
	app := fiber.New()
	app.Use("/front", limited(func(c fiber.Ctx) error {
		c.Path(strings.TrimPrefix(c.Path(), "/front"))
		return c.RestartRouting()
	}))
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	app.Use("/*", auth.Handler())
	app.Get("/wait", func(c fiber.Ctx) error {
		_ = c.SendString("waited")
		if c.Query("as") == "stream" {
			_ = c.SendStream(strings.NewReader("waited"))
		}
		<-ended
		user := cognito.UserFrom(c)
		c.Set("X-Alice", fmt.Sprint(user != nil && user.Username() == "alice"))
		return nil
	})
	app.Get("/mine", cognito.RequireUser(), func(c fiber.Ctx) error { return c.SendString(cognito.UserFrom(c).Email()) })
	app.Get("/renew", limited(cognito.Refresh))
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Second)
		_, _ = w.Write([]byte("alice's"))
	}))
	t.Cleanup(upstream.Close)
	app.Get("/api/*", limited(auth.Forward(upstream.URL)))
	app.Get("/late", limited(func(c fiber.Ctx) error {
		time.Sleep(time.Second)
		if user := cognito.UserFrom(c); user != nil {
			t.Errorf("the handler that was given up works for %s", user.Username())
		}
		if err := cognito.RequireUser()(c); err != nil {
			t.Errorf("the guard in it says %v", err)
		}
		return nil
	}))
	app.Get("/leave", limited(func(c fiber.Ctx) error {
		time.Sleep(time.Second)
		return auth.Logout(c)
	}))
	handler := adaptor.FiberApp(app)
	alice, bob := pool.SignIn(handler, "alice"), pool.SignIn(handler, "bob")
	served := func(path string, cookies []*http.Cookie) bool {
		return inProcess(handler, path, cookies).StatusCode == http.StatusOK
	}
	for name, row := range map[string]struct {
		path         string
		slow, fails  bool // the storage
		slowEndpoint bool
		next         []*http.Cookie
		streams      bool // what the next visitor gets
	}{
		"who is there":               {"/front/me", true, false, false, nil, false},
		"a refusal":                  {"/front/me", true, true, false, nil, false},
		"a page":                     {"/front/mine", true, false, false, nil, false},
		"a page for bob":             {"/front/mine", true, false, false, bob, false},
		"Refresh":                    {"/renew", false, false, true, nil, false},
		"Refresh for bob":            {"/renew", false, false, true, bob, false},
		"a late handler":             {"/late", false, false, false, bob, false},
		"a late logout":              {"/leave", false, false, false, bob, false},
		"a late logout and a stream": {"/leave", false, false, false, bob, true},
		"an upstream's":              {"/api/x", false, false, false, bob, false},
	} {
		t.Run(name, func(t *testing.T) {
			if row.slow {
				storage.delay.Store(int64(time.Second))
			}
			storage.fails.Store(row.fails)
			if row.slowEndpoint {
				pool.Break(cognitotest.Token, cognitotest.Fault{Delay: time.Second, Times: 1})
			}
			given := inProcess(handler, row.path, alice)
			storage.delay.Store(0)
			storage.fails.Store(false)
			next := "/wait"
			if row.streams {
				next += "?as=stream"
			}
			checkNext(t, given, inProcess(handler, next, row.next))
		})
	}
	t.Run("a login", func(t *testing.T) {
		pool.Break(cognitotest.Token, cognitotest.Fault{Delay: time.Second, Times: 1})
		login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RequestURI = "/front" + r.RequestURI
			handler.ServeHTTP(w, r)
		})
		func() {
			defer func() { _ = recover() }() // SignIn panics without a session
			pool.SignIn(login, "alice")
			t.Error("the login is not given up")
		}()
		for len(ended) > 0 {
			<-ended // of /login
		}
		checkNext(t, &http.Response{StatusCode: http.StatusRequestTimeout}, inProcess(handler, "/wait", bob))
	})
	if !served("/mine", bob) || !served("/mine", alice) || !served("/front/me", alice) || !served("/renew", alice) {
		t.Error("a session is over, or a request in time is not served")
	}
}

func checkNext(t *testing.T, given, next *http.Response) {
	t.Helper()
	if given.StatusCode != http.StatusRequestTimeout {
		t.Errorf("the request that takes too long is answered %d", given.StatusCode)
	}
	body, _ := io.ReadAll(next.Body)
	if got := next.Cookies(); next.StatusCode != http.StatusOK || string(body) != "waited" || len(got) > 0 || next.Header.Get("Location") != "" {
		t.Errorf("the next visitor gets %d %q, %v and %q", next.StatusCode, body, got, next.Header.Get("Location"))
	}
	if next.Header.Get("X-Alice") != "false" {
		t.Error("the next visitor is taken for alice")
	}
}

// TestForwardThatIsGivenUp: Fiber's timeout answers before the upstream does. What comes
// then is read by nobody, so the call ends, and neither it nor its connection stays open. An
// answer in time arrives.
func TestForwardThatIsGivenUp(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	release, ended := make(chan struct{}), make(chan error, 10)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		_, err := w.Write(make([]byte, 16<<20)) // more than waits in buffers
		ended <- err
	}))
	auth, err := cognito.NewAuth(pool.Config())
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	app.Use("/*", auth.Handler())
	app.Get("/api/*", timeout.New(auth.Forward(upstream.URL), timeout.Config{
		Timeout: 50 * time.Millisecond, Next: func(c fiber.Ctx) bool { return c.Path() == "/api/fast" },
	}))
	cookie := ""
	for _, each := range pool.SignIn(app, "alice") {
		cookie += fmt.Sprintf("Cookie: %s=%s\r\n", each.Name, each.Value)
	}
	at := listen(t, app)
	get := func(path string) []string {
		return talk(t, at, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+cookie+"Connection: close\r\n\r\n")
	}
	for range 3 {
		if answers := get("/api/slow"); !slices.Equal(answers, []string{"408 Request Timeout"}) {
			t.Errorf("an upstream that takes too long is answered %q", answers)
		}
	}
	close(release)
	for range 3 {
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Fatal("a call that was given up goes on")
		}
	}
	if answers := get("/api/fast"); len(answers) != 1 || len(answers[0]) != len("200 ")+16<<20 {
		t.Errorf("an answer in time arrives as %.40q", answers)
	}
	upstream.Close()
}

// TestPersonalPageAfterATimeout: fasthttp remembers that a request was given up, and Fiber's
// adaptor for net/http lends the same memory to later ones. Their personal answers are still
// kept out of shared caches.
func TestPersonalPageAfterATimeout(t *testing.T) {
	if raceEnabled {
		t.Skip("the adaptor shares the request with the handler that was given up")
	}
	app, pool := withPool(t)
	ended := make(chan struct{})
	app.Get("/slow", timeout.New(func(c fiber.Ctx) error {
		defer close(ended)
		<-c.Context().Done()
		return nil
	}, timeout.Config{Timeout: 20 * time.Millisecond}))
	app.Get("/mine", cognito.RequireUser(), func(c fiber.Ctx) error { return c.SendString(cognito.UserFrom(c).Email()) })
	handler := adaptor.FiberApp(app)
	alice := pool.SignIn(handler, "alice")
	if answer := inProcess(handler, "/slow", alice); answer.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a handler that takes too long is answered %d", answer.StatusCode)
	}
	<-ended
	for range 4 {
		answer := inProcess(handler, "/mine", alice)
		if kept := answer.Header.Get("Cache-Control"); answer.StatusCode != http.StatusOK || kept != "private, no-store" || answer.Header.Get("Vary") != "Cookie" {
			t.Errorf("alice's page: %d with Cache-Control %q", answer.StatusCode, kept)
		}
	}
}

// listen serves an app on a port of its own.
func listen(t *testing.T, app *fiber.App) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() { _ = app.Shutdown() })
	return listener.Addr()
}

// send sends bytes on one connection, as they stand, for whoever reads the answers.
func send(t *testing.T, to net.Addr, text string) *bufio.Reader {
	t.Helper()
	conn, err := net.Dial("tcp", to.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	go func() { _, _ = io.WriteString(conn, text) }()
	return bufio.NewReader(conn)
}

// talk sends bytes on one connection, as they stand, and returns all answers.
func talk(t *testing.T, to net.Addr, text string) (answers []string) {
	t.Helper()
	for reader := send(t, to, text); ; {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(response.Body)
		answers = append(answers, fmt.Sprintf("%d %s", response.StatusCode, body))
	}
}

// TestTargetWithoutSlash: a stranger sends targets that do not begin with a slash, for which
// Fiber v3 does not call what is registered without a path, and a catch-all behind the guard
// answers like a file server. Registered as the manual says, the middleware and the guard see
// them all. If only the middleware is, it refuses what the guard would not see. If neither
// is, the log says so. Honest requests are served.
func TestTargetWithoutSlash(t *testing.T) {
	for name, row := range map[string]struct {
		register    func(app *fiber.App, ours, guard fiber.Handler)
		safe, warns bool
	}{
		"as the manual says":    {func(app *fiber.App, ours, guard fiber.Handler) { app.Use("/*", ours, guard) }, true, false},
		"only the middleware":   {func(app *fiber.App, ours, guard fiber.Handler) { app.Use("/*", ours); app.Use(guard) }, true, false},
		"a guard on the prefix": {func(app *fiber.App, ours, guard fiber.Handler) { app.Use("/*", ours); app.Use("/admin", guard) }, true, false},
		"neither":               {func(app *fiber.App, ours, guard fiber.Handler) { app.Use(ours, guard) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			logged := &strings.Builder{}
			config := pool.Config()
			config.Logger = slog.New(slog.NewTextHandler(logged, nil))
			app := fiber.New()
			row.register(app, cognito.New(config), cognito.RequireUser())
			app.All("/*", func(c fiber.Ctx) error { return c.Send(c.RequestCtx().URI().Path()) })
			at := listen(t, app)
			get := func(target, cookie string) string {
				return strings.Join(talk(t, at, "GET "+target+" HTTP/1.1\r\nHost: localhost\r\n"+cookie+"Connection: close\r\n\r\n"), "")
			}
			for _, target := range []string{"admin/plan", "%61dmin/plan", "x/../admin/plan", "*/../admin/plan", "%2fadmin/plan", "*", "?x", "http://localhost?x"} {
				if got := get(target, ""); row.safe && !strings.HasPrefix(got, "40") {
					t.Errorf("%s is answered %.80q", target, got)
				}
			}
			if got := get("/admin/plan", ""); !strings.HasPrefix(got, "401") {
				t.Errorf("the page itself is answered %.80q", got)
			}
			cookie := ""
			for _, each := range pool.SignIn(app, "alice") {
				cookie += fmt.Sprintf("Cookie: %s=%s\r\n", each.Name, each.Value)
			}
			if got := get("/admin/plan", cookie); got != "200 /admin/plan" {
				t.Errorf("alice gets %.80q", got)
			}
			if got := strings.Contains(logged.String(), "level=WARN"); got != row.warns {
				t.Errorf("the log says %s", logged)
			}
		})
	}
	// What asks the server itself, as probes do, passes where no guard is.
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := fiber.New()
	app.Use("/*", cognito.New(pool.Config()))
	app.All("/*", func(c fiber.Ctx) error { return c.SendString("here") })
	if got := talk(t, listen(t, app), "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); !slices.Equal(got, []string{"200 here"}) {
		t.Errorf("OPTIONS * is answered %q", got)
	}

	// Where no route takes such targets, there is nothing to warn of.
	logged := &strings.Builder{}
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(logged, nil))
	app = fiber.New()
	app.Use(cognito.New(config))
	app.Get("/here", func(c fiber.Ctx) error { return c.SendString("here") })
	if got := talk(t, listen(t, app), "GET /here HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); !slices.Equal(got, []string{"200 here"}) || logged.Len() > 0 {
		t.Errorf("an app without a catch-all answers %q, and the log says %s", got, logged)
	}
}

// TestStreamThatKeepsItsContext: a handler abandons its context for a stream, as newer
// releases of Fiber do for server-sent events. Nothing has answered in its place, so the
// answer brings the renewed session, with which the next instance knows alice, and no shared
// cache keeps it.
func TestStreamThatKeepsItsContext(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{ID: "1web", CallbackURLs: []string{"http://localhost/login/redirect"}, RotateRefreshTokens: true}}})
	t.Cleanup(pool.Close)
	config := pool.Config()
	config.CookieSessions, config.CookieName, config.Keys = true, "session", []string{"q83HhZkP0vXyTt5nE2mJ9sWbL7dRcGfA4uYoKiN1xzQ="}
	instance := func() *fiber.App {
		app := fiber.New()
		app.Use("/*", cognito.New(config))
		app.Get("/events", cognito.RequireUser(), func(c fiber.Ctx) error {
			username := cognito.UserFrom(c).Username()
			c.Abandon()
			return c.SendStreamWriter(func(w *bufio.Writer) { fmt.Fprint(w, username) })
		})
		return app
	}
	first, second := listen(t, instance()), listen(t, instance())
	get := func(at net.Addr, cookies []*http.Cookie) (*http.Response, string) {
		request := "GET /events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		for _, each := range cookies {
			request += fmt.Sprintf("Cookie: %s=%s\r\n", each.Name, each.Value)
		}
		response, err := http.ReadResponse(send(t, at, request+"\r\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		return response, string(body)
	}
	alice := pool.SignIn(instance(), "alice")
	pool.Advance(2 * time.Hour)
	response, body := get(first, alice)
	if kept := response.Header.Get("Cache-Control"); body != "alice" || kept != "private, no-store" || response.Header.Get("Vary") != "Cookie" {
		t.Errorf("the stream: %d %q with Cache-Control %q", response.StatusCode, body, kept)
	}
	if response, body := get(second, response.Cookies()); body != "alice" {
		t.Errorf("the next instance answers %d %q", response.StatusCode, body)
	}
}

// TestCacheBesideOurs: Fiber v3's cache heeds no-store. In front of ours, it keeps no page of
// alice's. Behind ours, it decides before the header is there, and hands her page out unless
// it is told by the recipe of docs/middleware.md who is signed in. With the recipe it still
// keeps what is for everybody, in both orders.
func TestCacheBesideOurs(t *testing.T) {
	plain := func() fiber.Handler { return cache.New() }
	recipe := func() fiber.Handler {
		return cache.New(cache.Config{
			KeyGenerator: func(c fiber.Ctx) string {
				return c.OriginalURL() + " " + c.Get("Cookie") + " " + c.Get("Authorization")
			},
			Next: func(c fiber.Ctx) bool {
				return cognito.PayloadFrom(c) != nil || strings.Contains(c.GetRespHeader("Cache-Control"), "no-store")
			},
		})
	}
	for name, row := range map[string]struct {
		cache            func() fiber.Handler
		inFront, outward bool
	}{
		"in front":             {plain, true, false},
		"behind":               {plain, false, true},
		"in front, the recipe": {recipe, true, false},
		"behind, the recipe":   {recipe, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			handlers := []any{cognito.New(pool.Config()), row.cache()}
			if row.inFront {
				slices.Reverse(handlers)
			}
			app := fiber.New()
			t.Cleanup(func() { _ = app.Shutdown() })
			app.Use(append([]any{"/*"}, handlers...)...)
			app.Get("/who", func(c fiber.Ctx) error {
				if user := cognito.UserFrom(c); user != nil {
					return c.SendString(user.Username())
				}
				return c.SendString("nobody")
			})
			app.Get("/public", func(c fiber.Ctx) error { return c.SendString("public") })
			get := func(path string, cookies []*http.Cookie) (body, hit string) {
				answer := inProcess(adaptor.FiberApp(app), path, cookies)
				text, _ := io.ReadAll(answer.Body)
				return string(text), answer.Header.Get("X-Cache")
			}
			if body, _ := get("/who", pool.SignIn(app, "alice")); body != "alice" {
				t.Errorf("alice is %q", body)
			}
			if body, _ := get("/who", nil); (body == "alice") != row.outward {
				t.Errorf("after her, a stranger is %q", body)
			}
			get("/public", nil)
			if body, hit := get("/public", nil); body != "public" || hit != "hit" {
				t.Errorf("a public page is a cache's %q: %q", hit, body)
			}
		})
	}
}
