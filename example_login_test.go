package cognito_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// A link to Cognito's sign-up page, and one that asks for the password again.
func ExampleAuth_LoginURL() {
	config, pool := exampleConfig()
	defer pool.Close()
	auth, err := cognito.NewAuth(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close() }()
	fmt.Println(auth.LoginURL(cognito.LoginOptions{Screen: "signup", ReturnTo: "/welcome"}))
	fmt.Println(auth.LoginURL(cognito.LoginOptions{Prompt: "login", MaxAge: 5 * time.Minute}))
	// Output:
	// /login?return_to=%2Fwelcome&screen=signup
	// /login?max_age=300&prompt=login
}

// A handler that sends visitors to sign in with the e-mail address that they have typed.
func ExampleAuth_Login() {
	config, pool := exampleConfig()
	defer pool.Close()
	auth, err := cognito.NewAuth(config)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = auth.Close() }()
	app := fiber.New()
	app.Use(auth.Handler())
	app.Get("/start", func(c *fiber.Ctx) error {
		return auth.Login(c, cognito.LoginOptions{LoginHint: c.Query("email"), ReturnTo: "/account"})
	})
	response, err := app.Test(visit("/start?email=alice@example.com"), -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	to, _ := response.Location()
	fmt.Println(response.StatusCode == http.StatusFound, to.Query().Get("login_hint"))
	// Output: true alice@example.com
}

// A page for users who have signed in with a second factor.
func ExampleRequireMFA() {
	config, pool := exampleConfig()
	defer pool.Close()
	app := fiber.New()
	app.Use(cognito.New(config))
	app.Get("/payments", cognito.RequireMFA(), func(c *fiber.Ctx) error { return c.SendString("your payments") })
	// Other users are sent to Cognito, with acr_values, and come back.
}
