package faults_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// TestLeases: where instances see each other's leases, one of them renews, and the
// others wait for what comes of it.
func TestLeases(t *testing.T) {
	t.Parallel()
	tell(t, []story{
		{"another instance waits", noGrace, "a", leaseSparesTheRace, "ab"},
		{"a request comes late", noGrace, "a", comesLate, "ab"},
	}, seen)
}

// TestLeasesLapse: they last for as long as a renewal may take. If nothing has come of it
// by then, others go on.
func TestLeasesLapse(t *testing.T) {
	t.Parallel()
	tell(t, []story{
		{"the holder dies", nil, "a", holderDies, "ab"},
		{"a call is repeated", aGrace, "a", callIsRepeated, "ab"},
		{"the heir finds new tokens", anyGrace, "b", heirFindsTokens, "ab"},
		{"the loser is refused late", noGrace, "a", refusedLate, "ab"},
	}, mortal)
}

// leaseSparesTheRace: while one instance renews, another one waits for the outcome and
// calls nobody.
func leaseSparesTheRace(s *stage) {
	held, looks := park(s.T, s.pool), s.looks(3)
	first := s.ask(s.a)
	s.asked(1)
	second := s.ask(s.b)
	looks() // the first instance's, and the second's two
	held.Open()
	mustAllBe(s.a, "alice", first())
	mustAllBe(s.b, "alice", second())
	s.a.MustRenew(1)
}

// comesLate: a request has read that the tokens are expired, and before it comes to
// renew them another instance has. It takes those.
func comesLate(s *stage) {
	renewing, held := make(chan struct{}), lab.NewGate(s.T)
	var reads atomic.Int32
	s.storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		// The second read is the first act of the renewal.
		if c.Method == "get" && c.Key == s.alice.Hot && reads.Add(1) == 2 {
			close(renewing)
			<-held.Closed
		}
		return nil
	})
	late := s.ask(s.b)
	<-renewing
	s.a.MustBe("alice", s.alice.Cookie)
	held.Open()
	// On a slow machine the read was given up by now, and the request is told to come again.
	if answers := late(); answers[0].Err != nil || answers[0].StatusCode != http.StatusServiceUnavailable {
		mustAllBe(s.b, "alice", answers)
	}
	s.a.MustRenew(1)
}

// holderDies: an instance that is killed while it renews leaves its lease behind. It
// lapses, and another instance goes on.
func holderDies(s *stage) {
	held := park(s.T, s.pool)
	victim := s.ask(s.a)
	s.asked(1)
	heir := s.ask(s.b)
	s.pool.Advance(10 * time.Second)
	mustAllBe(s.b, "alice", heir())
	held.Open()
	mustAllBe(s.a, "alice", victim())
}

// callIsRepeated: a call whose answer was lost is repeated, which takes as long again.
// The lease lasts for that, so that no other instance begins to renew meanwhile.
func callIsRepeated(s *stage) {
	const most = 3750 * time.Millisecond // of the seven seconds of a lease, with room for a slow machine
	lost := lab.NewGate(s.T)
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Gate: lost.Closed, LoseAnswer: true})
	door := park(s.T, s.pool)
	first := s.ask(s.a)
	s.asked(1)
	s.pool.Advance(most)
	lost.Open()
	s.asked(2)
	s.pool.Advance(most)
	looks := s.looks(3)
	second := s.ask(s.b)
	looks()
	s.a.MustRenew(2) // now: of two tokens, after three seconds, the better one is found out
	door.Open()
	mustAllBe(s.a, "alice", first())
	mustAllBe(s.b, "alice", second())
}

// heirFindsTokens: an instance stores its new refresh token, and its lease lapses before
// it could verify the tokens. Who has waited for the lease takes those, and does not
// present the token that is spent.
func heirFindsTokens(s *stage) {
	keys := s.holdKeys()
	answer, rotated := parkAnswer(s.T, s.pool)
	victim := s.ask(s.a)
	<-rotated
	looks := s.looks(2)
	heir := s.ask(s.b)
	looks()
	answer.Open()
	s.stored(s.signed)
	s.pool.Advance(10 * time.Second)
	mustAllBe(s.b, "alice", heir())
	s.a.MustRenew(1)
	keys.Open()
	mustAllBe(s.a, "alice", victim())
}

// refusedLate: the first call of an instance hangs for all its time, and its lease
// lapses; the repetition comes after another instance's call, whose answer is on its
// way. What the loser waits for counts from its refusal, not from the call before, or it
// would end the session that is being renewed.
func refusedLate(s *stage) {
	// Whoever is refused waits for a call and two looks at the storage.
	const patience = 8 * time.Second
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Hang: true})
	door := park(s.T, s.pool)
	answer, rotated := parkAnswer(s.T, s.pool)
	began := time.Now()
	loser := s.ask(s.a)
	s.asked(2)
	s.pool.Advance(10 * time.Second) // which is the end of its lease
	winner := s.ask(s.b)
	<-rotated
	door.Open()
	time.Sleep(time.Until(began.Add(patience + 500*time.Millisecond))) // the answer's travel
	answer.Open()
	mustAllBe(s.b, "alice", winner())
	// On a slow machine a request's eleven seconds are over by now, which ends no session.
	if late := loser(); late[0].Err != nil || late[0].StatusCode != http.StatusServiceUnavailable {
		mustAllBe(s.a, "alice", late)
	}
	s.mustHaveRaced(3)
}

// TestNoLeaseNoRenewal: a storage that takes no lease would not take the new
// tokens either, so the refresh token is not spent.
func TestNoLeaseNoRenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" {
			return &lab.StoreFault{Err: lab.ErrDown}
		}
		return nil
	})
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	s.MustRenew(0)
	storage.Misbehave(nil)
	pool.Advance(time.Minute)
	s.MustBe("alice", alice)
}

// TestLeaseIsGivenBack: whatever came of a renewal, the next one need not wait
// for the lease to lapse.
func TestLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	mustHaveNoLease(t, storage)
	pool.Advance(time.Minute)
	s.MustBe("alice", alice)
	mustHaveNoLease(t, storage)
	s.MustRenew(2)
}

// TestLeaseIsGivenBackUnused is the same for a lease that was taken and led to no call:
// the storage failed, or the app stopped, in the moment in which others are looked for.
func TestLeaseIsGivenBackUnused(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.ServeWith(t, lab.NewPool(t), lab.On(storage))
	alice := s.NewSession(storage, "alice")
	lease := strings.Replace(alice.Hot, "_hot_", "_lease_", 1)
	s.Pool.Advance(lab.JustExpired)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "get" && c.Key == alice.Hot && storage.Has(lease) {
			return &lab.StoreFault{Err: lab.ErrDown}
		}
		return nil
	})
	s.MustBeUnavailable(lab.AsScript("/me", alice.Cookie))
	storage.Misbehave(nil)
	mustHaveNoLease(t, storage)

	s.Pool.Advance(time.Minute) // the pause
	answers := s.Later(1, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "the lease is taken", func() bool { return storage.Has(lease) })
	stop(s)
	answers()
	mustHaveNoLease(t, storage)
}

func mustHaveNoLease(t *testing.T, storage *lab.Store) {
	t.Helper()
	for key := range storage.Dump() {
		if strings.HasPrefix(key, "cognito_lease_") {
			t.Errorf("%s is left", key)
		}
	}
}

// TestLeaseThatNeverLapses is the same with a storage that does not keep to
// lifetimes. The heir waits for as long as a lease may live, once: it clears
// away what the dead instance has left.
func TestLeaseThatNeverLapses(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	left := strings.Replace(alice.Hot, "_hot_", "_lease_", 1)
	if err := storage.Set(left, []byte("of a dead instance"), time.Second); err != nil {
		t.Fatal(err)
	}
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice.Cookie)
	s.MustRenew(1)
	mustHaveNoLease(t, storage)
}

// TestLeaseOfAnotherIsLeft: an instance whose call took so long that its lease has
// lapsed does not give back the one that another instance has taken since.
func TestLeaseOfAnotherIsLeft(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.ServeWith(t, lab.NewPool(t, lab.Rotating(time.Minute)), lab.On(storage))
	alice := s.NewSession(storage, "alice")
	lease := strings.Replace(alice.Hot, "_hot_", "_lease_", 1)
	gate := lab.NewGate(t)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Gate: gate.Closed})
	s.Pool.Advance(lab.JustExpired)
	answers := s.Later(1, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "the renewal is under way", func() bool { return s.Pool.Calls(cognitotest.Token) == 2 })
	storage.Plant(lease, []byte("of another instance"))
	gate.Open()
	answers()
	if err := s.Auth.Close(); err != nil {
		t.Error(err)
	}
	if left := string(storage.Dump()[lease]); left != "of another instance" {
		t.Errorf("the lease is now %q", left)
	}
	s.MustBe("alice", alice.Cookie)
}
