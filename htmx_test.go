package cognito_test

import (
	"net/http"
	"strings"
	"testing"

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
