package cognito_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// upstream is a service that requests are forwarded to.
func upstream(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// forwarding is an app that forwards /api/* to a service.
func forwarding(t *testing.T, to string, hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	return lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.All("/api/*", auth.Forward(to))
		lab.Pages(app)
	}, hooks...)
}

// TestForward: a page of alice's calls an API through the app, with her token, before
// and after its expiry; the API sees no cookie, and nobody else gets there.
func TestForward(t *testing.T) {
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			api := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				w.Header().Set("X-Token", r.Header.Get("Authorization"))
				w.WriteHeader(http.StatusAccepted)
				fmt.Fprintf(w, "%s %s %q cookies=%d", r.Method, r.RequestURI, body, len(r.Cookies()))
			})
			s := forwarding(t, api+"/v1", hooks...)
			if res := s.Send(lab.Request{Path: "/api/items"}); res.StatusCode != http.StatusUnauthorized || res.Problem(t)["login_url"] == nil {
				t.Errorf("a stranger gets %s", lab.StatusLine(res))
			}
			page := s.Send(lab.Request{Path: "/api/items", Header: map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}})
			if page.StatusCode != http.StatusFound {
				t.Errorf("a stranger's page visit gets %s, want the login", lab.StatusLine(page))
			}

			cookie := s.SignIn("alice")
			get := func(path string) *lab.Answer { return s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{cookie}}) }
			res := get("/api/items/7?a=b&c=%20d")
			if res.StatusCode != http.StatusAccepted || res.Text != `GET /v1/items/7?a=b&c=%20d "" cookies=0` {
				t.Errorf("the API answered %s", lab.StatusLine(res))
			}
			first := res.Header.Get("X-Token")
			if token := get("/token").Text; first != "Bearer "+token {
				t.Error("the API got another token than alice's")
			}
			s.Pool.Advance(2 * time.Hour)
			if second := get("/api/").Header.Get("X-Token"); second == first || !strings.HasPrefix(second, "Bearer ") {
				t.Error("after the expiry the API got the old token, or none")
			}
		})
	}
}

// TestForwardPassesUpstreamsRefusals: what the API refuses stays refused, and is no
// reason to ask the visitor for a password.
func TestForwardPassesUpstreamsRefusals(t *testing.T) {
	calls := 0
	s := forwarding(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.Header().Set("WWW-Authenticate", `Basic realm="api"`)
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	alice := s.SignIn("alice")
	res := s.Send(lab.Request{Path: "/api/x", Cookies: []*http.Cookie{alice}})
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") != "" || calls != 1 {
		t.Errorf("%s, %q, %d calls", lab.StatusLine(res), res.Header.Get("WWW-Authenticate"), calls)
	}
	if res := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{alice}}); res.StatusCode != http.StatusOK {
		t.Errorf("alice is %s afterwards", lab.StatusLine(res))
	}
}

// TestForwardWithoutUpstream: nobody there is a 502 with a bland text, and the log says
// where to look.
func TestForwardWithoutUpstream(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	s := forwarding(t, "http://"+address)
	res := s.Send(lab.Request{Path: "/api/x?key=hidden", Cookies: []*http.Cookie{s.SignIn("alice")}})
	if res.StatusCode != http.StatusBadGateway || strings.Contains(res.Text, address) {
		t.Errorf("%s: %s", lab.StatusLine(res), res.Text)
	}
	if log := s.Logged.String(); !strings.Contains(log, "upstream=http://"+address) || strings.Contains(log, "hidden") {
		t.Error("the log does not say which upstream, or says what was asked")
	}
}

// TestForwardKeepsRedirectsInTheRoute: the visitor follows a redirect where the upstream
// cannot be seen.
func TestForwardKeepsRedirectsInTheRoute(t *testing.T) {
	var api string
	api = upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", strings.ReplaceAll(r.URL.Query().Get("to"), "SELF", api))
		w.WriteHeader(http.StatusSeeOther)
	})
	s := forwarding(t, api+"/v1")
	alice := s.SignIn("alice")
	for to, want := range map[string]string{
		"SELF/v1/items/8%3Fx=1":          "/api/items/8?x=1",
		"/v1/items":                      "/api/items",
		"other":                          "/api/other",
		"https://files.example.com/a":    "https://files.example.com/a",
		"//files.example.com/a":          "http://files.example.com/a",
		"/outside":                       api + "/outside",
		"/v1/%252e%252e/x":               api + "/v1/%2e%2e/x",
		"javascript:alert(1)":            "",
		"SELF.evil.example/v1/items":     "",
		"http://user@evil.example/v1/it": "http://user@evil.example/v1/it",
	} {
		res := s.Send(lab.Request{Path: "/api/x?to=" + to, Cookies: []*http.Cookie{alice}})
		if got := res.Header.Get("Location"); got != want || res.StatusCode != http.StatusSeeOther {
			t.Errorf("to %q leads to %q, %s", to, got, lab.StatusLine(res))
		}
	}
}

// streaming is an app that takes bodies of any size as they come.
func streaming(t *testing.T, to string, hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	s := lab.ServeAppStreaming(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.All("/api/*", auth.Forward(to))
		lab.Pages(app)
	}, hooks...)
	return s
}

// TestForwardStreams: 64 MB pass both ways, whole, and are never in memory.
func TestForwardStreams(t *testing.T) {
	const size = 64 << 20
	s := streaming(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		w.Header().Set("X-Sum", fmt.Sprintf("%d %x %v", n, sum.Sum(nil), err))
		chunk := bytes.Repeat([]byte("cognito!"), 4096)
		for range size / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	alice := s.SignIn("alice")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sent := sha256.New()
	req, err := http.NewRequest(http.MethodPost, s.URL+"/api/big", io.TeeReader(io.LimitReader(endlessly("wonderland"), size), sent))
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(alice)
	req.Header.Set("Origin", s.URL)
	res, err := lab.PlainClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if n != size || err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%d bytes came back: %v, %s", n, err, res.Status)
	}
	if got, want := res.Header.Get("X-Sum"), fmt.Sprintf("%d %s <nil>", size, hex.EncodeToString(sent.Sum(nil))); got != want {
		t.Errorf("the API got %s, want %s", got, want)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/2 {
		t.Errorf("%d MB were allocated on the way", grown>>20)
	}
}

// endlessly is a text without an end.
type endlessly string

func (e endlessly) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// TestForwardEarlyRefusal: an API that refuses a body before it has come is heard, and
// what is left of the body is taken for no other request.
func TestForwardEarlyRefusal(t *testing.T) {
	s := streaming(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	}))
	conn := dial(t, s)
	fmt.Fprintf(conn, "POST /api/x HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[1]s\r\nContent-Length: 10000000\r\nCookie: %[2]s\r\n\r\n%[3]s", hostOf(s), pair(s.SignIn("alice")), strings.Repeat("some", 5000))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
		t.Fatalf("%v, %v", res, err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "too much\n" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if rest, err := io.ReadAll(conn); len(rest) > 0 {
		t.Errorf("%q follows, %v", rest, err)
	}
}

// TestForwardKeepsConnections: answers with and without bodies follow each other on one
// connection, and so do requests whose bodies stream.
func TestForwardKeepsConnections(t *testing.T) {
	s := streaming(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		default:
			fmt.Fprintf(w, "%s %d", r.Method, len(body))
		}
	}))
	cookie := pair(s.SignIn("alice"))
	conn := dial(t, s)
	reader := bufio.NewReader(conn)
	for _, row := range []struct {
		method, path string
		size, status int
		want         string
	}{
		{"HEAD", "/api/x", 0, 200, ""}, {"GET", "/api/204", 0, 204, ""}, {"GET", "/api/304", 0, 304, ""},
		{"POST", "/api/x", 3, 200, "POST 3"}, {"POST", "/api/x", 100000, 200, "POST 100000"}, {"POST", "/api/204", 100000, 204, ""},
		{"POST", "/api/x", 0, 200, "POST 0"}, {"GET", "/api/x", 0, 200, "GET 0"}, {"DELETE", "/api/x", 0, 200, "DELETE 0"},
	} {
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[3]s\r\nContent-Length: %d\r\nCookie: %s\r\n\r\n%s", row.method, row.path, hostOf(s), row.size, cookie, strings.Repeat("x", row.size))
		res, err := http.ReadResponse(reader, &http.Request{Method: row.method})
		if err != nil {
			t.Fatal(row.method, row.path, row.size, err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != row.want || err != nil || res.StatusCode != row.status || res.Close {
			t.Errorf("%s %s of %d: %q, %v, %s, closing: %v", row.method, row.path, row.size, body, err, res.Status, res.Close)
		}
	}
}

// TestForwardUnescapedPaths: an app with UnescapePath sees other paths, and the API the
// same.
func TestForwardUnescapedPaths(t *testing.T) {
	api := upstream(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	pool := lab.NewPool(t)
	config := pool.Config()
	config.AllowAmbiguousPaths = true
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	defer auth.Close()
	app := fiber.New(fiber.Config{UnescapePath: true})
	app.Use(auth.Handler())
	app.All("/api/*", auth.Forward(api+"/v1"))
	for path, want := range map[string]string{
		"/api/a%20b%3Fc": "/v1/a%20b%3Fc", "/api/100%25": "/v1/100%25", "/api/caf%C3%A9?x=%20": "/v1/caf%C3%A9?x=%20",
		"/api/%2e%2e/admin": "400", "/api/..%2fadmin": "400", "/api/%252e%252e/admin": "400", "/api/..%5cadmin": "400",
	} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		for _, cookie := range pool.SignIn(app, "alice") {
			r.AddCookie(cookie)
		}
		res, err := app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		if got := string(body); got != want && fmt.Sprint(res.StatusCode) != want {
			t.Errorf("%s went to %q, %s", path, got, res.Status)
		}
	}
}

// TestForwardBrokenAnswer: an answer that breaks off is not taken for a whole one.
func TestForwardBrokenAnswer(t *testing.T) {
	for name, announced := range map[string]bool{"with a length": true, "in chunks": false} {
		t.Run(name, func(t *testing.T) {
			s := forwarding(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
				if announced {
					w.Header().Set("Content-Length", "100000")
				}
				io.WriteString(w, strings.Repeat("half", 5000))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}))
			if res, err := s.TrySend(lab.Request{Path: "/api/x", Cookies: []*http.Cookie{s.SignIn("alice")}}); err == nil {
				t.Errorf("%s with %d bytes looks whole", lab.StatusLine(res), len(res.Text))
			}
		})
	}
}

// TestForwardEvents: an event arrives before the answer ends, and the answer ends when
// alice signs out.
func TestForwardEvents(t *testing.T) {
	left := make(chan struct{})
	s := forwarding(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	alice := s.SignIn("alice")
	conn := dial(t, s)
	fmt.Fprintf(conn, "GET /api/events HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", pair(alice))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	event := make([]byte, len("data: first\n\n"))
	if _, err := io.ReadFull(res.Body, event); err != nil || string(event) != "data: first\n\n" {
		t.Fatalf("%q, %v", event, err)
	}
	s.MustLogOut(s.Send(lab.LogOut(alice)))
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", rest, err)
	}
	<-left
}

// TestForwardWebSocket: another protocol passes both ways, with what was sent along at
// once, and ends when alice signs out.
func TestForwardWebSocket(t *testing.T) {
	s := forwarding(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || r.Header.Get("Sec-WebSocket-Key") != "key" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: a=b\r\n\r\n")
		for {
			line, err := both.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(conn, "you said "+line)
		}
	}))
	alice := s.SignIn("alice")
	conn := dial(t, s)
	fmt.Fprintf(conn, "GET /api/ws HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[1]s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: key\r\nCookie: %[2]s\r\n\r\nhello\n", hostOf(s), pair(alice))
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || len(res.Cookies()) > 0 {
		t.Fatalf("%v, %v", res, err)
	}
	for _, word := range []string{"hello\n", "again\n"} {
		if line, err := reader.ReadString('\n'); line != "you said "+word || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		if word == "hello\n" {
			io.WriteString(conn, "again\n")
		}
	}
	s.MustLogOut(s.Send(lab.LogOut(alice)))
	if rest, err := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("after the logout %q came, %v", rest, err)
	}
}

// TestForwardRefusesUpstreams: an address that cannot be right ends the start.
func TestForwardRefusesUpstreams(t *testing.T) {
	s := lab.Serve(t)
	auth := s.Auth
	s.Send(lab.Request{Path: "/public"})
	for _, address := range []string{
		"", "api.example.com", "/api", "ftp://api.example.com", "http://api.example.com", "http://93.184.216.34", "https://api.example.com?x=1",
		"https://api.example.com#x", "https://user:hunter2@api.example.com", "https://api.example.com/a/../b", "https://api.example.com//a", "https://%zz", "https:///a",
	} {
		if problem := refused(func() { auth.Forward(address) }); !strings.Contains(problem, "Forward's upstream") || strings.Contains(problem, "hunter2") {
			t.Errorf("%q: %q", address, problem)
		}
	}
	for _, address := range []string{"https://api.example.com", "https://api.example.com/v1/", "http://localhost:8080", "http://[::1]", "http://10.1.2.3:80/a", "http://api", "http://api.shop.svc"} {
		if problem := refused(func() { auth.Forward(address) }); problem != "" {
			t.Errorf("%q: %q", address, problem)
		}
	}
}

func refused(call func()) (problem string) {
	defer func() {
		if err, ok := recover().(error); ok && errors.Is(err, cognito.ErrMisconfigured) {
			problem = err.Error()
		}
	}()
	call()
	return ""
}

func dial(t *testing.T, s *lab.Site) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", hostOf(s))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	t.Cleanup(func() { conn.Close() })
	return conn
}

func hostOf(s *lab.Site) string { return strings.TrimPrefix(s.URL, "http://") }

func pair(cookie *http.Cookie) string { return cookie.Name + "=" + cookie.Value }
