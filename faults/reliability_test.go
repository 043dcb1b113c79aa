package faults_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"
	"github.com/valyala/fasthttp"
)

// Cognito, the storage, the network and we ourselves fail at times. Three
// things hold throughout: nobody is logged out whom Cognito would still renew,
// whoever cannot be served is told to come again, and all is well by itself
// when the fault is over.

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

// TestOutageLogsNobodyOut is rows F5 and F6: whatever Cognito's token endpoint
// does, short of saying that the refresh token is dead, the session is kept. It
// is served while its token lasts, then answered 503, and goes on afterwards.
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
	clock.Advance(lab.JustExpired)
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

// TestClientSecretChanged is row F6 at a confidential client: the operator has
// replaced the secret at the pool and not here. Nobody is logged out for it.
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

// failWrites makes the storage refuse to write records of sessions.
func failWrites(c lab.StoreCall) *lab.StoreFault {
	if c.Method == "set" && (strings.HasPrefix(c.Key, lab.HotPrefix) || strings.HasPrefix(c.Key, lab.ColdPrefix)) {
		return &lab.StoreFault{Err: lab.ErrDown}
	}
	return nil
}

// unsavable takes a session to where its tokens have been renewed, with the old
// refresh token dead, and the storage refuses to take the new ones.
func unsavable(t *testing.T, storage *lab.Store, grace time.Duration, hooks ...func(*cognito.Config)) (a, b *lab.Site, alice *http.Cookie, tokens *lab.Issued) {
	t.Helper()
	pool := lab.NewPool(t, lab.Rotating(grace))
	tokens = lab.RecordIssued(pool)
	a, b = lab.Pair(t, pool, storage, hooks...)
	alice = a.SignIn("alice")
	pool.Advance(lab.JustExpired) // once for nothing: the first token of a login is a special one
	a.MustBe("alice", alice)
	regroup(pool, "new")
	pool.Advance(lab.JustExpired)
	storage.Misbehave(failWrites)
	return a, b, alice, tokens
}

// TestSaveFailsAfterRotation is row F10: Cognito has replaced the refresh token
// and the storage does not take the new one. It is kept in memory: requests are
// served with the new tokens, Cognito is not asked again, and when the storage
// is well the session is whole again, for other instances too.
func TestSaveFailsAfterRotation(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	for range 5 {
		if groups := groupsOf(a.Me(alice)); groups != "new" {
			t.Errorf("while the storage does not write, /me shows %s; want the new groups", groups)
		}
		mustBeFresh(a, a.Send(lab.AsScript("/token", alice)).Text)
		if res := a.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
			t.Errorf("while the storage does not write, the refresh path answers %s", lab.StatusLine(res))
		}
		a.Pool.Advance(3 * time.Second)
	}
	a.MustRenew(2)
	unsaved := storage.Dump()
	storage.Misbehave(nil)
	lab.Eventually(t, "the tokens are saved", func() bool { return rewritten(storage, unsaved) })
	if groups := groupsOf(b.Me(alice)); groups != "new" {
		t.Errorf("then another instance shows %s, want the new groups", groups)
	}
	mustBeFresh(b, b.Send(lab.AsScript("/token", alice)).Text)
	b.MustRenew(2)
	for range 2 {
		a.Pool.Advance(lab.JustExpired)
		b.MustBe("alice", alice)
		a.MustBe("alice", alice)
	}
}

// TestFrozenBetweenRequests is row F10 in a process that runs only while it answers:
// tokens that the storage does not take stay in memory, nothing goes on between two
// requests, and the first request after the outage has them saved when it is answered.
func TestFrozenBetweenRequests(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0, func(c *cognito.Config) { c.RenewInRequest = true })
	unsaved, before := storage.Dump(), len(storage.Asked("set"))
	for range 3 {
		if groups := groupsOf(a.Me(alice)); groups != "new" {
			t.Errorf("while the storage does not write, /me shows %s; want the new groups", groups)
		}
	}
	if tries := len(storage.Asked("set")) - before; tries > 6 {
		t.Errorf("the tokens were offered %d times in three requests", tries)
	}
	storage.Misbehave(nil)
	if rewritten(storage, unsaved) {
		t.Error("the tokens are saved already: something runs between requests")
	}
	a.MustBe("alice", alice)
	if !rewritten(storage, unsaved) {
		t.Error("the tokens are not saved, and the process is frozen again")
	}
	if groups := groupsOf(b.Me(alice)); groups != "new" {
		t.Errorf("then another instance shows %s, want the new groups", groups)
	}
	b.MustRenew(2)
}

// rewritten reports whether both records of the only session have changed.
func rewritten(s *lab.Store, since map[string][]byte) bool {
	changed := 0
	for key, value := range s.Dump() {
		isRecord := strings.HasPrefix(key, lab.HotPrefix) || strings.HasPrefix(key, lab.ColdPrefix)
		if isRecord && !bytes.Equal(value, since[key]) {
			changed++
		}
	}
	return changed == 2
}

// TestStorageGoesAfterRotation is row F10 with a storage that is gone for good
// measure: what it holds cannot even be read when the tokens are offered to it.
func TestStorageGoesAfterRotation(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.MustBe("alice", alice)
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	before := len(storage.Asked("get"))
	lab.Eventually(t, "the tokens are offered twice, in vain", func() bool { return len(storage.Asked("get")) >= before+2 })
	unsaved := storage.Dump()
	storage.Misbehave(nil)
	lab.Eventually(t, "the tokens are saved", func() bool { return rewritten(storage, unsaved) })
	b.MustBe("alice", alice)
	b.MustRenew(2)
	a.Pool.Advance(lab.JustExpired)
	b.MustBe("alice", alice)
}

// TestSaveHangsAfterRotation is row F10 with a storage that takes its time to
// fail: requests that come while the tokens are being offered to it once more
// are served as well, and do not present the dead refresh token.
func TestSaveHangsAfterRotation(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	hung := lab.Hang(t)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if failWrites(c) != nil {
			return hung
		}
		return nil
	})
	s.MustBe("alice", alice)
	// For as long as the storage is tried several times. The pool's clock goes
	// at ten times our own pace, however many requests fit into that.
	for began, told := time.Now(), time.Duration(0); told < 50*time.Second; {
		s.MustBe("alice", alice)
		passed := 10 * time.Since(began)
		pool.Advance(passed - told)
		told = passed
	}
	s.MustRenew(1)
	unsaved := storage.Dump()
	storage.Misbehave(nil)
	lab.Eventually(t, "the tokens are saved", func() bool { return rewritten(storage, unsaved) })
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
}

// TestSaveFailsThenClose is row F10 at a shutdown: an instance that stops while
// it holds tokens that nobody else has, and before anybody asks for them again,
// saves them if the storage is back.
func TestSaveFailsThenClose(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.MustBe("alice", alice)
	storage.Misbehave(nil)
	if err := a.Auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if groups := groupsOf(b.Me(alice)); groups != "new" {
		t.Errorf("after the shutdown the other instance shows %s, want the new groups", groups)
	}
	b.MustRenew(2)
}

// TestSaveFailsAndAnotherInstanceIsAsked is row F10 with two instances: one
// holds the new tokens, and requests go to the other, which has only the dead
// refresh token. It is not to believe that it is dead before the first one has
// had time to save.
func TestSaveFailsAndAnotherInstanceIsAsked(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.MustBe("alice", alice)
	storage.Misbehave(nil)
	b.MustBe("alice", alice)
	b.Pool.Advance(lab.JustExpired)
	b.MustBe("alice", alice)
}

// TestSaveFailsAndAnotherInstanceRenews is row F10 within the grace: while one
// instance holds tokens that it cannot save, another one renews, and its tokens
// outdo them. They must not be overwritten with those from memory.
func TestSaveFailsAndAnotherInstanceRenews(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage, deaf := lab.NewStore(), atomic.Bool{}
	a := lab.ServeWith(t, pool, lab.On(deafStore{storage, &deaf}))
	b := lab.ServeWith(t, pool, lab.On(storage))
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)
	deaf.Store(true)
	a.MustBe("alice", alice)
	b.MustBe("alice", alice)
	a.MustRenew(2)
	deaf.Store(false)
	if err := a.Auth.Close(); err != nil { // its last try to save them
		t.Errorf("Close: %v", err)
	}
	for range 2 {
		pool.Advance(lab.JustExpired)
		b.MustBe("alice", alice)
	}
}

// deafStore is one instance's line to the storage, which fails while deaf is
// set whenever records of sessions are written.
type deafStore struct {
	*lab.Store
	deaf *atomic.Bool
}

func (d deafStore) Set(key string, value []byte, life time.Duration) error {
	if d.deaf.Load() && failWrites(lab.StoreCall{Method: "set", Key: key}) != nil {
		return lab.ErrDown
	}
	return d.Store.Set(key, value, life)
}

// TestSaveFailsThenLogout is row F10 before a logout, here or at another
// instance: the tokens in memory end with the session, and the refresh token
// that nobody else knows is revoked.
func TestSaveFailsThenLogout(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprint("elsewhere ", elsewhere), func(t *testing.T) {
			storage := lab.NewStore()
			a, b, alice, tokens := unsavable(t, storage, 0)
			a.MustBe("alice", alice)
			newest := tokens.Newest()
			leaves := a
			if elsewhere {
				leaves = b
			}
			leaves.MustLogOut(leaves.Send(lab.LogOut(alice)))
			storage.Misbehave(nil)
			for range 2 {
				a.MustBe("", alice)
				b.MustBe("", alice)
				lab.Eventually(t, "the newest refresh token is revoked", func() bool { return slices.Contains(lab.Revoked(a.Pool), newest) })
				a.Pool.Advance(time.Minute)
			}
		})
	}
}

// TestSaveFailsForAVerdict: a session that Cognito ends while the storage does
// not write is not ended halfway: it is unknown until that can be stored.
func TestSaveFailsForAVerdict(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method != "get" {
			return &lab.StoreFault{Err: lab.ErrDown}
		}
		return nil
	})
	a.Pool.EndSessions("alice")
	a.MustBeUnavailable(lab.AsScript("/me", alice))
	storage.Misbehave(nil)
	a.Pool.Advance(time.Minute)
	a.MustBe("", alice)
	b.MustBe("", alice)
}

// TestKeysOutOfReachAtRenewal: new tokens that cannot be verified because the
// pool's keys are out of reach are neither thrown away nor believed. They wait
// in the storage, with the refresh token that came with them, and whichever
// instance has keys first accepts them, without another call.
func TestKeysOutOfReachAtRenewal(t *testing.T) {
	t.Parallel()
	for _, when := range []struct {
		name    string
		advance time.Duration
		sees    string // while the keys are out of reach
	}{
		{"ahead of time", nearlyExpired, "admin"},
		{"too late", lab.JustExpired, ""},
	} {
		for _, heir := range []string{"same instance", "another instance"} {
			t.Run(when.name+", "+heir, func(t *testing.T) {
				pool := lab.NewPool(t, lab.Rotating(0))
				storage := lab.NewStore()
				knowing := lab.ServeWith(t, pool, lab.On(storage))
				alice := knowing.SignIn("alice")
				fresh := lab.ServeWith(t, pool, lab.On(storage)) // has never seen a key
				pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
				regroup(pool, "new")
				pool.Advance(when.advance)
				res := fresh.Me(alice)
				if when.sees == "" {
					fresh.MustBeUnavailable(lab.AsScript("/me", alice))
				} else if groupsOf(res) != when.sees {
					t.Errorf("without keys /me answers %s, want what it said before", lab.StatusLine(res))
				}
				lab.Eventually(t, "the keys were asked for", func() bool { return pool.Calls(cognitotest.JWKS) >= 2 })
				next := knowing
				if heir == "same instance" {
					pool.Heal()
					next = fresh
				}
				lab.Eventually(t, "the waiting tokens are used", func() bool { pool.Advance(31 * time.Second); return groupsOf(next.Me(alice)) == "new" })
				mustBeFresh(next, next.Send(lab.AsScript("/token", alice)).Text)
				next.MustRenew(1)
				pool.Heal()
				pool.Advance(lab.JustExpired)
				fresh.MustBe("alice", alice)
				knowing.MustBe("alice", alice)
				next.MustRenew(2)
			})
		}
	}
}

// TestKeysOutOfReachThenForged: tokens that waited for keys are verified when
// there are some. Waiting makes no bad token good.
func TestKeysOutOfReachThenForged(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	alice := lab.ServeWith(t, pool, lab.On(storage)).SignIn("alice")
	var events refreshEvents
	fresh := lab.ServeWith(t, pool, lab.On(storage), events.hook)
	pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	pool.Tamper(func(u *cognitotest.UnsignedToken) {
		if u.Grant == "refresh_token" {
			signedByTheOther(pool, u)
		}
	})
	pool.Advance(lab.JustExpired)
	fresh.MustBeUnavailable(lab.AsScript("/me", alice))
	pool.Heal()
	pool.Advance(time.Minute)
	fresh.MustBe("", alice)
	if err := events.last(t); !errors.Is(err, cognito.ErrTokenSignature) {
		t.Errorf("the session ended with %v, want ErrTokenSignature", err)
	}
	fresh.MustRenew(1)
}

// TestUnknownKeyAtRenewal: a key that cannot be found proves nothing: the pool
// may have rotated its keys while forgers used up the fetches that unknown key
// names may force. The session is kept and renewed again.
func TestUnknownKeyAtRenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	clock := lab.StopClock(pool)
	s := lab.ServeWith(t, pool, clock.Hook)
	alice := s.SignIn("alice")
	clock.Advance(lab.JustExpired)
	for _, kid := range []string{"x", "y", "z"} {
		forged, err := lab.SignJWT(jwt.SigningMethodRS256, pool.SigningKey("access"), map[string]any{"alg": "RS256", "kid": kid}, map[string]any{"sub": "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Auth.VerifyAccessToken(t.Context(), forged); !errors.Is(err, cognito.ErrTokenKey) {
			t.Fatalf("a forged token is judged %v, want ErrTokenKey", err)
		}
	}
	pool.RotateKeys()
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	clock.Advance(31 * time.Second)
	s.MustBe("alice", alice)
	clock.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
}

// TestClientLeavesDuringRenewal is row F8: the visitor closes the tab while
// their tokens are being renewed. The renewal goes on and is saved.
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

// TestShutdownDuringRenewal is row F8: an app that uses New has nothing but
// Fiber's shutdown. It waits until the renewal in flight is saved.
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
func TestCloseEndsTheQueue(t *testing.T) { // not beside others: the gate must open before calls give up
	const visitors = 80 // more than take turns at once
	s := lab.Serve(t)
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
	time.Sleep(100 * time.Millisecond) // nothing outside shows that it is closing
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

// TestStorageDownAtRenewal is rows K1 and K2 in the middle of a renewal: which
// of its storage calls fails or hangs does not matter. Nobody is logged out,
// nobody waits for ever, and the tokens that Cognito has issued are not lost.
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
