// Observability is an app whose logins are counted by Prometheus, traced by
// OpenTelemetry and written to a log.
//
//	go run ./observability
//
// starts it together with a user pool of its own. Sign in at
// http://localhost:8022/ as alice (wonderland) or bob (builder), then look at
// the spans and the log on stderr, and at the counters on
// http://localhost:8022/metrics.
//
// telemetry.go is the part to copy.
package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/sdk/trace"
)

// shutdownTimeout is how long requests in progress, and then the last spans, may
// take.
const shutdownTimeout = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	// In production this is otlptracehttp.New(ctx), which reads the address of
	// the collector from OTEL_EXPORTER_OTLP_ENDPOINT.
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(os.Stderr), stdouttrace.WithPrettyPrint())
	if err != nil {
		return err
	}
	// Not on all interfaces: /metrics is open to whoever reaches this port.
	listener, err := net.Listen("tcp", "localhost:8022")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "\n  Open http://localhost:8022/ and http://localhost:8022/metrics. Ctrl+C stops it.")
	return run(ctx, listener, exporter)
}

// run serves the app until ctx ends.
func run(ctx context.Context, listener net.Listener, exporter trace.SpanExporter) (err error) {
	defer listener.Close()
	pool := cognitotest.New(cognitotest.Options{ShowUsers: true})
	defer pool.Close()
	pool.AllowOrigin(fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port))

	t := newTelemetry(exporter, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	defer func() { err = errors.Join(err, t.close()) }()
	auth, err := cognito.NewAuth(t.observe(pool.Config()))
	if err != nil {
		return err
	}
	// Before the telemetry ends: refreshes and revocations that are still under
	// way are spans and events too.
	defer func() { err = errors.Join(err, auth.Close()) }()
	return serve(ctx, newApp(t, auth), listener)
}

// newApp is the app.
func newApp(t *telemetry, auth *cognito.Auth) *fiber.App {
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadTimeout: 5 * time.Second})

	// Above the middleware, since Prometheus has no session and its visits are no
	// events. That makes it public: serve it on a port of its own, or let the
	// proxy refuse it to the outside.
	app.Get("/metrics", t.metrics())

	// Also above the middleware: the calls to Cognito become part of the span of
	// the request that has led to them.
	app.Use(t.traceRequest)
	app.Use(auth.Handler())

	app.Get("/", func(c *fiber.Ctx) error {
		c.Type("html", "utf-8")
		if user := cognito.UserFrom(c); user != nil {
			return c.SendString("Hello " + html.EscapeString(user.Username()) + `. <a href="/admin">Admins only</a> <a href="/logout">Sign out</a>`)
		}
		return c.SendString(`<a href="/login">Sign in</a>`)
	})
	app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error {
		return c.SendString("Welcome, admin.")
	})
	return app
}

// serve runs the app, and ends it gracefully when ctx ends.
func serve(ctx context.Context, app *fiber.App, listener net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	if err := app.ShutdownWithTimeout(shutdownTimeout); err != nil {
		return fmt.Errorf("requests were still running after %s: %w", shutdownTimeout, err)
	}
	// Normally closed by now. It is not if ctx ended before the app listened.
	_ = listener.Close()
	return <-served
}
