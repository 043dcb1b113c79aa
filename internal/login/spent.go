package login

import (
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
)

// spentAttempts remembers which attempts in cookies were used, because no storage does:
// the newest ones, for Life, unless a flood displaces them. In that case
// Cognito's code decides, since it also works only once.
type spentAttempts struct {
	mu     sync.Mutex // guards all below
	keys   cache.Recent[struct{}]
	turned time.Time // when the keys before the latest ones were last forgotten
}

// add notes an attempt, and reports whether it was not there yet. A key outlives one turn,
// and turns are Life apart, so it is known for as long as its attempt opens.
func (s *spentAttempts) add(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.turned) >= Life {
		s.keys.Turn()
		s.turned = now
	}
	spent := s.keys.Has(key)
	s.keys.Put(key, struct{}{})
	return !spent
}
