package cognito

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"
)

// A session is what we remember about a signed-in visitor: two sealed records
// in the storage, which only the visitor's cookie can name and open.

// sessionHandle is what a cookie's value leads to: the names of the session's
// records and the key that they are sealed with. It says nothing about
// whether they exist.
type sessionHandle struct {
	id   string // the cookie's value
	ring keyring
	hot  string
}

func (h *sessionHandle) cold() string { return "cognito_cold_" + h.ring.name }

// tomb stands for a while where a session was ended.
func (h *sessionHandle) tomb() string { return "cognito_tomb_" + h.ring.name }

// lease stands while an instance renews the tokens.
func (h *sessionHandle) lease() string { return "cognito_lease_" + h.ring.name }

const tombstoneLife = 10 * time.Minute

// newHandle derives a handle, or reports that the value cannot be an id of
// ours. Nothing else of a cookie ever reaches the storage. It does not keep id,
// which may be a view into a request.
func newHandle(id []byte, boundTo string) (*sessionHandle, bool) {
	random, ok := randomOf(id)
	if !ok {
		return nil, false
	}
	// A copy: the view changes when the request ends.
	handle := &sessionHandle{id: string(id), ring: deriveKeyring(random[:], boundTo)}
	handle.hot = "cognito_hot_" + handle.ring.name
	return handle, true
}

// openSession is a session as it was last read. It is immutable and shared by
// the requests of the session. What every request needs comes first and is in
// one piece, since with many sessions none of it is in the processor's cache.
type openSession struct {
	calmUntil int64  // in Unix nanoseconds: before this nothing is due
	digest    uint64 // of the hot record's bytes in the storage
	hotKey    string // sessionHandle.hot
	visit     visit
	user      User
	payload   Payload

	*sessionHandle
	record hotRecord
	// unsaved is set while the session's newest tokens exist only here.
	unsaved *coldRecord
}

// sessions keeps sessions in the storage.
type sessions struct {
	auth    *Auth
	store   *store
	boundTo string // see sealedFor
	now     func() time.Time
	idle    time.Duration
	total   time.Duration
	recent  *recent[*openSession]
	book    *phrasebook
	seed    maphash.Seed

	touching sync.Map // names of sessions whose idle deadline is being moved
}

func newSessions(a *Auth) *sessions {
	return &sessions{
		auth: a, store: a.store, boundTo: sealedFor("session", a.binding), now: a.config.Now,
		idle: a.config.IdleTimeout, total: a.config.AbsoluteTimeout,
		recent: newRecent[*openSession](recentLimit), book: newPhrasebook(a.config), seed: maphash.MakeSeed(),
	}
}

// handle is newHandle for this app's sessions.
func (s *sessions) handle(id []byte) (*sessionHandle, bool) { return newHandle(id, s.boundTo) }

// read finds the session of a cookie's value, which may be a view into the
// request. The error is ErrSessionEnded when there is none and ErrUnavailable
// when that cannot be known.
//
// The storage is asked every time, so a session that was ended anywhere is
// ended here. What is saved is opening the record: sealed bytes with the digest
// of those last opened for this very id hold the same session. The digest is
// seeded anew in every process, so whoever may write to the storage cannot aim
// at one; and if they could, the visitor would be taken for who they just were.
// Expiry is not part of that and is checked each time.
func (s *sessions) read(id []byte, now time.Time) (*openSession, error) {
	known, ok := s.recent.get(id)
	if !ok {
		return s.readAnew(id, now)
	}
	sealed, err := s.store.get(known.hotKey)
	switch {
	case err != nil:
		return nil, err
	case sealed != nil && maphash.Bytes(s.seed, sealed) == known.digest:
		return s.unlessOver(known, now)
	}
	return s.opened(known.sessionHandle, sealed, now)
}

// readAnew is read for a session that is not remembered.
func (s *sessions) readAnew(id []byte, now time.Time) (*openSession, error) {
	handle, ok := s.handle(id)
	if !ok {
		return nil, errNoSuchSession
	}
	sealed, err := s.store.get(handle.hot)
	if err != nil {
		return nil, err
	}
	return s.opened(handle, sealed, now)
}

// opened opens what the storage has, which may be nothing.
func (s *sessions) opened(handle *sessionHandle, sealed []byte, now time.Time) (*openSession, error) {
	if sealed == nil {
		s.recent.forget(handle.id)
		return nil, errNoSuchSession
	}
	session, err := s.open(handle, sealed)
	if err != nil {
		return nil, err
	}
	return s.unlessOver(session, now)
}

// unlessOver checks the deadlines of a session.
func (s *sessions) unlessOver(session *openSession, now time.Time) (*openSession, error) {
	if now.UnixNano() < session.calmUntil {
		return session, nil
	}
	if !now.Before(session.record.until) || !now.Before(session.record.idleUntil) {
		s.drop(session.sessionHandle)
		return nil, errNoSuchSession
	}
	return session, nil
}

// errNoSuchSession is made once: requests with dead cookies are common.
var errNoSuchSession = &Error{reason: ErrSessionEnded}

func (s *sessions) open(handle *sessionHandle, sealed []byte) (*openSession, error) {
	plain, err := handle.ring.open(handle.hot, sealed)
	if err == nil {
		var record hotRecord
		if record, err = decodeHot(plain, s.book); err == nil {
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
	opened.digest = maphash.Bytes(s.seed, sealed)
	s.recent.put(handle.id, opened)
	return opened
}

// fromMemory makes a session of a record that need not be in the storage.
func (s *sessions) fromMemory(handle *sessionHandle, record hotRecord) *openSession {
	opened := &openSession{
		sessionHandle: handle, hotKey: handle.hot, record: record, calmUntil: record.calmUntil().UnixNano(),
		user:    User{claimSet{source: record.user, subject: record.subject}},
		payload: Payload{claimSet{source: record.payload, subject: record.subject}},
	}
	opened.visit = visit{auth: s.auth, session: opened, cookie: true, user: &opened.user, payload: &opened.payload}
	return opened
}

// readCold opens the cold record. The outcomes are those of read.
func (s *sessions) readCold(handle *sessionHandle) (coldRecord, error) {
	sealed, err := s.store.get(handle.cold())
	if err != nil {
		return coldRecord{}, err
	}
	if sealed == nil {
		return coldRecord{}, errNoSuchSession
	}
	plain, err := handle.ring.open(handle.cold(), sealed)
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
