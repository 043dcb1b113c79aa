package cognito

import (
	"slices"

	"github.com/gofiber/fiber/v3"
)

// reportPassedBy finds an app in which requests get past the middleware. Fiber v3 calls what
// is registered without a path only for targets that begin with a slash, and a route for "/*"
// for any target, such as that of "GET admin HTTP/1.1". So neither the middleware nor a guard
// would see that request, and a file server takes it for "/admin".
func (a *Auth) reportPassedBy(app *fiber.App, mounted string) {
	if mounted != "/" || !slices.ContainsFunc(app.GetRoutes(), func(r fiber.Route) bool { return r.Path == "/*" }) {
		return
	}
	a.config.Logger.Warn("cognito: requests whose target does not begin with a slash get past the middleware and past guards",
		"remedy", `register the middleware, and guards for the whole app, with the path: app.Use("/*", ...)`)
}
