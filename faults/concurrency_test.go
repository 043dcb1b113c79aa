package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/storage/memory/v2"
	"github.com/valyala/fasthttp"
)

// account is one of many users, with the cookie they have at the moment.
type account struct {
	name, subject string

	mu     sync.RWMutex // held for writing while the cookie changes
	cookie *http.Cookie
}

// TestUsersAreNotMixedUp is row O1: two hundred users on two instances over one
// storage, at the same time, while tokens expire and sessions come and go.
// Every answer is about the owner of the cookie it was asked with.
func TestUsersAreNotMixedUp(t *testing.T) {
	t.Parallel()
	const users, workers, visits = 200, 8, 200
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	storage := memory.New()
	t.Cleanup(func() { _ = storage.Close() })
	instances := []*lab.Site{
		lab.ServeWith(t, pool, lab.On(storage), lab.Timeouts(10*time.Hour, 100*time.Hour)),
		lab.ServeWith(t, pool, lab.On(storage), lab.Timeouts(10*time.Hour, 100*time.Hour)),
	}
	accounts := make([]*account, users)
	var visitors sync.WaitGroup
	for worker := range workers {
		visitors.Go(func() {
			for i := worker; i < users; i += workers {
				accounts[i] = newAccount(instances[i%2], fmt.Sprintf("user%03d", i))
			}
		})
	}
	visitors.Wait()
	if t.Failed() {
		t.FailNow()
	}

	var clock sync.RWMutex // a leap of the clock in the middle of a login would end it
	for worker := range workers {
		random := rand.New(rand.NewPCG(1, uint64(worker)))
		visitors.Go(func() {
			for range visits {
				clock.RLock()
				accounts[random.IntN(users)].visit(instances[random.IntN(2)], random)
				clock.RUnlock()
				if random.IntN(workers*visits/40) == 0 {
					clock.Lock()
					pool.Advance(7 * time.Minute)
					clock.Unlock()
				}
			}
		})
	}
	visitors.Wait()
	for _, a := range accounts {
		for _, s := range instances {
			a.mustBeShown(s, "/me")
		}
	}
}

func newAccount(s *lab.Site, name string) *account {
	s.Pool.SetUser(cognitotest.User{Username: name, Password: "pw", Email: name + "@example.com", Attributes: map[string]string{"custom:owner": name}})
	a := &account{name: name}
	a.logIn(s)
	a.subject, _ = lab.Decode(s.T, s.Me(a.cookie).Text)["sub"].(string)
	return a
}

// logIn gives the account a new session.
func (a *account) logIn(s *lab.Site) {
	jar := s.Visitor()
	jar.Login(s.URL+"/login", a.name, "pw")
	a.cookie = jar.SessionCookie()
	jar.Client.CloseIdleConnections()
	if a.cookie == nil {
		s.Errorf("%s could not log in", a.name)
		a.cookie = &http.Cookie{Name: "none", Value: "none"}
	}
}

// visit does one of the things that users do.
func (a *account) visit(s *lab.Site, random *rand.Rand) {
	switch n := random.IntN(100); {
	case n < 4:
		a.mu.Lock()
		defer a.mu.Unlock()
		old := a.cookie
		trySendInto(s, lab.Request{Path: "/logout", Method: http.MethodPost, Cookies: []*http.Cookie{old}}, http.StatusSeeOther)
		trySendInto(s, lab.Request{Path: "/me", Cookies: []*http.Cookie{old}}, http.StatusUnauthorized)
		a.logIn(s)
	case n < 10:
		a.mu.RLock()
		defer a.mu.RUnlock()
		trySendInto(s, lab.Request{Path: "/token/refresh", Method: http.MethodPost, Cookies: []*http.Cookie{a.cookie}}, http.StatusOK)
	case n < 15:
		if res, err := s.TrySend(lab.Request{Path: "/"}); err != nil || res.Text != "hello stranger" {
			s.Errorf("a stranger is told %v: %v", res, err)
		}
	default:
		a.mu.RLock()
		defer a.mu.RUnlock()
		a.mustBeShown(s, []string{"/", "/me", "/payload", "/token"}[random.IntN(4)])
	}
}

func trySendInto(s *lab.Site, r lab.Request, status int) {
	if res, err := s.TrySend(r); err != nil || res.StatusCode != status {
		s.Errorf("%s answered %v, want %d: %v", r.Path, res, status, err)
	}
}

// mustBeShown asks a page and checks whose it is.
func (a *account) mustBeShown(s *lab.Site, path string) {
	res, err := s.TrySend(lab.Request{Path: path, Cookies: []*http.Cookie{a.cookie}})
	if err != nil {
		s.Error(err)
		return
	}
	owner := ""
	switch {
	case path == "/":
		owner = strings.TrimSuffix(strings.TrimPrefix(res.Text, "hello "), "@example.com")
	case path == "/token":
		if subject, _ := subjectOf(s.T, res.Text).(string); subject == a.subject {
			owner = a.name
		}
	case path == "/me":
		shown := lab.Decode(s.T, res.Text)
		owner, _ = shown["custom:owner"].(string)
		if shown["sub"] != a.subject || shown["email"] != a.name+"@example.com" {
			s.Errorf("%s shows %s a mixture: %s", path, a.name, res.Text)
		}
	case path == "/payload":
		owner, _ = lab.Decode(s.T, res.Text)["username"].(string)
	}
	if owner != a.name {
		s.Errorf("%s shows %q to %s: %s", path, owner, a.name, lab.StatusLine(res))
	}
}

// TestNothingOfARequestIsKept is row O2. Fiber's strings are views into buffers
// that the next request overwrites, so whoever keeps one sees it change: the
// storage its keys, the log its attributes, an error its text. Here one
// connection carries requests that overwrite each other thoroughly.
func TestNothingOfARequestIsKept(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	kept := &keeper{}
	keptLog := keepingHandler{kept}
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Use(func(c *fiber.Ctx) error {
			user, payload, err := cognito.UserFrom(c), cognito.PayloadFrom(c), cognito.Err(c)
			if user != nil {
				kept.keep(func() string { return asJSON(user) + asJSON(payload) + user.Subject() + user.Email() })
			}
			if err != nil {
				kept.keep(err.Error)
			}
			return c.Next()
		})
		lab.Pages(app)
	}, lab.On(keepingStore{storage, kept}), func(c *cognito.Config) {
		c.Bearer = true
		c.Logger = slog.New(keptLog)
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			kept.keep(err.Error)
			return lab.ShowDetail(c, err)
		}
	})
	alice, bob := s.NewSession(storage, "alice"), s.NewSession(storage, "bob")
	pending, landed := s.Begin(), s.Answered("alice")
	access := s.Pool.AccessToken("", "bob", nil)

	one := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}, CheckRedirect: lab.PlainClient.CheckRedirect}
	t.Cleanup(one.CloseIdleConnections)
	requests := []lab.Request{
		{Path: "/me", Cookies: []*http.Cookie{alice.Cookie}},
		{Path: "/nowhere/" + strings.Repeat("n", 300), Cookies: []*http.Cookie{bob.Cookie}},
		{Path: "/login?return_to=/" + strings.Repeat("r", 300) + "&login_hint=" + strings.Repeat("h", 100)},
		{Path: "/login", Method: http.MethodPut},
		{Path: "/login", Method: "DELETE"},
		{Path: "/login", Method: http.MethodHead},
		{Path: "/login/redirect?state=" + pending.State + "&error=access_denied&error_description=" + strings.Repeat("d", 150), Cookies: []*http.Cookie{pending.Cookie}},
		{Path: "/login/redirect?state=" + strings.Repeat("s", 43) + "&code=" + strings.Repeat("c", 300), Cookies: []*http.Cookie{{Name: pending.Cookie.Name, Value: strings.Repeat("v", 60)}}},
		{Path: landed.Callback, Cookies: []*http.Cookie{landed.Cookie, bob.Cookie}},
		{Path: "/me", Method: http.MethodPost, Cookies: []*http.Cookie{alice.Cookie}, Header: map[string]string{"Origin": "https://" + strings.Repeat("o", 100)}},
		{Path: "/me", Header: map[string]string{"Authorization": "Bearer " + access}},
		{Path: "/me", Header: map[string]string{"Authorization": "Bearer " + strings.Repeat("b", 900)}},
		{Path: "/me", Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}},
		{Path: "/token/refresh", Method: http.MethodPost, Cookies: []*http.Cookie{alice.Cookie}},
		{Path: "/logout", Method: http.MethodPost, Cookies: []*http.Cookie{bob.Cookie}},
	}
	overwrite := lab.Request{Path: "/" + strings.Repeat("XYZ", 300), Header: map[string]string{"Cookie": strings.Repeat("QQQQ=WWWW; ", 60), "Authorization": "Basic " + strings.Repeat("U", 800)}}
	for _, r := range requests {
		mustDo(t, one, s.URL, r)
		for range 3 {
			mustDo(t, one, s.URL, overwrite)
		}
		kept.mustBeUnchanged(t, r)
	}
	if n := kept.count(); n < 60 {
		t.Errorf("only %d things were kept", n)
	}
	s.MustBe("alice", alice.Cookie)
}

func asJSON(value any) string {
	text, err := json.Marshal(value)
	return fmt.Sprint(string(text), err)
}

func mustDo(t *testing.T, client *http.Client, origin string, r lab.Request) {
	t.Helper()
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	req, err := http.NewRequest(r.Method, origin+r.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range r.Cookies {
		req.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
}

// keeper holds on to what it was given, and to how it looked then.
type keeper struct {
	mu     sync.Mutex // guards things
	things []thing
}

type thing struct {
	now  func() string
	then string
}

func (k *keeper) keep(now func() string) {
	then := strings.Clone(now())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.things = append(k.things, thing{now, then})
}

func (k *keeper) text(s string) { k.keep(func() string { return s }) }

func (k *keeper) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.things)
}

func (k *keeper) mustBeUnchanged(t *testing.T, after lab.Request) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, thing := range k.things {
		if now := thing.now(); now != thing.then {
			t.Errorf("after %s %.30s: %.100q has become %.100q", after.Method, after.Path, thing.then, now)
		}
	}
}

// keepingStore keeps the very keys and values it is given.
type keepingStore struct {
	*lab.Store
	kept *keeper
}

func (k keepingStore) Get(key string) ([]byte, error) {
	k.kept.text(key)
	return k.Store.Get(key)
}

func (k keepingStore) Set(key string, value []byte, life time.Duration) error {
	k.kept.text(key)
	k.kept.keep(func() string { return string(value) })
	return k.Store.Set(key, value, life)
}

func (k keepingStore) Delete(key string) error {
	k.kept.text(key)
	return k.Store.Delete(key)
}

// keepingHandler keeps the records it is given, as handlers do that write in
// the background.
type keepingHandler struct{ kept *keeper }

func (k keepingHandler) Enabled(context.Context, slog.Level) bool { return true }
func (k keepingHandler) WithAttrs([]slog.Attr) slog.Handler       { return k }
func (k keepingHandler) WithGroup(string) slog.Handler            { return k }

func (k keepingHandler) Handle(_ context.Context, record slog.Record) error {
	record = record.Clone()
	k.kept.keep(func() string {
		text := record.Message
		record.Attrs(func(a slog.Attr) bool {
			text += fmt.Sprint(" ", a.Key, "=", a.Value.Resolve())
			return true
		})
		return text
	})
	return nil
}

// TestStorageReusesItsBuffers is row O2 from the storage's side: a driver may
// hand out its own bytes and overwrite them at its next call, and may keep the
// bytes that it was given.
func TestStorageReusesItsBuffers(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetUser(cognitotest.User{Username: "carol", Password: "pw", Email: "carol@example.com", Name: "before"})
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(&scratchStore{Store: storage}))
	other := lab.ServeWith(t, pool, lab.On(storage))
	carol, bob := newAccount(s, "carol"), newAccount(s, "dave_")
	for i := range 6 {
		carol.mustBeShown(s, "/me")
		bob.mustBeShown(s, "/me")
		// Renewed elsewhere: the record changes, and not in size.
		name := fmt.Sprintf("name %d", i)
		pool.SetUser(cognitotest.User{Username: "carol", Password: "pw", Email: "carol@example.com", Name: name, Attributes: map[string]string{"custom:owner": "carol"}})
		pool.Advance(31 * time.Second) // younger tokens are not renewed
		res := other.Send(lab.Request{Path: "/token/refresh", Method: http.MethodPost, Cookies: []*http.Cookie{carol.cookie}})
		if res.StatusCode != http.StatusOK {
			t.Fatalf("renewing the tokens answered %s", lab.StatusLine(res))
		}
		if shown := lab.Decode(t, s.Me(carol.cookie).Text); shown["name"] != name {
			t.Errorf("after a renewal elsewhere carol is called %v, want %q", shown["name"], name)
		}
	}
}

// scratchStore answers every get from one buffer, for a caller at a time.
type scratchStore struct {
	*lab.Store
	mu     sync.Mutex // guards buffer
	buffer [16 << 10]byte
}

func (s *scratchStore) Get(key string) ([]byte, error) {
	value, err := s.Store.Get(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if value == nil || err != nil {
		return nil, err
	}
	return s.buffer[:copy(s.buffer[:], value)], nil
}

// TestHandlersCannotChangeOthersUser is row O3: what a handler is given of a
// user it may write to, and nobody else sees it.
func TestHandlersCannotChangeOthersUser(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	var writing sync.WaitGroup
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Get("/vandal", cognito.RequireUser(), func(c *fiber.Ctx) error {
			vandalise(cognito.UserFrom(c), cognito.PayloadFrom(c))
			return nil
		})
	})
	alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
	me, payload := s.Me(alice).Text, s.Send(lab.Request{Path: "/payload", Cookies: []*http.Cookie{alice}}).Text
	for range 20 { // at the same time, so that -race would see a shared write
		writing.Go(func() { trySendInto(s, lab.Request{Path: "/vandal", Cookies: []*http.Cookie{alice}}, http.StatusOK) })
	}
	writing.Wait()
	if got := s.Me(alice).Text; got != me {
		t.Errorf("/me showed %s and now shows %s", me, got)
	}
	if got := s.Send(lab.Request{Path: "/payload", Cookies: []*http.Cookie{alice}}).Text; got != payload {
		t.Errorf("/payload showed %s and now shows %s", payload, got)
	}
	if groups := lab.Decode(t, me)["cognito:groups"]; !reflect.DeepEqual(groups, []any{"admin"}) {
		t.Errorf("alice is in %v", groups)
	}
}

// vandalise overwrites everything that can be reached.
func vandalise(user *cognito.User, payload *cognito.Payload) {
	scribble := func(texts []string) {
		for i := range texts {
			texts[i] = "root"
		}
		_ = append(texts, "root")
	}
	scribble(user.Groups())
	scribble(payload.Groups())
	scribble(payload.Scopes())
	for _, claim := range []any{user.Claim("cognito:groups"), payload.Claim("cognito:groups")} {
		list, _ := claim.([]any)
		for i := range list {
			list[i] = "root"
		}
	}
	for _, marshal := range []func() ([]byte, error){user.MarshalJSON, payload.MarshalJSON} {
		text, _ := marshal()
		for i := range text {
			text[i] = 'X'
		}
	}
	var decoded struct {
		Raw    json.RawMessage `json:"sub"`
		Groups []string        `json:"cognito:groups"`
	}
	_, _ = user.Decode(&decoded), payload.Decode(&decoded)
	for i := range decoded.Raw {
		decoded.Raw[i] = 'X'
	}
	scribble(decoded.Groups)
}

// TestClose is row O4: closing twice, at the same time and during traffic is
// harmless, ends nobody's session, and leaves the app's own storage open.
func TestClose(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
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

// TestCloseWithoutTraffic is row O4 for apps that never served a request, with
// the middleware's own storage.
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
	lab.Eventually(t, "the storages' own goroutines end", func() bool { return cleaners() == before })
}

// cleaners counts the goroutines that memory storages clean up with.
func cleaners() int {
	return strings.Count(strings.Join(lab.OtherGoroutines(), "\n"), "memory/v2.(*Storage).gc(")
}

// TestLoginAfterClose is row O4: whoever comes too late is told so, and nothing
// hangs.
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
