package lab

import (
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// ServeApp is Serve for an app that the test furnishes itself, below the
// middleware.
func ServeApp(t *testing.T, furnish func(*fiber.App, *cognito.Auth), hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		furnish(app, auth)
	}, hooks...)
}

// ServeAppWith leaves the middleware to furnish as well.
func ServeAppWith(t *testing.T, pool *cognitotest.Pool, furnish func(*fiber.App, *cognito.Auth), hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	return ServeAppHandling(t, pool, nil, furnish, hooks...)
}

// ServeWatched serves an app that watches whoever sends a request to /stream, and answers
// /me.
func ServeWatched(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) (s *Site, watchOf func(Request) *cognito.Watch) {
	t.Helper()
	watches := make(chan *cognito.Watch, 1)
	s = ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.Get("/stream", func(c *fiber.Ctx) error {
			watches <- auth.Watch(c)
			return nil
		})
		app.Get("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(cognito.UserFrom(c)) })
	}, hooks...)
	return s, func(r Request) *cognito.Watch {
		s.Helper()
		r.Path = "/stream"
		s.Send(r)
		return <-watches
	}
}

// ServeAppHandling is ServeAppWith for an app whose own errors somebody handles.
func ServeAppHandling(t *testing.T, pool *cognitotest.Pool, handler fiber.ErrorHandler, furnish func(*fiber.App, *cognito.Auth), hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	return serveApp(t, pool, fiber.Config{ErrorHandler: handler}, furnish, hooks...)
}

// ServeAppStreaming is ServeAppWith for an app that takes bodies of any size, as they
// come.
func ServeAppStreaming(t *testing.T, furnish func(*fiber.App, *cognito.Auth), hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	return serveApp(t, NewPool(t), fiber.Config{StreamRequestBody: true, BodyLimit: 1 << 30}, furnish, hooks...)
}

func serveApp(t *testing.T, pool *cognitotest.Pool, with fiber.Config, furnish func(*fiber.App, *cognito.Auth), hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	s := &Site{T: t, Pool: pool, Logged: &LockedBuffer{}}
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(s.Logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	begin(&config)
	for _, hook := range hooks {
		hook(&config)
	}
	finish(&config)
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatalf("NewAuth: %v", err)
	}
	s.Auth = auth
	with.DisableStartupMessage = true
	with.ReadBufferSize = 16 << 10
	s.App = fiber.New(with)
	furnish(s.App, auth)
	t.Cleanup(func() { // after the server's
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		s.NoSecretsIn(s.Logged.String(), "the log")
	})
	s.URL = Listen(t, s.App)
	pool.AllowOrigin(s.URL)
	return s
}

// Listen serves an app until the test ends, and returns its address.
func Listen(t *testing.T, app *fiber.App) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := app.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		_ = listener.Close() // Shutdown does not know it if it was never used
		<-served
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return "http://localhost:" + port
}

// Timeouts sets the limits of sessions.
func Timeouts(idle, absolute time.Duration) func(*cognito.Config) {
	return func(c *cognito.Config) { c.IdleTimeout, c.AbsoluteTimeout = idle, absolute }
}
