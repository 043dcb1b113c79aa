package faults_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// outage is a way in which renewing fails and says nothing about the visitor.
type outage struct {
	name  string
	fault cognitotest.Fault
	// says is what the operator reads about it.
	says string
}

var renewalOutages = []outage{
	{"500", cognitotest.Fault{Status: 500, ContentType: "text/plain", Body: "oops"}, "HTTP status 500"},
	{"503 with JSON", cognitotest.Fault{Status: 503, Body: `{"error":"invalid_grant"}`}, "HTTP status 503"},
	{"429", cognitotest.Fault{Status: 429, Body: `{"error":"TooManyRequestsException"}`}, "HTTP status 429"},
	{"429 that looks final", cognitotest.Fault{Status: 429, Body: `{"error":"invalid_grant"}`}, "HTTP status 429"},
	{"firewall", cognitotest.Fault{Status: 403, ContentType: "text/html", Body: "<h1>Forbidden</h1>"}, "HTTP status 403"},
	{"400 in HTML", cognitotest.Fault{Status: 400, ContentType: "text/html", Body: `{"error":"invalid_grant"}`}, "HTTP status 400"},
	{"login page of a hotel", cognitotest.Fault{Status: 200, ContentType: "text/html", Body: "<h1>Welcome</h1>"}, "not JSON"},
	{"redirect", cognitotest.Fault{Status: 307, Header: http.Header{"Location": {"https://elsewhere.example/"}}}, "HTTP status 307"},
	{"broken JSON", cognitotest.Fault{Body: `{"access_token":`}, "cannot be read"},
	{"no tokens", cognitotest.Fault{Body: `{}`}, "has no access token"},
	{"endless answer", cognitotest.Fault{BodySize: 3 << 20}, "too long"},
	{"connection cut", cognitotest.Fault{LoseAnswer: true}, "no answer"},
	{"wrong secret", cognitotest.Fault{Status: 400, Body: `{"error":"invalid_client"}`}, "check ClientID and ClientSecret"},
	{"wrong secret, as 401", cognitotest.Fault{Status: 401, Body: `{"error":"invalid_client"}`}, "check ClientID and ClientSecret"},
	{"grant not allowed", cognitotest.Fault{Status: 400, Body: `{"error":"unauthorized_client"}`}, "unauthorized_client"},
	{"unknown error", cognitotest.Fault{Status: 400, Body: `{"error":"something_new"}`}, "something_new"},
}

// TestOutageLogsNobodyOut: whatever Cognito's token endpoint does, short of saying that
// the refresh token is dead, the session is kept. It is served while its token lasts,
// then answered 503, and goes on afterwards.
func TestOutageLogsNobodyOut(t *testing.T) {
	t.Parallel()
	for _, outage := range renewalOutages {
		t.Run(outage.name, func(t *testing.T) {
			s := lab.Serve(t)
			lastsThrough(s, s.SignIn("alice"), outage.says, func() {
				fault := outage.fault
				fault.Match = lab.Refreshes
				s.Pool.Break(cognitotest.Token, fault)
			}, func() { s.Pool.Heal() })
		})
	}
	t.Run("connection refused", func(t *testing.T) {
		var down atomic.Bool
		s := lab.Serve(t, reachableUnless(t, &down))
		lastsThrough(s, s.SignIn("alice"), "connection refused",
			func() { down.Store(true) }, func() { down.Store(false) })
	})
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		var impatient atomic.Bool // during the outage alone: a login may take its time
		s := lab.Serve(t, givesUp(t, &impatient))
		lastsThrough(s, s.SignIn("alice"), "no answer", func() {
			impatient.Store(true)
			s.Pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Hang: true})
		}, func() {
			impatient.Store(false)
			s.Pool.Heal()
		})
	})
}

// lastsThrough takes a session through an outage that spans its expiry.
func lastsThrough(s *lab.Site, cookie *http.Cookie, says string, begin, end func()) {
	s.Helper()
	s.Pool.Advance(nearlyExpired)
	begin()
	s.MustBe("alice", cookie) // by the old token, and renewing in the background
	lab.Eventually(s.T, "the operator reads "+says, func() bool { return strings.Contains(s.Logged.String(), says) })
	s.Pool.Advance(10 * time.Minute)
	s.MustBeUnavailable(lab.AsScript("/me", cookie))
	s.MustBeUnavailable(asVisitor("/me", cookie))
	s.MustBeUnavailable(lab.RenewNow(cookie))
	s.MustBeUnavailable(lab.Request{Method: http.MethodPost, Path: "/me", Cookies: []*http.Cookie{cookie}})
	if res := s.Send(lab.Request{Path: "/", Cookies: []*http.Cookie{cookie}}); !strings.Contains(res.Text, "cognito: unavailable") || len(res.Cookies()) > 0 {
		s.Errorf("an open page says %s with cookies %v", lab.StatusLine(res), res.Cookies())
	}
	end()
	s.Pool.Advance(time.Minute)
	s.MustBe("alice", cookie)
	s.Pool.Advance(lab.JustExpired)
	s.MustBe("alice", cookie)
}

// freshTransport opens a connection a call.
func freshTransport(t *testing.T) *http.Transport {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

// givesUp waits a second for Cognito while impatient is set. Nothing else may be called
// meanwhile, for an answer that does come is not read to its end.
func givesUp(t *testing.T, impatient *atomic.Bool) func(*cognito.Config) {
	transport := freshTransport(t)
	return func(c *cognito.Config) {
		c.HTTPClient = &http.Client{Transport: lab.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if !impatient.Load() {
				return transport.RoundTrip(r)
			}
			ctx, cancel := context.WithTimeout(r.Context(), time.Second)
			defer cancel()
			return transport.RoundTrip(r.WithContext(ctx))
		})}
	}
}

// reachableUnless cuts an app off from Cognito while down is set.
func reachableUnless(t *testing.T, down *atomic.Bool) func(*cognito.Config) {
	transport := freshTransport(t)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if down.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return func(c *cognito.Config) { c.HTTPClient = &http.Client{Transport: transport} }
}

// TestBackOff: while Cognito is down it is asked now and then, less and less,
// and never for each request.
func TestBackOff(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	clock := lab.StopClock(pool)
	s := lab.ServeWith(t, pool, clock.Hook)
	alice := s.SignIn("alice")
	clock.Advance(lab.JustExpired + 30*time.Second) // the pool's own clock goes on
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
	for range 20 {
		s.MustBeUnavailable(lab.AsScript("/me", alice))
	}
	s.MustRenew(1)

	// Five minutes, with a request each second. Pauses of 1, 2, 4, 8, 16, 30,
	// 30 … seconds, each cut by up to a half, make 14 to 24 calls.
	for range 300 {
		clock.Advance(time.Second)
		s.MustBeUnavailable(lab.AsScript("/me", alice))
	}
	if calls := len(lab.RenewalsAt(pool)); calls < 12 || calls > 26 {
		t.Errorf("%d calls in five minutes, want about 20", calls)
	}
	pool.Heal()
	clock.Advance(30 * time.Second)
	s.MustBe("alice", alice)

	// The next outage begins with short pauses again. The pool's own clock went on
	// meanwhile, so the newest tokens live a little longer.
	clock.Advance(lab.JustExpired + 10*time.Minute)
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	pool.Heal()
	clock.Advance(time.Second)
	s.MustBe("alice", alice)
}

// TestOutageFillsNoLog: what an outage writes is bounded by the requests that it fails. While
// tokens are valid, that is none, and public pages fail never.
func TestOutageFillsNoLog(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	clock := lab.StopClock(pool)
	s := lab.ServeWith(t, pool, clock.Hook)
	alice := s.SignIn("alice")
	written := func(requests int, request lab.Request) int {
		before := strings.Count(s.Logged.String(), "\n")
		for range requests {
			clock.Advance(time.Second)
			s.Send(request)
		}
		return strings.Count(s.Logged.String(), "\n") - before
	}
	clock.Advance(nearlyExpired)
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
	if lines := written(300, lab.AsScript("/me", alice)); lines > 26 {
		t.Errorf("%d lines for 300 requests that were answered, want one for each renewal, as in TestBackOff", lines)
	}
	clock.Advance(10 * time.Minute)
	if lines := written(300, lab.AsScript("/me", alice)); lines > 326 {
		t.Errorf("%d lines for 300 requests that were refused", lines)
	}
	if lines := written(300, lab.AsScript("/public", alice)); lines > 26 {
		t.Errorf("%d lines for 300 requests of a public page", lines)
	}
	if lines := written(300, lab.AsScript("/public")); lines > 0 {
		t.Errorf("%d lines for strangers", lines)
	}
}

// TestClientSecretChanged: the operator has replaced the secret at the pool and not
// here. Nobody is logged out for it.
func TestClientSecretChanged(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "old"})
	s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.ClientID, c.ClientSecret = "confidential", "old" })
	lastsThrough(s, s.SignIn("alice"), "check ClientID and ClientSecret",
		func() { pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "new"}) },
		func() { pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "old"}) })
	loud := func(line string) bool {
		return strings.Contains(line, "level=ERROR") && strings.Contains(line, "check ClientID and ClientSecret")
	}
	if !slices.ContainsFunc(strings.Split(s.Logged.String(), "\n"), loud) {
		t.Error("it looks like any outage in the log, and nobody will wake up")
	}
}

// TestOutageLongerThanIdle: a visitor who keeps coming during an outage is not
// idle, however long it takes, and whatever the storage forgets.
func TestOutageLongerThanIdle(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := mortalOf(lab.NewStore(), pool)
	s := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) { c.IdleTimeout = 10 * time.Minute })
	alice := s.SignIn("alice")
	for range 11 {
		pool.Advance(5 * time.Minute)
		s.MustBe("alice", alice)
	}
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
	for range 13 {
		pool.Advance(5 * time.Minute)
		s.Me(alice)
	}
	pool.Heal()
	pool.Advance(time.Minute)
	s.MustBe("alice", alice)
	pool.Advance(10*time.Minute + time.Second)
	s.MustBe("", alice) // and idle is idle
}

// TestManySessionsReturnAtOnce: more visitors come back with expired tokens
// than calls may be under way. They take turns; nobody is turned away by a
// Cognito that is well.
func TestManySessionsReturnAtOnce(t *testing.T) {
	t.Parallel()
	const visitors = 150
	s := lab.Serve(t)
	cookies := make([]*http.Cookie, visitors)
	for i := range cookies {
		cookies[i] = sessionCookieIn(s.Pool.SignIn(s.App, "alice"))
	}
	s.Pool.Advance(lab.JustExpired)
	var mu sync.Mutex
	var now, most int
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Match: func(cognitotest.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		now++
		most = max(most, now)
		return true
	}, Rewrite: func(map[string]any) {
		mu.Lock()
		defer mu.Unlock()
		now--
	}, Delay: 20 * time.Millisecond})
	var pending []func() []lab.Reply
	for _, cookie := range cookies {
		pending = append(pending, s.Later(1, lab.AsScript("/me", cookie)))
	}
	var got []lab.Reply
	for _, answers := range pending {
		got = append(got, answers()...)
	}
	mustAllBe(s, "alice", got)
	s.MustRenew(visitors)
	if most > 128 {
		t.Errorf("%d calls were under way at once, want at most 128", most)
	}
}

func sessionCookieIn(cookies []*http.Cookie) *http.Cookie {
	return cookies[slices.IndexFunc(cookies, func(c *http.Cookie) bool { return lab.IsSessionCookie(c.Name) })]
}
