package attacks_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// TestForwardIsNoTunnel: after "Upgrade: h2c", a server would read HTTP/2 from whoever
// asked for it. So a visitor could send it any path and any header, past all that is
// decided here (https://bishopfox.com/blog/h2c-smuggling-request). WebSockets pass.
func TestForwardIsNoTunnel(t *testing.T) {
	t.Parallel()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocol := r.Header.Get("Upgrade")
		if protocol == "" {
			io.WriteString(w, "the API")
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	}))
	t.Cleanup(api.Close)
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) { app.All("/api/*", auth.Forward(api.URL+"/v1")) })
	alice := s.SignIn("alice")
	for protocol, want := range map[string]int{
		"h2c": 200, "H2C": 200, "TLS/1.0": 200, "h2c, websocket": 200, "websocket, h2c": 200, "websocket\r\nUpgrade: h2c": 101,
		"websocket": 101, "WebSocket": 101,
	} {
		headers := fmt.Sprintf("Origin: %s\r\nCookie: %s=%s\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n", s.URL, alice.Name, alice.Value, protocol)
		if res := upgraded(s, headers); res.StatusCode != want || want == 101 && !strings.EqualFold(res.Header.Get("Upgrade"), "websocket") {
			t.Errorf("Upgrade: %s is answered %d %q, want %d", protocol, res.StatusCode, res.Header["Upgrade"], want)
		}
	}
}

// upgraded is how a request begins to be answered.
func upgraded(s *lab.Site, headers string) *http.Response {
	s.Helper()
	host := strings.TrimPrefix(s.URL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute)) // or a defect hangs
	fmt.Fprintf(conn, "GET /api/x HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, headers)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}
