package cognito

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

const (
	// attemptLife is how long a visitor may take to log in.
	attemptLife = 10 * time.Minute
	// attemptsPerBrowser bounds the cookies of logins in progress.
	attemptsPerBrowser = 4
	// attemptsInMemory bounds the logins in progress that the default memory
	// storage keeps for strangers, at about a kilobyte each.
	attemptsInMemory = 65536
	// answerLife is how long a finished callback is kept for its duplicates.
	answerLife = 10 * time.Second
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

// ticket is what the browser keeps of an attempt.
type ticket struct {
	name   string // of the cookie
	began  int64  // Unix seconds
	again  int    // how often the login has restarted by itself
	secret string
}

// attempts keeps logins in progress.
type attempts struct {
	store   *store
	boundTo string // see sealedFor
	now     func() time.Time
	prefix  string  // of the cookies' names
	ledger  *ledger // nil unless the storage is our own memory

	mu       sync.Mutex // guards flights and finished
	flights  map[string]*callback
	finished []*callback
}

func newAttempts(a *Auth) *attempts {
	made := &attempts{
		store: a.store, boundTo: sealedFor("attempt", a.binding), now: a.config.Now, prefix: a.cookies.attempt, flights: map[string]*callback{},
	}
	if a.ownStorage != nil {
		made.ledger = newLedger(attemptsInMemory)
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

func (a *attempts) ring(t ticket) (keyring, bool) {
	random, ok := randomOf([]byte(t.secret))
	if !ok {
		return keyring{}, false
	}
	return deriveKeyring(random[:], a.boundTo), true
}

// begin stores an attempt and returns its state and the browser's ticket.
func (a *attempts) begin(begun attempt, again int) (state string, t ticket, err error) {
	state = randomText()
	key := attemptKey(state)
	now := a.now()
	begun.Began = now.Unix()
	t = ticket{name: a.prefix + key, began: now.Unix(), again: again, secret: randomText()}
	if a.ledger != nil && !a.ledger.admit(key, now) {
		return "", ticket{}, &Error{reason: ErrBusy, cause: errTooManyAttempts, retryAfter: time.Minute}
	}
	ring, _ := a.ring(t)
	plain, err := json.Marshal(begun)
	if err != nil {
		return "", ticket{}, err
	}
	err = a.store.set(storageKey(key), ring.seal(storageKey(key), plain), attemptLife)
	return state, t, err
}

var errTooManyAttempts = errors.New("the memory storage holds as many logins in progress as it may; use a shared storage or look for a flood")

func storageKey(key string) string { return "cognito_attempt_" + key }

// open reads an attempt with the browser's ticket. The error is
// ErrAttemptExpired if it is gone, ErrStateMismatch if the ticket does not
// open it, and ErrUnavailable if that cannot be known.
func (a *attempts) open(state string, t ticket) (attempt, error) {
	key := storageKey(attemptKey(state))
	sealed, err := a.store.get(key)
	switch {
	case err != nil:
		return attempt{}, err
	case sealed == nil:
		return attempt{}, because(ErrAttemptExpired, "no such login in progress: it expired or was finished")
	}
	ring, ok := a.ring(t)
	if !ok {
		return attempt{}, because(ErrStateMismatch, "the cookie of the login is malformed")
	}
	plain, err := ring.open(key, sealed)
	var begun attempt
	if err != nil || json.Unmarshal(plain, &begun) != nil {
		return attempt{}, because(ErrStateMismatch, "the cookie does not open this login: %w", err)
	}
	if a.now().Sub(time.Unix(begun.Began, 0)) >= attemptLife {
		// Not every storage keeps time as it should.
		return attempt{}, because(ErrAttemptExpired, "the login was begun more than %s ago", attemptLife)
	}
	return begun, nil
}

// consume makes sure that an attempt serves once.
func (a *attempts) consume(state string) error {
	key := attemptKey(state)
	if err := a.store.delete(storageKey(key)); err != nil {
		return err
	}
	if a.ledger != nil {
		a.ledger.done(key)
	}
	return nil
}

// tickets are the tickets of logins in progress that the browser sent, oldest
// first. Names that occur twice are none of ours.
func (a *attempts) tickets(c *fiber.Ctx) []ticket {
	byName := map[string]int{}
	var found []ticket
	for name, value := range c.Request().Header.Cookies() {
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
func (a *attempts) ticketFor(c *fiber.Ctx, state string) (ticket, bool) {
	if state == "" {
		return ticket{}, false
	}
	name := a.prefix + attemptKey(state)
	for _, t := range a.tickets(c) {
		if t.name == name {
			return t, true
		}
	}
	return ticket{}, false
}

// callback is one answer of Cognito being dealt with. A double click sends it
// twice; the second request gets what the first one earned.
type callback struct {
	key      string
	done     chan struct{}
	outcome  outcome
	finished time.Time
}

// once runs work for the first of several requests with the same state and
// ticket, and gives its outcome to all. An outcome that did not use up the
// attempt is shared with those who already wait, and then forgotten.
//
// A duplicate may set out before the answer exists and arrive after it. It is
// recognised by its connection, which was made before the answer was: any
// later request finds the attempt used, as it should.
func (a *attempts) once(c *fiber.Ctx, state string, t ticket, work func() outcome) outcome {
	sum := sha256.Sum256([]byte(state + "\x00" + t.secret))
	key := string(sum[:])
	a.mu.Lock()
	a.forgetFinished()
	if earlier := a.flights[key]; earlier != nil {
		late := !earlier.finished.IsZero()
		a.mu.Unlock()
		if late && (c.Context().ConnRequestNum() > 1 || !c.Context().ConnTime().Before(earlier.finished)) {
			return work()
		}
		<-earlier.done
		return earlier.outcome
	}
	mine := &callback{key: key, done: make(chan struct{}), outcome: outcome{err: &Error{reason: ErrInternal}}}
	a.flights[key] = mine
	a.mu.Unlock()

	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		mine.finished = time.Now()
		if mine.outcome.used {
			a.finished = append(a.finished, mine)
		} else {
			delete(a.flights, key)
		}
		close(mine.done)
	}()
	mine.outcome = work()
	return mine.outcome
}

// forgetFinished drops outcomes that no duplicate can ask for any more. The
// caller holds mu.
func (a *attempts) forgetFinished() {
	old := 0
	for old < len(a.finished) && time.Since(a.finished[old].finished) > answerLife {
		delete(a.flights, a.finished[old].key)
		old++
	}
	a.finished = slices.Delete(a.finished, 0, old)
}

// ledger counts the logins in progress in the default memory storage, so that
// strangers who begin logins without end cannot fill the memory. A full ledger
// refuses new ones: throwing out an old one would let a flood break the logins
// of others.
type ledger struct {
	limit int

	mu    sync.Mutex // guards live and queue
	live  map[string]struct{}
	queue []pending // in order of expiry
}

type pending struct {
	key     string
	expires time.Time
}

func newLedger(limit int) *ledger {
	return &ledger{limit: limit, live: map[string]struct{}{}}
}

func (l *ledger) admit(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	gone := 0
	for gone < len(l.queue) && !now.Before(l.queue[gone].expires) {
		delete(l.live, l.queue[gone].key)
		gone++
	}
	l.queue = slices.Delete(l.queue, 0, gone)
	if len(l.live) >= l.limit {
		return false
	}
	l.live[key] = struct{}{}
	l.queue = append(l.queue, pending{key, now.Add(attemptLife)})
	return true
}

func (l *ledger) done(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, key)
	if len(l.queue) > 2*l.limit {
		l.queue = slices.DeleteFunc(l.queue, func(p pending) bool {
			_, live := l.live[p.key]
			return !live
		})
	}
}
