package attacks_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// A browser sends our cookie with whatever another site makes it send, if that site is
// a sibling subdomain. So a request that may change something says who sent it, or
// loses its identity.

// The ways to say where a request comes from; absent leaves the header out.
const (
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
	{"same-origin", lab.Absent, false, false},
	{"none", lab.Absent, false, false}, // typed in, or a bookmark
	{"none", "null", true, true},       // Firefox, after a redirect without referrer

	{"cross-site", "https://evil.example", true, true},
	{"cross-site", "null", true, true},
	{"cross-site", lab.Absent, true, true},
	{"cross-site", sibling, true, false},
	{"same-site", sibling, true, false},
	{"same-site", "https://other.example.com", true, true},
	{"same-site", lab.Absent, true, true},
	{"same-site", "null", true, true},
	{"cross-origin", "https://evil.example", true, true}, // no value of today
	{"Same-Origin", "https://evil.example", true, true},
	{"SAME-ORIGIN", lab.Absent, true, true},
	{"none, same-origin", lab.Absent, true, true},
	{"same-origin, cross-site", "https://evil.example", true, true},
	{"junk", lab.Absent, true, true},

	{lab.Absent, lab.Absent, false, false}, // no browser
	{lab.Absent, ownPage, false, false},
	{lab.Absent, sibling, true, false},
	{lab.Absent, "https://evil.example", true, true},
	{lab.Absent, "null", true, true},
	{lab.Absent, "http://localhost", true, true}, // another port is another origin
	{lab.Absent, "http://localhost:1", true, true},
	{lab.Absent, "https://localhost", true, true},
	{lab.Absent, "http://127.0.0.1", true, true},
	{lab.Absent, ownPage + ".evil.example", true, true},
	{lab.Absent, ownPage + "/", true, true},
	{lab.Absent, ownPage + "@evil.example", true, true},
	{lab.Absent, "evil" + ownPage, true, true},
	{lab.Absent, ownPage + ", https://evil.example", true, true},
	{lab.Absent, sibling + ".evil.example", true, true},
	{lab.Absent, strings.ToUpper(sibling), true, true},
	{lab.Absent, strings.Replace(sibling, "https", "http", 1), true, true},
	{lab.Absent, sibling + ":444", true, true},
	{lab.Absent, "file://", true, true},
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
		app.All("/who", lab.TellWho)
		app.All("/me", cognito.RequireUser(), lab.TellWho)
		app.All("/scope", auth.RequireScope("openid"), lab.TellWho)
	}
	alone := lab.ServeAppWith(t, pool, furnish)
	allowing := lab.ServeAppWith(t, pool, furnish, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	for _, s := range []*lab.Site{alone, allowing} {
		v := s.Visitor()
		v.Login(s.URL+"/login", "alice", lab.PasswordOf("alice"))
		for _, row := range forgeryRows {
			refused := row.refused
			if s == allowing {
				refused = row.refusedFromSibling
			}
			header := lab.From(row.site, strings.Replace(row.origin, ownPage, s.URL, 1))
			s.Run(fmt.Sprintf("%s %s allowing=%t", row.site, row.origin, s == allowing), func(t *testing.T) {
				s := &lab.Site{T: t, URL: s.URL}
				for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
					mustJudgeOrigin(s, lab.Request{Method: method, Cookies: []*http.Cookie{v.SessionCookie()}, Header: header}, refused)
				}
				for _, method := range []string{"GET", "OPTIONS"} {
					mustJudgeOrigin(s, lab.Request{Method: method, Cookies: []*http.Cookie{v.SessionCookie()}, Header: header}, false)
				}
			})
		}
	}
}

func mustJudgeOrigin(s *lab.Site, r lab.Request, refused bool) {
	s.Helper()
	at := func(path string) *lab.Answer { r.Path = path; return s.Send(r) }
	who, me, scope := lab.Decode(s.T, at("/who").Text), at("/me"), at("/scope")
	if !refused {
		if who["user"] != "alice" || me.StatusCode != http.StatusOK || scope.StatusCode != http.StatusOK {
			s.Errorf("%s: %v, %d and %d, want alice", r.Method, who, me.StatusCode, scope.StatusCode)
		}
		return
	}
	if who["user"] != nil || who["scope"] != nil || !strings.HasPrefix(fmt.Sprint(who["err"]), "cognito: cross_origin: ") {
		s.Errorf("%s: the handler sees %v", r.Method, who)
	}
	for _, res := range []*lab.Answer{me, scope} {
		if res.StatusCode != http.StatusForbidden || res.Problem(s.T)["code"] != "cross_origin" || len(res.Cookies()) != 0 {
			s.Errorf("%s: %s with %v, want 403", r.Method, lab.StatusLine(res), res.Cookies())
		}
	}
}

// TestForgeryAgainstABaseURL proves that with a BaseURL that alone is the
// app's own origin, not the Host that the request came in by, whose value
// another site may choose.
func TestForgeryAgainstABaseURL(t *testing.T) {
	t.Parallel()
	const base = "https://localhost:8443"
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{
		ID: "behindaproxy", CallbackURLs: []string{base + "/login/redirect"}, LogoutURLs: []string{base + "/"},
	}}})
	t.Cleanup(pool.Close)
	s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.BaseURL = base })
	cookies := pool.SignIn(s.App, "alice")
	for _, row := range []struct {
		host, site, origin string
		status             int
	}{
		{"", lab.Absent, base, 200},
		{"", "cross-site", base, 200}, // a contradiction: our own page is not cross-site
		{"localhost:8443", lab.Absent, base, 200},
		{"", lab.Absent, s.URL, 403},
		{"", lab.Absent, "http://localhost:8443", 403},
		{"evil.example", lab.Absent, "https://evil.example", 403},
		{"evil.example", lab.Absent, "http://evil.example", 403},
		{"evil.example", lab.Absent, base, 200},
		{"", lab.Absent, base + ":443", 403},
	} {
		header := lab.From(row.site, row.origin)
		if row.host != "" {
			header["Host"] = row.host
		}
		header["X-Forwarded-Host"] = "evil.example"
		res := s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: cookies, Header: header})
		if res.StatusCode != row.status {
			t.Errorf("%+v: %s", row, lab.StatusLine(res))
		}
	}
}

// TestForgeryAgainstOurRoutes proves the same for the routes of the
// middleware: another site can neither sign a visitor out nor spend their
// refresh token, and learns nothing.
func TestForgeryAgainstOurRoutes(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	v := s.Visitor()
	v.LogIn()
	calls := s.Pool.Calls(cognitotest.Token)
	for _, path := range []string{"/logout", "/token/refresh"} {
		for _, row := range forgeryRows {
			if !row.refusedFromSibling {
				continue
			}
			header := lab.From(row.site, strings.Replace(row.origin, ownPage, s.URL, 1))
			res := s.Send(lab.Request{Method: "POST", Path: path, Cookies: []*http.Cookie{v.SessionCookie()}, Header: header})
			if res.StatusCode != http.StatusForbidden || res.Problem(t)["code"] != "cross_origin" || len(res.Cookies()) != 0 {
				t.Errorf("POST %s from %s %s: %s with %v", path, row.site, row.origin, lab.StatusLine(res), res.Cookies())
			}
		}
	}
	if got := s.Pool.Calls(cognitotest.Token) - calls; got != 0 {
		t.Errorf("%d token calls were caused", got)
	}
	v.MustBeSignedIn()
	for _, origin := range []string{s.URL, sibling} {
		res := s.Send(lab.Request{Method: "POST", Path: "/token/refresh", Cookies: []*http.Cookie{v.SessionCookie()}, Header: lab.From(lab.Absent, origin)})
		if res.StatusCode != http.StatusOK {
			t.Errorf("POST /token/refresh from %s: %s", origin, lab.StatusLine(res))
		}
	}
	if res := s.Send(lab.Request{Method: "POST", Path: "/logout", Cookies: []*http.Cookie{v.SessionCookie()}, Header: lab.From("same-origin", s.URL)}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("POST /logout from our own page: %s", lab.StatusLine(res))
	}
	v.MustBeStranger()
}

// TestNoCORSOfOurOwn: whatever is asked of our routes and guards, by whomever, no
// answer lets another origin's script read it. That is the app's to grant.
func TestNoCORSOfOurOwn(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.TakesBearer, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	v := s.Visitor()
	v.LogIn()
	for _, path := range []string{"/login", "/login/redirect", "/login/redirect?code=x&state=y", "/logout", "/token/refresh", "/me", "/"} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "HEAD", "DELETE"} {
			for _, origin := range []string{sibling, "https://evil.example", "null", s.URL} {
				for _, cookies := range [][]*http.Cookie{nil, {v.SessionCookie()}} {
					if path == "/logout" && cookies != nil {
						continue // would end the session
					}
					header := lab.From(lab.Absent, origin)
					header["Access-Control-Request-Method"] = "POST"
					if res := s.Send(lab.Request{Method: method, Path: path, Cookies: cookies, Header: header}); lab.HasCORS(res.Header) {
						t.Errorf("%s %s for %s: %v", method, path, origin, res.Header)
					}
				}
			}
		}
	}
	v.MustBeSignedIn()
}

// TestCrossSiteWebSocketHijacking: it begins with a GET that carries the cookie, and
// afterwards the page that opened it may say anything. So the GET is judged like what
// comes after it.
func TestCrossSiteWebSocketHijacking(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.AllowedOrigins = []string{sibling} })
	alice := s.SignIn("alice")
	for _, row := range forgeryRows {
		header := map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
		if row.site != lab.Absent {
			header["Sec-Fetch-Site"] = row.site
		}
		if row.origin != lab.Absent {
			header["Origin"] = strings.ReplaceAll(row.origin, ownPage, s.URL)
		}
		want := http.StatusOK
		if row.refusedFromSibling {
			want = http.StatusForbidden
		}
		if res := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{alice}, Header: header}); res.StatusCode != want {
			t.Errorf("%s from %s: %s, want %d", row.site, row.origin, lab.StatusLine(res), want)
		}
	}
	// What a client offers besides, for the connection alone, gives no page anything.
	link := map[string]string{"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
	if res := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{alice}, Header: link}); res.StatusCode != http.StatusOK {
		t.Errorf("a link that a proxy follows with h2c on offer: %s", lab.StatusLine(res))
	}
	s.MustBe("alice", alice)
}
