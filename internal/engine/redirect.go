package engine

import (
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/internal/web"
)

// returnPath is where a visitor goes after a login that was asked to return to raw: raw
// itself, rebuilt as a path of this app, or AfterLogin if raw is anything else. A login
// never returns to a route of ours, which would only start the journey again.
func (a *Engine) returnPath(raw string) string {
	if clean, ok := a.ownPath(raw); ok {
		return clean
	}
	if web.IsTooLong(raw) {
		a.settings.Logger.Debug("cognito: an address is too long to return to after the login, which will end at AfterLogin", "bytes", len(raw), "most", web.LongestReturnPath)
	}
	return a.settings.AfterLogin
}

// inApp is the path in this app of a page that a browser shows, with its query and fragment:
// without the prefix of BaseURL. Where a proxy serves the home page at the prefix alone, there
// is no slash behind it.
func (a *Engine) inApp(page *url.URL) string {
	path := strings.TrimPrefix(page.RequestURI(), a.pathPrefix)
	if path == "" || path[0] == '?' {
		path = "/" + path
	}
	if page.Fragment != "" {
		path += "#" + page.EscapedFragment()
	}
	return path
}

// ownPath rebuilds raw as a path of this app that is no route of ours, and reports
// whether it could.
func (a *Engine) ownPath(raw string) (string, bool) {
	clean, ok := web.LocalPath(raw)
	if !ok {
		return "", false
	}
	path := clean
	if end := strings.IndexAny(clean, "?#"); end >= 0 {
		path = clean[:end]
	}
	decoded, err := url.PathUnescape(path)
	// A proxy, or Fiber, may decode the path before our routes are compared with it.
	return clean, err == nil && a.route(decoded) == nil
}
