// Ours is the app of ../bare with this library.
package main

import (
	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

func main() {
	app := fiber.New()
	app.Use(cognito.New(cognito.Config{UserPoolDomain: "https://a.example.com", ClientID: "abc", UserPoolID: "eu-west-2_tMeCEUTj8"}))
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("hi") })
	_ = app.Listen(":8021")
}
