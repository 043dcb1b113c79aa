package cognito

import (
	"context"
	"time"
)

// rescuePause is how long to wait before tokens that only memory holds are
// offered to the storage again.
const rescuePause = 500 * time.Millisecond

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

// hold keeps tokens in memory and has them offered to the storage.
func (r *renewals) hold(handle *sessionHandle, tokens *unsaved) {
	name := handle.ring.name
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[name] = tokens
	if r.rescuing[name] {
		return
	}
	r.rescuing[name] = r.auth.caller.untilClosed(func(closing <-chan struct{}) { r.rescue(handle, closing) })
	r.auth.config.Logger.Error("cognito: renewed tokens could not be stored; they are kept in memory until they can", "session", name[:8])
}

// take hands the tokens over to whoever will save them.
func (r *renewals) take(name string) *unsaved {
	r.mu.Lock()
	defer r.mu.Unlock()
	tokens := r.held[name]
	delete(r.held, name)
	return tokens
}

// rescue offers tokens to the storage until none are held: it has taken them,
// or the session has ended. When the app stops it tries once more.
func (r *renewals) rescue(handle *sessionHandle, closing <-chan struct{}) {
	defer r.auth.recoverBackground("saving renewed tokens")
	for last := false; !last; {
		select {
		case <-time.After(rescuePause):
		case <-closing:
			last = true
		}
		tokens := r.takeOrStop(handle.ring.name)
		if tokens == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
		_, _ = r.saveHeld(ctx, handle, tokens)
		cancel()
	}
}

// takeOrStop is take for the rescuer, who is dismissed when there is nothing
// to take: in one step, so that whoever holds tokens next calls a new one.
func (r *renewals) takeOrStop(name string) *unsaved {
	r.mu.Lock()
	defer r.mu.Unlock()
	tokens := r.held[name]
	delete(r.held, name)
	if tokens == nil {
		delete(r.rescuing, name)
	}
	return tokens
}

// saveHeld saves tokens from memory, unless the session has ended meanwhile or
// another instance has put newer ones in their place.
func (r *renewals) saveHeld(ctx context.Context, handle *sessionHandle, tokens *unsaved) (*openSession, error) {
	current, cold, err := r.sessions.fresh(handle)
	switch {
	case isUnknown(err):
		r.hold(handle, tokens)
		return tokens.session(r.sessions, handle), nil
	case err != nil:
		r.sessions.revokeLater(tokens.cold.refresh)
		return nil, err
	case cold.refresh != tokens.used && cold.refresh != tokens.cold.refresh:
		return current, nil
	case tokens.cold.unverifiedAccess != "":
		return r.accept(ctx, current, tokens.cold, tokens.used)
	}
	record := tokens.record
	record.idleUntil, record.touchAfter = current.record.idleUntil, current.record.touchAfter
	return r.keep(handle, record, tokens.cold, tokens.used)
}
