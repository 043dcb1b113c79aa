package cognito_test

import (
	"fmt"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// One pool per host, with the same paths. For each request exactly one middleware runs,
// also if a stranger sends another host, and guards use the one that runs.
func ExampleConfig_next() {
	shop, shopPool := exampleConfig()
	defer shopPool.Close()
	staff, staffPool := exampleConfig()
	defer staffPool.Close()

	isShop := func(c *fiber.Ctx) bool { return string(c.Request().Host()) == "localhost:8021" }
	shop.BaseURL, shop.Next = "http://localhost:8021", func(c *fiber.Ctx) bool { return !isShop(c) }
	staff.BaseURL, staff.Next = "http://127.0.0.1:8021", isShop

	app := fiber.New()
	app.Use(cognito.New(shop), cognito.New(staff))
	app.Get("/orders", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("yours") })
	defer func() { _ = app.Shutdown() }()

	for _, host := range []string{"localhost:8021", "127.0.0.1:8021"} {
		request := visit("/login")
		request.Host = host
		response, err := app.Test(request, -1)
		if err != nil {
			fmt.Println(err)
			return
		}
		login, _ := response.Location()
		fmt.Println(login.Query().Get("redirect_uri"))
	}
	// Output:
	// http://localhost:8021/login/redirect
	// http://127.0.0.1:8021/login/redirect
}

// OnLogin describes the session, for a page that lists the user's sessions.
func ExampleDescribeSession() {
	config, pool := exampleConfig()
	defer pool.Close()
	config.OnLogin = func(c *fiber.Ctx, _ *cognito.User) error {
		cognito.DescribeSession(c, "a browser at "+c.Get("X-City", "home"))
		return nil
	}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	app := fiber.New()
	app.Use(auth.Handler())
	app.Get("/sessions", auth.RequireUser(), func(c *fiber.Ctx) error {
		sessions, err := auth.Sessions(c.UserContext(), auth.UserFrom(c).Subject())
		if err != nil {
			return err
		}
		return c.SendString(sessions[0].Description)
	})
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/sessions", pool.SignIn(app, "alice")...))
	// Output: a browser at home
}
