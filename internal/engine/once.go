package engine

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

const (
	// answerLife is how long a finished callback is kept for its duplicates.
	answerLife = 10 * time.Second
	// mostAnswers is how many are: strangers can finish logins with invented errors, each with
	// a long address to return to, as fast as they can begin them.
	mostAnswers = 1024
)

// callback is one response of Cognito that is being processed. A double click sends it
// twice; the second request gets the result of the first one.
type callback struct {
	key      string
	done     chan struct{} // closed when outcome and finished are set
	outcome  outcome
	finished time.Time // zero while in progress; guarded by callbacks.mu
}

// Format prints no secret.
func (*callback) Format(f fmt.State, _ rune) { secret.Hide(f, "callback") }

// callbacks are those that are being processed, and those that were lately.
type callbacks struct {
	mu       sync.Mutex           // guards all below
	flights  map[string]*callback // by state and ticket, in progress or finished
	finished []*callback          // those in flights that have finished, oldest first
}

// once runs work for the first of several requests with the same state and
// ticket, and gives its outcome to all. An outcome that did not use up the
// attempt is shared with those who already wait, and then forgotten.
//
// A duplicate may be sent before the result exists and arrive after it. It is
// recognised by its connection, which was opened before there was a result. Any later
// request finds the attempt used, as it should. Of a connection that has carried a request
// before, nothing tells when this one was sent, so it counts as later.
//
// The key contains the ticket, not only the state: somebody who has seen the callback's
// address, but has no cookie, must not be handed the session.
func (c *callbacks) once(r Request, state, ticket string, work func() outcome) outcome {
	sum := sha256.Sum256([]byte(state + "\x00" + ticket))
	key := string(sum[:])
	c.mu.Lock()
	if c.flights == nil {
		c.flights = map[string]*callback{}
	}
	c.forgetFinished()
	if first := c.flights[key]; first != nil {
		late := !first.finished.IsZero()
		c.mu.Unlock()
		if late && (r.ConnRequestNum() > 1 || !r.ConnTime().Before(first.finished)) {
			return work()
		}
		<-first.done
		return first.outcome
	}
	// If work panics, those who wait get this outcome. It is not used, so it is forgotten.
	mine := &callback{key: key, done: make(chan struct{}), outcome: outcome{err: fault.Plain(fault.ErrInternal)}}
	c.flights[key] = mine
	c.mu.Unlock()

	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		mine.finished = time.Now()
		if mine.outcome.used {
			c.finished = append(c.finished, mine)
		} else {
			delete(c.flights, key)
		}
		close(mine.done)
	}()
	mine.outcome = work()
	return mine.outcome
}

// forgetFinished drops outcomes that no duplicate can ask for any more, and the oldest if
// there are too many: their duplicates find the login finished. The caller holds mu.
func (c *callbacks) forgetFinished() {
	old := 0
	for old < len(c.finished) && (len(c.finished)-old > mostAnswers || time.Since(c.finished[old].finished) > answerLife) {
		delete(c.flights, c.finished[old].key)
		old++
	}
	c.finished = slices.Delete(c.finished, 0, old)
}
