package faults_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// A storage may fail in every way that software can, and may be read and
// written by somebody else. Neither signs anybody in, and only one thing signs
// a visitor out: a storage that says for sure that there is no session.

// warnings is how many lines of the log an operator would be alerted by.
func warnings(s *lab.Site) int {
	return strings.Count(s.Logged.String(), "level=WARN") + strings.Count(s.Logged.String(), "level=ERROR")
}

// storageKinds are the two families of drivers.
var storageKinds = []struct {
	name string
	wrap func(*lab.Store) lab.Storage
}{
	{"plain driver", func(s *lab.Store) lab.Storage { return s }},
	{"driver with contexts", func(s *lab.Store) lab.Storage { return lab.ContextStore{Store: s} }},
}

// TestStorageOutage: while the storage errs, panics or hangs nothing is known, so
// nobody is told to log in and no cookie is touched. Everything that does not need to
// know who is there goes on.
func TestStorageOutage(t *testing.T) {
	t.Parallel()
	for _, kind := range storageKinds {
		for _, outage := range []struct {
			name  string
			fault func(t *testing.T) *lab.StoreFault
		}{
			{"error", func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} }},
			{"panic", func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Panics: "nil map"} }},
			{"error with a value", func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown, Value: []byte("x")} }},
			{"hang", lab.Hang},
		} {
			t.Run(kind.name+" "+outage.name, func(t *testing.T) {
				t.Parallel()
				storage := lab.NewStore()
				s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
					lab.Pages(app)
					app.Get("/why", func(c *fiber.Ctx) error {
						return c.JSON([]bool{cognito.UserFrom(c) == nil, errors.Is(cognito.Err(c), cognito.ErrUnavailable), c.Locals("user") == nil})
					})
				}, lab.On(kind.wrap(storage)))
				alice := s.NewSession(storage, "alice")
				fault := outage.fault(t)
				storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return fault })
				mustBeUndecided(s, alice.Cookie)
				storage.Misbehave(nil)
				s.MustBe("alice", alice.Cookie)
			})
		}
	}
}

// mustBeUndecided checks every kind of answer during an outage, all at the same
// time since each may take as long as the storage is given.
func mustBeUndecided(s *lab.Site, cookie *http.Cookie) {
	s.Helper()
	var checks sync.WaitGroup
	defer checks.Wait()
	for _, r := range []lab.Request{
		{Path: "/me", Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}},
		{Path: "/me", Header: map[string]string{"Accept": "application/json"}},
		{Path: "/me", Method: http.MethodPost},
		{Path: "/token/refresh", Method: http.MethodPost},
	} {
		r.Cookies = []*http.Cookie{cookie}
		checks.Go(func() { s.MustBeUnavailable(r) })
	}
	for path, want := range map[string]string{"/why": "[true,true,true]", "/public": "public"} {
		checks.Go(func() {
			res, err := s.TrySend(lab.Request{Path: path, Cookies: []*http.Cookie{cookie}})
			if err != nil || res.Text != want || len(res.Cookies()) > 0 {
				s.Errorf("%s answered %v, want %s and no cookie: %v", path, res, want, err)
			}
		})
	}
	checks.Go(func() {
		if res, err := s.TrySend(lab.Request{Path: "/"}); err != nil || res.Text != "hello stranger" {
			s.Errorf("a stranger is told %v: %v", res, err)
		}
	})
}

// TestSlowStorage: slow is not down.
func TestSlowStorage(t *testing.T) {
	t.Parallel()
	for _, kind := range storageKinds {
		storage := lab.NewStore()
		s := lab.Serve(t, lab.On(kind.wrap(storage)))
		alice := s.NewSession(storage, "alice")
		storage.Misbehave(func(lab.StoreCall) *lab.StoreFault {
			time.Sleep(50 * time.Millisecond)
			return nil
		})
		s.MustBe("alice", alice.Cookie)
		s.MustBe("bob", s.Finish(s.Answered("bob")).Cookie(lab.IsSessionCookie))
	}
}

// TestHungStorageHoldsFewGoroutines: calls that hang cannot be called back, so there
// must be an end to how many there are; all requests are answered nevertheless.
func TestHungStorageHoldsFewGoroutines(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	fault := lab.Hang(t)
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return fault })
	const requests, bound = 600, 16 // of one session
	statuses := make(chan int, requests)
	for range requests {
		go func() {
			res, err := s.TrySend(lab.Request{Path: "/me", Cookies: []*http.Cookie{alice.Cookie}})
			if err != nil {
				t.Error(err)
				statuses <- 0
				return
			}
			statuses <- res.StatusCode
		}()
	}
	for range requests {
		if status := <-statuses; status != http.StatusServiceUnavailable {
			t.Errorf("a request was answered %d, want 503", status)
		}
	}
	if most := storage.Most.Load(); most > bound {
		t.Errorf("%d calls hung in the driver at once, want at most %d", most, bound)
	}
	storage.Misbehave(nil)
	if res := s.Send(lab.Request{Path: "/"}); res.Text != "hello stranger" {
		t.Errorf("a stranger is told %s", lab.StatusLine(res))
	}
}

// TestStorageKeepsNoSession: a session that cannot be stored gets no cookie, leaves
// nothing behind, and its refresh token is revoked. Nothing keeps the visitor from
// logging in afterwards.
func TestStorageKeepsNoSession(t *testing.T) {
	t.Parallel()
	for _, kind := range storageKinds {
		for name, broken := range map[string]struct {
			prefix string
			fault  func(*testing.T) *lab.StoreFault
		}{
			"the cold record errs":  {lab.ColdPrefix, func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} }},
			"the hot record errs":   {lab.HotPrefix, func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} }},
			"the hot record panics": {lab.HotPrefix, func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Panics: "nil map"} }},
			"the cold record hangs": {lab.ColdPrefix, lab.Hang},
			"every key with set":    {"", func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} }},
		} {
			t.Run(kind.name+" "+name, func(t *testing.T) {
				t.Parallel()
				storage := lab.NewStore()
				s := lab.Serve(t, lab.On(kind.wrap(storage)))
				pending := s.Answered("alice")
				fault := broken.fault(t)
				storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
					if c.Method == "set" && strings.HasPrefix(c.Key, broken.prefix) {
						return fault
					}
					return nil
				})
				res := s.Finish(pending)
				if res.StatusCode != http.StatusServiceUnavailable || res.Cookie(lab.IsSessionCookie) != nil {
					t.Errorf("the callback answered %s with cookies %v, want 503 and no session", lab.StatusLine(res), res.Cookies())
				}
				storage.Misbehave(nil)
				for key := range storage.Dump() {
					if strings.HasPrefix(key, lab.HotPrefix) || strings.HasPrefix(key, lab.ColdPrefix) {
						t.Errorf("%s was left behind", key)
					}
				}
				lab.Eventually(t, "the refresh token is revoked", func() bool { return s.Pool.Calls(cognitotest.Revoke) == 1 })
				if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
					t.Errorf("%d token calls, want 1: a code is spent once", calls)
				}
				s.MustBe("alice", s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie))
			})
		}
	}
}

// TestStorageDownAtLogin: a login that cannot be noted does not begin, and one that
// cannot be looked up stays as it is.
func TestStorageDownAtLogin(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	pending := s.Answered("alice")
	for _, method := range []string{"get", "delete"} {
		storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
			if c.Method == method {
				return &lab.StoreFault{Err: lab.ErrDown}
			}
			return nil
		})
		if res := s.Finish(pending); res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
			t.Errorf("with %s failing the callback answered %s with cookies %v, want 503 and none", method, lab.StatusLine(res), res.Cookies())
		}
	}
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	if res := s.Send(lab.Request{Path: "/login"}); res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
		t.Errorf("the login answered %s with cookies %v, want 503 and none", lab.StatusLine(res), res.Cookies())
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d token calls, want none: the code is still good", calls)
	}
	storage.Misbehave(nil)
	s.MustBe("alice", s.Finish(pending).Cookie(lab.IsSessionCookie))
}

// TestFlushedStorage: everything is gone at once. Visitors log in again, which Cognito
// does for them without a click.
func TestFlushedStorage(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	v := s.Visitor()
	v.LogIn()
	if err := storage.Reset(); err != nil {
		t.Fatal(err)
	}
	if res := s.Me(v.SessionCookie()); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
		t.Errorf("a script got %s with cookies %v, want 401 and none", lab.StatusLine(res), res.Cookies())
	}
	page := v.Get(s.URL + "/me?tab=2")
	if page.Status != http.StatusOK || page.URL.String() != s.URL+"/me?tab=2" {
		t.Errorf("a page visit ended on %s with %d: %v", page.URL, page.Status, page.Err)
	}
	if len(page.Trail) != 5 { // the page, login, authorize, the callback, the page
		t.Errorf("the way led through %q", page.Trail)
	}
	v.MustBeSignedIn()
}

// TestStorageLosesEveryWrite: a fail-over loses every session as soon as it is written.
// The browser must not be sent in circles.
func TestStorageLosesEveryWrite(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	v := s.Visitor()
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && strings.HasPrefix(c.Key, lab.HotPrefix) {
			return &lab.StoreFault{} // "done"
		}
		return nil
	})
	page := v.Login(s.URL+"/me", "alice", lab.PasswordOf("alice"))
	if page.Err != nil || page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "keep you signed in") {
		t.Errorf("the login ended on %s with %d after %d steps: %v", page.URL, page.Status, len(page.Trail), page.Err)
	}
	storage.Misbehave(nil)
	if page = v.Get(s.URL + "/me"); page.Status != http.StatusOK {
		t.Errorf("afterwards the login ended on %s with %d", page.URL, page.Status)
	}
}

// TestTryAgainDuringAnOutage: the page of an outage leads to itself, for a login would
// not help.
func TestTryAgainDuringAnOutage(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	v := s.Visitor()
	v.LogIn()
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	if page := v.Get(s.URL + "/me?tab=2"); page.Status != http.StatusServiceUnavailable || !strings.Contains(page.Body, `<a href="/me?tab=2">Try again</a>`) {
		t.Errorf("the outage is told by %d %s", page.Status, page.Body)
	}
	if page := v.Post(s.URL+"/me", nil); page.Status != http.StatusOK || !strings.Contains(page.Body, "Temporarily unavailable") || !strings.Contains(page.Body, `<a href="/me">Try again</a>`) {
		t.Errorf("a form is told by %d %s", page.Status, page.Body)
	}
	storage.Misbehave(nil)
	if page := v.Get(s.URL + "/me?tab=2"); page.Status != http.StatusOK {
		t.Errorf("then the page is answered with %d", page.Status)
	}
}

// TestInstanceWithoutTheNewestKey: in a rollout that began at the wrong end, one
// instance seals with a key that another does not have yet. That one cannot know the
// user, but it deletes nothing: the session goes on where the key is.
func TestInstanceWithoutTheNewestKey(t *testing.T) {
	t.Parallel()
	const older, newer = "kZq3vJ0m5X2rT8wY1uB7nL4cE9sD6fGh", "pWq7vJ0m5X2rT8wY1uB7nL4cE9sD6fKj"
	storage := lab.NewStore()
	pool := lab.NewPool(t)
	ahead := lab.ServeWith(t, pool, lab.On(storage), lab.WithKeys(newer, older))
	behind := lab.ServeWith(t, pool, lab.On(storage), lab.WithKeys(older))
	alice := ahead.SignIn("alice")
	if res := behind.Me(alice); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
		t.Errorf("without the key, /me answered %s with %v", lab.StatusLine(res), res.Cookies())
	}
	mustKeepCookie(behind, alice)
	ahead.MustBe("alice", alice)
}

// mustKeepCookie opens a page with a cookie that leads nowhere here.
func mustKeepCookie(s *lab.Site, cookie *http.Cookie) {
	s.Helper()
	page := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}, Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}})
	if page.StatusCode != http.StatusFound || page.DeletesSession() {
		s.Errorf("a page is answered %s with %q", lab.StatusLine(page), page.Header["Set-Cookie"])
	}
}

// TestKeyIsRemovedTooEarly: every visitor has a cookie that does not open any more, and
// brings it with each request until they sign in. The alarm is raised once for each of them,
// and nobody is signed out if the key is brought back.
func TestKeyIsRemovedTooEarly(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	for name, keep := range map[string]func(*cognito.Config){
		"in a storage": lab.On(storage),
		"in cookies":   func(c *cognito.Config) { c.CookieSessions, c.Keys = true, []string{lab.Key} },
	} {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t)
			before, after := lab.ServeWith(t, pool, keep), lab.ServeWith(t, pool, keep, lab.WithKeys(lab.OtherKey))
			for i, cookie := range []*http.Cookie{before.SignIn("alice"), before.SignIn("bob")} {
				for range 20 {
					if res := after.Send(lab.Request{Path: "/", Cookies: []*http.Cookie{cookie}}); res.Text != "hello stranger" {
						t.Errorf("the open page says %s", lab.StatusLine(res))
					}
					after.MustBe("", cookie)
				}
				if alarms := strings.Count(after.Logged.String(), "kind=tamper"); alarms != i+1 {
					t.Errorf("after %d visitors there are %d alarms", i+1, alarms)
				}
				lab.ServeWith(t, pool, keep, lab.WithKeys(lab.OtherKey, lab.Key)).MustBe([]string{"alice", "bob"}[i], cookie)
			}
		})
	}
}

// TestAlarmIsRaisedAnew: a record that does not open is told of once. If it changes, or was
// right meanwhile, somebody is at work, and that is news.
func TestAlarmIsRaisedAnew(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), lab.WithKeys(lab.Key))
	alice := s.NewSession(storage, "alice")
	good := storage.Dump()
	alarms := func() int { return strings.Count(s.Logged.String(), "kind=tamper") }
	want := 0
	for record, ask := range map[string]lab.Request{alice.Hot: lab.AsScript("/me", alice.Cookie), alice.Cold: {Path: "/token", Cookies: []*http.Cookie{alice.Cookie}}} {
		for _, row := range []struct {
			name  string
			value []byte
			news  bool
		}{
			{"spoilt", flipped(good[record], 20), true}, {"the same", flipped(good[record], 20), false},
			{"spoilt otherwise", flipped(good[record], 21), true}, {"good", good[record], false}, {"spoilt as before", flipped(good[record], 21), true},
			{"good again", good[record], false},
		} {
			storage.Plant(record, row.value)
			s.Send(ask)
			if row.news {
				want++
			}
			if got := alarms(); got != want {
				t.Errorf("%.12s, %s: %d alarms, want %d", record, row.name, got, want)
				want = got
			}
		}
	}
	s.MustBe("alice", alice.Cookie)
}

// flipped is a record with one bit changed.
func flipped(record []byte, at int) []byte {
	changed := slices.Clone(record)
	changed[at] ^= 1
	return changed
}

// TestInstanceWithoutTheNewestKeyRevokesNothing: such an instance has renewed a session
// that is sealed anew before it looks what has become of the tokens. It finds records that
// it cannot open, which is no logout.
func TestInstanceWithoutTheNewestKeyRevokesNothing(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	pool := lab.NewPool(t, lab.Rotating(0))
	behind := lab.ServeWith(t, pool, lab.On(storage))
	ahead := lab.ServeWith(t, pool, lab.On(storage), lab.WithKeys(lab.OtherKey, lab.Key))
	alice := behind.SignIn("alice")
	pool.Advance(lab.JustExpired)
	behind.MustBe("alice", alice)
	ahead.MustBe("alice", alice)
	lab.Eventually(t, "it looks", func() bool { return strings.Contains(behind.Logged.String(), "event.kind=tamper") })
	stop(behind) // with whatever it has begun
	pool.Advance(lab.JustExpired)
	ahead.MustBe("alice", alice)
}

// TestRefreshPathWithoutTheNewestKey: of a session's two records, only the one with the
// refresh token is sealed with the newer key. A script that asks for new tokens at the
// instance without it learns that there are none here, and keeps its cookie.
func TestRefreshPathWithoutTheNewestKey(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	pool := lab.NewPool(t)
	behind := lab.ServeWith(t, pool, lab.On(storage))
	ahead := lab.ServeWith(t, pool, lab.On(storage), lab.WithKeys(lab.OtherKey, lab.Key))
	alice := behind.SignIn("alice")
	before := storage.Dump()
	pool.Advance(lab.JustExpired)
	ahead.MustBe("alice", alice)
	after := storage.Dump()
	for key, value := range before {
		if strings.HasPrefix(key, lab.HotPrefix) {
			storage.Plant(key, value)
		}
	}
	if res := behind.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusUnauthorized || res.DeletesSession() {
		t.Errorf("without the key, the script is answered %s with %q", lab.StatusLine(res), res.Header["Set-Cookie"])
	}
	for key, value := range after {
		storage.Plant(key, value)
	}
	ahead.MustBe("alice", alice)
}
