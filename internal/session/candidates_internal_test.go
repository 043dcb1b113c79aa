package session

import (
	"slices"
	"testing"

	"github.com/bar-tech/cognito/internal/secret"
)

// TestCandidates: what a renewal leaves of the refresh tokens of a session.
func TestCandidates(t *testing.T) {
	for _, row := range []struct {
		name           string
		before         Candidates
		presented, got secret.Text
		repeated       bool
		after          Candidates
		spent          []secret.Text
	}{
		{"rotation", Candidates{"a"}, "a", "b", false, Candidates{"b"}, []secret.Text{"a"}},
		{"no rotation", Candidates{"a"}, "a", "", false, Candidates{"a"}, nil},
		{"an answer was lost", Candidates{"a"}, "a", "b", true, Candidates{"b", "a"}, nil},
		{"an answer was lost, without rotation", Candidates{"a"}, "a", "", true, Candidates{"a"}, nil},
		{"the first of several", Candidates{"a", "b", "c"}, "a", "d", false, Candidates{"d"}, []secret.Text{"a", "b", "c"}},
		{"a later one", Candidates{"a", "b"}, "b", "d", false, Candidates{"d"}, []secret.Text{"a", "b"}},
		{"a later one, repeated", Candidates{"a", "b"}, "b", "d", true, Candidates{"d", "b"}, []secret.Text{"a"}},
		{"Cognito gives the same one again", Candidates{"a"}, "a", "a", false, Candidates{"a"}, nil},
	} {
		got := row.before
		if spent := got.RenewedBy(row.presented, row.got, row.repeated); got != row.after || !slices.Equal(spent, row.spent) {
			t.Errorf("%s: %q and spent %q", row.name, reveal(got.All()), reveal(spent))
		}
	}
}

// TestCandidatesOfTwo: what two instances know is put together, less what is
// spent, and never more than there is room for.
func TestCandidatesOfTwo(t *testing.T) {
	for _, row := range []struct {
		ours, stored Candidates
		spent        []secret.Text
		want         Candidates
	}{
		{Candidates{"a"}, Candidates{"b"}, nil, Candidates{"a", "b"}},
		{Candidates{"a"}, Candidates{"a"}, nil, Candidates{"a"}},
		{Candidates{"a"}, Candidates{"parent"}, []secret.Text{"parent"}, Candidates{"a"}},
		{Candidates{"a", "b"}, Candidates{"b", "c"}, []secret.Text{"c"}, Candidates{"a", "b"}},
		{Candidates{}, Candidates{"a"}, nil, Candidates{"a"}},
		{Candidates{"a"}, Candidates{}, nil, Candidates{"a"}},
		{Candidates{"a", "b", "c"}, Candidates{"d", "e"}, nil, Candidates{"a", "b", "c", "d"}},
	} {
		if got := row.ours.With(row.stored, row.spent); got != row.want {
			t.Errorf("%q with %q is %q, want %q", reveal(row.ours.All()), reveal(row.stored.All()), reveal(got.All()), reveal(row.want.All()))
		}
	}
	both := Candidates{"a", "b"}
	if !both.Several() || !both.Has("b", "a") || both.Has("a", "c") || (&Candidates{"a"}).Several() || !both.Has() {
		t.Error("candidates do not know what they are")
	}
}

func reveal(secrets []secret.Text) (texts []string) {
	for _, s := range secrets {
		texts = append(texts, s.Reveal())
	}
	return texts
}
