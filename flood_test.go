package cognito_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/valyala/fasthttp"
)

// TestLoginFlood: strangers begin logins without end and never return. Any storage
// takes 4,096 of a process and no more; further ones travel in their cookies, and
// everybody can still log in, once with each.
func TestLoginFlood(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(storage))
	before := lab.Halfway(s, "alice")
	beginLogins(t, s, 5000)
	if kept := len(storage.Dump()); kept != 4096 {
		t.Errorf("the storage keeps %d logins in progress, want 4096", kept)
	}
	within := lab.Halfway(s, "bob", "return_to=/me")
	for name, p := range map[string]*lab.PendingLogin{"before": before, "within": within} {
		if res := s.Finish(p); res.Cookie(lab.IsSessionCookie) == nil || (name == "within" && res.Target().Path != "/me") {
			t.Errorf("a login from %s the flood ends with %s at %q", name, lab.StatusLine(res), res.Header.Get("Location"))
		}
	}
	if res := s.Finish(within); res.Cookie(lab.IsSessionCookie) != nil {
		t.Errorf("a login in a cookie serves twice: %s", lab.StatusLine(res))
	}
	s.Pool.Advance(10 * time.Minute)
	v := s.Visitor()
	v.LogIn()
}

// beginLogins begins logins as strangers do who never come back, without the way
// over a socket.
func beginLogins(t *testing.T, s *lab.Site, times int) {
	t.Helper()
	serve := s.App.Handler()
	for i := range times {
		visit := &fasthttp.RequestCtx{}
		visit.Request.SetRequestURI("/login")
		visit.Request.Header.SetHost("localhost")
		if serve(visit); visit.Response.StatusCode() != http.StatusFound {
			t.Fatalf("login %d answers %d", i, visit.Response.StatusCode())
		}
	}
}

// TestFloodOfFinishedLogins: strangers finish each login at once, with an invented error. What
// is kept for a double click stays bounded, and a visitor still logs in. It measures memory,
// so it runs alone.
func TestFloodOfFinishedLogins(t *testing.T) {
	s := lab.Serve(t, func(c *cognito.Config) { c.Logger = slog.New(slog.DiscardHandler) })
	serve := s.App.Handler()
	before := heapInUse()
	for i := range 3000 {
		begin, end := &fasthttp.RequestCtx{}, &fasthttp.RequestCtx{}
		begin.Request.SetRequestURI("/login?return_to=/" + strings.Repeat("x", 2000))
		begin.Request.Header.SetHost("localhost")
		serve(begin)
		authorize, _ := url.Parse(string(begin.Response.Header.Peek("Location")))
		end.Request.SetRequestURI("/login/redirect?error=access_denied&state=" + authorize.Query().Get("state"))
		end.Request.Header.SetHost("localhost")
		for name, cookie := range begin.Response.Header.Cookies() {
			_, value, _ := strings.Cut(string(cookie), "=")
			value, _, _ = strings.Cut(value, ";")
			end.Request.Header.SetCookie(string(name), value)
		}
		if serve(end); end.Response.StatusCode() != http.StatusForbidden {
			t.Fatalf("login %d ends with %d", i, end.Response.StatusCode())
		}
	}
	if grown := heapInUse() - before; grown > 6<<20 {
		t.Errorf("%d MB are kept of finished logins", grown>>20)
	}
	s.Visitor().LogIn()
}

func heapInUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
