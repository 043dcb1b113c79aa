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
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// The app has its say at a login, a renewal and a logout, and is told of all
// that matters in events. What it says or does wrong harms nobody else.

// onLogin sets Config.OnLogin.
func onLogin(hook func(*fiber.Ctx, *cognito.User) error) func(*cognito.Config) {
	return func(c *cognito.Config) { c.OnLogin = hook }
}

// arrives sends a callback as a browser does.
func (s *site) arrives(p *pendingLogin, more ...*http.Cookie) *response {
	s.Helper()
	return s.send(request{path: p.callback, cookies: append(more, p.cookie), header: asPageWith(map[string]string{"Sec-Fetch-Site": "cross-site"})})
}

// TestOnLoginSeesTheUser proves that the hook runs once, before the session,
// with the verified user and the request, and that the app may keep the user:
// nothing of it is overwritten by later requests.
func TestOnLoginSeesTheUser(t *testing.T) {
	storage := newStore()
	var seen []*cognito.User
	var early []string
	s := serve(t, on(storage), onLogin(func(c *fiber.Ctx, user *cognito.User) error {
		for key := range storage.dump() {
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
		res := s.arrives(s.answered(name))
		if res.cookie(isSessionCookie) == nil || res.Header.Get("X-Welcome") != name {
			t.Errorf("%s: %s with X-Welcome %q", name, statusLine(res), res.Header.Get("X-Welcome"))
		}
	}
	if len(seen) != 2 || seen[0].Email() != "alice@example.com" || seen[1].Email() != "bob@example.com" || !seen[0].InGroup("admin") {
		t.Errorf("the hook saw %v", seen)
	}
	sessions := slices.DeleteFunc(early, func(key string) bool {
		return !strings.HasPrefix(key, hotPrefix) && !strings.HasPrefix(key, coldPrefix)
	})
	if len(sessions) != 2 { // alice's two records, when bob came
		t.Errorf("when the hook ran, there were %q", sessions)
	}
}

// TestOnLoginRefuses proves that the app can keep a user out: no session
// begins, the refresh token that nobody will use is revoked, and the visitor
// reads what the app has to say and nothing that it did not mean for them.
func TestOnLoginRefuses(t *testing.T) {
	const bland = "You signed in, but this app does not let you in."
	for _, row := range []struct {
		name   string
		says   error
		status int
		text   string
	}{
		{"with words", fiber.NewError(http.StatusPaymentRequired, "Your trial has ended."), 402, "Your trial has ended."},
		{"with markup", fiber.NewError(http.StatusForbidden, `<script>alert("x")</script>`), 403, "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;"},
		{"with a status alone", fiber.ErrServiceUnavailable, 503, "Service Unavailable"},
		{"with words in a chain", fmt.Errorf("query: %w", fiber.NewError(http.StatusConflict, "Already registered.")), 409, "Already registered."},
		{"with a plain error", errors.New("pq: password of db-7 is hunter2"), 403, bland},
		{"with an error of ours", cognito.ErrUnavailable, 403, bland},
		{"as if expired", cognito.ErrAttemptExpired, 403, bland},
		{"as if foreign", cognito.ErrStateMismatch, 403, bland},
	} {
		t.Run(row.name, func(t *testing.T) {
			storage := newStore()
			refuse := true
			transport, spied := spy(t)
			s := serve(t, on(storage), spied, onLogin(func(_ *fiber.Ctx, user *cognito.User) error {
				if refuse && user.Username() == "alice" {
					return row.says
				}
				return nil
			}))
			res := s.arrives(s.answered("alice"))
			if res.StatusCode != row.status || !strings.Contains(res.body, "<p>"+row.text+"</p>") || strings.Contains(res.body, "hunter2") {
				t.Errorf("the visitor got %s", statusLine(res))
			}
			if !strings.Contains(res.body, `prompt=login`) {
				t.Errorf("the page leads to the same login once more: %s", res.body)
			}
			if res.cookie(isSessionCookie) != nil || len(storage.dump()) != 0 {
				t.Errorf("a session was begun: %v", storage.dump())
			}
			if logged := strings.ReplaceAll(s.log.String(), `\"`, `"`); !strings.Contains(logged, row.says.Error()) {
				t.Errorf("the log does not say why: %s", s.log.String())
			}
			eventually(t, "the refresh token is revoked", func() bool {
				sent := s.pool.Requests(cognitotest.Revoke)
				return len(sent) == 1 && slices.Contains(transport.tokens(), sent[0].Form.Get("token"))
			})
			if bob := s.arrives(s.answered("bob")); bob.cookie(isSessionCookie) == nil {
				t.Errorf("bob got %s", statusLine(bob))
			}
			refuse = false
			if again := s.arrives(s.answered("alice")); again.cookie(isSessionCookie) == nil {
				t.Errorf("when she is let in, alice gets %s", statusLine(again))
			}
		})
	}
}

// TestRefusedLoginKeepsTheOldSession proves that somebody who is signed in
// stays so when they try to sign in as somebody who is not let in.
func TestRefusedLoginKeepsTheOldSession(t *testing.T) {
	s := serve(t, onLogin(func(_ *fiber.Ctx, user *cognito.User) error {
		if user.Username() == "bob" {
			return fiber.ErrForbidden
		}
		return nil
	}))
	alice := s.arrives(s.answered("alice")).cookie(isSessionCookie)
	res := s.arrives(s.answered("bob"), alice)
	if res.StatusCode != http.StatusForbidden || slices.ContainsFunc(res.Cookies(), func(c *http.Cookie) bool { return isSessionCookie(c.Name) }) {
		t.Errorf("bob got %s with %v", statusLine(res), res.Cookies())
	}
	s.mustBe("alice", alice)
}

// TestHooksThatPanic proves that a hook's panic ends its request, not the
// process, and leaves nothing half done: a login that did not finish is none,
// and a logout has happened.
func TestHooksThatPanic(t *testing.T) {
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
	storage := newStore()
	transport, spied := spy(t)
	s := serve(t, on(storage), spied, func(c *cognito.Config) {
		c.OnLogin = func(*fiber.Ctx, *cognito.User) error { breaks("login"); return nil }
		c.OnLogout = func(*fiber.Ctx, *cognito.User) { breaks("logout") }
		c.OnRefresh = func(*cognito.User) { breaks("refresh") }
	})
	set("login", true)
	res := s.arrives(s.answered("alice"))
	if res.StatusCode != http.StatusInternalServerError || res.cookie(isSessionCookie) != nil || len(storage.dump()) != 0 {
		t.Errorf("a login in a panic: %s with %v", statusLine(res), storage.dump())
	}
	eventually(t, "the refresh token is revoked", func() bool {
		sent := s.pool.Requests(cognitotest.Revoke)
		return len(sent) == 1 && slices.Contains(transport.tokens(), sent[0].Form.Get("token"))
	})
	set("login", false)
	alice := s.arrives(s.answered("alice")).cookie(isSessionCookie)

	set("refresh", true)
	s.pool.Advance(61 * time.Minute)
	s.mustBe("alice", alice)
	s.pool.Advance(61 * time.Minute)
	s.mustBe("alice", alice) // no lock is held

	set("logout", true)
	res = s.send(request{method: "POST", path: "/logout", cookies: []*http.Cookie{alice}})
	if res.StatusCode != http.StatusInternalServerError {
		t.Errorf("a logout in a panic: %s", statusLine(res))
	}
	s.mustBe("", alice)
	eventually(t, "all panics are logged", func() bool { return strings.Count(s.log.String(), "recovered from a panic") >= 4 })
	if strings.Contains(s.log.String(), "hook login") {
		t.Error("the panic's value is logged, which may quote anything")
	}
}

// TestOnLogoutAndOnRefresh proves that the hooks are told of the right user,
// and only of what has happened.
func TestOnLogoutAndOnRefresh(t *testing.T) {
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
	s := serve(t, func(c *cognito.Config) {
		c.OnLogin = func(_ *fiber.Ctx, user *cognito.User) error { note("login", user); return nil }
		c.OnLogout = func(c *fiber.Ctx, user *cognito.User) { note("logout at "+c.Path(), user) }
		c.OnRefresh = func(user *cognito.User) { note("refresh", user) }
	})
	alice := s.arrives(s.answered("alice")).cookie(isSessionCookie)
	bob := s.arrives(s.answered("bob")).cookie(isSessionCookie)
	if got := fmt.Sprint(take()); got != "[login alice [admin] login bob []]" {
		t.Errorf("the logins: %s", got)
	}
	s.mustBe("alice", alice)
	if got := take(); len(got) != 0 {
		t.Errorf("a mere visit: %s", got)
	}
	// As Cognito describes her now.
	s.pool.SetUser(cognitotest.User{Username: "alice", Password: passwordOf("alice"), Email: "alice@example.com", Groups: []string{"editor"}})
	s.pool.Advance(61 * time.Minute)
	s.mustBe("alice", alice)
	s.mustBe("bob", bob)
	var refreshed []string
	eventually(t, "two users are refreshed", func() bool { refreshed = append(refreshed, take()...); return len(refreshed) >= 2 })
	slices.Sort(refreshed)
	if got := fmt.Sprint(refreshed); got != "[refresh alice [editor] refresh bob []]" {
		t.Errorf("the refreshes: %s", got)
	}
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Status: 503})
	s.pool.Advance(61 * time.Minute)
	if res := s.me(bob); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("while Cognito is down: %s", statusLine(res))
	}
	s.pool.Heal()
	if got := take(); len(got) != 0 {
		t.Errorf("a refresh that failed: %s", got)
	}
	for _, cookies := range [][]*http.Cookie{{alice}, {alice}, nil, {{Name: alice.Name, Value: strings.Repeat("A", 43)}}} {
		s.send(request{method: "POST", path: "/logout", cookies: cookies})
	}
	if got := fmt.Sprint(take()); got != "[logout at /logout alice [editor]]" {
		t.Errorf("one logout, once more, of nobody, and of a dead cookie: %s", got)
	}
}

// TestOnRefreshKeepsNobodyWaiting proves that the hook runs in the background:
// a request that waited for the tokens is answered although the hook is still
// at work, and so is the next renewal.
func TestOnRefreshKeepsNobodyWaiting(t *testing.T) {
	answered := make(chan struct{})
	s := serve(t, func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) { <-answered } })
	defer close(answered)
	alice := s.arrives(s.answered("alice")).cookie(isSessionCookie)
	for range 2 {
		s.pool.Advance(61 * time.Minute)
		s.mustBe("alice", alice)
	}
}

// TestLogoutFromAHandler proves that Auth.Logout does in a handler what
// LogoutPath does: the hook, the event, the end of the session, the way to
// Cognito.
func TestLogoutFromAHandler(t *testing.T) {
	diary := &eventDiary{}
	left := ""
	s := serveApp(t, func(app *fiber.App, auth *cognito.Auth) {
		pages(app)
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
	alice := s.arrives(s.answered("alice")).cookie(isSessionCookie)
	diary.take()
	res := s.send(request{method: "POST", path: "/leave", cookies: []*http.Cookie{alice}})
	if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Header.Get("Location"), s.pool.URL()+"/logout?") || left != "alice" {
		t.Errorf("%d to %q, and %q has left", res.StatusCode, res.Header.Get("Location"), left)
	}
	diary.mustHold(t, "logout ok  alice")
	s.mustBe("", alice)
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
	eventually(t, fmt.Sprintf("%d events: %v", len(want), want), func() bool {
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
		if !e.OK && (!errors.As(e.Err, &reason) || reason.Code() != e.Reason) {
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

// TestAuditTrail is row M4: what an operator has to know is an event, once,
// with what came of it, why, and who it was, as far as that is known.
func TestAuditTrail(t *testing.T) {
	t.Parallel()
	diary := &eventDiary{}
	storage := newStore()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := serveAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		pages(app)
		app.All("/admin", cognito.RequireGroup("admin"), tellWho)
		app.All("/fresh", cognito.RequireFreshLogin(time.Hour), tellWho)
	}, takesBearer, on(storage), diary.keep, onLogin(func(_ *fiber.Ctx, user *cognito.User) error {
		if user.InGroup("banned") {
			return errors.New("banned")
		}
		return nil
	}))

	alice := s.newSession(storage, "alice")
	bob := s.newSession(storage, "bob")
	diary.mustHold(t, "login ok  alice", "login ok  bob")
	with := func(cookie *http.Cookie, path string, header map[string]string) *response {
		return s.send(request{path: path, cookies: []*http.Cookie{cookie}, header: header})
	}

	with(alice.cookie, "/me", nil)
	s.send(request{path: "/public"})
	diary.mustHold(t) // what is all right is not worth a word

	s.send(request{path: "/me"})
	diary.mustHold(t, "refuse failed not_signed_in ")
	s.send(request{path: "/me", header: asPage})
	diary.mustHold(t, "refuse failed not_signed_in ")
	with(bob.cookie, "/admin", nil)
	diary.mustHold(t, "refuse failed forbidden bob")
	with(bob.cookie, "/admin", asPage)
	diary.mustHold(t, "refuse failed forbidden bob")
	s.bring("/admin", pool.AccessToken("", "bob", nil))
	diary.mustHold(t, "refuse failed forbidden bob")
	s.bring("/admin", "junk")
	diary.mustHold(t, "refuse failed invalid_token ")
	s.send(request{path: "/me", header: map[string]string{"Authorization": "Bearer"}})
	diary.mustHold(t, "refuse failed invalid_request ")
	s.send(request{method: "POST", path: "/me", cookies: []*http.Cookie{alice.cookie}, header: from("cross-site", absent)})
	diary.mustHold(t, "refuse failed cross_origin ")
	s.send(request{method: "DELETE", path: "/login"})
	diary.mustHold(t, "refuse failed method_not_allowed ")
	s.send(request{path: "/login", header: map[string]string{"Sec-Fetch-Mode": "cors"}})
	diary.mustHold(t, "refuse failed not_a_navigation ")
	s.send(request{path: "/login/redirect?state=x&code=y"})
	diary.mustHold(t, "refuse failed state_mismatch ")
	s.send(request{path: "/login/redirect?code=x&code=y"})
	diary.mustHold(t, "refuse failed bad_callback ")

	// Logins that fail: one event of the login, one of the refused request.
	failing := s.answered("alice")
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 503})
	s.arrives(failing)
	diary.mustHold(t, "login failed unavailable ", "refuse failed unavailable ")
	pool.SetUser(cognitotest.User{Username: "bob", Password: passwordOf("bob"), Groups: []string{"banned"}})
	s.arrives(s.answered("bob"))
	diary.mustHold(t, "login failed not_admitted bob", "refuse failed not_admitted bob")
	pool.SetUser(cognitotest.User{Username: "bob", Password: passwordOf("bob"), Email: "bob@example.com"})
	denied := s.begin()
	s.send(request{path: "/login/redirect?error=access_denied&error_description=no&state=" + denied.state, cookies: []*http.Cookie{denied.cookie}})
	diary.mustHold(t, "login failed access_denied ", "refuse failed access_denied ")

	// Time passes.
	pool.Advance(50 * time.Minute)
	with(alice.cookie, "/me", nil)
	diary.mustHold(t, "refresh ok  alice")
	pool.Advance(61 * time.Minute)
	pool.Break(cognitotest.Token, cognitotest.Fault{Status: 503})
	with(alice.cookie, "/me", nil)
	diary.mustHold(t, "refresh failed unavailable alice", "refuse failed unavailable ")
	pool.Heal()
	pool.EndSessions("bob")
	with(bob.cookie, "/me", nil)
	diary.mustHold(t, "refresh failed session_ended bob", "refuse failed session_ended ")
	pool.Advance(time.Minute)
	with(alice.cookie, "/fresh", nil)
	diary.mustHold(t, "refresh ok  alice", "refuse failed fresh_login_required alice")
	with(alice.cookie, "/fresh", asPage)
	diary.mustHold(t, "refuse failed fresh_login_required alice")

	// The storage fails, or is meddled with.
	storage.misbehave(func(storeCall) *storeFault { return &storeFault{err: errDown} })
	with(alice.cookie, "/me", nil)
	diary.mustHold(t, "refuse failed unavailable ")
	storage.misbehave(nil)
	storage.flipBit(alice.hot)
	with(alice.cookie, "/me", nil)
	diary.mustHold(t, "tamper failed session_ended ", "refuse failed session_ended ")

	// And they leave.
	again := s.newSession(storage, "alice")
	diary.mustHold(t, "login ok  alice")
	s.send(request{method: "POST", path: "/logout", cookies: []*http.Cookie{again.cookie}})
	diary.mustHold(t, "logout ok  alice")
}

// flipBit changes one bit of an entry, as a failing disk or an attacker would.
func (s *store) flipBit(key string) {
	value := s.dump()[key]
	value[len(value)/2] ^= 1
	s.plant(key, value)
}

// TestEventsTellNoSecrets is row M4's limit: whatever happens, an event holds
// no token, code, cookie or address, in any way of printing it.
func TestEventsTellNoSecrets(t *testing.T) {
	diary := &eventDiary{}
	transport, spied := spy(t)
	s := serve(t, takesBearer, spied, diary.keep)
	v := s.visitor()
	v.logIn()
	cookie := v.sessionCookie()
	bearer := s.pool.AccessToken("", "alice", nil)
	s.bring("/me", bearer+"x")
	s.bring("/me", bearer+","+bearer)
	s.bring("/me", s.pool.IDToken("", "alice", nil))
	for _, fault := range []cognitotest.Fault{{Status: 400, Body: `{"error":"invalid_grant"}`}, {Status: 500}, {LoseAnswer: true}, {Body: `{"access_token":"secret-of-the-pool"}`}} {
		pending := s.answered("alice")
		s.pool.Break(cognitotest.Token, fault)
		s.arrives(pending)
		s.pool.Heal()
	}
	s.pool.Advance(61 * time.Minute)
	v.mustBeSignedIn()
	v.Post(s.url+"/logout", nil)
	events := diary.take()
	if len(events) < 10 {
		t.Fatalf("only %d events", len(events))
	}
	for _, e := range events {
		var lines bytes.Buffer
		slog.New(slog.NewJSONHandler(&lines, nil)).Info("event", "event", e)
		printed := fmt.Sprintf("%v %+v %#v %s", e, e, e, lines.String())
		s.noSecretsIn(printed, "an event")
		for _, secret := range append(transport.tokens(), cookie.Value, bearer, "secret-of-the-pool", "alice@example.com") {
			if secret != "" && strings.Contains(printed, secret) {
				t.Errorf("an event holds %.12q…: %s", secret, printed)
			}
		}
	}
}

// TestEventsInTheLog proves that without OnEvent the same goes to the log,
// with the noise of every day at the lowest level and what needs somebody's
// attention above.
func TestEventsInTheLog(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage), takesBearer)
	alice := s.newSession(storage, "alice")
	subject := wellKnownSubjects()["alice"]
	s.send(request{path: "/me"})
	s.bring("/me", "junk")
	s.pool.Advance(50 * time.Minute)
	s.mustBe("alice", alice.cookie)
	eventually(t, "the refresh is logged", func() bool { return strings.Contains(s.log.String(), "event.kind=refresh") })
	storage.misbehave(func(storeCall) *storeFault { return &storeFault{err: errDown} })
	s.me(alice.cookie)
	storage.misbehave(nil)
	s.send(request{path: "/login", header: map[string]string{"Host": "app.example.com"}})
	storage.flipBit(alice.hot)
	s.me(alice.cookie)
	for _, line := range []string{
		"level=INFO msg=cognito event.kind=login event.ok=true event.subject=" + subject + " event.duration=",
		"level=DEBUG msg=cognito event.kind=refuse event.ok=false event.reason=not_signed_in event.error=",
		"level=INFO msg=cognito event.kind=refuse event.ok=false event.reason=invalid_token event.error=",
		"level=DEBUG msg=cognito event.kind=refresh event.ok=true event.subject=" + subject + " event.duration=",
		"level=WARN msg=cognito event.kind=refuse event.ok=false event.reason=unavailable event.error=",
		"level=ERROR msg=cognito event.kind=refuse event.ok=false event.reason=misconfigured event.error=",
		"level=WARN msg=cognito event.kind=tamper event.ok=false event.reason=session_ended event.error=",
	} {
		if !strings.Contains(s.log.String(), line) {
			t.Errorf("the log has no line %q", line)
		}
	}
	if t.Failed() {
		t.Log(s.log.String())
	}
}

// TestDefaultLog proves that without a Logger events go to slog's default.
func TestDefaultLog(t *testing.T) {
	heard := hearDefaultLog(t)
	s := serve(t, func(c *cognito.Config) { c.Logger = nil })
	s.visitor().logIn()
	if !strings.Contains(heard.String(), "event.kind=login event.ok=true") {
		t.Errorf("the default log holds %q", heard.String())
	}
}
