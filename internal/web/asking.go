// Package web judges requests only by their headers. It knows no sessions and no
// settings: each judgement is a function of a few headers.
package web

import (
	"bytes"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Asking is what a request says of who sent it, and what for. Sec-Fetch-* is what
// the best browsers say, and not always the truth: asking_test.go has the table of
// what engines really send.
type Asking struct {
	Method           string
	Site, Mode, Dest string // Sec-Fetch-*
	Origin, Referer  string
	Accept           string
	Ahead            bool // of a click that may never come: a prefetch, a preview
	Program          bool // says by other headers that it is no document
	WebSocket        bool
}

// Ask reads what a request says.
func Ask(method string, h Headers) Asking {
	return Asking{
		Method: method, Site: h.text("Sec-Fetch-Site"), Mode: h.text("Sec-Fetch-Mode"), Dest: h.text("Sec-Fetch-Dest"),
		Origin: h.text("Origin"), Referer: h.text("Referer"), Accept: h.text("Accept"),
		Ahead: isAhead(h), WebSocket: opensWebSocket(h),
		Program: len(h.Peek("HX-Request")) > 0 || len(h.Peek("Upgrade")) > 0 || strings.EqualFold(h.text("X-Requested-With"), "XMLHttpRequest"),
	}
}

// MayChange reports whether a request may change something: whether it is not
// "safe" (RFC 9110 section 9.2.1). A WebSocket begins with a GET, and lets its
// page do anything after that, without CORS (RFC 6455 section 10.2). It is apart
// from Ask because every request is asked this, and few are asked more.
func MayChange(method string, h Headers) bool { return !isSafe(method) || opensWebSocket(h) }

// isSafe leaves out TRACE, which the RFC calls safe, too. No browser sends it, and like all
// methods that are not known here it counts as a change.
func isSafe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS"
}

var headerUpgrade = []byte("Upgrade")

// opensWebSocket is asked at every request, so it looks the header up without putting its
// name into canonical form. Upgrade may list several protocols, in any case.
func opensWebSocket(h Headers) bool {
	var upgrade []byte
	if h.AnyCase {
		upgrade = h.Peek("Upgrade")
	} else {
		upgrade = PeekCanonical(h.RequestHeader, headerUpgrade)
	}
	return len(upgrade) > 0 && bytes.Contains(bytes.ToLower(upgrade), []byte("websocket"))
}

// isAhead knows the words of prefetchers and link previews: those of the Fetch
// standard ("prefetch;prerender"), of older Chromes, Safaris and Firefoxes, and of
// scripts that prefetch by fetch, which may not set Sec-Purpose.
func isAhead(h Headers) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Sec-Purpose", "X-Moz", "Moz-Purpose"} {
		said := strings.ToLower(h.text(name))
		for _, word := range []string{"prefetch", "prerender", "preview", "preload", "instant"} {
			if strings.Contains(said, word) {
				return true
			}
		}
	}
	return false
}

// opensDocument reports whether the answer will be shown as a page. A service worker
// that passes a navigation on makes a fetch of it: Firefox then says the mode
// same-origin, and nothing but Accept still tells a page visit.
func (a Asking) opensDocument() bool {
	switch {
	case a.Ahead, a.Program:
		return false
	case a.Mode == "navigate":
		return true
	}
	// Without Sec-Fetch-Mode, as from older browsers, Accept is all there is to go by.
	return (a.Mode == "" || a.passedByWorker()) && PrefersHTML(a.Accept)
}

// passedByWorker reports whether a service worker may have passed a navigation on by fetch.
// It may as well be a fetch of the page itself.
func (a Asking) passedByWorker() bool {
	return a.Mode == "same-origin" && (a.Dest == "" || a.Dest == "empty")
}

// VisitsPage reports whether a person opens a page. Then a redirect to the login
// makes sense, while a script wants a status.
func (a Asking) VisitsPage() bool { return a.Method == "GET" && a.opensDocument() }

// SubmitsForm reports whether a person sends a form. Whatever answers it is shown as
// a page, and lies at an address that a reload posts to again.
func (a Asking) SubmitsForm() bool { return a.Method == "POST" && a.opensDocument() }

// IsScript reports whether a request calls itself something else than a person's
// opening a page: a fetch, an image, a prefetch. What says nothing of itself is
// none.
func (a Asking) IsScript() bool {
	return a.Ahead || (a.Mode != "" && a.Mode != "navigate" && !a.opensDocument())
}

// IsForeign reports whether a request may change something, and a page of an origin
// that is not trusted may have sent it. SameSite=Lax does not stop that for sibling
// subdomains.
func (a Asking) IsForeign(trusted []string) bool {
	if isSafe(a.Method) && !a.WebSocket {
		return false
	}
	return !a.originPasses(trusted) || !a.refererPasses(trusted)
}

// originPasses judges by Origin, which every browser sends with unsafe requests. A
// request without it is not a browser's cross-site request, so any cookie in it was sent
// on purpose. For a form that went through a redirect without a referrer, Firefox sends
// the site "none", as if the address had been typed, and only the Origin, null,
// reveals it.
func (a Asking) originPasses(trusted []string) bool {
	switch a.Origin {
	case "":
		return a.Site == "" || a.Site == "none" || a.Site == "same-origin"
	case "null":
		// A page that sends no referrer has this Origin, even for forms of its own. So has a
		// sandboxed frame of anybody's, but not with this Site.
		return a.Site == "same-origin"
	}
	return slices.Contains(trusted, a.Origin)
}

// refererPasses also judges documents by Referer. If a service worker passes on a
// sibling's form, the request looks like the app's own: same-origin, with the app's
// Origin. Only the Referer still names the sibling. If the form's page sends no
// Referer, a request from a service worker is not trusted.
func (a Asking) refererPasses(trusted []string) bool {
	switch {
	case !a.opensDocument():
		return true
	case a.Referer == "":
		return !a.passedByWorker()
	}
	return a.refererIsOf(trusted)
}

// refererIsOf compares origins, and not how addresses begin: https://app.example.evil would
// begin like https://app.example.
func (a Asking) refererIsOf(trusted []string) bool {
	u, err := url.Parse(a.Referer)
	return err == nil && u.Host != "" && slices.Contains(trusted, OriginOf(u))
}

// Sender names for a log which page may have sent a request. Of a Referer it has the
// origin alone, since the rest may hold what is nobody else's business.
func (a Asking) Sender() string {
	referer := ""
	if u, err := url.Parse(a.Referer); err == nil && u.Host != "" {
		referer = OriginOf(u)
	}
	return fmt.Sprintf("Origin %q, Referer at %q, Sec-Fetch-Site %q", Printable(a.Origin, sendersBytes), Printable(referer, sendersBytes), Printable(a.Site, sendersBytes))
}

// sendersBytes is how much of each word of a stranger a log is to hold.
const sendersBytes = 100

// FollowsOwnLink reports whether a visitor certainly follows a link on a page of the
// app. Sec-Fetch-Site alone is not enough: in Firefox, redirects from another site look
// like typed addresses, in WebKit reloads do, and behind a service worker everything is
// same-origin.
func (a Asking) FollowsOwnLink(trusted []string) bool {
	return a.VisitsPage() && (a.Site == "" || a.Site == "same-origin") && a.refererIsOf(trusted)
}

// IsReadElsewhere reports whether a page of an untrusted origin requests what only the
// app's own pages should see. It could not read the response, but its length and its
// timing would reveal whether a visitor is signed in. A person who follows a link sees
// the response themselves. Browsers that do not send these headers pass: they withhold
// the cookie from other sites (SameSite=Lax).
func (a Asking) IsReadElsewhere(trusted []string) bool {
	switch {
	case a.Site == "" || a.Site == "none" || a.Site == "same-origin":
		return false
	case a.Mode == "navigate":
		return a.IsFramed() // the page around a frame can measure it
	}
	return !slices.Contains(trusted, a.Origin)
}

// IsOwn reports whether a page of a trusted origin sent a request, by its Origin.
func (a Asking) IsOwn(trusted []string) bool {
	return slices.Contains(trusted, a.Origin) && !a.IsForeign(trusted)
}

// IsFramed reports whether a page is opened inside of another one, which is not the
// app's own. Browsers that do not say where a page goes to are not held to it.
func (a Asking) IsFramed() bool {
	switch strings.ToLower(a.Dest) {
	case "iframe", "frame", "fencedframe", "embed", "object":
		return a.Site != "same-origin"
	}
	return false
}
