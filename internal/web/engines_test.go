package web_test

import (
	"testing"

	"github.com/bar-tech/cognito/internal/web"
	"github.com/valyala/fasthttp"
)

const (
	own     = "https://app.example"
	allowed = "https://admin.example"
	sibling = "https://evil.example"
	html    = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
)

// TestWhatEnginesSend has what Chromium, Firefox and WebKit were seen to send, and what
// follows from it: whether a POST may use the cookie, and whether a GET of the same
// kind signs out at once.
func TestWhatEnginesSend(t *testing.T) {
	for _, row := range []struct {
		what, site, mode, origin, referer string
		foreign, leaves                   bool
	}{
		{"own form or link", "same-origin", "navigate", own, own + "/page", false, true},
		{"own form, no referrer", "same-origin", "navigate", "null", "", false, false},
		{"own form, old browser", "", "", own, own + "/page", false, true},
		{"own script", "same-origin", "cors", own, own + "/page", false, false},
		{"own script, old browser", "", "", own, "", false, false},
		{"program", "", "", "", "", false, false},
		{"typed", "none", "navigate", "", "", false, false},
		{"allowed origin's form", "same-site", "navigate", allowed, allowed + "/", false, false},
		{"allowed origin's script", "same-site", "cors", allowed, allowed + "/", false, false},

		{"sibling's form", "same-site", "navigate", sibling, sibling + "/", true, false},
		{"sibling's form, no referrer", "same-site", "navigate", "null", "", true, false},
		{"sibling's script", "same-site", "no-cors", sibling, sibling + "/", true, false},
		{"E1: Firefox, redirected form, no referrer", "none", "navigate", "null", "", true, false},
		{"E1: the same, old browser", "", "", "null", "", true, false},
		{"E1: a browser that lies about its Origin alone", "none", "navigate", sibling, "", true, false},
		{"an Origin that another Sec-Fetch-Site contradicts", "same-origin", "navigate", sibling, "", true, false},
		{"after the callback, Chromium and WebKit", "cross-site", "navigate", "", "", true, false},
		{"after the callback, Firefox", "none", "navigate", "", "", false, false},
		{"E4: WebKit, reload or back", "none", "navigate", "", own + "/page", false, false},
		{"E4: WebKit, reload of another site's", "none", "navigate", "", sibling + "/", true, false},
		{"E2: Firefox, own form past a worker", "same-origin", "same-origin", own, own + "/page", false, true},
		{"E3: Firefox, sibling's form past a worker", "same-origin", "same-origin", own, sibling + "/", true, false},
		{"E3: the same, no referrer", "same-origin", "same-origin", "null", "", true, false},
		{"E3: WebKit, sibling's form past a worker", "same-origin", "navigate", sibling, sibling + "/", true, false},
		{"E3: the same with the app's Origin", "same-origin", "navigate", own, sibling + "/", true, false},
		{"E3: WebKit, no referrer: cannot be told apart", "same-origin", "navigate", own, "", false, false},
		{"a Referer that is no address", "same-origin", "navigate", own, "%zz", true, false},
		{"a Referer that only looks own", "same-origin", "navigate", own, own + ".evil.example/", true, false},
		{"a Referer with a user", "same-origin", "navigate", own, own + "@evil.example/", true, false},
	} {
		ask := web.Asking{Site: row.site, Mode: row.mode, Origin: row.origin, Referer: row.referer, Accept: "*/*"}
		if row.mode != "cors" && row.mode != "no-cors" && row.what != "program" && row.what != "own script, old browser" {
			ask.Accept = html
		}
		if row.mode != "navigate" {
			ask.Dest = "empty"
		}
		ask.Method = "POST"
		if got := ask.IsForeign([]string{allowed, own}); got != row.foreign {
			t.Errorf("%s: a POST is foreign: %t", row.what, got)
		}
		ask.Method = "GET"
		if got := ask.FollowsOwnLink([]string{allowed, own}); got != row.leaves {
			t.Errorf("%s: a GET signs out at once: %t", row.what, got)
		}
		if ask.IsForeign([]string{allowed, own}) {
			t.Errorf("%s: a GET is foreign", row.what)
		}
	}
}

// TestHeadersInAnyCase: names mean the same in any case, equal headers count once, and
// of those that differ none is believed.
func TestHeadersInAnyCase(t *testing.T) {
	raw := web.Headers{RequestHeader: &fasthttp.RequestHeader{}, AnyCase: true}
	raw.DisableNormalizing()
	for name, value := range map[string]string{"sec-fetch-site": "same-origin", "SEC-FETCH-MODE": "navigate", "oRIGIN": own} {
		raw.Set(name, value)
	}
	raw.Add("referer", own+"/")
	raw.Add("Referer", own+"/")
	if got := web.Ask("POST", raw); got.Site != "same-origin" || got.Mode != "navigate" || got.Origin != own || got.Referer != own+"/" {
		t.Errorf("read %+v", got)
	}
	raw.Add("origin", sibling)
	if got := web.Ask("POST", raw); !got.IsForeign([]string{own}) {
		t.Errorf("of two origins one was believed: %+v", got)
	}
}

// TestAskedAhead: every word for a request ahead of a click.
func TestAskedAhead(t *testing.T) {
	for _, pair := range [][2]string{
		{"Sec-Purpose", "prefetch"}, {"Sec-Purpose", "prefetch;prerender"}, {"Sec-Purpose", "prefetch;anonymous-client-ip"},
		{"Sec-Purpose", "PREFETCH"}, {"Purpose", "prefetch"}, {"purpose", "Preview"}, {"X-Purpose", "preview"}, {"X-Purpose", ": instant"},
		{"X-Moz", "prefetch"}, {"x-moz", "Prefetch"}, {"X-Sec-Purpose", "prefetch"}, {"Purpose", "prerender"},
	} {
		if !web.Ask("GET", with(pair[0], pair[1])).Ahead {
			t.Errorf("%s: %s is taken for a click", pair[0], pair[1])
		}
	}
	if web.Ask("GET", with("Purpose", "reading")).Ahead {
		t.Error("a click is taken for a prefetch")
	}
}

// TestIsAmbiguous has every way to write a path that resolves to another, and honest
// ones.
func TestIsAmbiguous(t *testing.T) {
	for path, want := range map[string]bool{
		"/": false, "/a/": false, "/a/b.c": false, "/.well-known/x": false, "/...": false, "/a..b": false, "/..a": false,
		"/%E3%81%82": false, "/%e3%81%82/": false, "/a%20b": false, "/a%40b": false, "/a%2Bb": false, "/a%3Fb": false, "/100%": false,
		"/100%25": false, "/100%25/x": false, "/50%2520off": false, "/a;b=c": false, "/~a": false, "/%zz": false, "/%5Bx%5D": false,
		"//": true, "//a": true, "/a//": true, "/a//b": true, "/.": true, "/..": true, "/./a": true, "/a/../b": true, "/a/..": true,
		"/%61": true, "/%41": true, "/%7e": true, "/%2D": true, "/%2e%2e/a": true, "/.%2e": true, "/a%2fb": true, "/a%2Fb": true, "/a%5cb": true,
		`/a\b`: true, "/%5C": true, "/%2561": true, "/%252e": true, "/%25252f": true, "/%%61": true, "": true, "*": true, "a": true, "../a": true, "/%30": true,
	} {
		if got := web.IsAmbiguous([]byte(path)); got != want {
			t.Errorf("%q is ambiguous: %t", path, got)
		}
	}
}

func BenchmarkIsAmbiguous(b *testing.B) {
	path := []byte("/reports/2026/november")
	for b.Loop() {
		web.IsAmbiguous(path)
	}
}

func TestAsksServer(t *testing.T) {
	for _, row := range []struct {
		method, path string
		want         bool
	}{{"OPTIONS", "*", true}, {"GET", "*", false}, {"OPTIONS", "/*", false}, {"OPTIONS", "", false}} {
		if got := web.AsksServer(row.method, []byte(row.path)); got != row.want {
			t.Errorf("%s %s asks the server: %t", row.method, row.path, got)
		}
	}
}
