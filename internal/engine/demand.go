package engine

import (
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
)

// ScopePattern is what a scope may look like (RFC 6749 section 3.3). It allows neither
// quotes nor backslashes, so scopes and levels can stand in a challenge as they are.
var ScopePattern = regexp.MustCompile(`^[!#-\[\]-~]+$`)

// A Demand is what a guard requires of an identity. It only decides: nil lets the request
// pass. HasUser or HasToken is the first demand of every guard, so those that follow can
// rely on id.User or id.Payload.
type Demand func(id *session.Identity, now func() time.Time) *fault.Error

// HasUser wants somebody to be signed in.
func HasUser(id *session.Identity, _ func() time.Time) *fault.Error {
	if id.User == nil {
		return id.Refusal()
	}
	return nil
}

// HasToken wants a token, be it a user's or a machine client's.
func HasToken(id *session.Identity, _ func() time.Time) *fault.Error {
	if id.Payload == nil {
		return id.Refusal()
	}
	return nil
}

// InGroup wants a user who is in one of the groups.
func InGroup(anyOf []string) Demand {
	mustName("RequireGroup", "group", anyOf)
	anyOf = slices.Clone(anyOf) // the caller may change its slice later
	return func(id *session.Identity, _ func() time.Time) *fault.Error {
		if slices.ContainsFunc(anyOf, func(group string) bool { return id.User.Contains("cognito:groups", group) }) {
			return nil
		}
		return fault.Because(fault.ErrForbidden, "the user is not in any of the groups %q; if the user may pass, add them to one in the pool (names are case-sensitive)", anyOf)
	}
}

// WithScope wants a token with all of the scopes.
func WithScope(allOf []string) Demand {
	mustName("RequireScope", "scope", allOf)
	allOf = slices.Clone(allOf)
	return func(id *session.Identity, _ func() time.Time) *fault.Error {
		for _, scope := range allOf {
			if !id.Payload.HasScope(scope) {
				e := fault.Because(fault.ErrForbidden, "the access token lacks the scope %q; add it to Scopes, or have the program request it, and allow it for the app client", scope)
				fault.Of(e).Scope = strings.Join(allOf, " ") // all that are necessary (RFC 6750 section 3)
				return e
			}
		}
		return nil
	}
}

// mustName panics for a guard that would let everybody pass, or nobody: that has to show
// when the app starts. Cognito allows any characters in the name of a group.
func mustName(guard, what string, names []string) {
	if len(names) == 0 {
		panic(fmt.Sprintf("cognito: %s needs at least one %s", guard, what))
	}
	for _, name := range names {
		if name == "" || (what != "group" && !ScopePattern.MatchString(name)) {
			panic(fmt.Sprintf("cognito: %s: %q is not a valid %s name", guard, name, what))
		}
	}
}

// LoggedInWithin wants a user who has proved lately who they are. auth_time stays the same
// when tokens are renewed. A token without it is never fresh.
func LoggedInWithin(maxAge time.Duration) Demand {
	if maxAge < time.Second {
		panic("cognito: RequireFreshLogin needs a maxAge of at least a second")
	}
	return func(id *session.Identity, now func() time.Time) *fault.Error {
		proved := id.User.Time("auth_time")
		// A login in the future shows a clock that was set back, and no age.
		if age := now().Sub(proved); !proved.IsZero() && age <= maxAge && age >= -verify.Leeway {
			return nil
		}
		e := fault.Because(fault.ErrStaleLogin, "the user last signed in at %s, more than %s ago", proved.UTC().Format(time.RFC3339), maxAge)
		fault.Of(e).MaxAge = maxAge
		return e
	}
}

// Meets wants a user for whom the app's own rule holds.
func Meets(allowed func(*claims.Set) bool) Demand {
	return func(id *session.Identity, _ func() time.Time) *fault.Error {
		if allowed(id.User) {
			return nil
		}
		return fault.Because(fault.ErrForbidden, "the app's own rule does not allow this user")
	}
}

// Judge asks demands of whoever sent a request, for a guard. Unless all are met it
// answers the request, and the error is what the app's ErrorHandler returned. A nil
// engine has seen nobody. Then the request is refused: a guard that lets it pass because
// the middleware is missing would protect nothing.
func (a *Engine) Judge(r Request, demands []Demand) (pass bool, err error) {
	id := a.Identity(r)
	switch {
	case id == nil && r.GivenUp():
		return false, nil // which says nothing of where the guard is
	case id == nil:
		return false, refuseUncovered(r)
	}
	for _, demand := range demands {
		if e := demand(id, a.settings.Now); e != nil {
			return false, a.turnAway(r, id, e)
		}
	}
	return true, nil
}

var errUncovered = fault.Because(fault.ErrMisconfigured, "no middleware ran before this handler; register it with app.Use before the route")

// refuseUncovered answers for a guard on a route that no middleware covers. There is no
// engine, so it logs to slog's default, and OnEvent and ErrorHandler are not asked.
func refuseUncovered(r Request) error {
	e := fault.Referenced(errUncovered)
	slog.Error("cognito: a guard ran without the middleware", "path", strings.Clone(r.Path), "reference", fault.Of(e).Reference, "error", e)
	sealResponse(r)
	return answeredWithoutEngine(r, e)
}
