package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"strings"
)

// pageStyle is allowed by its hash alone, so that the page works under a
// policy that allows nothing else.
const pageStyle = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--paper:#fff;--back:#f4f5f7;--line:#d9dee3;--deed:#0b5cad}
@media(prefers-color-scheme:dark){:root{--ink:#eceff2;--soft:#a5afb9;--paper:#1c2127;--back:#12161a;--line:#333b44;--deed:#4f9fee}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--ink);font:1rem/1.6 system-ui,sans-serif}
main{width:100%;max-width:28rem;padding:2.25rem;background:var(--paper);border:1px solid var(--line);border-radius:.75rem}
h1{margin:0 0 .5rem;font-size:1.375rem;line-height:1.3}
p{margin:0 0 1.75rem;color:var(--soft)}
a,button{display:inline-block;padding:.6rem 1.2rem;border:0;border-radius:.5rem;background:var(--deed);color:#fff;font:inherit;font-weight:600;text-decoration:none;cursor:pointer}
@media(prefers-color-scheme:dark){a,button{color:#0c1116}}
a.home{display:table;margin-top:.75rem;padding:.25rem 0;background:none;color:var(--deed)}
a:focus-visible,button:focus-visible{outline:3px solid var(--deed);outline-offset:3px}
`

var pageStyleHash = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

// page is everything that a visitor is ever shown by this package.
type page struct {
	Title  string
	Detail string
	Link   string // where the way on leads
	Action string // instead of a link: a form posts there
	Label  string // of the link or the button
	Home   string // where a second link leads, back to the app, or ""
}

// html writes the page. Templates would do that too, but whatever looks methods
// up by name makes the linker keep every method of every type, which costs a
// program more than all the rest of this package.
func (p page) html() []byte {
	referrer, way := "", `<a href="`+link(p.Link)+`">`+html.EscapeString(p.Label)+"</a>\n"
	if p.Action != "" {
		referrer = `<meta name="referrer" content="same-origin">` + "\n"
		way = `<form method="post" action="` + link(p.Action) + `"><button>` + html.EscapeString(p.Label) + "</button></form>\n"
	}
	home := ""
	if p.Home != "" {
		home = `<a class="home" href="` + link(p.Home) + `">Back to the app</a>` + "\n"
	}
	title := html.EscapeString(p.Title)
	return []byte(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
` + referrer + `<title>` + title + `</title>
<style>` + pageStyle + `</style>
</head>
<body>
<main>
<h1>` + title + `</h1>
<p>` + html.EscapeString(p.Detail) + `</p>
` + way + home + `</main>
</body>
</html>
`)
}

// link is an address as the value of a quoted attribute. It leads to a web page
// or nowhere: no address is a script, whatever it was made of.
func link(address string) string {
	if !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "http://") {
		return "#"
	}
	return html.EscapeString(address)
}

// sendPage writes a page. A page with a form tells browsers to name its origin
// to us: under no-referrer they would send "Origin: null", as another site's
// sandbox does, and browsers without Sec-Fetch-Site send nothing that tells the
// two apart. Such a page has no form-action in its policy: browsers hold every
// redirect that follows to it, and Cognito's sign-out goes on to identity providers
// whose addresses only the pool knows (SAML single logout). The form is ours, and
// nothing of a request is in the page.
func sendPage(r Request, status int, p page) error {
	policy := "default-src 'none'; style-src '" + pageStyleHash + "'; base-uri 'none'; frame-ancestors 'none'"
	if p.Action == "" {
		policy += "; form-action 'none'"
	}
	r.Response.Header.Set("Content-Security-Policy", policy)
	r.Response.Header.Set("Content-Type", "text/html; charset=utf-8")
	r.SetStatusCode(status)
	r.SetBody(p.html())
	return nil
}
