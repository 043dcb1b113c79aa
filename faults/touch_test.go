package faults_test

import (
	"bytes"
	"net/http"
	"slices"
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

// TestTouchCrossesRenewal: a request that prolongs the session is overtaken by
// a renewal on another instance. It must not put the old refresh token back.
func TestTouchCrossesRenewal(t *testing.T) {
	t.Parallel()
	long := lab.Rotating(0)
	long.AccessTokenTTL, long.IDTokenTTL = 4*time.Hour, 4*time.Hour
	pool := lab.NewPool(t, long)
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.NewSession(storage, "alice")
	pool.Advance(150 * time.Minute) // to be prolonged, and not renewed yet

	writing, held := make(chan struct{}), lab.NewGate(t)
	var touched atomic.Bool
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Hot && touched.CompareAndSwap(false, true) {
			close(writing)
			<-held.Closed
		}
		return nil
	})
	touching := a.Later(1, lab.AsScript("/me", alice.Cookie))
	<-writing
	if res := b.Send(lab.RenewNow(alice.Cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answered %s", lab.StatusLine(res))
	}
	held.Open()
	mustAllBe(a, "alice", touching())
	for range 2 {
		pool.Advance(245 * time.Minute)
		a.MustBe("alice", alice.Cookie)
		b.MustBe("alice", alice.Cookie)
	}
}

// TestProlongedNowAndThen: using a session writes it at most once in a tenth of
// its idle time, however many requests come at once, and never its tokens.
func TestProlongedNowAndThen(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, cognitotest.Client{AccessTokenTTL: 24 * time.Hour, IDTokenTTL: 24 * time.Hour})
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) { c.IdleTimeout = 10 * time.Hour })
	alice := s.NewSession(storage, "alice")
	writes := func(key string) (n int) {
		for _, c := range storage.Asked("set") {
			if c.Key == key {
				n++
			}
		}
		return n
	}
	hot, cold := writes(alice.Hot), writes(alice.Cold)
	for round, want := range []int{0, 1, 1, 2} {
		pool.Advance(31 * time.Minute)
		mustAllBe(s, "alice", s.Later(20, lab.AsScript("/me", alice.Cookie))())
		if n := writes(alice.Hot) - hot; n != want {
			t.Errorf("after %d half hours of use the session was written %d times, want %d", round+1, n, want)
		}
	}
	if n := writes(alice.Cold) - cold; n != 0 {
		t.Errorf("its tokens were written %d times", n)
	}
}

// TestOneRequestProlongs: the write that prolongs a session hangs. No other request writes
// as well, neither while it hangs nor while it may still take effect.
func TestOneRequestProlongs(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, cognitotest.Client{AccessTokenTTL: 24 * time.Hour, IDTokenTTL: 24 * time.Hour})
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) { c.IdleTimeout = 10 * time.Hour })
	alice := s.NewSession(storage, "alice")
	pool.Advance(2 * time.Hour)
	writing, held := make(chan struct{}, 20), lab.NewGate(t)
	var writes atomic.Int32
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Hot {
			writes.Add(1)
			writing <- struct{}{}
			<-held.Closed
		}
		return nil
	})
	first := s.Later(1, lab.AsScript("/me", alice.Cookie))
	<-writing
	mustAllBe(s, "alice", s.Later(5, lab.AsScript("/me", alice.Cookie))())
	mustAllBe(s, "alice", first())
	mustAllBe(s, "alice", s.Later(5, lab.AsScript("/me", alice.Cookie))())
	if n := writes.Load(); n != 1 {
		t.Errorf("the session was written %d times at once", n)
	}
	held.Open()
	s.MustBe("alice", alice.Cookie)
}

// TestUseDuringARenewal: an open connection has asked for a renewal, which is under way, when
// its user is back. The renewal knows nothing of that use, and must not undo it.
func TestUseDuringARenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	s, watchOf := lab.ServeWatched(t, pool, lab.On(storage), func(c *cognito.Config) { c.IdleTimeout = 5 * time.Hour })
	alice := s.NewSession(storage, "alice")
	watch := watchOf(lab.Request{Cookies: []*http.Cookie{alice.Cookie}})
	pool.Advance(4 * time.Hour)
	held, renewed := park(t, pool), make(chan error, 1)
	go func() {
		_, err := watch.User()
		renewed <- err
	}()
	lab.Eventually(t, "the renewal is under way", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	writes := len(storage.Asked("set"))
	answers := s.Later(1, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "the use is written", func() bool { return len(storage.Asked("set")) > writes })
	held.Open()
	mustAllBe(s, "alice", answers())
	if err := <-renewed; err != nil {
		t.Errorf("the connection's renewal: %v", err)
	}
	pool.Advance(4 * time.Hour)
	s.MustBe("alice", alice.Cookie)
}

// TestRenewalCrossesTouch is the same the other way round: a renewal that began
// before the session was prolonged must not put the old deadline back, or a
// visitor who has just returned is idle again in no time.
func TestRenewalCrossesTouch(t *testing.T) {
	t.Parallel()
	for range 5 {
		if renewalCrossesTouch(t) {
			return
		}
	}
	t.Error("the storage's call was given up every time")
}

// renewalCrossesTouch reports whether the storage's call was waited for meanwhile: a slow
// machine takes longer than it may.
func renewalCrossesTouch(t *testing.T) bool {
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	pool.Advance(23 * time.Hour) // of 24

	reading, held := make(chan struct{}), lab.NewGate(t)
	var reads atomic.Int32
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		// The second read is that of the first request's touch.
		if c.Method == "get" && c.Key == alice.Hot && reads.Add(1) == 2 {
			close(reading)
			<-held.Closed
		}
		return nil
	})
	renewal, writes := park(t, pool), len(storage.Asked("set"))
	began := time.Now()
	first := s.Later(1, lab.AsScript("/me", alice.Cookie))
	<-reading
	second := s.Later(1, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "the second request renews", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	held.Open()
	if time.Since(began) > time.Second {
		renewal.Open()
		_, _ = first(), second()
		return false
	}
	lab.Eventually(t, "the first one has prolonged", func() bool {
		return slices.ContainsFunc(storage.Asked("set")[writes:], func(c lab.StoreCall) bool { return c.Key == alice.Hot && c.Life > 20*time.Hour })
	})
	renewal.Open()
	mustAllBe(s, "alice", slices.Concat(first(), second()))
	pool.Advance(20 * time.Hour)
	s.MustBe("alice", alice.Cookie)
	return true
}

// TestTouchPutsClaimsBack: a request prolongs the session, its write is delayed,
// and the tokens are renewed meanwhile, without the group that a guard asks for.
// The write comes last and puts the old claims back, but not for long.
func TestTouchPutsClaimsBack(t *testing.T) {
	t.Parallel()
	s, alice, _ := putBackByTouch(t)
	lab.Eventually(t, "the new claims are back", func() bool { return groupsOf(s.Me(alice.Cookie)) == "new" })
	s.MustRenew(1)
}

// TestTouchPutsARecordBackAndTokensExpire: while the old record is there and the new one
// only in memory, the two are no renewal by another instance, whose tokens could be used.
func TestTouchPutsARecordBackAndTokensExpire(t *testing.T) {
	t.Parallel()
	s, alice, clock := putBackByTouch(t)
	clock.Advance(lab.JustExpired)
	s.MustBe("alice", alice.Cookie)
}

// TestRecordPutBackIsNoRenewal: the same write comes so late that nobody looks any more.
// An instance that knows the newer record does not take the older one for a renewal, or
// its own for one, when somebody wants new tokens.
func TestRecordPutBackIsNoRenewal(t *testing.T) {
	t.Parallel()
	pool, storage := lab.NewPool(t), lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.NewSession(storage, "alice")
	before := storage.Dump()[alice.Hot]
	for i, s := range []*lab.Site{a, b} {
		pool.Advance(time.Minute)
		if res := s.Send(lab.RenewNow(alice.Cookie)); res.StatusCode != http.StatusOK {
			t.Errorf("the refresh path answers %s", lab.StatusLine(res))
		}
		s.MustRenew(i + 1)
		b.MustBe("alice", alice.Cookie)
		stop(s) // it has looked
		storage.Plant(alice.Hot, before)
	}
}

// renewsAnew serves an app with a handler that wants new tokens.
func renewsAnew(t *testing.T, pool *cognitotest.Pool, storage lab.Storage) *lab.Site {
	return lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Get("/anew", func(c *fiber.Ctx) error {
			if err := cognito.Refresh(c); err != nil {
				return err
			}
			return c.JSON(cognito.UserFrom(c))
		})
	}, lab.On(storage))
}

// TestRefreshDuringAnothersRenewal: a handler changes something at Cognito and wants new
// tokens, while another instance is renewing the session, and has asked before the change.
func TestRefreshDuringAnothersRenewal(t *testing.T) {
	t.Parallel()
	pool, storage := lab.NewPool(t), lab.NewStore()
	a, b := renewsAnew(t, pool, storage), renewsAnew(t, pool, storage)
	alice := a.SignIn("alice")
	pool.Advance(time.Minute)
	held, minted := parkAnswer(t, pool)
	early := b.Later(1, lab.RenewNow(alice))
	<-minted
	regroup(pool, "new")
	reads := leaseReads(storage)
	answers := a.Later(1, lab.AsScript("/anew", alice))
	lab.Eventually(t, "the other one waits", func() bool { return leaseReads(storage) >= reads+2 })
	held.Open()
	early()
	if groups := groupsOf(answers()[0].Answer); groups != "new" {
		t.Errorf("after the renewal the handler sees %s", groups)
	}
	a.MustRenew(2)
}

// TestRecordPutBackIsNoWinner: nor does an instance take it for the renewal that it waits
// for, because its refresh token was refused.
func TestRecordPutBackIsNoWinner(t *testing.T) {
	t.Parallel()
	s := newStage(t, lab.Rotating(0), "a", unseen)
	before := s.storage.Dump()[s.alice.Hot]
	s.a.MustBe("alice", s.alice.Cookie)
	s.pool.Advance(lab.JustExpired)
	held, rotated := parkAnswer(t, s.pool)
	winner := s.ask(s.a)
	<-rotated
	loser := s.ask(s.b)
	s.asked(3)
	s.storage.Plant(s.alice.Hot, before)
	reads := len(s.storage.Asked("get"))
	lab.Eventually(t, "the loser sees it", func() bool { return len(s.storage.Asked("get")) > reads+12 })
	held.Open()
	mustAllBe(s.a, "alice", winner())
	mustAllBe(s.b, "alice", loser())
}

// putBackByTouch has alice's session renewed, and its hot record of before stored last.
func putBackByTouch(t *testing.T) (*lab.Site, lab.Session, *lab.Clock) {
	t.Helper()
	for range 5 {
		if s, alice, clock := putBackInTime(t); s != nil {
			return s, alice, clock
		}
	}
	t.Fatal("the storage's call was given up every time")
	return nil, lab.Session{}, nil
}

// putBackInTime returns no site if the storage's call was given up meanwhile: a slow machine
// takes longer than it may.
func putBackInTime(t *testing.T) (*lab.Site, lab.Session, *lab.Clock) {
	t.Helper()
	pool := lab.NewPool(t)
	clock, storage := lab.StopClock(pool), lab.NewStore()
	s := lab.ServeWith(t, pool, clock.Hook, lab.On(storage), func(c *cognito.Config) { c.IdleTimeout = 2 * time.Hour })
	alice := s.NewSession(storage, "alice")
	clock.Advance(13 * time.Minute) // use is noted, and the tokens are not due
	regroup(pool, "new")
	held, delayed := lab.NewGate(t), make(chan struct{})
	seen := lab.NewGate(t) // until then nobody looks whether the new tokens are still there
	defer seen.Open()
	var touched, renewed atomic.Bool
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		switch {
		case c.Method == "set" && c.Key == alice.Hot && touched.CompareAndSwap(false, true):
			close(delayed)
			<-held.Closed
		case c.Method == "get" && c.Key == alice.Cold && renewed.Load():
			<-seen.Closed
		}
		return nil
	})
	began := time.Now()
	touching := s.Later(1, lab.AsScript("/me", alice.Cookie))
	<-delayed
	if res := s.Send(lab.RenewNow(alice.Cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answers %s", lab.StatusLine(res))
	}
	renewed.Store(true)
	if groups := groupsOf(s.Me(alice.Cookie)); groups != "new" {
		t.Fatalf("after the renewal /me shows %s", groups)
	}
	current := storage.Dump()[alice.Hot]
	held.Open()
	slow := time.Since(began) > time.Second
	mustAllBe(s, "alice", touching())
	if slow {
		return nil, lab.Session{}, nil
	}
	lab.Eventually(t, "the delayed write is done", func() bool { return !bytes.Equal(storage.Dump()[alice.Hot], current) })
	if groups := groupsOf(s.Me(alice.Cookie)); groups == "new" {
		t.Error("the delayed write put nothing back; the test proves nothing")
	}
	return s, alice, clock
}

// TestUserInfoDoesNotBringClaimsBack: what the ID token said at login and says no more
// is gone, whatever userInfo said then.
func TestUserInfoDoesNotBringClaimsBack(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.UserInfo = true })
	carol := cognitotest.User{Username: "carol", Password: lab.PasswordOf("carol"), Email: "carol@example.com", Attributes: map[string]string{"custom:role": "owner"}}
	pool.SetUser(carol)
	pool.Break(cognitotest.UserInfo, cognitotest.Fault{Rewrite: func(claims map[string]any) { claims["custom:team"] = "blue" }})
	cookie := s.SignIn("carol")
	if me := s.Me(cookie).Text; !strings.Contains(me, `"custom:role":"owner"`) || !strings.Contains(me, `"custom:team":"blue"`) {
		t.Fatalf("/me shows %s, want claims of the ID token and of userInfo", me)
	}
	carol.Attributes = nil
	pool.SetUser(carol)
	pool.Advance(31 * time.Second) // younger tokens are not renewed
	if res := s.Send(lab.RenewNow(cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answers %s", lab.StatusLine(res))
	}
	if me := s.Me(cookie).Text; strings.Contains(me, "owner") || !strings.Contains(me, `"custom:team":"blue"`) {
		t.Errorf("after the renewal /me shows %s, want no role and still the team", me)
	}
}

// lapse has a storage forget what has outlived its lifetime by this clock, as real ones do.
func lapse(storage *lab.Store, now func() time.Time) {
	var mu sync.Mutex
	ends := map[string]time.Time{}
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		mu.Lock()
		defer mu.Unlock()
		end, known := ends[c.Key]
		switch {
		case c.Method == "set":
			ends[c.Key] = now().Add(c.Life)
		case c.Method == "get" && known && !now().Before(end):
			return &lab.StoreFault{}
		}
		return nil
	})
}

// TestIdleTimeoutIsRaised: a session was stored under a short IdleTimeout, and is prolonged
// by an instance that has a longer one since. Its tokens last as long as it does.
func TestIdleTimeoutIsRaised(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	lapse(storage, pool.Now)
	before := lab.ServeWith(t, pool, lab.On(storage), lab.Timeouts(time.Hour, 20*24*time.Hour))
	after := lab.ServeWith(t, pool, lab.On(storage), lab.Timeouts(7*24*time.Hour, 20*24*time.Hour))
	alice := before.NewSession(storage, "alice")
	pool.Advance(10 * time.Minute)
	after.MustBe("alice", alice.Cookie)
	pool.Advance(3 * 24 * time.Hour)
	after.MustBe("alice", alice.Cookie)
}

// TestClockOfAnotherIsAhead: a session began at an instance whose clock is half an hour ahead.
// The storage keeps it for fifteen minutes, and whoever uses it elsewhere prolongs it in time.
func TestClockOfAnotherIsAhead(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	lapse(storage, pool.Now)
	timeouts := lab.Timeouts(15*time.Minute, 24*time.Hour)
	ahead := lab.ServeWith(t, pool, lab.On(storage), timeouts, func(c *cognito.Config) {
		c.Now = func() time.Time { return pool.Now().Add(30 * time.Minute) }
	})
	right := lab.ServeWith(t, pool, lab.On(storage), timeouts)
	alice := ahead.NewSession(storage, "alice")
	for range 10 {
		right.MustBe("alice", alice.Cookie)
		pool.Advance(5 * time.Minute)
	}
	pool.Advance(11 * time.Minute)
	right.MustBe("", alice.Cookie)
}
