package cognito_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/freeport"
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	address := "127.0.0.1:" + freeport.Next()
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
	t.Parallel()
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

// TestForwardUnescapedPaths: an app with UnescapePath sees other paths, and the API the
// same.
func TestForwardUnescapedPaths(t *testing.T) {
	t.Parallel()
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

// TestForwardRefusesUpstreams: an address that cannot be right ends the start.
func TestForwardRefusesUpstreams(t *testing.T) {
	t.Parallel()
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
