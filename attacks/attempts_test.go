package attacks_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// Attacks on logins in progress, and what field reports say about them.

// TestTabsRestoredAtOnce: a browser restores twenty tabs, or forty, and all of them log
// in at once, with the same cookies or none. The cookies stay few, and the visitor
// lands signed in at whichever tab they sign in.
func TestTabsRestoredAtOnce(t *testing.T) {
	t.Parallel()
	for _, many := range []int{20, 40} {
		t.Run(fmt.Sprint(many), func(t *testing.T) {
			s := lab.Serve(t, lab.InMemory)
			site, _ := url.Parse(s.URL)
			var tabs []*lab.PendingLogin
			var cookies []*http.Cookie
			for i := range many {
				tabs = append(tabs, s.Begin(fmt.Sprintf("return_to=/public%%3Ftab=%d", i)))
				cookies = append(cookies, tabs[i].Cookie)
			}
			for i, tab := range tabs {
				v := s.Visitor()
				v.HTTPClient.Jar, _ = cookiejar.New(nil)
				v.HTTPClient.Jar.SetCookies(site, cookies)
				kept := countLoginCookies(v)
				mustSendLittle(t, v)
				page := v.Login(s.Pool.URL()+"/oauth2/authorize?"+tab.Query.Encode(), "alice", lab.PasswordOf("alice"))
				wanted := fmt.Sprintf("%s/public?tab=%d", s.URL, i)
				if got := page.URL.String(); page.Status != http.StatusOK || kept > 8 || (got != wanted && got != s.URL+"/") {
					t.Errorf("tab %d of %d, with %d cookies, ends on %s with %d", i, many, kept, page.URL, page.Status)
				}
				v.MustBeSignedIn()
			}
		})
	}
}

// TestLostTabRestartsOnce: a login begins again by itself once. What comes back without
// a ticket then is answered with a page, and not sent round.
func TestLostTabRestartsOnce(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	lost, open := lab.Halfway(s, "alice"), s.Begin()
	again := onward(s.Send(lab.Request{Path: lost.Callback, Cookies: []*http.Cookie{open.Cookie}}))
	if again.Cookie == nil {
		t.Fatal("a lost login does not begin again while another is open")
	}
	res := s.Send(lab.Request{Path: lost.Callback, Cookies: []*http.Cookie{open.Cookie, again.Cookie}})
	if err := refused.take(); !errors.Is(err, cognito.ErrStateMismatch) || leadsToCognito(s, res) {
		t.Errorf("lost once more it is answered with %v, %s", err, lab.StatusLine(res))
	}
	if again.Cookie.Name == open.Cookie.Name {
		t.Error("the restart took the slot of the login that is open")
	}
	mustSignIn(t, "the restart", s.Finish(lab.Answered(s, again, "alice")))
	mustSignIn(t, "the other tab", s.Finish(lab.Answered(s, open, "alice")))
}

// TestFullJarFits: with eight of the longest tickets, a session and what browsers send
// anyway, the header still fits into the 4 KB that Fiber reads by default; with
// sessions in two cookies, into the 16 KB that the manual asks for.
func TestFullJarFits(t *testing.T) {
	t.Parallel()
	const name = "__Host-cognito_0123456789ab"
	half := strings.Repeat("s", 4096-len(name+"_2"))
	mustTakeFullJar(t, lab.On(lab.NewStore()), 256, 4<<10, name+"="+s256("session"))
	mustTakeFullJar(t, lab.InCookies, 768, 16<<10, name+"="+half+"; "+name+"_2="+half)
}

func mustTakeFullJar(t *testing.T, hook func(*cognito.Config), longestTicket, buffer int, session string) {
	t.Helper()
	s := lab.Serve(t, hook, func(c *cognito.Config) { c.BaseURL = httpsOrigin })
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: buffer})
	app.Use(s.Auth.Handler())
	lab.Pages(app)
	address := lab.Listen(t, app)
	jar := session + "; __Host-cognito_0123456789ab_trips=1"
	for i := range 8 {
		jar += fmt.Sprintf("; __Host-cognito_login_%d=%s", i, strings.Repeat("a", longestTicket))
	}
	request, _ := http.NewRequest(http.MethodGet, address+"/login/redirect?code="+strings.Repeat("c", 36)+"&state="+s256("state"), nil)
	for name, value := range map[string]string{
		"Cookie": jar, "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36",
		"Accept":          "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
		"Accept-Language": "en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7", "Accept-Encoding": "gzip, deflate, br, zstd", "Upgrade-Insecure-Requests": "1",
		"Sec-Ch-Ua": `"Chromium";v="156", "Google Chrome";v="156", "Not?A_Brand";v="24"`, "Sec-Ch-Ua-Mobile": "?0", "Sec-Ch-Ua-Platform": `"Linux"`,
		"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-User": "?1", "Sec-Fetch-Dest": "document",
		"Referer": "https://auth.example.com/", "Cache-Control": "max-age=0", "Priority": "u=0, i",
		"X-Forwarded-For": "203.0.113.195, 10.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "app.example.com",
	} {
		request.Header.Set(name, value)
	}
	res, err := lab.PlainClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("the callback answers %d, want 400 for its made-up state", res.StatusCode)
	}
	for length := range longestTicket + 50 {
		if p := s.Begin("return_to=/" + strings.Repeat("x", length)); len(p.Cookie.Value) > longestTicket {
			t.Fatalf("with %d characters to return to, the ticket has %d", length, len(p.Cookie.Value))
		}
	}
}

// TestFloodOfLongLogins: what strangers make the storage keep is bounded in bytes too,
// and within the flood a visitor still logs in.
func TestFloodOfLongLogins(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	path := "/login?return_to=/" + strings.Repeat("x", 2000)
	for range 5000 {
		if res, err := s.App.Test(newRequest(s, path), -1); err != nil || res.StatusCode != http.StatusFound {
			t.Fatalf("a login in the flood: %v, %v", res, err)
		}
	}
	total := 0
	for key, value := range storage.Dump() {
		total += len(key) + len(value)
	}
	if total > 8<<20 {
		t.Errorf("strangers fill the storage with %d bytes", total)
	}
	honest := lab.Halfway(s, "alice", "return_to=/me")
	if res := s.Finish(honest); mustSignIn(t, "a login in the flood", res) != nil && res.Header.Get("Location") != "/me" {
		t.Errorf("a login in the flood leads to %s", res.Header.Get("Location"))
	}
}

func newRequest(s *lab.Site, path string) *http.Request {
	request, err := http.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		s.Fatal(err)
	}
	request.Host = "localhost"
	return request
}

// TestForgedOverflow: an attempt in a cookie opens for its state alone, and in this
// process alone; changed in one letter it is none.
func TestForgedOverflow(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InMemory)
	other := lab.ServeWith(t, s.Pool, lab.InMemory)
	for range 4096 {
		_, _ = s.App.Test(newRequest(s, "/login"), -1)
	}
	p := lab.Halfway(s, "alice")
	foreign := lab.Halfway(s, "bob")
	parts := strings.Split(p.Cookie.Value, ".")
	if parts[5] != "" {
		t.Fatalf("the attempt is not in its cookie: %s", p.Cookie.Value)
	}
	for name, value := range map[string]string{
		"a letter changed":  strings.Replace(p.Cookie.Value, parts[4], flipped(parts[4]), 1),
		"another's attempt": strings.Replace(p.Cookie.Value, parts[4], strings.Split(foreign.Cookie.Value, ".")[4], 1),
	} {
		res := s.Send(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{{Name: p.Cookie.Name, Value: value}}})
		mustNotSignIn(t, name, res)
	}
	mustNotSignIn(t, "another process", other.Finish(p))
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d codes were spent", calls)
	}
	mustSignIn(t, "the honest callback", s.Finish(p))
	mustNotSignIn(t, "the same again", s.Finish(p))
	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("a login in a cookie made %d token calls, want 1", calls)
	}
}

func flipped(text string) string {
	if text[40] == 'A' {
		return text[:40] + "B" + text[41:]
	}
	return text[:40] + "A" + text[41:]
}

// TestSlowSignUp: a sign-up that takes eleven minutes ends where it was going, by way
// of one more login that asks nothing.
func TestSlowSignUp(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	for _, minutes := range []time.Duration{11, 50} {
		p := lab.Halfway(s, "alice", "return_to=/public%3Fx=1")
		s.Pool.Advance(minutes * time.Minute)
		again := onward(s.Finish(p))
		if again.Cookie == nil {
			t.Fatalf("after %d minutes the login does not begin again: %v", minutes, refused.take())
		}
		if res := s.Finish(lab.Answered(s, again, "alice")); mustSignIn(t, "the login again", res) != nil && res.Header.Get("Location") != "/public?x=1" {
			t.Errorf("after %d minutes the login leads to %s", minutes, res.Header.Get("Location"))
		}
	}
	// The storage has lost it, as the memory of a process before this one.
	storage := lab.NewStore()
	restarted := lab.Serve(t, lab.On(storage))
	p := lab.Halfway(restarted, "alice", "return_to=/public%3Fx=2")
	_ = storage.Reset()
	again := onward(restarted.Finish(p))
	if again.Cookie == nil {
		t.Fatal("a login that the storage has lost does not begin again")
	}
	if res := restarted.Finish(lab.Answered(restarted, again, "alice")); res.Header.Get("Location") != "/public?x=2" {
		t.Errorf("a login that the storage has lost leads to %s", res.Header.Get("Location"))
	}
}

// TestForgedReturnInTicket: where a lost login wanted to go is read from its cookie, so
// it is judged like a link.
func TestForgedReturnInTicket(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	for _, evil := range []string{"//evil.example", "https://evil.example", `/\evil.example`, "/a/../..//evil.example", "/login", "/x\r\nSet-Cookie: a=b"} {
		p := lab.Halfway(s, "alice")
		parts := strings.Split(p.Cookie.Value, ".")
		parts[4] = base64URL(evil)
		_ = storage.Reset()
		again := onward(s.Send(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{{Name: p.Cookie.Name, Value: strings.Join(parts, ".")}}}))
		if again.Cookie == nil {
			t.Fatalf("%q: the login does not begin again", evil)
		}
		if res := s.Finish(lab.Answered(s, again, "alice")); res.Header.Get("Location") != "/" {
			t.Errorf("%q in the cookie leads to %q", evil, res.Header.Get("Location"))
		}
	}
}

// TestLoginInFrame: frames of a sibling subdomain begin logins until the visitor's own
// has lost its slot. The login and the callback are answered at the window's top only,
// or in a frame of the app's own page.
func TestLoginInFrame(t *testing.T) {
	t.Parallel()
	var refused refusals
	storage := newBrittleStorage()
	s := lab.Serve(t, refused.hook, storage.hook)
	p := lab.Halfway(s, "alice")
	before := storage.changes()
	for _, dest := range []string{"iframe", "frame", "fencedframe", "embed", "object", "IFrame"} {
		for _, site := range []string{"cross-site", "same-site", "none", ""} {
			header := map[string]string{"Sec-Fetch-Dest": dest, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
			for _, path := range []string{"/login?return_to=/me", p.Callback} {
				res := s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{p.Cookie}, Header: header})
				if err := refused.take(); !errors.Is(err, cognito.ErrNotNavigation) || res.StatusCode != http.StatusUnauthorized {
					t.Errorf("%.20s in a %s of %q is answered with %v, %s", path, dest, site, err, lab.StatusLine(res))
				}
				lab.SetsNothing(t, dest, res)
			}
		}
	}
	if storage.changes() != before {
		t.Error("a login in a frame was stored")
	}
	own := map[string]string{"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
	if res := s.Send(lab.Request{Path: "/login?prompt=none", Header: own}); !leadsToCognito(s, res) {
		t.Errorf("in a frame of the app's own the login answers %s", lab.StatusLine(res))
	}
	mustSignIn(t, "the visitor's own login", s.Send(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}, Header: map[string]string{
		"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
	}}))
}

// TestStepUpInFrame: a sibling subdomain has a signed-in visitor's browser open a page in a
// frame that wants a fresher login, or a second factor. Its guard begins no login there,
// which would use up the slots of the visitor's own. At the top level, and in a frame of the
// app's own, it does.
func TestStepUpInFrame(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Get("/vault", cognito.RequireFreshLogin(time.Minute), func(c *fiber.Ctx) error { return c.SendString("gold") })
		app.Get("/payments", cognito.RequireMFA(), func(c *fiber.Ctx) error { return c.SendString("gold") })
	})
	alice := s.SignIn("alice")
	s.Pool.Advance(2 * time.Minute)
	open := func(path, site, dest string) *lab.Answer {
		return s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{alice}, Header: map[string]string{
			"Sec-Fetch-Dest": dest, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Accept": "text/html",
		}})
	}
	for _, path := range []string{"/vault", "/payments"} {
		for _, dest := range []string{"iframe", "object"} {
			res := open(path, "same-site", dest)
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s in a sibling's %s is answered with %s", path, dest, lab.StatusLine(res))
			}
			lab.SetsNothing(t, path, res)
		}
		for site, dest := range map[string]string{"same-origin": "iframe", "same-site": "document"} {
			if res := open(path, site, dest); !leadsToCognito(s, res) {
				t.Errorf("%s as the %s of %s is answered with %s", path, dest, site, lab.StatusLine(res))
			}
		}
	}
}

// TestLongDeepLink: 120 kanji are more than a kilobyte in an address, and the visitor
// comes back to it all the same, from a guard and from a link. What is longer than two
// is told in the log.
func TestLongDeepLink(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Get("/wiki/*", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("page") })
	}, lab.InMemory)
	long := url.PathEscape(strings.Repeat("\u6f22", 220))
	for _, path := range []string{"/wiki/" + url.PathEscape(strings.Repeat("\u6f22", 120)), "/wiki/" + long, "/wiki/x?q=" + strings.Repeat("a%2Fb", 400)} {
		page := s.Visitor().Login(s.URL+path, "alice", lab.PasswordOf("alice"))
		if page.URL.RequestURI() != path || page.Status != http.StatusOK {
			t.Errorf("%.40s… (%d bytes) comes back to %.40s… with %d", path, len(path), page.URL, page.Status)
		}
		guard := s.Send(lab.Request{Path: path, Header: map[string]string{"Accept": "text/html"}})
		if sent := len(guard.Header.Get("Location")); sent > 3*len(path)/2+20 {
			t.Errorf("%.40s… (%d bytes) takes %d in the login's address", path, len(path), sent)
		}
	}
	if strings.Contains(s.Logged.String(), "too long to return to") {
		t.Error("the log calls an address too long that was kept")
	}
	s.Begin("return_to=/" + strings.Repeat("x", 2048))
	if !strings.Contains(s.Logged.String(), "level=DEBUG msg=\"cognito: an address is too long to return to") {
		t.Error("the log does not tell of an address that was lost")
	}
}

// TestLongDeepLinkInACookie: a login that travels in its cookie has less room. Where the
// page's address does not fit, the visitor still arrives somewhere, and signed in.
func TestLongDeepLinkInACookie(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InCookies, func(c *cognito.Config) { c.AfterLogin = "/public?welcome" })
	for length, want := range map[int]string{400: "/public?x=" + strings.Repeat("x", 400), 1500: "/public?welcome"} {
		v := s.Visitor()
		page := v.Login(s.URL+"/login?return_to=/public%3Fx="+strings.Repeat("x", length), "alice", lab.PasswordOf("alice"))
		if page.URL.RequestURI() != want || page.Status != http.StatusOK {
			t.Errorf("an address of %d bytes ends at %.60s with %d", length, page.URL, page.Status)
		}
		v.MustBeSignedIn()
	}
}

func base64URL(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
