package attacks_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// FuzzAuthorizationHeader sends arbitrary Authorization headers, as bytes, to
// an app with a guarded route. Nothing may panic, and nobody is let in but by
// the one valid token, alone behind its scheme. TOKEN stands for it, so that
// headers which nearly hold it are found.
//
// Each header is sent twice: without a cookie, and with that of bob. What calls
// itself a bearer token must never make the request bob's.
func FuzzAuthorizationHeader(f *testing.F) {
	seeds := []string{
		"Bearer TOKEN", "bearer TOKEN", "Bearer  TOKEN ", "Bearer\tTOKEN", "Bearer \tTOKEN", "Bearer", "Bearer ", "", "TOKEN",
		"Bearer TOKEN, Bearer TOKEN", "Bearer TOKEN,", "Bearer,TOKEN", "Bearer:TOKEN", "Bearer=TOKEN", "BearerTOKEN", "Bearer TOKENx", "Bearer xTOKEN",
		"Bearer TOKEN.", "Bearer .TOKEN", "Bearer TOKEN=", "Bearer \"TOKEN\"", "Basic TOKEN", "Basic Ym9iOmI=, Bearer TOKEN", "BearerX TOKEN",
		"Bearer TOKEN\r\nAuthorization: Bearer TOKEN", "Bearer x\r\nAuthorization: Bearer TOKEN", "Bearer\r\n TOKEN", "Bearer TOKEN\r\nCookie: x=y",
		"Bearer TOKEN\x00", "Bearer\u00a0TOKEN", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer ..", "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6Wzwx.e30.AA",
		"Digest username=\"TOKEN\"", "Negotiate TOKEN", "Bearer TOKEN; charset=utf-8", "Bearer TOKEN\tx", "B\u212Aearer TOKEN",
	}
	if len(seeds) < 30 {
		f.Fatalf("only %d seeds", len(seeds))
	}
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	door := newDoor(f)
	f.Fuzz(func(t *testing.T, header []byte) {
		header = bytes.ReplaceAll(header, []byte("TOKEN"), []byte(door.token))
		alone, status := door.knock(t, header, nil)
		withCookie, _ := door.knock(t, header, door.bob)
		if status/100 == 2 && alone != "alice" {
			t.Errorf("%q lets in %q with %d", header, alone, status)
		}
		if bytes.ContainsAny(header, "\r\n") {
			// More headers, or another request; but without the token nobody.
			if !bytes.Contains(header, []byte(door.token)) && (alone != "" || withCookie == "alice") {
				t.Errorf("%q lets in %q and %q", header, alone, withCookie)
			}
			return
		}
		text := strings.Trim(string(header), " \t")
		isBearer, isValid := readsAsBearer(text, door.token)
		if alone != "" && !isValid || withCookie == "alice" && !isValid {
			t.Errorf("%q lets in %q and %q", header, alone, withCookie)
		}
		if isBearer && withCookie == "bob" {
			t.Errorf("%q falls back to the cookie", header)
		}
	})
}

// readsAsBearer is a reading of the header by RFC 9110 and RFC 6750, from left
// to right: whether its scheme is Bearer, and whether the token follows.
func readsAsBearer(header, token string) (isBearer, isValid bool) {
	const letters = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	end := strings.IndexFunc(header, func(r rune) bool { return !strings.ContainsRune(letters, r) })
	if end < 0 {
		return strings.ToLower(header) == "bearer", false
	}
	if strings.ToLower(header[:end]) != "bearer" {
		return false, false
	}
	return true, strings.HasPrefix(header[end:], " ") && strings.TrimLeft(header[end:], " ") == token
}

// door is an app in memory with one guarded route.
type door struct {
	app   *fiber.App
	token string       // alice's
	bob   *http.Cookie // bob's session
}

func newDoor(f *testing.F) *door {
	f.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	f.Cleanup(pool.Close)
	config := pool.Config()
	config.Bearer, config.OnEvent = true, func(cognito.Event) {}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		f.Fatal(err)
	}
	d := &door{app: fiber.New(fiber.Config{ReadBufferSize: 64 << 10}), token: pool.AccessToken("", "alice", map[string]any{"exp": pool.Now().Add(1000 * time.Hour).Unix()})}
	f.Cleanup(func() {
		if err := d.app.Shutdown(); err != nil {
			f.Error(err)
		}
	})
	d.app.Use(auth.Handler())
	d.app.Get("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString(cognito.UserFrom(c).Username()) })
	for _, cookie := range pool.SignIn(d.app, "bob") {
		if lab.IsSessionCookie(cookie.Name) {
			d.bob = cookie
		}
	}
	d.app.Handler() // builds the routes
	// Without the honest cases, a door that is always shut would pass.
	if who, _ := d.knock(f, []byte("Bearer "+d.token), nil); who != "alice" {
		f.Fatalf("the valid token lets in %q", who)
	}
	if who, _ := d.knock(f, nil, d.bob); who != "bob" {
		f.Fatalf("the cookie lets in %q", who)
	}
	return d
}

// knock sends the header and returns who was let in, "" for nobody.
func (d *door) knock(t testing.TB, header []byte, cookie *http.Cookie) (who string, status int) {
	t.Helper()
	var request bytes.Buffer
	request.WriteString("GET /me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n")
	if cookie != nil {
		request.WriteString("Cookie: " + cookie.Name + "=" + cookie.Value + "\r\n")
	}
	request.WriteString("Authorization: ")
	request.Write(header)
	request.WriteString("\r\n\r\n")
	line := &memoryConn{Reader: &request}
	_ = d.app.Server().ServeConn(line) // an error is the answer to what is no HTTP
	res, err := http.ReadResponse(bufio.NewReader(&line.answer), nil)
	if err != nil {
		return "", 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Errorf("the answer is cut: %v", err)
	}
	if res.StatusCode/100 != 2 {
		return "", res.StatusCode
	}
	return string(body), res.StatusCode
}

// memoryConn is a connection whose request is there already.
type memoryConn struct {
	io.Reader
	answer bytes.Buffer
}

func (c *memoryConn) Write(b []byte) (int, error)      { return c.answer.Write(b) }
func (c *memoryConn) Close() error                     { return nil }
func (c *memoryConn) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *memoryConn) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (c *memoryConn) SetDeadline(time.Time) error      { return nil }
func (c *memoryConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memoryConn) SetWriteDeadline(time.Time) error { return nil }
