package cognito_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// subjectOf is the subject of whoever is signed in by a cookie.
func subjectOf(t *testing.T, s *lab.Site, cookie *http.Cookie) string {
	t.Helper()
	subject, _ := lab.Decode(t, s.Me(cookie).Text)["sub"].(string)
	if subject == "" {
		t.Fatal("nobody is signed in")
	}
	return subject
}

// mustList checks how many sessions of a user there are.
func mustList(t *testing.T, s *lab.Site, subject string, want int) []cognito.Session {
	t.Helper()
	listed, err := s.Auth.Sessions(t.Context(), subject)
	if err != nil || len(listed) != want {
		t.Errorf("%d sessions are listed, want %d: %v", len(listed), want, err)
	}
	return listed
}

// TestSessionsAreSeenAndEnded: a user's sessions are listed with what the app wants to
// show of them, and one that is ended at one instance is refused at the other at its
// next request; the others go on.
func TestSessionsAreSeenAndEnded(t *testing.T) {
	t.Parallel()
	describe := func(c *cognito.Config) {
		c.OnLogin = func(c *fiber.Ctx, _ *cognito.User) error {
			cognito.DescribeSession(c, "a browser at "+c.IP())
			return nil
		}
	}
	a, b := lab.Pair(t, lab.NewPool(t), lab.NewStore(), describe)
	first, second, bob := a.SignIn("alice"), b.SignIn("alice"), a.SignIn("bob")
	alice := subjectOf(t, a, first)
	listed := mustList(t, b, alice, 2)
	if listed[0].ID == listed[1].ID || !strings.HasPrefix(listed[0].Description, "a browser at ") || listed[0].Began.IsZero() || listed[0].LastSeen.Before(listed[0].Began) {
		t.Fatalf("the list says %+v", listed)
	}
	for _, s := range []*lab.Site{a, b} {
		s.MustBe("alice", first)
		s.MustBe("alice", second)
	}
	if err := a.Auth.EndSession(t.Context(), subjectOf(t, a, bob), listed[0].ID); err != nil {
		t.Errorf("another user's session: %v", err)
	}
	mustList(t, a, alice, 2) // it is not bob's to end
	if err := a.Auth.EndSession(t.Context(), alice, listed[0].ID); err != nil {
		t.Fatal(err)
	}
	left := mustList(t, b, alice, 1)
	ended := 0
	for _, cookie := range []*http.Cookie{first, second} {
		if b.Me(cookie).StatusCode != http.StatusOK {
			ended++
			a.MustBe("", cookie)
		} else {
			a.MustBe("alice", cookie)
		}
	}
	if ended != 1 || left[0].ID != listed[1].ID {
		t.Errorf("%d sessions have ended, want the one that was named", ended)
	}
	b.MustBe("bob", bob)
}

// TestSessionEndedByHalf: one of the storage's writes fails while a session is ended. Whoever
// ends it is told, whichever write it is, and can end it again.
func TestSessionEndedByHalf(t *testing.T) {
	t.Parallel()
	for _, fails := range []string{"set cognito_tomb_", "delete cognito_hot_", "delete cognito_cold_"} {
		storage, diary := lab.NewStore(), &eventDiary{}
		s := lab.Serve(t, lab.On(storage), diary.keep)
		cookie := s.SignIn("alice")
		alice := subjectOf(t, s, cookie)
		id := mustList(t, s, alice, 1)[0].ID
		diary.take()
		storage.Misbehave(func(call lab.StoreCall) *lab.StoreFault {
			if strings.HasPrefix(call.Method+" "+call.Key, fails) {
				return &lab.StoreFault{Err: errors.New("down")}
			}
			return nil
		})
		if err := s.Auth.EndSession(t.Context(), alice, id); !errors.Is(err, cognito.ErrUnavailable) || len(diary.take()) > 0 {
			t.Errorf("%s fails: the session counts as ended: %v", fails, err)
		}
		storage.Misbehave(nil)
		if err := s.Auth.EndSession(t.Context(), alice, id); err != nil {
			t.Errorf("%s failed: it cannot be ended again: %v", fails, err)
		}
		s.MustBe("", cookie)
	}
}

// TestSessionsEndBesideOneThatCannot: a part of the storage fails that holds one of alice's
// sessions. All others end, and the app hears that not all have.
func TestSessionsEndBesideOneThatCannot(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	var sessions []lab.Session
	for range 3 {
		sessions = append(sessions, s.NewSession(storage, "alice"))
	}
	alice, stays := subjectOf(t, s, sessions[0].Cookie), strings.TrimPrefix(sessions[1].Hot, lab.HotPrefix)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method != "get" && strings.HasSuffix(c.Key, stays) {
			return &lab.StoreFault{Err: lab.ErrDown}
		}
		return nil
	})
	if ended, err := s.Auth.EndSessions(t.Context(), alice); ended != 0 || !errors.Is(err, cognito.ErrUnavailable) {
		t.Errorf("%d sessions were ended: %v", ended, err)
	}
	s.MustBe("", sessions[0].Cookie)
	s.MustBe("", sessions[2].Cookie)
	storage.Misbehave(nil)
	if ended, err := s.Auth.EndSessions(t.Context(), alice); ended != 1 || err != nil {
		t.Errorf("then %d sessions are ended: %v", ended, err)
	}
	s.MustBe("", sessions[1].Cookie)
}

// TestSessionsEndWhenTheirListIsForged: whoever hears of a record that does not open ends all
// sessions of its user, from OnEvent itself, in the middle of a login or a sign-out.
func TestSessionsEndWhenTheirListIsForged(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	var s *lab.Site
	var alice string
	var heard atomic.Int32
	s = lab.Serve(t, lab.On(storage), func(c *cognito.Config) {
		c.OnEvent = func(e cognito.Event) {
			if e.Kind == cognito.EventTamper {
				heard.Add(1)
				if _, err := s.Auth.EndSessions(context.Background(), alice); err != nil {
					t.Errorf("EndSessions: %v", err)
				}
			}
		}
	})
	first := s.SignIn("alice")
	alice = subjectOf(t, s, first)
	forge := func() {
		for key := range storage.Dump() {
			if strings.HasPrefix(key, "cognito_user_") {
				storage.Plant(key, []byte("forged"))
			}
		}
	}
	mustHear := func(when string, want int32) {
		if n := heard.Swap(0); n != want {
			t.Errorf("%s, %d forged lists are noticed, want %d", when, n, want)
		}
	}
	forge()
	if n, err := s.Auth.EndSessions(t.Context(), alice); n != 0 || err != nil {
		t.Errorf("of a forged list, %d sessions are ended: %v", n, err)
	}
	mustHear("at the end of all", 1)
	s.Pool.Advance(lab.JustExpired)
	s.MustBe("", first) // by the user's mark, which the renewal finds
	s.Pool.Advance(time.Second)
	last := s.SignIn("alice")
	forge()
	s.MustLogOut(s.Send(lab.LogOut(last)))
	mustHear("at a sign-out", 1)
	s.Pool.Advance(time.Second)
	other := s.SignIn("alice")
	forge()
	if res := s.Finish(s.Answered("alice")); res.StatusCode >= 500 {
		t.Errorf("the login is answered %s", lab.StatusLine(res))
	}
	mustHear("at a login", 1)
	s.Pool.Advance(lab.JustExpired)
	s.MustBe("", other)
	s.Pool.Advance(time.Second)
	s.MustBe("alice", s.SignIn("alice"))
	mustHear("later", 0)
}

// TestEndAllSessions: sign out everywhere is refused everywhere at the next request,
// and whoever signs in afterwards is signed in.
func TestEndAllSessions(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	cookies := []*http.Cookie{a.SignIn("alice"), b.SignIn("alice"), a.SignIn("alice")}
	alice := subjectOf(t, a, cookies[0])
	if n, err := b.Auth.EndSessions(t.Context(), alice); n != 3 || err != nil {
		t.Fatalf("%d sessions have ended, want 3: %v", n, err)
	}
	for _, cookie := range cookies {
		a.MustBe("", cookie)
		b.MustBe("", cookie)
	}
	mustList(t, a, alice, 0)
	pool.Advance(time.Second)
	a.MustBe("alice", a.SignIn("alice"))
	mustList(t, b, alice, 1)
}

// TestSessionMissingFromTheIndex: an update of the index was lost, so nobody knows the
// session by name. The user's mark ends it all the same: when it is opened anew, when
// it is touched, and when it is renewed.
func TestSessionMissingFromTheIndex(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(a, b *lab.Site, cookie *http.Cookie){
		"opened anew": func(_, b *lab.Site, cookie *http.Cookie) { b.MustBe("", cookie) },
		"touched": func(a, _ *lab.Site, cookie *http.Cookie) {
			a.Pool.Advance(3 * time.Hour) // more than a tenth of IdleTimeout
			a.Me(cookie)                  // is served, and touched behind it
			lab.Eventually(t, "alice's session has ended", func() bool { return a.Me(cookie).StatusCode == http.StatusUnauthorized })
		},
		"renewed": func(a, _ *lab.Site, cookie *http.Cookie) {
			a.Pool.Advance(lab.JustExpired)
			a.MustBe("", cookie)
		},
	} {
		t.Run(name, func(t *testing.T) {
			storage := lab.NewStore()
			life := time.Hour
			if name == "touched" {
				life = 24 * time.Hour // else it is renewed before
			}
			a, b := lab.Pair(t, lab.NewPool(t, cognitotest.Client{AccessTokenTTL: life, IDTokenTTL: life}), storage)
			cookie := a.SignIn("alice")
			alice := subjectOf(t, a, cookie)
			for key := range storage.Dump() {
				if strings.HasPrefix(key, "cognito_user_") {
					_ = storage.Delete(key)
				}
			}
			if n, err := b.Auth.EndSessions(t.Context(), alice); n != 0 || err != nil {
				t.Fatalf("%d sessions were found: %v", n, err)
			}
			then(a, b, cookie)
		})
	}
}

// TestSessionBeginsWhileAllEnd: alice signs in while her sessions are being ended, just before
// the mark is stored. That session ends like the others, wherever it is known already, and
// whoever signs in afterwards is signed in.
func TestSessionBeginsWhileAllEnd(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	known := s.NewSession(storage, "alice")
	alice, begun := subjectOf(t, s, known.Cookie), s.Answered("alice")
	var meanwhile *http.Cookie
	finish := sync.OnceFunc(func() { meanwhile = s.Finish(begun).Cookie(lab.IsSessionCookie) })
	storage.Misbehave(func(call lab.StoreCall) *lab.StoreFault {
		if call.Method == "set" && strings.HasPrefix(call.Key, "cognito_over_") {
			finish()
		}
		return nil
	})
	if n, err := s.Auth.EndSessions(t.Context(), alice); n != 2 || err != nil || meanwhile == nil {
		t.Errorf("%d sessions have ended, want 2: %v", n, err)
	}
	storage.Misbehave(nil)
	s.MustBe("", known.Cookie)
	s.MustBe("", meanwhile)
	s.Pool.Advance(time.Second)
	s.MustBe("alice", s.SignIn("alice"))
}

// TestSessionBeyondTheList: somebody who knows alice's password signs in so often that the
// first session is on no list any more. It ends with the others when its tokens are due, or,
// with MaxSessions, has ended before. Whoever signs in afterwards is signed in.
func TestSessionBeyondTheList(t *testing.T) {
	t.Parallel()
	for most, then := range map[int]time.Duration{0: lab.JustExpired, 200: 0} {
		s := lab.Serve(t, lab.On(lab.NewStore()), func(c *cognito.Config) { c.MaxSessions = most })
		hidden := s.SignIn("alice")
		alice := subjectOf(t, s, hidden)
		for range 200 {
			s.Pool.Advance(time.Millisecond) // the list is in order of use
			s.SignIn("alice")
		}
		if n, err := s.Auth.EndSessions(t.Context(), alice); n != 200 || err != nil {
			t.Errorf("%d sessions have ended: %v", n, err)
		}
		s.Pool.Advance(then)
		s.MustBe("", hidden)
		s.Pool.Advance(time.Second)
		s.MustBe("alice", s.SignIn("alice"))
	}
}

// TestMarkOfAnotherVersion: in a rolling deployment another release has ended all sessions of
// alice. What it has written cannot be read here, which refuses nobody and alarms nobody.
func TestMarkOfAnotherVersion(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	var alarms atomic.Int32
	a, b := lab.Pair(t, lab.NewPool(t), storage, func(c *cognito.Config) {
		c.OnEvent = func(e cognito.Event) {
			if e.Kind == cognito.EventTamper {
				alarms.Add(1)
			}
		}
	})
	before := a.SignIn("alice")
	if _, err := a.Auth.EndSessions(t.Context(), subjectOf(t, a, before)); err != nil {
		t.Fatal(err)
	}
	forge := func(change func(mark []byte)) {
		for key, mark := range storage.Dump() {
			if strings.HasPrefix(key, "cognito_over_") {
				change(mark)
				storage.Plant(key, mark)
			}
		}
	}
	alice := a.SignIn("alice")
	forge(func(mark []byte) { mark[0]++ })
	b.MustBe("alice", alice)
	b.MustBe("alice", b.SignIn("alice"))
	if alarms.Load() > 0 {
		t.Errorf("there are %d alarms", alarms.Load())
	}
	forge(func(mark []byte) { mark[0]--; mark[len(mark)-1]++ })
	b.MustBe("alice", a.SignIn("alice"))
	if alarms.Load() == 0 {
		t.Error("a forged mark alarms nobody")
	}
}

// TestSessionsEndWhenTheirMarkIsForged: whoever hears of a mark that does not open ends all
// sessions of its user, from OnEvent itself, when a session is opened and at a login. It is
// heard of once.
func TestSessionsEndWhenTheirMarkIsForged(t *testing.T) {
	t.Parallel()
	storage, pool := lab.NewStore(), lab.NewPool(t)
	a := lab.ServeWith(t, pool, lab.On(storage))
	alice := subjectOf(t, a, a.SignIn("alice"))
	var b *lab.Site
	var heard atomic.Int32
	b = lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) {
		c.OnEvent = func(e cognito.Event) {
			if e.Kind != cognito.EventTamper || heard.Add(1) > 50 { // or it would go on until the stack is full
				return
			}
			if _, err := b.Auth.EndSessions(context.Background(), alice); err != nil {
				t.Errorf("EndSessions: %v", err)
			}
		}
	})
	for name, look := range map[string]func(cookie *http.Cookie){
		"at a request": func(cookie *http.Cookie) { b.Me(cookie) },
		"at a login":   func(*http.Cookie) { b.Finish(b.Answered("alice")) },
		"at the end":   func(*http.Cookie) { _, _ = b.Auth.EndSessions(t.Context(), alice) },
	} {
		if _, err := a.Auth.EndSessions(t.Context(), alice); err != nil {
			t.Fatal(err)
		}
		cookie := a.SignIn("alice")
		for key := range storage.Dump() {
			if strings.HasPrefix(key, "cognito_over_") {
				storage.Plant(key, []byte("forged"))
			}
		}
		look(cookie)
		if n := heard.Swap(0); n != 1 {
			t.Errorf("%s, a forged mark is noticed %d times, want 1", name, n)
		}
		pool.Advance(lab.JustExpired)
		b.MustBe("", cookie)
	}
	b.MustBe("alice", b.SignIn("alice"))
}

// TestOneSessionByOnLogin: an app allows one session to a user, and ends the others when the
// next one begins. That one goes on, though no time has passed in between, and the instance
// that ended the others may have a clock that is ahead.
func TestOneSessionByOnLogin(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	clock := lab.StopClock(pool)
	storage := lab.NewStore()
	var auth *cognito.Auth
	alone := func(c *cognito.Config) {
		c.OnLogin = func(c *fiber.Ctx, user *cognito.User) error {
			_, err := auth.EndSessions(c.UserContext(), user.Subject())
			return err
		}
	}
	s := lab.ServeWith(t, pool, lab.On(storage), clock.Hook, alone)
	ahead := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) {
		c.Now = func() time.Time { return pool.Now().Add(5 * time.Second) }
	})
	auth = s.Auth
	first := s.SignIn("alice")
	s.MustBe("alice", first)
	second := s.SignIn("alice")
	s.MustBe("", first)
	s.MustBe("alice", second)
	if ended, err := ahead.Auth.EndSessions(t.Context(), subjectOf(t, s, second)); ended != 1 || err != nil {
		t.Errorf("%d sessions were ended: %v", ended, err)
	}
	s.MustBe("", second)
	s.MustBe("alice", s.SignIn("alice"))
}

// TestMaxSessions: at a login beyond the bound the session that was used longest ago
// ends, and no other.
func TestMaxSessions(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	a, b := lab.Pair(t, pool, lab.NewStore(), func(c *cognito.Config) { c.MaxSessions = 2 })
	var cookies []*http.Cookie
	for _, s := range []*lab.Site{a, b, a, b} {
		cookies = append(cookies, s.SignIn("alice"))
		pool.Advance(time.Second)
	}
	for i, cookie := range cookies {
		want := ""
		if i >= 2 {
			want = "alice"
		}
		a.MustBe(want, cookie)
		b.MustBe(want, cookie)
	}
	bob := b.SignIn("bob")
	b.MustBe("bob", bob)
	mustList(t, a, subjectOf(t, a, cookies[3]), 2)
}

// TestLoginInPlaceOfASession: a laptop with a session logs in again, for a page that wants a
// fresh login perhaps. The new session takes the old one's place, and the phone stays
// signed in.
func TestLoginInPlaceOfASession(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	s := lab.ServeWith(t, pool, lab.On(lab.NewStore()), func(c *cognito.Config) { c.MaxSessions = 2 })
	phone := s.SignIn("alice")
	pool.Advance(time.Second)
	laptop := s.SignIn("alice")
	for range 3 {
		pool.Advance(time.Second)
		again := s.Finish(s.Answered("alice"), laptop).Cookie(lab.IsSessionCookie)
		s.MustBe("", laptop)
		s.MustBe("alice", again)
		s.MustBe("alice", phone)
		laptop = again
	}
	mustList(t, s, subjectOf(t, s, phone), 2)
	// The honest limit: a tablet is one too many.
	s.SignIn("alice")
	mustList(t, s, subjectOf(t, s, laptop), 2)
}

// TestMaxSessionsOfUnequalClocks: sessions that were used at an instance whose clock is ahead
// seem to be newer than the one that begins. The bound holds, and that one stays.
func TestMaxSessionsOfUnequalClocks(t *testing.T) {
	t.Parallel()
	pool, storage := lab.NewPool(t), lab.NewStore()
	most := func(c *cognito.Config) { c.MaxSessions = 2 }
	ahead := lab.ServeWith(t, pool, lab.On(storage), most, func(c *cognito.Config) {
		c.Now = func() time.Time { return pool.Now().Add(20 * time.Second) }
	})
	s := lab.ServeWith(t, pool, lab.On(storage), most)
	first := ahead.SignIn("alice")
	pool.Advance(time.Second)
	second := ahead.SignIn("alice")
	pool.Advance(time.Second)
	third := s.SignIn("alice")
	s.MustBe("", first)
	s.MustBe("alice", second)
	s.MustBe("alice", third)
}

// TestIndexShowsNobody: a dump of the storage shows neither users nor which sessions
// are whose.
func TestIndexShowsNobody(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, _ := lab.Pair(t, lab.NewPool(t), storage)
	alice := subjectOf(t, a, a.SignIn("alice"))
	id := mustList(t, a, alice, 1)[0].ID
	found := 0
	for key, value := range storage.Dump() {
		if strings.Contains(key+string(value), alice) || strings.Contains(key+string(value), "alice") {
			t.Errorf("%s names the user", key)
		}
		if strings.HasPrefix(key, "cognito_user_") {
			found++
			if strings.Contains(string(value), id) {
				t.Errorf("%s names the session", key)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d indexes are stored, want 1", found)
	}
}

// TestManySignInAtOnce: logins of one user at both instances at once are all ended by
// one call, listed or not.
func TestManySignInAtOnce(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	a, b := lab.Pair(t, pool, lab.NewStore())
	cookies := make([]*http.Cookie, 12)
	var signing sync.WaitGroup
	for i := range cookies {
		signing.Go(func() { cookies[i] = []*lab.Site{a, b}[i%2].SignIn("alice") })
	}
	signing.Wait()
	alice := subjectOf(t, a, cookies[0])
	if _, err := a.Auth.EndSessions(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	pool.Advance(lab.JustExpired) // whatever was missing from the list is over when it is renewed
	for _, cookie := range cookies {
		a.MustBe("", cookie)
		b.MustBe("", cookie)
	}
}

// TestNoListWithoutAStorage: what cannot be had is refused, at the start or when it is
// asked for.
func TestNoListWithoutAStorage(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InCookies)
	s.MustBe("alice", s.SignIn("alice"))
	if _, err := s.Auth.Sessions(t.Context(), "somebody"); !errors.Is(err, cognito.ErrMisconfigured) {
		t.Errorf("the error is %v", err)
	}
	if _, err := s.Auth.EndSessions(t.Context(), "somebody"); !errors.Is(err, cognito.ErrMisconfigured) {
		t.Errorf("the error is %v", err)
	}
	config := s.Pool.Config()
	lab.InCookies(&config)
	config.MaxSessions = 3
	if err := config.Validate(); !errors.Is(err, cognito.ErrMisconfigured) || !strings.Contains(err.Error(), "MaxSessions") {
		t.Errorf("MaxSessions with CookieSessions: %v", err)
	}
}

// TestEventOfSessionsThatEnd: whoever keeps the audit hears of each session that was
// ended from elsewhere, by a login too many and by hand, whose it was and in which
// context; a session that is over already, or is somebody else's, is not ended twice.
func TestEventOfSessionsThatEnd(t *testing.T) {
	t.Parallel()
	type appKey struct{}
	diary := &eventDiary{}
	a, b := lab.Pair(t, lab.NewPool(t), lab.NewStore(), diary.keep, func(c *cognito.Config) { c.MaxSessions = 2 })
	a.SignIn("alice")
	alice := subjectOf(t, b, b.SignIn("alice"))
	bob := subjectOf(t, a, a.SignIn("bob"))
	diary.mustHold(t, "login ok  alice", "login ok  alice", "login ok  bob")
	a.SignIn("alice")
	diary.mustHold(t, "end ok  alice", "login ok  alice")
	ctx := context.WithValue(t.Context(), appKey{}, "an admin's page")
	listed := mustList(t, b, alice, 2)
	for _, subject := range []string{bob, alice, alice} {
		if err := b.Auth.EndSession(ctx, subject, listed[0].ID); err != nil {
			t.Fatal(err)
		}
	}
	events := diary.take()
	if len(events) != 1 || described(events[0]) != "end ok  alice" || events[0].Context().Value(appKey{}) != "an admin's page" {
		t.Errorf("one session was ended: %+v", events)
	}
	a.SignIn("alice")
	diary.mustHold(t, "login ok  alice")
	if n, err := a.Auth.EndSessions(ctx, alice); n != 2 || err != nil {
		t.Errorf("%d sessions were ended: %v", n, err)
	}
	diary.mustHold(t, "end ok  alice", "end ok  alice")
}

// TestDescriptionIsCutBetweenCharacters: what an app says of a session may be longer
// than what is kept, in any script.
func TestDescriptionIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.On(lab.NewStore()), func(c *cognito.Config) {
		c.OnLogin = func(c *fiber.Ctx, _ *cognito.User) error {
			cognito.DescribeSession(c, strings.Repeat("東京", 100))
			return nil
		}
	})
	listed := mustList(t, s, subjectOf(t, s, s.SignIn("alice")), 1)
	if want := strings.Repeat("東京", 42) + "東"; listed[0].Description != want {
		t.Errorf("the description is %q, want %q", listed[0].Description, want)
	}
}
