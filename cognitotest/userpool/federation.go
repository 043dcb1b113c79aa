package userpool

import (
	"cmp"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The second leg of a login for visitors who have their password at an identity provider.
// They go to the provider (providerpage.go) and come back with what it says about them.
// From then on they are users of the pool (identity.go) and have a session in it.
// Meanwhile, the pool keeps what the application sent: the provider gets the pool's own
// state.

// ownDirectory is what the pool's own users are called among the providers.
const ownDirectory = "COGNITO"

// federation is what the pool knows of identity providers, and they of their visitors.
// It is guarded by the pool's mu.
type federation struct {
	providers     roll[Provider]
	identities    map[string]identity        // by folded username
	visits        map[string]visit           // on the way to a provider, by state
	assertions    map[string]assertion       // answers of providers, by reference
	visitors      map[string]providerVisitor // who is signed in at a provider, by cookie
	singleLogouts map[string]singleLogout    // on the way through a single logout, by RelayState
	failing       map[string]refusal         // from FailProvider, by provider
}

func newFederation() federation {
	return federation{
		identities: map[string]identity{}, visits: map[string]visit{}, assertions: map[string]assertion{},
		visitors: map[string]providerVisitor{}, singleLogouts: map[string]singleLogout{}, failing: map[string]refusal{},
	}
}

// visit is a visitor who is on the way to a provider.
type visit struct {
	query    url.Values // authorize's
	provider string
	home     string // the pool's origin, as the visitor calls it
	browser  string // the cookie that they come back with
	since    time.Time
}

// stateCookie binds the way back to the browser that went to the provider. Without it, an
// attacker could make a visitor finish the attacker's own login.
const stateCookie = "csrf-state"

// chosenProvider is where a request wants its visitor to sign in; "" is here. It reports false for
// a provider that the client does not have.
func (p *Pool) chosenProvider(a authorization) (name string, ok bool) {
	name = a.provider
	if name == "" && a.identifier != "" {
		for _, provider := range p.Providers() {
			if slices.Contains(provider.Identifiers, a.identifier) {
				name = provider.Name
			}
		}
		if name == "" {
			return "", false
		}
	}
	if name == "" || name == ownDirectory {
		return "", true
	}
	_, known := p.provider(name)
	return name, known && a.client.supports(name)
}

// supports reports whether a client's visitors may sign in at a provider.
func (c Client) supports(provider string) bool {
	return len(c.SupportedIdentityProviders) == 0 || slices.Contains(c.SupportedIdentityProviders, provider)
}

// supportedBy lists where a client's visitors may sign in.
func (p *Pool) supportedBy(c Client) []string {
	if len(c.SupportedIdentityProviders) > 0 {
		return c.SupportedIdentityProviders
	}
	all := []string{ownDirectory}
	for _, provider := range p.Providers() {
		all = append(all, provider.Name)
	}
	return all
}

// providerLink is a button of the login page.
type providerLink struct{ Name, Address string }

// providerLinks lead to the providers of a client. Each begins the login anew, under the
// same state; identity_provider goes before an idp_identifier that may be there.
func (p *Pool) providerLinks(c Client, q url.Values) []providerLink {
	var links []providerLink
	for _, name := range p.supportedBy(c) {
		if _, known := p.provider(name); known {
			q.Set("identity_provider", name)
			links = append(links, providerLink{name, "/oauth2/authorize?" + q.Encode()})
		}
	}
	return links
}

// cannotCarry reports whether a state is JSON as it is: where there is a choice of
// providers, Cognito packs it into a state of its own and chokes on it, without a word.
func (p *Pool) cannotCarry(a authorization) bool {
	return strings.HasPrefix(a.state, "{") && len(p.supportedBy(a.client)) > 1
}

// toProvider sends a visitor to the page of an identity provider.
func (p *Pool) toProvider(w http.ResponseWriter, r *http.Request, a authorization, name string) {
	now := p.Now()
	provider, _ := p.provider(name)
	state := randomText(32)
	going := visit{query: r.URL.Query(), provider: name, home: p.homeAsVisited(r), browser: p.browserToken(w, r), since: now}
	p.mu.Lock()
	dropExpired(p.federation.visits, func(v visit) bool { return now.Sub(v.since) >= loginTTL })
	p.federation.visits[state] = going
	p.mu.Unlock()
	noStore(w)
	http.Redirect(w, r, otherOrigin(going.home)+"/providers/"+name+"?"+askOf(provider, a, going.home, state).Encode(), http.StatusFound)
}

// askOf is what the pool asks a provider.
func askOf(provider Provider, a authorization, home, state string) url.Values {
	if provider.Type == typeSAML {
		return url.Values{"SAMLRequest": {samlText("AuthnRequest", state)}, "RelayState": {state}}
	}
	ask := url.Values{
		"response_type": {"code"}, "client_id": {"userpool"}, "scope": {"openid email profile"},
		"redirect_uri": {home + "/oauth2/idpresponse"}, "state": {state}, "nonce": {randomText(16)},
	}
	// The others are not told whom the application expects.
	if a.loginHint != "" && (provider.Type == typeOIDC || provider.Type == "Google") {
		ask.Set("login_hint", a.loginHint)
	}
	// The value none is the pool's own affair.
	if prompt := slices.DeleteFunc(slices.Clone(a.prompt), func(s string) bool { return s == "none" }); len(prompt) > 0 {
		ask.Set("prompt", strings.Join(prompt, " "))
	}
	return ask
}

// serveIDPResponse takes visitors back from providers of OpenID Connect.
func (p *Pool) serveIDPResponse(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	coming, ok := p.takeVisit(r, q.Get("state"))
	if !ok {
		p.unexpectedReturn(w, r)
		return
	}
	if code := q.Get("error"); code != "" {
		request, _ := p.readAuthorization(coming.query)
		p.refuse(w, r, request, &refusal{code: code, description: q.Get("error_description")})
		return
	}
	p.receive(w, r, coming, q.Get("code"))
}

// serveSAMLResponse takes visitors back from providers of SAML, who come by a form.
func (p *Pool) serveSAMLResponse(w http.ResponseWriter, r *http.Request) {
	relay, reference := r.PostForm.Get("RelayState"), samlReference(r.PostForm.Get("SAMLResponse"))
	coming, ok := p.takeVisit(r, relay)
	if !ok {
		coming, ok = p.unsolicited(relay, reference)
	}
	if !ok {
		p.unexpectedReturn(w, r)
		return
	}
	p.receive(w, r, coming, reference)
}

// unsolicited is the visit of somebody whose login started at a provider. Only their
// RelayState says where they want to go, and nothing binds it to their browser.
func (p *Pool) unsolicited(relay, reference string) (visit, bool) {
	p.mu.Lock()
	from := p.federation.assertions[reference].provider
	provider, ok := p.federation.providers.byName[from]
	p.mu.Unlock()
	query, err := url.ParseQuery(relay)
	return visit{query: query, provider: from}, ok && provider.Unsolicited && err == nil
}

// receive processes what a provider says about a visitor, and signs them in.
func (p *Pool) receive(w http.ResponseWriter, r *http.Request, coming visit, reference string) {
	request, refused := p.readAuthorization(coming.query)
	provider, known := p.provider(coming.provider)
	said, ok := p.takeAssertion(reference)
	switch {
	case refused != nil:
	case !known || !ok || said.provider != provider.Name || !request.client.supports(provider.Name):
		refused = failureOf(provider)
	case said.refused != nil:
		refused = said.refused
	}
	if refused != nil {
		if provider.Type == typeSAML {
			request.state = ""
		}
		p.refuse(w, r, request, refused)
		return
	}
	p.letIn(w, r, request, provider, said.user)
}

// letIn makes somebody whom a provider knows a user of the pool, and signs them in.
func (p *Pool) letIn(w http.ResponseWriter, r *http.Request, request authorization, provider Provider, from ProviderUser) {
	if failure := p.takeFailure(); failure != nil {
		p.refuse(w, r, request, failure)
		return
	}
	user := p.federate(provider, from)
	if user.Disabled {
		p.refuse(w, r, request, &refusal{code: "invalid_request", description: "User is disabled."})
		return
	}
	// Which an application meets that has sent none; at the next login, which the
	// session answers, it does not.
	request.nonce = cmp.Or(request.nonce, randomText(64))
	started := p.startSessionFrom(w, provider.Name, user.Username, request.client, levelPassword)
	redirectBack(w, r, request, p.grantTo(request, started))
}

// unexpectedReturn answers visitors who come back without having left, or too late.
func (p *Pool) unexpectedReturn(w http.ResponseWriter, r *http.Request) {
	p.showMessage(w, r, http.StatusBadRequest, "Something went wrong",
		"This sign-in was not begun in this browser, or more than five minutes ago. Go back to the application and try again.", "invalid_state")
}

// takeVisit uses up a visitor's state, if it is theirs.
func (p *Pool) takeVisit(r *http.Request, state string) (visit, bool) {
	cookie, err := r.Cookie(stateCookie)
	if err != nil {
		return visit{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.federation.visits[state]
	if !ok || subtle.ConstantTimeCompare([]byte(cookie.Value), []byte(found.browser)) != 1 {
		return visit{}, false
	}
	delete(p.federation.visits, state)
	return found, p.Now().Sub(found.since) < loginTTL
}

// browserToken is the browser's own, made at the first visit. All its tabs share it.
func (p *Pool) browserToken(w http.ResponseWriter, r *http.Request) string {
	if cookie, err := r.Cookie(stateCookie); err == nil && cookie.Value != "" {
		return cookie.Value
	}
	cookie := &http.Cookie{Name: stateCookie, Value: randomText(32), Path: "/", HttpOnly: true}
	// The form of a SAML provider comes from another site. Over plain HTTP browsers take no
	// cookie for that, but let a fresh one pass that names no SameSite.
	if p.certificate != nil {
		cookie.Secure, cookie.SameSite = true, http.SameSiteNoneMode
	}
	http.SetCookie(w, cookie)
	return cookie.Value
}
