package cognito_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// inertia are the headers of a visit that Inertia's client makes.
func inertia(more map[string]string) map[string]string {
	header := map[string]string{
		"X-Inertia": "true", "X-Inertia-Version": "6b16b94d", "X-Requested-With": "XMLHttpRequest", "Accept": "text/html, application/xhtml+xml",
		"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin",
	}
	for name, value := range more {
		header[name] = value
	}
	return header
}

// mustLeave wants the client to be sent away, to login and then to a page of the app.
func mustLeave(s *lab.Site, what string, res *lab.Answer, back string) {
	s.Helper()
	login, err := url.Parse(res.Header.Get("X-Inertia-Location"))
	if err != nil || res.StatusCode != http.StatusConflict || login.Path != "/login" || login.Query().Get("return_to") != back {
		s.Errorf("%s: %d to %q, want the login and then %q", what, res.StatusCode, login, back)
	}
	if res.Header.Get("Location") != "" || res.Header.Get("Cache-Control") != "no-store" {
		s.Errorf("%s: a redirect, or kept: %v", what, res.Header)
	}
}

// TestInertiaLeavesForTheLogin: a visit that a guard refuses becomes a login as a page of
// its own, which ends where the visit was to lead.
func TestInertiaLeavesForTheLogin(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	mustLeave(s, "a visit", s.Send(lab.Request{Path: "/me?tab=2", Header: inertia(nil)}), "/me?tab=2")
	mustLeave(s, "a visit of an old browser", s.Send(lab.Request{Path: "/me", Header: map[string]string{"X-Inertia": "true", "Accept": "text/html"}}), "/me")
	form := func(referer string) lab.Request {
		return lab.Request{Method: "POST", Path: "/me", Header: inertia(map[string]string{"Origin": s.URL, "Referer": referer})}
	}
	mustLeave(s, "a form", s.Send(form(s.URL+"/cart?item=7")), "/cart?item=7")
	mustLeave(s, "a form on another site", s.Send(form("https://evil.example/cart")), "/me")
	mustLeave(s, "a link to the login", s.Send(lab.Request{Path: "/login?return_to=/cart", Header: inertia(nil)}), "/cart")
	mustLeave(s, "a link that leads astray", s.Send(lab.Request{Path: "/login?return_to=//evil.example", Header: inertia(nil)}), "")

	v := s.Visitor()
	res := s.Send(lab.Request{Path: "/me", Header: inertia(nil)})
	page := v.Login(s.URL+res.Header.Get("X-Inertia-Location"), "alice", lab.PasswordOf("alice"))
	if page.URL.String() != s.URL+"/me" || !strings.Contains(page.Body, "alice@example.com") {
		t.Errorf("the login ends at %s with %s", page.URL, page.Body)
	}
	res = s.Send(lab.Request{Path: "/me", Header: inertia(nil), Cookies: []*http.Cookie{v.SessionCookie()}})
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Inertia-Location") != "" {
		t.Errorf("signed in: %s", lab.StatusLine(res))
	}
}

// TestInertiaLeavesForTheLogout: Cognito's sign-out is on another origin, where no script
// may follow.
func TestInertiaLeavesForTheLogout(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	res := s.Send(lab.Request{Method: "POST", Path: "/logout", Cookies: []*http.Cookie{alice}, Header: inertia(map[string]string{"Origin": s.URL})})
	if to := res.Header.Get("X-Inertia-Location"); res.StatusCode != http.StatusConflict || !strings.HasPrefix(to, s.Pool.URL()+"/logout?") || !res.DeletesSession() {
		t.Errorf("%d to %q with %v", res.StatusCode, to, res.Cookies())
	}
	s.MustBe("", alice)
}

// TestInertiaIsRefused: what no login would help is said as to any script.
func TestInertiaIsRefused(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t, func(c *cognito.Config) { c.Bearer = false })
	res := s.Send(lab.Request{Path: "/admin", Cookies: []*http.Cookie{s.SignIn("bob")}, Header: inertia(nil)})
	if res.StatusCode != http.StatusForbidden || res.Header.Get("X-Inertia-Location") != "" || res.Problem(t)["code"] != "forbidden" {
		t.Errorf("bob at the admins' page: %s to %q", lab.StatusLine(res), res.Header.Get("X-Inertia-Location"))
	}
}
