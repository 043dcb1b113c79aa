package engine

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/web"
)

// localHost is the only Host header that anything is computed from, and only
// while BaseURL is empty.
var localHost = regexp.MustCompile(`^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$`)

var (
	errNotLocal    = baseURLMissing("the request is not for http://localhost, 127.0.0.1 or [::1]; set BaseURL to the app's public address")
	errBehindProxy = baseURLMissing("a proxy forwarded the request; set BaseURL to the address that browsers use")
)

// baseURLMissing is ErrMisconfigured with a text that helps newcomers, who look at the
// browser first.
func baseURLMissing(cause string) *fault.Error {
	e := fault.Because(fault.ErrMisconfigured, "BaseURL is empty and %s", cause)
	fault.Of(e).Message = "This app was opened at a public address, but its BaseURL setting is empty. Set BaseURL to that address."
	return e
}

// baseURL is the app's public origin, with its path prefix. Without a BaseURL, it is
// the visitor's own machine or an error: a proxy also connects to us at 127.0.0.1, and
// then only the operator knows the public name.
func (a *Engine) baseURL(r Request) (string, error) {
	if a.settings.BaseURL != "" {
		return a.settings.BaseURL, nil
	}
	header := &r.Request.Header
	// The request line is looked at too, because an absolute address there names a host.
	host := string(header.Host())
	if !localHost.MatchString(host) || !strings.HasPrefix(r.originalURL(), "/") || r.IsTLS() {
		return "", errNotLocal
	}
	for name := range header.All() {
		switch lower := strings.ToLower(string(name)); {
		case lower == "forwarded", lower == "via", strings.HasPrefix(lower, "x-forwarded-"):
			return "", errBehindProxy
		}
	}
	return "http://" + host, nil
}

// origins are those whose pages may use the cookie for unsafe requests: the allowed ones
// and the app's own, unless that is unknown. With BaseURL, no header of the request has a
// say in it.
func (a *Engine) origins(r Request) []string {
	if a.settings.BaseURL != "" {
		return a.trusted
	}
	base, err := a.baseURL(r)
	if err != nil {
		return a.trusted
	}
	return append(slices.Clip(a.trusted), base) // clipped: requests must not share the memory behind it
}

// foreign is the refusal of a request that another site may have sent. Usually it is
// right. Otherwise the request came from the app's own page at an address that does not
// match BaseURL, and then its author needs to know what the request said.
func (a *Engine) foreign(r Request) *fault.Error {
	return fault.Because(fault.ErrCrossOrigin, "the request has %s, and the app's own pages are at %q; if the page is yours, add its origin to AllowedOrigins, or set BaseURL to the address that browsers use",
		r.asking().Sender(), a.origins(r))
}

// trustedOrigins is computed once: BaseURL's origin and the allowed ones.
func trustedOrigins(c Settings) []string {
	origins := slices.Clone(c.AllowedOrigins)
	if u, err := url.Parse(c.BaseURL); err == nil && u.Host != "" {
		origins = append(origins, web.OriginOf(u))
	}
	return origins
}

// crossOrigin reports whether a request that may change something was sent by a
// page of an origin that is not trusted.
func (a *Engine) crossOrigin(r Request) bool {
	return web.MayChange(r.Method, r.headers()) && r.asking().IsForeign(a.origins(r))
}

// framedByStranger reports whether a login runs in a frame where it must not run: frames
// of a sibling subdomain would use up the slots of the visitor's own logins.
// With SameSite=None, frames on other sites are allowed, because they have separate
// cookies.
func (a *Engine) framedByStranger(r Request) bool {
	asking := r.asking()
	return asking.IsFramed() && !(a.settings.Embedded && asking.Site == "cross-site")
}
