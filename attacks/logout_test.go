package attacks_test

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// Whoever leaves must be gone, everywhere and for good, whatever else happens
// at that moment; and nobody may be made to leave by somebody else.

// TestLogoutCSRF: a link, an image, a form or a prefetch of another site signs nobody
// out, and neither does a method that is not to.
func TestLogoutCSRF(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	header := func(pairs ...string) map[string]string {
		h := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	const refusedForm = http.StatusSeeOther // to a page that says so
	const mode, from, dest = "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-Dest"
	for _, row := range []struct {
		name   string
		method string
		header map[string]string
		status int
		leaves bool
	}{
		{"own form", http.MethodPost, header(mode, "navigate", from, "same-origin", "Origin", s.URL), 303, true},
		{"own form, old browser", http.MethodPost, header("Origin", s.URL), 303, true},
		{"own script", http.MethodPost, header(mode, "cors", from, "same-origin"), 303, true},
		{"own script that asks for JSON", http.MethodPost, header(mode, "cors", from, "same-origin", "Accept", "application/json"), 200, true},
		{"program that asks for JSON", http.MethodPost, header("Accept", "application/json"), 303, true},
		{"program", http.MethodPost, nil, 303, true},
		{"own link", http.MethodGet, header(mode, "navigate", from, "same-origin", "Referer", s.URL+"/"), 303, true},
		{"own link, old browser", http.MethodGet, header("Accept", "text/html", "Referer", s.URL+"/"), 303, true},

		{"address bar", http.MethodGet, header(mode, "navigate", from, "none"), 200, false},
		{"old browser", http.MethodGet, header("Accept", "text/html"), 200, false},
		{"own link without Referer, or another's past a worker", http.MethodGet, header(mode, "navigate", from, "same-origin"), 200, false},

		{"form of another site", http.MethodPost, header(mode, "navigate", from, "cross-site", "Origin", "https://evil.example"), refusedForm, false},
		{"form of a sibling", http.MethodPost, header(mode, "navigate", from, "same-site", "Origin", "https://evil.example"), refusedForm, false},
		{"form, old browser", http.MethodPost, header("Origin", "https://evil.example"), 403, false},
		{"sandboxed form", http.MethodPost, header("Origin", "null"), 403, false},
		{"script of another site", http.MethodPost, header(mode, "no-cors", from, "cross-site", "Origin", "https://evil.example"), 403, false},
		{"link of another site", http.MethodGet, header(mode, "navigate", from, "cross-site"), 200, false},
		{"link of a sibling", http.MethodGet, header(mode, "navigate", from, "same-site"), 200, false},
		{"frame of another site", http.MethodGet, header(mode, "navigate", from, "cross-site", dest, "iframe"), 200, false},
		{"image of another site", http.MethodGet, header(mode, "no-cors", from, "cross-site", dest, "image"), 401, false},
		{"own image", http.MethodGet, header(mode, "no-cors", from, "same-origin", dest, "image"), 401, false},
		{"own fetch", http.MethodGet, header(mode, "cors", from, "same-origin", dest, "empty"), 401, false},
		{"prefetch", http.MethodGet, header(mode, "navigate", from, "same-origin", "Sec-Purpose", "prefetch"), 200, false},
		{"prerender", http.MethodGet, header(mode, "navigate", from, "same-origin", "Sec-Purpose", "prefetch;prerender"), 200, false},
		{"prefetch, old Chrome", http.MethodGet, header("Purpose", "prefetch"), 200, false},
		{"prefetch, old Firefox", http.MethodGet, header("X-Moz", "prefetch"), 200, false},
		{"link checker", http.MethodHead, nil, 405, false},
		{"OPTIONS", http.MethodOptions, nil, 405, false},
		{"PUT", http.MethodPut, nil, 405, false},
		{"DELETE", http.MethodDelete, nil, 405, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &lab.Site{T: t, Pool: s.Pool, Auth: s.Auth, App: s.App, URL: s.URL, Logged: s.Logged}
			alice := s.SignIn("alice")
			before := s.Pool.Calls(cognitotest.Revoke)
			res := s.Send(lab.Request{Method: row.method, Path: "/logout", Header: row.header, Cookies: []*http.Cookie{alice}})
			if res.StatusCode != row.status {
				t.Errorf("answered %s, want %d", lab.StatusLine(res), row.status)
			}
			if row.status == http.StatusMethodNotAllowed && res.Header.Get("Allow") != "GET, POST" {
				t.Errorf("Allow is %q, want GET, POST", res.Header.Get("Allow"))
			}
			if row.leaves {
				if row.status == http.StatusSeeOther {
					s.MustLogOut(res)
				}
				s.MustBe("", alice)
				lab.Eventually(t, "the refresh token is revoked", func() bool { return s.Pool.Calls(cognitotest.Revoke) == before+1 })
				return
			}
			if led := res.Header.Get("Location"); len(res.Cookies()) > 0 || (led != "") != (row.status == refusedForm) || strings.Contains(led, s.Pool.URL()) {
				t.Errorf("the answer sets %v and leads to %q", res.Cookies(), res.Header.Get("Location"))
			}
			s.MustBe("alice", alice)
			if calls := s.Pool.Calls(cognitotest.Revoke); calls != before {
				t.Errorf("%d refresh tokens were revoked, want none", calls-before)
			}
			s.MustLogOut(s.Send(lab.LogOut(alice))) // the honest case
			lab.Eventually(t, "the refresh token is revoked", func() bool { return s.Pool.Calls(cognitotest.Revoke) == before+1 })
		})
	}
}

// TestScriptSignsOut: a script posts to the logout, or to a handler that signs out. It could
// not follow a redirect to Cognito, whose own session would go on, and whoever sits down
// next would be signed in without a password. If it asks for JSON, it is told the address,
// which signs out completely when its page goes there.
func TestScriptSignsOut(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Post("/bye", func(c *fiber.Ctx) error { return auth.LogoutTo(c, "/public") })
		lab.Pages(app)
	})
	script := map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin", "Origin": s.URL, "Accept": "application/json, */*"}
	sends := func(v *lab.Visitor, method, address string, header map[string]string) *cognitotest.Page {
		t.Helper()
		r, err := http.NewRequest(method, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range header {
			r.Header.Set(name, value)
		}
		return v.Do(r)
	}
	for path, end := range map[string]string{"/logout": "/", "/logout?return_to=/public": "/public", "/bye": "/public"} {
		v := s.Visitor()
		v.LogIn()
		alice := v.SessionCookie()
		res := sends(v, http.MethodPost, s.URL+path, script)
		if res.Status != http.StatusOK || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%s: a script gets %d with %v: %s", path, res.Status, res.Header, res.Body)
		}
		s.MustBe("", alice)
		// What a script does then: location.assign(answer.continue_url).
		to, _ := lab.Decode(t, res.Body)["continue_url"].(string)
		if !strings.HasPrefix(to, s.Pool.URL()+"/logout?") {
			t.Fatalf("%s: a script is told to go on at %q", path, to)
		}
		if page := sends(v, http.MethodGet, to, map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}); page.URL.String() != s.URL+end {
			t.Errorf("%s: the sign-out ends at %s, want %s", path, page.URL, end)
		}
		if page := v.Get(s.URL + "/login"); !strings.HasPrefix(page.URL.String(), s.Pool.URL()) {
			t.Errorf("%s: the next login ends at %s without a password", path, page.URL)
		}
	}
	// A script that nobody is signed in for finishes a sign-out in the same way.
	if res := s.Send(lab.Request{Method: http.MethodPost, Path: "/logout", Header: script}); res.StatusCode != http.StatusOK || lab.Decode(t, res.Text)["continue_url"] == nil {
		t.Errorf("nobody's script gets %s", lab.StatusLine(res))
	}
}

// TestLogoutPage: who follows a link of another site is asked. The page holds
// one button, cannot be framed, runs nothing, and the button works.
func TestLogoutPage(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()
	v.LogIn()
	r, err := http.NewRequest(http.MethodGet, s.URL+"/logout?logout_uri=https://evil.example/&x=%3Cscript%3E", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Accept": "text/html", "Referer": "https://evil.example/"} {
		r.Header.Set(name, value)
	}
	page := v.Do(r)
	v.MustBeSignedIn()
	if page.Status != http.StatusOK || page.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("the link leads to %d, %s", page.Status, page.Header.Get("Content-Type"))
	}
	policy := map[string]string{}
	for _, directive := range strings.Split(page.Header.Get("Content-Security-Policy"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), " ")
		policy[name] = value
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'",
	} {
		if policy[name] != want {
			t.Errorf("the page's policy has %s %q, want %q", name, policy[name], want)
		}
	}
	if _, scripts := policy["script-src"]; scripts || strings.Contains(strings.Join([]string{policy["style-src"], policy["default-src"]}, " "), "unsafe") {
		t.Errorf("the policy allows too much: %v", policy)
	}
	if page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", page.Header.Get("Cache-Control"))
	}
	if _, limited := policy["form-action"]; limited {
		t.Error("the policy stops the redirects that follow the form")
	}
	for _, foreign := range []string{"evil", "<script", "another site"} {
		if strings.Contains(page.Body, foreign) {
			t.Errorf("the page shows %q", foreign)
		}
	}
	form := regexp.MustCompile(`<form method="post" action="([^"]*)"><button>([^<]+)</button></form>`).FindStringSubmatch(page.Body)
	if form == nil || form[1] != "/logout" {
		t.Fatalf("the page's form is %q, want one that posts to /logout", form)
	}
	if page := v.Post(s.URL+form[1], nil); page.URL.String() != s.URL+"/" || page.Body != "hello stranger" {
		t.Errorf("the button leads to %s, which says %q", page.URL, page.Body)
	}
	if v.SessionCookie() != nil {
		t.Error("the browser keeps the session cookie")
	}
}

// TestCopiedCookieAfterLogout: a thief has a copy of the cookie, and uses it at another
// instance, which has the session open in memory. From the logout on it is worth
// nothing anywhere, for any purpose.
func TestCopiedCookieAfterLogout(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]lab.Storage{"memory": lab.SharedMemory(t), "plain driver": lab.NewStore(), "driver with contexts": lab.ContextStore{Store: lab.NewStore()}} {
		t.Run(name, func(t *testing.T) {
			a, b := lab.Pair(t, lab.NewPool(t), storage)
			alice, other := a.SignIn("alice"), b.SignIn("alice")
			for _, instance := range []*lab.Site{a, b} {
				instance.MustBe("alice", alice)
			}
			a.MustLogOut(a.Send(lab.LogOut(alice)))
			for _, instance := range []*lab.Site{a, b} {
				instance.MustBe("", alice)
				if res := instance.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusUnauthorized {
					t.Errorf("the refresh path answers %s, want 401", lab.StatusLine(res))
				}
				if res := instance.Send(lab.AsScript("/token", alice)); res.StatusCode != http.StatusTeapot || !strings.Contains(res.Text, "session_ended") {
					t.Errorf("AccessToken gives %s, want ErrSessionEnded", lab.StatusLine(res))
				}
			}
			a.Pool.Advance(lab.JustExpired)
			b.MustBe("", alice)
			b.MustBe("alice", other) // her other browser is another session
			a.MustRenew(1)
			again := a.SignIn("alice")
			b.MustBe("alice", again)
			b.MustBe("", alice)
		})
	}
}

// TestNothingIsLeftAfterLogout: both records are gone from the storage; the
// tombstone that stays says nothing.
func TestNothingIsLeftAfterLogout(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	before := storage.Dump()
	alice := s.NewSession(storage, "alice")
	s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
	for key, value := range storage.Dump() {
		if _, old := before[key]; !old && (!strings.HasPrefix(key, "cognito_tomb_") || len(value) > 1) {
			t.Errorf("%s is left with %d bytes", key, len(value))
		}
	}
}

// TestLogoutWhileCognitoIsDown: the session ends here, whatever the revocation endpoint
// does, and nobody waits for it.
func TestLogoutWhileCognitoIsDown(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*testing.T) cognitotest.Fault{
		"error": func(*testing.T) cognitotest.Fault { return cognitotest.Fault{Status: http.StatusInternalServerError} },
		"refusal": func(*testing.T) cognitotest.Fault {
			return cognitotest.Fault{Status: 400, Body: `{"error":"invalid_request"}`}
		},
		"cut": func(*testing.T) cognitotest.Fault { return cognitotest.Fault{LoseAnswer: true} },
		"redirect": func(*testing.T) cognitotest.Fault {
			return cognitotest.Fault{Status: 307, Header: http.Header{"Location": {"https://evil.example/"}}}
		},
		"hang": func(t *testing.T) cognitotest.Fault { return cognitotest.Fault{Gate: lab.NewGate(t).Closed} },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := lab.Pair(t, lab.NewPool(t), lab.NewStore())
			alice := a.SignIn("alice")
			a.Pool.Break(cognitotest.Revoke, fault(t))
			// Were this to wait for an answer that hangs, it would for ever.
			a.MustLogOut(a.Send(lab.LogOut(alice)))
			a.MustBe("", alice)
			b.MustBe("", alice)
			lab.Eventually(t, "the refresh token was to be revoked", func() bool { return a.Pool.Calls(cognitotest.Revoke) == 1 })
			if name != "hang" {
				lab.Eventually(t, "the operator is told", func() bool { return strings.Contains(a.Logged.String(), "could not be revoked") })
			}
		})
	}
}

// TestRevocationIsOff: a client that is older than revocation does not support it. The operator
// is told so once, with the remedy, and not at every sign-out that Cognito cannot be reached.
func TestRevocationIsOff(t *testing.T) {
	t.Parallel()
	s := lab.ServeWith(t, lab.NewPool(t, cognitotest.Client{RevocationOff: true}))
	for n := range 3 {
		s.MustLogOut(s.Send(lab.LogOut(s.SignIn("alice"))))
		lab.Eventually(t, "the refresh token was to be revoked", func() bool { return s.Pool.Calls(cognitotest.Revoke) == n+1 })
	}
	if err := s.Auth.Close(); err != nil {
		t.Fatal(err)
	}
	log := s.Logged.String()
	if strings.Count(log, "could not be revoked") != 1 || !strings.Contains(log, "remedy=") || !strings.Contains(log, "Enable token revocation") || strings.Contains(log, "unavailable") {
		t.Errorf("the operator reads %s", log)
	}

	s = lab.Serve(t)
	s.Pool.Break(cognitotest.Revoke, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	for range 2 {
		s.MustLogOut(s.Send(lab.LogOut(s.SignIn("alice"))))
	}
	if err := s.Auth.Close(); err != nil {
		t.Fatal(err)
	}
	if log := s.Logged.String(); strings.Count(log, "could not be revoked") != 2 || strings.Contains(log, "Enable token revocation") {
		t.Errorf("of an outage, the operator reads %s", log)
	}
}

// TestLogoutWhileTheStorageIsDown: the browser loses its cookie at once, and the
// session ends as soon as the storage can be told, without another request.
func TestLogoutWhileTheStorageIsDown(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*testing.T) *lab.StoreFault{
		"error": func(*testing.T) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} },
		"hang":  lab.Hang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := lab.NewStore()
			a, b := lab.Pair(t, lab.NewPool(t), storage)
			tokens := lab.RecordIssued(a.Pool)
			alice := a.NewSession(storage, "alice")
			down := fault(t)
			storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return down })
			a.MustLogOut(a.Send(lab.LogOut(alice.Cookie)))
			a.MustBeUnavailable(lab.AsScript("/me", alice.Cookie))
			storage.Misbehave(nil)
			lab.Eventually(t, "the session is over", func() bool { return !storage.Has(alice.Hot) && !storage.Has(alice.Cold) })
			a.MustBe("", alice.Cookie)
			b.MustBe("", alice.Cookie)
			lab.Eventually(t, "the refresh token is revoked", func() bool { return slices.Equal(slices.Compact(lab.Revoked(a.Pool)), tokens.All()) })
			if !strings.Contains(a.Logged.String(), "level=ERROR") {
				t.Error("no operator is told that a session could not be ended")
			}
		})
	}
}

// TestLogoutThenClose: an app that stops before it could tell the storage tries once
// more.
func TestLogoutThenClose(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	a, b := lab.Pair(t, lab.NewPool(t), storage)
	alice := a.NewSession(storage, "alice")
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	a.MustLogOut(a.Send(lab.LogOut(alice.Cookie)))
	storage.Misbehave(nil)
	b.MustBe("alice", alice.Cookie) // so long, a copy of the cookie is good
	if err := a.Auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	b.MustBe("", alice.Cookie)
	if storage.Has(alice.Hot) || storage.Has(alice.Cold) {
		t.Error("records of the session are left")
	}
}

// TestLogoutTwice: logging out is harmless when it has happened, when nobody is signed
// in, and when the cookie is nonsense.
func TestLogoutTwice(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	for range 3 {
		s.MustLogOut(s.Send(lab.LogOut(alice)))
	}
	if res := s.Send(lab.LogOut()); res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/logout" || len(res.Cookies()) > 0 {
		t.Errorf("a logout of nobody, by nobody known, answered %s with %v", lab.StatusLine(res), res.Header)
	}
	for _, junk := range []string{"x", strings.Repeat("A", 43), strings.Repeat("A", 3000)} {
		s.MustLogOut(s.Send(lab.LogOut(&http.Cookie{Name: alice.Name, Value: junk})))
	}
	lab.Eventually(t, "the refresh token is revoked", func() bool { return s.Pool.Calls(cognitotest.Revoke) > 0 })
	if err := s.Auth.Close(); err != nil { // after which no more calls come
		t.Errorf("Close: %v", err)
	}
	if calls := s.Pool.Calls(cognitotest.Revoke); calls != 1 {
		t.Errorf("%d tokens were revoked, want 1", calls)
	}
}

// TestLogoutOpenRedirect: where a logout leads is in the config and nowhere else,
// letter by letter; and no token is in any address on the way.
func TestLogoutOpenRedirect(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	for _, query := range []string{
		"return_to=https://evil.example/", "logout_uri=https://evil.example/", "redirect_uri=https://evil.example/",
		"post_logout_redirect_uri=https://evil.example/", "client_id=other", "state=junk", "id_token_hint=x",
		"logout_uri=%0d%0aSet-Cookie:x=y", "%zz", "a=1&a=2",
	} {
		r := lab.LogOut(s.SignIn("alice"))
		r.Path += "?" + query
		s.MustLogOut(s.Send(r))
	}
	v := s.Visitor()
	v.LogIn()
	page := v.Post(s.URL+"/logout", url.Values{"logout_uri": {"https://evil.example/"}})
	if page.URL.String() != s.URL+"/" {
		t.Errorf("the logout ended on %s", page.URL)
	}
	s.NoSecretsIn(strings.Join(page.Trail, " "), "an address on the way")
	for _, sent := range s.Pool.Requests(cognitotest.Logout) {
		if len(sent.Query) != 2 {
			t.Errorf("the pool's logout was sent %v", sent.Query)
		}
	}
	// What the pool appends on the way back is nothing to us.
	for _, query := range []string{"state=other", "error=access_denied", "logout=1"} {
		if res := s.Send(lab.Request{Path: "/?" + query}); res.Text != "hello stranger" {
			t.Errorf("coming back with %s shows %s", query, lab.StatusLine(res))
		}
	}
}

// TestLogoutAddress: BaseURL followed by AfterLogout, as it must be registered.
func TestLogoutAddress(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ base, after, want string }{
		{"https://localhost:8443", "", "https://localhost:8443/"},
		{"https://localhost:8443", "/bye?now=1", "https://localhost:8443/bye?now=1"},
		{"https://localhost:8443/app", "/bye", "https://localhost:8443/app/bye"},
	} {
		s := lab.Serve(t, func(c *cognito.Config) { c.BaseURL, c.AfterLogout = row.base, row.after })
		res := s.Send(lab.Request{Method: http.MethodPost, Path: "/logout", Header: lab.From("same-origin", "https://localhost:8443")})
		if got := res.Target().Query().Get("logout_uri"); got != row.want {
			t.Errorf("with BaseURL %q and AfterLogout %q, logout_uri is %q; want %q", row.base, row.after, got, row.want)
		}
	}
}

// TestCookieIsDeletedAsItWasSet: browsers ignore a deletion whose attributes
// differ from the cookie's.
func TestCookieIsDeletedAsItWasSet(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "https://localhost:8443"} {
		pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{
			ID: lab.NewPoolClientID, CallbackURLs: []string{cmp.Or(base, "http://localhost:8021") + "/login/redirect"},
		}}})
		t.Cleanup(pool.Close)
		s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.BaseURL = base })
		cookies := pool.SignIn(s.App, "alice")
		deleted := s.Send(lab.LogOut(cookies...)).Cookies()
		if len(cookies) < 2 {
			t.Errorf("the login set %v, want the session and the count of logins", cookies)
		}
		for _, set := range cookies {
			i := slices.IndexFunc(deleted, func(c *http.Cookie) bool { return c.Name == set.Name })
			if i < 0 {
				t.Errorf("%s is not deleted", set.Name)
				continue
			}
			gone := deleted[i]
			if gone.Path != set.Path || gone.Domain != set.Domain || gone.Secure != set.Secure || gone.HttpOnly != set.HttpOnly || gone.SameSite != set.SameSite {
				t.Errorf("set as %s, deleted as %s", set, gone)
			}
			if gone.Value != "" || !gone.Expires.Before(time.Now()) || gone.MaxAge > 0 {
				t.Errorf("%s deletes nothing", gone)
			}
			if secure := base != ""; set.Secure != secure || strings.HasPrefix(set.Name, "__Host-") != secure || !set.HttpOnly || set.SameSite != http.SameSiteLaxMode || set.Path != "/" || set.Domain != "" {
				t.Errorf("with BaseURL %q the cookie is %s", base, set)
			}
		}
	}
}

// TestLogoutDuringRenewal: somebody logs out while their tokens are being renewed, on
// the same instance or another. It stays a logout, and the refresh token that Cognito
// had just issued is revoked.
func TestLogoutDuringRenewal(t *testing.T) {
	t.Parallel()
	for _, worked := range []bool{false, true} {
		for _, elsewhere := range []bool{false, true} {
			for _, grace := range []time.Duration{0, time.Minute} {
				t.Run(fmt.Sprintf("Cognito has worked %t, elsewhere %t, grace %s", worked, elsewhere, grace), func(t *testing.T) {
					l := newLeaver(t, grace)
					held := l.park(worked)
					waiting := l.a.Later(2, lab.AsScript("/me", l.alice.Cookie))
					lab.Eventually(t, "the tokens are being renewed", func() bool { return len(lab.RenewalsAt(l.pool)) == 3 })
					if worked {
						lab.Eventually(t, "Cognito has worked", func() bool { return len(l.tokens.All()) == 4 })
					}
					instance := l.a
					if elsewhere {
						instance = l.b
					}
					instance.MustLogOut(instance.Send(lab.LogOut(l.alice.Cookie)))
					held.Open()
					for _, got := range waiting() {
						if got.Err != nil || got.StatusCode != http.StatusUnauthorized {
							t.Errorf("a request that waited is answered %s, want 401", got)
						}
					}
					l.mustBeGone()
				})
			}
		}
	}
}

// leaver is a session that has been renewed twice, so that its refresh token is
// not the login's first one, whose revocation ends all others too; and whose
// tokens have expired.
type leaver struct {
	*testing.T
	pool    *cognitotest.Pool
	storage *lab.Store
	a, b    *lab.Site
	alice   lab.Session
	tokens  *lab.Issued
}

func newLeaver(t *testing.T, grace time.Duration) *leaver {
	t.Helper()
	l := &leaver{T: t, pool: lab.NewPool(t, lab.Rotating(grace)), storage: lab.NewStore()}
	l.tokens = lab.RecordIssued(l.pool)
	l.a, l.b = lab.Pair(t, l.pool, l.storage)
	l.alice = l.a.NewSession(l.storage, "alice")
	for range 2 {
		l.pool.Advance(lab.JustExpired)
		l.a.MustBe("alice", l.alice.Cookie)
	}
	l.pool.Advance(lab.JustExpired)
	return l
}

// park holds the next renewal, before or after Cognito has dealt with it.
func (l *leaver) park(worked bool) *lab.Gate {
	held := lab.NewGate(l.T)
	l.pool.Heal()
	fault := cognitotest.Fault{Times: 1, Match: lab.Refreshes, Gate: held.Closed, Rewrite: l.tokens.Note}
	if worked {
		fault.Gate = nil
		fault.Rewrite = func(answer map[string]any) { l.tokens.Note(answer); <-held.Closed }
	}
	l.pool.Break(cognitotest.Token, fault)
	return held
}

// mustBeGone checks that nothing of the session is left or comes back.
func (l *leaver) mustBeGone() {
	l.Helper()
	for range 2 {
		l.a.MustBe("", l.alice.Cookie)
		l.b.MustBe("", l.alice.Cookie)
		newest := l.tokens.Newest()
		lab.Eventually(l.T, "the newest refresh token is revoked", func() bool { return slices.Contains(lab.Revoked(l.pool), newest) })
		if l.storage.Has(l.alice.Hot) || l.storage.Has(l.alice.Cold) {
			l.Error("records of the session are in the storage")
		}
		l.pool.Advance(time.Minute)
	}
}

// TestLogoutCrossesRenewal: a renewal ends, with all its records stored, while a logout
// is about to leave its tombstone.
func TestLogoutCrossesRenewal(t *testing.T) {
	t.Parallel()
	l := newLeaver(t, 0)
	leaving, held := make(chan struct{}), lab.NewGate(t)
	var once sync.Once
	l.storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && strings.HasPrefix(c.Key, "cognito_tomb_") {
			once.Do(func() { close(leaving); <-held.Closed })
		}
		return nil
	})
	left := l.a.Later(1, lab.LogOut(l.alice.Cookie))
	<-leaving
	l.b.MustBe("alice", l.alice.Cookie) // renews
	l.b.MustRenew(3)
	held.Open()
	l.a.MustLogOut(left()[0].Answer)
	l.mustBeGone()
}

// TestLogoutDuringTouch: a request that prolongs the session crosses a logout.
// What it writes after it is undone.
func TestLogoutDuringTouch(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, cognitotest.Client{AccessTokenTTL: 4 * time.Hour, IDTokenTTL: 4 * time.Hour})
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.NewSession(storage, "alice")
	pool.Advance(150 * time.Minute) // to be prolonged, and not renewed yet
	writing, held := make(chan struct{}), lab.NewGate(t)
	var once sync.Once
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Hot {
			once.Do(func() { close(writing); <-held.Closed })
		}
		return nil
	})
	touching := a.Later(1, lab.AsScript("/me", alice.Cookie))
	<-writing
	b.MustLogOut(b.Send(lab.LogOut(alice.Cookie)))
	held.Open()
	touching()
	if storage.Has(alice.Hot) {
		t.Error("the session is back")
	}
	a.MustBe("", alice.Cookie)
	b.MustBe("", alice.Cookie)
}

// TestWriteThatComesAfterLogout: the storage is told to prolong a session, does
// not answer in time, and does it after a logout all the same. The session does
// not stay.
func TestWriteThatComesAfterLogout(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, cognitotest.Client{AccessTokenTTL: 4 * time.Hour, IDTokenTTL: 4 * time.Hour})
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.NewSession(storage, "alice")
	pool.Advance(150 * time.Minute)
	held := lab.NewGate(t)
	var once sync.Once
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Hot {
			once.Do(func() { <-held.Closed })
		}
		return nil
	})
	a.MustBe("alice", alice.Cookie)
	b.MustLogOut(b.Send(lab.LogOut(alice.Cookie)))
	held.Open()
	lab.Eventually(t, "the session was back", func() bool { return storage.Has(alice.Hot) })
	lab.Eventually(t, "the session is gone again", func() bool { return !storage.Has(alice.Hot) })
	a.MustBe("", alice.Cookie)
	b.MustBe("", alice.Cookie)
}

// TestLogoutByTheApp: Auth.Logout in a handler of the app does what LogoutPath
// does, and from then on the same request is nobody's. The app's own hook hears
// who left, and cannot keep the session alive by panicking.
func TestLogoutByTheApp(t *testing.T) {
	t.Parallel()
	var left []string
	var events []cognito.Event
	var mu sync.Mutex
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		lab.Pages(app)
		app.Post("/bye", cognito.RequireUser(), func(c *fiber.Ctx) error {
			err := auth.Logout(c)
			if cognito.UserFrom(c) != nil || c.Locals("user") != nil || cognito.PayloadFrom(c) != nil || cognito.Err(c) != nil {
				return errors.New("the request still has a user")
			}
			if _, tokenErr := cognito.AccessToken(c); !errors.Is(tokenErr, cognito.ErrNotSignedIn) {
				return errors.New("the request still has a token")
			}
			return err
		})
	}, func(c *cognito.Config) {
		c.OnEvent = func(e cognito.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == cognito.EventLogout {
				events = append(events, e)
			}
		}
		c.OnLogout = func(_ *fiber.Ctx, u *cognito.User) {
			mu.Lock()
			defer mu.Unlock()
			left = append(left, u.Email())
			if u.Email() == "bob@example.com" {
				panic("the app's own")
			}
		}
	})
	alice, bob := s.SignIn("alice"), s.SignIn("bob")
	s.MustLogOut(s.Send(lab.Request{Method: http.MethodPost, Path: "/bye", Cookies: []*http.Cookie{alice}, Header: map[string]string{"Sec-Fetch-Site": "same-origin"}}))
	s.MustBe("", alice)
	if res := s.Send(lab.Request{Method: http.MethodPost, Path: "/bye", Cookies: []*http.Cookie{bob}, Header: map[string]string{"Sec-Fetch-Site": "cross-site"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form is answered %s, want 403", lab.StatusLine(res))
	}
	s.MustBe("bob", bob)
	// Browsers send no cookie with another site's form, but would delete it.
	for site, header := range map[string]map[string]string{
		"another site": lab.From("cross-site", "https://evil.example"), "a sibling": lab.From("same-site", "https://evil.example.com"),
	} {
		header["Sec-Fetch-Mode"], header["Accept"] = "navigate", "text/html"
		res := s.Send(lab.Request{Method: http.MethodPost, Path: "/bye", Header: header})
		if len(res.Cookies()) > 0 || strings.HasPrefix(res.Header.Get("Location"), s.Pool.URL()) {
			t.Errorf("the form of %s leads to %s and sets %v", site, res.Header.Get("Location"), res.Cookies())
		}
	}
	if res := s.Send(lab.LogOut(bob)); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("a logout whose hook panics is answered %s, want 500", lab.StatusLine(res))
	}
	s.MustBe("", bob)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(left, []string{"alice@example.com", "bob@example.com"}) {
		t.Errorf("the app was told that %q left", left)
	}
	if len(events) == 0 || !events[0].OK || events[0].Subject == "" {
		t.Errorf("the logout is reported as %v", events)
	}
	lab.Eventually(t, "both refresh tokens are revoked", func() bool { return s.Pool.Calls(cognitotest.Revoke) == 2 })
}

// TestLogoutWithTheCookieOfBefore: a browser has a second cookie, of a session that is over,
// which a sibling subdomain or an old path has left. The app hears of whoever signs out, once.
func TestLogoutWithTheCookieOfBefore(t *testing.T) {
	t.Parallel()
	for name, hooks := range map[string][]func(*cognito.Config){"stored": nil, "in cookies": {lab.InCookies}} {
		t.Run(name, func(t *testing.T) {
			var left []string
			s := lab.Serve(t, append(hooks, func(c *cognito.Config) {
				c.OnLogout = func(_ *fiber.Ctx, u *cognito.User) { left = append(left, u.Username()) }
			})...)
			alice, bob := s.SignIn("alice"), s.SignIn("bob")
			s.MustLogOut(s.Send(lab.LogOut(alice)))
			s.MustLogOut(s.Send(lab.LogOut(alice, bob)))
			s.MustBe("", alice)
			s.MustBe("", bob)
			if want := []string{"alice", "bob"}; !slices.Equal(left, want) {
				t.Errorf("the app heard that %q left, want %q", left, want)
			}
		})
	}
}

// TestAccessTokenOutlivesLogout, as documented: an access token that was handed out
// before the logout is a signed statement, which whoever checks the signature accepts
// until it expires. Cognito itself does not any more.
func TestAccessTokenOutlivesLogout(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.Bearer = true })
	alice := s.SignIn("alice")
	token := s.Send(lab.AsScript("/token", alice)).Text
	s.MustLogOut(s.Send(lab.LogOut(alice)))
	s.MustBe("", alice)
	bearer := lab.Request{Path: "/payload", Header: map[string]string{"Authorization": "Bearer " + token}}
	if res := s.Send(bearer); res.StatusCode != http.StatusOK {
		t.Errorf("before it expires, the token is answered %s", lab.StatusLine(res))
	}
	lab.Eventually(t, "Cognito refuses it", func() bool {
		r, err := http.NewRequest(http.MethodGet, s.Pool.URL()+"/oauth2/userInfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := lab.PlainClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusUnauthorized
	})
	s.Pool.Advance(lab.JustExpired + time.Minute)
	if res := s.Send(bearer); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after it has expired, the token is answered %s, want 401", lab.StatusLine(res))
	}
}

// TestStrangersLogOutDuringAnOutage: while the storage is down, anybody may log
// out of sessions that never were. They must not use up the room in which
// sessions wait to be ended.
func TestStrangersLogOutDuringAnOutage(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	for range 1100 {
		var id [32]byte
		_, _ = rand.Read(id[:])
		stranger := &http.Cookie{Name: alice.Cookie.Name, Value: base64.RawURLEncoding.EncodeToString(id[:])}
		s.MustLogOut(s.Send(lab.LogOut(stranger)))
	}
	if tried := strings.Count(s.Logged.String(), "could not be ended yet"); tried > 1024 {
		t.Errorf("%d sessions that nobody has seen wait to be ended", tried)
	}
	if told := strings.Count(s.Logged.String(), "too many others are waiting"); told != 1100-1024 {
		t.Errorf("of %d sessions that there is no room for, %d are in the log", 1100-1024, told)
	}
	for range 3 {
		s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
	}
	storage.Misbehave(nil)
	lab.Eventually(t, "the session is over", func() bool { return !storage.Has(alice.Hot) && !storage.Has(alice.Cold) })
	s.MustBe("", alice.Cookie)
}

// TestLogoutWaitsForOneCall: with a storage that hangs, whoever logs out waits for
// one call to it, and for none of the others that ending a session takes.
func TestLogoutWaitsForOneCall(t *testing.T) {
	t.Parallel()
	for name, hangs := range map[string]func(lab.StoreCall) bool{
		"from the first call":  func(lab.StoreCall) bool { return true },
		"from the first write": func(c lab.StoreCall) bool { return c.Method != "get" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := lab.NewStore()
			s := lab.Serve(t, lab.On(storage))
			alice := s.NewSession(storage, "alice")
			hung, times := lab.Hang(t), atomic.Int32{}
			storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
				if hangs(c) {
					times.Add(1)
					return hung
				}
				return nil
			})
			s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
			if waited := times.Load(); waited != 1 {
				t.Errorf("%d calls were waited for", waited)
			}
			storage.Misbehave(nil)
			lab.Eventually(t, "the session is over", func() bool { return !storage.Has(alice.Hot) && !storage.Has(alice.Cold) })
			s.MustBe("", alice.Cookie)
		})
	}
}

// TestRevocationHangs: however many logouts wait for the revocation endpoint, logins
// and renewals find room.
func TestRevocationHangs(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.Patient(t))
	var leaving []*http.Cookie
	for range 130 {
		leaving = append(leaving, s.SignIn("alice"))
	}
	bob := s.SignIn("bob")
	s.Pool.Break(cognitotest.Revoke, cognitotest.Fault{Gate: lab.NewGate(t).Closed})
	for _, alice := range leaving {
		s.MustLogOut(s.Send(lab.LogOut(alice)))
	}
	lab.Eventually(t, "revocations hang", func() bool { return s.Pool.Calls(cognitotest.Revoke) >= 16 })
	if res := s.Send(lab.RenewNow(bob)); res.StatusCode != http.StatusOK {
		t.Errorf("the refresh path answers %s", lab.StatusLine(res))
	}
	s.MustBe("alice", s.SignIn("alice"))
	if calls := s.Pool.Calls(cognitotest.Revoke); calls > 16 {
		t.Errorf("%d revocations are in flight", calls)
	}
}

// TestStorageDownAtTheNextLogin: a session that the storage could not be told about is
// ended as soon as the storage is back.
func TestStorageDownAtTheNextLogin(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	again := s.Answered("alice")
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if strings.HasPrefix(c.Key, "cognito_tomb_") || c.Method == "delete" && (c.Key == alice.Hot || c.Key == alice.Cold) {
			return &lab.StoreFault{Err: lab.ErrDown}
		}
		return nil
	})
	next := s.Finish(again, alice.Cookie).Cookie(lab.IsSessionCookie)
	s.MustBe("", alice.Cookie) // this process knows already, though it cannot tell others
	storage.Misbehave(nil)
	lab.Eventually(t, "the old session is over", func() bool { return !storage.Has(alice.Hot) && !storage.Has(alice.Cold) })
	s.MustBe("", alice.Cookie)
	s.MustBe("alice", next)
}

// TestLogoutWithSlowWrites: a storage does what it is told, and always says so too
// late. the session ends all the same.
func TestLogoutWithSlowWrites(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	var slow atomic.Int32 // calls; a WaitGroup must not begin anew while it is waited for
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method != "get" {
			slow.Add(1)
			defer slow.Add(-1)
			time.Sleep(2 * time.Second)
		}
		return nil
	})
	s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
	lab.Eventually(t, "the session is over", func() bool { return !storage.Has(alice.Hot) && !storage.Has(alice.Cold) })
	s.MustBe("", alice.Cookie)
	storage.Misbehave(nil)
	lab.Eventually(t, "no write is under way", func() bool { return slow.Load() == 0 })
}

// TestLogoutOfHeldTokens: while the newest tokens are in memory alone, there is no need
// to wait for a storage that hangs to forget and revoke them.
func TestLogoutOfHeldTokens(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	tokens := lab.RecordIssued(pool)
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	hung := lab.Hang(t)
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method != "get" && !strings.HasPrefix(c.Key, "cognito_lease_") {
			return hung
		}
		return nil
	})
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice.Cookie)
	s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
	lab.Eventually(t, "the newest refresh token is revoked", func() bool { return slices.Contains(lab.Revoked(pool), tokens.Newest()) })
	if res := s.Send(lab.AsScript("/token", alice.Cookie)); res.StatusCode == http.StatusOK {
		t.Error("a copy of the cookie still gets an access token")
	}
	storage.Misbehave(nil)
	lab.Eventually(t, "the session is over", func() bool { return !storage.Has(alice.Hot) && !storage.Has(alice.Cold) })
	s.MustBe("", alice.Cookie)
}

// TestLogoutAfterClose: an app that is stopping can do nothing later, so what a
// slow answer of the storage would put off is done at once.
func TestLogoutAfterClose(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	if err := s.Auth.Close(); err != nil {
		t.Fatal(err)
	}
	hung, asked := lab.Hang(t), atomic.Bool{}
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault {
		if asked.CompareAndSwap(false, true) {
			return hung
		}
		return nil
	})
	s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
	if storage.Has(alice.Hot) || storage.Has(alice.Cold) {
		t.Error("records of the session are left")
	}
	s.MustBe("", alice.Cookie)
}

// TestLogoutWithABusyStorage is TestLogoutWaitsForOneCall when every call that
// may be made is under way already.
func TestLogoutWithABusyStorage(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	hung := lab.Hang(t)
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return hung })
	answers := s.Later(40, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "all calls for this key are under way", func() bool { return storage.Waiting.Load() >= 16 })
	s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
	// Because of the first call that it makes, and not of a later one.
	putOff := regexp.MustCompile(`could not be ended yet.*storage get: too many calls`)
	if log := s.Logged.String(); !putOff.MatchString(log) {
		t.Errorf("the session is not put off because of its first call: %s", log)
	}
	answers()
}

// TestCloseDoesNotWaitForRevocations: those that have not begun only tidy up.
func TestCloseDoesNotWaitForRevocations(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	var leaving []*http.Cookie
	for range 60 {
		leaving = append(leaving, s.SignIn("alice"))
	}
	s.Pool.Break(cognitotest.Revoke, cognitotest.Fault{Gate: lab.NewGate(t).Closed})
	for _, alice := range leaving {
		s.MustLogOut(s.Send(lab.LogOut(alice)))
	}
	lab.Eventually(t, "revocations hang", func() bool { return s.Pool.Calls(cognitotest.Revoke) >= 16 })
	if err := s.Auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if told := strings.Count(s.Logged.String(), "could not be revoked"); told != len(leaving) {
		t.Errorf("of %d revocations that came to nothing %d are in the log", len(leaving), told)
	}
}

// TestRecordsDeletedDuringRenewal: an operator deletes a session's records
// while its tokens are being renewed. That ends it: the records do not come back,
// and the token that Cognito had just issued is revoked.
func TestRecordsDeletedDuringRenewal(t *testing.T) {
	t.Parallel()
	for name, records := range map[string]func(lab.Session) []string{
		"both":        func(s lab.Session) []string { return []string{s.Hot, s.Cold} },
		"the session": func(s lab.Session) []string { return []string{s.Hot} },
		"the tokens":  func(s lab.Session) []string { return []string{s.Cold} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLeaver(t, 0)
			held := l.park(true)
			waiting := l.a.Later(1, lab.AsScript("/me", l.alice.Cookie))
			lab.Eventually(t, "Cognito has worked", func() bool { return len(l.tokens.All()) == 4 })
			for _, key := range records(l.alice) {
				if err := l.storage.Delete(key); err != nil {
					t.Fatal(err)
				}
			}
			held.Open()
			if got := waiting()[0]; got.Err != nil || got.StatusCode != http.StatusUnauthorized {
				t.Errorf("the request that waited is answered %s, want 401", got)
			}
			if l.storage.Has(l.alice.Hot) && l.storage.Has(l.alice.Cold) {
				t.Error("the session has come back")
			}
			newest := l.tokens.Newest()
			lab.Eventually(t, "the newest refresh token is revoked", func() bool { return slices.Contains(lab.Revoked(l.pool), newest) })
			l.a.MustBe("", l.alice.Cookie)
			l.b.MustBe("", l.alice.Cookie)
			l.a.MustBe("alice", l.a.SignIn("alice"))
		})
	}
}

// TestLogoutDuringAFailingWrite: somebody logs out while new tokens are being
// written, which fails then. They are revoked, as they are when the logout comes
// after the failure.
func TestLogoutDuringAFailingWrite(t *testing.T) {
	t.Parallel()
	for _, during := range []bool{true, false} {
		t.Run(fmt.Sprint("during the write: ", during), func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(0))
			tokens := lab.RecordIssued(pool)
			storage := lab.NewStore()
			s := lab.ServeWith(t, pool, lab.On(storage))
			alice := s.NewSession(storage, "alice")
			pool.Advance(lab.JustExpired)
			held, writing := lab.NewGate(t), make(chan struct{})
			var writes atomic.Int32
			storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
				if c.Method != "set" || c.Key != alice.Cold {
					return nil
				}
				if writes.Add(1) == 2 { // the first was before the tokens were verified
					close(writing)
					<-held.Closed
				}
				return &lab.StoreFault{Err: lab.ErrDown}
			})
			waiting := s.Later(1, lab.AsScript("/me", alice.Cookie))
			<-writing
			if during {
				s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
			}
			held.Open()
			waiting()
			if !during {
				s.MustLogOut(s.Send(lab.LogOut(alice.Cookie)))
			}
			lab.Eventually(t, "the newest refresh token is revoked", func() bool { return slices.Contains(lab.Revoked(pool), tokens.Newest()) })
			s.MustBe("", alice.Cookie)
		})
	}
}
