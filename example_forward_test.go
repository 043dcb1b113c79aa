package cognito_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// A page calls /api/orders with its cookie; the API gets the user's access token.
func ExampleAuth_Forward() {
	config, pool := exampleConfig()
	defer pool.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, ", token: ", strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "), ", cookies: ", len(r.Cookies()))
	}))
	defer api.Close()

	auth, err := cognito.NewAuth(config)
	if err != nil {
		panic(err)
	}
	app := fiber.New()
	app.Use(auth.Handler())
	app.All("/api/*", auth.Forward(api.URL+"/v1"))
	defer func() { _ = app.Shutdown() }()

	show(app, visit("/api/orders"))
	show(app, visit("/api/orders", pool.SignIn(app, "alice")...))
	// Output:
	// 401 Unauthorized
	// /v1/orders, token: true, cookies: 0
}
