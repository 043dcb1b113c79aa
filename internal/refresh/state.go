package refresh

import (
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// state is what this process remembers of one session, by its name. Most sessions have
// none.
type state struct {
	flight   *flight   // under way, or nil
	failures int       // of renewals in a row
	paused   time.Time // until then, no renewal begins that a request asks for
	tokens   *tokens   // to be settled, or nil
	settling bool      // there is a loop for that
}

// flight is one renewal, with any number of requests waiting for it. The other fields are
// final once done is closed, and nobody reads them before.
type flight struct {
	done    chan struct{}
	session *session.Session // the session with its new tokens, or those of another instance
	err     error            // nil, ErrUnavailable, or the session has ended
}

// state is the state of a session, which is created if there is none. The caller holds
// mu.
func (r *Renewals) state(name string, now time.Time) *state {
	st := r.states[name]
	if st == nil {
		r.forgetOldPauses(now)
		st = &state{}
		r.states[name] = st
	}
	return st
}

// landed is a flight that is over already.
func landed(session *session.Session) *flight {
	f := &flight{done: make(chan struct{}), session: session}
	close(f.done)
	return f
}

// finish records how a flight ended and releases those who wait. Tokens that the storage has
// not accepted are a failure, too: one renewal more would not help.
func (r *Renewals) finish(name string, f *flight, asked bool) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state(name, now)
	st.flight = nil
	r.flights--
	switch unsaved := st.tokens != nil && !st.tokens.stored; {
	case !fault.IsUnknown(f.err) && !unsaved:
		st.failures, st.paused = 0, time.Time{}
	case asked: // the session is kept
		st.pause(now)
	}
	r.forgetIfIdle(name)
	close(f.done)
}

// pause doubles the pause, with jitter so that sessions that failed together do
// not return together.
func (st *state) pause(now time.Time) {
	// The inner bound keeps the shift from overflowing in a long outage.
	length := min(firstPause<<min(st.failures, 10), longestPause)
	st.failures++
	st.paused = now.Add(jittered(length))
}

// forgetIfIdle drops a state with nothing in it, so that most sessions have none. A pause
// that is over stays until forgetOldPauses: the next one has to be longer. The caller holds
// mu.
func (r *Renewals) forgetIfIdle(name string) {
	if st := r.states[name]; st != nil && *st == (state{}) {
		delete(r.states, name)
	}
}

// forgetOldPauses makes room for sessions that are still in use, at most once a second.
// The caller holds mu.
func (r *Renewals) forgetOldPauses(now time.Time) {
	if len(r.states) < statesKept || now.Sub(r.swept) < time.Second {
		return
	}
	r.swept = now
	for name, st := range r.states {
		if st.flight == nil && st.tokens == nil && !st.settling && now.After(st.paused) {
			delete(r.states, name)
		}
	}
}
