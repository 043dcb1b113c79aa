// Bare is an app without this library, to measure how much a program grows by it.
package main

import "github.com/gofiber/fiber/v2"

func main() {
	app := fiber.New()
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("hi") })
	_ = app.Listen(":8021")
}
