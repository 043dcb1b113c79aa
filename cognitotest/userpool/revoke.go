package userpool

import (
	"crypto/sha256"
	"net/http"
	"strings"
)

// serveRevoke ends a login's refresh tokens. A token nobody knows is as good as
// revoked, and answered the same (RFC 7009 §2.2).
func (p *Pool) serveRevoke(w http.ResponseWriter, r *http.Request) {
	// The one endpoint that tells wrong credentials (401) from a wrong request.
	client, errorCode := p.authenticate(r)
	if errorCode == "invalid_client" {
		writeOAuthError(w, http.StatusUnauthorized, errorCode, "")
		return
	}
	token := r.PostForm.Get("token")
	if errorCode != "" || token == "" || client.RevocationOff {
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "")
		return
	}
	// ID and access tokens have three parts, refresh tokens five.
	if strings.Count(token, ".") == 2 {
		writeOAuthError(w, http.StatusBadRequest, "unsupported_token_type", "")
		return
	}
	if !p.revoke(token, client) {
		writeOAuthError(w, http.StatusBadRequest, "invalid_request", "")
		return
	}
	noStore(w)
	w.WriteHeader(http.StatusOK)
}

// revoke revokes a refresh token and reports whether the client was entitled
// to. The login's first token and its newest one end all that came of it; one
// in between ends only itself.
func (p *Pool) revoke(token string, client Client) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, known := p.tickets[sha256.Sum256([]byte(token))]
	if !known {
		return true
	}
	if found.family.clientID != client.ID {
		return false
	}
	if found.original || found == found.family.newest {
		found.family.revoked = true
	}
	// In every case it has no grace left itself.
	found.retired, found.usableUntil = true, p.Now()
	return true
}
