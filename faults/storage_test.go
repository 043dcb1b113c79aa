package faults_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
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

// TestStorageDump is row D3: somebody reads the storage, or a backup of it.
// Nothing in it is a token, an address, a verifier or of use as a cookie.
func TestStorageDump(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	transport, spied := lab.Spy(t)
	s := lab.Serve(t, lab.On(storage), spied)
	pending := s.Answered("bob") // a login in progress lies there too
	alice := s.NewSession(storage, "alice")
	dump := storage.Dump()
	if len(dump) < 3 {
		t.Fatalf("the storage holds %d records, want an attempt and two of a session", len(dump))
	}

	secrets := append(s.Canaries(), transport.Tokens()...)
	secrets = append(secrets, alice.Cookie.Value, pending.Cookie.Value, pending.State,
		"alice", "bob", "@example.com", "eyJ", "verifier", s.Pool.Config().ClientID)
	for key, value := range dump {
		for _, secret := range secrets {
			if strings.Contains(key, secret) || strings.Contains(string(value), secret) {
				t.Errorf("the storage shows %.12s… under %s", secret, key)
			}
		}
	}
	for key := range dump {
		for _, part := range strings.Split(key, "_") {
			s.MustBe("", &http.Cookie{Name: alice.Cookie.Name, Value: part})
		}
		s.MustBe("", &http.Cookie{Name: alice.Cookie.Name, Value: key})
		s.MustBe("", &http.Cookie{Name: alice.Cookie.Name, Value: key[max(0, len(key)-43):]})
	}
	s.MustBe("alice", alice.Cookie)
	s.MustBe("bob", s.Finish(pending).Cookie(lab.IsSessionCookie))
}

// TestStorageWriterSwapsRecords is row D4: whoever can write to the storage
// puts one visitor's record in the place of another's, to be taken for them.
func TestStorageWriterSwapsRecords(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice, bob := s.NewSession(storage, "alice"), s.NewSession(storage, "bob")
	honest := storage.Dump()
	restore := func() {
		for key, value := range honest {
			storage.Plant(key, value)
		}
	}

	for name, swap := range map[string]func(){
		"the other's hot record":  func() { storage.Plant(bob.Hot, honest[alice.Hot]) },
		"both of the other's":     func() { storage.Plant(bob.Hot, honest[alice.Hot]); storage.Plant(bob.Cold, honest[alice.Cold]) },
		"own cold record for hot": func() { storage.Plant(bob.Hot, honest[bob.Cold]) },
	} {
		t.Run(name, func(t *testing.T) {
			before := warnings(s)
			swap()
			s.MustBe("", bob.Cookie)
			if warnings(s) == before {
				t.Error("nothing was logged about them")
			}
			s.MustBe("alice", alice.Cookie)
			restore()
			s.MustBe("bob", bob.Cookie)
		})
	}

	// The cold record holds the tokens, so it must not be another's either.
	storage.Plant(bob.Cold, honest[alice.Cold])
	if res := s.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{bob.Cookie}}); res.StatusCode != fiber.StatusTeapot {
		t.Errorf("with another's cold record AccessToken gives %s", lab.StatusLine(res))
	}
	restore()
	if res := s.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{bob.Cookie}}); subjectOf(t, res.Text) != lab.Decode(t, s.Me(bob.Cookie).Text)["sub"] {
		t.Errorf("AccessToken gives bob %s", lab.StatusLine(res))
	}
}

// TestStorageWriterChangesRecords is rows D4 and K3: flipped bits, cut off
// ends, noise, nothing and far too much. Such a session is over, quietly; the record
// stays, for whoever may be able to open it.
func TestStorageWriterChangesRecords(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	hot, cold := storage.Dump()[alice.Hot], storage.Dump()[alice.Cold]
	if len(hot) < 250 {
		t.Fatalf("the hot record has %d bytes; these cases need a whole one", len(hot))
	}

	type change struct {
		name  string
		value []byte
		told  bool
	}
	changes := []change{
		{"cut to a byte", hot[:1], true},
		{"cut within the nonce", hot[:8], true},
		{"cut behind the nonce", hot[:13], true},
		{"cut by half", hot[:len(hot)/2], true},
		{"cut by a byte", hot[:len(hot)-1], true},
		{"a byte more", append(slices.Clone(hot), 0), true},
		{"twice", slices.Concat(hot, hot), true},
		{"noise", append(hot[:1:1], noise(len(hot))...), true},
		{"ten megabytes", append(hot[:1:1], noise(10<<20)...), true},
		{"empty", []byte{}, false},
		{"nothing", nil, false},
	}
	for i := 1; i < len(hot); i++ {
		flipped := slices.Clone(hot)
		flipped[i] ^= 1 << (i % 8)
		changes = append(changes, change{fmt.Sprintf("bit %d of byte %d", i%8, i), flipped, true})
	}
	for _, c := range changes {
		before := warnings(s)
		storage.Plant(alice.Hot, c.value)
		storage.Plant(alice.Cold, cold)
		if res := s.Me(alice.Cookie); res.StatusCode != http.StatusUnauthorized || res.Problem(t)["code"] != "session_ended" {
			t.Errorf("%s: /me answered %s, want 401 and session_ended", c.name, lab.StatusLine(res))
		}
		if c.told && (!storage.Has(alice.Hot) || !storage.Has(alice.Cold)) {
			t.Errorf("%s: the records are gone", c.name)
		}
		if c.told && warnings(s) == before {
			t.Errorf("%s: nothing was logged", c.name)
		}
	}
	storage.Plant(alice.Hot, hot)
	storage.Plant(alice.Cold, cold)
	s.MustBe("alice", alice.Cookie)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// TestChangedColdRecord is row D4 for the record that holds the tokens: it is
// read seldom, so the session lasts as long as its access token and no longer.
func TestChangedColdRecord(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice, bob := s.NewSession(storage, "alice"), s.NewSession(storage, "bob")
	storage.Plant(alice.Cold, append(storage.Dump()[alice.Cold][:1:1], noise(2000)...))
	s.MustBe("alice", alice.Cookie)
	if res := s.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{alice.Cookie}}); res.StatusCode != fiber.StatusTeapot {
		t.Errorf("AccessToken gives %s", lab.StatusLine(res))
	}
	s.Pool.Advance(61 * time.Minute)
	s.MustBe("", alice.Cookie)
	s.MustBe("bob", bob.Cookie)
}

// TestTwoAppsShareOneStorage is row D4: two apps of one pool keep their
// sessions in one Redis. What one of them stores is nothing to the other, even
// if somebody moves it to where the other looks.
func TestTwoAppsShareOneStorage(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "secondclient"})
	storage := lab.NewStore()
	first := lab.ServeWith(t, pool, lab.On(storage))
	second := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) { c.ClientID = "secondclient" })
	alice, bob := first.NewSession(storage, "alice"), second.NewSession(storage, "bob")

	abroad := &http.Cookie{Name: bob.Cookie.Name, Value: alice.Cookie.Value}
	before := storage.Dump()
	second.MustBe("", abroad)
	if after := storage.Dump(); len(after) != len(before) {
		t.Errorf("a foreign cookie changed the storage from %d records to %d", len(before), len(after))
	}
	storage.Plant(bob.Hot, before[alice.Hot])
	storage.Plant(bob.Cold, before[alice.Cold])
	second.MustBe("", bob.Cookie)
	first.MustBe("alice", alice.Cookie)
	storage.Plant(bob.Hot, before[bob.Hot])
	storage.Plant(bob.Cold, before[bob.Cold])
	second.MustBe("bob", bob.Cookie)
}

// storageKinds are the two families of drivers.
var storageKinds = []struct {
	name string
	wrap func(*lab.Store) lab.Storage
}{
	{"plain driver", func(s *lab.Store) lab.Storage { return s }},
	{"driver with contexts", func(s *lab.Store) lab.Storage { return lab.ContextStore{Store: s} }},
}

// TestStorageOutage is rows K1 and K2: while the storage errs, panics or hangs
// nothing is known, so nobody is told to log in and no cookie is touched.
// Everything that does not need to know who is there goes on.
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

// TestSlowStorage is row K2's honest half: slow is not down.
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

// TestHungStorageHoldsFewGoroutines is row K2: calls that hang cannot be
// called back, so there must be an end to how many there are; all requests are
// answered nevertheless.
func TestHungStorageHoldsFewGoroutines(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	fault := lab.Hang(t)
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return fault })
	const requests, bound = 600, 8 // of one session
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

// TestStorageKeepsNoSession is rows B11 and K1 at login: a session that cannot
// be stored gets no cookie, leaves nothing behind, and its refresh token is
// revoked. Nothing keeps the visitor from logging in afterwards.
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

// TestStorageDownAtLogin is row K1 for logins in progress: one that cannot be
// noted does not begin, and one that cannot be looked up stays as it is.
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

// TestLifetimesAndValues is row K4: drivers take "no time" for "for ever", cut
// fractions of a second to nothing and drop empty values silently. None of
// that is ever passed, also not close to a session's end.
func TestLifetimesAndValues(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	pool := lab.NewPool(t)
	clock := lab.StopClock(pool)
	s := lab.ServeWith(t, pool, lab.On(storage), clock.Hook, func(c *cognito.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Second, 3*time.Hour })
	sessions := []lab.Session{s.NewSession(storage, "alice"), s.NewSession(storage, "bob")}
	for range 30 {
		clock.Advance(900 * time.Millisecond)
		for _, each := range sessions {
			s.Me(each.Cookie)
			s.Send(lab.Request{Path: "/token/refresh", Method: http.MethodPost, Cookies: []*http.Cookie{each.Cookie}})
		}
	}
	s.MustBe("alice", sessions[0].Cookie)
	s.Send(lab.Request{Path: "/logout", Method: http.MethodPost, Cookies: []*http.Cookie{sessions[0].Cookie}})
	clock.Advance(time.Hour)
	s.MustBe("", sessions[1].Cookie)

	sets := storage.Asked("set")
	if len(sets) < 50 {
		t.Fatalf("only %d writes were seen", len(sets))
	}
	for _, call := range sets {
		if call.Life <= time.Second || call.Life > 3*time.Hour {
			t.Errorf("%s is stored for %s", call.Key, call.Life)
		}
		if call.Life%time.Second != 0 {
			t.Errorf("%s is stored for %s, which drivers cut off", call.Key, call.Life)
		}
		if len(call.Value) == 0 || call.Key == "" {
			t.Errorf("%q is stored with %d bytes", call.Key, len(call.Value))
		}
	}
}

// TestFlushedStorage is row K5: everything is gone at once. Visitors log in
// again, which Cognito does for them without a click.
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

// TestStorageLosesEveryWrite is row K5 at its worst: a fail-over loses every
// session as soon as it is written. The browser must not be sent in circles.
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

// subjectOf reads the subject of a JWT, without a look at its signature.
func subjectOf(t *testing.T, token string) any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Errorf("not a JWT: %.60q", token)
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Error(err)
	}
	return lab.Decode(t, string(payload))["sub"]
}

// tenantStore is a driver within a storage of the app's own: Get, Set and Delete
// put a prefix before every key, and all the driver's other methods shine
// through.
type tenantStore struct {
	lab.ContextStore
	prefix string
}

func (s tenantStore) Get(key string) ([]byte, error) { return s.Store.Get(s.prefix + key) }

func (s tenantStore) Set(key string, value []byte, life time.Duration) error {
	return s.Store.Set(s.prefix+key, value, life)
}

func (s tenantStore) Delete(key string) error { return s.Store.Delete(s.prefix + key) }

// TestStorageAroundADriver: a storage that embeds a driver and adds something of
// its own, such as a prefix or encryption, is never passed by.
func TestStorageAroundADriver(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*lab.Store) lab.Storage{
		"by value":   func(s *lab.Store) lab.Storage { return tenantStore{lab.ContextStore{Store: s}, "tenant_"} },
		"by pointer": func(s *lab.Store) lab.Storage { return &tenantStore{lab.ContextStore{Store: s}, "tenant_"} },
	} {
		t.Run(name, func(t *testing.T) {
			storage := lab.NewStore()
			s := lab.Serve(t, lab.On(wrap(storage)))
			alice := s.SignIn("alice")
			s.MustBe("alice", alice)
			s.MustLogOut(s.Send(lab.LogOut(alice)))
			for _, call := range storage.Asked("") {
				if !strings.HasPrefix(call.Key, "tenant_") {
					t.Errorf("%s of %s went to the driver itself", call.Method, call.Key)
				}
			}
		})
	}
}

// TestDriverThatCanBeCalledBack is row K2 with a driver whose calls take a
// context: those that nobody waits for any more are ended.
func TestDriverThatCanBeCalledBack(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(lab.ContextStore{Store: storage}))
	alice := s.SignIn("alice")
	hung := lab.Hang(t)
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return hung })
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	s.MustBeUnavailable(lab.RenewNow(alice))
	lab.Eventually(t, "no call is in the driver", func() bool { return storage.Waiting.Load() == 0 })
	storage.Misbehave(nil)
	s.MustBe("alice", alice)
}

// TestTryAgainDuringAnOutage is row F22: the page of an outage leads to itself, for a
// login would not help.
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
	ahead.MustBe("alice", alice)
}
