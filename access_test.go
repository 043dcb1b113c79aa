package cognito_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// withAndWithout are the two ways to keep sessions.
var withAndWithout = map[string][]func(*cognito.Config){"stored": nil, "in cookies": {lab.InCookies}}

// TestTokensOfASession: a handler gets the raw ID token, never expired, and a name
// for the session that lasts as long as the session.
func TestTokensOfASession(t *testing.T) {
	t.Parallel()
	pages := func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.Get("/id-token", func(c *fiber.Ctx) error {
			token, err := cognito.IDToken(c)
			if err != nil {
				if !errors.Is(err, cognito.ErrNotSignedIn) {
					t.Errorf("the error for a stranger is %v", err)
				}
				return c.SendStatus(fiber.StatusTeapot)
			}
			return c.SendString(token)
		})
		app.Get("/session", func(c *fiber.Ctx) error { return c.SendString(cognito.SessionID(c)) })
	}
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			s := lab.ServeAppWith(t, pool, pages, append(hooks, lab.TakesBearer)...)
			cookie := s.SignIn("alice")
			names := map[string]bool{}
			for range 3 {
				answer := s.Send(lab.Request{Path: "/id-token", Cookies: []*http.Cookie{cookie}})
				claims := lab.ClaimsOf(t, answer.Text)
				if claims["token_use"] != "id" || claims["email"] != "alice@example.com" {
					t.Fatalf("the ID token says %v", claims)
				}
				if expires, _ := claims["exp"].(float64); !pool.Now().Before(time.Unix(int64(expires), 0)) {
					t.Error("the ID token has expired")
				}
				if set := answer.Cookie(lab.IsSessionCookie); set != nil {
					cookie = set
				}
				names[s.Send(lab.Request{Path: "/session", Cookies: []*http.Cookie{cookie}}).Text] = true
				pool.Advance(2 * time.Hour)
			}
			if len(names) != 1 || names[""] {
				t.Errorf("one session has the names %v", names)
			}
			for _, who := range []lab.Request{{}, {Header: map[string]string{"Authorization": "Bearer " + pool.AccessToken("", "bob", nil)}}} {
				who.Path = "/id-token"
				if answer := s.Send(who); answer.StatusCode != http.StatusTeapot {
					t.Errorf("whoever has no ID token gets %s", lab.StatusLine(answer))
				}
				who.Path = "/session"
				if answer := s.Send(who); answer.Text != "" {
					t.Errorf("whoever has no session has %q", answer.Text)
				}
			}
		})
	}
}

// TestIDTokenThatIsNotRenewed: Cognito renews the access token alone. The ID token of before
// is handed out until it expires, and the session goes on.
func TestIDTokenThatIsNotRenewed(t *testing.T) {
	t.Parallel()
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t)
			s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
				app.Use(auth.Handler())
				app.Get("/id-token", func(c *fiber.Ctx) error {
					token, err := auth.IDToken(c)
					if (err != nil) != (token == "") || (err != nil && !errors.Is(err, cognito.ErrUnavailable)) {
						t.Errorf("%d characters, and the error %v", len(token), err)
					}
					return c.SendString(token)
				})
				lab.Pages(app)
			}, hooks...)
			cookie := s.SignIn("alice")
			ask := func(path string) *lab.Answer {
				answer := s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{cookie}})
				if set := answer.Cookie(lab.IsSessionCookie); set != nil {
					cookie = set
				}
				return answer
			}
			pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: func(answer map[string]any) { delete(answer, "id_token") }})
			if token := ask("/id-token").Text; lab.ClaimsOf(t, token)["token_use"] != "id" {
				t.Error("there is no ID token at the beginning")
			}
			pool.Advance(lab.JustExpired)
			if answer := ask("/id-token"); answer.Text != "" {
				t.Error("an ID token is handed out that has expired")
			}
			if answer := ask("/token"); lab.ClaimsOf(t, answer.Text)["token_use"] != "access" {
				t.Errorf("the access token is %s", lab.StatusLine(answer))
			}
			pool.Heal(cognitotest.Token)
			pool.Advance(lab.JustExpired)
			if token := ask("/id-token").Text; lab.ClaimsOf(t, token)["token_use"] != "id" {
				t.Error("there is no ID token after the next renewal")
			}
		})
	}
}

// TestBearerHasNoSession: what a session has, a bearer token has not, whoever it belongs to.
// The errors say so, and nothing is returned beside them.
func TestBearerHasNoSession(t *testing.T) {
	t.Parallel()
	watches := make(chan *cognito.Watch, 1)
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/refresh", func(c *fiber.Ctx) error {
			watches <- auth.Watch(c)
			if err := auth.Refresh(c); !errors.Is(err, cognito.ErrNotSignedIn) || errors.Is(err, cognito.ErrForbidden) {
				t.Errorf("Refresh: %v", err)
			}
			return nil
		})
	}, lab.TakesBearer)
	for _, user := range []string{"alice", ""} { // "" is a machine client
		request, _ := http.NewRequest(http.MethodGet, "/refresh", nil)
		s.Pool.Authorize(request, user, nil)
		s.Send(lab.Request{Path: "/refresh", Header: map[string]string{"Authorization": request.Header.Get("Authorization")}})
		watch := <-watches
		if token, err := watch.AccessToken(); token == "" || err != nil {
			t.Errorf("the token of %q: %v", user, err)
		}
		switch got, err := watch.User(); {
		case user == "" && (got != nil || !errors.Is(err, cognito.ErrNotSignedIn)):
			t.Errorf("a machine client is %v: %v", got, err)
		case user != "" && (err != nil || got.Username() != user):
			t.Errorf("%s is %v: %v", user, got, err)
		}
		s.Pool.Advance(2 * time.Hour)
		if got, err := watch.User(); got != nil || !errors.Is(err, cognito.ErrInvalidToken) {
			t.Errorf("after the expiry, %q is %v: %v", user, got, err)
		}
		if token, err := watch.AccessToken(); token != "" || !errors.Is(err, cognito.ErrInvalidToken) {
			t.Errorf("after the expiry, there is a token of %d characters: %v", len(token), err)
		}
	}
}

// TestRefreshShowsWhatChanged: a handler that changes a user's groups at Cognito sees
// the new ones in the same request, even if a renewal was under way before.
func TestRefreshShowsWhatChanged(t *testing.T) {
	t.Parallel()
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
				app.Use(auth.Handler())
				app.Get("/promote", cognito.RequireUser(), func(c *fiber.Ctx) error {
					before := cognito.UserFrom(c)
					pool.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", Groups: []string{"editors"}})
					if err := cognito.Refresh(c); err != nil {
						return err
					}
					local, _ := c.Locals("user").(*cognito.User)
					if before.InGroup("editors") || !local.InGroup("editors") || !cognito.UserFrom(c).InGroup("editors") {
						t.Errorf("before %v, after %v and %v", before.Groups(), local.Groups(), cognito.UserFrom(c).Groups())
					}
					if groups, _ := cognito.PayloadFrom(c).Claim("cognito:groups").([]any); !slices.Contains(groups, any("editors")) {
						t.Errorf("the payload has %v", groups)
					}
					return c.SendString("promoted")
				})
				app.Get("/editors", cognito.RequireGroup("editors"), func(c *fiber.Ctx) error { return c.SendString("welcome") })
			}, hooks...)
			cookie := s.SignIn("alice")
			answer := s.Send(lab.Request{Path: "/promote", Cookies: []*http.Cookie{cookie}})
			if answer.Text != "promoted" {
				t.Fatalf("got %s", lab.StatusLine(answer))
			}
			if set := answer.Cookie(lab.IsSessionCookie); set != nil {
				cookie = set
			}
			if answer := s.Send(lab.Request{Path: "/editors", Cookies: []*http.Cookie{cookie}}); answer.Text != "welcome" {
				t.Errorf("the next request gets %s", lab.StatusLine(answer))
			}
		})
	}
}

// TestRefreshOfAUserWhoIsGone: a handler in front wants the newest groups for the guards behind
// it, and does not look at the error. The guards let nobody pass whom Cognito does not know any
// more. While Cognito cannot be reached, the user stays signed in.
func TestRefreshOfAUserWhoIsGone(t *testing.T) {
	t.Parallel()
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
				app.Get("/admin", func(c *fiber.Ctx) error {
					_ = auth.Refresh(c)
					return c.Next()
				}, auth.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("all secrets") })
			}, hooks...)
			alice, elsewhere := s.SignIn("alice"), s.SignIn("alice")
			ask := func(cookie *http.Cookie) *lab.Answer { return s.Send(lab.AsScript("/admin", cookie)) }
			s.Pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusInternalServerError, Times: 1})
			if answer := ask(elsewhere); answer.Text != "all secrets" {
				t.Errorf("during an outage, she gets %s", lab.StatusLine(answer))
			}
			s.Pool.EndSessions("alice")
			if answer := ask(alice); answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("once she is gone, she gets %s", lab.StatusLine(answer))
			}
			alice = s.SignIn("alice")
			if answer := ask(alice); answer.Text != "all secrets" {
				t.Errorf("when she has signed in again, she gets %s", lab.StatusLine(answer))
			}
		})
	}
}

// TestLocalsOfSomebodyElse: handlers in front may use our names for their own things.
// Behind the middleware they are ours, and nobody is nobody.
func TestLocalsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	s := lab.ServeAppWith(t, lab.NewPool(t), func(app *fiber.App, auth *cognito.Auth) {
		app.Use(func(c *fiber.Ctx) error {
			c.Locals("user", "mallory")
			c.Locals("payload", map[string]string{"sub": "mallory"})
			return c.Next()
		}, auth.Handler())
		app.Get("/", func(c *fiber.Ctx) error {
			user, _ := c.Locals("user").(*cognito.User)
			payload, _ := c.Locals("payload").(*cognito.Payload)
			if user != cognito.UserFrom(c) || payload != cognito.PayloadFrom(c) {
				t.Errorf("the locals are %v and %v", c.Locals("user"), c.Locals("payload"))
			}
			return c.SendString(fmt.Sprint(c.Locals("user"), " ", c.Locals("payload")))
		})
	})
	alice := s.SignIn("alice")
	for cookie, want := range map[*http.Cookie]string{nil: "<nil> <nil>", {Name: alice.Name, Value: "invented"}: "<nil> <nil>", alice: "user alice access token of alice"} {
		r := lab.Request{Path: "/"}
		if cookie != nil {
			r.Cookies = []*http.Cookie{cookie}
		}
		if got := regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).ReplaceAllString(s.Send(r).Text, "alice"); got != want {
			t.Errorf("with %v the locals are %q, want %q", cookie, got, want)
		}
	}
}
