package web_test

import (
	"testing"

	"github.com/bar-tech/cognito/internal/web"
	"github.com/valyala/fasthttp"
)

// with makes headers of names and values in turn.
func with(pairs ...string) web.Headers {
	h := web.Headers{RequestHeader: &fasthttp.RequestHeader{}}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestMayChange(t *testing.T) {
	for _, row := range []struct {
		method string
		h      web.Headers
		want   bool
	}{
		{"GET", with(), false},
		{"HEAD", with(), false},
		{"OPTIONS", with(), false},
		{"GET", with("Upgrade", "h2c"), false},
		{"GET", with("Upgrade", "WebSocket"), true},
		{"GET", with("Upgrade", "h2c, websocket"), true},
		{"POST", with(), true},
		{"PUT", with(), true},
		{"DELETE", with(), true},
		{"get", with(), true}, // no method that a browser sends
		{"", with(), true},
	} {
		if got := web.MayChange(row.method, row.h); got != row.want {
			t.Errorf("%q with %q may change something: %t", row.method, row.h.Peek("Upgrade"), got)
		}
	}
}

func TestVisitsPage(t *testing.T) {
	const html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for name, row := range map[string]struct {
		method string
		h      web.Headers
		want   bool
	}{
		"a browser":                      {"GET", with("Sec-Fetch-Mode", "navigate", "Accept", html), true},
		"a browser that says no mode":    {"GET", with("Accept", html), true},
		"a navigation that takes all":    {"GET", with("Sec-Fetch-Mode", "navigate", "Accept", "*/*"), true},
		"a script for HTML":              {"GET", with("Sec-Fetch-Mode", "cors", "Accept", html), false},
		"an image":                       {"GET", with("Sec-Fetch-Mode", "no-cors"), false},
		"a WebSocket":                    {"GET", with("Sec-Fetch-Mode", "websocket", "Upgrade", "websocket"), false},
		"a WebSocket that says no mode":  {"GET", with("Upgrade", "websocket", "Accept", html), false},
		"a form":                         {"POST", with("Sec-Fetch-Mode", "navigate", "Accept", html), false},
		"HEAD":                           {"HEAD", with("Accept", html), false},
		"a prefetch":                     {"GET", with("Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch;prerender"), false},
		"a prefetch of an older browser": {"GET", with("Purpose", "Prefetch", "Accept", html), false},
		"a service worker in Firefox":    {"GET", with("Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty", "Accept", html), true},
		"a fetch of the same origin":     {"GET", with("Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty", "Accept", "*/*"), false},
		"its prefetch":                   {"GET", with("Sec-Fetch-Mode", "same-origin", "Sec-Fetch-Dest", "empty", "Accept", html, "Sec-Purpose", "prefetch"), false},
		"a prefetch of Firefox":          {"GET", with("X-Moz", "prefetch", "Accept", html), false},
		"HTMX":                           {"GET", with("HX-Request", "true", "Accept", html), false},
		"jQuery":                         {"GET", with("X-Requested-With", "xmlhttprequest", "Accept", html), false},
		"curl":                           {"GET", with("Accept", "*/*"), false},
		"nothing":                        {"GET", with(), false},
	} {
		if got := web.Ask(row.method, row.h).VisitsPage(); got != row.want {
			t.Errorf("%s is a navigation: %t", name, got)
		}
	}
}

func TestIsScript(t *testing.T) {
	for name, row := range map[string]struct {
		h    web.Headers
		want bool
	}{
		"a navigation": {with("Sec-Fetch-Mode", "navigate"), false},
		"curl":         {with(), false},
		"a fetch":      {with("Sec-Fetch-Mode", "same-origin"), true},
		"a worker":     {with("Sec-Fetch-Mode", "same-origin", "Accept", "text/html"), false},
		"by h2c":       {with("Sec-Fetch-Mode", "navigate", "Upgrade", "h2c"), false},
		"a prefetch":   {with("Sec-Fetch-Mode", "navigate", "Sec-Purpose", "prefetch"), true},
	} {
		if got := web.Ask("GET", row.h).IsScript(); got != row.want {
			t.Errorf("%s calls itself a script: %t", name, got)
		}
	}
}

func TestPrefersHTML(t *testing.T) {
	for accept, want := range map[string]bool{
		"":          false,
		"*/*":       false,
		"text/html": true,
		"TEXT/HTML": true,
		"text/*":    true,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": true,
		"text/html, application/json":                                     true,
		"application/json, text/html":                                     false,
		"application/json, text/plain, */*":                               false,
		"text/html;q=0.5, application/json;q=0.4":                         true,
		"text/html;q=0.4, application/json;q=0.5":                         false,
		"text/html;q=0.8, */*":                                            false,
		"text/html;q=0":                                                   false,
		"application/json;q=0, text/html;q=0":                             false,
		"application/json;q=0, */*":                                       true,
		"text/html; level=1; Q=0.9, application/json;q=0.8":               true,
		"text/html;q=NaN":                                                 false,
		"text/html;q=-1, application/json;q=0.1":                          false,
		"text/html;q=2, application/json;q=0.1":                           false,
		"text/*, application/json":                                        false, // named beats meant
		"image/avif,image/webp,*/*;q=0.8":                                 false,
		",,;;q=,/":                                                        false,
		"text/html;q=0.1":                                                 true,
		"application/problem+json, text/html;q=0.1":                       true,
	} {
		if got := web.PrefersHTML(accept); got != want {
			t.Errorf("Accept %q prefers a page: %t", accept, got)
		}
	}
}

func TestNamesJSON(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "application/*": false, "text/html": false, "application/problem+json": false, "application/json;q=0": false,
		"application/json": true, "application/json, text/plain, */*": true, "text/html, Application/JSON;q=0.5": true,
	} {
		if got := web.NamesJSON(accept); got != want {
			t.Errorf("Accept %q names JSON: %t", accept, got)
		}
	}
}
