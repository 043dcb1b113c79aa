package attacks_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// Browsers do not always say the truth about who is asking, and not always as one
// would spell it. The table of what they say is in internal/web.

// asBrowser are headers of a document that a browser opens.
func asBrowser(site, origin, referer string, more ...string) map[string]string {
	header := map[string]string{"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
	for i, value := range []string{site, origin, referer} {
		if value != "" {
			header[[]string{"Sec-Fetch-Site", "Origin", "Referer"}[i]] = value
		}
	}
	for i := 0; i+1 < len(more); i += 2 {
		header[more[i]] = more[i+1]
	}
	return header
}

// TestWhatFirefoxCallsTyped: a sibling's form that its own server redirects to the app,
// without referrer, reaches it as if typed in. The handler never runs.
func TestWhatFirefoxCallsTyped(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	res := s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{alice}, Header: asBrowser("none", "null", "")})
	if res.StatusCode != http.StatusSeeOther || strings.Contains(res.Text, "changed") {
		t.Errorf("the forged form is answered with %s", lab.StatusLine(res))
	}
	res = s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{alice}, Header: asBrowser("same-origin", "null", "")})
	if res.Text != "changed" {
		t.Errorf("an own form of a page without referrer is answered with %s", lab.StatusLine(res))
	}
}

// TestBehindAServiceWorker: past a worker that passes navigations on, pages still go to
// log in and come back, and a sibling's form has no user.
func TestBehindAServiceWorker(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	worker := []string{"Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty"}
	res := s.Send(lab.Request{Path: "/me", Header: asBrowser("same-origin", "", "", worker...)})
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/login?return_to=%2Fme" {
		t.Errorf("a guarded page past a worker is answered with %s", lab.StatusLine(res))
	}
	if res := s.Send(lab.Request{Path: "/login", Header: asBrowser("same-origin", "", "", worker...)}); res.StatusCode != http.StatusFound {
		t.Errorf("a login past a worker is answered with %s", lab.StatusLine(res))
	}
	alice := s.SignIn("alice")
	for _, row := range []struct{ origin, referer, want string }{
		{s.URL, "https://evil.example/", ""}, {"null", "", ""}, {s.URL, "", ""}, {s.URL, s.URL + "/form", "changed"},
	} {
		header := asBrowser("same-origin", row.origin, row.referer, worker...)
		if res := s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{alice}, Header: header}); (res.Text == "changed") != (row.want == "changed") {
			t.Errorf("a form past a worker, from %q and %q: %s", row.origin, row.referer, lab.StatusLine(res))
		}
	}
	s.MustBe("alice", alice)
}

// TestForcedLogout: whatever another site makes a browser say, by redirects, reloads or
// workers, the visitor is asked first. A form of nobody known that brings no cookie
// takes none away.
func TestForcedLogout(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	for name, header := range map[string]map[string]string{
		"typed, or redirected in Firefox": asBrowser("none", "", ""),
		"reloaded in WebKit":              asBrowser("none", "", s.URL+"/"),
		"past a worker":                   asBrowser("same-origin", "", "https://evil.example/", "Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty"),
		"past a worker, no referrer":      asBrowser("same-origin", "", "", "Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty"),
		"old browser":                     {"Accept": "text/html"},
		"preview":                         asBrowser("same-origin", "", s.URL+"/", "X-Purpose", "preview"),
	} {
		res := s.Send(lab.Request{Path: "/logout", Cookies: []*http.Cookie{alice}, Header: header})
		if res.StatusCode != http.StatusOK || !strings.Contains(res.Text, "<button>Sign out</button>") || len(res.Cookies()) > 0 {
			t.Errorf("%s: %s with %v", name, lab.StatusLine(res), res.Cookies())
		}
		s.MustBe("alice", alice)
	}
	for _, header := range []map[string]string{nil, asBrowser("", "", ""), asBrowser("none", "", "")} {
		if res := s.Send(lab.Request{Method: "POST", Path: "/logout", Header: header}); len(res.Cookies()) > 0 || strings.Contains(res.Header.Get("Location"), s.Pool.URL()) {
			t.Errorf("a form of nobody known: %v", res.Header)
		}
	}
	s.MustLogOut(s.Send(lab.Request{Path: "/logout", Cookies: []*http.Cookie{alice}, Header: asBrowser("same-origin", "", s.URL+"/")}))
	s.MustBe("", alice)
}

// TestPrefetchedLogout: however a prefetcher or a link preview spells what it does, it
// signs nobody out and begins no login.
func TestPrefetchedLogout(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	for _, said := range []string{"Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "Purpose: prefetch", "Purpose: Preview", "X-Purpose: preview", "x-moz: PREFETCH", "X-Sec-Purpose: prefetch"} {
		name, value, _ := strings.Cut(said, ": ")
		header := asBrowser("same-origin", "", s.URL+"/", name, value)
		s.Send(lab.Request{Path: "/logout", Cookies: []*http.Cookie{alice}, Header: header})
		s.MustBe("alice", alice)
		for _, path := range []string{"/login", "/me"} {
			if res := s.Send(lab.Request{Path: path, Header: header}); res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s with %s: %s", path, said, lab.StatusLine(res))
			}
		}
	}
	s.MustLogOut(s.Send(lab.LogOut(alice)))
}

// TestHeaderNamesAsSent: an app that keeps header names as they were sent, behind a
// proxy that sends them in small letters, is protected all the same.
func TestHeaderNamesAsSent(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	config.Bearer = true
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, DisableHeaderNormalizing: true, ReadBufferSize: 16 << 10})
	app.Use(auth.Handler())
	app.All("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("changed") })
	s := &lab.Site{T: t, Pool: pool, Auth: auth, App: app, URL: lab.Listen(t, app), Logged: &lab.LockedBuffer{}}
	pool.AllowOrigin(s.URL)
	t.Cleanup(func() { _ = auth.Close() })
	alice := s.SignIn("alice")
	cookie := "cookie: " + alice.Name + "=" + alice.Value
	ask := func(line string, headers ...string) int {
		return sendRaw(s, line+" HTTP/1.1\r\nhost: "+strings.TrimPrefix(s.URL, "http://")+"\r\nconnection: close\r\n"+strings.Join(headers, "\r\n")+"\r\n\r\n")
	}
	for _, row := range []struct {
		want    int
		line    string
		headers []string
	}{
		{403, "POST /me", []string{cookie, "sec-fetch-site: cross-site", "origin: https://evil.example"}},
		{403, "POST /me", []string{cookie, "ORIGIN: https://evil.example"}},
		{403, "GET /me", []string{cookie, "upgrade: websocket", "origin: https://evil.example"}},
		{403, "POST /logout", []string{cookie, "origin: https://evil.example"}},
		{200, "GET /logout", []string{cookie, "sec-fetch-mode: navigate", "sec-fetch-site: cross-site", "accept: text/html"}},
		{401, "GET /me", []string{cookie, "authorization: Bearer x"}},
		{401, "GET /me", []string{cookie, "aUTHORIZATION: Bearer x"}},
		{401, "GET /login", []string{"sec-purpose: prefetch"}},
		{302, "GET /me", []string{"sec-fetch-mode: navigate", "accept: text/html"}},
		{401, "GET /me", []string{cookie + "0"}},
		{200, "GET /me", []string{cookie}},
		{200, "POST /me", []string{"COOKIE" + strings.TrimPrefix(cookie, "cookie"), "origin: " + s.URL}},
	} {
		if got := ask(row.line, row.headers...); got != row.want {
			t.Errorf("%s with %v is answered with %d, want %d", row.line, row.headers[1:], got, row.want)
		}
	}
}

// TestRefusedFormLeavesItsAddress: the answer to a refused form lies at another
// address, before the app's own error page could reload it: browsers would send the
// forged body again, as the app's own.
func TestRefusedFormLeavesItsAddress(t *testing.T) {
	t.Parallel()
	asked := 0
	s := lab.Serve(t, func(c *cognito.Config) {
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			if c.Method() == http.MethodPost {
				asked++
			}
			return c.Status(http.StatusForbidden).Type("html").SendString("<script>location.reload()</script>")
		}
	})
	v := s.Visitor()
	v.LogIn()
	for _, path := range []string{"/me", "/logout", "/token/refresh"} {
		for name, header := range map[string]map[string]string{
			"cross-site": asBrowser("cross-site", "https://evil.example", ""), "sandboxed": asBrowser("cross-site", "null", ""),
			"old browser": {"Accept": "text/html", "Origin": "https://evil.example"},
		} {
			res := s.Send(lab.Request{Method: "POST", Path: path, Cookies: []*http.Cookie{v.SessionCookie()}, Header: header})
			if res.StatusCode != http.StatusSeeOther || res.Target().Path != "/login" || res.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("POST %s, %s: %s to %q", path, name, lab.StatusLine(res), res.Header.Get("Location"))
			}
			// There the app may draw the page, and reload it: it is asked for by GET.
			if page := v.Get(s.URL + res.Header.Get("Location")); page.Status != http.StatusForbidden || !strings.Contains(page.Body, "location.reload") {
				t.Errorf("POST %s, %s leads to %d %s", path, name, page.Status, page.Body)
			}
		}
	}
	if asked != 0 {
		t.Errorf("the ErrorHandler answered %d forms at their own address", asked)
	}
	v.MustBeSignedIn()
	script := s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{v.SessionCookie()}, Header: lab.From("cross-site", "https://evil.example")})
	if script.StatusCode != http.StatusForbidden || asked != 1 {
		t.Errorf("a script is answered with %s, and the ErrorHandler was asked %d times", lab.StatusLine(script), asked)
	}
	if page := v.Post(s.URL+"/me", nil); page.Body != "changed" {
		t.Errorf("the honest form is answered with %q", page.Body)
	}
}

// TestInventedRefusal: who makes up an address of the page of refusals gets fixed
// words and a way into the app, and no login begins.
func TestInventedRefusal(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	for _, query := range []string{"refused=<script>evil()</script>", "refused=evil", "refused=cross_origin&return_to=https://evil.example/", "refused=session_ended&return_to=//evil.example", "refused=x&refused=evil&prompt=evil", "refused=forbidden&reference=EVIL-EVIL", "refused=forbidden&reference=evil"} {
		res := s.Send(lab.Request{Path: "/login?" + strings.NewReplacer("<", "%3C", ">", "%3E").Replace(query), Header: asBrowser("cross-site", "", "")})
		if res.StatusCode != http.StatusOK || strings.Contains(strings.ToLower(res.Text), "evil") || len(res.Cookies()) > 0 {
			t.Errorf("%s: %s with %v", query, lab.StatusLine(res), res.Cookies())
		}
	}
}

// TestFormAfterTheSessionEnded: the browser shows a page that says so, with a way to
// sign in that comes back to the form.
func TestFormAfterTheSessionEnded(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()
	v.LogIn()
	s.Send(lab.LogOut(v.SessionCookie()))
	r, _ := http.NewRequest(http.MethodPost, s.URL+"/me", strings.NewReader("a=b"))
	for name, value := range asBrowser("same-origin", s.URL, s.URL+"/public?draft=1") {
		r.Header.Set(name, value)
	}
	page := v.Do(r)
	link := regexp.MustCompile(`<a href="(/login\?return_to=[^"]+)">Sign in</a>`).FindStringSubmatch(page.Body)
	if page.Status != http.StatusOK || link == nil {
		t.Fatalf("the form leads to %s: %d %s", page.URL, page.Status, page.Body)
	}
	if home := v.Login(s.URL+link[1], "alice", lab.PasswordOf("alice")); home.URL.RequestURI() != "/public?draft=1" {
		t.Errorf("the login comes back to %s", home.URL)
	}
	v.MustBeSignedIn()
}

// TestAmbiguousPaths: a guard on a prefix and a file server behind it see the same
// path, or nobody sees it.
func TestAmbiguousPaths(t *testing.T) {
	t.Parallel()
	furnish := func(app *fiber.App, _ *cognito.Auth) {
		app.Use("/admin", cognito.RequireGroup("admin"))
		app.Get("/*", func(c *fiber.Ctx) error { return c.Send(c.Context().URI().Path()) }) // as file servers look
	}
	s := lab.ServeApp(t, furnish)
	ask := func(s *lab.Site, path string) int {
		return sendRaw(s, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n")
	}
	for _, path := range []string{
		"/%61dmin/x", "//admin/x", "/y/../admin/x", "/./admin/x", "/admin%2Fx", "/y%5c..%5cadmin/x", `/y\..\admin/x`, "/y/%2e%2e/admin/x", "/%2561dmin/x", "/a//", "/.", "http://localhost//admin/x",
	} {
		if got := ask(s, path); got != http.StatusBadRequest {
			t.Errorf("%s is answered with %d, want 400", path, got)
		}
	}
	allowing := lab.ServeApp(t, furnish, func(c *cognito.Config) { c.AllowAmbiguousPaths = true })
	if got := ask(allowing, "//admin/x"); got != http.StatusOK {
		t.Errorf("with AllowAmbiguousPaths it is answered with %d", got)
	}
	if got := ask(s, "/admin/x"); got != http.StatusUnauthorized {
		t.Errorf("the guarded page is answered with %d", got)
	}
	for _, path := range []string{"/", "/a/", "/%E3%81%82", "/a%20b", "/a?x=//y/../%61", "/.well-known/x", "/100%25", "/a%3Fb"} {
		if got := ask(s, path); got != http.StatusOK {
			t.Errorf("the honest %s is answered with %d", path, got)
		}
	}
}

// TestLogoutEndsEverySession: of several cookies of our name nothing tells which is the
// visitor's, so none of their sessions lives on.
func TestLogoutEndsEverySession(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice, bob := s.SignIn("alice"), s.SignIn("bob")
	s.MustLogOut(s.Send(lab.LogOut(alice, alice, bob)))
	s.MustBe("", alice)
	s.MustBe("", bob)
	s.MustBe("alice", s.SignIn("alice"))
}

// TestLogoutOfInventedSessions: a logout that names hundreds of sessions is one request,
// and must not cost the storage hundreds of calls.
func TestLogoutOfInventedSessions(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.SignIn("alice")
	var invented []*http.Cookie
	for range 200 {
		invented = append(invented, &http.Cookie{Name: alice.Name, Value: base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%032d", len(invented)))})
	}
	before := len(storage.Asked(""))
	s.MustLogOut(s.Send(lab.LogOut(invented...)))
	if calls := len(storage.Asked("")) - before; calls > 50 {
		t.Errorf("the storage was called %d times", calls)
	}
	s.MustBe("alice", alice)
	s.MustLogOut(s.Send(lab.LogOut(append(invented[:15:15], alice)...)))
	s.MustBe("", alice)
}
