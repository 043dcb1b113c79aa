package faults_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// Several instances renew one session, and the user logs out in the middle of it.

// TestLateWriteAfterLogout: the storage is told to store renewed tokens, does
// not answer in time, and does it after a logout all the same. Whatever it has
// stored does not stay.
func TestLateWriteAfterLogout(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		late      func(lab.Session) string // the record that is written late
		elsewhere bool
	}{
		{"the session, same instance", func(s lab.Session) string { return s.Hot }, false},
		{"the session, other instance", func(s lab.Session) string { return s.Hot }, true},
		{"the tokens, same instance", func(s lab.Session) string { return s.Cold }, false},
		{"the tokens, other instance", func(s lab.Session) string { return s.Cold }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, lab.Rotating(time.Minute), "a", seen)
			pool, storage, a, b, alice := s.pool, s.storage, s.a, s.b, s.alice
			late := row.late(alice)

			held := lab.NewGate(t)
			var writes atomic.Int32
			storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
				switch {
				case c.Method != "set" || c.Key != late:
				case writes.Add(1) == 1:
					<-held.Closed
				case late == alice.Hot:
					return &lab.StoreFault{Err: lab.ErrDown} // nor is it stored in time by the next call
				}
				return nil
			})
			a.MustBe("alice", alice.Cookie) // served with what is in memory, if need be
			leaving, revocations := a, 1
			if row.elsewhere {
				leaving = b
			}
			if row.elsewhere && late == alice.Hot {
				revocations = 2 // the other one's, when it comes to store them again
			}
			leaving.MustLogOut(leaving.Send(lab.LogOut(alice.Cookie)))
			lab.Eventually(t, "the logout is known to whoever holds tokens", func() bool { return len(lab.Revoked(pool)) >= revocations })
			if storage.Has(alice.Hot) || storage.Has(alice.Cold) {
				t.Error("there are records after the logout")
			}
			held.Open()
			lab.Eventually(t, "the record is back", func() bool { return storage.Has(late) })
			stop(a)
			if storage.Has(alice.Hot) || storage.Has(alice.Cold) {
				t.Error("what was stored after the logout stays")
			}
			a.MustBe("", alice.Cookie)
			b.MustBe("", alice.Cookie)
			storage.Misbehave(nil)
			mustLast(b.SignIn("alice"), b)
		})
	}
}

// TestLogoutRevokesWhatIsHeldAndStored: somebody logs out while it is not known
// whether the refresh token in memory or the one in the storage is alive. Both
// are revoked, or the living one would work on after the logout.
func TestLogoutRevokesWhatIsHeldAndStored(t *testing.T) {
	t.Parallel()
	s := newStage(t, lab.Rotating(time.Minute), "a", unseen)
	pool, a, b, alice := s.pool, s.a, s.b, s.alice.Cookie

	tokens, rotated, held := &lab.Issued{}, make(chan struct{}), lab.NewGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Rewrite: func(answer map[string]any) {
		tokens.Note(answer)
		close(rotated)
		<-held.Closed
	}})
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Rewrite: tokens.Note})
	pool.Break(cognitotest.Token, refreshFails(0))
	first := a.Later(1, lab.AsScript("/me", alice))
	<-rotated
	b.MustBe("alice", alice) // whose child is the living one
	stop(b)                  // it has looked, and will not revoke it later
	held.Open()
	first()
	if s.mustHaveRaced(2); len(tokens.All()) != 2 {
		t.Error("want two children; the test proves nothing")
	}
	a.MustBe("alice", alice)
	a.MustLogOut(a.Send(lab.LogOut(alice)))
	for i, token := range tokens.All() {
		lab.Eventually(t, fmt.Sprint("refresh token ", i, " is revoked"), func() bool { return slices.Contains(lab.Revoked(pool), token) })
	}
	pool.Heal()
	a.MustBe("", alice)
	b.MustBe("", alice)
	mustLast(a.SignIn("alice"), a, b)
}
