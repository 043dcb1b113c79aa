package lab

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// PendingLogin is a login that has come as far as Cognito's answer: the
// callback is ready to be sent by whoever has the cookie.
type PendingLogin struct {
	State    string
	Cookie   *http.Cookie // of the attempt
	Callback string       // path and query
	Query    url.Values   // of the authorization request
}

// Begin starts a login at the app and stops at Cognito's door.
func (s *Site) Begin(parameters ...string) *PendingLogin {
	s.Helper()
	res := s.Send(Request{Path: "/login?" + strings.Join(parameters, "&")})
	if res.StatusCode != http.StatusFound {
		s.Fatalf("GET /login answered %d: %s", res.StatusCode, res.Text)
	}
	query := res.Target().Query()
	return &PendingLogin{State: query.Get("state"), Cookie: res.Cookie(IsLoginCookie), Query: query}
}

// Finish sends the callback with the attempt's cookie.
func (s *Site) Finish(p *PendingLogin, more ...*http.Cookie) *Answer {
	s.Helper()
	return s.Send(Request{Path: p.Callback, Cookies: append(more, p.Cookie)})
}

// Halfway begins a login and has the pool answer it for a user, or without
// anybody at the keyboard if user is "": the callback is ready to be sent.
func Halfway(s *Site, user string, parameters ...string) *PendingLogin {
	s.Helper()
	return Answered(s, s.Begin(parameters...), user)
}

// Answered is a login that the pool has answered for a user.
func (s *Site) Answered(user string) *PendingLogin {
	s.Helper()
	return Halfway(s, user)
}

// Answered has the pool answer a login that the app has begun.
func Answered(s *Site, p *PendingLogin, user string) *PendingLogin {
	s.Helper()
	browser := s.Pool.NewBrowser()
	stop := &stopAtApp{Transport: &http.Transport{}, pool: s.Pool.URL()}
	browser.HTTPClient.Transport = stop
	authorize := s.Pool.URL() + "/oauth2/authorize?" + p.Query.Encode()
	if user == "" {
		browser.Get(authorize)
	} else {
		browser.Login(authorize, user, PasswordOf(user))
	}
	if stop.landed == nil {
		s.Fatalf("the pool did not send %q back to the app", user)
	}
	p.Callback = stop.landed.RequestURI()
	return p
}

// stopAtApp lets a browser reach the pool, and holds what it would send to the
// app.
type stopAtApp struct {
	*http.Transport
	pool   string
	landed *url.URL
}

func (s *stopAtApp) RoundTrip(r *http.Request) (*http.Response, error) {
	if "http://"+r.URL.Host == s.pool {
		return s.Transport.RoundTrip(r)
	}
	s.landed = r.URL
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// SetsNothing reports cookies of an answer that must set none.
func SetsNothing(t *testing.T, what string, r *Answer) {
	t.Helper()
	if set := r.Header.Values("Set-Cookie"); len(set) > 0 {
		t.Errorf("%s sets cookies: %q", what, set)
	}
}

// StopAt keeps a browser from reaching addresses with a prefix, and remembers
// where it was going.
type StopAt struct {
	Prefix, Landed string
	Next           http.RoundTripper
}

func (s *StopAt) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), s.Prefix) {
		return s.Next.RoundTrip(r)
	}
	s.Landed = r.URL.String()
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// CloseIdleConnections lets the pool close the browser's connections.
func (s *StopAt) CloseIdleConnections() {
	s.Next.(interface{ CloseIdleConnections() }).CloseIdleConnections()
}
