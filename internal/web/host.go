package web

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// SameHost reports whether a Host header names the host of an address. The port does
// not count, as it does not for cookies (RFC 6265 section 8.5).
func SameHost(host, address string) bool {
	u, err := url.Parse(address)
	return err == nil && strings.EqualFold(hostname(host), u.Hostname())
}

// IsPublicName reports whether a Host header may be what a browser's address bar
// shows of a public site: a name with a dot, and no address. Dots at either end do not count:
// "localhost." is a name of this machine, too.
func IsPublicName(host string) bool {
	name := hostname(host)
	if _, err := netip.ParseAddr(name); err == nil || strings.HasSuffix(strings.TrimSuffix(name, "."), ".localhost") {
		return false
	}
	return strings.Contains(strings.Trim(name, "."), ".")
}

// hostname is a Host header without its port, and an IPv6 address without its brackets.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.Trim(host, "[]")
}
