package cognito_test

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// A page's script asks who is signed in, as often as it likes, without keeping the
// session alive. If nobody is signed in, the response says where to sign in.
func ExampleConfig_userPath() {
	config, pool := exampleConfig()
	defer pool.Close()
	config.UserPath = "/session"
	app := fiber.New()
	app.Use(cognito.New(config))
	defer func() { _ = app.Shutdown() }()

	for _, request := range []*http.Request{visit("/session"), visit("/session", pool.SignIn(app, "bob")...)} {
		response, err := app.Test(request, -1)
		if err != nil {
			fmt.Println(err)
			return
		}
		var who struct {
			User *struct {
				Email string `json:"email"`
			} `json:"user"`
			LoginURL string `json:"login_url"`
		}
		if err := json.NewDecoder(response.Body).Decode(&who); err != nil {
			fmt.Println(err)
			return
		}
		if who.User == nil {
			fmt.Println("a stranger, who may sign in at", who.LoginURL)
		} else {
			fmt.Println(who.User.Email)
		}
	}
	// Output:
	// a stranger, who may sign in at /login
	// bob@example.com
}

// An API that AI agents discover and use on their own. Their clients are not known when
// it is deployed, and their tokens are bound to it.
func ExampleConfig_agents() {
	config, pool := exampleConfig()
	defer pool.Close()
	config.Bearer, config.BearerClientIDs = true, []string{"*"}
	config.BaseURL, config.Audience = "http://localhost:8021", "http://localhost:8021/mcp"
	app := fiber.New()
	app.Use(cognito.New(config))
	defer func() { _ = app.Shutdown() }()
	app.Get("/mcp", cognito.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString("hello " + cognito.UserFrom(c).Username())
	})

	response, err := app.Test(visit("/mcp"), -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.StatusCode, response.Header.Get("WWW-Authenticate"))

	request := visit("/mcp")
	pool.Authorize(request, "alice", map[string]any{"client_id": "registered-today", "aud": "http://localhost:8021/mcp"})
	show(app, request)
	// Output:
	// 401 Bearer resource_metadata="http://localhost:8021/.well-known/oauth-protected-resource/mcp"
	// hello alice
}
