package refresh

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
)

// renew is one flight. It reads the records before it calls Cognito: if another instance
// or an earlier flight was faster, it uses their tokens. The errors are those of
// [Renewals.Wait].
func (r *Renewals) renew(ctx context.Context, seen *session.Session) (*session.Session, error) {
	// seen may be the session as a request read it before the last renewal.
	current, _, err := r.newest(&seen.Handle)
	switch {
	case err == nil:
		err = r.sessions.StillOpen(current) // once a flight: it is one more wait where a shard hangs
	case current != nil && errors.Is(err, session.ErrNoSession):
		return r.withoutTokens(seen, current)
	}
	if err != nil || r.wasRenewed(seen, current) {
		return current, err
	}
	if !r.alone {
		lease := []byte(secret.Random()) // of this flight: the next one does not take it for its own
		defer r.giveBack(current, lease) // if it led to nothing, too, or the next renewal would wait until it lapses
		latest := current
		if seen.Serial > current.Serial {
			latest = seen // a write that came late has put the record of before back
		}
		if other, err := r.leaseOrOther(latest, lease); other != nil || err != nil {
			return other, err
		}
	}
	// A renewal that nobody needs yet has a lane of its own, behind those that are due.
	return r.renewInTurn(ctx, seen, current.RenewAfter.Passed(r.now()))
}

// renewInTurn waits for a turn at Cognito, and calls.
func (r *Renewals) renewInTurn(ctx context.Context, seen *session.Session, due bool) (*session.Session, error) {
	turnOver, err := r.endpoint.Client.TakeRenewal(ctx, due)
	if err != nil {
		return nil, fault.Unavailable(err)
	}
	// Turns are for calls alone: it is given back before anything else is waited for, be it
	// keys, the storage, or another instance. Else refused sessions would hold up all others.
	turnOver = sync.OnceFunc(turnOver)
	defer turnOver()
	// Read again: what was read before may have become outdated in the queue, and the
	// holder of the lease may have stored a refresh token and nothing else.
	current, cold, err := r.newest(&seen.Handle)
	switch {
	case err != nil || r.wasRenewed(seen, current):
		return current, err
	case cold.Waits(r.now()):
		// Tokens that somebody has got already, and only lacked the keys for.
		turnOver()
		return r.accept(ctx, current, cold)
	case cold.Refresh.First() == "":
		return r.dead(&seen.Handle, errors.New("there is no refresh token"))
	}
	presented, got, repeated, err := r.present(ctx, &seen.Handle, cold.Refresh.All())
	turnOver()
	switch {
	case errors.Is(err, pool.ErrInvalidGrant):
		return r.refused(ctx, current, cold, err)
	case err != nil:
		return nil, fault.AsUnknown(err)
	}
	cold.Refresh.RenewedBy(presented, got.Refresh, repeated)
	cold.UnverifiedAccess, cold.UnverifiedID = got.Access, got.ID
	return r.accept(ctx, current, cold)
}

// newest reads both records, and adds what only this process has: tokens that the storage
// has not accepted, or may have lost to another writer.
func (r *Renewals) newest(handle *session.Handle) (*session.Session, session.Cold, error) {
	hot, stored, err := r.stored(handle)
	mine := r.unsettled(handle.Name())
	if err != nil || mine == nil {
		return hot, stored, err
	}
	both, ours := mine.with(hot, stored)
	if ours {
		hot = both.session(r.sessions, handle)
	}
	return hot, both.cold, nil
}

// stored reads both records of a session that has not ended here.
func (r *Renewals) stored(handle *session.Handle) (*session.Session, session.Cold, error) {
	if r.HasEnded(handle.Name()) {
		return nil, session.Cold{}, session.ErrNoSession
	}
	return r.sessions.Fresh(handle)
}

// wasRenewed reports whether somebody has renewed a session since it was seen. A renewal
// whose tokens are due again, as they soon are with several candidates, does not count.
func (r *Renewals) wasRenewed(seen, current *session.Session) bool {
	return current.Serial > seen.Serial && !current.RenewAfter.Passed(r.now())
}

// present presents refresh tokens in turn until one is not refused. After any other error
// it stops: the next one may be valid, but this one, too.
func (r *Renewals) present(ctx context.Context, handle *session.Handle, candidates []secret.Text) (presented secret.Text, got pool.Grant, repeated bool, err error) {
	for _, presented = range candidates {
		got, repeated, err = r.ask(ctx, handle, presented)
		if !errors.Is(err, pool.ErrInvalidGrant) {
			break
		}
	}
	return presented, got, repeated, err
}

// ask presents a refresh token. If the response is lost, Cognito may have rotated the
// token. Within the client's grace period, the old one works again.
func (r *Renewals) ask(ctx context.Context, handle *session.Handle, refresh secret.Text) (got pool.Grant, repeated bool, err error) {
	got, err = r.endpoint.Renew(ctx, refresh)
	// Not after an answer, whatever it says: then the next flight asks again, after a pause.
	if errors.Is(err, pool.ErrNoAnswer) {
		repeated = true
		if !r.alone {
			r.prolongLease(handle) // it covers one call, and others would renew during the second
		}
		got, err = r.endpoint.Renew(ctx, refresh)
	}
	return got, repeated, err
}

// winnerTimeout is how long another instance that has used the same refresh token before
// us may need until its tokens are stored: one call, one read from the storage, and one
// write.
const winnerTimeout = pool.CallTimeout + 2*storage.Timeout

// refused accepts invalid_grant as final only if no other instance can have used the
// same refresh tokens: its response may still be on its way, so the record must not
// change for as long as that can take. In the order of the cases: nothing is known, or the
// session has ended; the winner is through; it has stored its refresh token, and lacks keys;
// it may still be under way; it got no further; there never was one.
func (r *Renewals) refused(ctx context.Context, current *session.Session, cold session.Cold, cause error) (*session.Session, error) {
	if r.cookieSessions {
		return nil, r.lost(&current.Handle, cold.Refresh.All(), cause)
	}
	// In a storage of our own there is no other instance: the refusal is final at once.
	for began := time.Now(); !r.alone; {
		fresh, stored, err := r.newest(&current.Handle)
		switch another := !cold.Refresh.Has(stored.Refresh.All()...); {
		case err != nil:
			return nil, err
		case fresh.Serial > current.Serial:
			return fresh, nil // the winner has stored everything
		case another && stored.UnverifiedAccess != "":
			// The winner has stored its tokens and could not verify them. Perhaps we can.
			return r.accept(ctx, fresh, stored)
		case time.Since(began) <= winnerTimeout:
		case another:
			return nil, fault.Unavailable(cause) // the winner stored its token and got no further
		default:
			return r.dead(&current.Handle, cause)
		}
		if !sleep(ctx, pollPause) {
			return nil, fault.Unavailable(ctx.Err())
		}
	}
	return r.dead(&current.Handle, cause)
}

// withoutTokens is for a session of which only the hot record is left. It lasts as long as
// its tokens would have, and is not asked for them again. What seen knows of a later renewal
// must not be written over.
func (r *Renewals) withoutTokens(seen, current *session.Session) (*session.Session, error) {
	// It may have ended between the readings of the two records.
	if err := r.sessions.UndoIfEnded(&current.Handle); err != nil {
		return nil, err
	}
	r.observer.TokensLost(current.Name())
	if seen.Serial > current.Serial || current.Expires.Passed(r.now()) {
		return r.dead(&current.Handle, errors.New("its tokens are gone from the storage"))
	}
	saved, err := r.sessions.Unrenewable(current)
	return saved, r.undoIfLate(&current.Handle, err)
}

// dead ends a session that Cognito will not renew. It revokes nothing: Cognito has refused
// the tokens, or whoever calls has revoked them.
func (r *Renewals) dead(handle *session.Handle, cause error) (*session.Session, error) {
	if _, err := r.End(handle); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.Details{Reason: fault.ErrSessionEnded, Cause: cause})
}
