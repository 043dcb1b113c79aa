package login

import (
	"slices"
	"sync"
	"time"
)

// The limits on what strangers can make one process store: the number of logins in
// progress, and their total size. The size counts because strangers choose it: return_to
// may have two kilobytes, and 4,096 of the longest would come to more than 8 MB.
const (
	attemptsStored     = 4096
	attemptBytesStored = 6 << 20
)

// attemptLimit counts the logins in progress that this process has in the storage, so
// that strangers who start endless logins cannot fill it: a shared storage would evict
// other people's sessions. When the limit is reached, no new login is stored. If old
// ones were removed instead, a flood would break the logins of others.
type attemptLimit struct {
	most, mostBytes int

	mu    sync.Mutex     // guards all below
	live  map[string]int // sizes, by key
	bytes int            // the sum of them
	queue []pending      // in order of expiry; finished ones stay until they expire
}

type pending struct {
	key     string
	expires time.Time
}

func newAttemptLimit(most, mostBytes int) *attemptLimit {
	return &attemptLimit{most: most, mostBytes: mostBytes, live: map[string]int{}}
}

// admit makes room by forgetting what has expired, and reports whether there is room for
// one more login. Nobody calls done for a login that was never finished.
func (l *attemptLimit) admit(key string, size int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := 0
	for gone < len(l.queue) && !now.Before(l.queue[gone].expires) {
		l.forget(l.queue[gone].key)
		gone++
	}
	l.queue = slices.Delete(l.queue, 0, gone)
	if len(l.live) >= l.most || l.bytes+size > l.mostBytes {
		return false
	}
	l.live[key] = size
	l.bytes += size
	l.queue = append(l.queue, pending{key, now.Add(Life)})
	return true
}

// done gives the place of a login back. It does nothing for a key that has no place, such
// as one that another instance admitted.
func (l *attemptLimit) done(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(key)
	// A stranger who finishes each login at once, with an invented error, never reaches
	// the limit, but would make the queue grow for ten minutes.
	if len(l.queue) > 2*l.most {
		l.queue = slices.DeleteFunc(l.queue, func(p pending) bool {
			_, live := l.live[p.key]
			return !live
		})
	}
}

// forget makes room. The caller holds mu.
func (l *attemptLimit) forget(key string) {
	l.bytes -= l.live[key]
	delete(l.live, key)
}
