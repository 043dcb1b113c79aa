package cognito_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// tellsUser gives scripts a path to ask who is there.
func tellsUser(c *cognito.Config) { c.UserPath = "/session" }

// whoIs asks as a script does, and wants an answer.
func whoIs(v *lab.Visitor) map[string]any {
	v.Site.Helper()
	page := v.Get(v.Site.URL + "/session")
	if page.Status != http.StatusOK {
		v.Site.Fatalf("UserPath answers %d: %s", page.Status, page.Body)
	}
	return lab.Decode(v.Site.T, page.Body)
}

// TestUserPath is what a page's script learns before a login, while signed in, and
// after the logout.
func TestUserPath(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, tellsUser)
	v := s.Visitor()
	who := whoIs(v)
	for _, name := range []string{"user", "expires_at", "session_ends_at"} {
		if value, said := who[name]; value != nil || !said {
			t.Errorf("of a stranger %s is %v", name, value)
		}
	}
	if who["login_url"] != "/login" || who["logout_url"] != "/logout" {
		t.Errorf("a stranger is sent to %v and %v", who["login_url"], who["logout_url"])
	}

	before := s.Pool.Now()
	v.LogIn()
	who = whoIs(v)
	user, _ := who["user"].(map[string]any)
	if me := lab.Decode(t, v.Get(s.URL+"/me").Body); fmt.Sprint(user) != fmt.Sprint(me) || user["email"] != "alice@example.com" {
		t.Errorf("the user is %v, want %v", user, me)
	}
	for name, life := range map[string]time.Duration{"expires_at": time.Hour, "session_ends_at": 24 * time.Hour} {
		at, err := time.Parse(time.RFC3339, fmt.Sprint(who[name]))
		if off := at.Sub(before) - life; err != nil || off < -5*time.Minute || off > 5*time.Minute {
			t.Errorf("%s is %v, want a time in %s: %v", name, who[name], life, err)
		}
	}

	v.Post(s.URL+"/logout", nil)
	if who := whoIs(v); who["user"] != nil || who["expires_at"] != nil {
		t.Errorf("after the logout: %v", who)
	}
}

// TestUserPathAnswers checks the envelope: methods, caching, and that a cookie that
// leads nowhere is left alone, for a login in another tab may just have replaced it.
func TestUserPathAnswers(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, tellsUser)
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "OPTIONS": 405, "DELETE": 405} {
		res := s.Send(lab.Request{Method: method, Path: "/session"})
		if res.StatusCode != want || (want == 405) != (res.Header.Get("Allow") == "GET, HEAD") {
			t.Errorf("%s: %d with Allow %q, want %d", method, res.StatusCode, res.Header.Get("Allow"), want)
		}
		if res.Header.Get("Cache-Control") != "no-store" || lab.HasCORS(res.Header) {
			t.Errorf("%s: may be kept or read by others: %v", method, res.Header)
		}
	}
	dead := s.SignIn("alice")
	s.Send(lab.LogOut(dead))
	res := s.Send(lab.AsScript("/session", dead))
	if res.StatusCode != http.StatusOK || lab.Decode(t, res.Text)["user"] != nil || len(res.Cookies()) != 0 {
		t.Errorf("a dead cookie: %s with %v", lab.StatusLine(res), res.Cookies())
	}
	off := lab.Serve(t)
	if res := off.Send(lab.Request{Path: "/session"}); res.StatusCode != http.StatusNotFound {
		t.Errorf("without the setting: %s", lab.StatusLine(res))
	}
}

// TestUserPathIsNoUse has a page ask every few minutes, on a desk that its user has
// left: the session ends when it would have without. Nor are tokens renewed.
func TestUserPathIsNoUse(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(*cognito.Config){"storage": func(*cognito.Config) {}, "cookies": lab.InCookies} {
		t.Run(name, func(t *testing.T) {
			s := lab.Serve(t, tellsUser, hook, lab.Timeouts(100*time.Minute, 10*time.Hour))
			v := s.Visitor()
			v.LogIn()
			ends := whoIs(v)["session_ends_at"]
			for range 9 {
				s.Pool.Advance(11 * time.Minute)
				if who := whoIs(v); who["user"] == nil || who["session_ends_at"] != ends {
					t.Fatalf("a while later: %v, want the end at %v", who, ends)
				}
			}
			s.MustRenew(0) // though the tokens lived for an hour
			s.Pool.Advance(2 * time.Minute)
			if who := whoIs(v); who["user"] != nil {
				t.Errorf("a session that nobody used is alive: %v", who)
			}
			v.MustBeStranger()

			v.LogIn()
			s.Pool.Advance(61 * time.Minute)
			v.MustBeSignedIn() // which is use
			s.Pool.Advance(61 * time.Minute)
			if who := whoIs(v); who["user"] == nil {
				t.Errorf("a session that was used has ended: %v", who)
			}
		})
	}
}

// TestUserPathAtTheAbsoluteEnd: the end that is told is the earlier one.
func TestUserPathAtTheAbsoluteEnd(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, tellsUser, lab.Timeouts(2*time.Hour, 3*time.Hour))
	v := s.Visitor()
	v.LogIn()
	before := s.Pool.Now()
	s.Pool.Advance(100 * time.Minute)
	v.MustBeSignedIn()
	v.MustBeSignedIn()
	at, err := time.Parse(time.RFC3339, fmt.Sprint(whoIs(v)["session_ends_at"]))
	if off := at.Sub(before) - 3*time.Hour; err != nil || off < -time.Minute || off > time.Minute {
		t.Errorf("the session ends %s after its login, want 3h: %v", at.Sub(before), err)
	}
}

// TestUserPathDuringAnOutage: whoever cannot be known is no stranger.
func TestUserPathDuringAnOutage(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, tellsUser, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	s.MustBeUnavailable(lab.AsScript("/session", alice.Cookie))
	storage.Misbehave(nil)
	s.MustBe("alice", alice.Cookie)
}

// TestUserPathOfAProgram: a bearer token is told of by itself.
func TestUserPathOfAProgram(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t, tellsUser)
	exp := s.Pool.Now().Add(10 * time.Minute).Truncate(time.Second)
	who := lab.Decode(t, s.Bring("/session", s.Pool.AccessToken("", "bob", map[string]any{"exp": exp.Unix()})).Text)
	if user, _ := who["user"].(map[string]any); user["username"] != "bob" || who["expires_at"] != exp.UTC().Format(time.RFC3339) || who["session_ends_at"] != nil {
		t.Errorf("bob's program learns %v", who)
	}
	s.MustChallenge(s.Bring("/session", "nonsense"), http.StatusUnauthorized, lab.InvalidToken)
}

// TestScriptBesideUserPath checks how the script for pages is served: small, as what it
// is, the same for everybody and with the paths of this app.
func TestScriptBesideUserPath(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, tellsUser, func(c *cognito.Config) { c.RefreshPath = "/renew" })
	alice := s.SignIn("alice")
	res := s.Send(lab.AsScript("/session.js", alice))
	if res.StatusCode != http.StatusOK || len(res.Text) == 0 || len(res.Text) >= 2048 {
		t.Fatalf("%d with %d bytes, want 200 with less than 2 KB", res.StatusCode, len(res.Text))
	}
	for _, part := range []string{`const base = "";`, `base + "/session"`, `base + "/renew"`, `base + "/login?return_to="`, `base + "/logout"`} {
		if !strings.Contains(res.Text, part) {
			t.Errorf("the script lacks %s", part)
		}
	}
	for name, want := range map[string]string{"Content-Type": "text/javascript; charset=utf-8", "X-Content-Type-Options": "nosniff", "Cache-Control": "max-age=300"} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if stranger := s.Send(lab.AsScript("/session.js")); stranger.Text != res.Text || len(res.Cookies()) != 0 || res.Header.Get("Vary") != "" {
		t.Errorf("the script is personal: %v", res.Header)
	}
	tag := res.Header.Get("ETag")
	for asked, want := range map[string]int{tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200, "": 200} {
		again := s.Send(lab.Request{Path: "/session.js", Header: map[string]string{"If-None-Match": asked}})
		if again.StatusCode != want || again.Header.Get("ETag") != tag || (want == 304) != (again.Text == "") {
			t.Errorf("If-None-Match %s: %s, want %d", asked, lab.StatusLine(again), want)
		}
	}
	if res := s.Send(lab.Request{Method: "POST", Path: "/session.js"}); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", lab.StatusLine(res))
	}
	under := lab.Serve(t, tellsUser, func(c *cognito.Config) { c.BaseURL = "http://localhost:8021/shop" })
	if text := under.Send(lab.AsScript("/session.js")).Text; !strings.Contains(text, `const base = "/shop";`) {
		t.Errorf("under a path: %.300s", text)
	}
}

// TestRegisterListsUserPath: an app that lists its routes has these too.
func TestRegisterListsUserPath(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) { auth.Register(app) }, tellsUser)
	if res := s.Send(lab.Request{Path: "/session.js"}); res.StatusCode != http.StatusOK {
		t.Errorf("the script: %s", lab.StatusLine(res))
	}
	for _, want := range []string{"/login", "/session", "/session.js"} {
		if !slices.ContainsFunc(s.App.GetRoutes(), func(r fiber.Route) bool { return r.Path == want && r.Method == "GET" }) {
			t.Errorf("%s is no route of the app", want)
		}
	}
}
