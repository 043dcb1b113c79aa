package userpool

import (
	"net/http"
	"net/url"
	"time"
)

// SAML's single logout: a visitor who leaves the pool is taken to their provider first,
// which forgets them and sends them back by a form.

// singleLogout is a logout that is on its way through a provider.
type singleLogout struct {
	session  string // the pool's, which ends with it
	location string // where the visitor goes then
	provider string
	home     string // the pool's origin, as the visitor calls it
	since    time.Time
}

// throughProvider takes a visitor to their provider, if it wants to hear of logouts.
func (p *Pool) throughProvider(w http.ResponseWriter, r *http.Request, location string) bool {
	visitor, known := p.session(r)
	provider, _ := p.provider(visitor.provider)
	if !known || !provider.SingleLogout {
		return false
	}
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return false
	}
	now, relay := p.Now(), randomText(32)
	leaving := singleLogout{cookie.Value, location, provider.Name, p.homeAsVisited(r), now}
	p.mu.Lock()
	dropExpired(p.federation.singleLogouts, func(f singleLogout) bool { return now.Sub(f.since) >= loginTTL })
	p.federation.singleLogouts[relay] = leaving
	p.mu.Unlock()
	noStore(w)
	q := url.Values{"SAMLRequest": {samlText("LogoutRequest", relay)}, "RelayState": {relay}}
	http.Redirect(w, r, otherOrigin(leaving.home)+providerPath(provider.Name)+"/logout?"+q.Encode(), http.StatusFound)
	return true
}

// serveProviderLogout is the provider's part.
func (p *Pool) serveProviderLogout(w http.ResponseWriter, r *http.Request) {
	provider, known := p.provider(r.PathValue("name"))
	relay := r.URL.Query().Get("RelayState")
	p.mu.Lock()
	leaving, ok := p.federation.singleLogouts[relay]
	p.mu.Unlock()
	if !known || !ok || leaving.provider != provider.Name {
		p.unexpectedReturn(w, r)
		return
	}
	p.forgetAt(w, r, provider.Name)
	p.postOnward(w, provider, leaving.home, "/saml2/logout", url.Values{
		"SAMLResponse": {samlText("LogoutResponse", relay)}, "RelayState": {relay},
	})
}

// serveSAMLLogout is where the visitor comes back. The form is of another site, so that
// the session's cookie may be missing from it: which session ends is known from before.
func (p *Pool) serveSAMLLogout(w http.ResponseWriter, r *http.Request) {
	relay := r.PostForm.Get("RelayState")
	now := p.Now()
	p.mu.Lock()
	leaving, ok := p.federation.singleLogouts[relay]
	delete(p.federation.singleLogouts, relay)
	ok = ok && now.Sub(leaving.since) < loginTTL && samlReference(r.PostForm.Get("SAMLResponse")) == relay
	if ok {
		delete(p.sessions, leaving.session)
	}
	p.mu.Unlock()
	if !ok {
		p.unexpectedReturn(w, r)
		return
	}
	p.endSession(w, r)
	noStore(w)
	http.Redirect(w, r, leaving.location, http.StatusFound)
}
