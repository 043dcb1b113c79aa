package cognito_test

import (
	"html"
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
)

// loginsWith serves handlers that send to the login with options.
func loginsWith(t *testing.T, options cognito.LoginOptions, hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	return lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.All("/start", func(c *fiber.Ctx) error { return auth.Login(c, options) })
		app.Get("/url", func(c *fiber.Ctx) error { return c.SendString(auth.LoginURL(options)) })
		lab.Pages(app)
	}, hooks...)
}

var asPage = map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

// TestLoginFromAHandler: a handler begins a login with wishes of its own, and the
// visitor comes back to where it says.
func TestLoginFromAHandler(t *testing.T) {
	t.Parallel()
	options := cognito.LoginOptions{ReturnTo: "/me?tab=2", LoginHint: "alice", Lang: "de", Prompt: "login", MaxAge: time.Minute, Levels: []string{"urn:cognito:loa:1"}}
	s := loginsWith(t, options)
	asked := s.Send(lab.Request{Path: "/start", Header: asPage}).Target().Query()
	for name, want := range map[string]string{
		"login_hint": "alice", "lang": "de", "prompt": "login", "max_age": "60", "acr_values": "urn:cognito:loa:1",
		"response_type": "code", "code_challenge_method": "S256", "client_id": s.Pool.Config().ClientID,
	} {
		if got := asked.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if res := s.Send(lab.Request{Method: http.MethodPost, Path: "/start", Header: asPage}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a form is answered with %s, want 303", lab.StatusLine(res))
	}
	s = loginsWith(t, cognito.LoginOptions{ReturnTo: "/me?tab=2"})
	v := s.Visitor()
	if page := v.Login(s.URL+"/start", "alice", lab.PasswordOf("alice")); page.URL.RequestURI() != "/me?tab=2" || !strings.Contains(page.Body, "alice@") {
		t.Errorf("the login ends at %s", page.URL)
	}
	if res := s.Send(lab.Request{Path: "/start", Header: map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}}); res.StatusCode != http.StatusUnauthorized || res.Problem(t)["login_url"] == "" {
		t.Errorf("a script is answered with %s", lab.StatusLine(res))
	}
}

// TestSilentLoginFromAPage: a page for everybody signs in whom Cognito remembers, as the manual
// has it. Others see the page, and are not sent round and round.
func TestSilentLoginFromAPage(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/news", func(c *fiber.Ctx) error {
			if auth.UserFrom(c) == nil && auth.Err(c) == nil && c.Query("asked") == "" {
				return auth.Login(c, cognito.LoginOptions{Prompt: "none", ReturnTo: "/news?asked=1"})
			}
			return lab.TellWho(c)
		})
		lab.Pages(app)
	})
	v := s.Visitor()
	if page := v.Get(s.URL + "/news"); page.Status != http.StatusOK || page.URL.RequestURI() != "/news?asked=1" || !strings.Contains(page.Body, `"user":null`) {
		t.Errorf("whom Cognito does not know gets %d at %s: %s %v", page.Status, page.URL, page.Body, page.Err)
	}
	v.LogIn()
	// Signed out here, but not at Cognito: a script that asks for JSON is not led there.
	leave, err := http.NewRequest(http.MethodPost, s.URL+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	leave.Header.Set("Sec-Fetch-Mode", "cors")
	leave.Header.Set("Sec-Fetch-Site", "same-origin")
	leave.Header.Set("Accept", "application/json")
	v.Do(leave)
	v.MustBeStranger()
	if page := v.Get(s.URL + "/news"); page.Status != http.StatusOK || !strings.Contains(page.Body, "alice") {
		t.Errorf("whom Cognito remembers gets %d at %s: %s", page.Status, page.URL, page.Body)
	}
}

// TestRefusedLoginForm: a form that begins a login is refused for what it holds, and the page
// that follows says why. That nobody is signed in is not why, and may not even be so.
func TestRefusedLoginForm(t *testing.T) {
	t.Parallel()
	s := lab.ServeAppHandling(t, lab.NewPool(t), cognito.DefaultErrorHandler, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.Post("/start", func(c *fiber.Ctx) error {
			return auth.Login(c, cognito.LoginOptions{LoginHint: c.Query("name")})
		})
		app.Post("/join", func(*fiber.Ctx) error { return cognito.ErrNotAdmitted })
		lab.Pages(app)
	})
	alice := s.SignIn("alice")
	send := func(path string, more ...*http.Cookie) *lab.Answer {
		return s.Send(lab.Request{Method: "POST", Path: path, Cookies: append(more, alice), Header: lab.AsPageWith(map[string]string{"Origin": s.URL})})
	}
	for path, title := range map[string]string{
		"/start?name=" + strings.Repeat("a", 300): "This sign-in link doesn&#39;t work",
		"/join": "You can&#39;t sign in here",
	} {
		page := s.Send(lab.Request{Path: send(path).Header.Get("Location"), Header: lab.AsPage})
		if page.StatusCode != http.StatusOK || !strings.Contains(page.Text, "<h1>"+title+"</h1>") || !strings.Contains(page.Text, "was not processed") {
			t.Errorf("%.20s is refused with %s", path, lab.StatusLine(page))
		}
	}
	if res := send("/start?name=alice"); !strings.HasPrefix(res.Header.Get("Location"), s.Pool.URL()) {
		t.Errorf("the honest form is answered with %s to %q", lab.StatusLine(res), res.Header.Get("Location"))
	}
}

// TestLoginFromAHandlerOnAnotherHost: www is not BaseURL's host, and its cookies do not reach
// the callback. The login begins at BaseURL's, with all that the handler asked for.
func TestLoginFromAHandlerOnAnotherHost(t *testing.T) {
	t.Parallel()
	s := loginsWith(t, cognito.LoginOptions{ReturnTo: "/me?tab=2", LoginHint: "alice", Prompt: "login", MaxAge: time.Minute, Screen: "signup"}, func(c *cognito.Config) {
		c.BaseURL, c.UserPoolDomain, c.UserPoolID, c.Issuer = "https://app.example.com/shop", "auth.example.com", "eu-west-2_AbCdEfGhI", ""
	})
	for method, status := range map[string]int{"GET": http.StatusFound, "POST": http.StatusSeeOther} {
		res := s.Send(lab.Request{Method: method, Path: "/start", Header: map[string]string{"Host": "www.app.example.com", "Accept": "text/html"}})
		const want = "https://app.example.com/shop/login?login_hint=alice&max_age=60&prompt=login&return_to=%2Fme%3Ftab%3D2&screen=signup&from_host"
		if got := res.Header.Get("Location"); res.StatusCode != status || got != want || len(res.Cookies()) > 0 {
			t.Errorf("%s at www is answered with %d to %q and %v, want %q", method, res.StatusCode, got, res.Cookies(), want)
		}
		res = s.Send(lab.Request{Method: method, Path: "/start", Header: map[string]string{"Host": "app.example.com", "Accept": "text/html"}})
		if to := res.Target(); res.StatusCode != status || to.Host != "auth.example.com" || res.Cookie(lab.IsLoginCookie) == nil {
			t.Errorf("%s at BaseURL's host is answered with %d to %s", method, res.StatusCode, to)
		}
	}
}

// TestLoginFromAHandlerInAFrame: a page of another site cannot begin logins in a frame,
// which would push the visitor's own out of its slot.
func TestLoginFromAHandlerInAFrame(t *testing.T) {
	t.Parallel()
	s := loginsWith(t, cognito.LoginOptions{})
	framed := map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "same-site"}
	if res := s.Send(lab.Request{Path: "/start", Header: framed}); res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
		t.Errorf("a frame is answered with %s and %v", lab.StatusLine(res), res.Cookies())
	}
	if res := s.Send(lab.Request{Path: "/start", Header: asPage}); res.StatusCode != http.StatusFound {
		t.Errorf("a page is answered with %s", lab.StatusLine(res))
	}
}

// TestLoginURLIsHeard: what LoginURL writes, LoginPath reads.
func TestLoginURLIsHeard(t *testing.T) {
	t.Parallel()
	s := loginsWith(t, cognito.LoginOptions{ReturnTo: "/me#top", IdentityProvider: "COGNITO", Screen: "signup", MaxAge: time.Hour, Levels: []string{"a", "b"}})
	link := s.Send(lab.Request{Path: "/url"}).Text
	if want := "/login?acr_values=a+b&identity_provider=COGNITO&max_age=3600&return_to=%2Fme%23top&screen=signup"; link != want {
		t.Errorf("the link is %s, want %s", link, want)
	}
	target := s.Send(lab.Request{Path: link, Header: asPage}).Target()
	if asked := target.Query(); target.Path != "/signup" || asked.Get("acr_values") != "a b" || asked.Get("max_age") != "3600" || asked.Get("identity_provider") != "COGNITO" || asked.Has("return_to") || asked.Has("screen") {
		t.Errorf("it leads to %s", target)
	}
}

// TestLoginOptionsAreJudged: what no login can have is refused, and left out of links;
// no option leads off the app.
func TestLoginOptionsAreJudged(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]cognito.LoginOptions{
		"hint with a line break": {LoginHint: "alice\r\nX: y"}, "long hint": {LoginHint: strings.Repeat("a", 300)}, "unknown screen": {Screen: "admin"},
		"half a second": {MaxAge: time.Second / 2}, "negative age": {MaxAge: -time.Minute}, "level with a quote": {Levels: []string{`a"b`}}, "two levels in one": {Levels: []string{"a b"}}, "nine levels": {Levels: strings.Split("a b c d e f g h i", " ")},
	} {
		t.Run(name, func(t *testing.T) {
			s := loginsWith(t, options)
			if res := s.Send(lab.Request{Path: "/start"}); res.StatusCode != http.StatusBadRequest || res.Problem(t)["code"] != "bad_login" {
				t.Errorf("it is answered with %s", lab.StatusLine(res))
			}
			if link := s.Send(lab.Request{Path: "/url"}).Text; link != "/login" {
				t.Errorf("the link is %s", link)
			}
		})
	}
	s := loginsWith(t, cognito.LoginOptions{ReturnTo: "https://evil.example/"})
	if link := s.Send(lab.Request{Path: "/url"}).Text; link != "/login" {
		t.Errorf("the link is %s", link)
	}
	v := s.Visitor()
	if page := v.Login(s.URL+"/start", "alice", lab.PasswordOf("alice")); page.URL.Path != "/" || !strings.HasPrefix(page.URL.String(), s.URL) {
		t.Errorf("the login ends at %s", page.URL)
	}
}

var formOn = regexp.MustCompile(`(?s)<form id="([a-z]+)" method="post" action="([^"]*)"(.*?)</form>`)
var hiddenOn = regexp.MustCompile(`name="(_csrf|registration)" value="([^"]*)"`)

// fill submits the form on a page of the pool's.
func fill(t *testing.T, v *lab.Visitor, page *cognitotest.Page, id string, values url.Values) *cognitotest.Page {
	t.Helper()
	form := formOn.FindStringSubmatch(page.Body)
	if form == nil || form[1] != id {
		t.Fatalf("there is no form %s on %s: %d %s", id, page.URL, page.Status, page.Body)
	}
	for _, hidden := range hiddenOn.FindAllStringSubmatch(form[3], -1) {
		values.Set(hidden[1], hidden[2])
	}
	target, err := page.URL.Parse(html.UnescapeString(form[2]))
	if err != nil {
		t.Fatal(err)
	}
	return v.Post(target.String(), values)
}

var codeOn = regexp.MustCompile(`This one is (\d{6})\.`)

// TestSignUpAndForgottenPassword: links lead to these pages of Cognito's, and from there
// to the app, signed in, by a callback that is judged like every other.
func TestSignUpAndForgottenPassword(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()
	page := fill(t, v, v.Get(s.URL+"/login?screen=signup&return_to=/me"), "signup", url.Values{"username": {"carol"}, "email": {"carol@example.com"}, "password": {"looking-glass"}})
	page = fill(t, v, page, "confirm", url.Values{"code": {"no code"}})
	page = fill(t, v, page, "confirm", url.Values{"code": {codeOn.FindStringSubmatch(page.Body)[1]}})
	if page.URL.Path != "/me" || !strings.Contains(page.Body, "carol@example.com") {
		t.Errorf("signing up ends at %s: %s", page.URL, page.Body)
	}
	v = s.Visitor()
	page = fill(t, v, v.Get(s.URL+"/login?screen=forgot_password&login_hint=alice&return_to=/me"), "forgotten", url.Values{"username": {"alice"}, "password": {"through-the-door"}})
	page = fill(t, v, page, "confirm", url.Values{"code": {codeOn.FindStringSubmatch(page.Body)[1]}})
	if page.URL.Path != "/me" || !strings.Contains(page.Body, "alice@example.com") {
		t.Errorf("another password ends at %s: %s", page.URL, page.Body)
	}
	if page := s.Visitor().Login(s.URL+"/me", "alice", "through-the-door"); page.URL.Path != "/me" {
		t.Errorf("the new password leads to %s", page.URL)
	}
	if res := s.Send(lab.Request{Path: "/login?screen=admin", Header: asPage}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("another screen is answered with %s", lab.StatusLine(res))
	}
}

// TestLoginParameters: what the config adds is sent with every login, a link's own word
// counts more, and what protects the login is nobody's to set.
func TestLoginParameters(t *testing.T) {
	t.Parallel()
	parameters := map[string]string{"lang": "de", "identity_provider": "COGNITO"}
	s := lab.Serve(t, func(c *cognito.Config) { c.LoginParameters, c.Resource = parameters, "https://api.example.com" })
	parameters["lang"] = "fr"
	asked := s.Send(lab.Request{Path: "/login", Header: asPage}).Target().Query()
	if asked.Get("lang") != "de" || asked.Get("identity_provider") != "COGNITO" || asked.Get("resource") != "https://api.example.com" {
		t.Errorf("the login asks for %v", asked)
	}
	if asked := s.Send(lab.Request{Path: "/login?lang=en", Header: asPage}).Target().Query(); asked.Get("lang") != "en" {
		t.Errorf("a link asks for %v", asked)
	}
	v := s.Visitor()
	v.LogIn()
	if aud := lab.Decode(t, v.Get(s.URL+"/payload").Body)["aud"]; aud != "https://api.example.com" {
		t.Errorf("the access token is for %v", aud)
	}
}

// TestReturnToKeepsAFragment: a fragment that arrives percent-encoded is where the
// visitor comes back to.
func TestReturnToKeepsAFragment(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	res := s.Finish(lab.Halfway(s, "alice", "return_to=/me?tab=2%23section/3"))
	if to := res.Header.Get("Location"); to != "/me?tab=2#section/3" {
		t.Errorf("the login ends at %q", to)
	}
	for _, evil := range []string{"#//evil.example", "/login%23x", "//evil.example%23/me", `/\evil.example%23`, "/%23%0d%0aX: y"} {
		res := s.Finish(lab.Halfway(s, "alice", "return_to="+strings.ReplaceAll(evil, " ", "+")))
		if to := res.Header.Get("Location"); to != "/" {
			t.Errorf("%s: the login ends at %q", evil, to)
		}
	}
}

// TestLogoutTo: a handler signs out and leads to a page of its own, through Cognito and
// AfterLogout; nowhere else, and once.
func TestLogoutTo(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Post("/leave", func(c *fiber.Ctx) error { return auth.LogoutTo(c, c.Query("to")) })
		app.Get("/bye", func(c *fiber.Ctx) error { return c.SendString("bye " + c.Query("name")) })
		lab.Pages(app)
	})
	v := s.Visitor()
	v.LogIn()
	if page := v.Post(s.URL+"/leave?to=/bye?name=alice", nil); page.URL.Path != "/bye" || page.Body != "bye alice" {
		t.Errorf("the sign-out ends at %s: %s", page.URL, page.Body)
	}
	v.MustBeStranger()
	for _, evil := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/login", "", "/"} {
		v.LogIn()
		if page := v.Post(s.URL+"/leave?to="+url.QueryEscape(evil), nil); page.URL.String() != s.URL+"/" {
			t.Errorf("%s: the sign-out ends at %s", evil, page.URL)
		}
	}
	v.LogIn()
	if page := v.Post(s.URL+"/logout?return_to=/bye?name=bob", nil); page.Body != "bye bob" {
		t.Errorf("the sign-out of a form ends at %s: %s", page.URL, page.Body)
	}
	v.LogIn()
	asks := v.Get(s.URL + "/logout?return_to=" + url.QueryEscape(`/bye?name="><script>`))
	form := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindStringSubmatch(asks.Body)
	if page := v.Post(s.URL+html.UnescapeString(form[1]), nil); page.Body != `bye "><script>` {
		t.Errorf("the page that asks leads to %s: %s", page.URL, page.Body)
	}
	// Whoever writes such a cookie leads a stranger to a page of the app, at most.
	name := s.Visitor()
	name.LogIn()
	cookie := &http.Cookie{Name: name.SessionCookie().Name + "_out", Value: "Ly9ldmlsLmV4YW1wbGU"}
	if res := s.Send(lab.Request{Path: "/", Cookies: []*http.Cookie{cookie}, Header: asPage}); res.Header.Get("Location") != "" {
		t.Errorf("a cookie of somebody else's leads to %q", res.Header.Get("Location"))
	}
	name.MustBeSignedIn()
}

// TestLogoutToAfterLogin: where logins end is as good a page to end at as any other.
func TestLogoutToAfterLogin(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Post("/leave", func(c *fiber.Ctx) error { return auth.LogoutTo(c, "/public") })
		lab.Pages(app)
	}, func(c *cognito.Config) { c.AfterLogin = "/public" })
	v := s.Visitor()
	v.LogIn()
	if page := v.Post(s.URL+"/leave", nil); page.URL.Path != "/public" {
		t.Errorf("the sign-out ends at %s", page.URL)
	}
	v.MustBeStranger()
}
