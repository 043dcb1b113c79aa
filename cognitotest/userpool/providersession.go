package userpool

import (
	"crypto/subtle"
	"net/http"
)

// What an identity provider remembers of a visitor, in cookies for its own pages alone:
// its origin is a name of this machine, where applications have cookies too.

// providerCSRF is the token that a provider's form repeats.
const providerCSRF = "provider-csrf"

func providerPath(provider string) string { return "/providers/" + provider }

// providerToken is the xsrfToken of a provider.
func providerToken(w http.ResponseWriter, r *http.Request, provider string) string {
	if cookie, err := r.Cookie(providerCSRF); err == nil && cookie.Value != "" {
		return cookie.Value
	}
	token := randomText(32)
	setProviderCookie(w, provider, providerCSRF, token)
	return token
}

// csrfMatches reports whether a form repeats a cookie's token, which a foreign page can
// neither read nor set.
func csrfMatches(r *http.Request, cookieName, fieldName string) bool {
	cookie, err := r.Cookie(cookieName)
	return err == nil && cookie.Value != "" &&
		subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(r.PostForm.Get(fieldName))) == 1
}

func setProviderCookie(w http.ResponseWriter, provider, name, value string) {
	cookie := &http.Cookie{Name: name, Value: value, Path: providerPath(provider), HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if value == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, cookie)
}

// visitorCookie is a provider's session.
const visitorCookie = "provider-session"

// rememberAt begins a session at a provider.
func (p *Pool) rememberAt(w http.ResponseWriter, provider, id string) {
	value := randomText(32)
	p.mu.Lock()
	p.federation.visitors[value] = providerVisitor{provider, id}
	p.mu.Unlock()
	setProviderCookie(w, provider, visitorCookie, value)
}

// visitorAt returns who a provider knows the visitor to be.
func (p *Pool) visitorAt(r *http.Request, name string) (ProviderUser, bool) {
	cookie, err := r.Cookie(visitorCookie)
	if err != nil {
		return ProviderUser{}, false
	}
	p.mu.Lock()
	found := p.federation.visitors[cookie.Value]
	provider := p.federation.providers.byName[name]
	p.mu.Unlock()
	user, ok := provider.user(found.id)
	return user, ok && found.provider == name
}

// forgetAt ends a session at a provider.
func (p *Pool) forgetAt(w http.ResponseWriter, r *http.Request, provider string) {
	if cookie, err := r.Cookie(visitorCookie); err == nil {
		p.mu.Lock()
		delete(p.federation.visitors, cookie.Value)
		p.mu.Unlock()
	}
	setProviderCookie(w, provider, visitorCookie, "")
}
