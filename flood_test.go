package cognito_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/lab"
)

// TestLoginFlood is row A6: strangers begin logins and never return. The
// default memory storage takes 65,536 and then refuses more; those in progress
// still finish, and the places come free again.
func TestLoginFlood(t *testing.T) {
	s := lab.Serve(t)
	mine := lab.Halfway(s, "alice")
	if inProgress := s.Auth.FillAttempts(1); inProgress != 65535 {
		t.Fatalf("%d logins fill the storage but for one, want 65535", inProgress)
	}
	last := s.Begin()
	stored := s.Auth.StoredInMemory()
	mustBeBusy(t, s)
	if now := s.Auth.StoredInMemory(); now != stored {
		t.Errorf("refused logins left %d records", now-stored)
	}
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
