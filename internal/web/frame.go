package web

import "strings"

// IsFramed reports whether a page is opened inside of another one, which is not the
// app's own. Browsers that do not say where a page goes to are not held to it.
func IsFramed(h *Headers) bool {
	switch strings.ToLower(string(h.Peek("Sec-Fetch-Dest"))) {
	case "iframe", "frame", "fencedframe", "embed", "object":
		return string(h.Peek("Sec-Fetch-Site")) != "same-origin"
	}
	return false
}
