package faults_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// Row F2 once more: what is left in the storage, at Cognito and in memory when
// instances have raced and something else goes wrong as well. Most of what they
// do about it comes after a pause, or at once when the app stops.

// mustLast checks that what is stored can be renewed again and again. The clock
// may jump while a renewal is under way, whose tokens are out of date then: so a
// request may be told to come again, but never to log in.
func mustLast(cookie *http.Cookie, instances ...*lab.Site) {
	for range 2 {
		instances[0].Pool.Advance(lab.JustExpired) // and with it every grace
		for _, s := range instances {
			s.Helper()
			var last *lab.Answer
			lab.Eventually(s.T, "the session is renewed", func() bool {
				last = s.Send(lab.AsScript("/me", cookie))
				if last.StatusCode == http.StatusUnauthorized {
					s.Fatalf("/me answers %s", lab.StatusLine(last))
				}
				return last.StatusCode == http.StatusOK
			})
			s.MustBe("alice", cookie)
		}
	}
}

// stop lets an instance do at once what it was going to do later. It answers
// requests still, but renews nothing any more.
func stop(s *lab.Site) {
	s.Helper()
	if err := s.Auth.Close(); err != nil {
		s.Error(err)
	}
}

// refreshFails is a Cognito that is down for the next renewals.
func refreshFails(times int) cognitotest.Fault {
	return cognitotest.Fault{Times: times, Match: lab.Refreshes, Status: http.StatusServiceUnavailable}
}

// leaseReads is how often it was looked whether somebody holds a lease.
func leaseReads(storage *lab.Store) (times int) {
	for _, c := range storage.Asked("get") {
		if strings.HasPrefix(c.Key, "cognito_lease_") {
			times++
		}
	}
	return times
}

// TestRivalsWhileCognitoIsDown: an instance finds that its new refresh token has
// a rival in the storage, and Cognito cannot be asked which of the two is alive.
// Neither takes the other's place for that, and the question is put again.
func TestRivalsWhileCognitoIsDown(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	counting, renewed := countRenewals()
	a, b := blindPair(t, pool, storage, counting)
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)

	held, rotated := parkAnswer(t, pool)
	first := a.Later(1, lab.AsScript("/me", alice))
	<-rotated
	b.MustBe("alice", alice)
	stop(b) // it has looked, finds its own, and nobody else will defend it
	pool.Break(cognitotest.Token, refreshFails(1))
	held.Open()
	if got := first()[0]; got.Err != nil || got.StatusCode == http.StatusUnauthorized {
		t.Errorf("the first instance answers %s, want no logout", got)
	}
	a.MustBe("alice", alice)
	lab.Eventually(t, "the first asks again, in vain, and renews", func() bool { return renewed.Load() > 2 })
	if sent := lab.RenewalsAt(pool); sent[0] != sent[1] {
		t.Error("want a race of two; the test proves nothing")
	}
	c := lab.ServeWith(t, pool, lab.On(storage))
	mustLast(alice, a, c)
}

// TestSecondWriteOverARival: an instance stores its new refresh token, waits for
// keys, and writes both records when it has them. In between another one has
// stored a rival, which is not lost under the second write.
func TestSecondWriteOverARival(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	a, b := blindPair(t, pool, storage)
	alice := b.NewSession(storage, "alice") // so the first has no keys yet
	pool.Advance(lab.JustExpired)

	before, keys := storage.Dump()[alice.Cold], lab.NewGate(t)
	pool.Break(cognitotest.JWKS, cognitotest.Fault{Times: 1, Gate: keys.Closed})
	answer, rotated := parkAnswer(t, pool)
	door := park(t, pool)
	first := a.Later(1, lab.AsScript("/me", alice.Cookie))
	<-rotated
	second := b.Later(1, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "the second asks too", func() bool { return len(lab.RenewalsAt(pool)) == 2 })
	answer.Open()
	lab.Eventually(t, "the first has stored its refresh token", func() bool { return !bytes.Equal(before, storage.Dump()[alice.Cold]) })
	door.Open()
	mustAllBe(b, "alice", second()) // whose child is the living one
	won := storage.Dump()[alice.Cold]
	keys.Open()
	mustAllBe(a, "alice", first())
	if sent := lab.RenewalsAt(pool); sent[0] != sent[1] || bytes.Equal(won, storage.Dump()[alice.Cold]) {
		t.Error("want a race, and a write after it; the test proves nothing")
	}
	stop(b)
	stop(a)
	c := lab.ServeWith(t, pool, lab.On(storage))
	mustLast(alice.Cookie, c, a, b)
}

// TestLoserIsRefusedLate: the first call of an instance hangs for all its time,
// and its lease lapses; the repetition comes after another instance's call,
// whose answer is on its way. What the loser waits for counts from its refusal,
// not from the call before, or it would end the session that is being renewed.
func TestLoserIsRefusedLate(t *testing.T) {
	t.Parallel()
	// Whoever is refused waits for a call and two looks at the storage.
	const patience = 8 * time.Second
	pool := lab.NewPool(t, lab.Rotating(0))
	a, b := lab.Pair(t, pool, &mortalStore{Store: lab.NewStore(), now: pool.Now, deaths: map[string]time.Time{}})
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)

	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Hang: true})
	door := park(t, pool)
	answer, rotated := parkAnswer(t, pool)
	began := time.Now()
	loser := a.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "the first repeats its call", func() bool { return len(lab.RenewalsAt(pool)) == 2 })
	pool.Advance(10 * time.Second) // which is the end of its lease
	winner := b.Later(1, lab.AsScript("/me", alice))
	<-rotated
	door.Open()
	time.Sleep(time.Until(began.Add(patience + 500*time.Millisecond))) // the answer's travel
	answer.Open()
	mustAllBe(b, "alice", winner())
	mustAllBe(a, "alice", loser())
	if sent := lab.RenewalsAt(pool); len(sent) != 3 || sent[0] != sent[1] || sent[1] != sent[2] {
		t.Error("the two did not use the same refresh token; the test proves nothing")
	}
	mustLast(alice, a, b)
}

// TestLeaseCoversTheRepetition: a call whose answer was lost is repeated, which
// takes as long again. The lease lasts for that, so that no other instance
// begins to renew meanwhile.
func TestLeaseCoversTheRepetition(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := &mortalStore{Store: lab.NewStore(), now: pool.Now, deaths: map[string]time.Time{}}
	a, b := lab.Pair(t, pool, storage)
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)

	lost := lab.NewGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Gate: lost.Closed, LoseAnswer: true})
	door := park(t, pool)
	first := a.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "the first asks", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	pool.Advance(5 * time.Second)
	lost.Open()
	lab.Eventually(t, "the first asks again", func() bool { return len(lab.RenewalsAt(pool)) == 2 })
	pool.Advance(5 * time.Second)
	before := leaseReads(storage.Store)
	second := b.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "the second instance has seen the lease, twice", func() bool { return leaseReads(storage.Store) >= before+3 })
	door.Open()
	mustAllBe(a, "alice", first())
	mustAllBe(b, "alice", second())
	a.MustRenew(2)
	mustLast(alice, a, b)
}

// TestHeirOfALease: an instance stores its new refresh token, and its lease
// lapses before it could verify the tokens. Who has waited for the lease takes
// those, and does not present the token that is spent.
func TestHeirOfALease(t *testing.T) {
	t.Parallel()
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(grace))
			storage := &mortalStore{Store: lab.NewStore(), now: pool.Now, deaths: map[string]time.Time{}}
			a, b := lab.Pair(t, pool, storage)
			alice := b.NewSession(storage.Store, "alice") // so the first has no keys yet
			pool.Advance(lab.JustExpired)

			before, keys := storage.Dump()[alice.Cold], lab.NewGate(t)
			pool.Break(cognitotest.JWKS, cognitotest.Fault{Times: 1, Gate: keys.Closed})
			answer, rotated := parkAnswer(t, pool)
			victim := a.Later(1, lab.AsScript("/me", alice.Cookie))
			<-rotated
			looks := leaseReads(storage.Store)
			heir := b.Later(1, lab.AsScript("/me", alice.Cookie))
			lab.Eventually(t, "the second waits for the lease", func() bool { return leaseReads(storage.Store) >= looks+2 })
			answer.Open()
			lab.Eventually(t, "the first has stored its refresh token", func() bool { return !bytes.Equal(before, storage.Dump()[alice.Cold]) })
			pool.Advance(10 * time.Second)
			mustAllBe(b, "alice", heir())
			a.MustRenew(1)
			keys.Open()
			mustAllBe(a, "alice", victim())
			mustLast(alice.Cookie, a, b)
		})
	}
}

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
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			storage := lab.NewStore()
			a, b := lab.Pair(t, pool, storage)
			alice := a.NewSession(storage, "alice")
			late := row.late(alice)
			pool.Advance(lab.JustExpired)

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
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	a, b := blindPair(t, pool, storage)
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)

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
	if sent := lab.RenewalsAt(pool); sent[0] != sent[1] || len(tokens.All()) != 2 {
		t.Error("want a race; the test proves nothing")
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

// TestRefusedWhileTokensAreHeld: the dead one of two rivals was stored last, and
// the living one's owner has to renew before it has looked. Cognito is down for
// the living one; as long as it is, the session is not given up.
func TestRefusedWhileTokensAreHeld(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	a, b := blindPair(t, pool, storage)
	alice := a.NewSession(storage, "alice")
	pool.Advance(lab.JustExpired)

	tokens := &lab.Issued{}
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 2, Match: lab.Refreshes, Rewrite: tokens.Note})
	storing, held := make(chan struct{}), lab.NewGate(t)
	var writes atomic.Int32
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Cold && writes.Add(1) == 1 {
			close(storing)
			<-held.Closed
		}
		return nil
	})
	first := a.Later(1, lab.AsScript("/me", alice.Cookie))
	<-storing
	b.MustBe("alice", alice.Cookie) // whose child is the living one
	held.Open()
	mustAllBe(a, "alice", first())
	stop(a) // it has looked, and found its own
	living := tokens.Newest()
	var tried atomic.Int32
	pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusServiceUnavailable, Match: func(r cognitotest.Request) bool {
		if !lab.Refreshes(r) || r.Form.Get("refresh_token") != living {
			return false
		}
		tried.Add(1)
		return true
	}})
	pool.Advance(lab.JustExpired)
	b.MustBeUnavailable(lab.AsScript("/me", alice.Cookie))
	if sent := lab.RenewalsAt(pool); tried.Load() == 0 || sent[0] != sent[1] {
		t.Error("want a race, and the living child tried in vain; the test proves nothing")
	}
	pool.Heal()
	stop(b)
	c := lab.ServeWith(t, pool, lab.On(storage))
	mustLast(alice.Cookie, c, a, b)
}

// TestOwnDescendantsAreNoRivals: a script has the tokens renewed several times
// within the pause after which each of these renewals is looked at once more.
// The looks find what has come of theirs, and nobody puts it to the test.
func TestOwnDescendantsAreNoRivals(t *testing.T) {
	t.Parallel()
	const renewals = 12
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(grace))
			storage := lab.NewStore()
			a, b := lab.Pair(t, pool, storage)
			alice := a.SignIn("alice")
			for range renewals {
				pool.Advance(31 * time.Second) // younger tokens are not renewed
				if res := a.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
					t.Errorf("renewing answers %s", lab.StatusLine(res))
				}
			}
			read := len(storage.Asked("get"))
			stop(a)
			if len(storage.Asked("get")) == read {
				t.Error("nobody looked; the test proves nothing")
			}
			a.MustRenew(renewals)
			mustLast(alice, b, a)
		})
	}
}

// TestSpareIsTriedAgain: answers arrived out of order, so only the refresh token
// before is of use, for as long as the grace lasts. Cognito is down when it is
// tried, and the visitor's next request has it tried again.
func TestSpareIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]lab.Storage{"own storage": nil, "shared storage": lab.NewStore()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			lossy := &tardy{}
			var renewed atomic.Int32
			s := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) {
				c.HTTPClient = &http.Client{Transport: lossy}
				c.OnRefresh = func(*cognito.User) { renewed.Add(1) }
			})
			alice := s.SignIn("alice")
			pool.Advance(lab.JustExpired)
			s.MustBe("alice", alice)
			if err := lossy.deliver(); err != nil {
				t.Fatal(err)
			}
			pool.Break(cognitotest.Token, refreshFails(1))
			calls := len(lab.RenewalsAt(pool))
			pool.Advance(4 * time.Second)
			lab.Eventually(t, "the session was to be renewed, in vain", func() bool {
				s.MustBe("alice", alice)
				return len(lab.RenewalsAt(pool)) > calls
			})
			pool.Advance(2 * time.Second)
			lab.Eventually(t, "the session is renewed by a later request", func() bool {
				s.MustBe("alice", alice)
				return renewed.Load() == 2
			})
			mustLast(alice, s)
		})
	}
}

// TestRivalOfTokensThatWaitForKeys: the living child is stored and cannot be
// verified, since the keys are out of reach; then a rival that had not seen it
// writes over it. Its owner looks for it all the same.
func TestRivalOfTokensThatWaitForKeys(t *testing.T) {
	t.Parallel()
	for _, reachable := range []bool{false, true} {
		t.Run(fmt.Sprint("keys within reach: ", reachable), func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			storage := lab.NewStore()
			a, b := blindPair(t, pool, storage)
			alice := b.NewSession(storage, "alice") // so the first has no keys yet
			pool.Advance(lab.JustExpired)
			if !reachable {
				pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
			}
			storing, held := make(chan struct{}), lab.NewGate(t)
			var writes atomic.Int32
			storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
				if c.Method == "set" && c.Key == alice.Cold && writes.Add(1) == 1 {
					close(storing)
					<-held.Closed
				}
				return nil
			})
			first := b.Later(1, lab.AsScript("/me", alice.Cookie))
			<-storing
			a.Send(lab.AsScript("/me", alice.Cookie)) // whose child is the living one
			held.Open()
			mustAllBe(b, "alice", first())
			pool.Heal()
			dead := storage.Dump()[alice.Cold]
			lab.Eventually(t, "the owner of the living one looks for it", func() bool { return !bytes.Equal(storage.Dump()[alice.Cold], dead) })
			mustLast(alice.Cookie, b, a)
		})
	}
}
