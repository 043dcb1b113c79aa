// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// hostPattern is a host as browsers send it, with a port: a name of ASCII, or an
// address.
var hostPattern = regexp.MustCompile(`^([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?$`)

func isPort(digits string) bool {
	port, err := strconv.ParseUint(digits, 10, 16)
	return err == nil && port > 0
}

// parseAbsolute parses an https URL, or an http one on a loopback address,
// that has neither query, fragment nor credentials.
func parseAbsolute(value string) (*url.URL, error) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("must be an absolute URL")
	case !hostPattern.MatchString(u.Host) || u.Port() != "" && !isPort(u.Port()):
		return nil, fmt.Errorf("must have a host of letters, digits, dots and hyphens (an international name in its xn-- form), and a port of at most 65535 if any")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("must be an https URL")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, fmt.Errorf("must be https (http is accepted for localhost, 127.0.0.1 and [::1] only)")
	case u.User != nil || strings.ContainsAny(value, "?#"):
		return nil, fmt.Errorf("must not contain credentials, a query or a fragment")
	}
	return u, nil
}

// parseOrigin is parseAbsolute for a URL without a path.
func parseOrigin(value string) (*url.URL, error) {
	u, err := parseAbsolute(value)
	if err == nil && strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("must have no path")
	}
	return u, err
}

// withScheme lets settings leave "https://" out.
func withScheme(domain string) string {
	if domain == "" || strings.Contains(domain, "://") {
		return domain
	}
	return "https://" + domain
}

// isLoopback reports whether a host name can only mean this machine. Of names,
// localhost alone qualifies (RFC 6761 section 6.3).
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
