package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
	whatwg "github.com/nlnwa/whatwg-url/url"
	"github.com/valyala/fasthttp"
)

// FuzzReturnTo asks where a login leads that was told to return to raw, and
// has a WHATWG URL parser, which is what browsers have, judge the answer: it
// must be a page of this very app.
//
// Open redirects. A login that ends on a page
// of the attacker's looks to its victim like a step of the login.
//
// No network is needed: prompt=none sends the visitor to Cognito, and the
// answer login_required sends them back to where they came from.
func FuzzReturnTo(f *testing.F) {
	apps := returnApps(f)
	for _, payload := range returnPayloads {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, app := range apps {
			for presentation, location := range app.returns(t, raw) {
				if problem := app.problem(location); problem != "" {
					t.Errorf("%s, %s %q: Location %q %s", app.base, presentation, raw, location, problem)
				}
			}
		}
	})
}

// TestReturnToKeepsHonestPaths is the other half of the fuzz target: what is a
// path of this app arrives as it was, so refusing everything would not do.
func TestReturnToKeepsHonestPaths(t *testing.T) {
	for _, app := range returnApps(t) {
		for _, honest := range []string{
			"/me", "/me?tab=2", "/a/b/c.html?x=1&y=2", "/search?q=a%20b", "/?next=//evil.example", "/%E2%82%AC",
			"/me?return=https://evil.example/", "/a:b@c", "/login2", "/..a/b..",
		} {
			for presentation, location := range app.returns(t, honest) {
				if presentation == "return_to unescaped" && strings.Contains(honest, "&") {
					continue // the rest is another parameter then
				}
				want := app.prefix + honest
				if presentation == "return_to unescaped" && strings.Contains(honest, "%") {
					continue // decoded once on the way
				}
				if location != want {
					t.Errorf("%s, %s %q: Location %q, want %q", app.base, presentation, honest, location, want)
				}
			}
		}
		if location := app.login(t, "return_to="+url.QueryEscape("/me#part")); location != app.prefix+"/me#part" {
			t.Errorf("%s: a fragment leads to %q", app.base, location)
		}
	}
}

// TestReturnToFallsBack names what must lead to AfterLogin: other places, and the
// routes of the login itself, which would begin it again.
func TestReturnToFallsBack(t *testing.T) {
	for _, app := range returnApps(t) {
		for _, refused := range []string{
			"", "me", "https://evil.example/", "//evil.example", `/\evil.example`, "/\t/evil.example", "/a/../../b", "/%2e%2E/b",
			"/login", "/login?return_to=/me", "/login/redirect", "/logout", "/token/refresh", "/" + strings.Repeat("a", 8<<10),
		} {
			if location := app.login(t, "return_to="+url.QueryEscape(refused)); location != app.prefix+"/" {
				t.Errorf("%s, return_to %.40q: Location %q, want %q", app.base, refused, location, app.prefix+"/")
			}
		}
	}
}

// TestOracleSeesAttacks makes sure that the judge is not blind: of these
// payloads a good part leaves the app if it is redirected to as it stands.
func TestOracleSeesAttacks(t *testing.T) {
	app := returnApps(t)[0]
	caught := 0
	for _, payload := range returnPayloads {
		if app.leaves(payload) != "" {
			caught++
		}
	}
	if len(returnPayloads) < 100 || caught < 50 {
		t.Errorf("of %d payloads the parser takes %d out of the app, want 100 and 50 at least", len(returnPayloads), caught)
	}
}

// returnApp is an app in memory.
type returnApp struct {
	base   string // as browsers see it
	prefix string // the path of base
	server *fasthttp.Server
}

// returnApps are two apps: one at the root of its origin, and one behind a
// proxy that strips a prefix, out of which dot segments could climb.
func returnApps(tb testing.TB) []*returnApp {
	return []*returnApp{newReturnApp(tb, "http://localhost:8021", ""), newReturnApp(tb, "https://app.example.com", "/shop")}
}

func newReturnApp(tb testing.TB, origin, prefix string) *returnApp {
	tb.Helper()
	auth, err := cognito.NewAuth(cognito.Config{
		UserPoolDomain: "https://auth.example.com", ClientID: "1example23456789", UserPoolID: "eu-west-2_AbCdEfGhI",
		BaseURL: origin + prefix, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		HTTPClient: &http.Client{Transport: noNetwork{}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = auth.Close() })
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(auth.Handler())
	app.Use(cognito.RequireUser())
	return &returnApp{base: origin + prefix, prefix: prefix, server: &fasthttp.Server{
		Handler: app.Handler(), ReadBufferSize: 64 << 10, Logger: quiet{},
	}}
}

// noNetwork is a transport that nobody may use.
type noNetwork struct{}

func (noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network here")
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// returns are the places that a login leads to, by the ways in which raw can
// reach the app. Some texts cannot travel some ways.
func (a *returnApp) returns(tb testing.TB, raw string) map[string]string {
	tb.Helper()
	found := map[string]string{"return_to": a.login(tb, "return_to="+url.QueryEscape(raw))}
	if strings.ContainsAny(raw, " \r\n") || raw == "" {
		return found // not in a request line
	}
	if location := a.login(tb, "return_to="+raw); location != "" {
		found["return_to unescaped"] = location
	}
	// A guarded page, whose address the guard hands to the login.
	guarded := a.exchange(tb, raw, "")
	if guarded == nil || guarded.StatusCode != http.StatusFound {
		return found
	}
	if strings.HasPrefix(guarded.Header.Get("Location"), "https://auth.example.com/oauth2/authorize?") {
		return found // raw is the login route itself
	}
	login, err := url.Parse(guarded.Header.Get("Location"))
	if err != nil || login.Path != a.prefix+"/login" || login.IsAbs() || login.Host != "" {
		tb.Errorf("%s: the guard of %q redirects to %q (%v)", a.base, raw, guarded.Header.Get("Location"), err)
		return found
	}
	found["guarded page"] = a.login(tb, login.RawQuery)
	return found
}

// login goes through a login that ends where it began, and returns the
// Location of the end. It is "" if the text is not even a request.
func (a *returnApp) login(tb testing.TB, query string) string {
	tb.Helper()
	begun := a.exchange(tb, "/login?prompt=none&"+query, "")
	if begun == nil || begun.StatusCode != http.StatusFound {
		return ""
	}
	authorize, err := begun.Location()
	if err != nil || authorize.Host != "auth.example.com" {
		tb.Fatalf("the login redirects to %q (%v)", begun.Header.Get("Location"), err)
	}
	cookies := begun.Cookies()
	if len(cookies) != 1 {
		tb.Fatalf("the login sets %d cookies", len(cookies))
	}
	ended := a.exchange(tb, "/login/redirect?error=login_required&state="+authorize.Query().Get("state"), cookies[0].Name+"="+cookies[0].Value)
	if ended == nil || ended.StatusCode != http.StatusFound {
		tb.Fatalf("the callback answers %v", ended)
	}
	return ended.Header.Get("Location")
}

// exchange sends one request as raw bytes and reads the one response. It
// returns nil if the server hangs up without one.
func (a *returnApp) exchange(tb testing.TB, target, cookie string) *http.Response {
	tb.Helper()
	host, _, _ := strings.Cut(strings.SplitN(a.base, "://", 2)[1], "/")
	wire := &wire{in: strings.NewReader(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/html\r\nCookie: %s\r\n\r\n", target, host, cookie))}
	_ = a.server.ServeConn(wire) // what matters is what it wrote
	if wire.out.Len() == 0 {
		return nil
	}
	answer := bufio.NewReader(&wire.out)
	response, err := http.ReadResponse(answer, nil)
	if err != nil {
		tb.Errorf("the answer to %q is no HTTP: %v", target, err)
		return nil
	}
	_, _ = io.Copy(io.Discard, response.Body)
	if rest, _ := io.ReadAll(answer); len(rest) > 0 || len(response.Header.Values("Location")) > 1 {
		tb.Errorf("the answer to %q is split: %q follows", target, rest)
	}
	return response
}

// problem says what is wrong with a Location, or "".
func (a *returnApp) problem(location string) string {
	for i := range len(location) {
		if location[i] <= ' ' || location[i] >= 0x7f {
			return fmt.Sprintf("holds the byte %#x", location[i])
		}
	}
	if len(location) > len(a.prefix)+2048 {
		return fmt.Sprintf("is %d bytes long", len(location))
	}
	if path, _, _ := strings.Cut(strings.TrimPrefix(location, a.prefix), "?"); slices.Contains([]string{"/login", "/login/redirect", "/logout", "/token/refresh"}, path) {
		return "is a route of the login itself"
	}
	return a.leaves(location)
}

// leaves says where a browser goes that is redirected to location by the
// callback, if that is not within the app.
func (a *returnApp) leaves(location string) string {
	resolved, err := whatwg.ParseRef(a.base+"/login/redirect", location)
	if err != nil {
		return "is no URL: " + err.Error()
	}
	origin := resolved.Protocol() + "//" + resolved.Host()
	if origin+a.prefix != a.base || resolved.Username() != "" || !strings.HasPrefix(resolved.Pathname(), a.prefix+"/") {
		return "leads to " + resolved.String()
	}
	return ""
}

// wire is a connection in memory that carries one request.
type wire struct {
	in  *strings.Reader
	out bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error)     { return w.in.Read(p) }
func (w *wire) Write(p []byte) (int, error)    { return w.out.Write(p) }
func (*wire) Close() error                     { return nil }
func (*wire) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*wire) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*wire) SetDeadline(time.Time) error      { return nil }
func (*wire) SetReadDeadline(time.Time) error  { return nil }
func (*wire) SetWriteDeadline(time.Time) error { return nil }
