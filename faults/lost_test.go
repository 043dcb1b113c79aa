package faults_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// What a storage loses by itself: it fails over to a replica that lags, or it is full and
// evicts what was not read for longest.

// loseRenewal lets a storage fail over to a replica that has not seen a session's last
// renewal.
func loseRenewal(s *lab.Site, storage *lab.Store, alice lab.Session) {
	s.Helper()
	before := storage.Dump()
	s.Pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice.Cookie)
	// The process looks once more whether the storage has it, and then no more.
	looked := readings(storage, alice.Cold)
	lab.Eventually(s.T, "it looks again", func() bool { return readings(storage, alice.Cold) > looked })
	storage.Plant(alice.Hot, before[alice.Hot])
	storage.Plant(alice.Cold, before[alice.Cold])
	s.MustBe("alice", alice.Cookie)
}

// readings is how often a record was read.
func readings(storage *lab.Store, key string) (times int) {
	for _, call := range storage.Asked("get") {
		if call.Key == key {
			times++
		}
	}
	return times
}

// tokenOf is the access token that a handler gets, or the status of its refusal.
func tokenOf(s *lab.Site, cookie *http.Cookie) *lab.Answer {
	s.Helper()
	return s.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{cookie}})
}

// TestStorageLosesARenewal: the process remembers that the session was renewed, and the
// storage has the tokens of before. No handler gets a token that has expired: it is renewed
// once more. If Cognito has replaced the refresh token, that is the end of the session.
func TestStorageLosesARenewal(t *testing.T) {
	t.Parallel()
	t.Run("the refresh token works again", func(t *testing.T) {
		t.Parallel()
		storage := lab.NewStore()
		s := lab.Serve(t, lab.On(storage))
		alice := s.NewSession(storage, "alice")
		loseRenewal(s, storage, alice)
		for range 2 {
			expires, _ := lab.ClaimsOf(t, tokenOf(s, alice.Cookie).Text)["exp"].(float64)
			if now := s.Pool.Now(); int64(expires) <= now.Unix() {
				t.Errorf("a handler gets a token that expired at %.0f, and it is %d", expires, now.Unix())
			}
		}
		s.MustRenew(2)
		s.MustBe("alice", alice.Cookie)
		s.Pool.Advance(lab.JustExpired)
		s.MustBe("alice", alice.Cookie)
	})
	t.Run("it was replaced", func(t *testing.T) {
		t.Parallel()
		storage := lab.NewStore()
		s := lab.ServeWith(t, lab.NewPool(t, lab.Rotating(0)), lab.On(storage))
		alice := s.NewSession(storage, "alice")
		loseRenewal(s, storage, alice)
		if res := tokenOf(s, alice.Cookie); res.StatusCode != http.StatusTeapot {
			t.Errorf("a handler gets %s, want an error", lab.StatusLine(res))
		}
		s.MustBe("", alice.Cookie)
		s.MustBe("alice", s.SignIn("alice"))
	})
	t.Run("Cognito is down", func(t *testing.T) {
		t.Parallel()
		storage := lab.NewStore()
		s := lab.Serve(t, lab.On(storage))
		alice := s.NewSession(storage, "alice")
		loseRenewal(s, storage, alice)
		s.Pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
		if res := tokenOf(s, alice.Cookie); res.StatusCode != http.StatusTeapot || !strings.HasPrefix(res.Text, cognito.ErrUnavailable.Error()) {
			t.Errorf("a handler gets %s, want unavailable", lab.StatusLine(res))
		}
		s.MustBe("alice", alice.Cookie) // the claims are valid
	})
}

// TestStorageEvictsTokens: whoever is signed in is read at every request, and the tokens
// hardly ever, so a storage that is full evicts these first. The session lasts as long as
// its tokens would have, and the operator is told once, and not at every request.
func TestStorageEvictsTokens(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b := lab.Pair(t, lab.NewPool(t), storage, func(c *cognito.Config) { c.UserPath = "/session" })
	alice := a.NewSession(storage, "alice")
	if err := storage.Delete(alice.Cold); err != nil {
		t.Fatal(err)
	}
	a.Pool.Advance(nearlyExpired)
	told := func(s *lab.Site) int { return strings.Count(s.Logged.String(), "tokens are gone from the storage") }
	for _, s := range []*lab.Site{a, b} {
		s.MustBe("alice", alice.Cookie)
		lab.Eventually(t, "the operator is told", func() bool { return told(a)+told(b) > 0 })
		for range 20 {
			s.MustBe("alice", alice.Cookie)
		}
		if res := s.Send(lab.RenewNow(alice.Cookie)); res.StatusCode != http.StatusOK {
			t.Errorf("to a script that renews, it says %s", lab.StatusLine(res))
		}
		who := lab.Decode(t, s.Send(lab.AsScript("/session", alice.Cookie)).Text)
		if who["session_ends_at"] == nil || who["session_ends_at"] != who["expires_at"] {
			t.Errorf("the page is told that the session ends at %v, and its tokens at %v", who["session_ends_at"], who["expires_at"])
		}
	}
	a.Pool.Advance(10 * time.Minute)
	for _, s := range []*lab.Site{a, b} {
		for range 20 {
			s.MustBe("", alice.Cookie)
		}
	}
	if told(a)+told(b) != 1 {
		t.Errorf("the operator is told %d times, want once", told(a)+told(b))
	}
	if refreshes := strings.Count(a.Logged.String()+b.Logged.String(), "kind=refresh"); refreshes > 0 {
		t.Errorf("the log has %d lines about a renewal, and there was none", refreshes)
	}
	a.MustRenew(0)
	a.MustBe("alice", a.SignIn("alice"))
}

// TestStorageEvictsTokensOfTheAway: the visitor comes back when the tokens would have
// expired. That is the end of the session, and of its records.
func TestStorageEvictsTokensOfTheAway(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	if err := storage.Delete(alice.Cold); err != nil {
		t.Fatal(err)
	}
	s.Pool.Advance(lab.JustExpired)
	for range 20 {
		s.MustBe("", alice.Cookie)
	}
	if lines := strings.Count(s.Logged.String(), "kind=refresh"); lines != 1 {
		t.Errorf("the log has %d lines about its renewal, want one", lines)
	}
	if storage.Has(alice.Hot) {
		t.Error("the record of who is signed in stays")
	}
}

// TestLogoutIsNoEviction: a visitor signs out while the session is being renewed, between the
// readings of its two records. Nobody is told that the storage loses entries.
func TestLogoutIsNoEviction(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	s.Pool.Advance(lab.JustExpired)
	storage.Misbehave(func(call lab.StoreCall) *lab.StoreFault {
		if call.Method == "get" && call.Key == alice.Cold {
			storage.Misbehave(nil)
			s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
		}
		return nil
	})
	s.MustBe("", alice.Cookie)
	if strings.Contains(s.Logged.String(), "level=WARN") {
		t.Errorf("the log warns: %s", s.Logged.String())
	}
}

// TestStorageEvictsTokensAndLosesARenewal: the storage has the claims of before, which it may
// hand out no more, and no tokens. A group that was taken away does not come back.
func TestStorageEvictsTokensAndLosesARenewal(t *testing.T) {
	t.Parallel()
	storage, pool := lab.NewStore(), lab.NewPool(t)
	regroup(pool, "old")
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	before := storage.Dump()
	regroup(pool, "new")
	pool.Advance(time.Minute)
	looked := readings(storage, alice.Cold)
	s.MustAnswer(s.Send(lab.RenewNow(alice.Cookie)), http.StatusOK)
	lab.Eventually(t, "it looks whether the storage has it", func() bool { return readings(storage, alice.Cold) > looked+1 })
	storage.Plant(alice.Hot, before[alice.Hot])
	if err := storage.Delete(alice.Cold); err != nil {
		t.Fatal(err)
	}
	pool.Advance(time.Minute)
	s.MustAnswer(s.Send(lab.RenewNow(alice.Cookie)), http.StatusUnauthorized)
	if groups := groupsOf(s.Me(alice.Cookie)); groups == "old" || groups == "new" {
		t.Errorf("alice is in %s", groups)
	}
	if groups := groupsOf(s.Me(s.SignIn("alice"))); groups != "new" {
		t.Errorf("after the next login, alice is in %s", groups)
	}
}

// TestSessionIsEvictedBeforeItsRenewal: a request has read the session, and its renewal finds
// nothing of it. That is its end, and no fault of ours.
func TestSessionIsEvictedBeforeItsRenewal(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	s.Pool.Advance(lab.JustExpired)
	read := false
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method != "get" || c.Key != alice.Hot {
			return nil
		}
		if read {
			return &lab.StoreFault{}
		}
		read = true
		return nil
	})
	s.MustBe("", alice.Cookie)
	if log := s.Logged.String(); strings.Contains(log, "panic") || !strings.Contains(log, "event.reason=session_ended") {
		t.Errorf("the operator reads %s", log)
	}
	storage.Misbehave(nil)
	s.MustBe("alice", s.SignIn("alice"))
}
