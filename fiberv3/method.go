package cognito

import "github.com/gofiber/fiber/v3"

// methodOf is a request's method, which other middleware may have rewritten. Fiber panics
// when it is asked for one that the app does not serve. It routes no such request, but if
// it cannot read the body either, it calls the app's error handler. Nothing recovers
// there, so one request of a stranger would end the process.
func methodOf(c fiber.Ctx) string {
	if c.IsMiddleware() || c.Matched() { // it was routed
		return c.Method()
	}
	return string(c.RequestCtx().Method())
}
