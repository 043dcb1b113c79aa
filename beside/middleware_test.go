package beside_test

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/gofiber/fiber/v2/middleware/cors"
	"github.com/gofiber/fiber/v2/middleware/earlydata"
	"github.com/gofiber/fiber/v2/middleware/encryptcookie"
	"github.com/gofiber/fiber/v2/middleware/etag"
	"github.com/gofiber/fiber/v2/middleware/favicon"
	"github.com/gofiber/fiber/v2/middleware/helmet"
	"github.com/gofiber/fiber/v2/middleware/idempotency"
	"github.com/gofiber/fiber/v2/middleware/limiter"
	"github.com/gofiber/fiber/v2/middleware/logger"
	"github.com/gofiber/fiber/v2/middleware/recover"
	"github.com/gofiber/fiber/v2/middleware/redirect"
	"github.com/gofiber/fiber/v2/middleware/requestid"
	"github.com/gofiber/fiber/v2/middleware/rewrite"
	"github.com/gofiber/fiber/v2/middleware/session"
	"github.com/gofiber/fiber/v2/middleware/skip"
	"github.com/gofiber/fiber/v2/middleware/timeout"
)

// passOn is what the middleware that wraps a handler gets: it lets the rest run.
func passOn(c *fiber.Ctx) error { return c.Next() }

// Sessions of gofiber/session, as an app uses them beside ours.
func countVisits(t *testing.T) func() fiber.Handler {
	return func() fiber.Handler {
		store := session.New()
		return func(c *fiber.Ctx) error {
			visits, err := store.Get(c)
			if err != nil {
				t.Errorf("gofiber/session: %v", err)
				return err
			}
			count, _ := visits.Get("count").(int)
			visits.Set("count", count+1)
			if err := visits.Save(); err != nil {
				t.Errorf("gofiber/session: %v", err)
			}
			return c.Next()
		}
	}
}

// middlewares are Fiber's, as apps use them, but for those with a recipe of their own:
// cache, csrf. Each works in front of ours and behind.
func middlewares(t *testing.T) map[string]func() fiber.Handler {
	key := encryptcookie.GenerateKey()
	return map[string]func() fiber.Handler{
		"adaptor": func() fiber.Handler {
			return adaptor.HTTPMiddleware(func(next http.Handler) http.Handler { return next })
		},
		"compress": func() fiber.Handler { return compress.New() },
		"cors": func() fiber.Handler {
			return cors.New(cors.Config{AllowOrigins: "https://spa.example.com", AllowCredentials: true})
		},
		"earlydata":     func() fiber.Handler { return earlydata.New() },
		"encryptcookie": func() fiber.Handler { return encryptcookie.New(encryptcookie.Config{Key: key}) },
		"etag":          func() fiber.Handler { return etag.New() },
		"favicon":       func() fiber.Handler { return favicon.New() },
		"helmet":        func() fiber.Handler { return helmet.New() },
		"idempotency":   func() fiber.Handler { return idempotency.New() },
		"limiter":       func() fiber.Handler { return limiter.New(limiter.Config{Max: 1000}) },
		"logger":        func() fiber.Handler { return logger.New(logger.Config{Output: io.Discard}) },
		"recover":       func() fiber.Handler { return recover.New() },
		"redirect": func() fiber.Handler {
			return redirect.New(redirect.Config{Rules: map[string]string{"/account": "/me"}})
		},
		"requestid": func() fiber.Handler { return requestid.New() },
		"rewrite":   func() fiber.Handler { return rewrite.New(rewrite.Config{Rules: map[string]string{"/account": "/me"}}) },
		"session":   countVisits(t),
		"skip": func() fiber.Handler {
			return skip.New(passOn, func(c *fiber.Ctx) bool { return c.Path() == "/public" })
		},
		"timeout": func() fiber.Handler { return timeout.NewWithContext(passOn, time.Minute) },
	}
}

// TestMiddlewareOfFiber is the table *Beside other middleware*: with each of them in
// front and behind, a visitor is led through the login to the page that they asked
// for, is known there, writes, and signs out for good.
func TestMiddlewareOfFiber(t *testing.T) {
	t.Parallel()
	for name, build := range middlewares(t) {
		for place, s := range map[string]*lab.Site{"in front": among(t, build(), nil), "behind": among(t, nil, build())} {
			t.Run(name+" "+place, func(t *testing.T) {
				v := s.Visitor()
				page := v.Login(s.URL+"/me?tab=2", "alice", lab.PasswordOf("alice"))
				if !strings.HasSuffix(page.URL.String(), "/me?tab=2") || !strings.Contains(page.Body, "alice@") {
					t.Fatalf("the login ends at %s: %d %.200s", page.URL, page.Status, page.Body)
				}
				for range 2 {
					v.MustBeSignedIn()
				}
				if page := v.Post(s.URL+"/me", nil); page.Status != http.StatusOK || page.Body != "changed" {
					t.Errorf("a form of the app is answered with %d %.200s", page.Status, page.Body)
				}
				copied := v.SessionCookie()
				signOutByPage(t, v)
				v.MustBeStranger()
				s.MustBe("", copied)
			})
		}
	}
}

// TestTimeoutMiddleware: a deadline that is shorter than Cognito's answer does not
// cost the visitor the login. The code has been redeemed by then, so the session
// begins; what is told too late is told at the next request.
func TestTimeoutMiddleware(t *testing.T) {
	t.Parallel()
	s := among(t, timeout.NewWithContext(passOn, 50*time.Millisecond), nil)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Delay: 200 * time.Millisecond})
	v := s.Visitor()
	page := v.Login(s.URL+"/me", "alice", lab.PasswordOf("alice"))
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "alice@") {
		t.Errorf("the login ends with %d %.200s", page.Status, page.Body)
	}
	v.MustBeSignedIn()
}

// TestIdempotencyMiddleware: gofiber/idempotency finds answers by the client's key
// alone. In front of ours, it gives alice's answer to whoever sends her key, after her
// sign-out too; behind a guard, to nobody who is not signed in.
func TestIdempotencyMiddleware(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.Use("/orders", auth.RequireUser(), idempotency.New())
		orders := 0
		app.Post("/orders", func(c *fiber.Ctx) error {
			orders++
			return c.SendString(auth.UserFrom(c).Email() + " has order " + strconv.Itoa(orders))
		})
		lab.Pages(app)
	})
	v := s.Visitor()
	v.LogIn()
	order := func() *lab.Answer {
		return s.Send(lab.Request{Method: "POST", Path: "/orders", Cookies: []*http.Cookie{v.SessionCookie()},
			Header: map[string]string{"X-Idempotency-Key": "3f9f4f44-2b1c-4b2e-9d6c-0123456789ab", "Origin": s.URL}})
	}
	for range 2 {
		if res := order(); res.Text != "alice@example.com has order 1" {
			t.Errorf("the order is answered with %s", lab.StatusLine(res))
		}
	}
	copied := v.SessionCookie()
	signOutByPage(t, v)
	res := s.Send(lab.Request{Method: "POST", Path: "/orders", Cookies: []*http.Cookie{copied},
		Header: map[string]string{"X-Idempotency-Key": "3f9f4f44-2b1c-4b2e-9d6c-0123456789ab", "Origin": s.URL}})
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after the sign-out the order is answered with %s", lab.StatusLine(res))
	}
	v.LogIn()
	v.MustBeSignedIn()
}

// TestRequestIDMiddleware: in front of ours, its number stands in our events.
func TestRequestIDMiddleware(t *testing.T) {
	t.Parallel()
	s := among(t, requestid.New(requestid.Config{Generator: func() string { return "request-7" }}), nil)
	v := s.Visitor()
	v.LogIn()
	if log := s.Logged.String(); !strings.Contains(log, "event.kind=login") || !strings.Contains(log, "event.request_id=request-7") {
		t.Errorf("the log says %.400s", log)
	}
}

// TestEncryptCookieMiddleware: in front of ours it encrypts what is sealed already, so
// that a session that its cookie carries outgrows what browsers keep. It is told to
// leave our cookies alone, or stands behind.
func TestEncryptCookieMiddleware(t *testing.T) {
	t.Parallel()
	config := encryptcookie.Config{Key: encryptcookie.GenerateKey(), Except: []string{"session", "session_2"}}
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	carried := func(c *cognito.Config) { lab.InCookies(c); c.CookieName = "session" }
	for place, furnish := range map[string]func(*fiber.App, *cognito.Auth){
		"in front": func(app *fiber.App, auth *cognito.Auth) { app.Use(encryptcookie.New(config), auth.Handler()) },
		"behind":   func(app *fiber.App, auth *cognito.Auth) { app.Use(auth.Handler(), encryptcookie.New(config)) },
	} {
		t.Run(place, func(t *testing.T) {
			s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) { furnish(app, auth); lab.Pages(app) }, carried)
			v := s.Visitor()
			v.LogIn()
			pool.Advance(lab.JustExpired)
			v.MustBeSignedIn()
			for _, cookie := range v.Cookies(s.URL) {
				if size := len(cookie.Name) + len(cookie.Value); size > 4096 {
					t.Errorf("the cookie %s has %d bytes", cookie.Name, size)
				}
			}
			signOutByPage(t, v)
		})
	}
}

// TestEncryptCookieBeforeHandlers: behind ours and in front of a handler, it takes our
// cookies from the request. When the handler signs out, a copy of the cookie is worth nothing
// all the same. A login that a handler or a guard begins needs its cookies as they are, so
// Except lists them.
func TestEncryptCookieBeforeHandlers(t *testing.T) {
	t.Parallel()
	except := []string{"session", "session_2", "session_out", "session_trips"}
	for i := range 8 {
		except = append(except, fmt.Sprintf("cognito_login_%d", i))
	}
	for place, sessions := range map[string]func(*cognito.Config){"a storage": lab.InMemory, "cookies": lab.InCookies} {
		for _, except := range [][]string{nil, except} {
			t.Run(fmt.Sprintf("%s, %d exceptions", place, len(except)), func(t *testing.T) {
				t.Parallel()
				pool := cognitotest.New(cognitotest.Options{})
				t.Cleanup(pool.Close)
				s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
					app.Use(auth.Handler(), encryptcookie.New(encryptcookie.Config{Key: encryptcookie.GenerateKey(), Except: except}))
					lab.Pages(app)
					app.Get("/start", func(c *fiber.Ctx) error { return auth.Login(c, cognito.LoginOptions{ReturnTo: "/vault"}) })
					app.Get("/vault", cognito.RequireFreshLogin(time.Minute), func(c *fiber.Ctx) error { return c.SendString("gold") })
					app.Post("/bye", func(c *fiber.Ctx) error { return auth.LogoutTo(c, "/public") })
				}, sessions, func(c *cognito.Config) { c.CookieName = "session" })
				v := s.Visitor()
				v.LogIn()
				var alice *http.Cookie // to copy
				for _, cookie := range v.Cookies(s.URL) {
					if cookie.Name == "session" {
						alice = cookie
					}
				}
				s.MustBe("alice", alice)
				s.MustAnswer(s.Send(lab.Request{Method: http.MethodPost, Path: "/bye", Cookies: []*http.Cookie{alice}}), http.StatusSeeOther)
				s.MustBe("", alice)
				lab.Eventually(t, "the refresh token is revoked", func() bool { return len(pool.Requests(cognitotest.Revoke)) == 1 })
				if except == nil {
					return
				}
				v = s.Visitor()
				for _, path := range []string{"/start", "/vault"} {
					if page := v.Login(s.URL+path, "alice", lab.PasswordOf("alice")); page.Body != "gold" {
						t.Errorf("a login by way of %s ends with %d %.200s", path, page.Status, page.Body)
					}
					pool.Advance(2 * time.Minute)
				}
			})
		}
	}
}
