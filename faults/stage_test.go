package faults_test

import (
	"bytes"
	"fmt"
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

// stage is where instances race: one session of alice's at two of them, whose tokens
// have expired.
type stage struct {
	*testing.T
	pool    *cognitotest.Pool
	grace   time.Duration // how long a spent refresh token still works
	storage *lab.Store
	a, b    *lab.Site
	alice   lab.Session
	signed  []byte       // the record of her tokens from the login
	renewed atomic.Int32 // how many renewals have brought new tokens
}

// story is one thing that happens on a stage.
type story struct {
	name string
	// graces are those that it is told with. Without any, refresh tokens are not
	// replaced.
	graces []time.Duration
	// keys is the instance where alice signs in, "a" or "b": the other one has not
	// fetched Cognito's keys yet.
	keys    string
	happens func(*stage)
	// end is who is asked for her afterwards, in this order; "c" is an instance that
	// starts then. Everybody must know her, at every expiry from then on.
	end string
}

var (
	noGrace  = []time.Duration{0}
	aGrace   = []time.Duration{time.Minute}
	anyGrace = []time.Duration{0, time.Minute}
)

// tell plays stories, each at a pool of its own. The scene says what the instances see of
// their storage.
func tell(t *testing.T, stories []story, scene func(*stage) (a, b lab.Storage)) {
	t.Helper()
	for _, y := range stories {
		clients := []cognitotest.Client{{}}
		if y.graces != nil {
			clients = nil
		}
		for _, grace := range y.graces {
			clients = append(clients, lab.Rotating(grace))
		}
		for _, client := range clients {
			t.Run(fmt.Sprint(y.name, ", grace ", client.RotationGrace), func(t *testing.T) {
				t.Parallel()
				s := newStage(t, client, y.keys, scene)
				y.happens(s)
				mustLast(s.alice.Cookie, s.cast(y.end)...)
			})
		}
	}
}

func newStage(t *testing.T, client cognitotest.Client, keys string, scene func(*stage) (a, b lab.Storage)) *stage {
	t.Helper()
	s := &stage{T: t, pool: lab.NewPool(t, client), grace: client.RotationGrace, storage: lab.NewStore()}
	counting := func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) { s.renewed.Add(1) } }
	one, other := scene(s)
	s.a = lab.ServeWith(t, s.pool, lab.On(one), counting)
	// What is told of b has no call of its own given up.
	s.b = lab.ServeWith(t, s.pool, lab.On(other), counting, lab.Patient(t))
	s.alice = s.cast(keys)[0].NewSession(s.storage, "alice")
	s.signed = s.storage.Dump()[s.alice.Cold]
	s.pool.Advance(lab.JustExpired)
	return s
}

// cast are the instances of these names.
func (s *stage) cast(names string) (instances []*lab.Site) {
	s.Helper()
	for _, name := range names {
		switch name {
		case 'a':
			instances = append(instances, s.a)
		case 'b':
			instances = append(instances, s.b)
		default:
			instances = append(instances, lab.ServeWith(s.T, s.pool, lab.On(s.storage)))
		}
	}
	return instances
}

// ask sends a request of alice's that needs new tokens.
func (s *stage) ask(instance *lab.Site) (answers func() []lab.Reply) {
	return instance.Later(1, lab.AsScript("/me", s.alice.Cookie))
}

// asked waits until the pool was asked for this many renewals, or for more: a call that is
// given up is made once more.
func (s *stage) asked(times int) {
	s.Helper()
	lab.Eventually(s.T, fmt.Sprint("renewal ", times, " is asked for"), func() bool { return len(lab.RenewalsAt(s.pool)) >= times })
}

// looks waits, when it is called, until somebody has looked for a lease this many
// times more.
func (s *stage) looks(times int) (wait func()) {
	before := leaseReads(s.storage)
	return func() {
		s.Helper()
		lab.Eventually(s.T, fmt.Sprint("the lease is seen ", times, " times"), func() bool { return leaseReads(s.storage) >= before+times })
	}
}

// holdWrite holds the first new refresh token on its way to the storage. Storing tells
// that it is there.
func (s *stage) holdWrite() (storing <-chan struct{}, held *lab.Gate) {
	there, held := make(chan struct{}), lab.NewGate(s.T)
	var writes atomic.Int32
	s.storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == s.alice.Cold && writes.Add(1) == 1 {
			close(there)
			<-held.Closed
		}
		return nil
	})
	return there, held
}

// holdKeys has the next instance that needs Cognito's keys wait for them.
func (s *stage) holdKeys() *lab.Gate {
	gate := lab.NewGate(s.T)
	s.pool.Break(cognitotest.JWKS, cognitotest.Fault{Times: 1, Gate: gate.Closed})
	return gate
}

// stored waits until the storage has another refresh token than this record's.
func (s *stage) stored(before []byte) {
	s.Helper()
	lab.Eventually(s.T, "a new refresh token is stored", func() bool { return !bytes.Equal(before, s.storage.Dump()[s.alice.Cold]) })
}

// mustHaveRaced checks that the first renewals, two or more, have spent one token.
func (s *stage) mustHaveRaced(renewals int) {
	s.Helper()
	sent := lab.RenewalsAt(s.pool)
	if len(sent) < renewals {
		s.Fatalf("there were %d renewals, want %d; the test proves nothing", len(sent), renewals)
	}
	for _, token := range sent[1:renewals] {
		if token != sent[0] {
			s.Fatal("they did not use the same refresh token; the test proves nothing")
		}
	}
}

// mustLast checks that what is stored can be renewed again and again. The clock
// may jump while a renewal is under way, whose tokens are out of date then: so a
// request may be told to come again, but never to log in.
func mustLast(cookie *http.Cookie, instances ...*lab.Site) {
	for range 2 {
		instances[0].Pool.Advance(lab.JustExpired) // and with it every grace
		for _, s := range instances {
			s.Helper()
			var last *lab.Answer
			lab.Eventually(s.T, "the session is renewed", func() bool {
				last = s.Send(lab.AsScript("/me", cookie))
				if last.StatusCode == http.StatusUnauthorized {
					s.Fatalf("/me answers %s", lab.StatusLine(last))
				}
				return last.StatusCode == http.StatusOK
			})
			s.MustBe("alice", cookie)
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

// stop lets an instance do at once what it was going to do later. It answers
// requests still, but renews nothing any more.
func stop(s *lab.Site) {
	s.Helper()
	if err := s.Auth.Close(); err != nil {
		s.Error(err)
	}
}

// refreshFails is a Cognito that is down for the next renewals.
func refreshFails(times int) cognitotest.Fault {
	return cognitotest.Fault{Times: times, Match: lab.Refreshes, Status: http.StatusServiceUnavailable}
}

// leaseReads is how often it was looked whether somebody holds a lease.
func leaseReads(storage *lab.Store) (times int) {
	for _, c := range storage.Asked("get") {
		if strings.HasPrefix(c.Key, "cognito_lease_") {
			times++
		}
	}
	return times
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

// unseen is a scene in which no instance sees another's lease.
func unseen(s *stage) (a, b lab.Storage) { return blinkered{s.storage, "a"}, blinkered{s.storage, "b"} }

// mortalStore forgets what has outlived the life that it was given, by the
// pool's clock.
type mortalStore struct {
	*lab.Store
	now    func() time.Time
	mu     sync.Mutex
	deaths map[string]time.Time
}

// seen is a scene in which leases are seen, and never lapse.
func seen(s *stage) (a, b lab.Storage) { return s.storage, s.storage }

// mortal is one in which they lapse, by the pool's clock.
func mortal(s *stage) (a, b lab.Storage) {
	storage := mortalOf(s.storage, s.pool)
	return storage, storage
}

func mortalOf(storage *lab.Store, pool *cognitotest.Pool) *mortalStore {
	return &mortalStore{Store: storage, now: pool.Now, deaths: map[string]time.Time{}}
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
