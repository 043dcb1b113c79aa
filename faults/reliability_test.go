package faults_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
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

// Cognito, the storage, the network and we ourselves fail at times. Three
// things hold throughout: nobody is logged out whom Cognito would still renew,
// whoever cannot be served is told to come again, and all is well by itself
// when the fault is over.

// TestStorageDownAtRenewal: in the middle of a renewal, which of its storage calls
// fails or hangs does not matter. Nobody is logged out, nobody waits for ever, and the
// tokens that Cognito has issued are not lost.
func TestStorageDownAtRenewal(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"error", "hang"} {
		for call := 1; call <= 16; call++ {
			t.Run(fmt.Sprintf("%s from call %d on", way, call), func(t *testing.T) {
				t.Parallel()
				pool := lab.NewPool(t, lab.Rotating(0))
				storage := mortalOf(lab.NewStore(), pool)
				a, b := lab.Pair(t, pool, storage)
				alice := a.SignIn("alice")
				pool.Advance(lab.JustExpired)
				fault := &lab.StoreFault{Err: lab.ErrDown}
				if way == "hang" {
					fault = lab.Hang(t)
				}
				var calls atomic.Int32
				storage.Misbehave(func(lab.StoreCall) *lab.StoreFault {
					if int(calls.Add(1)) >= call {
						return fault
					}
					return nil
				})
				res := a.Me(alice)
				if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
					t.Errorf("/me answered %s with cookies %v, want it answered, or 503", lab.StatusLine(res), res.Cookies())
				}
				storage.Misbehave(nil)
				lab.Eventually(t, "the instance is well", func() bool { pool.Advance(10 * time.Second); return a.Me(alice).StatusCode == http.StatusOK })
				b.MustBe("alice", alice)
				pool.Advance(lab.JustExpired)
				b.MustBe("alice", alice)
				a.MustBe("alice", alice)
			})
		}
	}
}

// TestSessionIsSavedBeforeTheHandlerRuns: what the app does after a renewal,
// even a panic, cannot lose the new tokens.
func TestSessionIsSavedBeforeTheHandlerRuns(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	b := lab.ServeWith(t, pool, lab.On(storage))
	alice := b.SignIn("alice")
	config := pool.Config()
	lab.On(storage)(&config)
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	app := fiber.New()
	app.Use(auth.Handler())
	app.Get("/panic", cognito.RequireUser(), func(*fiber.Ctx) error { panic("the app's own") })
	pool.Advance(lab.JustExpired)
	func() {
		defer func() {
			if p := recover(); p != "the app's own" {
				t.Errorf("the handler's panic became %v", p)
			}
		}()
		var ctx fasthttp.RequestCtx
		ctx.Init(&fasthttp.Request{}, nil, nil)
		ctx.Request.SetRequestURI("/panic")
		ctx.Request.Header.SetHost("localhost")
		ctx.Request.Header.SetCookie(alice.Name, alice.Value)
		app.Handler()(&ctx)
	}()
	b.MustRenew(1)
	b.MustBe("alice", alice)
	b.MustRenew(1)
}

// TestOnRefreshPanics: the app's own function runs in our background. Its panic
// ends neither the process nor the session.
func TestOnRefreshPanics(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) {
		c.OnRefresh = func(*cognito.User) { panic("OnRefresh") }
	})
	alice := s.SignIn("alice")
	for range 2 {
		s.Pool.Advance(lab.JustExpired)
		s.MustBe("alice", alice)
	}
	lab.Eventually(t, "the panics are logged", func() bool { return strings.Count(s.Logged.String(), "recovered from a panic") == 2 })
	s.MustRenew(2)
}

// TestOnRefresh: the app is told of each renewal once, with what the new tokens
// say, and of none that failed.
func TestOnRefresh(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var told []string
	s := lab.Serve(t, func(c *cognito.Config) {
		c.OnRefresh = func(u *cognito.User) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, strings.Join(u.Groups(), ","))
		}
	})
	alice := s.SignIn("alice")
	regroup(s.Pool, "one")
	s.Pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
	s.Pool.Advance(lab.JustExpired)
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	regroup(s.Pool, "two")
	s.Pool.Advance(time.Minute)
	s.MustBe("alice", alice)
	lab.Eventually(t, "the app is told of two renewals", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Equal(told, []string{"one", "two"})
	})
}

// TestPreforkWithMemory: each process of a prefork app would have sessions of
// its own, so the default storage is refused there, in words that help.
func TestPreforkWithMemory(t *testing.T) {
	t.Setenv("FIBER_PREFORK_CHILD", "1")
	pool := lab.NewPool(t)
	_, err := cognito.NewAuth(pool.Config())
	var wrong *cognito.ConfigError
	if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || wrong.Problems[0].Field != "Storage" {
		t.Fatalf("NewAuth in a prefork child: %v, want a ConfigError about Storage", err)
	}
	for _, word := range []string{"Storage", "Prefork", "Redis"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error does not mention %s: %v", word, err)
		}
	}
	config := pool.Config()
	lab.On(lab.NewStore())(&config)
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatalf("with a shared storage: %v", err)
	}
	_ = auth.Close()
	t.Setenv("FIBER_PREFORK_CHILD", "")
	if auth, err = cognito.NewAuth(pool.Config()); err != nil {
		t.Fatalf("without prefork: %v", err)
	}
	_ = auth.Close()
}

// TestInstanceReplaced: a deployment in progress. The new instance serves every
// session that the old one began, and finishes logins too: nothing that
// matters is in memory.
func TestInstanceReplaced(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.SignIn("alice")
	pending := a.Answered("bob")
	if err := a.Auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	b.MustBe("alice", alice)
	pool.Advance(4 * time.Minute)
	if location := pending.Query.Get("redirect_uri"); !strings.HasPrefix(location, a.URL) {
		t.Fatalf("the login returns to %s", location)
	}
	b.MustBe("bob", b.Finish(pending).Cookie(lab.IsSessionCookie))
	pool.Advance(lab.JustExpired)
	b.MustBe("alice", alice)
}
