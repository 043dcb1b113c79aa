package e2e

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/chromedp/chromedp"
	"github.com/gofiber/fiber/v2"
)

// federatedApp has a home page with a button to sign out, under the given form-action.
func federatedApp(t *testing.T, pool *cognitotest.Pool, policies map[string]string) (home string) {
	t.Helper()
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	app.Use(auth.Handler())
	app.Get("/*", func(c *fiber.Ctx) error {
		if targets := policies[c.Path()]; targets != "" {
			c.Set("Content-Security-Policy", "form-action "+targets)
		}
		who := "nobody"
		if user := auth.UserFrom(c); user != nil {
			who = user.Username()
		}
		c.Type("html")
		return c.SendString(`<!doctype html><link rel="icon" href="data:,"><p>here is ` + who + `</p><form method="post" action="/logout"><button>Sign out</button></form>`)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(listener) }()
	t.Cleanup(func() {
		_ = app.ShutdownWithTimeout(time.Second) // the browser keeps its connections
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	home = fmt.Sprintf("http://localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	pool.AllowOrigin(home)
	return home
}

// arrives waits until the way by several pages has come to its end.
func (t *tab) arrives(address, text string) {
	t.Helper()
	eventually(t.T, address, func() bool { return t.location() == address && strings.Contains(t.text(), text) })
}

// TestBrowserSignsInWithSAML goes by the provider's forms, which come from another site
// and submit themselves, both ways. A policy on the app's page that names the pool and not the
// provider stops the browser on its way out, and one that names both does not.
func TestBrowserSignsInWithSAML(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{Providers: []cognitotest.Provider{{
		Name: "ADFS", Type: "SAML", SingleLogout: true, Users: []cognitotest.ProviderUser{{ID: "carol", Password: "lutwidge"}},
	}}})
	t.Cleanup(pool.Close)
	provider := strings.Replace(pool.URL(), "127.0.0.1", "localhost", 1)
	policies := map[string]string{"/strict": "'self' " + pool.URL(), "/named": "'self' " + pool.URL() + " " + provider}
	home := federatedApp(t, pool, policies)
	// Its pages keep their addresses from other sites, and with them the Origin.
	tab := openBrowser(t).tab("form-action", "Origin: null")
	signIn := func() {
		tab.open(home + "/login")
		tab.follow(".providers a")
		tab.fill("#username", "carol")
		tab.fill("#password", "lutwidge")
		tab.shoot("9-provider")
		tab.follow("#provider button")
		tab.arrives(home+"/", "here is ADFS_carol")
	}
	for _, path := range []string{"/", "/named"} {
		signIn()
		tab.open(home + path)
		before := pool.Calls(cognitotest.SAMLLogout)
		tab.follow("form button")
		tab.arrives(home+"/", "here is nobody")
		if calls := pool.Calls(cognitotest.SAMLLogout); calls != before+1 {
			t.Errorf("%s: the way out went %d times by the provider", path, calls-before)
		}
	}
	signIn()
	tab.open(home + "/strict")
	before := pool.Calls(cognitotest.SAMLLogout)
	tab.run(chromedp.Click("form button", chromedp.ByQuery))
	eventually(t, "the browser has asked the pool", func() bool { return pool.Calls(cognitotest.Logout) == 3 })
	tab.open(home + "/strict")
	tab.mustBeAt(home+"/strict", "here is nobody")
	if pool.Calls(cognitotest.SAMLLogout) != before {
		t.Error("the policy stops nothing, so that the manual warns in vain")
	}
}
