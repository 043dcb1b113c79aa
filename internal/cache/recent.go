package cache

import "cmp"

// Recent remembers values by name: the newest, of which there are limit at least and
// twice as many at most. So whoever makes up names fills no memory. The limit of the
// zero Recent is Limit. It is not safe for concurrent use.
type Recent[V any] struct {
	limit          int
	latest, before map[string]V
}

// NewRecent makes a memory for so many values at least.
func NewRecent[V any](limit int) Recent[V] {
	return Recent[V]{limit: limit}
}

// Get returns what is remembered under a name.
func (r *Recent[V]) Get(name string) (V, bool) {
	if value, ok := r.latest[name]; ok {
		return value, true
	}
	value, ok := r.before[name]
	return value, ok
}

// Has reports whether something is remembered under a name.
func (r *Recent[V]) Has(name string) bool {
	_, ok := r.Get(name)
	return ok
}

// Put remembers a value.
func (r *Recent[V]) Put(name string, value V) {
	if r.latest == nil || len(r.latest) >= cmp.Or(r.limit, Limit) {
		r.Turn()
	}
	r.latest[name] = value
}

// Turn forgets all that was put before the last turn.
func (r *Recent[V]) Turn() {
	r.latest, r.before = make(map[string]V), r.latest
}

// Delete forgets a name.
func (r *Recent[V]) Delete(name string) {
	delete(r.latest, name)
	delete(r.before, name)
}

// Len is how many values are remembered.
func (r *Recent[V]) Len() int { return len(r.latest) + len(r.before) }
