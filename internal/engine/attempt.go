package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
)

const (
	// attemptLife is how long a visitor may take to log in.
	attemptLife = 10 * time.Minute
	// attemptsPerBrowser bounds the cookies of logins in progress.
	attemptsPerBrowser = 4
)

// attempt is one login in flight. It lies in the storage under a hash of the
// state, sealed with a key that only the browser that began it has, in a
// cookie of its own: so nobody else can finish it (login CSRF), and two tabs
// do not disturb each other.
type attempt struct {
	Verifier    string `json:"verifier"`
	Nonce       string `json:"nonce"`
	ReturnTo    string `json:"return_to"`
	RedirectURI string `json:"redirect_uri"`
	Silent      bool   `json:"silent,omitempty"` // begun with prompt=none
	Fresh       bool   `json:"fresh,omitempty"`  // the visitor has to prove anew who they are,
	Proved      int64  `json:"proved,omitempty"` // since this auth_time
	Whose       string `json:"whose,omitempty"`  // of this subject, or be somebody else
	Began       int64  `json:"began"`            // Unix seconds
}

// Format prints no secret.
func (attempt) Format(f fmt.State, _ rune) { secret.Hide(f, "attempt") }

// ticket is what the browser keeps of an attempt.
type ticket struct {
	name   string // of the cookie
	began  int64  // Unix seconds
	again  int    // how often the login has restarted by itself
	secret string
}

// Format prints no secret.
func (ticket) Format(f fmt.State, _ rune) { secret.Hide(f, "ticket") }

// attempts keeps logins in progress.
type attempts struct {
	store        *storage.Store
	rings        *secret.Deriver
	now          func() time.Time
	prefix       string        // of the cookies' names
	attemptLimit *attemptLimit // nil unless the storage is our own memory

	mu       sync.Mutex // guards flights and finished
	flights  map[string]*callback
	finished []*callback
}

func newAttempts(a *Engine) *attempts {
	made := &attempts{
		store: a.store, rings: secret.NewDeriver(a.settings.Keys, "attempt", a.binding), now: a.settings.Now, prefix: a.cookies.attempt, flights: map[string]*callback{},
	}
	if a.settings.OwnStorage {
		made.attemptLimit = newAttemptLimit(attemptsInMemory)
	}
	return made
}

// attemptKey names an attempt by its state, in the storage and in the cookie.
func attemptKey(state string) string {
	sum := sha256.Sum256([]byte("cognito attempt\x00" + state))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

func (t ticket) value() string {
	return strconv.FormatInt(t.began, 10) + "." + strconv.Itoa(t.again) + "." + t.secret
}

// parseTicket reads a cookie's value, or reports that it is none of ours.
func parseTicket(name, value string) (ticket, bool) {
	parts := strings.Split(value, ".")
	if len(value) > 80 || len(parts) != 3 || len(parts[2]) != 43 {
		return ticket{}, false
	}
	began, err := strconv.ParseInt(parts[0], 10, 64)
	again, err2 := strconv.Atoi(parts[1])
	if err != nil || err2 != nil || again < 0 {
		return ticket{}, false
	}
	return ticket{name: name, began: began, again: again, secret: parts[2]}, true
}

func (a *attempts) ring(t ticket) (secret.Keyring, bool) {
	random, ok := secret.RandomOf([]byte(t.secret))
	if !ok {
		return secret.Keyring{}, false
	}
	return a.rings.Ring(random[:]), true
}

// unseal opens what is stored of an attempt with whichever of the app's keys it
// was sealed with.
func (a *attempts) unseal(t ticket, ring secret.Keyring, key string, sealed []byte) ([]byte, error) {
	plain, err := ring.Open(key, sealed)
	if errors.Is(err, secret.ErrTampered) && a.rings.Rotating() {
		random, _ := secret.RandomOf([]byte(t.secret))
		return a.rings.OpenOlder(random[:], key, sealed)
	}
	return plain, err
}

// begin stores an attempt and returns its state and the browser's ticket.
func (a *attempts) begin(begun attempt, again int) (state string, t ticket, err error) {
	state = secret.Random()
	key := attemptKey(state)
	now := a.now()
	begun.Began = now.Unix()
	t = ticket{name: a.prefix + key, began: now.Unix(), again: again, secret: secret.Random()}
	if a.attemptLimit != nil && !a.attemptLimit.admit(key, now) {
		return "", ticket{}, fault.New(fault.Details{Reason: fault.ErrBusy, Cause: errTooManyAttempts, RetryAfter: time.Minute})
	}
	ring, _ := a.ring(t)
	plain, err := json.Marshal(begun)
	if err != nil {
		return "", ticket{}, err
	}
	err = a.store.Set(storageKey(key), ring.Seal(storageKey(key), plain), attemptLife)
	return state, t, err
}

var errTooManyAttempts = errors.New("the memory storage holds as many logins in progress as it may; use a shared storage or look for a flood")

func storageKey(key string) string { return "cognito_attempt_" + key }

// open reads an attempt with the browser's ticket. The error is
// ErrAttemptExpired if it is gone, ErrStateMismatch if the ticket does not
// open it, and ErrUnavailable if that cannot be known.
func (a *attempts) open(state string, t ticket) (attempt, error) {
	key := storageKey(attemptKey(state))
	sealed, err := a.store.Get(key)
	switch {
	case err != nil:
		return attempt{}, err
	case sealed == nil:
		return attempt{}, fault.Because(fault.ErrAttemptExpired, "no such login in progress: it expired or was finished")
	}
	ring, ok := a.ring(t)
	if !ok {
		return attempt{}, fault.Because(fault.ErrStateMismatch, "the cookie of the login is malformed")
	}
	plain, err := a.unseal(t, ring, key, sealed)
	var begun attempt
	switch {
	case errors.Is(err, secret.ErrUnknownVersion):
		return attempt{}, fault.Unavailable(err) // another release can read it
	case err != nil || json.Unmarshal(plain, &begun) != nil:
		return attempt{}, fault.Because(fault.ErrStateMismatch, "the cookie does not open this login: %w", err)
	}
	if a.now().Sub(time.Unix(begun.Began, 0)) >= attemptLife {
		// Not every storage keeps time as it should.
		return attempt{}, fault.Because(fault.ErrAttemptExpired, "the login was begun more than %s ago", attemptLife)
	}
	return begun, nil
}

// consume makes sure that an attempt serves once.
func (a *attempts) consume(state string) error {
	key := attemptKey(state)
	if err := a.store.Delete(storageKey(key)); err != nil {
		return err
	}
	if a.attemptLimit != nil {
		a.attemptLimit.done(key)
	}
	return nil
}

// tickets are the tickets of logins in progress that the browser sent, oldest
// first. Names that occur twice are none of ours.
func (a *attempts) tickets(r Request) []ticket {
	byName := map[string]int{}
	var found []ticket
	for name, value := range r.Request.Header.Cookies() {
		if !strings.HasPrefix(string(name), a.prefix) {
			continue
		}
		byName[string(name)]++
		if t, ok := parseTicket(string(name), string(value)); ok {
			found = append(found, t)
		}
	}
	found = slices.DeleteFunc(found, func(t ticket) bool { return byName[t.name] > 1 })
	slices.SortStableFunc(found, func(a, b ticket) int { return int(a.began - b.began) })
	return found
}

// ticketFor is the ticket of one state, if the browser has it.
func (a *attempts) ticketFor(r Request, state string) (ticket, bool) {
	if state == "" {
		return ticket{}, false
	}
	name := a.prefix + attemptKey(state)
	for _, t := range a.tickets(r) {
		if t.name == name {
			return t, true
		}
	}
	return ticket{}, false
}
