// Package cognitotest is an Amazon Cognito user pool that fits in a test of a Fiber v3
// application.
//
// What net/http/httptest is to servers, this is to user pools: [New] starts a
// real HTTP server on the loopback interface that behaves like a pool with
// managed login.
//
//	pool := cognitotest.New(cognitotest.Options{})
//	defer pool.Close()
//	app.Use(cognito.New(pool.Config()))
//
// The pool itself is in package userpool below, which knows nothing of Fiber and
// serves every application with its types, endpoints and knobs to misbehave. Here
// stands what needs the middleware:
//
//   - [Pool.Config] is the configuration of an application that uses the pool;
//   - [Pool.SignIn] is a visitor who is signed in, in one line;
//   - [Pool.As] is a middleware for which everybody is the same user.
//
// Every expiry follows the pool's own clock, so a test calls Advance and never
// sleeps. Helpers panic when the test itself is wrong, and no file here imports
// package testing, since the example application links it.
package cognitotest
