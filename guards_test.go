package cognito_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
)

// Guards decide who may do what, and what everybody else is told: a person
// gets a page, a script gets a status.

// TestGroupLookalikes is the group half of row H11: a group counts by its
// whole name, letter by letter, in a list of names; anything else in its place
// is no group at all.
func TestGroupLookalikes(t *testing.T) {
	s := serveApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/one", cognito.RequireGroup("admin"), tellWho)
		app.Get("/two", auth.RequireGroup("editor", "admin"), tellWho)
	}, takesBearer)
	for _, row := range []struct {
		name   string
		groups any
		status int
	}{
		{"the group", []string{"admin"}, 200},
		{"the group among others", []string{"user", "admin", "editors"}, 200},
		{"the group twice", []string{"admin", "admin"}, 200},
		{"none", nil, 403},
		{"an empty list", []string{}, 403},
		{"a null", json.RawMessage("null"), 403},
		{"longer", []string{"admins"}, 403},
		{"much longer", []string{"administrator"}, 403},
		{"shorter", []string{"admi"}, 403},
		{"a part", []string{"super-admin"}, 403},
		{"upper case", []string{"Admin", "ADMIN"}, 403},
		{"two names in one", []string{"user admin"}, 403},
		{"a comma", []string{"user,admin"}, 403},
		{"blank behind", []string{"admin "}, 403},
		{"blank before", []string{" admin"}, 403},
		{"NUL behind", []string{"admin\x00"}, 403},
		{"a Cyrillic letter", []string{"\u0430dmin"}, 403},
		{"empty", []string{""}, 403},
		{"a string", "admin", 403},
		{"a string of two", "user admin", 403},
		{"an object", map[string]any{"admin": true}, 403},
		{"a list in a list", []any{[]string{"admin"}}, 403},
		{"a number among them", []any{"admin", 7}, 403},
		{"a null among them", []any{nil, "admin"}, 403},
		{"true", true, 403},
	} {
		token := s.pool.AccessToken("", "bob", map[string]any{"cognito:groups": row.groups})
		for _, path := range []string{"/one", "/two"} {
			if res := s.bring(path, token); res.StatusCode != row.status {
				t.Errorf("%s: %s got %s, want %d", row.name, path, statusLine(res), row.status)
			}
		}
	}
	editor := s.pool.AccessToken("", "bob", map[string]any{"cognito:groups": []string{"editor"}})
	if one, two := s.bring("/one", editor), s.bring("/two", editor); one.StatusCode != 403 || two.StatusCode != 200 {
		t.Errorf("any of several groups: %d and %d, want 403 and 200", one.StatusCode, two.StatusCode)
	}
}

// TestScopeLookalikes is the scope half of row H11: scopes are a text with
// blanks between, and nothing else separates them (RFC 6749 section 3.3).
func TestScopeLookalikes(t *testing.T) {
	s := serveAPI(t)
	for _, row := range []struct {
		name  string
		scope any
		read  int // of /read, which asks for api/read
		write int // of /write, which asks for api/write as well
	}{
		{"one", "api/read", 200, 403},
		{"both", "api/read api/write", 200, 200},
		{"both among others", "openid api/write profile api/read", 200, 200},
		{"two blanks", "  api/read  api/write ", 200, 200},
		{"the other", "api/write", 403, 403},
		{"none", nil, 403, 403},
		{"empty", "", 403, 403},
		{"longer", "api/reader", 403, 403},
		{"shorter", "api/rea", 403, 403},
		{"a prefix before", "my-api/read", 403, 403},
		{"upper case", "API/READ api/READ", 403, 403},
		{"the parent", "api", 403, 403},
		{"a wildcard", "api/* *", 403, 403},
		{"commas", "api/read,api/write", 403, 403},
		{"pluses", "openid+api/read", 403, 403},
		{"a tab", "openid\tapi/read", 403, 403},
		{"a newline", "openid\napi/read", 403, 403},
		{"a no-break space", "openid\u00a0api/read", 403, 403},
		{"a list", []string{"api/read", "api/write"}, 403, 403},
		{"an object", map[string]any{"api/read": true}, 403, 403},
		{"true", true, 403, 403},
	} {
		token := s.pool.AccessToken("", "bob", map[string]any{"scope": row.scope})
		if read, write := s.bring("/read", token), s.bring("/write", token); read.StatusCode != row.read || write.StatusCode != row.write {
			t.Errorf("%s: %d and %d, want %d and %d", row.name, read.StatusCode, write.StatusCode, row.read, row.write)
		}
	}
}

// TestGuardsOfASession proves the same guards for a visitor with a cookie, and
// the general guard with a function of the user.
func TestGuardsOfASession(t *testing.T) {
	named := func(name string) func(*cognito.User) bool {
		return func(user *cognito.User) bool { return user.Username() == name }
	}
	s := serveApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/admin", cognito.RequireGroup("admin"), tellWho)
		app.Get("/email", cognito.RequireScope("email"), tellWho)
		app.Get("/phone", auth.RequireScope("openid", "phone"), tellWho)
		app.Get("/alice", cognito.Require(named("alice")), tellWho)
		app.Get("/bob", auth.Require(named("bob")), tellWho)
		app.Get("/all", cognito.RequireUser(), auth.RequireGroup("admin"), cognito.RequireScope("openid"), auth.Require(named("alice")), tellWho)
	})
	want := map[string]map[string]int{
		"alice": {"/admin": 200, "/email": 200, "/phone": 403, "/alice": 200, "/bob": 403, "/all": 200},
		"bob":   {"/admin": 403, "/email": 200, "/phone": 403, "/alice": 403, "/bob": 200, "/all": 403},
	}
	for name, statuses := range want {
		v := s.visitor()
		v.Login(s.url+"/login", name, passwordOf(name))
		for path, status := range statuses {
			res := s.send(request{path: path, cookies: []*http.Cookie{v.sessionCookie()}})
			if res.StatusCode != status || res.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s at %s: %s, want %d", name, path, statusLine(res), status)
			}
			if stranger := s.send(request{path: path}); stranger.StatusCode != http.StatusUnauthorized {
				t.Errorf("a stranger at %s: %s, want 401", path, statusLine(stranger))
			}
		}
	}
}

// TestEmptyGuards is row H11's last part: a guard that asks for nothing, or
// for what nobody can have, is a mistake that shows when the app starts.
func TestEmptyGuards(t *testing.T) {
	auth := idleAuth(t)
	for name, build := range map[string]func() fiber.Handler{
		"no group":             func() fiber.Handler { return cognito.RequireGroup() },
		"groups of a nil":      func() fiber.Handler { return auth.RequireGroup([]string(nil)...) },
		"empty group":          func() fiber.Handler { return cognito.RequireGroup("") },
		"one empty group":      func() fiber.Handler { return auth.RequireGroup("admin", "") },
		"no scope":             func() fiber.Handler { return cognito.RequireScope() },
		"empty scope":          func() fiber.Handler { return auth.RequireScope("") },
		"two scopes in one":    func() fiber.Handler { return cognito.RequireScope("api/read api/write") },
		"scope with a quote":   func() fiber.Handler { return auth.RequireScope(`a"b`) },
		"scope with a newline": func() fiber.Handler { return auth.RequireScope("a\r\nSet-Cookie: x=y") },
		"no age":               func() fiber.Handler { return cognito.RequireFreshLogin(0) },
		"negative age":         func() fiber.Handler { return auth.RequireFreshLogin(-time.Hour) },
		"age in other units":   func() fiber.Handler { return cognito.RequireFreshLogin(300) },
		"no function":          func() fiber.Handler { return cognito.Require(nil) },
		"auth, no function":    func() fiber.Handler { return auth.Require(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "cognito: Require") {
					t.Errorf("the panic says %q, want the guard's name", text)
				}
			}()
			build()
		})
	}
	for _, build := range []func() fiber.Handler{
		func() fiber.Handler { return cognito.RequireGroup("a b", "c") },
		func() fiber.Handler { return cognito.RequireScope("https://api.example.com/read") },
		func() fiber.Handler { return cognito.RequireFreshLogin(time.Second) },
	} {
		if build() == nil {
			t.Error("a sensible guard is nil")
		}
	}
}

// idleAuth is of a pool that is never asked.
func idleAuth(t *testing.T) *cognito.Auth {
	t.Helper()
	auth, err := cognito.NewAuth(cognito.Config{UserPoolDomain: "auth.example.com", ClientID: "client", UserPoolID: "eu-west-2_AbCdEfGhI"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := auth.Close(); err != nil {
			t.Error(err)
		}
	})
	return auth
}

// TestGuardsKeepTheirNames proves that a guard does not change its mind when
// the caller's slice does.
func TestGuardsKeepTheirNames(t *testing.T) {
	groups, scopes := []string{"admin"}, []string{"api/read"}
	s := serveApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/admin", auth.RequireGroup(groups...), tellWho)
		app.Get("/read", cognito.RequireScope(scopes...), tellWho)
	}, takesBearer)
	groups[0], scopes[0] = "user", "openid"
	token := s.pool.AccessToken("", "bob", map[string]any{"cognito:groups": []string{"user"}, "scope": "openid"})
	for _, path := range []string{"/admin", "/read"} {
		if res := s.bring(path, token); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s got %s, want 403", path, statusLine(res))
		}
	}
	token = s.pool.AccessToken("", "bob", map[string]any{"cognito:groups": []string{"admin"}, "scope": "api/read"})
	for _, path := range []string{"/admin", "/read"} {
		s.mustSay("bob", s.bring(path, token))
	}
}

// TestGuardOnUncoveredRoute proves that a guard with no middleware above it
// is a clear mistake and not a silent pass: 500 for everybody, and a line in
// the log that says what to do.
func TestGuardOnUncoveredRoute(t *testing.T) {
	other := idleAuth(t)
	heard := hearDefaultLog(t)

	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	secret := func(c *fiber.Ctx) error { return c.SendString("secret") }
	s := serveAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/early/user", cognito.RequireUser(), secret)
		app.Get("/early/group", cognito.RequireGroup("admin"), secret)
		app.Get("/early/scope", auth.RequireScope("openid"), secret)
		app.Get("/early/fresh", auth.RequireFreshLogin(time.Hour), secret)
		app.Get("/early/any", cognito.Require(func(*cognito.User) bool { return true }), secret)
		app.Use(auth.Handler())
		app.Get("/other", other.RequireUser(), secret)
		app.Get("/skipped", cognito.RequireUser(), secret)
		app.Get("/covered", cognito.RequireUser(), secret)
	}, takesBearer, func(c *cognito.Config) {
		c.Next = func(c *fiber.Ctx) bool { return c.Path() == "/skipped" }
	})
	token := s.pool.AccessToken("", "alice", nil)
	for _, path := range []string{"/early/user", "/early/group", "/early/scope", "/early/fresh", "/early/any", "/other", "/skipped"} {
		for _, res := range []*response{s.bring(path, token), s.send(request{path: path, header: asPage})} {
			if res.StatusCode != http.StatusInternalServerError || strings.Contains(res.body, "secret") {
				t.Errorf("%s got %s, want 500", path, statusLine(res))
			}
			if strings.Contains(res.body, "app.Use") || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s tells a stranger %q, Cache-Control %q", path, res.body, res.Header.Get("Cache-Control"))
			}
		}
		if text := heard.String(); !strings.Contains(text, "path="+path) || !strings.Contains(text, "app.Use") {
			t.Errorf("the log does not say what is wrong with %s: %s", path, text)
		}
	}
	if res := s.bring("/covered", token); res.body != "secret" {
		t.Errorf("the covered route got %s", statusLine(res))
	}
}

// hearDefaultLog has the process's default logger write to a buffer until the
// test ends.
func hearDefaultLog(t *testing.T) *lockedBuffer {
	t.Helper()
	heard := &lockedBuffer{}
	logger, output, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(heard, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() {
		slog.SetDefault(logger)
		log.SetOutput(output) // which SetDefault has replaced
		log.SetFlags(flags)
	})
	return heard
}

// TestUserForgedByAnotherMiddleware proves that no other middleware, and no template value of
// the same name, can make a user: guards and accessors do not read "user".
func TestUserForgedByAnotherMiddleware(t *testing.T) {
	s := serveApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(func(c *fiber.Ctx) error {
			c.Locals("user", &cognito.User{})
			c.Locals("payload", &cognito.Payload{})
			return c.Next()
		})
		app.Get("/who", tellWho)
		app.Get("/me", cognito.RequireUser(), tellWho)
		app.Get("/own", auth.RequireScope("openid"), tellWho)
	})
	if who := decode(t, s.send(request{path: "/who"}).body); who["user"] != nil || who["scope"] != nil {
		t.Errorf("the accessors say %v", who)
	}
	for _, path := range []string{"/me", "/own"} {
		if res := s.send(request{path: path}); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s got %s, want 401", path, statusLine(res))
		}
	}
	v := s.visitor()
	v.Login(s.url+"/login", "alice", passwordOf("alice"))
	s.mustSay("alice", s.send(request{path: "/me", cookies: []*http.Cookie{v.sessionCookie()}}))
}

// TestNobodySignedIn is row A5 for guarded pages: only a person who opens a
// page is sent to log in, and comes back there. Everything else is told 401
// and starts nothing.
func TestNobodySignedIn(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for _, row := range []struct {
		name, method string
		header       map[string]string
		person       bool
	}{
		{"browser", "GET", asPage, true},
		{"browser from a link", "GET", asPageWith(map[string]string{"Sec-Fetch-Site": "cross-site"}), true},
		{"old browser", "GET", map[string]string{"Accept": html}, true},
		{"navigation that takes anything", "GET", map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "*/*"}, true},
		{"HTML better than JSON", "GET", map[string]string{"Accept": "application/json;q=0.5,text/html"}, true},

		{"nothing said", "GET", nil, false},
		{"command line", "GET", map[string]string{"Accept": "*/*"}, false},
		{"JSON", "GET", map[string]string{"Accept": "application/json"}, false},
		{"JSON better than HTML", "GET", map[string]string{"Accept": "application/json,text/html;q=0.9"}, false},
		{"fetch", "GET", map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*"}, false},
		{"fetch of HTML", "GET", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": html}, false},
		{"fetch of the same origin", "GET", map[string]string{"Sec-Fetch-Mode": "same-origin", "Accept": html}, false},
		{"image", "GET", map[string]string{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", "Accept": html}, false},
		{"XMLHttpRequest", "GET", map[string]string{"X-Requested-With": "XMLHttpRequest", "Accept": html}, false},
		{"XMLHttpRequest in lower case", "GET", map[string]string{"X-Requested-With": "xmlhttprequest", "Accept": html}, false},
		{"HTMX", "GET", map[string]string{"HX-Request": "true", "Accept": html}, false},
		{"prefetch", "GET", asPageWith(map[string]string{"Sec-Purpose": "prefetch"}), false},
		{"prerender", "GET", asPageWith(map[string]string{"Sec-Purpose": "prefetch;prerender"}), false},
		{"old prefetch", "GET", asPageWith(map[string]string{"Purpose": "prefetch"}), false},
		{"older prefetch", "GET", asPageWith(map[string]string{"X-Moz": "prefetch"}), false},
		{"WebSocket", "GET", map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Accept": html}, false},
		{"WebSocket of a browser", "GET", map[string]string{"Sec-Fetch-Mode": "websocket", "Upgrade": "websocket", "Accept": html}, false},
		{"event stream", "GET", map[string]string{"Accept": "text/event-stream", "Cache-Control": "no-cache"}, false},
		{"event stream of a browser", "GET", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "text/event-stream"}, false},
		{"form", "POST", asPage, false},
		{"script's POST", "POST", map[string]string{"Accept": "application/json"}, false},
		{"link checker", "HEAD", map[string]string{"Accept": html}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := len(storage.asked("set"))
			res := s.send(request{method: row.method, path: "/me?tab=2", header: row.header})
			if len(res.Cookies()) != 0 || len(storage.asked("set")) != before {
				t.Errorf("a login was begun: %v", res.Cookies())
			}
			if got := res.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control is %q, want no-store", got)
			}
			if row.person {
				if want := "/login?return_to=%2Fme%3Ftab%3D2"; res.StatusCode != http.StatusFound || res.Header.Get("Location") != want {
					t.Errorf("%d to %q, want 302 to %q", res.StatusCode, res.Header.Get("Location"), want)
				}
				return
			}
			if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Location") != "" {
				t.Fatalf("%d to %q, want 401", res.StatusCode, res.Header.Get("Location"))
			}
			if row.method == "HEAD" {
				return
			}
			problem := res.problem(t)
			if problem["code"] != "not_signed_in" || problem["status"] != 401.0 || problem["login_url"] == nil || problem["title"] != "Please sign in" {
				t.Errorf("the problem is %v", problem)
			}
		})
	}
}

// TestLoginIsForPeople is row A5 for LoginPath itself: what is no page visit
// begins no attempt, and other methods do nothing at all.
func TestLoginIsForPeople(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	for _, row := range []struct {
		name, method string
		header       map[string]string
		status       int
	}{
		{"fetch", "GET", map[string]string{"Sec-Fetch-Mode": "cors"}, 401},
		{"image", "GET", map[string]string{"Sec-Fetch-Mode": "no-cors"}, 401},
		{"prefetch", "GET", asPageWith(map[string]string{"Sec-Purpose": "prefetch"}), 401},
		{"prerender", "GET", asPageWith(map[string]string{"Sec-Purpose": "prefetch;prerender"}), 401},
		{"HEAD", "HEAD", asPage, 405},
		{"POST", "POST", asPage, 405},
		{"OPTIONS", "OPTIONS", asPage, 405},
		{"DELETE", "DELETE", nil, 405},
		{"PUT", "PUT", nil, 405},
	} {
		res := s.send(request{method: row.method, path: "/login", header: row.header})
		if res.StatusCode != row.status || len(res.Cookies()) != 0 || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d with %v to %q, want %d", row.name, res.StatusCode, res.Cookies(), res.Header.Get("Location"), row.status)
		}
		if allow := res.Header.Get("Allow"); row.status == 405 && allow != "GET" {
			t.Errorf("%s: Allow is %q, want GET", row.name, allow)
		}
	}
	if calls := storage.asked(""); len(calls) != 0 {
		t.Errorf("the storage was asked %v", calls)
	}
	for name, header := range map[string]map[string]string{"person": asPage, "old browser or test": nil} {
		if res := s.send(request{path: "/login", header: header}); res.StatusCode != http.StatusFound || res.cookie(isLoginCookie) == nil {
			t.Errorf("%s: %s, want a login", name, statusLine(res))
		}
	}
}

// TestHostileHTMXPage proves that HTMX visitors come back to the page they
// were on, and nowhere else: the header is the page's to write.
func TestHostileHTMXPage(t *testing.T) {
	s := serve(t)
	for current, back := range map[string]string{
		s.url + "/cart?item=7#top":             "/cart?item=7",
		"http://localhost:1/cart":              "/cart", // a proxy knows other names; the path is ours
		"":                                     "",
		"/cart":                                "/cart",
		"https://evil.example/steal":           "/steal",
		"https://evil.example":                 "",
		"//evil.example/x":                     "/x",
		"http://localhost//evil.example/x":     "",
		`http://localhost/\evil.example/x`:     "/%5Cevil.example/x",
		"http://localhost/%2F/evil.example":    "/%2F/evil.example",
		"http://localhost/./x":                 "",
		"http://localhost/../x":                "",
		"javascript:alert(1)":                  "",
		"data:text/html,x":                     "",
		"mailto:x@evil.example":                "",
		"http://localhost/login?return_to=/x":  "",
		"http://localhost/logout":              "",
		"http://localhost/" + longText(2000):   "",
		"http://localhost/a%0d%0aSet-Cookie:x": "/a%0d%0aSet-Cookie:x",
		"://":                                  "",
		"http://[::1":                          "",
	} {
		res := s.send(request{path: "/me", header: map[string]string{"HX-Request": "true", "HX-Current-URL": current}})
		if res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%q: %s, want 401", current, statusLine(res))
		}
		login := res.Header.Get("HX-Redirect")
		u, err := url.Parse(login)
		if err != nil || u.IsAbs() || u.Host != "" || u.Path != "/login" || u.Query().Get("return_to") != back {
			t.Errorf("%q leads to %q, want /login and back to %q", current, login, back)
		}
		if problem := res.problem(t); problem["login_url"] != login {
			t.Errorf("login_url is %v, want %q", problem["login_url"], login)
		}
	}
	if res := s.send(request{path: "/me", header: map[string]string{"HX-Current-URL": s.url + "/cart"}}); res.Header.Get("HX-Redirect") != "" || res.problem(t)["login_url"] != "/login" {
		t.Errorf("without HTMX: HX-Redirect %q, %s", res.Header.Get("HX-Redirect"), res.body)
	}
	v := s.visitor()
	v.logIn()
	me := s.send(request{path: "/me", cookies: []*http.Cookie{v.sessionCookie()}, header: map[string]string{"HX-Request": "true"}})
	if me.StatusCode != http.StatusOK || me.Header.Get("HX-Redirect") != "" {
		t.Errorf("signed in: %s, HX-Redirect %q", statusLine(me), me.Header.Get("HX-Redirect"))
	}
}

func longText(n int) string { return strings.Repeat("x", n) }

// TestForbiddenPage proves what somebody sees who is signed in and not
// allowed: a person gets a page with a way to be somebody else, a script a
// problem. Neither says what would be needed.
func TestForbiddenPage(t *testing.T) {
	s := serveApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.All("/admin", cognito.RequireGroup("top-secret-group"), tellWho)
	})
	v := s.visitor()
	v.Login(s.url+"/login", "bob", passwordOf("bob"))
	page := v.Get(s.url + "/admin?page=2&q=<script>")
	if page.Status != http.StatusForbidden || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("bob got %d %s", page.Status, page.Header.Get("Content-Type"))
	}
	const link = `<a href="/login?prompt=login&amp;return_to=%2Fadmin%3Fpage%3D2%26q%3D%253Cscript%253E">Sign in as someone else</a>`
	if !strings.Contains(page.Body, link) {
		t.Errorf("the page has no %s:\n%s", link, page.Body)
	}
	for _, header := range []string{"Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options"} {
		if page.Header.Get(header) == "" {
			t.Errorf("the page has no %s", header)
		}
	}
	res := s.send(request{method: "POST", path: "/admin", cookies: []*http.Cookie{v.sessionCookie()}})
	if problem := res.problem(t); res.StatusCode != http.StatusForbidden || problem["code"] != "forbidden" || problem["login_url"] != nil {
		t.Errorf("a script got %s", statusLine(res))
	}
	for _, body := range []string{page.Body, res.body} {
		if strings.Contains(body, "top-secret-group") {
			t.Errorf("the group's name is told: %s", body)
		}
	}
	// The way that the page offers ends where bob wanted to go, as alice.
	s.pool.SetUser(cognitotest.User{Username: "alice", Password: passwordOf("alice"), Groups: []string{"top-secret-group"}})
	after := v.Login(s.url+"/login?prompt=login&return_to=/admin", "alice", passwordOf("alice"))
	if after.URL.Path != "/admin" || decode(t, after.Body)["user"] != "alice" {
		t.Errorf("as alice: %d at %s: %s", after.Status, after.URL, after.Body)
	}
}

// serveVault is an app with a page that wants a fresh login.
func serveVault(t *testing.T, options cognitotest.Options, maxAge time.Duration, hooks ...func(*cognito.Config)) *site {
	t.Helper()
	pool := cognitotest.New(options)
	t.Cleanup(pool.Close)
	return serveAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		pages(app)
		app.Get("/vault", cognito.RequireFreshLogin(maxAge), func(c *fiber.Ctx) error { return c.SendString("gold") })
	}, hooks...)
}

// TestFreshLogin proves that a login that is too old is renewed with a
// password, by the clock of auth_time, which no refresh moves, and that the
// visitor is brought back to the page.
func TestFreshLogin(t *testing.T) {
	s := serveVault(t, cognitotest.Options{}, 10*time.Minute)
	v := s.visitor()
	v.logIn()
	if page := v.Get(s.url + "/vault"); page.Body != "gold" {
		t.Fatalf("just logged in: %d %s", page.Status, page.Body)
	}
	s.pool.Advance(9 * time.Minute)
	if page := v.Get(s.url + "/vault"); page.Body != "gold" {
		t.Errorf("after nine minutes: %d %s", page.Status, page.Body)
	}
	s.pool.Advance(2 * time.Minute)
	script := s.send(request{path: "/vault", cookies: []*http.Cookie{v.sessionCookie()}})
	if problem := script.problem(t); script.StatusCode != http.StatusUnauthorized || problem["code"] != "fresh_login_required" || problem["login_url"] != "/login?prompt=login" {
		t.Errorf("a script got %s", statusLine(script))
	}
	if page := v.Get(s.url + "/vault?door=2"); !strings.Contains(page.Body, `type="password"`) {
		t.Fatalf("after eleven minutes the visitor is at %s: %d", page.URL, page.Status)
	}
	v.mustBeSignedIn() // as before, if they turn back here
	page := v.Login(s.url+"/vault?door=2", "alice", passwordOf("alice"))
	if page.Body != "gold" || page.URL.RequestURI() != "/vault?door=2" {
		t.Errorf("with the password again: %d %s at %s", page.Status, page.Body, page.URL)
	}
	s.pool.Advance(61 * time.Minute) // the tokens are renewed, the login is old
	v.mustBeSignedIn()
	if page := v.Get(s.url + "/vault"); !strings.Contains(page.Body, `type="password"`) {
		t.Errorf("after a renewal the visitor is at %s: %d %s", page.URL, page.Status, page.Body)
	}
	stranger := s.visitor().Get(s.url + "/vault")
	if !strings.HasPrefix(stranger.URL.String(), s.pool.URL()) {
		t.Errorf("a stranger is at %s", stranger.URL)
	}
}

// TestFreshLoginWithoutAuthTime proves that a token which does not say when
// its user logged in is never fresh.
func TestFreshLoginWithoutAuthTime(t *testing.T) {
	s := serveVault(t, cognitotest.Options{}, 24*365*100*time.Hour, takesBearer)
	for _, claim := range []any{nil, "1", true, json.RawMessage("null"), []int64{s.pool.Now().Unix()}} {
		token := s.pool.AccessToken("", "alice", map[string]any{"auth_time": claim})
		if res := s.bring("/vault", token); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("auth_time %v: %s, want 401", claim, statusLine(res))
		}
	}
	if res := s.bring("/vault", s.pool.AccessToken("", "alice", nil)); res.body != "gold" {
		t.Errorf("with auth_time: %s", statusLine(res))
	}
}

// TestFreshLoginOnTheClassicHostedUI proves that a hosted UI which ignores
// prompt=login, and sends the visitor back at once with the login of before,
// makes no loop, whatever age is asked for: there is a page, one, and the
// session that the visitor has is untouched.
func TestFreshLoginOnTheClassicHostedUI(t *testing.T) {
	for _, row := range []struct{ maxAge, since time.Duration }{
		{10 * time.Minute, 11 * time.Minute},
		{time.Second, 2 * time.Second},
		{10 * time.Second, 30 * time.Second},
		{time.Minute, 61 * time.Second},
	} {
		t.Run(fmt.Sprintf("%s old, %s wanted", row.since, row.maxAge), func(t *testing.T) {
			s := serveVault(t, cognitotest.Options{ClassicHostedUI: true}, row.maxAge)
			v := s.visitor()
			v.logIn()
			cookie, calls := v.sessionCookie(), s.pool.Calls(cognitotest.Token)
			s.pool.Advance(row.since)
			page := v.Get(s.url + "/vault")
			if page.Err != nil || page.Status != http.StatusUnauthorized || len(page.Trail) != 3 {
				t.Fatalf("the visitor is at %s after %d steps: %d %v", page.URL, len(page.Trail), page.Status, page.Err)
			}
			if !strings.Contains(page.Body, "sign out first") || !strings.Contains(page.Body, `href="/login?return_to=%2Fvault"`) {
				t.Errorf("the page says %s", page.Body)
			}
			if got := s.pool.Calls(cognitotest.Token) - calls; got != 1 {
				t.Errorf("%d codes were exchanged, want 1", got)
			}
			if now := v.sessionCookie(); now == nil || now.Value != cookie.Value {
				t.Errorf("the session cookie is %v, want %v", now, cookie)
			}
			v.mustBeSignedIn()
			// The way out that the page names.
			v.Post(s.url+"/logout", nil)
			if page := v.Login(s.url+"/vault", "alice", passwordOf("alice")); page.Body != "gold" {
				t.Errorf("after signing out and in: %d %s at %s", page.Status, page.Body, page.URL)
			}
		})
	}
}

// TestPathTricks is row J3: guards are attached to routes, so whatever way a
// request is spelled, it either does not reach the route or meets its guard.
func TestPathTricks(t *testing.T) {
	for name, settings := range map[string]fiber.Config{
		"as Fiber comes":            {},
		"with paths unescaped":      {UnescapePath: true},
		"strict and with case":      {StrictRouting: true, CaseSensitive: true},
		"unescaped, with case":      {UnescapePath: true, CaseSensitive: true},
		"with an immutable context": {Immutable: true},
	} {
		t.Run(name, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			s := &site{T: t, pool: pool}
			config := pool.Config()
			config.Bearer = true
			auth, err := cognito.NewAuth(config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = auth.Close() })
			settings.DisableStartupMessage = true
			s.app = fiber.New(settings)
			s.app.Use(auth.Handler())
			secret := func(c *fiber.Ctx) error { return c.SendString("secret") }
			s.app.Get("/admin", cognito.RequireGroup("admin"), secret)
			s.app.Group("/area", auth.RequireGroup("admin")).Get("/:id", secret)
			s.url = listen(t, s.app)

			bob := "Authorization: Bearer " + pool.AccessToken("", "bob", nil) + "\r\n"
			for _, target := range []string{
				"/admin", "/ADMIN", "/Admin", "/admin/", "/ADMIN/", "//admin", "/admin//", "/%61dmin", "/%41dmin", "/adm%69n/", "/x/../admin",
				"/./admin", "/%2e/admin", "/x/%2e%2e/admin", "/admin?x=/public", "/admin#public", "/admin;x=y", "/admin%00", "/admin%20", "/admin%2f",
				"/login/../admin", "/admin?next=/login", `/\admin`, "http://localhost/admin", "http://evil.example/ADMIN", "/public?/admin",
				"/area/1", "/AREA/1", "/area/1/", "//area/1", "/%61rea/1", "/x/../area/1", "/area/..%2f1", "/area/%2e%2e", "/area//1",
			} {
				for _, headers := range []string{"", bob} {
					if res := s.exchange("GET "+target, headers); res.StatusCode == http.StatusOK || strings.Contains(res.body, "secret") {
						t.Errorf("GET %s with %.20q: %s", target, headers, statusLine(res))
					}
				}
			}
			alice := "Authorization: Bearer " + pool.AccessToken("", "alice", nil) + "\r\n"
			for _, target := range []string{"/admin", "/area/1"} {
				if res := s.exchange("GET "+target, alice); res.body != "secret" {
					t.Errorf("alice at %s: %s", target, statusLine(res))
				}
			}
		})
	}
}

// TestPreflight is row J4: the question whether another origin may ask is the
// app's to answer, with its own CORS middleware. Without one, a guarded API
// says no, and either way it says nothing else.
func TestPreflight(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	furnish := func(before ...fiber.Handler) func(*fiber.App, *cognito.Auth) {
		return func(app *fiber.App, auth *cognito.Auth) {
			for _, handler := range before {
				app.Use(handler)
			}
			app.Use(auth.Handler())
			app.Use("/api", cognito.RequireUser())
			app.Post("/api/data", func(c *fiber.Ctx) error { return c.SendString("data") })
		}
	}
	plain := serveAppWith(t, pool, furnish(), takesBearer)
	open := serveAppWith(t, pool, furnish(cors.New(cors.Config{AllowOrigins: "https://spa.example.com", AllowHeaders: "Authorization"})), takesBearer)
	ask := request{method: "OPTIONS", path: "/api/data", header: map[string]string{
		"Origin": "https://spa.example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization",
	}}
	bare := request{method: "OPTIONS", path: "/api/data"}
	for name, r := range map[string]request{"preflight": ask, "bare OPTIONS": bare} {
		res := plain.send(r)
		if res.StatusCode != http.StatusUnauthorized || strings.Contains(res.body, "data\"") || hasCORS(res.Header) {
			t.Errorf("%s without CORS middleware: %s %v", name, statusLine(res), res.Header)
		}
	}
	res := open.send(ask)
	if res.StatusCode != http.StatusNoContent || res.body != "" || res.Header.Get("Access-Control-Allow-Origin") != "https://spa.example.com" {
		t.Errorf("preflight with CORS middleware: %s %v", statusLine(res), res.Header)
	}
	for _, s := range []*site{plain, open} {
		token := map[string]string{"Origin": "https://spa.example.com", "Authorization": "Bearer " + pool.AccessToken("", "alice", nil)}
		if res := s.send(request{method: "POST", path: "/api/data", header: token}); res.body != "data" {
			t.Errorf("the request itself: %s", statusLine(res))
		}
	}
}

// hasCORS reports whether any header of the CORS protocol is set.
func hasCORS(header http.Header) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(header)), func(name string) bool {
		return strings.HasPrefix(name, "Access-Control-")
	})
}

// TestChangesAtThePool is row D6: what an administrator changes is seen when
// the tokens are next renewed, which is when they expire at the latest.
func TestChangesAtThePool(t *testing.T) {
	s := serveApp(t, func(app *fiber.App, _ *cognito.Auth) {
		pages(app)
		app.Get("/admin", cognito.RequireGroup("admin"), tellWho)
	})
	admin := func(v *visitor) int {
		return s.send(request{path: "/admin", cookies: []*http.Cookie{v.sessionCookie()}}).StatusCode
	}
	alice := cognitotest.User{Username: "alice", Password: passwordOf("alice"), Email: "alice@example.com", Groups: []string{"admin"}}
	t.Run("group removed", func(t *testing.T) {
		v := s.visitor()
		v.logIn()
		demoted := alice
		demoted.Groups = nil
		s.pool.SetUser(demoted)
		if got := admin(v); got != http.StatusOK {
			t.Errorf("with a token of before: %d", got)
		}
		s.pool.Advance(61 * time.Minute)
		if got := admin(v); got != http.StatusForbidden {
			t.Errorf("after the tokens expired: %d, want 403", got)
		}
		v.mustBeSignedIn()
		s.pool.SetUser(alice)
		s.pool.Advance(61 * time.Minute)
		if got := admin(v); got != http.StatusOK {
			t.Errorf("with the group back: %d", got)
		}
	})
	for name, end := range map[string]func(){
		"user disabled": func() {
			disabled := alice
			disabled.Disabled = true
			s.pool.SetUser(disabled)
		},
		"user removed":          func() { s.pool.RemoveUser("alice") },
		"signed out everywhere": func() { s.pool.EndSessions("alice") },
	} {
		t.Run(name, func(t *testing.T) {
			s.pool.SetUser(alice)
			v, w := s.visitor(), s.visitor()
			v.logIn()
			w.logIn("bob")
			end()
			v.mustBeSignedIn() // for the life of the token
			s.pool.Advance(61 * time.Minute)
			res := s.send(request{path: "/admin", cookies: []*http.Cookie{v.sessionCookie()}})
			if res.StatusCode != http.StatusUnauthorized || res.problem(t)["code"] != "session_ended" {
				t.Errorf("after the tokens expired: %s", statusLine(res))
			}
			v.mustBeStranger()
			w.mustBeSignedIn()
			s.pool.SetUser(alice)
			v.logIn()
		})
	}
}

// TestErrorHandlerAnswersForGuards proves that the app can say everything in
// its own way, with reason, status and bland text at hand, and that what it
// returns tells a stranger no cause.
func TestErrorHandlerAnswersForGuards(t *testing.T) {
	var own []string
	s := serveAPI(t, func(c *cognito.Config) {
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			own = append(own, err.Error())
			if c.Path() == "/me" {
				return err
			}
			return c.Status(http.StatusTeapot).SendString("no")
		}
	})
	token := s.pool.AccessToken("", "bob", map[string]any{"scope": "openid"})
	res := s.bring("/read", token)
	if res.StatusCode != http.StatusTeapot || res.body != "no" || res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("got %s with challenge %q", statusLine(res), res.Header.Get("WWW-Authenticate"))
	}
	res = s.bring("/me", "junk")
	if res.StatusCode != http.StatusUnauthorized || strings.Contains(res.body, "JWT") || res.body != "Your sign-in could not be verified. Please try again." {
		t.Errorf("got %s", statusLine(res))
	}
	if len(own) != 2 || !strings.Contains(own[0], "api/read") || !strings.Contains(own[1], "not a signed JWT") {
		t.Errorf("the handler saw %q", own)
	}
	if bytes.Contains([]byte(s.log.String()), []byte(token)) {
		t.Error("the log holds a token")
	}
}
