package engine

import (
	"errors"
	"strconv"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
)

// What a response does to the cookies of a session: it sets them, brings newer ones where the
// session is kept in them, or deletes them.

// carry sets the cookie of a session that has changed since the request's cookie was
// sent. Every request that may renew the session has to end with it, in Leave or on our
// own routes: if the browser does not get the new refresh token, the next instance
// presents a spent one and signs the visitor out.
func (a *Engine) carry(r Request, id *session.Identity) {
	if a.sealed == nil {
		return
	}
	brought := a.broughtBy(r)
	if brought == nil || id == nil || id.Session == nil {
		return
	}
	s := id.Session
	if newer := a.sessions.Recent.Get(s.ID); newer != nil && newer.Serial >= s.Serial {
		s = newer // renewed, or its idle deadline moved, since the request came in
	}
	if stateOf(s.Serial, s.Moments) == brought.state && !brought.oldKey {
		return
	}
	if a.renewals.HasEnded(s.Name()) {
		return // by another request: this one's response may be the last to arrive
	}
	if err := a.setSession(r, s); err != nil {
		a.settings.Logger.Error("cognito: a session's new cookie could not be sent; the old one works until its tokens expire", "session", s.Name()[:8], "error", err)
		return
	}
	keepFromCaches(r)
}

// keepFromCaches replaces what the app says of a response that now carries a session. It may
// be a file for everybody, which a shared cache keeps, with its cookies, and gives to others:
// not all caches heed Vary. Of the other headers, each tells some caches more than
// Cache-Control does (RFC 9213).
func keepFromCaches(r Request) {
	if r.GivenUp() {
		return
	}
	r.Response.Header.SetCanonical(headerCacheControl, privateNoStore)
	for _, name := range []string{"CDN-Cache-Control", "Surrogate-Control"} {
		r.Response.Header.Del(name)
	}
}

// setSession sends the cookie that leads to a session, or carries it. The error says that
// the tokens are too large or cannot be read; then nothing is sent.
func (a *Engine) setSession(r Request, s *session.Session) error {
	if a.sealed == nil {
		a.cookies.setSession(r, string(a.cookies.session), string(s.ID[:]), a.settings.AbsoluteTimeout)
		return nil
	}
	value, err := a.sealedValue(s, a.broughtBy(r))
	if err != nil {
		return err
	}
	life := s.Until().Sub(a.settings.Now()) + time.Second - time.Nanosecond // Max-Age has whole seconds: rounded up
	for _, name := range a.sealed.names {
		room := mostInCookie - len(name)
		part := value[:min(room, len(value))]
		value = value[len(part):]
		switch {
		case part != "":
			a.cookies.setSession(r, string(name), part, life)
		// Left over from a longer session. It would take room in every request's header.
		case a.cookies.read(r, name) != nil:
			a.cookies.clear(r, string(name))
		}
	}
	return nil
}

// sealedValue is the newest cookie of a session, in one piece. The error is that of
// reading its tokens, or ErrMisconfigured if it does not fit into two cookies: no visitor
// can do anything about that.
func (a *Engine) sealedValue(s *session.Session, brought *carried) (string, error) {
	sealing := &a.sealed.sealing[int(s.ID[0])%len(a.sealed.sealing)]
	sealing.Lock()
	defer sealing.Unlock()
	state := stateOf(s.Serial, s.Moments)
	if sent := a.sealed.sent.Get(s.ID); sent != nil && sent.state == state {
		return sent.value, nil
	}
	tokens, err := a.tokensOf(s, brought)
	if err != nil {
		return "", err
	}
	text := a.sealed.sealer.Seal(s.ID, s.Record(), tokens)
	parts := 1
	if len(a.sealed.names[0])+1+len(text) > mostInCookie {
		parts = mostCookies
	}
	if longest := mostCookies*mostInCookie - len(a.sealed.names[0]) - len(a.sealed.names[1]); 1+len(text) > longest {
		return "", fault.Because(fault.ErrMisconfigured, "%w: %d characters, but at most %d fit; request fewer Scopes, give users fewer groups or attributes, or set Storage instead of CookieSessions", errTooLarge, 1+len(text), longest)
	}
	value := strconv.Itoa(parts) + text
	a.sealed.sent.Put(&cache.Entry[session.ID, sentCookie]{Key: s.ID, Value: sentCookie{state, value}})
	return value, nil
}

var errTooLarge = errors.New("the session's tokens are too large for cookies")

// clearSession deletes the session's cookie, or cookies.
func (a *Engine) clearSession(r Request) {
	a.cookies.clear(r, string(a.cookies.session))
	if a.sealed != nil && a.cookies.read(r, a.sealed.names[1]) != nil {
		a.cookies.clear(r, string(a.sealed.names[1]))
	}
}
