// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"errors"
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/forward"
	"github.com/gofiber/fiber/v3"
)

// Forward sends requests on to another service in the user's name: with the user's
// access token as a bearer token instead of the cookie, so that a page calls an API
// that knows nothing of sessions, and never holds a token.
//
//	app.All("/api/*", auth.Forward("https://api.example.com/v1"))
//
// The upstream is an origin and perhaps a path. What the route's wildcard matched is
// appended, and the query; without a wildcard nothing is. An upstream over http is
// taken for loopback and private addresses only, and for names that no public host has
// (api, api.internal, api.local, api.svc): the token travels in clear there. With any
// other it panics, as a guard does.
//
// The token is renewed first if it has expired. Whoever is not signed in is refused as
// by [RequireUser], so scripts get a 401, and other sites' requests that may change
// something get a 403. A machine client's bearer token passes, if [Config.Bearer] lets
// it in. Put guards before it that say more.
//
// Bodies stream both ways: answers always, requests if Fiber's StreamRequestBody is on.
// WebSockets pass. They and event streams end when the session does, or the server.
// Redirects are not followed: a Location within the upstream leads back through the
// route, any other is passed on. An upstream's 401 is too: the token was good, so
// renewing it would not help. The upstream has 60 seconds to begin its answer, or it is
// a 504; if it cannot be reached it is a 502. Both are [*fiber.Error] values.
//
// Cookies pass in neither direction, nor do headers that say who asks, or that speak
// for the whole origin: see SECURITY.md. All the rest of an answer is your origin's
// word, scripts in pages included, so forward to services that you trust.
func (a *Auth) Forward(upstream string) fiber.Handler {
	target, wrong := forward.ParseTarget(upstream)
	if wrong != nil {
		panic(&ConfigError{Problems: []ConfigProblem{{Field: "Forward's upstream", Value: withoutSecrets(upstream), Rule: wrong.Rule, Remedy: wrong.Remedy}}})
	}
	to := forward.New(target, a.upstreams, a.config.Logger)
	return func(c fiber.Ctx) error {
		r := requestOf(c)
		token, pass, err := a.engine.TokenToForward(r)
		if !pass {
			return hideCause(err)
		}
		rest, prefix := wildcardOf(c)
		if prefix != "" {
			prefix = a.engine.AddressOf(prefix)
		}
		watch := a.engine.Watch(r)
		return asFiber(to.Serve(r.RequestCtx, forward.Call{Token: token, Rest: rest, Prefix: prefix, Alive: func() error { return aliveBy(watch) }}))
	}
}

// aliveBy is an error once a session is known to be over.
func aliveBy(watch *engine.Watch) error {
	if _, err := watch.AccessToken(); err != nil && !errors.Is(err, fault.ErrUnavailable) {
		return err
	}
	return nil
}

// wildcardOf is what a route's wildcard matched, as it was sent, and what stands
// before it.
func wildcardOf(c fiber.Ctx) (rest, prefix string) {
	for _, wildcard := range []string{"*", "+"} {
		if rest = strings.Clone(c.Params(wildcard)); rest != "" {
			break
		}
	}
	if c.App().Config().UnescapePath {
		rest = (&url.URL{Path: rest}).EscapedPath()
	}
	path := string(c.Request().URI().PathOriginal())
	if before, found := strings.CutSuffix(path, rest); found && strings.HasSuffix(before, "/") {
		prefix = before
	}
	return rest, prefix
}

// asFiber is the answer when there is none from the upstream.
func asFiber(err error) error {
	switch {
	case errors.Is(err, forward.ErrPath):
		return fiber.NewError(fiber.StatusBadRequest, "This address doesn't work.")
	case errors.Is(err, forward.ErrMethod):
		return fiber.ErrMethodNotAllowed
	case errors.Is(err, forward.ErrTooSlow):
		return fiber.NewError(fiber.StatusGatewayTimeout, "The service behind this address took too long to respond.")
	case err != nil:
		return fiber.NewError(fiber.StatusBadGateway, "The service behind this address can't be reached.")
	}
	return nil
}

// withoutSecrets is an address without the password that somebody has put into it.
func withoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return "[REDACTED]"
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}
