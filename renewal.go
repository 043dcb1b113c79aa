package cognito

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// pollPause is how often another instance's renewal is looked for, and
	// leasePause how long after writing a lease it is read again.
	pollPause  = 100 * time.Millisecond
	leasePause = 100 * time.Millisecond
	// leaseLife covers one call to Cognito and saving its answer.
	leaseLife = callTimeout + 2*time.Second
)

// fly renews the tokens of one session. Its first act is to read the records
// again: if another instance or an earlier flight was faster, its tokens are
// the ones to use.
func (r *renewals) fly(ctx context.Context, seen *openSession) (*openSession, error) {
	handle := seen.sessionHandle
	if held := r.peek(handle.ring.name); held != nil {
		saved, err := r.saveHeld(ctx, handle, held)
		if err != nil || r.now().Before(saved.record.expires) || r.peek(handle.ring.name) != nil {
			return saved, err
		}
		seen = saved // at last, but they have expired in the meantime
	}
	current, cold, err := r.sessions.fresh(handle)
	switch {
	case err != nil:
		return nil, err
	case current.record.serial != seen.record.serial && r.now().Before(current.record.renewAfter):
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
	return r.call(ctx, current, cold)
}

// leaseOrOther takes the lease of a session, or waits for what the instance
// that holds it brings. The lease is advice, not a lock: fiber.Storage has no
// atomic operation to build one on. But of several instances that find no
// lease and write one, the last one's stands when all have written, so each
// looks again after a moment. Without the lease every race costs a call, and
// within Cognito's grace period perhaps a line of tokens; with it hardly any
// race happens.
func (r *renewals) leaseOrOther(current *openSession) (lease []byte, other *openSession, err error) {
	lease = []byte(randomText())
	for patience := time.Now().Add(leaseLife + time.Second); time.Now().Before(patience); {
		holder, err := r.sessions.store.get(current.lease)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case bytes.Equal(holder, lease):
			return lease, nil, nil
		case holder == nil:
			if r.sessions.store.set(current.lease, lease, leaseLife) != nil {
				return nil, nil, nil // without: the worst is a race
			}
		}
		select {
		case <-r.auth.caller.closing:
			return nil, nil, unavailable(errClosed) // no time to begin a call
		case <-time.After(leasePause):
		}
		fresh, err := r.sessions.read([]byte(current.id), r.now())
		if err != nil {
			return nil, nil, err
		}
		if fresh.record.serial != current.record.serial {
			r.giveBack(current, lease)
			return nil, fresh, nil
		}
	}
	return nil, nil, nil
}

// giveBack deletes the lease, if it is still ours.
func (r *renewals) giveBack(current *openSession, lease []byte) {
	if holder, err := r.sessions.store.get(current.lease); err == nil && lease != nil && bytes.Equal(holder, lease) {
		_ = r.sessions.store.delete(current.lease)
	}
}

// call asks Cognito for new tokens and deals with its answer.
func (r *renewals) call(ctx context.Context, current *openSession, cold coldRecord) (*openSession, error) {
	used, began := cold.refresh, time.Now()
	got, err := r.endpoint.renew(ctx, used)
	if errors.Is(err, errNoAnswer) {
		// Perhaps Cognito has rotated the refresh token and the answer was
		// lost. Within the client's grace period the old one works again.
		got, err = r.endpoint.renew(ctx, used)
	}
	if errors.Is(err, errInvalidGrant) {
		return r.refused(ctx, current, cold, began, err)
	}
	if err != nil {
		return nil, asUnknown(err)
	}
	if got.refresh != "" && !r.alone {
		if other, err, done := r.siblings(ctx, current, &used, &got); done {
			return other, err
		}
	}
	if got.refresh != "" {
		cold.refresh = got.refresh
	}
	cold.unverifiedAccess, cold.unverifiedID = got.access, got.id
	return r.accept(ctx, current, cold, used)
}

// siblings deals with a refresh token that two instances have used within
// Cognito's grace period. Each got a child of it, and only the child minted
// last stays valid, whichever is stored last. So when another child is stored
// already, ours is put to the test: either it renews once more, which makes
// ours the valid line, or the stored one is the valid one. done says that the
// flight is over.
func (r *renewals) siblings(ctx context.Context, current *openSession, used *secret, got *grant) (other *openSession, err error, done bool) {
	fresh, cold, err := r.sessions.fresh(current.sessionHandle)
	if err != nil || cold.refresh == *used {
		return nil, nil, false // saving will find out what there is to know
	}
	again, err := r.endpoint.renew(ctx, got.refresh)
	switch {
	case err == nil && again.refresh != "":
		*got, *used = again, cold.refresh // which ours replaces
		return nil, nil, false
	case cold.unverifiedAccess != "":
		other, err = r.accept(ctx, fresh, cold, cold.refresh)
		return other, err, true
	}
	return fresh, nil, true
}

// refused believes invalid_grant only when no other instance can have used
// the same refresh token: its answer may still be travelling, so the record
// must stay as it is for as long as a call can take.
func (r *renewals) refused(ctx context.Context, current *openSession, cold coldRecord, began time.Time, cause error) (*openSession, error) {
	for !r.alone {
		fresh, freshCold, err := r.sessions.fresh(current.sessionHandle)
		switch replaced := freshCold.refresh != cold.refresh; {
		case err != nil:
			return nil, err
		case fresh.record.serial != current.record.serial:
			return fresh, nil
		case replaced && freshCold.unverifiedAccess != "":
			return r.accept(ctx, fresh, freshCold, freshCold.refresh)
		case time.Since(began) > callTimeout+storageTimeout:
			if replaced {
				// The winner stored its refresh token and got no further.
				return nil, unavailable(cause)
			}
			return r.dead(current.sessionHandle, cause)
		}
		if !sleep(ctx, pollPause) {
			return nil, unavailable(ctx.Err())
		}
	}
	return r.dead(current.sessionHandle, cause)
}

// accept verifies new tokens and makes them the session's. A new refresh token
// is stored before anything else happens, since the old one, used, may be
// dead.
func (r *renewals) accept(ctx context.Context, current *openSession, cold coldRecord, used secret) (*openSession, error) {
	handle := current.sessionHandle
	stored := r.sessions.saveCold(handle, current.record, cold)
	if stored != nil && !isUnknown(stored) {
		r.sessions.revokeLater(cold.refresh) // ended while the call was under way
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
		r.sessions.revokeLater(cold.refresh)
		return r.dead(handle, err)
	}
	if worthless {
		cold.unverifiedAccess, cold.unverifiedID = "", ""
		stored = r.sessions.saveCold(handle, current.record, cold)
	}
	if isUnknown(stored) {
		r.hold(handle, &unsaved{record: current.record, cold: cold, used: used})
	}
	return nil, asUnknown(err)
}

// renewed verifies the tokens that wait in cold, like those at login but for
// the nonce, which Cognito may leave out here, and builds the new hot record.
func (r *renewals) renewed(ctx context.Context, current *openSession, cold coldRecord) (hotRecord, error) {
	subject := current.visit.user.Subject()
	access, err := r.verifier.accessToken(ctx, cold.unverifiedAccess, ruleSameSubject(subject))
	if err != nil {
		return hotRecord{}, err
	}
	record := current.record
	record.serial++
	record.payload = access.payload
	record.expires = access.expires()
	if cold.unverifiedID != "" {
		id, err := r.verifier.idToken(ctx, cold.unverifiedID, ruleSameSubject(subject), ruleNonceIfPresent(cold.nonce), ruleAccessTokenHash(access.raw))
		if err != nil {
			return hotRecord{}, err
		}
		if record.user, err = userClaims(id.payload, record.userInfo); err != nil {
			return hotRecord{}, because(ErrInvalidToken, "ID token: %w", ErrTokenMalformed)
		}
		record.expires = earlier(record.expires, id.expires())
	}
	now := r.now()
	record.renewAfter = renewAfter(now, record.expires)
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
		return saved, nil
	case isUnknown(err):
		held := &unsaved{record: record, cold: cold, used: used}
		if r.hold(handle, held) {
			return held.session(r.sessions, handle), nil
		}
		// The app is stopping and nobody will offer them again.
		time.Sleep(rescuePause)
		return r.sessions.save(handle, record, &cold)
	}
	r.sessions.revokeLater(cold.refresh) // ended while the call was under way
	return nil, err
}

// dead ends a session that Cognito will not renew.
func (r *renewals) dead(handle *sessionHandle, cause error) (*openSession, error) {
	if _, err := r.sessions.end(handle); err != nil {
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
