package refresh

import (
	"context"
	"errors"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
)

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
