package web

import (
	"net/url"
	"strings"
)

// OriginOf writes a URL's origin as browsers do (RFC 6454 section 6.2): lower
// case, without a default port.
func OriginOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]; strings.HasSuffix(host, port) {
		host = strings.TrimSuffix(host, port)
	}
	return u.Scheme + "://" + host
}
