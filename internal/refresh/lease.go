package refresh

import (
	"bytes"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// Two instances may renew one session at the same time, since fiber.Storage
// has no atomic operation to build a lock on. A lease makes that rare. When it
// happens all the same, without a grace period at Cognito the loser is refused
// and waits for the winner's tokens (renewal.go). Within the grace both get a
// child of the same refresh token, and both are candidates (candidates.go).

const (
	// pollPause is how often another instance's renewal is looked for, and
	// leasePause how long after writing a lease it is read again.
	pollPause  = 100 * time.Millisecond
	leasePause = 100 * time.Millisecond
	// leaseLife covers one call to Cognito and saving its answer.
	leaseLife = pool.CallTimeout + 2*time.Second
	// lookPause is how long after storing a refresh token it is looked whether
	// it is still there: a rival that had not seen it reads and writes once.
	lookPause = 2 * storage.Timeout
)

// leaseOrOther takes the lease of a session, or waits for what the instance
// that holds it brings. The lease is advice, not a lock. But of several
// instances that find no lease and write one, the last one's stands when all
// have written, so each looks again after a moment.
func (r *Renewals) leaseOrOther(current *session.Session) (lease []byte, other *session.Session, err error) {
	lease = []byte(secret.Random())
	for patience := time.Now().Add(leaseLife + time.Second); time.Now().Before(patience); {
		holder, err := r.sessions.Store.Get(current.Lease())
		if err != nil {
			return nil, nil, err
		}
		switch {
		case bytes.Equal(holder, lease):
			return lease, nil, nil
		case holder == nil:
			// A storage that takes no lease would not take the tokens either.
			if err := r.sessions.Store.Set(current.Lease(), lease, leaseLife); err != nil {
				return nil, nil, err
			}
		}
		select {
		case <-r.tasks.Closing():
			return nil, nil, fault.Unavailable(tasks.ErrClosed) // no time to begin a call
		case <-time.After(leasePause):
		}
		fresh, err := r.sessions.Read(current.ID[:], r.now())
		if err != nil {
			return nil, nil, err
		}
		if fresh.Serial != current.Serial {
			r.giveBack(current, lease)
			return nil, fresh, nil
		}
	}
	// It has outlived its holder, in a storage that does not keep to lifetimes.
	// Ours in its place is given back.
	return lease, nil, r.sessions.Store.Set(current.Lease(), lease, leaseLife)
}

// giveBack deletes the lease, if it is still ours.
func (r *Renewals) giveBack(current *session.Session, lease []byte) {
	if holder, err := r.sessions.Store.Get(current.Lease()); err == nil && bytes.Equal(holder, lease) {
		_ = r.sessions.Store.Delete(current.Lease())
	}
}

// prolongLease keeps the lease of a session for one call more, whosever it is.
func (r *Renewals) prolongLease(handle *session.Handle) {
	if holder, err := r.sessions.Store.Get(handle.Lease()); err == nil && holder != nil {
		_ = r.sessions.Store.Set(handle.Lease(), holder, leaseLife)
	}
}
