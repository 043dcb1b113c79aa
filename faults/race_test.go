package faults_test

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
	"github.com/bar-tech/cognito/internal/lab"
)

// Row F2: several instances renew one session at the same time.

// TestInstancesRaceAtExpiry is row F2: requests of many sessions arrive at two
// instances at once when their tokens have expired. Whoever loses a race takes
// the winner's tokens; nobody is logged out or taken for somebody else, and
// what ends up in the storage can be renewed again.
func TestInstancesRaceAtExpiry(t *testing.T) {
	t.Parallel()
	const sessions, requests = 16, 3
	for _, grace := range []time.Duration{0, time.Minute} {
		for name, storage := range map[string]func(*testing.T) lab.Storage{
			"memory": lab.SharedMemory, "with contexts": func(*testing.T) lab.Storage { return lab.ContextStore{Store: lab.NewStore()} },
		} {
			t.Run(fmt.Sprint(name, ", grace ", grace), func(t *testing.T) {
				t.Parallel()
				pool := lab.NewPool(t, lab.Rotating(grace))
				a, b := lab.Pair(t, pool, storage(t))
				users, cookies := [sessions]string{}, [sessions]*http.Cookie{}
				for i := range cookies {
					users[i] = []string{"alice", "bob"}[i%2]
					cookies[i] = []*lab.Site{a, b}[i/2%2].SignIn(users[i])
				}
				for range 3 {
					pool.Advance(lab.JustExpired)
					var round sync.WaitGroup
					for i := range cookies {
						for _, instance := range []*lab.Site{a, b} {
							answers := instance.Later(requests, lab.AsScript("/me", cookies[i]))
							round.Go(func() { mustAllBe(a, users[i], answers()) })
						}
					}
					round.Wait()
				}
			})
		}
	}
}

// mustAllBe reports the first of many answers that is not for this user.
func mustAllBe(s *lab.Site, user string, replies []lab.Reply) {
	s.Helper()
	for i, got := range replies {
		if got.Err != nil || got.StatusCode != http.StatusOK || !strings.Contains(got.Text, user+"@example.com") {
			s.Errorf("request %d of %d was answered %s; want %s", i, len(replies), got, user)
			return
		}
	}
}

// blinkered is one instance's view of a storage, in which it does not see that
// another one is renewing, as when both look at the very same time.
type blinkered struct {
	*lab.Store
	name string
}

func (b blinkered) own(key string) string {
	if strings.HasPrefix(key, "cognito_lease_") {
		return key + b.name
	}
	return key
}

func (b blinkered) Get(key string) ([]byte, error) { return b.Store.Get(b.own(key)) }

func (b blinkered) Set(key string, value []byte, life time.Duration) error {
	return b.Store.Set(b.own(key), value, life)
}

func (b blinkered) Delete(key string) error { return b.Store.Delete(b.own(key)) }

// blindPair is pair with instances that do not see each other's leases.
func blindPair(t *testing.T, pool *cognitotest.Pool, storage *lab.Store, hooks ...func(*cognito.Config)) (a, b *lab.Site) {
	t.Helper()
	return lab.ServeWith(t, pool, append(hooks, lab.On(blinkered{storage, "a"}))...),
		lab.ServeWith(t, pool, append(hooks, lab.On(blinkered{storage, "b"}))...)
}

// TestLoserOfARace is row F2 in its exact order: the winner's answer is still
// travelling when the loser presents the same refresh token. Without grace the
// loser gets invalid_grant, which is not to be believed; within the grace it
// gets tokens that outdo the winner's, which arrive later.
func TestLoserOfARace(t *testing.T) {
	t.Parallel()
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(grace))
			a, b := blindPair(t, pool, lab.NewStore())
			alice := a.SignIn("alice")
			pool.Advance(lab.JustExpired)

			held, rotated := parkAnswer(t, pool)
			winner := a.Later(1, lab.AsScript("/me", alice))
			<-rotated
			loser := b.Later(1, lab.AsScript("/me", alice))
			lab.Eventually(t, "both have asked", func() bool { return len(lab.RenewalsAt(pool)) == 2 })
			if grace > 0 {
				mustAllBe(b, "alice", loser()) // and is saved before the winner's
			}
			held.Open()
			mustAllBe(a, "alice", winner())
			mustAllBe(b, "alice", loser())
			if sent := lab.RenewalsAt(pool); sent[0] != sent[1] {
				t.Error("the two did not use the same refresh token; the test proves nothing")
			}
			for range 2 {
				// Only the newest refresh token goes on working after the grace.
				pool.Advance(lab.JustExpired)
				a.MustBe("alice", alice)
				b.MustBe("alice", alice)
			}
		})
	}
}

// TestRivalsCross: within the grace two instances get a child of one refresh
// token each, neither sees the other's stored before it stores its own, and the
// dead one is stored last. The living one finds its way back.
func TestRivalsCross(t *testing.T) {
	t.Parallel()
	for name, befall := range map[string]func(*cognitotest.Pool){
		"all is well": func(*cognitotest.Pool) {},
		"Cognito is down when it looks": func(p *cognitotest.Pool) {
			p.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
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
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	counting, renewed := countRenewals()
	a, b := blindPair(t, pool, storage, counting)
	alice := a.NewSession(storage, "alice")
	pool.Advance(lab.JustExpired)

	storing, held := make(chan struct{}), lab.NewGate(t)
	var writes atomic.Int32
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Cold && writes.Add(1) == 1 {
			close(storing)
			<-held.Closed
		}
		return nil
	})
	first := a.Later(1, lab.AsScript("/me", alice.Cookie))
	<-storing
	b.MustBe("alice", alice.Cookie) // has presented the same token, and stored its child
	held.Open()
	mustAllBe(a, "alice", first())
	if sent := lab.RenewalsAt(pool); len(sent) != 2 || sent[0] != sent[1] {
		t.Fatal("the two did not use the same refresh token; the test proves nothing")
	}
	befall(pool)
	lab.Eventually(t, "the second looks once more, and renews", func() bool { return renewed.Load() > 2 })
	mustLast(alice.Cookie, a, b)
}

// countRenewals counts the renewals that brought new tokens.
func countRenewals() (hook func(*cognito.Config), renewed *atomic.Int32) {
	renewed = &atomic.Int32{}
	return func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) { renewed.Add(1) } }, renewed
}

// TestRivalsInOrder: as above, but the living child is stored last. The renewal
// that follows may try the dead one, in vain, and finds the other.
func TestRivalsInOrder(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	counting, renewed := countRenewals()
	a, b := blindPair(t, pool, storage, counting)
	alice := a.NewSession(storage, "alice")
	pool.Advance(lab.JustExpired)

	storing, held := make(chan struct{}), lab.NewGate(t)
	before := storage.Dump()[alice.Cold]
	var writes atomic.Int32
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Cold {
			switch writes.Add(1) {
			case 1: // the first child waits until the second is minted,
				close(storing)
				<-held.Closed
			case 2: // which is stored after it
				held.Open()
				lab.Eventually(t, "the first child is stored", func() bool { return !bytes.Equal(storage.Dump()[alice.Cold], before) })
			}
		}
		return nil
	})
	first := a.Later(1, lab.AsScript("/me", alice.Cookie))
	<-storing
	b.MustBe("alice", alice.Cookie)
	mustAllBe(a, "alice", first())
	lab.Eventually(t, "one of them looks once more, and renews", func() bool { return renewed.Load() > 2 })
	mustLast(alice.Cookie, a, b)
}

// TestOneLookIsEnough: whoever finds its own tokens stored writes nothing, or
// every renewal would be written again and again.
func TestOneLookIsEnough(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
	written, read := len(storage.Asked("set")), len(storage.Asked("get"))
	if err := s.Auth.Close(); err != nil { // which makes it look at once
		t.Fatal(err)
	}
	if again := len(storage.Asked("set")); again != written {
		t.Errorf("the look wrote %d times", again-written)
	}
	if len(storage.Asked("get")) == read {
		t.Error("nobody looked")
	}
}

// TestNoLeaseNoRenewal: a storage that takes no lease would not take the new
// tokens either, so the refresh token is not spent.
func TestNoLeaseNoRenewal(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" {
			return &lab.StoreFault{Err: lab.ErrDown}
		}
		return nil
	})
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	s.MustRenew(0)
	storage.Misbehave(nil)
	pool.Advance(time.Minute)
	s.MustBe("alice", alice)
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
	t.Parallel()
	for _, row := range []struct {
		name    string
		storage lab.Storage
		ask     bool // another instance is told to renew
	}{
		{"alone", nil, false},
		{"with others", lab.NewStore(), false},
		{"another instance comes first", lab.NewStore(), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			lossy := &tardy{}
			var renewed atomic.Int32
			counting := func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) { renewed.Add(1) } }
			a := lab.ServeWith(t, pool, lab.On(row.storage), counting, func(c *cognito.Config) { c.HTTPClient = &http.Client{Transport: lossy} })
			alice := a.SignIn("alice")
			pool.Advance(lab.JustExpired)
			a.MustBe("alice", alice)
			if err := lossy.deliver(); err != nil {
				t.Fatal(err)
			}
			if row.ask {
				b := lab.ServeWith(t, pool, lab.On(row.storage), counting)
				if res := b.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
					t.Errorf("renewing answers %s", lab.StatusLine(res))
				}
			}
			lab.Eventually(t, "the session is renewed once more", func() bool { return renewed.Load() == 2 })
			if sent := lab.RenewalsAt(pool); len(sent) != 4 || sent[0] != sent[1] || sent[2] == sent[0] || sent[3] != sent[0] {
				t.Error("want the lost call, its repetition, the dead child and its parent again")
			}
			for range 2 {
				pool.Advance(lab.JustExpired)
				a.MustBe("alice", alice)
			}
		})
	}
}

// TestLeaseSparesTheRace: while one instance renews, another one waits for the
// outcome and calls nobody.
func TestLeaseSparesTheRace(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)
	held := park(t, pool)
	first := a.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "the first instance asks", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	second := b.Later(1, lab.AsScript("/me", alice))
	looks := func() (times int) {
		for _, c := range storage.Asked("get") {
			if strings.HasPrefix(c.Key, "cognito_lease_") {
				times++
			}
		}
		return times
	}
	lab.Eventually(t, "the second instance has seen the lease, twice", func() bool { return looks() >= 3 })
	held.Open()
	mustAllBe(a, "alice", first())
	mustAllBe(b, "alice", second())
	a.MustRenew(1)
}

// TestLeaseIsGivenBack: whatever came of a renewal, the next one need not wait
// for the lease to lapse.
func TestLeaseIsGivenBack(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Status: http.StatusServiceUnavailable})
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	mustHaveNoLease(t, storage)
	pool.Advance(time.Minute)
	s.MustBe("alice", alice)
	mustHaveNoLease(t, storage)
	s.MustRenew(2)
}

func mustHaveNoLease(t *testing.T, storage *lab.Store) {
	t.Helper()
	for key := range storage.Dump() {
		if strings.HasPrefix(key, "cognito_lease_") {
			t.Errorf("%s is left", key)
		}
	}
}

// TestLateComer: a request has read that the tokens are expired, and before it
// comes to renew them another instance has. It takes those.
func TestLateComer(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.NewSession(storage, "alice")
	pool.Advance(lab.JustExpired)
	renewing, held := make(chan struct{}), lab.NewGate(t)
	var reads atomic.Int32
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		// The second read is the first act of the renewal.
		if c.Method == "get" && c.Key == alice.Hot && reads.Add(1) == 2 {
			close(renewing)
			<-held.Closed
		}
		return nil
	})
	late := b.Later(1, lab.AsScript("/me", alice.Cookie))
	<-renewing
	a.MustBe("alice", alice.Cookie)
	held.Open()
	mustAllBe(b, "alice", late())
	a.MustRenew(1)
}

// TestLeaseOfADeadInstance: an instance that is killed while it renews leaves
// its lease behind. It lapses, and another instance goes on.
func TestLeaseOfADeadInstance(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := &mortalStore{Store: lab.NewStore(), now: pool.Now, deaths: map[string]time.Time{}}
	a, b := lab.Pair(t, pool, storage)
	alice := a.SignIn("alice")
	pool.Advance(lab.JustExpired)
	held := park(t, pool)
	victim := a.Later(1, lab.AsScript("/me", alice))
	lab.Eventually(t, "the first instance asks", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	heir := b.Later(1, lab.AsScript("/me", alice))
	pool.Advance(10 * time.Second)
	mustAllBe(b, "alice", heir())
	held.Open()
	mustAllBe(a, "alice", victim())
}

// TestLeaseThatNeverLapses is the same with a storage that does not keep to
// lifetimes. The heir waits for as long as a lease may live, once: it clears
// away what the dead instance has left.
func TestLeaseThatNeverLapses(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	left := strings.Replace(alice.Hot, "_hot_", "_lease_", 1)
	if err := storage.Set(left, []byte("of a dead instance"), time.Second); err != nil {
		t.Fatal(err)
	}
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice.Cookie)
	s.MustRenew(1)
	mustHaveNoLease(t, storage)
}

// mortalStore forgets what has outlived the life that it was given, by the
// pool's clock.
type mortalStore struct {
	*lab.Store
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
	return m.Store.Get(key)
}

func (m *mortalStore) Set(key string, value []byte, life time.Duration) error {
	m.mu.Lock()
	m.deaths[key] = m.now().Add(life)
	m.mu.Unlock()
	return m.Store.Set(key, value, life)
}

// TestLeaseOfAnotherIsLeft: an instance whose call took so long that its lease has
// lapsed does not give back the one that another instance has taken since.
func TestLeaseOfAnotherIsLeft(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.ServeWith(t, lab.NewPool(t, lab.Rotating(time.Minute)), lab.On(storage))
	alice := s.NewSession(storage, "alice")
	lease := strings.Replace(alice.Hot, "_hot_", "_lease_", 1)
	gate := lab.NewGate(t)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Match: lab.Refreshes, Gate: gate.Closed})
	s.Pool.Advance(lab.JustExpired)
	answers := s.Later(1, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "the renewal is under way", func() bool { return s.Pool.Calls(cognitotest.Token) == 2 })
	storage.Plant(lease, []byte("of another instance"))
	gate.Open()
	answers()
	if err := s.Auth.Close(); err != nil {
		t.Error(err)
	}
	if left := string(storage.Dump()[lease]); left != "of another instance" {
		t.Errorf("the lease is now %q", left)
	}
	s.MustBe("alice", alice.Cookie)
}
