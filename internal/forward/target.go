package forward

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/bar-tech/cognito/internal/web"
)

// Target is the service that requests go to: an origin and a path that none leaves.
type Target struct {
	base url.URL // its path without a slash at the end
}

// Wrong is what is wrong with the address of a service.
type Wrong struct{ Rule, Remedy string }

// ParseTarget reads the address of a service.
func ParseTarget(address string) (Target, *Wrong) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return Target{}, &Wrong{"must be an absolute URL", `use an address such as "https://api.example.com" or "https://api.example.com/v1"`}
	case u.Scheme != "https" && u.Scheme != "http":
		return Target{}, &Wrong{"must begin with https or http", "use https or http for WebSockets too"}
	case u.Scheme == "http" && !isPrivate(u.Hostname()):
		return Target{}, &Wrong{"must be https outside your own network: anyone who sees an access token in transit can use it",
			"use https; http is accepted for loopback and private addresses, and for names that no public host has, such as api, api.internal, api.local or api.svc"}
	// url.Parse forgets an empty fragment, so the address itself is searched.
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(address, "#"):
		return Target{}, &Wrong{"must be an origin and an optional path, without user, query or fragment", "leave these out"}
	case u.Path != "" && web.IsAmbiguous([]byte(u.EscapedPath())):
		return Target{}, &Wrong{"must have a path that is the same as the path it resolves to", "remove empty segments, dot segments and unnecessary escapes"}
	}
	// A slash more or less at the end makes no difference: at puts one before the rest.
	base := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/"), RawPath: strings.TrimRight(u.RawPath, "/")}
	return Target{base}, nil
}

// isPrivate reports whether a host is one that the public internet cannot have: a private
// address, a name without a dot, or one below a domain that no public host has.
func isPrivate(host string) bool {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.IsLoopback() || address.IsPrivate()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if !strings.Contains(host, ".") {
		return true
	}
	for _, ending := range []string{".localhost", ".internal", ".local", ".svc"} {
		if strings.HasSuffix(host, ending) {
			return true
		}
	}
	return false
}

// Origin is the service's origin, for the log.
func (t Target) Origin() string { return t.base.Scheme + "://" + t.base.Host }

// ErrPath is the error for a path that might lead out of the service's own.
var ErrPath = errors.New("the path differs from the path that it resolves to, so it might lead out of the upstream's path")

// at is the address of what a request asks for. What the wildcard matched is the
// visitor's word, so nothing is resolved in it: dot segments, empty ones, and slashes
// and backslashes in escapes are refused, in the spellings of every server.
func (t Target) at(rest, query string) (*url.URL, error) {
	u := t.base
	if rest != "" {
		if web.IsAmbiguous([]byte("/"+rest)) || parameterDots.MatchString(rest) {
			return nil, ErrPath
		}
		// Path and RawPath both: net/url sends the visitor's spelling only if they agree.
		plain, err := url.PathUnescape(rest)
		if err != nil {
			return nil, ErrPath
		}
		u.RawPath = t.base.EscapedPath() + "/" + rest
		u.Path = t.base.Path + "/" + plain
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.RawQuery = query
	return &u, nil
}

// parameterDots is a segment of dots with parameters: Java's servers cut these off before
// they resolve ("/..;x/"), some after they have decoded more than once.
var parameterDots = regexp.MustCompile(`(^|/)\.\.?(;|%(25)*3[Bb])`)

// public is a Location as the visitor can follow it: what leads back into the service
// leads to where it is forwarded from, and everything else stays what it is, as a
// complete address. A Location that is none is empty.
func (t Target) public(location string, from *url.URL, prefix string) string {
	to, err := from.Parse(location)
	if err != nil || to.Scheme != "https" && to.Scheme != "http" {
		return ""
	}
	rest, inside := strings.CutPrefix(to.EscapedPath(), t.base.EscapedPath()+"/")
	// What at would refuse when the visitor follows it stays what it is, too.
	if to.Scheme != t.base.Scheme || !strings.EqualFold(to.Host, t.base.Host) || !inside || prefix == "" || web.IsAmbiguous([]byte("/"+rest)) {
		return to.String()
	}
	address := prefix + rest
	if to.RawQuery != "" {
		address += "?" + to.RawQuery
	}
	if to.Fragment != "" {
		address += "#" + to.EscapedFragment()
	}
	return address
}
