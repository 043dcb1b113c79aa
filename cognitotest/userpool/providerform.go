package userpool

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// LoginAt is [Browser.Login] for a user of an identity provider. It opens startURL,
// presses the provider's button if that leads to the pool's own page, submits the form on
// the provider's page, and returns the page this ends on. With a wrong password that is
// the provider's page again.
//
// If the way does not lead to the provider's page, because the pool or the provider still
// knows the visitor or somebody has failed, LoginAt returns the page it did lead to.
func (b *Browser) LoginAt(provider, startURL, id, password string) *Page {
	return b.atProvider(provider, startURL, func(fields url.Values) {
		fields.Del("cancel")
		fields.Set("username", id)
		fields.Set("password", password)
	})
}

// CancelAt goes where [Browser.LoginAt] goes, and presses Cancel on the provider's page.
func (b *Browser) CancelAt(provider, startURL string) *Page {
	return b.atProvider(provider, startURL, func(url.Values) {})
}

// atProvider goes to a provider's page, and submits its form filled in.
func (b *Browser) atProvider(provider, startURL string, fillIn func(url.Values)) *Page {
	page := b.Get(startURL)
	if link, ok := b.pool.linkOn(page, provider); ok {
		page = page.followedBy(b.Get(link))
	}
	action, fields, ok := b.pool.providerFormOn(page, provider, "provider")
	if !ok {
		return page
	}
	fillIn(fields)
	return page.followedBy(b.Post(action, fields))
}

// linkPattern is a provider's button on the login page.
var linkPattern = regexp.MustCompile(`<a class="button quiet" href="(/oauth2/authorize[^"]*)">Continue with ([^<]*)</a>`)

// linkOn finds the button of a provider, on the pool's own page alone.
func (p *Pool) linkOn(page *Page, provider string) (string, bool) {
	if page.Err != nil || !p.isAt(page.URL, "/login") {
		return "", false
	}
	for _, link := range linkPattern.FindAllStringSubmatch(page.Body, -1) {
		if target, err := page.URL.Parse(html.UnescapeString(link[1])); err == nil && link[2] == provider {
			return target.String(), true
		}
	}
	return "", false
}

// providerFormOn finds a form of a provider's page. One that only looks like it is left alone.
func (p *Pool) providerFormOn(page *Page, provider, id string) (string, url.Values, bool) {
	if page.Err != nil || !p.isAt(page.URL, providerPath(provider)) && !p.isAt(page.URL, providerPath(provider)+"/logout") {
		return "", nil, false
	}
	return formOn(page, id)
}

// isAt reports whether an address is one of the pool's, under either of its names.
func (p *Pool) isAt(u *url.URL, path string) bool {
	origin := u.Scheme + "://" + u.Host
	return u.Path == path && (origin == p.url || origin == otherOrigin(p.url))
}

// onward is the form of a SAML provider that a browser submits by itself. It leads to another
// site, and the browser says so.
func (b *Browser) onward(page *Page) (*http.Request, bool) {
	if page.Err != nil {
		return nil, false
	}
	name := strings.TrimSuffix(strings.TrimPrefix(page.URL.Path, "/providers/"), "/logout")
	action, fields, ok := b.pool.providerFormOn(page, name, "onward")
	if !ok {
		return nil, false
	}
	r := navigation(http.MethodPost, action, fields.Encode(), "cross-site")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", page.URL.Scheme+"://"+page.URL.Host)
	return r, true
}
