package faults_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// TestRivals: two instances present the same refresh token, since neither sees the
// other's lease, and so its children are rivals. Within the grace both get one, of
// which the newest alone goes on working; without, one of them is refused. Whatever
// else goes wrong meanwhile, the living one finds its way into the storage, and nobody
// is logged out.
func TestRivals(t *testing.T) {
	t.Parallel()
	tell(t, []story{
		{"the winner's answer comes last", anyGrace, "a", winnerComesLast, "ab"},
		{"the winner waits for keys", noGrace, "b", winnerWaitsForKeys, "ba"},
		{"the dead one is stored last", aGrace, "a", func(s *stage) { deadOneIsLast(s, cognitotest.Fault{}) }, "ab"},
		{"the dead one is stored last, and Cognito is down when it looks", aGrace, "a", func(s *stage) { deadOneIsLast(s, refreshFails(1)) }, "ab"},
		{"the living one is stored last", aGrace, "a", livingOneIsLast, "ab"},
		{"Cognito cannot be asked which one lives", aGrace, "a", cannotBeAsked, "ac"},
		{"a second write over the rival", aGrace, "b", secondWrite, "cab"},
		{"the living one's owner cannot renew before it looks", aGrace, "a", ownerCannotRenew, "cab"},
		{"the living one waits for keys", aGrace, "b", func(s *stage) { waitsForKeys(s, true) }, "ba"},
		{"the living one waits for keys that are out of reach", aGrace, "b", func(s *stage) { waitsForKeys(s, false) }, "ba"},
	}, unseen)
}

// winnerComesLast: the winner's answer is still travelling when the loser presents the
// same refresh token. Without grace that gets invalid_grant, which is not to be
// believed; within the grace tokens that outdo the winner's.
func winnerComesLast(s *stage) {
	held, rotated := parkAnswer(s.T, s.pool)
	winner := s.ask(s.a)
	<-rotated
	loser := s.ask(s.b)
	s.asked(2)
	if s.grace > 0 {
		mustAllBe(s.b, "alice", loser()) // and is saved before the winner's
	}
	held.Open()
	mustAllBe(s.a, "alice", winner())
	mustAllBe(s.b, "alice", loser())
	s.mustHaveRaced(2)
}

// winnerWaitsForKeys: it has stored its refresh token, and cannot verify the tokens yet.
// The one that was refused does so in its place.
func winnerWaitsForKeys(s *stage) {
	keys := s.holdKeys()
	answer, rotated := parkAnswer(s.T, s.pool)
	winner := s.ask(s.a)
	<-rotated
	loser := s.ask(s.b)
	s.asked(2)
	answer.Open()
	mustAllBe(s.b, "alice", loser())
	keys.Open()
	mustAllBe(s.a, "alice", winner())
	s.mustHaveRaced(2)
}

// deadOneIsLast: neither sees the other's child before it stores its own. The living
// one's owner looks once more, which a fault may befall.
func deadOneIsLast(s *stage, fault cognitotest.Fault) {
	storing, held := s.holdWrite()
	first := s.ask(s.a)
	<-storing
	s.b.MustBe("alice", s.alice.Cookie) // has presented the same token, and stored its child
	held.Open()
	mustAllBe(s.a, "alice", first())
	s.mustHaveRaced(2)
	if fault.Times > 0 {
		s.pool.Break(cognitotest.Token, fault)
	}
	lab.Eventually(s.T, "the second looks once more, and renews", func() bool { return s.renewed.Load() > 2 })
}

// livingOneIsLast: the renewal that follows may try the dead one, in vain, and finds
// the other.
func livingOneIsLast(s *stage) {
	storing, held := make(chan struct{}), lab.NewGate(s.T)
	var writes atomic.Int32
	s.storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == s.alice.Cold {
			switch writes.Add(1) {
			case 1: // the first child waits until the second is minted,
				close(storing)
				<-held.Closed
			case 2: // which is stored after it
				held.Open()
				s.stored(s.signed)
			}
		}
		return nil
	})
	first := s.ask(s.a)
	<-storing
	s.b.MustBe("alice", s.alice.Cookie)
	mustAllBe(s.a, "alice", first())
	lab.Eventually(s.T, "one of them looks once more, and renews", func() bool { return s.renewed.Load() > 2 })
}

// cannotBeAsked: an instance finds that its new refresh token has a rival in the
// storage, while Cognito is down. Neither takes the other's place for that, and the
// question is put again.
func cannotBeAsked(s *stage) {
	held, rotated := parkAnswer(s.T, s.pool)
	first := s.ask(s.a)
	<-rotated
	s.b.MustBe("alice", s.alice.Cookie)
	stop(s.b) // it has looked, finds its own, and nobody else will defend it
	s.pool.Break(cognitotest.Token, refreshFails(1))
	held.Open()
	if got := first()[0]; got.Err != nil || got.StatusCode == http.StatusUnauthorized {
		s.Errorf("the first instance answers %s, want no logout", got)
	}
	s.a.MustBe("alice", s.alice.Cookie)
	lab.Eventually(s.T, "the first asks again, in vain, and renews", func() bool { return s.renewed.Load() > 2 })
	s.mustHaveRaced(2)
}

// secondWrite: an instance stores its new refresh token, waits for keys, and writes
// both records when it has them. In between another one has stored a rival, which is
// not lost under the second write.
func secondWrite(s *stage) {
	keys := s.holdKeys()
	answer, rotated := parkAnswer(s.T, s.pool)
	door := park(s.T, s.pool)
	first := s.ask(s.a)
	<-rotated
	second := s.ask(s.b)
	s.asked(2)
	answer.Open()
	s.stored(s.signed)
	door.Open()
	mustAllBe(s.b, "alice", second()) // whose child is the living one
	won := s.storage.Dump()[s.alice.Cold]
	keys.Open()
	mustAllBe(s.a, "alice", first())
	s.mustHaveRaced(2)
	s.stored(won)
	stop(s.b)
	stop(s.a)
}

// ownerCannotRenew: the dead one is stored last, and the living one's owner has to renew
// before it has looked. Cognito is down for the living one; as long as it is, the
// session is not given up.
func ownerCannotRenew(s *stage) {
	tokens := &lab.Issued{}
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 2, Match: lab.Refreshes, Rewrite: tokens.Note})
	storing, held := s.holdWrite()
	first := s.ask(s.a)
	<-storing
	s.b.MustBe("alice", s.alice.Cookie) // whose child is the living one
	held.Open()
	mustAllBe(s.a, "alice", first())
	stop(s.a) // it has looked, and found its own
	living := tokens.Newest()
	var tried atomic.Int32
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusServiceUnavailable, Match: func(r cognitotest.Request) bool {
		if !lab.Refreshes(r) || r.Form.Get("refresh_token") != living {
			return false
		}
		tried.Add(1)
		return true
	}})
	s.pool.Advance(lab.JustExpired)
	s.b.MustBeUnavailable(lab.AsScript("/me", s.alice.Cookie))
	if s.mustHaveRaced(2); tried.Load() == 0 {
		s.Error("the living child was not tried; the test proves nothing")
	}
	s.pool.Heal()
	stop(s.b)
}

// waitsForKeys: the living child is stored and cannot be verified yet; then a rival that
// had not seen it writes over it. Its owner looks for it all the same.
func waitsForKeys(s *stage, reachable bool) {
	if !reachable {
		s.pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	}
	storing, held := s.holdWrite()
	first := s.ask(s.b)
	<-storing
	s.a.Send(lab.AsScript("/me", s.alice.Cookie)) // whose child is the living one
	held.Open()
	mustAllBe(s.b, "alice", first())
	s.pool.Heal()
	s.stored(s.storage.Dump()[s.alice.Cold])
}
