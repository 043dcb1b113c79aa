package engine

import (
	"github.com/bar-tech/cognito/internal/web"
)

// cameFrom marks a request that we have sent to BaseURL's host. If it still arrives
// with another one, a proxy in front rewrites the host, and going on is right.
const cameFrom = "from_host"

// onBaseURL is where a login has to begin that was opened under another host than
// BaseURL's, or "". Cookies do not cross hosts: www or apex, the login would come
// back to a browser that has no ticket for it. On a developer's machine that goes for
// localhost and 127.0.0.1 too; before a public app, whoever asks by an address or a
// short name is a proxy that does not pass the host on.
func (a *Engine) onBaseURL(r Request) string {
	host := string(r.Request.Header.Host())
	if a.settings.BaseURL == "" || host == "" || web.SameHost(host, a.settings.BaseURL) || r.QueryArgs().Has(cameFrom) {
		return ""
	}
	if web.IsPublicName(a.baseHost) && !web.IsPublicName(host) {
		return ""
	}
	query := string(r.URI().QueryString())
	if query != "" {
		query += "&"
	}
	return a.settings.BaseURL + a.settings.LoginPath + "?" + query + cameFrom
}
