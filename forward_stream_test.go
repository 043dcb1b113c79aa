package cognito_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// streaming is an app that takes bodies of any size as they come.
func streaming(t *testing.T, to string, hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	s := lab.ServeAppStreaming(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.All("/api/*", auth.Forward(to))
		lab.Pages(app)
	}, hooks...)
	return s
}

// TestForwardStreams: 64 MB pass both ways, whole, and are never in memory.
func TestForwardStreams(t *testing.T) {
	const size = 64 << 20
	s := streaming(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		w.Header().Set("X-Sum", fmt.Sprintf("%d %x %v", n, sum.Sum(nil), err))
		chunk := bytes.Repeat([]byte("cognito!"), 4096)
		for range size / len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	alice := s.SignIn("alice")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sent := sha256.New()
	req, err := http.NewRequest(http.MethodPost, s.URL+"/api/big", io.TeeReader(io.LimitReader(endlessly("wonderland"), size), sent))
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(alice)
	req.Header.Set("Origin", s.URL)
	res, err := lab.PlainClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if n != size || err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%d bytes came back: %v, %s", n, err, res.Status)
	}
	if got, want := res.Header.Get("X-Sum"), fmt.Sprintf("%d %s <nil>", size, hex.EncodeToString(sent.Sum(nil))); got != want {
		t.Errorf("the API got %s, want %s", got, want)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/2 {
		t.Errorf("%d MB were allocated on the way", grown>>20)
	}
}

// endlessly is a text without an end.
type endlessly string

func (e endlessly) Read(p []byte) (n int, err error) {
	for n < len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// TestForwardEarlyRefusal: an API that refuses a body before it has come is heard, and
// what is left of the body is taken for no other request.
func TestForwardEarlyRefusal(t *testing.T) {
	t.Parallel()
	s := streaming(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too much", http.StatusRequestEntityTooLarge)
	}))
	conn := dial(t, s)
	fmt.Fprintf(conn, "POST /api/x HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[1]s\r\nContent-Length: 10000000\r\nCookie: %[2]s\r\n\r\n%[3]s", hostOf(s), pair(s.SignIn("alice")), strings.Repeat("some", 5000))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
		t.Fatalf("%v, %v", res, err)
	}
	if body, err := io.ReadAll(res.Body); string(body) != "too much\n" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if rest, err := io.ReadAll(conn); len(rest) > 0 {
		t.Errorf("%q follows, %v", rest, err)
	}
}

// TestForwardKeepsConnections: answers with and without bodies follow each other on one
// connection, and so do requests whose bodies stream.
func TestForwardKeepsConnections(t *testing.T) {
	t.Parallel()
	s := streaming(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		default:
			fmt.Fprintf(w, "%s %d", r.Method, len(body))
		}
	}))
	cookie := pair(s.SignIn("alice"))
	conn := dial(t, s)
	reader := bufio.NewReader(conn)
	for _, row := range []struct {
		method, path string
		size, status int
		want         string
	}{
		{"HEAD", "/api/x", 0, 200, ""}, {"GET", "/api/204", 0, 204, ""}, {"GET", "/api/304", 0, 304, ""},
		{"POST", "/api/x", 3, 200, "POST 3"}, {"POST", "/api/x", 100000, 200, "POST 100000"}, {"POST", "/api/204", 100000, 204, ""},
		{"POST", "/api/x", 0, 200, "POST 0"}, {"GET", "/api/x", 0, 200, "GET 0"}, {"DELETE", "/api/x", 0, 200, "DELETE 0"},
	} {
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[3]s\r\nContent-Length: %d\r\nCookie: %s\r\n\r\n%s", row.method, row.path, hostOf(s), row.size, cookie, strings.Repeat("x", row.size))
		res, err := http.ReadResponse(reader, &http.Request{Method: row.method})
		if err != nil {
			t.Fatal(row.method, row.path, row.size, err)
		}
		if body, err := io.ReadAll(res.Body); string(body) != row.want || err != nil || res.StatusCode != row.status || res.Close {
			t.Errorf("%s %s of %d: %q, %v, %s, closing: %v", row.method, row.path, row.size, body, err, res.Status, res.Close)
		}
	}
}

// TestForwardBrokenAnswer: an answer that breaks off is not taken for a whole one.
func TestForwardBrokenAnswer(t *testing.T) {
	t.Parallel()
	for name, announced := range map[string]bool{"with a length": true, "in chunks": false} {
		t.Run(name, func(t *testing.T) {
			s := forwarding(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
				if announced {
					w.Header().Set("Content-Length", "100000")
				}
				io.WriteString(w, strings.Repeat("half", 5000))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}))
			if res, err := s.TrySend(lab.Request{Path: "/api/x", Cookies: []*http.Cookie{s.SignIn("alice")}}); err == nil {
				t.Errorf("%s with %d bytes looks whole", lab.StatusLine(res), len(res.Text))
			}
		})
	}
}

// TestForwardEvents: an event arrives before the answer ends, and the answer ends when
// alice signs out.
func TestForwardEvents(t *testing.T) {
	t.Parallel()
	left := make(chan struct{})
	s := forwarding(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	alice := s.SignIn("alice")
	conn := dial(t, s)
	fmt.Fprintf(conn, "GET /api/events HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", pair(alice))
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	event := make([]byte, len("data: first\n\n"))
	if _, err := io.ReadFull(res.Body, event); err != nil || string(event) != "data: first\n\n" {
		t.Fatalf("%q, %v", event, err)
	}
	s.MustLogOut(s.Send(lab.LogOut(alice)))
	if rest, err := io.ReadAll(res.Body); len(rest) > 0 || errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", rest, err)
	}
	<-left
}

// TestForwardEventsOfNobody: a visitor leaves the page of a stream that has nothing more to
// say. The call to the upstream ends, also if the server limits how long a request may take
// to arrive; a visitor who stays gets the next event, and the end.
func TestForwardEventsOfNobody(t *testing.T) {
	t.Parallel()
	left, next := make(chan struct{}), make(chan struct{})
	events := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.Context().Done():
			close(left)
		case <-next:
			io.WriteString(w, "data: last\n\n")
		}
	})
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Server().ReadTimeout = 3 * time.Second // a busy machine sends its requests within that
		app.All("/api/*", auth.Forward(events))
		lab.Pages(app)
	})
	alice := s.SignIn("alice")
	open := func() (net.Conn, *http.Response) {
		conn := dial(t, s)
		fmt.Fprintf(conn, "GET /api/events HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n\r\n", pair(alice))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(res.Body, make([]byte, len("data: first\n\n"))); err != nil {
			t.Fatal(err)
		}
		return conn, res
	}
	_, stays := open()
	leaves, _ := open()
	leaves.Close()
	select {
	case <-left:
	case <-time.After(time.Minute):
		t.Error("the call of somebody who has left goes on")
	}
	time.Sleep(3500 * time.Millisecond) // past the server's limit
	close(next)
	if rest, err := io.ReadAll(stays.Body); string(rest) != "data: last\n\n" || err != nil {
		t.Errorf("who stays gets %q, %v", rest, err)
	}
}

// TestForwardWebSocket: another protocol passes both ways, with what was sent along at
// once, and ends when alice signs out.
func TestForwardWebSocket(t *testing.T) {
	t.Parallel()
	s := forwarding(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || r.Header.Get("Sec-WebSocket-Key") != "key" {
			http.Error(w, "who?", http.StatusUnauthorized)
			return
		}
		conn, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: a=b\r\n\r\n")
		for {
			line, err := both.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(conn, "you said "+line)
		}
	}))
	alice := s.SignIn("alice")
	conn := dial(t, s)
	fmt.Fprintf(conn, "GET /api/ws HTTP/1.1\r\nHost: %s\r\nOrigin: http://%[1]s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: key\r\nCookie: %[2]s\r\n\r\nhello\n", hostOf(s), pair(alice))
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || len(res.Cookies()) > 0 {
		t.Fatalf("%v, %v", res, err)
	}
	for _, word := range []string{"hello\n", "again\n"} {
		if line, err := reader.ReadString('\n'); line != "you said "+word || err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		if word == "hello\n" {
			io.WriteString(conn, "again\n")
		}
	}
	s.MustLogOut(s.Send(lab.LogOut(alice)))
	if rest, err := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("after the logout %q came, %v", rest, err)
	}
}

func dial(t *testing.T, s *lab.Site) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", hostOf(s))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	t.Cleanup(func() { conn.Close() })
	return conn
}

func hostOf(s *lab.Site) string { return strings.TrimPrefix(s.URL, "http://") }

func pair(cookie *http.Cookie) string { return cookie.Name + "=" + cookie.Value }
