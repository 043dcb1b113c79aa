// Package session keeps sessions: who is signed in, until when, and with which tokens.
// It stores what it is given, under one protocol, and calls nobody but the storage.
//
// A session is two sealed records there, a hot one and a cold one, which only the
// visitor's cookie can name and open.
package session

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"time"
	"unsafe"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// Handle is what a cookie's value leads to: the names of the session's
// records and the key that they are sealed with. It says nothing about
// whether they exist.
type Handle struct {
	HotKey [len(HotPrefix) + len(secret.Name{})]byte // HotPrefix, then the name
	ID     ID
	Key    secret.Key // of the newest of the app's keys
}

// Format prints no secret.
func (Handle) Format(f fmt.State, _ rune) { secret.Hide(f, "session") }

// ID is the cookie's value.
type ID [43]byte

// HotPrefix begins the names of hot records in the storage.
const HotPrefix = "cognito_hot_"

const (
	coldPrefix = "cognito_cold_"
	tombPrefix = "cognito_tomb_"
)

// Hot is a view into the handle, which never changes. A string of its own would
// be one piece of memory more that every request has to wait for.
func (h *Handle) Hot() string { return unsafe.String(&h.HotKey[0], len(h.HotKey)) }

// Name is what the names of the session's records end with. It says nothing
// about the cookie.
func (h *Handle) Name() string { return h.Hot()[len(HotPrefix):] }

// cold names the record of the tokens. Few requests need it, so it is put together anew.
func (h *Handle) cold() string { return coldPrefix + h.Name() }

// tomb stands for a while where a session was ended.
func (h *Handle) tomb() string { return tombPrefix + h.Name() }

// Lease stands while an instance renews the tokens.
func (h *Handle) Lease() string { return "cognito_lease_" + h.Name() }

// tombstoneLife is longer than any write that began before the end may take: a flight has a
// minute. It also bounds for how long an old record that somebody puts back is refused by
// instances that did not see the session end.
const tombstoneLife = 10 * time.Minute

// NewHandle derives a handle, or reports that the value cannot be an id of
// ours. Nothing else of a cookie ever reaches the storage. It does not keep id,
// which may be a view into a request.
func NewHandle(id []byte, from *secret.Deriver) (*Handle, bool) {
	random, ok := secret.RandomOf(id)
	if !ok {
		return nil, false
	}
	ring := from.Ring(random[:])
	// With a copy of id: the view changes when the request ends.
	handle := &Handle{ID: ID(id), Key: ring.Key}
	copy(handle.HotKey[copy(handle.HotKey[:], HotPrefix):], ring.Name[:])
	return handle, true
}

// Session is a session as it was last read. It is immutable and shared by
// the requests of the session. What every request needs comes first and is in
// one piece, since with many sessions none of it is in the processor's cache.
type Session struct {
	CalmUntil moment // before this nothing is due
	digest    uint64 // of the hot record's bytes in the storage; 0 if it is not from there
	Handle
	Identity Identity
	user     claims.Set
	payload  claims.Set

	// The rest of the hot record, as in Hot.
	Serial uint64
	Moments
	Renewable bool
	oldKey    bool // its records are sealed with an older one of the app's keys
	userInfo  claims.Text
	// Unsaved is set while the session's newest tokens exist only here. Whoever wants a raw
	// token takes it from there: the cold record in the storage is older.
	Unsaved *Cold
}

// Format prints no secret.
func (*Session) Format(f fmt.State, _ rune) { secret.Hide(f, "session") }

// Record is what the session was made of.
func (s *Session) Record() Hot {
	return Hot{
		Serial: s.Serial, Moments: s.Moments, Renewable: s.Renewable, Subject: s.user.Sub(),
		User: s.user.Source(), Payload: s.payload.Source(), UserInfo: s.userInfo,
	}
}

// Until is when the session ends, whatever is done with it.
func (s *Session) Until() time.Time { return s.until.Time() }

// Ends is when the session ends unless it is used before.
func (s *Session) Ends() time.Time { return min(s.IdleUntil, s.until).Time() }

// Outlasts reports whether the access token beside a session that is open has expired, so
// that it is from before the last renewal. The session's own need not be parsed for that.
func (s *Session) Outlasts(tokens Cold, now time.Time) bool {
	return !bytes.Equal(claimsIn(tokens.Access), s.payload.Source().Expand()) && !expires(tokens.Access).After(now)
}

// Observer is told what an operator should know of sessions. It is never called under the
// lock of a user's index: see tell.
type Observer interface {
	Tampered(cause error)     // a record did not open
	NotProlonged(cause error) // the idle deadline of a session in use did not move
}

// Store keeps sessions in the storage.
type Store struct {
	observer   Observer
	tasks      *tasks.Group
	Storage    *storage.Store
	rings      *secret.Deriver // for the two records and their names
	alone      bool            // nobody else writes to the storage; see checkEnded
	users      *secret.Deriver // for indexes and marks
	indexing   indexLocks
	now        func() time.Time
	idle       time.Duration // for how long a session lasts without use
	total      time.Duration // and at most, since the login
	Recent     *cache.Cache[ID, Session]
	dictionary *claims.Dictionary
	seed       maphash.Seed
	seen       lastSeen
	alarms     alarms

	cookieSessions bool
	maxSessions    int // of a user, or 0

	adopting [64]sync.Mutex // by session, held while Adopt reads and writes
	touching sync.Map       // names of sessions whose idle deadline is being moved
}

// Settings are what sessions have to know of the app.
type Settings struct {
	Keys       secret.Keys
	Binding    string // pool, client and app: what every record is bound to
	Alone      bool   // the storage is this process's own: nobody else writes there
	Dictionary *claims.Dictionary
	Now        func() time.Time

	CookieSessions  bool // sessions travel in their cookies, and come back at any age
	MaxSessions     int  // of one user; 0: any number
	IdleTimeout     time.Duration
	AbsoluteTimeout time.Duration
}

// New keeps sessions in a storage.
func New(s Settings, store *storage.Store, background *tasks.Group, observer Observer) *Store {
	return &Store{
		observer: observer, tasks: background, Storage: store,
		rings: secret.NewDeriver(s.Keys, "session", s.Binding), users: secret.NewDeriver(s.Keys, "user", s.Binding),
		// Sessions in cookies have their records in a storage of this process's own, which
		// no other instance sees.
		alone: s.Alone || s.CookieSessions, cookieSessions: s.CookieSessions, maxSessions: s.MaxSessions, now: s.Now,
		idle: s.IdleTimeout, total: s.AbsoluteTimeout, Recent: cache.New[ID, Session](cache.Limit), dictionary: s.Dictionary, seed: maphash.MakeSeed(),
	}
}

// Handle is NewHandle for this app's sessions.
func (s *Store) Handle(id []byte) (*Handle, bool) { return NewHandle(id, s.rings) }

// Read finds the session of a cookie's value, which may be a view into the request. The
// error is ErrSessionEnded if there is none, and ErrUnavailable if that cannot be known.
//
// The storage is read every time, so a session that was ended on any instance has ended
// here too. Only opening the record is saved: if the sealed bytes have the same digest
// as those last opened for this ID, they hold the same session. Every process has its
// own random seed for the digest, so somebody who can write to the storage cannot
// produce a given digest. Even if they could, the visitor would only be taken for who
// they were a moment ago. Expiry is not cached: it is checked each time.
func (s *Store) Read(id []byte, now time.Time) (*Session, error) {
	if len(id) != len(ID{}) {
		return nil, ErrNoSession
	}
	known := s.Recent.Get(ID(id))
	if known == nil {
		return s.readAnew(id, now)
	}
	// Looked up before the storage is asked, so that the processor can wait for
	// all of it at once.
	calmUntil, digest := known.CalmUntil, known.digest
	sealed, err := s.Storage.Get(known.Hot())
	switch {
	case err != nil:
		return nil, err
	case sealed == nil || maphash.Bytes(s.seed, sealed) != digest:
		return s.opened(&known.Handle, known, sealed, now)
	case !calmUntil.Passed(now):
		return known, nil
	}
	return s.unlessOver(known, now)
}

// readAnew is Read for a session that is not remembered.
func (s *Store) readAnew(id []byte, now time.Time) (*Session, error) {
	handle, ok := s.Handle(id)
	if !ok {
		return nil, ErrNoSession
	}
	sealed, err := s.Storage.Get(handle.Hot())
	if err != nil {
		return nil, err
	}
	return s.opened(handle, nil, sealed, now)
}

// remember keeps what a record holds for the session's next requests. If the cache has no
// room for it, it serves this request alone.
func (s *Store) remember(handle *Handle, digest uint64, record Hot, oldKey bool) *Session {
	entry := &cache.Entry[ID, Session]{Key: handle.ID}
	s.fill(&entry.Value, handle, record)
	entry.Value.digest, entry.Value.oldKey = digest, oldKey
	s.Recent.Put(entry)
	// It may have ended since it was found open. Then the next request has to look again, and
	// this is what it would find instead.
	if s.seen.serialOf(handle.Name()) == ended {
		s.Recent.Forget(handle.ID)
	}
	return &entry.Value
}

// FromMemory makes a session of a record that need not be in the storage. It is not
// remembered: the session's next request reads the storage.
func (s *Store) FromMemory(handle *Handle, record Hot) *Session {
	opened := &Session{}
	s.fill(opened, handle, record)
	return opened
}

// fill makes opened the session of a record. opened must be where it stays: its identity
// points into it.
func (s *Store) fill(opened *Session, handle *Handle, record Hot) {
	opened.CalmUntil, opened.Moments = record.first(), record.Moments
	opened.Handle = *handle
	opened.user.Init(record.User, record.Subject)
	opened.payload.Init(record.Payload, record.Subject)
	opened.Serial, opened.Renewable, opened.userInfo = record.Serial, record.Renewable, record.UserInfo
	opened.Identity = Identity{Session: opened, Cookie: true, User: &opened.user, Payload: &opened.payload}
}

// ReadCold opens the cold record. The errors are those of Read. ErrUnopened among them says
// that another instance may be able to open it, so nothing of the session may be revoked.
func (s *Store) ReadCold(handle *Handle) (Cold, error) {
	name := handle.cold()
	sealed, err := s.Storage.Get(name)
	if err != nil {
		return Cold{}, err
	}
	if sealed == nil {
		return Cold{}, ErrNoSession
	}
	plain, _, err := s.unseal(handle, name, sealed)
	var cold Cold
	if err == nil {
		cold, err = decodeCold(plain)
	}
	switch {
	case errors.Is(err, secret.ErrUnknownVersion):
		return Cold{}, fault.Unavailable(err)
	case err != nil:
		s.Tampered(name, sealed, err)
		return Cold{}, ErrUnopened
	}
	s.alarms.over(name)
	return cold, nil
}

// Fresh reads both records as the storage has them, past what is remembered. The hot one
// comes first: a writer stores the cold one first, so the tokens are never older than the
// claims that were read.
func (s *Store) Fresh(handle *Handle) (*Session, Cold, error) {
	sealed, err := s.Storage.Get(handle.Hot())
	if err != nil {
		return nil, Cold{}, err
	}
	if sealed == nil {
		return nil, Cold{}, ErrNoSession
	}
	record, oldKey, err := s.decode(handle, sealed)
	if err != nil {
		return nil, Cold{}, err
	}
	hot := s.FromMemory(handle, record)
	hot.oldKey = oldKey
	if hot, err = s.unlessOver(hot, s.now()); err != nil {
		return nil, Cold{}, err
	}
	cold, err := s.ReadCold(handle)
	if s.cookieSessions && errors.Is(err, ErrNoSession) {
		_ = s.RemoveHot(handle) // the memory was full: the next request's cookie brings both
		return nil, Cold{}, err
	}
	return hot, cold, err
}
