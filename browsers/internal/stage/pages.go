package stage

import (
	"html"
	"net/url"
)

// The app's own pages, the same for every face. All have the same links and forms.

// worker passes every request on, as that of an app which works offline does when
// the network is there.
const worker = `
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", event => event.respondWith(fetch(event.request)));
`

// reviver asks for a page again that comes back from the back/forward cache, as
// docs/security.md recommends to apps that let browsers keep pages.
const reviver = `<script>addEventListener("pageshow", event => { if (event.persisted) location.reload() })</script>`

// page is one that greets a visitor, or nobody.
func (s *Scene) page(title, email, more string) string {
	base, err := url.Parse(s.App)
	if err != nil {
		s.Fatal(err)
	}
	greeting := "Nobody is signed in."
	if email != "" {
		greeting = "Hello " + html.EscapeString(email) + "."
	}
	return `<!doctype html><html lang="en"><title>` + title + `</title><link rel="icon" href="data:,">` + more + `
<h1>` + title + `</h1><p>` + greeting + `</p>
<p><a id="mine" href="` + base.Path + `/me">My page</a> <a id="leave" href="` + base.Path + `/logout">Leave</a></p>
<form method="post" action="` + base.Path + `/me"><button id="change">Change</button></form>
<form method="post" action="` + base.Path + `/logout"><button id="logout">Sign out</button></form>`
}
