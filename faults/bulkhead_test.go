package faults_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// Calls to Cognito are bounded, and strangers bring many of them about. Each kind has
// places of its own, so that none starves another.

// exchanges picks the token requests of callbacks.
func exchanges(r cognitotest.Request) bool { return !lab.Refreshes(r) }

// junk are callbacks with codes that somebody has made up, of logins that they began
// for the purpose. They come back when the pool has answered all of them.
func junk(s *lab.Site, times int) (answered func()) {
	s.Helper()
	var answers []func() []lab.Reply
	for i := range times {
		begun := s.Begin()
		callback := fmt.Sprintf("/login/redirect?code=junk-%d&state=%s", i, url.QueryEscape(begun.State))
		answers = append(answers, s.Later(1, lab.Request{Path: callback, Cookies: []*http.Cookie{begun.Cookie}}))
	}
	return func() {
		for _, each := range answers {
			each()
		}
	}
}

// TestJunkCallbacks: a stranger sends callbacks with invented codes, each of which
// costs a call, until all places for such calls are taken. Renewals and logouts do not
// notice, and an honest login waits a little for a place.
func TestJunkCallbacks(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	s := lab.ServeWith(t, pool)
	alice, bob := s.SignIn("alice"), s.SignIn("bob")
	gate := lab.NewGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: exchanges, Gate: gate.Closed})
	before := pool.Calls(cognitotest.Token)
	answered := junk(s, 80)
	lab.Eventually(t, "the places are taken", func() bool { return pool.Calls(cognitotest.Token)-before >= 64 })

	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
	s.MustBe("bob", bob)
	s.MustRenew(2)
	logout := lab.Request{Method: http.MethodPost, Path: "/logout", Cookies: []*http.Cookie{bob}, Header: lab.From("same-origin", lab.Absent)}
	s.MustAnswer(s.Send(logout), http.StatusSeeOther)
	lab.Eventually(t, "bob's refresh token is revoked", func() bool { return len(lab.Revoked(pool)) == 1 })

	// The honest one comes while all places are taken, and gets the first that is free.
	honest := s.Answered("bob")
	began := time.Now()
	login := s.Later(1, lab.Request{Path: honest.Callback, Cookies: []*http.Cookie{honest.Cookie}})
	gate.Open()
	// A second is what it waits, which a slow machine may need for something else.
	if res := login()[0]; res.Err != nil || res.Cookie(lab.IsSessionCookie) == nil && time.Since(began) < time.Second {
		t.Errorf("the honest login got %v", res)
	}
	answered()
	s.MustBe("alice", alice)
}

// TestRefreshPathHasAFloor: a script posts in a loop. Tokens that are as good as new
// are told of, and not renewed.
func TestRefreshPathHasAFloor(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	s := lab.ServeWith(t, pool)
	alice := s.SignIn("alice")
	renew := func() string {
		t.Helper()
		res := s.Send(lab.RenewNow(alice))
		s.MustAnswer(res, http.StatusOK)
		return res.Text
	}
	first := renew()
	for range 20 {
		if again := renew(); again != first || !strings.Contains(again, "expires_at") {
			t.Errorf("the answer is %s, and was %s", again, first)
		}
	}
	s.MustRenew(0)
	for renewals := range 3 {
		pool.Advance(31 * time.Second)
		later := renew()
		if later == first {
			t.Errorf("after half a minute nothing was renewed: %s", later)
		}
		if renew() != later {
			t.Error("what has just been renewed was renewed again")
		}
		s.MustRenew(renewals + 1)
		first = later
	}
	s.MustBe("alice", alice)
}

// TestFreshTokensThatAreDue: a floor must not keep anybody from tokens that are due
// already.
func TestFreshTokensThatAreDue(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, cognitotest.Client{AccessTokenTTL: 20 * time.Second, IDTokenTTL: 20 * time.Second})
	s := lab.ServeWith(t, pool)
	alice := s.SignIn("alice")
	pool.Advance(19 * time.Second)
	s.MustAnswer(s.Send(lab.RenewNow(alice)), http.StatusOK)
	s.MustRenew(1)
}

// TestPostsDoNotStandBeforeDueRenewals: one user has many sessions, and posts with all
// of them. While these calls hang, whose tokens are due gets new ones.
func TestPostsDoNotStandBeforeDueRenewals(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	s := lab.ServeWith(t, pool)
	alice := s.SignIn("alice")
	pool.Advance(30 * time.Minute)
	var sessions []*http.Cookie
	for range 70 {
		sessions = append(sessions, s.SignIn("bob"))
	}
	pool.Advance(lab.JustExpired - 30*time.Minute) // alice's are over, bob's half way
	gate := lab.NewGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Gate: gate.Closed})
	before := pool.Calls(cognitotest.Token)
	var posts []func() []lab.Reply
	for _, cookie := range sessions {
		posts = append(posts, s.Later(1, lab.RenewNow(cookie)))
	}
	lab.Eventually(t, "posts hang", func() bool { return pool.Calls(cognitotest.Token)-before >= 16 })
	due := s.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "alice's renewal has a place", func() bool {
		return len(lab.RenewalsAt(pool)) == 17
	})
	gate.Open()
	if res := due()[0]; res.Err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("alice got %v", res)
	}
	for _, each := range posts {
		each()
	}
	s.MustBe("alice", alice)
	s.MustBe("bob", sessions[0])
}
