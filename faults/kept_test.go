package faults_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// TestNothingOfARequestIsKept: Fiber's strings are views into buffers that the next
// request overwrites, so whoever keeps one sees it change: the storage its keys, the
// log its attributes, an error its text. Here one connection carries requests that
// overwrite each other thoroughly.
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

// TestStorageReusesItsBuffers: a driver may hand out its own bytes and overwrite them
// at its next call, and may keep the bytes that it was given.
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
