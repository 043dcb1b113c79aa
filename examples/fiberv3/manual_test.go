package main

import (
	"os"
	"strings"
	"testing"
	"time"

	cognito "github.com/bar-tech/cognito/fiberv3"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/extractors"
	"github.com/gofiber/fiber/v3/middleware/cors"
	"github.com/gofiber/fiber/v3/middleware/healthcheck"
	"github.com/gofiber/fiber/v3/middleware/session"
	"github.com/gofiber/fiber/v3/middleware/static"
	"github.com/gofiber/fiber/v3/middleware/timeout"
)

// What docs/examples.md says of calls that differ in Fiber v3, so that it compiles. The manual's
// other Go is for v2.
var (
	_ = session.NewStore(session.Config{Extractor: extractors.FromCookie("cart")})
	_ = cors.Config{AllowOrigins: []string{"https://app.example.com"}}
	_ = func(app *fiber.App, config cognito.Config) {
		app.Use("/*", cognito.New(config))
		app.Use("/*", cognito.RequireUser())
		app.Use("/assets", static.New("./assets"))
		app.Get(healthcheck.LivenessEndpoint, healthcheck.New())
		app.Get(healthcheck.ReadinessEndpoint, healthcheck.New())
		_, _ = app.Test(nil, fiber.TestConfig{})
	}
	_ = func(handler fiber.Handler, limit time.Duration) fiber.Handler {
		return timeout.New(handler, timeout.Config{Timeout: limit})
	}
	_ = func(c fiber.Ctx, address string) error {
		_ = c.Context()
		return c.Redirect().To(address)
	}
)

// TestManualOfFiberV3: the manual has the calls above, to the letter.
func TestManualOfFiberV3(t *testing.T) {
	texts := map[string]string{}
	for _, name := range []string{"manual_test.go", "../../docs/examples.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	_, table, found := strings.Cut(texts["../../docs/examples.md"], "\n## With Fiber v3\n")
	if !found {
		t.Fatal("examples.md has no section about Fiber v3")
	}
	compiled := strings.NewReplacer("app.Test(nil,", "app.Test(request,").Replace(texts["manual_test.go"])
	rows := 0
	for _, row := range strings.Split(table, "\n| `")[1:] {
		cells := strings.Split(row, "`")
		if call := cells[2]; !strings.Contains(compiled, call) {
			t.Errorf("the manual's %s is compiled nowhere", call)
		}
		rows++
	}
	if rows < 8 {
		t.Errorf("the table has %d rows", rows)
	}
}
