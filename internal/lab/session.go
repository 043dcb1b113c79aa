package lab

import (
	"net/http"
	"net/url"
	"strings"
)

// Session is one that a test got by raw requests.
type Session struct {
	Cookie    *http.Cookie
	Hot, Cold string // keys of its records
}

// NewSession signs a user in and finds the records that this made.
func (s *Site) NewSession(storage *Store, user string) Session {
	s.Helper()
	before := storage.Dump()
	res := s.Finish(s.Answered(user))
	cookie := res.Cookie(IsSessionCookie)
	hot, cold := storage.added(before, HotPrefix), storage.added(before, ColdPrefix)
	if cookie == nil || len(hot) != 1 || len(cold) != 1 {
		s.Fatalf("the login answered %d and left records %q and %q", res.StatusCode, hot, cold)
	}
	return Session{cookie, hot[0], cold[0]}
}

// Me asks for /me as a script does, which never redirects.
func (s *Site) Me(cookies ...*http.Cookie) *Answer {
	s.Helper()
	return s.Send(Request{Path: "/me", Cookies: cookies, Header: map[string]string{"Accept": "application/json"}})
}

// MustBe asks who a cookie signs in. "" stands for nobody.
func (s *Site) MustBe(user string, cookie *http.Cookie) {
	s.Helper()
	res := s.Me(cookie)
	switch {
	case user == "" && res.StatusCode != http.StatusUnauthorized:
		s.Errorf("/me answered %s, want 401", StatusLine(res))
	case user != "" && (res.StatusCode != http.StatusOK || Decode(s.T, res.Text)["email"] != user+"@example.com"):
		s.Errorf("/me answered %s, want %s", StatusLine(res), user)
	}
}

// MustBeUnavailable wants a 503 that keeps the cookies and the cause.
func (s *Site) MustBeUnavailable(r Request) {
	res, err := s.TrySend(r)
	if err != nil {
		s.Error(err)
		return
	}
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		s.Errorf("%s %s answered %s, Retry-After %q; want 503 with it", r.Method, r.Path, StatusLine(res), res.Header.Get("Retry-After"))
	}
	if len(res.Cookies()) > 0 {
		s.Errorf("%s %s touched cookies: %v", r.Method, r.Path, res.Cookies())
	}
	if strings.Contains(res.Text, "10.1.2.3") || strings.Contains(res.Text, "nil map") {
		s.Errorf("%s %s tells a stranger the cause: %s", r.Method, r.Path, res.Text)
	}
}

// LogOut is a logout from a page of the app itself.
func LogOut(cookies ...*http.Cookie) Request {
	return Request{Method: http.MethodPost, Path: "/logout", Cookies: cookies, Header: map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

// MustLogOut checks the answer of a logout that was carried out.
func (s *Site) MustLogOut(res *Answer) {
	s.Helper()
	if res.StatusCode != http.StatusSeeOther {
		s.Errorf("the logout answered %s, want 303", StatusLine(res))
	}
	want := s.Pool.URL() + "/logout?client_id=" + NewPoolClientID + "&logout_uri=" + url.QueryEscape(s.URL+"/")
	if got := res.Header.Get("Location"); got != want {
		s.Errorf("the logout leads to %q, want %q", got, want)
	}
	if !res.DeletesSession() {
		s.Errorf("the logout does not delete the cookie: %q", res.Header["Set-Cookie"])
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control is %q, want no-store", got)
	}
	if got := res.Header.Get("Referrer-Policy"); got != "no-referrer" {
		s.Errorf("Referrer-Policy is %q, want no-referrer", got)
	}
}
