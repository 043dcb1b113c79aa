package stage

import (
	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

func serveV2(s *Scene, settings Settings) string {
	s.Helper()
	config := s.Pool.Config()
	config.UserPoolDomain, config.Issuer, config.BaseURL, config.HTTPClient = s.Auth, s.issuer(), s.App, s.client
	config.Keys = []string{"bHcUQ5TTvTNVTYXnTqC2S3mHc0vXz1pE"} // the same for all instances
	config.Storage, config.Logger = settings.Storage, s.logger()
	auth, err := cognito.NewAuth(config)
	if err != nil {
		s.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(func(c *fiber.Ctx) error {
		if settings.Asked != nil {
			settings.Asked()
		}
		return c.Next()
	})
	app.Use(auth.Handler())
	s.routeV2(app)
	listener := s.listen()
	s.run(func() error { return app.Listener(listener) }, app.ShutdownWithContext, auth.Close)
	return listener.Addr().String()
}

func (s *Scene) routeV2(app *fiber.App) {
	show := func(title, more string) fiber.Handler {
		return func(c *fiber.Ctx) error {
			return c.Type("html").SendString(s.page(title, emailOf(cognito.UserFrom(c)), more))
		}
	}
	app.Get("/", show("Home", ""))
	app.Get("/me", cognito.RequireUser(), show("My page", ""))
	app.Post("/me", cognito.RequireUser(), func(c *fiber.Ctx) error {
		s.changes.Add(1)
		return show("Changed", "")(c)
	})
	app.Get("/quiet", func(c *fiber.Ctx) error {
		c.Set("Referrer-Policy", "no-referrer")
		return show("Quiet", "")(c)
	})
	app.Get("/kept", cognito.RequireUser(), func(c *fiber.Ctx) error {
		c.Set("Cache-Control", "no-cache")
		return show("Kept", reviver)(c)
	})
	app.Get("/worker.js", func(c *fiber.Ctx) error { return c.Type("js").SendString(worker) })
}
