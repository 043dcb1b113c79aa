package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// TestRunAndStop starts the app as main does, asks for its page over a
// connection that stays open, and stops it.
func TestRunAndStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	setEnvironment(t, map[string]string{"ADDR": "127.0.0.1:0"})
	out, told := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, told) }()
	text := make([]byte, 4096)
	n, err := out.Read(text)
	for err == nil && !strings.Contains(string(text[:n]), "Ctrl+C") {
		var more int
		more, err = out.Read(text[n:])
		n += more
	}
	if err != nil {
		t.Fatalf("the app says %q and then: %v", text[:n], err)
	}
	_, rest, _ := strings.Cut(string(text[:n]), "Open   ")
	home, _, _ := strings.Cut(rest, "\n")
	for _, user := range demoUsers {
		if !strings.Contains(string(text[:n]), user.Username+" / "+user.Password) {
			t.Errorf("it does not say that %s can sign in", user.Username)
		}
	}

	res, err := http.Get(home)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil || !strings.Contains(string(body), "You are not signed in") {
		t.Errorf("%s says %q (%v)", home, body, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("stopping: %v", err)
	}
	if _, err := http.Get(home); err == nil {
		t.Error("the app still answers after it was stopped")
	}
}

// TestStoppedBeforeItBegan checks that a signal that comes at once is not lost.
func TestStoppedBeforeItBegan(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	setEnvironment(t, map[string]string{"ADDR": "127.0.0.1:0"})
	if err := run(ctx, io.Discard); err != nil {
		t.Error(err)
	}
}

// TestCannotStart checks the faults of the surroundings: each is an error that
// says what to look at, and shows no password.
func TestCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	_ = closed.Close()

	tests := []struct{ name, variable, value, says string }{
		{"port taken", "ADDR", taken.Addr().String(), "cannot listen on ADDR"},
		{"no port", "ADDR", "8021x", "cannot listen on ADDR"},
		{"port without colon", "ADDR", "8021", `":8021" or "127.0.0.1:8021"`},
		{"Redis down", "REDIS_URL", "redis://:hunter2@" + nobody + "/0", "no Redis answers at " + nobody},
		{"Redis URL of another kind", "REDIS_URL", "http://:hunter2@localhost", "redis://localhost:6379/0"},
		{"Redis URL broken", "REDIS_URL", "redis://:hunter2@localhost:port", "redis://localhost:6379/0"},
		{"public address of a local pool", "BASE_URL", "https://app.example.com", "localhost only"},
		{"address that is none", "BASE_URL", "foo", `BASE_URL "foo"`},
		{"address without a scheme", "BASE_URL", "//localhost:8021", `BaseURL "//localhost:8021": must be an https URL`},
		{"address with a slash", "BASE_URL", "http://localhost:8021/", "remove the slash"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setEnvironment(t, map[string]string{"ADDR": "127.0.0.1:0", tt.variable: tt.value})
			err := run(t.Context(), io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Fatalf("the error is %v, want one that says %q", err, tt.says)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

// appOver is the app with a local pool.
func appOver(t *testing.T, box *cognitotest.Pool, change ...func(*cognito.Config)) *fiber.App {
	t.Helper()
	setEnvironment(t)
	s, err := readSettings()
	if err != nil {
		t.Fatal(err)
	}
	s.config = usePool(s.config, box.Config())
	for _, change := range change {
		change(&s.config)
	}
	auth, err := cognito.NewAuth(s.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	return newApp(auth, s)
}

// homeOf is the home page as a signed-in user gets it.
func homeOf(t *testing.T, box *cognitotest.Pool, username string) string {
	t.Helper()
	_, body := pageOf(t, box, appOver(t, box), username, "/")
	return body
}

// pageOf is what a signed-in user gets of an app.
func pageOf(t *testing.T, box *cognitotest.Pool, app *fiber.App, username, path string) (status int, body string) {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Host = "localhost:8021"
	for _, cookie := range box.SignIn(app, username) {
		request.AddCookie(cookie)
	}
	res, err := app.Test(request, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// TestSessionsThatNobodyLists: while sessions live in their cookies, there is no page of
// them and no link to it.
func TestSessionsThatNobodyLists(t *testing.T) {
	box := cognitotest.New(cognitotest.Options{})
	t.Cleanup(box.Close)
	inCookies := appOver(t, box, func(c *cognito.Config) {
		c.CookieSessions, c.Keys = true, []string{"tXq2vJ0m5Z3rT7wY1uB6nL9cE4sD0fGh"}
	})
	if status, home := pageOf(t, box, inCookies, "alice", "/"); status != http.StatusOK || strings.Contains(home, "/sessions") || !strings.Contains(home, "Alice Liddell") {
		t.Errorf("home shows %d %s", status, home)
	}
	if status, body := pageOf(t, box, inCookies, "alice", "/sessions"); status != http.StatusNotFound {
		t.Errorf("the page of sessions shows %d %s", status, body)
	}
	if home := homeOf(t, box, "alice"); !strings.Contains(home, `href="/sessions"`) {
		t.Errorf("with a storage, home shows %s", home)
	}
}

// TestPageEscapes shows a user whose name is markup.
func TestPageEscapes(t *testing.T) {
	box := cognitotest.New(cognitotest.Options{Users: []cognitotest.User{{
		Username: "eve", Name: `<script>alert(1)</script>`, Groups: []string{`"><img src=x>`},
	}}})
	t.Cleanup(box.Close)
	body := homeOf(t, box, "eve")
	if strings.Contains(body, "<script") || strings.Contains(body, "<img src=x") || !strings.Contains(body, "&lt;script&gt;") {
		t.Errorf("the page says %s", body)
	}
}

// TestPageOfEveryUser shows users who lack one thing or the other.
func TestPageOfEveryUser(t *testing.T) {
	tests := []struct {
		user         cognitotest.User
		shows, hides []string
	}{
		{demoUsers[0], []string{"<h1>Alice Liddell</h1>", "alice@example.com", ">verified<", ">admin<", `action="/logout"`}, []string{"Login", ">none<"}},
		{demoUsers[1], []string{"<h1>Bob Builder</h1>", "not verified", ">none<"}, []string{">verified<"}},
		{cognitotest.User{Username: "carol"}, []string{"<h1>carol</h1>"}, []string{"verified"}},
	}
	for _, tt := range tests {
		t.Run(tt.user.Username, func(t *testing.T) {
			box := cognitotest.New(cognitotest.Options{Users: []cognitotest.User{tt.user}})
			t.Cleanup(box.Close)
			body := homeOf(t, box, tt.user.Username)
			for _, text := range tt.shows {
				if !strings.Contains(body, text) {
					t.Errorf("the page lacks %q:\n%s", text, body)
				}
			}
			for _, text := range tt.hides {
				if strings.Contains(body, text) {
					t.Errorf("the page has %q:\n%s", text, body)
				}
			}
		})
	}
}

// TestPublicFiles asks for what the page and the browser itself ask for.
func TestPublicFiles(t *testing.T) {
	box := cognitotest.New(cognitotest.Options{})
	t.Cleanup(box.Close)
	app := appOver(t, box)
	for path, contentType := range map[string]string{
		"/page.css": "text/css; charset=utf-8", "/icon.svg": "image/svg+xml", "/favicon.ico": "image/svg+xml",
		"/app": "text/html; charset=utf-8", "/app.js": "text/javascript; charset=utf-8", "/session.js": "text/javascript; charset=utf-8",
	} {
		res, err := app.Test(httptest.NewRequest(http.MethodGet, path, nil), -1)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != contentType {
			t.Errorf("%s answers %d with %s", path, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
}

// TestTemplateOfAnOutage checks that the page can tell "nobody" from "unknown".
func TestTemplateOfAnOutage(t *testing.T) {
	var down, stranger bytes.Buffer
	if err := page.Execute(&down, map[string]any{"Down": true}); err != nil {
		t.Fatal(err)
	}
	if err := page.Execute(&stranger, map[string]any{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(down.String(), "temporarily unavailable") || strings.Contains(down.String(), ">Sign in<") {
		t.Errorf("during an outage the page says %s", down.String())
	}
	if strings.Contains(stranger.String(), "unavailable") || !strings.Contains(stranger.String(), ">Sign in<") {
		t.Errorf("to a stranger the page says %s", stranger.String())
	}
}
