package engine

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/refresh"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/web"
)

// The last leg of the journey: the visitor leaves. The session ends here
// first, then the refresh token at Cognito, then Cognito's own session, so
// that the next login asks for a password again.

// serveLogout answers LogoutPath. Cookies are counted, not read: if somebody has added one
// to the visitor's (cookie tossing), read finds none, but there are sessions to end.
func (a *Engine) serveLogout(r Request) error {
	asking, own := r.asking(), a.origins(r)
	switch judgeLogout(asking, own, len(a.cookies.readAll(r, a.cookies.session)) > 0) {
	case logoutNow:
		return a.Logout(r, string(r.QueryArgs().Peek("return_to")))
	case logoutForeign:
		return a.refuse(r, a.foreign(r))
	case logoutByScript:
		return a.refuse(r, fault.Plain(fault.ErrNotNavigation))
	case logoutOfNobody:
		// There may be a cookie nevertheless, which browsers do not send with a form
		// of another site. They send it after the redirect.
		sealResponse(r)
		return r.redirect(a.logoutAddress(r), http.StatusSeeOther)
	}
	sealResponse(r)
	return sendPage(r, http.StatusOK, page{
		App: a.settings.AppName, Title: "Sign out?", Detail: "Please confirm that you want to sign out.",
		Action: a.logoutAddress(r), Label: "Sign out",
		Ways: []fault.Way{fault.Home(a.settings.AppName, a.Address(a.settings.AfterLogin))},
	})
}

// logoutAnswer is what a request for LogoutPath gets.
type logoutAnswer int

const (
	logoutAsks     logoutAnswer = iota // a page with a button
	logoutNow                          // what was asked for
	logoutForeign                      // another site's form
	logoutByScript                     // an image or a fetch that wants a page
	logoutOfNobody                     // a form that nothing is known of, neither who sent it nor for whom
)

// judgeLogout decides whether a visitor is asked first. Another site must not sign
// anybody out, so a GET signs out at once only from a link on the app's own pages. A POST
// does so if it has the cookie, which browsers do not send with another site's form, or an
// Origin of the app's own. A prefetch gets the page that asks, since the visitor may open
// it.
func judgeLogout(asking web.Asking, own []string, hasCookie bool) logoutAnswer {
	switch {
	case asking.IsForeign(own):
		return logoutForeign
	case asking.Method == http.MethodPost && (hasCookie || asking.IsOwn(own)), asking.FollowsOwnLink(own):
		return logoutNow
	case asking.Method == http.MethodPost:
		return logoutOfNobody
	case asking.IsScript() && !asking.Ahead:
		return logoutByScript
	}
	return logoutAsks
}

// Logout ends the session, for LogoutPath and for handlers with their own route. If
// somebody has added cookies to the visitor's (cookie tossing), nothing tells which
// session is the visitor's, so all of them end. They end even if the browser cannot be
// sent to Cognito, because BaseURL is missing.
func (a *Engine) Logout(r Request, to string) error {
	if r.isLost() {
		return fault.Unavailable(errLost) // its cookies may be the next visitor's
	}
	a.signOut(r, a.leaving(r))
	a.clearSession(r)
	a.cookies.clear(r, a.cookies.loginLoop)
	a.replaceIdentity(r, session.Anonymous)
	base, err := a.baseURL(r)
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	a.noteWhereTo(r, to)
	sealResponse(r)
	// 303, so that the form of a POST does not go to Cognito.
	return r.redirect(pool.WithQuery(a.endpoints.Logout, url.Values{
		"client_id":  {a.settings.ClientID},
		"logout_uri": {base + a.settings.AfterLogout},
	}), http.StatusSeeOther)
}

// leaving are the IDs of all sessions that a sign-out is about: those of the cookies, and the
// one that the request was identified by. A middleware between this one and the handler may
// have changed the cookies since, as encryptcookie does, and nothing would end.
func (a *Engine) leaving(r Request) [][]byte {
	ids := a.sessionIDs(r)
	id := a.seen(r)
	if id == nil || id.Session == nil {
		return ids
	}
	mine := id.Session.ID[:]
	if slices.ContainsFunc(ids, func(each []byte) bool { return bytes.Equal(each, mine) }) {
		return ids
	}
	return append(ids, mine)
}

var errLost = errors.New("the request was given up before its handler came to sign out; nobody was signed out")

// leavingKey marks a request that signs out. Each engine has its own, as with identityKey.
type leavingKey struct{ of *Engine }

// signOut ends sessions, after telling the app who signs out. They are read before the
// hook and ended after it, since the hook is told of the user. If the hook itself calls
// Logout, to say where to end perhaps, it is not told again, and again, until the stack is
// full.
func (a *Engine) signOut(r Request, ids [][]byte) {
	unmark, again := r.mark(leavingKey{a})
	if again {
		return
	}
	defer unmark()
	all := a.departures(r, ids)
	defer func() { // also if the app's hook panics
		for _, each := range all {
			a.end(each)
		}
	}()
	for _, each := range all {
		if each.session != nil {
			user := each.session.Identity.User
			a.hooks.OnLogout(r.App, user)
			a.event(r, Event{Kind: EventLogout, OK: true, Subject: user.Sub()})
		}
	}
}

// departure is a session that is about to end.
type departure struct {
	handle  *session.Handle
	known   bool             // it was open here, so no stranger has invented it
	session *session.Session // or nil
	err     error            // why it could not be read, or storage.IsSlow: nobody has tried
}

// departures reads sessions that are to end. It leaves out those that do not exist:
// otherwise invented cookies would fill the storage with tombstones. When the storage is
// slow, the visitor does not wait again, and the rest is done later.
func (a *Engine) departures(r Request, ids [][]byte) (all []departure) {
	var slow error
	for _, id := range ids {
		handle, ok := a.sessions.Handle(id)
		if !ok {
			continue
		}
		// known is looked up before reading, which makes every session known.
		each := departure{handle: handle, known: a.sessions.Recent.Get(handle.ID) != nil, err: slow}
		if slow == nil {
			each.session, each.err = a.readSession(r, handle.ID[:], a.settings.Now())
		}
		switch {
		case each.err == nil:
		case storage.IsSlow(each.err):
			slow = each.err
		// Left out only if there is no record at all. One that does not open is ended.
		case !fault.IsUnknown(each.err) && !each.known && !a.mayExist(handle):
			continue
		}
		all = append(all, each)
	}
	return all
}

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
