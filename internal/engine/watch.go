package engine

import (
	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
)

// Watch checks the session behind a connection that stays open, such as a WebSocket or
// a stream. It outlives the request, so it keeps nothing of it. It never changes, so
// several goroutines may use it.
type Watch struct {
	engine  *Engine
	id      session.ID
	carried *carried          // what the request's cookie held, with CookieSessions, or nil
	bearer  *session.Identity // instead: a token that nothing renews
	refusal error             // instead: there was nobody
}

// Watch begins to look after whoever sent a request.
func (a *Engine) Watch(r Request) *Watch {
	if id := a.Identity(r); id != nil && id.Bearer && id.Payload != nil {
		return &Watch{engine: a, bearer: id}
	}
	current, err := a.sessionOf(r)
	if err != nil {
		return &Watch{engine: a, refusal: err}
	}
	return &Watch{engine: a, id: current.ID, carried: a.broughtBy(r)}
}

// current is the session as it is now, with tokens that have not expired. It does not
// touch the session as a request does (identify), because an open connection is no use of
// it, and neither is the renewal that it asks for.
func (w *Watch) current() (*session.Session, error) {
	if w.refusal != nil {
		return nil, w.refusal
	}
	now := w.engine.settings.Now()
	s, err := w.engine.sessions.Read(w.id[:], now)
	if err != nil && w.carried != nil {
		s, err = w.engine.readAgain(w.carried, now)
	}
	if err != nil {
		return nil, err
	}
	if s.Expires.Passed(now) {
		return w.engine.renewNow(s, w.carried)
	}
	return s, nil
}

// User is who it is now.
func (w *Watch) User() (*claims.Set, error) {
	if w.bearer != nil {
		return w.bearerUser()
	}
	s, err := w.current()
	if err != nil {
		return nil, err
	}
	return s.Identity.User, nil
}

// bearerUser is User for a bearer token. A machine client has none, and whoever goes by the
// error alone must not take it for one.
func (w *Watch) bearerUser() (*claims.Set, error) {
	if err := checkBearerExpiry(w.bearer, w.engine.settings.Now()); err != nil {
		return nil, err
	}
	if w.bearer.User == nil {
		return nil, errMachine
	}
	return w.bearer.User, nil
}

var errMachine = fault.Because(fault.ErrNotSignedIn, "the token belongs to a machine client, which is no user")

// AccessToken is a token that has not expired.
func (w *Watch) AccessToken() (secret.Text, error) {
	if w.bearer != nil {
		if err := checkBearerExpiry(w.bearer, w.engine.settings.Now()); err != nil {
			return "", err
		}
		return w.bearer.Raw, nil
	}
	s, err := w.current()
	if err != nil {
		return "", err
	}
	tokens, err := w.engine.tokensOf(s, w.carried)
	return tokens.Access, err
}
