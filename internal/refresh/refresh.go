// Package refresh renews the tokens of sessions before they expire, and ends
// sessions.
//
// What this process remembers of a session meanwhile is its state:
//
//	          tokens are due                  Cognito has renewed
//	nothing ─────────────────▶ flight ────────────────────────────▶ to settle
//	 ▲  ▲                      │ │  ▲                                │ │ │  ▲
//	 │  │    nothing is known  │ │  └── several tokens are stored ◀──┘ │ │  │
//	 │  └── pause ◀────────────┘ │                                     │ │  │
//	 │                           │ Cognito refuses all of them         │ └──┘ the storage fails,
//	 │                           ▼                                     │      or has other tokens
//	 ├─────────── ended: they are revoked ◀──── its records are gone ──┤
//	 └────────────────────────── they stand in the storage ◀───────────┘
//
// A flight is one renewal (renewal.go), whose tokens are verified and stored
// (accept.go). A lease makes instances take turns (lease.go). Settling is one loop
// (settle.go) that runs until the storage has what Cognito has issued. With candidates
// ([session.Candidates]), a session survives two renewals at the same time. The valid
// refresh token is always in the storage, or in the loop of some instance.
package refresh

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/tasks"
	"github.com/bar-tech/cognito/internal/verify"
)

const (
	// Back-off between renewals of one session that failed.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// statesKept is from how many sessions on those are forgotten whose pause is over. It is
	// no limit: a pause under way protects Cognito, and a token to settle must not be lost.
	statesKept = 16384
)

var (
	// ErrPaused is an outage (ErrUnavailable) to whoever asks during a pause.
	ErrPaused   = errors.New("the last renewal failed; waiting before the next")
	errManyWait = errors.New("too many renewals are waiting")
	// errTooLong is about the request: the flight goes on without it.
	errTooLong        = errors.New("renewing the tokens took too long")
	errExpiredArrival = errors.New("the tokens that Cognito issued had already expired")
	errFlightPanicked = fault.Unavailable(errors.New("renewing the tokens panicked"))
)

// Observer is told how renewals go. It is never called under a lock: an app's hook, or
// a log that blocks, must not delay other sessions.
type Observer interface {
	// Renewed is called once a flight. after counts only if err is nil.
	Renewed(before, after *session.Session, err error, took time.Duration)
	Unsaved(session string, cause error) // new tokens exist in memory alone
	TokensLost(session string)           // the storage has the session, and not its tokens
	NotRevoked(cause error)
}

// Renewals renews the tokens of sessions: one flight per session in this process,
// independent of requests, so that neither a closed tab nor a shutdown loses a refresh
// token that Cognito has already replaced.
type Renewals struct {
	observer Observer
	tasks    *tasks.Group
	endpoint *pool.TokenEndpoint
	verifier *verify.Verifier
	sessions *session.Store
	now      func() time.Time
	alone    bool

	cookieSessions bool
	renewInRequest bool

	mu       sync.Mutex             // guards what follows, and is held for nothing else
	states   map[string]*state      // by name of the session, and none that is empty
	flights  int                    // among the states
	swept    time.Time              // when old pauses were last forgotten
	ended    cache.Recent[struct{}] // of sessions that have ended here
	refusals cache.Recent[struct{}] // of sessions, each with the fingerprint of a token: see lost
}

// Needs are what renewals depend on.
type Needs struct {
	Sessions *session.Store
	Endpoint *pool.TokenEndpoint
	Verifier *verify.Verifier
	Tasks    *tasks.Group
	Observer Observer
	Now      func() time.Time
	// Alone tells that the storage is this instance's own, so nobody else can have
	// renewed a session of it.
	Alone bool
	// CookieSessions tells that other instances may renew the same session without our
	// knowing, because it is kept in its cookie.
	CookieSessions bool
	// RenewInRequest tells that tasks must end within the request that started them.
	RenewInRequest bool
}

// New renews the tokens of sessions.
func New(n Needs) *Renewals {
	return &Renewals{
		observer: n.Observer, tasks: n.Tasks, endpoint: n.Endpoint, verifier: n.Verifier, sessions: n.Sessions,
		now: n.Now, alone: n.Alone, cookieSessions: n.CookieSessions, renewInRequest: n.RenewInRequest, states: map[string]*state{},
	}
}

// Ahead renews in the background. A quarter of the tokens' life is left then,
// so requests never wait while Cognito is well. A pause, or an instance that is busy, is no
// news to a request whose tokens are still valid.
func (r *Renewals) Ahead(s *session.Session) {
	if s.Renewable {
		_, _ = r.start(s)
	}
}

// AheadFor renews like Ahead, but waits for the given time: a session in a cookie is
// best renewed by the request whose response sets the new cookie. If the renewal takes
// longer or fails, it returns the session unchanged.
func (r *Renewals) AheadFor(s *session.Session, patience time.Duration) *session.Session {
	if !s.Renewable {
		return s
	}
	flight, err := r.start(s)
	if err != nil {
		return s
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-flight.done:
	case <-timer.C:
		return s
	}
	if flight.err != nil {
		return s
	}
	return flight.session
}

// Wait renews now and returns the session with its new tokens. While one
// flight is under way everybody waits for that one. The error is ErrUnavailable if nothing
// is known yet, and otherwise the session has ended.
func (r *Renewals) Wait(s *session.Session) (*session.Session, error) {
	if !s.Renewable && !s.Expires.Passed(r.now()) {
		return s, nil // these are all the tokens there will be
	}
	flight, err := r.start(s)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(pool.LongestWait)
	defer timer.Stop()
	select {
	case <-flight.done:
	case <-timer.C:
		return nil, fault.Unavailable(errTooLong)
	}
	if flight.err != nil {
		return nil, flight.err
	}
	// The leeway of the verification lets through what has just expired. Whoever waits here
	// needs tokens that others accept, too.
	if flight.session.Expires.Passed(r.now()) {
		return nil, fault.Unavailable(errExpiredArrival)
	}
	return flight.session, nil
}

// anew is the serial of a session that Anew renews: whatever others have got meanwhile, or we
// have and could not store, it is not newer.
const anew = math.MaxUint64

// Anew renews with a flight that starts after now: a flight in progress, here or at
// another instance, may have asked Cognito before the caller changed something there.
func (r *Renewals) Anew(s *session.Session) (*session.Session, error) {
	r.mu.Lock()
	var under *flight
	if st := r.states[s.Name()]; st != nil {
		under = st.flight
	}
	r.mu.Unlock()
	if under != nil {
		_, _ = r.Wait(s) // whatever comes of it, ours begins after it
	}
	current, err := r.sessions.Read(s.ID[:], r.now()) // or the flight would find it renewed already
	if err != nil {
		return nil, err
	}
	if !current.Renewable {
		return r.Wait(current)
	}
	record := current.Record()
	record.Serial = anew
	return r.Wait(r.sessions.FromMemory(&current.Handle, record))
}

// start joins the flight of a session or begins one, unless it is pausing.
func (r *Renewals) start(s *session.Session) (*flight, error) {
	now := r.now() // the app's function, so not under the lock
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended.Has(s.Name()) {
		return nil, session.ErrNoSession
	}
	if st := r.states[s.Name()]; st != nil {
		r.resume(&s.Handle, st)
		switch {
		case st.flight != nil:
			return st.flight, nil
		case st.tokens != nil && !st.tokens.stored && !st.tokens.record.Expires.Passed(now) && s.Serial != anew:
			// Valid tokens, although the storage has not accepted them yet. Another renewal
			// would only bring more of these.
			return landed(st.tokens.session(r.sessions, &s.Handle)), nil
		case now.Before(st.paused) && st.paused.Sub(now) <= longestPause: // else the clock was set back
			return nil, fault.Unavailable(ErrPaused)
		}
	}
	return r.begin(s, true, now)
}

// begin starts a flight. After a flight that no request asked for there is no pause,
// because it must not delay requests that do ask. The caller holds mu, under which the
// flight cannot end before it is noted.
func (r *Renewals) begin(s *session.Session, asked bool, now time.Time) (*flight, error) {
	if r.flights >= pool.RenewalsWaiting {
		return nil, fault.Unavailable(errManyWait)
	}
	// The error stays if renew panics, for those who wait.
	f := &flight{done: make(chan struct{}), err: errFlightPanicked}
	if err := r.tasks.Go("renewing a session", func(<-chan struct{}) { r.run(s, f, asked) }); err != nil {
		return nil, fault.Unavailable(err)
	}
	r.state(s.Name(), now).flight = f
	r.flights++
	return f, nil
}

// run makes a flight. Whoever waits for it is released, come what may. Waiters come first
// and the observer second: a log that blocks holds up nobody.
func (r *Renewals) run(s *session.Session, f *flight, asked bool) {
	ctx, cancel := tasks.Awake(context.Background(), 2*pool.BackgroundTimeout)
	defer cancel()
	began := time.Now()
	defer func() {
		r.finish(s.Name(), f, asked)
		r.observer.Renewed(s, f.session, f.err, time.Since(began))
	}()
	f.session, f.err = r.renew(ctx, s)
}
