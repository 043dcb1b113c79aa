package userpool

import (
	"net/http"
	"net/url"
	"slices"
)

// serveLogout ends the visitor's session with the pool, not their tokens. It
// has two forms: logout_uri sends them to the application, redirect_uri to the
// login page. It is not OpenID Connect's RP-initiated logout, whatever
// discovery suggests: id_token_hint and post_logout_redirect_uri do nothing.
func (p *Pool) serveLogout(w http.ResponseWriter, r *http.Request) {
	location, refused := p.afterLogout(r.URL.Query())
	// A refused logout ends nothing: the request may not even have come from
	// an application of this pool.
	if refused != nil {
		p.refuse(w, r, authorization{}, refused)
		return
	}
	if p.throughProvider(w, r, location) {
		return
	}
	p.endSession(w, r)
	noStore(w)
	http.Redirect(w, r, location, http.StatusFound)
}

// afterLogout returns where the visitor goes, or why the pool refuses. All
// refusals stay on the pool's own page.
func (p *Pool) afterLogout(q url.Values) (string, *refusal) {
	if q.Get("client_id") == "" {
		return "", &refusal{onPage: true, code: clientIDMissing}
	}
	client, ok := p.client(q.Get("client_id"))
	if !ok {
		return "", &refusal{onPage: true, code: unknownClient}
	}
	// With logout_uri every other parameter is ignored, state included.
	if target := q.Get("logout_uri"); target != "" {
		// A callback URL serves too: it may be the sign-in page of another client's
		// application.
		if !slices.Contains(client.LogoutURLs, target) && !slices.Contains(client.CallbackURLs, target) {
			return "", &refusal{onPage: true, code: redirectMismatch}
		}
		return target, nil
	}
	if q.Get("redirect_uri") == "" {
		return "", &refusal{onPage: true, code: parametersMissing}
	}
	return backToLogin(q, client)
}

// backToLogin is the second form: the parameters of the next login, of which
// only the documented ones survive. PKCE is not among them.
func backToLogin(q url.Values, client Client) (string, *refusal) {
	if !slices.Contains(client.CallbackURLs, q.Get("redirect_uri")) {
		return "", &refusal{onPage: true, code: redirectMismatch}
	}
	if q.Get("response_type") == "" {
		return "", &refusal{onPage: true, code: typeMissing}
	}
	next := url.Values{}
	for _, name := range []string{
		"client_id", "redirect_uri", "response_type", "state", "scope", "nonce",
	} {
		if q.Has(name) {
			next.Set(name, q.Get(name))
		}
	}
	return "/login?" + next.Encode(), nil
}
