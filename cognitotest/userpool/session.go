package userpool

import (
	"net/http"
	"time"
)

// What the pool remembers of a visitor between two logins. Only the pages to sign in,
// its own and those of identity providers, start a session, and only /logout ends it
// before its time; neither a refresh nor a revocation touches it.

// sessionCookie is the name of Cognito's own session cookie. It is why a
// visitor who has only left the application is let in again without a page.
const sessionCookie = "cognito"

// session is a visitor who has signed in.
type session struct {
	username string
	name     string    // for the API; "" when no browser keeps it
	clientID string    // of the client that the sign-in was for
	provider string    // where, or "" on the login page
	authTime time.Time // when the password was given
	level    int       // that was reached: 1, or 3 with a second factor
	expires  time.Time // by the client's setting; requests do not extend it
}

// startSession remembers a visitor and gives them the cookie. The auth_time of codes
// given out while it lasts is that of its start.
func (p *Pool) startSession(w http.ResponseWriter, username string, client Client, level int) session {
	return p.startSessionFrom(w, "", username, client, level)
}

// startSessionFrom is startSession for a visitor who has signed in at a provider.
func (p *Pool) startSessionFrom(w http.ResponseWriter, provider, username string, client Client, level int) session {
	now, ttl := p.Now(), client.SessionTTL
	started := session{username: username, clientID: client.ID, provider: provider, authTime: now, level: level, expires: now.Add(ttl)}
	if ttl <= 0 {
		return started // the client wants no single sign-on
	}
	id := randomText(32)
	started.name = sessionName(sessionOfBrowser, id)
	p.mu.Lock()
	dropExpired(p.sessions, func(s session) bool { return !now.Before(s.expires) })
	p.sessions[id] = started
	p.mu.Unlock()
	http.SetCookie(w, &http.Cookie{
		// Over plain HTTP not every client makes the exception for loopback.
		Secure: p.certificate != nil,
		Name:   sessionCookie, Value: id, Path: "/", MaxAge: int(ttl / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return started
}

// session returns the visitor's session, if it is alive and its user may still
// sign in.
func (p *Pool) session(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	p.mu.Lock()
	found, ok := p.sessions[cookie.Value]
	p.mu.Unlock()
	if !ok || !p.Now().Before(found.expires) {
		return session{}, false
	}
	// Changed attributes and groups are no reason to ask again, a disabled or
	// deleted account is.
	_, ok = p.user(found.username)
	return found, ok
}

// endSession forgets the visitor here and in their browser. Doing only the
// latter would leave a copied cookie alive.
func (p *Pool) endSession(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		p.mu.Lock()
		delete(p.sessions, cookie.Value)
		p.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// dropExpired forgets expired entries, now and then: walking the map at every
// insertion would make a long load test slower and slower.
func dropExpired[K comparable, V any](entries map[K]V, expired func(V) bool) {
	if len(entries) == 0 || len(entries)%1024 != 0 {
		return
	}
	for key, entry := range entries {
		if expired(entry) {
			delete(entries, key)
		}
	}
}
