package engine

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/refresh"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
)

// A session ends here first and then at Cognito. While the storage cannot record that, this
// process refuses the session and keeps trying: until then, a copy of the cookie still works
// elsewhere.

// end ends a session, now or later.
func (a *Engine) end(d departure) {
	switch {
	case storage.IsSlow(d.err):
		a.endLater(d.handle, d.known, d.err)
	case a.endNow(d.handle) && d.session != nil:
		_ = a.sessions.Unlist(d.session.Identity.User.Sub(), d.handle.Name()) // or its entry is found dead
	}
}

// mayExist reports whether there is anything to end of a session. If that cannot be known,
// there may be: a tombstone too many does less harm than a session that goes on.
func (a *Engine) mayExist(handle *session.Handle) bool {
	exists, err := a.sessions.Exists(handle)
	return exists || err != nil
}

// endNow ends a session here and then at Cognito, and reports whether the storage has
// recorded it. A storage that cannot be reached is told as soon as it is back, because
// until then a copy of the cookie still works.
func (a *Engine) endNow(handle *session.Handle) (told bool) {
	known := a.sessions.Recent.Get(handle.ID) != nil // before MarkEnded forgets it
	err := a.sessions.MarkEnded(handle)
	if !storage.IsSlow(err) { // else all the rest would take as long again, and somebody waits
		var refresh []secret.Text
		refresh, err = a.renewals.RemoveEnded(handle, err)
		a.renewals.RevokeLater(refresh...)
	}
	if err != nil {
		a.endLater(handle, known, err)
	}
	return err == nil
}

// endLater keeps trying to end a session whose end the storage could not record. What
// needs no storage is done at once: this process refuses the session and revokes what it
// alone has.
func (a *Engine) endLater(handle *session.Handle, known bool, cause error) {
	held := a.renewals.Forget(handle.Name())
	a.renewals.RevokeLater(held.All()...)
	a.sessions.Recent.Forget(handle.ID)
	log := a.settings.Logger.With("session", handle.Name()[:8], "error", cause)
	switch pending, room := a.pendingLogouts.begin(handle.Name(), known); {
	case pending: // another request has begun it
	case !room:
		log.Error("cognito: a session could not be ended, and too many others are waiting to be ended; it lasts until it expires")
	case a.tasks.Go("ending a session", func(closing <-chan struct{}) { a.keepEnding(handle, closing) }) == nil:
		log.Error("cognito: a session could not be ended yet; trying again in the background")
	default: // closed, or busy beyond measure: nothing can be done later
		a.endOnceMore(handle, log)
	}
}

// endOnceMore is for when nothing can be done later.
func (a *Engine) endOnceMore(handle *session.Handle, log *slog.Logger) {
	log.Error("cognito: a session could not be ended; trying once more")
	refresh, _ := a.renewals.End(handle)
	a.renewals.RevokeLater(refresh...) // no task can begin, so this logs that they are not revoked
	a.pendingLogouts.done(handle.Name())
}

// keepEnding tries until the session is ended or has ended by itself, and once
// more when the app stops. If the process may be frozen now, it rests until the next
// request.
func (a *Engine) keepEnding(handle *session.Handle, closing <-chan struct{}) {
	resting := false
	defer func() {
		if !resting {
			a.pendingLogouts.done(handle.Name())
		}
	}()
	byItself := time.Now().Add(a.settings.AbsoluteTimeout) // it has expired by then, whatever else happens
	pause := refresh.FirstSettlePause
	for last := false; !last && time.Now().Before(byItself); pause = min(2*pause, refresh.LongestSettlePause) {
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-closing:
			last = true
		}
		refresh, err := a.renewals.End(handle)
		a.renewals.RevokeLater(refresh...)
		if !fault.IsUnknown(err) {
			return
		}
	}
	if resting = a.settings.RenewInRequest; resting {
		a.pendingLogouts.rest(handle)
	}
}

// endRested goes on with what keepEnding rests from.
func (a *Engine) endRested() {
	for _, handle := range a.pendingLogouts.rested() {
		if a.tasks.Go("ending a session", func(closing <-chan struct{}) { a.keepEnding(handle, closing) }) != nil {
			a.endOnceMore(handle, a.settings.Logger)
		}
	}
}

// pendingLogouts are the sessions whose end the storage has not recorded yet, by name.
// While the storage cannot be reached, a session's cookie looks the same as one that a
// stranger has invented, and strangers could fill any list. So sessions that this
// process has seen recently have their own limit.
type pendingLogouts struct {
	mu        sync.Mutex        // guards all below
	known     map[string]bool   // pending sessions, by whether this process knows them
	strangers int               // how many of them it does not
	resting   []*session.Handle // see keepEnding
	tried     time.Time         // when they were last gone on with
}

const (
	endingsKept        = cache.Limit // as many as this process has open at a time
	endingsOfStrangers = 1024
)

// begin notes a session. It reports whether it is pending already, and else
// whether there was room.
func (e *pendingLogouts) begin(name string, known bool) (pending, room bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, pending := e.known[name]; pending {
		return true, true
	}
	if (known && len(e.known)-e.strangers >= endingsKept) || (!known && e.strangers >= endingsOfStrangers) {
		return false, false
	}
	if e.known == nil {
		e.known = map[string]bool{}
	}
	e.known[name] = known
	if !known {
		e.strangers++
	}
	return false, true
}

// done makes room again, once for each name.
func (e *pendingLogouts) done(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if known, pending := e.known[name]; pending && !known {
		e.strangers--
	}
	delete(e.known, name)
}

// rest keeps a session for endRested. It stays pending, so no other request begins to end
// it meanwhile.
func (e *pendingLogouts) rest(handle *session.Handle) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.resting = append(e.resting, handle)
}

// rested takes those that rest, so seldom that an outage does not delay every request.
func (e *pendingLogouts) rested() (handles []*session.Handle) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.resting) == 0 || time.Since(e.tried) < refresh.FirstSettlePause {
		return nil
	}
	handles, e.resting, e.tried = e.resting, nil, time.Now()
	return handles
}
