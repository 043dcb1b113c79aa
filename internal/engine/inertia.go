package engine

import "net/http"

// Inertia's client fetches pages by script and puts them together itself. A redirect to
// a login page, let alone to Cognito, is nothing that it can show, and browsers would not
// let it follow there. So it is told to leave: by a 409 with the address, which it opens
// as a page of its own (https://inertiajs.com/redirects#external-redirects).

// isInertia reports whether Inertia's client sent a request.
func (r Request) isInertia() bool { return r.header("X-Inertia") != "" }

// leaveInertia makes the client open an address.
func (r Request) leaveInertia(location string) error {
	r.Response.Header.Set("X-Inertia-Location", location)
	r.SetStatusCode(http.StatusConflict)
	return nil
}

// inertiaPage is where a login leads back to that a visit of Inertia took: to the page
// that was to be opened, or else the one that sent something.
func (a *Engine) inertiaPage(r Request) string {
	switch {
	case r.Path == a.settings.LoginPath:
		return a.returnPath(string(r.QueryArgs().Peek("return_to")))
	case r.Method == http.MethodGet:
		return a.returnPath(r.originalURL())
	}
	return a.formPage(r)
}
