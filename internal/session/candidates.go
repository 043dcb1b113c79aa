package session

import (
	"fmt"
	"slices"

	"github.com/bar-tech/cognito/internal/secret"
)

// Candidates are the refresh tokens of a session of which one is alive, likeliest
// first. There is one, unless instances have renewed at the same time or an answer
// was lost: within the grace of rotation Cognito gives every asker a child of the
// same token, and only the child minted last stays valid. It does not revoke the
// family when a dead one is presented. So nobody has to decide which of two lives:
// both are kept, and the next renewal finds out.
type Candidates [4]secret.Text

// Format prints no secret.
func (Candidates) Format(f fmt.State, _ rune) { secret.Hide(f, "tokens") }

// All are the candidates there are.
func (c *Candidates) All() []secret.Text {
	return slices.DeleteFunc(slices.Clone(c[:]), func(s secret.Text) bool { return s == "" })
}

// Several reports whether it is open which one lives.
func (c *Candidates) Several() bool { return c[1] != "" }

// Has reports whether all of these are among the candidates.
func (c *Candidates) Has(others ...secret.Text) bool {
	return !slices.ContainsFunc(others, func(other secret.Text) bool { return !slices.Contains(c[:], other) })
}

// With are the candidates and others behind them, as far as there is room, less
// those that are spent.
func (c *Candidates) With(others Candidates, spent []secret.Text) (all Candidates) {
	i := 0
	for _, each := range append(c.All(), others.All()...) {
		if i < len(all) && !slices.Contains(spent, each) && !slices.Contains(all[:i], each) {
			all[i] = each
			i++
		}
	}
	return all
}

// RenewedBy takes what came of presenting a candidate, and returns what is spent:
// that it worked shows that no other one known until then is alive. If the answer
// to a first try was lost, the presented one remains: Cognito may have served the
// two tries in the other order, and then the living child never arrived, but
// within the grace its parent has another. Without rotation the answer holds no
// Refresh token, and the presented one goes on working.
func (c *Candidates) RenewedBy(presented, got secret.Text, repeated bool) (spent []secret.Text) {
	next := Candidates{got}
	if got == "" || repeated {
		next = next.With(Candidates{presented}, nil)
	}
	spent = slices.DeleteFunc(c.All(), func(s secret.Text) bool { return next.Has(s) })
	*c = next
	return spent
}
