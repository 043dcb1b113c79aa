package cognito_test

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
	"github.com/gofiber/fiber/v2"
)

// Row F2 once more: what is left in the storage, at Cognito and in memory when
// instances have raced and something else goes wrong as well. Most of what they
// do about it comes after a pause, or at once when the app stops.

// mustLast checks that what is stored can be renewed again and again.
func mustLast(cookie *http.Cookie, instances ...*site) {
	for range 2 {
		instances[0].pool.Advance(justExpired) // and with it every grace
		for _, s := range instances {
			s.Helper()
			s.mustBe("alice", cookie)
		}
	}
}

// stop lets an instance do at once what it was going to do later. It answers
// requests still, but renews nothing any more.
func (s *site) stop() {
	s.Helper()
	if err := s.auth.Close(); err != nil {
		s.Error(err)
	}
}

// refreshFails is a Cognito that is down for the next renewals.
func refreshFails(times int) cognitotest.Fault {
	return cognitotest.Fault{Times: times, Match: refreshes, Status: http.StatusServiceUnavailable}
}

// leaseReads is how often it was looked whether somebody holds a lease.
func leaseReads(storage *store) (times int) {
	for _, c := range storage.asked("get") {
		if strings.HasPrefix(c.key, "cognito_lease_") {
			times++
		}
	}
	return times
}

// TestUndecidedContest: an instance finds that its new refresh token has a rival
// in the storage, and Cognito cannot be asked which of the two is alive. The
// dead one does not take the living one's place for that, and the question is
// put again.
func TestUndecidedContest(t *testing.T) {
	t.Parallel()
	pool := newPool(t, rotating(time.Minute))
	storage := newStore()
	a, b := blindPair(t, pool, storage)
	alice := a.signIn("alice")
	pool.Advance(justExpired)

	held, rotated := parkAnswer(t, pool)
	first := a.later(1, asScript("/me", alice))
	<-rotated
	b.mustBe("alice", alice)
	b.stop() // it has looked, finds its own, and nobody else will defend it
	pool.Break(cognitotest.Token, refreshFails(1))
	held.open()
	if got := first()[0]; got.err != nil || got.StatusCode == http.StatusUnauthorized {
		t.Errorf("the first instance answers %s, want no logout", got)
	}
	a.mustBe("alice", alice)
	eventually(t, "both have asked, and the first again in vain and again", func() bool { return len(renewalsAt(pool)) == 4 })
	if sent := renewalsAt(pool); len(sent) != 4 || sent[0] != sent[1] || sent[2] != sent[3] || sent[2] == sent[0] {
		t.Error("want a race of two and a contest that was repeated; the test proves nothing")
	}
	c := serveWith(t, pool, on(storage))
	mustLast(alice, a, c)
}

// TestSecondWriteAfterAContest: an instance stores its new refresh token, waits
// for keys, and writes both records when it has them. In between another one
// has won the contest, and its tokens are not lost under the second write.
func TestSecondWriteAfterAContest(t *testing.T) {
	t.Parallel()
	pool := newPool(t, rotating(time.Minute))
	storage := newStore()
	a, b := blindPair(t, pool, storage)
	alice := b.newSession(storage, "alice") // so the first has no keys yet
	pool.Advance(justExpired)

	before, keys := storage.dump()[alice.cold], newGate(t)
	pool.Break(cognitotest.JWKS, cognitotest.Fault{Times: 1, Gate: keys.closed})
	answer, rotated := parkAnswer(t, pool)
	door := park(t, pool)
	loser := a.later(1, asScript("/me", alice.cookie))
	<-rotated
	winner := b.later(1, asScript("/me", alice.cookie))
	eventually(t, "the second asks too", func() bool { return len(renewalsAt(pool)) == 2 })
	answer.open()
	eventually(t, "the first has stored its refresh token", func() bool { return !bytes.Equal(before, storage.dump()[alice.cold]) })
	door.open()
	b.mustAllBe("alice", winner())
	won := storage.dump()[alice.cold]
	keys.open()
	a.mustAllBe("alice", loser())
	if sent := renewalsAt(pool); len(sent) != 3 || sent[0] != sent[1] || sent[2] == sent[0] || bytes.Equal(won, storage.dump()[alice.cold]) {
		t.Error("want a race, a contest and a write after it; the test proves nothing")
	}
	b.stop()
	a.stop()
	c := serveWith(t, pool, on(storage))
	mustLast(alice.cookie, c, a, b)
}

// TestLoserIsRefusedLate: the first call of an instance hangs for all its time,
// and its lease lapses; the repetition comes after another instance's call,
// whose answer is on its way. What the loser waits for counts from its refusal,
// not from the call before, or it would end the session that is being renewed.
func TestLoserIsRefusedLate(t *testing.T) {
	t.Parallel()
	// Whoever is refused waits for a call and two looks at the storage.
	const patience = 8 * time.Second
	pool := newPool(t, rotating(0))
	a, b := pair(t, pool, &mortalStore{store: newStore(), now: pool.Now, deaths: map[string]time.Time{}})
	alice := a.signIn("alice")
	pool.Advance(justExpired)

	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Hang: true})
	door := park(t, pool)
	answer, rotated := parkAnswer(t, pool)
	began := time.Now()
	loser := a.later(1, asScript("/me", alice))
	eventually(t, "the first repeats its call", func() bool { return len(renewalsAt(pool)) == 2 })
	pool.Advance(10 * time.Second) // which is the end of its lease
	winner := b.later(1, asScript("/me", alice))
	<-rotated
	door.open()
	time.Sleep(time.Until(began.Add(patience + 500*time.Millisecond))) // the answer's travel
	answer.open()
	b.mustAllBe("alice", winner())
	a.mustAllBe("alice", loser())
	if sent := renewalsAt(pool); len(sent) != 3 || sent[0] != sent[1] || sent[1] != sent[2] {
		t.Error("the two did not use the same refresh token; the test proves nothing")
	}
	mustLast(alice, a, b)
}

// TestLeaseCoversTheRepetition: a call whose answer was lost is repeated, which
// takes as long again. The lease lasts for that, so that no other instance
// begins to renew meanwhile.
func TestLeaseCoversTheRepetition(t *testing.T) {
	pool := newPool(t, rotating(time.Minute))
	storage := &mortalStore{store: newStore(), now: pool.Now, deaths: map[string]time.Time{}}
	a, b := pair(t, pool, storage)
	alice := a.signIn("alice")
	pool.Advance(justExpired)

	lost := newGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Gate: lost.closed, LoseAnswer: true})
	door := park(t, pool)
	first := a.later(1, asScript("/me", alice))
	eventually(t, "the first asks", func() bool { return len(renewalsAt(pool)) == 1 })
	pool.Advance(5 * time.Second)
	lost.open()
	eventually(t, "the first asks again", func() bool { return len(renewalsAt(pool)) == 2 })
	pool.Advance(5 * time.Second)
	before := leaseReads(storage.store)
	second := b.later(1, asScript("/me", alice))
	eventually(t, "the second instance has seen the lease, twice", func() bool { return leaseReads(storage.store) >= before+3 })
	door.open()
	a.mustAllBe("alice", first())
	b.mustAllBe("alice", second())
	a.mustRenew(2)
	mustLast(alice, a, b)
}

// TestHeirOfALease: an instance stores its new refresh token, and its lease
// lapses before it could verify the tokens. Who has waited for the lease takes
// those, and does not present the token that is spent.
func TestHeirOfALease(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			pool := newPool(t, rotating(grace))
			storage := &mortalStore{store: newStore(), now: pool.Now, deaths: map[string]time.Time{}}
			a, b := pair(t, pool, storage)
			alice := b.newSession(storage.store, "alice") // so the first has no keys yet
			pool.Advance(justExpired)

			before, keys := storage.dump()[alice.cold], newGate(t)
			pool.Break(cognitotest.JWKS, cognitotest.Fault{Times: 1, Gate: keys.closed})
			answer, rotated := parkAnswer(t, pool)
			victim := a.later(1, asScript("/me", alice.cookie))
			<-rotated
			looks := leaseReads(storage.store)
			heir := b.later(1, asScript("/me", alice.cookie))
			eventually(t, "the second waits for the lease", func() bool { return leaseReads(storage.store) >= looks+2 })
			answer.open()
			eventually(t, "the first has stored its refresh token", func() bool { return !bytes.Equal(before, storage.dump()[alice.cold]) })
			pool.Advance(10 * time.Second)
			b.mustAllBe("alice", heir())
			a.mustRenew(1)
			keys.open()
			a.mustAllBe("alice", victim())
			mustLast(alice.cookie, a, b)
		})
	}
}

// TestLateWriteAfterLogout: the storage is told to store renewed tokens, does
// not answer in time, and does it after a logout all the same. Whatever it has
// stored does not stay.
func TestLateWriteAfterLogout(t *testing.T) {
	for _, row := range []struct {
		name      string
		late      func(session) string // the record that is written late
		elsewhere bool
	}{
		{"the session, same instance", func(s session) string { return s.hot }, false},
		{"the session, other instance", func(s session) string { return s.hot }, true},
		{"the tokens, same instance", func(s session) string { return s.cold }, false},
		{"the tokens, other instance", func(s session) string { return s.cold }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, rotating(time.Minute))
			storage := newStore()
			a, b := pair(t, pool, storage)
			alice := a.newSession(storage, "alice")
			late := row.late(alice)
			pool.Advance(justExpired)

			held := newGate(t)
			var writes atomic.Int32
			storage.misbehave(func(c storeCall) *storeFault {
				switch {
				case c.method != "set" || c.key != late:
				case writes.Add(1) == 1:
					<-held.closed
				case late == alice.hot:
					return &storeFault{err: errDown} // nor is it stored in time by the next call
				}
				return nil
			})
			a.mustBe("alice", alice.cookie) // served with what is in memory, if need be
			leaving, revocations := a, 1
			if row.elsewhere {
				leaving = b
			}
			if row.elsewhere && late == alice.hot {
				revocations = 2 // the other one's, when it comes to store them again
			}
			leaving.mustLogOut(leaving.send(logOut(alice.cookie)))
			eventually(t, "the logout is known to whoever holds tokens", func() bool { return len(revoked(pool)) >= revocations })
			if storage.has(alice.hot) || storage.has(alice.cold) {
				t.Error("there are records after the logout")
			}
			held.open()
			eventually(t, "the record is back", func() bool { return storage.has(late) })
			a.stop()
			if storage.has(alice.hot) || storage.has(alice.cold) {
				t.Error("what was stored after the logout stays")
			}
			a.mustBe("", alice.cookie)
			b.mustBe("", alice.cookie)
			storage.misbehave(nil)
			mustLast(b.signIn("alice"), b)
		})
	}
}

// TestLogoutRevokesWhatIsHeldAndStored: somebody logs out while it is not known
// whether the refresh token in memory or the one in the storage is alive. Both
// are revoked, or the living one would work on after the logout.
func TestLogoutRevokesWhatIsHeldAndStored(t *testing.T) {
	t.Parallel()
	pool := newPool(t, rotating(time.Minute))
	storage := newStore()
	a, b := blindPair(t, pool, storage)
	alice := a.signIn("alice")
	pool.Advance(justExpired)

	tokens, rotated, held := &issued{}, make(chan struct{}), newGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Rewrite: func(answer map[string]any) {
		tokens.note(answer)
		close(rotated)
		<-held.closed
	}})
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Rewrite: tokens.note})
	pool.Break(cognitotest.Token, refreshFails(0))
	first := a.later(1, asScript("/me", alice))
	<-rotated
	b.mustBe("alice", alice) // whose child is the living one
	b.stop()                 // it has looked, and will not revoke it later
	held.open()
	first()
	if calls := len(renewalsAt(pool)); calls < 3 || len(tokens.all()) != 2 {
		t.Error("want a race and a contest that cannot be decided; the test proves nothing")
	}
	a.mustBe("alice", alice)
	a.mustLogOut(a.send(logOut(alice)))
	for i, token := range tokens.all() {
		eventually(t, fmt.Sprint("refresh token ", i, " is revoked"), func() bool { return slices.Contains(revoked(pool), token) })
	}
	pool.Heal()
	a.mustBe("", alice)
	b.mustBe("", alice)
	mustLast(a.signIn("alice"), a, b)
}

// TestRefusedWhileTokensAreHeld: the dead one of two rivals was stored last, and
// the living one's owner is refused with it before it has looked. Its look
// cannot be decided, since Cognito is down for it, so the living one is held in
// memory; as long as it is, the session is not given up.
func TestRefusedWhileTokensAreHeld(t *testing.T) {
	t.Parallel()
	pool := newPool(t, rotating(time.Minute))
	storage := newStore()
	a, b := blindPair(t, pool, storage)
	alice := a.newSession(storage, "alice")
	pool.Advance(justExpired)

	tokens := &issued{}
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 2, Match: refreshes, Rewrite: tokens.note})
	storing, held := make(chan struct{}), newGate(t)
	var writes atomic.Int32
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && c.key == alice.cold && writes.Add(1) == 1 {
			close(storing)
			<-held.closed
		}
		return nil
	})
	first := a.later(1, asScript("/me", alice.cookie))
	<-storing
	b.mustBe("alice", alice.cookie) // whose child is the living one
	held.open()
	a.mustAllBe("alice", first())
	a.stop() // it has looked, and found its own
	living := tokens.newest()
	var tried atomic.Int32
	pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusServiceUnavailable, Match: func(r cognitotest.Request) bool {
		if !refreshes(r) || r.Form.Get("refresh_token") != living {
			return false
		}
		tried.Add(1)
		return true
	}})
	pool.Advance(justExpired)
	b.mustBeUnavailable(asScript("/me", alice.cookie))
	if sent := renewalsAt(pool); tried.Load() == 0 || len(sent) < 4 || sent[0] != sent[1] || sent[2] == living {
		t.Error("want a race, the dead child and a contest that cannot be decided; the test proves nothing")
	}
	pool.Heal()
	b.stop()
	c := serveWith(t, pool, on(storage))
	mustLast(alice.cookie, c, a, b)
}

// TestOwnDescendantsAreNoRivals: a script has the tokens renewed several times
// within the pause after which each of these renewals is looked at once more.
// The looks find what has come of theirs, and nobody puts it to the test.
func TestOwnDescendantsAreNoRivals(t *testing.T) {
	const renewals = 12
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, rotating(grace))
			storage := newStore()
			a, b := pair(t, pool, storage)
			alice := a.signIn("alice")
			for range renewals {
				if res := a.send(renewNow(alice)); res.StatusCode != http.StatusOK {
					t.Errorf("renewing answers %s", statusLine(res))
				}
			}
			read := len(storage.asked("get"))
			a.stop()
			if len(storage.asked("get")) == read {
				t.Error("nobody looked; the test proves nothing")
			}
			a.mustRenew(renewals)
			mustLast(alice, b, a)
		})
	}
}

// TestSpareIsTriedAgain: answers arrived out of order, so only the refresh token
// before is of use, for as long as the grace lasts. Cognito is down when it is
// tried, and the visitor's next request has it tried again.
func TestSpareIsTriedAgain(t *testing.T) {
	for name, storage := range map[string]fiber.Storage{"own storage": nil, "shared storage": newStore()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, rotating(time.Minute))
			lossy := &tardy{}
			var renewed atomic.Int32
			s := serveWith(t, pool, on(storage), func(c *cognito.Config) {
				c.HTTPClient = &http.Client{Transport: lossy}
				c.OnRefresh = func(*cognito.User) { renewed.Add(1) }
			})
			alice := s.signIn("alice")
			pool.Advance(justExpired)
			s.mustBe("alice", alice)
			if err := lossy.deliver(); err != nil {
				t.Fatal(err)
			}
			pool.Break(cognitotest.Token, refreshFails(1))
			calls := len(renewalsAt(pool))
			pool.Advance(4 * time.Second)
			eventually(t, "the session was to be renewed, in vain", func() bool {
				s.mustBe("alice", alice)
				return len(renewalsAt(pool)) > calls
			})
			pool.Advance(2 * time.Second)
			eventually(t, "the session is renewed by a later request", func() bool {
				s.mustBe("alice", alice)
				return renewed.Load() == 2
			})
			mustLast(alice, s)
		})
	}
}
