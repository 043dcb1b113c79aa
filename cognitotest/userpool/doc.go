// Package userpool is an Amazon Cognito user pool that fits in a test.
//
// What net/http/httptest is to servers, this is to user pools: [New] starts a
// real HTTP server on the loopback interface that behaves like a pool with
// managed login. It is meant for three readers: the tests of the cognito
// package, the tests of every application that uses it, and the example
// application, where a person signs in on its page in a real browser.
//
//	pool := userpool.New(userpool.Options{})
//	defer pool.Close()
//
// It calls nothing but the standard library, and serves an application in any
// framework or language. For applications with Fiber package cognitotest adds what
// saves typing.
//
// # A tour
//
//   - client.go holds the app clients, directory.go the users, and clock.go the time;
//   - authorize.go and login.go take a visitor to a code, page.go draws what
//     they see on the way, session.go remembers them for an hour;
//   - provider.go holds the identity providers and identity.go who comes from them;
//     federation.go leads a visitor there and back, providerpage.go is what they see,
//     and singlelogout.go their way out;
//   - token.go, clientauth.go, codegrant.go and refresh.go trade codes and
//     refresh tokens, machine.go is for clients that sign in as themselves;
//     claims.go decides what tokens say, and sign.go signs with
//     a key of keys.go;
//   - userinfo.go, revoke.go, logout.go, jwks.go, discovery.go and register.go are the
//     remaining endpoints, one a file;
//   - idp.go is the JSON API cognito-idp, which SDKs and Amplify call (the files idp*.go
//     are its operations);
//   - fault.go and tamper.go make the pool misbehave, issuer.go has it change its
//     name or fail over, requests.go tells what it was asked, state.go lets it
//     outlive its process;
//   - browser.go is a visitor who can fill in the login form (form.go),
//     signin.go a visitor in one line, mint.go a token in one, and handler.go makes
//     one request a user's, all without a login in the test.
//
// # What you may rely on
//
// The pool keeps Cognito's habits where they differ from the standards, since
// those are what breaks applications: redirect URIs match byte for byte, only
// S256 is accepted, a code works once and for five minutes, access tokens have
// no aud, booleans are strings at userInfo, discovery does not mention PKCE,
// and two keys sign the two kinds of token.
//
// Every expiry follows the pool's own clock, so a test calls [Pool.Advance]
// and never sleeps. Helpers panic when the test itself is wrong, and no file
// here imports package testing, since the example application links it.
//
// README.md lists what is modelled, with its tests, and what is not.
//
// # What it is not
//
// It is no identity provider, and its providers are stand-ins. Passwords are plain text, keys are shared by all
// pools of a process, and [New] refuses any address that others could reach, unless
// told by Options.AnyAddr.
package userpool
