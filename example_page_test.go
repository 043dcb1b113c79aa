package cognito_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// An app that renders its own error pages does so in its ErrorHandler. They say no more
// than the built-in pages, and the reference leads to the cause in the log.
func ExamplePageOf() {
	config, pool := exampleConfig()
	defer pool.Close()
	config.AppName = "Acme"
	config.ErrorHandler = func(_ *fiber.Ctx, err error) error {
		page := cognito.PageOf(err)
		fmt.Println(page.Status, page.Title)
		for _, way := range page.Ways {
			fmt.Printf("%s: %s\n", way.Label, way.Link)
		}
		return nil // the app would render the page here
	}
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("hello") })
	defer func() { _ = app.Shutdown() }()

	_, _ = app.Test(visit("/admin", pool.SignIn(app, "bob")...), -1)
	// Output:
	// 403 Not allowed
	// Back to Acme: /
	// Sign in as someone else: /login?prompt=login&return_to=%2Fadmin
}

// Your own ErrorHandler can leave errors to the default one.
func ExampleDefaultErrorHandler() {
	config, pool := exampleConfig()
	defer pool.Close()
	config.ErrorHandler = func(c *fiber.Ctx, err error) error {
		if errors.Is(err, cognito.ErrForbidden) {
			return c.SendString("ask an admin to let you in")
		}
		return cognito.DefaultErrorHandler(c, err)
	}
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("hello") })
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/admin", pool.SignIn(app, "bob")...))
	show(app, visit("/admin"))
	// Output:
	// ask an admin to let you in
	// 401 Unauthorized
}

// A script that is refused is told where to sign in, and when to try again.
func ExampleError() {
	config, pool := exampleConfig()
	defer pool.Close()
	config.ErrorHandler = func(c *fiber.Ctx, err error) error {
		var refused *cognito.Error
		if errors.As(err, &refused) && refused.LoginURL() != "" {
			return c.SendString("sign in at " + refused.LoginURL())
		}
		return cognito.DefaultErrorHandler(c, err)
	}
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("hello") })
	defer func() { _ = app.Shutdown() }()

	request, _ := http.NewRequest("GET", "http://localhost:8021/me", nil)
	request.Header.Set("Accept", "application/json")
	show(app, request)
	// Output: sign in at /login
}
