package engine

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// answerLife is how long a finished callback is kept for its duplicates.
const answerLife = 10 * time.Second

// callback is one response of Cognito that is being processed. A double click sends it
// twice; the second request gets the result of the first one.
type callback struct {
	key      string
	done     chan struct{}
	outcome  outcome
	finished time.Time
}

// Format prints no secret.
func (*callback) Format(f fmt.State, _ rune) { secret.Hide(f, "callback") }

// once runs work for the first of several requests with the same state and
// ticket, and gives its outcome to all. An outcome that did not use up the
// attempt is shared with those who already wait, and then forgotten.
//
// A duplicate may be sent before the result exists and arrive after it. It is
// recognised by its connection, which was opened before there was a result. Any later
// request finds the attempt used, as it should.
func (a *attempts) once(r Request, state string, t ticket, work func() outcome) outcome {
	sum := sha256.Sum256([]byte(state + "\x00" + t.value(a.mark)))
	key := string(sum[:])
	a.mu.Lock()
	a.forgetFinished()
	if first := a.flights[key]; first != nil {
		late := !first.finished.IsZero()
		a.mu.Unlock()
		if late && (r.ConnRequestNum() > 1 || !r.ConnTime().Before(first.finished)) {
			return work()
		}
		<-first.done
		return first.outcome
	}
	mine := &callback{key: key, done: make(chan struct{}), outcome: outcome{err: fault.Plain(fault.ErrInternal)}}
	a.flights[key] = mine
	a.mu.Unlock()

	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		mine.finished = time.Now()
		if mine.outcome.used {
			a.finished = append(a.finished, mine)
		} else {
			delete(a.flights, key)
		}
		close(mine.done)
	}()
	mine.outcome = work()
	return mine.outcome
}

// forgetFinished drops outcomes that no duplicate can ask for any more. The
// caller holds mu.
func (a *attempts) forgetFinished() {
	old := 0
	for old < len(a.finished) && time.Since(a.finished[old].finished) > answerLife {
		delete(a.flights, a.finished[old].key)
		old++
	}
	a.finished = slices.Delete(a.finished, 0, old)
}

// spentAttempts remembers which attempts in cookies were used, because no storage does:
// the newest ones, for attemptLife, unless a flood displaces them. In that case
// Cognito's code decides, since it also works only once.
type spentAttempts struct {
	mu     sync.Mutex // guards all below
	keys   cache.Recent[struct{}]
	turned time.Time
}

// add notes an attempt, and reports whether it was not there yet.
func (s *spentAttempts) add(key string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.turned) >= attemptLife {
		s.keys.Turn()
		s.turned = now
	}
	spent := s.keys.Has(key)
	s.keys.Put(key, struct{}{})
	return !spent
}
