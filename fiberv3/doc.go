// Package cognito is github.com/bar-tech/cognito for Fiber v3: the same names, the
// same settings and the same promises, with a fiber.Ctx in place of a *fiber.Ctx.
//
//	app.Use(cognito.New(cognito.Config{
//		UserPoolDomain: "https://auth.example.com",
//		ClientID:       "1example23456789",
//		UserPoolID:     "eu-west-2_AbCdEfGhI",
//	}))
//	app.Get("/", func(c fiber.Ctx) error { return c.JSON(c.Locals("user")) })
//
// The other files are generated from the face for Fiber v2, and both stand on one
// engine.
//
// It is tested with Fiber v3.1.0. What later releases brought is untested: from
// 3.4 on, an app with SkipUnmatchedRoutes answers 404 to a path without a route
// before any middleware runs, and [Auth.Register] gives this package's four paths
// routes of their own; that it does is tested, the setting itself is not.
package cognito

//go:generate go run ./generate
