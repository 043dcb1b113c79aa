package lab

import (
	"bytes"
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
	return ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		Pages(app)
	}, hooks...)
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
	for _, endpoint := range []cognitotest.Endpoint{cognitotest.Token, cognitotest.Revoke, cognitotest.UserInfo, cognitotest.Authorization} {
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
