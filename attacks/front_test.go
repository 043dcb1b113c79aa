package attacks_test

import (
	"net/http"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// TestAnotherSiteAsksWhoIsThere: a page of another site makes the visitor's browser ask
// UserPath. It cannot read the answer, and learns nothing from its length or its status
// either, even where its requests carry the cookie, as a sibling subdomain's do.
func TestAnotherSiteAsksWhoIsThere(t *testing.T) {
	t.Parallel()
	const sibling = "https://admin.example.com"
	s := lab.Serve(t, func(c *cognito.Config) { c.UserPath, c.AllowedOrigins = "/session", []string{sibling} })
	alice := s.SignIn("alice")
	ask := func(mode, dest, site, origin string, cookies ...*http.Cookie) *lab.Answer {
		header := lab.From(site, origin)
		header["Sec-Fetch-Mode"], header["Sec-Fetch-Dest"] = mode, dest
		return s.Send(lab.Request{Path: "/session", Cookies: cookies, Header: header})
	}
	for name, row := range map[string][4]string{
		"a fetch":               {"cors", "empty", "cross-site", "https://evil.example"},
		"a fetch without CORS":  {"no-cors", "empty", "cross-site", lab.Absent},
		"a sibling's fetch":     {"cors", "empty", "same-site", "https://evil.example.com"},
		"a sibling's script":    {"no-cors", "script", "same-site", lab.Absent},
		"a sibling's image":     {"no-cors", "image", "same-site", lab.Absent},
		"a sandbox":             {"cors", "empty", "cross-site", "null"},
		"a frame":               {"navigate", "iframe", "cross-site", lab.Absent},
		"a sibling's frame":     {"navigate", "frame", "same-site", lab.Absent},
		"a word of another day": {"cors", "empty", "Same-Origin", lab.Absent},
	} {
		signedIn, stranger := ask(row[0], row[1], row[2], row[3], alice), ask(row[0], row[1], row[2], row[3])
		if signedIn.StatusCode != http.StatusForbidden || signedIn.StatusCode != stranger.StatusCode || scrubbed(signedIn.Text) != scrubbed(stranger.Text) {
			t.Errorf("%s: alice gets %s, a stranger %s", name, lab.StatusLine(signedIn), lab.StatusLine(stranger))
		}
		if lab.HasCORS(signedIn.Header) {
			t.Errorf("%s: may read the answer: %v", name, signedIn.Header)
		}
	}
	for name, res := range map[string]*lab.Answer{
		"the app's own script":                  ask("cors", "empty", "same-origin", lab.Absent, alice),
		"an allowed origin's script":            ask("cors", "empty", "same-site", sibling, alice),
		"a person who typed it in":              ask("navigate", "document", "none", lab.Absent, alice),
		"a person who came by another's link":   ask("navigate", "document", "cross-site", lab.Absent, alice),
		"a browser that says nothing of itself": s.Send(lab.AsScript("/session", alice)),
	} {
		if user, _ := lab.Decode(t, res.Text)["user"].(map[string]any); user["cognito:username"] != "alice" {
			t.Errorf("%s: %s", name, lab.StatusLine(res))
		}
		if got := res.Header.Get("Cross-Origin-Resource-Policy"); got != "same-origin" {
			t.Errorf("%s: Cross-Origin-Resource-Policy is %q", name, got)
		}
	}
}
