package cognito_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// A storage may fail in every way that software can, and may be read and
// written by somebody else. Neither signs anybody in, and only one thing signs
// a visitor out: a storage that says for sure that there is no session.

// store is a storage that a test watches and makes misbehave. It keeps
// everything for ever, whatever lifetime it is told, so whatever expires, does
// so by the deadlines inside the records.
type store struct {
	mu      sync.Mutex // guards entries, calls and script
	entries map[string][]byte
	calls   []storeCall
	script  func(storeCall) *storeFault

	waiting atomic.Int32 // calls inside the driver now
	most    atomic.Int32 // and at most so far
	closed  atomic.Bool
}

// storeCall is what the middleware asked for.
type storeCall struct {
	method string // get, set or delete
	key    string
	value  []byte
	life   time.Duration
}

// storeFault is a way to misbehave, in the order of its fields.
type storeFault struct {
	gate   <-chan struct{} // waited for
	panics any
	err    error
	value  []byte // answered by a get, which may be nil
}

func newStore() *store { return &store{entries: map[string][]byte{}} }

func (s *store) do(ctx context.Context, call storeCall) ([]byte, error) {
	s.most.Store(max(s.most.Load(), s.waiting.Add(1)))
	defer s.waiting.Add(-1)
	s.mu.Lock()
	s.calls = append(s.calls, call)
	script := s.script
	s.mu.Unlock()
	if script != nil {
		if fault := script(call); fault != nil {
			return fault.happen(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch call.method {
	case "set":
		s.entries[call.key] = slices.Clone(call.value)
	case "delete":
		delete(s.entries, call.key)
	}
	return slices.Clone(s.entries[call.key]), nil
}

func (f *storeFault) happen(ctx context.Context) ([]byte, error) {
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if f.panics != nil {
		panic(f.panics)
	}
	return f.value, f.err
}

func (s *store) Get(key string) ([]byte, error) {
	return s.do(context.Background(), storeCall{method: "get", key: key})
}

func (s *store) Set(key string, value []byte, life time.Duration) error {
	_, err := s.do(context.Background(), storeCall{"set", key, value, life})
	return err
}

func (s *store) Delete(key string) error {
	_, err := s.do(context.Background(), storeCall{method: "delete", key: key})
	return err
}

// Reset forgets everything, as FLUSHALL does.
func (s *store) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.entries)
	return nil
}

func (s *store) Close() error {
	s.closed.Store(true)
	return nil
}

// contextStore is a store with the methods of newer drivers.
type contextStore struct{ *store }

func (s contextStore) GetWithContext(ctx context.Context, key string) ([]byte, error) {
	return s.do(ctx, storeCall{method: "get", key: key})
}

func (s contextStore) SetWithContext(ctx context.Context, key string, value []byte, life time.Duration) error {
	_, err := s.do(ctx, storeCall{"set", key, value, life})
	return err
}

func (s contextStore) DeleteWithContext(ctx context.Context, key string) error {
	_, err := s.do(ctx, storeCall{method: "delete", key: key})
	return err
}

// misbehave makes the calls fail that the script has a fault for; nil ends it.
func (s *store) misbehave(script func(storeCall) *storeFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// asked returns the calls of one method so far, or all for "".
func (s *store) asked(method string) []storeCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c storeCall) bool { return method != "" && c.method != method })
}

// dump is a copy of all that is stored.
func (s *store) dump() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := map[string][]byte{}
	for key, value := range s.entries {
		copied[key] = slices.Clone(value)
	}
	return copied
}

// plant stores a value behind the middleware's back.
func (s *store) plant(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[key] = slices.Clone(value)
}

// has reports whether there is an entry.
func (s *store) has(key string) bool { return s.dump()[key] != nil }

// added returns the keys that are new since before, and begin with prefix.
func (s *store) added(before map[string][]byte, prefix string) []string {
	var keys []string
	for key := range s.dump() {
		if _, old := before[key]; !old && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}

const (
	hotPrefix  = "cognito_hot_"
	coldPrefix = "cognito_cold_"
)

// on lets an app use a storage.
func on(storage fiber.Storage) func(*cognito.Config) {
	return func(c *cognito.Config) { c.Storage = storage }
}

// session is one that a test got by raw requests.
type session struct {
	cookie    *http.Cookie
	hot, cold string // keys of its records
}

// answered is a login that the pool has answered for a user.
func (s *site) answered(user string) *pendingLogin {
	s.Helper()
	begun := s.begin()
	browser := s.pool.NewBrowser()
	stop := &stopAt{prefix: begun.query.Get("redirect_uri"), next: browser.Client.Transport}
	browser.Client.Transport = stop
	browser.Login(s.pool.URL()+"/oauth2/authorize?"+begun.query.Encode(), user, passwordOf(user))
	if stop.landed == "" {
		s.Fatalf("the pool did not send %s back to the app", user)
	}
	landed, err := url.Parse(stop.landed)
	if err != nil {
		s.Fatal(err)
	}
	begun.callback = landed.RequestURI()
	return begun
}

// stopAt keeps a browser from reaching addresses with a prefix, and remembers
// where it was going.
type stopAt struct {
	prefix, landed string
	next           http.RoundTripper
}

func (s *stopAt) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), s.prefix) {
		return s.next.RoundTrip(r)
	}
	s.landed = r.URL.String()
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// CloseIdleConnections lets the pool close the browser's connections.
func (s *stopAt) CloseIdleConnections() {
	s.next.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}

// newSession signs a user in and finds the records that this made.
func (s *site) newSession(storage *store, user string) session {
	s.Helper()
	before := storage.dump()
	res := s.finish(s.answered(user))
	cookie := res.cookie(isSessionCookie)
	hot, cold := storage.added(before, hotPrefix), storage.added(before, coldPrefix)
	if cookie == nil || len(hot) != 1 || len(cold) != 1 {
		s.Fatalf("the login answered %d and left records %q and %q", res.StatusCode, hot, cold)
	}
	return session{cookie, hot[0], cold[0]}
}

// me asks for /me as a script does, which never redirects.
func (s *site) me(cookies ...*http.Cookie) *response {
	s.Helper()
	return s.send(request{path: "/me", cookies: cookies, header: map[string]string{"Accept": "application/json"}})
}

// mustBe asks who a cookie signs in. "" stands for nobody.
func (s *site) mustBe(user string, cookie *http.Cookie) {
	s.Helper()
	res := s.me(cookie)
	switch {
	case user == "" && res.StatusCode != http.StatusUnauthorized:
		s.Errorf("/me answered %s, want 401", statusLine(res))
	case user != "" && (res.StatusCode != http.StatusOK || decode(s.T, res.body)["email"] != user+"@example.com"):
		s.Errorf("/me answered %s, want %s", statusLine(res), user)
	}
}

// warnings is how many lines of the log an operator would be alerted by.
func (s *site) warnings() int {
	return strings.Count(s.log.String(), "level=WARN") + strings.Count(s.log.String(), "level=ERROR")
}

// TestStorageDump is row D3: somebody reads the storage, or a backup of it.
// Nothing in it is a token, an address, a verifier or of use as a cookie.
func TestStorageDump(t *testing.T) {
	storage := newStore()
	transport, spied := spy(t)
	s := serve(t, on(storage), spied)
	pending := s.answered("bob") // a login in progress lies there too
	alice := s.newSession(storage, "alice")
	dump := storage.dump()
	if len(dump) < 3 {
		t.Fatalf("the storage holds %d records, want an attempt and two of a session", len(dump))
	}

	secrets := append(s.canaries(), transport.tokens()...)
	secrets = append(secrets, alice.cookie.Value, pending.cookie.Value, pending.state,
		"alice", "bob", "@example.com", "eyJ", "verifier", s.pool.Config().ClientID)
	for key, value := range dump {
		for _, secret := range secrets {
			if strings.Contains(key, secret) || strings.Contains(string(value), secret) {
				t.Errorf("the storage shows %.12s… under %s", secret, key)
			}
		}
	}
	for key := range dump {
		for _, part := range strings.Split(key, "_") {
			s.mustBe("", &http.Cookie{Name: alice.cookie.Name, Value: part})
		}
		s.mustBe("", &http.Cookie{Name: alice.cookie.Name, Value: key})
		s.mustBe("", &http.Cookie{Name: alice.cookie.Name, Value: key[max(0, len(key)-43):]})
	}
	s.mustBe("alice", alice.cookie)
	s.mustBe("bob", s.finish(pending).cookie(isSessionCookie))
}

// TestStorageWriterSwapsRecords is row D4: whoever can write to the storage
// puts one visitor's record in the place of another's, to be taken for them.
func TestStorageWriterSwapsRecords(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice, bob := s.newSession(storage, "alice"), s.newSession(storage, "bob")
	honest := storage.dump()
	restore := func() {
		for key, value := range honest {
			storage.plant(key, value)
		}
	}

	for name, swap := range map[string]func(){
		"the other's hot record":  func() { storage.plant(bob.hot, honest[alice.hot]) },
		"both of the other's":     func() { storage.plant(bob.hot, honest[alice.hot]); storage.plant(bob.cold, honest[alice.cold]) },
		"own cold record for hot": func() { storage.plant(bob.hot, honest[bob.cold]) },
	} {
		t.Run(name, func(t *testing.T) {
			before := s.warnings()
			swap()
			s.mustBe("", bob.cookie)
			if storage.has(bob.hot) || storage.has(bob.cold) {
				t.Error("the records that do not open were not removed")
			}
			if s.warnings() == before {
				t.Error("nothing was logged about them")
			}
			s.mustBe("alice", alice.cookie)
			restore()
			s.mustBe("bob", bob.cookie)
		})
	}

	// The cold record holds the tokens, so it must not be another's either.
	storage.plant(bob.cold, honest[alice.cold])
	if res := s.send(request{path: "/token", cookies: []*http.Cookie{bob.cookie}}); res.StatusCode != fiber.StatusTeapot {
		t.Errorf("with another's cold record AccessToken gives %s", statusLine(res))
	}
	restore()
	if res := s.send(request{path: "/token", cookies: []*http.Cookie{bob.cookie}}); subjectOf(t, res.body) != decode(t, s.me(bob.cookie).body)["sub"] {
		t.Errorf("AccessToken gives bob %s", statusLine(res))
	}
}

// TestStorageWriterChangesRecords is rows D4 and K3: flipped bits, cut off
// ends, noise, nothing and far too much. Such a session is over, quietly.
func TestStorageWriterChangesRecords(t *testing.T) {
	t.Parallel()
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	hot, cold := storage.dump()[alice.hot], storage.dump()[alice.cold]
	if len(hot) < 250 {
		t.Fatalf("the hot record has %d bytes; these cases need a whole one", len(hot))
	}

	type change struct {
		name    string
		value   []byte
		removed bool
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
		{"ten megabytes of another version", append([]byte{0x7b}, noise(10<<20)...), false},
		{"JSON", []byte(`{"user":"alice"}`), false}, // its first byte is no version of ours
		{"empty", []byte{}, false},
		{"nothing", nil, false},
	}
	for i := 1; i < len(hot); i++ {
		flipped := slices.Clone(hot)
		flipped[i] ^= 1 << (i % 8)
		changes = append(changes, change{fmt.Sprintf("bit %d of byte %d", i%8, i), flipped, true})
	}
	for _, c := range changes {
		before := s.warnings()
		storage.plant(alice.hot, c.value)
		storage.plant(alice.cold, cold)
		if res := s.me(alice.cookie); res.StatusCode != http.StatusUnauthorized || res.problem(t)["code"] != "session_ended" {
			t.Errorf("%s: /me answered %s, want 401 and session_ended", c.name, statusLine(res))
		}
		if c.removed && (storage.has(alice.hot) || storage.has(alice.cold)) {
			t.Errorf("%s: the records are still there", c.name)
		}
		if c.removed && s.warnings() == before {
			t.Errorf("%s: nothing was logged", c.name)
		}
	}
	storage.plant(alice.hot, hot)
	storage.plant(alice.cold, cold)
	s.mustBe("alice", alice.cookie)
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// TestChangedColdRecord is row D4 for the record that holds the tokens: it is
// read seldom, so the session lasts as long as its access token and no longer.
func TestChangedColdRecord(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice, bob := s.newSession(storage, "alice"), s.newSession(storage, "bob")
	storage.plant(alice.cold, noise(2000))
	s.mustBe("alice", alice.cookie)
	if res := s.send(request{path: "/token", cookies: []*http.Cookie{alice.cookie}}); res.StatusCode != fiber.StatusTeapot {
		t.Errorf("AccessToken gives %s", statusLine(res))
	}
	s.pool.Advance(61 * time.Minute)
	s.mustBe("", alice.cookie)
	s.mustBe("bob", bob.cookie)
}

// TestTwoAppsShareOneStorage is row D4: two apps of one pool keep their
// sessions in one Redis. What one of them stores is nothing to the other, even
// if somebody moves it to where the other looks.
func TestTwoAppsShareOneStorage(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "secondclient"})
	storage := newStore()
	first := serveWith(t, pool, on(storage))
	second := serveWith(t, pool, on(storage), func(c *cognito.Config) { c.ClientID = "secondclient" })
	alice, bob := first.newSession(storage, "alice"), second.newSession(storage, "bob")

	abroad := &http.Cookie{Name: bob.cookie.Name, Value: alice.cookie.Value}
	before := storage.dump()
	second.mustBe("", abroad)
	if after := storage.dump(); len(after) != len(before) {
		t.Errorf("a foreign cookie changed the storage from %d records to %d", len(before), len(after))
	}
	storage.plant(bob.hot, before[alice.hot])
	storage.plant(bob.cold, before[alice.cold])
	second.mustBe("", bob.cookie)
	if storage.has(bob.hot) || storage.has(bob.cold) {
		t.Error("the other app's records were left where they do not belong")
	}
	first.mustBe("alice", alice.cookie)
	storage.plant(bob.hot, before[bob.hot])
	storage.plant(bob.cold, before[bob.cold])
	second.mustBe("bob", bob.cookie)
}

// storageKinds are the two families of drivers.
var storageKinds = []struct {
	name string
	wrap func(*store) fiber.Storage
}{
	{"plain driver", func(s *store) fiber.Storage { return s }},
	{"driver with contexts", func(s *store) fiber.Storage { return contextStore{s} }},
}

var errDown = errors.New("dial tcp 10.1.2.3:6379: connection refused")

// TestStorageOutage is rows K1 and K2: while the storage errs, panics or hangs
// nothing is known, so nobody is told to log in and no cookie is touched.
// Everything that does not need to know who is there goes on.
func TestStorageOutage(t *testing.T) {
	for _, kind := range storageKinds {
		for _, outage := range []struct {
			name  string
			fault func(t *testing.T) *storeFault
		}{
			{"error", func(*testing.T) *storeFault { return &storeFault{err: errDown} }},
			{"panic", func(*testing.T) *storeFault { return &storeFault{panics: "nil map"} }},
			{"error with a value", func(*testing.T) *storeFault { return &storeFault{err: errDown, value: []byte("x")} }},
			{"hang", hang},
		} {
			t.Run(kind.name+" "+outage.name, func(t *testing.T) {
				t.Parallel()
				storage := newStore()
				s := serveApp(t, func(app *fiber.App, _ *cognito.Auth) {
					pages(app)
					app.Get("/why", func(c *fiber.Ctx) error {
						return c.JSON([]bool{cognito.UserFrom(c) == nil, errors.Is(cognito.Err(c), cognito.ErrUnavailable), c.Locals("user") == nil})
					})
				}, on(kind.wrap(storage)))
				alice := s.newSession(storage, "alice")
				fault := outage.fault(t)
				storage.misbehave(func(storeCall) *storeFault { return fault })
				s.mustBeUndecided(alice.cookie)
				storage.misbehave(nil)
				s.mustBe("alice", alice.cookie)
			})
		}
	}
}

// hang is a fault that ends with the test.
func hang(t *testing.T) *storeFault {
	gate := make(chan struct{})
	t.Cleanup(func() { close(gate) })
	return &storeFault{gate: gate, err: errDown}
}

// mustBeUndecided checks every kind of answer during an outage, all at the same
// time since each may take as long as the storage is given.
func (s *site) mustBeUndecided(cookie *http.Cookie) {
	s.Helper()
	var checks sync.WaitGroup
	defer checks.Wait()
	for _, r := range []request{
		{path: "/me", header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}},
		{path: "/me", header: map[string]string{"Accept": "application/json"}},
		{path: "/me", method: http.MethodPost},
		{path: "/token/refresh", method: http.MethodPost},
	} {
		r.cookies = []*http.Cookie{cookie}
		checks.Go(func() { s.mustBeUnavailable(r) })
	}
	for path, want := range map[string]string{"/why": "[true,true,true]", "/public": "public"} {
		checks.Go(func() {
			res, err := s.trySend(request{path: path, cookies: []*http.Cookie{cookie}})
			if err != nil || res.body != want || len(res.Cookies()) > 0 {
				s.Errorf("%s answered %v, want %s and no cookie: %v", path, res, want, err)
			}
		})
	}
	checks.Go(func() {
		if res, err := s.trySend(request{path: "/"}); err != nil || res.body != "hello stranger" {
			s.Errorf("a stranger is told %v: %v", res, err)
		}
	})
}

func (s *site) mustBeUnavailable(r request) {
	res, err := s.trySend(r)
	if err != nil {
		s.Error(err)
		return
	}
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		s.Errorf("%s %s answered %s, Retry-After %q; want 503 with it", r.method, r.path, statusLine(res), res.Header.Get("Retry-After"))
	}
	if len(res.Cookies()) > 0 {
		s.Errorf("%s %s touched cookies: %v", r.method, r.path, res.Cookies())
	}
	if strings.Contains(res.body, "10.1.2.3") || strings.Contains(res.body, "nil map") {
		s.Errorf("%s %s tells a stranger the cause: %s", r.method, r.path, res.body)
	}
}

// TestSlowStorage is row K2's honest half: slow is not down.
func TestSlowStorage(t *testing.T) {
	for _, kind := range storageKinds {
		storage := newStore()
		s := serve(t, on(kind.wrap(storage)))
		alice := s.newSession(storage, "alice")
		storage.misbehave(func(storeCall) *storeFault {
			time.Sleep(50 * time.Millisecond)
			return nil
		})
		s.mustBe("alice", alice.cookie)
		s.mustBe("bob", s.finish(s.answered("bob")).cookie(isSessionCookie))
	}
}

// TestHungStorageHoldsFewGoroutines is row K2: calls that hang cannot be
// called back, so there must be an end to how many there are; all requests are
// answered nevertheless.
func TestHungStorageHoldsFewGoroutines(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	fault := hang(t)
	storage.misbehave(func(storeCall) *storeFault { return fault })
	const requests, bound = 600, 256
	statuses := make(chan int, requests)
	for range requests {
		go func() {
			res, err := s.trySend(request{path: "/me", cookies: []*http.Cookie{alice.cookie}})
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
	if most := storage.most.Load(); most > bound {
		t.Errorf("%d calls hung in the driver at once, want at most %d", most, bound)
	}
	storage.misbehave(nil)
	if res := s.send(request{path: "/"}); res.body != "hello stranger" {
		t.Errorf("a stranger is told %s", statusLine(res))
	}
}

// TestStorageKeepsNoSession is rows B11 and K1 at login: a session that cannot
// be stored gets no cookie, leaves nothing behind, and its refresh token is
// revoked. Nothing keeps the visitor from logging in afterwards.
func TestStorageKeepsNoSession(t *testing.T) {
	for _, kind := range storageKinds {
		for name, broken := range map[string]struct {
			prefix string
			fault  func(*testing.T) *storeFault
		}{
			"the cold record errs":  {coldPrefix, func(*testing.T) *storeFault { return &storeFault{err: errDown} }},
			"the hot record errs":   {hotPrefix, func(*testing.T) *storeFault { return &storeFault{err: errDown} }},
			"the hot record panics": {hotPrefix, func(*testing.T) *storeFault { return &storeFault{panics: "nil map"} }},
			"the cold record hangs": {coldPrefix, hang},
			"every key with set":    {"", func(*testing.T) *storeFault { return &storeFault{err: errDown} }},
		} {
			t.Run(kind.name+" "+name, func(t *testing.T) {
				t.Parallel()
				storage := newStore()
				s := serve(t, on(kind.wrap(storage)))
				pending := s.answered("alice")
				fault := broken.fault(t)
				storage.misbehave(func(c storeCall) *storeFault {
					if c.method == "set" && strings.HasPrefix(c.key, broken.prefix) {
						return fault
					}
					return nil
				})
				res := s.finish(pending)
				if res.StatusCode != http.StatusServiceUnavailable || res.cookie(isSessionCookie) != nil {
					t.Errorf("the callback answered %s with cookies %v, want 503 and no session", statusLine(res), res.Cookies())
				}
				storage.misbehave(nil)
				for key := range storage.dump() {
					if strings.HasPrefix(key, hotPrefix) || strings.HasPrefix(key, coldPrefix) {
						t.Errorf("%s was left behind", key)
					}
				}
				eventually(t, "the refresh token is revoked", func() bool { return s.pool.Calls(cognitotest.Revoke) == 1 })
				if calls := s.pool.Calls(cognitotest.Token); calls != 1 {
					t.Errorf("%d token calls, want 1: a code is spent once", calls)
				}
				s.mustBe("alice", s.finish(s.answered("alice")).cookie(isSessionCookie))
			})
		}
	}
}

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never: %s", what)
			return
		}
	}
}

// TestStorageDownAtLogin is row K1 for logins in progress: one that cannot be
// noted does not begin, and one that cannot be looked up stays as it is.
func TestStorageDownAtLogin(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	pending := s.answered("alice")
	for _, method := range []string{"get", "delete"} {
		storage.misbehave(func(c storeCall) *storeFault {
			if c.method == method {
				return &storeFault{err: errDown}
			}
			return nil
		})
		if res := s.finish(pending); res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
			t.Errorf("with %s failing the callback answered %s with cookies %v, want 503 and none", method, statusLine(res), res.Cookies())
		}
	}
	storage.misbehave(func(c storeCall) *storeFault { return &storeFault{err: errDown} })
	if res := s.send(request{path: "/login"}); res.StatusCode != http.StatusServiceUnavailable || len(res.Cookies()) > 0 {
		t.Errorf("the login answered %s with cookies %v, want 503 and none", statusLine(res), res.Cookies())
	}
	if calls := s.pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d token calls, want none: the code is still good", calls)
	}
	storage.misbehave(nil)
	s.mustBe("alice", s.finish(pending).cookie(isSessionCookie))
}

// TestLifetimesAndValues is row K4: drivers take "no time" for "for ever", cut
// fractions of a second to nothing and drop empty values silently. None of
// that is ever passed, also not close to a session's end.
func TestLifetimesAndValues(t *testing.T) {
	t.Parallel()
	storage := newStore()
	pool := newPool(t)
	clock := stopClock(pool)
	s := serveWith(t, pool, on(storage), clock.hook, func(c *cognito.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Second, 3*time.Hour })
	sessions := []session{s.newSession(storage, "alice"), s.newSession(storage, "bob")}
	for range 30 {
		clock.advance(900 * time.Millisecond)
		for _, each := range sessions {
			s.me(each.cookie)
			s.send(request{path: "/token/refresh", method: http.MethodPost, cookies: []*http.Cookie{each.cookie}})
		}
	}
	s.mustBe("alice", sessions[0].cookie)
	s.send(request{path: "/logout", method: http.MethodPost, cookies: []*http.Cookie{sessions[0].cookie}})
	clock.advance(time.Hour)
	s.mustBe("", sessions[1].cookie)
	if storage.has(sessions[1].hot) {
		t.Error("a session past its end was left in the storage")
	}

	sets := storage.asked("set")
	if len(sets) < 50 {
		t.Fatalf("only %d writes were seen", len(sets))
	}
	for _, call := range sets {
		if call.life <= time.Second || call.life > 3*time.Hour {
			t.Errorf("%s is stored for %s", call.key, call.life)
		}
		if call.life%time.Second != 0 {
			t.Errorf("%s is stored for %s, which drivers cut off", call.key, call.life)
		}
		if len(call.value) == 0 || call.key == "" {
			t.Errorf("%q is stored with %d bytes", call.key, len(call.value))
		}
	}
}

// TestFlushedStorage is row K5: everything is gone at once. Visitors log in
// again, which Cognito does for them without a click.
func TestFlushedStorage(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	v := s.visitor()
	v.logIn()
	if err := storage.Reset(); err != nil {
		t.Fatal(err)
	}
	if res := s.me(v.sessionCookie()); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
		t.Errorf("a script got %s with cookies %v, want 401 and none", statusLine(res), res.Cookies())
	}
	page := v.Get(s.url + "/me?tab=2")
	if page.Status != http.StatusOK || page.URL.String() != s.url+"/me?tab=2" {
		t.Errorf("a page visit ended on %s with %d: %v", page.URL, page.Status, page.Err)
	}
	if len(page.Trail) != 5 { // the page, login, authorize, the callback, the page
		t.Errorf("the way led through %q", page.Trail)
	}
	v.mustBeSignedIn()
}

// TestStorageLosesEveryWrite is row K5 at its worst: a fail-over loses every
// session as soon as it is written. The browser must not be sent in circles.
func TestStorageLosesEveryWrite(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	v := s.visitor()
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && strings.HasPrefix(c.key, hotPrefix) {
			return &storeFault{} // "done"
		}
		return nil
	})
	page := v.Login(s.url+"/me", "alice", passwordOf("alice"))
	if page.Err != nil || page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "does not stick") {
		t.Errorf("the login ended on %s with %d after %d steps: %v", page.URL, page.Status, len(page.Trail), page.Err)
	}
	storage.misbehave(nil)
	if page = v.Get(s.url + "/me"); page.Status != http.StatusOK {
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
	return decode(t, string(payload))["sub"]
}

// tenantStore is a driver within a storage of the app's own: Get, Set and Delete
// put a prefix before every key, and all the driver's other methods shine
// through.
type tenantStore struct {
	contextStore
	prefix string
}

func (s tenantStore) Get(key string) ([]byte, error) { return s.store.Get(s.prefix + key) }

func (s tenantStore) Set(key string, value []byte, life time.Duration) error {
	return s.store.Set(s.prefix+key, value, life)
}

func (s tenantStore) Delete(key string) error { return s.store.Delete(s.prefix + key) }

// TestStorageAroundADriver: a storage that embeds a driver and adds something of
// its own, such as a prefix or encryption, is never passed by.
func TestStorageAroundADriver(t *testing.T) {
	for name, wrap := range map[string]func(*store) fiber.Storage{
		"by value":   func(s *store) fiber.Storage { return tenantStore{contextStore{s}, "tenant_"} },
		"by pointer": func(s *store) fiber.Storage { return &tenantStore{contextStore{s}, "tenant_"} },
	} {
		t.Run(name, func(t *testing.T) {
			storage := newStore()
			s := serve(t, on(wrap(storage)))
			alice := s.signIn("alice")
			s.mustBe("alice", alice)
			s.mustLogOut(s.send(logOut(alice)))
			for _, call := range storage.asked("") {
				if !strings.HasPrefix(call.key, "tenant_") {
					t.Errorf("%s of %s went to the driver itself", call.method, call.key)
				}
			}
		})
	}
}

// TestDriverThatCanBeCalledBack is row K2 with a driver whose calls take a
// context: those that nobody waits for any more are ended.
func TestDriverThatCanBeCalledBack(t *testing.T) {
	t.Parallel()
	storage := newStore()
	s := serve(t, on(contextStore{storage}))
	alice := s.signIn("alice")
	hung := hang(t)
	storage.misbehave(func(storeCall) *storeFault { return hung })
	s.mustBeUnavailable(asScript("/me", alice))
	s.mustBeUnavailable(renewNow(alice))
	eventually(t, "no call is in the driver", func() bool { return storage.waiting.Load() == 0 })
	storage.misbehave(nil)
	s.mustBe("alice", alice)
}
