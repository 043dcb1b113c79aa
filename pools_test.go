package cognito_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// One app may have several pools, and the middleware may stand anywhere in it.
// Neither may ever make one user another.

// twoPools is an app with two of them: of the staff under /staff and of the
// customers under the usual paths. They know different people, some by the
// same names, and may share a storage.
type twoPools struct {
	*testing.T
	staff, customers *lab.Site
}

func serveTwoPools(t *testing.T, hooks ...func(*cognito.Config)) *twoPools {
	t.Helper()
	two := &twoPools{T: t}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10, ErrorHandler: cognito.DefaultErrorHandler})
	begin := func(client string, paths func(*cognito.Config)) *lab.Site {
		pool := cognitotest.New(cognitotest.Options{UserPoolID: "eu-west-2_" + client, Clients: []cognitotest.Client{{ID: client}}})
		t.Cleanup(pool.Close)
		s := &lab.Site{T: t, Pool: pool, App: app, Logged: &lab.LockedBuffer{}}
		config := pool.Config()
		config.Logger = slog.New(slog.NewTextHandler(s.Logged, nil))
		for _, hook := range append([]func(*cognito.Config){paths}, hooks...) {
			hook(&config)
		}
		auth, err := cognito.NewAuth(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = auth.Close() })
		s.Auth = auth
		app.Use(auth.Handler())
		return s
	}
	two.staff = begin("staff", func(c *cognito.Config) {
		c.LoginPath, c.RedirectPath, c.LogoutPath, c.RefreshPath = "/staff/login", "/staff/login/redirect", "/staff/logout", "/staff/token/refresh"
	})
	two.customers = begin("customers", func(*cognito.Config) {})
	two.furnish(app)
	address := lab.Listen(t, app)
	for _, s := range []*lab.Site{two.staff, two.customers} {
		s.URL = address
		s.Pool.SetClient(cognitotest.Client{
			ID:           s.Pool.Config().ClientID,
			CallbackURLs: []string{address + "/login/redirect", address + "/staff/login/redirect"},
			LogoutURLs:   []string{address + "/"},
		})
		for _, name := range []string{"alice", "bob"} {
			s.Pool.SetUser(cognitotest.User{Username: name, Password: lab.PasswordOf(name), Email: name + "@" + s.Pool.Config().ClientID + ".example"})
		}
	}
	return two
}

// furnish adds pages that say who is there by each middleware, and by the
// nearest, which is the customers'.
func (two *twoPools) furnish(app *fiber.App) {
	emailOf := func(user *cognito.User) string {
		if user == nil {
			return "nobody"
		}
		return user.Email()
	}
	app.All("/who", func(c *fiber.Ctx) error {
		return c.SendString(emailOf(two.staff.Auth.UserFrom(c)) + " " + emailOf(two.customers.Auth.UserFrom(c)) + " " + emailOf(cognito.UserFrom(c)))
	})
	app.Get("/asks-staff", func(c *fiber.Ctx) error { return c.SendString(emailOf(two.staff.Auth.UserFrom(c))) })
	app.All("/staff/only", two.staff.Auth.RequireUser(), func(c *fiber.Ctx) error { return c.SendString(emailOf(two.staff.Auth.UserFrom(c))) })
	app.All("/customers/only", two.customers.Auth.RequireUser(), func(c *fiber.Ctx) error {
		return c.SendString(emailOf(two.customers.Auth.UserFrom(c)))
	})
	app.All("/nearest", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString(emailOf(cognito.UserFrom(c))) })
	app.All("/after/:what", func(c *fiber.Ctx) error {
		switch c.Params("what") {
		case "expiry": // while the handler is at work
			two.staff.Pool.Advance(61 * time.Minute)
			if _, err := two.staff.Auth.AccessToken(c); err != nil {
				return err
			}
		case "logout":
			_ = two.staff.Auth.Logout(c)
		}
		nearest, _ := c.Locals("user").(*cognito.User)
		return c.Status(http.StatusOK).SendString(strings.Join([]string{
			emailOf(two.staff.Auth.UserFrom(c)), emailOf(two.customers.Auth.UserFrom(c)), emailOf(cognito.UserFrom(c)), emailOf(nearest),
		}, " "))
	})
	app.All("/staff/token", func(c *fiber.Ctx) error {
		if _, err := two.staff.Auth.AccessToken(c); err != nil {
			return err
		}
		return c.SendString("a token")
	})
	app.All("/tokens", func(c *fiber.Ctx) error {
		a, _ := two.staff.Auth.AccessToken(c)
		b, _ := two.customers.Auth.AccessToken(c)
		return c.SendString(a + " " + b)
	})
}

// login takes a user through a login by raw requests.
func (two *twoPools) login(s *lab.Site, path, user string) *http.Cookie {
	two.Helper()
	cookie := s.Finish(two.answered(s, path, user)).Cookie(lab.IsSessionCookie)
	if cookie == nil {
		two.Fatalf("%s could not log in at %s", user, path)
	}
	return cookie
}

// answered is a login at a path that the pool has answered.
func (two *twoPools) answered(s *lab.Site, path, user string) *lab.PendingLogin {
	two.Helper()
	res := s.Send(lab.Request{Path: path})
	authorize := res.Target()
	begun := &lab.PendingLogin{State: authorize.Query().Get("state"), Cookie: res.Cookie(lab.IsLoginCookie), Query: authorize.Query()}
	browser := s.Pool.NewBrowser()
	stop := &lab.StopAt{Prefix: begun.Query.Get("redirect_uri"), Next: browser.HTTPClient.Transport}
	browser.HTTPClient.Transport = stop
	browser.Login(authorize.String(), user, lab.PasswordOf(user))
	landed, err := url.Parse(stop.Landed)
	if err != nil || landed.Path == "" {
		two.Fatalf("%s was sent back from %s to %q", user, authorize, stop.Landed)
	}
	begun.Callback = landed.RequestURI()
	return begun
}

func (two *twoPools) mustRead(path, want string, cookies ...*http.Cookie) {
	two.Helper()
	if res := two.staff.Send(lab.Request{Path: path, Cookies: cookies}); res.Text != want {
		two.Errorf("%s says %s, want %s", path, lab.StatusLine(res), want)
	}
}

func (two *twoPools) mustRefuse(path string, cookies ...*http.Cookie) {
	two.Helper()
	if res := two.staff.Send(lab.Request{Path: path, Cookies: cookies}); res.StatusCode != http.StatusUnauthorized {
		two.Errorf("%s says %s, want 401", path, lab.StatusLine(res))
	}
}

// TestFartherMiddlewareOfAStranger: the middleware farther up has seen the stranger as
// well, so a page that asks it says that the answer depends on who asks. Otherwise a
// cache would show it to those who are signed in.
func TestFartherMiddlewareOfAStranger(t *testing.T) {
	t.Parallel()
	two := serveTwoPools(t, func(*cognito.Config) {})
	res := two.staff.Send(lab.Request{Path: "/asks-staff"})
	if res.Text != "nobody" || res.Header.Get("Vary") != "Cookie" {
		t.Errorf("a stranger gets %s with Vary %q, want nobody and Cookie", res.Text, res.Header.Get("Vary"))
	}
}

// TestTwoPoolsSideBySide: a visitor may be signed in to both, to one, or to none, and
// each guard and accessor speaks of its own.
func TestTwoPoolsSideBySide(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(*cognito.Config){"storages of their own": func(*cognito.Config) {}, "one storage": lab.On(lab.NewStore())} {
		t.Run(name, func(t *testing.T) {
			two := serveTwoPools(t, hook)
			staff := two.login(two.staff, "/staff/login", "alice")
			customer := two.login(two.customers, "/login", "alice")
			if staff.Name == customer.Name {
				t.Errorf("both cookies are named %s", staff.Name)
			}
			two.mustRead("/who", "nobody nobody nobody")
			two.mustRead("/who", "alice@staff.example nobody nobody", staff)
			two.mustRead("/who", "nobody alice@customers.example alice@customers.example", customer)
			two.mustRead("/who", "alice@staff.example alice@customers.example alice@customers.example", staff, customer)
			two.mustRead("/staff/only", "alice@staff.example", staff)
			two.mustRead("/customers/only", "alice@customers.example", customer)
			two.mustRead("/nearest", "alice@customers.example", staff, customer)
			two.mustRefuse("/staff/only", customer)
			two.mustRefuse("/customers/only", staff)
			two.mustRefuse("/nearest", staff)

			// A cookie's value under the other's name opens nothing.
			two.mustRefuse("/staff/only", &http.Cookie{Name: staff.Name, Value: customer.Value})
			two.mustRefuse("/customers/only", &http.Cookie{Name: customer.Name, Value: staff.Value})
			two.mustRead("/who", "alice@staff.example alice@customers.example alice@customers.example", staff, customer)

			tokens := strings.Fields(two.staff.Send(lab.Request{Path: "/tokens", Cookies: []*http.Cookie{staff, customer}}).Text)
			if len(tokens) != 2 {
				t.Fatalf("%d tokens", len(tokens))
			}
			lab.MustJudge(t, two.staff.Auth, tokens[0], nil)
			lab.MustJudge(t, two.customers.Auth, tokens[1], nil)
			lab.MustJudge(t, two.staff.Auth, tokens[1], cognito.ErrTokenKey)

			// Each page leads to its own login.
			for path, login := range map[string]string{"/staff/only": "/staff/login", "/customers/only": "/login", "/nearest": "/login"} {
				res := two.staff.Send(lab.Request{Path: path, Header: lab.AsPage})
				if got := res.Target().Path; got != login {
					t.Errorf("%s leads to %s, want %s", path, got, login)
				}
			}
			// Leaving one is not leaving the other.
			res := two.staff.Send(lab.Request{Method: "POST", Path: "/staff/logout", Cookies: []*http.Cookie{staff, customer}})
			if to := res.Target(); !strings.HasPrefix(to.String(), two.staff.Pool.URL()) || to.Query().Get("client_id") != "staff" {
				t.Errorf("the staff's logout leads to %s", to)
			}
			for _, cookie := range res.Cookies() {
				if cookie.Name == customer.Name {
					t.Errorf("the staff's logout touches the customers' cookie: %v", cookie)
				}
			}
			two.mustRead("/who", "nobody alice@customers.example alice@customers.example", staff, customer)
			for path, status := range map[string]int{"/staff/token/refresh": 401, "/token/refresh": 200} {
				res := two.staff.Send(lab.Request{Method: "POST", Path: path, Cookies: []*http.Cookie{staff, customer}})
				if res.StatusCode != status {
					t.Errorf("%s: %s, want %d", path, lab.StatusLine(res), status)
				}
			}
		})
	}
}

// TestOnePoolChangesInAHandler: what a handler does with one pool, be it a renewal or a
// logout, changes that pool's user and not who the nearest middleware says is there.
func TestOnePoolChangesInAHandler(t *testing.T) {
	t.Parallel()
	two := serveTwoPools(t)
	staff, customer := two.login(two.staff, "/staff/login", "alice"), two.login(two.customers, "/login", "bob")
	const nearest = "bob@customers.example bob@customers.example bob@customers.example"
	two.mustRead("/after/nothing", "alice@staff.example "+nearest, staff, customer)
	two.mustRead("/after/expiry", "alice@staff.example "+nearest, staff, customer)
	two.mustRead("/after/logout", "nobody "+nearest, staff, customer)
	two.mustRead("/after/nothing", "nobody "+nearest, staff, customer)
}

// TestErrorOfTheFartherPool: a handler returns the error of an accessor of one pool, and the
// middleware of another is nearer. The answer leads to the login of the pool that was
// asked: signing in at the other would not help, and the visitor would be asked again and
// again.
func TestErrorOfTheFartherPool(t *testing.T) {
	t.Parallel()
	two := serveTwoPools(t)
	customer := two.login(two.customers, "/login", "alice")
	if got := two.staff.Send(lab.AsScript("/staff/token", customer)).Problem(t)["login_url"]; got != "/staff/login" {
		t.Errorf("a script is sent to sign in at %v", got)
	}
	page := two.staff.Send(lab.Request{Path: "/staff/token", Cookies: []*http.Cookie{customer}, Header: lab.AsPage})
	if page.StatusCode != http.StatusUnauthorized || !strings.Contains(page.Text, `href="/staff/login?return_to=%2Fstaff%2Ftoken"`) {
		t.Errorf("a page says %s", lab.StatusLine(page))
	}
	form := two.staff.Send(lab.Request{Method: "POST", Path: "/staff/token", Cookies: []*http.Cookie{customer}, Header: lab.AsPageWith(map[string]string{"Origin": two.staff.URL})})
	if to := form.Target(); form.StatusCode != http.StatusSeeOther || to.Path != "/staff/login" || to.Query().Get("refused") != "not_signed_in" {
		t.Errorf("a form is led to %s with %d", to, form.StatusCode)
	}
	two.mustRead("/staff/token", "a token", two.login(two.staff, "/staff/login", "alice"))
}

// TestLoginMixUp: an answer of one pool that reaches the other's callback is refused
// there, even if the browser, or whoever plays with its cookies, brings the ticket
// under the name that is looked for. No code goes to a pool that did not issue it.
func TestLoginMixUp(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(*cognito.Config){"storages of their own": func(*cognito.Config) {}, "one storage": lab.On(lab.NewStore())} {
		t.Run(name, func(t *testing.T) {
			two := serveTwoPools(t, hook)
			staff, customer := two.answered(two.staff, "/staff/login", "alice"), two.answered(two.customers, "/login", "alice")
			prefixOf := func(p *lab.PendingLogin, other *lab.PendingLogin) *http.Cookie {
				// The value begins with the mark of the app client that it is for.
				_, rest, _ := strings.Cut(p.Cookie.Value, ".")
				mark, _, _ := strings.Cut(other.Cookie.Value, ".")
				return &http.Cookie{Name: p.Cookie.Name, Value: mark + "." + rest}
			}
			for _, row := range []struct {
				name, path string
				from       *lab.PendingLogin
				cookies    []*http.Cookie
			}{
				{"staff's answer at the customers'", "/login/redirect", staff, []*http.Cookie{staff.Cookie}},
				{"customers' answer at the staff's", "/staff/login/redirect", customer, []*http.Cookie{customer.Cookie}},
				{"with both tickets", "/login/redirect", staff, []*http.Cookie{staff.Cookie, customer.Cookie}},
				{"with the ticket marked anew", "/login/redirect", staff, []*http.Cookie{prefixOf(staff, customer)}},
				{"the other way round", "/staff/login/redirect", customer, []*http.Cookie{prefixOf(customer, staff)}},
			} {
				_, query, _ := strings.Cut(row.from.Callback, "?")
				res := two.staff.Send(lab.Request{Path: row.path + "?" + query, Cookies: row.cookies})
				if res.Cookie(lab.IsSessionCookie) != nil || res.StatusCode == http.StatusOK {
					t.Errorf("%s: %s with %v", row.name, lab.StatusLine(res), res.Cookies())
				}
			}
			if calls := two.staff.Pool.Calls(cognitotest.Token) + two.customers.Pool.Calls(cognitotest.Token); calls != 0 {
				t.Errorf("%d codes were sent", calls)
			}
			two.mustRead("/staff/only", "alice@staff.example", two.staff.Finish(staff).Cookie(lab.IsSessionCookie))
			two.mustRead("/customers/only", "alice@customers.example", two.customers.Finish(customer).Cookie(lab.IsSessionCookie))
		})
	}
}

// TestLoginsOfTwoPoolsAtOnce proves that the limit of logins in progress is
// each pool's own: many at one do not push out the only one at the other.
func TestLoginsOfTwoPoolsAtOnce(t *testing.T) {
	t.Parallel()
	two := serveTwoPools(t)
	staff := two.answered(two.staff, "/staff/login", "alice")
	cookies := []*http.Cookie{staff.Cookie}
	for range 6 {
		res := two.customers.Send(lab.Request{Path: "/login", Cookies: cookies})
		for _, cookie := range res.Cookies() {
			if cookie.Name == staff.Cookie.Name {
				t.Fatalf("the staff's login is dropped: %v", cookie)
			}
			if cookie.Value != "" {
				cookies = append(cookies, cookie)
			}
		}
	}
	two.mustRead("/staff/only", "alice@staff.example", two.staff.Finish(staff).Cookie(lab.IsSessionCookie))
}

// TestBearerTokensOfTwoPools proves that a token is its own pool's user's and
// the other pool's nobody, though both are asked about every request.
func TestBearerTokensOfTwoPools(t *testing.T) {
	t.Parallel()
	two := serveTwoPools(t, lab.TakesBearer)
	for _, row := range []struct {
		of, other *lab.Site
		path      string
		elsewhere string
	}{
		{two.staff, two.customers, "/staff/only", "/customers/only"},
		{two.customers, two.staff, "/customers/only", "/staff/only"},
	} {
		token := row.of.Pool.AccessToken("", "alice", nil)
		if res := row.of.Bring(row.path, token); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", row.path, lab.StatusLine(res))
		}
		row.of.MustChallenge(row.of.Bring(row.elsewhere, token), http.StatusUnauthorized, lab.InvalidToken)
	}
}

// places are where in an app the middleware may stand. Each furnishes an app
// and says what its paths begin with.
var places = map[string]struct {
	prefix  string
	furnish func(app *fiber.App, auth *cognito.Auth)
}{
	"app": {"", func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		homeAt(app, auth)
	}},
	"group": {"/shop", func(app *fiber.App, auth *cognito.Auth) {
		group := app.Group("/shop")
		group.Use(auth.Handler())
		homeAt(group, auth)
	}},
	"group with the middleware": {"/shop", func(app *fiber.App, auth *cognito.Auth) {
		homeAt(app.Group("/shop", auth.Handler()), auth)
	}},
	"path": {"/shop", func(app *fiber.App, auth *cognito.Auth) {
		app.Use("/shop", auth.Handler())
		homeAt(app.Group("/shop"), auth)
	}},
	"sub-app": {"/shop", func(app *fiber.App, auth *cognito.Auth) {
		shop := fiber.New()
		shop.Use(auth.Handler())
		homeAt(shop, auth)
		app.Mount("/shop", shop)
	}},
	"sub-app in a group": {"/a/shop", func(app *fiber.App, auth *cognito.Auth) {
		shop := fiber.New()
		shop.Use(auth.Handler())
		homeAt(shop, auth)
		app.Group("/a").Mount("/shop", shop)
	}},
	"above a sub-app": {"", func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		shop := fiber.New()
		homeAt(shop, auth)
		app.Mount("/", shop)
	}},
}

// homeAt adds the pages of a small app.
func homeAt(router fiber.Router, auth *cognito.Auth) {
	router.Get("/home", auth.RequireUser(), func(c *fiber.Ctx) error { return c.SendString("hello " + cognito.UserFrom(c).Email()) })
	router.Get("/bye", func(c *fiber.Ctx) error { return c.SendString(fmt.Sprintf("bye %t", cognito.UserFrom(c) == nil)) })
	router.Get("/admin", cognito.RequireGroup("nobody"), func(c *fiber.Ctx) error { return c.SendString("secret") })
}

// below sets all paths below a prefix.
func below(prefix string) func(*cognito.Config) {
	return func(c *cognito.Config) {
		c.LoginPath, c.RedirectPath, c.LogoutPath, c.RefreshPath = prefix+"/login", prefix+"/login/redirect", prefix+"/logout", prefix+"/token/refresh"
		c.AfterLogin, c.AfterLogout = prefix+"/home", prefix+"/bye"
	}
}

// allowPaths registers the addresses of an app below a prefix at the pool.
func allowPaths(pool *cognitotest.Pool, prefix string) {
	pool.SetClient(cognitotest.Client{
		ID: pool.Config().ClientID, CallbackURLs: []string{prefix + "/login/redirect"}, LogoutURLs: []string{prefix + "/bye"},
	})
}

// TestPlacesInAnApp proves that the middleware works wherever it stands, with
// full paths in its settings: a whole visit, from a guarded page to the page
// after the logout. None of its routes is reported to be out of reach.
func TestPlacesInAnApp(t *testing.T) {
	t.Parallel()
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			s := lab.ServeAppWith(t, pool, place.furnish, below(place.prefix))
			allowPaths(pool, s.URL+place.prefix)
			mustVisit(s, s.URL+place.prefix, place.prefix)
			if strings.Contains(s.Logged.String(), "unreachable") {
				t.Errorf("the log complains: %s", s.Logged.String())
			}
		})
	}
}

// mustVisit is a whole visit to an app that browsers find under an address.
func mustVisit(s *lab.Site, address, prefix string) {
	s.Helper()
	v := s.Visitor()
	page := v.Login(address+"/home?tab=2", "alice", lab.PasswordOf("alice"))
	if page.Body != "hello alice@example.com" || page.URL.String() != address+"/home?tab=2" {
		s.Fatalf("the login ends at %s with %d %s", page.URL, page.Status, page.Body)
	}
	page = v.Get(address + "/admin")
	if want := `href="` + prefix + `/login?prompt=login&amp;return_to=`; page.Status != http.StatusForbidden || !strings.Contains(page.Body, want) {
		s.Errorf("the 403 page has no %s: %d %s", want, page.Status, page.Body)
	}
	s.Pool.Advance(61 * time.Minute)
	if page := v.Get(address + "/home"); page.Body != "hello alice@example.com" {
		s.Errorf("an hour later: %d %s", page.Status, page.Body)
	}
	if page := v.Post(address+"/token/refresh", nil); page.Status != http.StatusOK || !strings.Contains(page.Body, "expires_at") {
		s.Errorf("the renewal: %d %s", page.Status, page.Body)
	}
	if page := v.Get(address + "/login/redirect?code=x&state=y"); page.URL.String() != address+"/home" {
		s.Errorf("a stale callback leads to %s", page.URL)
	}
	page = v.Post(address+"/logout", nil)
	if page.URL.String() != address+"/bye" || page.Body != "bye true" {
		s.Errorf("the logout ends at %s with %d %s", page.URL, page.Status, page.Body)
	}
	page = v.Login(address+"/login", "alice", lab.PasswordOf("alice"))
	if page.URL.String() != address+"/home" {
		s.Errorf("a login without a place to return to ends at %s", page.URL)
	}
}

// stripper is a proxy that takes a prefix off the path.
type stripper struct {
	url    string
	target atomic.Value // the app's address, a string
}

func newStripper(t *testing.T, prefix string) *stripper {
	t.Helper()
	s := &stripper{}
	proxy := &httputil.ReverseProxy{Transport: &http.Transport{DisableKeepAlives: true}, Rewrite: func(r *httputil.ProxyRequest) {
		target, _ := url.Parse(s.target.Load().(string))
		r.SetURL(target)
		r.SetXForwarded()
	}}
	server := httptest.NewServer(lab.ReadWhole(http.StripPrefix(prefix, proxy)))
	t.Cleanup(server.Close)
	s.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return s
}

// TestPathPrefixOfAProxy proves that behind a proxy which strips a prefix all
// that a browser is told carries the prefix, and a whole visit works.
func TestPathPrefixOfAProxy(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	proxy := newStripper(t, "/app")
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		homeAt(app, auth)
	}, below(""), func(c *cognito.Config) { c.BaseURL = proxy.url + "/app" })
	proxy.target.Store(s.URL)
	allowPaths(pool, proxy.url+"/app")
	s.URL = proxy.url
	mustVisit(s, proxy.url+"/app", "/app")
	res := s.Send(lab.Request{Path: "/app/home"})
	if problem := res.Problem(t); problem["login_url"] != "/app/login" {
		t.Errorf("scripts are sent to %v", problem["login_url"])
	}
	res = s.Send(lab.Request{Path: "/app/home", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": proxy.url + "/app/home?tab=3"}})
	if got := res.Header.Get("HX-Redirect"); got != "/app/login?return_to=%2Fhome%3Ftab%3D3" {
		t.Errorf("HTMX is sent to %s", got)
	}
	for _, elsewhere := range []string{"/application/x", "/other", "/", "/app", "/app//evil.example", "/APP/x"} {
		res := s.Send(lab.Request{Path: "/app/home", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": proxy.url + elsewhere}})
		u, err := url.Parse(res.Header.Get("HX-Redirect"))
		if back := u.Query().Get("return_to"); err != nil || u.Path != "/app/login" || strings.HasPrefix(back, "//") || (back != "" && back[0] != '/') {
			t.Errorf("from %s HTMX is sent to %s", elsewhere, u)
		}
	}
}

// TestRouteOutOfReach proves that a route which the middleware can never see,
// because it is mounted elsewhere, is reported when the first request shows
// where: visitors would only ever see a 404.
func TestRouteOutOfReach(t *testing.T) {
	t.Parallel()
	for name, place := range places {
		if place.prefix == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			s := lab.ServeAppWith(t, pool, place.furnish, func(c *cognito.Config) {
				c.LoginPath, c.LogoutPath = place.prefix+"/login", strings.ToUpper(place.prefix)+"/logout" // Fiber's prefixes have no case
			})
			s.Send(lab.Request{Path: place.prefix + "/bye"})
			s.Send(lab.Request{Path: place.prefix + "/bye"})
			for field, times := range map[string]int{"LoginPath": 0, "LogoutPath": 0, "RedirectPath": 1, "RefreshPath": 1} {
				if got := strings.Count(s.Logged.String(), "field="+field+" "); got != times {
					t.Errorf("%s is reported %d times, want %d: %s", field, got, times, s.Logged.String())
				}
			}
		})
	}
}

// TestRegisteredRouteIsInReach: the middleware stands in a group, and its routes are
// registered with the app, as the log advises. Then it complains no more, whichever of
// them is asked for first.
func TestRegisteredRouteIsInReach(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"/shop/home", "/login"} {
		s := lab.ServeAppWith(t, lab.NewPool(t), func(app *fiber.App, auth *cognito.Auth) {
			auth.Register(app)
			homeAt(app.Group("/shop", auth.Handler()), auth)
		})
		s.Send(lab.Request{Path: first})
		if strings.Contains(s.Logged.String(), "unreachable") {
			t.Errorf("after %s the log complains: %s", first, s.Logged.String())
		}
		if page := s.Visitor().Login(s.URL+"/login?return_to=/shop/home", "alice", lab.PasswordOf("alice")); page.Body != "hello alice@example.com" {
			t.Errorf("the login ends at %s: %s", page.URL, page.Body)
		}
	}
}

// TestOneMiddlewareInTwoPlaces proves that one Auth may stand above two parts
// of an app, as long as one of them covers its routes.
func TestOneMiddlewareInTwoPlaces(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		for _, prefix := range []string{"/shop", "/forum"} {
			group := app.Group(prefix, auth.Handler())
			homeAt(group, auth)
		}
	}, below("/shop"))
	allowPaths(pool, s.URL+"/shop")
	v := s.Visitor()
	v.Login(s.URL+"/shop/home", "alice", lab.PasswordOf("alice"))
	for _, path := range []string{"/shop/home", "/forum/home"} {
		if page := v.Get(s.URL + path); page.Body != "hello alice@example.com" {
			t.Errorf("%s: %d %s", path, page.Status, page.Body)
		}
	}
}

// TestTwoPoolsOnTheSamePaths: the first of two middlewares answers for both, so
// nobody could ever sign in to the second pool. The log says so, once, and is
// silent about two that keep apart.
func TestTwoPoolsOnTheSamePaths(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		second func(*cognito.Config)
		fields []string
	}{
		"the same": {func(*cognito.Config) {}, []string{"LoginPath", "RedirectPath", "LogoutPath", "RefreshPath"}},
		"one of them": {func(c *cognito.Config) {
			c.LoginPath, c.LogoutPath, c.RefreshPath = "/b/login", "/b/logout", "/b/refresh"
		}, []string{"RedirectPath"}},
		"none": {func(c *cognito.Config) {
			c.LoginPath, c.RedirectPath, c.LogoutPath, c.RefreshPath = "/b/login", "/b/callback", "/b/logout", "/b/refresh"
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			other := lab.NewPool(t).Config()
			log := &lab.LockedBuffer{}
			other.ClientID, other.Logger = "second", slog.New(slog.NewTextHandler(log, nil))
			row.second(&other)
			second, err := cognito.NewAuth(other)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = second.Close() }()
			s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
				app.Use(second.Handler())
				lab.Pages(app)
			})
			for range 3 {
				s.Send(lab.Request{Path: "/public"})
			}
			for _, field := range []string{"LoginPath", "RedirectPath", "LogoutPath", "RefreshPath"} {
				want := 0
				if slices.Contains(row.fields, field) {
					want = 1
				}
				if told := strings.Count(log.String(), "field="+field+" "); told != want {
					t.Errorf("%s is reported %d times, want %d: %s", field, told, want, log.String())
				}
			}
		})
	}
}
