package cognito

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
	"github.com/gofiber/fiber/v2"
)

// Guards are ordinary handlers on routes and groups. The package-level ones
// speak of the nearest middleware above, the methods of their own.

// A demand is what a guard asks of an identity that passed the first hurdle. It
// only judges.
type demand func(id *session.Identity, now func() time.Time) *Error

// RequireUser lets a request pass when somebody is signed in. Otherwise a page
// visit is sent to log in and comes back afterwards; every other request gets
// a 401, or a 503 when it cannot be known who is there.
func RequireUser() fiber.Handler { return guard(nearestIdentity, hasUser) }

// RequireGroup lets users pass who are in at least one of the groups, by their
// exact names. Others who are signed in get a 403. Without a group, or with an
// empty name, it panics.
func RequireGroup(anyOf ...string) fiber.Handler {
	return guard(nearestIdentity, hasUser, inGroup(anyOf))
}

// RequireScope lets requests pass whose access token was granted all of the
// scopes, by their exact names: also those of machine clients, which have no
// user. Without a scope, or with one that cannot be one (RFC 6749 section 3.3),
// it panics.
func RequireScope(allOf ...string) fiber.Handler {
	return guard(nearestIdentity, hasToken, withScope(allOf))
}

// RequireFreshLogin lets users pass who have proved who they are within the
// last maxAge, by the "auth_time" of their ID token (OpenID Connect Core section
// 2). Cognito writes whole seconds there, so a login can count as up to a second
// older than it is. Other page visits are sent through the login, with a
// password asked for, and back; other requests get a 401. With a maxAge of less
// than a second it panics.
func RequireFreshLogin(maxAge time.Duration) fiber.Handler {
	return guard(nearestIdentity, hasUser, loggedInWithin(maxAge))
}

// Require lets users pass for whom allowed returns true. It is the guard for
// everything that the others cannot say. Without a function it panics.
func Require(allowed func(*User) bool) fiber.Handler {
	return guard(nearestIdentity, hasUser, meets(allowed))
}

// RequireUser is [RequireUser] for the users of this middleware.
func (a *Auth) RequireUser() fiber.Handler { return guard(a.askedIdentity, hasUser) }

// RequireGroup is [RequireGroup] for the users of this middleware.
func (a *Auth) RequireGroup(anyOf ...string) fiber.Handler {
	return guard(a.askedIdentity, hasUser, inGroup(anyOf))
}

// RequireScope is [RequireScope] for the tokens of this middleware.
func (a *Auth) RequireScope(allOf ...string) fiber.Handler {
	return guard(a.askedIdentity, hasToken, withScope(allOf))
}

// RequireFreshLogin is [RequireFreshLogin] for the users of this middleware.
func (a *Auth) RequireFreshLogin(maxAge time.Duration) fiber.Handler {
	return guard(a.askedIdentity, hasUser, loggedInWithin(maxAge))
}

// Require is [Require] for the users of this middleware.
func (a *Auth) Require(allowed func(*User) bool) fiber.Handler {
	return guard(a.askedIdentity, hasUser, meets(allowed))
}

func guard(find func(request) (*Auth, *session.Identity), demands ...demand) fiber.Handler {
	return func(c *fiber.Ctx) error {
		r := requestOf(c)
		a, id := find(r)
		if id == nil {
			return refuseUncovered(r)
		}
		for _, demand := range demands {
			if e := demand(id, a.config.Now); e != nil {
				return a.turnAway(r, id, e)
			}
		}
		return c.Next()
	}
}

func hasUser(id *session.Identity, _ func() time.Time) *Error {
	if id.User == nil {
		return id.Refusal()
	}
	return nil
}

func hasToken(id *session.Identity, _ func() time.Time) *Error {
	if id.Payload == nil {
		return id.Refusal()
	}
	return nil
}

func inGroup(anyOf []string) demand {
	mustName("RequireGroup", "group", anyOf)
	anyOf = slices.Clone(anyOf)
	return func(id *session.Identity, _ func() time.Time) *Error {
		if slices.ContainsFunc(anyOf, (*User)(id.User).InGroup) {
			return nil
		}
		return fault.Because(fault.ErrForbidden, "the user is in none of the groups %q", anyOf)
	}
}

func withScope(allOf []string) demand {
	mustName("RequireScope", "scope", allOf)
	allOf = slices.Clone(allOf)
	return func(id *session.Identity, _ func() time.Time) *Error {
		for _, scope := range allOf {
			if !(*Payload)(id.Payload).HasScope(scope) {
				e := fault.Because(fault.ErrForbidden, "the access token lacks the scope %q", scope)
				fault.Of(e).Scope = strings.Join(allOf, " ")
				return e
			}
		}
		return nil
	}
}

// mustName refuses a guard that would let everybody pass, or nobody.
func mustName(guard, what string, names []string) {
	if len(names) == 0 {
		panic(fmt.Sprintf("cognito: %s needs at least one %s", guard, what))
	}
	for _, name := range names {
		if name == "" || (what == "scope" && !scopePattern.MatchString(name)) {
			panic(fmt.Sprintf("cognito: %s: %q is no name of a %s", guard, name, what))
		}
	}
}

func loggedInWithin(maxAge time.Duration) demand {
	if maxAge < time.Second {
		panic("cognito: RequireFreshLogin needs a maxAge of at least a second")
	}
	return func(id *session.Identity, now func() time.Time) *Error {
		proved := (*User)(id.User).AuthTime()
		// A login in the future shows a clock that was set back, and no age.
		if age := now().Sub(proved); !proved.IsZero() && age <= maxAge && age >= -verify.Leeway {
			return nil
		}
		e := fault.Because(fault.ErrStaleLogin, "the user last logged in at %s, more than %s ago", proved.UTC().Format(time.RFC3339), maxAge)
		fault.Of(e).MaxAge = maxAge
		return e
	}
}

func meets(allowed func(*User) bool) demand {
	if allowed == nil {
		panic("cognito: Require needs a function")
	}
	return func(id *session.Identity, _ func() time.Time) *Error {
		if allowed((*User)(id.User)) {
			return nil
		}
		return fault.Because(fault.ErrForbidden, "the app's own rule does not allow this user")
	}
}

var errUncovered = fault.Because(fault.ErrMisconfigured, "the middleware does not run before this handler; register it with app.Use above the route")

// refuseUncovered answers for a guard on a route that no middleware covers.
// Letting the request pass would be the silent end of all protection.
func refuseUncovered(r request) error {
	slog.Error("cognito: guard without middleware", "path", strings.Clone(r.path), "error", errUncovered)
	sealResponse(r)
	return fiber.NewError(errUncovered.Status(), errUncovered.Detail())
}
