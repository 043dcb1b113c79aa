// Package web judges requests by what their headers say, and nothing else. It
// knows no session and no setting: each judgement is a function of the few
// headers that it looks at.
package web

import (
	"bytes"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"
)

// Headers is what a judgement looks into.
type Headers = fasthttp.RequestHeader

// MayChange reports whether a request may change something: whether it is not
// "safe" (RFC 9110 section 9.2.1). A WebSocket begins with a GET, and lets its
// page do anything after that, without CORS (RFC 6455 section 10.2).
func MayChange(method string, h *Headers) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS":
		upgrade := h.Peek("Upgrade")
		return len(upgrade) > 0 && bytes.Contains(bytes.ToLower(upgrade), []byte("websocket"))
	}
	return true
}

// CrossOrigin reports whether a page of an origin that is not trusted sent a
// request. SameSite=Lax does not stop that for sibling subdomains. Browsers say
// where a request comes from in Sec-Fetch-Site, and all of them in Origin at
// least; a request with neither is no browser's, so it carries no cookie that it
// was not given on purpose.
func CrossOrigin(h *Headers, trusted []string) bool {
	origin := string(h.Peek("Origin"))
	switch string(h.Peek("Sec-Fetch-Site")) {
	case "same-origin", "none":
		return false
	case "":
		return origin != "" && !slices.Contains(trusted, origin)
	}
	// A sibling subdomain is "same-site", and what only AllowedOrigins knows is
	// never "same-origin", so here the list decides.
	return !slices.Contains(trusted, origin)
}

// IsPrefetch reports whether a browser asks ahead of a click that may never
// come.
func IsPrefetch(h *Headers) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if bytes.Contains(bytes.ToLower(h.Peek(name)), []byte("prefetch")) {
			return true
		}
	}
	return false
}

// IsScript reports whether a request calls itself something else than a person's
// opening a page: a fetch, an image, a prefetch. What says nothing of itself is
// none.
func IsScript(h *Headers) bool {
	mode := string(h.Peek("Sec-Fetch-Mode"))
	return IsPrefetch(h) || (mode != "" && mode != "navigate")
}

// IsNavigation reports whether a person opens a page. Then a redirect to the
// login makes sense, while a script wants a status.
func IsNavigation(method string, h *Headers) bool {
	if method != "GET" || IsScript(h) || len(h.Peek("HX-Request")) > 0 || len(h.Peek("Upgrade")) > 0 ||
		strings.EqualFold(string(h.Peek("X-Requested-With")), "XMLHttpRequest") {
		return false
	}
	return len(h.Peek("Sec-Fetch-Mode")) > 0 || PrefersHTML(string(h.Peek("Accept")))
}
