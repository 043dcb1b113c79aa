// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognitotest

import (
	"fmt"
	"io"
	"net/http"

	"github.com/gofiber/fiber/v3"
)

// SignIn signs a user in to an application and returns the cookies to attach to
// further requests: the one line a handler test needs. The application is a
// *fiber.App or an http.Handler.
//
//	for _, cookie := range pool.SignIn(app, "alice") {
//		request.AddCookie(cookie)
//	}
//	response, err := app.Test(request, fiber.TestConfig{Timeout: 0})
//
// It opens the application's login path ("/login" unless another is given) in
// process, with the host of the first client's first callback URL, and follows
// the login to the pool and back. It skips the pool's page, and with it
// FailNextLogin, calls to the authorization endpoint and the login page, and the
// password. SignIn panics if the application does not complete the login.
//
// If the application checks the host, later requests need the same one: set
// request.Host to that of the callback URL.
func (p *Pool) SignIn(app any, username string, loginPath ...string) []*http.Cookie {
	switch app := app.(type) {
	case *fiber.App:
		return p.Pool.SignIn(inProcess(app), username, loginPath...)
	case http.Handler:
		return p.Pool.SignIn(app, username, loginPath...)
	default:
		panic(fmt.Sprintf("cognitotest: SignIn: a %T is neither a *fiber.App nor an http.Handler", app))
	}
}

// inProcess makes an http.Handler of an app, by way of app.Test.
func inProcess(app *fiber.App) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Without a timeout: under the race detector the default second is short.
		response, err := app.Test(r, fiber.TestConfig{Timeout: 0})
		if err != nil {
			panic(fmt.Sprintf("cognitotest: GET %s: %v", r.URL.Path, err))
		}
		defer func() { _ = response.Body.Close() }()
		for name, values := range response.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body) // only for the message of a panic
	})
}
