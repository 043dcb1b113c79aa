// Package userpool is an Amazon Cognito user pool that fits in a test.
//
// What net/http/httptest is to servers, this is to user pools: [New] starts a
// real HTTP server on the loopback interface that behaves like a pool with
// managed login. It is for the tests of the cognito package, for the tests of
// applications that use it, and for the example application, where people sign in
// on its page in a real browser.
//
//	pool := userpool.New(userpool.Options{})
//	defer pool.Close()
//
// It uses only the standard library, and works with applications in any framework
// or language. For Fiber applications, package cognitotest adds shortcuts.
//
// # A tour
//
//   - client.go holds the app clients, directory.go the users, and clock.go the time;
//   - authorize.go and login.go take a visitor to a code, page.go draws what
//     they see on the way, session.go remembers them for an hour;
//   - provider.go holds the identity providers, and identity.go their users;
//     federation.go leads a visitor there and back, providerpage.go is what they see,
//     and singlelogout.go signs them out;
//   - token.go, clientauth.go, codegrant.go and refresh.go exchange codes and
//     refresh tokens, machine.go is for clients that sign in as themselves;
//     claims.go decides what tokens say, and sign.go signs with
//     a key of keys.go;
//   - userinfo.go, revoke.go, logout.go, jwks.go, discovery.go and register.go are the
//     remaining endpoints, one per file;
//   - idp.go is the JSON API cognito-idp, which SDKs and Amplify call (the files idp*.go
//     are its operations);
//   - fault.go and tamper.go make the pool fail, issuer.go has it change its issuer
//     or fail over, requests.go records the requests that it received, state.go saves
//     and restores it;
//   - browser.go is a visitor who can fill in the login form (form.go),
//     signin.go a visitor in one line, and mint.go a token in one, all without a login
//     in the test.
//
// # What you can rely on
//
// The pool behaves like Cognito where Cognito differs from the standards, because
// those differences break applications: redirect URIs must match exactly, only
// S256 is accepted, a code works once and for five minutes, access tokens have
// no aud, booleans are strings at userInfo, discovery does not mention PKCE,
// and two keys sign the two kinds of token.
//
// All expiry follows the pool's own clock, so tests call [Pool.Advance] and never
// sleep. Helpers panic if the test itself is wrong. No file here imports package
// testing, because the example application links this package.
//
// README.md lists what is modelled, with its tests, and what is not.
//
// # What it is not
//
// It is not an identity provider, and its identity providers are simulated. Passwords
// are plain text, all pools of a process share their keys, and [New] refuses any
// address that others can reach, unless Options.AnyAddr is set.
package userpool
