package engine

import (
	"bufio"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// cookieName is what a config may name the session's cookie.
var cookieName = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

func bufioReader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

// FuzzCookieHeader: whatever the header, what is read is what a plain split finds, and
// what net/http finds where the header is well formed.
func FuzzCookieHeader(f *testing.F) {
	for _, header := range cookieHeaders {
		f.Add(header, "N")
		f.Add(strings.ReplaceAll(header, "N", "cognito_a"), "cognito_a")
	}
	f.Fuzz(func(t *testing.T, header, name string) {
		if !cookieName.MatchString(name) || strings.ContainsAny(header, "\r\n\x00") {
			return
		}
		header = strings.Trim(header, " \t") // as every parser of headers does
		got, found := scanCookies([]byte(header), []byte(name))
		want, wanted := cookieOracle(name, header)
		if len(cookieValues(name, header)) > 1 {
			want, wanted = "", false // a scan counts, and equal ones are told apart later
		}
		if got != want || found != wanted {
			t.Errorf("Cookie: %q, name %q: %q, %t, want %q, %t", header, name, got, found, want, wanted)
		}
		if !wellFormed(header) {
			return
		}
		standard := (&http.Request{Header: http.Header{"Cookie": {header}}}).CookiesNamed(name)
		if found != (len(standard) == 1) || found && standard[0].Value != got {
			t.Errorf("Cookie: %q, name %q: %q, %t, net/http finds %v", header, name, got, found, standard)
		}
	})
}

// scanCookies is cookies.read for one header, without a request around it.
func scanCookies(header, name []byte) (value string, found bool) {
	count := 0
	for steps := len(header) + 2; len(header) > 0; steps-- {
		if steps == 0 {
			panic("nextCookie does not get ahead")
		}
		candidate, rest, ok := nextCookie(header, name)
		if ok {
			value = string(candidate)
			count++
		}
		header = rest
	}
	if count != 1 {
		return "", false
	}
	return value, true
}

// wellFormed reports whether a header is as RFC 6265 section 4.2.1 wants it.
func wellFormed(header string) bool {
	for _, pair := range strings.Split(header, "; ") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
		}) || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`",;\`, r) }) {
			return false
		}
	}
	return true
}

// FuzzCookieNames: cookies are Secure and bound to their host whenever the app is
// reached over https, and only then: browsers drop the others.
func FuzzCookieNames(f *testing.F) {
	for _, base := range []string{"", "https://app.example.com", "HTTPS://app.example.com/shop", "http://localhost:8021", "://", "https://"} {
		f.Add(base, "cognito_x", "/login/redirect")
	}
	f.Fuzz(func(t *testing.T, base, name, redirectPath string) {
		k := newCookies(Settings{BaseURL: base, CookieName: name, RedirectPath: redirectPath})
		u, err := url.Parse(base)
		https := err == nil && u.Scheme == "https"
		for _, cookie := range []string{string(k.session), k.loginLoop, k.attempt} {
			if k.secure != https || strings.HasPrefix(cookie, hostPrefix) != https && !strings.HasPrefix(name, hostPrefix) {
				t.Errorf("BaseURL %q: cookies are Secure: %t, one is called %s", base, k.secure, cookie)
			}
		}
	})
}
