package userpool_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestWayHome: every page leads back to the application, by an address that its
// client has registered: no request may choose another.
func TestWayHome(t *testing.T) {
	pool := userpool.New(userpool.Options{Clients: []userpool.Client{
		{ID: "web", CallbackURLs: []string{"http://localhost:1/app/back", "http://localhost:2/back"}, LogoutURLs: []string{"http://localhost:1/app/", "http://localhost:3/"}},
		{ID: "phone", CallbackURLs: []string{"myapp://back"}, LogoutURLs: []string{"myapp://bye"}},
	}})
	t.Cleanup(pool.Close)
	login := func(client, redirect string) string {
		return "/oauth2/authorize?" + url.Values{"client_id": {client}, "response_type": {"code"}, "redirect_uri": {redirect}}.Encode()
	}
	for _, row := range []struct{ name, path, home string }{
		{"the front door", "/", "http://localhost:3/"},
		{"a login of the site whose sign-out address is known", login("web", "http://localhost:1/app/back"), "http://localhost:1/app/"},
		{"a login of a site without one", login("web", "http://localhost:2/back"), "http://localhost:2/"},
		{"an address of somebody else", login("web", "https://evil.example/"), "http://localhost:3/"},
		{"no such client", login("evil", "https://evil.example/"), "http://localhost:3/"},
		{"an app with no web address", login("phone", "myapp://evil"), ""},
	} {
		page := pool.NewBrowser().Get(pool.URL() + row.path)
		link := `href="` + row.home + `">Back to the app</a>`
		if page.Err != nil || page.Status >= http.StatusInternalServerError || strings.Contains(page.Body, `href="https://evil`) ||
			strings.Contains(page.Body, "Back to the app") != (row.home != "") || row.home != "" && !strings.Contains(page.Body, link) {
			t.Errorf("%s: %d, %v, want %s in\n%s", row.name, page.Status, page.Err, link, page.Body)
		}
	}
}
