package engine

import (
	"html"
	"strings"
	"testing"
)

// TestPageXSS: nothing that a page says can become a tag, leave its attribute or
// run as a script, and an honest page still says it all.
func TestPageXSS(t *testing.T) {
	const tag = `"'><script>alert(1)</script><a href="`
	for name, p := range map[string]page{
		"title":  {Title: tag, Link: "/"},
		"detail": {Detail: tag, Link: "/"},
		"label":  {Label: tag, Link: "/"},
		"button": {Label: tag, Action: "/"},
		"link":   {Link: "/" + tag},
		"action": {Action: "/" + tag},
		"home":   {Link: "/", Home: "/" + tag},
	} {
		text := string(p.html())
		if strings.Contains(text, "<script") || strings.Contains(text, `"'`) {
			t.Errorf("the %s leaves its place: %s", name, text)
		}
		if !strings.Contains(text, html.EscapeString(tag)) {
			t.Errorf("the %s is not shown", name)
		}
	}
	for _, address := range []string{"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "data:text/html,x", "vbscript:x", "", "x"} {
		for _, p := range []page{{Link: address}, {Action: address}, {Link: "/", Home: address}} {
			if text := string(p.html()); address != "" && strings.Contains(text, `="`+address+`"`) {
				t.Errorf("%q is an address of the page: %s", address, text)
			}
		}
	}
	honest := string(page{Title: "Sign out?", Detail: "Bread & butter", Link: "https://app.example/login?a=1&b=2", Label: "Go", Home: "/"}.html())
	for _, want := range []string{
		"<title>Sign out?</title>", "<h1>Sign out?</h1>", "<p>Bread &amp; butter</p>",
		`<a href="https://app.example/login?a=1&amp;b=2">Go</a>`, `<a class="home" href="/">Back to the app</a>`, "<style>" + pageStyle + "</style>",
	} {
		if !strings.Contains(honest, want) {
			t.Errorf("an honest page lacks %s:\n%s", want, honest)
		}
	}
}
