package cognito_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// draw is an app's own page, with everything that a page has.
func draw(p cognito.Page) string {
	text := fmt.Sprintf("%d %s: %s %s. %s", p.Status, p.Code, p.Title, p.Reference, p.Text)
	for _, way := range p.Ways {
		text += fmt.Sprintf("\n%s %q to %s", way.Code, way.Label, way.Link)
	}
	return text
}

var shownReference = regexp.MustCompile(`[A-Z]{4}-[A-Z]{4}`)

// drawing lets an app draw all pages itself.
func drawing(c *cognito.Config) {
	c.AppName = "Acme & Sons"
	c.ErrorHandler = func(c *fiber.Ctx, err error) error {
		page := cognito.PageOf(err)
		return c.Status(page.Status).SendString(draw(page))
	}
}

func serveAdmin(t *testing.T, options ...func(*cognito.Config)) *lab.Site {
	return lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		lab.Pages(app)
		app.All("/admin", cognito.RequireGroup("nobody's"), lab.TellWho)
	}, options...)
}

// TestPageInTheAppsLook: an app's own page says what the built-in one says, and its
// reference is in the log.
func TestPageInTheAppsLook(t *testing.T) {
	t.Parallel()
	own, builtIn := serveAdmin(t, drawing), serveAdmin(t, func(c *cognito.Config) { c.AppName = "Acme & Sons" })
	for _, path := range []string{"/admin?page=2", "/login/redirect?code=a&code=b", "/token/refresh", "/login?prompt=a&prompt=b"} {
		page := own.Visitor()
		page.LogIn()
		theirs := builtIn.Visitor()
		theirs.LogIn()
		drawn, standard := page.Get(own.URL+path), theirs.Get(builtIn.URL+path)
		if drawn.Status != standard.Status {
			t.Errorf("%s: the app's own page has the status %d, the built-in one %d", path, drawn.Status, standard.Status)
		}
		for _, link := range regexp.MustCompile(`href="([^"]*)">([^<]*)<`).FindAllStringSubmatch(standard.Body, -1) {
			link[1], link[2] = strings.ReplaceAll(link[1], "&amp;", "&"), strings.ReplaceAll(link[2], "&amp;", "&")
			if want := fmt.Sprintf("%q to %s", link[2], link[1]); !strings.Contains(drawn.Body, want) {
				t.Errorf("%s: the app's own page lacks %s:\n%s", path, want, drawn.Body)
			}
		}
		for site, body := range map[*lab.Site]string{own: drawn.Body, builtIn: standard.Body} {
			if reference := shownReference.FindString(body); reference == "" || !strings.Contains(site.Logged.String(), "reference="+reference) {
				t.Errorf("%s: the log does not know the reference %q", path, reference)
			}
		}
		if !strings.Contains(standard.Body, "– Acme &amp; Sons</title>") || !strings.Contains(standard.Body, ">Back to Acme &amp; Sons<") {
			t.Errorf("%s: the page does not name the app:\n%s", path, standard.Body)
		}
	}
}

// TestFormLedToTheAppsOwnPage: what a refused form leads to is in the app's look too,
// says that the form was not processed, and has the reference of the refusal.
func TestFormLedToTheAppsOwnPage(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*lab.Site{"own": serveAdmin(t, drawing), "built-in": serveAdmin(t)} {
		v := s.Visitor()
		v.LogIn()
		page := v.Post(s.URL+"/admin", url.Values{"a": {"b"}})
		reference := shownReference.FindString(page.Body)
		if page.Status != http.StatusOK || !strings.Contains(page.Body, "The form you submitted was not processed.") {
			t.Errorf("%s: the form leads to %d %s", name, page.Status, page.Body)
		}
		if reference == "" || !strings.Contains(s.Logged.String(), "reference="+reference) {
			t.Errorf("%s: the log does not know the reference %q of the form", name, reference)
		}
	}
}

// TestReferences: no two refusals share one, though their errors are shared, and a
// script is told it too.
func TestReferences(t *testing.T) {
	t.Parallel()
	s := serveAdmin(t)
	bob := s.SignIn("bob")
	var seen []string
	for range 20 {
		for _, request := range []lab.Request{lab.AsScript("/admin", bob), lab.AsScript("/token/refresh", bob), {Method: "POST", Path: "/token/refresh"}} {
			reference, _ := s.Send(request).Problem(t)["reference"].(string)
			if !shownReference.MatchString(reference) || slices.Contains(seen, reference) {
				t.Fatalf("%s: the reference %q after %q", request.Path, reference, seen)
			}
			seen = append(seen, reference)
		}
	}
}

// TestDefaultErrorHandler: an app's error handler that falls back on the default
// answers as if it were not there.
func TestDefaultErrorHandler(t *testing.T) {
	t.Parallel()
	plain := serveAdmin(t)
	falling := serveAdmin(t, func(c *cognito.Config) { c.ErrorHandler = cognito.DefaultErrorHandler })
	for _, request := range []lab.Request{
		{Path: "/admin", Header: map[string]string{"Accept": "text/html"}},
		{Path: "/admin", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": plain.URL + "/public"}},
		{Path: "/me", Header: map[string]string{"HX-Request": "true", "HX-Current-URL": plain.URL + "/public"}},
		{Path: "/login/redirect?code=x", Header: map[string]string{"Accept": "text/html"}},
		{Path: "/token/refresh", Method: "POST"},
	} {
		got, want := falling.Send(request), plain.Send(request)
		for _, header := range []string{"Content-Type", "Content-Security-Policy", "Cache-Control", "HX-Redirect", "Referrer-Policy"} {
			if got.Header.Get(header) != want.Header.Get(header) {
				t.Errorf("%s: %s is %q, want %q", request.Path, header, got.Header.Get(header), want.Header.Get(header))
			}
		}
		unnamed := func(text string) string { return shownReference.ReplaceAllString(text, "") }
		if got.StatusCode != want.StatusCode || unnamed(got.Text) != unnamed(want.Text) {
			t.Errorf("%s: %s, want %s", request.Path, lab.StatusLine(got), lab.StatusLine(want))
		}
	}
}

// returning is an app whose handlers return errors, and whose own error handler is
// ours.
func returning(t *testing.T) *lab.Site {
	returned := map[string]error{
		"/missing": fiber.NewError(http.StatusNotFound, "the table <users> has no row"), "/broken": errors.New("the table <users> is gone"),
		"/full": fiber.NewError(http.StatusInsufficientStorage, "disk <users>"), "/odd": fiber.NewError(200, "<users>"),
	}
	return lab.ServeAppHandling(t, lab.NewPool(t), cognito.DefaultErrorHandler, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/above", func(*fiber.Ctx) error { return returned["/broken"] })
		app.Get("/unguarded", cognito.RequireUser(), lab.TellWho)
		app.Use(auth.Handler())
		for path, err := range returned {
			app.Get(path, func(*fiber.Ctx) error { return err })
		}
		app.Get("/reason", func(*fiber.Ctx) error { return cognito.ErrForbidden })
		app.All("/token", func(c *fiber.Ctx) error {
			_, err := cognito.AccessToken(c)
			return fmt.Errorf("the token of <users>: %w", err)
		})
	})
}

// TestErrorsOfTheAppItself: strangers are told nothing of what an app's errors say,
// and the log is, under the reference that they are shown.
func TestErrorsOfTheAppItself(t *testing.T) {
	t.Parallel()
	s := returning(t)
	for path, want := range map[string]struct {
		status int
		title  string
	}{
		"/missing": {404, "Page not found"}, "/broken": {500, "Something went wrong"}, "/full": {507, "Something went wrong"}, "/odd": {500, "Something went wrong"},
		"/reason": {403, "Not allowed"}, "/above": {500, "Something went wrong"}, "/nowhere": {404, "Page not found"}, "/unguarded": {500, "Sign-in is not set up correctly"},
	} {
		page := s.Send(lab.Request{Path: path, Header: map[string]string{"Accept": "text/html"}})
		if page.StatusCode != want.status || !strings.Contains(page.Text, "<h1>"+want.title+"</h1>") || !strings.Contains(page.Text, `href="/">Back to the app<`) || strings.Contains(page.Text, "users") {
			t.Errorf("%s: %s", path, lab.StatusLine(page))
		}
		script := s.Send(lab.Request{Path: path, Header: map[string]string{"Accept": "application/json"}})
		if problem := script.Problem(t); script.StatusCode != want.status || problem["title"] != want.title || strings.Contains(script.Text, "users") {
			t.Errorf("%s: a script got %s", path, lab.StatusLine(script))
		}
		reference := shownReference.FindString(page.Text)
		if logged := strings.Contains(s.Logged.String(), reference); logged != (path == "/broken" || path == "/full" || path == "/odd" || path == "/reason") && path != "/above" && path != "/unguarded" {
			t.Errorf("%s: that the log knows %q is %t", path, reference, logged)
		}
	}
}

// TestErrorThatAHandlerReturns: an accessor's error knows the ways on by the time that
// it reaches the app's error handler.
func TestErrorThatAHandlerReturns(t *testing.T) {
	t.Parallel()
	s := returning(t)
	page := s.Send(lab.Request{Path: "/token", Header: map[string]string{"Accept": "text/html"}})
	reference := shownReference.FindString(page.Text)
	if page.StatusCode != http.StatusUnauthorized || !strings.Contains(page.Text, `<a href="/login?return_to=%2Ftoken">Sign in</a>`) || strings.Contains(page.Text, "users") {
		t.Errorf("a visitor got %s", lab.StatusLine(page))
	}
	if reference == "" || !strings.Contains(s.Logged.String(), "reference="+reference) {
		t.Errorf("the log does not know the reference %q", reference)
	}
	script := s.Send(lab.Request{Path: "/token"}).Problem(t)
	if script["code"] != "not_signed_in" || script["login_url"] != "/login" {
		t.Errorf("a script got %v", script)
	}
	// A form leaves its address, for the page could be reloaded there.
	form := s.Send(lab.Request{Method: "POST", Path: "/token", Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}})
	if form.StatusCode != http.StatusSeeOther || form.Target().Path != "/login" {
		t.Errorf("a form got %s", lab.StatusLine(form))
	}
}

// TestPageOfAnything: a page of whatever an error handler may be asked about.
func TestPageOfAnything(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		status int
		code   string
	}{
		{errors.New("secret"), 500, "internal_error"},
		{fiber.NewError(404, "secret"), 404, "not_found"},
		{fmt.Errorf("secret: %w", fiber.ErrConflict), 409, "bad_request"},
		{fiber.NewError(503, "secret"), 503, "internal_error"},
	} {
		page := cognito.PageOf(row.err)
		if page.Status != row.status || page.Code != row.code || page.Reference != "" || len(page.Ways) != 1 || page.Ways[0].Link != "/" || strings.Contains(draw(page), "secret") {
			t.Errorf("%v: %s", row.err, draw(page))
		}
	}
	if page := cognito.PageOf(nil); page.Title != "" || page.Status != 0 {
		t.Errorf("no error: %s", draw(page))
	}
}

// TestErrorTellsWhereToSignIn: an error handler knows where to send the visitor, and
// when to try again.
func TestErrorTellsWhereToSignIn(t *testing.T) {
	t.Parallel()
	var heard *cognito.Error
	storage := lab.NewStore()
	s := serveAdmin(t, lab.On(storage), func(c *cognito.Config) {
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			errors.As(err, &heard)
			return cognito.DefaultErrorHandler(c, err)
		}
	})
	bob := s.SignIn("bob")
	if s.Send(lab.AsScript("/me")); heard.LoginURL() != "/login" || heard.RetryAfter() != 0 {
		t.Errorf("for nobody: %q, %s", heard.LoginURL(), heard.RetryAfter())
	}
	if s.Send(lab.AsScript("/admin", bob)); heard.LoginURL() != "" {
		t.Errorf("for bob: %q", heard.LoginURL())
	}
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
	if s.Send(lab.AsScript("/me", bob)); heard.LoginURL() != "" || heard.RetryAfter() < time.Second {
		t.Errorf("in an outage: %q, %s", heard.LoginURL(), heard.RetryAfter())
	}
}
