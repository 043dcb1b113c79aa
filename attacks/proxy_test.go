package attacks_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// Attacks by headers and paths that proxies speak of. Fiber believes X-Forwarded-* of
// everybody unless told otherwise, and the Host header is the client's to choose.

// publicly gives an app a public address. It is a local one, since a test pool
// serves no other, but neither the socket's port nor its scheme.
func publicly(c *cognito.Config) { c.BaseURL = "https://localhost:8443" }

const publicCallback = "https://localhost:8443/login/redirect"

// hostileLines are header lines by which a client may try to move an app. Each
// is sent alone; so they may contradict each other.
var hostileLines = []string{
	"X-Forwarded-Host: evil.example", "X-Forwarded-Host: evil.example, localhost:8443", "x-forwarded-host: localhost:8443, evil.example",
	"X-Forwarded-Host: evil.example\r\nX-Forwarded-Host: localhost:8443", "X-Forwarded-Proto: http", "X-Forwarded-Proto: https, http",
	"X-Forwarded-Proto: javascript", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example", "X-Forwarded-Protocol: http", "X-Forwarded-Ssl: off",
	"X-Forwarded-Ssl: on", "X-Url-Scheme: http", "X-Forwarded-Scheme: http", "X-Scheme: http", "Front-End-Https: on", "X-Forwarded-Port: 1",
	"X-Forwarded-Prefix: /evil", "X-Forwarded-Path: /evil", "X-Forwarded-Server: evil.example", "X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 6.6.6.6, 127.0.0.1",
	"X-Real-Ip: 127.0.0.1", "True-Client-Ip: 127.0.0.1", "Cf-Connecting-Ip: 127.0.0.1", "Forwarded: for=1.2.3.4;host=evil.example;proto=http", "Via: 1.1 evil.example",
	"X-Host: evil.example", "X-Original-Host: evil.example", "X-Http-Host-Override: evil.example", "X-Backend-Host: evil.example", "Base-Url: https://evil.example",
	"X-Forwarded-Uri: /public", "X-Original-Url: /public", "X-Rewrite-Url: /logout", "X-Original-Uri: /login", "X-Http-Method-Override: DELETE", "X-Method-Override: POST",
	"User-Agent: kube-probe/1.29", "User-Agent: ELB-HealthChecker/2.0", "User-Agent: Googlebot", "X-User: admin", "X_User: admin", "Remote-User: admin", "X-Forwarded-User: admin",
	"X-Forwarded-Email: admin@example.com", "X-Auth-Request-User: admin", "X-Amzn-Oidc-Identity: admin", "X-Amzn-Oidc-Data: e30.e30.e30", "User: admin",
	"X-Csrf-Token: x", "X-Session: " + strings.Repeat("A", 43), "Session: x", "Sid: x",
}

// hostileHosts are spellings of a request that name another place.
var hostileHosts = []string{
	"GET %s HTTP/1.1\r\nHost: evil.example\r\n", "GET %s HTTP/1.1\r\nHost: localhost.evil.example:8443\r\n", "GET %s HTTP/1.1\r\nHost: localhost:8443@evil.example\r\n",
	"GET %s HTTP/1.1\r\nHost: evil.example:8443\r\n", "GET %s HTTP/1.1\r\nHost: localhost:1\r\n", "GET %s HTTP/1.1\r\nHost: LOCALHOST:8443\r\n",
	"GET http://evil.example%s HTTP/1.1\r\nHost: localhost:8443\r\n", "GET http://evil.example%s HTTP/1.1\r\nHost: evil.example\r\n",
	"GET https://evil.example@localhost%s HTTP/1.1\r\nHost: localhost:8443\r\n", "GET %s HTTP/1.0\r\n",
}

// TestRedirectURIFromHeaders: a redirect URI that follows the request's headers sends
// the victim's code to the attacker's host, and one that differs between authorization
// and exchange is refused.
func TestRedirectURIFromHeaders(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, publicly)
	s.Pool.AllowOrigin("https://localhost:8443")
	for _, head := range hostileHosts {
		mustStayPut(t, s, head, fmt.Sprintf(head, "/login")+"Accept: text/html\r\nConnection: close\r\n\r\n")
	}
	for _, line := range hostileLines {
		mustStayPut(t, s, line, wireGet("/login", "localhost:8443", line))
	}
	mustStayPut(t, s, "the honest request", wireGet("/login", "localhost:8443"))

	begun := fromTheWire(t, onTheWire(s, wireGet("/login?return_to=/me&from_host", "evil.example", "X-Forwarded-Host: evil.example")))
	p := lab.Answered(s, onward(begun), "alice")
	ended := fromTheWire(t, onTheWire(s, wireGet(p.Callback, "evil.example", "X-Forwarded-Host: evil.example", "Cookie: "+p.Cookie.Name+"="+p.Cookie.Value)))
	if session := mustSignIn(t, "a login under hostile headers", ended); !strings.HasPrefix(session.Name, "__Host-") || !session.Secure {
		t.Errorf("the session's cookie is %s", session)
	}
	if got := ended.Header.Get("Location"); got != "/me" {
		t.Errorf("the login led to %q, want /me", got)
	}
	if got := s.Pool.Requests(cognitotest.Token)[0].Form.Get("redirect_uri"); got != publicCallback {
		t.Errorf("the exchange names %q, want %q", got, publicCallback)
	}
}

func mustStayPut(t *testing.T, s *lab.Site, what, request string) {
	t.Helper()
	res := fromTheWire(t, onTheWire(s, request))
	if strings.HasPrefix(res.Header.Get("Location"), "https://localhost:8443/login?") && len(res.Cookies()) == 0 {
		return // a login under another host goes to BaseURL first, and nowhere else
	}
	if !leadsToCognito(s, res) {
		t.Errorf("%q is answered with %s, want a login", what, lab.StatusLine(res))
		return
	}
	if got := res.Target().Query()["redirect_uri"]; !slices.Equal(got, []string{publicCallback}) {
		t.Errorf("%q moved redirect_uri to %q", what, got)
	}
	for _, cookie := range res.Cookies() {
		if !strings.HasPrefix(cookie.Name, "__Host-cognito_login_") || !cookie.Secure || cookie.Domain != "" || cookie.Path != "/" {
			t.Errorf("%q sets %s", what, cookie.Raw)
		}
	}
}

// forwardingLines are what proxies leave behind.
var forwardingLines = []string{
	"Forwarded: for=1.2.3.4", "forwarded: proto=https", "Via: 1.1 proxy", "VIA: 1.0 fred", "X-Forwarded-For: 1.2.3.4", "x-forwarded-host: localhost", "X-FORWARDED-PROTO: https",
	"X-Forwarded-Ssl: on", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /", "X-Forwarded-Server: x", "X-Forwarded-Anything: ", "X-Forwarded-For:",
}

// TestNoBaseURL: without BaseURL an app may only be on the visitor's own machine. A
// proxy in front talks to it as 127.0.0.1 too, so what was forwarded is refused like a
// foreign host; and the answer says what to set.
func TestNoBaseURL(t *testing.T) {
	t.Parallel()
	var refused refusals
	strict := lab.Serve(t, refused.hook)
	plain := lab.Serve(t)
	var requests []string
	for _, host := range []string{
		"evil.example", "app.example.com", "localhost.evil.example", "localhost@evil.example", "evil.example@localhost", "127.0.0.1.nip.io", "127.0.0.2", "0.0.0.0", "localhost.", "app.localhost.",
		"localhost:x", "localhost:123456", "localhost:1:2", "[::1", "[::1]x", "[::2]", "::1", "2130706433", "localhost, evil.example", "localhost/evil", "localhost evil.example", "evil.example#localhost",
	} {
		requests = append(requests, wireGet("/login", host))
	}
	for _, line := range forwardingLines {
		requests = append(requests, wireGet("/login", "localhost", line), wireGet("/login", "127.0.0.1:8021", line))
	}
	requests = append(requests, "GET /login HTTP/1.0\r\n\r\n", wireGet("http://localhost/login", "localhost"), wireGet("http://evil.example/login", "localhost"), wireGet("https://localhost/login", "localhost"))
	for _, request := range requests {
		mustNameBaseURL(t, plain, strict, &refused, request)
	}
	for _, host := range []string{"localhost", "localhost:8021", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:65535"} {
		res := fromTheWire(t, onTheWire(plain, wireGet("/login", host, "X-Real-Ip: 1.2.3.4", "X-Url-Scheme: https")))
		if got, want := res.Target().Query().Get("redirect_uri"), "http://"+host+"/login/redirect"; got != want {
			t.Errorf("on %s redirect_uri is %q, want %q", host, got, want)
		}
	}
	v := plain.Visitor()
	v.LogIn()
}

// mustNameBaseURL wants a request refused. What the HTTP server itself takes
// for malformed need not tell.
func mustNameBaseURL(t *testing.T, plain, strict *lab.Site, refused *refusals, request string) {
	t.Helper()
	res := fromTheWire(t, onTheWire(plain, request))
	lab.SetsNothing(t, request, res)
	if res.StatusCode == http.StatusBadRequest && res.Header.Get("Referrer-Policy") == "" {
		return
	}
	if res.StatusCode != http.StatusInternalServerError || !strings.Contains(res.Text, "BaseURL") || res.Header.Get("Location") != "" {
		t.Errorf("%q is answered with %s, want an error that names BaseURL", request, lab.StatusLine(res))
	}
	onTheWire(strict, request)
	if err := refused.take(); !errors.Is(err, cognito.ErrMisconfigured) || !strings.Contains(err.Error(), "BaseURL") {
		t.Errorf("%q is refused with %v", request, err)
	}
}

// randomValues is what differs between two equal answers.
var randomValues = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`(cognito_login_)\d=([\w-]{4})\.[0-9a-z]+\.(\d)\.[\w-]{8}\.`), "$1<slot>=$2.<time>.$3.<key>."},
	{regexp.MustCompile(`(cognito_login_)\d=;`), "$1<slot>=;"},
	{regexp.MustCompile(`[A-Za-z0-9_-]{43}`), "<random>"},
	{regexp.MustCompile(`Date: [^\r]*\r\n`), ""},
	{regexp.MustCompile(`"expires_at":"[^"]*"`), "<time>"},
	{regexp.MustCompile(`\b[B-Z]{4}-[B-Z]{4}\b`), "<reference>"},
}

// transcript is what an app answers to every kind of request when header lines
// are added to each, but for random values.
func transcript(s *lab.Site, session *http.Cookie, lines ...string) string {
	s.Helper()
	cookie := "Cookie: " + session.Name + "=" + session.Value
	denied, silent := onward(fromTheWire(s.T, onTheWire(s, wireGet("/login", "localhost")))), onward(fromTheWire(s.T, onTheWire(s, wireGet("/login?prompt=none&return_to=/me", "localhost"))))
	var all strings.Builder
	add := func(request string) {
		head, body, _ := strings.Cut(request, "\r\n\r\n")
		for _, line := range lines {
			head += "\r\n" + line
		}
		all.WriteString(onTheWire(s, head+"\r\n\r\n"+body) + "\n\n")
	}
	post := func(target string, more ...string) string {
		return "POST" + strings.TrimPrefix(wireGet(target, "localhost", append(more, "Content-Length: 0")...), "GET")
	}
	add(wireGet("/login?return_to=/me&login_hint=x", "localhost"))
	add(wireGet("/login/redirect?error=access_denied&state="+denied.State, "localhost", "Cookie: "+denied.Cookie.Name+"="+denied.Cookie.Value))
	add(wireGet("/login/redirect?error=login_required&state="+silent.State, "localhost", "Cookie: "+silent.Cookie.Name+"="+silent.Cookie.Value))
	add(wireGet("/login/redirect?code=x&state=y", "localhost"))
	add(wireGet("/login/redirect?code=x&state=y", "localhost", cookie))
	add(wireGet("/me?tab=2", "localhost"))
	add(wireGet("/me", "localhost", "Sec-Fetch-Mode: cors"))
	add(wireGet("/me", "localhost", cookie))
	add(wireGet("/", "localhost", cookie))
	add(wireGet("/public", "localhost"))
	add(post("/login"))
	add(post("/me", cookie))
	add(post("/me", cookie, "Origin: https://localhost:8443"))
	add(post("/me", cookie, "Origin: https://evil.example"))
	add(post("/me", cookie, "Origin: https://evil.example", "Sec-Fetch-Mode: cors"))
	add(post("/me", cookie, "Origin: http://localhost:8443"))
	add(post("/token/refresh", cookie, "Origin: https://evil.example"))
	add(post("/logout", "Origin: https://evil.example"))
	add(post("/logout"))
	add(wireGet("/logout", "localhost", "Sec-Fetch-Site: cross-site"))
	text := all.String()
	for _, value := range randomValues {
		text = value.pattern.ReplaceAllString(text, value.instead)
	}
	return text
}

// TestForwardedHeadersChangeNothing: with BaseURL set, no URL, cookie or decision
// depends on a header that a client can add, be it one that Fiber believes in. Answers
// with and without are the same to the byte.
func TestForwardedHeadersChangeNothing(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, publicly, lab.InMemory)
	s.Pool.AllowOrigin("https://localhost:8443")
	session := mustSignIn(t, "alice", s.Finish(lab.Halfway(s, "alice")))
	want := transcript(s, session)
	for _, sign := range []string{"redirect_uri=https%3A%2F%2Flocalhost%3A8443%2Flogin%2Fredirect", "302 Found", "303 See Other", "401 Unauthorized", "403 Forbidden", "405 Method", "hello alice", "changed", "secure; SameSite=Lax"} {
		if !strings.Contains(want, sign) {
			t.Errorf("the transcript misses %q", sign)
		}
	}
	if again := transcript(s, session); again != want {
		t.Fatalf("the transcript differs by itself:\n%s", firstDifference(want, again))
	}
	for _, line := range append(slices.Clone(hostileLines), strings.Join(hostileLines[3:20], "\r\n")) {
		if got := transcript(s, session, line); got != want {
			t.Errorf("with %q answers differ:\n%s", line, firstDifference(want, got))
		}
	}
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("  without: %q\n  with:    %q", a[i], b[i])
		}
	}
	return fmt.Sprintf("  %d lines without, %d with", len(a), len(b))
}

// TestForeignHostChangesNothing, be it in the Host header or in the request line.
func TestForeignHostChangesNothing(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, publicly, lab.InMemory)
	for _, path := range []string{"/login?return_to=/me", "/me", "/login/redirect?code=x", "/logout"} {
		want := scrubbed(onTheWire(s, wireGet(path, "localhost:8443")))
		for _, head := range hostileHosts {
			got := scrubbed(onTheWire(s, fmt.Sprintf(head, path)+"Accept: text/html\r\nConnection: close\r\n\r\n"))
			// What was asked for by another name is remembered by none.
			if path == "/me" && strings.HasPrefix(head, "GET http") {
				want := strings.ReplaceAll(want, "?return_to=%2Fme", "")
				if got != want {
					t.Errorf("%q answers differ:\n%s", head, firstDifference(want, got))
				}
				continue
			}
			if strings.HasPrefix(path, "/login?") && strings.Contains(got, "\nLocation: https://localhost:8443/login?return_to=%2Fme&from_host\r\n") {
				continue // to BaseURL first, whatever the host
			}
			if got != want {
				t.Errorf("%q for %s: answers differ:\n%s", head, path, firstDifference(want, got))
			}
		}
	}
}

func scrubbed(answer string) string {
	for _, value := range randomValues {
		answer = value.pattern.ReplaceAllString(answer, value.instead)
	}
	return answer
}

// guardedTargets are spellings of guarded paths that some server or proxy takes
// for another path, so that a list of paths would miss them.
var guardedTargets = []string{
	"/admin", "/ADMIN", "/Admin", "/admin/", "/ADMIN/", "/%61dmin", "/%2561dmin", "//admin", "/./admin", "/x/../admin", "/public/../admin", "/public/..%2fadmin", "/public%2f..%2fadmin",
	"/admin?x=/public", "/admin?/public", "/admin#/public", "/admin;/public", "/admin;x=1", "/admin%3f", "/admin%2f", "/admin%00", "/admin%20", "/admin%09", "/admin.", "/admin/.", "/admin//",
	"/admin\\", "/admin%5c", "/admin.html", "/admin\x00", "/admin\t", "http://localhost/admin", "http://localhost/public/../admin", "/public?/admin", "/?/admin",
	"/group/x", "/GROUP/x", "/Group/X/", "/%67roup/x", "//group/x", "/group//x", "/group/./x", "/group/../group/x", "/group%2fx", "/group/x?/public", "/group/%78",
	"/files/a", "/FILES/a", "/files/../public", "/files/..%2fpublic", "/files//", "/files/a/../../admin", "/public/../files/a",
}

// TestGuardsIgnoreSpelling: guards stand on routes, so whatever spelling reaches a
// handler has passed its guard, however Fiber is set up.
func TestGuardsIgnoreSpelling(t *testing.T) {
	t.Parallel()
	secret := func(c *fiber.Ctx) error { return c.SendString("secret") }
	for name, settings := range map[string]fiber.Config{
		"default": {}, "strict": {StrictRouting: true, CaseSensitive: true}, "unescaped": {UnescapePath: true}, "immutable": {Immutable: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveRoutes(t, settings, func(app *fiber.App) {
				app.Get("/public", func(c *fiber.Ctx) error { return c.SendString("public") })
				app.Get("/admin", cognito.RequireUser(), secret)
				app.Get("/files/*", cognito.RequireUser(), secret)
				app.Group("/group", cognito.RequireUser()).Get("/:name", secret)
			})
			host := strings.TrimPrefix(s.URL, "http://")
			for _, target := range guardedTargets {
				answer := onTheWire(s, wireGet(target, host))
				mustNotSplit(t, target, answer)
				if strings.Contains(answer, "secret") {
					t.Errorf("%q passes the guard: %q", target, answer)
				}
			}
			session := mustSignIn(t, "alice", s.Finish(lab.Halfway(s, "alice")))
			for _, target := range []string{"/admin", "/admin?x=/public", "/files/a", "/group/x", "/group/x?/public"} {
				if res := s.Send(lab.Request{Path: target, Cookies: []*http.Cookie{session}}); res.Text != "secret" {
					t.Errorf("%s, signed in, answers %s", target, lab.StatusLine(res))
				}
			}
		})
	}
}

// TestOwnRoutesIgnoreSpelling: the routes of the middleware are compared exactly, so no
// spelling reaches them past a rule of a proxy, and no code is spent under another
// name.
func TestOwnRoutesIgnoreSpelling(t *testing.T) {
	t.Parallel()
	storage := newBrittleStorage()
	s := lab.Serve(t, storage.hook)
	p := lab.Halfway(s, "alice")
	host, written := strings.TrimPrefix(s.URL, "http://"), storage.changes()
	cookie := "Cookie: " + p.Cookie.Name + "=" + p.Cookie.Value
	_, query, _ := strings.Cut(p.Callback, "?")
	for _, path := range []string{"/LOGIN/redirect", "/Login/Redirect", "/login/redirect/", "//login/redirect", "/login//redirect", "/%6cogin/redirect", "/login%2fredirect", "/x/../login/redirect", "/login/./redirect", "/login/redirect;x", "/login/redirect%00"} {
		res := fromTheWire(t, onTheWire(s, wireGet(path+"?"+query, host, cookie)))
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusBadRequest { // which is for what resolves to something else
			t.Errorf("%s is answered with %s", path, lab.StatusLine(res))
		}
		lab.SetsNothing(t, path, res)
	}
	for _, path := range []string{"/LOGIN", "/login/", "/logout/", "/LOGOUT", "//login", "/%6cogin", "/x/../logout"} {
		want := http.StatusNotFound
		if strings.ContainsAny(path, "%.") || path[1] == '/' {
			want = http.StatusBadRequest // not what it resolves to
		}
		if res := fromTheWire(t, onTheWire(s, wireGet(path, host))); res.StatusCode != want {
			t.Errorf("%s is answered with %s", path, lab.StatusLine(res))
		}
	}
	if storage.changes() != written {
		t.Errorf("the storage was written %d times", storage.changes()-written)
	}
	mustSignIn(t, "the callback by its own name", s.Finish(p))
}

// TestForwardedLogoutWithoutBaseURL: without BaseURL a forwarded logout must not tell
// Cognito a made-up place to return to.
func TestForwardedLogoutWithoutBaseURL(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	leave := func(host string, lines ...string) string {
		lines = append(lines, "Sec-Fetch-Mode: cors", "Cookie: "+s.SignIn("alice").Name+"=x")
		return strings.Replace(wireGet("/logout", host, lines...), "GET ", "POST ", 1)
	}
	for _, request := range []string{leave("evil.example"), leave("localhost", "X-Forwarded-Host: evil.example")} {
		if res := fromTheWire(t, onTheWire(s, request)); res.StatusCode != http.StatusInternalServerError || !strings.Contains(res.Text, "BaseURL") {
			t.Errorf("%q is answered with %s", request, lab.StatusLine(res))
		}
	}
	host := strings.TrimPrefix(s.URL, "http://")
	if res := fromTheWire(t, onTheWire(s, leave(host))); res.Target().Query().Get("logout_uri") != s.URL+"/" {
		t.Errorf("an honest logout leads to %s", res.Header.Get("Location"))
	}
}
