package lab

import (
	"net/http"
	"net/url"
	"testing"
)

// Halfway begins a login and has the pool answer it for a user, or without
// anybody at the keyboard if user is "": the callback is ready to be sent.
func Halfway(s *Site, user string, parameters ...string) *PendingLogin {
	s.Helper()
	return Answered(s, s.Begin(parameters...), user)
}

// Answered has the pool answer a login that the app has begun.
func Answered(s *Site, p *PendingLogin, user string) *PendingLogin {
	s.Helper()
	browser := s.Pool.NewBrowser()
	stop := &stopAtApp{Transport: &http.Transport{}, pool: s.Pool.URL()}
	browser.Client.Transport = stop
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
