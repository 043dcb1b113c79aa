package cognito

import (
	"context"
	"math/rand/v2"
	"time"
)

// Tokens that only memory holds are offered to the storage again after a
// pause, which doubles, lest a storage that recovers is drowned.
const (
	rescuePause        = 500 * time.Millisecond
	longestRescuePause = 5 * time.Second
)

// unsaved holds tokens that Cognito has issued and the storage has not taken.
// They exist only here, and the refresh token that they replace may be dead,
// so they are offered to the storage until it takes them.
type unsaved struct {
	record hotRecord
	cold   coldRecord
	used   secret // the refresh token that was spent for them
}

// session is the session with these tokens, for requests in the meantime.
func (u *unsaved) session(s *sessions, handle *sessionHandle) *openSession {
	opened := s.fromMemory(handle, u.record)
	opened.unsaved = &u.cold
	return opened
}

// hold keeps tokens in memory and has them offered to the storage. It reports
// whether there is somebody to do so.
func (r *renewals) hold(handle *sessionHandle, tokens *unsaved, cause error) bool {
	offered, first, ended := r.offer(handle, tokens)
	if ended {
		r.revokeLater(tokens.cold.refresh)
		return true // nobody will miss them
	}
	if first {
		r.observer.unsaved(handle.name(), cause) // not under the lock: a log may block
	}
	return offered
}

// offer is hold without telling of it. It reports whether there is somebody to
// offer the tokens to the storage, whether that somebody is new, and whether the
// session has ended, so that nothing is held.
func (r *renewals) offer(handle *sessionHandle, tokens *unsaved) (offered, first, ended bool) {
	name := handle.name()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.has(name) {
		return false, false, true
	}
	r.held[name] = tokens
	if r.rescuing[name] {
		return true, false, false
	}
	r.rescuing[name] = r.tasks.Go("saving renewed tokens", func(closing <-chan struct{}) { r.rescue(handle, closing) }) == nil
	return r.rescuing[name], true, false
}

// peek looks at what is held. It stays there until it is saved: meanwhile
// nobody may take the spent refresh token in the storage for the newest.
func (r *renewals) peek(name string) *unsaved {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[name]
}

// take removes what is held, for one who ends the session.
func (r *renewals) take(name string) *unsaved {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended.add(name)
	tokens := r.held[name]
	delete(r.held, name)
	return tokens
}

// settled removes tokens that need not be held any longer, unless newer ones
// have come in their place.
func (r *renewals) settled(name string, tokens *unsaved) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[name] == tokens {
		delete(r.held, name)
	}
}

// peekOrStop is peek for the rescuer, who is dismissed when nothing is held:
// in one step, so that whoever holds tokens next calls a new one.
func (r *renewals) peekOrStop(name string) *unsaved {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[name] == nil {
		delete(r.rescuing, name)
	}
	return r.held[name]
}

// rescue offers tokens to the storage until none are held: it has taken them,
// or the session has ended. When the app stops it tries once more.
func (r *renewals) rescue(handle *sessionHandle, closing <-chan struct{}) {
	pause := rescuePause
	for last := false; !last; pause = min(2*pause, longestRescuePause) {
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-closing:
			last = true
		}
		tokens := r.peekOrStop(handle.name())
		if tokens == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		_, _ = r.saveHeld(ctx, handle, tokens)
		cancel()
	}
}

// saveHeld saves tokens from memory, unless the session has ended meanwhile or
// another instance has put newer ones in their place. While that cannot be
// known the session has these tokens.
func (r *renewals) saveHeld(ctx context.Context, handle *sessionHandle, tokens *unsaved) (*openSession, error) {
	session, settled, err := r.reconcile(ctx, handle, tokens)
	if !settled {
		return tokens.session(r.sessions, handle), nil
	}
	// Whoever still needs them held has held them anew.
	r.settled(handle.name(), tokens)
	return session, err
}
