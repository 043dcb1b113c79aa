package cognitotest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// newShop is an app whose middleware a test chooses. It needs no Shutdown: what
// runs in the background belongs to the pool.
func newShop(middleware fiber.Handler) *fiber.App {
	app := fiber.New()
	app.Use(middleware)
	app.All("/", cognito.RequireUser(), func(c *fiber.Ctx) error {
		user := cognito.UserFrom(c)
		return c.SendString(fmt.Sprint(user.Username(), " ", user.Email(), " ", user.Groups(), " ", user.Claim("custom:plan")))
	})
	app.Get("/payload", cognito.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString(fmt.Sprint(cognito.PayloadFrom(c).Username(), cognito.PayloadFrom(c).Scopes(), cognito.PayloadFrom(c).ClientID()))
	})
	app.Get("/token", func(c *fiber.Ctx) error {
		token, err := cognito.AccessToken(c)
		return errors.Join(err, c.SendString(token))
	})
	app.Get("/theme", func(c *fiber.Ctx) error { return c.SendString(c.Cookies("theme")) })
	ok := func(c *fiber.Ctx) error { return c.SendString("welcome") }
	app.Get("/admin", cognito.RequireGroup("admin"), ok)
	app.Get("/orders", cognito.RequireScope("orders/read"), ok)
	app.Get("/delete", cognito.RequireFreshLogin(time.Minute), ok)
	return app
}

// get asks for a page as a handler test does, with the host example.com.
func get(t *testing.T, app *fiber.App, path string) string {
	t.Helper()
	return ask(t, app, httptest.NewRequest(http.MethodGet, path, nil))
}

// TestAs checks that a user of As has all that one has who logged in, and may
// only what they may.
func TestAs(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{
		{ID: "first", Scopes: []string{"openid", "email", "profile", "orders/read"}},
		{ID: "second"},
	}})
	t.Cleanup(pool.Close)
	pool.SetUser(cognitotest.User{
		Username: "carol", Email: "carol@example.com", Groups: []string{"sales", "admin"},
		Attributes: map[string]string{"custom:plan": "gold"},
	})
	carol, bob, second := newShop(pool.As("carol")), newShop(pool.As("bob")), newShop(pool.As("bob", "second"))
	for _, row := range []struct {
		app        *fiber.App
		path, want string
	}{
		{carol, "/", "200 carol carol@example.com [sales admin] gold"},
		{carol, "/payload", "200 carol[openid email profile orders/read]first"},
		{carol, "/admin", "200 welcome"},
		{carol, "/orders", "200 welcome"},
		{carol, "/delete", "200 welcome"},
		{bob, "/", "200 bob bob@example.com [] <nil>"},
		{bob, "/admin", "403"},
		{bob, "/orders", "200 welcome"},
		{second, "/payload", "200 bob[openid email profile phone aws.cognito.signin.user.admin]second"},
		{second, "/orders", "403"},
	} {
		if got := get(t, row.app, row.path); got != row.want && (row.want != "403" || !strings.HasPrefix(got, "403")) {
			t.Errorf("%s: %s, want %s", row.path, got, row.want)
		}
	}

	r, err := http.NewRequest(http.MethodGet, pool.URL()+"/oauth2/userInfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+strings.TrimPrefix(get(t, carol, "/token"), "200 "))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("the pool answers the access token with %d", response.StatusCode)
	}
}

// TestAsAnyRequest checks that it does not matter what a request looks like,
// except that another site's may not write.
func TestAsAnyRequest(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := newShop(pool.As("bob"))
	cookies := "theme=dark"
	for _, cookie := range pool.SignIn(newGreeterUntilCleanup(t, pool), "alice") {
		cookies = cookie.Name + "=" + cookie.Value + "; " + cookies + "; " + cookie.Name + "=x"
	}

	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Cookie", cookies)
	if got := ask(t, app, r); !strings.HasPrefix(got, "200 bob") {
		t.Errorf("with cookies of another session: %s, want bob", got)
	}
	r = httptest.NewRequest(http.MethodGet, "/theme", nil)
	r.Header.Set("Cookie", cookies)
	if got := ask(t, app, r); got != "200 dark" {
		t.Errorf("another cookie reads %s, want dark", got)
	}
	r = httptest.NewRequest(http.MethodPost, "/", nil)
	if got := ask(t, app, r); !strings.HasPrefix(got, "200 bob") {
		t.Errorf("POST: %s, want bob", got)
	}
	r.Header.Set("Origin", "https://evil.example")
	if got := ask(t, app, r); !strings.HasPrefix(got, "403") {
		t.Errorf("POST from another site: %s, want 403", got)
	}
}

// newGreeterUntilCleanup is a greeter that is shut down in time.
func newGreeterUntilCleanup(t *testing.T, pool *cognitotest.Pool) *fiber.App {
	t.Helper()
	app := newGreeter(pool.Config())
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return app
}

// TestAsSideBySide lets several users be at several places of one app at a time.
func TestAsSideBySide(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := fiber.New()
	who := func(c *fiber.Ctx) error { return c.SendString(cognito.UserFrom(c).Username()) }
	app.Group("/a", pool.As("alice")).Get("/", cognito.RequireGroup("admin"), who)
	app.Group("/b", pool.As("bob")).Get("/", cognito.RequireUser(), who).
		Group("/a", pool.As("alice")).Get("/", cognito.RequireGroup("admin"), who)
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(cognito.UserFrom(c))) })
	var all sync.WaitGroup
	for range 20 {
		for path, want := range map[string]string{"/a": "200 alice", "/b": "200 bob", "/b/a": "200 alice", "/": "200 <nil>"} {
			all.Go(func() {
				if got := get(t, app, path); !strings.HasPrefix(got, want) {
					t.Errorf("%s: %s, want %s", path, got, want)
				}
			})
		}
	}
	all.Wait()
}

// TestAsEnds checks the ways out: they are those of a real session.
func TestAsEnds(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := newShop(pool.As("alice"))
	pool.Advance(2 * time.Hour)
	if got := get(t, app, "/"); !strings.HasPrefix(got, "200 alice") {
		t.Errorf("after the tokens' time: %s, want alice", got)
	}
	if calls := pool.Calls(cognitotest.Token); calls != 2 {
		t.Errorf("the tokens were fetched %d times, want once and once again", calls)
	}

	r := httptest.NewRequest(http.MethodPost, "/logout", nil)
	response, err := app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	to := pool.URL() + "/logout?" + url.Values{"client_id": {"1example23456789"}, "logout_uri": {"http://localhost:8021/"}}.Encode()
	if got := response.Header.Get("Location"); response.StatusCode != http.StatusSeeOther || got != to {
		t.Errorf("logout: %d to %s, want 303 to %s", response.StatusCode, got, to)
	}
	if got := get(t, app, "/"); !strings.HasPrefix(got, "401") {
		t.Errorf("after the logout: %s, want 401", got)
	}
	if got := get(t, newShop(pool.As("alice")), "/"); !strings.HasPrefix(got, "200 alice") {
		t.Errorf("with a new As: %s, want alice", got)
	}

	bob := newShop(pool.As("bob"))
	pool.EndSessions("bob")
	pool.Advance(2 * time.Hour)
	if got := get(t, bob, "/"); !strings.HasPrefix(got, "401") {
		t.Errorf("after EndSessions: %s, want 401", got)
	}
}

// TestAsAnywhere: nothing is bound to the port of the default client.
func TestAsAnywhere(t *testing.T) {
	t.Parallel()
	for callback, want := range map[string]string{
		"http://127.0.0.1:3000/cb": "http://127.0.0.1:3000/", "https://app.example.com/cb": "http://localhost/",
	} {
		pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{ID: "app", CallbackURLs: []string{callback}}}})
		t.Cleanup(pool.Close)
		r := httptest.NewRequest(http.MethodPost, "/logout", nil)
		response, err := newShop(pool.As("bob")).Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		location, err := url.Parse(response.Header.Get("Location"))
		if err != nil || location.Query().Get("logout_uri") != want {
			t.Errorf("%s: logged out to %s (%v), want %s", callback, location, err, want)
		}
	}
}

// TestAsExplainsItself checks that a mistake in a test is named.
func TestAsExplainsItself(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{
		{ID: "app"}, {ID: "machine", Scopes: []string{"orders/read"}},
	}})
	t.Cleanup(pool.Close)
	pool.SetUser(cognitotest.User{Username: "dora", Disabled: true})
	wantPanic(t, `the pool has no user "alcie"`, func() { pool.As("alcie") })
	wantPanic(t, `the pool has no user "dora"`, func() { pool.As("dora") })
	wantPanic(t, `no client "stranger"`, func() { pool.As("alice", "stranger") })
	wantPanic(t, `must contain "openid"`, func() { pool.As("alice", "machine") })
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: http.StatusBadRequest, Body: `{"error":"unauthorized_client"}`})
	wantPanic(t, "want a redirect into the application, got status", func() { pool.As("alice") })
	if got := get(t, newShop(pool.As("alice")), "/"); !strings.HasPrefix(got, "200 alice") {
		t.Errorf("without a mistake: %s, want alice", got)
	}
}

// TestCloseDuringRefreshOfAs checks that a pool which hangs can be closed while
// a session waits for it.
func TestCloseDuringRefreshOfAs(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	app := newShop(pool.As("alice"))
	pool.Break(cognitotest.Token, cognitotest.Fault{Hang: true})
	pool.Advance(50 * time.Minute) // the tokens are valid, and due to be renewed
	if got := get(t, app, "/"); !strings.HasPrefix(got, "200 alice") {
		t.Errorf("before the tokens' time: %s, want alice", got)
	}
	for deadline := time.Now().Add(time.Minute); pool.Calls(cognitotest.Token) < 2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no refresh has begun")
		}
	}
	began := time.Now()
	pool.Close()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("closing took %s", took)
	}
}

// As takes the place of the app's middleware, and everybody is the same user.
func ExamplePool_As() {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()

	for _, username := range []string{"alice", "bob"} {
		app := fiber.New()
		app.Use(pool.As(username))
		app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error {
			fmt.Println("handler called by", cognito.UserFrom(c).Email())
			return nil
		})
		response, err := app.Test(httptest.NewRequest("GET", "/admin", nil), -1)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(username, response.StatusCode)
	}
	// Output:
	// handler called by alice@example.com
	// alice 200
	// bob 403
}
