package cognitotest_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// newFiberApp is an application that trusts every callback, to see what SignIn
// does with its answers. The middleware's own tests use the real one.
func newFiberApp(pool *cognitotest.Pool, changes map[string]string) *fiber.App {
	app := fiber.New()
	app.Get("/enter", func(c *fiber.Ctx) error {
		c.Cookie(&fiber.Cookie{Name: "attempt", Value: "1"})
		c.Cookie(&fiber.Cookie{Name: "stays", Value: "old"})
		q := url.Values{
			"response_type": {"code"}, "client_id": {"1example23456789"}, "state": {"s1"},
			"redirect_uri": {"http://" + c.Hostname() + "/login/redirect"},
		}
		for name, value := range changes {
			q.Set(name, value)
		}
		return c.Redirect(pool.URL() + "/oauth2/authorize?" + q.Encode())
	})
	app.Get("/login/redirect", func(c *fiber.Ctx) error {
		if c.Query("code") == "" || c.Query("state") != "s1" || c.Cookies("attempt") != "1" {
			return c.Status(fiber.StatusBadRequest).SendString("not my visitor")
		}
		c.Cookie(&fiber.Cookie{Name: "attempt", Expires: time.Unix(1, 0)})
		c.Cookie(&fiber.Cookie{Name: "stays", Value: "new"})
		c.Cookie(&fiber.Cookie{Name: "emptied", Value: ""})
		c.Cookie(&fiber.Cookie{Name: "session", Value: c.Query("code")})
		return c.Redirect("/", fiber.StatusSeeOther)
	})
	app.Get("/broken", func(c *fiber.Ctx) error { return c.SendString("no login here") })
	return app
}

// TestSignIn checks the cookies it returns and the code behind them.
func TestSignIn(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	cookies := pool.SignIn(newFiberApp(pool, nil), "bob", "/enter")
	if len(cookies) != 2 || cookies[0].Name != "stays" || cookies[0].Value != "new" ||
		cookies[1].Name != "session" {
		t.Fatalf("got %v, want stays=new and session", cookies)
	}
	p := &party{t, pool, cognitotest.Client{ID: "1example23456789"}, "http://localhost:8021"}
	form := p.codeForm(cookies[1].Value)
	form.Del("code_verifier")
	a := p.post("/oauth2/token", form)
	a.wantOK(t)
	if _, claims := decode(t, a.members["access_token"]); claims["username"] != "bob" {
		t.Errorf("signed in as %v, want bob", claims["username"])
	}
	if pool.Calls(cognitotest.Login) != 0 {
		t.Error("SignIn has opened the login page")
	}
}

// TestSignInExplainsItself checks that an application which does not play along
// is described.
func TestSignInExplainsItself(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := newFiberApp(pool, nil)
	wantPanic(t, `no user "mallory"`, func() { pool.SignIn(app, "mallory", "/enter") })
	wantPanic(t, "status 404", func() { pool.SignIn(app, "alice") })
	wantPanic(t, "no login here", func() { pool.SignIn(app, "alice", "/broken") })
	wantPanic(t, "not registered", func() {
		pool.SignIn(newFiberApp(pool, map[string]string{"redirect_uri": "http://x/"}), "alice", "/enter")
	})
	wantPanic(t, "not my visitor", func() {
		pool.SignIn(newFiberApp(pool, map[string]string{"state": "other"}), "alice", "/enter")
	})
	bare := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{ID: "x"}}})
	t.Cleanup(bare.Close)
	wantPanic(t, "no callback URL", func() { bare.SignIn(app, "alice") })
	if cookies := pool.SignIn(app, "alice", "/enter"); len(cookies) != 2 {
		t.Errorf("the honest application gave %v", cookies)
	}
}
