// Package cognito signs visitors of a Fiber app in with an Amazon Cognito user
// pool, keeps them signed in, and signs them out completely.
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
//  1. A visitor opens LoginPath, or a page protected by [RequireUser]. The
//     login is recorded, and the browser is redirected to Cognito with a PKCE
//     challenge.
//  2. Cognito sends the browser back to RedirectPath. The callback is matched
//     to the login, the code is exchanged for tokens, the tokens are verified,
//     and a session begins with a new ID.
//  3. On every request, the cookie identifies the session, and [UserFrom] and
//     [PayloadFrom] return the user and the token's claims. Programs send an
//     access token instead. Guards decide who may go on.
//  4. Before the tokens expire, they are renewed in the background.
//  5. The visitor opens LogoutPath. The session ends first, then its refresh
//     token, then Cognito's own session.
//
// # Guarantees
//
// The middleware lets every request pass; guards refuse. Three states are kept
// apart everywhere: somebody is signed in, nobody is signed in, and it cannot
// be known. Only the second clears a cookie or sends a visitor to sign in.
// While the storage or Cognito is down, guards answer 503 and nobody is signed
// out. Values are immutable and shared. This package keeps no string of a
// [fiber.Ctx] beyond its request.
package cognito
