package stage

import (
	cognito "github.com/bar-tech/cognito/fiberv3"
	"github.com/gofiber/fiber/v3"
)

func serveV3(s *Scene, _ Settings) string {
	s.Helper()
	auth, err := cognito.NewAuth(cognito.Config{
		UserPoolDomain: s.Auth, ClientID: s.Pool.Config().ClientID, UserPoolID: s.Pool.UserPoolID(), Issuer: s.issuer(),
		BaseURL: s.App, HTTPClient: s.client, Now: s.Pool.Now, Logger: s.logger(),
	})
	if err != nil {
		s.Fatal(err)
	}
	app := fiber.New()
	app.Use("/*", auth.Handler())
	s.routeV3(app)
	listener := s.listen()
	quiet := fiber.ListenConfig{DisableStartupMessage: true}
	s.run(func() error { return app.Listener(listener, quiet) }, app.ShutdownWithContext, auth.Close)
	return listener.Addr().String()
}

func (s *Scene) routeV3(app *fiber.App) {
	show := func(title, more string) fiber.Handler {
		return func(c fiber.Ctx) error {
			return c.Type("html").SendString(s.page(title, emailOf(cognito.UserFrom(c)), more))
		}
	}
	app.Get("/", show("Home", ""))
	app.Get("/me", cognito.RequireUser(), show("My page", ""))
	app.Post("/me", cognito.RequireUser(), func(c fiber.Ctx) error {
		s.changes.Add(1)
		return show("Changed", "")(c)
	})
	app.Get("/worker.js", func(c fiber.Ctx) error { return c.Type("js").SendString(worker) })
}
