package session

import (
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// TestBoundBeyondTheList: an app allows more sessions than a list would hold otherwise. The
// login that exceeds the bound ends the one that was used least recently, and no other does.
func TestBoundBeyondTheList(t *testing.T) {
	const bound = mostListed + 10
	now := time.UnixMilli(1_800_000_000_000)
	s := New(Settings{
		Keys: secret.NewKeys(nil), Binding: "test", Alone: true, MaxSessions: bound, IdleTimeout: time.Hour, AbsoluteTimeout: 6 * time.Hour,
		Dictionary: claims.NewDictionary("client", "issuer"), Now: func() time.Time { return now },
	}, storage.New(storage.NewBounded(10*bound, func() time.Time { return now })), tasks.New(1, nil), nil)
	var first string
	for i := range bound + 1 {
		now = now.Add(time.Second)
		opened, tooMany, err := s.BeginListed(Hot{Renewable: true, Subject: "alice", Moments: Moments{Expires: MomentOf(now.Add(time.Hour))}}, Cold{}, "")
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
