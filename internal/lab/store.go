package lab

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/storage/memory/v2"
)

// SharedMemory is the memory driver, for several instances.
func SharedMemory(t *testing.T) Storage {
	storage := memory.New()
	t.Cleanup(func() { _ = storage.Close() })
	return storage
}

// Store is a storage that a test watches and makes misbehave. It keeps
// everything for ever, whatever lifetime it is told, so whatever expires, does
// so by the deadlines inside the records.
type Store struct {
	mu      sync.Mutex // guards entries, calls and script
	entries map[string][]byte
	calls   []StoreCall
	script  func(StoreCall) *StoreFault

	Waiting atomic.Int32 // calls inside the driver now
	Most    atomic.Int32 // and at most so far
	Closed  atomic.Bool
}

// StoreCall is what the middleware asked for.
type StoreCall struct {
	Method string // get, set or delete
	Key    string
	Value  []byte
	Life   time.Duration
}

// StoreFault is a way to misbehave, in the order of its fields.
type StoreFault struct {
	gate   <-chan struct{} // waited for
	Panics any
	Err    error
	Value  []byte // answered by a get, which may be nil
}

// NewStore is a store that is empty and behaves.
func NewStore() *Store { return &Store{entries: map[string][]byte{}} }

func (s *Store) do(ctx context.Context, call StoreCall) ([]byte, error) {
	s.Most.Store(max(s.Most.Load(), s.Waiting.Add(1)))
	defer s.Waiting.Add(-1)
	s.mu.Lock()
	s.calls = append(s.calls, call)
	script := s.script
	s.mu.Unlock()
	if script != nil {
		if fault := script(call); fault != nil {
			return fault.happen(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch call.Method {
	case "set":
		s.entries[call.Key] = slices.Clone(call.Value)
	case "delete":
		delete(s.entries, call.Key)
	}
	return slices.Clone(s.entries[call.Key]), nil
}

func (f *StoreFault) happen(ctx context.Context) ([]byte, error) {
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if f.Panics != nil {
		panic(f.Panics)
	}
	return f.Value, f.Err
}

func (s *Store) Get(key string) ([]byte, error) {
	return s.do(context.Background(), StoreCall{Method: "get", Key: key})
}

func (s *Store) Set(key string, value []byte, life time.Duration) error {
	_, err := s.do(context.Background(), StoreCall{"set", key, value, life})
	return err
}

func (s *Store) Delete(key string) error {
	_, err := s.do(context.Background(), StoreCall{Method: "delete", Key: key})
	return err
}

// Reset forgets everything, as FLUSHALL does.
func (s *Store) Reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.entries)
	return nil
}

func (s *Store) Close() error {
	s.Closed.Store(true)
	return nil
}

// ContextStore is a store with the methods of newer drivers.
type ContextStore struct{ *Store }

func (s ContextStore) GetWithContext(ctx context.Context, key string) ([]byte, error) {
	return s.do(ctx, StoreCall{Method: "get", Key: key})
}

func (s ContextStore) SetWithContext(ctx context.Context, key string, value []byte, life time.Duration) error {
	_, err := s.do(ctx, StoreCall{"set", key, value, life})
	return err
}

func (s ContextStore) DeleteWithContext(ctx context.Context, key string) error {
	_, err := s.do(ctx, StoreCall{Method: "delete", Key: key})
	return err
}

// ResetWithContext is wanted by Fiber v3.
func (s ContextStore) ResetWithContext(context.Context) error { return s.Reset() }

// Misbehave makes the calls fail that the script has a fault for; nil ends it.
func (s *Store) Misbehave(script func(StoreCall) *StoreFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// Asked returns the calls of one method so far, or all for "".
func (s *Store) Asked(method string) []StoreCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), func(c StoreCall) bool { return method != "" && c.Method != method })
}

// Dump is a copy of all that is stored.
func (s *Store) Dump() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	copied := map[string][]byte{}
	for key, value := range s.entries {
		copied[key] = slices.Clone(value)
	}
	return copied
}

// Plant stores a value behind the middleware's back.
func (s *Store) Plant(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[key] = slices.Clone(value)
}

// Has reports whether there is an entry.
func (s *Store) Has(key string) bool { return s.Dump()[key] != nil }

// added returns the keys that are new since before, and begin with prefix.
func (s *Store) added(before map[string][]byte, prefix string) []string {
	var keys []string
	for key := range s.Dump() {
		if _, old := before[key]; !old && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	return keys
}

// The two records of a session are stored under these prefixes.
const (
	HotPrefix  = "cognito_hot_"
	ColdPrefix = "cognito_cold_"
)

// Key is the secret that all apps under test share, and OtherKey is another one.
const (
	Key      = "ifiXN3BYT1l8Ij2Bl+m0Xo8sXq5tY2lHqzKc0nZb7dE="
	OtherKey = "u0PpQyV9cWd6hD4rJm3oK1xTzA8sLbF5gNiR7eUwYq4="
)

// On lets an app use a storage.
func On(storage Storage) func(*cognito.Config) {
	return func(c *cognito.Config) { c.Storage, c.Keys = forFiber(storage), []string{Key} }
}

// WithKeys gives an app other keys than Key.
func WithKeys(keys ...string) func(*cognito.Config) {
	return func(c *cognito.Config) { c.Keys = keys }
}

// ErrDown is what a driver says whose server is gone.
var ErrDown = errors.New("dial tcp 10.1.2.3:6379: connection refused")

// Hang is a fault that ends with the test.
func Hang(t *testing.T) *StoreFault {
	gate := make(chan struct{})
	t.Cleanup(func() { close(gate) })
	return &StoreFault{gate: gate, Err: ErrDown}
}

// Eventually waits for what happens in the background. It has more patience than the
// longest wait within the library, which a busy machine makes longer still.
func Eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("never: %s", what)
			return
		}
	}
}
