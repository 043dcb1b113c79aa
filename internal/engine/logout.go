package engine

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
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
		return a.Logout(r, r.returnTo())
	case logoutForeign:
		return a.refuse(r, a.foreign(r))
	case logoutByScript:
		// These clients open what they are led to as a page. A refusal would lead them to
		// the login: whoever follows a link to sign out would be signed in anew.
		if r.isInertia() || r.isHTMX() {
			return a.leadToLogout(r)
		}
		return a.refuse(r, fault.Plain(fault.ErrNotNavigation))
	case logoutOfNobody:
		// There may be a cookie nevertheless, which browsers do not send with a form
		// of another site. They send it after the redirect.
		return a.leadToLogout(r)
	}
	sealResponse(r)
	return sendPage(r, http.StatusOK, page{
		App: a.settings.AppName, Title: "Sign out?", Detail: "Please confirm that you want to sign out.",
		Action: a.logoutAddress(r.returnTo()), Label: "Sign out",
		Ways: []fault.Way{fault.Home(a.settings.AppName, a.Address(a.settings.AfterLogin))},
	})
}

// leadToLogout has the browser open LogoutPath as a page.
func (a *Engine) leadToLogout(r Request) error {
	sealResponse(r)
	return r.redirect(a.logoutAddress(r.returnTo()), http.StatusSeeOther)
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
	return r.leaveFor(pool.WithQuery(a.endpoints.Logout, url.Values{
		"client_id":  {a.settings.ClientID},
		"logout_uri": {base + a.settings.AfterLogout},
	}))
}

// leaveFor sends the browser to where Cognito ends its own session. A script cannot follow a
// redirect there: it would fail, and Cognito would go on to sign the visitor in without a
// password. So one that asks for JSON, as HTMX and Inertia do not, is told the address, for its page to
// open.
func (r Request) leaveFor(address string) error {
	asking := r.asking()
	if asking.IsScript() && web.NamesJSON(asking.Accept) {
		return r.json(http.StatusOK, "application/json", map[string]string{"continue_url": address})
	}
	// 303, so that the form of a POST does not go to Cognito.
	return r.redirect(address, http.StatusSeeOther)
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
