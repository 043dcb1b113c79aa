package faults_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// TestClientLeavesDuringRenewal: the visitor closes the tab while their tokens are
// being renewed. The renewal goes on and is saved.
func TestClientLeavesDuringRenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)
	held := park(t, pool)
	connection, err := net.Dial("tcp", strings.TrimPrefix(a.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(connection, "GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s\r\n\r\n", alice.Name, alice.Value)
	lab.Eventually(t, "the tokens are being renewed", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	_ = connection.Close()
	held.Open()
	b.MustBe("alice", alice)
	a.MustBe("alice", alice)
	a.MustRenew(1)
}

// TestShutdownDuringRenewal: an app that uses New has nothing but Fiber's shutdown. It
// waits until the renewal in flight is saved.
func TestShutdownDuringRenewal(t *testing.T) {
	t.Parallel()
	for name, advance := range map[string]time.Duration{"in the background": nearlyExpired, "in a request": lab.JustExpired} {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(0))
			storage := lab.NewStore()
			b := lab.ServeWith(t, pool, lab.On(storage))
			alice := b.SignIn("alice")
			config := pool.Config()
			lab.On(storage)(&config)
			app := fiber.New(fiber.Config{DisableStartupMessage: true})
			app.Use(cognito.New(config))
			lab.Pages(app)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- app.Listener(listener) }()
			a := &lab.Site{T: t, Pool: pool, URL: "http://" + listener.Addr().String()}
			pool.Advance(lab.JustExpired)
			a.MustBe("alice", alice) // now it has the pool's keys

			regroup(pool, "new")
			pool.Advance(advance)
			held := park(t, pool)
			answers := a.Later(1, lab.AsScript("/me", alice))
			lab.Eventually(t, "the tokens are being renewed", func() bool { return len(lab.RenewalsAt(pool)) == 2 })
			if advance == nearlyExpired {
				mustAllBe(a, "alice", answers())
			}
			down := make(chan error, 1)
			go func() { down <- app.Shutdown() }()
			select {
			case err := <-down:
				t.Errorf("Shutdown did not wait for the renewal: %v", err)
				down <- err
			case <-time.After(200 * time.Millisecond):
			}
			held.Open()
			if err := <-down; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			<-served
			mustAllBe(a, "alice", answers())
			if groups := groupsOf(b.Me(alice)); groups != "new" {
				t.Errorf("right after the shutdown, another instance shows %s; want the new groups", groups)
			}
			b.MustRenew(2)
		})
	}
}

// TestCloseOfRenewals: it waits for a renewal in flight, may be called again, and ends
// renewals but no session: those go on as long as their tokens last.
func TestCloseOfRenewals(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice, bob := a.SignIn("alice"), a.SignIn("bob")
	pool.Advance(lab.JustExpired)
	a.MustBe("bob", bob)
	held := park(t, pool)
	answers := a.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "the tokens are being renewed", func() bool { return len(lab.RenewalsAt(pool)) == 2 })
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- a.Auth.Close() }()
	}
	select {
	case err := <-closed:
		t.Errorf("Close did not wait for the renewal: %v", err)
		closed <- err
	case <-time.After(200 * time.Millisecond):
	}
	held.Open()
	for range 2 {
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	b.MustBe("alice", alice)
	mustAllBe(a, "alice", answers())
	if err := a.Auth.Close(); err != nil {
		t.Errorf("Close, once more: %v", err)
	}
	a.MustBe("bob", bob)
	if storage.Closed.Load() {
		t.Error("Close has closed the app's own storage")
	}
	pool.Advance(lab.JustExpired)
	a.MustBeUnavailable(lab.AsScript("/me", alice))
	b.MustBe("alice", alice)
	a.MustRenew(3)
}

// TestCloseEndsTheQueue: renewals that still wait for their turn when the app
// stops are not begun any more, or the last ones would be cut off in the middle.
func TestCloseEndsTheQueue(t *testing.T) {
	t.Parallel()
	const visitors = 80 // more than take turns at once
	var events refreshEvents
	s := lab.Serve(t, lab.InMemory, lab.Patient(t), events.hook)
	cookies := make([]*http.Cookie, visitors)
	for i := range cookies {
		cookies[i] = sessionCookieIn(s.Pool.SignIn(s.App, "alice"))
	}
	s.Pool.Advance(nearlyExpired)
	held := lab.NewGate(t)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Gate: held.Closed})
	for _, cookie := range cookies {
		s.MustBe("alice", cookie)
	}
	lab.Eventually(t, "the first ones call", func() bool { return len(lab.RenewalsAt(s.Pool)) >= 64 })
	closed := make(chan error, 1)
	go func() { closed <- s.Auth.Close() }()
	lab.Eventually(t, "those who wait are turned away", func() bool { return len(events.all()) == visitors-64 })
	held.Open()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	s.MustRenew(64)
	for _, cookie := range cookies {
		s.MustBe("alice", cookie) // by the tokens that they have
	}
}

// TestCloseWithoutKeys: an instance that stops before it has ever seen the
// pool's keys cannot tell whether new tokens are good. They are not lost.
func TestCloseWithoutKeys(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	b := lab.ServeWith(t, pool, lab.On(storage))
	alice := b.SignIn("alice")
	a := lab.ServeWith(t, pool, lab.On(storage))
	pool.Advance(lab.JustExpired)
	held := park(t, pool)
	answers := a.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "the tokens are being renewed", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	closed := make(chan error, 1)
	go func() { closed <- a.Auth.Close() }()
	time.Sleep(100 * time.Millisecond) // nothing outside shows that it is closing
	held.Open()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	answers()
	b.MustBe("alice", alice)
	b.MustRenew(1)
	if strings.Contains(a.Logged.String(), "panic") {
		t.Error("it panicked")
	}
}

// TestCloseIsBounded: a call that never comes back does not keep an app from
// stopping.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	stuck := lab.NewGate(t)
	transport := freshTransport(t)
	config := pool.Config()
	config.HTTPClient = &http.Client{Transport: lab.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if pool.Calls(cognitotest.Token) > 0 && r.Method == http.MethodPost {
			<-stuck.Closed // and does not heed its context
		}
		return transport.RoundTrip(r)
	})}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	app.Use(auth.Handler())
	lab.Pages(app)
	cookies := pool.SignIn(app, "alice")
	pool.Advance(nearlyExpired)
	r, err := http.NewRequest(http.MethodGet, "http://localhost/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	if res, err := app.Test(r, -1); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("/me answered %v, %v", res, err)
	}
	closed := make(chan error, 1)
	go func() { closed <- auth.Close() }()
	select {
	case err := <-closed:
		if err == nil {
			t.Error("Close says that all is done, with a call still in flight")
		}
	case <-time.After(time.Minute):
		t.Fatal("Close never returns")
	}
	stuck.Open()
}
