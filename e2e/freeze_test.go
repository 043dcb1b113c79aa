package e2e

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/bar-tech/cognito/internal/freeport"
)

const (
	rotationGrace = 10 * time.Second
	frozenFor     = rotationGrace + time.Second
	shortLife     = 4 * time.Second // of tokens
)

// cable is what stands between the app and what it calls: a proxy that tells of every
// piece that passes, in either direction, before it passes.
type cable struct {
	listener net.Listener
	target   string
	passes   func()
}

func startCable(t *testing.T, target string, passes func()) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &cable{listener, target, passes}
	var open sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	open.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { w.connect(ctx, near) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		cancel()
		open.Wait()
	})
	return w
}

func (w *cable) address() string { return w.listener.Addr().String() }

func (w *cable) connect(ctx context.Context, near net.Conn) {
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = near.Close()
		return
	}
	stop := context.AfterFunc(ctx, func() { _, _ = near.Close(), far.Close() })
	defer stop()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			piece := make([]byte, 64<<10)
			for {
				n, err := way[0].Read(piece)
				if err != nil {
					break
				}
				w.passes()
				if _, err := way[1].Write(piece[:n]); err != nil {
					break
				}
			}
			_, _ = near.Close(), far.Close()
		})
	}
	both.Wait()
}

// freezer is an app process whose n-th piece of a renewal freezes it, for longer than
// a rotated refresh token lives on.
type freezer struct {
	t       *testing.T
	command *exec.Cmd
	url     string
	called  string // what it takes for the pool's address
	says    lockedBuffer

	counts atomic.Bool
	pieces atomic.Int32
	at     int32
	thawed chan struct{}
}

func (f *freezer) pass() {
	if !f.counts.Load() || f.pieces.Add(1) != f.at {
		return
	}
	_ = f.command.Process.Signal(syscall.SIGSTOP)
	go func() {
		defer close(f.thawed)
		time.Sleep(frozenFor) // the pool and Redis live in real time
		_ = f.command.Process.Signal(syscall.SIGCONT)
	}()
}

var frozenApp = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(exampleBinary.path), "frozen")
	return path, machine.Build("soak/app", path)
})

// startFreezer runs the app, with or without a storage, behind cables.
func startFreezer(t *testing.T, pool *cognitotest.Pool, redis string, at int) *freezer {
	t.Helper()
	path, err := frozenApp()
	if err != nil {
		t.Fatal(err)
	}
	f := &freezer{t: t, at: int32(at), thawed: make(chan struct{})}
	config := pool.Config()
	target, _ := url.Parse(config.UserPoolDomain)
	port := freeport.Next()
	f.url = "http://localhost:" + port
	f.called = "http://" + startCable(t, target.Host, f.pass).address()
	f.command = exec.Command(path)
	f.command.Env = append(os.Environ(), "RENEW_IN_REQUEST=yes",
		"POOL_DOMAIN="+f.called, "CLIENT_ID="+config.ClientID, "POOL_ID="+config.UserPoolID,
		"ISSUER="+config.Issuer, "ADDR=127.0.0.1:"+port)
	if redis != "" {
		f.command.Env = append(f.command.Env, "REDIS_URL=redis://"+startCable(t, redis, f.pass).address()+"/0")
	}
	f.command.Stderr = &f.says
	if err := f.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = f.command.Process.Signal(syscall.SIGCONT)
		_ = f.command.Process.Kill()
		_ = f.command.Wait() // killed
		if t.Failed() {
			t.Logf("the app says:\n%s", f.says.String())
		}
	})
	pool.AllowOrigin(f.url)
	eventually(t, "the app answers", func() bool {
		res, err := plainClient.Get(f.url + "/alive")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return f
}

// ask is a script's request of somebody with a browser: nobody goes through the login
// unseen.
func (f *freezer) ask(browser *cognitotest.Browser) *cognitotest.Page {
	request, err := http.NewRequest(http.MethodGet, f.url+"/me", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	return browser.Do(request)
}

// past lets a browser go to the pool itself, past the app's cable.
type past struct {
	http.RoundTripper
	cable, pool string
}

func (p past) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := p.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Header.Set("Location", strings.Replace(response.Header.Get("Location"), p.cable, p.pool, 1))
	}
	return response, err
}

// renewal signs alice in and has her tokens renewed, with the process frozen at a piece
// of that. It reports whether there was such a piece.
func (f *freezer) renewal(pool *cognitotest.Pool) bool {
	f.t.Helper()
	browser := pool.NewBrowser()
	browser.HTTPClient.Transport = past{browser.HTTPClient.Transport, f.called, pool.Config().UserPoolDomain}
	if page := browser.Login(f.url+"/login?return_to=/me", "alice", "wonderland"); page.Status != http.StatusOK || page.URL.Path != "/me" {
		f.t.Errorf("the login ends with %d %s", page.Status, page.Body)
		return false
	}
	logins := pool.Calls(cognitotest.Authorization)
	time.Sleep(shortLife) // this process has the real clock
	f.counts.Store(true)
	first := f.ask(browser)
	f.counts.Store(false)
	reached := f.pieces.Load() >= f.at
	if reached {
		<-f.thawed
	}
	if first.Status != http.StatusOK && first.Status != http.StatusServiceUnavailable {
		f.t.Errorf("frozen at piece %d, alice is answered with %d %s %v", f.at, first.Status, first.Body, first.Err)
	}
	served := false
	for deadline := time.Now().Add(45 * time.Second); !served && time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		page := f.ask(browser)
		if page.Status == http.StatusUnauthorized {
			break
		}
		served = page.Status == http.StatusOK
	}
	if !served || pool.Calls(cognitotest.Authorization) != logins {
		f.t.Errorf("frozen at piece %d, alice has lost her session", f.at)
	}
	return reached
}

// TestFrozenDuringRenewal: a process that renews in requests is stopped at every piece
// that passes between it and Cognito or its storage, for longer than the grace of
// rotation, and goes on. The session goes on, too.
func TestFrozenDuringRenewal(t *testing.T) {
	const most = 80 // more than a renewal has
	for name, redis := range map[string]string{"storage": machine.StartRedis(t).Address(), "cookies": ""} {
		t.Run(name, func(t *testing.T) {
			var furthest atomic.Int32
			var all sync.WaitGroup
			for piece := range most { // all at once, whatever -parallel says: they sleep
				pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{{
					ID: "app", AccessTokenTTL: shortLife, IDTokenTTL: shortLife,
					RotateRefreshTokens: true, RotationGrace: rotationGrace,
				}}})
				t.Cleanup(pool.Close)
				f := startFreezer(t, pool, redis, piece+1)
				all.Go(func() {
					if f.renewal(pool) {
						furthest.Add(1)
					}
				})
			}
			all.Wait()
			if pieces := int(furthest.Load()); pieces < 2 || pieces == most {
				t.Errorf("the process was frozen at %d pieces, want every one of a renewal", pieces)
			}
		})
	}
}
