package faults_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/golang-jwt/jwt/v5"
)

// TestKeysOutOfReachAtRenewal: new tokens that cannot be verified because the
// pool's keys are out of reach are neither thrown away nor believed. They wait
// in the storage, with the refresh token that came with them, and whichever
// instance has keys first accepts them, without another call.
func TestKeysOutOfReachAtRenewal(t *testing.T) {
	t.Parallel()
	for _, when := range []struct {
		name    string
		advance time.Duration
		sees    string // while the keys are out of reach
	}{
		{"ahead of time", nearlyExpired, "admin"},
		{"too late", lab.JustExpired, ""},
	} {
		for _, heir := range []string{"same instance", "another instance"} {
			t.Run(when.name+", "+heir, func(t *testing.T) {
				pool := lab.NewPool(t, lab.Rotating(0))
				storage := lab.NewStore()
				knowing := lab.ServeWith(t, pool, lab.On(storage))
				alice := knowing.SignIn("alice")
				fresh := lab.ServeWith(t, pool, lab.On(storage)) // has never seen a key
				pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
				regroup(pool, "new")
				pool.Advance(when.advance)
				res := fresh.Me(alice)
				if when.sees == "" {
					fresh.MustBeUnavailable(lab.AsScript("/me", alice))
				} else if groupsOf(res) != when.sees {
					t.Errorf("without keys /me answers %s, want what it said before", lab.StatusLine(res))
				}
				lab.Eventually(t, "the keys were asked for", func() bool { return pool.Calls(cognitotest.JWKS) >= 2 })
				next := knowing
				if heir == "same instance" {
					pool.Heal()
					next = fresh
				}
				lab.Eventually(t, "the waiting tokens are used", func() bool { pool.Advance(31 * time.Second); return groupsOf(next.Me(alice)) == "new" })
				mustBeFresh(next, next.Send(lab.AsScript("/token", alice)).Text)
				next.MustRenew(1)
				pool.Heal()
				pool.Advance(lab.JustExpired)
				fresh.MustBe("alice", alice)
				knowing.MustBe("alice", alice)
				next.MustRenew(2)
			})
		}
	}
}

// TestKeysOutOfReachThenForged: tokens that waited for keys are verified when
// there are some. Waiting makes no bad token good.
func TestKeysOutOfReachThenForged(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	alice := lab.ServeWith(t, pool, lab.On(storage)).SignIn("alice")
	var events refreshEvents
	fresh := lab.ServeWith(t, pool, lab.On(storage), events.hook)
	pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	pool.Tamper(func(u *cognitotest.UnsignedToken) {
		if u.Grant == "refresh_token" {
			signedByTheOther(pool, u)
		}
	})
	pool.Advance(lab.JustExpired)
	fresh.MustBeUnavailable(lab.AsScript("/me", alice))
	pool.Heal()
	pool.Advance(time.Minute)
	fresh.MustBe("", alice)
	if err := events.last(t); !errors.Is(err, cognito.ErrTokenSignature) {
		t.Errorf("the session ended with %v, want ErrTokenSignature", err)
	}
	fresh.MustRenew(1)
}

// TestUnknownKeyAtRenewal: a key that cannot be found proves nothing: the pool
// may have rotated its keys while forgers used up the fetches that unknown key
// names may force. The session is kept and renewed again.
func TestUnknownKeyAtRenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	clock := lab.StopClock(pool)
	s := lab.ServeWith(t, pool, clock.Hook)
	alice := s.SignIn("alice")
	clock.Advance(lab.JustExpired + 30*time.Second) // the pool's own clock goes on
	for _, kid := range []string{"x", "y", "z"} {
		forged, err := lab.SignJWT(jwt.SigningMethodRS256, pool.SigningKey("access"), map[string]any{"alg": "RS256", "kid": kid}, map[string]any{"sub": "x"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Auth.VerifyAccessToken(t.Context(), forged); !errors.Is(err, cognito.ErrTokenKey) {
			t.Fatalf("a forged token is judged %v, want ErrTokenKey", err)
		}
	}
	pool.RotateKeys()
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	clock.Advance(31 * time.Second)
	s.MustBe("alice", alice)
	clock.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
}

// TestTokensExpireWhileTheyWait: tokens that wait in the storage for keys expire there
// while the visitor is away. They are worth nothing then, and no reason to turn the
// visitor away: the refresh token that came with them is as good as ever.
func TestTokensExpireWhileTheyWait(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	alice := lab.ServeWith(t, pool, lab.On(storage)).NewSession(storage, "alice")
	fresh := lab.ServeWith(t, pool, lab.On(storage)) // has never seen a key
	signed := storage.Dump()[alice.Cold]
	pool.Break(cognitotest.JWKS, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	pool.Advance(nearlyExpired)
	fresh.MustBe("alice", alice.Cookie)
	lab.Eventually(t, "the tokens wait", func() bool { return !bytes.Equal(signed, storage.Dump()[alice.Cold]) })
	lab.Eventually(t, "the keys were asked for", func() bool { return pool.Calls(cognitotest.JWKS) >= 2 })
	stop(fresh)
	pool.Heal()
	pool.Advance(2 * lab.JustExpired)
	next := lab.ServeWith(t, pool, lab.On(storage))
	next.MustBe("alice", alice.Cookie)
	next.MustRenew(2)
}
