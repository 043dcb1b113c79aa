// Package cognito is github.com/bar-tech/cognito for Fiber v3: the same names, the
// same settings and the same guarantees, with a fiber.Ctx instead of a *fiber.Ctx.
//
//	app.Use("/*", cognito.New(cognito.Config{
//		UserPoolDomain: "https://auth.example.com",
//		ClientID:       "1example23456789",
//		UserPoolID:     "eu-west-2_AbCdEfGhI",
//	}))
//	app.Get("/", func(c fiber.Ctx) error { return c.JSON(c.Locals("user")) })
//
// The "/*" matters. Without a path, Fiber v3 calls a handler only for requests whose target
// begins with a slash, but an app's route for "/*" for all of them, such as
// "GET admin HTTP/1.1". So register guards for the whole app in the same way:
// app.Use("/*", cognito.RequireUser()).
//
// Almost all of it is generated from the package for Fiber v2, and both use the same
// engine.
//
// It is tested with Fiber v3.1.0, but not with features of later releases. From 3.4 on,
// an app with SkipUnmatchedRoutes answers 404 to a path without a route before any
// middleware runs. For such an app, call [Auth.Register], which adds routes for this
// package's own paths. Register is tested; the setting itself is not.
package cognito

//go:generate go run ./generate
