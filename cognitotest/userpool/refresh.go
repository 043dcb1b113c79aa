package userpool

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// After a login, the application renews its tokens without the visitor. Rotation and the
// grace period for old tokens follow what was measured at a real pool, because the
// documentation says little about reuse.

// family is everything that comes of one login: its refresh tokens and, named
// by their origin_jti, its ID and access tokens.
type family struct {
	grant
	expires time.Time // of every refresh token in it; rotation does not extend it
	revoked bool
	created time.Time
	used    time.Time // last, by a login or a refresh
	newest  *ticket   // nil in a family made by AccessToken or IDToken
}

// ticketID is the digest of a refresh token. Those are long, and a load test
// may ask for a million of them.
type ticketID [sha256.Size]byte

// ticket is one refresh token.
type ticket struct {
	family   *family
	original bool // the one that came with the login
	// retired is set once a newer token has replaced it, which then still
	// works before usableUntil.
	retired     bool
	usableUntil time.Time
}

// startFamily returns the first refresh token of a login.
func (p *Pool) startFamily(g grant, ttl time.Duration) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.evict(g.username)
	now := p.Now()
	born := &family{grant: g, expires: now.Add(ttl), created: now, used: now}
	p.families[g.originJTI] = born
	token := p.addTicket(born)
	born.newest.original = true
	return token
}

// evict makes room for one login more of a user: the one that was used least recently
// goes, and its refresh fails. The caller holds mu.
func (p *Pool) evict(username string) {
	if p.maxSessions <= 0 {
		return // nor is time spent on looking
	}
	var oldest *family
	alive := 0
	for _, f := range p.families {
		// Those of AccessToken and IDToken are no logins.
		if f.newest == nil || f.revoked || f.username != username || !p.Now().Before(f.expires) {
			continue
		}
		alive++
		if oldest == nil || f.used.Before(oldest.used) {
			oldest = f
		}
	}
	if alive >= p.maxSessions {
		oldest.revoked = true
	}
}

// addTicket makes a refresh token the newest of its family. The caller holds mu.
func (p *Pool) addTicket(f *family) string {
	token := newRefreshToken()
	f.newest = &ticket{family: f}
	p.tickets[sha256.Sum256([]byte(token))] = f.newest
	return token
}

// newRefreshToken looks like a pool's: a JWE of five parts and some 1800 bytes,
// under this very header. It is opaque, and here its parts are mere noise. The
// size matters: it is what breaks applications that keep tokens in cookies.
func newRefreshToken() string {
	header := base64.RawURLEncoding.EncodeToString(
		[]byte(`{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}`))
	return header + "." + randomText(256) + "." + randomText(12) + "." +
		randomText(1024) + "." + randomText(16)
}

// refresh answers grant_type=refresh_token.
func (p *Pool) refresh(w http.ResponseWriter, r *http.Request, client Client) {
	token := r.PostForm.Get("refresh_token")
	if token == "" {
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "")
		return
	}
	g, next, ok := p.useTicket(token, client)
	user, enabled := p.user(g.username)
	if !ok || !enabled {
		writeOAuthError(w, http.StatusBadRequest, "invalid_grant", "")
		return
	}
	answer := p.issueTokens("refresh_token", g, client, user)
	// Without rotation the member is absent, and the old token goes on working.
	if next != "" {
		answer["refresh_token"] = next
	}
	writeJSON(w, http.StatusOK, answer)
}

// useTicket uses a refresh token and, with rotation, replaces it. A token that
// is used too late is refused, but does not end the family.
func (p *Pool) useTicket(token string, client Client) (g grant, next string, ok bool) {
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	used, known := p.tickets[sha256.Sum256([]byte(token))]
	if !known || used.family.clientID != client.ID || !used.alive(now) {
		return grant{}, "", false
	}
	f := used.family
	// Checked before anything changes: a user who is enabled again later finds
	// their token as it was.
	if user, exists := p.users.byName[p.fold(f.username)]; !exists || user.Disabled {
		return grant{}, "", false
	}
	f.used = now
	// The client's setting of today counts, not that of the day of the login.
	if !client.RotateRefreshTokens {
		return f.grant, "", true
	}
	if used == f.newest {
		used.retired, used.usableUntil = true, now.Add(client.RotationGrace)
	} else {
		// A replay within the grace makes a second child, and from then on
		// only the newest child works: the first one has no grace of its own.
		f.newest.retired, f.newest.usableUntil = true, now
	}
	return f.grant, p.addTicket(f), true
}

// alive reports whether a refresh token can be used.
func (t *ticket) alive(now time.Time) bool {
	if t.family.revoked || !now.Before(t.family.expires) {
		return false
	}
	return !t.retired || now.Before(t.usableUntil)
}

// isReplay reports whether a token was refused because a newer one has replaced it. The
// API has its own error for that; the token endpoint always says invalid_grant.
func (p *Pool) isReplay(token string, client Client) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	used, known := p.tickets[sha256.Sum256([]byte(token))]
	return known && used.family.clientID == client.ID && used.retired &&
		!used.family.revoked && p.Now().Before(used.family.expires)
}

// EndSessions signs a user out everywhere, as an administrator would: their refresh
// tokens are revoked, and userInfo refuses their access tokens. Their session on the
// pool's own page remains, and applications that verify tokens locally notice nothing
// until the tokens expire.
func (p *Pool) EndSessions(username string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mustKnow("EndSessions", username)
	p.revokeAll(username)
}

// revokeAll ends every login of a user. The caller holds mu.
func (p *Pool) revokeAll(username string) {
	for _, f := range p.families {
		if p.fold(f.username) == p.fold(username) {
			f.revoked = true
		}
	}
}
