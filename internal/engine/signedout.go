package engine

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/login"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/web"
)

// After a sign-out, Cognito redirects only to a registered address, which must match
// exactly: AfterLogout. If a handler wants the visitor elsewhere in the app, the path is
// kept in a cookie, which is read at AfterLogout, once.

// whereToLife is how long the way by Cognito, and by a SAML provider, may take.
const whereToLife = 5 * time.Minute

// noteWhereTo keeps the path in the cookie, unless it is no path of this app or is long.
// Then the sign-out ends at AfterLogout.
func (a *Engine) noteWhereTo(r Request, to string) {
	if path, ok := a.ownPath(to); ok && path != a.settings.AfterLogout && len(path) <= login.LongestTicket {
		a.cookies.set(r, a.cookies.signedOut, base64.RawURLEncoding.EncodeToString([]byte(path)), whereToLife)
	}
}

// whereTo is where a visitor of AfterLogout is redirected to, or "". Somebody who can
// write this cookie can lead a visitor to another page of the app, and nowhere else: the
// path is checked like the path in a link.
func (a *Engine) whereTo(r Request) string {
	if r.Path != a.afterLogoutPath || r.Method != http.MethodGet || !r.asking().VisitsPage() {
		return ""
	}
	value := a.cookies.read(r, []byte(a.cookies.signedOut))
	if len(value) == 0 {
		return ""
	}
	// Once, whatever is in it: AfterLogout must be a page that can be opened again.
	a.cookies.clear(r, a.cookies.signedOut)
	to, err := base64.RawURLEncoding.DecodeString(string(value))
	if err != nil {
		return ""
	}
	if path, ok := a.ownPath(string(to)); ok && path != a.settings.AfterLogout {
		return path
	}
	return ""
}

// goWhereTo sends a visitor on who has just signed out.
func (a *Engine) goWhereTo(r Request, to string) error {
	sealResponse(r)
	return r.redirect(a.Address(to), http.StatusSeeOther)
}

// logoutAddress is LogoutPath with where the sign-out is to end.
func (a *Engine) logoutAddress(to string) string {
	address := a.Address(a.settings.LogoutPath)
	path, ok := a.ownPath(to)
	if !ok {
		return address
	}
	return pool.WithQuery(address, url.Values{"return_to": {web.ForQuery(path)}})
}

// pathOf is a path of the config without its query.
func pathOf(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}
