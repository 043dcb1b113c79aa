// Command app is the app whose instances the soak test and the test of frozen
// processes run: who is signed in, as JSON, and nothing else.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
	redisstorage "github.com/gofiber/storage/redis/v3"
	"github.com/redis/go-redis/v9"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}

func run() error {
	config := cognito.Config{
		UserPoolDomain: os.Getenv("POOL_DOMAIN"), ClientID: os.Getenv("CLIENT_ID"),
		UserPoolID: os.Getenv("POOL_ID"), Issuer: os.Getenv("ISSUER"),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Keys:   []string{"tXq2vJ0m5Z3rT7wY1uB6nL9cE4sD0fGh"},

		RenewInRequest: os.Getenv("RENEW_IN_REQUEST") != "",
	}
	if lost := os.Getenv("LOST_URL"); lost != "" {
		config.HTTPClient = &http.Client{Transport: signed{os.Getenv("ADDR"), lost}}
	}
	if err := keepSessions(&config, os.Getenv("REDIS_URL")); err != nil {
		return err
	}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		return err
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	app.Use(auth.Handler())
	routes(app, auth)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	stopped := make(chan error, 1)
	go func() {
		<-stop
		stopped <- app.Shutdown() // and with it Auth.Close
	}()
	if err := app.Listen(os.Getenv("ADDR")); err != nil {
		return err
	}
	if err := <-stopped; err != nil {
		return err
	}
	return auth.Close()
}

// keepSessions puts them into Redis or, without one, into their cookies.
func keepSessions(config *cognito.Config, redisURL string) error {
	if redisURL == "" {
		config.CookieSessions = true
		return nil
	}
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		return err
	}
	options.ContextTimeoutEnabled = true
	config.Storage = redisstorage.NewFromConnection(redis.NewClient(options))
	return nil
}

// signed has calls to the pool say which instance they are from, and tells the
// test of those that got no answer.
type signed struct{ instance, lostURL string }

func (s signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Instance", s.instance)
	var sent bytes.Buffer
	if r.Body != nil {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil && sent.Len() > 0 {
		told, tellErr := http.Post(s.lostURL, "application/x-www-form-urlencoded", &sent)
		if tellErr == nil {
			_ = told.Body.Close()
		}
	}
	return answer, err
}

func routes(app *fiber.App, auth *cognito.Auth) {
	app.Get("/alive", func(c *fiber.Ctx) error { return c.SendString("yes") })
	app.Get("/me", auth.RequireUser(), func(c *fiber.Ctx) error {
		return c.JSON(fiber.Map{"sub": auth.UserFrom(c).Subject(), "payload": auth.PayloadFrom(c).Subject()})
	})
	app.Get("/token", auth.RequireUser(), func(c *fiber.Ctx) error {
		token, err := auth.AccessToken(c)
		if err != nil {
			return c.SendStatus(fiber.StatusServiceUnavailable)
		}
		return c.SendString(token)
	})
}
