// Package login keeps logins in progress, from the redirect to Cognito until the callback.
//
// A login is an [Attempt]: the verifier, the nonce and the page to return to. Cognito gives
// its state back with the code (RFC 6749 section 4.1.2); the browser keeps a [Ticket] in one
// of eight cookies. Whoever has only one of the two can neither read nor finish the login.
package login

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
)

// Life is how long a visitor may take to sign in.
const Life = 10 * time.Minute

// Attempt is one login in progress. It is stored under a hash of the state. The key that
// it is sealed with takes one of the app's keys and a secret that only the browser that
// started it has, in a cookie. So nobody else can finish it (login CSRF), and two tabs do
// not interfere with each other. If too many are in progress, the attempt is kept in the
// cookie itself.
//
// Fresh, MaxAge, MFA and Levels are what was asked of Cognito. The callback checks the ID
// token against them (judgeProof), because the classic hosted UI ignores them.
type Attempt struct {
	Verifier string
	Nonce    string
	ReturnTo string
	Base     string // of the redirect URI
	Silent   bool   // begun with prompt=none
	Fresh    bool   // the visitor has to prove anew who they are,
	Proved   int64  // since this auth_time
	Whose    string // of this subject, cut short, or be somebody else
	MaxAge   int64  // or, if not 0, within so many seconds
	MFA      bool   // the visitor has to show a second factor,
	Levels   string // or to reach one of these levels, as marks
	Began    int64  // Unix seconds
}

// Format prints no secret.
func (Attempt) Format(f fmt.State, _ rune) { secret.Hide(f, "attempt") }

// Settings are what logins in progress depend on.
type Settings struct {
	Store    *storage.Store
	Keys     secret.Keys
	Binding  string // of the app, its client and its pool: no other app opens what is sealed
	Mark     string // tells our tickets from those of other app clients at the same host; it protects nothing
	Slots    string // what the names of the browser's slots begin with
	Base     string // of the redirect URI, unless an attempt has its own
	InCookie bool   // all attempts travel in their cookies
	Now      func() time.Time
}

// Attempts keeps logins in progress. It is safe for concurrent use.
type Attempts struct {
	Settings
	rings     *secret.Deriver // for what is stored
	inCookies *secret.Deriver // for what travels in a cookie
	limit     *attemptLimit
	spent     spentAttempts
	longest   int // of a ticket
}

// New keeps logins in a storage, or in their cookies.
func New(s Settings) *Attempts {
	made := &Attempts{
		Settings: s, rings: secret.NewDeriver(s.Keys, "attempt", s.Binding), inCookies: secret.NewDeriver(s.Keys, "attempt in a cookie", s.Binding),
		limit: newAttemptLimit(attemptsStored, attemptBytesStored), longest: LongestTicket,
	}
	if s.InCookie {
		made.limit, made.longest = newAttemptLimit(0, 0), longestCarried
	}
	return made
}

// attemptKey names an attempt by its state, in the storage. It is a hash, so that a dump
// of the storage shows no state.
func attemptKey(state string) string {
	sum := sha256.Sum256([]byte("cognito attempt\x00" + state))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

func storageKey(key string) string { return "cognito_attempt_" + key }

// ring is what an attempt in the storage is sealed with: it takes the browser's ticket and
// a key of the app. Without the latter, whoever can write to the storage could seal an
// attempt of their own for a ticket of their choice.
func (a *Attempts) ring(t Ticket) (secret.Keyring, bool) {
	return ringOf(t.secret, a.rings)
}

// ringHere seals an attempt in a cookie. The browser must not be able to read or
// change it, so the key depends on a secret of the server in addition to the state.
func (a *Attempts) ringHere(state string) (secret.Keyring, bool) {
	return ringOf(state, a.inCookies)
}

// ringOf reports whether random can be a text of ours at all: a stranger writes both
// states and tickets.
func ringOf(random string, from *secret.Deriver) (secret.Keyring, bool) {
	bytes, ok := secret.RandomOf([]byte(random))
	if !ok {
		return secret.Keyring{}, false
	}
	return from.Ring(bytes[:]), true
}

// Begin records an attempt and returns its state and the browser's ticket. The attempt
// is stored, unless strangers have used up the limit: then it is kept in the cookie, so
// that a flood neither fills the storage nor locks anybody out.
func (a *Attempts) Begin(begun Attempt, again int) (state string, t Ticket, err error) {
	state = secret.Random()
	now := a.Now()
	begun.Began = now.Unix()
	// Left out where it is known anyway: an attempt has to fit into a cookie.
	if begun.Base == a.Base {
		begun.Base = ""
	}
	key := attemptKey(state)
	t = Ticket{Began: now.UnixMilli(), Again: again, key: key[:ticketKey]}
	plain := begun.encode()
	if !a.limit.admit(key, len(plain), now) {
		t.sealed = a.sealInto(state, t, begun)
		return state, t, nil
	}
	// Also in the ticket, where it lies open: if the storage loses the attempt, the login
	// that starts again still knows where the visitor was going.
	t.secret, t.returnTo = secret.Random(), begun.ReturnTo
	if len(a.Value(t)) > a.longest {
		t.returnTo = "" // the storage has it
	}
	ring, _ := a.ring(t)
	if err := a.Store.Set(storageKey(key), ring.Seal(storageKey(key), plain), Life); err != nil {
		a.limit.done(key) // or an outage of the storage would use up the limit
		return "", Ticket{}, err
	}
	return state, t, nil
}

// sealInto seals an attempt for its cookie. Where to return to is left out if it
// is too long for one of eight: then the login ends at AfterLogin (finish). Without it, an
// attempt always fits, or its callback would find no login.
func (a *Attempts) sealInto(state string, t Ticket, begun Attempt) string {
	ring, _ := a.ringHere(state)
	seal := func() string {
		return base64.RawURLEncoding.EncodeToString(ring.Seal(a.Slots, begun.encode()))
	}
	t.sealed = seal()
	if len(a.Value(t)) > a.longest {
		begun.ReturnTo = ""
		return seal()
	}
	return t.sealed
}

// Open reads an attempt with the browser's ticket. The error is ErrAttemptExpired if
// it is gone, ErrStateMismatch if the ticket does not open it, and ErrUnavailable if
// that cannot be known. For an expired attempt, what is known of it is returned too, so
// that the login can start again.
func (a *Attempts) Open(state string, t Ticket) (Attempt, error) {
	plain, err := a.unseal(state, t)
	if err != nil {
		return Attempt{ReturnTo: t.returnTo}, err
	}
	begun, err := decodeAttempt(plain)
	if err != nil {
		return Attempt{}, fault.Because(fault.ErrStateMismatch, "the cookie does not open this login: %w", err)
	}
	if begun.Base == "" {
		begun.Base = a.Base
	}
	if a.Now().Sub(time.Unix(begun.Began, 0)) >= Life {
		// Not every storage keeps time as it should, and no cookie does.
		return begun, fault.Because(fault.ErrAttemptExpired, "the login started more than %s ago", Life)
	}
	return begun, nil
}

// unseal finds the record of an attempt and opens it. The errors are those of open. They
// wrap secret.ErrTampered if none of the app's keys opens it.
func (a *Attempts) unseal(state string, t Ticket) ([]byte, error) {
	if t.sealed != "" {
		sealed, err := base64.RawURLEncoding.DecodeString(t.sealed)
		ring, ok := a.ringHere(state)
		if err != nil || !ok {
			return nil, fault.Because(fault.ErrStateMismatch, "the cookie of the login is malformed")
		}
		plain, err := openAny(ring, a.inCookies, state, a.Slots, sealed)
		if err != nil {
			// Without Config.Keys it is most likely of the process before this one. So
			// it counts as expired, and the login starts again by itself.
			return nil, fault.Because(fault.ErrAttemptExpired, "the login in the cookie cannot be opened: %w", err)
		}
		return plain, nil
	}
	key := storageKey(attemptKey(state))
	sealed, err := a.Store.Get(key)
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

// openAny opens with whichever of the app's keys a login was sealed with: one that is in
// progress while Keys are replaced must go on.
func openAny(ring secret.Keyring, from *secret.Deriver, random, name string, sealed []byte) ([]byte, error) {
	plain, err := ring.Open(name, sealed)
	if errors.Is(err, secret.ErrTampered) && from.Rotating() {
		bytes, _ := secret.RandomOf([]byte(random))
		return from.OpenOlder(bytes[:], name, sealed)
	}
	return plain, err
}

// Consume makes sure that an attempt is used only once. It comes before the exchange of
// the code: if the storage fails, the code is unspent, and the same callback works later.
func (a *Attempts) Consume(state string, t Ticket) error {
	key := attemptKey(state)
	if t.sealed != "" {
		if !a.spent.add(key, a.Now()) {
			return fault.Because(fault.ErrAttemptExpired, "the login in the cookie was already finished")
		}
		return nil
	}
	if err := a.Store.Delete(storageKey(key)); err != nil {
		return err
	}
	a.limit.done(key)
	return nil
}
