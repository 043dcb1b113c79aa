package userpool

import (
	"net"
	"net/http"
	"net/url"
)

// The pool under the two names of this machine: one for itself, one for its providers.

// homeAsVisited is the pool's origin under the name by which the visitor has come: its
// cookies are kept for that one. A name that is not of this machine is no address to send anybody to.
func (p *Pool) homeAsVisited(r *http.Request) string {
	u, err := url.Parse(p.url)
	host, _, splitErr := net.SplitHostPort(r.Host)
	if err == nil && splitErr == nil && (host == "localhost" || host == "127.0.0.1") {
		return u.Scheme + "://" + r.Host
	}
	return p.url
}

// otherOrigin is the same listener under the other name of this machine, so that a
// browser takes providers for the strangers that they are; or home, where there is none.
func otherOrigin(home string) string {
	u, err := url.Parse(home)
	if err != nil {
		return home
	}
	other := map[string]string{"127.0.0.1": "localhost", "localhost": "127.0.0.1"}[u.Hostname()]
	if other == "" || u.Port() == "" {
		return home
	}
	return u.Scheme + "://" + net.JoinHostPort(other, u.Port())
}
