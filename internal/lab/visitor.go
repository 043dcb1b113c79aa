package lab

import (
	"net/http"
	"strings"

	"github.com/bar-tech/cognito/cognitotest"
)

// Visitor is somebody with a browser of their own.
type Visitor struct {
	*cognitotest.Browser
	Site *Site
}

// Visitor opens a browser.
func (s *Site) Visitor() *Visitor {
	return &Visitor{Site: s, Browser: s.Pool.NewBrowser()}
}

// LogIn takes alice, or whoever is named, through the whole login.
func (v *Visitor) LogIn(who ...string) *cognitotest.Page {
	v.Site.Helper()
	name := "alice"
	if len(who) > 0 {
		name = who[0]
	}
	page := v.Login(v.Site.URL+"/login", name, PasswordOf(name))
	if body := v.Get(v.Site.URL + "/").Body; body != "hello "+name+"@example.com" {
		v.Site.Fatalf("after the login the home page says %q", body)
	}
	return page
}

// MustBeSignedIn is the honest case that attack tests end with.
func (v *Visitor) MustBeSignedIn() {
	v.Site.Helper()
	if body := v.Get(v.Site.URL + "/").Body; !strings.HasPrefix(body, "hello ") || strings.HasPrefix(body, "hello stranger") || strings.HasPrefix(body, "hello who") {
		v.Site.Errorf("the home page says %q, want a signed-in visitor", body)
	}
}

// MustBeStranger wants the app not to know the visitor.
func (v *Visitor) MustBeStranger() {
	v.Site.Helper()
	if body := v.Get(v.Site.URL + "/").Body; body != "hello stranger" {
		v.Site.Errorf("the home page says %q, want a stranger", body)
	}
}

// SessionCookie is the visitor's session cookie, or nil.
func (v *Visitor) SessionCookie() *http.Cookie {
	for _, cookie := range v.Cookies(v.Site.URL) {
		if IsSessionCookie(cookie.Name) {
			return cookie
		}
	}
	return nil
}

// IsSessionCookie reports whether a cookie of this name carries a session.
func IsSessionCookie(name string) bool {
	name = strings.TrimPrefix(name, "__Host-")
	return strings.HasPrefix(name, "cognito_") && !IsLoginCookie(name) && !strings.HasSuffix(name, "_trips") && !strings.HasSuffix(name, "_out")
}

// IsLoginCookie reports whether it belongs to a login in progress.
func IsLoginCookie(name string) bool {
	return strings.HasPrefix(strings.TrimPrefix(name, "__Host-"), "cognito_login_")
}

// PasswordOf is the password of a user whom every pool has.
func PasswordOf(name string) string {
	return map[string]string{"alice": "wonderland", "bob": "builder"}[name]
}
