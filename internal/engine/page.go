package engine

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"strings"

	"github.com/bar-tech/cognito/internal/fault"
)

// pageStyle is allowed by its hash alone, so that the page works under a
// policy that allows nothing else.
const pageStyle = `
:root{color-scheme:light dark;--page:#f4f5f7;--card:#fff;--text:#1b1f24;--muted:#59636e;--line:#cfd6dd;--brand:#0b5cad;--brand-down:#084a8c;--on-brand:#fff}
@media(prefers-color-scheme:dark){:root{--page:#12161a;--card:#1c2127;--text:#eceff2;--muted:#a5afb9;--line:#414b55;--brand:#6cb0f5;--brand-down:#93c6f9;--on-brand:#0c1116}}
*{box-sizing:border-box}
body{margin:0 auto;min-height:100vh;max-width:32rem;padding:2rem 1.25rem;display:flex;flex-direction:column;justify-content:center;gap:1.25rem;background:var(--page);color:var(--text);font:1rem/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
header{padding:0 .25rem;font-weight:650;overflow-wrap:anywhere}
main{padding:2rem;background:var(--card);border-radius:1rem;box-shadow:0 1px 2px rgb(0 0 0/12%),0 12px 32px rgb(0 0 0/10%)}
h1{margin:0;font-size:1.625rem;line-height:1.25;font-weight:680;letter-spacing:-.012em;overflow-wrap:anywhere;text-wrap:balance}
p{margin:.5rem 0 0;color:var(--muted);overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:.75rem;margin-top:1.75rem}
a,button{display:inline-block;padding:.625rem 1.5rem;border:1px solid transparent;border-radius:.625rem;background:var(--brand);color:var(--on-brand);font:inherit;font-weight:650;text-align:center;text-decoration:none;cursor:pointer}
a:hover,button:hover,a:active,button:active{background:var(--brand-down)}
.quiet{background:transparent;color:var(--text);border-color:var(--line)}
.quiet:hover,.quiet:active{background:var(--page)}
a:focus-visible,button:focus-visible{outline:3px solid var(--brand);outline-offset:2px}
.reference{margin-top:1.75rem;font-size:.875rem}
code{font:.95em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:30rem){body{justify-content:flex-start;padding:1.25rem .875rem}main{padding:1.5rem 1.25rem}h1{font-size:1.5rem}nav,form{display:grid}nav{grid-template-columns:minmax(0,1fr)}}
`

var pageStyleHash = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}()

// page is everything that a visitor is ever shown by this package.
type page struct {
	App       string // its name, or ""
	Title     string
	Detail    string
	Action    string // where a form posts to, or ""
	Label     string // of its button
	Ways      []fault.Way
	Reference string
}

// pageOf is the page that tells of an error.
func pageOf(e *fault.Error) page {
	said := fault.PageOf(e)
	return page{App: fault.Of(e).Answer.AppName, Title: said.Title, Detail: said.Text, Ways: said.Ways, Reference: said.Reference}
}

// html writes the page. Templates would do that too, but whatever looks methods
// up by name makes the linker keep every method of every type, which costs a
// program more than all the rest of this package.
func (p page) html() []byte {
	title, header, referrer, reference := html.EscapeString(p.Title), "", "", ""
	tab := title
	if p.App != "" {
		name := html.EscapeString(p.App)
		tab, header = title+" – "+name, `<header>`+name+"</header>\n"
	}
	// It overrides the header of sealResponse, for the sake of the form (sendPage).
	if p.Action != "" {
		referrer = `<meta name="referrer" content="same-origin">` + "\n"
	}
	if p.Reference != "" {
		reference = `<p class="reference">Reference: <code>` + html.EscapeString(p.Reference) + "</code></p>\n"
	}
	return []byte(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
` + referrer + `<title>` + tab + `</title>
<style>` + pageStyle + `</style>
</head>
<body>
` + header + `<main>
<h1>` + title + `</h1>
<p>` + html.EscapeString(p.Detail) + `</p>
` + p.buttons() + reference + `</main>
</body>
</html>
`)
}

// buttons lead on from the page. The first one is the one to press.
func (p page) buttons() string {
	var text strings.Builder
	text.WriteString("<nav>\n")
	class := ""
	if p.Action != "" {
		text.WriteString(`<form method="post" action="` + link(p.Action) + `"><button>` + html.EscapeString(p.Label) + "</button></form>\n")
		class = `class="quiet" `
	}
	for _, way := range p.Ways {
		text.WriteString("<a " + class + `href="` + link(way.Link) + `">` + html.EscapeString(way.Label) + "</a>\n")
		class = `class="quiet" `
	}
	text.WriteString("</nav>\n")
	return text.String()
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
// whose addresses only the pool knows (SAML single logout). The form is ours, and of a
// request it has only return_to, rebuilt as a path of the app.
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
