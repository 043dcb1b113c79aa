package attacks_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/requestid"
)

// What strangers can make the log and the audit say, and what operators read there.

// eventLog is what the log was told, as values.
type eventLog struct {
	slog.Handler
	mu     sync.Mutex // guards events
	events []cognito.Event
}

func (l *eventLog) hook(c *cognito.Config) {
	l.Handler = c.Logger.Handler()
	c.Logger = slog.New(l)
}

func (l *eventLog) Handle(ctx context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		if event, ok := a.Value.Any().(cognito.Event); ok {
			l.mu.Lock()
			l.events = append(l.events, event)
			l.mu.Unlock()
		}
		return true
	})
	return l.Handler.Handle(ctx, record)
}

func (l *eventLog) take() []cognito.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.events
	l.events = nil
	return events
}

// mustTell wants exactly one event to have been logged.
func (l *eventLog) mustTell(t *testing.T, what string) cognito.Event {
	t.Helper()
	events := l.take()
	if len(events) != 1 {
		t.Errorf("%s is logged as %d events, want one: %+v", what, len(events), events)
		return cognito.Event{}
	}
	return events[0]
}

// TestErrorWithoutState: Cognito reports some errors without the state. The log has
// what it said, quoted and bounded, and that anybody may have said it.
func TestErrorWithoutState(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := lab.Serve(t, log.hook)
	open := s.Begin()
	for _, query := range []string{"", "state=&", "state=none-of-ours&"} {
		for _, cookies := range [][]*http.Cookie{nil, {open.Cookie}} {
			s.Send(lab.Request{Path: "/login/redirect?" + query + "error=invalid_request&error_description=line%0Alevel%3DERROR+" + strings.Repeat("x", 1000), Cookies: cookies})
			event := log.mustTell(t, query)
			text := ""
			if event.Err != nil {
				text = event.Err.Error()
			}
			if !errors.Is(event.Err, cognito.ErrStateMismatch) || event.Level() >= slog.LevelWarn {
				t.Errorf("%q is logged at %s as %v", query, event.Level(), event.Err)
			}
			if !strings.Contains(text, `Cognito reported invalid_request: "line\nlevel=ERROR xxx`) || !strings.Contains(text, "anybody can write") || len(text) > 600 {
				t.Errorf("%q is logged as %s", query, text)
			}
		}
	}
	mustSignIn(t, "an honest login", s.Finish(lab.Halfway(s, "alice")))
}

// TestStrangersErrorAlarmsNobody: a stranger begins a login and answers it themselves,
// with an error that would send the operator to the pool's settings.
func TestStrangersErrorAlarmsNobody(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := lab.Serve(t, log.hook)
	for _, code := range []string{"invalid_scope", "unauthorized_client", "server_error", "invalid_request", "access_denied", "misconfigured"} {
		p := s.Begin()
		for _, r := range []lab.Request{
			{Path: "/login/redirect?error=" + code + "&state=" + p.State, Cookies: []*http.Cookie{p.Cookie}},
			{Path: "/login/redirect?error=" + code},
		} {
			s.Send(r)
			event := log.mustTell(t, r.Path)
			if event.Err == nil || event.Level() > slog.LevelWarn || !strings.Contains(event.Err.Error(), "anybody can write") {
				t.Errorf("%s is logged at %s as %v", r.Path, event.Level(), event.Err)
			}
		}
	}
	mustSignIn(t, "an honest login", s.Finish(lab.Halfway(s, "alice")))
}

// TestFailedLoginIsLoggedOnce: once, also when a double click is refused twice, and
// whether it is shown or begins again.
func TestFailedLoginIsLoggedOnce(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := lab.Serve(t, log.hook)
	for name, query := range map[string]string{"denied": "error=access_denied", "linked": "error=invalid_request&error_description=Already+found+an+entry+for+username+x", "no code": "x=y"} {
		p := s.Begin()
		s.Send(lab.Request{Path: "/login/redirect?" + query + "&state=" + p.State, Cookies: []*http.Cookie{p.Cookie}})
		log.mustTell(t, name)
	}
	p := lab.Halfway(s, "alice")
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Status: 400, Body: `{"error":"invalid_grant"}`, ContentType: "application/json"})
	s.Finish(p)
	log.mustTell(t, "a code refused")
	s.Pool.Heal(cognitotest.Token)
	mustSignIn(t, "an honest login", s.Finish(lab.Halfway(s, "alice")))
	if event := log.mustTell(t, "an honest login"); event.Kind != cognito.EventLogin || !event.OK {
		t.Errorf("an honest login is logged as %+v", event)
	}
}

type appKey struct{}

// TestEventsNameTheirRequest: whoever reads an event finds the request that it happened
// in, and no secret of it.
func TestEventsNameTheirRequest(t *testing.T) {
	t.Parallel()
	var log eventLog
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(requestid.New(), func(c *fiber.Ctx) error {
			c.SetUserContext(context.WithValue(c.UserContext(), appKey{}, "of the app"))
			return c.Next()
		})
		app.Use(auth.Handler())
		lab.Pages(app)
	}, log.hook)
	p := lab.Halfway(s, "alice")
	id := map[string]string{"X-Request-ID": "request-of-a-test", "User-Agent": "a\tbrowser" + strings.Repeat(" of alice", 100)}
	res := s.Send(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}, Header: id})
	session := mustSignIn(t, "a login", res)
	s.Send(lab.Request{Path: "/me?secret=canary", Header: id})
	out := lab.LogOut(session)
	maps.Copy(out.Header, id)
	s.Send(out)
	events := log.take()
	want := []string{"login GET /login/redirect", "refuse GET /me", "logout POST /logout"}
	if len(events) != len(want) {
		t.Fatalf("%d events, want %d: %+v", len(events), len(want), events)
	}
	for i, event := range events {
		if !strings.HasPrefix(event.UserAgent, "abrowser of alice of") || len(event.UserAgent) > 512 {
			t.Errorf("event %d is of %q", i, event.UserAgent)
		}
		if event.Context().Value(appKey{}) != "of the app" {
			t.Errorf("event %d has another context", i)
		}
		if got := string(event.Kind) + " " + event.Method + " " + event.Path; got != want[i] || event.IP != "127.0.0.1" || event.RequestID != "request-of-a-test" {
			t.Errorf("event %d is %s from %s in %q, want %s", i, got, event.IP, event.RequestID, want[i])
		}
	}
	if text := s.Logged.String(); strings.Contains(text, "canary") || !strings.Contains(text, "event.request_id=request-of-a-test") {
		t.Errorf("the log has a query or no request id: %s", text)
	}
}

// TestInventedLogout: a logout with a made-up cookie leaves no tombstone in the storage
// and no logout in the audit.
func TestInventedLogout(t *testing.T) {
	t.Parallel()
	var log eventLog
	storage := newBrittleStorage()
	s := lab.Serve(t, log.hook, storage.hook)
	session := mustSignIn(t, "a login", s.Finish(lab.Halfway(s, "alice")))
	log.take()
	before := storage.changes()
	for _, value := range []string{s256("made up"), s256("another"), "short", session.Value[:42] + "!", ""} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			s.Send(lab.Request{Method: method, Path: "/logout", Cookies: []*http.Cookie{{Name: session.Name, Value: value}}, Header: lab.From("same-origin", lab.Absent)})
		}
	}
	// Nor does a login over a made-up cookie.
	if writes := storage.changes() - before; writes != 0 || len(log.take()) != 0 {
		t.Errorf("made-up cookies wrote %d times to the storage, or logged something", writes)
	}
	over := s.Finish(lab.Halfway(s, "bob"), &http.Cookie{Name: session.Name, Value: s256("made up")})
	mustSignIn(t, "a login over a made-up cookie", over)
	if storage.count("cognito_tomb_") != 0 {
		t.Error("a login over a made-up cookie left a tombstone")
	}
	log.take()
	s.Send(lab.LogOut(session))
	if event := log.mustTell(t, "an honest logout"); event.Kind != cognito.EventLogout || event.Subject == "" {
		t.Errorf("an honest logout is logged as %+v", event)
	}
	if storage.count("cognito_tomb_") != 1 || whoIs(s, session) != "stranger" {
		t.Error("an honest logout left no tombstone, or the session")
	}
}

// TestLoginOnAnotherHost: www or apex, the cookie would stay on one host and the
// callback come to the other. The login goes to BaseURL's host first; a callback that
// came astray says in the log which host it was.
func TestLoginOnAnotherHost(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := lab.Serve(t, log.hook, func(c *cognito.Config) {
		c.BaseURL, c.UserPoolDomain, c.UserPoolID, c.Issuer = "https://app.example.com", "auth.example.com", "eu-west-2_AbCdEfGhI", ""
	})
	local := lab.Serve(t, func(c *cognito.Config) { c.BaseURL = "http://localhost:8021" })
	if res := local.Send(lab.Request{Path: "/login", Header: map[string]string{"Host": "127.0.0.1:8021"}}); res.Header.Get("Location") != "http://localhost:8021/login?from_host" {
		t.Errorf("on a developer's machine the login at 127.0.0.1 answers %s to %q", lab.StatusLine(res), res.Header.Get("Location"))
	}
	begins := func(r lab.Request) bool {
		return strings.HasPrefix(s.Send(r).Header.Get("Location"), "https://auth.example.com/oauth2/authorize?")
	}
	for _, host := range []string{"www.app.example.com", "example.com", "WWW.EXAMPLE.COM:8443", "evil.example"} {
		res := s.Send(lab.Request{Path: "/login?return_to=%2Fme%3Fa%3Db", Header: map[string]string{"Host": host, "X-Forwarded-Host": "forwarded.example"}})
		want := "https://app.example.com/login?return_to=%2Fme%3Fa%3Db&from_host"
		if res.StatusCode != http.StatusFound || res.Header.Get("Location") != want {
			t.Errorf("the login at %s answers %s to %q, want %q", host, lab.StatusLine(res), res.Header.Get("Location"), want)
		}
		lab.SetsNothing(t, host, res)
		s.Send(lab.Request{Path: "/login/redirect?code=x&state=y", Header: map[string]string{"Host": host}})
		event := log.mustTell(t, host)
		if event.Err == nil || !strings.Contains(event.Err.Error(), `"`+host+`"`) || !strings.Contains(event.Err.Error(), "https://app.example.com") {
			t.Errorf("the log does not name the hosts: %v", event.Err)
		}
	}
	// A proxy that does not pass the host on is no other host, nor is it sent round.
	for _, host := range []string{"app.example.com", "APP.example.com:443", "10.0.0.3:3000", "[::1]:3000", "app", "localhost:3000"} {
		if !begins(lab.Request{Path: "/login", Header: map[string]string{"Host": host}}) {
			t.Errorf("no login begins at %s", host)
		}
	}
	if !begins(lab.Request{Path: "/login?from_host", Header: map[string]string{"Host": "origin.internal.example"}}) {
		t.Error("no login begins behind a proxy that rewrites hosts")
	}
}

// TestLoginWithoutCookies: a browser that keeps no cookies, or a CDN that passes none on, ends
// each login at the callback, before the count of logins in a row could say so. The visitor
// reads what to check, and so does the operator.
func TestLoginWithoutCookies(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := lab.Serve(t, log.hook)
	callback := func(query string, cookies ...*http.Cookie) (text, cause string) {
		t.Helper()
		res := s.Send(lab.Request{Path: "/login/redirect?" + query, Cookies: cookies})
		if res.StatusCode != http.StatusBadRequest {
			t.Fatalf("%s: %s", query, lab.StatusLine(res))
		}
		text, _ = res.Problem(t)["detail"].(string)
		return text, log.mustTell(t, query).Err.Error()
	}
	_, query, _ := strings.Cut(s.Answered("alice").Callback, "?")
	if text, cause := callback(query); !strings.Contains(text, "cookies") || !strings.Contains(cause, "Set-Cookie") {
		t.Errorf("without cookies the visitor reads %q, and the operator %q", text, cause)
	}
	// Where cookies arrive, and where a provider began the login, they are not the cause.
	if text, cause := callback(query, &http.Cookie{Name: "theme", Value: "dark"}); strings.Contains(text, "cookies") || strings.Contains(cause, "Set-Cookie") {
		t.Errorf("with a cookie the visitor reads %q, and the operator %q", text, cause)
	}
	if text, cause := callback("code=x"); strings.Contains(text, "cookies") || strings.Contains(cause, "Set-Cookie") {
		t.Errorf("without a state the visitor reads %q, and the operator %q", text, cause)
	}
}

// TestBearerHints: a program whose token is not looked at, or is of the wrong kind, is
// told so, and its operator once.
func TestBearerHints(t *testing.T) {
	t.Parallel()
	off := lab.ServeAPI(t, func(c *cognito.Config) { c.Bearer = false })
	token := off.Pool.AccessToken("", "alice", nil)
	for range 3 {
		off.MustChallenge(off.Bring("/me", token), http.StatusUnauthorized, `Bearer error="invalid_request", error_description="This app does not accept bearer tokens."`)
	}
	if res := off.Send(lab.Request{Path: "/me"}); res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("whoever sends no token is challenged: %q", res.Header.Get("WWW-Authenticate"))
	}
	if n := strings.Count(off.Logged.String(), "a bearer token was sent, but Bearer is off"); n != 1 {
		t.Errorf("the log hints %d times at Bearer, want once", n)
	}
	on := lab.ServeAPI(t)
	for range 3 {
		on.MustChallenge(on.Bring("/me", on.Pool.IDToken("", "alice", nil)), http.StatusUnauthorized, lab.NoAccessToken)
	}
	if n := strings.Count(on.Logged.String(), "clients must send the access token"); n != 1 {
		t.Errorf("the log hints %d times at the ID token, want once", n)
	}
	mustAdmit(on, "alice", on.Pool.AccessToken("", "alice", nil))
}

// TestTwoClientsInALoop: two app clients share their paths, so the login of the second
// is out of reach behind the first's. Its guard sends a visitor round and round who is
// signed in at the first. The loop ends, at a page that says whose fault it is.
func TestTwoClientsInALoop(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "second"})
	config := pool.Config()
	config.ClientID = "second"
	second, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = second.Close() })
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, first *cognito.Auth) {
		app.Use(first.Handler(), second.Handler())
		lab.Pages(app)
		app.Get("/second", second.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("never") })
		app.Get("/first", first.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("first") })
	})
	v := s.Visitor()
	page := v.Login(s.URL+"/second", "alice", lab.PasswordOf("alice"))
	for range 3 { // browsers give up after 20 redirects, and people try again
		if page.Status != http.StatusBadRequest {
			page = v.Get(s.URL + "/second")
		}
	}
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "problem is with the site") || strings.Contains(page.Body, "cookies") {
		t.Errorf("the loop ends on %s with %d: %s", page.URL, page.Status, page.Body)
	}
	if !strings.Contains(s.Logged.String(), "do two app clients share /login?") {
		t.Error("the log does not say what is wrong")
	}
	if page := v.Get(s.URL + "/first"); page.Body != "first" {
		t.Errorf("at the first client the visitor reads %q", page.Body)
	}
}

// TestOnLoginIsOneOfTwoDoors: OnLogin is asked at a login, and a bearer token comes
// without one. A guard on the routes asks at both doors.
func TestOnLoginIsOneOfTwoDoors(t *testing.T) {
	t.Parallel()
	admitted := func(user *cognito.User) bool { return user.Username() == "alice" }
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.Get("/open", auth.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("open") })
		app.Use(auth.Require(admitted))
		app.Get("/kept", func(c *fiber.Ctx) error { return c.SendString("kept") })
	}, lab.TakesBearer, func(c *cognito.Config) {
		c.OnLogin = func(_ *fiber.Ctx, user *cognito.User) error {
			if !admitted(user) {
				return errors.New("not one of us")
			}
			return nil
		}
	})
	mustNotSignIn(t, "bob", s.Finish(lab.Halfway(s, "bob")))
	bob, alice := s.Pool.AccessToken("", "bob", nil), s.Pool.AccessToken("", "alice", nil)
	if res := s.Bring("/open", bob); res.StatusCode != http.StatusOK {
		t.Errorf("where OnLogin alone decides, bob's token is answered %s: mend the docs", lab.StatusLine(res))
	}
	if res := s.Bring("/kept", bob); res.StatusCode != http.StatusForbidden {
		t.Errorf("behind the guard bob's token is answered %s, want 403", lab.StatusLine(res))
	}
	session := mustSignIn(t, "alice", s.Finish(lab.Halfway(s, "alice")))
	for _, res := range []*lab.Answer{s.Bring("/kept", alice), s.Send(lab.Request{Path: "/kept", Cookies: []*http.Cookie{session}})} {
		if res.Text != "kept" {
			t.Errorf("alice is answered %s", lab.StatusLine(res))
		}
	}
}

// TestFloodOfWordsInTheLog: a stranger sends long and ugly headers and paths. What the
// events repeat of them is bounded, and cannot steer a terminal that shows it.
func TestFloodOfWordsInTheLog(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := lab.Serve(t, log.hook)
	ugly := "\u202e" + strings.Repeat("x", 3000)
	s.Send(lab.Request{Path: "/login/redirect?state=x&code=y", Header: map[string]string{"User-Agent": ugly}})
	if event := log.mustTell(t, "a long header"); event.UserAgent != strings.Repeat("x", 512) {
		t.Errorf("the event has %d bytes of the browser's name: %.20q", len(event.UserAgent), event.UserAgent)
	}
	s.Send(lab.Request{Path: "/login/redirect?state=x&code=y", Header: map[string]string{"User-Agent": "honest/1.0"}})
	if event := log.mustTell(t, "an honest one"); event.UserAgent != "honest/1.0" {
		t.Errorf("the event is of %q", event.UserAgent)
	}
}
