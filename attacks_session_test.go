package cognito_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// serveApp is serve for an app that the test furnishes itself, below the
// middleware.
func serveApp(t *testing.T, furnish func(*fiber.App, *cognito.Auth), hooks ...func(*cognito.Config)) *site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return serveAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		furnish(app, auth)
	}, hooks...)
}

// serveAppWith leaves the middleware to furnish as well.
func serveAppWith(t *testing.T, pool *cognitotest.Pool, furnish func(*fiber.App, *cognito.Auth), hooks ...func(*cognito.Config)) *site {
	t.Helper()
	s := &site{T: t, pool: pool, log: &lockedBuffer{}}
	config := pool.Config()
	config.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, hook := range hooks {
		hook(&config)
	}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatalf("NewAuth: %v", err)
	}
	s.auth = auth
	s.app = fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	furnish(s.app, auth)
	s.url = listen(t, s.app)
	pool.AllowOrigin(s.url)
	t.Cleanup(func() {
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		s.noSecretsIn(s.log.String(), "the log")
	})
	return s
}

// listen serves an app until the test ends, and returns its address.
func listen(t *testing.T, app *fiber.App) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := app.Shutdown(); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		<-served
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return "http://localhost:" + port
}

// sendRaw writes bytes to the app as they are, which no HTTP client would, and
// returns the status of the answer.
func (s *site) sendRaw(text string) int {
	s.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, text); err != nil {
		s.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		s.Fatalf("no answer to %.100q: %v", text, err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// TestSessionIDsAreUnguessable is row D1: 256 random bits each, and a new one
// at every login.
func TestSessionIDsAreUnguessable(t *testing.T) {
	s := serve(t)
	seen := map[string]bool{}
	var bits [256]int
	const logins = 64
	for range logins {
		id := s.finish(s.answered("alice")).cookie(isSessionCookie).Value
		random, err := base64.RawURLEncoding.Strict().DecodeString(id)
		if err != nil || len(id) != 43 || len(random) != 32 {
			t.Fatalf("an id has %d characters and %d bytes, want 43 and 32: %v", len(id), len(random), err)
		}
		if seen[id] {
			t.Fatal("an id was given out twice")
		}
		seen[id] = true
		for i := range bits {
			bits[i] += int(random[i/8]>>(i%8)) & 1
		}
	}
	// A fair bit is set 32 times, give or take 4; 26 is more than six times
	// that, so this fails for bits that are fixed and for no fair ones.
	for i, set := range bits {
		if set < logins/2-26 || set > logins/2+26 {
			t.Errorf("bit %d is set in %d ids of %d", i, set, logins)
		}
	}
}

// TestMalformedSessionIDs is row D2: what cannot be an id of ours never gets as
// far as the storage, so no cookie can search it, and no flood of junk can keep
// it busy.
func TestMalformedSessionIDs(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	name, id := alice.cookie.Name, alice.cookie.Value
	lastOtherSpelling := id[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[alphabetIndex(id[42])^1])
	before := len(storage.asked(""))
	for _, junk := range []string{
		"", "*", "../../etc/passwd", id[:42], id + "A", id + "=", id[1:], " " + id[:42],
		strings.Repeat("A", 10<<10), strings.Repeat("*", 43), strings.Repeat("\x00", 43), strings.Repeat(".", 43),
		strings.Replace(id, id[:1], "+", 1), id[:21] + "/" + id[22:], id[:21] + "%" + id[22:], id[:21] + "\x00" + id[22:],
		id[:21] + "\t" + id[22:], `"` + id + `"`, hotPrefix + id, alice.hot, strings.TrimPrefix(alice.hot, hotPrefix) + "x",
		lastOtherSpelling, id + "," + id, "\xff" + id[1:],
	} {
		raw := fmt.Sprintf("GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s\r\nConnection: close\r\n\r\n", name, junk)
		// A server may well refuse the bytes as such.
		if status := s.sendRaw(raw); status != http.StatusUnauthorized && status != http.StatusBadRequest {
			t.Errorf("the cookie %.60q was answered %d, want 401 or 400", junk, status)
		}
	}
	for _, split := range []string{"\r\n", "\n", "\r"} {
		s.sendRaw(fmt.Sprintf("GET /me HTTP/1.1\r\nHost: localhost\r\nCookie: %s=%s%sX: %s\r\nConnection: close\r\n\r\n", name, id[:21], split, id[21:]))
	}
	if calls := storage.asked("")[before:]; len(calls) > 0 {
		t.Errorf("the storage was asked %d times, first for %q", len(calls), calls[0].key)
	}
	s.mustBe("alice", alice.cookie)
}

func alphabetIndex(c byte) int {
	return strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", c)
}

// TestSessionIDOutsideOfTheCookie is row D2: an id in the query, in another
// header or in the body is in logs and in links, and counts for nothing.
func TestSessionIDOutsideOfTheCookie(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	name, id := alice.cookie.Name, alice.cookie.Value
	before := len(storage.asked(""))
	for _, r := range []request{
		{path: "/me?" + name + "=" + id + "&sid=" + id + "&session=" + id},
		{path: "/me", header: map[string]string{name: id, "X-Session": id, "X-Session-Id": id}},
		{path: "/me", header: map[string]string{"Authorization": "Bearer " + id}},
		{path: "/me", header: map[string]string{"Authorization": "Cookie " + name + "=" + id}},
		{path: "/me", header: map[string]string{"X-Cookie": name + "=" + id, "Cookie2": name + "=" + id}},
		{path: "/me", cookies: []*http.Cookie{{Name: strings.ToUpper(name), Value: id}, {Name: "x" + name, Value: id}, {Name: name + "x", Value: id}}},
		{path: "/me", cookies: []*http.Cookie{{Name: name + "_trips", Value: id}, {Name: "__Host-" + name, Value: id}, {Name: "other", Value: name + "=" + id}}},
	} {
		if res := s.send(r); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%v was answered %s, want 401", r, statusLine(res))
		}
	}
	if calls := storage.asked("")[before:]; len(calls) > 0 {
		t.Errorf("the storage was asked %d times, first for %q", len(calls), calls[0].key)
	}
	s.mustBe("alice", alice.cookie)
}

// bring puts cookies into a visitor's jar, as if the app had set them.
func (v *visitor) bring(cookies ...*http.Cookie) {
	at, err := url.Parse(v.site.url)
	if err != nil {
		v.site.Fatal(err)
	}
	v.Client.Jar.SetCookies(at, cookies)
}

// timeouts sets the limits of sessions.
func timeouts(idle, absolute time.Duration) func(*cognito.Config) {
	return func(c *cognito.Config) { c.IdleTimeout, c.AbsoluteTimeout = idle, absolute }
}

// TestSessionOutlivesItsIdleLimit is row D5: a browser left open in a library
// must not stay signed in because some storage keeps records for ever.
func TestSessionOutlivesItsIdleLimit(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage), timeouts(2*time.Hour, 100*time.Hour))
	alice, bob := s.newSession(storage, "alice"), s.newSession(storage, "bob")
	for range 5 { // in use, so its end moves
		s.pool.Advance(119 * time.Minute)
		s.mustBe("alice", alice.cookie)
	}
	s.mustBe("", bob.cookie) // was not in use
	s.pool.Advance(121 * time.Minute)
	s.mustBe("", alice.cookie)
	s.pool.Advance(-2 * time.Minute)
	s.mustBe("", alice.cookie) // gone for good
	if storage.has(alice.hot) || storage.has(alice.cold) {
		t.Error("the records of a session that ended are still there")
	}
}

// TestSessionOutlivesItsAbsoluteLimit is row D5: neither use nor renewed tokens
// may keep a stolen cookie alive for ever.
func TestSessionOutlivesItsAbsoluteLimit(t *testing.T) {
	t.Parallel()
	storage := newStore()
	s := serve(t, on(storage), timeouts(time.Hour, 10*time.Hour))
	alice := s.newSession(storage, "alice")
	for range 19 {
		s.pool.Advance(30 * time.Minute)
		s.mustBe("alice", alice.cookie)
		res := s.send(request{path: "/token/refresh", method: http.MethodPost, cookies: []*http.Cookie{alice.cookie}})
		if res.StatusCode != http.StatusOK {
			t.Fatalf("renewing the tokens answered %s", statusLine(res))
		}
	}
	if calls := s.pool.Calls(cognitotest.Token); calls < 20 {
		t.Fatalf("%d token calls, want 20: the tokens were renewed all along", calls)
	}
	s.pool.Advance(29 * time.Minute)
	s.mustBe("alice", alice.cookie)
	s.pool.Advance(2 * time.Minute)
	s.mustBe("", alice.cookie)
}

// TestSessionWithoutRefreshToken is row D5: nothing can renew it, so it ends
// with its tokens, to the second: the leeway for clocks is for verification.
func TestSessionWithoutRefreshToken(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Rewrite: func(answer map[string]any) { delete(answer, "refresh_token") }})
	alice := s.newSession(storage, "alice")
	bob := s.newSession(storage, "bob") // has one
	s.pool.Advance(59 * time.Minute)
	s.mustBe("alice", alice.cookie)
	s.pool.Advance(time.Minute + time.Second)
	s.mustBe("", alice.cookie)
	s.mustBe("bob", bob.cookie)
	if calls := s.pool.Calls(cognitotest.Token); calls != 3 {
		t.Errorf("%d token calls, want two logins and one refresh of bob's", calls)
	}
}

// TestSlidingIsRare is part of row D5's price: moving the idle limit writes to
// the storage, so it happens once a tenth of the limit and not per request.
func TestSlidingIsRare(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage), timeouts(10*time.Hour, 100*time.Hour))
	s.pool.SetClient(cognitotest.Client{ID: s.pool.Config().ClientID, AccessTokenTTL: 99 * time.Hour, IDTokenTTL: 99 * time.Hour})
	alice := s.newSession(storage, "alice")
	slid := func() (times int) {
		before := len(storage.asked("set"))
		for range 20 {
			s.mustBe("alice", alice.cookie)
		}
		for _, call := range storage.asked("set")[before:] {
			if call.key == alice.hot {
				times++
			}
		}
		return times
	}
	if got := slid(); got != 0 {
		t.Errorf("20 requests just after the login moved the limit %d times, want none", got)
	}
	for range 3 {
		s.pool.Advance(61 * time.Minute)
		if got := slid(); got != 1 {
			t.Errorf("20 requests a tenth of the limit later moved it %d times, want once", got)
		}
	}
	s.pool.Advance(599 * time.Minute)
	s.mustBe("alice", alice.cookie)
}

// TestRecordOfAnotherVersion is row D7: in a rolling deployment another release
// has written the record. Here it is no session, and no error either, and it
// stays for the release that can read it.
func TestRecordOfAnotherVersion(t *testing.T) {
	storage := newStore()
	s := serve(t, on(storage))
	alice := s.newSession(storage, "alice")
	hot := storage.dump()[alice.hot]
	for _, version := range []byte{hot[0] - 1, hot[0] + 1, 0, 0x7b, 0xff} {
		newer := append([]byte{version}, hot[1:]...)
		storage.plant(alice.hot, newer)
		s.mustBe("", alice.cookie)
		if dump := storage.dump(); string(dump[alice.hot]) != string(newer) || dump[alice.cold] == nil {
			t.Errorf("the records of version %d did not stay as they were", version)
		}
		v := s.visitor()
		v.bring(alice.cookie)
		page := v.Get(s.url + "/me") // a browser just logs in again
		if page.Status != http.StatusOK || !strings.Contains(page.Body, `type="password"`) {
			t.Errorf("with version %d a page visit ended on %s with %d", version, page.URL, page.Status)
		}
	}
	storage.plant(alice.hot, hot)
	s.mustBe("alice", alice.cookie)
}
