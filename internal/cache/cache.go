// Package cache remembers what was worked out for the keys that were used last.
// It is the innermost loop of this library: reading takes no lock and allocates
// nothing.
package cache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Limit is how many sessions are kept open in memory, and likewise how many bearer
// tokens. Beyond it, a session is opened, or a token verified, at every request; nothing
// else changes.
const Limit = 16384

// Cache remembers the results for the cookies or tokens that were used last. When it is
// full, it evicts an entry that was not used since the hand last passed it (the CLOCK
// algorithm), which keeps busy ones without a list to reorder. It does so only for a key
// that was also put a short time before: with a million visitors in random order,
// admitting each of them would cost more than it saves.
//
// The key is the whole cookie or token, and all of it is compared, so no two can
// be taken for each other. The seed of the hash is random, so nobody can choose
// keys that crowd together.
//
// It is a hash table with linear probing, at most half full, of entries that
// never change once they are put. So reading takes no lock. A reader who comes
// while an entry moves to another place may miss it, and does the work once
// more. With many sessions nothing of this is in the processor's caches, and a
// request waits for every piece of memory in turn: here for a place, and for an
// entry that has key and value in one piece.
type Cache[K comparable, V any] struct {
	table atomic.Pointer[table[K, V]]
	limit int

	mu    sync.Mutex // for those who change anything
	count int
	hand  int
	// turned holds hashes of keys that were turned away. If two keys have the
	// same one, the second is let in a turn too early, nothing else.
	turned []uint32
}

// table has a power of two places. It grows with what is in it, since the
// garbage collector looks at all of it.
type table[K comparable, V any] struct {
	seed   maphash.Seed
	places []atomic.Pointer[Entry[K, V]]
}

// Entry is a key and what was worked out for it, in one piece of memory. It is
// not changed once it is put.
type Entry[K comparable, V any] struct {
	used  atomic.Bool // since the hand passed
	Key   K
	Value V
}

// New makes a cache that holds so many entries at most.
func New[K comparable, V any](limit int) *Cache[K, V] {
	c := &Cache[K, V]{limit: limit, turned: make([]uint32, limit)}
	c.table.Store(&table[K, V]{maphash.MakeSeed(), make([]atomic.Pointer[Entry[K, V]], 64)})
	return c
}

// Get returns what was put under a key, or nil. It does not keep key.
func (c *Cache[K, V]) Get(key K) *V {
	_, entry := c.table.Load().find(key)
	if entry == nil {
		return nil
	}
	if !entry.used.Load() { // so that memory that all share is seldom written to
		entry.used.Store(true)
	}
	return &entry.Value
}

// find returns the entry of a key and its place, or the place where it would
// go. There always is one, since half of the places are free.
func (t *table[K, V]) find(key K) (place int, entry *Entry[K, V]) {
	for place = t.home(key); ; place = t.next(place) {
		if entry = t.places[place].Load(); entry == nil || entry.Key == key {
			return place, entry
		}
	}
}

// home is the place where looking for a key begins.
func (t *table[K, V]) home(key K) int {
	return int(maphash.Comparable(t.seed, key) & uint64(len(t.places)-1))
}

func (t *table[K, V]) next(place int) int { return (place + 1) & (len(t.places) - 1) }

// Put keeps an entry and everything in it, which must be the caller's own.
func (c *Cache[K, V]) Put(entry *Entry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place, old := c.table.Load().find(entry.Key)
	if old == nil {
		if c.count == c.limit {
			if c.turnAway(entry.Key) {
				return
			}
			c.evict()
		} else if 2*c.count == len(c.table.Load().places) {
			c.grow()
		}
		place, _ = c.table.Load().find(entry.Key)
		c.count++
	}
	entry.used.Store(old != nil)
	c.table.Load().places[place].Store(entry)
}

// grow doubles the places. The caller holds mu.
func (c *Cache[K, V]) grow() {
	old := c.table.Load()
	larger := &table[K, V]{old.seed, make([]atomic.Pointer[Entry[K, V]], 2*len(old.places))}
	for i := range old.places {
		if entry := old.places[i].Load(); entry != nil {
			place, _ := larger.find(entry.Key)
			larger.places[place].Store(entry)
		}
	}
	c.table.Store(larger)
}

// turnAway reports whether there is no place for a key that is new, and
// remembers it for the next time. The caller holds mu.
func (c *Cache[K, V]) turnAway(key K) bool {
	hash := maphash.Comparable(c.table.Load().seed, key)
	last := &c.turned[hash%uint64(len(c.turned))]
	again := *last == uint32(hash>>32)
	*last = uint32(hash >> 32)
	return !again
}

// evict makes room for an entry. The caller holds mu.
func (c *Cache[K, V]) evict() {
	for t := c.table.Load(); ; {
		place := c.hand
		c.hand = t.next(c.hand)
		if entry := t.places[place].Load(); entry != nil && !entry.used.Swap(false) {
			c.free(place)
			return
		}
	}
}

// Forget drops what is remembered of a key.
func (c *Cache[K, V]) Forget(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if place, entry := c.table.Load().find(key); entry != nil {
		c.free(place)
	}
}

// free gives up the entry at a place, and moves up those behind it that would
// not be found any more: looking for them would end at the gap. The caller holds
// mu.
func (c *Cache[K, V]) free(gap int) {
	t := c.table.Load()
	behind := func(from, to int) int { return (to - from) & (len(t.places) - 1) }
	for place := t.next(gap); ; place = t.next(place) {
		entry := t.places[place].Load()
		if entry == nil {
			break
		}
		if home := t.home(entry.Key); behind(home, place) >= behind(gap, place) {
			t.places[gap].Store(entry)
			gap = place
		}
	}
	t.places[gap].Store(nil)
	c.count--
}
