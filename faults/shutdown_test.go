package faults_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// TestClose: closing twice, at the same time and during traffic is harmless, ends
// nobody's session, and leaves the app's own storage open.
func TestClose(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), lab.Patient(t))
	alice := s.NewSession(storage, "alice")
	gate := make(chan struct{})
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Gate: gate})
	s.Pool.Advance(50 * time.Minute)
	s.MustBe("alice", alice.Cookie) // and begins to renew the tokens
	lab.Eventually(t, "the renewal is under way", func() bool { return s.Pool.Calls(cognitotest.Token) == 2 })

	var traffic, closing sync.WaitGroup
	var done atomic.Bool
	for range 4 {
		traffic.Go(func() {
			for !done.Load() {
				trySendInto(s, lab.Request{Path: "/me", Cookies: []*http.Cookie{alice.Cookie}}, http.StatusOK)
			}
		})
	}
	var closed atomic.Int32
	for range 3 {
		closing.Go(func() {
			if err := s.Auth.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			closed.Add(1)
		})
	}
	before := s.Pool.Calls(cognitotest.Token)
	for range 20 {
		s.Me(alice.Cookie)
	}
	if closed.Load() > 0 {
		t.Error("Close did not wait for the renewal in flight")
	}
	close(gate)
	closing.Wait()
	done.Store(true)
	traffic.Wait()
	if err := s.Auth.Close(); err != nil {
		t.Errorf("Close once more: %v", err)
	}
	if s.Pool.Calls(cognitotest.Token) != before {
		t.Error("a renewal began after Close")
	}
	if storage.Closed.Load() {
		t.Error("Close closed the app's own storage")
	}
	s.Pool.Advance(20 * time.Minute) // past the end of the first tokens
	s.MustBe("alice", alice.Cookie)  // with those of the renewal that was waited for
	s.Pool.Advance(2 * time.Hour)
	s.MustAnswer(s.Me(alice.Cookie), http.StatusServiceUnavailable) // nothing renews them now
	s.MustBe("", &http.Cookie{Name: alice.Cookie.Name, Value: strings.Repeat("A", 43)})
}

// TestCloseWithoutTraffic: an app that never served a request leaves nothing behind,
// with the middleware's own storage either.
func TestCloseWithoutTraffic(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	before := cleaners()
	for range 20 {
		auth, err := cognito.NewAuth(pool.Config())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := auth.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
	}
	lab.Eventually(t, "the storages' own goroutines end", func() bool { return cleaners() <= before }) // fewer: of an earlier test
}

// cleaners counts the goroutines that memory storages clean up with.
func cleaners() int {
	return strings.Count(strings.Join(lab.OtherGoroutines(), "\n"), "memory/v2.(*Storage).gc(")
}

// TestLoginAfterClose: whoever comes too late is told so, and nothing hangs.
func TestLoginAfterClose(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	pending := s.Answered("alice")
	if err := s.Auth.Close(); err != nil {
		t.Fatal(err)
	}
	res := s.Finish(pending)
	if res.StatusCode != http.StatusFound && res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the callback answered %s, want 302 or 503", lab.StatusLine(res))
	}
	if _, err := s.Auth.VerifyAccessToken(t.Context(), s.Pool.AccessToken("", "alice", nil)); err != nil && !errors.Is(err, cognito.ErrUnavailable) {
		t.Errorf("VerifyAccessToken() = %v, want nil or ErrUnavailable", err)
	}
}

// TestOneOfTwoAppsShutsDown: two apps share one middleware. The shutdown of one
// takes nothing from the other; the last one's waits for what is in flight.
func TestOneOfTwoAppsShutsDown(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	admin := fiber.New(fiber.Config{DisableStartupMessage: true})
	admin.Use(s.Auth.Handler())
	lab.Pages(admin)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- admin.Listener(listener) }()
	other := &lab.Site{T: t, Pool: s.Pool, URL: "http://" + listener.Addr().String()}
	for range 3 {
		other.MustBe("alice", alice)
		s.MustBe("alice", alice)
	}
	if err := admin.Shutdown(); err != nil {
		t.Fatal(err)
	}
	<-served
	_ = admin.Shutdown() // once more, as by a defer: Fiber calls its hooks again
	if res := s.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
		t.Errorf("after the other app's shutdown the refresh path answers %s", lab.StatusLine(res))
	}
	if err := s.App.Shutdown(); err != nil {
		t.Fatal(err)
	}
	s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
	late := httptest.NewRequest(http.MethodPost, "/token/refresh", nil)
	late.AddCookie(alice)
	if res, err := s.App.Test(late); err != nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after both shutdowns a renewal begins: %v, %v", res, err)
	}
}

// TestRequestWithoutAServer: apps are also driven by their handler alone, in
// benchmarks and on other servers.
func TestRequestWithoutAServer(t *testing.T) {
	t.Parallel()
	auth, err := cognito.NewAuth(lab.NewPool(t).Config())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = auth.Close() }()
	app := fiber.New()
	app.Use(auth.Handler())
	lab.Pages(app)
	var ctx fasthttp.RequestCtx
	ctx.Request.SetRequestURI("/public")
	app.Handler()(&ctx)
	if ctx.Response.StatusCode() != http.StatusOK || string(ctx.Response.Body()) != "public" {
		t.Errorf("answered with %d %s", ctx.Response.StatusCode(), ctx.Response.Body())
	}
}
