// Package storage adds timeouts to the app's storage, and distinguishes what is absent
// from what cannot be known.
package storage

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/gofiber/storage/memory/v2"
)

const (
	// Timeout limits every call to the storage. Fiber's storages have no timeouts of
	// their own, and a server that hangs would otherwise hold a request for as long as
	// its driver retries: six seconds with go-redis.
	Timeout = 1500 * time.Millisecond
	// Goroutines that wait in the driver cannot be cancelled, so their number is
	// limited, and the limit is divided by key. If one shard of a storage hangs, it
	// uses up the share of its own keys, and the other shards keep working. A key
	// may use either of two stripes: with one, whoever shares it with a busy key that
	// hangs is refused, and that is one visitor of 512.
	stripes         = 512
	placesOfAStripe = 8
	// shortestTTL avoids drivers that treat less than a second as "expired" or, at
	// zero, as "forever".
	shortestTTL = 2 * time.Second
)

var (
	// errStorageSlow leaves open whether a write has taken effect, or still will.
	errStorageSlow = errors.New("no response in time")
	// errStorageBusy means that the driver was not called at all.
	errStorageBusy = errors.New("too many calls are waiting for a response")
)

// IsSlow reports whether a call got no response in time, so that the next one probably
// would not either.
func IsSlow(err error) bool {
	return errors.Is(err, errStorageSlow) || errors.Is(err, errStorageBusy)
}

// Driver is what we need from a storage. The storages of Fiber v2 and v3 have it.
type Driver interface {
	// Get returns nil for a key that is not there.
	Get(key string) ([]byte, error)
	// Set stores a value for so long.
	Set(key string, value []byte, ttl time.Duration) error
	// Delete may fail for a key that is not there, as some drivers do.
	Delete(key string) error
}

// contextStorage is what drivers offer whose calls can be cut short.
type contextStorage interface {
	GetWithContext(ctx context.Context, key string) ([]byte, error)
	SetWithContext(ctx context.Context, key string, value []byte, ttl time.Duration) error
	DeleteWithContext(ctx context.Context, key string) error
}

// Store is a driver with timeouts and three outcomes: found, absent (nil without an
// error) and unknown (an error that is ErrUnavailable). Only absent may ever sign
// anybody out.
type Store struct {
	driver     Driver
	cancelable contextStorage         // nil if the driver has no such methods
	inProcess  bool                   // no call can hang
	copies     bool                   // what it hands out is the caller's own
	places     [stripes]chan struct{} // of calls under way, by stripe
	seed       maphash.Seed           // of stripes
	window     atomic.Pointer[window] // nil before the first call
}

// window is a deadline for all calls that begin within windowLength. A context
// with a timer for every call would cost more than all the rest of a call here.
type window struct {
	ctx    context.Context
	closes time.Time
	cancel context.CancelFunc // unused: the deadline does it
}

const windowLength = 100 * time.Millisecond

// deadline is a context that ends between Timeout and a windowLength later. If two calls
// open a window at the same time, both are good, and one of them is kept.
func (s *Store) deadline() context.Context {
	now := time.Now()
	if w := s.window.Load(); w != nil && now.Before(w.closes) {
		return w.ctx
	}
	w := &window{closes: now.Add(windowLength)}
	w.ctx, w.cancel = context.WithDeadline(context.Background(), w.closes.Add(Timeout))
	s.window.Store(w)
	return w.ctx
}

// New puts deadlines on a driver. The two storages in this process's memory do without:
// they cannot hang, and every request would pay for a goroutine. Of these, only Fiber's
// returns copies.
func New(driver Driver) *Store {
	s := &Store{driver: driver, seed: maphash.MakeSeed()}
	for i := range s.places {
		s.places[i] = make(chan struct{}, placesOfAStripe)
	}
	_, copies := driver.(*memory.Storage)
	_, keeps := driver.(*Bounded)
	s.inProcess, s.copies = copies || keeps, copies
	if !embedsDriver(driver) {
		s.cancelable, _ = driver.(contextStorage)
	}
	return s
}

// embedsDriver reports whether a storage may have its methods with a context from an
// embedded driver, as in struct{ *redis.Storage } with its own Get and Set that add a
// prefix to the key. The methods with a context would bypass those.
func embedsDriver(driver Driver) bool {
	t := reflect.TypeOf(driver)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return false
	}
	withContext := reflect.TypeFor[contextStorage]()
	for i := range t.NumField() {
		inner := t.Field(i)
		if inner.Anonymous && (inner.Type.Implements(withContext) || reflect.PointerTo(inner.Type).Implements(withContext)) {
			return true
		}
	}
	return false
}

// Get returns what is stored, or nil.
func (s *Store) Get(key string) ([]byte, error) {
	if s.inProcess {
		value, err := s.driver.Get(key)
		return value, storageError("get", err)
	}
	value, err := s.bounded(key, func(ctx context.Context) ([]byte, error) {
		if s.cancelable != nil {
			return s.cancelable.GetWithContext(ctx, key)
		}
		return s.driver.Get(key)
	})
	if len(value) == 0 {
		value = nil // drivers write "absent" in both ways
	}
	return value, storageError("get", err)
}

// Room is memory that a record that was just read may be decrypted into, or none: the
// record's own memory if the driver is known to return copies. Other drivers return the
// bytes that they keep: whoever decrypted into those would spoil the record. The room
// begins behind version and nonce, where the sealed text stands, as GCM needs it.
func (s *Store) Room(sealed []byte) []byte {
	if s.copies && len(sealed) > secret.SealedStart {
		return sealed[secret.SealedStart:secret.SealedStart]
	}
	return nil
}

// Set stores value for at least ttl. The driver may keep the slice. After an error the
// value may be stored nevertheless, and even later: see IsSlow.
func (s *Store) Set(key string, value []byte, ttl time.Duration) error {
	// Redis counts whole milliseconds and memory whole seconds, cutting off
	// the rest; records carry their own exact deadlines.
	// Rounded up, so that no record lapses before its own deadline.
	ttl = max(shortestTTL, (ttl + time.Second - 1).Truncate(time.Second))
	if s.inProcess {
		return storageError("set", s.driver.Set(key, value, ttl))
	}
	_, err := s.bounded(key, func(ctx context.Context) ([]byte, error) {
		if s.cancelable != nil {
			return nil, s.cancelable.SetWithContext(ctx, key, value, ttl)
		}
		return nil, s.driver.Set(key, value, ttl)
	})
	return storageError("set", err)
}

// Delete removes what is stored, if it is there.
func (s *Store) Delete(key string) error {
	err := s.delete(key)
	if err == nil || IsSlow(err) {
		return err // a Get would have to wait as long again
	}
	// Some drivers return their own error if there is nothing to delete. It is
	// enough that there is nothing.
	if left, unknown := s.Get(key); left == nil && unknown == nil {
		return nil
	}
	return err
}

func (s *Store) delete(key string) error {
	if s.inProcess {
		return storageError("delete", s.driver.Delete(key))
	}
	_, err := s.bounded(key, func(ctx context.Context) ([]byte, error) {
		if s.cancelable != nil {
			return nil, s.cancelable.DeleteWithContext(ctx, key)
		}
		return nil, s.driver.Delete(key)
	})
	return storageError("delete", err)
}

type storeAnswer struct {
	value []byte
	err   error
}

// bounded runs work in a goroutine and waits little longer than Timeout. When nobody waits
// any more, the work goes on, and keeps its place until the driver returns.
// Drivers with a context get one, but are not trusted to heed it: go-redis
// does not, unless its ContextTimeoutEnabled is set.
func (s *Store) bounded(key string, work func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx := s.deadline()
	// The seed keeps visitors from choosing cookies that share a stripe.
	hash := maphash.String(s.seed, key)
	first := hash % stripes
	// The other stripe is 1 to 511 further on, by the other half of the hash: never the same
	// one, and keys that share their first stripe seldom share both.
	places, other := s.places[first], s.places[(first+1+hash>>32%(stripes-1))%stripes]
	select {
	case places <- struct{}{}:
	case other <- struct{}{}:
		places = other
	case <-ctx.Done():
		return nil, errStorageBusy // every place is held by a call that has not come back
	}
	done := make(chan storeAnswer, 1) // so that an answer nobody waits for holds no goroutine
	go func() {
		defer func() { <-places }()
		value, err := recovered(ctx, work)
		done <- storeAnswer{value, err}
	}()
	select {
	case answer := <-done:
		if answer.err != nil && ctx.Err() != nil { // heeded by the driver
			return nil, fmt.Errorf("%w: %w", errStorageSlow, answer.err)
		}
		return answer.value, answer.err
	case <-ctx.Done():
		return nil, errStorageSlow
	}
}

// recovered turns a driver's panic into an error: outside the request's own
// goroutine it would end the process.
func recovered(ctx context.Context, work func(context.Context) ([]byte, error)) (value []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("storage driver panicked: %v", p)
		}
	}()
	return work(ctx)
}

// storageError makes an outage of every error of a driver: none of them says that there is
// no record.
func storageError(call string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Details{Reason: fault.ErrUnavailable, Cause: fmt.Errorf("storage %s: %w", call, err), RetryAfter: 2 * time.Second})
}
