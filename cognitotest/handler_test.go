package cognitotest_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// newOrders is an API for users and machines.
func newOrders(pool *cognitotest.Pool) *fiber.App {
	config := pool.Config()
	config.Bearer, config.Logger = true, slog.New(slog.DiscardHandler)
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	app.Use(cognito.New(config))
	app.Get("/mine", cognito.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString(cognito.UserFrom(c).Username())
	})
	app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("admin") })
	app.Get("/orders", cognito.RequireScope("orders/read"), func(c *fiber.Ctx) error {
		return c.SendString(fmt.Sprint(cognito.PayloadFrom(c).Subject(), cognito.PayloadFrom(c).Scopes(), cognito.UserFrom(c) == nil))
	})
	return app
}

// TestAuthorize checks that one line makes a request a user's or a machine's,
// and that without it nobody gets in.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{
		ID: "client", Scopes: []string{"openid", "orders/read", "aws.cognito.signin.user.admin"},
	}}})
	t.Cleanup(pool.Close)
	app := newOrders(pool)
	t.Cleanup(func() {
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	admin := map[string]any{"cognito:groups": []string{"admin"}}
	for _, row := range []struct {
		name, path, username string
		claims               map[string]any
		want                 string
	}{
		{"a user", "/mine", "bob", nil, "200 bob"},
		{"a user with their groups", "/admin", "alice", nil, "200 admin"},
		{"a user without", "/admin", "bob", nil, "403"},
		{"a user with a group for the test", "/admin", "bob", admin, "200 admin"},
		{"a user who has lost theirs", "/admin", "alice", map[string]any{"cognito:groups": nil}, "403"},
		{"a user whose token has expired", "/mine", "bob", map[string]any{"exp": pool.Now().Unix() - 3600}, "401"},
		{"a machine", "/orders", "", nil, "200 client[orders/read] true"},
		{"a machine with other scopes", "/orders", "", map[string]any{"scope": "orders/write orders/read"}, "200 client[orders/write orders/read] true"},
		{"a machine without", "/orders", "", map[string]any{"scope": nil}, "403"},
		{"a machine in a user's place", "/mine", "", nil, "403"},
		{"a machine in an admin's place", "/admin", "", admin, "403"},
	} {
		r := httptest.NewRequest(http.MethodGet, row.path, nil)
		if got := ask(t, app, r); !strings.HasPrefix(got, "401") {
			t.Errorf("%s: without a token %s, want 401", row.path, got)
		}
		r = httptest.NewRequest(http.MethodGet, row.path, nil)
		r.Header.Set("Authorization", "Bearer of something else")
		pool.Authorize(r, row.username, row.claims)
		if got := ask(t, app, r); got != row.want && (len(row.want) > 3 || !strings.HasPrefix(got, row.want)) {
			t.Errorf("%s: %s got %s, want %s", row.name, row.path, got, row.want)
		}
	}
	if calls := pool.Calls(cognitotest.Authorization) + pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d calls of a login were made", calls)
	}
}

func ask(t *testing.T, app *fiber.App, r *http.Request) string {
	t.Helper()
	response, err := app.Test(r, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.StatusCode, " ", string(body))
}

// TestAuthorizeNobody checks that a test with a typing error says so at once.
func TestAuthorizeNobody(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, `no user "alcie"`) {
			t.Errorf("the panic says %q, want the name", text)
		}
	}()
	pool.Authorize(httptest.NewRequest(http.MethodGet, "/", nil), "alcie", nil)
}

// Authorize makes a handler test's request a user's in one line, with any claims.
func ExamplePool_Authorize() {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()

	config := pool.Config()
	config.Bearer = true
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error {
		return c.SendString("hello " + cognito.UserFrom(c).Username())
	})
	defer func() { _ = app.Shutdown() }()

	for _, row := range []struct {
		username string
		claims   map[string]any
	}{
		{"alice", nil},
		{"bob", nil},
		{"bob", map[string]any{"cognito:groups": []string{"admin"}}},
	} {
		request := httptest.NewRequest("GET", "/admin", nil)
		pool.Authorize(request, row.username, row.claims)
		response, err := app.Test(request, -1)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(row.username, response.StatusCode)
	}
	// Output:
	// alice 200
	// bob 403
	// bob 200
}
