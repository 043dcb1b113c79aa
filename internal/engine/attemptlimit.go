package engine

import (
	"slices"
	"sync"
	"time"
)

// What strangers can make one process keep in any storage: logins in progress, and
// their bytes together.
const (
	attemptsStored     = 4096
	attemptBytesStored = 6 << 20
)

// attemptLimit counts the logins in progress that this process has in the storage,
// so that strangers who begin logins without end cannot fill it: a shared one
// would drop other people's sessions to make room. A full limit admits no new
// ones: throwing out an old one would let a flood break the logins of others.
type attemptLimit struct {
	most, mostBytes int

	mu    sync.Mutex // guards all below
	live  map[string]int
	bytes int
	queue []pending // in order of expiry
}

type pending struct {
	key     string
	expires time.Time
}

func newAttemptLimit(most, mostBytes int) *attemptLimit {
	return &attemptLimit{most: most, mostBytes: mostBytes, live: map[string]int{}}
}

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
	l.queue = append(l.queue, pending{key, now.Add(attemptLife)})
	return true
}

func (l *attemptLimit) done(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(key)
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

// spentAttempts remembers which attempts in cookies were used, which no storage
// can: the newest, for attemptLife unless a flood pushes them out. Then Cognito's
// code, which serves once too, decides.
type spentAttempts struct {
	mu             sync.Mutex // guards all below
	latest, before map[string]struct{}
	turned         time.Time
}

const spentKept = 16384

// add notes an attempt, and reports whether it was not there yet.
func (s *spentAttempts) add(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest == nil || len(s.latest) >= spentKept || now.Sub(s.turned) >= attemptLife {
		s.latest, s.before, s.turned = map[string]struct{}{}, s.latest, now
	}
	_, latest := s.latest[key]
	_, before := s.before[key]
	s.latest[key] = struct{}{}
	return !latest && !before
}
