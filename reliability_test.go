package cognito_test

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
	{"no tokens", cognitotest.Fault{Body: `{}`}, "without access token"},
	{"endless answer", cognitotest.Fault{BodySize: 3 << 20}, "longer than"},
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
			s := serve(t)
			s.lastsThrough(s.signIn("alice"), outage.says, func() {
				fault := outage.fault
				fault.Match = refreshes
				s.pool.Break(cognitotest.Token, fault)
			}, func() { s.pool.Heal() })
		})
	}
	t.Run("connection refused", func(t *testing.T) {
		var down atomic.Bool
		s := serve(t, reachableUnless(t, &down))
		s.lastsThrough(s.signIn("alice"), "connection refused",
			func() { down.Store(true) }, func() { down.Store(false) })
	})
	t.Run("no answer", func(t *testing.T) {
		t.Parallel()
		patience := func(c *cognito.Config) {
			c.HTTPClient = &http.Client{Timeout: time.Second, Transport: freshTransport(t)}
		}
		s := serve(t, patience)
		s.lastsThrough(s.signIn("alice"), "no answer", func() {
			s.pool.Break(cognitotest.Token, cognitotest.Fault{Match: refreshes, Hang: true})
		}, func() { s.pool.Heal() })
	})
}

// lastsThrough takes a session through an outage that spans its expiry.
func (s *site) lastsThrough(cookie *http.Cookie, says string, begin, end func()) {
	s.Helper()
	s.pool.Advance(nearlyExpired)
	begin()
	s.mustBe("alice", cookie) // by the old token, and renewing in the background
	eventually(s.T, "the operator reads "+says, func() bool { return strings.Contains(s.log.String(), says) })
	s.pool.Advance(10 * time.Minute)
	s.mustBeUnavailable(asScript("/me", cookie))
	s.mustBeUnavailable(asVisitor("/me", cookie))
	s.mustBeUnavailable(renewNow(cookie))
	s.mustBeUnavailable(request{method: http.MethodPost, path: "/me", cookies: []*http.Cookie{cookie}})
	if res := s.send(request{path: "/", cookies: []*http.Cookie{cookie}}); !strings.Contains(res.body, "cognito: unavailable") || len(res.Cookies()) > 0 {
		s.Errorf("an open page says %s with cookies %v", statusLine(res), res.Cookies())
	}
	end()
	s.pool.Advance(time.Minute)
	s.mustBe("alice", cookie)
	s.pool.Advance(justExpired)
	s.mustBe("alice", cookie)
}

// freshTransport opens a connection a call.
func freshTransport(t *testing.T) *http.Transport {
	transport := &http.Transport{DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
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
	pool := newPool(t)
	clock := stopClock(pool)
	s := serveWith(t, pool, clock.hook)
	alice := s.signIn("alice")
	clock.advance(justExpired)
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: refreshes, Status: http.StatusServiceUnavailable})
	for range 20 {
		s.mustBeUnavailable(asScript("/me", alice))
	}
	s.mustRenew(1)

	// Five minutes, with a request each second. Pauses of 1, 2, 4, 8, 16, 30,
	// 30 … seconds, each cut by up to a half, make 14 to 24 calls.
	for range 300 {
		clock.advance(time.Second)
		s.mustBeUnavailable(asScript("/me", alice))
	}
	if calls := len(renewalsAt(pool)); calls < 12 || calls > 26 {
		t.Errorf("%d calls in five minutes, want about 20", calls)
	}
	pool.Heal()
	clock.advance(30 * time.Second)
	s.mustBe("alice", alice)

	// The next outage begins with short pauses again.
	clock.advance(justExpired)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Status: http.StatusServiceUnavailable})
	s.mustBeUnavailable(asScript("/me", alice))
	clock.advance(time.Second)
	s.mustBe("alice", alice)
}

// TestClientSecretChanged is row F6 at a confidential client: the operator has
// replaced the secret at the pool and not here. Nobody is logged out for it.
func TestClientSecretChanged(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "old"})
	s := serveWith(t, pool, func(c *cognito.Config) { c.ClientID, c.ClientSecret = "confidential", "old" })
	s.lastsThrough(s.signIn("alice"), "check ClientID and ClientSecret",
		func() { pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "new"}) },
		func() { pool.SetClient(cognitotest.Client{ID: "confidential", Secret: "old"}) })
	loud := func(line string) bool {
		return strings.Contains(line, "level=ERROR") && strings.Contains(line, "check ClientID and ClientSecret")
	}
	if !slices.ContainsFunc(strings.Split(s.log.String(), "\n"), loud) {
		t.Error("it looks like any outage in the log, and nobody will wake up")
	}
}

// TestOutageLongerThanIdle: a visitor who keeps coming during an outage is not
// idle, however long it takes, and whatever the storage forgets.
func TestOutageLongerThanIdle(t *testing.T) {
	pool := newPool(t)
	storage := &mortalStore{store: newStore(), now: pool.Now, deaths: map[string]time.Time{}}
	s := serveWith(t, pool, on(storage), func(c *cognito.Config) { c.IdleTimeout = 10 * time.Minute })
	alice := s.signIn("alice")
	for range 11 {
		pool.Advance(5 * time.Minute)
		s.mustBe("alice", alice)
	}
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: refreshes, Status: http.StatusServiceUnavailable})
	for range 13 {
		pool.Advance(5 * time.Minute)
		s.me(alice)
	}
	pool.Heal()
	pool.Advance(time.Minute)
	s.mustBe("alice", alice)
	pool.Advance(10*time.Minute + time.Second)
	s.mustBe("", alice) // and idle is idle
}

// TestManySessionsReturnAtOnce: more visitors come back with expired tokens
// than calls may be under way. They take turns; nobody is turned away by a
// Cognito that is well.
func TestManySessionsReturnAtOnce(t *testing.T) {
	t.Parallel()
	const visitors = 150
	s := serve(t)
	cookies := make([]*http.Cookie, visitors)
	for i := range cookies {
		cookies[i] = sessionCookieIn(s.pool.SignIn(s.app, "alice"))
	}
	s.pool.Advance(justExpired)
	var mu sync.Mutex
	var now, most int
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Match: func(cognitotest.Request) bool {
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
	var pending []func() []reply
	for _, cookie := range cookies {
		pending = append(pending, s.later(1, asScript("/me", cookie)))
	}
	var got []reply
	for _, answers := range pending {
		got = append(got, answers()...)
	}
	s.mustAllBe("alice", got)
	s.mustRenew(visitors)
	if most > 128 {
		t.Errorf("%d calls were under way at once, want at most 128", most)
	}
}

func sessionCookieIn(cookies []*http.Cookie) *http.Cookie {
	return cookies[slices.IndexFunc(cookies, func(c *http.Cookie) bool { return isSessionCookie(c.Name) })]
}

// failWrites makes the storage refuse to write records of sessions.
func failWrites(c storeCall) *storeFault {
	if c.method == "set" && (strings.HasPrefix(c.key, hotPrefix) || strings.HasPrefix(c.key, coldPrefix)) {
		return &storeFault{err: errDown}
	}
	return nil
}

// unsavable takes a session to where its tokens have been renewed, with the old
// refresh token dead, and the storage refuses to take the new ones.
func unsavable(t *testing.T, storage *store, grace time.Duration) (a, b *site, alice *http.Cookie, tokens *issued) {
	t.Helper()
	pool := newPool(t, rotating(grace))
	tokens = recordIssued(pool)
	a, b = pair(t, pool, storage)
	alice = a.signIn("alice")
	pool.Advance(justExpired) // once for nothing: the first token of a login is a special one
	a.mustBe("alice", alice)
	regroup(pool, "new")
	pool.Advance(justExpired)
	storage.misbehave(failWrites)
	return a, b, alice, tokens
}

// TestSaveFailsAfterRotation is row F10: Cognito has replaced the refresh token
// and the storage does not take the new one. It is kept in memory: requests are
// served with the new tokens, Cognito is not asked again, and when the storage
// is well the session is whole again, for other instances too.
func TestSaveFailsAfterRotation(t *testing.T) {
	storage := newStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	for range 5 {
		if groups := groupsOf(a.me(alice)); groups != "new" {
			t.Errorf("while the storage does not write, /me shows %s; want the new groups", groups)
		}
		a.mustBeFresh(a.send(asScript("/token", alice)).body)
		if res := a.send(renewNow(alice)); res.StatusCode != http.StatusOK {
			t.Errorf("while the storage does not write, the refresh path answers %s", statusLine(res))
		}
		a.pool.Advance(3 * time.Second)
	}
	a.mustRenew(2)
	unsaved := storage.dump()
	storage.misbehave(nil)
	eventually(t, "the tokens are saved", func() bool { return storage.rewritten(unsaved) })
	if groups := groupsOf(b.me(alice)); groups != "new" {
		t.Errorf("then another instance shows %s, want the new groups", groups)
	}
	b.mustBeFresh(b.send(asScript("/token", alice)).body)
	b.mustRenew(2)
	for range 2 {
		a.pool.Advance(justExpired)
		b.mustBe("alice", alice)
		a.mustBe("alice", alice)
	}
}

// rewritten reports whether both records of the only session have changed.
func (s *store) rewritten(since map[string][]byte) bool {
	changed := 0
	for key, value := range s.dump() {
		isRecord := strings.HasPrefix(key, hotPrefix) || strings.HasPrefix(key, coldPrefix)
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
	storage := newStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.mustBe("alice", alice)
	storage.misbehave(func(storeCall) *storeFault { return &storeFault{err: errDown} })
	before := len(storage.asked("get"))
	eventually(t, "the tokens are offered twice, in vain", func() bool { return len(storage.asked("get")) >= before+2 })
	unsaved := storage.dump()
	storage.misbehave(nil)
	eventually(t, "the tokens are saved", func() bool { return storage.rewritten(unsaved) })
	b.mustBe("alice", alice)
	b.mustRenew(2)
	a.pool.Advance(justExpired)
	b.mustBe("alice", alice)
}

// TestSaveHangsAfterRotation is row F10 with a storage that takes its time to
// fail: requests that come while the tokens are being offered to it once more
// are served as well, and do not present the dead refresh token.
func TestSaveHangsAfterRotation(t *testing.T) {
	t.Parallel()
	pool := newPool(t, rotating(0))
	storage := newStore()
	s := serveWith(t, pool, on(storage))
	alice := s.signIn("alice")
	pool.Advance(justExpired)
	hung := hang(t)
	storage.misbehave(func(c storeCall) *storeFault {
		if failWrites(c) != nil {
			return hung
		}
		return nil
	})
	s.mustBe("alice", alice)
	// For as long as the storage is tried several times. The pool's clock goes
	// at ten times our own pace, however many requests fit into that.
	for began, told := time.Now(), time.Duration(0); told < 50*time.Second; {
		s.mustBe("alice", alice)
		passed := 10 * time.Since(began)
		pool.Advance(passed - told)
		told = passed
	}
	s.mustRenew(1)
	unsaved := storage.dump()
	storage.misbehave(nil)
	eventually(t, "the tokens are saved", func() bool { return storage.rewritten(unsaved) })
	pool.Advance(justExpired)
	s.mustBe("alice", alice)
}

// TestSaveFailsThenClose is row F10 at a shutdown: an instance that stops while
// it holds tokens that nobody else has, and before anybody asks for them again,
// saves them if the storage is back.
func TestSaveFailsThenClose(t *testing.T) {
	storage := newStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.mustBe("alice", alice)
	storage.misbehave(nil)
	if err := a.auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if groups := groupsOf(b.me(alice)); groups != "new" {
		t.Errorf("after the shutdown the other instance shows %s, want the new groups", groups)
	}
	b.mustRenew(2)
}

// TestSaveFailsAndAnotherInstanceIsAsked is row F10 with two instances: one
// holds the new tokens, and requests go to the other, which has only the dead
// refresh token. It is not to believe that it is dead before the first one has
// had time to save.
func TestSaveFailsAndAnotherInstanceIsAsked(t *testing.T) {
	t.Parallel()
	storage := newStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.mustBe("alice", alice)
	storage.misbehave(nil)
	b.mustBe("alice", alice)
	b.pool.Advance(justExpired)
	b.mustBe("alice", alice)
}

// TestSaveFailsAndAnotherInstanceRenews is row F10 within the grace: while one
// instance holds tokens that it cannot save, another one renews, and its tokens
// outdo them. They must not be overwritten with those from memory.
func TestSaveFailsAndAnotherInstanceRenews(t *testing.T) {
	pool := newPool(t, rotating(time.Minute))
	storage, deaf := newStore(), atomic.Bool{}
	a := serveWith(t, pool, on(deafStore{storage, &deaf}))
	b := serveWith(t, pool, on(storage))
	alice := a.signIn("alice")
	pool.Advance(justExpired)
	deaf.Store(true)
	a.mustBe("alice", alice)
	b.mustBe("alice", alice)
	a.mustRenew(2)
	deaf.Store(false)
	if err := a.auth.Close(); err != nil { // its last try to save them
		t.Errorf("Close: %v", err)
	}
	for range 2 {
		pool.Advance(justExpired)
		b.mustBe("alice", alice)
	}
}

// deafStore is one instance's line to the storage, which fails while deaf is
// set whenever records of sessions are written.
type deafStore struct {
	*store
	deaf *atomic.Bool
}

func (d deafStore) Set(key string, value []byte, life time.Duration) error {
	if d.deaf.Load() && failWrites(storeCall{method: "set", key: key}) != nil {
		return errDown
	}
	return d.store.Set(key, value, life)
}

// TestSaveFailsThenLogout is row F10 before a logout, here or at another
// instance: the tokens in memory end with the session, and the refresh token
// that nobody else knows is revoked.
func TestSaveFailsThenLogout(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprint("elsewhere ", elsewhere), func(t *testing.T) {
			storage := newStore()
			a, b, alice, tokens := unsavable(t, storage, 0)
			a.mustBe("alice", alice)
			newest := tokens.newest()
			leaves := a
			if elsewhere {
				leaves = b
			}
			leaves.mustLogOut(leaves.send(logOut(alice)))
			storage.misbehave(nil)
			for range 2 {
				a.mustBe("", alice)
				b.mustBe("", alice)
				eventually(t, "the newest refresh token is revoked", func() bool { return slices.Contains(revoked(a.pool), newest) })
				a.pool.Advance(time.Minute)
			}
		})
	}
}

// TestSaveFailsForAVerdict: a session that Cognito ends while the storage does
// not write is not ended halfway: it is unknown until that can be stored.
func TestSaveFailsForAVerdict(t *testing.T) {
	t.Parallel()
	storage := newStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method != "get" {
			return &storeFault{err: errDown}
		}
		return nil
	})
	a.pool.EndSessions("alice")
	a.mustBeUnavailable(asScript("/me", alice))
	storage.misbehave(nil)
	a.pool.Advance(time.Minute)
	a.mustBe("", alice)
	b.mustBe("", alice)
}

// TestKeysOutOfReachAtRenewal: new tokens that cannot be verified because the
// pool's keys are out of reach are neither thrown away nor believed. They wait
// in the storage, with the refresh token that came with them, and whichever
// instance has keys first accepts them, without another call.
func TestKeysOutOfReachAtRenewal(t *testing.T) {
	for _, when := range []struct {
		name    string
		advance time.Duration
		sees    string // while the keys are out of reach
	}{
		{"ahead of time", nearlyExpired, "admin"},
		{"too late", justExpired, ""},
	} {
		for _, heir := range []string{"same instance", "another instance"} {
			t.Run(when.name+", "+heir, func(t *testing.T) {
				pool := newPool(t, rotating(0))
				storage := newStore()
				knowing := serveWith(t, pool, on(storage))
				alice := knowing.signIn("alice")
				fresh := serveWith(t, pool, on(storage)) // has never seen a key
				pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
				regroup(pool, "new")
				pool.Advance(when.advance)
				res := fresh.me(alice)
				if when.sees == "" {
					fresh.mustBeUnavailable(asScript("/me", alice))
				} else if groupsOf(res) != when.sees {
					t.Errorf("without keys /me answers %s, want what it said before", statusLine(res))
				}
				eventually(t, "the keys were asked for", func() bool { return pool.Calls(cognitotest.JWKS) >= 2 })
				next := knowing
				if heir == "same instance" {
					pool.Heal()
					next = fresh
				}
				eventually(t, "the waiting tokens are used", func() bool { pool.Advance(31 * time.Second); return groupsOf(next.me(alice)) == "new" })
				next.mustBeFresh(next.send(asScript("/token", alice)).body)
				next.mustRenew(1)
				pool.Heal()
				pool.Advance(justExpired)
				fresh.mustBe("alice", alice)
				knowing.mustBe("alice", alice)
				next.mustRenew(2)
			})
		}
	}
}

// TestKeysOutOfReachThenForged: tokens that waited for keys are verified when
// there are some. Waiting makes no bad token good.
func TestKeysOutOfReachThenForged(t *testing.T) {
	pool := newPool(t)
	storage := newStore()
	alice := serveWith(t, pool, on(storage)).signIn("alice")
	var events refreshEvents
	fresh := serveWith(t, pool, on(storage), events.hook)
	pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	pool.Tamper(func(u *cognitotest.UnsignedToken) {
		if u.Grant == "refresh_token" {
			signedByTheOther(pool, u)
		}
	})
	pool.Advance(justExpired)
	fresh.mustBeUnavailable(asScript("/me", alice))
	pool.Heal()
	pool.Advance(time.Minute)
	fresh.mustBe("", alice)
	if err := events.last(t); !errors.Is(err, cognito.ErrTokenSignature) {
		t.Errorf("the session ended with %v, want ErrTokenSignature", err)
	}
	fresh.mustRenew(1)
}

// TestUnknownKeyAtRenewal: a key that cannot be found proves nothing: the pool
// may have rotated its keys while forgers used up the fetches that unknown key
// names may force. The session is kept and renewed again.
func TestUnknownKeyAtRenewal(t *testing.T) {
	pool := newPool(t, rotating(0))
	clock := stopClock(pool)
	s := serveWith(t, pool, clock.hook)
	alice := s.signIn("alice")
	clock.advance(justExpired)
	for _, kid := range []string{"x", "y", "z"} {
		forged, err := signJWT(jwt.SigningMethodRS256, pool.SigningKey("access"), map[string]any{"alg": "RS256", "kid": kid}, map[string]any{"sub": "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.auth.VerifyAccessToken(t.Context(), forged); !errors.Is(err, cognito.ErrTokenKey) {
			t.Fatalf("a forged token is judged %v, want ErrTokenKey", err)
		}
	}
	pool.RotateKeys()
	s.mustBeUnavailable(asScript("/me", alice))
	clock.advance(31 * time.Second)
	s.mustBe("alice", alice)
	clock.advance(justExpired)
	s.mustBe("alice", alice)
}

// TestClientLeavesDuringRenewal is row F8: the visitor closes the tab while
// their tokens are being renewed. The renewal goes on and is saved.
func TestClientLeavesDuringRenewal(t *testing.T) {
	pool := newPool(t, rotating(0))
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice := a.signIn("alice")
	pool.Advance(justExpired)
	held := park(t, pool)
	connection, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(connection, "GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s\r\n\r\n", alice.Name, alice.Value)
	eventually(t, "the tokens are being renewed", func() bool { return len(renewalsAt(pool)) == 1 })
	_ = connection.Close()
	held.open()
	b.mustBe("alice", alice)
	a.mustBe("alice", alice)
	a.mustRenew(1)
}

// TestShutdownDuringRenewal is row F8: an app that uses New has nothing but
// Fiber's shutdown. It waits until the renewal in flight is saved.
func TestShutdownDuringRenewal(t *testing.T) {
	for name, advance := range map[string]time.Duration{"in the background": nearlyExpired, "in a request": justExpired} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, rotating(0))
			storage := newStore()
			b := serveWith(t, pool, on(storage))
			alice := b.signIn("alice")
			config := pool.Config()
			config.Storage = storage
			app := fiber.New(fiber.Config{DisableStartupMessage: true})
			app.Use(cognito.New(config))
			pages(app)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			served := make(chan error, 1)
			go func() { served <- app.Listener(listener) }()
			a := &site{T: t, pool: pool, url: "http://" + listener.Addr().String()}
			pool.Advance(justExpired)
			a.mustBe("alice", alice) // now it has the pool's keys

			regroup(pool, "new")
			pool.Advance(advance)
			held := park(t, pool)
			answers := a.later(1, asScript("/me", alice))
			eventually(t, "the tokens are being renewed", func() bool { return len(renewalsAt(pool)) == 2 })
			if advance == nearlyExpired {
				a.mustAllBe("alice", answers())
			}
			down := make(chan error, 1)
			go func() { down <- app.Shutdown() }()
			select {
			case err := <-down:
				t.Errorf("Shutdown did not wait for the renewal: %v", err)
				down <- err
			case <-time.After(200 * time.Millisecond):
			}
			held.open()
			if err := <-down; err != nil {
				t.Errorf("Shutdown: %v", err)
			}
			<-served
			a.mustAllBe("alice", answers())
			if groups := groupsOf(b.me(alice)); groups != "new" {
				t.Errorf("right after the shutdown, another instance shows %s; want the new groups", groups)
			}
			b.mustRenew(2)
		})
	}
}

// TestCloseOfRenewals: it waits for a renewal in flight, may be called again, and ends
// renewals but no session: those go on as long as their tokens last.
func TestCloseOfRenewals(t *testing.T) {
	pool := newPool(t, rotating(0))
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice, bob := a.signIn("alice"), a.signIn("bob")
	pool.Advance(justExpired)
	a.mustBe("bob", bob)
	held := park(t, pool)
	answers := a.later(1, asScript("/me", alice))
	eventually(t, "the tokens are being renewed", func() bool { return len(renewalsAt(pool)) == 2 })
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- a.auth.Close() }()
	}
	select {
	case err := <-closed:
		t.Errorf("Close did not wait for the renewal: %v", err)
		closed <- err
	case <-time.After(200 * time.Millisecond):
	}
	held.open()
	for range 2 {
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	b.mustBe("alice", alice)
	a.mustAllBe("alice", answers())
	if err := a.auth.Close(); err != nil {
		t.Errorf("Close, once more: %v", err)
	}
	a.mustBe("bob", bob)
	if storage.closed.Load() {
		t.Error("Close has closed the app's own storage")
	}
	pool.Advance(justExpired)
	a.mustBeUnavailable(asScript("/me", alice))
	b.mustBe("alice", alice)
	a.mustRenew(3)
}

// TestCloseEndsTheQueue: renewals that still wait for their turn when the app
// stops are not begun any more, or the last ones would be cut off in the middle.
func TestCloseEndsTheQueue(t *testing.T) {
	const visitors = 80 // more than take turns at once
	s := serve(t)
	cookies := make([]*http.Cookie, visitors)
	for i := range cookies {
		cookies[i] = sessionCookieIn(s.pool.SignIn(s.app, "alice"))
	}
	s.pool.Advance(nearlyExpired)
	held := newGate(t)
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Match: refreshes, Gate: held.closed})
	for _, cookie := range cookies {
		s.mustBe("alice", cookie)
	}
	eventually(t, "the first ones call", func() bool { return len(renewalsAt(s.pool)) >= 64 })
	closed := make(chan error, 1)
	go func() { closed <- s.auth.Close() }()
	time.Sleep(100 * time.Millisecond) // nothing outside shows that it is closing
	held.open()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	s.mustRenew(64)
	for _, cookie := range cookies {
		s.mustBe("alice", cookie) // by the tokens that they have
	}
}

// TestCloseWithoutKeys: an instance that stops before it has ever seen the
// pool's keys cannot tell whether new tokens are good. They are not lost.
func TestCloseWithoutKeys(t *testing.T) {
	pool := newPool(t, rotating(0))
	storage := newStore()
	b := serveWith(t, pool, on(storage))
	alice := b.signIn("alice")
	a := serveWith(t, pool, on(storage))
	pool.Advance(justExpired)
	held := park(t, pool)
	answers := a.later(1, asScript("/me", alice))
	eventually(t, "the tokens are being renewed", func() bool { return len(renewalsAt(pool)) == 1 })
	closed := make(chan error, 1)
	go func() { closed <- a.auth.Close() }()
	time.Sleep(100 * time.Millisecond) // nothing outside shows that it is closing
	held.open()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	answers()
	b.mustBe("alice", alice)
	b.mustRenew(1)
	if strings.Contains(a.log.String(), "panic") {
		t.Error("it panicked")
	}
}

// TestCloseIsBounded: a call that never comes back does not keep an app from
// stopping.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	stuck := newGate(t)
	transport := freshTransport(t)
	config := pool.Config()
	config.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if pool.Calls(cognitotest.Token) > 0 && r.Method == http.MethodPost {
			<-stuck.closed // and does not heed its context
		}
		return transport.RoundTrip(r)
	})}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	app.Use(auth.Handler())
	pages(app)
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
	stuck.open()
}

// TestStorageDownAtRenewal is rows K1 and K2 in the middle of a renewal: which
// of its storage calls fails or hangs does not matter. Nobody is logged out,
// nobody waits for ever, and the tokens that Cognito has issued are not lost.
func TestStorageDownAtRenewal(t *testing.T) {
	for _, way := range []string{"error", "hang"} {
		for call := 1; call <= 16; call++ {
			t.Run(fmt.Sprintf("%s from call %d on", way, call), func(t *testing.T) {
				t.Parallel()
				pool := newPool(t, rotating(0))
				storage := &mortalStore{store: newStore(), now: pool.Now, deaths: map[string]time.Time{}}
				a, b := pair(t, pool, storage)
				alice := a.signIn("alice")
				pool.Advance(justExpired)
				fault := &storeFault{err: errDown}
				if way == "hang" {
					fault = hang(t)
				}
				var calls atomic.Int32
				storage.misbehave(func(storeCall) *storeFault {
					if int(calls.Add(1)) >= call {
						return fault
					}
					return nil
				})
				res := a.me(alice)
				if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
					t.Errorf("/me answered %s with cookies %v, want it answered, or 503", statusLine(res), res.Cookies())
				}
				storage.misbehave(nil)
				eventually(t, "the instance is well", func() bool { pool.Advance(10 * time.Second); return a.me(alice).StatusCode == http.StatusOK })
				b.mustBe("alice", alice)
				pool.Advance(justExpired)
				b.mustBe("alice", alice)
				a.mustBe("alice", alice)
			})
		}
	}
}

// TestSessionIsSavedBeforeTheHandlerRuns: what the app does after a renewal,
// even a panic, cannot lose the new tokens.
func TestSessionIsSavedBeforeTheHandlerRuns(t *testing.T) {
	pool := newPool(t, rotating(0))
	storage := newStore()
	b := serveWith(t, pool, on(storage))
	alice := b.signIn("alice")
	config := pool.Config()
	config.Storage = storage
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	app := fiber.New()
	app.Use(auth.Handler())
	app.Get("/panic", cognito.RequireUser(), func(*fiber.Ctx) error { panic("the app's own") })
	pool.Advance(justExpired)
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
	b.mustRenew(1)
	b.mustBe("alice", alice)
	b.mustRenew(1)
}

// TestOnRefreshPanics: the app's own function runs in our background. Its panic
// ends neither the process nor the session.
func TestOnRefreshPanics(t *testing.T) {
	s := serve(t, func(c *cognito.Config) {
		c.OnRefresh = func(*cognito.User) { panic("OnRefresh") }
	})
	alice := s.signIn("alice")
	for range 2 {
		s.pool.Advance(justExpired)
		s.mustBe("alice", alice)
	}
	eventually(t, "the panics are logged", func() bool { return strings.Count(s.log.String(), "recovered from a panic") == 2 })
	s.mustRenew(2)
}

// TestOnRefresh: the app is told of each renewal once, with what the new tokens
// say, and of none that failed.
func TestOnRefresh(t *testing.T) {
	var mu sync.Mutex
	var told []string
	s := serve(t, func(c *cognito.Config) {
		c.OnRefresh = func(u *cognito.User) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, strings.Join(u.Groups(), ","))
		}
	})
	alice := s.signIn("alice")
	regroup(s.pool, "one")
	s.pool.Advance(justExpired)
	s.mustBe("alice", alice)
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
	s.pool.Advance(justExpired)
	s.mustBeUnavailable(asScript("/me", alice))
	regroup(s.pool, "two")
	s.pool.Advance(time.Minute)
	s.mustBe("alice", alice)
	eventually(t, "the app is told of two renewals", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Equal(told, []string{"one", "two"})
	})
}

// TestPreforkWithMemory: each process of a prefork app would have sessions of
// its own, so the default storage is refused there, in words that help.
func TestPreforkWithMemory(t *testing.T) {
	t.Setenv("FIBER_PREFORK_CHILD", "1")
	pool := newPool(t)
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
	config.Storage = newStore()
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
	pool := newPool(t, rotating(0))
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice := a.signIn("alice")
	pending := a.answered("bob")
	if err := a.auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	b.mustBe("alice", alice)
	pool.Advance(4 * time.Minute)
	if location := pending.query.Get("redirect_uri"); !strings.HasPrefix(location, a.url) {
		t.Fatalf("the login returns to %s", location)
	}
	b.mustBe("bob", b.finish(pending).cookie(isSessionCookie))
	pool.Advance(justExpired)
	b.mustBe("alice", alice)
}
