package cognito_test

import (
	"fmt"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// A readiness probe that knows whether logins can work.
func ExampleAuth_Check() {
	config, pool := exampleConfig()
	defer pool.Close()
	auth, err := cognito.NewAuth(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close() }()
	app := fiber.New()
	app.Get("/ready", func(c *fiber.Ctx) error {
		found, err := auth.Check(c.UserContext())
		if err != nil || (len(found) > 0 && found[0].Breaks) { // findings that break something come first
			return c.SendStatus(fiber.StatusServiceUnavailable)
		}
		return c.SendString("ready")
	})
}
