package faults_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// failWrites makes the storage refuse to write records of sessions.
func failWrites(c lab.StoreCall) *lab.StoreFault {
	if c.Method == "set" && (strings.HasPrefix(c.Key, lab.HotPrefix) || strings.HasPrefix(c.Key, lab.ColdPrefix)) {
		return &lab.StoreFault{Err: lab.ErrDown}
	}
	return nil
}

// unsavable takes a session to where its tokens have been renewed, with the old
// refresh token dead, and the storage refuses to take the new ones.
func unsavable(t *testing.T, storage *lab.Store, grace time.Duration, hooks ...func(*cognito.Config)) (a, b *lab.Site, alice *http.Cookie, tokens *lab.Issued) {
	t.Helper()
	pool := lab.NewPool(t, lab.Rotating(grace))
	tokens = lab.RecordIssued(pool)
	a, b = lab.Pair(t, pool, storage, hooks...)
	alice = a.SignIn("alice")
	pool.Advance(lab.JustExpired) // once for nothing: the first token of a login is a special one
	a.MustBe("alice", alice)
	regroup(pool, "new")
	pool.Advance(lab.JustExpired)
	storage.Misbehave(failWrites)
	return a, b, alice, tokens
}

// TestSaveFailsAfterRotation: Cognito has replaced the refresh token and the storage
// does not take the new one. It is kept in memory: requests are served with the new
// tokens, Cognito is not asked again, and when the storage is well the session is whole
// again, for other instances too.
func TestSaveFailsAfterRotation(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	for range 5 {
		if groups := groupsOf(a.Me(alice)); groups != "new" {
			t.Errorf("while the storage does not write, /me shows %s; want the new groups", groups)
		}
		mustBeFresh(a, a.Send(lab.AsScript("/token", alice)).Text)
		if res := a.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
			t.Errorf("while the storage does not write, the refresh path answers %s", lab.StatusLine(res))
		}
		a.Pool.Advance(3 * time.Second)
	}
	a.MustRenew(2)
	unsaved := storage.Dump()
	storage.Misbehave(nil)
	lab.Eventually(t, "the tokens are saved", func() bool { return rewritten(storage, unsaved) })
	if groups := groupsOf(b.Me(alice)); groups != "new" {
		t.Errorf("then another instance shows %s, want the new groups", groups)
	}
	mustBeFresh(b, b.Send(lab.AsScript("/token", alice)).Text)
	b.MustRenew(2)
	for range 2 {
		a.Pool.Advance(lab.JustExpired)
		b.MustBe("alice", alice)
		a.MustBe("alice", alice)
	}
}

// TestRefreshWhileUnsaved: the storage does not take renewed tokens, and a handler that has
// changed something at Cognito wants new ones. Those in memory do not show the change: it gets
// others, or hears that there are none for now.
func TestRefreshWhileUnsaved(t *testing.T) {
	t.Parallel()
	pool, storage := lab.NewPool(t, lab.Rotating(time.Minute)), lab.NewStore()
	s := renewsAnew(t, pool, storage)
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	storage.Misbehave(failWrites)
	s.MustBe("alice", alice)
	regroup(pool, "new")
	ask := func() *lab.Answer { return s.Send(lab.AsScript("/anew", alice)) }
	if answer := ask(); answer.StatusCode != http.StatusServiceUnavailable && groupsOf(answer) != "new" {
		t.Errorf("the handler is told that the user has the groups %s", groupsOf(answer))
	}
	lab.Eventually(t, "the handler sees the change", func() bool {
		answer := ask()
		return answer.StatusCode == http.StatusOK && groupsOf(answer) == "new"
	})
	storage.Misbehave(nil)
	lab.Eventually(t, "so does everybody", func() bool { return groupsOf(s.Me(alice)) == "new" })
}

// TestFrozenBetweenRequests: in a process that runs only while it answers, tokens that
// the storage does not take stay in memory, nothing goes on between two requests, and
// the first request after the outage has them saved when it is answered.
func TestFrozenBetweenRequests(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0, func(c *cognito.Config) { c.RenewInRequest = true })
	unsaved, before, began := storage.Dump(), len(storage.Asked("set")), time.Now()
	for range 3 {
		if groups := groupsOf(a.Me(alice)); groups != "new" {
			t.Errorf("while the storage does not write, /me shows %s; want the new groups", groups)
		}
	}
	// Twice each, and once more for each pause that a slow machine takes for them.
	most := 6 + 2*int(time.Since(began)/(250*time.Millisecond))
	if tries := len(storage.Asked("set")) - before; tries > most {
		t.Errorf("the tokens were offered %d times in three requests, want %d at most", tries, most)
	}
	storage.Misbehave(nil)
	if rewritten(storage, unsaved) {
		t.Error("the tokens are saved already: something runs between requests")
	}
	a.MustBe("alice", alice)
	if !rewritten(storage, unsaved) {
		t.Error("the tokens are not saved, and the process is frozen again")
	}
	if groups := groupsOf(b.Me(alice)); groups != "new" {
		t.Errorf("then another instance shows %s, want the new groups", groups)
	}
	b.MustRenew(2)
}

// TestStrangerBesideARenewal: a process that runs only while it answers serves several visitors
// at once. Whoever finds tokens due waits for their renewal, and nobody else does.
func TestStrangerBesideARenewal(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"due": 50 * time.Minute, "expired": lab.JustExpired} {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t)
			s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.RenewInRequest = true })
			alice := s.SignIn("alice")
			pool.Advance(age)
			held, asked := parkAnswer(t, pool)
			var served atomic.Bool
			answers := make(chan []lab.Reply)
			go func() {
				replies := s.Later(1, lab.AsScript("/me", alice))()
				served.Store(true)
				answers <- replies
			}()
			<-asked
			if res := s.Send(lab.Request{Path: "/public"}); res.Text != "public" || served.Load() {
				t.Errorf("a stranger gets %s, and the renewal is over: %v", lab.StatusLine(res), served.Load())
			}
			held.Open()
			if replies := <-answers; replies[0].Err != nil || replies[0].StatusCode != http.StatusOK {
				t.Errorf("alice gets %s", replies[0])
			}
			s.MustRenew(1)
		})
	}
}

// TestFrozenAfterALogout: the storage does not take a logout, in a process that runs only
// while it answers. The next request after the outage has it recorded when it is answered,
// whoever sent it, so that no instance knows a copy of the cookie.
func TestFrozenAfterALogout(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b := lab.Pair(t, lab.NewPool(t), storage, func(c *cognito.Config) { c.RenewInRequest = true })
	alice, bob := a.SignIn("alice"), a.SignIn("bob")
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "get" {
			return nil
		}
		return &lab.StoreFault{Err: lab.ErrDown}
	})
	a.MustLogOut(a.Send(lab.LogOut(alice)))
	a.MustBe("bob", bob)
	storage.Misbehave(nil)
	lab.Eventually(t, "the logout is recorded", func() bool {
		a.MustBe("bob", bob)
		return b.Me(alice).StatusCode == http.StatusUnauthorized
	})
	a.MustBe("", alice)
	b.MustBe("", alice)
}

// rewritten reports whether both records of the only session have changed.
func rewritten(s *lab.Store, since map[string][]byte) bool {
	changed := 0
	for key, value := range s.Dump() {
		isRecord := strings.HasPrefix(key, lab.HotPrefix) || strings.HasPrefix(key, lab.ColdPrefix)
		if isRecord && !bytes.Equal(value, since[key]) {
			changed++
		}
	}
	return changed == 2
}

// TestStorageGoesAfterRotation: what the storage holds cannot even be read when the
// tokens are offered to it.
func TestStorageGoesAfterRotation(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.MustBe("alice", alice)
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	before := len(storage.Asked("get"))
	lab.Eventually(t, "the tokens are offered twice, in vain", func() bool { return len(storage.Asked("get")) >= before+2 })
	unsaved := storage.Dump()
	storage.Misbehave(nil)
	lab.Eventually(t, "the tokens are saved", func() bool { return rewritten(storage, unsaved) })
	b.MustBe("alice", alice)
	b.MustRenew(2)
	a.Pool.Advance(lab.JustExpired)
	b.MustBe("alice", alice)
}

// TestSaveHangsAfterRotation: with a storage that takes its time to fail, requests that
// come while the tokens are being offered to it once more are served as well, and do
// not present the dead refresh token.
func TestSaveHangsAfterRotation(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	hung := lab.Hang(t)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if failWrites(c) != nil {
			return hung
		}
		return nil
	})
	s.MustBe("alice", alice)
	// For as long as the storage is tried several times. The pool's clock goes
	// at ten times our own pace, however many requests fit into that.
	for began, told := time.Now(), time.Duration(0); told < 50*time.Second; {
		s.MustBe("alice", alice)
		passed := 10 * time.Since(began)
		pool.Advance(passed - told)
		told = passed
	}
	s.MustRenew(1)
	unsaved := storage.Dump()
	storage.Misbehave(nil)
	lab.Eventually(t, "the tokens are saved", func() bool { return rewritten(storage, unsaved) })
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
}

// TestFirstSaveIsLate: a write gets no answer in time and is done after all. So what
// was stored before the tokens were verified comes last, with the expired access token
// of before. It is not handed out for long.
func TestFirstSaveIsLate(t *testing.T) {
	t.Parallel()
	s := newStage(t, lab.Rotating(time.Minute), "a", seen)
	storing, held := s.holdWrite()
	s.a.MustBe("alice", s.alice.Cookie) // once the storage was given up
	<-storing
	verified := s.storage.Dump()[s.alice.Cold]
	held.Open()
	s.stored(verified)
	stop(s.a) // it looks what is stored
	mustBeFresh(s.b, s.b.Send(lab.AsScript("/token", s.alice.Cookie)).Text)
	s.b.MustRenew(1)
}

// TestSaveFailsThenClose: an instance that stops while it holds tokens that nobody else
// has, and before anybody asks for them again, saves them if the storage is back.
func TestSaveFailsThenClose(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.MustBe("alice", alice)
	storage.Misbehave(nil)
	if err := a.Auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if groups := groupsOf(b.Me(alice)); groups != "new" {
		t.Errorf("after the shutdown the other instance shows %s, want the new groups", groups)
	}
	b.MustRenew(2)
}

// TestSaveFailsAndAnotherInstanceIsAsked: one of two instances holds the new tokens,
// and requests go to the other, which has only the dead refresh token. It is not to
// believe that it is dead before the first one has had time to save.
func TestSaveFailsAndAnotherInstanceIsAsked(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	a.MustBe("alice", alice)
	storage.Misbehave(nil)
	b.MustBe("alice", alice)
	b.Pool.Advance(lab.JustExpired)
	b.MustBe("alice", alice)
}

// TestSaveFailsAndAnotherInstanceRenews: while one instance holds tokens that it cannot
// save, another one renews, and its tokens outdo them. They must not be overwritten
// with those from memory.
func TestSaveFailsAndAnotherInstanceRenews(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage, deaf := lab.NewStore(), atomic.Bool{}
	a := lab.ServeWith(t, pool, lab.On(deafStore{storage, &deaf}))
	b := lab.ServeWith(t, pool, lab.On(storage))
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)
	deaf.Store(true)
	a.MustBe("alice", alice)
	b.MustBe("alice", alice)
	a.MustRenew(2)
	deaf.Store(false)
	if err := a.Auth.Close(); err != nil { // its last try to save them
		t.Errorf("Close: %v", err)
	}
	for range 2 {
		pool.Advance(lab.JustExpired)
		b.MustBe("alice", alice)
	}
}

// deafStore is one instance's line to the storage, which fails while deaf is
// set whenever records of sessions are written.
type deafStore struct {
	*lab.Store
	deaf *atomic.Bool
}

func (d deafStore) Set(key string, value []byte, life time.Duration) error {
	if d.deaf.Load() && failWrites(lab.StoreCall{Method: "set", Key: key}) != nil {
		return lab.ErrDown
	}
	return d.Store.Set(key, value, life)
}

// TestSaveFailsThenLogout: the tokens in memory end with the session, and the refresh
// token that nobody else knows is revoked.
func TestSaveFailsThenLogout(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprint("elsewhere ", elsewhere), func(t *testing.T) {
			storage := lab.NewStore()
			a, b, alice, tokens := unsavable(t, storage, 0)
			a.MustBe("alice", alice)
			newest := tokens.Newest()
			leaves := a
			if elsewhere {
				leaves = b
			}
			leaves.MustLogOut(leaves.Send(lab.LogOut(alice)))
			storage.Misbehave(nil)
			for range 2 {
				a.MustBe("", alice)
				b.MustBe("", alice)
				lab.Eventually(t, "the newest refresh token is revoked", func() bool { return slices.Contains(lab.Revoked(a.Pool), newest) })
				a.Pool.Advance(time.Minute)
			}
		})
	}
}

// TestSaveFailsForAVerdict: a session that Cognito ends while the storage does
// not write is not ended halfway: it is unknown until that can be stored.
func TestSaveFailsForAVerdict(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b, alice, _ := unsavable(t, storage, 0)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method != "get" {
			return &lab.StoreFault{Err: lab.ErrDown}
		}
		return nil
	})
	a.Pool.EndSessions("alice")
	a.MustBeUnavailable(lab.AsScript("/me", alice))
	storage.Misbehave(nil)
	a.Pool.Advance(time.Minute)
	a.MustBe("", alice)
	b.MustBe("", alice)
}
