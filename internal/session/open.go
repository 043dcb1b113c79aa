package session

import (
	"errors"
	"hash/maphash"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// A record that the storage brings may be forged, of another release, sealed with
// a key that is on its way out, or simply old. What it is worth is decided here.

// opened opens what the storage has: nothing, or a record that may be older than
// known. known is nil if the session is not remembered.
func (s *Store) opened(handle *Handle, known *Session, sealed []byte, now time.Time) (*Session, error) {
	if sealed == nil {
		s.forget(handle, known)
		return nil, ErrNoSession
	}
	session, err := s.open(handle, known, sealed)
	if err != nil {
		return nil, err
	}
	return s.unlessOver(session, now)
}

// unlessOver checks the deadlines of a session. One that is over by this clock is
// left to the lifetimes of the storage, and its cookie to the browser: a clock that is
// ahead must not delete what others still go by.
func (s *Store) unlessOver(session *Session, now time.Time) (*Session, error) {
	if session.until.Passed(now) || session.IdleUntil.Passed(now) {
		return nil, errOver
	}
	return session, nil
}

// ErrNoSession is made once: requests with dead cookies are common.
var ErrNoSession = fault.Plain(fault.ErrSessionEnded)

// ErrElsewhere is in the error for a session that does not go on here, but may at another
// instance. Its cookie stays.
var ErrElsewhere = errors.New("another instance may go on with the session")

// errOver is for a session that is still there, and over by this clock alone.
var errOver = fault.Because(fault.ErrSessionEnded, "its time is over by this clock; %w", ErrElsewhere)

// ErrUnopened is the same for a session whose records do not open here: others may have
// the key, so its tokens are left alone, and its cookie.
var ErrUnopened = fault.Because(fault.ErrSessionEnded, "its records do not open here; %w", ErrElsewhere)

// open opens a hot record, or returns what is known if the record is older.
func (s *Store) open(handle *Handle, known *Session, sealed []byte) (*Session, error) {
	digest := maphash.Bytes(s.seed, sealed)
	record, oldKey, err := s.decode(handle, sealed)
	switch {
	case err != nil:
		return nil, err
	case known != nil && record.Serial < known.Serial:
		return known, nil // a replica that lags, or an old record put back: with groups taken away since, perhaps
	case !s.cookieSessions && record.Serial < s.seen.serialOf(handle.Name()):
		// The storage had lost the session, and now has an older record of it: a backup, or
		// somebody who can write there, has put it back. A cookie may be old honestly.
		return nil, ErrNoSession
	case oldKey && known == nil:
		// Its records are sealed anew at its first request here, and not again
		// before its idle deadline moves: instances that have the keys in
		// another order do the same.
		record.TouchAfter = 0
	}
	return s.remember(handle, digest, record, oldKey), nil
}

// decode opens a hot record of a session that has not ended. Where nobody else writes, its
// user's mark is left to Touch and to renewals: there the index misses no session, unless
// there are more than mostListed.
func (s *Store) decode(handle *Handle, sealed []byte) (Hot, bool, error) {
	plain, oldKey, err := s.unseal(handle, handle.Hot(), sealed)
	var record Hot
	if err == nil {
		record, err = decodeHot(plain, s.dictionary)
	}
	if err != nil {
		s.Recent.Forget(handle.ID) // what is remembered is no longer what the storage has
		return Hot{}, false, s.unopened(handle, sealed, err)
	}
	s.alarms.over(handle.Hot())
	s.limit(&record)
	if err := s.checkEnded(handle); err != nil || s.alone {
		return record, oldKey, err
	}
	return record, oldKey, s.checkOver(handle, record.Subject, record.Began)
}

// unseal opens a record with whichever of the app's keys it was sealed with.
func (s *Store) unseal(handle *Handle, name string, sealed []byte) (plain []byte, oldKey bool, err error) {
	room := s.Storage.Room(sealed)
	if s.rings.Rotating() {
		room = nil // a key that does not fit would leave zeros there for the next one
	}
	plain, err = handle.Key.OpenInto(room, name, sealed)
	if !errors.Is(err, secret.ErrTampered) || !s.rings.Rotating() {
		return plain, false, err
	}
	// The handle holds the newest key alone. The others are derived from the cookie's ID.
	random, _ := secret.RandomOf(handle.ID[:])
	plain, err = s.rings.OpenOlder(random[:], name, sealed)
	return plain, true, err
}

// unopened tells of a hot record that does not open, and says what that means.
func (s *Store) unopened(handle *Handle, sealed []byte, cause error) error {
	if errors.Is(cause, secret.ErrUnknownVersion) {
		return fault.Unavailable(cause) // another release can read it
	}
	// The record stays: an instance that has not been given the newest key yet must not
	// delete what all others can read.
	s.Tampered(handle.Hot(), sealed, cause)
	return ErrUnopened
}

// Tampered tells of a record, or of what a cookie carries, that does not open. It does so once
// for each, unless it opened meanwhile: visitors bring their cookies with every request, and if
// a key was removed too early, every visitor has one that does not open, for as long as the
// browser keeps it.
func (s *Store) Tampered(name string, sealed []byte, cause error) {
	if s.alarms.isNew(name, maphash.Bytes(s.seed, sealed)) {
		s.observer.Tampered(cause)
	}
}

// alarms are what was told lately: by name, the digest of what did not open.
type alarms struct {
	mu   sync.Mutex // guards told
	told cache.Recent[uint64]
}

// isNew notes an alarm, and reports whether it was not raised lately.
func (a *alarms) isNew(name string, digest uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, known := a.told.Get(name)
	a.told.Put(strings.Clone(name), digest) // a view would keep the session's memory
	return !known || last != digest
}

// over notes that a record has opened.
func (a *alarms) over(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told.Delete(name)
}

// Exists reports whether the storage has anything of a session, whether or not it
// opens. A logout asks, so that invented cookies fill the storage with no tombstones.
func (s *Store) Exists(handle *Handle) (bool, error) {
	for _, key := range []string{handle.Hot(), handle.cold()} {
		if record, err := s.Storage.Get(key); err != nil || record != nil {
			return record != nil, err
		}
	}
	return false, nil
}

// limit holds a record to this app's limits besides those that it was written
// with: they may have become shorter since. It may have been written by a clock that is ahead,
// too. Then use would move the idle deadline only after the storage has dropped the record.
func (s *Store) limit(record *Hot) {
	record.until = min(record.until, MomentOf(record.Began.Time().Add(s.total)))
	record.IdleUntil = min(record.IdleUntil, MomentOf(record.Used.Time().Add(s.idle)))
	used := min(record.Used, MomentOf(s.now()))
	record.TouchAfter = min(record.TouchAfter, MomentOf(used.Time().Add(s.idle/10)))
}

// checkEnded looks whether the session of a record was ended: it may have been put
// back, by a writer, a backup or a replica that lags. In a storage of our own
// nobody does.
func (s *Store) checkEnded(handle *Handle) error {
	switch {
	case s.seen.serialOf(handle.Name()) == ended:
		return ErrNoSession
	case s.alone:
		return nil
	}
	// The cold record is left to whoever ends the session, and revokes its token.
	return s.ifEnded(handle, func(handle *Handle) { _ = s.RemoveHot(handle) })
}

// forget drops a session that the storage does not have any more, all but how new
// it was.
func (s *Store) forget(handle *Handle, known *Session) {
	if known != nil {
		s.seen.note(handle.Name(), known.Serial)
	}
	s.Recent.Forget(handle.ID)
}

// lastSeen are the last serials of sessions that were here lately and are not open
// any more, by name. Serials only grow, so an older record of such a session was put back.
type lastSeen struct {
	mu      sync.Mutex // guards serials
	serials cache.Recent[uint64]
}

// ended is the serial of a session that has ended: every record of it is older.
const ended = math.MaxUint64

// note remembers a serial, unless a greater one is known: nothing undoes the end of a
// session.
func (l *lastSeen) note(name string, serial uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, _ := l.serials.Get(name)
	l.serials.Put(name, max(serial, last))
}

// serialOf is 0 for a session that is not remembered, which no record is older than.
func (l *lastSeen) serialOf(name string) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, _ := l.serials.Get(name)
	return last
}
