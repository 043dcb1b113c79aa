package refresh

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
)

const (
	// Saving tokens that the storage has not accepted is retried after a pause, which
	// doubles, so that a storage that recovers is not overloaded.
	// Ending a session that the storage cannot record (package engine) keeps the same pauses.
	FirstSettlePause   = 500 * time.Millisecond
	LongestSettlePause = 5 * time.Second
	// severalLife is how long the session keeps being renewed automatically until it is
	// known which of several tokens is valid: the longest grace period that Cognito
	// offers.
	severalLife = time.Minute
)

// tokens are the result of a renewal. They are settled once the storage has them and
// nobody can overwrite them without having seen them. They do not change once others
// can see them.
type tokens struct {
	record session.Hot
	cold   session.Cold
	stored bool          // the storage has taken them, and it is only looked again
	since  time.Time     // the loop has them
	due    time.Time     // when the loop goes on with them
	pause  time.Duration // before the next try
}

// Format prints no secret.
func (tokens) Format(f fmt.State, _ rune) { secret.Hide(f, "tokens") }

// session is the session with these tokens, for requests in the meantime.
func (t *tokens) session(s *session.Store, handle *session.Handle) *session.Session {
	opened := s.FromMemory(handle, t.record)
	opened.Unsaved = &t.cold
	return opened
}

// with merges tokens with what is stored. All candidates are kept. The rest, claims and
// access token, comes from the later renewal; ours tells whether that is this one. Of two
// with one serial, those count that the storage has, unless it has never taken these.
func (t *tokens) with(hot *session.Session, stored session.Cold) (both tokens, ours bool) {
	if t.record.Serial < hot.Serial || (t.record.Serial == hot.Serial && t.stored) {
		both = tokens{record: hot.Record(), cold: stored}
		both.cold.Refresh = stored.Refresh.With(t.cold.Refresh)
		return both, false
	}
	// A request may have prolonged the session since: no deadline moves back.
	both = *t
	both.record.Used = max(t.record.Used, hot.Used)
	both.record.IdleUntil = max(t.record.IdleUntil, hot.IdleUntil)
	both.record.TouchAfter = max(t.record.TouchAfter, hot.TouchAfter)
	both.cold.Refresh = t.cold.Refresh.With(stored.Refresh)
	return both, true
}

// settleLater hands tokens to the session's loop, where they replace the earlier ones
// that they come from. Without a cause, they are stored, and we check again when
// anybody who was about to write without having seen them must have done so. With a
// cause, they exist only here, and the tokens that they replace are invalid. The error
// says why there is no loop: the session has ended (ErrNoSession), the app is shutting down,
// or too much is running in the background.
func (r *Renewals) settleLater(handle *session.Handle, mine *tokens, cause error) error {
	mine.stored, mine.since, mine.pause = cause == nil, time.Now(), FirstSettlePause
	mine.due = mine.since.Add(lookPause + jittered(lookPause/4))
	if cause != nil {
		mine.due = mine.since.Add(jittered(FirstSettlePause))
	}
	// Once per outage: tokens that replace others that were not stored are no news.
	news, err := r.toSettle(handle, mine)
	if news && cause != nil {
		r.observer.Unsaved(handle.Name(), cause)
	}
	return err
}

// toSettle is settleLater under the lock. It reports, too, whether nothing was
// kept in memory alone until now.
func (r *Renewals) toSettle(handle *session.Handle, mine *tokens) (news bool, err error) {
	name, now := handle.Name(), r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.Has(name) {
		return false, session.ErrNoSession
	}
	st := r.state(name, now)
	news = st.tokens == nil || st.tokens.stored
	// A loop that is there goes on with these: it asks for the tokens at every step.
	if !st.settling {
		err = r.tasks.Go("settling renewed tokens", func(closing <-chan struct{}) { r.settle(handle, closing) })
	}
	if err == nil {
		st.tokens, st.settling = mine, true
	}
	r.forgetIfIdle(name)
	return news, err
}

// unsettled are the tokens that are to be settled, or nil.
func (r *Renewals) unsettled(name string) *tokens {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.states[name]; st != nil {
		return st.tokens
	}
	return nil
}

// next is unsettled for the loop, which ends if there is nothing: in one step, so that
// the next tokens start a new loop. There is a state as long as there is a loop, because
// nobody forgets one that is settling. The same holds for replace and rest.
func (r *Renewals) next(name string) *tokens {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.states[name]
	if st.tokens == nil {
		st.settling = false
		r.forgetIfIdle(name)
		return nil
	}
	return st.tokens
}

// replace puts the result of a step in the place of tokens, unless newer ones have
// arrived.
func (r *Renewals) replace(name string, mine, later *tokens) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.states[name]; st.tokens == mine {
		st.tokens = later
	}
}

// settle is the loop of a session whose tokens are not settled yet. When the app shuts
// down, it takes one more step.
func (r *Renewals) settle(handle *session.Handle, closing <-chan struct{}) {
	name := handle.Name()
	for last := false; ; {
		mine := r.next(name)
		if mine == nil {
			return
		}
		if wait := time.Until(mine.due); wait > 0 && !last {
			select {
			case <-time.After(wait):
			case <-closing:
				last = true
			}
			continue // with newer ones, perhaps, that have a time of their own
		}
		later := r.settleOnce(handle, mine)
		// At the shutdown what remains is given up: the process ends. One that may only be
		// frozen keeps it, and goes on at the session's next request.
		if last && !r.renewInRequest {
			later = nil
		}
		r.replace(name, mine, later)
		if last && r.renewInRequest && r.rest(name) {
			return
		}
	}
}

// rest ends the loop with tokens left to settle, until a request of the session comes
// again. It reports whether there are any.
func (r *Renewals) rest(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.states[name]
	st.settling = st.tokens == nil // then the loop itself finds that it is done
	return !st.settling
}

// resume begins the loop again that rest ended. The caller holds mu.
func (r *Renewals) resume(handle *session.Handle, st *state) {
	if r.renewInRequest && st.tokens != nil && !st.settling {
		st.settling = r.tasks.Go("settling renewed tokens", func(closing <-chan struct{}) { r.settle(handle, closing) }) == nil
	}
}

// settleOnce takes one step. It returns what remains to be settled, or nil. mine is seen by
// others and stays as it is. In the order of the cases: nothing is known; the session has
// ended; an older write of ours came last; our tokens are not there; they are, beside those
// of others, and the next renewal shows which ones are valid. Else they are settled.
func (r *Renewals) settleOnce(handle *session.Handle, mine *tokens) *tokens {
	hot, stored, err := r.stored(handle)
	switch later := mine.again(); {
	case fault.IsUnknown(err):
		return later
	case err != nil: // the session has ended
		_ = r.sessions.UndoIfEnded(handle) // what we wrote may have come after
		r.revokeEnded(mine.cold.Refresh, err)
		return nil
	case mine.arePutBack(hot, stored):
		later.stored = false // or with would prefer what stands there
		fallthrough
	case !stored.Refresh.Knows(mine.cold.Refresh.First()) || hot.Serial < mine.record.Serial:
		// Our token is not there, nor was it presented by anybody; or our claims are not.
		if _, err := r.save(handle, later); err == nil {
			later.stored = true
			if !later.cold.Refresh.Several() {
				later.due = time.Now().Add(lookPause)
			}
		}
		return later // if the session has ended, the next step finds out
	case stored.Refresh.Several() && hot.Serial == mine.record.Serial && time.Since(mine.since) < severalLife:
		// Not if somebody has renewed since: two instances would continue like that
		// for ever, each missing its own tokens after the other's renewal.
		r.renewUnasked(hot)
		return later
	}
	return nil
}

// arePutBack reports whether what was stored of these tokens before they were verified
// has come late, over them. The access token beside it is that of before, and expired.
func (t *tokens) arePutBack(hot *session.Session, stored session.Cold) bool {
	// The serial alone does not tell: the hot record, stored second, came in time.
	return hot.Serial == t.record.Serial && stored.UnverifiedAccess != "" && stored.UnverifiedAccess == t.cold.Access
}

// again is a copy that is due after a pause. It is a copy because tokens do not change
// once others can see them.
func (t *tokens) again() *tokens {
	later := *t
	later.pause = min(2*t.pause, LongestSettlePause)
	later.due = time.Now().Add(jittered(later.pause))
	return &later
}

// renewUnasked renews a session for the sake of its candidates. Any flight will do, and if
// none can begin, the next step tries again.
func (r *Renewals) renewUnasked(s *session.Session) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.states[s.Name()]; st == nil || st.flight == nil {
		_, _ = r.begin(s, false, now)
	}
}

// jittered is between half of a pause and all of it, so that what failed together does not
// try again together.
func jittered(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2) }

// sleep waits, and reports whether it could.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
