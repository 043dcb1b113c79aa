package userpool

import (
	"html"
	"net/url"
	"regexp"
	"strings"
)

// Login opens startURL, expects redirects to the pool's login page, submits the form
// there and returns the page that this ends on. With a wrong password, that is the
// login page again, with status 200.
//
// If startURL does not lead to the login page, because the pool remembers the visitor
// or the application has failed, Login returns the page that it leads to.
func (b *Browser) Login(startURL, username, password string) *Page {
	// A person sees an address before typing a password into a page. So does
	// Login: a form that only looks like the pool's is left alone.
	start := b.Get(startURL)
	action, fields, ok := b.pool.loginFormOn(start)
	if !ok {
		return start
	}
	fields.Set("username", username)
	fields.Set("password", password)
	return start.followedBy(b.Post(action, fields))
}

// The pages are ours, so patterns are enough to read them.
var (
	formPattern  = regexp.MustCompile(`(?s)<form id="(\w+)"[^>]* action="([^"]*)"[^>]*>(.*?)</form>`)
	inputPattern = regexp.MustCompile(`<(?:input|button)\b[^>]*>`)
	namePattern  = regexp.MustCompile(`\bname="([^"]*)"`)
	valuePattern = regexp.MustCompile(`\bvalue="([^"]*)"`)
)

// loginFormOn finds the login form on a page: where it goes, and every field
// with the value it has, as a browser would send them.
func (p *Pool) loginFormOn(page *Page) (action string, fields url.Values, ok bool) {
	if page.Err != nil || !strings.HasPrefix(page.URL.String(), p.url+"/login?") {
		return "", nil, false
	}
	return formOn(page, "login")
}

// formOn finds the form with an id on a page.
func formOn(page *Page, id string) (action string, fields url.Values, ok bool) {
	form := formPattern.FindStringSubmatch(page.Body)
	if form == nil || form[1] != id {
		return "", nil, false
	}
	target, err := page.URL.Parse(html.UnescapeString(form[2]))
	if err != nil {
		return "", nil, false
	}
	fields = url.Values{}
	for _, input := range inputPattern.FindAllString(form[3], -1) {
		if name := namePattern.FindStringSubmatch(input); name != nil {
			value := ""
			if found := valuePattern.FindStringSubmatch(input); found != nil {
				value = html.UnescapeString(found[1])
			}
			fields.Set(html.UnescapeString(name[1]), value)
		}
	}
	return target.String(), fields, true
}
