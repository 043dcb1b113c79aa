package cognito

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/tasks"
	"github.com/gofiber/fiber/v2"
)

const (
	// Back-off between renewals of one session that failed.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// pausesKept bounds the memory of failed renewals.
	pausesKept = 16384
	// longestWait bounds what a request waits for a renewal: a call to
	// Cognito, and a second one if the answer to the first was lost.
	longestWait = 2*callTimeout + time.Second
	// renewalsInFlight bounds the renewals that call Cognito at the same
	// time. Others wait for their turn; logins have places of their own.
	renewalsInFlight = callsInFlight / 2
	// flightsKept bounds the memory of those that wait: with more sessions
	// due while Cognito is slow, the rest is told at once to come back.
	flightsKept = 16384
)

var (
	errPaused         = errors.New("the last renewal failed; waiting before the next")
	errManyWait       = errors.New("too many renewals are waiting for their turn")
	errTooLong        = errors.New("renewing the tokens takes too long")
	errExpiredArrival = errors.New("the tokens that Cognito issued had already expired")
	errFlightPanicked = unavailable(errors.New("renewing the tokens panicked"))
)

// renewalObserver is told how renewals go. It is never called under a lock: what
// an app does with it, and a log that blocks, must not hold up other sessions.
type renewalObserver interface {
	renewed(before, after *openSession, err error, took time.Duration)
	unsaved(session string, cause error) // new tokens exist in memory alone
	notRevoked(cause error)
	logPanic(doing string, p any)
}

// renewals renews the tokens of sessions: one flight per session in this
// process, apart from any request, so that neither a closed tab nor a
// shutdown loses a refresh token that Cognito has already replaced.
type renewals struct {
	observer renewalObserver
	tasks    *tasks.Group
	endpoint *tokenEndpoint
	verifier *verifier
	sessions *sessions
	now      func() time.Time
	turns    chan struct{}
	// alone: the storage is this instance's own, so nobody else can have
	// renewed a session of it.
	alone bool

	mu       sync.Mutex // guards what follows
	flights  map[string]*renewal
	pauses   map[string]*pause
	held     map[string]*unsaved
	looks    map[string]*unsaved // to be looked for again
	rescuing map[string]bool     // somebody offers what is held to the storage
	ended    endedNames          // sessions that have ended here
}

func newRenewals(a *Auth) *renewals {
	return &renewals{
		observer: a, tasks: a.tasks, endpoint: a.endpoint, verifier: a.verifier, sessions: a.sessions, now: a.config.Now,
		turns: make(chan struct{}, renewalsInFlight), alone: a.ownStorage != nil,
		flights: map[string]*renewal{}, pauses: map[string]*pause{}, held: map[string]*unsaved{}, looks: map[string]*unsaved{}, rescuing: map[string]bool{},
	}
}

// renewal is one flight, with any number of requests waiting for it.
type renewal struct {
	done    chan struct{}
	session *openSession // the session with its new tokens
	err     error
}

// pause is what is remembered of a session whose renewal failed.
type pause struct {
	failures int
	until    time.Time
}

// ahead renews in the background. A quarter of the tokens' life is left then,
// so requests never wait while Cognito is well.
func (r *renewals) ahead(s *openSession) {
	if s.renewable {
		_, _ = r.start(s)
	}
}

// wait renews now and returns the session with its new tokens. While one
// flight is under way everybody waits for that one.
func (r *renewals) wait(s *openSession) (*openSession, error) {
	if !s.renewable && !s.expires.passed(r.now()) {
		return s, nil // these are all the tokens there will be
	}
	flight, err := r.start(s)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(longestWait)
	defer timer.Stop()
	select {
	case <-flight.done:
	case <-timer.C:
		return nil, unavailable(errTooLong)
	}
	if flight.err != nil {
		return nil, flight.err
	}
	if flight.session.expires.passed(r.now()) {
		return nil, unavailable(errExpiredArrival)
	}
	return flight.session, nil
}

// start joins the flight of a session or begins one, unless it is pausing.
func (r *renewals) start(s *openSession) (*renewal, error) {
	name := s.name()
	r.mu.Lock()
	defer r.mu.Unlock()
	if flight := r.flights[name]; flight != nil {
		return flight, nil
	}
	if r.ended.has(name) {
		return nil, errNoSuchSession
	}
	if held := r.held[name]; held != nil && !held.record.expires.passed(r.now()) {
		// Good tokens, though the storage has not taken them yet.
		return landed(held.session(r.sessions, &s.sessionHandle)), nil
	}
	if p := r.pauses[name]; p != nil && r.now().Before(p.until) {
		return nil, unavailable(errPaused)
	}
	if len(r.flights) >= flightsKept {
		return nil, unavailable(errManyWait)
	}
	flight := &renewal{done: make(chan struct{})}
	r.flights[name] = flight
	started := r.tasks.Go("renewing a session", func(<-chan struct{}) {
		began := time.Now()
		session, err := r.flySafely(s)
		r.land(name, flight, session, err)
		r.observer.renewed(s, session, err, time.Since(began))
	})
	if started != nil {
		delete(r.flights, name)
		return nil, unavailable(started)
	}
	return flight, nil
}

// landed is a flight that is over already.
func landed(session *openSession) *renewal {
	done := make(chan struct{})
	close(done)
	return &renewal{done: done, session: session}
}

// flySafely waits for its turn before anything else: what a flight has read,
// and the time that it has, must not grow old in a queue.
func (r *renewals) flySafely(s *openSession) (session *openSession, err error) {
	err = errFlightPanicked
	defer func() {
		if p := recover(); p != nil {
			r.observer.logPanic("renewing a session", p)
		}
	}()
	if err := r.takeTurn(); err != nil {
		return nil, err
	}
	defer func() { <-r.turns }()
	ctx, cancel := context.WithTimeout(context.Background(), 6*callTimeout)
	defer cancel()
	return r.fly(ctx, s)
}

func (r *renewals) takeTurn() error {
	select {
	case r.turns <- struct{}{}:
		return nil // even while closing: this flight began before
	default:
	}
	timer := time.NewTimer(longestWait)
	defer timer.Stop()
	select {
	case r.turns <- struct{}{}:
		return nil
	case <-timer.C:
		return unavailable(errTooLong)
	case <-r.tasks.Closing():
		return unavailable(tasks.ErrClosed)
	}
}

// land records how a flight ended and releases those who wait.
func (r *renewals) land(name string, flight *renewal, session *openSession, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flights, name)
	if isUnknown(err) || r.held[name] != nil {
		r.pauseAfterFailure(name) // the session is kept
	} else {
		delete(r.pauses, name)
	}
	flight.session, flight.err = session, err
	close(flight.done)
}

// pauseAfterFailure doubles the pause, with jitter so that sessions that
// failed together do not return together. The caller holds mu.
func (r *renewals) pauseAfterFailure(name string) {
	p := r.pauses[name]
	if p == nil {
		r.forgetOldPauses()
		p = &pause{}
		r.pauses[name] = p
	}
	length := min(firstPause<<min(p.failures, 10), longestPause)
	p.failures++
	p.until = r.now().Add(length/2 + rand.N(length/2))
}

// forgetOldPauses makes room for sessions that still call. The caller holds
// mu.
func (r *renewals) forgetOldPauses() {
	if len(r.pauses) < pausesKept {
		return
	}
	for name, p := range r.pauses {
		if r.now().After(p.until) {
			delete(r.pauses, name)
		}
	}
}

// serveRefresh answers RefreshPath: the tokens are renewed now, for scripts
// that want to be ahead of an expiry.
func (a *Auth) serveRefresh(c *fiber.Ctx) error {
	if a.crossOrigin(c) {
		return a.refuse(c, &Error{reason: ErrCrossOrigin})
	}
	id := a.cookies.read(c, a.cookies.session)
	if id == nil {
		return a.refuse(c, errNobody)
	}
	s, err := a.sessions.read(id, a.config.Now())
	if err != nil {
		return a.refuse(c, asError(err))
	}
	renewed, err := a.renewals.wait(s)
	if err != nil {
		if !isUnknown(err) {
			a.cookies.clear(c, string(a.cookies.session)) // it ended just now
		}
		return a.refuse(c, asError(err))
	}
	sealResponse(c)
	return c.JSON(fiber.Map{"expires_at": renewed.expires.time().UTC().Format(time.RFC3339)})
}

func isUnknown(err error) bool { return errors.Is(err, ErrUnavailable) }
