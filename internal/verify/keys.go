package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/tasks"
)

const (
	// keysFresh is how long a key set is used before it is read again in the
	// background. A key that the pool withdraws is refused after that.
	keysFresh = time.Hour
	// A token with an unknown kid may come from a pool that has just rotated its
	// keys, or from a forger. It triggers a fetch, but only twice in a burst and then
	// once per keysFloor, so that a flood of forgeries costs nothing: the request
	// fails at once instead.
	keysFloor = 10 * time.Second
	keysBurst = 2
	// keysWaiters bounds the requests that wait for one fetch.
	keysWaiters = 128
)

var errNoKeys = errors.New("no signing keys could be read")

// Keys is the pool's signing keys, as a jwkset.Storage for keyfunc. It is
// loaded when a token first needs it, so an app starts while Cognito is down,
// and keeps the last good keys through an outage.
type Keys struct {
	jwkset.Storage // the methods that nobody calls here

	caller *pool.Client
	tasks  *tasks.Group
	// addresses of the same keys, the likeliest first. The last one that answered
	// comes before all.
	addresses []string
	answered  atomic.Int64 // its index; 0 before any has answered
	now       func() time.Time

	current atomic.Pointer[Snapshot] // nil until keys were read once

	mu      sync.Mutex // guards what follows
	flight  *keyFlight // the fetch under way, or nil
	allowed int        // fetches that unknown kids may still force
	filled  time.Time  // when allowed was last refilled
	waiting int        // for the flight, at most keysWaiters
}

var _ jwkset.Storage = (*Keys)(nil)

// Snapshot is never changed: a fetch puts a new one in its place, so a key
// that the pool withdrew is gone.
type Snapshot struct {
	keys    map[string]jwkset.JWK // by kid, and never empty
	fetched time.Time
}

// keyFlight is one fetch with many waiters. It outlives the request that
// started it.
type keyFlight struct {
	done chan struct{}
	err  error // final once done is closed
}

// NewKeys are the keys that are published, the same ones, at each of these addresses.
// They are read when one is first needed.
func NewKeys(caller *pool.Client, background *tasks.Group, addresses []string, now func() time.Time) *Keys {
	return &Keys{Storage: jwkset.NewMemoryStorage(), caller: caller, tasks: background, addresses: addresses, now: now, allowed: keysBurst, filled: now()}
}

// KeyRead finds the key named kid. It fails with ErrUnavailable if no keys can be
// fetched, which says nothing about the token, and with jwkset.ErrKeyNotFound if the
// pool has no such key.
func (s *Keys) KeyRead(ctx context.Context, kid string) (jwkset.JWK, error) {
	snapshot := s.current.Load()
	if snapshot != nil {
		s.refreshIfStale(snapshot)
		if key, ok := snapshot.keys[kid]; ok {
			return key, nil
		}
	}
	err := s.fetch(ctx)
	// Even after an error: another request's fetch may just have brought the key.
	if key, ok := s.lookUp(kid); ok {
		return key, nil
	}
	// While there are keys, a fetch that the rate limit refuses means that there is no such
	// key: a flood of forged kids is refused, not answered as an outage. Any other failure
	// says nothing about the token.
	if err != nil && (s.current.Load() == nil || !errors.Is(err, errFetchedLately)) {
		return jwkset.JWK{}, s.outOfReach(err)
	}
	return jwkset.JWK{}, jwkset.ErrKeyNotFound
}

// KeyReadAll serves tokens without a kid. They are acceptable only while there
// is no choice, that is one key (OpenID Connect Core section 10.1).
func (s *Keys) KeyReadAll(ctx context.Context) ([]jwkset.JWK, error) {
	if s.current.Load() == nil {
		if err := s.fetch(ctx); err != nil {
			return nil, s.outOfReach(err)
		}
	}
	s.refreshIfStale(s.current.Load())
	keys := s.current.Load().keys
	if len(keys) != 1 {
		return nil, jwkset.ErrKeyNotFound
	}
	return slices.Collect(maps.Values(keys)), nil
}

// outOfReach is why there are no keys: an outage, or a pool that does not exist. If keys
// were ever read, the pool exists.
func (s *Keys) outOfReach(err error) error {
	err = fmt.Errorf("%w: %w", errNoKeys, err)
	if s.current.Load() != nil || !errors.Is(err, errNoPool) {
		return fault.Unavailable(err)
	}
	return &operatorsTurn{
		name: "no pool", err: err, text: "there is no such user pool, so no token can be verified",
		with: []any{"field", "UserPoolID", "asked", s.addresses[0], "remedy", `copy the User pool ID from the pool's "Overview" page; a test pool needs Issuer as well`},
	}
}

// lookUp finds a key among those that were read last.
func (s *Keys) lookUp(kid string) (jwkset.JWK, bool) {
	snapshot := s.current.Load()
	if snapshot == nil {
		return jwkset.JWK{}, false
	}
	key, ok := snapshot.keys[kid]
	return key, ok
}

var errKeysPanicked = errors.New("reading the keys panicked")

var errFetchedLately = errors.New("the keys were fetched a moment ago")

// fetch joins the fetch in progress or starts one, and waits for it as long as ctx
// allows. If the rate limit does not allow a fetch, it fails at once.
func (s *Keys) fetch(ctx context.Context) error {
	s.mu.Lock()
	flight := s.flight
	if flight == nil {
		// Joining a fetch takes no turn: only fetches cost Cognito something.
		if !s.takeTurn() {
			s.mu.Unlock()
			return errFetchedLately
		}
		flight = s.start()
	}
	if s.waiting >= keysWaiters {
		s.mu.Unlock()
		return errors.New("too many requests are waiting for keys")
	}
	s.waiting++
	s.mu.Unlock()

	defer func() {
		s.mu.Lock()
		s.waiting--
		s.mu.Unlock()
	}()
	select {
	case <-flight.done:
		return flight.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refreshIfStale starts a fetch in the background if the keys are old, unless the rate
// limit does not allow it yet.
func (s *Keys) refreshIfStale(snapshot *Snapshot) {
	if s.now().Sub(snapshot.fetched) <= keysFresh {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flight == nil && s.takeTurn() {
		s.start()
	}
}

// takeTurn is a token bucket: keysBurst at once, then one per keysFloor. The
// caller holds mu.
func (s *Keys) takeTurn() bool {
	now := s.now()
	if now.Before(s.filled) {
		s.filled = now // the clock was set back
	}
	if refill := int(now.Sub(s.filled) / keysFloor); refill > 0 {
		s.allowed = min(keysBurst, s.allowed+refill)
		s.filled = s.filled.Add(time.Duration(refill) * keysFloor)
	}
	if s.allowed == 0 {
		return false
	}
	if s.allowed == keysBurst {
		s.filled = now // a full bucket gains nothing, so its time begins now
	}
	s.allowed--
	return true
}

// start begins a fetch that no request can cancel. The caller holds mu. If the fetch cannot
// begin, because the app is closing or busy, the flight is over at once.
func (s *Keys) start() *keyFlight {
	flight := &keyFlight{done: make(chan struct{})}
	s.flight = flight
	started := s.tasks.Within(pool.BackgroundTimeout, "reading the key set", func(ctx context.Context) {
		err := errKeysPanicked // stays if reading panics, so that nobody waits in vain
		defer func() { s.land(flight, err) }()
		var keys map[string]jwkset.JWK
		if keys, err = s.read(ctx); err == nil {
			s.current.Store(&Snapshot{keys: keys, fetched: s.now()})
		}
	})
	if started != nil {
		flight.err = started
		close(flight.done)
		s.flight = nil
	}
	return flight
}

// land ends a fetch and releases those who wait. The keys, if any, are in place by then.
func (s *Keys) land(flight *keyFlight, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	flight.err = err
	s.flight = nil
	close(flight.done)
}

// Loaded is the key set as it was last read, or nil. Whoever remembers a verified token
// compares it later by pointer: another key set may lack the token's key.
func (s *Keys) Loaded() *Snapshot { return s.current.Load() }
