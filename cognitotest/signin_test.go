package cognitotest_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
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
	if got := whose(t, pool, cookies[1].Value); got != "bob" {
		t.Errorf("signed in as %v, want bob", got)
	}
	if pool.Calls(cognitotest.Login) != 0 {
		t.Error("SignIn has opened the login page")
	}
}

// whose trades a code, and asks whose token it got.
func whose(t *testing.T, pool *cognitotest.Pool, code string) any {
	t.Helper()
	response, err := http.PostForm(pool.URL()+"/oauth2/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"1example23456789"},
		"code": {code}, "redirect_uri": {"http://localhost:8021/login/redirect"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(answer.AccessToken, ".")
	if len(parts) != 3 {
		t.Fatalf("status %d, access token %q", response.StatusCode, answer.AccessToken)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err := errors.Join(err, json.Unmarshal(raw, &claims)); err != nil {
		t.Fatal(err)
	}
	return claims["username"]
}

// wantPanic checks that a test with a mistake is told which.
func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if message, _ := recover().(string); !strings.Contains(message, want) {
			t.Errorf("panicked with %q, want %q in it", message, want)
		}
	}()
	f()
}

// TestSignInTakesHandlers: an application of net/http is as good as one of Fiber's.
func TestSignInTakesHandlers(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := newFiberApp(pool, nil)
	handler := adaptor.FiberApp(app)
	if cookies := pool.SignIn(handler, "bob", "/enter"); len(cookies) != 2 {
		t.Errorf("an http.Handler gave %v", cookies)
	}
	wantPanic(t, "a string is neither", func() { pool.SignIn("app", "bob") })
	if cookies := pool.SignIn(app, "bob", "/enter"); len(cookies) != 2 {
		t.Errorf("the app itself gave %v", cookies)
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
	wantPanic(t, "has to start logins at this path", func() { pool.SignIn(app, "alice") })
	wantPanic(t, "no login here", func() { pool.SignIn(app, "alice", "/broken") })
	wantPanic(t, "not registered", func() {
		pool.SignIn(newFiberApp(pool, map[string]string{"redirect_uri": "http://x/"}), "alice", "/enter")
	})
	wantPanic(t, "not my visitor", func() {
		pool.SignIn(newFiberApp(pool, map[string]string{"state": "other"}), "alice", "/enter")
	})
	config := pool.Config()
	config.OnLogin = func(*fiber.Ctx, *cognito.User) error {
		return fiber.NewError(fiber.StatusForbidden, "blocked for good")
	}
	refusing := newGreeter(config)
	t.Cleanup(func() { _ = refusing.Shutdown() })
	wantPanic(t, "blocked for good", func() { pool.SignIn(refusing, "alice") })
	bare := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{ID: "x"}}})
	t.Cleanup(bare.Close)
	wantPanic(t, "no callback URL", func() { bare.SignIn(app, "alice") })
	if cookies := pool.SignIn(app, "alice", "/enter"); len(cookies) != 2 {
		t.Errorf("the honest application gave %v", cookies)
	}
}
