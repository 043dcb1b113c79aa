package engine

import (
	"strings"

	"github.com/bar-tech/cognito/internal/web"
)

// cameFrom marks a request that we have redirected to BaseURL's host. If it still
// arrives with another host, a proxy rewrites the host, and the login goes on.
const cameFrom = "from_host"

// isElsewhere reports whether a login was opened at another host than BaseURL's, where it
// has to start: cookies are not shared between hosts (such as www and the apex), so the
// callback would find no ticket. On a developer's machine this also applies to localhost and
// 127.0.0.1. In front of a public app, a request with an IP address or a short name as its
// host comes from a proxy that does not pass the host on.
func (a *Engine) isElsewhere(r Request) bool {
	host := string(r.Request.Header.Host())
	if a.settings.BaseURL == "" || host == "" || web.SameHost(host, a.settings.BaseURL) || r.QueryArgs().Has(cameFrom) {
		return false
	}
	return web.IsPublicName(host) || !web.IsPublicName(a.baseHost)
}

// atBaseURL is where a login starts there. login is LoginPath with what was asked for.
func (a *Engine) atBaseURL(login string) string {
	separator := "?"
	if strings.Contains(login, "?") {
		separator = "&"
	}
	return strings.TrimSuffix(a.settings.BaseURL, a.pathPrefix) + login + separator + cameFrom
}
