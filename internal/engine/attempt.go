package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
)

// attemptLife is how long a visitor may take to sign in.
const attemptLife = 10 * time.Minute

// attempt is one login in progress. It is stored under a hash of the state, sealed
// with a key that only the browser that started it has, in a cookie. So nobody else
// can finish it (login CSRF), and two tabs do not interfere with each other. If too
// many are in progress, the attempt is kept in the cookie itself.
type attempt struct {
	Verifier string
	Nonce    string
	ReturnTo string
	Base     string // of the redirect URI
	Silent   bool   // begun with prompt=none
	Fresh    bool   // the visitor has to prove anew who they are,
	Proved   int64  // since this auth_time
	Whose    string // of this subject (whose), or be somebody else
	MaxAge   int64  // or, if not 0, within so many seconds
	MFA      bool   // the visitor has to show a second factor,
	Levels   string // or to reach one of these levels (levelMarks)
	Began    int64  // Unix seconds
}

// Format prints no secret.
func (attempt) Format(f fmt.State, _ rune) { secret.Hide(f, "attempt") }

// attempts keeps logins in progress.
type attempts struct {
	store     *storage.Store
	rings     *secret.Deriver // for what is stored
	inCookies *secret.Deriver // for what travels in a cookie
	now       func() time.Time
	prefix    string // of the slots' names
	mark      string // tells our tickets from those of other app clients
	limit     *attemptLimit
	spent     spentAttempts
	base      string // BaseURL, unless attempts have their own
	longest   int    // of a ticket

	mu       sync.Mutex // guards flights and finished
	flights  map[string]*callback
	finished []*callback
}

func newAttempts(a *Engine) *attempts {
	made := &attempts{
		store: a.store, rings: secret.NewDeriver(a.settings.Keys, "attempt", a.binding), inCookies: secret.NewDeriver(a.settings.Keys, "attempt in a cookie", a.binding),
		now: a.settings.Now, prefix: a.cookies.attempt, base: a.settings.BaseURL, mark: ShortHash(a.binding + "\x00" + a.settings.CookieName + "\x00" + a.settings.RedirectPath)[:4],
		limit: newAttemptLimit(attemptsStored, attemptBytesStored), flights: map[string]*callback{}, longest: longestTicket,
	}
	if a.settings.CookieSessions {
		made.limit, made.longest = newAttemptLimit(0, 0), longestCarried // all travel in their cookies
	}
	return made
}

// attemptKey names an attempt by its state, in the storage.
func attemptKey(state string) string {
	sum := sha256.Sum256([]byte("cognito attempt\x00" + state))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

func storageKey(key string) string { return "cognito_attempt_" + key }

// ring is what an attempt in the storage is sealed with: only the browser's
// ticket leads to it.
func (a *attempts) ring(t ticket) (secret.Keyring, bool) {
	return ringOf(t.secret, a.rings)
}

// ringHere seals an attempt in a cookie. The browser must not be able to read or
// change it, so the key depends on a secret of the server in addition to the state.
func (a *attempts) ringHere(state string) (secret.Keyring, bool) {
	return ringOf(state, a.inCookies)
}

func ringOf(random string, from *secret.Deriver) (secret.Keyring, bool) {
	bytes, ok := secret.RandomOf([]byte(random))
	if !ok {
		return secret.Keyring{}, false
	}
	return from.Ring(bytes[:]), true
}

// begin records an attempt and returns its state and the browser's ticket. The attempt
// is stored, unless strangers have used up the limit: then it is kept in the cookie, so
// that a flood neither fills the storage nor locks anybody out.
func (a *attempts) begin(begun attempt, again int) (state string, t ticket, err error) {
	state = secret.Random()
	now := a.now()
	begun.Began = now.Unix()
	if begun.Base == a.base {
		begun.Base = ""
	}
	key := attemptKey(state)
	t = ticket{began: now.UnixMilli(), again: again, key: key[:ticketKey]}
	plain := begun.encode()
	if !a.limit.admit(key, len(plain), now) {
		t.sealed = a.sealInto(state, t, begun)
		return state, t, nil
	}
	t.secret, t.returnTo = secret.Random(), begun.ReturnTo
	if len(t.value(a.mark)) > a.longest {
		t.returnTo = "" // the storage has it
	}
	ring, _ := a.ring(t)
	if err := a.store.Set(storageKey(key), ring.Seal(storageKey(key), plain), attemptLife); err != nil {
		a.limit.done(key)
		return "", ticket{}, err
	}
	return state, t, nil
}

// sealInto seals an attempt for its cookie. Where to return to is left out if it
// is too long for one of eight.
func (a *attempts) sealInto(state string, t ticket, begun attempt) string {
	ring, _ := a.ringHere(state)
	seal := func() string {
		return base64.RawURLEncoding.EncodeToString(ring.Seal(a.prefix, begun.encode()))
	}
	t.sealed = seal()
	if len(t.value(a.mark)) > a.longest {
		begun.ReturnTo = ""
		return seal()
	}
	return t.sealed
}

// open reads an attempt with the browser's ticket. The error is ErrAttemptExpired if
// it is gone, ErrStateMismatch if the ticket does not open it, and ErrUnavailable if
// that cannot be known. For an expired attempt, what is known of it is returned too.
func (a *attempts) open(state string, t ticket) (attempt, error) {
	plain, err := a.unseal(state, t)
	if err != nil {
		return attempt{ReturnTo: t.returnTo}, err
	}
	begun, err := decodeAttempt(plain)
	if err != nil {
		return attempt{}, fault.Because(fault.ErrStateMismatch, "the cookie does not open this login: %w", err)
	}
	if begun.Base == "" {
		begun.Base = a.base
	}
	if a.now().Sub(time.Unix(begun.Began, 0)) >= attemptLife {
		// Not every storage keeps time as it should, and no cookie does.
		return begun, fault.Because(fault.ErrAttemptExpired, "the login started more than %s ago", attemptLife)
	}
	return begun, nil
}

func (a *attempts) unseal(state string, t ticket) ([]byte, error) {
	if t.sealed != "" {
		sealed, err := base64.RawURLEncoding.DecodeString(t.sealed)
		ring, ok := a.ringHere(state)
		if err != nil || !ok {
			return nil, fault.Because(fault.ErrStateMismatch, "the cookie of the login is malformed")
		}
		plain, err := openAny(ring, a.inCookies, state, a.prefix, sealed)
		if err != nil { // without Config.Keys most likely of the process before this one
			return nil, fault.Because(fault.ErrAttemptExpired, "the login in the cookie cannot be opened: %w", err)
		}
		return plain, nil
	}
	key := storageKey(attemptKey(state))
	sealed, err := a.store.Get(key)
	switch {
	case err != nil:
		return nil, err
	case sealed == nil:
		return nil, fault.Because(fault.ErrAttemptExpired, "no such login is in progress: it expired or was already finished")
	}
	ring, ok := a.ring(t)
	if !ok {
		return nil, fault.Because(fault.ErrStateMismatch, "the cookie of the login is malformed")
	}
	plain, err := openAny(ring, a.rings, t.secret, key, sealed)
	switch {
	case errors.Is(err, secret.ErrUnknownVersion):
		return nil, fault.Unavailable(err) // another release can read it
	case err != nil:
		return nil, fault.Because(fault.ErrStateMismatch, "the cookie does not open this login: %w", err)
	}
	return plain, nil
}

// openAny opens with whichever of the app's keys a login was sealed with.
func openAny(ring secret.Keyring, from *secret.Deriver, random, name string, sealed []byte) ([]byte, error) {
	plain, err := ring.Open(name, sealed)
	if errors.Is(err, secret.ErrTampered) && from.Rotating() {
		bytes, _ := secret.RandomOf([]byte(random))
		return from.OpenOlder(bytes[:], name, sealed)
	}
	return plain, err
}

// consume makes sure that an attempt is used only once.
func (a *attempts) consume(state string, t ticket) error {
	key := attemptKey(state)
	if t.sealed != "" {
		if !a.spent.add(key, a.now()) {
			return fault.Because(fault.ErrAttemptExpired, "the login in the cookie was already finished")
		}
		return nil
	}
	if err := a.store.Delete(storageKey(key)); err != nil {
		return err
	}
	a.limit.done(key)
	return nil
}
