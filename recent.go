package cognito

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// recentLimit bounds what is kept open in memory of sessions, and likewise of
// bearer tokens. One beyond it is opened, or verified, at every request, and
// nothing else.
const recentLimit = 16384

// recent remembers what was worked out for the cookies or tokens used last.
// When full it gives up an entry that was not used since the hand last passed
// it (the CLOCK rule), which keeps busy ones without any list to reorder. And it
// does so only for a key that was put lately before: of a million visitors who
// come by in no order, letting each in would cost more than it saves.
//
// The key is the whole cookie or token: Go's maps hash it with a random seed
// and then compare all of it, so no two can be taken for each other.
type recent[V any] struct {
	mu    sync.RWMutex // guards byKey, keys, hand and turned
	byKey map[string]recentEntry[V]
	keys  []string // by place; "" where the entry was forgotten
	hand  int
	// turned holds hashes of keys that were turned away. One that is mistaken
	// for another is let in a turn too early, nothing else.
	turned []uint32
	seed   maphash.Seed
	used   []atomic.Bool // by place, apart from the entries: noting a use touches no memory that is seldom read
}

type recentEntry[V any] struct {
	value V
	place int
}

func newRecent[V any](limit int) *recent[V] {
	return &recent[V]{
		byKey: map[string]recentEntry[V]{}, used: make([]atomic.Bool, limit),
		turned: make([]uint32, limit), seed: maphash.MakeSeed(),
	}
}

// get does not keep key, which may be a view into a request.
func (r *recent[V]) get(key []byte) (value V, ok bool) {
	r.mu.RLock()
	entry, ok := r.byKey[string(key)]
	r.mu.RUnlock()
	if !ok {
		return value, false
	}
	// The place may be another's by now, which then stays a little longer.
	if used := &r.used[entry.place]; !used.Load() {
		used.Store(true)
	}
	return entry.value, true
}

// put keeps key, which must therefore be the caller's own.
func (r *recent[V]) put(key string, value V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, known := r.byKey[key]
	if !known && r.turnAway(key) {
		return
	}
	place := old.place
	if !known {
		place = r.freePlace()
	}
	r.used[place].Store(known)
	r.keys[place] = key
	r.byKey[key] = recentEntry[V]{value, place}
}

// turnAway reports whether there is no place for a key that is new, and
// remembers it for the next time. The caller holds mu.
func (r *recent[V]) turnAway(key string) bool {
	if len(r.keys) < len(r.used) {
		return false
	}
	hash := maphash.String(r.seed, key)
	last := &r.turned[hash%uint64(len(r.turned))]
	again := *last == uint32(hash>>32)
	*last = uint32(hash >> 32)
	return !again
}

// freePlace finds a place for a new entry. The caller holds mu.
func (r *recent[V]) freePlace() int {
	if len(r.keys) < len(r.used) {
		r.keys = append(r.keys, "")
		return len(r.keys) - 1
	}
	for {
		place := r.hand
		r.hand = (r.hand + 1) % len(r.keys)
		key := r.keys[place]
		if key != "" && r.used[place].Swap(false) {
			continue
		}
		delete(r.byKey, key)
		return place
	}
}

func (r *recent[V]) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry, known := r.byKey[key]; known {
		delete(r.byKey, key)
		r.keys[entry.place] = ""
	}
}
