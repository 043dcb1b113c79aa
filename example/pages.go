package main

import (
	"bytes"
	_ "embed" // the pages, their style, script and icon are compiled in
	"encoding/json"
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

//go:embed app.html
var appHTML []byte

//go:embed app.js
var appJS []byte

//go:embed icon.svg
var icon []byte

var page = template.Must(template.New("page").Parse(pageHTML))

// newApp is the app. Everything about signing in is the one line with
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
	app.Get("/app", file("text/html; charset=utf-8", appHTML))
	app.Get("/app.js", file("text/javascript; charset=utf-8", appJS))

	app.Use(auth.Handler())
	app.Get("/", home(s))
	app.Get("/admin", cognito.RequireGroup("admin"), admin(s))
	app.Get("/me", cognito.RequireUser(), me)
	app.Get("/api/me", cognito.RequireUser(), me)
	if s.listsSessions() {
		sessions{auth}.register(app)
	}
	app.Get("/payload", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(cognito.PayloadFrom(c)) })
	return app
}

// home shows who is signed in.
func home(s settings) fiber.Handler {
	return func(c *fiber.Ctx) error {
		return renderPage(c, page, map[string]any{
			"User":     cognito.UserFrom(c), // nil when nobody is signed in
			"Down":     errors.Is(cognito.Err(c), cognito.ErrUnavailable),
			"Local":    s.local,
			"Sessions": s.listsSessions(),
		})
	}
}

// admin relies on its guard: whoever gets here is in the group.
func admin(s settings) fiber.Handler {
	return func(c *fiber.Ctx) error {
		return renderPage(c, page, map[string]any{"Admin": true, "User": cognito.UserFrom(c), "Sessions": s.listsSessions()})
	}
}

func renderPage(c *fiber.Ctx, page *template.Template, data map[string]any) error {
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		slog.Error("example: the page failed", "error", err)
		return fiber.ErrInternalServerError
	}
	c.Type("html", "utf-8")
	return c.Send(body.Bytes())
}

// me answers with the user's claims, and with when the tokens must be renewed.
// The server renews those of a session by itself when the next request comes;
// a program that brings its own token has to get another one by then.
func me(c *fiber.Ctx) error {
	// Raw values, so that no number loses digits on the way.
	var claims map[string]json.RawMessage
	err := cognito.UserFrom(c).Decode(&claims)
	if err != nil {
		return err
	}
	claims["expires_at"], err = json.Marshal(cognito.PayloadFrom(c).ExpiresAt().UTC())
	if err != nil {
		return err
	}
	return c.JSON(claims)
}

// protect tells browsers to run no scripts but the app's own files, which may
// call nobody else, to let nobody frame the app, and to send forms nowhere but
// here. The pool is named as well, because the form that signs out is redirected
// there, and browsers hold the whole way to it.
func protect(pool string) fiber.Handler {
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'; form-action 'self' " + pool
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
