package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// visits is what two visitors of the app have left behind.
type visits struct {
	metrics string
	spans   tracetest.SpanStubs
	log     string
	secrets []string
	subject string // bob's
}

// TestMetrics checks the counters to the last one, and that no user is in them.
func TestMetrics(t *testing.T) {
	v := visit(t)
	want := []string{
		`cognito_event_duration_seconds_count{kind="login"} 2`,
		`cognito_events_total{kind="login",outcome="failure",reason="provider_error"} 1`,
		`cognito_events_total{kind="login",outcome="success",reason=""} 1`,
		`cognito_events_total{kind="logout",outcome="success",reason=""} 1`,
		`cognito_events_total{kind="refuse",outcome="failure",reason="forbidden"} 1`,
		`cognito_events_total{kind="refuse",outcome="failure",reason="not_signed_in"} 1`,
	}
	got := regexp.MustCompile(`(?m)^cognito_(events_total|event_duration_seconds_count)\{.*$`).FindAllString(v.metrics, -1)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("/metrics has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(v.metrics, v.subject) || strings.Contains(v.metrics, "bob") {
		t.Errorf("/metrics names a user:\n%s", v.metrics)
	}
	wantNoSecret(t, "/metrics", v.metrics, v.secrets)
}

// TestSpans checks that each call to Cognito is a span, in the trace of the
// request that needed it, and that none holds a secret.
func TestSpans(t *testing.T) {
	v := visit(t)
	for name, parent := range map[string]string{
		"POST /oauth2/token":                             "GET /login/redirect",
		"GET /us-east-1_TestPool1/.well-known/jwks.json": "",
		"POST /oauth2/revoke":                            "",
	} {
		i := slices.IndexFunc(v.spans, func(s tracetest.SpanStub) bool { return s.Name == name })
		if i < 0 {
			t.Errorf("there is no span %q", name)
			continue
		}
		if call := v.spans[i]; call.SpanKind != trace.SpanKindClient || parent != "" && parentOf(call, v.spans) != parent {
			t.Errorf("span %q is of kind %s in %q, want client in %q", name, call.SpanKind, parentOf(call, v.spans), parent)
		}
	}
	for _, span := range v.spans {
		wantNoSecret(t, "span "+span.Name, fmt.Sprintf("%+v", span), v.secrets)
		if strings.Contains(span.Name, "metrics") {
			t.Error("a scrape is traced")
		}
	}
}

func parentOf(span tracetest.SpanStub, all tracetest.SpanStubs) string {
	for _, candidate := range all {
		if candidate.SpanContext.Equal(span.Parent) {
			return candidate.Name
		}
	}
	return ""
}

// TestAuditLog checks that OnEvent has not silenced the log, which says who.
func TestAuditLog(t *testing.T) {
	v := visit(t)
	for _, line := range []string{
		"msg=cognito event.kind=login event.ok=true event.subject=" + v.subject,
		"msg=cognito event.kind=refuse event.ok=false event.reason=forbidden event.subject=" + v.subject,
		"msg=cognito event.kind=logout event.ok=true event.subject=" + v.subject,
		"msg=cognito event.kind=login event.ok=false event.reason=provider_error",
	} {
		if n := strings.Count(v.log, line); n != 1 {
			t.Errorf("the log has %q %d times:\n%s", line, n, v.log)
		}
	}
	if strings.Contains(v.log, "not_signed_in") {
		t.Errorf("the log has strangers:\n%s", v.log)
	}
	wantNoSecret(t, "the log", v.log, v.secrets)
}

func wantNoSecret(t *testing.T, where, text string, secrets []string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows the secret %q:\n%s", where, secret, text)
		}
	}
}

// visit serves the app, lets bob log in, be refused and log out, lets another
// visitor fail to log in, and stops the app.
var visit = func() func(*testing.T) visits {
	var once sync.Once
	var v visits
	return func(t *testing.T) visits {
		once.Do(func() { v = makeVisits(t) })
		return v
	}
}()

func makeVisits(t *testing.T) visits {
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{ID: "app", Secret: "client-secret-of-the-app"}}})
	defer pool.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := "http://" + listener.Addr().String()
	pool.AllowOrigin(origin)

	exporter, log := tracetest.NewInMemoryExporter(), &bytes.Buffer{}
	telemetry := newTelemetry(exporter, slog.New(slog.NewTextHandler(log, nil)))
	v := visits{}
	config := telemetry.observe(pool.Config())
	config.OnLogin = func(_ *fiber.Ctx, user *cognito.User) error { v.subject = user.Subject(); return nil }
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, newApp(telemetry, auth), listener) }()
	tokens := keepTokens(pool)

	bob := pool.NewBrowser()
	wantPage(t, bob.Login(origin+"/admin", "bob", "builder"), http.StatusForbidden)
	cookies := bob.Cookies(origin)
	wantPage(t, bob.Post(origin+"/logout", nil), http.StatusOK)
	pool.FailNextLogin("invalid_request", "PreTokenGeneration failed with error")
	wantPage(t, pool.NewBrowser().Login(origin+"/login", "alice", "wonderland"), http.StatusBadRequest)
	v.metrics = wantPage(t, pool.NewBrowser().Get(origin+"/metrics"), http.StatusOK).Body

	stop()
	// In the order of run, except that closing the exporter forgets the spans.
	if err := errors.Join(<-served, auth.Close(), telemetry.spans.ForceFlush(t.Context())); err != nil {
		t.Fatal(err)
	}
	v.spans, v.log = exporter.GetSpans(), log.String()
	if err := telemetry.close(); err != nil {
		t.Fatal(err)
	}
	v.secrets = secretsOf(t, pool, tokens(), cookies)
	return v
}

func wantPage(t *testing.T, page *cognitotest.Page, status int) *cognitotest.Page {
	t.Helper()
	if page.Status != status || page.Err != nil {
		t.Fatalf("%s: %d %q (%v), want %d", page.URL, page.Status, page.Body, page.Err, status)
	}
	return page
}

// keepTokens returns a function that returns the tokens which the pool has
// issued by then.
func keepTokens(pool *cognitotest.Pool) func() []string {
	var mu sync.Mutex
	var tokens []string
	pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: func(answer map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		for _, name := range []string{"access_token", "id_token", "refresh_token"} {
			tokens = append(tokens, fmt.Sprint(answer[name]))
		}
	}})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return tokens
	}
}

// secretsOf lists all that nobody may see who watches the app: what the pool was
// sent and has issued, and the cookies.
func secretsOf(t *testing.T, pool *cognitotest.Pool, tokens []string, cookies []*http.Cookie) []string {
	secrets := append(tokens, "client-secret-of-the-app")
	for _, request := range pool.Requests(cognitotest.Authorization) {
		secrets = append(secrets, request.Query.Get("state"), request.Query.Get("nonce"))
	}
	for _, request := range pool.Requests(cognitotest.Token) {
		secrets = append(secrets, request.Form.Get("code"), request.Form.Get("code_verifier"),
			strings.TrimPrefix(request.Header.Get("Authorization"), "Basic "))
	}
	for _, cookie := range cookies {
		if !strings.HasSuffix(cookie.Name, "_trips") { // a counter
			secrets = append(secrets, cookie.Value)
		}
	}
	for _, secret := range secrets {
		if len(secret) < 16 {
			t.Fatalf("%q is no secret; the list is wrong: %q", secret, secrets)
		}
	}
	return secrets
}

// TestRun starts the app as main does, asks for its page and stops it.
func TestRun(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	exporter, ended := tracetest.NewInMemoryExporter(), make(chan error, 1)
	go func() { ended <- run(ctx, listener, exporter) }()
	response, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil || !strings.Contains(string(body), `href="/login"`) {
		t.Errorf("the page says %q (%v)", body, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
