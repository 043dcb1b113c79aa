package cognito_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// TestWatch: a connection that outlives its request sees that alice is still there,
// gets fresh tokens, and hears of her logout, at whichever instance.
func TestWatch(t *testing.T) {
	t.Parallel()
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			s, watchOf := lab.ServeWatched(t, pool, append(hooks, lab.TakesBearer)...)
			if _, err := watchOf(lab.Request{}).User(); !errors.Is(err, cognito.ErrNotSignedIn) {
				t.Errorf("a stranger's watch says %v", err)
			}

			cookie := s.SignIn("alice")
			alice := watchOf(lab.Request{Cookies: []*http.Cookie{cookie}})
			first, err := alice.AccessToken()
			if err != nil {
				t.Fatal(err)
			}
			pool.Advance(2 * time.Hour)
			second, err := alice.AccessToken()
			if err != nil || second == first {
				t.Errorf("after the expiry it hands out the same token: %v, %v", second == first, err)
			}
			if user, err := alice.User(); err != nil || user.Username() != "alice" {
				t.Errorf("it says %v, %v", user, err)
			}
			next := s.Send(lab.Request{Path: "/", Cookies: []*http.Cookie{cookie}})
			if carried, inCookie := next.Cookie(lab.IsSessionCookie) != nil, len(cookie.Value) > 100; carried != inCookie {
				t.Errorf("the next response carries the renewed session: %v", carried)
			}
			token := pool.AccessToken("", "bob", nil)
			bob := watchOf(lab.Request{Header: map[string]string{"Authorization": "Bearer " + token}})
			if got, err := bob.AccessToken(); got != token || err != nil {
				t.Errorf("the bearer's watch hands out another token: %v", err)
			}

			s.Send(lab.Request{Method: http.MethodPost, Path: "/logout", Cookies: []*http.Cookie{cookie}, Header: map[string]string{"Sec-Fetch-Site": "same-origin"}})
			if user, err := alice.User(); user != nil || !errors.Is(err, cognito.ErrSessionEnded) {
				t.Errorf("after the logout it says %v, %v", user, err)
			}
			if _, err := alice.AccessToken(); !errors.Is(err, cognito.ErrSessionEnded) {
				t.Errorf("after the logout it hands out a token: %v", err)
			}
			pool.Advance(2 * time.Hour)
			if _, err := bob.User(); !errors.Is(err, cognito.ErrInvalidToken) {
				t.Errorf("an expired bearer token counts: %v", err)
			}
		})
	}
}

// TestWatchIsNoUse: a page that is left open asks who is there again and again. Its tokens
// are renewed, but the session ends after IdleTimeout, as if nobody were there.
func TestWatchIsNoUse(t *testing.T) {
	t.Parallel()
	for name, hooks := range withAndWithout {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			s, watchOf := lab.ServeWatched(t, pool, append(hooks, func(c *cognito.Config) { c.IdleTimeout = 5 * time.Hour })...)
			signedIn := func() *cognito.Watch { return watchOf(lab.Request{Cookies: []*http.Cookie{s.SignIn("alice")}}) }
			watch := signedIn()
			for hour := 1; hour < 5; hour++ {
				pool.Advance(59 * time.Minute)
				if _, err := watch.User(); err != nil {
					t.Fatalf("after hour %d it says %v", hour, err)
				}
				if _, err := watch.AccessToken(); err != nil {
					t.Errorf("after hour %d there is no token: %v", hour, err)
				}
			}
			pool.Advance(65 * time.Minute)
			if _, err := watch.User(); !errors.Is(err, cognito.ErrSessionEnded) {
				t.Errorf("after IdleTimeout it says %v", err)
			}
			if user, err := signedIn().User(); err != nil || user.Username() != "alice" {
				t.Errorf("alice signs in again, and it says %v, %v", user, err)
			}
		})
	}
}
