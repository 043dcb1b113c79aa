package cognito_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// The examples run against a user pool in this process. In an app, use a Config
// with the values of your own pool, as in Example.

// exampleConfig is for a pool in which alice is in the group admin and bob is in
// no group.
func exampleConfig() (cognito.Config, *cognitotest.Pool) {
	pool := cognitotest.New(cognitotest.Options{})
	config := pool.Config()
	config.Logger = slog.New(slog.DiscardHandler)
	return config, pool
}

// show prints an app's response to a request.
func show(app *fiber.App, r *http.Request) {
	response, err := app.Test(r, -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusOK {
		fmt.Println(response.StatusCode, http.StatusText(response.StatusCode))
		return
	}
	fmt.Println(string(body))
}

// visit is a request for a page of the app, with these cookies.
func visit(path string, cookies ...*http.Cookie) *http.Request {
	r, _ := http.NewRequest("GET", "http://localhost:8021"+path, nil)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	return r
}

// One line adds the middleware. The three values are on the pages "Domain",
// "App clients" and "Overview" of the user pool.
func Example() {
	app := fiber.New()
	app.Use(cognito.New(cognito.Config{
		UserPoolDomain: "https://auth.bar-tech.uk",
		ClientID:       "7ks1311iid23h0cnvg2o3i4g7k",
		UserPoolID:     "eu-west-2_tMeCEUTj8",
	}))
	app.Get("/", func(c *fiber.Ctx) error { return c.JSON(c.Locals("user")) })
	defer func() { _ = app.Shutdown() }()

	response, err := app.Test(visit("/login"), -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	to, _ := response.Location()
	fmt.Println(to.Host + to.Path)
	// Output: auth.bar-tech.uk/oauth2/authorize
}

// A guarded page sends visitors to sign in, and they come back to it.
func ExampleNew() {
	config, pool := exampleConfig()
	defer pool.Close()

	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("welcome, everybody") })
	app.Get("/account", cognito.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString("hello " + cognito.UserFrom(c).Name())
	})
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/"))
	show(app, visit("/account"))
	show(app, visit("/account", pool.SignIn(app, "alice")...))
	// Output:
	// welcome, everybody
	// 401 Unauthorized
	// hello Alice Liddell
}

// FromEnv reads what a deployment sets, such as COGNITO_CLIENT_ID. The app sets the
// other fields.
func ExampleFromEnv() {
	config, err := cognito.FromEnv()
	if err != nil {
		log.Fatal(err) // names each missing, invalid or misspelt variable, and what to do
	}
	config.OnLogout = func(_ *fiber.Ctx, user *cognito.User) { log.Print(user.Subject(), " has left") }
	app := fiber.New()
	app.Use(cognito.New(config))
	log.Fatal(app.Listen(":3000"))
}

// NewAuth returns everything that is wrong with the config at once, instead of
// panicking.
func ExampleNewAuth() {
	_, err := cognito.NewAuth(cognito.Config{
		UserPoolDomain: "my-app",
		ClientID:       "7ks1311iid23h0cnvg2o3i4g7k",
		UserPoolID:     "eu-west-2_tMeCEUTj8",
		BaseURL:        "http://app.example.com",
	})
	var invalid *cognito.ConfigError
	if errors.As(err, &invalid) {
		for _, problem := range invalid.Problems {
			fmt.Printf("%s %s\n", problem.Field, problem.Rule)
		}
	}
	// Output:
	// UserPoolDomain is only the prefix of a domain
	// BaseURL must be https (http is accepted for localhost, 127.0.0.1 and [::1] only)
}

// UserFrom returns the signed-in user, or nil, so a page can serve visitors who
// have signed in and those who have not.
func ExampleUserFrom() {
	config, pool := exampleConfig()
	defer pool.Close()

	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/", func(c *fiber.Ctx) error {
		user := cognito.UserFrom(c)
		if user == nil {
			return c.SendString("hello stranger")
		}
		return c.SendString(fmt.Sprintf("hello %s <%s> of %v", user.Username(), user.Email(), user.Groups()))
	})
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/"))
	show(app, visit("/", pool.SignIn(app, "alice")...))
	// Output:
	// hello stranger
	// hello alice <alice@example.com> of [admin]
}

// RequireGroup lets users in at least one of the groups pass. Other signed-in
// users get a 403.
func ExampleRequireGroup() {
	config, pool := exampleConfig()
	defer pool.Close()

	app := fiber.New()
	app.Use(cognito.New(config))
	admin := app.Group("/admin", cognito.RequireGroup("admin", "support"))
	admin.Get("/users", func(c *fiber.Ctx) error { return c.SendString("all users") })
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/admin/users"))
	show(app, visit("/admin/users", pool.SignIn(app, "bob")...))
	show(app, visit("/admin/users", pool.SignIn(app, "alice")...))
	// Output:
	// 401 Unauthorized
	// 403 Forbidden
	// all users
}

// With Bearer, programs send an access token instead of a cookie. A machine
// client's token has no user, so RequireScope is the guard for it.
func ExampleRequireScope() {
	config, pool := exampleConfig()
	defer pool.Close()

	config.Bearer = true
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/orders", cognito.RequireScope("orders/read"), func(c *fiber.Ctx) error {
		return c.SendString("orders, for a machine: " + fmt.Sprint(cognito.UserFrom(c) == nil))
	})
	defer func() { _ = app.Shutdown() }()

	request := visit("/orders")
	pool.Authorize(request, "", map[string]any{"scope": "orders/read"})
	show(app, request)
	pool.Authorize(request, "", map[string]any{"scope": "orders/write"})
	show(app, request)
	// Output:
	// orders, for a machine: true
	// 403 Forbidden
}

// RequireFreshLogin asks for the password again before a sensitive action, and
// brings the visitor back.
func ExampleRequireFreshLogin() {
	config, pool := exampleConfig()
	defer pool.Close()

	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/delete-account", cognito.RequireFreshLogin(5*time.Minute), func(c *fiber.Ctx) error {
		return c.SendString("really?")
	})
	defer func() { _ = app.Shutdown() }()

	alice := pool.SignIn(app, "alice")
	show(app, visit("/delete-account", alice...))
	pool.Advance(10 * time.Minute)
	show(app, visit("/delete-account", alice...))
	// Output:
	// really?
	// 401 Unauthorized
}

// Require is the guard for rules that the other guards cannot express.
func ExampleRequire() {
	config, pool := exampleConfig()
	defer pool.Close()

	verified := func(user *cognito.User) bool { return user.EmailVerified() }
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/invite", cognito.Require(verified), func(c *fiber.Ctx) error { return c.SendString("whom?") })
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/invite", pool.SignIn(app, "alice")...))
	show(app, visit("/invite", pool.SignIn(app, "bob")...))
	// Output:
	// whom?
	// 403 Forbidden
}

// Decode reads claims into your own type, including custom attributes.
func ExampleUser_Decode() {
	config, pool := exampleConfig()
	defer pool.Close()
	pool.SetUser(cognitotest.User{Username: "carol", Attributes: map[string]string{"custom:plan": "gold", "custom:seats": "7"}})

	type Tenant struct {
		Plan  string `json:"custom:plan"`
		Seats int    `json:"custom:seats,string"` // Cognito's attributes are texts
	}
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/plan", cognito.RequireUser(), func(c *fiber.Ctx) error {
		var tenant Tenant
		if err := cognito.UserFrom(c).Decode(&tenant); err != nil {
			return err
		}
		return c.SendString(fmt.Sprintf("%s for %d", tenant.Plan, tenant.Seats))
	})
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/plan", pool.SignIn(app, "carol")...))
	// Output: gold for 7
}

// VerifyAccessToken is for tokens that do not come in a request's header, such
// as a token in the first message on a WebSocket.
func ExampleAuth_VerifyAccessToken() {
	config, pool := exampleConfig()
	defer pool.Close()

	auth, err := cognito.NewAuth(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close() }()

	receive := func(token string) {
		payload, err := auth.VerifyAccessToken(context.Background(), token)
		switch {
		case errors.Is(err, cognito.ErrUnavailable):
			fmt.Println("try again later")
		case err != nil:
			fmt.Println("refused:", err)
		default:
			fmt.Println("welcome", payload.Username())
		}
	}
	receive(pool.AccessToken("", "alice", nil))
	receive(pool.AccessToken("", "alice", map[string]any{"client_id": "another"}))
	receive(pool.IDToken("", "alice", nil))
	// Output:
	// welcome alice
	// refused: cognito: invalid_token: access token: token was issued to another client: client_id is "another", neither ClientID nor in BearerClientIDs; to accept its tokens, add it to BearerClientIDs
	// refused: cognito: invalid_token: access token: token is of the wrong kind: token_use is not "access"
}

// AccessToken is for calling another API on behalf of the user. The token is never
// expired.
func ExampleAccessToken() {
	config, pool := exampleConfig()
	defer pool.Close()

	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/orders", cognito.RequireUser(), func(c *fiber.Ctx) error {
		token, err := cognito.AccessToken(c)
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(c.UserContext(), "GET", "https://orders.example.com/", nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		return c.SendString(fmt.Sprintf("a token of %d parts", strings.Count(token, ".")+1))
	})
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/orders", pool.SignIn(app, "alice")...))
	// Output: a token of 3 parts
}

// OnLogin saves users in the app's own database, or refuses them. Visitors see the
// message of a fiber.Error.
func ExampleConfig_onLogin() {
	config, pool := exampleConfig()
	defer pool.Close()

	known := map[string]string{} // by subject: names and e-mail addresses change
	config.OnLogin = func(_ *fiber.Ctx, user *cognito.User) error {
		if !user.EmailVerified() {
			return fiber.NewError(fiber.StatusForbidden, "Please confirm your e-mail address first.")
		}
		known[user.Subject()] = user.Email()
		return nil
	}
	app := fiber.New()
	app.Use(cognito.New(config))
	defer func() { _ = app.Shutdown() }()

	pool.SignIn(app, "alice")
	for _, email := range known {
		fmt.Println(email)
	}
	// Output: alice@example.com
}

// OnEvent counts events. Without it, events are written to the Logger.
func ExampleConfig_onEvent() {
	config, pool := exampleConfig()
	defer pool.Close()

	config.OnEvent = func(e cognito.Event) { fmt.Printf("%s ok=%t %q\n", e.Kind, e.OK, e.Reason) }
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("all users") })
	defer func() { _ = app.Shutdown() }()

	bob := pool.SignIn(app, "bob")
	show(app, visit("/admin", bob...))
	// Output:
	// login ok=true ""
	// refuse ok=false "forbidden"
	// 403 Forbidden
}

// Context has what earlier handlers have put into the request's context, such as a
// trace, for the line in the audit log.
func ExampleEvent_Context() {
	config, pool := exampleConfig()
	defer pool.Close()

	type traceKey struct{}
	config.OnEvent = func(e cognito.Event) { fmt.Println(e.Kind, e.Path, e.Context().Value(traceKey{})) }
	app := fiber.New()
	app.Use(func(c *fiber.Ctx) error {
		c.SetUserContext(context.WithValue(c.UserContext(), traceKey{}, "trace 7"))
		return c.Next()
	})
	app.Use(cognito.New(config))
	app.Get("/account", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("yours") })
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/account"))
	// Output:
	// refuse /account trace 7
	// 401 Unauthorized
}

// Two pools in one app have different paths, and you choose one by calling its
// guards. Their cookies and users are never confused.
func Example_twoPools() {
	customersConfig, customersPool := exampleConfig()
	defer customersPool.Close()
	staffConfig, staffPool := exampleConfig()
	defer staffPool.Close()

	staffConfig.LoginPath, staffConfig.RedirectPath = "/staff/login", "/staff/login/redirect"
	staffConfig.LogoutPath, staffConfig.RefreshPath = "/staff/logout", "/staff/token/refresh"
	staffConfig.CookieName = "staff"
	staffPool.SetClient(cognitotest.Client{ID: staffConfig.ClientID, CallbackURLs: []string{"http://localhost:8021/staff/login/redirect"}})
	customers, err := cognito.NewAuth(customersConfig)
	if err != nil {
		fmt.Println(err)
		return
	}
	staff, err := cognito.NewAuth(staffConfig)
	if err != nil {
		fmt.Println(err)
		return
	}

	app := fiber.New()
	app.Use(customers.Handler(), staff.Handler())
	app.Get("/shop", customers.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString("customer " + customers.UserFrom(c).Username())
	})
	app.Get("/staff/orders", staff.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString("employee " + staff.UserFrom(c).Username())
	})
	defer func() { _ = app.Shutdown() }()

	alice, bob := customersPool.SignIn(app, "alice"), staffPool.SignIn(app, "bob", "/staff/login")
	show(app, visit("/shop", alice...))
	show(app, visit("/staff/orders", alice...))
	show(app, visit("/staff/orders", bob...))
	// Output:
	// customer alice
	// 401 Unauthorized
	// employee bob
}

// Under a group or in a sub-app, the paths are still full paths.
func Example_subApp() {
	config, pool := exampleConfig()
	defer pool.Close()

	config.LoginPath, config.RedirectPath = "/shop/login", "/shop/login/redirect"
	config.LogoutPath, config.RefreshPath = "/shop/logout", "/shop/token/refresh"
	config.AfterLogin, config.AfterLogout = "/shop/account", "/shop/goodbye"
	pool.SetClient(cognitotest.Client{ID: config.ClientID, CallbackURLs: []string{"http://localhost:8021/shop/login/redirect"}})

	shop := fiber.New()
	shop.Use(cognito.New(config))
	shop.Get("/account", cognito.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString("hello " + cognito.UserFrom(c).Username())
	})
	app := fiber.New()
	app.Mount("/shop", shop)
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/shop/account", pool.SignIn(app, "alice", "/shop/login")...))
	// Output: hello alice
}
