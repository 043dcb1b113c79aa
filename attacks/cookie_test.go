package attacks_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
)

// httpsOrigin is how browsers know an app behind a TLS proxy.
const httpsOrigin = "https://localhost:8443"

// serveHTTPS serves an app whose BaseURL is https, as behind a TLS proxy, and
// returns the proxy too. The app itself speaks plain TCP: it must go by its
// BaseURL alone.
func serveHTTPS(t *testing.T, hooks ...func(*cognito.Config)) (*lab.Site, *tape) {
	t.Helper()
	s := lab.Serve(t, append([]func(*cognito.Config){func(c *cognito.Config) { c.BaseURL = httpsOrigin }}, hooks...)...)
	s.Pool.AllowOrigin(httpsOrigin)
	return s, record(s, httpsOrigin)
}

// tape is a transport that stands between browsers and an app, as a TLS proxy
// does, and keeps every answer of the app.
type tape struct {
	public string // the origin that browsers know
	app    *url.URL
	next   *http.Transport

	mu      sync.Mutex // guards answers
	answers []answer
}

type answer struct {
	request string // method and path, for messages
	status  int
	header  http.Header
	body    string
}

func record(s *lab.Site, public string) *tape {
	app, err := url.Parse(s.URL)
	if err != nil {
		s.Fatal(err)
	}
	recorder := &tape{public: public, app: app, next: &http.Transport{}}
	s.Cleanup(recorder.next.CloseIdleConnections)
	return recorder
}

func (r *tape) RoundTrip(sent *http.Request) (*http.Response, error) {
	if sent.URL.Scheme+"://"+sent.URL.Host != r.public {
		return r.next.RoundTrip(sent)
	}
	inside := sent.Clone(sent.Context())
	inside.Host = sent.URL.Host
	inside.URL.Scheme, inside.URL.Host = r.app.Scheme, r.app.Host
	res, err := r.next.RoundTrip(inside)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = append(r.answers, answer{sent.Method + " " + sent.URL.Path, res.StatusCode, res.Header.Clone(), string(body)})
	return res, nil
}

func (r *tape) all() []answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.answers)
}

// CloseIdleConnections lets the pool close a browser's connections.
func (r *tape) CloseIdleConnections() { r.next.CloseIdleConnections() }

// send makes one exchange without a jar, like site.send, through the proxy.
func (r *tape) send(t *testing.T, sent lab.Request) *lab.Answer {
	t.Helper()
	if sent.Method == "" {
		sent.Method = http.MethodGet
	}
	req, err := http.NewRequest(sent.Method, r.public+sent.Path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range sent.Cookies {
		req.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	for name, value := range sent.Header {
		req.Header.Set(name, value)
	}
	res, err := r.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	return &lab.Answer{Response: res, Text: string(body)}
}

// visitorOf is a browser that reaches the app through the proxy.
func (r *tape) visitorOf(s *lab.Site) *lab.Visitor {
	v := s.Visitor()
	v.HTTPClient.Transport = r
	return v
}

// setCookie is a Set-Cookie header that was parsed strictly.
type setCookie struct {
	name, value string
	attributes  map[string]string // by lower-case name
}

// deletes reports whether the cookie is set to be gone.
func (c setCookie) deletes() bool {
	expires, err := time.Parse(http.TimeFormat, c.attributes["expires"])
	return err == nil && expires.Before(time.Now().Add(-24*time.Hour)) && c.value == ""
}

// parseSetCookie reads a Set-Cookie header by the grammar for servers (RFC
// 6265bis section 4.1.1), which is stricter than what browsers put up with.
func parseSetCookie(line string) (setCookie, error) {
	parts := strings.Split(line, "; ")
	name, value, ok := strings.Cut(parts[0], "=")
	c := setCookie{name, value, map[string]string{}}
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return !isTokenRune(r) }) {
		return c, fmt.Errorf("the name %q is no token", name)
	}
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`",;\`, r) }) {
		return c, fmt.Errorf("the value %q has characters that need quoting", value)
	}
	if len(name)+len(value) > 4096 {
		return c, fmt.Errorf("%d bytes are more than browsers keep", len(name)+len(value))
	}
	for _, part := range parts[1:] {
		attribute, argument, _ := strings.Cut(part, "=")
		attribute = strings.ToLower(attribute)
		if _, twice := c.attributes[attribute]; twice {
			return c, fmt.Errorf("%s occurs twice", attribute)
		}
		if err := checkAttribute(attribute, argument); err != nil {
			return c, err
		}
		c.attributes[attribute] = argument
	}
	return c, nil
}

func isTokenRune(r rune) bool {
	return r > ' ' && r < 0x7f && !strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
}

func checkAttribute(name, argument string) error {
	switch name {
	case "expires":
		_, err := time.Parse(http.TimeFormat, argument)
		return err
	case "max-age":
		if seconds, err := strconv.Atoi(argument); err != nil || seconds <= 0 || argument[0] == '0' || argument[0] == '+' {
			return fmt.Errorf("Max-Age is %q", argument)
		}
	case "path", "domain":
		if argument == "" {
			return fmt.Errorf("%s is empty", name)
		}
	case "secure", "httponly", "partitioned":
		if argument != "" {
			return fmt.Errorf("%s has the value %q", name, argument)
		}
	case "samesite":
		if argument != "Strict" && argument != "Lax" && argument != "None" {
			return fmt.Errorf("SameSite is %q", argument)
		}
	default:
		return fmt.Errorf("there is no attribute %q", name)
	}
	return nil
}

// tour takes visitors through everything that sets or deletes a cookie, the
// ways that end badly included.
func tour(s *lab.Site, proxy *tape) {
	v := proxy.visitorOf(s)
	home := proxy.public
	v.Get(home + "/me")
	v.Login(home+"/me", "alice", "wrong")
	v.Login(home+"/me", "alice", lab.PasswordOf("alice"))
	if page := v.Get(home + "/me"); page.Status != http.StatusOK {
		s.Fatalf("the login over %s ended on %s with %d %.200s: %v", home, page.URL, page.Status, page.Body, page.Err)
	}
	s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
	v.Post(home+"/token/refresh", nil)
	// Errors, with and without a session.
	for _, path := range []string{"/login/redirect?state=x&code=y", "/login/redirect", "/login/redirect?code=a&code=b", "/login?prompt=a&prompt=b", "/nowhere"} {
		v.Get(home + path)
		proxy.send(s.T, lab.Request{Path: path})
		proxy.send(s.T, lab.Request{Path: path, Method: http.MethodPut})
	}
	proxy.send(s.T, lab.Request{Path: "/logout", Method: http.MethodPost, Header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	// Cognito's errors, at once and late.
	s.Pool.FailNextLogin("access_denied", "no")
	proxy.visitorOf(s).Login(home+"/login", "alice", lab.PasswordOf("alice"))
	s.Pool.FailNextLogin("invalid_request", "Already found an entry for username google_1")
	proxy.visitorOf(s).Login(home+"/login", "alice", lab.PasswordOf("alice"))
	// Many logins in progress: the oldest give way.
	many := proxy.visitorOf(s)
	for range 6 {
		many.HTTPClient.Transport = &lab.StopAt{Prefix: s.Pool.URL(), Next: proxy}
		many.Get(home + "/login")
	}
	many.HTTPClient.Transport = proxy
	many.Login(home+"/login", "bob", lab.PasswordOf("bob"))
	// A session that ended elsewhere, and one that does not stick.
	dead := proxy.visitorOf(s)
	dead.Login(home+"/me", "bob", lab.PasswordOf("bob"))
	s.Pool.EndSessions("bob")
	s.Pool.Advance(2 * time.Hour)
	dead.Get(home + "/me")
	s.Pool.Advance(25 * time.Hour)
	dead.Get(home + "/me")
	v.Get(home + "/me")
	proxy.send(s.T, lab.Request{Path: "/login", Cookies: []*http.Cookie{{Name: cookieNames(proxy)["trips"], Value: "3"}}})
	v.Post(home+"/logout", nil)
	v.Post(home+"/logout", nil)
	proxy.send(s.T, lab.Request{Path: "/logout", Header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
}

// cookieNames finds out how the three kinds of cookies are called.
func cookieNames(proxy *tape) map[string]string {
	names := map[string]string{}
	for _, a := range proxy.all() {
		for _, line := range a.header.Values("Set-Cookie") {
			name, _, _ := strings.Cut(line, "=")
			names[kindOfCookie(name)] = name
		}
	}
	return names
}

func kindOfCookie(name string) string {
	switch {
	case lab.IsLoginCookie(name):
		return "attempt"
	case strings.HasSuffix(name, "_trips"):
		return "trips"
	case lab.IsSessionCookie(name):
		return "session"
	}
	return "unknown"
}

// TestCookieAttributes: every cookie of a whole journey, on errors and deletions too,
// can be read by no script, goes to no other host and over no other path, and comes
// along with no request of another site. A deletion has the attributes of what it
// deletes, or browsers would ignore it.
func TestCookieAttributes(t *testing.T) {
	t.Parallel()
	s, proxy := serveHTTPS(t)
	tour(s, proxy)
	mustHaveAttributes(t, proxy, "__Host-", map[string]string{"path": "/", "httponly": "", "secure": "", "samesite": "Lax"})
}

// TestCookieAttributesInDevelopment: without a BaseURL, browsers would drop a Secure
// cookie of http://localhost, some of them at least.
func TestCookieAttributesInDevelopment(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	proxy := record(s, s.URL)
	tour(s, proxy)
	mustHaveAttributes(t, proxy, "cognito_", map[string]string{"path": "/", "httponly": "", "samesite": "Lax"})
}

func mustHaveAttributes(t *testing.T, proxy *tape, prefix string, want map[string]string) {
	t.Helper()
	longest := map[string]int{"session": 7 * 24 * 3600, "attempt": 3600, "trips": 60}
	inCookies := os.Getenv("COGNITO_TEST_SESSIONS") == "cookies"
	seen := map[string]int{}
	for _, a := range proxy.all() {
		for _, line := range a.header.Values("Set-Cookie") {
			c, err := parseSetCookie(line)
			if err != nil {
				t.Errorf("%s: %v in %q", a.request, err, line)
			}
			kind := kindOfCookie(c.name)
			if !strings.HasPrefix(c.name, prefix) || kind == "unknown" {
				t.Errorf("%s: the cookie is called %q, want %s…", a.request, c.name, prefix)
			}
			age, _ := strconv.Atoi(c.attributes["max-age"])
			switch {
			case c.deletes():
				seen[kind+" deleted"]++
			case kind == "session" && inCookies && age > 0 && age < longest[kind]:
				seen[kind]++ // a session that travels in its cookie is as old as it is
			case age != longest[kind]:
				t.Errorf("%s: a %s cookie lives for %d seconds, want %d: %q", a.request, kind, age, longest[kind], line)
			default:
				seen[kind]++
			}
			delete(c.attributes, "expires")
			delete(c.attributes, "max-age")
			if fmt.Sprint(c.attributes) != fmt.Sprint(want) {
				t.Errorf("%s: attributes %v, want %v: %q", a.request, c.attributes, want, line)
			}
		}
	}
	for _, kind := range []string{"session", "session deleted", "attempt", "attempt deleted", "trips", "trips deleted"} {
		if seen[kind] == 0 {
			t.Errorf("the journey never came by this cookie: %s (seen: %v)", kind, seen)
		}
	}
}

// TestDeletedCookiesAreGone: a browser's jar has none of them left.
func TestDeletedCookiesAreGone(t *testing.T) {
	t.Parallel()
	s, proxy := serveHTTPS(t)
	v := proxy.visitorOf(s)
	v.Login(httpsOrigin+"/me", "alice", lab.PasswordOf("alice"))
	before := v.Cookies(httpsOrigin)
	if !slices.ContainsFunc(before, func(c *http.Cookie) bool { return lab.IsSessionCookie(c.Name) }) {
		t.Fatalf("the login left the cookies %v", before)
	}
	if slices.ContainsFunc(before, func(c *http.Cookie) bool { return lab.IsLoginCookie(c.Name) }) {
		t.Errorf("the login is over and its cookie is still there: %v", before)
	}
	v.Post(httpsOrigin+"/logout", nil)
	if left := v.Cookies(httpsOrigin); len(left) > 0 {
		t.Errorf("logging out left the cookies %v", left)
	}
	if left := v.Cookies("http://localhost:8443"); len(left) > 0 {
		t.Errorf("the cookies %v go over plain http", left)
	}
}

// TestCookieTossing: a sibling subdomain, or a page over http, sets cookies for the
// whole domain, to sign the victim in as the attacker. It cannot use our name, because
// of the prefix, but a second cookie of that name or a name that a careless parser
// takes for ours would do.
func TestCookieTossing(t *testing.T) {
	t.Parallel()
	for order, front := range fronts {
		t.Run(order, func(t *testing.T) {
			s := serveTossing(t, front)
			alice, bob := finishHTTPS(s, s.Answered("alice")), finishHTTPS(s, s.Answered("bob"))
			name, good, evil := alice.Name, alice.Value, bob.Value
			for _, row := range []struct{ want, header string }{
				{"", "%N=%G; %N=%E"},
				{"", "%N=%E; %N=%G"},
				{"alice", "%N=%G; %N=%G"},
				{"", "%N=%E;%N=%G"},
				{"", "%N=%G; a=b; %N=%E; c=d"},
				{"", "%N=%G; %N="},
				{"", "x%N%N=%E"},
				{"", "x%N=1 %N=%E"},
				{"", "a=%N %N=%E"},
				{"", "a=%N%N=%E"},
				{"", "a=b%N=%E"},
				{"", "a=%N=%E"},
				{"", "a=\"; %N\"=%E"},
				{"", "=%N=%E"},
				{"", "a=b; =%N=%E"},
				{"", "= %N=%E"},
				{"", "=\t%N=%E"},
				{"", "a=b; = \t %N=%E"},
				{"", "=\"%N=%E\""},
				{"", "= \" %N=%E\""},
				{"", "==%N=%E"},
				{"", "=%N =%E"},
				{"", "%Nx=%E; x%N=%E"},
				{"", "%L=%E"},
				{"", "%N%3D%E"},
				{"alice", "%N=%G"},
				{"alice", "a=b; %N=%G; c=d"},
				{"alice", "a=%N; %N=%G"},
				{"alice", "a=%N%N; %N=%G; %N_trips=1"},
				{"alice", "x%N%N=%E; %N=%G"},
				{"alice", "a=%N %N=%E; %N=%G"},
				{"alice", "%Nx=%E; x%N=%E; %N=%G"},
				{"alice", "a=%N=%E; %N=%G; =%N"},
				{"bob", "%N=%E"},
			} {
				header := strings.NewReplacer("%N", name, "%G", good, "%E", evil, "%L", strings.ToLower(name)).Replace(row.header)
				res := s.Send(lab.Request{Path: "/me", Header: map[string]string{"Accept": "application/json", "Cookie": header}})
				if got := emailOf(t, res); got != row.want {
					t.Errorf("Cookie: %s signs %q in, want %q", row.header, got, row.want)
				}
			}
			for _, row := range []struct{ want, first, second string }{
				{"", good, evil}, {"", evil, good},
			} {
				raw := "GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: " + name + "=" + row.first + "\r\nCookie: " + name + "=" + row.second + "\r\n\r\n"
				if status := sendRaw(s, raw); status != http.StatusUnauthorized {
					t.Errorf("two Cookie headers were answered %d, want 401", status)
				}
			}
			if status := sendRaw(s, "GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\nCookie: "+name+"="+good+"\r\n\r\n"); status != http.StatusOK {
				t.Errorf("the honest cookie in the second of two headers was answered %d, want 200", status)
			}
		})
	}
}

// serveTossing serves an https app, perhaps below a middleware that looks at
// cookies too, after which fasthttp presents them in another way.
func serveTossing(t *testing.T, front fiber.Handler) *lab.Site {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.AllowOrigin(httpsOrigin)
	return lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(front, auth.Handler())
		lab.Pages(app)
	}, func(c *cognito.Config) { c.BaseURL = httpsOrigin })
}

// fronts are what may have happened to a request's cookies before.
var fronts = map[string]fiber.Handler{
	"cookies as they came": func(c *fiber.Ctx) error { return c.Next() },
	"cookies read by another middleware before": func(c *fiber.Ctx) error {
		_ = c.Cookies("theme")
		return c.Next()
	},
	"an adaptor of net/http in front": adaptor.HTTPMiddleware(func(next http.Handler) http.Handler { return next }),
}

// finishHTTPS is finish for an app that browsers know by httpsOrigin.
func finishHTTPS(s *lab.Site, p *lab.PendingLogin) *http.Cookie {
	s.Helper()
	cookie := s.Finish(p).Cookie(lab.IsSessionCookie)
	if cookie == nil {
		s.Fatal("the login set no session cookie")
	}
	return cookie
}

// emailOf is the local part of the address that /me shows, or "" after a 401.
func emailOf(t *testing.T, res *lab.Answer) string {
	t.Helper()
	if res.StatusCode == http.StatusUnauthorized {
		return ""
	}
	email, _ := lab.Decode(t, res.Text)["email"].(string)
	return strings.TrimSuffix(email, "@example.com")
}

// TestPlantedLogin: mallory has begun a login, and plants its ticket in the visitor's browser
// by a cookie without a name, which a sibling subdomain can set in spite of __Host-. An
// adaptor of net/http in front makes it a cookie with our name. The visitor who then opens
// mallory's callback is not signed in as mallory.
func TestPlantedLogin(t *testing.T) {
	t.Parallel()
	for name, front := range fronts {
		t.Run(name, func(t *testing.T) {
			s := serveTossing(t, front)
			mallory := s.Answered("bob")
			ticket := mallory.Cookie.Name + "=" + mallory.Cookie.Value
			for _, planted := range []string{"=" + ticket, "a=b; =" + ticket, "= " + ticket, "==" + ticket} {
				mustNotSignIn(t, planted, s.Send(lab.Request{Path: mallory.Callback, Header: map[string]string{"Cookie": planted}}))
			}
			if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
				t.Errorf("%d codes were sent", calls)
			}
			// The honest case: whoever has begun a login completes it.
			s.MustBe("bob", finishHTTPS(s, mallory))
		})
	}
}

// TestTossedAttemptCookie: of two cookies with one name nothing tells which is ours,
// unless they say the same: adaptors of net/http double the header.
func TestTossedAttemptCookie(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	pending := s.Answered("alice")
	other := *pending.Cookie
	other.Value = s.Begin().Cookie.Value
	for _, tossed := range [][]*http.Cookie{{pending.Cookie, &other}, {&other, pending.Cookie}} {
		res := s.Send(lab.Request{Path: pending.Callback, Cookies: tossed})
		if res.StatusCode != http.StatusBadRequest || res.Cookie(lab.IsSessionCookie) != nil {
			t.Errorf("the callback answered %s with %v, want 400 and no session", lab.StatusLine(res), res.Cookies())
		}
	}
	s.MustBe("alice", s.Finish(pending, pending.Cookie).Cookie(lab.IsSessionCookie))
}

// TestCookiesStaySmall: servers refuse headers beyond 4 KB with a 431, and the visitor
// is locked out for good.
func TestCookiesStaySmall(t *testing.T) {
	t.Parallel()
	s, proxy := serveHTTPS(t, lab.InMemory)
	v := proxy.visitorOf(s)
	v.Login(httpsOrigin+"/me", "alice", lab.PasswordOf("alice"))
	v.HTTPClient.Transport = &lab.StopAt{Prefix: s.Pool.URL(), Next: proxy}
	for range 10 {
		v.Get(httpsOrigin + "/login?return_to=/" + strings.Repeat("x", 900))
	}
	header, kinds := 0, map[string]int{}
	for _, c := range v.Cookies(httpsOrigin) {
		kind := kindOfCookie(c.Name)
		kinds[kind]++
		size := len(c.Name) + 1 + len(c.Value)
		header += size + 2
		if kind == "session" && size >= 128 {
			t.Errorf("the session cookie has %d bytes, want less than 128", size)
		}
	}
	if kinds["session"] != 1 || kinds["attempt"] != 8 {
		t.Errorf("after ten logins the browser has %v, want one session and eight attempts", kinds)
	}
	if header >= 1024 {
		t.Errorf("the cookies together have %d bytes, want less than 1 KB", header)
	}
}

// TestSharedCaches: a proxy must not hand one visitor's page to the next. The app's own
// word on caching counts, and pages that nobody asked who is there stay as they are.
func TestSharedCaches(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		lab.Pages(app)
		app.Get("/asked", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(cognito.UserFrom(c) != nil)) })
		app.Get("/asks-err", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(cognito.Err(c))) })
		app.Get("/asks-payload", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprint(cognito.PayloadFrom(c) != nil)) })
		app.Get("/own", func(c *fiber.Ctx) error {
			c.Set("Cache-Control", "public, max-age=60")
			c.Set("Vary", "Accept-Encoding")
			return c.SendString("own")
		})
		app.Get("/fails", func(*fiber.Ctx) error { return fiber.ErrTeapot })
	})
	alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
	dead := &http.Cookie{Name: alice.Name, Value: "x" + alice.Value[1:42] + "A"}
	const private = "private, no-store"
	for _, row := range []struct {
		path, vary, cache string
		cookie            *http.Cookie
	}{
		{path: "/public", vary: "", cache: ""},
		{path: "/own", vary: "Accept-Encoding", cache: "public, max-age=60"},
		{path: "/asked", vary: "Cookie", cache: ""},
		{path: "/asks-err", vary: "Cookie", cache: ""},
		{path: "/asks-payload", vary: "Cookie", cache: ""},
		{path: "/token", vary: "Cookie", cache: ""},
		{path: "/me", vary: "Cookie", cache: "no-store"},
		{path: "/public", cookie: alice, vary: "Cookie", cache: private},
		{path: "/asked", cookie: alice, vary: "Cookie", cache: private},
		{path: "/me", cookie: alice, vary: "Cookie", cache: private},
		{path: "/own", cookie: alice, vary: "Accept-Encoding, Cookie", cache: "public, max-age=60"},
		{path: "/fails", cookie: alice, vary: "Cookie", cache: private},
		{path: "/nowhere", cookie: alice, vary: "Cookie", cache: private},
		{path: "/public", cookie: dead, vary: "Cookie", cache: ""},
		{path: "/me", cookie: dead, vary: "Cookie", cache: "no-store"},
		{path: "/login", vary: "", cache: "no-store"},
		{path: "/login/redirect?state=x", vary: "", cache: "no-store"},
		{path: "/logout", vary: "", cache: "no-store"},
		{path: "/token/refresh", vary: "", cache: "no-store"},
	} {
		r := lab.Request{Path: row.path, Header: map[string]string{"Accept": "application/json"}}
		if row.cookie != nil {
			r.Cookies = []*http.Cookie{row.cookie}
		}
		res := s.Send(r)
		if got := res.Header.Get("Vary"); got != row.vary {
			t.Errorf("%s, cookie %t: Vary is %q, want %q", row.path, row.cookie != nil, got, row.vary)
		}
		if got := res.Header.Get("Cache-Control"); got != row.cache {
			t.Errorf("%s, cookie %t: Cache-Control is %q, want %q", row.path, row.cookie != nil, got, row.cache)
		}
	}
}

// TestFibersCacheMiddleware: Fiber's own cache goes by the path alone and never looks
// at Cache-Control or Vary. It must therefore stand below us and have the user in its
// key; that is what holds, and this test is where the documentation takes it from.
func TestFibersCacheMiddleware(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Use(cacheLikeFibers(func(c *fiber.Ctx) string {
			key := strings.Clone(c.Path())
			if user := cognito.UserFrom(c); user != nil {
				key = user.Subject() + " " + key
			}
			return key
		}))
		lab.Pages(app)
	})
	alice, bob := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie), s.Finish(s.Answered("bob")).Cookie(lab.IsSessionCookie)
	for range 2 { // the second time from the cache
		for _, row := range []struct {
			want   string
			cookie *http.Cookie
		}{{"hello alice@example.com", alice}, {"hello bob@example.com", bob}, {"hello stranger", nil}} {
			r := lab.Request{Path: "/"}
			if row.cookie != nil {
				r.Cookies = []*http.Cookie{row.cookie}
			}
			if res := s.Send(r); res.Text != row.want {
				t.Errorf("the cache answered %q, want %q", res.Text, row.want)
			}
		}
	}
	if res := s.Send(lab.Request{Path: "/", Cookies: []*http.Cookie{alice}}); res.Header.Get("X-Cache") != "hit" {
		t.Error("nothing ever came from the cache, so nothing was tried")
	}
}

// cacheLikeFibers does what fiber/middleware/cache does, which needs a module
// that this one does without: it keeps bodies by key, whatever headers say.
func cacheLikeFibers(key func(*fiber.Ctx) string) fiber.Handler {
	var mu sync.Mutex
	bodies := map[string][]byte{}
	return func(c *fiber.Ctx) error {
		k := key(c)
		mu.Lock()
		body, hit := bodies[k]
		mu.Unlock()
		if hit {
			c.Set("X-Cache", "hit")
			return c.Send(body)
		}
		if err := c.Next(); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		bodies[k] = bytes.Clone(c.Response().Body())
		return nil
	}
}

// TestRefererThatLooksLikeACookie: a link may hold anything, and its address
// comes with every request of the page that it led to. It must neither sign the
// visitor out nor keep a logout from ending the session.
func TestRefererThatLooksLikeACookie(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	link := s.URL + "/?q=1;=" + alice.Name + "=1"
	for _, name := range []string{"Referer", "X-Forwarded-Uri", "HX-Current-URL"} {
		for _, value := range []string{link, link + ";=" + alice.Name + "=1", ";=" + alice.Name + "=1", "=" + alice.Name + "=1"} {
			res := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{alice}, Header: map[string]string{name: value}})
			if res.StatusCode != http.StatusOK {
				t.Errorf("with %s: %s, /me answers %s", name, value, lab.StatusLine(res))
			}
		}
	}
	out := lab.LogOut(alice)
	out.Header = map[string]string{"Referer": link, "Sec-Fetch-Site": "same-origin"}
	s.MustLogOut(s.Send(out))
	s.MustBe("", alice)
}

// TestNamelessCookieThroughAnAdaptor: in an app that is served by net/http, the request
// comes without its raw headers, and with cookies that fasthttp has split.
func TestNamelessCookieThroughAnAdaptor(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	server := httptest.NewServer(adaptor.FiberApp(s.App))
	defer server.Close()
	for cookies, want := range map[string]string{
		alice.Name + "=" + alice.Value:                                          "hello alice@example.com",
		"=" + alice.Name + "=" + alice.Value:                                    "hello stranger",
		"a=b; =" + alice.Name + "=" + alice.Value:                               "hello stranger",
		"=\t" + alice.Name + "=" + alice.Value:                                  "hello stranger",
		"=\" " + alice.Name + "=" + alice.Value + "\"":                          "hello stranger",
		alice.Name + "=" + alice.Value + "; =" + alice.Name + "=" + alice.Value: "hello stranger",
		"a=" + alice.Name + "=1; " + alice.Name + "=" + alice.Value + "; b=c":   "hello alice@example.com",
	} {
		req, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Cookie", cookies)
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(body) != want {
			t.Errorf("Cookie: %s is answered with %q, want %q: %v", cookies, body, want, err)
		}
	}
}

// TestRenewedCookieInASharedCache: a file is the same for everybody, so the app lets caches keep
// it. When the response also renews the session in its cookie, no cache may keep that: it would
// sign everybody in as alice. All other responses stay as the app wants them.
func TestRenewedCookieInASharedCache(t *testing.T) {
	t.Parallel()
	const forAll = "public, max-age=86400"
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		lab.Pages(app)
		app.Get("/logo.svg", func(c *fiber.Ctx) error {
			c.Set("Cache-Control", forAll)
			c.Set("CDN-Cache-Control", forAll)
			c.Set("Surrogate-Control", forAll)
			return c.SendString("a logo")
		})
	}, lab.InCookies)
	alice := s.SignIn("alice")
	for _, renewed := range []bool{false, true, false} {
		if renewed {
			s.Pool.Advance(50 * time.Minute)
		}
		res := s.Send(lab.Request{Path: "/logo.svg", Cookies: []*http.Cookie{alice}})
		set, want := res.Cookie(lab.IsSessionCookie), forAll
		if renewed {
			want = "private, no-store"
		}
		if (set != nil) != renewed || res.Header.Get("Cache-Control") != want || (res.Header.Get("CDN-Cache-Control") == "") != renewed || (res.Header.Get("Surrogate-Control") == "") != renewed {
			t.Errorf("renewed %t: a cookie %t, and the headers %v", renewed, set != nil, res.Header)
		}
		if set != nil {
			alice = set
		}
	}
	s.MustBe("alice", alice)
}
