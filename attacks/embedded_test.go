package attacks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

func embedded(c *cognito.Config) { c.SameSite = "None" }

// TestCookieAttributesEmbedded: browsers send a cookie with SameSite "None" into frames
// of other sites if it is Secure, and keep one for each site that embeds the app if it
// is Partitioned. Deletions have the same attributes.
func TestCookieAttributesEmbedded(t *testing.T) {
	t.Parallel()
	s, proxy := serveHTTPS(t, embedded)
	tour(s, proxy)
	mustHaveAttributes(t, proxy, "__Host-", map[string]string{"path": "/", "httponly": "", "secure": "", "samesite": "None", "partitioned": ""})
}

// TestSameSiteIsChanged: a browser keeps partitioned cookies beside others of the same name,
// and sends both. Whoever was signed in before SameSite was changed signs in once more, and
// the cookie from before does not count as tossed.
func TestSameSiteIsChanged(t *testing.T) {
	t.Parallel()
	lax := func(*cognito.Config) {}
	for name, change := range map[string][2]func(*cognito.Config){"for frames": {lax, embedded}, "and back": {embedded, lax}} {
		t.Run(name, func(t *testing.T) {
			var jar []*http.Cookie
			for _, hook := range change {
				s, proxy := serveHTTPS(t, hook)
				v := proxy.visitorOf(s)
				v.Login(httpsOrigin+"/me", "alice", lab.PasswordOf("alice"))
				jar = append(jar, v.Cookies(httpsOrigin)...)
				if res := proxy.send(t, lab.AsScript("/me", jar...)); res.StatusCode != http.StatusOK {
					t.Errorf("with the cookies %v, /me answers %s", jar, lab.StatusLine(res))
				}
			}
		})
	}
}

// TestForgeryAgainstEmbeddedApp: with SameSite "None" browsers send the cookie along
// with other sites' requests, and nothing but our own look at who is asking stands
// between them and the app. The app's own page passes.
func TestForgeryAgainstEmbeddedApp(t *testing.T) {
	t.Parallel()
	s, proxy := serveHTTPS(t, embedded)
	v := proxy.visitorOf(s)
	v.Login(httpsOrigin+"/me", "alice", lab.PasswordOf("alice"))
	cookies := v.Cookies(httpsOrigin)
	send := func(path, site, origin string) *lab.Answer {
		return proxy.send(t, lab.Request{Method: http.MethodPost, Path: path, Cookies: cookies, Header: lab.From(site, origin)})
	}
	s.Pool.Advance(time.Minute)
	for _, path := range []string{"/me", "/logout", "/token/refresh"} {
		for _, origin := range []string{"https://evil.example", "null"} {
			res := send(path, "cross-site", origin)
			if res.StatusCode != http.StatusForbidden && !(path == "/logout" && asksFirst(res)) {
				t.Errorf("POST %s from %s is answered %s", path, origin, lab.StatusLine(res))
			}
			lab.SetsNothing(t, path, res)
		}
	}
	upgrade := lab.From("cross-site", "https://evil.example")
	upgrade["Upgrade"], upgrade["Connection"] = "websocket", "Upgrade"
	if res := proxy.send(t, lab.Request{Path: "/me", Cookies: cookies, Header: upgrade}); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's WebSocket is answered %s", lab.StatusLine(res))
	}
	if res := send("/token/refresh", "same-origin", httpsOrigin); res.StatusCode != http.StatusOK {
		t.Errorf("the app's own page is answered %s", lab.StatusLine(res))
	}
	if page := v.Get(httpsOrigin + "/me"); page.Status != http.StatusOK {
		t.Errorf("alice gets %d", page.Status)
	}
}

// asksFirst reports whether an answer is a page with a button, which ends nothing.
func asksFirst(res *lab.Answer) bool {
	return res.StatusCode == http.StatusOK && strings.Contains(res.Text, "<form")
}

// TestEmbeddedLoginInFrame: an app that other sites may embed signs visitors in there,
// where their cookies are apart from those of the app's own window. A sibling's frame
// shares them, so it is refused as ever.
func TestEmbeddedLoginInFrame(t *testing.T) {
	t.Parallel()
	s, proxy := serveHTTPS(t, embedded)
	in := func(site string) map[string]string {
		return map[string]string{"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
	}
	if res := proxy.send(t, lab.Request{Path: "/login", Header: in("same-site")}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("in a sibling's frame the login answers %s", lab.StatusLine(res))
	}
	begun := proxy.send(t, lab.Request{Path: "/login?return_to=/me", Header: in("cross-site")})
	if !leadsToCognito(s, begun) {
		t.Fatalf("in another site's frame the login answers %s", lab.StatusLine(begun))
	}
	p := lab.Answered(s, &lab.PendingLogin{Query: begun.Target().Query(), Cookie: begun.Cookie(lab.IsLoginCookie)}, "alice")
	back := proxy.send(t, lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}, Header: in("cross-site")})
	if back.Header.Get("Location") != "/me" || back.Cookie(lab.IsSessionCookie) == nil {
		t.Errorf("in another site's frame the callback answers %s with %v", lab.StatusLine(back), back.Cookies())
	}
}

// TestBrowserSession: the session's cookie says nothing of how long it lives, at the
// login and whenever it is sent anew, and the deadlines of the session hold all the
// same: whoever keeps the cookie is a stranger after them.
func TestBrowserSession(t *testing.T) {
	t.Parallel()
	for name, kind := range map[string]func(*cognito.Config){"stored": func(*cognito.Config) {}, "in the cookie": lab.InCookies} {
		t.Run(name, func(t *testing.T) {
			s, proxy := serveHTTPS(t, kind, func(c *cognito.Config) { c.BrowserSession = true })
			v := proxy.visitorOf(s)
			v.Login(httpsOrigin+"/me", "alice", lab.PasswordOf("alice"))
			s.Pool.Advance(50 * time.Minute) // the tokens are due
			v.Post(httpsOrigin+"/token/refresh", nil)
			for range 3 {
				s.Pool.Advance(50 * time.Minute * 6) // touched, and renewed
				if page := v.Get(httpsOrigin + "/me"); page.Status != http.StatusOK {
					t.Fatalf("alice gets %d", page.Status)
				}
			}
			sent := mustBeTransient(t, proxy)
			if min := map[string]int{"stored": 1, "in the cookie": 4}[name]; sent < min {
				t.Errorf("%d cookies of the session were sent", sent)
			}
			s.Pool.Advance(25 * 60 * time.Minute)
			if page := v.Get(httpsOrigin + "/"); !strings.Contains(page.Body, "stranger") {
				t.Errorf("after IdleTimeout the cookie says %q", page.Body)
			}
		})
	}
}

// mustBeTransient counts the cookies of sessions, none of which names an end, and
// looks that those of logins do.
func mustBeTransient(t *testing.T, proxy *tape) (sent int) {
	t.Helper()
	for _, a := range proxy.all() {
		for _, line := range a.header.Values("Set-Cookie") {
			c, err := parseSetCookie(line)
			if err != nil || c.deletes() {
				continue
			}
			_, age := c.attributes["max-age"]
			_, expires := c.attributes["expires"]
			session := kindOfCookie(c.name) == "session"
			if session {
				sent++
			}
			if session == (age || expires) {
				t.Errorf("%s: %q", a.request, line)
			}
		}
	}
	return sent
}
