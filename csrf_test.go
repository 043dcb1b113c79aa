package cognito_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// A browser sends our cookie with whatever another site makes it send, if that
// site is a sibling subdomain. So a request that may change something says who
// sent it, or loses its identity. These are the tests of row E6.

// The ways to say where a request comes from; absent leaves the header out.
const (
	absent  = "-"
	ownPage = "own" // stands for the app's own origin
	sibling = "https://admin.example.com"
)

// forgeryRows are requests with the cookie that may change something. refused
// is what is expected without AllowedOrigins, and refusedFromSibling with the
// sibling among them.
var forgeryRows = []struct {
	site, origin       string
	refused            bool
	refusedFromSibling bool
}{
	{"same-origin", ownPage, false, false},
	{"same-origin", absent, false, false},
	{"none", absent, false, false}, // typed in, or a bookmark
	{"none", "null", false, false},

	{"cross-site", "https://evil.example", true, true},
	{"cross-site", "null", true, true},
	{"cross-site", absent, true, true},
	{"cross-site", sibling, true, false},
	{"same-site", sibling, true, false},
	{"same-site", "https://other.example.com", true, true},
	{"same-site", absent, true, true},
	{"same-site", "null", true, true},
	{"cross-origin", "https://evil.example", true, true}, // no value of today
	{"Same-Origin", "https://evil.example", true, true},
	{"SAME-ORIGIN", absent, true, true},
	{"none, same-origin", absent, true, true},
	{"same-origin, cross-site", "https://evil.example", true, true},
	{"junk", absent, true, true},

	{absent, absent, false, false}, // no browser
	{absent, ownPage, false, false},
	{absent, sibling, true, false},
	{absent, "https://evil.example", true, true},
	{absent, "null", true, true},
	{absent, "http://localhost", true, true}, // another port is another origin
	{absent, "http://localhost:1", true, true},
	{absent, "https://localhost", true, true},
	{absent, "http://127.0.0.1", true, true},
	{absent, ownPage + ".evil.example", true, true},
	{absent, ownPage + "/", true, true},
	{absent, ownPage + "@evil.example", true, true},
	{absent, "evil" + ownPage, true, true},
	{absent, ownPage + ", https://evil.example", true, true},
	{absent, sibling + ".evil.example", true, true},
	{absent, strings.ToUpper(sibling), true, true},
	{absent, strings.Replace(sibling, "https", "http", 1), true, true},
	{absent, sibling + ":444", true, true},
	{absent, "file://", true, true},
}

// TestCrossSiteRequestForgery goes through all of them, with each method that
// may change something: the handler sees nobody and why, a guard answers 403,
// and the cookie stays. Methods that change nothing are never refused.
func TestCrossSiteRequestForgery(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	furnish := func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.All("/who", tellWho)
		app.All("/me", cognito.RequireUser(), tellWho)
		app.All("/scope", auth.RequireScope("openid"), tellWho)
	}
	alone := serveAppWith(t, pool, furnish)
	allowing := serveAppWith(t, pool, furnish, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	for _, s := range []*site{alone, allowing} {
		v := s.visitor()
		v.Login(s.url+"/login", "alice", passwordOf("alice"))
		for _, row := range forgeryRows {
			refused := row.refused
			if s == allowing {
				refused = row.refusedFromSibling
			}
			header := from(row.site, strings.Replace(row.origin, ownPage, s.url, 1))
			s.Run(fmt.Sprintf("%s %s allowing=%t", row.site, row.origin, s == allowing), func(t *testing.T) {
				s := &site{T: t, url: s.url}
				for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
					s.mustJudgeOrigin(request{method: method, cookies: []*http.Cookie{v.sessionCookie()}, header: header}, refused)
				}
				for _, method := range []string{"GET", "OPTIONS"} {
					s.mustJudgeOrigin(request{method: method, cookies: []*http.Cookie{v.sessionCookie()}, header: header}, false)
				}
			})
		}
	}
}

// from are the headers by which a browser says who sent a request.
func from(fetchSite, origin string) map[string]string {
	header := map[string]string{}
	if fetchSite != absent {
		header["Sec-Fetch-Site"] = fetchSite
	}
	if origin != absent {
		header["Origin"] = origin
	}
	return header
}

func (s *site) mustJudgeOrigin(r request, refused bool) {
	s.Helper()
	at := func(path string) *response { r.path = path; return s.send(r) }
	who, me, scope := decode(s.T, at("/who").body), at("/me"), at("/scope")
	if !refused {
		if who["user"] != "alice" || me.StatusCode != http.StatusOK || scope.StatusCode != http.StatusOK {
			s.Errorf("%s: %v, %d and %d, want alice", r.method, who, me.StatusCode, scope.StatusCode)
		}
		return
	}
	if who["user"] != nil || who["scope"] != nil || who["err"] != "cognito: cross_origin" {
		s.Errorf("%s: the handler sees %v", r.method, who)
	}
	for _, res := range []*response{me, scope} {
		if res.StatusCode != http.StatusForbidden || res.problem(s.T)["code"] != "cross_origin" || len(res.Cookies()) != 0 {
			s.Errorf("%s: %s with %v, want 403", r.method, statusLine(res), res.Cookies())
		}
	}
}

// TestForgeryAgainstABaseURL proves that with a BaseURL that alone is the
// app's own origin, not the Host that the request came in by, whose value
// another site may choose.
func TestForgeryAgainstABaseURL(t *testing.T) {
	const base = "https://localhost:8443"
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{
		ID: "behindaproxy", CallbackURLs: []string{base + "/login/redirect"}, LogoutURLs: []string{base + "/"},
	}}})
	t.Cleanup(pool.Close)
	s := serveWith(t, pool, func(c *cognito.Config) { c.BaseURL = base })
	cookies := pool.SignIn(s.app, "alice")
	for _, row := range []struct {
		host, site, origin string
		status             int
	}{
		{"", absent, base, 200},
		{"", "cross-site", base, 200}, // a contradiction: our own page is not cross-site
		{"localhost:8443", absent, base, 200},
		{"", absent, s.url, 403},
		{"", absent, "http://localhost:8443", 403},
		{"evil.example", absent, "https://evil.example", 403},
		{"evil.example", absent, "http://evil.example", 403},
		{"evil.example", absent, base, 200},
		{"", absent, base + ":443", 403},
	} {
		header := from(row.site, row.origin)
		if row.host != "" {
			header["Host"] = row.host
		}
		header["X-Forwarded-Host"] = "evil.example"
		res := s.send(request{method: "POST", path: "/me", cookies: cookies, header: header})
		if res.StatusCode != row.status {
			t.Errorf("%+v: %s", row, statusLine(res))
		}
	}
}

// TestForgeryAgainstOurRoutes proves the same for the routes of the
// middleware: another site can neither sign a visitor out nor spend their
// refresh token, and learns nothing.
func TestForgeryAgainstOurRoutes(t *testing.T) {
	s := serve(t, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	v := s.visitor()
	v.logIn()
	calls := s.pool.Calls(cognitotest.Token)
	for _, path := range []string{"/logout", "/token/refresh"} {
		for _, row := range forgeryRows {
			if !row.refusedFromSibling {
				continue
			}
			header := from(row.site, strings.Replace(row.origin, ownPage, s.url, 1))
			res := s.send(request{method: "POST", path: path, cookies: []*http.Cookie{v.sessionCookie()}, header: header})
			if res.StatusCode != http.StatusForbidden || res.problem(t)["code"] != "cross_origin" || len(res.Cookies()) != 0 {
				t.Errorf("POST %s from %s %s: %s with %v", path, row.site, row.origin, statusLine(res), res.Cookies())
			}
		}
	}
	if got := s.pool.Calls(cognitotest.Token) - calls; got != 0 {
		t.Errorf("%d token calls were caused", got)
	}
	v.mustBeSignedIn()
	for _, origin := range []string{s.url, sibling} {
		res := s.send(request{method: "POST", path: "/token/refresh", cookies: []*http.Cookie{v.sessionCookie()}, header: from(absent, origin)})
		if res.StatusCode != http.StatusOK {
			t.Errorf("POST /token/refresh from %s: %s", origin, statusLine(res))
		}
	}
	if res := s.send(request{method: "POST", path: "/logout", cookies: []*http.Cookie{v.sessionCookie()}, header: from("same-origin", s.url)}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("POST /logout from our own page: %s", statusLine(res))
	}
	v.mustBeStranger()
}

// TestNoCORSOfOurOwn proves the last part of row E6: whatever is asked of our
// routes and guards, by whomever, no answer lets another origin's script read
// it. That is the app's to grant.
func TestNoCORSOfOurOwn(t *testing.T) {
	s := serve(t, takesBearer, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	v := s.visitor()
	v.logIn()
	for _, path := range []string{"/login", "/login/redirect", "/login/redirect?code=x&state=y", "/logout", "/token/refresh", "/me", "/"} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "HEAD", "DELETE"} {
			for _, origin := range []string{sibling, "https://evil.example", "null", s.url} {
				for _, cookies := range [][]*http.Cookie{nil, {v.sessionCookie()}} {
					if path == "/logout" && cookies != nil {
						continue // would end the session
					}
					header := from(absent, origin)
					header["Access-Control-Request-Method"] = "POST"
					if res := s.send(request{method: method, path: path, cookies: cookies, header: header}); hasCORS(res.Header) {
						t.Errorf("%s %s for %s: %v", method, path, origin, res.Header)
					}
				}
			}
		}
	}
	v.mustBeSignedIn()
}

// TestCrossSiteWebSocketHijacking is row E6 for a WebSocket: it begins with a GET
// that carries the cookie, and afterwards the page that opened it may say
// anything. So the GET is judged like what comes after it.
func TestCrossSiteWebSocketHijacking(t *testing.T) {
	s := serve(t, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	alice := s.signIn("alice")
	for _, row := range forgeryRows {
		header := map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
		if row.site != absent {
			header["Sec-Fetch-Site"] = row.site
		}
		if row.origin != absent {
			header["Origin"] = strings.ReplaceAll(row.origin, ownPage, s.url)
		}
		want := http.StatusOK
		if row.refusedFromSibling {
			want = http.StatusForbidden
		}
		if res := s.send(request{path: "/me", cookies: []*http.Cookie{alice}, header: header}); res.StatusCode != want {
			t.Errorf("%s from %s: %s, want %d", row.site, row.origin, statusLine(res), want)
		}
	}
	// What a client offers besides, for the connection alone, gives no page anything.
	link := map[string]string{"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
	if res := s.send(request{path: "/me", cookies: []*http.Cookie{alice}, header: link}); res.StatusCode != http.StatusOK {
		t.Errorf("a link that a proxy follows with h2c on offer: %s", statusLine(res))
	}
	s.mustBe("alice", alice)
}
