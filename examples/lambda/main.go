// Lambda is an app on AWS Lambda, behind an HTTP API of API Gateway (payload format
// 2.0), without a storage: sessions travel in their cookies, and nothing runs on after
// an answer, when Lambda freezes the process.
//
// Set COGNITO_USER_POOL_DOMAIN, COGNITO_CLIENT_ID, COGNITO_USER_POOL_ID and, for a
// confidential client, COGNITO_CLIENT_SECRET; BASE_URL to the API's own address, such
// as https://abc123.execute-api.eu-west-2.amazonaws.com; and COGNITO_KEYS to what
// "openssl rand -base64 32" prints, kept in a secret.
//
// Behind a REST API it is ProxyWithContext instead. Behind a load balancer it is
// httpadapter.NewALB(adaptor.FiberApp(app)), with the query parameters of the event
// unescaped first, since that adapter escapes them once more. main_test.go shows all
// three.
package main

import (
	"log"

	"github.com/aws/aws-lambda-go/lambda"
	fiberadapter "github.com/awslabs/aws-lambda-go-api-proxy/fiber"
	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

func main() {
	config, err := cognito.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	app, err := newApp(config)
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(fiberadapter.New(app).ProxyWithContextV2)
}

func newApp(config cognito.Config) (*fiber.App, error) {
	config.CookieSessions = true
	config.RenewInRequest = true
	auth, err := cognito.NewAuth(config)
	if err != nil {
		return nil, err
	}
	app := fiber.New()
	app.Use(auth.Handler())
	app.Get("/", func(c *fiber.Ctx) error { return c.JSON(c.Locals("user")) })
	app.Get("/me", auth.RequireUser(), func(c *fiber.Ctx) error { return c.JSON(auth.UserFrom(c)) })
	return app, nil
}
