package refresh

import (
	"context"
	"errors"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
)

// Ending a session is more than deleting its records: tokens that the storage has not
// accepted yet end too, and Cognito is told.

// End ends a session everywhere, and returns its refresh tokens for revocation, if they
// could be read. The error means that the storage has not recorded the end: the caller tries
// again, since a copy of the cookie works at other instances until then.
func (r *Renewals) End(handle *session.Handle) (refresh []secret.Text, err error) {
	return r.RemoveEnded(handle, r.sessions.MarkEnded(handle))
}

// RemoveEnded does the rest, whether or not the first step succeeded: a storage that
// refuses a tombstone may still delete. If there are several refresh tokens, it is not
// known which one is valid, and Cognito revokes a family only by its first or its newest
// token.
func (r *Renewals) RemoveEnded(handle *session.Handle, marked error) (refresh []secret.Text, err error) {
	// Read after the tombstone was written: a token that is stored later is revoked by whoever
	// stores it (see MarkEnded), one that was stored before is seen here.
	stored, readErr := r.sessions.ReadCold(handle)
	mine := r.Forget(handle.Name())
	if fault.IsUnknown(readErr) {
		// The cold record stays for the next try. Otherwise its token could never be
		// revoked.
		err = r.sessions.RemoveHot(handle)
	} else {
		err = r.sessions.Remove(handle)
	}
	switch {
	case marked != nil:
		err = marked // without a tombstone, a renewal may bring the session back
	case err == nil && fault.IsUnknown(readErr):
		err = readErr
	}
	all := mine.With(stored.Refresh)
	return all.All(), err
}

// Forget drops the state of a session that is being ended, and returns the refresh
// tokens that may not have been stored. It takes no storage, so it comes first where that
// is slow. A flight under way goes on, and finds at its end that the session has ended.
func (r *Renewals) Forget(name string) session.Candidates {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended.Put(name, struct{}{})
	st := r.states[name]
	if st == nil || st.tokens == nil {
		return session.Candidates{}
	}
	mine := st.tokens.cold.Refresh
	st.tokens = nil // their loop ends at its next step
	return mine
}

// HasEnded reports whether a session has ended here recently. Having ended takes
// precedence everywhere: a renewal that is still in progress must not keep its tokens,
// and while the storage cannot record the end, a copy of the cookie must not renew.
func (r *Renewals) HasEnded(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended.Has(name)
}

// RevokeLater revokes refresh tokens at Cognito in the background. The session has
// already ended here, whatever the result. Empty tokens are skipped: a grant may lack one.
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

// revokeEnded revokes what a session that is over has been issued, unless it only does not
// open here: the instance that sealed it goes on with it.
func (r *Renewals) revokeEnded(refresh session.Candidates, cause error) {
	if !errors.Is(cause, session.ErrUnopened) {
		r.RevokeLater(refresh.All()...)
	}
}

// lost forgets a session whose refresh token Cognito refuses, although another instance
// may have renewed it without our knowing: the browser may already have a cookie with
// the valid token. So nothing is revoked, because that would end the valid token too,
// and the refused token is not presented again.
func (r *Renewals) lost(handle *session.Handle, presented []secret.Text, cause error) error {
	r.mu.Lock()
	for _, each := range presented { // the next request brings the same cookie
		r.refusals.Put(handle.Name()+session.PrintOf(each), struct{}{})
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
	return r.refusals.Has(name + session.PrintOf(refresh))
}
