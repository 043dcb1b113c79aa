package faults_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/storage/memory/v2"
)

// account is one of many users, with the cookie they have at the moment.
type account struct {
	name, subject string

	mu     sync.RWMutex // held for writing while the cookie changes
	cookie *http.Cookie
}

// TestUsersAreNotMixedUp: two hundred users on two instances over one storage, at the
// same time, while tokens expire and sessions come and go. Every answer is about the
// owner of the cookie it was asked with.
func TestUsersAreNotMixedUp(t *testing.T) {
	t.Parallel()
	const users, workers, visits = 200, 24, 70
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
	for worker := range workers {
		visitors.Go(func() {
			for i := worker; i < users; i += workers {
				for _, s := range instances {
					accounts[i].mustBeShown(s, "/me")
				}
			}
		})
	}
	visitors.Wait()
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
	jar.HTTPClient.CloseIdleConnections()
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
		if subject, _ := lab.ClaimsOf(s.T, res.Text)["sub"].(string); subject == a.subject {
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

// TestHandlersCannotChangeOthersUser: what a handler is given of a user it may write
// to, and nobody else sees it.
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
