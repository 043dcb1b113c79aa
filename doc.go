// Package cognito signs visitors of a Fiber app in with an Amazon Cognito user
// pool, keeps them signed in, and signs them out for good.
//
//	app.Use(cognito.New(cognito.Config{
//		UserPoolDomain: "https://auth.example.com",
//		ClientID:       "1example23456789",
//		UserPoolID:     "eu-west-2_AbCdEfGhI",
//	}))
//	app.Get("/", func(c *fiber.Ctx) error { return c.JSON(c.Locals("user")) })
//
// # The journey
//
//  1. A visitor opens LoginPath, or a page behind [RequireUser]. An attempt is
//     noted and the browser sent to Cognito with a PKCE challenge.
//  2. Cognito sends the browser back to RedirectPath. The answer is matched to
//     the attempt, the code traded for tokens, the tokens verified, and a session
//     begun under a new id.
//  3. On every request the cookie leads to the session, and [UserFrom] and
//     [PayloadFrom] say who is there. Programs bring an access token instead.
//     Guards decide who may.
//  4. Before the tokens lapse they are renewed in the background.
//  5. The visitor opens LogoutPath. The session ends here, then its refresh
//     token, then Cognito's own session.
//
// # What you may rely on
//
// The middleware lets every request pass; guards refuse. Three outcomes are
// kept apart everywhere: somebody is signed in, nobody is, and it cannot be
// known. Only the second ever clears a cookie or sends a visitor to log in:
// while the storage or Cognito is down, guards answer 503 and nobody is signed
// out. Values are immutable and shared; nothing here keeps a string of a
// [fiber.Ctx] beyond its request.
package cognito
