package beside_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/cache"
	"github.com/gofiber/fiber/v2/middleware/csrf"
	"github.com/gofiber/fiber/v2/middleware/encryptcookie"
	"github.com/gofiber/fiber/v2/middleware/helmet"
)

// What docs/middleware.md tells to do beside other middleware keeps working.

// among serves an app with other middleware in front of ours, and behind.
func among(t *testing.T, before, behind fiber.Handler) *lab.Site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		for _, handler := range []fiber.Handler{before, auth.Handler(), behind} {
			if handler != nil {
				app.Use(handler)
			}
		}
		lab.Pages(app)
	})
}

// signOutByPage opens LogoutPath as if typed in, and presses the page's button.
func signOutByPage(t *testing.T, v *lab.Visitor) {
	t.Helper()
	page := v.Get(v.Site.URL + "/logout")
	form := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindStringSubmatch(page.Body)
	if form == nil {
		t.Fatalf("there is no button to sign out: %d %s", page.Status, page.Body)
	}
	v.Post(v.Site.URL+form[1], nil)
	v.MustBeStranger()
}

// TestNetHTTPMiddlewareInFront: Fiber's adaptor doubles the Cookie header. Visitors log
// in, are who they are, and log out for good.
func TestNetHTTPMiddlewareInFront(t *testing.T) {
	t.Parallel()
	s := among(t, adaptor.HTTPMiddleware(func(next http.Handler) http.Handler { return next }), nil)
	v := s.Visitor()
	v.LogIn()
	copied := v.SessionCookie()
	signOutByPage(t, v)
	s.MustBe("", copied)
}

// TestCSRFMiddleware: behind ours, gofiber/csrf lets our own forms pass; in front of
// ours it is told to. The app's own forms are checked either way.
func TestCSRFMiddleware(t *testing.T) {
	t.Parallel()
	ours := func(c *fiber.Ctx) bool { return c.Path() == "/logout" }
	for name, s := range map[string]*lab.Site{
		"in front": among(t, csrf.New(csrf.Config{Next: ours}), nil), "behind": among(t, nil, csrf.New()),
	} {
		t.Run(name, func(t *testing.T) {
			v := s.Visitor()
			v.LogIn()
			if page := v.Post(s.URL+"/me", nil); page.Status != http.StatusForbidden || page.Body == "changed" {
				t.Errorf("a form without a token is answered with %d %q", page.Status, page.Body)
			}
			signOutByPage(t, v)
		})
	}
}

// TestOrderOfOthers: in the order of docs/examples.md, the app's own forms pass with their
// token and not without. In front of encryptcookie, csrf would compare what it has set with
// what that has encrypted.
func TestOrderOfOthers(t *testing.T) {
	t.Parallel()
	manual, err := os.ReadFile(filepath.Join("..", "docs", "examples.md"))
	if err != nil || !strings.Contains(string(manual), `app.Use(encryptcookie.New(encryptcookie.Config{Key: os.Getenv("COOKIE_KEY")}), csrf.New())`) {
		t.Errorf("the manual has another order: %v", err)
	}
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.Use(encryptcookie.New(encryptcookie.Config{Key: encryptcookie.GenerateKey()}), csrf.New(csrf.Config{ContextKey: "token", KeyLookup: "query:token"}))
		app.Get("/form", func(c *fiber.Ctx) error { return c.SendString(c.Locals("token").(string)) })
		lab.Pages(app)
	})
	v := s.Visitor()
	v.LogIn()
	token := v.Get(s.URL + "/form").Body
	if page := v.Post(s.URL+"/me?token="+token, nil); page.Status != http.StatusOK {
		t.Errorf("a form with its token is answered with %d %q", page.Status, page.Body)
	}
	if page := v.Post(s.URL+"/me", nil); page.Status != http.StatusForbidden {
		t.Errorf("a form without a token is answered with %d %q", page.Status, page.Body)
	}
}

// TestContentSecurityPolicy: under an app's form-action 'self', signing out by a link
// works, and the page that may ask first lets the pool redirect to wherever its
// identity providers are.
func TestContentSecurityPolicy(t *testing.T) {
	t.Parallel()
	s := among(t, helmet.New(helmet.Config{ContentSecurityPolicy: "form-action 'self'"}), nil)
	v := s.Visitor()
	v.LogIn()
	alice := v.SessionCookie()
	if policy := v.Get(s.URL + "/logout").Header.Get("Content-Security-Policy"); strings.Contains(policy, "form-action") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("the page's policy is %q", policy)
	}
	link := map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "Referer": s.URL + "/"}
	s.MustLogOut(s.Send(lab.Request{Path: "/logout", Cookies: []*http.Cookie{alice}, Header: link}))
	s.MustBe("", alice)
}

// cacheOfNobody is the recipe of docs/middleware.md.
func cacheOfNobody() fiber.Handler {
	return cache.New(cache.Config{
		KeyGenerator: func(c *fiber.Ctx) string {
			return c.OriginalURL() + " " + c.Get("Cookie") + " " + c.Get("Authorization")
		},
		Next: func(c *fiber.Ctx) bool {
			return cognito.PayloadFrom(c) != nil || strings.Contains(c.GetRespHeader("Cache-Control"), "no-store")
		},
	})
}

// TestCacheMiddleware: with the recipe of docs/middleware.md gofiber/cache keeps pages
// of nobody, and of nobody else, in both orders. Without it, it hands alice's page out.
func TestCacheMiddleware(t *testing.T) {
	t.Parallel()
	recipe := cacheOfNobody()
	for name, s := range map[string]*lab.Site{"in front": among(t, recipe, nil), "behind": among(t, nil, recipe)} {
		t.Run(name, func(t *testing.T) {
			stranger := s.Visitor()
			for range 2 {
				v := s.Visitor()
				v.LogIn()
				v.Get(s.URL + "/me")
				v.MustBeSignedIn()
				stranger.MustBeStranger()
				if page := stranger.Get(s.URL + "/me"); strings.Contains(page.Body, "alice@") {
					t.Errorf("a stranger reads %s", page.Body)
				}
			}
			if hit := stranger.Get(s.URL + "/public").Header.Get("X-Cache"); hit != "miss" {
				t.Errorf("a public page is first a cache's %q", hit)
			}
			if hit := stranger.Get(s.URL + "/public").Header.Get("X-Cache"); hit != "hit" {
				t.Errorf("a public page is then a cache's %q", hit)
			}
		})
	}
}

// TestCacheMiddlewareBesideTokens: with the recipe, a stranger does not get from
// gofiber/cache what a machine's or a user's token has fetched through a guard, and a
// machine is not answered as the stranger was before it. What nobody asked for by a token
// is kept.
func TestCacheMiddlewareBesideTokens(t *testing.T) {
	t.Parallel()
	for name, inFront := range map[string]bool{"in front": true, "behind": false} {
		t.Run(name, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
				handlers := []any{auth.Handler(), cacheOfNobody()}
				if inFront {
					slices.Reverse(handlers)
				}
				app.Use(handlers...)
				app.Get("/guarded", cognito.RequireScope("orders/read"), lab.TellWho)
				app.Get("/who", lab.TellWho)
			}, lab.TakesBearer)
			ask := func(path, username string) *lab.Answer {
				r := lab.Request{Path: path, Header: map[string]string{}}
				if username != "nobody" {
					bearer := &http.Request{Header: http.Header{}}
					pool.Authorize(bearer, username, map[string]any{"scope": "orders/read"})
					r.Header["Authorization"] = bearer.Header.Get("Authorization")
				}
				return s.Send(r)
			}
			nobody := ask("/who", "nobody").Text
			for _, username := range []string{"", "alice"} { // "" is a machine
				for range 2 {
					if got := ask("/guarded", username); got.StatusCode != http.StatusOK || !strings.Contains(got.Text, "orders/read") {
						t.Errorf("%q with a token gets %s", username, lab.StatusLine(got))
					}
					if got := ask("/guarded", "nobody"); got.StatusCode != http.StatusUnauthorized {
						t.Errorf("after %q, a stranger gets %s", username, lab.StatusLine(got))
					}
				}
				if got := ask("/who", username); got.Text == nobody {
					t.Errorf("%q is answered as the stranger was: %s", username, got.Text)
				}
			}
			if got := ask("/who", "nobody"); got.Text != nobody || got.Header.Get("X-Cache") != "hit" {
				t.Errorf("a stranger's own page is a cache's %q: %s", got.Header.Get("X-Cache"), got.Text)
			}
		})
	}
}

// TestPoolPerHost: with one pool per host, as docs/examples.md has it, a stranger who sends
// a third host gets past neither the guard nor what keeps other spellings of its path from
// a file server. Whoever is signed in at a host is served there, and only there. No customer
// gets a page of the staff by opening it at the shop's host.
func TestPoolPerHost(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	staffPool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{ID: "1staff", CallbackURLs: []string{"http://127.0.0.1:8021/login/redirect"}}}})
	t.Cleanup(staffPool.Close)
	isShop := func(c *fiber.Ctx) bool { return string(c.Request().Host()) == "localhost:8021" }
	shop, staff := pool.Config(), staffPool.Config()
	shop.BaseURL, shop.Next = "http://localhost:8021", func(c *fiber.Ctx) bool { return !isShop(c) }
	staff.BaseURL, staff.Next = "http://127.0.0.1:8021", isShop
	shop.Logger, staff.Logger = slog.New(slog.DiscardHandler), slog.New(slog.DiscardHandler)

	files := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(files, "admin"), 0o700), os.WriteFile(filepath.Join(files, "admin", "plan"), []byte("the plan"), 0o600)); err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	t.Cleanup(func() { _ = app.Shutdown() })
	theirs, err := cognito.NewAuth(staff)
	if err != nil {
		t.Fatal(err)
	}
	app.Use(cognito.New(shop), theirs.Handler())
	app.Use("/admin", cognito.RequireUser())
	app.Get("/orders", theirs.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("all orders") })
	app.Static("/", files)
	alice := pool.SignIn(app, "alice") // at the shop
	ask := func(host, path string, cookies ...*http.Cookie) int {
		r := httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil)
		r.RequestURI = path
		for _, cookie := range cookies {
			r.AddCookie(cookie)
		}
		res, err := app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	for _, host := range []string{"localhost:8021", "127.0.0.1:8021", "evil.example"} {
		for path, want := range map[string]int{"/admin/plan": http.StatusUnauthorized, "//admin/plan": http.StatusBadRequest, "/%61dmin/plan": http.StatusBadRequest} {
			if got := ask(host, path); got != want {
				t.Errorf("%s at %s is answered %d, want %d", path, host, got, want)
			}
		}
	}
	if got := ask("127.0.0.1:8021", "/admin/plan", alice...); got != http.StatusUnauthorized {
		t.Errorf("alice's session of the shop gets %d from the staff's", got)
	}
	if got := ask("localhost:8021", "/admin/plan", alice...); got != http.StatusOK {
		t.Errorf("alice gets %d", got)
	}
	// Every page is at every host.
	if got := ask("localhost:8021", "/orders", alice...); got != http.StatusInternalServerError {
		t.Errorf("at the shop, where she is signed in, alice gets %d from a page of the staff", got)
	}
	if got := ask("127.0.0.1:8021", "/orders", staffPool.SignIn(app, "bob")...); got != http.StatusOK {
		t.Errorf("bob of the staff gets %d", got)
	}
}
