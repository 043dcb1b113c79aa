package session

import (
	"maps"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// lifetimes is a storage that notes how long it is to keep what.
type lifetimes map[string]time.Duration

func (l lifetimes) Get(string) ([]byte, error) { return nil, nil }
func (l lifetimes) Delete(string) error        { return nil }
func (l lifetimes) Set(key string, _ []byte, life time.Duration) error {
	l[key] = life
	return nil
}

// TestRecordsLiveAsLongAsTheSession: the storage keeps the records of a session
// until it can no longer be used, and of one that nothing can renew not beyond its
// tokens.
func TestRecordsLiveAsLongAsTheSession(t *testing.T) {
	const idle, total, tokensLive = 2 * time.Hour, 6 * time.Hour, time.Hour
	now := time.UnixMilli(1_800_000_000_000)
	for _, row := range []struct {
		renewable bool
		hot, cold time.Duration
	}{{true, idle, total}, {false, tokensLive, tokensLive}} {
		kept := lifetimes{}
		s := New(Settings{
			Keys: secret.NewKeys(nil), Binding: "test", IdleTimeout: idle, AbsoluteTimeout: total,
			Dictionary: claims.NewDictionary("client", "issuer"), Now: func() time.Time { return now },
		}, storage.New(kept), tasks.New(1, nil), nil)
		opened, err := s.begin(Hot{Renewable: row.renewable, Moments: Moments{Expires: MomentOf(now.Add(tokensLive))}}, Cold{})
		if err != nil {
			t.Fatal(err)
		}
		want := lifetimes{opened.Hot(): row.hot, opened.cold(): row.cold}
		if !maps.Equal(kept, want) {
			t.Errorf("renewable %t: kept for %v, want %v", row.renewable, kept, want)
		}
	}
}
