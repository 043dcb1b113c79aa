package faults_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// mustEndOnce sends a request that finds its session ended, after so many
// renewals altogether: it is told so, loses its cookie, and whoever keeps the
// cookie and comes again gets the same answer at no further cost.
func mustEndOnce(s *lab.Site, r lab.Request, renewals int) {
	s.Helper()
	res := s.Send(r)
	want := http.StatusUnauthorized
	if r.Method == http.MethodPost && r.Header["Sec-Fetch-Mode"] == "navigate" {
		// A person's form, which is led to a page.
		want = http.StatusSeeOther
		if word := res.Target().Query().Get("refused"); word != "session_ended" {
			s.Errorf("%s %s answered %s, want a page about the end of the session", r.Method, r.Path, lab.StatusLine(res))
		}
	} else if code := res.Problem(s.T)["code"]; code != "session_ended" {
		s.Errorf("the reason is %v, want session_ended", code)
	}
	if res.StatusCode != want {
		s.Errorf("%s %s answered %s, want %d", r.Method, r.Path, lab.StatusLine(res), want)
	}
	if !res.DeletesSession() {
		s.Errorf("the answer does not delete the session cookie: %q", res.Header["Set-Cookie"])
	}
	for range 3 {
		s.Pool.Advance(time.Minute)
		if res := s.Send(r); res.StatusCode != want {
			s.Errorf("the dead cookie is answered %s, want %d", lab.StatusLine(res), want)
		}
	}
	s.MustRenew(renewals)
}

// TestUserGoneAtCognito: whom Cognito no longer renews is out at the next renewal,
// which is when the tokens expire at the latest, once and without a loop.
func TestUserGoneAtCognito(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*cognitotest.Pool){
		"disabled": func(p *cognitotest.Pool) {
			p.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", Disabled: true})
		},
		"signed out everywhere": func(p *cognitotest.Pool) { p.EndSessions("alice") },
		"deleted":               func(p *cognitotest.Pool) { p.RemoveUser("alice") },
		"token revoked":         func(p *cognitotest.Pool) { p.EndSessions("alice") },
	} {
		for way, r := range map[string]func(*http.Cookie) lab.Request{
			"script": func(c *http.Cookie) lab.Request { return lab.AsScript("/me", c) },
			// A form that is sent too late keeps its body in the browser.
			"form": func(c *http.Cookie) lab.Request {
				return lab.Request{Method: http.MethodPost, Path: "/me", Cookies: []*http.Cookie{c},
					Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}}
			},
			"refresh path": func(c *http.Cookie) lab.Request { return lab.RenewNow(c) },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				var events refreshEvents
				s := lab.Serve(t, events.hook, lab.InMemory)
				alice, bob := s.SignIn("alice"), s.SignIn("bob")
				leave(s.Pool)
				s.MustBe("alice", alice) // until the tokens expire; as documented
				s.Pool.Advance(lab.JustExpired)
				mustEndOnce(s, r(alice), 1)
				var refused *cognito.ProviderError
				if err := events.last(t); !errors.Is(err, cognito.ErrSessionEnded) || !errors.As(err, &refused) || refused.Code != "invalid_grant" {
					t.Errorf("the renewal is reported as %v, want invalid_grant", err)
				}
				s.MustBe("bob", bob)
			})
		}
	}
}

// TestUserGoneOpensAPage is TestUserGoneAtCognito for a person: they are led to
// the login, once, and are back on the page after it.
func TestUserGoneOpensAPage(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InMemory)
	v := s.Visitor()
	v.LogIn()
	s.Pool.EndSessions("alice")
	s.Pool.Advance(lab.JustExpired)
	page := v.Get(s.URL + "/me")
	if !strings.Contains(page.Body, `type="password"`) {
		t.Fatalf("a guarded page led to %s, want the pool's login page", page.URL)
	}
	if v.SessionCookie() != nil {
		t.Error("the browser keeps the cookie of the dead session")
	}
	if page = v.Login(s.URL+"/me", "alice", lab.PasswordOf("alice")); page.URL.String() != s.URL+"/me" {
		t.Errorf("the login ended on %s", page.URL)
	}
	v.MustBeSignedIn()
	s.MustRenew(1)
}

// TestUserGoneInTheBackground: the verdict of a renewal ahead of time counts at
// once, and the request that began it is not delayed. With CookieSessions it waits, because
// its response carries the session.
func TestUserGoneInTheBackground(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InMemory)
	alice := s.SignIn("alice")
	s.Pool.EndSessions("alice")
	s.Pool.Advance(nearlyExpired)
	held := park(t, s.Pool)
	s.MustBe("alice", alice)
	held.Open()
	lab.Eventually(t, "the session ends", func() bool { return s.Me(alice).StatusCode == http.StatusUnauthorized })
	s.MustRenew(1)
}

// TestInvalidGrantIsJudgedInTime: over a shared storage invalid_grant is not
// believed before every other instance's answer must have arrived. A request
// that waits is then told the verdict, and not to come again.
func TestInvalidGrantIsJudgedInTime(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	a, b := lab.Pair(t, pool, lab.NewStore())
	alice := a.SignIn("alice")
	pool.EndSessions("alice")
	pool.Advance(lab.JustExpired)
	mustEndOnce(a, lab.AsScript("/me", alice), 1)
	b.MustBe("", alice)
	a.MustRenew(1)
}

// TestGroupTakenAway: who was put out of a group is refused from the next renewal on,
// and not before the tokens that say otherwise have expired.
func TestGroupTakenAway(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		lab.Pages(app)
		app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("secret") })
	})
	alice := s.SignIn("alice")
	regroup(s.Pool, "staff")
	if res := s.Send(lab.AsScript("/admin", alice)); res.StatusCode != http.StatusOK {
		t.Errorf("before the renewal the page is answered %s", lab.StatusLine(res))
	}
	s.Pool.Advance(lab.JustExpired)
	if res := s.Send(lab.AsScript("/admin", alice)); res.StatusCode != http.StatusForbidden {
		t.Errorf("after the renewal the page is answered %s, want 403", lab.StatusLine(res))
	}
	payload := lab.Decode(t, s.Send(lab.AsScript("/payload", alice)).Text)
	if got := fmt.Sprint(payload["cognito:groups"]); got != "[staff]" {
		t.Errorf("the payload's groups are %s, want [staff]", got)
	}
	regroup(s.Pool, "staff", "admin")
	s.Pool.Advance(lab.JustExpired)
	if res := s.Send(lab.AsScript("/admin", alice)); res.StatusCode != http.StatusOK {
		t.Errorf("back in the group, the page is answered %s", lab.StatusLine(res))
	}
}

// TestLookInVain: a renewal looks again whether its tokens still stand, and the
// storage cannot say. They were stored, so nobody is alarmed; it looks until it
// can, and the session lasts.
func TestLookInVain(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]cognitotest.Client{"rotating": lab.Rotating(0), "not rotating": {}} {
		pool := lab.NewPool(t, client)
		storage := lab.NewStore()
		s := lab.ServeWith(t, pool, lab.On(storage))
		alice := s.NewSession(storage, "alice")
		pool.Advance(lab.JustExpired)
		s.MustBe("alice", alice.Cookie)
		before := len(storage.Asked("get"))
		storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
		lab.Eventually(t, "it is looked again", func() bool { return len(storage.Asked("get")) > before })
		storage.Misbehave(nil)
		s.MustBe("alice", alice.Cookie)
		if err := s.Auth.Close(); err != nil || strings.Contains(s.Logged.String(), "may not have been stored") {
			t.Errorf("%s: Close says %v, and the log %s", name, err, s.Logged.String())
		}
		mustLast(alice.Cookie, lab.ServeWith(t, pool, lab.On(storage)))
	}
}

// TestRefusedSessionsLeaveTheirTurns: more sessions than may call Cognito
// at once are refused, and each waits for what another instance might bring. They
// wait without a turn, so others are renewed meanwhile.
func TestRefusedSessionsLeaveTheirTurns(t *testing.T) {
	t.Parallel()
	const gone = 80
	pool := lab.NewPool(t, lab.Rotating(0))
	s := lab.ServeWith(t, pool, lab.On(lab.NewStore()))
	cookies := make([]*http.Cookie, gone)
	for i := range cookies {
		cookies[i] = sessionCookieIn(pool.SignIn(s.App, "alice"))
	}
	bob := s.SignIn("bob")
	pool.EndSessions("alice")
	pool.Advance(lab.JustExpired)
	answered := make(chan lab.Reply, gone)
	for _, cookie := range cookies {
		waiting := s.Later(1, lab.AsScript("/me", cookie))
		go func() { answered <- waiting()[0] }()
	}
	lab.Eventually(t, "all have been refused, or wait for their turn", func() bool { return len(lab.RenewalsAt(pool)) >= 64 })
	s.MustBe("bob", bob)
	if len(answered) > 0 {
		t.Error("bob had to wait for those whom Cognito refuses")
	}
	late := 0 // on a slow machine some wait for their turn in vain, and are told so
	for range gone {
		switch got := <-answered; {
		case got.Err == nil && got.StatusCode == http.StatusServiceUnavailable:
			late++
		case got.Err != nil || got.StatusCode != http.StatusUnauthorized:
			t.Fatalf("a session that Cognito refuses is answered %s, want 401", got)
		}
	}
	for _, cookie := range cookies {
		lab.Eventually(t, "those are told as well", func() bool { return s.Send(lab.AsScript("/me", cookie)).StatusCode == http.StatusUnauthorized })
	}
	if late == 0 {
		s.MustRenew(gone + 1)
	}
}
