package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// telemetry is what the app tells its operators: counters, spans and a log.
type telemetry struct {
	logger    *slog.Logger
	registry  *prometheus.Registry
	events    *prometheus.CounterVec
	durations *prometheus.HistogramVec
	spans     *sdktrace.TracerProvider
	tracer    trace.Tracer
	transport *http.Transport // of the calls to Cognito
}

func newTelemetry(exporter sdktrace.SpanExporter, logger *slog.Logger) *telemetry {
	t := &telemetry{
		logger:   logger,
		registry: prometheus.NewRegistry(),
		// The user's subject is no label. Each value of a label is a time series
		// of its own, so users would fill Prometheus, and everybody who may see
		// a dashboard would see who signs in when. The log is the place for it.
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cognito_events_total",
			Help: "Events: logins, renewals, sign-outs, refusals.",
		}, []string{"kind", "outcome", "reason"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cognito_event_duration_seconds",
			Help: "Duration of logins and renewals, most of it waiting for Cognito.",
		}, []string{"kind"}),
		spans:     sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter)),
		transport: http.DefaultTransport.(*http.Transport).Clone(),
	}
	t.transport.MaxIdleConnsPerHost = 16 // all calls go to two hosts
	t.registry.MustRegister(t.events, t.durations)
	t.tracer = t.spans.Tracer("github.com/bar-tech/cognito/observability")
	return t
}

// observe returns the config with both hooks that telemetry needs.
func (t *telemetry) observe(config cognito.Config) cognito.Config {
	config.OnEvent = t.record
	// A span for each call. It has the address, method and status of a call and
	// neither headers nor body, and no address that is called holds a secret:
	// codes, tokens and the client secret travel in bodies and headers.
	config.HTTPClient = &http.Client{Transport: otelhttp.NewTransport(t.transport,
		otelhttp.WithTracerProvider(t.spans),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			return r.Method + " " + r.URL.Path // one of four
		}),
	)}
	// What is not an event, such as a wrong setting, still goes here.
	config.Logger = t.logger
	return config
}

// record is Config.OnEvent: it is called while the request waits, so it does
// nothing slow.
func (t *telemetry) record(e cognito.Event) {
	outcome := "success"
	if !e.OK {
		outcome = "failure"
	}
	kind := string(e.Kind)
	t.events.WithLabelValues(kind, outcome, e.Reason).Inc()
	if e.Duration > 0 { // a refusal or a logout takes no time of its own
		t.durations.WithLabelValues(kind).Observe(e.Duration.Seconds())
	}

	// With OnEvent set the middleware logs no events, so the audit log is made
	// here. An Event is a slog.LogValuer and holds no secret.
	t.logger.Log(e.Context(), e.Level(), "cognito", "event", e)
}

// metrics is the handler of /metrics.
func (t *telemetry) metrics() fiber.Handler {
	return adaptor.HTTPHandler(promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{}))
}

// traceRequest makes a span of a request, as the parent of the calls to Cognito.
// It leaves out the query: the authorization code is in that of the callback.
func (t *telemetry) traceRequest(c *fiber.Ctx) error {
	// Copies, as Fiber reuses its strings while the spans wait to be exported.
	method, path := strings.Clone(c.Method()), strings.Clone(c.Path())
	ctx, span := t.tracer.Start(c.UserContext(), method+" "+path, trace.WithSpanKind(trace.SpanKindServer))
	defer span.End()
	c.SetUserContext(ctx) // where the middleware looks for the parent

	err := c.Next()
	status := c.Response().StatusCode()
	var failed *fiber.Error
	if errors.As(err, &failed) {
		status = failed.Code // Fiber's error handler has yet to write it
	}
	span.SetAttributes(
		attribute.String("http.request.method", method),
		attribute.String("url.path", path),
		attribute.Int("http.response.status_code", status),
	)
	return err
}

// close exports the last spans.
func (t *telemetry) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	t.transport.CloseIdleConnections() // the middleware leaves a client that it was given alone
	return t.spans.Shutdown(ctx)
}
