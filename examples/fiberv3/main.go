// Fiberv3 is a small app for Fiber v3 whose visitors sign in with a user pool in a
// box, so it needs no AWS account. From the root of the repository:
//
//	go run ./examples/fiberv3
//
// Then open http://localhost:8021 and sign in as alice, password wonderland, or as
// bob, password builder.
package main

import (
	"html"
	"log"

	cognito "github.com/bar-tech/cognito/fiberv3"
	"github.com/bar-tech/cognito/fiberv3/cognitotest"
	"github.com/gofiber/fiber/v3"
)

func main() {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()
	log.Print("open http://localhost:8021 and sign in as alice, password wonderland")
	// Fiber's own message names 127.0.0.1, which the pool does not know.
	log.Fatal(newApp(pool).Listen("localhost:8021", fiber.ListenConfig{DisableStartupMessage: true}))
}

func newApp(pool *cognitotest.Pool) *fiber.App {
	app := fiber.New()
	app.Use("/*", cognito.New(pool.Config()))
	app.Get("/", func(c fiber.Ctx) error {
		c.Type("html")
		user := cognito.UserFrom(c)
		if user == nil {
			return c.SendString(`<p>Nobody is signed in.</p><p><a href="/login">Sign in</a></p>`)
		}
		return c.SendString(`<p>Hello ` + html.EscapeString(user.Name()) + `.</p>` +
			`<p><a href="/account">What the pool says about you</a></p>` +
			`<form method="post" action="/logout"><button>Sign out</button></form>`)
	})
	app.Get("/account", cognito.RequireUser(), func(c fiber.Ctx) error { return c.JSON(c.Locals("user")) })
	return app
}
