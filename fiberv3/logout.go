// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import "github.com/gofiber/fiber/v3"

// Logout ends the session and redirects the browser to Cognito's logout
// endpoint, and from there to AfterLogout. A script that
// accepts JSON gets the address instead: see [Config.LogoutPath]. It does what LogoutPath does, for a
// handler with its own route, but it does not check where the request comes
// from. So the route needs a guard, such as [RequireUser], and a POST: otherwise
// another site's form or link signs visitors out. It may be called when nobody is
// signed in.
//
// When Logout returns, every instance refuses the session's cookie. With
// [Config.CookieSessions], only this instance does: others accept a copy of it
// until its tokens expire. If the storage cannot be reached, the cookie is deleted
// nevertheless, and ending the session is tried again in the background.
func (a *Auth) Logout(c fiber.Ctx) error { return a.LogoutTo(c, "") }

// LogoutTo is [Auth.Logout] with another path of the app to end at, with an optional
// query and fragment. Cognito redirects the visitor to AfterLogout, which is registered
// there, and the middleware redirects them from there. Anything that is not a path of
// this app is ignored.
func (a *Auth) LogoutTo(c fiber.Ctx, path string) error {
	return hideCause(a.engine.Logout(requestOf(c), path))
}
