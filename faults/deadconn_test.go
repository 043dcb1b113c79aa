package faults_test

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// underCertificate is set for the child process of TestDeadConnection, to the address
// at which it has itself do what it does.
const underCertificate = "COGNITO_TEST_UNDER_CERTIFICATE"

// TestDeadConnection: an established connection to Cognito dies without a word, and
// none of those who use it is told. The library's own client has to find out, within
// the time of one call. Certificates are trusted once a process, by a file, so the test
// runs in a process of its own.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	if os.Getenv(underCertificate) != "" {
		deadConnection(t)
		return
	}
	folder := t.TempDir()
	server := httptest.NewTLSServer(nil) // has the certificate of all such servers
	defer server.Close()
	file := filepath.Join(folder, "authority.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestDeadConnection$", "-test.v")
	child.Env = append(os.Environ(), underCertificate+"=1", "SSL_CERT_FILE="+file, "SSL_CERT_DIR="+folder)
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}

func deadConnection(t *testing.T) {
	pool := lab.NewPool(t, lab.Rotating(0))
	behind, err := url.Parse(pool.URL())
	if err != nil {
		t.Fatal(err)
	}
	var calls, byHTTP2 atomic.Int32
	proxy := lab.ReadWhole(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind) }})
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		byHTTP2.Add(int32(r.ProtoMajor - 1))
		proxy.ServeHTTP(w, r)
	}))
	front.EnableHTTP2 = true
	front.StartTLS()
	t.Cleanup(front.Close)
	line := newLine(t, front.Listener.Addr().String())

	s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.UserPoolDomain = "https://" + line.addr })
	alice := s.SignIn("alice")
	if byHTTP2.Load() != calls.Load() || calls.Load() == 0 {
		t.Fatalf("%d of %d calls were HTTP/2", byHTTP2.Load(), calls.Load())
	}
	for range 2 {
		line.cut()
		pool.Advance(lab.JustExpired)
		s.MustBe("alice", alice)
	}
	// A login cannot repeat its call: the next one finds a connection that lives.
	line.cut()
	_ = s.Finish(s.Answered("bob"))
	s.MustBe("bob", s.SignIn("bob"))
	mustRevokeNothing(t, pool)
}

// line carries connections, and can go silent on those that are established: both ends
// go on as if nothing had happened.
type line struct {
	addr string

	mu   sync.Mutex // guards live
	live []*atomic.Bool
}

// newLine carries connections to an address until the test ends.
func newLine(t *testing.T, to string) *line {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{addr: listener.Addr().String()}
	var carrying sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); carrying.Wait() })
	carrying.Go(func() {
		for {
			here, err := listener.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", to)
			if err != nil {
				_ = here.Close()
				continue
			}
			dead := l.connected()
			for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
				carrying.Go(func() { carry(way[0], way[1], dead) })
			}
		}
	})
	return l
}

func (l *line) connected() *atomic.Bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	dead := &atomic.Bool{}
	l.live = append(l.live, dead)
	return dead
}

// cut silences all connections that there are.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, dead := range l.live {
		dead.Store(true)
	}
	l.live = nil
}

// carry takes one way, and swallows what comes once the connection is dead.
func carry(from, to net.Conn, dead *atomic.Bool) {
	defer func() { _ = from.Close(); _ = to.Close() }()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if dead.Load() {
			continue
		}
		if _, err := io.Writer(to).Write(b[:n]); err != nil {
			return
		}
	}
}
