package engine

import (
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/internal/web"
)

// returnPath is where a visitor goes after a login that was asked to return
// to raw: raw itself, rebuilt as a path of this app, or AfterLogin when it is
// anything else. A login never returns to a route of ours, which would only
// begin the journey again.
func (a *Engine) returnPath(raw string) string {
	clean, ok := web.LocalPath(raw)
	if !ok {
		if web.IsTooLong(raw) {
			a.settings.Logger.Debug("cognito: an address is too long to be returned to after a login, which will end at AfterLogin", "bytes", len(raw), "most", web.LongestReturnPath)
		}
		return a.settings.AfterLogin
	}
	path := clean
	if end := strings.IndexAny(clean, "?#"); end >= 0 {
		path = clean[:end]
	}
	if decoded, err := url.PathUnescape(path); err != nil || a.route(decoded) != nil { // a proxy, or Fiber, may decode it
		return a.settings.AfterLogin
	}
	return clean
}
