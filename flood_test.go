package cognito_test

import (
	"net/http"
	"testing"
	"time"
)

// TestLoginFlood is row A6: strangers begin logins and never return. The
// default memory storage takes 65,536 and then refuses more; those in progress
// still finish, and the places come free again.
func TestLoginFlood(t *testing.T) {
	s := serve(t)
	mine := halfway(s, "alice")
	if inProgress := s.auth.FillAttempts(1); inProgress != 65535 {
		t.Fatalf("%d logins fill the storage but for one, want 65535", inProgress)
	}
	last := s.begin()
	stored := s.auth.StoredInMemory()
	mustBeBusy(t, s)
	if now := s.auth.StoredInMemory(); now != stored {
		t.Errorf("refused logins left %d records", now-stored)
	}
	if res := s.finish(mine); res.cookie(isSessionCookie) == nil {
		t.Errorf("a login from before the flood ends with %s", statusLine(res))
	}
	s.begin() // alice has made room for one
	mustBeBusy(t, s)
	if res := s.finish(answered(s, last, "bob")); res.cookie(isSessionCookie) == nil {
		t.Errorf("the last login that was let in ends with %s", statusLine(res))
	}
	s.pool.Advance(10 * time.Minute)
	v := s.visitor()
	v.logIn()
}

func mustBeBusy(t *testing.T, s *site) {
	t.Helper()
	res := s.send(request{path: "/login", header: map[string]string{"Accept": "application/json"}})
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("/login in the flood answers %s, want 503 with Retry-After", statusLine(res))
		return
	}
	if code := res.problem(t)["code"]; code != "busy" {
		t.Errorf("/login in the flood is refused as %v", code)
	}
	setsNothing(t, "/login in the flood", res)
}
