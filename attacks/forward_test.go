package attacks_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// forwarded is an app that forwards /api/* to /v1 of a service that notes what it gets.
type forwarded struct {
	*lab.Site
	mu  sync.Mutex
	got []*http.Request
}

func serveForwarded(t *testing.T, answer http.Header, hooks ...func(*cognito.Config)) *forwarded {
	t.Helper()
	f := &forwarded{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.got = append(f.got, r)
		maps.Copy(w.Header(), answer)
		io.WriteString(w, "the API")
	}))
	t.Cleanup(api.Close)
	f.Site = lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.All("/api/*", auth.Forward(api.URL+"/v1"))
		app.All("/one", auth.Forward(api.URL+"/v1"))
		lab.Pages(app)
	}, hooks...)
	return f
}

// raw sends a request as it stands, with the session of a cookie.
func (f *forwarded) raw(method, target, host string, cookie *http.Cookie, lines ...string) int {
	f.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.URL, "http://"))
	if err != nil {
		f.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nCookie: %s=%s\r\n%s\r\n", method, target, host, cookie.Name, cookie.Value, strings.Join(append(lines, ""), "\r\n"))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		f.Fatal(target, err)
	}
	res.Body.Close()
	return res.StatusCode
}

func (f *forwarded) seen() (got []*http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	got, f.got = f.got, nil
	return got
}

// TestForwardLeadsNowhereElse: no spelling of a path, of a host or of a query leads out
// of the origin and the path that are forwarded to, also where the app lets ambiguous
// paths pass.
func TestForwardLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(*cognito.Config){
		"by default":              func(*cognito.Config) {},
		"with ambiguous paths on": func(c *cognito.Config) { c.AllowAmbiguousPaths = true },
	} {
		t.Run(name, func(t *testing.T) {
			f := serveForwarded(t, nil, hook)
			alice := f.SignIn("alice")
			host := strings.TrimPrefix(f.URL, "http://")
			for _, target := range []string{
				"/api/../admin", "/api/..", "/api/x/../../admin", "/api/%2e%2e/admin", "/api/.%2E/admin", "/api/%252e%252e/admin", "/api/..%2fadmin", "/api/..%5cadmin",
				`/api/..\admin`, `/api/\evil.example`, "/api//evil.example", "/api/%2fevil.example", "/api/%2F%2Fevil.example", "/api/./x", "/api/x//y", "/api/..;/admin",
				"/api/..;a=b/admin", "/api/x/.;/y", "/api/..%3b/admin", "/api/..%253b/admin", "/api/x/.%25253Bv=1/y", "/api/%zz", "/api/%25%32%65%25%32%65/admin",
			} {
				status := f.raw("GET", target, host, alice)
				for _, r := range f.seen() {
					t.Errorf("%s went to %s", target, r.RequestURI)
				}
				if status != http.StatusBadRequest && status != http.StatusNotFound {
					t.Errorf("%s was answered %d", target, status)
				}
			}
			for target, want := range map[string]string{
				"/api/@evil.example/x":                  "/v1/@evil.example/x",
				"/api/http:evil.example":                "/v1/http:evil.example",
				"/api/x?u=http://evil.example/../../#y": "/v1/x?u=http://evil.example/../../",
				"/api/x?a=b&&c=%2e%2e":                  "/v1/x?a=b&&c=%2e%2e",
				"http://evil.example/api/x":             "/v1/x",
				"http://x@evil.example/api/x":           "/v1/x",
				"/api/%0d%0aHost:%20evil.example":       "/v1/%0d%0aHost:%20evil.example",
				"/api/a%20b%C3%A9;v=1,2":                "/v1/a%20b%C3%A9;v=1,2",
				"/api/..x/...":                          "/v1/..x/...",
				"/api":                                  "/v1",
				"/api/":                                 "/v1",
				"/one?x":                                "/v1?x",
			} {
				status := f.raw("GET", target, host, alice)
				got := f.seen()
				if len(got) != 1 || got[0].RequestURI != want || status != http.StatusOK {
					t.Errorf("%s was answered %d, and %v went on", target, status, got)
				}
			}
		})
	}
	f := serveForwarded(t, nil)
	f.raw("GET", "/api/x", "evil.example", f.SignIn("alice"))
	for _, r := range f.seen() {
		if r.Host == "evil.example" {
			t.Error("the API was asked as evil.example")
		}
	}
}

// TestForwardTakesNobodysWord: what a visitor says about who they are does not reach
// the API, in whatever spelling; the session's token does, whatever Connection lists.
func TestForwardTakesNobodysWord(t *testing.T) {
	t.Parallel()
	f := serveForwarded(t, nil)
	host := strings.TrimPrefix(f.URL, "http://")
	cookie := f.SignIn("alice")
	status := f.raw("GET", "/api/x", host, cookie,
		"Authorization: Basic YWRtaW46YWRtaW4=", "Cookie: role=admin", "X-Forwarded-For: 10.0.0.1", "X-Forwarded-User: admin", "X_Forwarded_User: admin", "x-forwarded-groups: admins",
		"Forwarded: for=10.0.0.1", "X-Real-IP: 10.0.0.1", "X-Auth-Request-User: admin", "Remote-User: admin", "REMOTE_USER: admin", "X-Amzn-Oidc-Identity: admin",
		"X-authentik-username: admin", "X-Vouch-User: admin", "X-Pomerium-Claim-Email: admin", "X-Consumer-Username: admin", "X-Credential-Identifier: admin", "X-Token-Subject: admin",
		"OIDC_CLAIM_email: admin", "X-Userinfo: e30=", "X-Apigateway-Api-Userinfo: e30=", "X-Scope-OrgID: other", "SM_USER: admin", "iv-user: admin", "X-ARR-ClientCert: x",
		"X-HTTP-Method-Override: DELETE", "X-Original-URL: /admin", "Proxy-Authorization: Basic x", "Via: x", "TE: gzip", "Keep-Alive: 1",
		"Connection: close, Authorization, X-Secret-Hop", "X-Secret-Hop: 1", "Origin: "+f.URL, "Sec-Fetch-Site: same-origin", "Referer: "+f.URL+"/secret",
		"X-Kept: yes", "Accept: text/x-kept", "Sec-CH-UA: kept")
	got := f.seen()
	if status != http.StatusOK || len(got) != 1 {
		t.Fatalf("%d, %d requests", status, len(got))
	}
	header := got[0].Header
	names := slices.Sorted(maps.Keys(header))
	if want := []string{"Accept", "Authorization", "Sec-Ch-Ua", "X-Kept"}; !slices.Equal(names, want) {
		t.Errorf("the API got %v, want %v", names, want)
	}
	token := f.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{cookie}}).Text
	if values := header["Authorization"]; len(values) != 1 || values[0] != "Bearer "+token {
		t.Errorf("the API got %d credentials, and not alice's token alone", len(values))
	}
}

// TestForwardForOtherSites: another site's request that may change something does not
// go on, and neither does one that would send the token back.
func TestForwardForOtherSites(t *testing.T) {
	t.Parallel()
	f := serveForwarded(t, nil)
	host := strings.TrimPrefix(f.URL, "http://")
	alice := f.SignIn("alice")
	for name, status := range map[string]int{
		"a form":      f.raw("POST", "/api/x", host, alice, "Origin: https://evil.example", "Content-Length: 0"),
		"a WebSocket": f.raw("GET", "/api/x", host, alice, "Origin: https://evil.example", "Upgrade: websocket", "Connection: Upgrade"),
		"TRACE":       f.raw("TRACE", "/api/x", host, alice, "Origin: "+f.URL),
	} {
		if got := f.seen(); status != http.StatusForbidden && status != http.StatusMethodNotAllowed || len(got) > 0 {
			t.Errorf("%s is answered %d, %d requests went on", name, status, len(got))
		}
	}
	if status := f.raw("POST", "/api/x", host, alice, "Origin: "+f.URL, "Content-Length: 0"); status != http.StatusOK || len(f.seen()) != 1 {
		t.Errorf("alice's own form is answered %d", status)
	}
}

// TestForwardsAnswerHasNoPower: an upstream's headers change neither the session nor
// what caches, other sites and the proxy in front do with the origin.
func TestForwardsAnswerHasNoPower(t *testing.T) {
	t.Parallel()
	answer := http.Header{}
	for _, name := range []string{
		"Set-Cookie2", "Clear-Site-Data", "WWW-Authenticate", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Strict-Transport-Security",
		"Service-Worker-Allowed", "X-Accel-Redirect", "X-Sendfile", "X_Accel_Redirect", "Surrogate-Control", "CDN-Cache-Control", "Refresh", "Alt-Svc", "Expires", "X-Hop", "Proxy-Authenticate",
		"NEL", "Report-To", "Accept-CH", "Critical-CH", "Set-Login", "Secure-Session-Registration",
		"X-Sendfile2", "X-LiteSpeed-Location", "X-LiteSpeed-Cache-Control", "Edge-Control", "Akamai-Cache-Control", "Cloudflare-CDN-Cache-Control", "Vercel_CDN_Cache_Control",
	} {
		answer.Set(name, "evil")
	}
	answer.Set("Connection", "X-Hop")
	answer.Set("Cache-Control", "public, max-age=60, s-maxage=600")
	answer.Set("X-Kept", "yes")
	answer.Set("Content-Type", "text/x-kept")
	f := serveForwarded(t, answer)
	cookie := f.SignIn("alice")
	answer.Set("Set-Cookie", cookie.Name+"=stolen; Path=/")
	res := f.Send(lab.Request{Path: "/api/x", Cookies: []*http.Cookie{cookie}})
	names := slices.Sorted(maps.Keys(res.Header))
	if want := []string{"Cache-Control", "Content-Length", "Content-Type", "Date", "Vary", "X-Content-Type-Options", "X-Kept"}; !slices.Equal(names, want) {
		t.Errorf("the visitor got %v, want %v", names, want)
	}
	if got := res.Header.Get("Cache-Control"); got != "private, max-age=60" {
		t.Errorf("Cache-Control is %q", got)
	}
	if res.Text != "the API" || res.Header.Get("Content-Type") != "text/x-kept" {
		t.Errorf("%s", lab.StatusLine(res))
	}
}

// TestForwardsTrailersTakeNothingAway: an upstream announces trailers with the names of
// headers that protect the answer: what keeps it out of caches, the app's own policy. They
// stay headers, for no browser or cache heeds a trailer. The body arrives.
func TestForwardsTrailersTakeNothingAway(t *testing.T) {
	t.Parallel()
	names := []string{"Cache-Control", "Content-Security-Policy", "Vary", "X-Content-Type-Options"}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", strings.Join(append(names, "X-Sum"), ", "))
		io.WriteString(w, "the API")
		w.(http.Flusher).Flush()
		for _, name := range append(names, "X-Sum") {
			w.Header().Set(name, "evil")
		}
	}))
	t.Cleanup(api.Close)
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Use("/api", func(c *fiber.Ctx) error {
			c.Set("Content-Security-Policy", "default-src 'none'")
			return c.Next()
		})
		app.All("/api/*", auth.Forward(api.URL))
		lab.Pages(app)
	})
	res := s.Send(lab.Request{Path: "/api/x", Cookies: []*http.Cookie{s.SignIn("alice")}})
	for i, want := range []string{"private, no-store", "default-src 'none'", "Cookie", "nosniff"} {
		if got := res.Header.Get(names[i]); got != want {
			t.Errorf("%s is %q, want %q", names[i], got, want)
		}
	}
	if len(res.Trailer) > 0 {
		t.Errorf("the trailers are %v", res.Trailer)
	}
	if res.StatusCode != http.StatusOK || res.Text != "the API" {
		t.Errorf("%s", lab.StatusLine(res))
	}
}
