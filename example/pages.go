package main

import (
	"bytes"
	_ "embed" // the page, its style and its icon are compiled in
	"errors"
	"html/template"
	"log/slog"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS []byte

//go:embed icon.svg
var icon []byte

var page = template.Must(template.New("page").Parse(pageHTML))

// newApp is the app. Everything about logging in is the one line with
// auth.Handler; the handlers below only ask who is there.
func newApp(auth *cognito.Auth, s settings) *fiber.App {
	app := fiber.New(fiber.Config{
		DisableStartupMessage: true,
		// Fiber's default of 4 KB for all headers of a request is less than
		// Cognito's tokens, when they come as a bearer token, can need.
		ReadBufferSize: 16 << 10,
		// Browsers open spare connections, and a shutdown waits for their first
		// request as long as this.
		ReadTimeout: 5 * time.Second,
		IdleTimeout: time.Minute,
	})
	app.Use(protect(poolOrigin(s.config.UserPoolDomain)))

	// Public files stand above the middleware: who asks does not matter.
	app.Get("/page.css", file("text/css; charset=utf-8", pageCSS))
	app.Get("/icon.svg", file("image/svg+xml", icon))
	app.Get("/favicon.ico", file("image/svg+xml", icon)) // asked for by pages that name no icon, such as /me

	app.Use(auth.Handler())
	app.Get("/", home(s.local))
	app.Get("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(cognito.UserFrom(c)) })
	app.Get("/payload", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(cognito.PayloadFrom(c)) })
	return app
}

// home shows who is signed in.
func home(local bool) fiber.Handler {
	return func(c *fiber.Ctx) error {
		var body bytes.Buffer
		err := page.Execute(&body, map[string]any{
			"User":  cognito.UserFrom(c), // nil when nobody is signed in
			"Down":  errors.Is(cognito.Err(c), cognito.ErrUnavailable),
			"Local": local,
		})
		if err != nil {
			slog.Error("example: the page failed", "error", err)
			return fiber.ErrInternalServerError
		}
		c.Type("html", "utf-8")
		return c.Send(body.Bytes())
	}
}

// protect tells browsers to run no scripts, to let nobody frame the app, and
// to send forms nowhere but here. The pool is named as well, because the form
// that logs out is redirected there, and browsers hold the whole way to it.
func protect(pool string) fiber.Handler {
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; " +
		"frame-ancestors 'none'; form-action 'self' " + pool
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentSecurityPolicy, policy)
		c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
		c.Set(fiber.HeaderReferrerPolicy, "same-origin")
		return c.Next()
	}
}

func file(contentType string, content []byte) fiber.Handler {
	return func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, contentType)
		c.Set(fiber.HeaderCacheControl, "max-age=300")
		return c.Send(content)
	}
}
