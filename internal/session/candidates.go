package session

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/bar-tech/cognito/internal/secret"
)

const (
	// mostCandidates is the children of four instances that renewed at the same
	// time.
	mostCandidates = 4
	// mostSpent is more than the renewals of one session while somebody still looks
	// for what came of an earlier one.
	mostSpent = 32
	// printLength is how many bytes of a hash tell the few tokens of one session apart.
	printLength = 8
)

// Candidates are the refresh tokens of a session, one of which is valid, the likeliest
// first. There is one, unless instances have renewed at the same time or a response was
// lost: within the grace period of rotation, Cognito gives every caller a child of the
// same token, and only the last child stays valid. Cognito does not revoke the family
// when an invalid one is presented. So nobody has to decide which of two is valid: both
// are kept, and the next renewal finds out.
type Candidates struct {
	list [mostCandidates]secret.Text // without gaps; "" behind the last one
	// spent are the fingerprints of the tokens that these come from, newest first. An
	// instance that checks for its own token and finds it spent is done: somebody has
	// presented it. Otherwise it would write its outdated token again, over what others
	// have written meanwhile.
	spent secret.Text
}

// NewCandidates is one refresh token, or none if it is "".
func NewCandidates(refresh secret.Text) Candidates {
	return Candidates{list: [mostCandidates]secret.Text{refresh}}
}

// Format prints no secret.
func (Candidates) Format(f fmt.State, _ rune) { secret.Hide(f, "tokens") }

// All are the candidates there are.
func (c *Candidates) All() []secret.Text {
	return slices.DeleteFunc(slices.Clone(c.list[:]), func(s secret.Text) bool { return s == "" })
}

// First is the likeliest, or "" if the session cannot be renewed.
func (c *Candidates) First() secret.Text { return c.list[0] }

// Several reports whether it is open which one lives.
func (c *Candidates) Several() bool { return c.list[1] != "" }

// Has reports whether all of these are among the candidates. "" is, unless all places are
// taken: a session that has no refresh token lacks none.
func (c *Candidates) Has(others ...secret.Text) bool {
	return !slices.ContainsFunc(others, func(other secret.Text) bool { return !slices.Contains(c.list[:], other) })
}

// Knows reports whether a token is a candidate, or was one.
func (c *Candidates) Knows(refresh secret.Text) bool { return c.Has(refresh) || c.hasSpent(refresh) }

// hasSpent reports whether a token is known to be spent. The oldest ones are forgotten.
func (c *Candidates) hasSpent(refresh secret.Text) bool {
	return slices.Contains(c.prints(), printOf(refresh))
}

// With are the candidates and, behind them, others, as far as there is room, less
// what either side knows to be spent. Neither side changes.
func (c *Candidates) With(others Candidates) (all Candidates) {
	i := 0
	for _, each := range append(c.All(), others.All()...) {
		if i < len(all.list) && !c.hasSpent(each) && !others.hasSpent(each) && !all.Has(each) {
			all.list[i] = each
			i++
		}
	}
	all.spend(c.prints(), others.prints())
	return all
}

// RenewedBy takes the result of presenting a candidate. That it worked shows that no
// other one known until then is valid. If the response to a first try was lost, the
// presented one stays a candidate: Cognito may have handled the two tries in the other
// order. Then the valid child never arrived, but within the grace period its parent
// yields another one. Without rotation, the response has no refresh token, and the
// presented one keeps working.
func (c *Candidates) RenewedBy(presented, got secret.Text, repeated bool) {
	next := NewCandidates(got)
	// The child comes first, as the likelier one; without a child, With leaves no gap.
	if got == "" || repeated {
		next = next.With(NewCandidates(presented))
	}
	var spent []secret.Text
	for _, each := range c.All() {
		if !next.Has(each) {
			spent = append(spent, printOf(each))
		}
	}
	next.spend(spent, c.prints())
	*c = next
}

// spend notes fingerprints, the newest first, as far as there is room. They replace those
// that were noted before.
func (c *Candidates) spend(newest, older []secret.Text) {
	c.spent = ""
	for _, print := range append(newest, older...) {
		if len(c.spent) < mostSpent*printLength && !slices.Contains(c.prints(), print) {
			c.spent += print
		}
	}
}

// prints are the fingerprints, which stand in spent one after the other.
func (c *Candidates) prints() (prints []secret.Text) {
	for rest := c.spent; len(rest) >= printLength; rest = rest[printLength:] {
		prints = append(prints, rest[:printLength])
	}
	return prints
}

// PrintOf names a refresh token without revealing it.
func PrintOf(refresh secret.Text) string { return printOf(refresh).Reveal() }

// printOf is the beginning of a token's hash, from which nobody finds the token.
func printOf(refresh secret.Text) secret.Text {
	sum := sha256.Sum256([]byte(refresh.Reveal()))
	return secret.Text(sum[:printLength])
}
