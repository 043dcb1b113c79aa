package cognito

import (
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
	"github.com/gofiber/fiber/v2/utils"
)

// A session is what we remember about a signed-in visitor: two sealed records
// in the storage, which only the visitor's cookie can name and open.

// sessionHandle is what a cookie's value leads to: the names of the session's
// records and the key that they are sealed with. It says nothing about
// whether they exist.
type sessionHandle struct {
	hotKey [len(hotPrefix) + len(secret.Name{})]byte
	id     sessionID
	key    secret.Key
}

// Format prints no secret.
func (sessionHandle) Format(f fmt.State, _ rune) { secret.Hide(f, "session") }

// sessionID is the cookie's value.
type sessionID [43]byte

const hotPrefix = "cognito_hot_"

// hot is a view into the handle, which never changes. A string of its own would
// be one piece of memory more that every request has to wait for.
func (h *sessionHandle) hot() string { return utils.UnsafeString(h.hotKey[:]) }

// name is what the names of the session's records end with. It says nothing
// about the cookie.
func (h *sessionHandle) name() string { return h.hot()[len(hotPrefix):] }

func (h *sessionHandle) cold() string { return "cognito_cold_" + h.name() }

// tomb stands for a while where a session was ended.
func (h *sessionHandle) tomb() string { return "cognito_tomb_" + h.name() }

// lease stands while an instance renews the tokens.
func (h *sessionHandle) lease() string { return "cognito_lease_" + h.name() }

const tombstoneLife = 10 * time.Minute

// newHandle derives a handle, or reports that the value cannot be an id of
// ours. Nothing else of a cookie ever reaches the storage. It does not keep id,
// which may be a view into a request.
func newHandle(id []byte, boundTo string) (*sessionHandle, bool) {
	random, ok := secret.RandomOf(id)
	if !ok {
		return nil, false
	}
	ring := secret.DeriveKeyring(random[:], boundTo)
	// With a copy of id: the view changes when the request ends.
	handle := &sessionHandle{id: sessionID(id), key: ring.Key}
	copy(handle.hotKey[copy(handle.hotKey[:], hotPrefix):], ring.Name[:])
	return handle, true
}

// openSession is a session as it was last read. It is immutable and shared by
// the requests of the session. What every request needs comes first and is in
// one piece, since with many sessions none of it is in the processor's cache.
type openSession struct {
	calmUntil moment // before this nothing is due
	digest    uint64 // of the hot record's bytes in the storage
	sessionHandle
	identity identity
	user     claims.Set
	payload  claims.Set

	// What is left of the record. See there.
	serial uint64
	moments
	renewable bool
	userInfo  claims.Text
	// unsaved is set while the session's newest tokens exist only here.
	unsaved *coldRecord
}

// Format prints no secret.
func (*openSession) Format(f fmt.State, _ rune) { secret.Hide(f, "session") }

// record is what the session was made of.
func (o *openSession) record() hotRecord {
	return hotRecord{
		serial: o.serial, moments: o.moments, renewable: o.renewable, subject: o.user.Sub(),
		user: o.user.Source(), payload: o.payload.Source(), userInfo: o.userInfo,
	}
}

// sessionObserver is told what an operator should know of sessions.
type sessionObserver interface {
	tampered(cause error)     // a record did not open
	notProlonged(cause error) // the idle deadline of a session in use did not move
}

// sessions keeps sessions in the storage.
type sessions struct {
	observer sessionObserver
	tasks    *tasks.Group
	store    *storage.Store
	boundTo  string // see sealedFor
	now      func() time.Time
	idle     time.Duration
	total    time.Duration
	recent   *cache.Cache[sessionID, openSession]
	book     *claims.Dictionary
	seed     maphash.Seed

	touching sync.Map // names of sessions whose idle deadline is being moved
}

func newSessions(a *Auth) *sessions {
	return &sessions{
		observer: a, tasks: a.tasks, store: a.store, boundTo: secret.BindingOf("session", a.binding), now: a.config.Now,
		idle: a.config.IdleTimeout, total: a.config.AbsoluteTimeout,
		recent: cache.New[sessionID, openSession](cache.Limit), book: claims.NewDictionary(a.config.Issuer, a.config.ClientID), seed: maphash.MakeSeed(),
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
	if len(id) != len(sessionID{}) {
		return nil, errNoSuchSession
	}
	known := s.recent.Get(sessionID(id))
	if known == nil {
		return s.readAnew(id, now)
	}
	// Looked up before the storage is asked, so that the processor can wait for
	// all of it at once.
	calmUntil, digest := known.calmUntil, known.digest
	sealed, err := s.store.Get(known.hot())
	switch {
	case err != nil:
		return nil, err
	case sealed == nil || maphash.Bytes(s.seed, sealed) != digest:
		return s.opened(&known.sessionHandle, sealed, now)
	case !calmUntil.passed(now):
		return known, nil
	}
	return s.unlessOver(known, now)
}

// readAnew is read for a session that is not remembered.
func (s *sessions) readAnew(id []byte, now time.Time) (*openSession, error) {
	handle, ok := s.handle(id)
	if !ok {
		return nil, errNoSuchSession
	}
	sealed, err := s.store.Get(handle.hot())
	if err != nil {
		return nil, err
	}
	return s.opened(handle, sealed, now)
}

// opened opens what the storage has, which may be nothing.
func (s *sessions) opened(handle *sessionHandle, sealed []byte, now time.Time) (*openSession, error) {
	if sealed == nil {
		s.recent.Forget(handle.id)
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
	if session.until.passed(now) || session.idleUntil.passed(now) {
		s.drop(&session.sessionHandle)
		return nil, errNoSuchSession
	}
	return session, nil
}

// errNoSuchSession is made once: requests with dead cookies are common.
var errNoSuchSession = fault.Plain(fault.ErrSessionEnded)

func (s *sessions) open(handle *sessionHandle, sealed []byte) (*openSession, error) {
	digest := maphash.Bytes(s.seed, sealed)
	plain, err := handle.key.OpenInto(s.store.Room(sealed), handle.hot(), sealed)
	if err == nil {
		var record hotRecord
		if record, err = decodeHot(plain, s.book); err == nil {
			return s.remember(handle, digest, record), nil
		}
	}
	s.recent.Forget(handle.id)
	if errors.Is(err, secret.ErrUnknownVersion) {
		return nil, errNoSuchSession
	}
	// Only this cookie leads to this record, so nobody else loses anything.
	s.observer.tampered(err)
	s.drop(handle)
	return nil, errNoSuchSession
}

// remember keeps what a record holds for the session's next requests.
func (s *sessions) remember(handle *sessionHandle, digest uint64, record hotRecord) *openSession {
	entry := &cache.Entry[sessionID, openSession]{Key: handle.id}
	s.fill(&entry.Value, handle, record)
	entry.Value.digest = digest
	s.recent.Put(entry)
	return &entry.Value
}

// fromMemory makes a session of a record that need not be in the storage.
func (s *sessions) fromMemory(handle *sessionHandle, record hotRecord) *openSession {
	opened := &openSession{}
	s.fill(opened, handle, record)
	return opened
}

// fill makes opened the session of a record.
func (s *sessions) fill(opened *openSession, handle *sessionHandle, record hotRecord) {
	opened.calmUntil, opened.moments = record.first(), record.moments
	opened.sessionHandle = *handle
	opened.user.Init(record.user, record.subject)
	opened.payload.Init(record.payload, record.subject)
	opened.serial, opened.renewable, opened.userInfo = record.serial, record.renewable, record.userInfo
	opened.identity = identity{session: opened, cookie: true, user: &opened.user, payload: &opened.payload}
}

// readCold opens the cold record. The outcomes are those of read.
func (s *sessions) readCold(handle *sessionHandle) (coldRecord, error) {
	sealed, err := s.store.Get(handle.cold())
	if err != nil {
		return coldRecord{}, err
	}
	if sealed == nil {
		return coldRecord{}, errNoSuchSession
	}
	plain, err := handle.key.Open(handle.cold(), sealed)
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
	hot, err := s.read(handle.id[:], s.now())
	if err != nil {
		return nil, coldRecord{}, err
	}
	cold, err := s.readCold(handle)
	return hot, cold, err
}
