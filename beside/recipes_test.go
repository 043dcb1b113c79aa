package beside_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/gofiber/fiber/v2/middleware/cache"
	"github.com/gofiber/fiber/v2/middleware/csrf"
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

// TestCacheMiddleware: with the recipe of docs/middleware.md gofiber/cache keeps pages
// of nobody, and of nobody else, in both orders. Without it, it hands alice's page out.
func TestCacheMiddleware(t *testing.T) {
	t.Parallel()
	recipe := cache.New(cache.Config{
		KeyGenerator: func(c *fiber.Ctx) string { return c.OriginalURL() + " " + c.Get("Cookie") },
		Next: func(c *fiber.Ctx) bool {
			return cognito.UserFrom(c) != nil || strings.Contains(c.GetRespHeader("Cache-Control"), "no-store")
		},
	})
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
