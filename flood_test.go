package cognito_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/lab"
	"github.com/valyala/fasthttp"
)

// TestLoginFlood is row A6: strangers begin logins and never return. The
// default memory storage takes 65,536 and then refuses more; those in progress
// still finish, and the places come free again.
func TestLoginFlood(t *testing.T) {
	s := lab.Serve(t)
	mine := lab.Halfway(s, "alice")
	beginLogins(t, s, 65534) // one is mine, and one place is left
	last := s.Begin()
	mustBeBusy(t, s)
	if res := s.Finish(mine); res.Cookie(lab.IsSessionCookie) == nil {
		t.Errorf("a login from before the flood ends with %s", lab.StatusLine(res))
	}
	s.Begin() // alice has made room for one
	mustBeBusy(t, s)
	if res := s.Finish(lab.Answered(s, last, "bob")); res.Cookie(lab.IsSessionCookie) == nil {
		t.Errorf("the last login that was let in ends with %s", lab.StatusLine(res))
	}
	s.Pool.Advance(10 * time.Minute)
	v := s.Visitor()
	v.LogIn()
}

// beginLogins begins logins as strangers do who never come back, without the way
// over a socket.
func beginLogins(t *testing.T, s *lab.Site, times int) {
	t.Helper()
	serve := s.App.Handler()
	for i := range times {
		visit := &fasthttp.RequestCtx{}
		visit.Request.SetRequestURI("/login")
		visit.Request.Header.SetHost("localhost")
		if serve(visit); visit.Response.StatusCode() != http.StatusFound {
			t.Fatalf("login %d answers %d", i, visit.Response.StatusCode())
		}
	}
}

func mustBeBusy(t *testing.T, s *lab.Site) {
	t.Helper()
	res := s.Send(lab.Request{Path: "/login", Header: map[string]string{"Accept": "application/json"}})
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("/login in the flood answers %s, want 503 with Retry-After", lab.StatusLine(res))
		return
	}
	if code := res.Problem(t)["code"]; code != "busy" {
		t.Errorf("/login in the flood is refused as %v", code)
	}
	lab.SetsNothing(t, "/login in the flood", res)
}
