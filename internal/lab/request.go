package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Request is one HTTP exchange without a jar and without following redirects.
type Request struct {
	Method  string
	Path    string
	Cookies []*http.Cookie
	Header  map[string]string
}

// Answer is what came back, with its body read.
type Answer struct {
	*http.Response
	Text string
}

// Target is where a redirect leads.
func (r *Answer) Target() *url.URL {
	location, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return &url.URL{}
	}
	return location
}

// Cookie is the first cookie set whose name matches, or nil.
func (r *Answer) Cookie(match func(string) bool) *http.Cookie {
	for _, cookie := range r.Cookies() {
		if match(cookie.Name) && cookie.Value != "" {
			return cookie
		}
	}
	return nil
}

// Send makes a request that must be answered.
func (s *Site) Send(r Request) *Answer {
	s.Helper()
	answer, err := s.TrySend(r)
	if err != nil {
		s.Fatal(err)
	}
	return answer
}

// TrySend makes one that may fail, in any goroutine.
func (s *Site) TrySend(r Request) (*Answer, error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	req, err := http.NewRequest(r.Method, s.URL+r.Path, nil)
	if err != nil {
		return nil, err
	}
	for _, cookie := range r.Cookies {
		req.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	for name, value := range r.Header {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	res, err := PlainClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return &Answer{res, string(body)}, err
}

// PlainClient opens a connection a request, so that no request hides behind
// an earlier one.
var PlainClient = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Problem decodes an application/problem+json body.
func (r *Answer) Problem(t *testing.T) map[string]any {
	t.Helper()
	if got := r.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q, want application/problem+json", got)
	}
	return Decode(t, r.Text)
}

// Decode reads a body that is a JSON object.
func Decode(t *testing.T, body string) map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Errorf("not a JSON object: %v in %.200q", err, body)
	}
	return fields
}

// StatusLine is an answer in short.
func StatusLine(r *Answer) string { return fmt.Sprintf("%d %s", r.StatusCode, r.Text) }

// Absent stands for a header that From leaves out.
const Absent = "-"

// From are the headers by which a browser says who sent a request.
func From(fetchSite, origin string) map[string]string {
	header := map[string]string{}
	if fetchSite != Absent {
		header["Sec-Fetch-Site"] = fetchSite
	}
	if origin != Absent {
		header["Origin"] = origin
	}
	return header
}

// HasCORS reports whether any header of the CORS protocol is set.
func HasCORS(header http.Header) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(header)), func(name string) bool {
		return strings.HasPrefix(name, "Access-Control-")
	})
}

// BasicAuth reads the credentials in a header.
func BasicAuth(header http.Header) (id, secret string, ok bool) {
	return (&http.Request{Header: header}).BasicAuth()
}

// RoundTripper is a transport that is a function.
type RoundTripper func(*http.Request) (*http.Response, error)

func (f RoundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
