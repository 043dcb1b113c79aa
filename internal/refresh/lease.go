package refresh

import (
	"bytes"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// Two instances may renew one session at the same time, because fiber.Storage has no
// atomic operation to build a lock on. A lease makes that rare. If it happens
// nevertheless and Cognito has no grace period, the loser is refused and waits for the
// winner's tokens (renewal.go). Within a grace period, both get a child of the same
// refresh token, and both tokens are candidates ([session.Candidates]).

const (
	// pollPause is how often an instance that was refused looks for the winner's tokens, and
	// leasePause how long after writing a lease it is read again, and how often one without
	// it looks for its holder's tokens.
	pollPause  = 100 * time.Millisecond
	leasePause = 100 * time.Millisecond
	// leaseLife covers one call to Cognito and saving its answer. A holder that is killed
	// delays the session's next renewal for that long.
	leaseLife = pool.CallTimeout + 2*time.Second
	// lookPause is how long after storing a refresh token we check whether it is
	// still there: a rival that has not seen it reads once and writes once.
	lookPause = 2 * storage.Timeout
)

// leaseOrOther takes the lease of a session, or waits for the result of the instance
// that holds it. The lease is advisory, not a lock. If several instances find no lease
// and each writes one, the last one remains when all have written, so each checks again
// after a moment. If it returns neither a session nor an error, the lease is ours, or has
// lapsed, and the caller renews.
func (r *Renewals) leaseOrOther(current *session.Session, lease []byte) (other *session.Session, err error) {
	for patience := time.Now().Add(leaseLife + time.Second); time.Now().Before(patience); {
		// In the first round nobody can have written our lease. From the second on, finding it
		// means that it has outlasted those written at the same time.
		holder, err := r.sessions.Storage.Get(current.Lease())
		if err != nil {
			return nil, err
		}
		switch {
		case bytes.Equal(holder, lease):
			return nil, nil
		case holder == nil:
			// A storage that cannot store a lease could not store the tokens either.
			if err := r.sessions.Storage.Set(current.Lease(), lease, leaseLife); err != nil {
				return nil, err
			}
		}
		select {
		case <-r.tasks.Closing():
			return nil, fault.Unavailable(tasks.ErrClosed) // no time to begin a call
		case <-time.After(leasePause):
		}
		fresh, err := r.sessions.Read(current.ID[:], r.now())
		if err != nil {
			return nil, err
		}
		// Another serial alone proves nothing: a request that crossed our last renewal
		// may have put the record of before back.
		if r.wasRenewed(current, fresh) {
			return fresh, nil
		}
	}
	// The lease has outlived its holder, in a storage that ignores expirations. The
	// one that we have put in its place is given back.
	return nil, r.sessions.Storage.Set(current.Lease(), lease, leaseLife)
}

// giveBack deletes the lease, if it is still ours. Between looking and deleting, it may
// become another's; then two instances renew, which candidates settle.
func (r *Renewals) giveBack(current *session.Session, lease []byte) {
	if holder, err := r.sessions.Storage.Get(current.Lease()); err == nil && bytes.Equal(holder, lease) {
		_ = r.sessions.Storage.Delete(current.Lease())
	}
}

// prolongLease extends the lease of a session by one more call, whoever holds it.
func (r *Renewals) prolongLease(handle *session.Handle) {
	if holder, err := r.sessions.Storage.Get(handle.Lease()); err == nil && holder != nil {
		_ = r.sessions.Storage.Set(handle.Lease(), holder, leaseLife)
	}
}
