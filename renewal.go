package cognito

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// fly renews the tokens of one session. Its first act is to read the records
// again: if another instance or an earlier flight was faster, its tokens are
// the ones to use.
func (r *renewals) fly(ctx context.Context, seen *openSession) (*openSession, error) {
	handle := &seen.sessionHandle
	if held := r.peek(handle.name()); held != nil {
		saved, err := r.saveHeld(ctx, handle, held)
		if err != nil || !saved.expires.passed(r.now()) || r.peek(handle.name()) != nil {
			return saved, err
		}
		seen = saved // at last, but they have expired in the meantime
	}
	current, cold, err := r.sessions.fresh(handle)
	switch {
	case err != nil:
		return nil, err
	case current.serial != seen.serial && !current.renewAfter.passed(r.now()):
		return current, nil
	case cold.unverifiedAccess != "":
		return r.accept(ctx, current, cold, cold.refresh)
	case cold.refresh == "":
		return r.dead(handle, errors.New("there is no refresh token"))
	}
	if r.alone {
		return r.call(ctx, current, cold)
	}
	lease, other, err := r.leaseOrOther(current)
	if other != nil || err != nil {
		return other, err
	}
	defer r.giveBack(current, lease)
	// Once more: whoever had the lease before may have stored a refresh token
	// and no more.
	leased, cold, err := r.sessions.fresh(handle)
	switch {
	case err != nil:
		return nil, err
	case cold.unverifiedAccess != "":
		return r.accept(ctx, leased, cold, cold.refresh)
	}
	return r.call(ctx, leased, cold)
}

// call asks Cognito for new tokens and deals with its answer.
func (r *renewals) call(ctx context.Context, current *openSession, cold coldRecord) (*openSession, error) {
	handle, replaced, presented := &current.sessionHandle, cold.refresh, cold.refresh
	got, repeated, err := r.ask(ctx, handle, presented)
	if errors.Is(err, errInvalidGrant) && cold.spare != "" {
		presented = cold.spare
		got, repeated, err = r.ask(ctx, handle, presented)
	}
	if errors.Is(err, errInvalidGrant) {
		return r.refused(ctx, current, cold, err)
	}
	if err != nil {
		return nil, asUnknown(err)
	}
	cold.replace(presented, got, repeated)
	if got.refresh != "" && !r.alone {
		tokens := &unsaved{record: current.record(), cold: cold, used: replaced}
		if stored, err := r.sessions.readCold(handle); err == nil && tokens.rivals(stored) {
			session, settled, err := r.reconcile(ctx, handle, tokens)
			if settled {
				return session, err
			}
			// Not to be stored over a rival that may be the living one.
			if r.hold(handle, tokens, err) {
				return nil, asUnknown(err)
			}
		}
	}
	return r.accept(ctx, current, cold, replaced)
}

// ask presents a refresh token. If the answer is lost, Cognito has perhaps
// rotated the token; within the client's grace period the old one works again.
func (r *renewals) ask(ctx context.Context, handle *sessionHandle, refresh secret) (got grant, repeated bool, err error) {
	got, err = r.endpoint.renew(ctx, refresh)
	if errors.Is(err, errNoAnswer) {
		repeated = true
		if !r.alone {
			r.prolongLease(handle)
		}
		got, err = r.endpoint.renew(ctx, refresh)
	}
	return got, repeated, err
}

// winnerTimeout is what another instance, which has used the same refresh token
// before us, may need until its tokens are stored: a call, one look at the
// storage, and one write.
const winnerTimeout = callTimeout + 2*storageTimeout

// refused believes invalid_grant only when no other instance can have used
// the same refresh token: its answer may still be travelling, so the record
// must stay as it is for as long as that can take.
func (r *renewals) refused(ctx context.Context, current *openSession, cold coldRecord, cause error) (*openSession, error) {
	for began := time.Now(); !r.alone; {
		fresh, freshCold, err := r.sessions.fresh(&current.sessionHandle)
		switch replaced := freshCold.refresh != cold.refresh; {
		case err != nil:
			return nil, err
		case fresh.serial != current.serial:
			return fresh, nil
		case replaced && freshCold.unverifiedAccess != "":
			return r.accept(ctx, fresh, freshCold, freshCold.refresh)
		case time.Since(began) > winnerTimeout:
			if replaced {
				// The winner stored its refresh token and got no further.
				return nil, unavailable(cause)
			}
			if r.peek(current.name()) != nil {
				return nil, unavailable(cause) // we have tokens that are not settled yet
			}
			return r.dead(&current.sessionHandle, cause)
		}
		if !sleep(ctx, pollPause) {
			return nil, unavailable(ctx.Err())
		}
	}
	return r.dead(&current.sessionHandle, cause)
}

// accept verifies new tokens and makes them the session's. A new refresh token
// is stored before anything else happens, since the old one, used, may be
// dead.
func (r *renewals) accept(ctx context.Context, current *openSession, cold coldRecord, used secret) (*openSession, error) {
	handle := &current.sessionHandle
	stored := r.sessions.saveCold(handle, current.record(), cold)
	if stored != nil && !isUnknown(stored) {
		r.revokeLater(cold.refresh) // ended while the call was under way
		return nil, stored
	}
	record, err := r.renewed(ctx, current, cold)
	if err == nil {
		cold.access = cold.unverifiedAccess
		cold.unverifiedAccess, cold.unverifiedID = "", ""
		return r.keep(handle, record, cold, used)
	}
	// Tokens that had expired on arrival, or whose key cannot be found just
	// now, are worthless but no reason to doubt the session.
	worthless := errors.Is(err, ErrTokenExpired) || errors.Is(err, ErrTokenKey)
	if errors.Is(err, ErrInvalidToken) && !worthless {
		r.revokeLater(cold.refresh)
		return r.dead(handle, err)
	}
	if worthless {
		cold.unverifiedAccess, cold.unverifiedID = "", ""
		stored = r.sessions.saveCold(handle, current.record(), cold)
	}
	if isUnknown(stored) {
		r.hold(handle, &unsaved{record: current.record(), cold: cold, used: used}, stored)
	}
	return nil, asUnknown(err)
}

// renewed verifies the tokens that wait in cold, like those at login but for
// the nonce, which Cognito may leave out here, and builds the new hot record.
func (r *renewals) renewed(ctx context.Context, current *openSession, cold coldRecord) (hotRecord, error) {
	subject := current.identity.user.Subject()
	access, err := r.verifier.accessToken(ctx, cold.unverifiedAccess, ruleSameSubject(subject))
	if err != nil {
		return hotRecord{}, err
	}
	record := current.record()
	record.serial++
	record.payload = claimText{text: access.payload}
	expires := access.expires()
	if cold.unverifiedID != "" {
		id, err := r.verifier.idToken(ctx, cold.unverifiedID, ruleSameSubject(subject), ruleNonceIfPresent(cold.nonce), ruleAccessTokenHash(access.raw))
		if err != nil {
			return hotRecord{}, err
		}
		user, err := userClaims(id.payload, record.userInfo.whole())
		if err != nil {
			return hotRecord{}, because(ErrInvalidToken, "ID token: %w", ErrTokenMalformed)
		}
		record.user = claimText{text: user}
		expires = earlier(expires, id.expires())
	}
	now := r.now()
	record.expires, record.renewAfter = momentOf(expires), momentOf(renewAfter(now, expires))
	if cold.spare != "" {
		record.renewAfter = momentOf(now.Add(lookPause)) // while the spare still works
	}
	r.sessions.slide(&record, now) // a renewal is use, too
	return record, nil
}

// renewAfter leaves a quarter of the tokens' life, give or take a twentieth,
// so that sessions that began together are not renewed together. Tokens that
// arrive nearly or wholly expired are not asked for more than once a second.
func renewAfter(now, expires time.Time) time.Time {
	life := expires.Sub(now)
	share := 0.75 + 0.05*(2*rand.Float64()-1)
	return now.Add(max(time.Second, time.Duration(float64(life)*share)))
}

// keep saves a renewed session. If the storage fails, the tokens are kept in
// memory and the request is served with them.
func (r *renewals) keep(handle *sessionHandle, record hotRecord, cold coldRecord, used secret) (*openSession, error) {
	saved, err := r.sessions.save(handle, record, &cold)
	switch {
	case err == nil:
		if !r.alone || cold.spare != "" {
			r.lookLater(handle, &unsaved{record: record, cold: cold, used: used})
		}
		return saved, nil
	case isUnknown(err):
		held := &unsaved{record: record, cold: cold, used: used}
		if r.hold(handle, held, err) {
			r.sessions.undoLater(handle, nil)
			return held.session(r.sessions, handle), nil
		}
		// The app is stopping and nobody will offer them again.
		time.Sleep(rescuePause)
		return r.sessions.save(handle, record, &cold)
	}
	r.revokeLater(cold.refresh) // ended while the call was under way
	return nil, err
}

// dead ends a session that Cognito will not renew.
func (r *renewals) dead(handle *sessionHandle, cause error) (*openSession, error) {
	if _, err := r.end(handle); err != nil {
		return nil, err
	}
	return nil, &Error{reason: ErrSessionEnded, cause: cause}
}

// ruleNonceIfPresent is ruleNonce for renewals, where the claim may be gone.
func ruleNonceIfPresent(want secret) rule {
	return func(v *verifier, t *token) error {
		if _, set := t.claims["nonce"]; !set {
			return nil
		}
		return ruleNonce(want)(v, t)
	}
}

// asUnknown turns an operator's error into an outage: a wrong client secret
// must be mended, but nobody is logged out for it.
func asUnknown(err error) error {
	if isUnknown(err) {
		return err
	}
	return unavailable(err)
}

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
