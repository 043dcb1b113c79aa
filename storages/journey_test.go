package storages

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// TestEveryStorage takes the same visitors through the same day on each storage that
// the table of docs/deploy.md names.
func TestEveryStorage(t *testing.T) {
	for name, start := range parts() {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			driver := p.open()
			closed := false
			t.Cleanup(func() {
				if !closed {
					_ = driver.Close()
				}
			})
			s := lab.Serve(t, lab.On(driver))
			renewAndLogOut(s)
			crowd(s)
			if p.server != nil {
				serverRestarts(s, p)
				return
			}
			closed = true
			appRestarts(s, driver, p)
		})
	}
}

// renewAndLogOut is one visitor's day. A copied cookie must be worth nothing after
// it, so the records are gone, or the storage says so.
func renewAndLogOut(s *lab.Site) {
	s.Helper()
	visitor := s.Visitor()
	visitor.LogIn()
	s.Pool.Advance(61 * time.Minute) // the tokens have expired
	if page := visitor.Get(s.URL + "/me"); page.Status != http.StatusOK || len(page.Trail) != 1 {
		s.Errorf("after an hour: %d by way of %v", page.Status, page.Trail)
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 2 {
		s.Errorf("%d token calls, want one for the login and one for the renewal", calls)
	}
	copied := visitor.SessionCookie()
	if page := visitor.Post(s.URL+"/me", nil); page.Body != "changed" {
		s.Errorf("a POST gets %d: %s", page.Status, page.Body)
	}
	if page := visitor.Post(s.URL+"/logout", nil); page.Body != "hello stranger" {
		s.Errorf("after the logout: %q at %s", page.Body, page.URL)
	}
	if answer := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{copied}}); answer.StatusCode != http.StatusUnauthorized {
		s.Errorf("a copied cookie of an ended session gets %d", answer.StatusCode)
	}
}

// crowd is 24 visitors who log in at the same time, and all get in.
func crowd(s *lab.Site) {
	s.Helper()
	var all sync.WaitGroup
	for range 24 {
		visitor := s.Visitor()
		all.Go(func() {
			if page := visitor.Login(s.URL+"/login", "alice", lab.PasswordOf("alice")); page.Body != "hello alice@example.com" {
				s.Errorf("one of 24 logins ends at %s with %d: %q (%v)", page.URL, page.Status, page.Body, page.Err)
			}
		})
	}
	all.Wait()
}

// unknown wants answers of a storage that is out: nobody is sent to log in, and no
// cookie is touched.
func unknown(visitor *lab.Visitor) {
	s := visitor.Site
	s.Helper()
	before := visitor.SessionCookie().Value
	if page := visitor.Get(s.URL + "/me"); page.Status != http.StatusServiceUnavailable {
		s.Errorf("during the outage the guard answers %d", page.Status)
	}
	if page := visitor.Get(s.URL + "/"); !strings.HasPrefix(page.Body, "hello who?") {
		s.Errorf("during the outage the home page says %q", page.Body)
	}
	if cookie := visitor.SessionCookie(); cookie == nil || cookie.Value != before {
		s.Error("the outage changed the session cookie")
	}
}

// serverRestarts stops the server under the app and starts it again.
func serverRestarts(s *lab.Site, p part) {
	s.Helper()
	visitor := s.Visitor()
	visitor.LogIn()
	p.server.stop()
	unknown(visitor)
	p.server.restart()
	for range 600 { // until the driver has noticed
		body := visitor.Get(s.URL + "/").Body
		if !strings.HasPrefix(body, "hello who?") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if p.forgets {
		visitor.MustBeStranger() // no error and no loop
		visitor.LogIn()
		return
	}
	visitor.MustBeSignedIn()
}

// appRestarts closes a storage that lives in the app, and has another app open the
// file.
func appRestarts(s *lab.Site, driver lab.Storage, p part) {
	s.Helper()
	visitor := s.Visitor()
	visitor.LogIn()
	if err := driver.Close(); err != nil {
		s.Fatal(err)
	}
	unknown(visitor)
	reopened := p.open()
	s.Cleanup(func() { _ = reopened.Close() })
	visitor.Site = lab.ServeWith(s.T, s.Pool, lab.On(reopened))
	visitor.MustBeSignedIn()
}
