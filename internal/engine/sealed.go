package engine

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/packed"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
)

// With CookieSessions, a session is kept in its cookie. While it is in use, its records
// are also in this process's memory, and everything that happens to a session happens
// there. So all other code is the same with and without a storage. If the session has
// changed when a response is sent, the response sets a new cookie.

const (
	// mostInCookie is what browsers take of a cookie's name and value together
	// (RFC 6265bis section 5.6).
	mostInCookie = 4096
	// mostCookies carry a session. Many servers and proxies refuse a request with more.
	mostCookies = 2
	// carryPatience is how long a request waits for tokens that are renewed ahead of
	// time, so that its response can carry them. Otherwise the next response does. But
	// if the next request goes to another instance, which does not know the new tokens,
	// the session is lost because of rotation. So it is as long as a call may take.
	carryPatience = pool.CallTimeout + time.Second
	// recordsOfASession stand in memory: hot, cold, and now and then a tombstone.
	recordsOfASession = 3
)

// sealed carries sessions in cookies. It is safe for concurrent use.
type sealed struct {
	sealer *session.Sealer
	names  [mostCookies][]byte                  // of the cookies; the first is the session cookie's
	opened *cache.Cache[openedKey, carried]     // or every request would open its cookie
	sent   *cache.Cache[session.ID, sentCookie] // by session, the newest
	// sealing are locks, by session, that are held while a cookie is made, so that
	// concurrent requests get the same one. No two seals of one session are alike, and of
	// two cookies the browser could keep the first of one and the second of another.
	sealing [64]sync.Mutex
}

// openedKey begins a cookie's value, and most of it is random: the number of parts, a
// version, and then the salt of the seal. It only finds an entry: carried has the value
// that must be the same.
type openedKey [40]byte

// carried is what a cookie that was opened holds. It does not change. The session itself
// stands in memory as long as there is room, and else is opened again.
type carried struct {
	value  string // all of it: nothing else is taken for it
	id     session.ID
	state  cookieState
	oldKey bool // sealed with a key that only opens now, so a new one is due
}

// cookieState tells whether a session has changed since its cookie was sealed.
type cookieState struct {
	serial    uint64
	idleUntil int64
	expires   int64 // differs where two instances have renewed at the same time
}

func stateOf(serial uint64, m session.Moments) cookieState {
	return cookieState{serial, int64(m.IdleUntil), int64(m.Expires)}
}

// Format prints no secret.
func (*carried) Format(f fmt.State, _ rune) { secret.Hide(f, "session") }

// sentCookie is the newest cookie of a session: requests that still carry the one
// before all get this.
type sentCookie struct {
	state cookieState
	value string
}

// Format prints no secret.
func (*sentCookie) Format(f fmt.State, _ rune) { secret.Hide(f, "session") }

// carriedKey is where a request keeps what its cookie held, for readSession, carry and
// Watch. Each engine has its own, as with identityKey.
type carriedKey struct{ of *Engine }

func newSealed(s Settings, name, binding string) *sealed {
	k := &sealed{
		sealer: session.NewSealer(s.Keys, binding, packed.NewBook(s.ClientID, pool.DefaultIssuers(s.UserPoolID)...)),
		opened: cache.New[openedKey, carried](cache.Limit), sent: cache.New[session.ID, sentCookie](cache.Limit),
	}
	for i := range k.names {
		k.names[i] = []byte(name)
		if i > 0 {
			k.names[i] = append(k.names[i], "_"+strconv.Itoa(i+1)...)
		}
	}
	return k
}

// memoryOfSealed is where the records of sessions in use stand.
func memoryOfSealed(now func() time.Time) storage.Driver {
	return storage.NewBounded(recordsOfASession*cache.Limit, now)
}

// sessionID is the session in a request's cookie: its ID, nil without such a cookie, and
// no ID at all if the cookie is not ours: then there was a cookie, but it leads nowhere.
// Without CookieSessions, it is the cookie's value, which nobody has looked at yet.
func (a *Engine) sessionID(r Request) []byte {
	value := a.cookies.read(r, a.cookies.session)
	if value == nil || a.sealed == nil {
		return value
	}
	found := a.sealed.find(a, r, value)
	if found == nil {
		return []byte{}
	}
	r.SetUserValue(carriedKey{a}, found)
	return found.id[:]
}

// sessionIDs are all sessions that cookies of a request are about, for a logout, which ends
// them all.
func (a *Engine) sessionIDs(r Request) [][]byte {
	values := a.cookies.readAll(r, a.cookies.session)
	if a.sealed == nil {
		return values
	}
	var ids [][]byte
	for _, value := range values {
		if found := a.sealed.find(a, r, value); found != nil {
			r.SetUserValue(carriedKey{a}, found)
			ids = append(ids, found.id[:])
		}
	}
	return ids
}

// find opens a cookie, or knows what is in it. It returns nil if the cookie is not ours, and
// names no session if it does not open.
// The first character of the value tells in how many cookies it travels, so a second
// cookie that was left over from a longer one is not looked at.
func (k *sealed) find(a *Engine, r Request, value []byte) *carried {
	if len(value) <= len(openedKey{}) {
		return nil
	}
	parts := int(value[0] - '0')
	if parts < 1 || parts > mostCookies {
		return nil
	}
	if parts == mostCookies {
		// The first of two is always full (setSession).
		more := a.cookies.read(r, k.names[1])
		if len(more) == 0 || len(value) != mostInCookie-len(k.names[0]) {
			return nil
		}
		value = append(value[:len(value):len(value)], more...) // a copy: the rest of the header follows in memory
	}
	known := k.opened.Get(openedKey(value))
	if known == nil || known.value != string(value) {
		if known = a.takeIn(value); known.id == (session.ID{}) {
			return known // and is not remembered: strangers may send as many as they like
		}
		entry := &cache.Entry[openedKey, carried]{Key: openedKey(value), Value: *known}
		k.opened.Put(entry)
		known = &entry.Value
	}
	return known
}

// takeIn opens a cookie that was not seen before, and takes its session in. If the session
// has ended or was refused here, it stays out, but is still named: a logout ends it once
// more, and readAgain says why it is out.
func (a *Engine) takeIn(value []byte) *carried {
	c, err := a.sealed.sealer.Open(value[1:])
	// A cookie of another release, in a deployment in progress, alarms nobody.
	if err != nil && !errors.Is(err, secret.ErrUnknownVersion) {
		a.sessions.Tampered(string(value[:len(openedKey{})]), value, err)
	}
	handle, ok := a.sessions.Handle(c.ID[:])
	if err != nil || !ok {
		return &carried{value: string(value)}
	}
	if !a.renewals.HasEnded(handle.Name()) && !a.renewals.WasRefused(handle.Name(), c.Cold.Refresh.First()) {
		_ = a.sessions.Adopt(c, a.settings.Now()) // into memory; a deadline that has passed shows when it is read
	}
	return &carried{value: string(value), id: c.ID, state: stateOf(c.Hot.Serial, c.Hot.Moments), oldKey: c.OldKey}
}

// broughtBy is what a request's cookie held, or nil.
func (a *Engine) broughtBy(r Request) *carried {
	found, _ := r.UserValue(carriedKey{a}).(*carried)
	return found
}

// errUnopened is for a cookie that another release has sealed, or with a key that this
// instance has not been given yet.
var errUnopened = fault.Because(fault.ErrSessionEnded, "the cookie does not open here; %w", session.ErrElsewhere)

// errRefusedHere is for a cookie whose session cannot be renewed here, but may continue
// in a cookie that another instance has sent.
var errRefusedHere = fault.Because(fault.ErrSessionEnded, "the refresh token was refused; %w", session.ErrElsewhere)

// readSession finds the session with an ID. If it came in a cookie and has been
// forgotten here, it is taken from the cookie again. So it is if an older cookie has
// brought it back since.
func (a *Engine) readSession(r Request, id []byte, now time.Time) (*session.Session, error) {
	s, err := a.sessions.Read(id, now)
	if a.sealed == nil || fault.IsUnknown(err) {
		return s, err
	}
	// The memory is bounded, and forgets what was written first.
	found := a.broughtBy(r)
	if found == nil || string(found.id[:]) != string(id) {
		return s, err // of several cookies, another one's is not this session
	}
	if err == nil && found.state.serial <= s.Serial {
		return s, nil
	}
	return a.readAgain(found, now)
}

// readAgain takes in a session once more that is not here any longer. It must not take in
// one that has ended here: the cookie would bring it back after a sign-out. Nor does it
// take one whose refresh token was refused, or each request would present it again.
func (a *Engine) readAgain(found *carried, now time.Time) (*session.Session, error) {
	id := found.id[:]
	handle, ok := a.sessions.Handle(id)
	if !ok {
		return nil, errUnopened
	}
	c, err := a.sealed.sealer.Open([]byte(found.value[1:]))
	switch {
	case err != nil || a.renewals.HasEnded(handle.Name()):
		return nil, session.ErrNoSession
	case a.renewals.WasRefused(handle.Name(), c.Cold.Refresh.First()):
		return nil, errRefusedHere
	}
	if err := a.sessions.Adopt(c, now); err != nil {
		return nil, err
	}
	return a.sessions.Read(id, now)
}
