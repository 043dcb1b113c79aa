package attacks_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// FuzzCallbackQuery sends whatever a stranger may write behind the callback's
// "?", with the cookie of a login in progress whose state stands for STATE.
// Nothing of it may sign anybody in, break the app, reach the pool's token
// endpoint without its code, or come back in the answer.
func FuzzCallbackQuery(f *testing.F) {
	seeds := []string{
		"", "state=STATE", "state=STATE&code=x", "code=x&state=STATE", "state=STATE&code=x&code=y", "state=STATE&state=STATE&code=x",
		"state=STATE&error=access_denied", "state=STATE&error=<script>alert(1)</script>&error_description=<img+src=x>", "error=login_required",
		"state=STATE&code=x&error=server_error", "state=STATE&code=%00", "state=%zz&code=%", "state=STATE&iss=https://evil.example&code=x",
		"state=STATE;code=x", "STATE", "state[]=STATE&code=x", "state=STATE&code=\x00\xff", "state=&code=x", "state=STATE&access_token=a&id_token=b",
		"state=STATE&error=invalid_request&error_description=Already+found+an+entry+for+username+google_1", "&&&=&=", "state=STATE#code=x",
		"state=STATE&code=" + strings.Repeat("a", 4096), strings.Repeat("x=1&", 500) + "state=STATE",
	}
	if len(seeds) < 20 {
		f.Fatalf("only %d seeds", len(seeds))
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	pool := cognitotest.New(cognitotest.Options{})
	f.Cleanup(pool.Close)
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	auth, err := cognito.NewAuth(config)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = auth.Close() })
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	app.Use(auth.Handler())

	f.Fuzz(func(t *testing.T, query string) {
		begun := ask(t, app, "/login", nil)
		location, err := url.Parse(begun.Header.Get("Location"))
		if err != nil || len(begun.Cookies()) == 0 {
			t.Fatalf("the login answered %d", begun.StatusCode)
		}
		ticket := begun.Cookies()[len(begun.Cookies())-1]
		marked := strings.ReplaceAll(query, "STATE", location.Query().Get("state"))
		res := ask(t, app, "/login/redirect?"+marked, ticket)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusFound && (res.StatusCode < 400 || res.StatusCode > 499) {
			t.Errorf("%q is answered with %d", query, res.StatusCode)
		}
		for _, cookie := range res.Cookies() {
			if lab.IsSessionCookie(cookie.Name) && cookie.Value != "" {
				t.Errorf("%q signs somebody in", query)
			}
		}
		for _, mark := range []string{"<script>", "<img", "evil.example", "alert(1)"} {
			if strings.Contains(query, mark) && bytes.Contains(body, []byte(mark)) {
				t.Errorf("%q comes back in the answer", query)
			}
		}
	})
}

// ask sends a request whose target is taken as it is, as browsers' are not.
func ask(t *testing.T, app *fiber.App, target string, cookie *http.Cookie) *http.Response {
	t.Helper()
	r := &http.Request{
		Method: http.MethodGet, Host: "localhost:8021", Header: http.Header{"Accept": {"text/html"}}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	path, query, _ := strings.Cut(target, "?")
	r.URL = &url.URL{Path: path, RawQuery: sendable(query)}
	if cookie != nil {
		r.AddCookie(cookie)
	}
	res, err := app.Test(r, -1)
	if err != nil {
		t.Fatalf("%q: %v", target, err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

// sendable drops the bytes that would end the request line; what they do is
// TestRawCallback's to show.
func sendable(query string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, query)
}
