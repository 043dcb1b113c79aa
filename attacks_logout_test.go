package cognito_test

import (
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
	"github.com/gofiber/fiber/v2"
)

// Whoever leaves must be gone, everywhere and for good, whatever else happens
// at that moment; and nobody may be made to leave by somebody else.

func logOut(cookies ...*http.Cookie) request {
	return request{method: http.MethodPost, path: "/logout", cookies: cookies, header: map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

// mustLogOut checks the answer of a logout that was carried out.
func (s *site) mustLogOut(res *response) {
	s.Helper()
	if res.StatusCode != http.StatusSeeOther {
		s.Errorf("the logout answered %s, want 303", statusLine(res))
	}
	want := s.pool.URL() + "/logout?client_id=" + newPoolClientID + "&logout_uri=" + url.QueryEscape(s.url+"/")
	if got := res.Header.Get("Location"); got != want {
		s.Errorf("the logout leads to %q, want %q", got, want)
	}
	if !res.deletesSession() {
		s.Errorf("the logout does not delete the cookie: %q", res.Header["Set-Cookie"])
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control is %q, want no-store", got)
	}
	if got := res.Header.Get("Referrer-Policy"); got != "no-referrer" {
		s.Errorf("Referrer-Policy is %q, want no-referrer", got)
	}
}

// TestLogoutCSRF is row G1: a link, an image, a form or a prefetch of another
// site signs nobody out, and neither does a method that is not to.
func TestLogoutCSRF(t *testing.T) {
	s := serve(t)
	header := func(pairs ...string) map[string]string {
		h := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = pairs[i+1]
		}
		return h
	}
	const mode, from, dest = "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-Dest"
	for _, row := range []struct {
		name   string
		method string
		header map[string]string
		status int
		leaves bool
	}{
		{"own form", http.MethodPost, header(mode, "navigate", from, "same-origin", "Origin", s.url), 303, true},
		{"own form, old browser", http.MethodPost, header("Origin", s.url), 303, true},
		{"own script", http.MethodPost, header(mode, "cors", from, "same-origin"), 303, true},
		{"program", http.MethodPost, nil, 303, true},
		{"own link", http.MethodGet, header(mode, "navigate", from, "same-origin"), 303, true},
		{"address bar", http.MethodGet, header(mode, "navigate", from, "none"), 303, true},
		{"old browser", http.MethodGet, header("Accept", "text/html"), 303, true},

		{"form of another site", http.MethodPost, header(mode, "navigate", from, "cross-site", "Origin", "https://evil.example"), 403, false},
		{"form of a sibling", http.MethodPost, header(mode, "navigate", from, "same-site", "Origin", "https://evil.example"), 403, false},
		{"form, old browser", http.MethodPost, header("Origin", "https://evil.example"), 403, false},
		{"sandboxed form", http.MethodPost, header("Origin", "null"), 403, false},
		{"script of another site", http.MethodPost, header(mode, "no-cors", from, "cross-site", "Origin", "https://evil.example"), 403, false},
		{"link of another site", http.MethodGet, header(mode, "navigate", from, "cross-site"), 200, false},
		{"link of a sibling", http.MethodGet, header(mode, "navigate", from, "same-site"), 200, false},
		{"frame of another site", http.MethodGet, header(mode, "navigate", from, "cross-site", dest, "iframe"), 200, false},
		{"image of another site", http.MethodGet, header(mode, "no-cors", from, "cross-site", dest, "image"), 401, false},
		{"own image", http.MethodGet, header(mode, "no-cors", from, "same-origin", dest, "image"), 401, false},
		{"own fetch", http.MethodGet, header(mode, "cors", from, "same-origin", dest, "empty"), 401, false},
		{"prefetch", http.MethodGet, header(mode, "navigate", from, "same-origin", "Sec-Purpose", "prefetch"), 401, false},
		{"prerender", http.MethodGet, header(mode, "navigate", from, "same-origin", "Sec-Purpose", "prefetch;prerender"), 401, false},
		{"prefetch, old Chrome", http.MethodGet, header("Purpose", "prefetch"), 401, false},
		{"prefetch, old Firefox", http.MethodGet, header("X-Moz", "prefetch"), 401, false},
		{"link checker", http.MethodHead, nil, 405, false},
		{"OPTIONS", http.MethodOptions, nil, 405, false},
		{"PUT", http.MethodPut, nil, 405, false},
		{"DELETE", http.MethodDelete, nil, 405, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &site{T: t, pool: s.pool, auth: s.auth, app: s.app, url: s.url, log: s.log}
			alice := s.signIn("alice")
			before := s.pool.Calls(cognitotest.Revoke)
			res := s.send(request{method: row.method, path: "/logout", header: row.header, cookies: []*http.Cookie{alice}})
			if res.StatusCode != row.status {
				t.Errorf("answered %s, want %d", statusLine(res), row.status)
			}
			if row.status == http.StatusMethodNotAllowed && res.Header.Get("Allow") != "GET, POST" {
				t.Errorf("Allow is %q, want GET, POST", res.Header.Get("Allow"))
			}
			if row.leaves {
				s.mustLogOut(res)
				s.mustBe("", alice)
				eventually(t, "the refresh token is revoked", func() bool { return s.pool.Calls(cognitotest.Revoke) == before+1 })
				return
			}
			if len(res.Cookies()) > 0 || res.Header.Get("Location") != "" {
				t.Errorf("the answer sets %v and leads to %q", res.Cookies(), res.Header.Get("Location"))
			}
			s.mustBe("alice", alice)
			if calls := s.pool.Calls(cognitotest.Revoke); calls != before {
				t.Errorf("%d refresh tokens were revoked, want none", calls-before)
			}
			s.mustLogOut(s.send(logOut(alice))) // the honest case
			eventually(t, "the refresh token is revoked", func() bool { return s.pool.Calls(cognitotest.Revoke) == before+1 })
		})
	}
}

// TestLogoutPage: who follows a link of another site is asked. The page holds
// one button, cannot be framed, runs nothing, and the button works.
func TestLogoutPage(t *testing.T) {
	s := serve(t)
	v := s.visitor()
	v.logIn()
	r, err := http.NewRequest(http.MethodGet, s.url+"/logout?logout_uri=https://evil.example/&x=%3Cscript%3E", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Accept": "text/html", "Referer": "https://evil.example/"} {
		r.Header.Set(name, value)
	}
	page := v.Do(r)
	v.mustBeSignedIn()
	if page.Status != http.StatusOK || page.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("the link leads to %d, %s", page.Status, page.Header.Get("Content-Type"))
	}
	policy := map[string]string{}
	for _, directive := range strings.Split(page.Header.Get("Content-Security-Policy"), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), " ")
		policy[name] = value
	}
	for name, want := range map[string]string{
		"default-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'none'", "form-action": "'self' " + s.pool.URL(),
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
	for _, foreign := range []string{"evil", "<script", "<a "} {
		if strings.Contains(page.Body, foreign) {
			t.Errorf("the page shows %q", foreign)
		}
	}
	form := regexp.MustCompile(`<form method="post" action="([^"]*)"><button>([^<]+)</button></form>`).FindStringSubmatch(page.Body)
	if form == nil || form[1] != "/logout" {
		t.Fatalf("the page's form is %q, want one that posts to /logout", form)
	}
	if page := v.Post(s.url+form[1], nil); page.URL.String() != s.url+"/" || page.Body != "hello stranger" {
		t.Errorf("the button leads to %s, which says %q", page.URL, page.Body)
	}
	if v.sessionCookie() != nil {
		t.Error("the browser keeps the session cookie")
	}
}

// TestCopiedCookieAfterLogout is row G2: a thief has a copy of the cookie, and
// uses it at another instance, which has the session open in memory. From the
// logout on it is worth nothing anywhere, for any purpose.
func TestCopiedCookieAfterLogout(t *testing.T) {
	for name, storage := range map[string]fiber.Storage{"memory": sharedMemory(t), "plain driver": newStore(), "driver with contexts": contextStore{newStore()}} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, newPool(t), storage)
			alice, other := a.signIn("alice"), b.signIn("alice")
			for _, instance := range []*site{a, b} {
				instance.mustBe("alice", alice)
			}
			a.mustLogOut(a.send(logOut(alice)))
			for _, instance := range []*site{a, b} {
				instance.mustBe("", alice)
				if res := instance.send(renewNow(alice)); res.StatusCode != http.StatusUnauthorized {
					t.Errorf("the refresh path answers %s, want 401", statusLine(res))
				}
				if res := instance.send(asScript("/token", alice)); res.StatusCode != http.StatusTeapot || !strings.Contains(res.body, "session_ended") {
					t.Errorf("AccessToken gives %s, want ErrSessionEnded", statusLine(res))
				}
			}
			a.pool.Advance(justExpired)
			b.mustBe("", alice)
			b.mustBe("alice", other) // her other browser is another session
			a.mustRenew(1)
			again := a.signIn("alice")
			b.mustBe("alice", again)
			b.mustBe("", alice)
		})
	}
}

// TestNothingIsLeftAfterLogout: both records are gone from the storage; the
// tombstone that stays says nothing.
func TestNothingIsLeftAfterLogout(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	before := storage.dump()
	alice := s.newSession(storage, "alice")
	s.mustLogOut(s.send(logOut(alice.cookie)))
	for key, value := range storage.dump() {
		if _, old := before[key]; !old && (!strings.HasPrefix(key, "cognito_tomb_") || len(value) > 1) {
			t.Errorf("%s is left with %d bytes", key, len(value))
		}
	}
}

// TestLogoutWhileCognitoIsDown is row G3: the session ends here, whatever the
// revocation endpoint does, and nobody waits for it.
func TestLogoutWhileCognitoIsDown(t *testing.T) {
	for name, fault := range map[string]func(*testing.T) cognitotest.Fault{
		"error": func(*testing.T) cognitotest.Fault { return cognitotest.Fault{Status: http.StatusInternalServerError} },
		"refusal": func(*testing.T) cognitotest.Fault {
			return cognitotest.Fault{Status: 400, Body: `{"error":"invalid_request"}`}
		},
		"cut": func(*testing.T) cognitotest.Fault { return cognitotest.Fault{LoseAnswer: true} },
		"redirect": func(*testing.T) cognitotest.Fault {
			return cognitotest.Fault{Status: 307, Header: http.Header{"Location": {"https://evil.example/"}}}
		},
		"hang": func(t *testing.T) cognitotest.Fault { return cognitotest.Fault{Gate: newGate(t).closed} },
	} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, newPool(t), newStore())
			alice := a.signIn("alice")
			a.pool.Break(cognitotest.Revoke, fault(t))
			// Were this to wait for an answer that hangs, it would for ever.
			a.mustLogOut(a.send(logOut(alice)))
			a.mustBe("", alice)
			b.mustBe("", alice)
			eventually(t, "the refresh token was to be revoked", func() bool { return a.pool.Calls(cognitotest.Revoke) == 1 })
			if name != "hang" {
				eventually(t, "the operator is told", func() bool { return strings.Contains(a.log.String(), "could not be revoked") })
			}
		})
	}
}

// TestLogoutWhileTheStorageIsDown is row G3: the browser loses its cookie at
// once, and the session ends as soon as the storage can be told, without
// another request.
func TestLogoutWhileTheStorageIsDown(t *testing.T) {
	for name, fault := range map[string]func(*testing.T) *storeFault{
		"error": func(*testing.T) *storeFault { return &storeFault{err: errDown} },
		"hang":  hang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := newStore()
			a, b := pair(t, newPool(t), storage)
			tokens := recordIssued(a.pool)
			alice := a.newSession(storage, "alice")
			down := fault(t)
			storage.misbehave(func(storeCall) *storeFault { return down })
			a.mustLogOut(a.send(logOut(alice.cookie)))
			a.mustBeUnavailable(asScript("/me", alice.cookie))
			storage.misbehave(nil)
			eventually(t, "the session is over", func() bool { return !storage.has(alice.hot) && !storage.has(alice.cold) })
			a.mustBe("", alice.cookie)
			b.mustBe("", alice.cookie)
			eventually(t, "the refresh token is revoked", func() bool { return slices.Equal(slices.Compact(revoked(a.pool)), tokens.all()) })
			if !strings.Contains(a.log.String(), "level=ERROR") {
				t.Error("no operator is told that a session could not be ended")
			}
		})
	}
}

// TestLogoutThenClose is row G3 at a shutdown: an app that stops before it could
// tell the storage tries once more.
func TestLogoutThenClose(t *testing.T) {
	storage := newStore()
	a, b := pair(t, newPool(t), storage)
	alice := a.newSession(storage, "alice")
	storage.misbehave(func(storeCall) *storeFault { return &storeFault{err: errDown} })
	a.mustLogOut(a.send(logOut(alice.cookie)))
	storage.misbehave(nil)
	b.mustBe("alice", alice.cookie) // so long, a copy of the cookie is good
	if err := a.auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	b.mustBe("", alice.cookie)
	if storage.has(alice.hot) || storage.has(alice.cold) {
		t.Error("records of the session are left")
	}
}

// TestLogoutTwice is row G3: logging out is harmless when it has happened, when
// nobody is signed in, and when the cookie is nonsense.
func TestLogoutTwice(t *testing.T) {
	s := serve(t)
	alice := s.signIn("alice")
	for range 3 {
		s.mustLogOut(s.send(logOut(alice)))
	}
	s.mustLogOut(s.send(logOut()))
	for _, junk := range []string{"x", strings.Repeat("A", 43), strings.Repeat("A", 3000)} {
		s.mustLogOut(s.send(logOut(&http.Cookie{Name: alice.Name, Value: junk})))
	}
	eventually(t, "the refresh token is revoked", func() bool { return s.pool.Calls(cognitotest.Revoke) > 0 })
	if err := s.auth.Close(); err != nil { // after which no more calls come
		t.Errorf("Close: %v", err)
	}
	if calls := s.pool.Calls(cognitotest.Revoke); calls != 1 {
		t.Errorf("%d tokens were revoked, want 1", calls)
	}
}

// TestLogoutOpenRedirect is row G4: where a logout leads is in the config and
// nowhere else, letter by letter; and no token is in any address on the way.
func TestLogoutOpenRedirect(t *testing.T) {
	s := serve(t)
	for _, query := range []string{
		"return_to=https://evil.example/", "logout_uri=https://evil.example/", "redirect_uri=https://evil.example/",
		"post_logout_redirect_uri=https://evil.example/", "client_id=other", "state=junk", "id_token_hint=x",
		"logout_uri=%0d%0aSet-Cookie:x=y", "%zz", "a=1&a=2",
	} {
		r := logOut(s.signIn("alice"))
		r.path += "?" + query
		s.mustLogOut(s.send(r))
	}
	v := s.visitor()
	v.logIn()
	page := v.Post(s.url+"/logout", url.Values{"logout_uri": {"https://evil.example/"}})
	if page.URL.String() != s.url+"/" {
		t.Errorf("the logout ended on %s", page.URL)
	}
	s.noSecretsIn(strings.Join(page.Trail, " "), "an address on the way")
	for _, sent := range s.pool.Requests(cognitotest.Logout) {
		if len(sent.Query) != 2 {
			t.Errorf("the pool's logout was sent %v", sent.Query)
		}
	}
	// What the pool appends on the way back is nothing to us.
	for _, query := range []string{"state=other", "error=access_denied", "logout=1"} {
		if res := s.send(request{path: "/?" + query}); res.body != "hello stranger" {
			t.Errorf("coming back with %s shows %s", query, statusLine(res))
		}
	}
}

// TestLogoutAddress: BaseURL followed by AfterLogout, as it must be registered.
func TestLogoutAddress(t *testing.T) {
	for _, row := range []struct{ base, after, want string }{
		{"https://localhost:8443", "", "https://localhost:8443/"},
		{"https://localhost:8443", "/bye?now=1", "https://localhost:8443/bye?now=1"},
		{"https://localhost:8443/app", "/bye", "https://localhost:8443/app/bye"},
	} {
		s := serve(t, func(c *cognito.Config) { c.BaseURL, c.AfterLogout = row.base, row.after })
		res := s.send(logOut())
		if got := res.location().Query().Get("logout_uri"); got != row.want {
			t.Errorf("with BaseURL %q and AfterLogout %q, logout_uri is %q; want %q", row.base, row.after, got, row.want)
		}
	}
}

// TestCookieIsDeletedAsItWasSet: browsers ignore a deletion whose attributes
// differ from the cookie's.
func TestCookieIsDeletedAsItWasSet(t *testing.T) {
	for _, base := range []string{"", "https://localhost:8443"} {
		pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{
			ID: newPoolClientID, CallbackURLs: []string{withDefault(base, "http://localhost:8021") + "/login/redirect"},
		}}})
		t.Cleanup(pool.Close)
		s := serveWith(t, pool, func(c *cognito.Config) { c.BaseURL = base })
		cookies := pool.SignIn(s.app, "alice")
		deleted := s.send(logOut(cookies...)).Cookies()
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

func withDefault(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// TestLogoutDuringRenewal is row F9: somebody logs out while their tokens are
// being renewed, on the same instance or another. It stays a logout, and the
// refresh token that Cognito had just issued is revoked.
func TestLogoutDuringRenewal(t *testing.T) {
	for _, worked := range []bool{false, true} {
		for _, elsewhere := range []bool{false, true} {
			for _, grace := range []time.Duration{0, time.Minute} {
				t.Run(fmt.Sprintf("Cognito has worked %t, elsewhere %t, grace %s", worked, elsewhere, grace), func(t *testing.T) {
					l := newLeaver(t, grace)
					held := l.park(worked)
					waiting := l.a.later(2, asScript("/me", l.alice.cookie))
					eventually(t, "the tokens are being renewed", func() bool { return len(renewalsAt(l.pool)) == 3 })
					if worked {
						eventually(t, "Cognito has worked", func() bool { return len(l.tokens.all()) == 4 })
					}
					instance := l.a
					if elsewhere {
						instance = l.b
					}
					instance.mustLogOut(instance.send(logOut(l.alice.cookie)))
					held.open()
					for _, got := range waiting() {
						if got.err != nil || got.StatusCode != http.StatusUnauthorized {
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
	storage *store
	a, b    *site
	alice   session
	tokens  *issued
}

func newLeaver(t *testing.T, grace time.Duration) *leaver {
	t.Helper()
	l := &leaver{T: t, pool: newPool(t, rotating(grace)), storage: newStore()}
	l.tokens = recordIssued(l.pool)
	l.a, l.b = pair(t, l.pool, l.storage)
	l.alice = l.a.newSession(l.storage, "alice")
	for range 2 {
		l.pool.Advance(justExpired)
		l.a.mustBe("alice", l.alice.cookie)
	}
	l.pool.Advance(justExpired)
	return l
}

// park holds the next renewal, before or after Cognito has dealt with it.
func (l *leaver) park(worked bool) *gate {
	held := newGate(l.T)
	l.pool.Heal()
	fault := cognitotest.Fault{Times: 1, Match: refreshes, Gate: held.closed, Rewrite: l.tokens.note}
	if worked {
		fault.Gate = nil
		fault.Rewrite = func(answer map[string]any) { l.tokens.note(answer); <-held.closed }
	}
	l.pool.Break(cognitotest.Token, fault)
	return held
}

// mustBeGone checks that nothing of the session is left or comes back.
func (l *leaver) mustBeGone() {
	l.Helper()
	for range 2 {
		l.a.mustBe("", l.alice.cookie)
		l.b.mustBe("", l.alice.cookie)
		newest := l.tokens.newest()
		eventually(l.T, "the newest refresh token is revoked", func() bool { return slices.Contains(revoked(l.pool), newest) })
		if l.storage.has(l.alice.hot) || l.storage.has(l.alice.cold) {
			l.Error("records of the session are in the storage")
		}
		l.pool.Advance(time.Minute)
	}
}

// TestLogoutCrossesRenewal is row F9 at its narrowest: a renewal ends, with all
// its records stored, while a logout is about to leave its tombstone.
func TestLogoutCrossesRenewal(t *testing.T) {
	l := newLeaver(t, 0)
	leaving, held := make(chan struct{}), newGate(t)
	var once sync.Once
	l.storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && strings.HasPrefix(c.key, "cognito_tomb_") {
			once.Do(func() { close(leaving); <-held.closed })
		}
		return nil
	})
	left := l.a.later(1, logOut(l.alice.cookie))
	<-leaving
	l.b.mustBe("alice", l.alice.cookie) // renews
	l.b.mustRenew(3)
	held.open()
	l.a.mustLogOut(left()[0].response)
	l.mustBeGone()
}

// TestLogoutDuringTouch: a request that prolongs the session crosses a logout.
// What it writes after it is undone.
func TestLogoutDuringTouch(t *testing.T) {
	pool := newPool(t, cognitotest.Client{AccessTokenTTL: 4 * time.Hour, IDTokenTTL: 4 * time.Hour})
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice := a.newSession(storage, "alice")
	pool.Advance(150 * time.Minute) // to be prolonged, and not renewed yet
	writing, held := make(chan struct{}), newGate(t)
	var once sync.Once
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && c.key == alice.hot {
			once.Do(func() { close(writing); <-held.closed })
		}
		return nil
	})
	touching := a.later(1, asScript("/me", alice.cookie))
	<-writing
	b.mustLogOut(b.send(logOut(alice.cookie)))
	held.open()
	touching()
	if storage.has(alice.hot) {
		t.Error("the session is back")
	}
	a.mustBe("", alice.cookie)
	b.mustBe("", alice.cookie)
}

// TestWriteThatComesAfterLogout: the storage is told to prolong a session, does
// not answer in time, and does it after a logout all the same. The session does
// not stay.
func TestWriteThatComesAfterLogout(t *testing.T) {
	t.Parallel()
	pool := newPool(t, cognitotest.Client{AccessTokenTTL: 4 * time.Hour, IDTokenTTL: 4 * time.Hour})
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice := a.newSession(storage, "alice")
	pool.Advance(150 * time.Minute)
	held := newGate(t)
	var once sync.Once
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && c.key == alice.hot {
			once.Do(func() { <-held.closed })
		}
		return nil
	})
	a.mustBe("alice", alice.cookie)
	b.mustLogOut(b.send(logOut(alice.cookie)))
	held.open()
	eventually(t, "the session was back", func() bool { return storage.has(alice.hot) })
	eventually(t, "the session is gone again", func() bool { return !storage.has(alice.hot) })
	a.mustBe("", alice.cookie)
	b.mustBe("", alice.cookie)
}

// TestLogoutByTheApp: Auth.Logout in a handler of the app does what LogoutPath
// does, and from then on the same request is nobody's. The app's own hook hears
// who left, and cannot keep the session alive by panicking.
func TestLogoutByTheApp(t *testing.T) {
	var left []string
	var events []cognito.Event
	var mu sync.Mutex
	s := serveApp(t, func(app *fiber.App, auth *cognito.Auth) {
		pages(app)
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
	alice, bob := s.signIn("alice"), s.signIn("bob")
	s.mustLogOut(s.send(request{method: http.MethodPost, path: "/bye", cookies: []*http.Cookie{alice}, header: map[string]string{"Sec-Fetch-Site": "same-origin"}}))
	s.mustBe("", alice)
	if res := s.send(request{method: http.MethodPost, path: "/bye", cookies: []*http.Cookie{bob}, header: map[string]string{"Sec-Fetch-Site": "cross-site"}}); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form is answered %s, want 403", statusLine(res))
	}
	s.mustBe("bob", bob)
	if res := s.send(logOut(bob)); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("a logout whose hook panics is answered %s, want 500", statusLine(res))
	}
	s.mustBe("", bob)
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(left, []string{"alice@example.com", "bob@example.com"}) {
		t.Errorf("the app was told that %q left", left)
	}
	if len(events) == 0 || !events[0].OK || events[0].Subject == "" {
		t.Errorf("the logout is reported as %v", events)
	}
	eventually(t, "both refresh tokens are revoked", func() bool { return s.pool.Calls(cognitotest.Revoke) == 2 })
}

// TestAccessTokenOutlivesLogout is row G5, as documented: an access token that
// was handed out before the logout is a signed statement, which whoever checks
// the signature accepts until it expires. Cognito itself does not any more.
func TestAccessTokenOutlivesLogout(t *testing.T) {
	s := serve(t, func(c *cognito.Config) { c.Bearer = true })
	alice := s.signIn("alice")
	token := s.send(asScript("/token", alice)).body
	s.mustLogOut(s.send(logOut(alice)))
	s.mustBe("", alice)
	bearer := request{path: "/payload", header: map[string]string{"Authorization": "Bearer " + token}}
	if res := s.send(bearer); res.StatusCode != http.StatusOK {
		t.Errorf("before it expires, the token is answered %s", statusLine(res))
	}
	eventually(t, "Cognito refuses it", func() bool {
		r, err := http.NewRequest(http.MethodGet, s.pool.URL()+"/oauth2/userInfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := plainClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusUnauthorized
	})
	s.pool.Advance(justExpired + time.Minute)
	if res := s.send(bearer); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("after it has expired, the token is answered %s, want 401", statusLine(res))
	}
}

// TestStrangersLogOutDuringAnOutage: while the storage is down, anybody may log
// out of sessions that never were. They must not use up the room in which
// sessions wait to be ended.
func TestStrangersLogOutDuringAnOutage(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	storage.misbehave(func(storeCall) *storeFault { return &storeFault{err: errDown} })
	for range 1100 {
		var id [32]byte
		_, _ = rand.Read(id[:])
		stranger := &http.Cookie{Name: alice.cookie.Name, Value: base64.RawURLEncoding.EncodeToString(id[:])}
		s.mustLogOut(s.send(logOut(stranger)))
	}
	if tried := strings.Count(s.log.String(), "could not be ended yet"); tried > 1024 {
		t.Errorf("%d sessions that nobody has seen wait to be ended", tried)
	}
	if told := strings.Count(s.log.String(), "too many wait for that"); told != 1100-1024 {
		t.Errorf("of %d sessions that there is no room for, %d are in the log", 1100-1024, told)
	}
	for range 3 {
		s.mustLogOut(s.send(logOut(alice.cookie)))
	}
	storage.misbehave(nil)
	eventually(t, "the session is over", func() bool { return !storage.has(alice.hot) && !storage.has(alice.cold) })
	s.mustBe("", alice.cookie)
}

// TestLogoutWaitsForOneCall: with a storage that hangs, whoever logs out waits for
// one call to it, and for none of the others that ending a session takes.
func TestLogoutWaitsForOneCall(t *testing.T) {
	for name, hangs := range map[string]func(storeCall) bool{
		"from the first call":  func(storeCall) bool { return true },
		"from the first write": func(c storeCall) bool { return c.method != "get" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storage := newStore()
			s := serve(t, on(storage))
			alice := s.newSession(storage, "alice")
			hung, times := hang(t), atomic.Int32{}
			storage.misbehave(func(c storeCall) *storeFault {
				if hangs(c) {
					times.Add(1)
					return hung
				}
				return nil
			})
			s.mustLogOut(s.send(logOut(alice.cookie)))
			if waited := times.Load(); waited != 1 {
				t.Errorf("%d calls were waited for", waited)
			}
			storage.misbehave(nil)
			eventually(t, "the session is over", func() bool { return !storage.has(alice.hot) && !storage.has(alice.cold) })
			s.mustBe("", alice.cookie)
		})
	}
}

// TestRevocationHangs is row G3 for everybody else: however many logouts wait
// for the revocation endpoint, logins and renewals find room.
func TestRevocationHangs(t *testing.T) {
	s := serve(t)
	var leaving []*http.Cookie
	for range 130 {
		leaving = append(leaving, s.signIn("alice"))
	}
	bob := s.signIn("bob")
	s.pool.Break(cognitotest.Revoke, cognitotest.Fault{Gate: newGate(t).closed})
	for _, alice := range leaving {
		s.mustLogOut(s.send(logOut(alice)))
	}
	eventually(t, "revocations hang", func() bool { return s.pool.Calls(cognitotest.Revoke) >= 16 })
	if res := s.send(renewNow(bob)); res.StatusCode != http.StatusOK {
		t.Errorf("the refresh path answers %s", statusLine(res))
	}
	s.mustBe("alice", s.signIn("alice"))
	if calls := s.pool.Calls(cognitotest.Revoke); calls > 16 {
		t.Errorf("%d revocations are in flight", calls)
	}
}

// TestStorageDownAtTheNextLogin is row B10 with a storage that cannot be told
// about the session before: it is ended as soon as the storage is back.
func TestStorageDownAtTheNextLogin(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	again := s.answered("alice")
	storage.misbehave(func(c storeCall) *storeFault {
		if strings.HasPrefix(c.key, "cognito_tomb_") || c.method == "delete" && (c.key == alice.hot || c.key == alice.cold) {
			return &storeFault{err: errDown}
		}
		return nil
	})
	next := s.finish(again, alice.cookie).cookie(isSessionCookie)
	s.mustBe("alice", alice.cookie) // so long
	storage.misbehave(nil)
	eventually(t, "the old session is over", func() bool { return !storage.has(alice.hot) && !storage.has(alice.cold) })
	s.mustBe("", alice.cookie)
	s.mustBe("alice", next)
}

// TestLogoutWithSlowWrites is row G3 with a storage that does what it is told,
// and always says so too late: the session ends all the same.
func TestLogoutWithSlowWrites(t *testing.T) {
	t.Parallel()
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	var slow sync.WaitGroup
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method != "get" {
			slow.Add(1)
			defer slow.Done()
			time.Sleep(2 * time.Second)
		}
		return nil
	})
	s.mustLogOut(s.send(logOut(alice.cookie)))
	eventually(t, "the session is over", func() bool { return !storage.has(alice.hot) && !storage.has(alice.cold) })
	s.mustBe("", alice.cookie)
	storage.misbehave(nil)
	slow.Wait()
}

// TestLogoutOfHeldTokens is row G3 while the newest tokens are in memory alone:
// there is no need to wait for a storage that hangs to forget and revoke them.
func TestLogoutOfHeldTokens(t *testing.T) {
	t.Parallel()
	pool := newPool(t, rotating(0))
	tokens := recordIssued(pool)
	storage := newStore()
	s := serveWith(t, pool, on(storage))
	alice := s.newSession(storage, "alice")
	hung := hang(t)
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method != "get" && !strings.HasPrefix(c.key, "cognito_lease_") {
			return hung
		}
		return nil
	})
	pool.Advance(justExpired)
	s.mustBe("alice", alice.cookie)
	s.mustLogOut(s.send(logOut(alice.cookie)))
	eventually(t, "the newest refresh token is revoked", func() bool { return slices.Contains(revoked(pool), tokens.newest()) })
	if res := s.send(asScript("/token", alice.cookie)); res.StatusCode == http.StatusOK {
		t.Error("a copy of the cookie still gets an access token")
	}
	storage.misbehave(nil)
	eventually(t, "the session is over", func() bool { return !storage.has(alice.hot) && !storage.has(alice.cold) })
	s.mustBe("", alice.cookie)
}

// TestLogoutAfterClose: an app that is stopping can do nothing later, so what a
// slow answer of the storage would put off is done at once.
func TestLogoutAfterClose(t *testing.T) {
	t.Parallel()
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	if err := s.auth.Close(); err != nil {
		t.Fatal(err)
	}
	hung, asked := hang(t), atomic.Bool{}
	storage.misbehave(func(storeCall) *storeFault {
		if asked.CompareAndSwap(false, true) {
			return hung
		}
		return nil
	})
	s.mustLogOut(s.send(logOut(alice.cookie)))
	if storage.has(alice.hot) || storage.has(alice.cold) {
		t.Error("records of the session are left")
	}
	s.mustBe("", alice.cookie)
}

// TestLogoutWithABusyStorage is TestLogoutWaitsForOneCall when every call that
// may be made is under way already.
func TestLogoutWithABusyStorage(t *testing.T) {
	t.Parallel()
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	hung := hang(t)
	storage.misbehave(func(storeCall) *storeFault { return hung })
	answers := s.later(300, asScript("/me", alice.cookie))
	eventually(t, "all calls are under way", func() bool { return storage.waiting.Load() >= 256 })
	s.mustLogOut(s.send(logOut(alice.cookie)))
	// Because of the first call that it makes, and not of a later one.
	putOff := regexp.MustCompile(`could not be ended yet.*storage get: too many calls`)
	if log := s.log.String(); !putOff.MatchString(log) {
		t.Errorf("the session is not put off because of its first call: %s", log)
	}
	answers()
}

// TestCloseDoesNotWaitForRevocations: those that have not begun only tidy up.
func TestCloseDoesNotWaitForRevocations(t *testing.T) {
	t.Parallel()
	s := serve(t)
	var leaving []*http.Cookie
	for range 60 {
		leaving = append(leaving, s.signIn("alice"))
	}
	s.pool.Break(cognitotest.Revoke, cognitotest.Fault{Gate: newGate(t).closed})
	for _, alice := range leaving {
		s.mustLogOut(s.send(logOut(alice)))
	}
	eventually(t, "revocations hang", func() bool { return s.pool.Calls(cognitotest.Revoke) >= 16 })
	if err := s.auth.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if told := strings.Count(s.log.String(), "could not be revoked"); told != len(leaving) {
		t.Errorf("of %d revocations that came to nothing %d are in the log", len(leaving), told)
	}
}
