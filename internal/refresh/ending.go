package refresh

import (
	"context"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
)

// Ending a session stands above storing it: tokens that the storage has not
// taken end with it, and Cognito is told.

// End ends a session everywhere, and returns its refresh tokens, if they could
// be read, for revocation. The error says that the storage could not be told.
func (r *Renewals) End(handle *session.Handle) (refresh []secret.Text, err error) {
	return r.RemoveEnded(handle, r.sessions.MarkEnded(handle))
}

// RemoveEnded does the rest, whatever came of the first step: a storage that
// takes no tombstone may well delete. Of several refresh tokens it is not known
// which one lives, and Cognito ends a family only by its first or its newest.
func (r *Renewals) RemoveEnded(handle *session.Handle, marked error) (refresh []secret.Text, err error) {
	stored, readErr := r.sessions.ReadCold(handle)
	mine := r.Forget(handle.Name())
	if fault.IsUnknown(readErr) {
		// The cold record stays for the next try, or nobody could revoke its token.
		err = r.sessions.RemoveHot(handle)
	} else {
		err = r.sessions.Remove(handle)
	}
	switch {
	case marked != nil:
		err = marked
	case err == nil && fault.IsUnknown(readErr):
		err = readErr
	}
	all := mine.With(stored.Refresh)
	return all.All(), err
}

// Forget drops what is in mind of a session, for one who ends it, and returns the
// refresh tokens that may not be stored.
func (r *Renewals) Forget(name string) session.Candidates {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended.add(name)
	st := r.states[name]
	if st == nil || st.tokens == nil {
		return session.Candidates{}
	}
	mine := st.tokens.cold.Refresh
	st.tokens = nil
	return mine
}

// HasEnded reports whether a session has ended here.
func (r *Renewals) HasEnded(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended.has(name)
}

// RevokeLater tells Cognito in the background that refresh tokens are done with.
// The session has ended here already, whatever comes of it.
func (r *Renewals) RevokeLater(refresh ...secret.Text) {
	for _, each := range refresh {
		if each == "" {
			continue
		}
		if err := r.tasks.Within(pool.BackgroundTimeout, "revoking a refresh token", func(ctx context.Context) {
			if err := r.endpoint.Revoke(ctx, each); err != nil {
				r.observer.NotRevoked(err)
			}
		}); err != nil {
			r.observer.NotRevoked(err)
		}
	}
}

// lost forgets a session whose refresh token Cognito refuses, while another instance
// may have renewed it out of sight: the browser may hold the cookie with the living
// token already. So nothing is revoked, which would end that one too, and the one
// that was refused is not presented again.
func (r *Renewals) lost(handle *session.Handle, presented []secret.Text, cause error) error {
	r.mu.Lock()
	for _, each := range presented {
		r.lostOnes.add(handle.Name() + session.PrintOf(each))
	}
	r.mu.Unlock()
	if err := r.sessions.Remove(handle); err != nil {
		return err
	}
	return fault.New(fault.Details{Reason: fault.ErrSessionEnded, Cause: cause})
}

// WasRefused reports whether a refresh token of a session was refused here.
func (r *Renewals) WasRefused(name string, refresh secret.Text) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lostOnes.has(name + session.PrintOf(refresh))
}

// recentNames are, in ended, sessions that have ended here lately. The ended name wins
// everywhere (F23): a renewal that is still under way must not hold its tokens
// afterwards, and while the storage cannot be told, a copy of the cookie must
// not renew. The newest are remembered, so made-up cookies fill nothing.
type recentNames struct{ latest, before map[string]struct{} }

// endedKept is how many are remembered at least.
const endedKept = 16384

func (e *recentNames) add(name string) {
	if e.latest == nil || len(e.latest) >= endedKept {
		e.latest, e.before = map[string]struct{}{}, e.latest
	}
	e.latest[name] = struct{}{}
}

func (e *recentNames) has(name string) bool {
	_, latest := e.latest[name]
	_, before := e.before[name]
	return latest || before
}
