package cognito

import (
	"sync"
	"sync/atomic"
)

// recentLimit bounds what is kept open in memory of sessions, and likewise of
// bearer tokens. One beyond it costs some microseconds more per request,
// nothing else.
const recentLimit = 16384

// recent remembers what was worked out for the cookies or tokens used last.
// When full it gives up an entry that was not used since the hand last passed
// it (the CLOCK rule), which keeps busy ones at the price of one bit.
//
// The key is the whole cookie or token: Go's maps hash it with a random seed
// and then compare all of it, so no two can be taken for each other.
type recent[V any] struct {
	mu    sync.RWMutex // guards byKey, ring and hand
	byKey map[string]*recentEntry[V]
	ring  []*recentEntry[V]
	hand  int
	limit int
}

type recentEntry[V any] struct {
	key   string
	value V
	place int
	used  atomic.Bool
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{byKey: map[string]*recentEntry[V]{}, limit: limit}
}

// get does not keep key, which may be a view into a request.
func (r *recent[V]) get(key []byte) (value V, ok bool) {
	r.mu.RLock()
	entry := r.byKey[string(key)]
	r.mu.RUnlock()
	if entry == nil {
		return value, false
	}
	if !entry.used.Load() {
		entry.used.Store(true)
	}
	return entry.value, true
}

// put keeps key, which must therefore be the caller's own.
func (r *recent[V]) put(key string, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry := &recentEntry[V]{key: key, value: value}
	if old := r.byKey[key]; old != nil {
		entry.place = old.place
		entry.used.Store(true)
	} else {
		entry.place = r.freePlace()
	}
	r.byKey[key] = entry
	r.ring[entry.place] = entry
}

// freePlace finds a place in the ring. The caller holds mu.
func (r *recent[V]) freePlace() int {
	if len(r.ring) < r.limit {
		r.ring = append(r.ring, nil)
		return len(r.ring) - 1
	}
	for {
		place := r.hand
		r.hand = (r.hand + 1) % len(r.ring)
		entry := r.ring[place]
		if entry != nil && entry.used.Swap(false) {
			continue
		}
		if entry != nil {
			delete(r.byKey, entry.key)
		}
		return place
	}
}

func (r *recent[V]) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry := r.byKey[key]; entry != nil {
		delete(r.byKey, key)
		r.ring[entry.place] = nil
	}
}
