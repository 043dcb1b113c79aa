package engine

import (
	"strings"

	"github.com/bar-tech/cognito/internal/web"
)

// cameFrom marks a request that we have redirected to BaseURL's host. If it still
// arrives with another host, a proxy rewrites the host, and the login goes on.
const cameFrom = "from_host"

// onBaseURL is where a login has to start that was opened at another host than
// BaseURL's, or "". login is LoginPath with what was asked for. Cookies are not shared
// between hosts (such as www and the apex), so the callback would find no ticket. On a
// developer's machine this also applies to localhost and 127.0.0.1. In front of a public
// app, a request with an IP address or a short name as its host comes from a proxy that
// does not pass the host on.
func (a *Engine) onBaseURL(r Request, login string) string {
	host := string(r.Request.Header.Host())
	if a.settings.BaseURL == "" || host == "" || web.SameHost(host, a.settings.BaseURL) || r.QueryArgs().Has(cameFrom) {
		return ""
	}
	if web.IsPublicName(a.baseHost) && !web.IsPublicName(host) {
		return ""
	}
	separator := "?"
	if strings.Contains(login, "?") {
		separator = "&"
	}
	return strings.TrimSuffix(a.settings.BaseURL, a.pathPrefix) + login + separator + cameFrom
}
