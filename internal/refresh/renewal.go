package refresh

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/verify"
)

// renew is one flight. It reads the records before it calls: if another instance
// or an earlier flight was faster, its tokens are the ones to use.
func (r *Renewals) renew(ctx context.Context, seen *session.Session) (*session.Session, error) {
	handle := &seen.Handle
	current, _, err := r.newest(handle)
	if err == nil {
		err = r.sessions.StillOpen(current) // once a flight: it is one more wait where a shard hangs
	}
	if err != nil || r.wasRenewed(seen, current) {
		return current, err
	}
	if !r.alone {
		lease, other, err := r.leaseOrOther(current)
		if other != nil || err != nil {
			return other, err
		}
		defer r.giveBack(current, lease)
	}
	turnOver, err := r.endpoint.Client.TakeRenewal(ctx, current.RenewAfter.Passed(r.now()))
	if err != nil {
		return nil, fault.Unavailable(err)
	}
	turnOver = sync.OnceFunc(turnOver)
	defer turnOver()
	// Once more: what was read before may have grown old in the queue, and whoever
	// had the lease may have stored a refresh token and no more.
	current, cold, err := r.newest(handle)
	switch {
	case err != nil || r.wasRenewed(seen, current):
		return current, err
	case cold.UnverifiedAccess != "":
		turnOver()
		return r.accept(ctx, current, cold)
	case cold.Refresh.First() == "":
		return r.dead(handle, errors.New("there is no refresh token"))
	}
	presented, got, repeated, err := r.present(ctx, handle, cold.Refresh.All())
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

// newest reads both records, and puts to them what only this process has.
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

// wasRenewed reports whether somebody has renewed a session since it was seen.
func (r *Renewals) wasRenewed(seen, current *session.Session) bool {
	return current.Serial != seen.Serial && !current.RenewAfter.Passed(r.now())
}

// present presents refresh tokens in turn until one is not refused.
func (r *Renewals) present(ctx context.Context, handle *session.Handle, candidates []secret.Text) (presented secret.Text, got pool.Grant, repeated bool, err error) {
	for _, presented = range candidates {
		got, repeated, err = r.ask(ctx, handle, presented)
		if !errors.Is(err, pool.ErrInvalidGrant) {
			break
		}
	}
	return presented, got, repeated, err
}

// ask presents a refresh token. If the answer is lost, Cognito has perhaps
// rotated the token; within the client's grace period the old one works again.
func (r *Renewals) ask(ctx context.Context, handle *session.Handle, refresh secret.Text) (got pool.Grant, repeated bool, err error) {
	got, err = r.endpoint.Renew(ctx, refresh)
	if errors.Is(err, pool.ErrNoAnswer) {
		repeated = true
		if !r.alone {
			r.prolongLease(handle)
		}
		got, err = r.endpoint.Renew(ctx, refresh)
	}
	return got, repeated, err
}

// winnerTimeout is what another instance, which has used the same refresh token
// before us, may need until its tokens are stored: a call, one look at the
// storage, and one write.
const winnerTimeout = pool.CallTimeout + 2*storage.Timeout

// refused believes invalid_grant only when no other instance can have used
// the same refresh tokens: its answer may still be travelling, so the record
// must stay as it is for as long as that can take.
func (r *Renewals) refused(ctx context.Context, current *session.Session, cold session.Cold, cause error) (*session.Session, error) {
	if r.unseen {
		return nil, r.lost(&current.Handle, cold.Refresh.All(), cause)
	}
	for began := time.Now(); !r.alone; {
		fresh, stored, err := r.newest(&current.Handle)
		switch another := !cold.Refresh.Has(stored.Refresh.All()...); {
		case err != nil:
			return nil, err
		case fresh.Serial != current.Serial:
			return fresh, nil
		case another && stored.UnverifiedAccess != "":
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

// accept verifies new tokens and makes them the session's. A new refresh token
// is stored before anything else happens, since those that it was spent for are
// dead.
func (r *Renewals) accept(ctx context.Context, current *session.Session, cold session.Cold) (*session.Session, error) {
	handle := &current.Handle
	mine := &tokens{record: current.Record(), cold: cold}
	saved := r.saveCold(handle, mine)
	if saved != nil && !fault.IsUnknown(saved) {
		r.RevokeLater(cold.Refresh.All()...) // ended while the call was under way
		return nil, saved
	}
	record, err := r.verified(ctx, current, mine.cold)
	if err == nil {
		mine.record = record
		mine.cold.Access = mine.cold.UnverifiedAccess
		if mine.cold.UnverifiedID != "" {
			mine.cold.ID = mine.cold.UnverifiedID
		}
		mine.cold.UnverifiedAccess, mine.cold.UnverifiedID = "", ""
		return r.keep(handle, mine)
	}
	// Tokens that had expired on arrival, or whose key cannot be found just now, are
	// worthless but no reason to doubt the session. So are those that count only when
	// the operator has acted (F5): by then the pool may well issue others.
	worthless := errors.Is(err, verify.ErrTokenExpired) || errors.Is(err, verify.ErrTokenKey) || errors.Is(err, fault.ErrTold)
	if errors.Is(err, fault.ErrInvalidToken) && !worthless {
		r.RevokeLater(cold.Refresh.All()...)
		return r.dead(handle, err)
	}
	if worthless {
		mine.cold.UnverifiedAccess, mine.cold.UnverifiedID = "", ""
		saved = r.saveCold(handle, mine)
	}
	// Stored or not, the refresh token is looked for: somebody who has not seen it
	// may write over it.
	if fault.IsUnknown(saved) || !r.alone {
		if held := r.settleLater(handle, mine, saved); errors.Is(held, session.ErrNoSession) {
			r.RevokeLater(mine.cold.Refresh.All()...)
		}
	}
	return nil, fault.AsUnknown(err)
}

// saveCold stores the cold record alone, together with the candidates of others,
// which mine has afterwards too. The session must still be there: whoever deletes
// its records means that it is over (P18).
func (r *Renewals) saveCold(handle *session.Handle, mine *tokens) error {
	hot, stored, err := r.stored(handle)
	if err != nil {
		return err
	}
	both, _ := mine.with(hot, stored)
	mine.cold.Refresh = both.cold.Refresh
	return r.undoIfLate(handle, r.sessions.SaveCold(handle, both.record, both.cold))
}

// verified verifies the tokens that wait in cold, like those at login but for
// the nonce, which Cognito may leave out here, and builds the new hot record.
func (r *Renewals) verified(ctx context.Context, current *session.Session, cold session.Cold) (session.Hot, error) {
	subject := current.Identity.User.Sub()
	access, err := r.verifier.AccessToken(ctx, cold.UnverifiedAccess, verify.SameSubject(subject))
	if err != nil {
		return session.Hot{}, err
	}
	record := current.Record()
	record.Serial++
	record.Payload = claims.Text{Bytes: access.Payload}
	expires := access.Expires()
	if cold.UnverifiedID != "" {
		id, err := r.verifier.IDToken(ctx, cold.UnverifiedID, verify.SameSubject(subject), verify.NonceIfPresent(cold.Nonce), verify.AccessTokenHash(access.Raw))
		if err != nil {
			return session.Hot{}, err
		}
		user, err := claims.OfUser(id.Payload, record.UserInfo.Expand())
		if err != nil {
			return session.Hot{}, fault.Because(fault.ErrInvalidToken, "ID token: %w", verify.ErrTokenMalformed)
		}
		record.User = claims.Text{Bytes: user}
		expires = session.Earlier(expires, id.Expires())
	}
	now := r.now()
	record.Expires, record.RenewAfter = session.MomentOf(expires), session.MomentOf(session.RenewAfter(now, expires))
	r.sessions.Slide(&record, now) // a renewal is use, too
	return record, nil
}

// keep saves a renewed session. If the storage fails, the tokens are kept in
// memory and the request is served with them.
func (r *Renewals) keep(handle *session.Handle, mine *tokens) (*session.Session, error) {
	saved, err := r.save(handle, mine)
	if fault.IsUnknown(err) {
		held := r.settleLater(handle, mine, err)
		switch {
		case held == nil:
			return mine.session(r.sessions, handle), nil
		case !errors.Is(held, session.ErrNoSession):
			// The app is stopping and nobody will offer them again.
			time.Sleep(FirstSettlePause)
			saved, err = r.save(handle, mine)
		default:
			err = held
		}
	} else if err == nil && (!r.alone || mine.cold.Refresh.Several()) {
		_ = r.settleLater(handle, mine, nil)
	}
	if err != nil && !fault.IsUnknown(err) {
		r.RevokeLater(mine.cold.Refresh.All()...) // ended while the call was under way
	}
	return saved, err
}

// save stores both records, together with the candidates of others. While there
// are several, the session is renewed again soon, by whoever comes first: within
// the grace all of them work still. If somebody has renewed since, only candidates
// are added to what they stored.
func (r *Renewals) save(handle *session.Handle, mine *tokens) (*session.Session, error) {
	hot, stored, err := r.stored(handle)
	if err != nil {
		return nil, err
	}
	both, ours := mine.with(hot, stored)
	mine.cold.Refresh = both.cold.Refresh
	if !ours {
		return hot, r.undoIfLate(handle, r.sessions.SaveCold(handle, both.record, both.cold))
	}
	if both.cold.Refresh.Several() {
		both.record.RenewAfter = min(both.record.RenewAfter, session.MomentOf(r.now().Add(lookPause)))
	}
	saved, err := r.sessions.Save(handle, both.record, &both.cold)
	return saved, r.undoIfLate(handle, err)
}

// undoIfLate has it looked whether a write that got no answer in time is done
// after a logout.
func (r *Renewals) undoIfLate(handle *session.Handle, err error) error {
	if fault.IsUnknown(err) {
		r.sessions.UndoLater(handle, nil)
	}
	return err
}

// dead ends a session that Cognito will not renew.
func (r *Renewals) dead(handle *session.Handle, cause error) (*session.Session, error) {
	if _, err := r.End(handle); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.Details{Reason: fault.ErrSessionEnded, Cause: cause})
}
