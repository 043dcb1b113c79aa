package cognitotest_test

import (
	"fmt"
	"net/url"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// A pool is ready when New returns, with a client and two users.
func ExampleNew() {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()

	config := pool.Config()
	fmt.Println(config.ClientID)
	fmt.Println(config.UserPoolID)
	// Output:
	// 1example23456789
	// us-east-1_TestPool1
}

// Browser.Login does what a person does: it opens a page of the application, is
// led to the pool, fills in the form and comes back.
func ExampleBrowser_Login() {
	pool := cognitotest.New(cognitotest.Options{Users: []cognitotest.User{
		{Username: "carol", Password: "secret"},
	}})
	defer pool.Close()

	// Where an application on a phone would send its visitor:
	pool.AllowOrigin("myapp://phone")
	start := pool.URL() + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"},
		"client_id":     {"1example23456789"},
		"redirect_uri":  {"myapp://phone/login/redirect"},
		"state":         {"xyz"},
	}.Encode()

	page := pool.NewBrowser().Login(start, "carol", "wrong")
	fmt.Println(page.URL.Path)
	page = pool.NewBrowser().Login(start, "carol", "secret")
	fmt.Println(page.URL.Path, page.URL.Query().Get("state"))
	// Output:
	// /login
	// /login/redirect xyz
}

// A Fault makes an endpoint fail: here the keys cannot be fetched, once.
func ExamplePool_Break() {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()

	pool.Break(cognitotest.JWKS, cognitotest.Fault{Times: 1, Status: 503})
	b := pool.NewBrowser()
	for range 2 {
		fmt.Println(b.Get(pool.Issuer() + "/.well-known/jwks.json").Status)
	}
	fmt.Println("asked", pool.Calls(cognitotest.JWKS), "times")
	// Output:
	// 503
	// 200
	// asked 2 times
}

// Advance makes tokens expire without waiting.
func ExamplePool_Advance() {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()

	before := pool.Now()
	pool.Advance(24 * time.Hour)
	fmt.Println(pool.Now().Sub(before).Round(time.Hour))
	// Output: 24h0m0s
}

// SignIn gives a handler test a signed-in visitor. The application here
// is a stand-in for one that uses the middleware.
func ExamplePool_SignIn() {
	pool := cognitotest.New(cognitotest.Options{})
	defer pool.Close()

	app := fiber.New()
	app.Get("/login", func(c *fiber.Ctx) error {
		return c.Redirect(pool.URL() + "/oauth2/authorize?response_type=code" +
			"&client_id=1example23456789&redirect_uri=http://localhost:8021/login/redirect")
	})
	app.Get("/login/redirect", func(c *fiber.Ctx) error {
		c.Cookie(&fiber.Cookie{Name: "session", Value: "alice's"})
		return c.Redirect("/")
	})

	for _, cookie := range pool.SignIn(app, "alice") {
		fmt.Println(cookie.Name)
	}
	// Output: session
}
