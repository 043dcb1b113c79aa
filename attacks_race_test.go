package cognito_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/storage/memory/v2"
)

// Row F2: several instances renew one session at the same time.

// TestInstancesRaceAtExpiry is row F2: requests of many sessions arrive at two
// instances at once when their tokens have expired. Whoever loses a race takes
// the winner's tokens; nobody is logged out or taken for somebody else, and
// what ends up in the storage can be renewed again.
func TestInstancesRaceAtExpiry(t *testing.T) {
	const sessions, requests = 16, 3
	for _, grace := range []time.Duration{0, time.Minute} {
		for name, storage := range map[string]func(*testing.T) fiber.Storage{
			"memory": sharedMemory, "with contexts": func(*testing.T) fiber.Storage { return contextStore{newStore()} },
		} {
			t.Run(fmt.Sprint(name, ", grace ", grace), func(t *testing.T) {
				t.Parallel()
				pool := newPool(t, rotating(grace))
				a, b := pair(t, pool, storage(t))
				users, cookies := [sessions]string{}, [sessions]*http.Cookie{}
				for i := range cookies {
					users[i] = []string{"alice", "bob"}[i%2]
					cookies[i] = []*site{a, b}[i/2%2].signIn(users[i])
				}
				for range 3 {
					pool.Advance(justExpired)
					var round sync.WaitGroup
					for i := range cookies {
						for _, instance := range []*site{a, b} {
							answers := instance.later(requests, asScript("/me", cookies[i]))
							round.Go(func() { a.mustAllBe(users[i], answers()) })
						}
					}
					round.Wait()
				}
			})
		}
	}
}

func sharedMemory(t *testing.T) fiber.Storage {
	storage := memory.New()
	t.Cleanup(func() { _ = storage.Close() })
	return storage
}

// mustAllBe reports the first of many answers that is not for this user.
func (s *site) mustAllBe(user string, replies []reply) {
	s.Helper()
	for i, got := range replies {
		if got.err != nil || got.StatusCode != http.StatusOK || !strings.Contains(got.body, user+"@example.com") {
			s.Errorf("request %d of %d was answered %s; want %s", i, len(replies), got, user)
			return
		}
	}
}

// blinkered is one instance's view of a storage, in which it does not see that
// another one is renewing, as when both look at the very same time.
type blinkered struct {
	*store
	name string
}

func (b blinkered) own(key string) string {
	if strings.HasPrefix(key, "cognito_lease_") {
		return key + b.name
	}
	return key
}

func (b blinkered) Get(key string) ([]byte, error) { return b.store.Get(b.own(key)) }

func (b blinkered) Set(key string, value []byte, life time.Duration) error {
	return b.store.Set(b.own(key), value, life)
}

func (b blinkered) Delete(key string) error { return b.store.Delete(b.own(key)) }

// blindPair is pair with instances that do not see each other's leases.
func blindPair(t *testing.T, pool *cognitotest.Pool, storage *store, hooks ...func(*cognito.Config)) (a, b *site) {
	t.Helper()
	return serveWith(t, pool, append(hooks, on(blinkered{storage, "a"}))...),
		serveWith(t, pool, append(hooks, on(blinkered{storage, "b"}))...)
}

// TestLoserOfARace is row F2 in its exact order: the winner's answer is still
// travelling when the loser presents the same refresh token. Without grace the
// loser gets invalid_grant, which is not to be believed; within the grace it
// gets tokens that outdo the winner's, which arrive later.
func TestLoserOfARace(t *testing.T) {
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, rotating(grace))
			a, b := blindPair(t, pool, newStore())
			alice := a.signIn("alice")
			pool.Advance(justExpired)

			held, rotated := parkAnswer(t, pool)
			winner := a.later(1, asScript("/me", alice))
			<-rotated
			loser := b.later(1, asScript("/me", alice))
			eventually(t, "both have asked", func() bool { return len(renewalsAt(pool)) == 2 })
			if grace > 0 {
				b.mustAllBe("alice", loser()) // and is saved before the winner's
			}
			held.open()
			a.mustAllBe("alice", winner())
			b.mustAllBe("alice", loser())
			if sent := renewalsAt(pool); sent[0] != sent[1] {
				t.Error("the two did not use the same refresh token; the test proves nothing")
			}
			for range 2 {
				// Only the newest refresh token goes on working after the grace.
				pool.Advance(justExpired)
				a.mustBe("alice", alice)
				b.mustBe("alice", alice)
			}
		})
	}
}

// TestRivalsCross: within the grace two instances get a child of one refresh
// token each, neither sees the other's stored before it stores its own, and the
// dead one is stored last. The living one finds its way back.
func TestRivalsCross(t *testing.T) {
	for name, befall := range map[string]func(*cognitotest.Pool){
		"all is well": func(*cognitotest.Pool) {},
		"Cognito is down when it looks": func(p *cognitotest.Pool) {
			p.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Status: http.StatusServiceUnavailable})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testRivalsCross(t, befall)
		})
	}
}

func testRivalsCross(t *testing.T, befall func(*cognitotest.Pool)) {
	t.Helper()
	pool := newPool(t, rotating(time.Minute))
	storage := newStore()
	a, b := blindPair(t, pool, storage)
	alice := a.newSession(storage, "alice")
	pool.Advance(justExpired)

	storing, held := make(chan struct{}), newGate(t)
	var writes atomic.Int32
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && c.key == alice.cold && writes.Add(1) == 1 {
			close(storing)
			<-held.closed
		}
		return nil
	})
	first := a.later(1, asScript("/me", alice.cookie))
	<-storing
	b.mustBe("alice", alice.cookie) // has presented the same token, and stored its child
	held.open()
	a.mustAllBe("alice", first())
	if sent := renewalsAt(pool); len(sent) != 2 || sent[0] != sent[1] {
		t.Fatal("the two did not use the same refresh token; the test proves nothing")
	}
	befall(pool)
	crossed := storage.dump()[alice.hot]
	eventually(t, "the second looks once more, and renews", func() bool { return !bytes.Equal(storage.dump()[alice.hot], crossed) })
	for range 2 {
		pool.Advance(justExpired) // and with it the grace of all but the newest
		a.mustBe("alice", alice.cookie)
		b.mustBe("alice", alice.cookie)
	}
}

// TestRivalsInOrder: as above, but the living child is stored last. The look
// that follows tries the dead one, in vain, and leaves the other alone.
func TestRivalsInOrder(t *testing.T) {
	t.Parallel()
	pool := newPool(t, rotating(time.Minute))
	storage := newStore()
	a, b := blindPair(t, pool, storage)
	alice := a.newSession(storage, "alice")
	pool.Advance(justExpired)

	storing, held := make(chan struct{}), newGate(t)
	before := storage.dump()[alice.cold]
	var writes atomic.Int32
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && c.key == alice.cold {
			switch writes.Add(1) {
			case 1: // the first child waits until the second is minted,
				close(storing)
				<-held.closed
			case 2: // which is stored after it
				held.open()
				eventually(t, "the first child is stored", func() bool { return !bytes.Equal(storage.dump()[alice.cold], before) })
			}
		}
		return nil
	})
	first := a.later(1, asScript("/me", alice.cookie))
	<-storing
	b.mustBe("alice", alice.cookie)
	a.mustAllBe("alice", first())
	eventually(t, "the first looks once more", func() bool { return len(renewalsAt(pool)) == 3 })
	for range 2 {
		pool.Advance(justExpired)
		a.mustBe("alice", alice.cookie)
		b.mustBe("alice", alice.cookie)
	}
}

// TestOneLookIsEnough: whoever finds its own tokens stored writes nothing, or
// every renewal would be written again and again.
func TestOneLookIsEnough(t *testing.T) {
	pool := newPool(t, rotating(time.Minute))
	storage := newStore()
	s := serveWith(t, pool, on(storage))
	alice := s.signIn("alice")
	pool.Advance(justExpired)
	s.mustBe("alice", alice)
	written, read := len(storage.asked("set")), len(storage.asked("get"))
	if err := s.auth.Close(); err != nil { // which makes it look at once
		t.Fatal(err)
	}
	if again := len(storage.asked("set")); again != written {
		t.Errorf("the look wrote %d times", again-written)
	}
	if len(storage.asked("get")) == read {
		t.Error("nobody looked")
	}
}

// TestNoLeaseNoRenewal: a storage that takes no lease would not take the new
// tokens either, so the refresh token is not spent.
func TestNoLeaseNoRenewal(t *testing.T) {
	pool := newPool(t, rotating(0))
	storage := newStore()
	s := serveWith(t, pool, on(storage))
	alice := s.signIn("alice")
	pool.Advance(justExpired)
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" {
			return &storeFault{err: errDown}
		}
		return nil
	})
	s.mustBeUnavailable(asScript("/me", alice))
	s.mustRenew(0)
	storage.misbehave(nil)
	pool.Advance(time.Minute)
	s.mustBe("alice", alice)
}

// tardy loses the first renewal on its way, so that Cognito serves it only when
// it is delivered, long after its repetition.
type tardy struct {
	mu      sync.Mutex // guards deliver
	deliver func() error
}

func (d *tardy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if d.deliver == nil && bytes.Contains(body, []byte("grant_type=refresh_token")) {
		late := r.Clone(context.Background())
		late.Body = io.NopCloser(bytes.NewReader(body))
		d.deliver = func() error {
			answer, err := http.DefaultTransport.RoundTrip(late)
			if err != nil {
				return err
			}
			return answer.Body.Close()
		}
		return nil, io.ErrUnexpectedEOF
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestAnswersOutOfOrder is row F4 at its worst: the answer that was lost is that
// of a call which Cognito served after its repetition. The refresh token that
// arrived is dead, and the living one will never come. The session is renewed
// again while the grace lasts, by whoever comes first.
func TestAnswersOutOfOrder(t *testing.T) {
	for _, row := range []struct {
		name    string
		storage fiber.Storage
		ask     bool // another instance is told to renew
	}{
		{"alone", nil, false},
		{"with others", newStore(), false},
		{"another instance comes first", newStore(), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pool := newPool(t, rotating(time.Minute))
			lossy := &tardy{}
			var renewed atomic.Int32
			counting := func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) { renewed.Add(1) } }
			a := serveWith(t, pool, on(row.storage), counting, func(c *cognito.Config) { c.HTTPClient = &http.Client{Transport: lossy} })
			alice := a.signIn("alice")
			pool.Advance(justExpired)
			a.mustBe("alice", alice)
			if err := lossy.deliver(); err != nil {
				t.Fatal(err)
			}
			if row.ask {
				b := serveWith(t, pool, on(row.storage), counting)
				if res := b.send(renewNow(alice)); res.StatusCode != http.StatusOK {
					t.Errorf("renewing answers %s", statusLine(res))
				}
			}
			eventually(t, "the session is renewed once more", func() bool { return renewed.Load() == 2 })
			if sent := renewalsAt(pool); len(sent) != 4 || sent[0] != sent[1] || sent[2] == sent[0] || sent[3] != sent[0] {
				t.Error("want the lost call, its repetition, the dead child and its parent again")
			}
			for range 2 {
				pool.Advance(justExpired)
				a.mustBe("alice", alice)
			}
		})
	}
}

// TestLeaseSparesTheRace: while one instance renews, another one waits for the
// outcome and calls nobody.
func TestLeaseSparesTheRace(t *testing.T) {
	pool := newPool(t, rotating(0))
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice := a.signIn("alice")
	pool.Advance(justExpired)
	held := park(t, pool)
	first := a.later(1, asScript("/me", alice))
	eventually(t, "the first instance asks", func() bool { return len(renewalsAt(pool)) == 1 })
	second := b.later(1, asScript("/me", alice))
	looks := func() (times int) {
		for _, c := range storage.asked("get") {
			if strings.HasPrefix(c.key, "cognito_lease_") {
				times++
			}
		}
		return times
	}
	eventually(t, "the second instance has seen the lease, twice", func() bool { return looks() >= 3 })
	held.open()
	a.mustAllBe("alice", first())
	b.mustAllBe("alice", second())
	a.mustRenew(1)
}

// TestLeaseIsGivenBack: whatever came of a renewal, the next one need not wait
// for the lease to lapse.
func TestLeaseIsGivenBack(t *testing.T) {
	pool := newPool(t)
	storage := newStore()
	s := serveWith(t, pool, on(storage))
	alice := s.signIn("alice")
	pool.Advance(justExpired)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Status: http.StatusServiceUnavailable})
	s.mustBeUnavailable(asScript("/me", alice))
	mustHaveNoLease(t, storage)
	pool.Advance(time.Minute)
	s.mustBe("alice", alice)
	mustHaveNoLease(t, storage)
	s.mustRenew(2)
}

func mustHaveNoLease(t *testing.T, storage *store) {
	t.Helper()
	for key := range storage.dump() {
		if strings.HasPrefix(key, "cognito_lease_") {
			t.Errorf("%s is left", key)
		}
	}
}

// TestLateComer: a request has read that the tokens are expired, and before it
// comes to renew them another instance has. It takes those.
func TestLateComer(t *testing.T) {
	pool := newPool(t, rotating(0))
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice := a.newSession(storage, "alice")
	pool.Advance(justExpired)
	renewing, held := make(chan struct{}), newGate(t)
	var reads atomic.Int32
	storage.misbehave(func(c storeCall) *storeFault {
		// The second read is the first act of the renewal.
		if c.method == "get" && c.key == alice.hot && reads.Add(1) == 2 {
			close(renewing)
			<-held.closed
		}
		return nil
	})
	late := b.later(1, asScript("/me", alice.cookie))
	<-renewing
	a.mustBe("alice", alice.cookie)
	held.open()
	b.mustAllBe("alice", late())
	a.mustRenew(1)
}

// TestLeaseOfADeadInstance: an instance that is killed while it renews leaves
// its lease behind. It lapses, and another instance goes on.
func TestLeaseOfADeadInstance(t *testing.T) {
	pool := newPool(t)
	storage := &mortalStore{store: newStore(), now: pool.Now, deaths: map[string]time.Time{}}
	a, b := pair(t, pool, storage)
	alice := a.signIn("alice")
	pool.Advance(justExpired)
	held := park(t, pool)
	victim := a.later(1, asScript("/me", alice))
	eventually(t, "the first instance asks", func() bool { return len(renewalsAt(pool)) == 1 })
	heir := b.later(1, asScript("/me", alice))
	pool.Advance(10 * time.Second)
	b.mustAllBe("alice", heir())
	held.open()
	a.mustAllBe("alice", victim())
}

// TestLeaseThatNeverLapses is the same with a storage that does not keep to
// lifetimes. The heir waits for as long as a lease may live, once: it clears
// away what the dead instance has left.
func TestLeaseThatNeverLapses(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	storage := newStore()
	s := serveWith(t, pool, on(storage))
	alice := s.newSession(storage, "alice")
	left := strings.Replace(alice.hot, "_hot_", "_lease_", 1)
	if err := storage.Set(left, []byte("of a dead instance"), time.Second); err != nil {
		t.Fatal(err)
	}
	pool.Advance(justExpired)
	s.mustBe("alice", alice.cookie)
	s.mustRenew(1)
	mustHaveNoLease(t, storage)
}

// mortalStore forgets what has outlived the life that it was given, by the
// pool's clock.
type mortalStore struct {
	*store
	now    func() time.Time
	mu     sync.Mutex
	deaths map[string]time.Time
}

func (m *mortalStore) Get(key string) ([]byte, error) {
	m.mu.Lock()
	dead := !m.now().Before(m.deaths[key])
	m.mu.Unlock()
	if dead {
		return nil, nil
	}
	return m.store.Get(key)
}

func (m *mortalStore) Set(key string, value []byte, life time.Duration) error {
	m.mu.Lock()
	m.deaths[key] = m.now().Add(life)
	m.mu.Unlock()
	return m.store.Set(key, value, life)
}
