package cognito_test

import (
	"errors"
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

const highLevel = "urn:cognito:loa:3"

// serveStepUp has pages that want more of a login.
func serveStepUp(t *testing.T, options cognitotest.Options, hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	options.Users = []cognitotest.User{
		{Username: "alice", Password: "wonderland", Email: "alice@example.com", SecondFactor: true},
		{Username: "bob", Password: "builder", Email: "bob@example.com"},
	}
	pool := cognitotest.New(options)
	t.Cleanup(pool.Close)
	return lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.All("/high", auth.RequireLevel(highLevel, "urn:cognito:loa:4"), func(c *fiber.Ctx) error { return c.SendString("high " + auth.UserFrom(c).Email()) })
		app.All("/mfa", cognito.RequireMFA(), func(c *fiber.Ctx) error { return c.SendString("mfa " + cognito.UserFrom(c).Email()) })
		lab.Pages(app)
	}, hooks...)
}

// TestStepUp: a page that wants a level, or two factors, takes the visitor through
// Cognito for it, once; then they pass, also after a renewal.
func TestStepUp(t *testing.T) {
	t.Parallel()
	for path, says := range map[string]string{"/high": "high alice@example.com", "/mfa": "mfa alice@example.com"} {
		t.Run(path, func(t *testing.T) {
			s := serveStepUp(t, cognitotest.Options{Levels: true})
			v := s.Visitor()
			v.LogIn()
			if page := v.Login(s.URL+path+"?tab=2", "alice", "wonderland"); page.URL.RequestURI() != path+"?tab=2" || page.Body != says {
				t.Fatalf("stepping up ends at %s: %d %s", page.URL, page.Status, page.Body)
			}
			logins := s.Pool.Calls(cognitotest.Authorization)
			s.Pool.Advance(lab.JustExpired)
			if page := v.Get(s.URL + path); page.Body != says || s.Pool.Calls(cognitotest.Authorization) != logins {
				t.Errorf("after the renewal: %d %s", page.Status, page.Body)
			}
		})
	}
}

// TestStepUpIsNotReached: a pool that says nothing of levels, the classic hosted UI, and
// a user without a second factor: a page says so, nobody goes round in circles, and the
// visitor stays signed in. What the pool lacks is told to its operator once.
func TestStepUpIsNotReached(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		options cognitotest.Options
		user    string
		told    bool
	}{
		"no levels":        {cognitotest.Options{}, "alice", true},
		"classic":          {cognitotest.Options{Levels: true, ClassicHostedUI: true}, "alice", true},
		"no second factor": {cognitotest.Options{Levels: true}, "bob", false},
	} {
		for _, path := range []string{"/high", "/mfa"} {
			t.Run(name+path, func(t *testing.T) {
				s := serveStepUp(t, row.options)
				v := s.Visitor()
				v.LogIn(row.user)
				for range 2 {
					page := v.Get(s.URL + path)
					if page.Status != http.StatusForbidden || !strings.Contains(page.Body, "Stronger sign-in required") {
						t.Errorf("the page is %d %.200s", page.Status, page.Body)
					}
					if calls := len(page.Trail); calls > 6 {
						t.Errorf("the visitor goes through %d addresses", calls)
					}
				}
				v.MustBeSignedIn()
				if told := strings.Count(s.Logged.String(), "level=ERROR"); (told == 1) != row.told || told > 1 {
					t.Errorf("%d errors are told:\n%s", told, s.Logged.String())
				}
			})
		}
	}
}

// TestStepUpOfScripts: scripts and bearers are challenged (RFC 9470), with where to log
// in for it.
func TestStepUpOfScripts(t *testing.T) {
	t.Parallel()
	s := serveStepUp(t, cognitotest.Options{Levels: true}, lab.TakesBearer)
	alice := s.SignIn("alice")
	res := s.Send(lab.AsScript("/high", alice))
	problem := res.Problem(t)
	if res.StatusCode != http.StatusUnauthorized || problem["code"] != "level_required" || problem["login_url"] != "/login?acr_values=urn%3Acognito%3Aloa%3A3+urn%3Acognito%3Aloa%3A4" {
		t.Errorf("a script gets %s", lab.StatusLine(res))
	}
	s.MustChallenge(s.Bring("/high", s.Pool.AccessToken("", "alice", nil)), http.StatusUnauthorized,
		`Bearer error="insufficient_user_authentication", acr_values="urn:cognito:loa:3 urn:cognito:loa:4"`)
	high := s.Pool.AccessToken("", "alice", map[string]any{"acr": highLevel, "amr": []string{"pwd", "otp", "mfa"}})
	for _, path := range []string{"/high", "/mfa"} {
		if res := s.Bring(path, high); res.StatusCode != http.StatusOK {
			t.Errorf("%s: a token of that level gets %s", path, lab.StatusLine(res))
		}
	}
	if res := s.Bring("/high", s.Pool.AccessToken("", "alice", map[string]any{"acr": "urn:cognito:loa:2"})); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a token of another level gets %s", lab.StatusLine(res))
	}
}

// TestMFAByOtherNames: a pool has renamed its levels, so only the methods still tell of a
// second factor. Who came by the address that a script was told passes like who came by
// the page, and a user without a second factor does not.
func TestMFAByOtherNames(t *testing.T) {
	t.Parallel()
	for user, passes := range map[string]bool{"alice": true, "bob": false} {
		s := serveStepUp(t, cognitotest.Options{Levels: true})
		s.Pool.Tamper(func(token *cognitotest.UnsignedToken) {
			if acr, says := token.Claims["acr"].(string); says {
				token.Claims["acr"] = strings.Replace(acr, "cognito:loa", "acme:level", 1)
			}
		})
		v := s.Visitor()
		v.LogIn(user)
		login, _ := s.Send(lab.AsScript("/mfa", v.SessionCookie())).Problem(t)["login_url"].(string)
		page := v.Login(s.URL+login, user, lab.PasswordOf(user))
		if reached := page.Status == http.StatusOK; reached != passes {
			t.Errorf("%s's login ends at %s with %d: %.300s", user, page.URL, page.Status, page.Body)
		}
		// A page that wants a level says that it is not reached, and goes round in no circle.
		if page := v.Get(s.URL + "/high"); page.Status != http.StatusForbidden || len(page.Trail) > 6 {
			t.Errorf("%s sees the page of a level by %v: %d", user, page.Trail, page.Status)
		}
		if page = v.Get(s.URL + "/mfa"); (page.Body == "mfa "+user+"@example.com") != passes {
			t.Errorf("then %s sees %d %.300s", user, page.Status, page.Body)
		}
	}
}

// TestStepUpOfForms: a form that wants a level, or two factors, is refused with a page that
// says so, and whose login leads there. A login as before would bring the visitor back to
// the same refusal.
func TestStepUpOfForms(t *testing.T) {
	t.Parallel()
	for path, says := range map[string]string{"/high": "high alice@example.com", "/mfa": "mfa alice@example.com"} {
		t.Run(path, func(t *testing.T) {
			s := serveStepUp(t, cognitotest.Options{Levels: true})
			v := s.Visitor()
			v.LogIn()
			form := func() *lab.Answer {
				return s.Send(lab.Request{Method: "POST", Path: path, Cookies: []*http.Cookie{v.SessionCookie()}, Header: lab.AsPageWith(map[string]string{
					"Sec-Fetch-Site": "same-origin", "Origin": s.URL, "Referer": s.URL + "/public",
				})})
			}
			page := v.Get(s.URL + form().Header.Get("Location"))
			if page.Status != http.StatusOK || !strings.Contains(page.Body, "Stronger sign-in required") || !strings.Contains(page.Body, "was not processed") {
				t.Fatalf("the form is refused with %d %s", page.Status, page.Body)
			}
			login := regexp.MustCompile(`<a href="([^"]*)">Sign in</a>`).FindStringSubmatch(page.Body)
			if login == nil {
				t.Fatalf("the page leads nowhere: %s", page.Body)
			}
			if page := v.Login(s.URL+html.UnescapeString(login[1]), "alice", "wonderland"); page.Body != "public" {
				t.Fatalf("the login ends at %s: %d %s", page.URL, page.Status, page.Body)
			}
			if res := form(); res.Text != says {
				t.Errorf("after the login the form is answered with %s", lab.StatusLine(res))
			}
		})
	}
	s := serveStepUp(t, cognitotest.Options{Levels: true})
	for _, invented := range []string{"%22", "a%00b", strings.Repeat("a+", 9)} {
		res := s.Send(lab.Request{Path: "/login?refused=level_required&acr_values=" + invented, Header: lab.AsPage})
		if res.StatusCode != http.StatusOK || !strings.Contains(res.Text, `<a href="/login">Sign in</a>`) {
			t.Errorf("an invented level leads on by %s", lab.StatusLine(res))
		}
	}
}

// TestLoginThatIsTooOld: a login that was asked for within a time is refused if Cognito
// let the visitor through with an older one, and they stay who they were.
func TestLoginThatIsTooOld(t *testing.T) {
	t.Parallel()
	for name, classic := range map[string]bool{"managed login": false, "classic": true} {
		t.Run(name, func(t *testing.T) {
			s := serveStepUp(t, cognitotest.Options{ClassicHostedUI: classic})
			v := s.Visitor()
			v.LogIn()
			s.Pool.Advance(lab.JustExpired / 2)
			page := v.Login(s.URL+"/login?max_age=60&return_to=/me", "alice", "wonderland")
			if classic && (page.Status != http.StatusUnauthorized || !strings.Contains(page.Body, "Please sign in again")) {
				t.Errorf("the login ends with %d %.200s", page.Status, page.Body)
			}
			if !classic && page.URL.Path != "/me" {
				t.Errorf("the login ends at %s with %d", page.URL, page.Status)
			}
			v.MustBeSignedIn()
		})
	}
}

// TestRequireLevelPanics: a guard that nobody passes, or everybody, is none.
func TestRequireLevelPanics(t *testing.T) {
	t.Parallel()
	for name, levels := range map[string][]string{"none": {}, "empty": {""}, "with a quote": {`a"`}, "too many": strings.Split("a b c d e f g h i", " ")} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it does not panic", name)
				}
			}()
			cognito.RequireLevel(levels...)
		}()
	}
	if errors.Is(cognito.ErrLevel, cognito.ErrLevelNotReached) {
		t.Error("the two reasons are one")
	}
}
