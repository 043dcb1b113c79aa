package attacks_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// Attacks on where a login returns to.

// browserGoesTo is the origin that a browser on base goes to for a Location
// header, by the rules of https://url.spec.whatwg.org/#url-parsing as far as
// they decide on scheme and host. net/url has none of these rules: it keeps
// tabs, takes a backslash for a letter and "///evil" for a path.
func browserGoesTo(base *url.URL, location string) string {
	location = strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(location)
	scheme, rest := base.Scheme, location
	if found := urlScheme.FindString(location); found != "" {
		scheme, rest = strings.ToLower(strings.TrimSuffix(found, ":")), location[len(found):]
		if !slices.Contains([]string{"http", "https", "ws", "wss", "ftp"}, scheme) {
			return scheme + ":"
		}
	}
	// With another scheme, even "https:evil" names a host.
	if scheme != base.Scheme || strings.HasPrefix(strings.ReplaceAll(rest, `\`, "/"), "//") {
		return scheme + "://" + hostAtFront(rest)
	}
	return scheme + "://" + base.Host
}

var urlScheme = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// hostAtFront reads the host of what follows a scheme: any number of slashes
// goes first, and what stands before the last @ is no part of it.
func hostAtFront(rest string) string {
	rest = strings.TrimLeft(rest, `/\`)
	if end := strings.IndexAny(rest, `/\?#`); end >= 0 {
		rest = rest[:end]
	}
	host := rest[strings.LastIndex(rest, "@")+1:]
	if decoded, err := url.PathUnescape(host); err == nil {
		host = decoded
	}
	return strings.ToLower(host)
}

// TestRedirectOracle makes sure that the judge of the tests below convicts.
func TestRedirectOracle(t *testing.T) {
	t.Parallel()
	const home = "http://localhost:80"
	base, _ := url.Parse(home + "/login/redirect")
	for location, want := range map[string]string{
		"/x": home, "x": home, "": home, "/x//evil": home, "/?//evil": home, "?//evil": home, "#//evil": home, "/%2f/evil": home,
		"http:evil": home, "http:/evil": home, "./x": home, "//localhost:80/x": home, "x:80/": "x:",
		"//evil": "http://evil", `/\evil`: "http://evil", `\\evil`: "http://evil", `\/evil`: "http://evil", "///evil/x": "http://evil",
		"/\t/evil": "http://evil", "\n//evil": "http://evil", "/\r\n/evil": "http://evil", " //evil?x": "http://evil", "\x00//evil": "http://evil",
		"//localhost:80@evil": "http://evil", `//evil\@localhost:80`: "http://evil", "//EVIL#@localhost:80": "http://evil", "//%65vil": "http://evil",
		"HTTP://evil": "http://evil", `http:\\evil`: "http://evil", `http:/\evil`: "http://evil", "https:evil": "https://evil", "https:/evil": "https://evil",
		"javascript:alert(1)": "javascript:", "java\tscript:alert(1)": "javascript:", "data:text/html,x": "data:",
	} {
		if got := browserGoesTo(base, location); got != want {
			t.Errorf("browserGoesTo(%q) = %q, want %q", location, got, want)
		}
	}
}

// refusedReturns are no paths of the app, whatever they pretend to be.
var refusedReturns = []string{
	// another host outright
	"http://evil.example", "https://evil.example/", "HTTP://evil.example", "hTTps://evil.example:443", "ftp://evil.example", "ws://evil.example",
	"//evil.example", "//evil.example/%2f..", "//evil.example:80/x", "///evil.example", "////evil.example", "/////evil.example/me", "//evil.example/me?x#y",
	"https:evil.example", "https:/evil.example", "https:///evil.example", "http:evil.example", "http:/evil.example", "http:///evil.example", "//", "///",
	// backslashes, which browsers take for slashes
	`/\evil.example`, `\/evil.example`, `\\evil.example`, `\evil.example`, `/\/evil.example`, `/\\evil.example`, `//\evil.example`, `\\/evil.example`,
	`/x\evil.example`, `/\@evil.example`, `/x/..\..\evil.example`, `\/\/evil.example`, `/\/\evil.example`, `/\`, `/me\`, `https:\\evil.example`,
	`http:\\evil.example`, `http:/\evil.example`, `https:/\evil.example`, `/\localhost`,
	// white space and control characters, which browsers drop
	"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\r\n/evil.example", "/\t\\evil.example", "\t//evil.example", "\n//evil.example",
	"\r\n//evil.example", " //evil.example", "  /me", "\t/me", "/me\t", "/\x00/evil.example", "\x00//evil.example", "/\x0b/evil.example",
	"/\x0c/evil.example", "/\x1f/evil.example", "/\x7f/evil.example", "/me\x1b[31m", "/me?x=\x00", "/me?x=\t", "\v//evil.example", "\u00a0//evil.example",
	"\u2028//evil.example", "\ufeff//evil.example", "\u200b//evil.example",
	"/me\r\nSet-Cookie: evil=1", "/me\nLocation: //evil.example", "/me\r\n\r\n<script>", "/me?x=\r\nEvil: 1",
	// schemes that run or show something
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "\x01javascript:alert(1)", "javascript://%0aalert(1)", "javascript://localhost/%0aalert(1)",
	"data:text/html,<script>", "vbscript:x", "blob:http://localhost/x", "file:///etc/passwd", "about:blank", "mailto:x@evil.example", "view-source:x", "intent://evil.example#Intent;end", "x-evil://y",
	// hosts that look like ours
	"http://localhost@evil.example", "//localhost@evil.example", "//localhost:80@evil.example", "//user:password@evil.example", "http://localhost%40evil.example",
	"http://evil.example#@localhost", "http://evil.example?@localhost", `//evil.example\@localhost`, "@evil.example", ":80", ":@evil.example", ".evil.example",
	"localhost.evil.example", "evil.example", "evil.example/me", "evil.example:80/me", "http://localhost.evil.example", "//localhost", "http://localhost/me",
	"//2130706433", "//0x7f000001", "//[::1]", "//127.1", "//%65vil.example", "//evil\u3002example", "//\uff45vil.example", "//evil%00.example", "//evil%E3%80%82example",
	// dot segments, in all spellings that browsers know
	"/..", "/../", "/.", "/./", "/me/..", "/me/../", "/me/.", "/me/./", "/me/../../evil", "/.//evil.example", "/..//evil.example", "/me/..//evil.example",
	"/%2e", "/%2E/", "/%2e%2e/", "/%2E./me", "/.%2e/me", "/me/%2e%2E//evil.example", "/%2e//evil.example", "/../..//evil.example", "/me/..?x", "/me/..#x", "/x;/../me",
	// no absolute path
	"", " ", "me", "./me", "../me", "*", "?x=1", "#x", "&", "%2fme", "%2f%2fevil.example", "%5cevil.example", "%09//evil.example", "{}", "\u2215evil.example", "\uff0f\uff0fevil.example",
	// routes of ours, which would begin the journey again
	"/login", "/login?return_to=/login", "/login#x", "/%6Cogin", "/%6cogout?x=1", "/login/redirect", "/login/redirect?code=x&state=y", "/logout", "/logout?x=1", "/token/refresh",
	// no end
	"/" + strings.Repeat("a", 2048), "/" + strings.Repeat("a", 8<<10), "/" + strings.Repeat("ü", 400), "/?" + strings.Repeat("/", 2048),
}

// keptReturns are paths of the app, and how they are spelt afterwards: no byte
// is left that could end a header or mean something to a browser.
var keptReturns = map[string]string{
	"/": "/", "/me": "/me", "/me/": "/me/", "/me?tab=2&x=%2F": "/me?tab=2&x=%2F", "/me?a=b?c": "/me?a=b?c", "/me?": "/me?", "/a+b": "/a+b",
	"/me#top": "/me#top", "/me#//evil.example": "/me#//evil.example", "/?next=//evil.example": "/?next=//evil.example", "/me?next=https://evil.example/": "/me?next=https://evil.example/",
	"/x//evil.example": "/x//evil.example", "/@evil.example": "/@evil.example", "/:80": "/:80", "/;@evil.example": "/;@evil.example",
	"/http://evil.example": "/http://evil.example", "/javascript:alert(1)": "/javascript:alert(1)", "/.evil.example": "/.evil.example", "/..evil": "/..evil",
	"/...": "/...", "/.well-known/x": "/.well-known/x", "/x?../..": "/x?../..", `/x?y=\evil`: "/x?y=%5Cevil",
	"/%2f/evil.example": "/%2f/evil.example", "/%2F%2Fevil.example": "/%2F%2Fevil.example", "/%5cevil.example": "/%5cevil.example", "/%5C%5Cevil": "/%5C%5Cevil",
	"/%09/evil.example": "/%09/evil.example", "/%0d%0aSet-Cookie:%20evil=1": "/%0d%0aSet-Cookie:%20evil=1", "/%00": "/%00", "/%252e%252e/": "/%252e%252e/",
	"/x/%2e%2e%2fevil": "/x/%2e%2e%2fevil", "/%u2215evil": "/%25u2215evil", "/%": "/%25", "/%zz": "/%25zz", "/%2": "/%252",
	"/a b": "/a%20b", "/ü": "/%C3%BC", "/\u2028/evil": "/%E2%80%A8/evil", "/\u0085/evil": "/%C2%85/evil", "/\u2215evil": "/%E2%88%95evil", "/\uff0fevil": "/%EF%BC%8Fevil",
	"/\u560a\u560dEvil: 1": "/%E5%98%8A%E5%98%8DEvil:%201", "/\xff\xfe": "/%FF%FE", `/"><script>`: "/%22%3E%3Cscript%3E", "/{{x}}": "/%7B%7Bx%7D%7D", "/`|^[]": "/%60%7C%5E%5B%5D",
	"/login/": "/login/", "/LOGIN": "/LOGIN", "/loginx": "/loginx", "/login/redirect2": "/login/redirect2", "/logout/x": "/logout/x",
	"/" + strings.Repeat("a", 1023): "/" + strings.Repeat("a", 1023),
}

const landing = "/public?from=login"

// returnsTo sends a value of return_to, written as it is, through a login that
// Cognito ends at once, and returns the Location it ends with, or "" if the
// login is refused.
func returnsTo(s *lab.Site, value string) string {
	s.Helper()
	host := strings.TrimPrefix(s.URL, "http://")
	begun := fromTheWire(s.T, onTheWire(s, wireGet("/login?prompt=none&return_to="+value, host)))
	if begun.StatusCode != http.StatusFound {
		return ""
	}
	cookie := begun.Cookie(lab.IsLoginCookie)
	callback := "/login/redirect?error=login_required&state=" + begun.Target().Query().Get("state")
	ended := fromTheWire(s.T, onTheWire(s, wireGet(callback, host, "Cookie: "+cookie.Name+"="+cookie.Value)))
	if ended.StatusCode != http.StatusFound || len(ended.Header.Values("Location")) != 1 {
		s.Errorf("a login that returns to %q ends with %s, Location %q", value, lab.StatusLine(ended), ended.Header.Values("Location"))
	}
	return ended.Header.Get("Location")
}

// TestOpenRedirect: a link to the login that returns to another site lends the app's
// good name to it. Every payload is sent as a form sends it, encoded once more, and as
// raw bytes.
func TestOpenRedirect(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.AfterLogin = landing }, lab.InMemory)
	base, _ := url.Parse(s.URL + "/login/redirect")
	onOrigin := func(payload, spelt string) {
		// Bytes that end a request line may well be refused altogether.
		if location := returnsTo(s, spelt); browserGoesTo(base, location) != s.URL {
			t.Errorf("%q leads to %q", payload, location)
		}
	}
	for _, payload := range refusedReturns {
		if location := returnsTo(s, url.QueryEscape(payload)); location != landing {
			t.Errorf("%q leads to %q, want %q", payload, location, landing)
		}
		onOrigin(payload, url.QueryEscape(url.QueryEscape(payload)))
		if !strings.ContainsAny(payload, "\r\n\x00") && payload != "" {
			onOrigin(payload, payload)
		}
	}
	for payload, want := range keptReturns {
		location := returnsTo(s, url.QueryEscape(payload))
		if location != want {
			t.Errorf("%q leads to %q, want %q", payload, location, want)
		}
		if origin := browserGoesTo(base, location); origin != s.URL {
			t.Errorf("%q, kept as %q, leads to %s", payload, location, origin)
		}
		onOrigin(payload, url.QueryEscape(url.QueryEscape(payload)))
	}
	if total := len(refusedReturns) + len(keptReturns); total < 200 {
		t.Errorf("the corpus has shrunk to %d payloads", total)
	}
	v := s.Visitor()
	if page := v.Login(s.URL+"/login?return_to=%2Fme%3Ftab%3D2", "alice", lab.PasswordOf("alice")); page.URL.String() != s.URL+"/me?tab=2" {
		t.Errorf("an honest return_to leads to %s", page.URL)
	}
}

// TestOpenRedirectTwice: of two values one may be checked and the other be used.
func TestOpenRedirectTwice(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.AfterLogin = landing })
	base, _ := url.Parse(s.URL)
	for _, values := range []string{"/me&return_to=//evil.example", "//evil.example&return_to=/me", "&return_to=//evil.example", "/me&RETURN_TO=//evil.example", "/me&return_to[]=//evil.example"} {
		if location := returnsTo(s, values); browserGoesTo(base, location) != s.URL {
			t.Errorf("%q leads to %q", values, location)
		}
	}
	if location := returnsTo(s, "/me"); location != "/me" {
		t.Errorf("an honest return_to leads to %q", location)
	}
}

// TestReturnLeavesNoPathPrefix: in an app that shares its origin with others, below a
// path, a return that climbs out of it is an open redirect, too. A proxy strips the
// prefix, so the app's own paths come without it.
func TestReturnLeavesNoPathPrefix(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.AfterLogin, c.BaseURL = landing, "https://localhost:8443/app" }, lab.InMemory)
	base, _ := url.Parse("https://localhost:8443/app/login/redirect")
	for _, payload := range refusedReturns {
		if location := returnsTo(s, url.QueryEscape(payload)); location != "/app"+landing {
			t.Errorf("%q leads to %q, want %q", payload, location, "/app"+landing)
		}
	}
	for payload, want := range keptReturns {
		location := returnsTo(s, url.QueryEscape(payload))
		decoded := strings.NewReplacer("%2e", ".", "%2E", ".").Replace(location)
		if location != "/app"+want || !strings.HasPrefix(path.Clean(decoded)+"/", "/app/") || browserGoesTo(base, location) != "https://localhost:8443" {
			t.Errorf("%q leads to %q, want %q", payload, location, "/app"+want)
		}
	}
}

// TestReturnPathOnPage: the page after a failed login links to a login that returns to
// the same place. It must neither break out of the attribute nor out of the query.
func TestReturnPathOnPage(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	for returnTo, want := range map[string]string{
		`/"><script>x</script>`: "/login?return_to=%2F%2522%253E%253Cscript%253Ex%253C%2Fscript%253E",
		"/x?a=b&prompt=none":    "/login?return_to=%2Fx%3Fa%3Db%26prompt%3Dnone",
		"//evil.example":        "/login",
	} {
		p := s.Begin("return_to=" + url.QueryEscape(returnTo))
		res := s.Send(lab.Request{Path: "/login/redirect?error=access_denied&state=" + p.State, Cookies: []*http.Cookie{p.Cookie}, Header: map[string]string{"Accept": "text/html"}})
		if res.StatusCode != http.StatusForbidden || !strings.Contains(res.Text, `<a href="`+want+`">`) || strings.Contains(res.Text, "<script") {
			t.Errorf("after %q the page links elsewhere than %s: %q", returnTo, want, linkPattern.FindString(res.Text))
		}
	}
}

var linkPattern = regexp.MustCompile(`<a [^>]*>`)

// splitters end a line for somebody, or did so once: U+560A and U+560D turn
// into LF and CR where only their low byte is kept.
var splitters = []string{
	"%0d%0a", "%0D%0A", "%0a", "%0d", "%0d%0a%0d%0a", "%0d%0a%20", "%250d%250a", "%00%0d%0a", "\\r\\n", "%5cr%5cn", "%u000d%u000a",
	"%e5%98%8d%e5%98%8a", "%c4%8d%c4%8a", "%e2%80%a8", "%e2%80%a9", "%c2%85", "\r", "\n", "\r\n", "\n\n", "\x0b", "\xe5\x98\x8d\xe5\x98\x8a",
}

// TestResponseSplitting: whoever gets a line end into a header writes headers and a
// body of their own. Every way in is tried, with every spelling, and the bytes that
// come back are read as a browser reads them.
func TestResponseSplitting(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	for _, splitter := range splitters {
		evil := "/me" + splitter + "Evil:%201" + splitter + "Set-Cookie:%20evil=1" + splitter + splitter + "<evil>"
		p := s.Begin()
		for _, target := range []string{
			"/login?return_to=" + evil, "/login?login_hint=" + evil, "/login?prompt=none&return_to=" + evil, "/login/redirect?code=x&state=" + evil,
			"/login/redirect?error=" + evil + "&state=" + p.State, "/me?" + evil, evil, "/logout?return_to=" + evil, "/logout?logout_uri=" + evil,
		} {
			line := "Cookie: " + p.Cookie.Name + "=" + p.Cookie.Value
			mustNotSplit(t, target, onTheWire(s, wireGet(target, strings.TrimPrefix(s.URL, "http://"), line)))
		}
		if !strings.ContainsAny(splitter, "\r\n") { // else the request line has ended
			if location := returnsTo(s, evil); strings.ContainsAny(location, "\r\n") {
				t.Errorf("%q ends in the header %q", evil, location)
			}
		}
		forged := "Cookie: " + p.Cookie.Name + "=" + p.Cookie.Value + splitter + "Evil: 1"
		mustNotSplit(t, forged, onTheWire(s, wireGet("/login", strings.TrimPrefix(s.URL, "http://"), forged)))
	}
	v := s.Visitor()
	v.LogIn()
}

var headerLine = regexp.MustCompile(`^[A-Za-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*$`)

// mustNotSplit reads the head of an answer line by line.
func mustNotSplit(t *testing.T, what, answer string) {
	t.Helper()
	head, _, ended := strings.Cut(answer, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	if !ended || !strings.HasPrefix(lines[0], "HTTP/1.1 ") {
		t.Errorf("%q is answered with no HTTP answer: %.200q", what, answer)
		return
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if !headerLine.MatchString(line) || strings.EqualFold(name, "Evil") || strings.Contains(value, "evil=1") && strings.EqualFold(name, "Set-Cookie") {
			t.Errorf("%q is answered with the line %q", what, line)
		}
	}
}

// serveRoutes serves an app with other routes than the harness's.
func serveRoutes(t *testing.T, settings fiber.Config, routes func(*fiber.App), hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := &lab.Site{T: t, Pool: pool, Logged: &lab.LockedBuffer{}}
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(s.Logged, nil))
	for _, hook := range hooks {
		hook(&config)
	}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	settings.DisableStartupMessage = true
	s.Auth, s.App = auth, fiber.New(settings)
	s.App.Use(auth.Handler())
	routes(s.App)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s.URL = "http://localhost:" + port
	pool.AllowOrigin(s.URL)
	served := make(chan error, 1)
	go func() { served <- s.App.Listener(listener) }()
	t.Cleanup(func() {
		if err := s.App.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// TestHostileRequestLine: a guard remembers where the visitor was going, and the
// request line may name any place. The whole app is behind the guard here, so that
// every target reaches it.
func TestHostileRequestLine(t *testing.T) {
	t.Parallel()
	s := serveRoutes(t, fiber.Config{}, func(app *fiber.App) {
		app.Use(cognito.RequireUser())
		app.Use(func(c *fiber.Ctx) error { return c.SendString("secret") })
	}, func(c *cognito.Config) { c.AllowAmbiguousPaths = true })
	base, _ := url.Parse(s.URL)
	host, guarded := base.Host, 0
	for _, target := range []string{
		"//evil.example/x", "///evil.example", "////evil.example//", `/\evil.example`, `\\evil.example`, `\/evil.example`, `/x\evil.example`,
		"http://evil.example/", "http://evil.example/x?y", "https://evil.example", "http://evil.example@" + host + "/", "http://" + host + "@evil.example/",
		"http:evil.example", "javascript:alert(1)", "data:,x", "evil.example:443", "evil.example", "@evil.example", "*", "?x", "?//evil.example", ".", "..", "./x",
		"/x/../..//evil.example", "/..//evil.example", "/.//evil.example", "/%2e%2e//evil.example", "/./", "/%2f/evil.example", "/%5cevil.example",
		"/%09/evil.example", "/\t/evil.example", "/\x0b/evil.example", "/%0d%0aEvil:%201", "/\u2028/evil.example", "/\xff", "/%", "/x?//evil.example", "/" + strings.Repeat("a", 3000),
		"/login/", "/LOGIN", "/%6cogin", "/login/redirect/",
	} {
		answer := onTheWire(s, wireGet(target, host))
		mustNotSplit(t, target, answer)
		res := fromTheWire(t, answer)
		if strings.Contains(res.Text, "secret") {
			t.Errorf("%.80q passes the guard", target)
		}
		if res.StatusCode != http.StatusFound {
			continue
		}
		guarded++
		login := res.Target()
		back := login.Query().Get("return_to")
		if login.Path != "/login" || login.Host != "" || browserGoesTo(base, back) != s.URL || browserGoesTo(base, returnsTo(s, url.QueryEscape(back))) != s.URL {
			t.Errorf("%.80q is remembered as %q", target, res.Header.Get("Location"))
		}
	}
	if guarded < 25 { // the server itself refuses a few
		t.Errorf("only %d targets have reached the guard", guarded)
	}
	honest := fromTheWire(t, onTheWire(s, wireGet("/x?y=%2F&z", host)))
	if want := "/login?return_to=" + url.QueryEscape("/x?y=%2F&z"); honest.Header.Get("Location") != want {
		t.Errorf("an honest target is remembered as %q, want %q", honest.Header.Get("Location"), want)
	}
}

// TestHostileCurrentURL: HTMX says in a header where its page is. Only a path of the
// app is taken from that.
func TestHostileCurrentURL(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	base, _ := url.Parse(s.URL)
	for _, current := range []string{
		"https://evil.example/x", "https://evil.example//evil.example/x", "//evil.example//x", "javascript:alert(1)", "javascript://localhost//evil.example", "https:evil.example",
		`https://localhost/\evil.example`, `/\evil.example`, "https://localhost/..//evil.example", "https://localhost/%2e%2e//evil.example", "https://localhost/\t/evil.example", "%zz", "", "*", "http://[::1",
	} {
		res := s.Send(lab.Request{Path: "/me", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": current}})
		login, err := url.Parse(res.Header.Get("HX-Redirect"))
		if err != nil || res.StatusCode != http.StatusUnauthorized || login.Host != "" || login.Path != "/login" {
			t.Errorf("on %q HTMX is led to %q, by %s", current, res.Header.Get("HX-Redirect"), lab.StatusLine(res))
			continue
		}
		back := login.Query().Get("return_to")
		if browserGoesTo(base, back) != s.URL || browserGoesTo(base, returnsTo(s, url.QueryEscape(back))) != s.URL {
			t.Errorf("on %q HTMX is led to %q", current, login)
		}
	}
	res := s.Send(lab.Request{Path: "/me", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": s.URL + "/public?tab=2"}})
	if got, want := res.Header.Get("HX-Redirect"), "/login?return_to=%2Fpublic%3Ftab%3D2"; got != want {
		t.Errorf("an honest page is led to %q, want %q", got, want)
	}
}

// TestNoLineFromTheQueryInTheLog: what the query says is quoted there, so that nobody
// writes lines in the operator's name. The text of the error alone must see to that,
// since not every log does.
func TestNoLineFromTheQueryInTheLog(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	p := s.Begin()
	forged := "x\nlevel=ERROR msg=forged\r\n\u2028forged\x1b[31m"
	s.Send(lab.Request{Path: fmt.Sprintf("/login/redirect?state=%s&error=invalid_request&error_description=%s", p.State, url.QueryEscape(forged)), Cookies: []*http.Cookie{p.Cookie}})
	err := refused.take()
	if !errors.Is(err, cognito.ErrProvider) || !strings.Contains(err.Error(), "forged") {
		t.Fatalf("refused with %v, want the cause in it", err)
	}
	if strings.ContainsAny(err.Error(), "\n\r\u2028\x1b") {
		t.Errorf("the cause is not quoted: %q", err)
	}
	for line := range strings.Lines(s.Logged.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\u2028\x1b") {
			t.Errorf("the log has the line %q", line)
		}
	}
}
