package main

import (
	"bufio"
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/fasthttp/websocket"
)

// site is the app on a real listener.
type site struct {
	*testing.T
	address string
	pool    *cognitotest.Pool
}

// ways are the two to keep sessions.
var ways = map[string]func(*cognito.Config){
	"stored": func(*cognito.Config) {},
	"in cookies": func(c *cognito.Config) {
		c.Storage, c.CookieSessions, c.Keys = nil, true, []string{rand.Text() + rand.Text()}
	},
}

func serve(t *testing.T, every time.Duration, way func(*cognito.Config)) *site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	way(&config)
	app, err := newApp(config, every)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	s := &site{t, "http://localhost:" + port, pool}
	pool.AllowOrigin(s.address)
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		_ = app.Shutdown()
		<-served
	})
	return s
}

// signIn is somebody's browser, signed in.
func (s *site) signIn(who, password string) *cognitotest.Browser {
	s.Helper()
	browser := s.pool.NewBrowser()
	if page := browser.Login(s.address+"/login", who, password); page.Err != nil || page.Status != http.StatusOK {
		s.Fatalf("the login ends with %d %v", page.Status, page.Err)
	}
	return browser
}

// header is what a browser sends along with a request of a page of an origin's.
func (s *site) header(browser *cognitotest.Browser, origin string) http.Header {
	header := http.Header{"Origin": {origin}}
	for _, cookie := range browser.Cookies(s.address) {
		header.Add("Cookie", cookie.Name+"="+cookie.Value)
	}
	return header
}

func (s *site) connect(header http.Header) (*websocket.Conn, *http.Response) {
	conn, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(s.address, "http")+"/ws", header)
	if err != nil {
		return nil, res
	}
	s.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	return conn, res
}

func (s *site) says(conn *websocket.Conn, message string) string {
	s.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		s.Fatal(err)
	}
	_, reply, err := conn.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(reply)
}

func (s *site) signOut(browser *cognitotest.Browser) {
	s.Helper()
	r, err := http.NewRequest(http.MethodPost, s.address+"/logout", nil)
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Origin", s.address)
	if page := browser.Do(r); page.Err != nil || page.Status != http.StatusOK {
		s.Fatalf("the logout ends with %d %v", page.Status, page.Err)
	}
}

// TestSocketEndsWithTheSession: alice talks for hours, with fresh tokens; when she signs
// out, the socket is closed and says why, be it that she is silent or that she speaks.
func TestSocketEndsWithTheSession(t *testing.T) {
	tokens := map[string]bool{}
	callService = func(token string) string {
		tokens[token] = true
		return "called"
	}
	for name, way := range ways {
		for kind, every := range map[string]time.Duration{"silent": 20 * time.Millisecond, "speaking": time.Hour} {
			t.Run(name+", "+kind, func(t *testing.T) {
				clear(tokens)
				s := serve(t, every, way)
				alice := s.signIn("alice", "wonderland")
				conn, res := s.connect(s.header(alice, s.address))
				if conn == nil {
					t.Fatalf("alice gets no socket: %v", res)
				}
				if got := s.says(conn, "hello"); got != "alice said hello" {
					t.Errorf("the socket says %q", got)
				}
				s.says(conn, "call")
				s.pool.Advance(2 * time.Hour) // the token of the login has expired
				if got := s.says(conn, "call"); got != "called" || len(tokens) != 2 || tokens[""] {
					t.Errorf("the socket says %q, and called with %d tokens", got, len(tokens))
				}
				s.signOut(alice)
				if kind == "speaking" {
					_ = conn.WriteMessage(websocket.TextMessage, []byte("delete all"))
				}
				_, reply, err := conn.ReadMessage()
				if !websocket.IsCloseError(err, signedOut) {
					t.Errorf("after the logout the socket says %q, %v", reply, err)
				}
			})
		}
	}
}

// TestSocketIsForOwnPages: nobody opens one for strangers, nor for alice from another
// site's page; she does from hers.
func TestSocketIsForOwnPages(t *testing.T) {
	s := serve(t, time.Hour, ways["stored"])
	alice := s.signIn("alice", "wonderland")
	if conn, res := s.connect(s.header(s.pool.NewBrowser(), s.address)); conn != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a stranger: %v, %v", conn, res)
	}
	if conn, res := s.connect(s.header(alice, "https://evil.example")); conn != nil || res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's page: %v, %v", conn, res)
	}
	if conn, res := s.connect(s.header(alice, s.address)); conn == nil {
		t.Errorf("alice's own page: %v", res)
	}
}

// TestEventsEndWithTheSession: events come at once, go on past the token's expiry, and
// end when alice signs out.
func TestEventsEndWithTheSession(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			s := serve(t, 20*time.Millisecond, way)
			alice := s.signIn("alice", "wonderland")
			r, err := http.NewRequest(http.MethodGet, s.address+"/events", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = s.header(alice, s.address)
			res, err := http.DefaultClient.Do(r)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", res, err)
			}
			defer func() { _ = res.Body.Close() }()
			lines := bufio.NewScanner(res.Body)
			until := func(want string) {
				t.Helper()
				for lines.Scan() {
					if lines.Text() == want {
						return
					}
				}
				t.Fatalf("the stream ended before %q: %v", want, lines.Err())
			}
			until("data: alice@example.com")
			s.pool.Advance(2 * time.Hour)
			until(": still there")
			s.signOut(alice)
			until("event: end")
			for lines.Scan() {
				if text := lines.Text(); text != "data: signed out" && text != "" {
					t.Errorf("%q follows the end", text)
				}
			}
			if lines.Err() != nil {
				t.Error("the stream broke off:", lines.Err())
			}
		})
	}
}
