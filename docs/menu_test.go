package docs_test

import (
	"html/template"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// TestUserMenu draws the menu of the manual for a user with a name, for one without and
// for a stranger: a template that asks for the name takes the second for the third.
func TestUserMenu(t *testing.T) {
	block := regexp.MustCompile("(?s)```html\n(.*?)```").FindStringSubmatch(readFile(t, "examples.md"))
	if block == nil {
		t.Fatal("there is no menu in examples.md")
	}
	menu := template.Must(template.New("menu").Parse(block[1]))
	pool := cognitotest.New(cognitotest.Options{Users: []cognitotest.User{
		{Username: "alice", Password: "wonderland", Name: "Alice Liddell"}, {Username: "nameless", Password: "nobody knows"},
	}})
	t.Cleanup(pool.Close)
	for shows, middleware := range map[string]fiber.Handler{
		"Alice Liddell": pool.As("alice"), "nameless": pool.As("nameless"), "Sign up": cognito.New(pool.Config()),
	} {
		app := fiber.New()
		app.Use(middleware)
		app.Get("/", func(c *fiber.Ctx) error {
			return menu.Execute(c, fiber.Map{"User": cognito.UserFrom(c)})
		})
		response, err := app.Test(httptest.NewRequest("GET", "/", nil), -1)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		if stranger := shows == "Sign up"; !strings.Contains(string(text), shows) || strings.Contains(string(text), "Sign in") != stranger || strings.Contains(string(text), "Sign out") == stranger {
			t.Errorf("where it is to show %s, it shows %s", shows, text)
		}
	}
}
