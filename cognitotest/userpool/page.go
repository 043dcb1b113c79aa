package userpool

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the pages are compiled in
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// The few pages a visitor sees. They work without scripts, follow the browser's
// light or dark setting, and escape whatever they repeat of the request.

// pages are the templates "login" and "message".
var pages = template.Must(template.New("").Parse(pageHTML))

// stylePolicy lets exactly our style sheet apply, by its digest.
var stylePolicy = func() string {
	sum := sha256.Sum256([]byte(pageCSS))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// page is what every page shows. There is a style sheet in each instead of a
// link to one, so that a page saved from a failing test still looks right.
type page struct {
	Pool, PoolID string
	Style        template.CSS
	Home         string // where the application is, or ""
	Foreign      bool   // an identity provider's, and not the pool's
}

// loginForm is the state of the form. The password is not part of it: a page
// never repeats one.
type loginForm struct {
	Username, Error string
	Attempt, XSRF   string // the hidden fields
}

// message is a page without a form. What went wrong is for the developer who sets up the
// application: a visitor could not fix it.
type message struct {
	Title, Text, Code string
	Good              bool
}

// showForm shows the login page. A rejected password is no reason for another
// status than 200: to the browser the page is fine.
func (p *Pool) showForm(w http.ResponseWriter, r *http.Request, a authorization, form loginForm) {
	if p.unstyled && !p.classic {
		p.showMessage(w, r, http.StatusForbidden, "Login pages unavailable", "Please contact an administrator.", "no_branding_style")
		return
	}
	form.XSRF = xsrfToken(w, r)
	var users []User
	if p.showUsers {
		users = p.allUsers()
	}
	p.render(w, http.StatusOK, "login", formTargets(a.client), struct {
		page
		Form              loginForm
		Action            string
		SignUp, Forgotten string // the other pages that a login may go by
		Users             []User
		Own               bool // has a form for users of the pool
		Providers         []providerLink
	}{
		p.page(homeOf(a.client, a.redirectURI)), form, "/login?" + r.URL.RawQuery, "/signup?" + r.URL.RawQuery, "/forgotPassword?" + r.URL.RawQuery,
		users, a.client.supports(ownDirectory), p.providerLinks(a.client, r.URL.Query()),
	})
}

// showMessage shows an error page. The code is for the developer in front of it.
func (p *Pool) showMessage(w http.ResponseWriter, r *http.Request, status int, title, text, code string) {
	p.showPage(w, r, status, message{Title: title, Text: text, Code: code})
}

func (p *Pool) showPage(w http.ResponseWriter, r *http.Request, status int, m message) {
	client, known := p.client(r.URL.Query().Get("client_id"))
	if !known {
		client, _ = p.client("") // the first one
	}
	p.render(w, status, "message", "", struct {
		page
		Message message
	}{p.page(homeOf(client, "")), m})
}

// serveFront is the pool's home page, which shows who is signed in. A Cognito pool has
// no such page.
func (p *Pool) serveFront(w http.ResponseWriter, r *http.Request) {
	visitor, known := p.session(r)
	if !known {
		p.showPage(w, r, http.StatusOK, message{Title: "You are signed out", Good: true,
			Text: "To sign in, start at the application."})
		return
	}
	p.showPage(w, r, http.StatusOK, message{Title: "You are signed in", Good: true,
		Text: "You are signed in to this pool as " + visitor.username + ", for an hour after the sign-in."})
}

func (p *Pool) page(home string) page {
	// The style sheet is ours, and safe to copy as it is.
	return page{Pool: p.name, PoolID: p.id, Style: template.CSS(pageCSS), Home: home} //nolint:gosec // constant
}

// homeOf is where a client's visitors start: the latest of its sign-out addresses, of
// the site that a login was begun at if that is known. A real pool knows no way home;
// only registered addresses count, so that no request chooses one.
func homeOf(client Client, redirectURI string) string {
	site := siteOf(redirectURI)
	for _, address := range slices.Backward(client.LogoutURLs) {
		if its := siteOf(address); its != "" && (site == "" || site == its) {
			return address
		}
	}
	if site != "" {
		return site + "/"
	}
	return ""
}

// siteOf is the origin of a web address, or "".
func siteOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// render writes a page. Nothing may frame it, script it or style it but
// ourselves, and a form on it leads to the pool and to formTargets.
func (p *Pool) render(w http.ResponseWriter, status int, name, formTargets string, data any) {
	// Rendered in full first: half a page with status 200 would hide the error.
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, name, data); err != nil {
		panic("userpool: page template: " + err.Error())
	}
	noStore(w)
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; "+
		"frame-ancestors 'none'; img-src data:; style-src "+stylePolicy+
		"; form-action 'self'"+formTargets)
	// The address holds state and nonce, which are nobody's business elsewhere.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // the client may have left
}

// formTargets lists the client's origins for form-action. Chromium applies that
// directive to redirects too, and a submitted form ends at the application.
func formTargets(client Client) string {
	var targets []string
	for _, raw := range slices.Concat(client.CallbackURLs, client.LogoutURLs) {
		u, err := url.Parse(raw)
		if err != nil {
			continue
		}
		target := u.Scheme + "://" + u.Host
		// A policy cannot name an IPv6 host, nor an app's own scheme with one.
		if u.Host == "" || strings.Contains(u.Host, "[") || !strings.HasPrefix(u.Scheme, "http") {
			target = u.Scheme + ":"
		}
		if !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	if len(targets) == 0 {
		return ""
	}
	return " " + strings.Join(targets, " ")
}
