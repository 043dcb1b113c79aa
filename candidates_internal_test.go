package cognito

import (
	"slices"
	"testing"

	"github.com/bar-tech/cognito/internal/secret"
)

// TestCandidates: what a renewal leaves of the refresh tokens of a session.
func TestCandidates(t *testing.T) {
	for _, row := range []struct {
		name           string
		before         candidates
		presented, got secret.Text
		repeated       bool
		after          candidates
		spent          []secret.Text
	}{
		{"rotation", candidates{"a"}, "a", "b", false, candidates{"b"}, []secret.Text{"a"}},
		{"no rotation", candidates{"a"}, "a", "", false, candidates{"a"}, nil},
		{"an answer was lost", candidates{"a"}, "a", "b", true, candidates{"b", "a"}, nil},
		{"an answer was lost, without rotation", candidates{"a"}, "a", "", true, candidates{"a"}, nil},
		{"the first of several", candidates{"a", "b", "c"}, "a", "d", false, candidates{"d"}, []secret.Text{"a", "b", "c"}},
		{"a later one", candidates{"a", "b"}, "b", "d", false, candidates{"d"}, []secret.Text{"a", "b"}},
		{"a later one, repeated", candidates{"a", "b"}, "b", "d", true, candidates{"d", "b"}, []secret.Text{"a"}},
		{"Cognito gives the same one again", candidates{"a"}, "a", "a", false, candidates{"a"}, nil},
	} {
		got := row.before
		if spent := got.renewedBy(row.presented, row.got, row.repeated); got != row.after || !slices.Equal(spent, row.spent) {
			t.Errorf("%s: %q and spent %q", row.name, reveal(got.all()), reveal(spent))
		}
	}
}

// TestCandidatesOfTwo: what two instances know is put together, less what is
// spent, and never more than there is room for.
func TestCandidatesOfTwo(t *testing.T) {
	for _, row := range []struct {
		ours, stored candidates
		spent        []secret.Text
		want         candidates
	}{
		{candidates{"a"}, candidates{"b"}, nil, candidates{"a", "b"}},
		{candidates{"a"}, candidates{"a"}, nil, candidates{"a"}},
		{candidates{"a"}, candidates{"parent"}, []secret.Text{"parent"}, candidates{"a"}},
		{candidates{"a", "b"}, candidates{"b", "c"}, []secret.Text{"c"}, candidates{"a", "b"}},
		{candidates{}, candidates{"a"}, nil, candidates{"a"}},
		{candidates{"a"}, candidates{}, nil, candidates{"a"}},
		{candidates{"a", "b", "c"}, candidates{"d", "e"}, nil, candidates{"a", "b", "c", "d"}},
	} {
		if got := row.ours.with(row.stored, row.spent); got != row.want {
			t.Errorf("%q with %q is %q, want %q", reveal(row.ours.all()), reveal(row.stored.all()), reveal(got.all()), reveal(row.want.all()))
		}
	}
	both := candidates{"a", "b"}
	if !both.several() || !both.has("b", "a") || both.has("a", "c") || (&candidates{"a"}).several() || !both.has() {
		t.Error("candidates do not know what they are")
	}
}

func reveal(secrets []secret.Text) (texts []string) {
	for _, s := range secrets {
		texts = append(texts, s.Reveal())
	}
	return texts
}
