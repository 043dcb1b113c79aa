// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognitotest

import (
	"fmt"
	"net"
	"net/url"

	"github.com/bar-tech/cognito/fiberv3"
	"github.com/gofiber/fiber/v3"
)

// A middleware for handler tests in which nobody signs in.

// As returns a middleware that replaces [cognito.New] in a test: every request that
// passes it is this user's, who is already signed in.
//
//	app.Use(pool.As("alice"))
//	app.Get("/admin", cognito.RequireGroup("admin"), handler)
//	response, err := app.Test(httptest.NewRequest("GET", "/admin", nil), fiber.TestConfig{Timeout: 0})
//
// The session is a real session of the real middleware. It begins when As is called,
// and has its own storage. [cognito.UserFrom] has the e-mail address, the groups and
// the custom attributes, [cognito.PayloadFrom] has every scope of the client,
// [cognito.AccessToken] returns a token that the pool accepts, and guards work as
// usual. The client is the pool's first unless a clientID is given. It must have the
// scope openid; callback URLs do not matter.
//
// The session also ends like a real one: after a request to "/logout", when
// [Pool.Advance] exceeds a timeout, or when the pool refuses to refresh its tokens.
// Call As again for a new session, or for another user in the same app:
//
//	app.Group("/theirs", pool.As("alice"))
//	app.Group("/ours", pool.As("bob"))
//
// Requests may come from any host and have other cookies; only the session cookie is
// replaced. The middleware answers its own routes at their default paths. Its BaseURL
// is that of the client's first callback URL on loopback, or else http://localhost. It
// emits no events.
//
// Use [Pool.SignIn] if a test is about the app's own middleware: its
// [cognito.Config], its hooks, visitors who are not signed in, or several pools,
// because the guards of one [cognito.Auth] do not see the user of another.
//
// As is for tests only: it signs everybody in. It works until the pool is closed,
// and panics if the pool has no such user.
func (p *Pool) As(username string, clientID ...string) fiber.Handler {
	config := p.Config(clientID...)
	client, _ := p.ClientByID(config.ClientID)
	// With a BaseURL nothing depends on the host by which a test calls the app,
	// such as httptest's example.com.
	config.BaseURL, config.Scopes = baseURLOf(client), client.Scopes
	config.OnEvent = func(cognito.Event) {}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		panic(fmt.Sprintf("cognitotest: As: %v", err))
	}
	p.mu.Lock()
	p.auths = append(p.auths, auth)
	p.mu.Unlock()

	inner := fiber.New()
	inner.Use(auth.Handler())
	// Whether the callback is registered is not for this app to care about: it is not
	// the one that the client was registered for.
	cookies := p.SignInAt(inProcess(inner), config.BaseURL+"/login", username)
	serve := auth.Handler()
	return func(c fiber.Ctx) error {
		header := &c.Request().Header
		for _, cookie := range cookies {
			header.DelCookie(cookie.Name) // all of this name, as two would count as none
			header.SetCookie(cookie.Name, cookie.Value)
		}
		return serve(c)
	}
}

// baseURLOf is where the stand-in takes the app to be. Only on loopback: the middleware
// refuses a public address with a pool of tests.
func baseURLOf(client Client) string {
	for _, callback := range client.CallbackURLs {
		u, err := url.Parse(callback)
		if err != nil || u.Scheme != "http" {
			continue
		}
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return "http://" + u.Host
		}
	}
	return "http://localhost"
}
