package faults_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// A session must neither die too early nor live too long. Here are the ways in
// which renewing its tokens goes wrong in other libraries: stampedes, races
// between instances, refresh tokens that are lost or put back, users who stay
// although they are gone, and tokens that are not what they were.

// TestStampedeAtExpiry: a thousand requests of one session arrive in the instant its
// tokens have expired. One of them renews, all of them are answered, and with what the
// new tokens say.
func TestStampedeAtExpiry(t *testing.T) {
	t.Parallel()
	const herd = 1000
	for name, storage := range map[string]lab.Storage{"own storage": nil, "shared storage": lab.NewStore()} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Int32
			s := lab.Serve(t, lab.On(storage), lab.Patient(t), func(c *cognito.Config) {
				c.Next = func(*fiber.Ctx) bool { arrived.Add(1); return false }
			})
			alice := s.SignIn("alice")
			regroup(s.Pool, "herd")
			s.Pool.Advance(lab.JustExpired)
			held := park(t, s.Pool)
			arrived.Store(0)
			answers := stampede(s, herd, lab.AsScript("/me", alice))
			// All of them wait, unless the machine is too slow to bring them
			// here while a call to Cognito is still waited for.
			for range 30 {
				if arrived.Load() < herd {
					time.Sleep(100 * time.Millisecond)
				}
			}
			if waiting := arrived.Load(); waiting < 50 {
				t.Errorf("only %d requests came while the tokens were being renewed", waiting)
			}
			held.Open()
			for _, got := range answers() {
				if groupsOf(got.Answer) != "herd" {
					t.Fatalf("a request was answered %s; want the new groups", got)
				}
			}
			s.MustRenew(1)
		})
	}
}

// TestRenewalAheadOfTime: tokens are renewed in the background with a quarter
// of their life left, and a Cognito that does not answer then delays nobody.
func TestRenewalAheadOfTime(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InMemory)
	alice := s.SignIn("alice")
	regroup(s.Pool, "new")
	s.Pool.Advance(40 * time.Minute)
	s.MustBe("alice", alice)
	s.MustRenew(0)

	held := park(t, s.Pool)
	s.Pool.Advance(9 * time.Minute)
	for range 3 {
		// Were these to wait, they would wait for ever.
		if groups := groupsOf(s.Me(alice)); groups != "admin" {
			t.Errorf("while Cognito hangs, /me shows %s; want what it showed before", groups)
		}
	}
	lab.Eventually(t, "the tokens are being renewed", func() bool { return len(lab.RenewalsAt(s.Pool)) == 1 })
	held.Open()
	lab.Eventually(t, "the new tokens are used", func() bool { return groupsOf(s.Me(alice)) == "new" })
	s.MustRenew(1)
}

// TestRefreshTokenLostOrKept: an answer without refresh token means that the old one
// stays, one with it that the old one is dead.
func TestRefreshTokenLostOrKept(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]cognitotest.Client{
		"rotation off": {}, "rotation without grace": lab.Rotating(0), "rotation with grace": lab.Rotating(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, client)
			issued := lab.RecordIssued(pool)
			s := lab.ServeWith(t, pool)
			alice := s.SignIn("alice")
			for range 4 {
				newest := issued.Newest()
				pool.Advance(lab.JustExpired)
				s.MustBe("alice", alice)
				sent := lab.RenewalsAt(pool)
				if len(sent) == 0 || sent[len(sent)-1] != newest {
					t.Fatal("a renewal did not use the refresh token issued last")
				}
			}
			s.MustRenew(4)
			want := 1
			if client.RotateRefreshTokens {
				want = 5
			}
			if all := issued.All(); len(all) != want {
				t.Errorf("the pool issued %d refresh tokens, want %d; the test proves nothing", len(all), want)
			}
		})
	}
}

// TestLostAnswer: Cognito rotates the refresh token and the answer gets lost. Within
// the grace the old one is tried again at once and works. Beyond it nothing can be done
// but one more login: no loop of calls.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]lab.Storage{"own storage": nil, "shared storage": lab.NewStore()} {
		t.Run("within the grace, "+name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			s := lab.ServeWith(t, pool, lab.On(storage))
			alice := s.SignIn("alice")
			pool.Advance(lab.JustExpired)
			pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, LoseAnswer: true})
			s.MustBe("alice", alice)
			s.MustRenew(2)
			pool.Advance(lab.JustExpired)
			s.MustBe("alice", alice)
			s.MustRenew(3)
		})
	}
	t.Run("beyond the grace", func(t *testing.T) {
		pool := lab.NewPool(t, lab.Rotating(0))
		s := lab.ServeWith(t, pool, lab.InMemory)
		alice := s.SignIn("alice")
		pool.Advance(lab.JustExpired)
		pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, LoseAnswer: true})
		mustEndOnce(s, lab.AsScript("/me", alice), 2)
		s.MustBe("alice", s.SignIn("alice"))
	})
}

// TestSessionOutlivesItsLimits: a session ends when it was idle for too long and when
// it is too old, by the deadlines inside its record: this storage forgets nothing. No
// renewal moves the second deadline.
func TestSessionOutlivesItsLimits(t *testing.T) {
	t.Parallel()
	limits := func(c *cognito.Config) { c.IdleTimeout, c.AbsoluteTimeout = 10*time.Hour, 48*time.Hour }
	t.Run("idle", func(t *testing.T) {
		s := lab.Serve(t, lab.On(lab.NewStore()), limits)
		idle, used := s.SignIn("alice"), s.SignIn("bob")
		s.Pool.Advance(9 * time.Hour)
		s.MustBe("bob", used)
		renewals := len(lab.RenewalsAt(s.Pool))
		s.Pool.Advance(time.Hour + time.Second)
		s.MustBe("", idle)
		s.MustRenew(renewals) // and Cognito was not asked about it
		s.MustBe("bob", used)
	})
	t.Run("absolute", func(t *testing.T) {
		s := lab.Serve(t, lab.On(lab.NewStore()), limits)
		alice := s.SignIn("alice")
		for range 5 {
			s.Pool.Advance(9 * time.Hour)
			s.MustBe("alice", alice)
		}
		s.Pool.Advance(2 * time.Hour)
		s.MustBe("alice", alice)
		s.Pool.Advance(time.Hour)
		s.MustBe("", alice)
		if res := s.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("the refresh path answered %s, want 401", lab.StatusLine(res))
		}
		if renewals := len(lab.RenewalsAt(s.Pool)); renewals != 6 {
			t.Errorf("%d renewals in two days, want one at every visit but the last", renewals)
		}
		s.MustBe("alice", s.SignIn("alice"))
	})
}

// TestNothingToRenewWith: without a refresh token a session ends when its tokens
// expire, and not before, whatever is asked of it.
func TestNothingToRenewWith(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: func(answer map[string]any) { delete(answer, "refresh_token") }})
	alice := s.SignIn("alice")
	s.Pool.Advance(59 * time.Minute)
	s.MustBe("alice", alice)
	if res := s.Send(lab.RenewNow(alice)); res.StatusCode >= 500 {
		t.Errorf("the refresh path answered %s", lab.StatusLine(res))
	}
	s.MustBe("alice", alice)
	s.Pool.Advance(time.Minute + time.Second)
	s.MustBe("", alice)
	s.MustRenew(0)
	s.MustBe("alice", s.SignIn("alice"))
}
