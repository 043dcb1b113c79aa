package cognito

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

const (
	// Back-off between renewals of one session that failed.
	firstPause   = time.Second
	longestPause = 30 * time.Second
	// pollPause is how often another instance's renewal is looked for.
	pollPause = 100 * time.Millisecond
	// leaseLife covers one call to Cognito and saving its answer.
	leaseLife = callTimeout + 2*time.Second
	// pausesKept bounds the memory of failed renewals.
	pausesKept = 16384
)

var errPaused = errors.New("the last renewal failed; waiting before the next")

// renewals renews the tokens of sessions: one flight per session in this
// process, apart from any request, so that neither a closed tab nor a
// shutdown loses a refresh token that Cognito has already replaced.
type renewals struct {
	auth     *Auth
	endpoint *tokenEndpoint
	verifier *verifier
	sessions *sessions
	now      func() time.Time
	// alone: the storage is this instance's own, so nobody else can have
	// renewed a session of it.
	alone bool

	mu      sync.Mutex // guards flights and pauses
	flights map[string]*renewal
	pauses  map[string]*pause
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
	// unsaved holds tokens that Cognito has issued and the storage has not
	// taken. They exist only here, so they are kept until it does.
	unsaved *unsaved
}

type unsaved struct {
	record hotRecord
	cold   coldRecord
}

// due reports whether the tokens should be renewed soon. A quarter of their
// life is left then, so requests never wait while Cognito is well.
func (r *renewals) due(s *openSession) bool {
	return s.record.renewable && !r.now().Before(s.record.renewAfter)
}

// ahead renews in the background, if it is time.
func (r *renewals) ahead(s *openSession) {
	if r.due(s) {
		r.start(s)
	}
}

// wait renews now and returns the session with its new tokens. While one
// flight is under way everybody waits for that one.
func (r *renewals) wait(s *openSession) (*openSession, error) {
	flight, err := r.start(s)
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(3 * callTimeout)
	defer timer.Stop()
	select {
	case <-flight.done:
	case <-timer.C:
		return nil, unavailable(errors.New("renewing the tokens takes too long"))
	}
	if flight.err != nil {
		return nil, flight.err
	}
	if !r.now().Before(flight.session.record.expires) {
		return nil, unavailable(errors.New("Cognito issued tokens that have already expired"))
	}
	return flight.session, nil
}

// start joins the flight of a session or begins one, unless it is pausing.
func (r *renewals) start(s *openSession) (*renewal, error) {
	name := s.ring.name
	r.mu.Lock()
	defer r.mu.Unlock()
	if flight := r.flights[name]; flight != nil {
		return flight, nil
	}
	if p := r.pauses[name]; p != nil && r.now().Before(p.until) {
		if p.unsaved != nil && r.now().Before(p.unsaved.record.expires) {
			return landed(r.sessions.fromMemory(s.sessionHandle, p.unsaved.record), nil), nil
		}
		return nil, unavailable(errPaused)
	}
	flight := &renewal{done: make(chan struct{})}
	r.flights[name] = flight
	started := r.auth.caller.background(func(ctx context.Context) {
		var session *openSession
		var err error = errFlightPanicked
		defer func() { r.land(name, flight, session, err) }()
		defer r.auth.recoverBackground("renewing a session")
		began := time.Now()
		session, err = r.fly(ctx, s)
		r.tell(s, session, err, time.Since(began))
	})
	if !started {
		delete(r.flights, name)
		return nil, unavailable(errClosed)
	}
	return flight, nil
}

var errFlightPanicked = unavailable(errors.New("renewing the tokens panicked"))

// tell reports how a renewal ended to whoever wants to know.
func (r *renewals) tell(before, after *openSession, err error, took time.Duration) {
	event := Event{Kind: EventRefresh, OK: true, Subject: before.visit.user.Subject(), Duration: took}
	if err != nil {
		r.auth.emit(event.failed(err))
		return
	}
	r.auth.emit(event)
	if r.auth.config.OnRefresh != nil && after.record.serial != before.record.serial {
		r.auth.config.OnRefresh(after.visit.user)
	}
}

func landed(session *openSession, err error) *renewal {
	done := make(chan struct{})
	close(done)
	return &renewal{done: done, session: session, err: err}
}

// land records how a flight ended and releases those who wait.
func (r *renewals) land(name string, flight *renewal, session *openSession, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.flights, name)
	switch {
	case err != nil && isUnknown(err):
		r.pauseAfterFailure(name) // the session is kept
	case err == nil && r.pauses[name] != nil && r.pauses[name].unsaved != nil:
		r.pauseAfterFailure(name) // served from memory; saving is tried again
	default:
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
		if p.unsaved == nil && r.now().After(p.until) {
			delete(r.pauses, name)
		}
	}
}

// fly renews the tokens of one session. Its first act is to read the records
// again: if another instance or an earlier flight was faster, its tokens are
// the ones to use.
func (r *renewals) fly(ctx context.Context, seen *openSession) (*openSession, error) {
	handle := seen.sessionHandle
	pending := r.takeUnsaved(handle)
	current, cold, err := r.sessions.fresh(handle)
	switch {
	case err != nil && pending != nil:
		return r.stillUnsaved(handle, pending, err)
	case err != nil:
		return nil, err
	case pending != nil && current.record.serial <= pending.record.serial:
		record := pending.record
		record.idleUntil, record.touchAfter = current.record.idleUntil, current.record.touchAfter
		return r.keep(handle, record, pending.cold)
	case current.record.serial != seen.record.serial && r.now().Before(current.record.renewAfter):
		return current, nil
	}
	if cold.unverifiedAccess != "" {
		return r.accept(ctx, current, cold)
	}
	if cold.refresh == "" {
		return r.dead(handle, errors.New("there is no refresh token"))
	}
	if other, err := r.othersRenewal(ctx, current); other != nil || err != nil {
		return other, err
	}
	return r.call(ctx, current, cold)
}

// othersRenewal looks for the lease of an instance that is renewing this
// session just now, and waits for what it brings. The lease is advice, not a
// lock: fiber.Storage has no atomic operation to build one on. Without it
// every race costs a call; with it hardly any does.
func (r *renewals) othersRenewal(ctx context.Context, current *openSession) (*openSession, error) {
	if r.alone {
		return nil, nil
	}
	for {
		lease, err := r.sessions.store.get(current.lease)
		if err != nil {
			return nil, err
		}
		if lease == nil {
			// If it cannot be set, the worst is a race, which is dealt with.
			_ = r.sessions.store.set(current.lease, sealedTombstone, leaseLife)
			return nil, nil
		}
		if !sleep(ctx, pollPause) {
			return nil, unavailable(ctx.Err())
		}
		fresh, err := r.sessions.read([]byte(current.id), r.now())
		if err != nil {
			return nil, err
		}
		if fresh.record.serial != current.record.serial {
			return fresh, nil
		}
	}
}

// call asks Cognito for new tokens and deals with its answer.
func (r *renewals) call(ctx context.Context, current *openSession, cold coldRecord) (*openSession, error) {
	if !r.alone {
		defer func() { _ = r.sessions.store.delete(current.lease) }()
	}
	began := time.Now()
	got, err := r.endpoint.renew(ctx, cold.refresh)
	if err != nil && errors.Is(err, errNoAnswer) {
		// Perhaps Cognito has rotated the refresh token and the answer was
		// lost. Within the client's grace period the old one works again.
		got, err = r.endpoint.renew(ctx, cold.refresh)
	}
	if errors.Is(err, errInvalidGrant) {
		return r.refused(ctx, current, cold, began, err)
	}
	if err != nil {
		return nil, asUnknown(err)
	}
	if got.refresh != "" {
		cold.refresh = got.refresh
	}
	cold.unverifiedAccess, cold.unverifiedID = got.access, got.id
	return r.accept(ctx, current, cold)
}

// refused believes invalid_grant only when no other instance can have used
// the same refresh token: its answer may still be travelling, so the record
// must stay as it is for as long as a call can take.
func (r *renewals) refused(ctx context.Context, current *openSession, cold coldRecord, began time.Time, cause error) (*openSession, error) {
	for !r.alone {
		fresh, freshCold, err := r.sessions.fresh(current.sessionHandle)
		switch replaced := freshCold.refresh != cold.refresh; {
		case err != nil:
			return nil, err
		case fresh.record.serial != current.record.serial:
			return fresh, nil
		case replaced && freshCold.unverifiedAccess != "":
			return r.accept(ctx, fresh, freshCold)
		case time.Since(began) > callTimeout+storageTimeout:
			if replaced {
				// The winner stored its refresh token and got no further.
				return nil, unavailable(cause)
			}
			return r.dead(current.sessionHandle, cause)
		}
		if !sleep(ctx, pollPause) {
			return nil, unavailable(ctx.Err())
		}
	}
	return r.dead(current.sessionHandle, cause)
}

// accept verifies new tokens and makes them the session's. A new refresh token
// is stored before anything else happens, since the old one may be dead.
func (r *renewals) accept(ctx context.Context, current *openSession, cold coldRecord) (*openSession, error) {
	handle := current.sessionHandle
	stored := r.sessions.saveCold(handle, current.record, cold)
	if stored != nil && !isUnknown(stored) {
		r.sessions.revokeLater(cold.refresh) // ended while the call was under way
		return nil, stored
	}
	record, err := r.renewed(ctx, current, cold)
	if err == nil {
		cold.access = cold.unverifiedAccess
		cold.unverifiedAccess, cold.unverifiedID = "", ""
		return r.keep(handle, record, cold)
	}
	expired := errors.Is(err, ErrTokenExpired)
	if errors.Is(err, ErrInvalidToken) && !expired {
		r.sessions.revokeLater(cold.refresh)
		return r.dead(handle, err)
	}
	if expired {
		// Worthless tokens, but no reason to doubt the session: ask again.
		cold.unverifiedAccess, cold.unverifiedID = "", ""
		stored = r.sessions.saveCold(handle, current.record, cold)
	}
	if stored != nil {
		r.holdUnsaved(handle, current.record, cold)
	}
	return nil, asUnknown(err)
}

// renewed verifies the tokens that wait in cold, like those at login but for
// the nonce, which Cognito may leave out here, and builds the new hot record.
func (r *renewals) renewed(ctx context.Context, current *openSession, cold coldRecord) (hotRecord, error) {
	subject := current.visit.user.Subject()
	access, err := r.verifier.accessToken(ctx, cold.unverifiedAccess, ruleSameSubject(subject))
	if err != nil {
		return hotRecord{}, err
	}
	record := current.record
	record.serial++
	record.payload = access.payload
	record.expires = access.expires()
	if cold.unverifiedID != "" {
		id, err := r.verifier.idToken(ctx, cold.unverifiedID, ruleSameSubject(subject), ruleNonceIfPresent(cold.nonce), ruleAccessTokenHash(access.raw))
		if err != nil {
			return hotRecord{}, err
		}
		if record.user, err = userClaims(id.payload, record.userInfo); err != nil {
			return hotRecord{}, because(ErrInvalidToken, "ID token: %w", ErrTokenMalformed)
		}
		record.expires = earlier(record.expires, id.expires())
	}
	record.renewAfter = renewAfter(r.now(), record.expires)
	return record, nil
}

// renewAfter leaves a quarter of the tokens' life, give or take a tenth, so
// that sessions that began together are not renewed together. Tokens that
// arrive nearly or wholly expired are not asked for more than once a second.
func renewAfter(now, expires time.Time) time.Time {
	life := expires.Sub(now)
	share := 0.75 + 0.05*(2*rand.Float64()-1)
	return now.Add(max(time.Second, time.Duration(float64(life)*share)))
}

// keep saves a renewed session. If the storage fails, the tokens are kept in
// memory and the request is served with them.
func (r *renewals) keep(handle *sessionHandle, record hotRecord, cold coldRecord) (*openSession, error) {
	saved, err := r.sessions.save(handle, record, &cold)
	switch {
	case err == nil:
		return saved, nil
	case isUnknown(err):
		r.auth.config.Logger.Error("cognito: renewed tokens could not be stored; they are kept in memory", "session", handle.ring.name[:8], "error", err)
		r.holdUnsaved(handle, record, cold)
		return r.sessions.fromMemory(handle, record), nil
	}
	r.sessions.revokeLater(cold.refresh) // ended while the call was under way
	return nil, err
}

// stillUnsaved deals with tokens in memory while the storage cannot be read,
// or when the session is found to have ended in the meantime.
func (r *renewals) stillUnsaved(handle *sessionHandle, pending *unsaved, cause error) (*openSession, error) {
	if !isUnknown(cause) {
		r.sessions.revokeLater(pending.cold.refresh)
		return nil, cause
	}
	r.holdUnsaved(handle, pending.record, pending.cold)
	return nil, cause
}

func (r *renewals) holdUnsaved(handle *sessionHandle, record hotRecord, cold coldRecord) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pauses[handle.ring.name]
	if p == nil {
		p = &pause{}
		r.pauses[handle.ring.name] = p
	}
	p.unsaved = &unsaved{record: record, cold: cold}
}

func (r *renewals) takeUnsaved(handle *sessionHandle) *unsaved {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pauses[handle.ring.name]
	if p == nil || p.unsaved == nil {
		return nil
	}
	pending := p.unsaved
	p.unsaved = nil
	return pending
}

// dead ends a session that Cognito will not renew.
func (r *renewals) dead(handle *sessionHandle, cause error) (*openSession, error) {
	if _, err := r.sessions.end(handle); err != nil {
		return nil, err
	}
	return nil, &Error{reason: ErrSessionEnded, cause: cause}
}

// asUnknown turns an operator's error into an outage: a wrong client secret
// must be mended, but nobody is logged out for it.
func asUnknown(err error) error {
	if isUnknown(err) {
		return err
	}
	return unavailable(err)
}

func isUnknown(err error) bool { return errors.Is(err, ErrUnavailable) }

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// serveRefresh answers RefreshPath: the tokens are renewed now, for scripts
// that want to be ahead of an expiry.
func (a *Auth) serveRefresh(c *fiber.Ctx) error {
	if a.crossOrigin(c) {
		return a.refuse(c, &Error{reason: ErrCrossOrigin})
	}
	v := a.identify(c)
	if v.session == nil {
		return a.refuse(c, v.refusal())
	}
	renewed, err := a.renewals.wait(v.session)
	if err != nil {
		return a.refuse(c, asError(err))
	}
	return c.JSON(fiber.Map{"expires_at": renewed.record.expires.UTC().Format(time.RFC3339)})
}

// ruleNonceIfPresent is ruleNonce for renewals, where the claim may be gone.
func ruleNonceIfPresent(want secret) rule {
	return func(v *verifier, t *token) error {
		if _, set := t.claims["nonce"]; !set {
			return nil
		}
		return ruleNonce(want)(v, t)
	}
}
