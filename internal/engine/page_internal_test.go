package engine

import (
	"html"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/internal/fault"
)

// TestPageXSS: nothing that a page says can become a tag, leave its attribute or
// run as a script, and an honest page still says it all.
func TestPageXSS(t *testing.T) {
	const tag = `"'><script>alert(1)</script><a href="`
	to := func(link string) []fault.Way { return []fault.Way{{Label: "Go", Link: link}} }
	for name, p := range map[string]page{
		"app":       {App: tag},
		"title":     {Title: tag},
		"detail":    {Detail: tag},
		"label":     {Ways: []fault.Way{{Label: tag, Link: "/"}}},
		"button":    {Label: tag, Action: "/"},
		"link":      {Ways: to("/" + tag)},
		"action":    {Action: "/" + tag},
		"reference": {Reference: tag},
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
		for _, p := range []page{{Ways: to(address)}, {Action: address}, {Ways: append(to("/"), to(address)...)}} {
			if text := string(p.html()); address != "" && strings.Contains(text, `="`+address+`"`) {
				t.Errorf("%q is an address of the page: %s", address, text)
			}
		}
	}
	honest := string(page{App: "Acme & Sons", Title: "Sign out?", Detail: "Bread & butter", Ways: append(to("https://app.example/login?a=1&b=2"), fault.Home("Acme & Sons", "/")), Reference: "BCDF-GHJK"}.html())
	for _, want := range []string{
		"<title>Sign out? – Acme &amp; Sons</title>", "<header>Acme &amp; Sons</header>", "<h1>Sign out?</h1>", "<p>Bread &amp; butter</p>",
		`<a href="https://app.example/login?a=1&amp;b=2">Go</a>`, `<a class="quiet" href="/">Back to Acme &amp; Sons</a>`, "<code>BCDF-GHJK</code>", "<style>" + pageStyle + "</style>",
	} {
		if !strings.Contains(honest, want) {
			t.Errorf("an honest page lacks %s:\n%s", want, honest)
		}
	}
}
