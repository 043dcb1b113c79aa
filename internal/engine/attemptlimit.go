package engine

import (
	"slices"
	"sync"
	"time"
)

// attemptsInMemory bounds the logins in progress that the default memory
// storage keeps for strangers, at about a kilobyte each.
const attemptsInMemory = 65536

// attemptLimit counts the logins in progress in the default memory storage, so that
// strangers who begin logins without end cannot fill the memory. A full limit
// refuses new ones: throwing out an old one would let a flood break the logins
// of others.
type attemptLimit struct {
	limit int

	mu    sync.Mutex // guards live and queue
	live  map[string]struct{}
	queue []pending // in order of expiry
}

type pending struct {
	key     string
	expires time.Time
}

func newAttemptLimit(limit int) *attemptLimit {
	return &attemptLimit{limit: limit, live: map[string]struct{}{}}
}

func (l *attemptLimit) admit(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := 0
	for gone < len(l.queue) && !now.Before(l.queue[gone].expires) {
		delete(l.live, l.queue[gone].key)
		gone++
	}
	l.queue = slices.Delete(l.queue, 0, gone)
	if len(l.live) >= l.limit {
		return false
	}
	l.live[key] = struct{}{}
	l.queue = append(l.queue, pending{key, now.Add(attemptLife)})
	return true
}

func (l *attemptLimit) done(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, key)
	if len(l.queue) > 2*l.limit {
		l.queue = slices.DeleteFunc(l.queue, func(p pending) bool {
			_, live := l.live[p.key]
			return !live
		})
	}
}
