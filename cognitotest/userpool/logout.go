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
	p.endSession(w, r)
	noStore(w)
	http.Redirect(w, r, location, http.StatusFound)
}

// afterLogout returns where the visitor goes, or why the pool refuses. All
// refusals stay on the pool's own page.
func (p *Pool) afterLogout(q url.Values) (string, *refusal) {
	if q.Get("client_id") == "" {
		return "", &refusal{true, "invalid_request",
			"Required String parameter 'client_id' is not present"}
	}
	client, ok := p.client(q.Get("client_id"))
	if !ok {
		return "", &refusal{true, "unknown_client", "There is no app client with the id " +
			q.Get("client_id") + "."}
	}
	// With logout_uri every other parameter is ignored, state included.
	if target := q.Get("logout_uri"); target != "" {
		if !slices.Contains(client.LogoutURLs, target) {
			return "", &refusal{true, "redirect_mismatch", "The logout URI " + target +
				" is not registered for this app client. It must match byte for byte."}
		}
		return target, nil
	}
	if q.Get("redirect_uri") == "" {
		return "", &refusal{true, "invalid_request",
			"Required parameters missing: a logout needs logout_uri or redirect_uri."}
	}
	return backToLogin(q, client)
}

// backToLogin is the second form: the parameters of the next login, of which
// only the documented ones survive. PKCE is not among them.
func backToLogin(q url.Values, client Client) (string, *refusal) {
	if !slices.Contains(client.CallbackURLs, q.Get("redirect_uri")) {
		return "", &refusal{true, "redirect_mismatch", "The redirect URI " +
			q.Get("redirect_uri") + " is not registered for this app client."}
	}
	if q.Get("response_type") == "" {
		return "", &refusal{true, "invalid_request",
			"Required String parameter 'response_type' is not present"}
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
