package cognito_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// boosted are the headers of a link or a form on a page with hx-boost, which HTMX sends by
// script.
func boosted(s *lab.Site) map[string]string {
	return map[string]string{
		"HX-Request": "true", "HX-Boosted": "true", "HX-Current-URL": s.URL + "/me", "Referer": s.URL + "/me", "Accept": "*/*",
		"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin",
	}
}

// TestHTMXLeavesForTheLogout: the form that signs out is on a page with hx-boost. A script
// could not follow a redirect to Cognito, where its own session would go on, and whoever
// sits down next would be signed in without a password.
func TestHTMXLeavesForTheLogout(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()
	v.LogIn()
	form := lab.Request{Method: "POST", Path: "/logout", Cookies: []*http.Cookie{v.SessionCookie()}, Header: boosted(s)}
	form.Header["Origin"] = s.URL
	res := s.Send(form)
	to := res.Header.Get("HX-Redirect")
	if res.StatusCode != http.StatusNoContent || !strings.HasPrefix(to, s.Pool.URL()+"/logout?") || res.Header.Get("Location") != "" || !res.DeletesSession() {
		t.Fatalf("%d to %q by HTMX and %q by a redirect, with %v", res.StatusCode, to, res.Header.Get("Location"), res.Cookies())
	}
	s.MustBe("", v.SessionCookie())
	if page := v.Get(to); page.URL.String() != s.URL+"/" {
		t.Errorf("the sign-out ends at %s", page.URL)
	}
	if page := v.Get(s.URL + "/login"); !strings.HasPrefix(page.URL.String(), s.Pool.URL()) {
		t.Errorf("the next login ends at %s without a password", page.URL)
	}
	// The honest case: a form that the browser sends itself.
	s.MustLogOut(s.Send(lab.LogOut(s.SignIn("alice"))))
}

// TestBoostedLinkToTheLogin: a link that signs up, or at a provider, or a handler's login, is
// followed by script. It leads to that same login as a page, and not to another one.
func TestBoostedLinkToTheLogin(t *testing.T) {
	t.Parallel()
	s := loginsWith(t, cognito.LoginOptions{ReturnTo: "/public", IdentityProvider: "Google"})
	plain := map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "same-origin"}
	for path, want := range map[string]string{
		"/login?screen=signup":                      "/login?return_to=%2Fme&screen=signup",
		"/login?screen=signup&return_to=/cart":      "/login?return_to=%2Fcart&screen=signup",
		"/login?return_to=//evil.example&lang=de":   "/login?lang=de",
		"/login?lang=de&lang=fr&return_to=/cart":    "/login?return_to=%2Fcart",
		"/login?screen=another&return_to=/cart":     "/login?return_to=%2Fcart",
		"/login?redirect_uri=https://evil.example/": "/login?return_to=%2Fme",
		"/start": "/login?identity_provider=Google&return_to=%2Fpublic",
	} {
		res := s.Send(lab.Request{Path: path, Header: boosted(s)})
		if got := res.Header.Get("HX-Redirect"); got != want || len(res.Cookies()) > 0 {
			t.Errorf("HTMX: %s leads to %q, want %q", path, got, want)
		}
		want = strings.Replace(want, "return_to=%2Fme&", "", 1) // where HTMX is
		want = strings.TrimSuffix(want, "?return_to=%2Fme")
		if got := s.Send(lab.Request{Path: path, Header: inertia(nil)}).Header.Get("X-Inertia-Location"); got != want {
			t.Errorf("Inertia: %s leads to %q, want %q", path, got, want)
		}
		if got := s.Send(lab.Request{Path: path, Header: plain}).Problem(t)["login_url"]; got != want {
			t.Errorf("a script: %s leads to %v, want %q", path, got, want)
		}
	}
}

// TestBoostedLinkToTheLogout: a link that signs out is followed by script, by HTMX or by
// Inertia. It leads to the sign-out as a page, and not to a login, which would sign the
// visitor in anew.
func TestBoostedLinkToTheLogout(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	for name, row := range map[string]struct {
		by     string
		header map[string]string
	}{
		"HTMX":    {"HX-Redirect", boosted(s)},
		"Inertia": {"X-Inertia-Location", inertia(map[string]string{"Referer": s.URL + "/me"})},
	} {
		alice := s.SignIn("alice")
		res := s.Send(lab.Request{Path: "/logout?return_to=/public", Cookies: []*http.Cookie{alice}, Header: row.header})
		to := res.Header.Get(row.by)
		if to != "/logout?return_to=%2Fpublic" || res.Header.Get("Location") != "" || len(res.Cookies()) > 0 {
			t.Errorf("%s is led to %q, with %s and %v", name, to, lab.StatusLine(res), res.Cookies())
			continue
		}
		s.MustBe("alice", alice)
		// The page that the client opens then, as by a link on the app's own.
		page := lab.Request{Path: to, Cookies: []*http.Cookie{alice}, Header: map[string]string{
			"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin", "Referer": s.URL + "/me", "Accept": "text/html",
		}}
		s.MustLogOut(s.Send(page))
		s.MustBe("", alice)
	}
	alice := s.SignIn("alice")
	res := s.Send(lab.Request{Path: "/logout", Cookies: []*http.Cookie{alice}, Header: map[string]string{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"}})
	if res.StatusCode != http.StatusUnauthorized || len(res.Cookies()) > 0 {
		t.Errorf("a fetch gets %s with %v", lab.StatusLine(res), res.Cookies())
	}
	s.MustBe("alice", alice)
}
