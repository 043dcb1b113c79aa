package cognito

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/bar-tech/cognito/internal/tasks"
)

// Two instances may renew one session at the same time, since fiber.Storage
// has no atomic operation to build a lock on. A lease makes that rare. When it
// happens all the same, without a grace period at Cognito the loser is refused
// and waits for the winner's tokens (renewal.go). Within the grace both get a
// child of the same refresh token, and only the child minted last stays valid,
// whichever is stored last: then the children are told apart here.
//
// Newly issued tokens are in one of three places: in the storage, where all
// instances find them; held in memory, while the storage does not take them
// (unsaved.go); or in the storage and still to be looked for once more, lest
// somebody who had not seen them has written over them (lookLater). Whenever
// held tokens are offered, or stored ones looked for, reconcile compares them
// with the refresh token that the storage holds now:
//
//	the one that was spent for ours   ours are stored
//	ours                              they stand, with ours or newer claims
//	one that has come of ours         it stands: somebody renewed once more
//	a rival, none of these            contest: ours are renewed once more; if
//	                                  that works they are stored, else the
//	                                  rival stands
//	none, the session has ended       ours are revoked
//	not to be known                   ours are held

const (
	// pollPause is how often another instance's renewal is looked for, and
	// leasePause how long after writing a lease it is read again.
	pollPause  = 100 * time.Millisecond
	leasePause = 100 * time.Millisecond
	// leaseLife covers one call to Cognito and saving its answer.
	leaseLife = callTimeout + 2*time.Second
	// lookPause is how long after storing a refresh token it is looked whether
	// it is still there: a rival that had not seen it reads and writes once.
	lookPause = 2 * storageTimeout
)

// leaseOrOther takes the lease of a session, or waits for what the instance
// that holds it brings. The lease is advice, not a lock. But of several
// instances that find no lease and write one, the last one's stands when all
// have written, so each looks again after a moment.
func (r *renewals) leaseOrOther(current *openSession) (lease []byte, other *openSession, err error) {
	lease = []byte(randomText())
	for patience := time.Now().Add(leaseLife + time.Second); time.Now().Before(patience); {
		holder, err := r.sessions.store.get(current.lease())
		if err != nil {
			return nil, nil, err
		}
		switch {
		case bytes.Equal(holder, lease):
			return lease, nil, nil
		case holder == nil:
			// A storage that takes no lease would not take the tokens either.
			if err := r.sessions.store.set(current.lease(), lease, leaseLife); err != nil {
				return nil, nil, err
			}
		}
		select {
		case <-r.tasks.Closing():
			return nil, nil, unavailable(tasks.ErrClosed) // no time to begin a call
		case <-time.After(leasePause):
		}
		fresh, err := r.sessions.read(current.id[:], r.now())
		if err != nil {
			return nil, nil, err
		}
		if fresh.serial != current.serial {
			r.giveBack(current, lease)
			return nil, fresh, nil
		}
	}
	// It has outlived its holder, in a storage that does not keep to lifetimes.
	// Ours in its place is given back.
	return lease, nil, r.sessions.store.set(current.lease(), lease, leaseLife)
}

// giveBack deletes the lease, if it is still ours.
func (r *renewals) giveBack(current *openSession, lease []byte) {
	if holder, err := r.sessions.store.get(current.lease()); err == nil && bytes.Equal(holder, lease) {
		_ = r.sessions.store.delete(current.lease())
	}
}

// reconcile makes new tokens the session's, unless what another instance has
// stored meanwhile goes before them. settled is false when that cannot be
// known yet: then the tokens must be kept.
func (r *renewals) reconcile(ctx context.Context, handle *sessionHandle, ours *unsaved) (session *openSession, settled bool, err error) {
	current, stored, err := r.sessions.fresh(handle)
	switch {
	case isUnknown(err):
		return nil, false, err
	case err != nil: // the session has ended
		r.revokeLater(ours.cold.refresh)
		_ = r.sessions.undoIfEnded(handle) // and what we wrote may have come after
		return nil, true, err
	case ours.rivals(stored):
		return r.contest(ctx, current, stored, ours)
	case stored.refresh != ours.used && stored.refresh != ours.cold.refresh:
		return current, true, nil // a successor of ours
	case ours.cold.unverifiedAccess != "":
		session, err = r.accept(ctx, current, ours.cold, ours.used)
		return session, true, err
	case stored.refresh == ours.cold.refresh && current.serial >= ours.record.serial:
		return current, true, nil
	}
	record := ours.record
	record.idleUntil, record.touchAfter = current.idleUntil, current.touchAfter
	session, err = r.keep(handle, record, ours.cold, ours.used)
	return session, true, err
}

// rivals reports whether the stored refresh token is neither ours nor the one
// that was used for ours, and has not come of ours.
func (u *unsaved) rivals(stored coldRecord) bool {
	return stored.refresh != u.used && stored.refresh != u.cold.refresh && !stored.descendsFrom(u.cold.refresh)
}

// contest puts our refresh token to the test when a rival is stored: either it
// renews once more, which makes ours the valid line, or the stored one is.
func (r *renewals) contest(ctx context.Context, current *openSession, stored coldRecord, ours *unsaved) (session *openSession, settled bool, err error) {
	got, repeated, err := r.ask(ctx, &current.sessionHandle, ours.cold.refresh)
	switch {
	case err == nil:
		cold := ours.cold
		cold.replace(ours.cold.refresh, got, repeated)
		session, err = r.accept(ctx, current, cold, stored.refresh) // which ours replaces
	case !errors.Is(err, errInvalidGrant):
		return nil, false, asUnknown(err)
	case stored.unverifiedAccess != "":
		session, err = r.accept(ctx, current, stored, stored.refresh)
	default:
		session, err = current, nil
	}
	return session, true, err
}

// lookLater looks once more when a rival that was about to store its tokens, or
// somebody who was about to prolong the session as it was, must have done so.
// Neither had seen the other's, and ours, though valid, may have been
// overwritten. The one whose tokens stand finds them and is done,
// unless an answer was lost on the way to them: then the session is renewed
// once more, while the spare still works. Tokens that have been renewed here
// since are not looked for; their successors will be.
func (r *renewals) lookLater(handle *sessionHandle, ours *unsaved) {
	name := handle.name()
	r.mu.Lock()
	r.looks[name] = ours
	r.mu.Unlock()
	// Without a new refresh token only claims are at stake.
	rotated := ours.cold.refresh != ours.used || ours.cold.spare != ""
	started := r.tasks.Go("looking for renewed tokens", func(closing <-chan struct{}) {
		stopping := false
		select {
		case <-time.After(lookPause):
		case <-closing:
			stopping = true
		}
		if !r.takeLook(name, ours) || stopping && !rotated {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 2*callTimeout)
		defer cancel()
		session, settled, err := r.reconcile(ctx, handle, ours)
		switch {
		case !settled && rotated && r.peek(name) == nil:
			r.hold(handle, ours, err)
		case err == nil && ours.cold.spare != "" && session.serial == ours.record.serial:
			_, _ = r.start(session)
		}
	})
	if started != nil {
		r.takeLook(name, ours)
	}
}

const (
	fingerprintLength = 16
	// mostAncestors is more than the renewals of one session within lookPause,
	// each of which takes a leasePause.
	mostAncestors = 32
)

// takeLook reports whether a look is still to be taken, and ends its wait.
func (r *renewals) takeLook(name string, ours *unsaved) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.looks[name] != ours {
		return false
	}
	delete(r.looks, name)
	return true
}

// fingerprint names a refresh token without revealing it.
func fingerprint(refresh secret) secret {
	sum := sha256.Sum256([]byte(refresh.reveal()))
	return secret(sum[:fingerprintLength])
}

// descendsFrom reports whether the record's refresh token has come, by a few
// renewals, of this one.
func (c *coldRecord) descendsFrom(refresh secret) bool {
	wanted := fingerprint(refresh)
	for rest := c.ancestors; len(rest) >= fingerprintLength; rest = rest[fingerprintLength:] {
		if rest[:fingerprintLength] == wanted {
			return true
		}
	}
	return false
}

// prolongLease keeps the lease of a session for one call more, whosever it is.
func (r *renewals) prolongLease(handle *sessionHandle) {
	if holder, err := r.sessions.store.get(handle.lease()); err == nil && holder != nil {
		_ = r.sessions.store.set(handle.lease(), holder, leaseLife)
	}
}
