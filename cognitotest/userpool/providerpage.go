package userpool

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Identity providers as a visitor sees them: a page to sign in, and a session of the
// provider's own, which neither the pool nor an application ends.

// assertion is what a provider says about a visitor, or that it says nothing.
type assertion struct {
	provider string
	user     ProviderUser
	refused  *refusal
	expires  time.Time
}

// providerVisitor is somebody who is signed in at a provider.
type providerVisitor struct{ provider, id string }

// providerRequest is what a visitor has come to a provider for.
type providerRequest struct {
	provider Provider
	relay    string // goes back with the answer
	home     string // the pool's origin, where the answer goes
	hint     string // whom the application expects
	anew     bool   // asks for the password also of those whom the provider knows
}

// readProviderRequest reads it from the request. Where the response goes is decided by the pool's
// own state, not by the address: otherwise a link could have it sent to anybody.
func (p *Pool) readProviderRequest(r *http.Request) (providerRequest, bool) {
	provider, known := p.provider(r.PathValue("name"))
	q := r.URL.Query()
	asked := providerRequest{
		provider: provider, hint: q.Get("login_hint"), relay: q.Get("state"),
		anew: slices.Contains(strings.Fields(q.Get("prompt")), "login"),
	}
	if provider.Type == typeSAML {
		asked.relay = q.Get("RelayState")
	}
	p.mu.Lock()
	begun, ok := p.federation.visits[asked.relay]
	p.mu.Unlock()
	if ok {
		asked.home = begun.home
		return asked, known && begun.provider == provider.Name
	}
	// Nobody has sent the visitor. Then the link to the application is in the provider's
	// own settings, as it were: by default to the pool's first client.
	asked.home, asked.relay = p.url, p.relayState(q)
	return asked, known && provider.Unsolicited && !q.Has("SAMLRequest")
}

// relayState is the one of a login that begins at a provider.
func (p *Pool) relayState(q url.Values) string {
	client, _ := p.client(q.Get("client_id"))
	relay := url.Values{"client_id": {client.ID}, "response_type": {"code"}, "redirect_uri": {q.Get("redirect_uri")}}
	if !q.Has("redirect_uri") && len(client.CallbackURLs) > 0 {
		relay.Set("redirect_uri", client.CallbackURLs[0])
	}
	return relay.Encode()
}

// showProvider shows a provider's page to sign in, but to visitors whom it knows.
func (p *Pool) showProvider(w http.ResponseWriter, r *http.Request) {
	asked, ok := p.readProviderRequest(r)
	if !ok {
		p.unexpectedReturn(w, r)
		return
	}
	if id, known := p.visitorAt(r, asked.provider.Name); known && !asked.anew {
		p.sendAssertion(w, r, asked, assertion{user: id})
		return
	}
	p.showProviderForm(w, r, asked, asked.hint, "")
}

// submitProvider signs a visitor in at a provider, or lets them cancel.
func (p *Pool) submitProvider(w http.ResponseWriter, r *http.Request) {
	asked, ok := p.readProviderRequest(r)
	if !ok {
		p.unexpectedReturn(w, r)
		return
	}
	if !csrfMatches(r, providerCSRF, "_csrf") {
		p.showMessage(w, r, http.StatusForbidden, "Something went wrong", "The form did not come "+
			"from this page, or your browser does not keep its cookie.", "invalid_csrf")
		return
	}
	if r.PostForm.Has("cancel") {
		p.cancel(w, r, asked)
		return
	}
	id := strings.TrimSpace(r.PostForm.Get("username"))
	user, known := asked.provider.user(id)
	if !known || subtle.ConstantTimeCompare([]byte(user.Password), []byte(r.PostForm.Get("password"))) != 1 {
		p.showProviderForm(w, r, asked, id, "Incorrect user ID or password.")
		return
	}
	p.rememberAt(w, asked.provider.Name, user.ID)
	p.sendAssertion(w, r, asked, assertion{user: user})
}

// showProviderForm shows the form.
func (p *Pool) showProviderForm(w http.ResponseWriter, r *http.Request, asked providerRequest, id, problem string) {
	provider := asked.provider
	var users []User
	if p.showUsers {
		for _, user := range provider.Users {
			users = append(users, User{Username: user.ID, Password: user.Password})
		}
	}
	p.render(w, http.StatusOK, "form", p.returnTargets(asked.home), formPage{
		page: p.providerPage(provider), Action: "/providers/" + provider.Name + "?" + r.URL.RawQuery, Users: users,
		Form: pageForm{
			ID: "provider", Title: "Sign in with " + provider.Name, Button: "Sign in", Error: problem, Cancel: true,
			Lead: "Use your account at " + provider.Name + ". " + p.name + " will receive your details.",
			XSRF: providerToken(w, r, provider.Name),
			Fields: []field{
				{"username", "User ID", "text", "username", id},
				{"password", "Password", "password", "current-password", ""},
			},
		},
	})
}

// providerPage is what all pages of a provider show: it is not the pool.
func (p *Pool) providerPage(provider Provider) page {
	shown := p.page("")
	shown.Pool, shown.PoolID, shown.Foreign = provider.Name, "A simulated identity provider ("+provider.Type+")", true
	return shown
}

// returnTargets are where forms of a provider's page end, by way of the pool.
func (p *Pool) returnTargets(home string) string {
	everybody := Client{}
	for _, client := range p.Clients() {
		registered, _ := p.client(client.ID)
		everybody.CallbackURLs = append(everybody.CallbackURLs, registered.CallbackURLs...)
		everybody.LogoutURLs = append(everybody.LogoutURLs, registered.LogoutURLs...)
	}
	return " " + home + formTargets(everybody)
}

// cancel takes a visitor back who does not want to sign in.
func (p *Pool) cancel(w http.ResponseWriter, r *http.Request, asked providerRequest) {
	if asked.provider.Type == typeSAML {
		p.sendAssertion(w, r, asked, assertion{refused: failureOf(asked.provider)})
		return
	}
	q := url.Values{"error": {"access_denied"}, "error_description": {"User cancelled"}, "state": {asked.relay}}
	noStore(w)
	http.Redirect(w, r, asked.home+"/oauth2/idpresponse?"+q.Encode(), http.StatusFound)
}

// sendAssertion takes the visitor to the pool with what the provider says of them, or what
// FailProvider has left.
func (p *Pool) sendAssertion(w http.ResponseWriter, r *http.Request, asked providerRequest, said assertion) {
	now := p.Now()
	reference := newUUID()
	said.provider, said.expires = asked.provider.Name, now.Add(codeTTL)
	p.mu.Lock()
	if failure, fails := p.federation.failing[said.provider]; fails {
		delete(p.federation.failing, said.provider)
		said.refused = &failure
	}
	dropExpired(p.federation.assertions, func(s assertion) bool { return !now.Before(s.expires) })
	p.federation.assertions[reference] = said
	p.mu.Unlock()
	if asked.provider.Type == typeSAML {
		p.postOnward(w, asked.provider, asked.home, "/saml2/idpresponse", url.Values{
			"SAMLResponse": {samlText("Response", reference)}, "RelayState": {asked.relay},
		})
		return
	}
	noStore(w)
	http.Redirect(w, r, asked.home+"/oauth2/idpresponse?"+url.Values{"code": {reference}, "state": {asked.relay}}.Encode(), http.StatusFound)
}

// takeAssertion uses up what a provider has said.
func (p *Pool) takeAssertion(reference string) (assertion, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	said, ok := p.federation.assertions[reference]
	delete(p.federation.assertions, reference)
	return said, ok && p.Now().Before(said.expires)
}

// onwardScript submits the form of a page at once.
const onwardScript = "document.forms[0].submit()"

// onwardPolicy lets exactly this script run, by its digest.
var onwardPolicy = func() string {
	sum := sha256.Sum256([]byte(onwardScript))
	return "; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// postOnward takes a visitor from a provider to the pool by a form, as SAML does.
func (p *Pool) postOnward(w http.ResponseWriter, provider Provider, home, path string, values url.Values) {
	form := pageForm{
		ID: "onward", Title: "One moment", Lead: "You are being sent back to " + p.name + ".", Button: "Continue",
	}
	for name := range values {
		form.Hidden = append(form.Hidden, field{Name: name, Value: values.Get(name)})
	}
	slices.SortFunc(form.Hidden, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	p.render(w, http.StatusOK, "form", p.returnTargets(home)+onwardPolicy, formPage{
		page: p.providerPage(provider), Form: form, Action: home + path, Script: onwardScript,
	})
}

// samlText is the least of a SAML message: what it refers to, in XML and base64.
func samlText(kind, id string) string {
	return base64.StdEncoding.EncodeToString([]byte(`<samlp:` + kind + ` xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_` + id + `" Version="2.0"/>`))
}

var samlID = regexp.MustCompile(`ID="_([^"]*)"`)

// samlReference is what a message refers to, or "".
func samlReference(text string) string {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return ""
	}
	if found := samlID.FindSubmatch(raw); found != nil {
		return string(found[1])
	}
	return ""
}
