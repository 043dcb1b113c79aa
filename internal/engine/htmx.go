package engine

import (
	"net/http"
	"net/url"
)

// HTMX sends by script what links and forms ask for, with hx-boost those of a whole page. A
// script cannot follow a redirect to Cognito: the sign-out would end the session here, and
// never reach Cognito's own. So HTMX gets the address in a header, and opens it as a
// page (https://htmx.org/headers/hx-redirect/).

// isHTMX reports whether HTMX sent a request.
func (r Request) isHTMX() bool { return r.header("HX-Request") != "" }

// leaveHTMX makes it open an address. It does not see a redirect's headers.
func (r Request) leaveHTMX(location string) error {
	r.Response.Header.Set("HX-Redirect", location)
	r.SetStatusCode(http.StatusNoContent)
	return nil
}

// htmxPage is the page that HTMX was on, which a login returns to.
func (a *Engine) htmxPage(r Request) string {
	current, err := url.Parse(r.header("HX-Current-URL"))
	if err != nil {
		return a.settings.AfterLogin
	}
	return a.returnPath(a.inApp(current))
}
