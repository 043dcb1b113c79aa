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
