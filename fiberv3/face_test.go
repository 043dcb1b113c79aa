package cognito_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	cognito "github.com/bar-tech/cognito/fiberv3"
	"github.com/bar-tech/cognito/fiberv3/cognitotest"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/timeout"
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
