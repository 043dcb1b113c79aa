package engine

import "net/http"

// Inertia's client fetches pages by script and renders them itself. It cannot show a
// login page, and browsers would not let it follow a redirect to Cognito. So it gets a
// 409 with the address, which it opens as a new page
// (https://inertiajs.com/redirects#external-redirects).

// isInertia reports whether Inertia's client sent a request.
func (r Request) isInertia() bool { return r.header("X-Inertia") != "" }

// leaveInertia makes the client open an address.
func (r Request) leaveInertia(location string) error {
	r.Response.Header.Set("X-Inertia-Location", location)
	r.SetStatusCode(http.StatusConflict)
	return nil
}

// inertiaPage is where a login that Inertia started returns to: the page that was to be
// opened, or the page that sent the request.
func (a *Engine) inertiaPage(r Request) string {
	if r.Method == http.MethodGet {
		return a.returnPath(r.originalURL())
	}
	return a.formPage(r)
}
