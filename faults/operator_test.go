package faults_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// What only an operator can mend is told to the operator: once, as an error, with the
// field and what to do. Visitors learn that the site is at fault, and not that they are.

// mustTellOnce wants one error in the log, with these words, and none in the answer.
func mustTellOnce(s *lab.Site, words ...string) {
	s.Helper()
	log := s.Logged.String()
	if strings.Count(log, "level=ERROR") != 1 {
		s.Errorf("%d errors in the log, want one:\n%s", strings.Count(log, "level=ERROR"), log)
	}
	for _, line := range strings.Split(log, "\n") {
		for _, word := range words {
			if strings.Contains(line, "level=ERROR") && !strings.Contains(line, word) {
				s.Errorf("the error does not say %q: %s", word, line)
			}
		}
	}
}

// mustFailForTheSite wants logins to end with a page that blames the site.
func mustFailForTheSite(s *lab.Site, users ...string) {
	s.Helper()
	for _, user := range users {
		res := s.Finish(s.Answered(user))
		if res.StatusCode != http.StatusInternalServerError || res.Cookie(lab.IsSessionCookie) != nil {
			s.Errorf("the login answered %s, want 500", lab.StatusLine(res))
		}
	}
}

// shortLived is an app client whose tokens live for five minutes.
var shortLived = cognitotest.Client{AccessTokenTTL: 5 * time.Minute, IDTokenTTL: 5 * time.Minute}

// TestClockIsWrong: the clock of the machine is ten minutes behind, so all tokens are
// issued in the future, or ahead, so that they have expired on arrival.
func TestClockIsWrong(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		off  time.Duration
		side string
	}{
		{"behind", -10 * time.Minute, "behind"},
		{"a day behind", -24 * time.Hour, "behind"},
		{"ahead", 10 * time.Minute, "ahead of"},
		{"three hours ahead", 3 * time.Hour, "ahead of"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, shortLived)
			wrong := lab.ServeWith(t, pool, func(c *cognito.Config) {
				c.Now = func() time.Time { return pool.Now().Add(row.off) }
			})
			mustFailForTheSite(wrong, "alice", "bob")
			mustTellOnce(wrong, row.side, "field=Now", "NTP")
			right := lab.ServeWith(t, pool, func(c *cognito.Config) {
				c.Now = func() time.Time { return pool.Now().Add(30 * time.Second) }
			})
			right.MustBe("alice", right.SignIn("alice"))
			if strings.Contains(right.Logged.String(), "level=ERROR") {
				t.Errorf("a clock that is nearly right is told: %s", right.Logged.String())
			}
		})
	}
}

// TestClockIsWrongAgain: half a year after the clock was set, it is wrong once more, and the
// process is the same. That is news.
func TestClockIsWrongAgain(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, shortLived)
	var off atomic.Int64 // read in the background, too
	s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.Now = func() time.Time { return pool.Now().Add(time.Duration(off.Load())) } })
	told := func() int { return strings.Count(s.Logged.String(), "level=ERROR") }
	for _, row := range []struct {
		off  time.Duration
		told int
	}{{10 * time.Minute, 1}, {0, 1}, {10 * time.Minute, 2}, {45 * time.Second, 2}, {10 * time.Minute, 2}, {-10 * time.Minute, 2}, {time.Second, 2}, {-10 * time.Minute, 3}} {
		off.Store(int64(row.off))
		s.Finish(s.Answered("alice"))
		if told() != row.told {
			t.Errorf("with a clock that is %s ahead, %d errors were told so far, want %d", row.off, told(), row.told)
		}
	}
}

// TestClockWentWrong: sessions outlast a clock that is wrong at their renewal.
func TestClockWentWrong(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, shortLived)
	var off atomic.Int64 // read in the background, too
	s := lab.ServeWith(t, pool, func(c *cognito.Config) {
		c.Now = func() time.Time { return pool.Now().Add(time.Duration(off.Load())) }
	})
	alice := s.SignIn("alice")
	off.Store(int64(20 * time.Minute))
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	mustTellOnce(s, "ahead of", "field=Now")
	mustRevokeNothing(t, pool)
	off.Store(0)
	pool.Advance(21 * time.Minute) // and past the pause that the failure brought
	s.MustBe("alice", alice)
}

// TestClockIsSetBack: a renewal fails because the clock is five hours ahead. When it is right
// again, the pause after that is not five hours long.
func TestClockIsSetBack(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	var off atomic.Int64 // read in the background, too
	s := lab.ServeWith(t, pool, func(c *cognito.Config) {
		c.Now = func() time.Time { return pool.Now().Add(time.Duration(off.Load())).Round(0) }
	})
	alice := s.SignIn("alice")
	off.Store(int64(5 * time.Hour))
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	off.Store(0)
	s.MustBe("alice", alice)
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
}

// TestNoSuchPool: there is no pool of this id, so there are no keys.
func TestNoSuchPool(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*cognito.Config, *cognitotest.Pool){
		"at Amazon": func(c *cognito.Config, p *cognitotest.Pool) {
			c.Issuer, c.UserPoolID, c.HTTPClient = "", "us-east-1_Mistyped1", &http.Client{Transport: p.Transport()}
		},
		"with Issuer": func(c *cognito.Config, p *cognitotest.Pool) {
			c.Issuer, c.UserPoolID = p.URL()+"/us-east-1_Mistyped1", "us-east-1_Mistyped1"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t)
			s := lab.ServeWith(t, pool, func(c *cognito.Config) {
				spoil(c, pool)
				if c.HTTPClient != nil {
					t.Cleanup(c.HTTPClient.CloseIdleConnections)
				}
			}, lab.TakesBearer)
			mustFailForTheSite(s, "alice", "bob")
			s.MustAnswer(s.Bring("/me", pool.AccessToken("", "alice", nil)), http.StatusServiceUnavailable)
			mustTellOnce(s, "field=UserPoolID", "us-east-1_Mistyped1", "Overview")
			right := lab.ServeWith(t, pool)
			right.MustBe("alice", right.SignIn("alice"))
		})
	}
}

// byPool sends calls for the keys of another pool there.
type byPool struct{ own, other http.RoundTripper }

func (b byPool) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasPrefix(r.URL.Path, "/us-east-1_Another01/") {
		return b.other.RoundTrip(r)
	}
	return b.own.RoundTrip(r)
}

// TestDomainOfAnotherPool: UserPoolID and UserPoolDomain are of two pools.
func TestDomainOfAnotherPool(t *testing.T) {
	t.Parallel()
	pool, other := lab.NewPool(t), cognitotest.New(cognitotest.Options{UserPoolID: "us-east-1_Another01"})
	t.Cleanup(other.Close)
	pool.SetIssuer(original(pool, "us-east-1"))
	ours, theirs := pool.Transport(), other.Transport()
	for _, transport := range []http.RoundTripper{ours, theirs} {
		t.Cleanup((&http.Client{Transport: transport}).CloseIdleConnections)
	}
	s := lab.ServeWith(t, pool, func(c *cognito.Config) {
		c.Issuer, c.UserPoolID, c.HTTPClient = "", "us-east-1_Another01", &http.Client{Transport: byPool{ours, theirs}}
	})
	mustFailForTheSite(s, "alice", "bob")
	mustTellOnce(s, "field=UserPoolID", "us-east-1_TestPool1", "same pool")
	right := lab.ServeWith(t, pool, atAmazon(t, pool))
	right.MustBe("alice", right.SignIn("alice"))
}
