package storage

import (
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
)

// Bounded is a storage in this process's memory for data that also exists elsewhere: it
// holds the cookie sessions that are in use. When it is full, it forgets what was
// written first. So strangers who fill it only cause others' cookies to be opened again;
// nobody loses a session. It returns its own bytes, which callers must not change.
type Bounded struct {
	now   func() time.Time
	mu    sync.RWMutex // guards items
	items cache.Recent[item]
}

type item struct {
	value   []byte
	expires time.Time
}

// NewBounded keeps so many records at least, and twice as many at most. A record whose
// time is over still takes its place, until it is forgotten in its turn.
func NewBounded(limit int, now func() time.Time) *Bounded {
	return &Bounded{now: now, items: cache.NewRecent[item](limit)}
}

// Get returns nil for a key that is not there.
func (b *Bounded) Get(key string) ([]byte, error) {
	b.mu.RLock()
	found, ok := b.items.Get(key)
	b.mu.RUnlock()
	if !ok || !b.now().Before(found.expires) {
		return nil, nil
	}
	return found.value, nil
}

// Set stores a value for so long.
func (b *Bounded) Set(key string, value []byte, ttl time.Duration) error {
	expires := b.now().Add(ttl)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items.Put(key, item{value, expires})
	return nil
}

// Delete removes a key.
func (b *Bounded) Delete(key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items.Delete(key)
	return nil
}
