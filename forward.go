package cognito

import (
	"errors"
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/forward"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/gofiber/fiber/v2"
)

// Forward returns a handler that forwards requests to another service on behalf of the
// user, with the user's access token as a bearer token instead of the cookie. So a page
// can call an API that has no sessions, without ever holding a token.
//
//	app.All("/api/*", auth.Forward("https://api.example.com/v1"))
//
// The upstream is an origin with an optional path. What the route's wildcard matched
// is appended, and the query; without a wildcard, only the query is. An http upstream is
// accepted only for loopback and private addresses, and for names that no public host
// has (api, api.internal, api.local, api.svc), because the token is sent in clear. For
// any other address, Forward panics, as guards do for wrong arguments.
//
// The token is renewed first if it has expired. Requests without a user are refused as
// by [RequireUser]: scripts get a 401, and unsafe requests from other sites a 403. A
// machine client's bearer token passes if [Config.Bearer] accepts it. For stricter
// rules, put guards before Forward.
//
// Responses are streamed, and so are request bodies if Fiber's StreamRequestBody is on.
// WebSockets pass. They and event streams end when the session, the server or the
// visitor's connection does.
// Redirects are not followed: a Location within the upstream is rewritten to lead back
// through the route, any other is passed on. An upstream's 401 is passed on too, because
// the token was valid and renewing it would not help. If the upstream does not begin to
// respond within 60 seconds, the error is a 504; if it cannot be reached, it is a 502.
// Both are [*fiber.Error] values.
//
// Cookies pass in neither direction. Neither do headers that say who the user is, or
// that affect the whole origin: see SECURITY.md. Everything else in a response comes
// from your origin, including scripts in pages, so forward only to services that you
// trust.
func (a *Auth) Forward(upstream string) fiber.Handler {
	target, wrong := forward.ParseTarget(upstream)
	if wrong != nil {
		panic(&ConfigError{Problems: []ConfigProblem{{Field: "Forward's upstream", Value: withoutSecrets(upstream), Rule: wrong.Rule, Remedy: wrong.Remedy}}})
	}
	to := forward.New(target, a.upstreams, a.config.Logger)
	return func(c *fiber.Ctx) error {
		r := requestOf(c)
		token, pass, err := a.engine.TokenToForward(r)
		if !pass {
			return hideCause(err)
		}
		rest, prefix := wildcardOf(c)
		if prefix != "" {
			prefix = a.engine.Address(prefix)
		}
		watch := a.engine.Watch(r)
		return asFiber(to.Serve(r.RequestCtx, forward.Call{
			Token: token, Rest: rest, Prefix: prefix, Alive: func() error { return aliveBy(watch) }, GivenUp: r.GivenUp,
		}))
	}
}

// aliveBy is an error once a session is known to be over.
func aliveBy(watch *engine.Watch) error {
	if _, err := watch.AccessToken(); err != nil && !errors.Is(err, fault.ErrUnavailable) {
		return err
	}
	return nil
}

// wildcardOf is what a route's wildcard matched, as it was sent, and what precedes it.
func wildcardOf(c *fiber.Ctx) (rest, prefix string) {
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

// asFiber is the error of Fiber for a request that was not forwarded.
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

// withoutSecrets is an address without its query and fragment. Of one with a password,
// or one that cannot be read, nothing is shown.
func withoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.User != nil {
		return secret.Redacted
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String()
}
