// Pages is an app that draws every page itself, in its own look and the visitor's
// language: also those of the middleware, such as "Not allowed". error.go is how,
// words.go has the German for it, and views the look.
//
//	go run ./examples/pages
//
// starts it at http://localhost:8023 with a user pool of its own. Sign in as alice /
// wonderland or as bob / builder, who is no admin, with a browser that prefers English
// or German.
package main

import (
	"embed"
	"io/fs"
	"log"
	"net/http"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/template/html/v2"
)

//go:embed views
var files embed.FS

func main() {
	pool := cognitotest.New(cognitotest.Options{ShowUsers: true, Users: []cognitotest.User{
		{Username: "alice", Password: "wonderland", Name: "Alice Liddell", Email: "alice@example.com", Groups: []string{"admin"}},
		{Username: "bob", Password: "builder", Name: "Bob Builder", Email: "bob@example.com"},
	}})
	defer pool.Close()
	pool.AllowOrigin("http://localhost:8023")
	app, err := newApp(pool.Config())
	if err != nil {
		log.Fatal(err)
	}
	log.Print("open http://localhost:8023 and sign in as alice, password wonderland")
	log.Fatal(app.Listen("localhost:8023"))
}

func newApp(config cognito.Config) (*fiber.App, error) {
	views, err := fs.Sub(files, "views")
	if err != nil {
		return nil, err
	}
	config.AppName = "Acme"
	config.ErrorHandler = drawError
	auth, err := cognito.NewAuth(config)
	if err != nil {
		return nil, err
	}
	app := fiber.New(fiber.Config{
		Views:        html.NewFileSystem(http.FS(views), ".html"),
		ErrorHandler: drawError, // what handlers return, and addresses that lead nowhere

		DisableStartupMessage: true, // it names 127.0.0.1, which the pool does not know
	})
	app.Get("/style.css", func(c *fiber.Ctx) error {
		style, err := fs.ReadFile(views, "style.css")
		if err != nil {
			return err
		}
		return c.Type("css").Send(style)
	})
	app.Use(auth.Handler())
	app.Get("/", func(c *fiber.Ctx) error {
		return c.Render("home", fiber.Map{"Lang": languageOf(c), "User": auth.UserFrom(c)})
	})
	app.Get("/admin", auth.RequireGroup("admin"), func(c *fiber.Ctx) error {
		return c.SendString("Hello " + auth.UserFrom(c).Name())
	})
	app.Get("/broken", func(*fiber.Ctx) error { return fs.ErrNotExist })
	return app, nil
}
