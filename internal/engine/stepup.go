package engine

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/login"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
)

// Step-up: a page requires more than just a login. Its guard sends the visitor to
// Cognito with that requirement. Cognito may ignore it, so the result is checked when
// the visitor comes back. Otherwise the guard would redirect them endlessly.

// mostLevels bounds what an attempt has to hold, which may have to fit into a cookie.
const mostLevels = 8

// levelsOfMFA are asked for when a second factor is wanted. AWS's documentation shows
// urn:cognito:loa:3 with the method "mfa"; a pool may have renamed its levels.
var levelsOfMFA = []string{"urn:cognito:loa:3", "urn:cognito:loa:4"}

// AtLevel wants a user who has reached one of the levels, by "acr" (OpenID Connect Core
// section 2). The levels have no order that we know of.
func AtLevel(acr []string) Demand {
	mustName("RequireLevel", "level", acr)
	if len(acr) > mostLevels {
		panic(fmt.Sprintf("cognito: RequireLevel accepts at most %d levels", mostLevels))
	}
	acr = slices.Clone(acr)
	return func(id *session.Identity, _ func() time.Time) *fault.Error {
		reached := claimOf(id, "acr")
		if reached != "" && slices.Contains(acr, reached) {
			return nil
		}
		return fault.New(fault.Details{
			Reason: fault.ErrLevel, Levels: acr,
			Cause: fmt.Errorf("the user's level (acr) is %.60q, which is not one of %q", reached, acr),
		})
	}
}

// WithMFA wants a user who has shown two factors, by "amr" (RFC 8176 section 2). The
// levels are only what to ask Cognito for: whether they lead to a second factor depends on
// the pool, so "amr" decides here and when the visitor comes back.
func WithMFA(id *session.Identity, _ func() time.Time) *fault.Error {
	if id.User.Contains("amr", "mfa") || id.Payload.Contains("amr", "mfa") {
		return nil
	}
	return fault.New(fault.Details{
		Reason: fault.ErrLevel, Levels: levelsOfMFA, MFA: true,
		Cause: errors.New(`the user's methods (amr) do not hold "mfa"`),
	})
}

// claimOf is a claim of the ID token or, for a program, of its access token.
func claimOf(id *session.Identity, name string) string {
	if value := id.User.Text(name); value != "" {
		return value
	}
	return id.Payload.Text(name)
}

// requireLevel is an attempt that has to reach what a guard wants. With MFA, the levels are
// only how it is asked for, and the pool may have renamed them.
func requireLevel(e *fault.Error) login.Attempt {
	if fault.Of(e).MFA {
		return login.Attempt{MFA: true}
	}
	return login.Attempt{Levels: levelMarks(fault.Of(e).Levels)}
}

// requestLevels is an attempt that has to reach what a link asks for. Links ask for MFA by its
// levels alone, so for these, two factors do as well: the pool may have renamed its levels.
// The page's guard knows which of the two it wants.
func requestLevels(levels []string) login.Attempt {
	return login.Attempt{MFA: slices.Equal(levels, levelsOfMFA), Levels: levelMarks(levels)}
}

// levelMark is how many bytes of a hash stand for a level. They tell a few levels of one
// pool apart. Nobody but the pool chooses what they are compared with.
const levelMark = 6

// levelMarks are levels in a few bytes, to compare: an attempt has to fit into a cookie.
func levelMarks(levels []string) string {
	var marks strings.Builder
	for _, level := range levels {
		sum := sha256.Sum256([]byte(level))
		marks.Write(sum[:levelMark])
	}
	return marks.String()
}

// levelAmong reports whether a level is one of those that levelMarks were made of. A token
// without acr has the level "", which no attempt asks for.
func levelAmong(level, marks string) bool {
	mine := levelMarks([]string{level})
	for ; len(marks) >= levelMark; marks = marks[levelMark:] {
		if marks[:levelMark] == mine {
			return true
		}
	}
	return false
}

// judgeProof checks whether the ID token shows what the login was started for. If it does
// not, the login is refused, and the session that the visitor has stays as it is.
func (a *Engine) judgeProof(id *verify.Token, begun login.Attempt) *fault.Error {
	proved, _ := id.Moment("auth_time")
	switch {
	case begun.Fresh && !provedAnew(id, begun):
		return fault.Because(fault.ErrStaleLogin, "Cognito was asked for a fresh login but did not ask the visitor to sign in again; the classic hosted UI ignores prompt=login, so use managed login")
	case begun.MaxAge > 0 && a.settings.Now().Sub(proved) > time.Duration(begun.MaxAge)*time.Second+verify.Leeway:
		return fault.Because(fault.ErrStaleLogin, "Cognito was asked for a login at most %d seconds old, but the user last signed in at %s; the classic hosted UI ignores max_age, so use managed login", begun.MaxAge, proved.UTC().Format(time.RFC3339))
	}
	said := id.ClaimSet()
	switch {
	case begun.MFA && said.Contains("amr", "mfa"):
		return nil
	case begun.MFA && begun.Levels == "":
		return a.notReached(said, "amr")
	case begun.Levels != "" && !levelAmong(said.Text("acr"), begun.Levels):
		return a.notReached(said, "acr")
	}
	return nil
}

// provedAnew reports whether the visitor has entered their credentials since the
// attempt started, instead of being signed in by Cognito's session. For the same user,
// auth_time must have grown: both values are Cognito's, so our clock does not matter. For
// another user there is no value to compare, so the attempt's own time counts as well.
func provedAnew(id *verify.Token, begun login.Attempt) bool {
	proved, _ := id.Moment("auth_time")
	later := proved.Unix() > begun.Proved || whose(id.Text("sub")) != begun.Whose
	return later && !proved.Before(time.Unix(begun.Began, 0).Add(-verify.Leeway))
}

// notReached refuses a login that did not reach the level that it was started for. If
// the pool never reports how users have signed in, the operator has to act.
func (a *Engine) notReached(said *claims.Set, claim string) *fault.Error {
	if said.Parsed()[claim] != nil {
		return fault.Because(fault.ErrLevelNotReached, "Cognito did not bring the visitor to the level that the page requires: acr is %.60q", said.Text("acr"))
	}
	a.noLevels.Do(func() {
		a.settings.Logger.Error("cognito: a login required an authentication level or a second factor, but the pool's tokens report neither; guards that require them refuse everybody",
			"claim", claim, "remedy", "use the feature plan Essentials or Plus, switch authentication levels (acr, amr) on, and use managed login; or leave such guards out")
	})
	return fault.Because(fault.ErrLevelNotReached, "the ID token has no %q: the pool's feature plan, or its classic hosted UI, does not support authentication levels", claim)
}
