package cognito_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"log"
	"log/slog"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/cors"
)

// Guards decide who may do what, and what everybody else is told: a person
// gets a page, a script gets a status.

// TestGroupLookalikes: a group counts by its whole name, letter by letter, in a list of
// names; anything else in its place is no group at all.
func TestGroupLookalikes(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/one", cognito.RequireGroup("admin"), lab.TellWho)
		app.Get("/two", auth.RequireGroup("editor", "admin"), lab.TellWho)
	}, lab.TakesBearer)
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
		token := s.Pool.AccessToken("", "bob", map[string]any{"cognito:groups": row.groups})
		for _, path := range []string{"/one", "/two"} {
			if res := s.Bring(path, token); res.StatusCode != row.status {
				t.Errorf("%s: %s got %s, want %d", row.name, path, lab.StatusLine(res), row.status)
			}
		}
	}
	editor := s.Pool.AccessToken("", "bob", map[string]any{"cognito:groups": []string{"editor"}})
	if one, two := s.Bring("/one", editor), s.Bring("/two", editor); one.StatusCode != 403 || two.StatusCode != 200 {
		t.Errorf("any of several groups: %d and %d, want 403 and 200", one.StatusCode, two.StatusCode)
	}
}

// TestScopeLookalikes: scopes are a text with blanks between, and nothing else
// separates them (RFC 6749 section 3.3).
func TestScopeLookalikes(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
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
		token := s.Pool.AccessToken("", "bob", map[string]any{"scope": row.scope})
		if read, write := s.Bring("/read", token), s.Bring("/write", token); read.StatusCode != row.read || write.StatusCode != row.write {
			t.Errorf("%s: %d and %d, want %d and %d", row.name, read.StatusCode, write.StatusCode, row.read, row.write)
		}
	}
}

// TestGuardsOfASession proves the same guards for a visitor with a cookie, and
// the general guard with a function of the user.
func TestGuardsOfASession(t *testing.T) {
	t.Parallel()
	named := func(name string) func(*cognito.User) bool {
		return func(user *cognito.User) bool { return user.Username() == name }
	}
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/admin", cognito.RequireGroup("admin"), lab.TellWho)
		app.Get("/email", cognito.RequireScope("email"), lab.TellWho)
		app.Get("/phone", auth.RequireScope("openid", "phone"), lab.TellWho)
		app.Get("/alice", cognito.Require(named("alice")), lab.TellWho)
		app.Get("/bob", auth.Require(named("bob")), lab.TellWho)
		app.Get("/all", cognito.RequireUser(), auth.RequireGroup("admin"), cognito.RequireScope("openid"), auth.Require(named("alice")), lab.TellWho)
	})
	want := map[string]map[string]int{
		"alice": {"/admin": 200, "/email": 200, "/phone": 403, "/alice": 200, "/bob": 403, "/all": 200},
		"bob":   {"/admin": 403, "/email": 200, "/phone": 403, "/alice": 403, "/bob": 200, "/all": 403},
	}
	for name, statuses := range want {
		v := s.Visitor()
		v.Login(s.URL+"/login", name, lab.PasswordOf(name))
		for path, status := range statuses {
			res := s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{v.SessionCookie()}})
			if res.StatusCode != status || res.Header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s at %s: %s, want %d", name, path, lab.StatusLine(res), status)
			}
			if stranger := s.Send(lab.Request{Path: path}); stranger.StatusCode != http.StatusUnauthorized {
				t.Errorf("a stranger at %s: %s, want 401", path, lab.StatusLine(stranger))
			}
		}
	}
}

// TestEmptyGuards: a guard that asks for nothing, or for what nobody can have, is a
// mistake that shows when the app starts.
func TestEmptyGuards(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	groups, scopes := []string{"admin"}, []string{"api/read"}
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/admin", auth.RequireGroup(groups...), lab.TellWho)
		app.Get("/read", cognito.RequireScope(scopes...), lab.TellWho)
	}, lab.TakesBearer)
	groups[0], scopes[0] = "user", "openid"
	token := s.Pool.AccessToken("", "bob", map[string]any{"cognito:groups": []string{"user"}, "scope": "openid"})
	for _, path := range []string{"/admin", "/read"} {
		if res := s.Bring(path, token); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s got %s, want 403", path, lab.StatusLine(res))
		}
	}
	token = s.Pool.AccessToken("", "bob", map[string]any{"cognito:groups": []string{"admin"}, "scope": "api/read"})
	for _, path := range []string{"/admin", "/read"} {
		s.MustSay("bob", s.Bring(path, token))
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
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/early/user", cognito.RequireUser(), secret)
		app.Get("/early/group", cognito.RequireGroup("admin"), secret)
		app.Get("/early/scope", auth.RequireScope("openid"), secret)
		app.Get("/early/fresh", auth.RequireFreshLogin(time.Hour), secret)
		app.Get("/early/any", cognito.Require(func(*cognito.User) bool { return true }), secret)
		app.Use(auth.Handler())
		app.Get("/other", other.RequireUser(), secret)
		app.Get("/skipped", cognito.RequireUser(), secret)
		app.Get("/covered", cognito.RequireUser(), secret)
	}, lab.TakesBearer, func(c *cognito.Config) {
		c.Next = func(c *fiber.Ctx) bool { return c.Path() == "/skipped" }
	})
	token := s.Pool.AccessToken("", "alice", nil)
	for _, path := range []string{"/early/user", "/early/group", "/early/scope", "/early/fresh", "/early/any", "/other", "/skipped"} {
		for _, res := range []*lab.Answer{s.Bring(path, token), s.Send(lab.Request{Path: path, Header: lab.AsPage})} {
			if res.StatusCode != http.StatusInternalServerError || strings.Contains(res.Text, "secret") {
				t.Errorf("%s got %s, want 500", path, lab.StatusLine(res))
			}
			if strings.Contains(res.Text, "app.Use") || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s tells a stranger %q, Cache-Control %q", path, res.Text, res.Header.Get("Cache-Control"))
			}
		}
		if text := heard.String(); !strings.Contains(text, "path="+path) || !strings.Contains(text, "app.Use") {
			t.Errorf("the log does not say what is wrong with %s: %s", path, text)
		}
	}
	if res := s.Bring("/covered", token); res.Text != "secret" {
		t.Errorf("the covered route got %s", lab.StatusLine(res))
	}
}

// hearDefaultLog has the process's default logger write to a buffer until the
// test ends.
func hearDefaultLog(t *testing.T) *lab.LockedBuffer {
	t.Helper()
	heard := &lab.LockedBuffer{}
	logger, output, flags := slog.Default(), log.Writer(), log.Flags()
	slog.SetDefault(slog.New(slog.NewTextHandler(heard, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(func() {
		slog.SetDefault(logger)
		log.SetOutput(output) // which SetDefault has replaced
		log.SetFlags(flags)
	})
	return heard
}

// TestStreamsAndPrerenders: they are told 401 and where to log in, for an event stream
// or a WebSocket cannot follow a redirect to a page.
func TestStreamsAndPrerenders(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	const html = "text/html,application/xhtml+xml,*/*;q=0.8"
	for name, header := range map[string]map[string]string{
		"event stream":                {"Accept": "text/event-stream", "Cache-Control": "no-cache"},
		"event stream of a browser":   {"Accept": "text/event-stream", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
		"WebSocket of a browser":      {"Sec-Fetch-Mode": "websocket", "Upgrade": "websocket", "Connection": "Upgrade", "Accept": html},
		"prerender":                   lab.AsPageWith(map[string]string{"Sec-Purpose": "prefetch;prerender"}),
		"WebSocket of an old browser": {"Upgrade": "websocket", "Connection": "Upgrade", "Accept": html},
		"prefetch of a proxy":         lab.AsPageWith(map[string]string{"Sec-Purpose": "prefetch;anonymous-client-ip"}),
		"prefetch of an old Firefox":  {"X-Moz": "prefetch", "Accept": html},
		"jQuery":                      {"X-Requested-With": "xmlhttprequest", "Accept": html},
		"boosted link":                lab.AsPageWith(map[string]string{"HX-Request": "true", "HX-Boosted": "true"}),
	} {
		res := s.Send(lab.Request{Path: "/me", Header: header})
		if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Location") != "" || len(res.Cookies()) != 0 {
			t.Errorf("%s: %s to %q with %v, want 401", name, lab.StatusLine(res), res.Header.Get("Location"), res.Cookies())
			continue
		}
		if problem := res.Problem(t); problem["code"] != "not_signed_in" || problem["title"] != "Please sign in" || problem["login_url"] != "/login" {
			t.Errorf("%s: the problem is %v", name, problem)
		}
	}
	if res := s.Send(lab.Request{Path: "/me", Header: lab.AsPage}); res.StatusCode != http.StatusFound {
		t.Errorf("a person: %s, want the login", lab.StatusLine(res))
	}
}

// TestHTMXComesBack proves that an HTMX page is sent to log in as a whole, and
// then comes back to where it was, not to the fragment that it asked for.
func TestHTMXComesBack(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	for current, back := range map[string]string{
		s.URL + "/cart?item=7#/steps/2":         "/cart?item=7#/steps/2",
		s.URL + "/#/orders":                     "/#/orders",
		"https://proxied.example/cart":          "/cart", // the path is ours, by whatever name
		s.URL + "/":                             "",
		s.URL + "/logout":                       "",
		"":                                      "",
		"mailto:cart@evil.example":              "",
		s.URL + "/" + strings.Repeat("x", 2048): "",
	} {
		res := s.Send(lab.Request{Path: "/me", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": current}})
		login, err := url.Parse(res.Header.Get("HX-Redirect"))
		if err != nil || res.StatusCode != http.StatusUnauthorized || login.Path != "/login" || login.Query().Get("return_to") != back {
			t.Errorf("%.60q: %d and %q, want to come back to %q", current, res.StatusCode, login, back)
		}
		if problem := res.Problem(t); problem["login_url"] != login.String() {
			t.Errorf("login_url is %v, want %q", problem["login_url"], login)
		}
	}
	plain := s.Send(lab.Request{Path: "/me", Header: map[string]string{"HX-Current-URL": s.URL + "/cart"}})
	if plain.Header.Get("HX-Redirect") != "" || plain.Problem(t)["login_url"] != "/login" {
		t.Errorf("without HTMX: %q, %s", plain.Header.Get("HX-Redirect"), plain.Text)
	}
	v := s.Visitor()
	v.LogIn()
	me := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{v.SessionCookie()}, Header: map[string]string{"HX-Request": "true"}})
	if me.StatusCode != http.StatusOK || me.Header.Get("HX-Redirect") != "" {
		t.Errorf("signed in: %s, HX-Redirect %q", lab.StatusLine(me), me.Header.Get("HX-Redirect"))
	}
}

// TestHomeOfAPrefix proves that a login comes back to the app's home, where a proxy serves it
// at the prefix without a slash, as Traefik and Kubernetes' ingresses do.
func TestHomeOfAPrefix(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.BaseURL = "http://localhost:8021/shop" })
	const shop = "http://localhost:8021/shop"
	for page, back := range map[string]string{
		shop:                     "",
		shop + "?sale=1":         "/?sale=1",
		shop + "/?sale=1":        "/?sale=1",
		shop + "/cart":           "/cart",
		shop + "/shop":           "/shop",
		shop + "ping?sale=1":     "", // the page of another app
		shop + ".example?sale=1": "",
	} {
		res := s.Send(lab.Request{Path: "/me", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": page}})
		login, err := url.Parse(res.Header.Get("HX-Redirect"))
		if err != nil || login.Path != "/shop/login" || login.Query().Get("return_to") != back {
			t.Errorf("HTMX at %s is led to %s, want to come back to %q", page, login, back)
		}
		form := map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html", "Referer": page}
		if back == "" && page != shop {
			back = "/me" // where the form was sent to
		}
		if got := s.Send(lab.Request{Method: "POST", Path: "/me", Header: form}).Target().Query().Get("return_to"); got != back {
			t.Errorf("a form at %s comes back to %q, want %q", page, got, back)
		}
	}
}

// TestRefusedVisitorSignsOut proves that whoever may not sign in here is not stuck. The classic
// hosted UI does not ask them anew, whatever the login says, and an app whose pages all require
// a user shows them no way to sign out.
func TestRefusedVisitorSignsOut(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{ClassicHostedUI: true})
	t.Cleanup(pool.Close)
	s := lab.ServeWith(t, pool, func(c *cognito.Config) {
		c.OnLogin = func(_ *fiber.Ctx, user *cognito.User) error {
			if user.Username() == "bob" {
				return errors.New("bob may not")
			}
			return nil
		}
	})
	v := s.Visitor()
	way := func(page *cognitotest.Page, label string) string {
		t.Helper()
		found := regexp.MustCompile(`<a [^>]*href="([^"]+)">` + label + `</a>`).FindStringSubmatch(page.Body)
		if page.Status != http.StatusForbidden || found == nil {
			t.Fatalf("%d without a way to %q: %s", page.Status, label, page.Body)
		}
		return s.URL + html.UnescapeString(found[1])
	}
	refused := v.Login(s.URL+"/me?tab=2", "bob", lab.PasswordOf("bob"))
	again := v.Get(way(refused, "Sign in as someone else"))
	asks, err := http.NewRequest(http.MethodGet, way(again, "Sign out"), nil)
	if err != nil {
		t.Fatal(err)
	}
	asks.Header.Set("Accept", "text/html")
	if page := v.Do(asks); !strings.Contains(page.Body, "<h1>Sign out?</h1>") {
		t.Fatalf("the way out leads to %s: %s", page.URL, page.Body)
	}
	button, err := http.NewRequest(http.MethodPost, asks.URL.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	button.Header.Set("Origin", s.URL)
	button.Header.Set("Accept", "text/html")
	if page := v.Do(button); !strings.HasPrefix(page.URL.String(), s.Pool.URL()) {
		t.Errorf("the sign-out ends at %s, want the login page", page.URL)
	}
	if page := v.Login(s.URL+"/me?tab=2", "alice", lab.PasswordOf("alice")); page.Status != http.StatusOK || !strings.Contains(page.Body, "alice") {
		t.Errorf("alice gets %d: %s", page.Status, page.Body)
	}
}

// TestForbiddenPage proves what somebody sees who is signed in and not
// allowed: a person gets a page with a way to be somebody else, a script a
// problem. Neither says what would be needed.
func TestForbiddenPage(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.All("/admin", cognito.RequireGroup("top-secret-group"), lab.TellWho)
	})
	v := s.Visitor()
	v.Login(s.URL+"/login", "bob", lab.PasswordOf("bob"))
	page := v.Get(s.URL + "/admin?page=2&q=<script>")
	if page.Status != http.StatusForbidden || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("bob got %d %s", page.Status, page.Header.Get("Content-Type"))
	}
	const link = `<a href="/">Back to the app</a>
<a class="quiet" href="/login?prompt=login&amp;return_to=%2Fadmin%3Fpage%3D2%26q%3D%253Cscript%253E">Sign in as someone else</a>`
	if !strings.Contains(page.Body, link) {
		t.Errorf("the page has no %s:\n%s", link, page.Body)
	}
	for _, header := range []string{"Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options"} {
		if page.Header.Get(header) == "" {
			t.Errorf("the page has no %s", header)
		}
	}
	res := s.Send(lab.Request{Method: "POST", Path: "/admin", Cookies: []*http.Cookie{v.SessionCookie()}})
	if problem := res.Problem(t); res.StatusCode != http.StatusForbidden || problem["code"] != "forbidden" || problem["login_url"] != nil {
		t.Errorf("a script got %s", lab.StatusLine(res))
	}
	for _, body := range []string{page.Body, res.Text} {
		if strings.Contains(body, "top-secret-group") {
			t.Errorf("the group's name is told: %s", body)
		}
	}
	// The way that the page offers ends where bob wanted to go, as alice.
	s.Pool.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Groups: []string{"top-secret-group"}})
	after := v.Login(s.URL+"/login?prompt=login&return_to=/admin", "alice", lab.PasswordOf("alice"))
	if after.URL.Path != "/admin" || lab.Decode(t, after.Body)["user"] != "alice" {
		t.Errorf("as alice: %d at %s: %s", after.Status, after.URL, after.Body)
	}
}

// serveVault is an app with a page that wants a fresh login.
func serveVault(t *testing.T, options cognitotest.Options, maxAge time.Duration, hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	pool := cognitotest.New(options)
	t.Cleanup(pool.Close)
	return lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Get("/vault", cognito.RequireFreshLogin(maxAge), func(c *fiber.Ctx) error { return c.SendString("gold") })
	}, hooks...)
}

// TestFreshLogin proves that a login that is too old is renewed with a
// password, by the clock of auth_time, which no refresh moves, and that the
// visitor is brought back to the page.
func TestFreshLogin(t *testing.T) {
	t.Parallel()
	s := serveVault(t, cognitotest.Options{}, 10*time.Minute)
	v := s.Visitor()
	v.LogIn()
	if page := v.Get(s.URL + "/vault"); page.Body != "gold" {
		t.Fatalf("just logged in: %d %s", page.Status, page.Body)
	}
	s.Pool.Advance(9 * time.Minute)
	if page := v.Get(s.URL + "/vault"); page.Body != "gold" {
		t.Errorf("after nine minutes: %d %s", page.Status, page.Body)
	}
	s.Pool.Advance(2 * time.Minute)
	script := s.Send(lab.Request{Path: "/vault", Cookies: []*http.Cookie{v.SessionCookie()}})
	if problem := script.Problem(t); script.StatusCode != http.StatusUnauthorized || problem["code"] != "fresh_login_required" || problem["login_url"] != "/login?prompt=login" {
		t.Errorf("a script got %s", lab.StatusLine(script))
	}
	if page := v.Get(s.URL + "/vault?door=2"); !strings.Contains(page.Body, `type="password"`) {
		t.Fatalf("after eleven minutes the visitor is at %s: %d", page.URL, page.Status)
	}
	v.MustBeSignedIn() // as before, if they turn back here
	page := v.Login(s.URL+"/vault?door=2", "alice", lab.PasswordOf("alice"))
	if page.Body != "gold" || page.URL.RequestURI() != "/vault?door=2" {
		t.Errorf("with the password again: %d %s at %s", page.Status, page.Body, page.URL)
	}
	s.Pool.Advance(61 * time.Minute) // the tokens are renewed, the login is old
	v.MustBeSignedIn()
	if page := v.Get(s.URL + "/vault"); !strings.Contains(page.Body, `type="password"`) {
		t.Errorf("after a renewal the visitor is at %s: %d %s", page.URL, page.Status, page.Body)
	}
	stranger := s.Visitor().Get(s.URL + "/vault")
	if !strings.HasPrefix(stranger.URL.String(), s.Pool.URL()) {
		t.Errorf("a stranger is at %s", stranger.URL)
	}
}

// TestFreshLoginWithoutAuthTime proves that a token which does not say when
// its user logged in is never fresh.
func TestFreshLoginWithoutAuthTime(t *testing.T) {
	t.Parallel()
	s := serveVault(t, cognitotest.Options{}, math.MaxInt64, lab.TakesBearer)
	for _, claim := range []any{nil, "1", true, json.RawMessage("null"), []int64{s.Pool.Now().Unix()}} {
		token := s.Pool.AccessToken("", "alice", map[string]any{"auth_time": claim})
		if res := s.Bring("/vault", token); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("auth_time %v: %s, want 401", claim, lab.StatusLine(res))
		}
	}
	if res := s.Bring("/vault", s.Pool.AccessToken("", "alice", nil)); res.Text != "gold" {
		t.Errorf("with auth_time: %s", lab.StatusLine(res))
	}
}

// TestFreshLoginOnTheClassicHostedUI proves that a hosted UI which ignores
// prompt=login, and sends the visitor back at once with the login of before,
// makes no loop, whatever age is asked for: there is a page, one, and the
// session that the visitor has is untouched.
func TestFreshLoginOnTheClassicHostedUI(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ maxAge, since time.Duration }{
		{10 * time.Minute, 11 * time.Minute},
		// Not one second: auth_time is cut to whole ones, so a login at the end of
		// a second may be older than that at once. And a busy machine takes a while.
		{5 * time.Second, 7 * time.Second},
		{10 * time.Second, 30 * time.Second},
		{time.Minute, 61 * time.Second},
	} {
		t.Run(fmt.Sprintf("%s old, %s wanted", row.since, row.maxAge), func(t *testing.T) {
			s := serveVault(t, cognitotest.Options{ClassicHostedUI: true}, row.maxAge)
			v := s.Visitor()
			v.LogIn()
			cookie, calls := v.SessionCookie(), s.Pool.Calls(cognitotest.Token)
			s.Pool.Advance(row.since)
			page := v.Get(s.URL + "/vault")
			if page.Err != nil || page.Status != http.StatusUnauthorized || len(page.Trail) != 3 {
				t.Fatalf("the visitor is at %s after %d steps: %d %v", page.URL, len(page.Trail), page.Status, page.Err)
			}
			if !strings.Contains(page.Body, "sign out first") || !strings.Contains(page.Body, `href="/login?prompt=login&amp;return_to=%2Fvault"`) {
				t.Errorf("the page says %s", page.Body)
			}
			if got := s.Pool.Calls(cognitotest.Token) - calls; got != 1 {
				t.Errorf("%d codes were exchanged, want 1", got)
			}
			if now := v.SessionCookie(); now == nil || now.Value != cookie.Value {
				t.Errorf("the session cookie is %v, want %v", now, cookie)
			}
			v.MustBeSignedIn()
			// The way out that the page names.
			v.Post(s.URL+"/logout", nil)
			if page := v.Login(s.URL+"/vault", "alice", lab.PasswordOf("alice")); page.Body != "gold" {
				t.Errorf("after signing out and in: %d %s at %s", page.Status, page.Body, page.URL)
			}
		})
	}
}

// TestFreshLoginByScript proves the same of the way that scripts and HTMX are
// told to go: an element that asks again by itself gets a page, and no loop.
func TestFreshLoginByScript(t *testing.T) {
	t.Parallel()
	t.Run("classic hosted UI", func(t *testing.T) {
		s := serveVault(t, cognitotest.Options{ClassicHostedUI: true}, 10*time.Minute)
		v := s.Visitor()
		v.LogIn()
		s.Pool.Advance(11 * time.Minute)
		res := s.Send(lab.Request{Path: "/vault", Cookies: []*http.Cookie{v.SessionCookie()}, Header: map[string]string{"HX-Request": "true", "HX-Current-URL": s.URL + "/vault"}})
		to := res.Header.Get("HX-Redirect")
		if !strings.Contains(to, "prompt=login") {
			t.Fatalf("HTMX got %s, to %q", lab.StatusLine(res), to)
		}
		page := v.Get(s.URL + to)
		if page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, "sign out first") {
			t.Errorf("the visitor is at %s: %d %s", page.URL, page.Status, page.Body)
		}
		v.MustBeSignedIn()
	})
	t.Run("managed login", func(t *testing.T) {
		s := serveVault(t, cognitotest.Options{}, 10*time.Minute)
		v := s.Visitor()
		v.LogIn()
		s.Pool.Advance(11 * time.Minute)
		if page := v.Login(s.URL+"/login?prompt=login&return_to=/vault", "alice", lab.PasswordOf("alice")); page.Body != "gold" {
			t.Errorf("with the password again: %d %s at %s", page.Status, page.Body, page.URL)
		}
	})
	t.Run("a stranger has nothing to prove", func(t *testing.T) {
		s := serveVault(t, cognitotest.Options{ClassicHostedUI: true}, 10*time.Minute)
		if page := s.Visitor().Login(s.URL+"/login?prompt=login&return_to=/vault", "alice", lab.PasswordOf("alice")); page.Body != "gold" {
			t.Errorf("a first login: %d %s at %s", page.Status, page.Body, page.URL)
		}
	})
}

// TestPreflight: the question whether another origin may ask is the app's to answer,
// with its own CORS middleware. Without one, a guarded API says no, and either way it
// says nothing else.
func TestPreflight(t *testing.T) {
	t.Parallel()
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
	plain := lab.ServeAppWith(t, pool, furnish(), lab.TakesBearer)
	open := lab.ServeAppWith(t, pool, furnish(cors.New(cors.Config{AllowOrigins: "https://spa.example.com", AllowHeaders: "Authorization"})), lab.TakesBearer)
	ask := lab.Request{Method: "OPTIONS", Path: "/api/data", Header: map[string]string{
		"Origin": "https://spa.example.com", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization",
	}}
	bare := lab.Request{Method: "OPTIONS", Path: "/api/data"}
	for name, r := range map[string]lab.Request{"preflight": ask, "bare OPTIONS": bare} {
		res := plain.Send(r)
		if res.StatusCode != http.StatusUnauthorized || strings.Contains(res.Text, "data\"") || lab.HasCORS(res.Header) {
			t.Errorf("%s without CORS middleware: %s %v", name, lab.StatusLine(res), res.Header)
		}
	}
	res := open.Send(ask)
	if res.StatusCode != http.StatusNoContent || res.Text != "" || res.Header.Get("Access-Control-Allow-Origin") != "https://spa.example.com" {
		t.Errorf("preflight with CORS middleware: %s %v", lab.StatusLine(res), res.Header)
	}
	for _, s := range []*lab.Site{plain, open} {
		token := map[string]string{"Origin": "https://spa.example.com", "Authorization": "Bearer " + pool.AccessToken("", "alice", nil)}
		if res := s.Send(lab.Request{Method: "POST", Path: "/api/data", Header: token}); res.Text != "data" {
			t.Errorf("the request itself: %s", lab.StatusLine(res))
		}
	}
}

// TestChangesAtThePool: what an administrator changes is seen when the tokens are next
// renewed, which is when they expire at the latest.
func TestChangesAtThePool(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		lab.Pages(app)
		app.Get("/admin", cognito.RequireGroup("admin"), lab.TellWho)
	})
	admin := func(v *lab.Visitor) int {
		return s.Send(lab.Request{Path: "/admin", Cookies: []*http.Cookie{v.SessionCookie()}}).StatusCode
	}
	alice := cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", Groups: []string{"admin"}}
	t.Run("group removed", func(t *testing.T) {
		v := s.Visitor()
		v.LogIn()
		demoted := alice
		demoted.Groups = nil
		s.Pool.SetUser(demoted)
		if got := admin(v); got != http.StatusOK {
			t.Errorf("with a token of before: %d", got)
		}
		s.Pool.Advance(61 * time.Minute)
		if got := admin(v); got != http.StatusForbidden {
			t.Errorf("after the tokens expired: %d, want 403", got)
		}
		v.MustBeSignedIn()
		s.Pool.SetUser(alice)
		s.Pool.Advance(61 * time.Minute)
		if got := admin(v); got != http.StatusOK {
			t.Errorf("with the group back: %d", got)
		}
	})
	for name, end := range map[string]func(){
		"user disabled": func() {
			disabled := alice
			disabled.Disabled = true
			s.Pool.SetUser(disabled)
		},
		"user removed":          func() { s.Pool.RemoveUser("alice") },
		"signed out everywhere": func() { s.Pool.EndSessions("alice") },
	} {
		t.Run(name, func(t *testing.T) {
			s.Pool.SetUser(alice)
			v, w := s.Visitor(), s.Visitor()
			v.LogIn()
			w.LogIn("bob")
			end()
			v.MustBeSignedIn() // for the life of the token
			s.Pool.Advance(61 * time.Minute)
			res := s.Send(lab.Request{Path: "/admin", Cookies: []*http.Cookie{v.SessionCookie()}})
			if res.StatusCode != http.StatusUnauthorized || res.Problem(t)["code"] != "session_ended" {
				t.Errorf("after the tokens expired: %s", lab.StatusLine(res))
			}
			v.MustBeStranger()
			w.MustBeSignedIn()
			s.Pool.SetUser(alice)
			v.LogIn()
		})
	}
}

// TestErrorHandlerAnswersForGuards proves that the app can say everything in
// its own way, with reason, status and bland text at hand, and that what it
// returns tells a stranger no cause.
func TestErrorHandlerAnswersForGuards(t *testing.T) {
	t.Parallel()
	var own []string
	s := lab.ServeAPI(t, func(c *cognito.Config) {
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			own = append(own, err.Error())
			if c.Path() != "/read" {
				return err
			}
			return c.Status(http.StatusTeapot).SendString("no")
		}
	})
	token := s.Pool.AccessToken("", "bob", map[string]any{"scope": "openid"})
	res := s.Bring("/read", token)
	if res.StatusCode != http.StatusTeapot || res.Text != "no" || res.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("got %s with challenge %q", lab.StatusLine(res), res.Header.Get("WWW-Authenticate"))
	}
	res = s.Bring("/me", "junk")
	if res.StatusCode != http.StatusUnauthorized || strings.Contains(res.Text, "JWT") || res.Text != "The access token is not valid for this app, or it has expired. Request a new one." {
		t.Errorf("got %s", lab.StatusLine(res))
	}
	// A route of ours has no handler of the app behind it.
	res = s.Send(lab.Request{Path: "/login/redirect?code=y"})
	if res.StatusCode != http.StatusBadRequest || res.Text != "It wasn't started in this browser, or it was started too long ago. Please sign in again." {
		t.Errorf("a stray callback got %s", lab.StatusLine(res))
	}
	if len(own) != 3 || !strings.Contains(own[0], "api/read") || !strings.Contains(own[1], "not a signed JWT") {
		t.Errorf("the handler saw %q", own)
	}
	if bytes.Contains([]byte(s.Logged.String()), []byte(token)) {
		t.Error("the log holds a token")
	}
}

// TestFreshLoginWithAClockSetBack: a login in the future has no age. A minute is
// forgiven, as with tokens.
func TestFreshLoginWithAClockSetBack(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	clock := lab.StopClock(pool)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Get("/vault", cognito.RequireFreshLogin(time.Minute), func(c *fiber.Ctx) error { return c.SendString("gold") })
	}, clock.Hook)
	alice := s.SignIn("alice")
	for _, step := range []struct {
		by   time.Duration
		want int
	}{
		{0, http.StatusOK},
		{10 * time.Minute, http.StatusUnauthorized},
		{-30 * time.Minute, http.StatusUnauthorized},
		{20*time.Minute - 30*time.Second, http.StatusOK},
	} {
		clock.Advance(step.by)
		if res := s.Send(lab.AsScript("/vault", alice)); res.StatusCode != step.want {
			t.Errorf("after %s more: %s, want %d", step.by, lab.StatusLine(res), step.want)
		}
	}
	clock.Advance(30 * time.Second)
}

// TestWaysOnFromARefusal: a page offers what can help. A login does not help
// against another site's form or a link with the wrong method; and whoever is
// not allowed somewhere need not become somebody else to go on.
func TestWaysOnFromARefusal(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Get("/admin", cognito.RequireGroup("nobody's"), lab.TellWho)
	}, func(c *cognito.Config) { c.AfterLogin = "/home" })
	alice := s.SignIn("alice")
	const again, home = `href="/login">Try again<`, `href="/home">Back to the app<`
	const other = `href="/login?prompt=login&amp;return_to=%2Fadmin">Sign in as someone else<`
	for _, row := range []struct {
		name    string
		request lab.Request
		first   string
		second  string
	}{
		{"not allowed", lab.Request{Path: "/admin"}, home, other},
		{"wrong method", lab.Request{Path: "/token/refresh"}, home, ""},
		{"another site's form", lab.Request{Path: "/login?refused=cross_origin"}, home, ""}, // where it is led to
		{"a login that is not ours", lab.Request{Path: "/login/redirect?state=x&code=y", Header: map[string]string{}}, again, home},
		{"a broken link to the login", lab.Request{Path: "/login?prompt=a&prompt=b"}, again, home},
	} {
		r := row.request
		header := map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
		for name, value := range r.Header {
			header[name] = value
		}
		r.Header = header
		if r.Path != "/login/redirect?state=x&code=y" { // whoever is signed in just goes on there
			r.Cookies = []*http.Cookie{alice}
		}
		res := s.Send(r)
		links := regexp.MustCompile(`href="[^"]*">[^<]*<`).FindAllString(res.Text, -1)
		if len(links) == 0 || links[0] != row.first || strings.Join(links[1:], "") != row.second {
			t.Errorf("%s: %s with %q", row.name, lab.StatusLine(res), links)
		}
	}
}
