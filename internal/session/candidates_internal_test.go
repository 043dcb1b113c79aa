package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/internal/secret"
)

// some are these candidates.
func some(list ...secret.Text) (c Candidates) {
	copy(c.list[:], list)
	return c
}

// spent are candidates whose predecessors are known.
func (c Candidates) after(spent ...secret.Text) Candidates {
	for _, each := range spent {
		c.spent += printOf(each)
	}
	return c
}

// TestCandidates: what a renewal leaves of the refresh tokens of a session.
func TestCandidates(t *testing.T) {
	for _, row := range []struct {
		name           string
		before         Candidates
		presented, got secret.Text
		repeated       bool
		after          Candidates
	}{
		{"rotation", some("a"), "a", "b", false, some("b").after("a")},
		{"rotation again", some("b").after("a"), "b", "c", false, some("c").after("b", "a")},
		{"no rotation", some("a"), "a", "", false, some("a")},
		{"an answer was lost", some("a"), "a", "b", true, some("b", "a")},
		{"an answer was lost, without rotation", some("a"), "a", "", true, some("a")},
		{"the first of several", some("a", "b", "c"), "a", "d", false, some("d").after("a", "b", "c")},
		{"a later one", some("a", "b"), "b", "d", false, some("d").after("a", "b")},
		{"a later one, repeated", some("a", "b"), "b", "d", true, some("d", "b").after("a")},
		{"Cognito gives the same one again", some("a"), "a", "a", false, some("a")},
	} {
		got := row.before
		if got.RenewedBy(row.presented, row.got, row.repeated); got != row.after {
			t.Errorf("%s: %q, %d spent", row.name, reveal(got.All()), len(got.prints()))
		}
	}
}

// TestCandidatesOfTwo: what two instances know is put together, less what either
// knows to be spent, and never more than there is room for.
func TestCandidatesOfTwo(t *testing.T) {
	for _, row := range []struct{ ours, stored, want Candidates }{
		{some("a"), some("b"), some("a", "b")},
		{some("a"), some("a"), some("a")},
		{some("a").after("parent"), some("parent"), some("a").after("parent")},
		{some("a"), some("b").after("a"), some("b").after("a")},
		{some("a", "b").after("c"), some("b", "c"), some("a", "b").after("c")},
		{some("a").after("x", "y"), some("b").after("y", "z"), some("a", "b").after("x", "y", "z")},
		{some(), some("a"), some("a")},
		{some("a"), some(), some("a")},
		{some("a", "b", "c"), some("d", "e"), some("a", "b", "c", "d")},
	} {
		if got := row.ours.With(row.stored); got != row.want {
			t.Errorf("%q with %q is %q, %d spent", reveal(row.ours.All()), reveal(row.stored.All()), reveal(got.All()), len(got.prints()))
		}
	}
	both, one := some("a", "b").after("x"), NewCandidates("a")
	if !both.Several() || one.Several() || !both.Has("b", "a") || both.Has("a", "c") || both.Has("x") || !both.Knows("x") || both.Knows("y") || one.First() != "a" {
		t.Error("candidates do not know what they are")
	}
}

// TestSpentTokensAreBounded: however often a session is renewed, its record does
// not grow, and the newest are known.
func TestSpentTokensAreBounded(t *testing.T) {
	c := NewCandidates("0")
	for i := range 100 {
		c.RenewedBy(c.First(), secret.Text(fmt.Sprint(i+1)), false)
	}
	if len(c.spent) != mostSpent*printLength || !c.Knows("99") || c.Knows("1") || !slices.Equal(c.All(), []secret.Text{"100"}) {
		t.Errorf("after a hundred renewals %d are known as spent, and %q are candidates", len(c.prints()), reveal(c.All()))
	}
	if text := fmt.Sprintf("%v %+v %#v %s %q %x", c, c, c, c, c, c); strings.Contains(text, "100") {
		t.Errorf("they print as %s", text)
	}
}

func reveal(secrets []secret.Text) (texts []string) {
	for _, s := range secrets {
		texts = append(texts, s.Reveal())
	}
	return texts
}
