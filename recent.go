package cognito

import (
	"sync"
	"sync/atomic"
)

// recentLimit bounds the sessions whose records are kept open in memory. A
// session beyond it costs some microseconds more per request, nothing else.
const recentLimit = 16384

// recentSessions remembers the sessions used last, by cookie value. When full
// it gives up one that was not used since the hand last passed it (the CLOCK
// rule), which keeps busy sessions at the price of one bit.
type recentSessions struct {
	mu    sync.RWMutex // guards byID, ring and hand
	byID  map[string]*recentEntry
	ring  []*recentEntry
	hand  int
	limit int
}

type recentEntry struct {
	session *openSession
	place   int
	used    atomic.Bool
}

func newRecentSessions(limit int) *recentSessions {
	return &recentSessions{byID: map[string]*recentEntry{}, limit: limit}
}

// get does not keep id, which may be a view into a request.
func (r *recentSessions) get(id []byte) *openSession {
	r.mu.RLock()
	entry := r.byID[string(id)]
	r.mu.RUnlock()
	if entry == nil {
		return nil
	}
	if !entry.used.Load() {
		entry.used.Store(true)
	}
	return entry.session
}

func (r *recentSessions) put(session *openSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	entry := &recentEntry{session: session}
	if old := r.byID[session.id]; old != nil {
		entry.place = old.place
		entry.used.Store(true)
	} else {
		entry.place = r.freePlace()
	}
	r.byID[session.id] = entry
	r.ring[entry.place] = entry
}

// freePlace finds a place in the ring. The caller holds mu.
func (r *recentSessions) freePlace() int {
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
			delete(r.byID, entry.session.id)
		}
		return place
	}
}

func (r *recentSessions) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if entry := r.byID[id]; entry != nil {
		delete(r.byID, id)
		r.ring[entry.place] = nil
	}
}
