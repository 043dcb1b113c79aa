package cognito

import (
	"bytes"
	"encoding/base64"
	"errors"
	"sync"
	"time"
)

// A session is what we remember about a signed-in visitor: two sealed records
// in the storage, which only the visitor's cookie can name and open.

// sessionHandle is what a cookie's value leads to: the names of the session's
// records and the key that they are sealed with. It says nothing about
// whether they exist.
type sessionHandle struct {
	id    string // the cookie's value
	ring  keyring
	hot   string
	cold  string
	tomb  string // stands for a while where a session was ended
	lease string // stands while an instance renews the tokens
}

const (
	sessionIDLength = 43 // 32 bytes in unpadded base64url
	tombstoneLife   = 10 * time.Minute
)

// newHandle derives a handle, or reports that the value cannot be an id of
// ours. Nothing else of a cookie ever reaches the storage.
func newHandle(id, binding string) (*sessionHandle, bool) {
	if len(id) != sessionIDLength {
		return nil, false
	}
	// Strict, so that each id has one spelling.
	random, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(random) != 32 {
		return nil, false
	}
	ring := deriveKeyring(random, "session", binding)
	return &sessionHandle{
		id: id, ring: ring,
		hot: "cognito_hot_" + ring.name, cold: "cognito_cold_" + ring.name,
		tomb: "cognito_tomb_" + ring.name, lease: "cognito_lease_" + ring.name,
	}, true
}

// openSession is a session as it was last read. It is immutable and shared by
// the requests of the session.
type openSession struct {
	*sessionHandle
	sealed []byte // the hot record's bytes in the storage
	record hotRecord
	visit  visit
	// unsaved is set while the session's newest tokens exist only here.
	unsaved *coldRecord
}

// sessions keeps sessions in the storage.
type sessions struct {
	auth    *Auth
	store   *store
	binding string // pool and client, so that apps can share a storage
	now     func() time.Time
	idle    time.Duration
	total   time.Duration
	recent  *recent[*openSession]

	touching sync.Map // names of sessions whose idle deadline is being moved
}

func newSessions(a *Auth) *sessions {
	return &sessions{
		auth: a, store: a.store, binding: a.binding, now: a.config.Now,
		idle: a.config.IdleTimeout, total: a.config.AbsoluteTimeout,
		recent: newRecent[*openSession](recentLimit),
	}
}

// read finds the session of a cookie's value, which may be a view into the
// request. The error is ErrSessionEnded when there is none and ErrUnavailable
// when that cannot be known.
//
// The storage is asked every time, so a session that was ended anywhere is
// ended here. What is saved is opening the record: sealed bytes equal to those
// last opened for this very id can only hold the same session. Expiry is not
// part of that and is checked each time.
func (s *sessions) read(id []byte, now time.Time) (*openSession, error) {
	known, _ := s.recent.get(id)
	var handle *sessionHandle
	if known != nil {
		handle = known.sessionHandle
	} else {
		var ok bool
		// A copy: the view changes when the request ends.
		if handle, ok = newHandle(string(id), s.binding); !ok {
			return nil, errNoSuchSession
		}
	}
	sealed, err := s.store.get(handle.hot)
	if err != nil {
		return nil, err
	}
	if sealed == nil {
		s.recent.forget(handle.id)
		return nil, errNoSuchSession
	}
	if known == nil || !bytes.Equal(sealed, known.sealed) {
		if known, err = s.open(handle, sealed); err != nil {
			return nil, err
		}
	}
	if !now.Before(known.record.until) || !now.Before(known.record.idleUntil) {
		s.drop(handle)
		return nil, errNoSuchSession
	}
	return known, nil
}

// errNoSuchSession is made once: requests with dead cookies are common.
var errNoSuchSession = &Error{reason: ErrSessionEnded}

func (s *sessions) open(handle *sessionHandle, sealed []byte) (*openSession, error) {
	plain, err := handle.ring.open(handle.hot, sealed)
	if err == nil {
		var record hotRecord
		if record, err = decodeHot(plain); err == nil {
			return s.remember(handle, sealed, record), nil
		}
	}
	s.recent.forget(handle.id)
	if errors.Is(err, errUnknownVersion) {
		return nil, errNoSuchSession
	}
	// Only this cookie leads to this record, so nobody else loses anything.
	s.auth.emit(Event{Kind: EventTamper}.failed(&Error{reason: ErrSessionEnded, cause: err}))
	s.drop(handle)
	return nil, errNoSuchSession
}

// remember keeps what a record holds for the session's next requests.
func (s *sessions) remember(handle *sessionHandle, sealed []byte, record hotRecord) *openSession {
	opened := s.fromMemory(handle, record)
	opened.sealed = bytes.Clone(sealed)
	s.recent.put(handle.id, opened)
	return opened
}

// fromMemory makes a session of a record that need not be in the storage.
func (s *sessions) fromMemory(handle *sessionHandle, record hotRecord) *openSession {
	opened := &openSession{sessionHandle: handle, record: record}
	opened.visit = visit{
		auth: s.auth, session: opened, cookie: true,
		user:    &User{claimSet{raw: record.user}},
		payload: &Payload{claimSet{raw: record.payload}},
	}
	return opened
}

// readCold opens the cold record. The outcomes are those of read.
func (s *sessions) readCold(handle *sessionHandle) (coldRecord, error) {
	sealed, err := s.store.get(handle.cold)
	if err != nil {
		return coldRecord{}, err
	}
	if sealed == nil {
		return coldRecord{}, errNoSuchSession
	}
	plain, err := handle.ring.open(handle.cold, sealed)
	if err != nil {
		return coldRecord{}, errNoSuchSession
	}
	cold, err := decodeCold(plain)
	if err != nil {
		return coldRecord{}, errNoSuchSession
	}
	return cold, nil
}

// fresh reads both records anew, past what is remembered.
func (s *sessions) fresh(handle *sessionHandle) (*openSession, coldRecord, error) {
	hot, err := s.read([]byte(handle.id), s.now())
	if err != nil {
		return nil, coldRecord{}, err
	}
	cold, err := s.readCold(handle)
	return hot, cold, err
}
