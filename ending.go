package cognito

import "context"

// Ending a session stands above storing it: tokens that the storage has not
// taken end with it, and Cognito is told.

// end ends a session everywhere, and returns its refresh token, if it could
// be read, for revocation. The error says that the storage could not be told.
func (r *renewals) end(handle *sessionHandle) (refresh secret, err error) {
	return r.removeEnded(handle, r.sessions.markEnded(handle))
}

// removeEnded does the rest, whatever came of the first step: a storage that takes no
// tombstone may well delete.
func (r *renewals) removeEnded(handle *sessionHandle, marked error) (refresh secret, err error) {
	err = marked
	cold, readErr := r.sessions.readCold(handle)
	if held := r.take(handle.name()); held != nil {
		if readErr == nil && held.cold.refresh != cold.refresh {
			r.revokeLater(cold.refresh) // which of the two is the living one is not known
		}
		cold.refresh = held.cold.refresh
	}
	if dropErr := r.sessions.remove(handle); err == nil {
		err = dropErr
	}
	if readErr != nil && err == nil && isUnknown(readErr) {
		err = readErr
	}
	return cold.refresh, err
}

// revokeLater tells Cognito in the background that a refresh token is done
// with. The session has ended here already, whatever comes of it.
func (r *renewals) revokeLater(refresh secret) {
	if refresh == "" {
		return
	}
	told := func(err error) {
		if err != nil {
			r.observer.notRevoked(err)
		}
	}
	started := r.tasks.Within(backgroundTimeout, "revoking a refresh token", func(ctx context.Context) { told(r.endpoint.revoke(ctx, refresh)) })
	if started != nil {
		told(started)
	}
}

// endedNames are sessions that have ended here lately. The ended name wins
// everywhere (F23): a renewal that is still under way must not hold its tokens
// afterwards, and while the storage cannot be told, a copy of the cookie must
// not renew. The newest are remembered, so made-up cookies fill nothing.
type endedNames struct{ latest, before map[string]struct{} }

// endedKept is how many are remembered at least.
const endedKept = 16384

func (e *endedNames) add(name string) {
	if e.latest == nil || len(e.latest) >= endedKept {
		e.latest, e.before = map[string]struct{}{}, e.latest
	}
	e.latest[name] = struct{}{}
}

func (e *endedNames) has(name string) bool {
	_, latest := e.latest[name]
	_, before := e.before[name]
	return latest || before
}
