package cognito_test

import (
	"fmt"
	"net/http"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
)

// A private app: after the guard, everybody is signed in. A visitor of a page is sent to
// sign in and comes back; a script gets a 401.
func ExampleRequireUser() {
	config, pool := exampleConfig()
	defer pool.Close()
	app := fiber.New()
	app.Get("/imprint", func(c *fiber.Ctx) error { return c.SendString("public") }) // before the guard
	app.Use(cognito.New(config))
	app.Use(cognito.RequireUser())
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("hello " + cognito.UserFrom(c).Name()) })
	defer func() { _ = app.Shutdown() }()

	page := visit("/")
	page.Header.Set("Accept", "text/html")
	response, err := app.Test(page, -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.StatusCode, response.Header.Get("Location"))
	show(app, visit("/imprint"))
	show(app, visit("/"))
	show(app, visit("/", pool.SignIn(app, "alice")...))
	// Output:
	// 302 /login
	// public
	// 401 Unauthorized
	// hello Alice Liddell
}

// A single-page app on its own origin, on the same site as its API. It may send unsafe
// requests with the session cookie; no other origin may.
func ExampleConfig_allowedOrigins() {
	config, pool := exampleConfig()
	defer pool.Close()
	config.BaseURL = "http://localhost:8021"
	config.AllowedOrigins = []string{"http://localhost:3000"}
	app := fiber.New()
	app.Use(cors.New(cors.Config{AllowOrigins: "http://localhost:3000", AllowCredentials: true})) // before this middleware
	app.Use(cognito.New(config))
	app.Post("/orders", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("ordered") })
	defer func() { _ = app.Shutdown() }()

	alice := pool.SignIn(app, "alice")
	for _, origin := range []string{"http://localhost:3000", "https://evil.example"} {
		order := visit("/orders", alice...)
		order.Method = http.MethodPost
		order.Header.Set("Origin", origin)
		show(app, order)
	}
	// Output:
	// ordered
	// 403 Forbidden
}
