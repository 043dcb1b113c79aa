package stage

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
)

// What a sibling or a foreign site has ready for the visitor. Each of these
// addresses leads to another one, and says as much of itself as the attacker likes.

// FormOn is a page of a site with a form, #go, that posts to an address.
func FormOn(site, to string, quiet bool) string { return address(site, "/form", to, quiet) }

// LinkOn is a page of a site with a link, #go, to an address.
func LinkOn(site, to string, quiet bool) string { return address(site, "/link", to, quiet) }

// BounceOn redirects to an address, what was posted included.
func BounceOn(site, to string, quiet bool) string { return address(site, "/bounce", to, quiet) }

func address(site, path, to string, quiet bool) string {
	query := url.Values{"to": {to}}
	if quiet {
		query.Set("quiet", "yes")
	}
	return site + path + "?" + query.Encode()
}

// attack serves those addresses.
func attack(w http.ResponseWriter, r *http.Request) {
	to := r.FormValue("to")
	w.Header().Set("Cache-Control", "no-store")
	if r.FormValue("quiet") != "" {
		w.Header().Set("Referrer-Policy", "no-referrer")
	}
	const head = `<!doctype html><title>Cute cats</title><link rel="icon" href="data:,">`
	switch r.URL.Path {
	case "/bounce":
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	case "/form":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, head+`<form method="post" action="%s"><button id="go">Cute cats</button></form>`, html.EscapeString(to))
	case "/link":
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, head+`<a id="go" href="%s">Cute cats</a>`, html.EscapeString(to))
	default:
		http.NotFound(w, r)
	}
}
