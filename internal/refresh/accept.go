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

// accept verifies new tokens and makes them the session's. A new refresh token is stored
// before anything else happens, because the tokens that it replaces are now invalid. If the
// storage does not take it, it is kept in memory with the rest, once that is verified.
func (r *Renewals) accept(ctx context.Context, current *session.Session, cold session.Cold) (*session.Session, error) {
	handle := &current.Handle
	mine := &tokens{record: current.Record(), cold: cold}
	saved := r.saveCold(handle, mine)
	if saved != nil && !fault.IsUnknown(saved) {
		r.revokeEnded(cold.Refresh, saved) // ended while the call was under way
		return nil, saved
	}
	record, err := r.verified(ctx, current, mine.cold)
	if err == nil {
		mine.record = record
		mine.cold.Access = mine.cold.UnverifiedAccess
		// Without a new ID token (OpenID Connect Core section 12.2), the last one stays.
		if mine.cold.UnverifiedID != "" {
			mine.cold.ID = mine.cold.UnverifiedID
		}
		mine.cold.UnverifiedAccess, mine.cold.UnverifiedID = "", ""
		return r.keep(handle, mine)
	}
	// Tokens that had already expired on arrival, or whose key cannot be found right
	// now, are useless, but no reason to end the session. The same applies to tokens
	// that will only be accepted once the operator has acted: by then the pool may
	// issue others.
	worthless := errors.Is(err, verify.ErrTokenExpired) || errors.Is(err, verify.ErrTokenKey) || errors.Is(err, fault.ErrTold)
	// Tokens of another user, pool or client, or forged ones, end the session, and so does
	// the refresh token that came with them.
	if errors.Is(err, fault.ErrInvalidToken) && !worthless {
		r.RevokeLater(mine.cold.Refresh.All()...) // and those of other instances, which nobody will find now
		return r.dead(handle, err)
	}
	// Otherwise they wait for keys, and whichever instance has them first accepts them.
	if worthless {
		mine.cold.UnverifiedAccess, mine.cold.UnverifiedID = "", ""
		saved = r.saveCold(handle, mine)
	}
	r.keepUnverified(handle, mine, saved)
	return nil, fault.AsUnknown(err)
}

// keepUnverified keeps a refresh token whose tokens cannot be used yet. saved is what came
// of storing it.
func (r *Renewals) keepUnverified(handle *session.Handle, mine *tokens, saved error) {
	if r.cookieSessions {
		// The browser has to get the refresh token, because no other instance has it. Its
		// cookie is set anew for a new serial.
		mine.record.Serial++
		_, saved = r.save(handle, mine)
	}
	// Whether or not it was stored, we check for the refresh token later: somebody who
	// has not seen it may overwrite it.
	if fault.IsUnknown(saved) || !r.alone {
		if held := r.settleLater(handle, mine, saved); errors.Is(held, session.ErrNoSession) {
			r.RevokeLater(mine.cold.Refresh.All()...) // it has ended, perhaps without seeing them
		}
	}
}

// saveCold stores only the cold record, together with the candidates of others, which
// mine then has too. The session must still exist: if somebody has deleted its records,
// it has ended.
func (r *Renewals) saveCold(handle *session.Handle, mine *tokens) error {
	hot, stored, err := r.stored(handle)
	if err != nil {
		return err
	}
	both, _ := mine.with(hot, stored)
	mine.cold.Refresh = both.cold.Refresh
	return r.undoIfLate(handle, r.sessions.SaveCold(handle, both.record, both.cold))
}

// verified verifies the tokens that wait in cold and builds the new hot record. The
// rules are those of a login, except for the nonce, which Cognito may leave out here.
func (r *Renewals) verified(ctx context.Context, current *session.Session, cold session.Cold) (session.Hot, error) {
	subject := current.Identity.User.Sub()
	access, err := r.verifier.AccessToken(ctx, cold.UnverifiedAccess, verify.SameSubject(subject))
	if err != nil {
		return session.Hot{}, err
	}
	record := current.Record()
	// By the serial, everybody tells a renewal from a record that was written late.
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
		expires = session.Earlier(expires, id.Expires()) // IDToken hands out none that has expired
	}
	record.Expires, record.RenewAfter = session.MomentOf(expires), session.MomentOf(session.RenewAfter(r.now(), expires))
	// The idle deadline stays: a renewal is no use, since an open connection (Watch) asks for
	// one, too.
	return record, nil
}

// keep saves a renewed session. If the storage fails, the tokens are kept in
// memory and the request is served with them. The session that it returns may have the
// tokens of another instance, if that one has renewed since.
func (r *Renewals) keep(handle *session.Handle, mine *tokens) (*session.Session, error) {
	saved, err := r.save(handle, mine)
	if fault.IsUnknown(err) {
		held := r.settleLater(handle, mine, err)
		switch {
		case held == nil:
			return mine.session(r.sessions, handle), nil
		case !errors.Is(held, session.ErrNoSession):
			// The app is shutting down, or has no room for one more loop, and nobody will try to
			// save them again.
			time.Sleep(FirstSettlePause)
			saved, err = r.save(handle, mine)
		default:
			err = held
		}
	} else if err == nil && (!r.alone || (mine.cold.Refresh.Several() && !r.cookieSessions)) {
		// A session in a cookie is renewed by its next request: nobody would bring the
		// browser what a loop gets.
		_ = r.settleLater(handle, mine, nil)
	}
	if err != nil && !fault.IsUnknown(err) {
		r.revokeEnded(mine.cold.Refresh, err) // ended while the call was under way
	}
	return saved, err
}

// save stores both records, together with the candidates of others. While there are
// several, the session is renewed again soon, by the first who needs it: within the
// grace period, all of them still work. If somebody else has renewed since, only our
// candidates are added to what they have stored.
func (r *Renewals) save(handle *session.Handle, mine *tokens) (*session.Session, error) {
	hot, stored, err := r.stored(handle)
	if err != nil {
		return nil, err
	}
	both, ours := mine.with(hot, stored)
	// mine knows all candidates now. The loop looks for them, and a logout revokes them.
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

// undoIfLate schedules a check whether a write that got no response in time has taken
// effect after a sign-out.
func (r *Renewals) undoIfLate(handle *session.Handle, err error) error {
	if fault.IsUnknown(err) {
		r.sessions.UndoLater(handle, nil)
	}
	return err
}
