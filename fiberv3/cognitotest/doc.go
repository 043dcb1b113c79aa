// Package cognitotest is an Amazon Cognito user pool that fits in a test of a Fiber v3
// application.
//
// What net/http/httptest is to servers, this is to user pools: [New] starts a
// real HTTP server on the loopback interface that behaves like a pool with
// managed login.
//
//	pool := cognitotest.New(cognitotest.Options{})
//	defer pool.Close()
//	app.Use("/*", cognito.New(pool.Config()))
//
// The pool itself is in package userpool, which does not depend on Fiber. It has the
// types and endpoints, and the methods that make the pool fail. This package adds what
// needs the middleware:
//
//   - [Pool.Config] returns the configuration of an application that uses the pool;
//   - [Pool.SignIn] signs a visitor in, in one line;
//   - [Pool.As] is a middleware for which every request is the same user's.
//
// All expiry follows the pool's own clock, so tests call Advance and never sleep.
// Helpers panic if the test itself is wrong. No file here imports package testing,
// because the example application links this package.
package cognitotest
