package cognitotest_test

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// newGreeter is an application that uses the middleware as its users do.
func newGreeter(config cognito.Config) *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(cognito.New(config))
	app.Get("/", cognito.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString("hello " + cognito.UserFrom(c).Username())
	})
	return app
}

// TestSignInWithTheMiddleware checks the one line that handler tests are
// promised, and that without it nobody is greeted.
func TestSignInWithTheMiddleware(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := newGreeter(pool.Config())
	greeting := func(cookies []*http.Cookie) (int, string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, "http://localhost:8021/", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, cookie := range cookies {
			r.AddCookie(cookie)
		}
		response, err := app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, body := greeting(nil); status != http.StatusUnauthorized {
		t.Errorf("a stranger got %d %q, want 401", status, body)
	}
	if status, body := greeting(pool.SignIn(app, "bob")); status != http.StatusOK || body != "hello bob" {
		t.Errorf("bob got %d %q, want 200 and his greeting", status, body)
	}
	if err := app.Shutdown(); err != nil {
		t.Error(err)
	}
}

// TestBrowserWithTheMiddleware checks the same journey over sockets.
func TestBrowserWithTheMiddleware(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + listener.Addr().String()
	pool.AllowOrigin(origin)
	config := pool.Config()
	config.BaseURL = origin
	app := newGreeter(config)
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})

	b := pool.NewBrowser()
	if page := b.Login(origin+"/", "alice", "builder"); page.URL.Path != "/login" || page.Err != nil {
		t.Errorf("with a wrong password: %d at %s (%v), want the login page", page.Status, page.URL, page.Err)
	}
	page := b.Login(origin+"/", "alice", "wonderland")
	if page.Body != "hello alice" || page.URL.String() != origin+"/" {
		t.Errorf("got %d %q at %s (%v), want the greeting", page.Status, page.Body, page.URL, page.Err)
	}
}
