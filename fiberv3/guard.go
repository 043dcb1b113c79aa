// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v3"
)

// Guards are ordinary handlers on routes and groups. The package-level ones use the
// closest middleware registered before them, the methods their own.

// RequireUser lets a request pass if somebody is signed in. Otherwise a visitor
// of a page is sent to sign in and comes back afterwards; every other request
// gets a 401, or a 503 if it cannot be known who is signed in.
func RequireUser() fiber.Handler { return guardNearest(engine.HasUser) }

// RequireGroup lets users pass who are in at least one of the groups, by exact
// name. Other signed-in users get a 403. It panics without a group, or with an
// empty name.
func RequireGroup(anyOf ...string) fiber.Handler {
	return guardNearest(engine.HasUser, engine.InGroup(anyOf))
}

// RequireScope lets requests pass whose access token was granted all of the
// scopes, by exact name. That includes the tokens of machine clients, which have
// no user. A login asks for the scopes in [Config.Scopes]. It panics without a
// scope, or with an invalid one (RFC 6749 section 3.3).
func RequireScope(allOf ...string) fiber.Handler {
	return guardNearest(engine.HasToken, engine.WithScope(allOf))
}

// RequireFreshLogin lets users pass who have signed in within the last maxAge,
// by the "auth_time" of their ID token (OpenID Connect Core section 2). Cognito
// writes whole seconds there, so a login can seem up to a second older than it
// is. Other visitors of a page are sent to sign in again, with their password,
// and come back; other requests get a 401. It panics if maxAge is less than a
// second.
func RequireFreshLogin(maxAge time.Duration) fiber.Handler {
	return guardNearest(engine.HasUser, engine.LoggedInWithin(maxAge))
}

// RequireLevel lets users pass who have signed in at one of the authentication levels,
// such as "urn:cognito:loa:3", by "acr" (OpenID Connect Core section 2). Other visitors
// of a page are sent to Cognito, with "acr_values", and come back; other requests get a
// 401 (RFC 9470). A user who does not reach the level gets a 403 and stays signed in as
// before. Cognito supports levels with the feature plans Essentials and Plus
// (https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-step-up-authentication.html).
// If the pool does not, the log says so, and nobody passes. RequireLevel panics without a
// level, with more than eight, or with an invalid one.
func RequireLevel(acr ...string) fiber.Handler {
	return guardNearest(engine.HasUser, engine.AtLevel(acr))
}

// RequireMFA is like [RequireLevel] for users who have signed in with a second factor,
// by the method "mfa" in "amr" (RFC 8176 section 2).
func RequireMFA() fiber.Handler { return guardNearest(engine.HasUser, engine.WithMFA) }

// Require lets users pass for whom allowed returns true; other signed-in users get
// a 403. Use it for rules that the other guards cannot express. It panics if allowed
// is nil.
func Require(allowed func(*User) bool) fiber.Handler {
	return guardNearest(engine.HasUser, meets(allowed))
}

// RequireUser is [RequireUser] for the users of this middleware.
func (a *Auth) RequireUser() fiber.Handler { return a.guard(engine.HasUser) }

// RequireGroup is [RequireGroup] for the users of this middleware.
func (a *Auth) RequireGroup(anyOf ...string) fiber.Handler {
	return a.guard(engine.HasUser, engine.InGroup(anyOf))
}

// RequireScope is [RequireScope] for the tokens of this middleware.
func (a *Auth) RequireScope(allOf ...string) fiber.Handler {
	return a.guard(engine.HasToken, engine.WithScope(allOf))
}

// RequireFreshLogin is [RequireFreshLogin] for the users of this middleware.
func (a *Auth) RequireFreshLogin(maxAge time.Duration) fiber.Handler {
	return a.guard(engine.HasUser, engine.LoggedInWithin(maxAge))
}

// RequireLevel is [RequireLevel] for the users of this middleware.
func (a *Auth) RequireLevel(acr ...string) fiber.Handler {
	return a.guard(engine.HasUser, engine.AtLevel(acr))
}

// RequireMFA is [RequireMFA] for the users of this middleware.
func (a *Auth) RequireMFA() fiber.Handler { return a.guard(engine.HasUser, engine.WithMFA) }

// Require is [Require] for the users of this middleware.
func (a *Auth) Require(allowed func(*User) bool) fiber.Handler {
	return a.guard(engine.HasUser, meets(allowed))
}

func guardNearest(demands ...engine.Demand) fiber.Handler {
	return func(c fiber.Ctx) error {
		return guarded(c, engine.Nearest(requestOf(c)), demands)
	}
}

func (a *Auth) guard(demands ...engine.Demand) fiber.Handler {
	return func(c fiber.Ctx) error { return guarded(c, a.engine, demands) }
}

// guarded passes a request on if the engine lets it pass. Without an engine, it refuses
// the request: otherwise all protection would silently be lost.
func guarded(c fiber.Ctx, e *engine.Engine, demands []engine.Demand) error {
	pass, err := e.Judge(requestOf(c), demands)
	if pass {
		return c.Next()
	}
	return hideCause(err)
}

func meets(allowed func(*User) bool) engine.Demand {
	if allowed == nil {
		panic("cognito: Require needs a function, and was given nil")
	}
	return engine.Meets(func(user *claims.Set) bool { return allowed((*User)(user)) })
}
