package web

import "strings"

// IsFramed reports whether a page is opened inside of another one, which is not the
// app's own. Browsers that do not say where a page goes to are not held to it.
func (a Asking) IsFramed() bool {
	switch strings.ToLower(a.Dest) {
	case "iframe", "frame", "fencedframe", "embed", "object":
		return a.Site != "same-origin"
	}
	return false
}
