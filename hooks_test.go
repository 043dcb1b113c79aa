package cognito_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	recoverer "github.com/gofiber/fiber/v2/middleware/recover"
)

// The app has its say at a login, a renewal and a logout, and is told of all
// that matters in events. What it says or does wrong harms nobody else.

// onLogin sets Config.OnLogin.
func onLogin(hook func(*fiber.Ctx, *cognito.User) error) func(*cognito.Config) {
	return func(c *cognito.Config) { c.OnLogin = hook }
}

// arrives sends a callback as a browser does.
func arrives(s *lab.Site, p *lab.PendingLogin, more ...*http.Cookie) *lab.Answer {
	s.Helper()
	return s.Send(lab.Request{Path: p.Callback, Cookies: append(more, p.Cookie), Header: lab.AsPageWith(map[string]string{"Sec-Fetch-Site": "cross-site"})})
}

// TestOnLoginSeesTheUser proves that the hook runs once, before the session,
// with the verified user and the request, and that the app may keep the user:
// nothing of it is overwritten by later requests.
func TestOnLoginSeesTheUser(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	var seen []*cognito.User
	var early []string
	s := lab.Serve(t, lab.On(storage), onLogin(func(c *fiber.Ctx, user *cognito.User) error {
		for key := range storage.Dump() {
			early = append(early, key)
		}
		if cognito.UserFrom(c) != nil {
			return errors.New("somebody is signed in already")
		}
		c.Set("X-Welcome", user.Username())
		seen = append(seen, user)
		return nil
	}))
	for _, name := range []string{"alice", "bob"} {
		res := arrives(s, s.Answered(name))
		if res.Cookie(lab.IsSessionCookie) == nil || res.Header.Get("X-Welcome") != name {
			t.Errorf("%s: %s with X-Welcome %q", name, lab.StatusLine(res), res.Header.Get("X-Welcome"))
		}
	}
	if len(seen) != 2 || seen[0].Email() != "alice@example.com" || seen[1].Email() != "bob@example.com" || !seen[0].InGroup("admin") {
		t.Errorf("the hook saw %v", seen)
	}
	sessions := slices.DeleteFunc(early, func(key string) bool {
		return !strings.HasPrefix(key, lab.HotPrefix) && !strings.HasPrefix(key, lab.ColdPrefix)
	})
	if len(sessions) != 2 { // alice's two records, when bob came
		t.Errorf("when the hook ran, there were %q", sessions)
	}
}

// TestOnLoginRefuses proves that the app can keep a user out: no session
// begins, the refresh token that nobody will use is revoked, and the visitor
// reads what the app has to say and nothing that it did not mean for them.
func TestOnLoginRefuses(t *testing.T) {
	t.Parallel()
	const bland = "Your account does not have access to this app."
	for _, row := range []struct {
		name   string
		says   error
		status int
		text   string
	}{
		{"with words", fiber.NewError(http.StatusPaymentRequired, "Your trial has ended."), 402, "Your trial has ended."},
		{"with markup", fiber.NewError(http.StatusForbidden, `<script>alert("x")</script>`), 403, "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;"},
		{"with words in a chain", fmt.Errorf("query: %w", fiber.NewError(http.StatusConflict, "Already registered.")), 409, "Already registered."},
		{"with a plain error", errors.New("pq: password of db-7 is hunter2"), 403, bland},
		{"with an error of ours", cognito.ErrForbidden, 403, bland},
		{"as if expired", cognito.ErrAttemptExpired, 403, bland},
		{"as if foreign", cognito.ErrStateMismatch, 403, bland},
		{"as if the code was refused", cognito.ErrCodeRefused, 403, bland},
	} {
		t.Run(row.name, func(t *testing.T) {
			storage := lab.NewStore()
			refuse := true
			transport, spied := lab.Spy(t)
			s := lab.Serve(t, lab.On(storage), spied, onLogin(func(_ *fiber.Ctx, user *cognito.User) error {
				if refuse && user.Username() == "alice" {
					return row.says
				}
				return nil
			}))
			res := arrives(s, s.Answered("alice"))
			if res.StatusCode != row.status || !strings.Contains(res.Text, "<p>"+row.text+"</p>") || strings.Contains(res.Text, "hunter2") {
				t.Errorf("the visitor got %s", lab.StatusLine(res))
			}
			if !strings.Contains(res.Text, `prompt=login`) {
				t.Errorf("the page leads to the same login once more: %s", res.Text)
			}
			if res.Cookie(lab.IsSessionCookie) != nil || len(storage.Dump()) != 0 {
				t.Errorf("a session was begun: %v", storage.Dump())
			}
			if logged := strings.ReplaceAll(s.Logged.String(), `\"`, `"`); !strings.Contains(logged, row.says.Error()) {
				t.Errorf("the log does not say why: %s", s.Logged.String())
			}
			lab.Eventually(t, "the refresh token is revoked", func() bool {
				sent := s.Pool.Requests(cognitotest.Revoke)
				return len(sent) == 1 && slices.Contains(transport.Tokens(), sent[0].Form.Get("token"))
			})
			if bob := arrives(s, s.Answered("bob")); bob.Cookie(lab.IsSessionCookie) == nil {
				t.Errorf("bob got %s", lab.StatusLine(bob))
			}
			refuse = false
			if again := arrives(s, s.Answered("alice")); again.Cookie(lab.IsSessionCookie) == nil {
				t.Errorf("when she is let in, alice gets %s", lab.StatusLine(again))
			}
		})
	}
}

// TestOnLoginFails proves that an outage of the app's own database does not tell visitors that
// their accounts have no access: they may try again, and then sign in. The operator is warned.
func TestOnLoginFails(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		says   error
		status int
		text   string
	}{
		{"with our error", errors.Join(cognito.ErrUnavailable, errors.New("db-7 is down")), 503, "Sign-in isn&#39;t available right now."},
		{"with a status alone", fiber.ErrServiceUnavailable, 503, "Service Unavailable"},
		{"with words", fmt.Errorf("db-7: %w", fiber.NewError(http.StatusBadGateway, "Our user database is down.")), 502, "Our user database is down."},
	} {
		t.Run(row.name, func(t *testing.T) {
			down := true
			s := lab.Serve(t, onLogin(func(*fiber.Ctx, *cognito.User) error {
				if down {
					return row.says
				}
				return nil
			}))
			res := arrives(s, lab.Halfway(s, "alice", "return_to=/me"))
			if res.StatusCode != row.status || !strings.Contains(res.Text, "<p>"+row.text) || strings.Contains(res.Text, "db-7") || res.Header.Get("Retry-After") == "" {
				t.Errorf("the visitor got %d with Retry-After %q: %s", res.StatusCode, res.Header.Get("Retry-After"), res.Text)
			}
			if !strings.Contains(res.Text, `<a href="/login?return_to=%2Fme">Try again</a>`) || res.Cookie(lab.IsSessionCookie) != nil {
				t.Errorf("the page leads elsewhere, or a session was begun: %s", res.Text)
			}
			if logged := s.Logged.String(); strings.Count(logged, "level=WARN msg=cognito ") != 1 || !strings.Contains(logged, "event.reason=unavailable") {
				t.Errorf("the operator reads %s", logged)
			}
			lab.Eventually(t, "the refresh token is revoked", func() bool { return s.Pool.Calls(cognitotest.Revoke) == 1 })
			down = false
			if again := arrives(s, s.Answered("alice")); again.Cookie(lab.IsSessionCookie) == nil {
				t.Errorf("when the database is back, alice gets %s", lab.StatusLine(again))
			}
		})
	}
}

// TestRefusedLoginKeepsTheOldSession proves that somebody who is signed in
// stays so when they try to sign in as somebody who is not let in.
func TestRefusedLoginKeepsTheOldSession(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, onLogin(func(_ *fiber.Ctx, user *cognito.User) error {
		if user.Username() == "bob" {
			return fiber.ErrForbidden
		}
		return nil
	}))
	alice := arrives(s, s.Answered("alice")).Cookie(lab.IsSessionCookie)
	res := arrives(s, s.Answered("bob"), alice)
	if res.StatusCode != http.StatusForbidden || slices.ContainsFunc(res.Cookies(), func(c *http.Cookie) bool { return lab.IsSessionCookie(c.Name) }) {
		t.Errorf("bob got %s with %v", lab.StatusLine(res), res.Cookies())
	}
	s.MustBe("alice", alice)
}

// TestHooksThatPanic proves that a hook's panic ends its request, not the
// process, and leaves nothing half done: a login that did not finish is none,
// and a logout has happened.
func TestHooksThatPanic(t *testing.T) {
	t.Parallel()
	broken := map[string]bool{}
	var mu sync.Mutex // guards broken
	breaks := func(hook string) {
		mu.Lock()
		defer mu.Unlock()
		if broken[hook] {
			panic("hook " + hook)
		}
	}
	set := func(hook string, is bool) {
		mu.Lock()
		defer mu.Unlock()
		broken[hook] = is
	}
	storage := lab.NewStore()
	transport, spied := lab.Spy(t)
	s := lab.Serve(t, lab.On(storage), spied, func(c *cognito.Config) {
		c.OnLogin = func(*fiber.Ctx, *cognito.User) error { breaks("login"); return nil }
		c.OnLogout = func(*fiber.Ctx, *cognito.User) { breaks("logout") }
		c.OnRefresh = func(*cognito.User) { breaks("refresh") }
	})
	set("login", true)
	res := arrives(s, s.Answered("alice"))
	if res.StatusCode != http.StatusInternalServerError || res.Cookie(lab.IsSessionCookie) != nil || len(storage.Dump()) != 0 {
		t.Errorf("a login in a panic: %s with %v", lab.StatusLine(res), storage.Dump())
	}
	lab.Eventually(t, "the refresh token is revoked", func() bool {
		sent := s.Pool.Requests(cognitotest.Revoke)
		return len(sent) == 1 && slices.Contains(transport.Tokens(), sent[0].Form.Get("token"))
	})
	set("login", false)
	alice := arrives(s, s.Answered("alice")).Cookie(lab.IsSessionCookie)

	set("refresh", true)
	s.Pool.Advance(61 * time.Minute)
	s.MustBe("alice", alice)
	s.Pool.Advance(61 * time.Minute)
	s.MustBe("alice", alice) // no lock is held

	set("logout", true)
	res = s.Send(lab.Request{Method: "POST", Path: "/logout", Cookies: []*http.Cookie{alice}})
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("a logout in a panic: %s", lab.StatusLine(res))
	}
	s.MustBe("", alice)
	lab.Eventually(t, "all panics are logged", func() bool { return strings.Count(s.Logged.String(), "recovered from a panic") >= 4 })
	if strings.Contains(s.Logged.String(), "hook login") {
		t.Error("the panic's value is logged, which may quote anything")
	}
}

// TestErrorHandlerThatSignsIn: an app answers every 401 by starting a login. That is refused
// as well to scripts, which anybody can send: the handler is not asked once more, and again,
// until the process ends.
func TestErrorHandlerThatSignsIn(t *testing.T) {
	t.Parallel()
	var auth *cognito.Auth
	var asked atomic.Int32
	s := lab.Serve(t, func(c *cognito.Config) {
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			var e *cognito.Error
			switch {
			case asked.Add(1) > 10:
				return err
			case errors.As(err, &e) && e.Status() == http.StatusUnauthorized:
				return auth.Login(c, cognito.LoginOptions{ReturnTo: "/me"})
			case errors.Is(err, cognito.ErrMisconfigured):
				return auth.Logout(c) // which needs BaseURL, too
			}
			return cognito.DefaultErrorHandler(c, err)
		}
	})
	auth = s.Auth
	for name, row := range map[string]struct {
		request lab.Request
		status  int
	}{
		"a script": {lab.Request{Path: "/me", Header: map[string]string{"Accept": "application/json", "Sec-Fetch-Mode": "cors"}}, http.StatusUnauthorized},
		"a proxy":  {lab.Request{Path: "/login", Header: lab.AsPageWith(map[string]string{"X-Forwarded-For": "10.1.2.3"})}, http.StatusInternalServerError},
	} {
		asked.Store(0)
		if res := s.Send(row.request); res.StatusCode != row.status || asked.Load() != 1 {
			t.Errorf("%s: the handler was asked %d times, and the answer is %s", name, asked.Load(), lab.StatusLine(res))
		}
	}
	asked.Store(0)
	honest := s.Send(lab.Request{Path: "/me", Header: map[string]string{"Accept": "application/json"}})
	if honest.StatusCode != http.StatusFound || honest.Cookie(lab.IsLoginCookie) == nil || asked.Load() != 1 {
		t.Errorf("whoever may sign in gets %s", lab.StatusLine(honest))
	}
}

// TestOnLogoutAndOnRefresh proves that the hooks are told of the right user,
// and only of what has happened.
func TestOnLogoutAndOnRefresh(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex // guards told
	var told []string
	note := func(what string, user *cognito.User) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprintf("%s %s %v", what, user.Username(), user.Groups()))
	}
	take := func() []string {
		mu.Lock()
		defer mu.Unlock()
		defer func() { told = nil }()
		return slices.Sorted(slices.Values(told))
	}
	s := lab.Serve(t, func(c *cognito.Config) {
		c.OnLogin = func(_ *fiber.Ctx, user *cognito.User) error { note("login", user); return nil }
		c.OnLogout = func(c *fiber.Ctx, user *cognito.User) { note("logout at "+c.Path(), user) }
		c.OnRefresh = func(user *cognito.User) { note("refresh", user) }
	})
	alice := arrives(s, s.Answered("alice")).Cookie(lab.IsSessionCookie)
	bob := arrives(s, s.Answered("bob")).Cookie(lab.IsSessionCookie)
	if got := fmt.Sprint(take()); got != "[login alice [admin] login bob []]" {
		t.Errorf("the logins: %s", got)
	}
	s.MustBe("alice", alice)
	if got := take(); len(got) != 0 {
		t.Errorf("a mere visit: %s", got)
	}
	// As Cognito describes her now.
	s.Pool.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", Groups: []string{"editor"}})
	s.Pool.Advance(61 * time.Minute)
	s.MustBe("alice", alice)
	s.MustBe("bob", bob)
	var refreshed []string
	lab.Eventually(t, "two users are refreshed", func() bool { refreshed = append(refreshed, take()...); return len(refreshed) >= 2 })
	slices.Sort(refreshed)
	if got := fmt.Sprint(refreshed); got != "[refresh alice [editor] refresh bob []]" {
		t.Errorf("the refreshes: %s", got)
	}
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Status: 503})
	s.Pool.Advance(61 * time.Minute)
	if res := s.Me(bob); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while Cognito is down: %s", lab.StatusLine(res))
	}
	s.Pool.Heal()
	if got := take(); len(got) != 0 {
		t.Errorf("a refresh that failed: %s", got)
	}
	for _, cookies := range [][]*http.Cookie{{alice}, {alice}, nil, {{Name: alice.Name, Value: strings.Repeat("A", 43)}}} {
		s.Send(lab.Request{Method: "POST", Path: "/logout", Cookies: cookies})
	}
	if got := fmt.Sprint(take()); got != "[logout at /logout alice [editor]]" {
		t.Errorf("one logout, once more, of nobody, and of a dead cookie: %s", got)
	}
}

// TestOnRefreshKeepsNobodyWaiting proves that the hook runs in the background:
// a request that waited for the tokens is answered although the hook is still
// at work, and so is the next renewal.
func TestOnRefreshKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	answered := make(chan struct{})
	s := lab.Serve(t, func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) { <-answered } })
	defer close(answered)
	alice := arrives(s, s.Answered("alice")).Cookie(lab.IsSessionCookie)
	for range 2 {
		s.Pool.Advance(61 * time.Minute)
		s.MustBe("alice", alice)
	}
}

// TestOnLogoutThatSignsOut: the hook calls LogoutTo, to say where to end. It is told once, and
// the visitor ends there, signed out.
func TestOnLogoutThatSignsOut(t *testing.T) {
	t.Parallel()
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			var auth *cognito.Auth
			var told atomic.Int32
			s := lab.Serve(t, append(hooks, func(c *cognito.Config) {
				c.OnLogout = func(c *fiber.Ctx, _ *cognito.User) {
					if told.Add(1) > 10 {
						return
					}
					if err := auth.LogoutTo(c, "/public"); err != nil {
						t.Errorf("LogoutTo: %v", err)
					}
				}
			})...)
			auth = s.Auth
			alice := s.SignIn("alice")
			res := s.Send(lab.LogOut(alice))
			s.MustLogOut(res)
			s.MustBe("", alice)
			if told.Load() != 1 {
				t.Errorf("the hook was told %d times", told.Load())
			}
			back := s.Send(lab.Request{Path: "/", Cookies: []*http.Cookie{res.Cookie(func(name string) bool { return strings.HasSuffix(name, "_out") })}, Header: lab.AsPage})
			if to := back.Header.Get("Location"); to != "/public" {
				t.Errorf("the visitor ends at %q", to)
			}
		})
	}
}

// TestLogoutFromAHandler proves that Auth.Logout does in a handler what
// LogoutPath does: the hook, the event, the end of the session, the way to
// Cognito.
func TestLogoutFromAHandler(t *testing.T) {
	t.Parallel()
	diary := &eventDiary{}
	left := ""
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		lab.Pages(app)
		app.Post("/leave", func(c *fiber.Ctx) error {
			err := auth.Logout(c)
			if cognito.UserFrom(c) != nil || c.Locals("user") != nil {
				return errors.New("somebody is signed in still")
			}
			return err
		})
	}, diary.keep, func(c *cognito.Config) {
		c.OnLogout = func(_ *fiber.Ctx, user *cognito.User) { left = user.Username() }
	})
	alice := arrives(s, s.Answered("alice")).Cookie(lab.IsSessionCookie)
	diary.take()
	res := s.Send(lab.Request{Method: "POST", Path: "/leave", Cookies: []*http.Cookie{alice}})
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), s.Pool.URL()+"/logout?") || left != "alice" {
		t.Errorf("%d to %q, and %q has left", res.StatusCode, res.Header.Get("Location"), left)
	}
	diary.mustHold(t, "logout ok  alice")
	s.MustBe("", alice)
}

// eventDiary keeps the events of an app.
type eventDiary struct {
	mu     sync.Mutex // guards events
	events []cognito.Event
}

func (d *eventDiary) keep(c *cognito.Config) {
	c.OnEvent = func(e cognito.Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, e)
	}
}

func (d *eventDiary) take() []cognito.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	events := d.events
	d.events = nil
	return events
}

// mustHold wants exactly these events since the last look, in any order, each
// written as kind, outcome, reason and username.
func (d *eventDiary) mustHold(t *testing.T, want ...string) {
	t.Helper()
	var events []cognito.Event
	lab.Eventually(t, fmt.Sprintf("%d events: %v", len(want), want), func() bool {
		events = append(events, d.take()...)
		return len(events) >= len(want)
	})
	var got []string
	for _, e := range events {
		got = append(got, described(e))
		if e.OK != (e.Err == nil) || e.OK != (e.Reason == "") {
			t.Errorf("the event contradicts itself: %+v", e)
		}
		var reason *cognito.Error
		if !e.OK && (!errors.As(e.Err, &reason) || reason.Code() != e.Reason || strings.Count(e.Err.Error(), "cognito: "+e.Reason) != 1) {
			t.Errorf("the event's error is %v, its reason %q", e.Err, e.Reason)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the events are %q, want %q", got, want)
	}
}

func described(e cognito.Event) string {
	outcome := "failed"
	if e.OK {
		outcome = "ok"
	}
	return fmt.Sprintf("%s %s %s %s", e.Kind, outcome, e.Reason, usernameOf(e.Subject))
}

// usernameOf finds out whose subject it is.
func usernameOf(subject string) string {
	for _, name := range []string{"alice", "bob"} {
		if subject == wellKnownSubjects()[name] {
			return name
		}
	}
	return subject
}

// wellKnownSubjects are the same in every pool of this kind.
var wellKnownSubjects = sync.OnceValue(func() map[string]string {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()
	subjects := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		_, rest, _ := strings.Cut(pool.AccessToken("", name, nil), ".")
		claims, _, _ := strings.Cut(rest, ".")
		var decoded struct{ Sub string }
		raw, _ := base64.RawURLEncoding.DecodeString(claims)
		_ = json.Unmarshal(raw, &decoded)
		subjects[name] = decoded.Sub
	}
	return subjects
})

// TestAuditTrail: what an operator has to know is an event, once, with what came of it,
// why, and who it was, as far as that is known.
func TestAuditTrail(t *testing.T) {
	t.Parallel()
	diary := &eventDiary{}
	storage := lab.NewStore()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.All("/admin", cognito.RequireGroup("admin"), lab.TellWho)
		app.All("/fresh", cognito.RequireFreshLogin(time.Hour), lab.TellWho)
		app.All("/handler", func(*fiber.Ctx) error { return cognito.ErrForbidden })
	}, lab.TakesBearer, lab.On(storage), diary.keep, onLogin(func(_ *fiber.Ctx, user *cognito.User) error {
		if user.InGroup("banned") {
			return errors.New("banned")
		}
		return nil
	}))

	alice := s.NewSession(storage, "alice")
	bob := s.NewSession(storage, "bob")
	diary.mustHold(t, "login ok  alice", "login ok  bob")
	with := func(cookie *http.Cookie, path string, header map[string]string) *lab.Answer {
		return s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{cookie}, Header: header})
	}

	with(alice.Cookie, "/me", nil)
	s.Send(lab.Request{Path: "/public"})
	diary.mustHold(t) // what is all right is not worth a word

	s.Send(lab.Request{Path: "/me"})
	diary.mustHold(t, "refuse failed not_signed_in ")
	s.Send(lab.Request{Path: "/me", Header: lab.AsPage})
	diary.mustHold(t, "refuse failed not_signed_in ")
	with(bob.Cookie, "/admin", nil)
	diary.mustHold(t, "refuse failed forbidden bob")
	with(bob.Cookie, "/admin", lab.AsPage)
	diary.mustHold(t, "refuse failed forbidden bob")
	s.Bring("/admin", pool.AccessToken("", "bob", nil))
	diary.mustHold(t, "refuse failed forbidden bob")
	with(bob.Cookie, "/handler", nil) // as a guard's
	diary.mustHold(t, "refuse failed forbidden bob")
	s.Bring("/admin", "junk")
	diary.mustHold(t, "refuse failed invalid_token ")
	s.Send(lab.Request{Path: "/me", Header: map[string]string{"Authorization": "Bearer"}})
	diary.mustHold(t, "refuse failed invalid_request ")
	s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{alice.Cookie}, Header: lab.From("cross-site", lab.Absent)})
	diary.mustHold(t, "refuse failed cross_origin ")
	s.Send(lab.Request{Method: "DELETE", Path: "/login"})
	diary.mustHold(t, "refuse failed method_not_allowed ")
	s.Send(lab.Request{Path: "/login", Header: map[string]string{"Sec-Fetch-Mode": "cors"}})
	diary.mustHold(t, "refuse failed not_a_navigation ")
	s.Send(lab.Request{Path: "/login/redirect?state=x&code=y"})
	diary.mustHold(t, "refuse failed state_mismatch ")
	s.Send(lab.Request{Path: "/login/redirect?code=x&code=y"})
	diary.mustHold(t, "refuse failed bad_callback ")

	// A login that fails is one event, and not a second one of the refusal.
	failing := s.Answered("alice")
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 503})
	arrives(s, failing)
	diary.mustHold(t, "login failed unavailable ")
	pool.SetUser(cognitotest.User{Username: "bob", Password: lab.PasswordOf("bob"), Groups: []string{"banned"}})
	arrives(s, s.Answered("bob"))
	diary.mustHold(t, "login failed not_admitted bob")
	pool.SetUser(cognitotest.User{Username: "bob", Password: lab.PasswordOf("bob"), Email: "bob@example.com"})
	denied := s.Begin()
	s.Send(lab.Request{Path: "/login/redirect?error=access_denied&error_description=no&state=" + denied.State, Cookies: []*http.Cookie{denied.Cookie}})
	diary.mustHold(t, "login failed access_denied ")

	// Time passes.
	pool.Advance(50 * time.Minute)
	with(alice.Cookie, "/me", nil)
	diary.mustHold(t, "refresh ok  alice")
	pool.Advance(61 * time.Minute)
	pool.Break(cognitotest.Token, cognitotest.Fault{Status: 503})
	with(alice.Cookie, "/me", nil)
	diary.mustHold(t, "refresh failed unavailable alice", "refuse failed unavailable ")
	pool.Heal()
	pool.EndSessions("bob")
	with(bob.Cookie, "/me", nil)
	diary.mustHold(t, "refresh failed session_ended bob", "refuse failed session_ended ")
	pool.Advance(time.Minute)
	with(alice.Cookie, "/fresh", nil)
	diary.mustHold(t, "refresh ok  alice", "refuse failed fresh_login_required alice")
	with(alice.Cookie, "/fresh", lab.AsPage)
	diary.mustHold(t, "refuse failed fresh_login_required alice")

	// The storage fails, or is meddled with.
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	with(alice.Cookie, "/me", nil)
	diary.mustHold(t, "refuse failed unavailable ")
	storage.Misbehave(nil)
	flipBit(storage, alice.Hot)
	with(alice.Cookie, "/me", nil)
	diary.mustHold(t, "tamper failed session_ended ", "refuse failed session_ended ")

	// And they leave.
	again := s.NewSession(storage, "alice")
	diary.mustHold(t, "login ok  alice")
	s.Send(lab.Request{Method: "POST", Path: "/logout", Cookies: []*http.Cookie{again.Cookie}})
	diary.mustHold(t, "logout ok  alice")
}

// flipBit changes one bit of an entry, as a failing disk or an attacker would.
func flipBit(s *lab.Store, key string) {
	value := s.Dump()[key]
	value[len(value)/2] ^= 1
	s.Plant(key, value)
}

// TestEventsTellNoSecrets: whatever happens, an event holds no token, code, cookie or
// address, in any way of printing it.
func TestEventsTellNoSecrets(t *testing.T) {
	t.Parallel()
	diary := &eventDiary{}
	transport, spied := lab.Spy(t)
	s := lab.Serve(t, lab.TakesBearer, spied, diary.keep)
	v := s.Visitor()
	v.LogIn()
	cookie := v.SessionCookie()
	bearer := s.Pool.AccessToken("", "alice", nil)
	s.Bring("/me", bearer+"x")
	s.Bring("/me", bearer+","+bearer)
	s.Bring("/me", s.Pool.IDToken("", "alice", nil))
	for _, fault := range []cognitotest.Fault{{Status: 400, Body: `{"error":"invalid_grant"}`}, {Status: 500}, {LoseAnswer: true}, {Body: `{"access_token":"secret-of-the-pool"}`}} {
		pending := s.Answered("alice")
		s.Pool.Break(cognitotest.Token, fault)
		arrives(s, pending)
		s.Pool.Heal()
	}
	s.Pool.Advance(61 * time.Minute)
	v.MustBeSignedIn()
	v.Post(s.URL+"/logout", nil)
	events := diary.take()
	if len(events) < 10 {
		t.Fatalf("only %d events", len(events))
	}
	for _, e := range events {
		var lines bytes.Buffer
		slog.New(slog.NewJSONHandler(&lines, nil)).Info("event", "event", e)
		printed := fmt.Sprintf("%v %+v %#v %s", e, e, e, lines.String())
		s.NoSecretsIn(printed, "an event")
		for _, secret := range append(transport.Tokens(), cookie.Value, bearer, "secret-of-the-pool", "alice@example.com") {
			if secret != "" && strings.Contains(printed, secret) {
				t.Errorf("an event holds %.12q…: %s", secret, printed)
			}
		}
	}
}

// TestEventAfterARewrite: middleware behind ours rewrites the path, as Fiber does it, in
// place. The event of a refusal there names the new path, and no mixture of both, which
// nobody has asked for.
func TestEventAfterARewrite(t *testing.T) {
	t.Parallel()
	var diary eventDiary
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Use(func(c *fiber.Ctx) error {
			if c.Path() == "/invoices/of/alice" {
				c.Path("/pay")
			}
			return c.Next()
		})
		app.Get("/pay", func(*fiber.Ctx) error { return cognito.ErrForbidden })
	}, diary.keep)
	s.Visitor().Get(s.URL + "/invoices/of/alice")
	s.Visitor().Get(s.URL + "/pay")
	events := diary.take()
	if len(events) != 2 {
		t.Errorf("there are %d events, want 2", len(events))
	}
	for _, e := range events {
		if e.Path != "/pay" {
			t.Errorf("an event names %q", e.Path)
		}
	}
}

// TestEventsInTheLog proves that without OnEvent the same goes to the log,
// with the noise of every day at the lowest level and what needs somebody's
// attention above.
func TestEventsInTheLog(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage), lab.TakesBearer)
	alice := s.NewSession(storage, "alice")
	subject := wellKnownSubjects()["alice"]
	s.Send(lab.Request{Path: "/me"})
	s.Bring("/me", "junk")
	s.Pool.Advance(50 * time.Minute)
	s.MustBe("alice", alice.Cookie)
	lab.Eventually(t, "the refresh is logged", func() bool { return strings.Contains(s.Logged.String(), "event.kind=refresh") })
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	s.Me(alice.Cookie)
	storage.Misbehave(nil)
	s.Send(lab.Request{Path: "/login", Header: map[string]string{"Host": "app.example.com"}})
	flipBit(storage, alice.Hot)
	s.Me(alice.Cookie)
	for _, line := range []string{
		"level=INFO msg=cognito event.kind=login event.ok=true event.subject=" + subject + " event.duration=",
		"level=DEBUG msg=cognito event.kind=refuse event.ok=false event.reason=not_signed_in event.error=",
		"level=INFO msg=cognito event.kind=refuse event.ok=false event.reason=invalid_token event.error=",
		"level=DEBUG msg=cognito event.kind=refresh event.ok=true event.subject=" + subject + " event.duration=",
		"level=WARN msg=cognito event.kind=refuse event.ok=false event.reason=unavailable event.error=",
		"level=ERROR msg=cognito event.kind=refuse event.ok=false event.reason=misconfigured event.error=",
		"level=WARN msg=cognito event.kind=tamper event.ok=false event.reason=session_ended event.error=",
	} {
		if !strings.Contains(s.Logged.String(), line) {
			t.Errorf("the log has no line %q", line)
		}
	}
	if t.Failed() {
		t.Log(s.Logged.String())
	}
}

// TestDefaultLog proves that without a Logger events go to slog's default.
func TestDefaultLog(t *testing.T) {
	heard := hearDefaultLog(t)
	s := lab.Serve(t, func(c *cognito.Config) { c.Logger = nil })
	s.Visitor().LogIn()
	if !strings.Contains(heard.String(), "event.kind=login event.ok=true") {
		t.Errorf("the default log holds %q", heard.String())
	}
}

// recovering serves an app that recovers from panics, and counts those that reach it.
func recovering(t *testing.T, hook func(*cognito.Config)) (*lab.Site, *atomic.Int32) {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	var caught atomic.Int32
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(recoverer.New(recoverer.Config{EnableStackTrace: true, StackTraceHandler: func(*fiber.Ctx, any) { caught.Add(1) }}))
		app.Use(auth.Handler())
		lab.Pages(app)
	}, hook)
	return s, &caught
}

// TestOnEventPanics: the hook is told of what strangers send, and fasthttp recovers from
// nothing. Whatever the event is about, the request is answered as without the hook, and
// the panic reaches nobody but the log.
func TestOnEventPanics(t *testing.T) {
	t.Parallel()
	s, caught := recovering(t, func(c *cognito.Config) { c.OnEvent = func(e cognito.Event) { panic("hook of " + e.Path) } })
	for path, want := range map[string]int{"/me": http.StatusUnauthorized, "/login": http.StatusUnauthorized, "//me": http.StatusBadRequest, "/login/redirect": http.StatusBadRequest} {
		if res := s.Send(lab.Request{Path: path, Header: map[string]string{"Sec-Fetch-Mode": "cors"}}); res.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, lab.StatusLine(res), want)
		}
	}
	if res := s.Send(lab.Request{Path: "/me", Header: lab.AsPage}); res.StatusCode != http.StatusFound {
		t.Errorf("a page visit: %s", lab.StatusLine(res))
	}
	res := arrives(s, s.Answered("alice"))
	alice := res.Cookie(lab.IsSessionCookie)
	if alice == nil {
		t.Fatalf("a login: %s", lab.StatusLine(res))
	}
	s.MustBe("alice", alice)
	s.Pool.Advance(61 * time.Minute)
	s.MustBe("alice", alice)
	s.MustLogOut(s.Send(lab.LogOut(alice)))
	s.MustBe("", alice)
	if caught.Load() > 0 {
		t.Errorf("%d panics went on to the app", caught.Load())
	}
	if logged := s.Logged.String(); strings.Count(logged, "recovered from a panic") < 7 || strings.Contains(logged, "hook of") {
		t.Errorf("the log says %s", logged)
	}
}

// TestErrorHandlerThatPanics: what strangers send is refused by the app's ErrorHandler, on
// the middleware's own routes, before any route, and by guards. If it panics, they get the
// built-in answer, and the process goes on.
func TestErrorHandlerThatPanics(t *testing.T) {
	t.Parallel()
	s, caught := recovering(t, func(c *cognito.Config) {
		c.ErrorHandler = func(c *fiber.Ctx, _ error) error {
			return c.SendString(c.Locals("tenant").(string)) // which a later middleware sets
		}
	})
	for path, want := range map[string]int{"/me": http.StatusUnauthorized, "/login": http.StatusUnauthorized, "//me": http.StatusBadRequest, "/login/redirect": http.StatusBadRequest} {
		res := s.Send(lab.Request{Path: path, Header: map[string]string{"Sec-Fetch-Mode": "cors"}})
		if res.StatusCode != want || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("%s: %s, want the problem %d", path, lab.StatusLine(res), want)
		}
	}
	if caught.Load() > 0 {
		t.Errorf("%d panics went on to the app, which need not recover", caught.Load())
	}
	if logged := s.Logged.String(); strings.Count(logged, "recovered from a panic") != 4 || strings.Contains(logged, "interface conversion") {
		t.Errorf("the log says %s", logged)
	}
	alice := arrives(s, s.Answered("alice")).Cookie(lab.IsSessionCookie)
	s.MustBe("alice", alice)
}
