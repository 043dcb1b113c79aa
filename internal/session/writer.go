package session

import (
	"cmp"
	"hash/maphash"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// Everything that writes a session is in this file and follows one protocol: write the
// cold record first, then the hot one, then check for a tombstone. Ending a session
// writes the tombstone first and then deletes. So if a write and an end cross, at least
// one sees the other: a writer that finds a tombstone undoes what it wrote. One race
// remains: the tombstone is written after the writer has checked, and the records are
// deleted before the writer's driver has written, a matter of milliseconds within one
// storage call.

var sealedTombstone = []byte{1} // its presence is its meaning

// begin stores a new session under a new id. The id is never one that came
// from outside, so nobody can plant a session that a victim then signs in to. It begins now,
// or when the record says, if that is later.
func (s *Store) begin(record Hot, cold Cold) (*Session, error) {
	handle, ok := s.Handle([]byte(secret.Random()))
	if !ok {
		panic("cognito: a session id of our own making is malformed")
	}
	now := s.now()
	record.Began, record.until = max(record.Began, MomentOf(now)), MomentOf(now.Add(s.total))
	s.Slide(&record, now)
	if !record.Renewable {
		record.until = min(record.until, record.Expires) // nothing could renew it
	}
	opened, err := s.write(handle, record, &cold)
	if err != nil {
		s.drop(handle) // the cold record may be there, or come late
		return nil, err
	}
	return opened, nil
}

// Slide moves the idle deadline. The next request that moves it comes after a tenth of the
// idle timeout: a session in use is not written at every request.
func (s *Store) Slide(record *Hot, now time.Time) {
	record.Used, record.IdleUntil = MomentOf(now), MomentOf(now.Add(s.idle))
	record.TouchAfter = MomentOf(now.Add(s.idle / 10))
}

// write stores both records, or the hot one alone if cold is nil. It looks for no tombstone:
// Save does that, and sessions that begin or are adopted have none.
func (s *Store) write(handle *Handle, record Hot, cold *Cold) (*Session, error) {
	// The cold one first: if the hot one then fails, the new refresh token is safe, and the
	// session goes on with its old claims.
	if cold != nil {
		if err := s.writeCold(handle, record, cold); err != nil {
			return nil, err
		}
	}
	// The name is sealed in: a record moved to another session's place does not open there.
	sealed := handle.Key.Seal(handle.Hot(), record.encode(s.dictionary))
	life := min(record.until, record.IdleUntil).Time().Sub(s.now())
	if err := s.Storage.Set(handle.Hot(), sealed, life); err != nil {
		return nil, err
	}
	return s.remember(handle, maphash.Bytes(s.seed, sealed), record, false), nil
}

// longestOutage is how long Cognito may be out of reach while a session in use
// waits for its renewal.
const longestOutage = 24 * time.Hour

// writeCold gives the cold record its own lifetime: long enough for a visitor who makes
// one request just before the tokens expire and the next one just before the idle
// timeout, plus an outage. So touching a session does not have to write the cold record,
// and cannot restore a refresh token that was replaced meanwhile.
func (s *Store) writeCold(handle *Handle, record Hot, cold *Cold) error {
	now := s.now()
	// The tokens may have expired already: then the last request is now, at the earliest.
	last := max(record.Expires, MomentOf(now)).Time()
	life := Earlier(record.until.Time(), last.Add(s.idle+longestOutage)).Sub(now)
	return s.Storage.Set(handle.cold(), handle.Key.Seal(handle.cold(), cold.encode()), life)
}

// Save is write for a session that somebody may be ending at the same time. The error is
// ErrNoSession if so, and nothing is left of the session then. After an error that is
// ErrUnavailable both records may be stored: the caller sees to UndoLater.
func (s *Store) Save(handle *Handle, record Hot, cold *Cold) (*Session, error) {
	opened, err := s.write(handle, record, cold)
	if err != nil {
		return nil, err
	}
	return opened, s.UndoIfEnded(handle)
}

// Unrenewable saves a session whose tokens the storage has lost, so that it ends when they
// would have expired.
func (s *Store) Unrenewable(opened *Session) (*Session, error) {
	record := opened.Record()
	record.Renewable, record.until = false, min(record.until, record.Expires)
	return s.Save(&opened.Handle, record, nil)
}

// SaveCold stores the cold record alone, by the same protocol.
func (s *Store) SaveCold(handle *Handle, record Hot, cold Cold) error {
	if err := s.writeCold(handle, record, &cold); err != nil {
		return err
	}
	return s.UndoIfEnded(handle)
}

// UndoIfEnded removes what was written of a session that has ended meanwhile.
func (s *Store) UndoIfEnded(handle *Handle) error { return s.ifEnded(handle, s.drop) }

// ifEnded looks for a tombstone, and removes what is to be removed then.
func (s *Store) ifEnded(handle *Handle, remove func(*Handle)) error {
	tombstone, err := s.Storage.Get(handle.tomb())
	if err != nil {
		return err // whether it has ended is unknown, and so is whether to undo
	}
	if tombstone != nil {
		s.seen.note(handle.Name(), ended)
		remove(handle)
		return ErrNoSession
	}
	return nil
}

// Touch extends the idle timeout of a session in use, at most once per tenth of it and
// by one request at a time. It reads the session again first, because the session may
// have been renewed or ended since the request arrived. If it still crosses a renewal
// and restores an older hot record, the instance that renewed notices when it checks
// again (package refresh). If the storage fails now, the next request tries again. The cold
// record is seldom written with it: see coldToWrite.
func (s *Store) Touch(opened *Session, now time.Time) {
	if _, busy := s.touching.LoadOrStore(opened.Name(), true); busy {
		return
	}
	done := true // false while a late write of this touch may still be on its way
	defer func() {
		if done {
			s.touching.Delete(opened.Name())
		}
	}()
	cold, err := s.coldToWrite(opened)
	if err != nil {
		s.observer.NotProlonged(err)
		return
	}
	fresh, err := s.Read(opened.ID[:], now)
	// A cold record read before a renewal holds a refresh token that is spent by now. It is
	// written anew by the next request, which reads both again.
	if err != nil || !fresh.TouchAfter.Passed(now) || (cold != nil && fresh.Serial != opened.Serial) {
		return
	}
	if err := s.StillOpen(fresh); err != nil {
		return
	}
	record := fresh.Record()
	s.Slide(&record, now)
	if touched, err := s.Save(&opened.Handle, record, cold); err != nil {
		done = !s.UndoLater(&opened.Handle, func() { s.touching.Delete(opened.Name()) })
		s.observer.NotProlonged(err)
	} else {
		s.noteUse(touched)
	}
}

// coldToWrite is the cold record of a session if it has to be written with the hot one, or nil:
// if an older key opened both, or if both were written under a shorter IdleTimeout, by which
// writeCold has reckoned. It is read before the hot one, which tells by its serial whether
// somebody has renewed the tokens meanwhile. Whoever does so later finds that as well.
func (s *Store) coldToWrite(opened *Session) (*Cold, error) {
	if !opened.oldKey && opened.IdleUntil >= MomentOf(opened.Used.Time().Add(s.idle)) {
		return nil, nil
	}
	cold, err := s.ReadCold(&opened.Handle)
	switch {
	case fault.IsUnknown(err):
		return nil, err
	case err != nil:
		return nil, nil // there is none: the session lasts as long as its tokens
	}
	return &cold, nil
}

// lateWrite is how long a write that got no answer in time may still be on its way, counted
// from when we stopped waiting for it, after storage.Timeout.
const lateWrite = 5 * time.Second

// UndoLater checks for a tombstone once a write that got no response in time must have
// been done or abandoned, because it may have taken effect after a sign-out. It reports
// whether it will check, and calls then afterwards if it is not nil.
func (s *Store) UndoLater(handle *Handle, then func()) bool {
	return s.tasks.Go("looking for a tombstone", func(closing <-chan struct{}) {
		if then != nil {
			defer then()
		}
		select {
		case <-time.After(lateWrite):
		case <-closing: // better early than never
		}
		_ = s.UndoIfEnded(handle) // if the storage fails again, the record expires there
	}) == nil
}

// MarkEnded is the first step of ending a session: a renewal that stores a new
// refresh token after the next step has read the record will find the tombstone,
// and revoke that token itself.
func (s *Store) MarkEnded(handle *Handle) error {
	// Here first: whatever the storage says, the session has ended in this process.
	s.seen.note(handle.Name(), ended)
	s.Recent.Forget(handle.ID)
	return s.Storage.Set(handle.tomb(), sealedTombstone, tombstoneLife)
}

// EndListed ends a session of which only the name is known. Its refresh token cannot be
// revoked, because only the visitor's cookie opens it. All three calls are made, whatever
// comes of them. Of several errors it returns the tombstone's: without a tombstone, a
// renewal under way brings the session back.
func (s *Store) EndListed(name string) error {
	tomb := s.Storage.Set(tombPrefix+name, sealedTombstone, tombstoneLife)
	s.seen.note(name, ended)
	hot := s.Storage.Delete(HotPrefix + name)
	cold := s.Storage.Delete(coldPrefix + name)
	return cmp.Or(tomb, hot, cold)
}

// RemoveHot deletes the record that signs the visitor in. The cold one stays for whoever
// has yet to revoke the refresh token in it.
func (s *Store) RemoveHot(handle *Handle) error {
	s.Recent.Forget(handle.ID)
	return s.Storage.Delete(handle.Hot())
}

// Remove deletes both records. The hot one goes first, since it signs the visitor in. The
// error is that of the first deletion that failed.
func (s *Store) Remove(handle *Handle) error {
	s.Recent.Forget(handle.ID)
	hot := s.Storage.Delete(handle.Hot())
	cold := s.Storage.Delete(handle.cold())
	return cmp.Or(hot, cold)
}

// drop removes what is no longer needed. If that fails, it expires in the storage.
func (s *Store) drop(handle *Handle) { _ = s.Remove(handle) }
