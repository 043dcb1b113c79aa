package session

import (
	"errors"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// newAlone keeps sessions in memory, under a clock that the test sets.
func newAlone(now *time.Time, maxSessions int) *Store {
	clock := func() time.Time { return *now }
	return New(Settings{
		Keys: secret.NewKeys(nil), Binding: "test", Alone: true, MaxSessions: maxSessions, IdleTimeout: time.Hour, AbsoluteTimeout: 6 * time.Hour,
		Dictionary: claims.NewDictionary("client", "issuer"), Now: clock,
	}, storage.New(storage.NewBounded(10_000, clock)), tasks.New(1, nil), nil)
}

// TestBoundBeyondTheList: an app allows more sessions than a list would hold otherwise. The
// login that exceeds the bound ends the one that was used least recently, and no other does.
func TestBoundBeyondTheList(t *testing.T) {
	const bound = mostListed + 10
	now := time.UnixMilli(1_800_000_000_000)
	s := newAlone(&now, bound)
	var first string
	for i := range bound + 1 {
		now = now.Add(time.Second)
		opened, tooMany, err := s.BeginListed(Hot{Renewable: true, Subject: "alice", Moments: Moments{Expires: MomentOf(now.Add(time.Hour))}}, Cold{}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = opened.Name()
		}
		if exceeds := i == bound; exceeds != (len(tooMany) == 1) || (exceeds && tooMany[0] != first) {
			t.Fatalf("login %d ends %d sessions", i+1, len(tooMany))
		}
	}
}

// TestClockBehindTheMark: an instance whose clock is behind ends a user's sessions after
// another one has. Those that the other one ended do not come back.
func TestClockBehindTheMark(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	s := newAlone(&now, 0)
	begin := func() *Session {
		opened, _, err := s.BeginListed(Hot{Renewable: true, Subject: "alice", Moments: Moments{Expires: MomentOf(now.Add(time.Hour))}}, Cold{}, "", "")
		if err != nil {
			t.Fatal(err)
		}
		return opened
	}
	mark := func() {
		if err := s.MarkOver("alice"); err != nil {
			t.Fatal(err)
		}
	}
	ended := begin()
	mark()
	now = now.Add(-time.Minute)
	mark()
	if err := s.StillOpen(ended); !errors.Is(err, ErrNoSession) {
		t.Error("the session is back:", err)
	}
	now = now.Add(time.Minute + time.Second)
	if err := s.StillOpen(begin()); err != nil {
		t.Error("the next session:", err)
	}
}
