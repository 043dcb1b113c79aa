package cognito

import (
	"hash/maphash"
	"time"

	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
)

// Everything that writes a session is in this file and keeps one protocol:
// cold record first, then hot, then look for a tombstone. Ending a session
// puts the tombstone first and then deletes. So of a writer and an ender that
// cross, at least one sees the other: the writer that finds a tombstone undoes
// what it wrote. What remains is an ender that puts its tombstone after the
// writer looked and deletes before the writer's driver has written, a matter
// of milliseconds within one storage call.

var sealedTombstone = []byte{1} // its presence is its meaning

// begin stores a new session under a new id. The id is never one that came
// from outside, so nobody can plant a session that a victim then signs in to.
func (s *sessions) begin(record hotRecord, cold coldRecord) (*openSession, error) {
	handle, ok := s.handle([]byte(secret.Random()))
	if !ok {
		panic("cognito: a session id of our own making is malformed")
	}
	now := s.now()
	record.until = momentOf(now.Add(s.total))
	s.slide(&record, now)
	if !record.renewable {
		record.until = min(record.until, record.expires) // nothing could renew it
	}
	opened, err := s.write(handle, record, &cold)
	if err != nil {
		s.drop(handle)
		return nil, err
	}
	return opened, nil
}

// slide moves the idle deadline.
func (s *sessions) slide(record *hotRecord, now time.Time) {
	record.idleUntil = momentOf(now.Add(s.idle))
	record.touchAfter = momentOf(now.Add(s.idle / 10))
}

// write stores both records, or the hot one alone if cold is nil.
func (s *sessions) write(handle *sessionHandle, record hotRecord, cold *coldRecord) (*openSession, error) {
	if cold != nil {
		if err := s.writeCold(handle, record, cold); err != nil {
			return nil, err
		}
	}
	sealed := handle.key.Seal(handle.hot(), record.encode(s.book))
	life := min(record.until, record.idleUntil).time().Sub(s.now())
	if err := s.store.Set(handle.hot(), sealed, life); err != nil {
		return nil, err
	}
	return s.remember(handle, maphash.Bytes(s.seed, sealed), record), nil
}

// longestOutage is how long Cognito may be out of reach while a session in use
// waits for its renewal.
const longestOutage = 24 * time.Hour

// writeCold gives the cold record a life of its own: long enough for a visitor
// who makes a last request just before the tokens expire and the next one just
// before the session is idle for too long, and for an outage on top. So
// touching a session need not write it, and cannot put back a refresh token
// that was replaced meanwhile.
func (s *sessions) writeCold(handle *sessionHandle, record hotRecord, cold *coldRecord) error {
	now := s.now()
	last := max(record.expires, momentOf(now)).time()
	life := earlier(record.until.time(), last.Add(s.idle+longestOutage)).Sub(now)
	return s.store.Set(handle.cold(), handle.key.Seal(handle.cold(), cold.encode()), life)
}

// save is write for a session that somebody may be ending at the same time.
func (s *sessions) save(handle *sessionHandle, record hotRecord, cold *coldRecord) (*openSession, error) {
	opened, err := s.write(handle, record, cold)
	if err != nil {
		return nil, err
	}
	return opened, s.undoIfEnded(handle)
}

// saveCold stores the cold record alone, by the same protocol.
func (s *sessions) saveCold(handle *sessionHandle, record hotRecord, cold coldRecord) error {
	if err := s.writeCold(handle, record, &cold); err != nil {
		return err
	}
	return s.undoIfEnded(handle)
}

func (s *sessions) undoIfEnded(handle *sessionHandle) error {
	tombstone, err := s.store.Get(handle.tomb())
	if err != nil {
		return err
	}
	if tombstone != nil {
		s.drop(handle)
		return errNoSuchSession
	}
	return nil
}

// touch moves the idle deadline of a session in use, at most once per tenth
// of it and by one request at a time. It works on a fresh read, since the
// session may have been renewed or ended since the request came in. Should it
// still cross a renewal and put back an older hot record, whoever renewed finds
// that when it looks again (settle). A storage that fails now is asked again
// by the next request.
func (s *sessions) touch(opened *openSession, now time.Time) {
	if _, busy := s.touching.LoadOrStore(opened.name(), true); busy {
		return
	}
	done := true
	defer func() {
		if done {
			s.touching.Delete(opened.name())
		}
	}()
	fresh, err := s.read(opened.id[:], now)
	if err != nil || !fresh.touchAfter.passed(now) {
		return
	}
	record := fresh.record()
	s.slide(&record, now)
	if _, err := s.save(&opened.sessionHandle, record, nil); err != nil {
		done = !s.undoLater(&opened.sessionHandle, func() { s.touching.Delete(opened.name()) })
		s.observer.notProlonged(err)
	}
}

// undoLater looks for a tombstone when a write that got no answer in time must
// have been done or given up: it may have come after a logout. It reports
// whether it will, and calls then afterwards, if there is one.
func (s *sessions) undoLater(handle *sessionHandle, then func()) bool {
	return s.tasks.Go("looking for a tombstone", func(closing <-chan struct{}) {
		if then != nil {
			defer then()
		}
		select {
		case <-time.After(pool.CallTimeout):
		case <-closing:
		}
		_ = s.undoIfEnded(handle)
	}) == nil
}

// markEnded is the first step of ending a session: a renewal that stores a new
// refresh token after the next step has read the record will find the tombstone,
// and revoke that token itself.
func (s *sessions) markEnded(handle *sessionHandle) error {
	return s.store.Set(handle.tomb(), sealedTombstone, tombstoneLife)
}

// remove deletes both records.
func (s *sessions) remove(handle *sessionHandle) error {
	s.recent.Forget(handle.id)
	err := s.store.Delete(handle.hot())
	if coldErr := s.store.Delete(handle.cold()); err == nil {
		err = coldErr
	}
	return err
}

// drop removes what is of no use any more. If that fails the storage's own
// expiry does it.
func (s *sessions) drop(handle *sessionHandle) { _ = s.remove(handle) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
