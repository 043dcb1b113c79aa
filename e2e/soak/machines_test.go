//go:build soak

package soak

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/bar-tech/cognito/internal/freeport"
)

// process is a program of the test, which ends with it.
type process struct {
	*testing.T
	path  string
	args  []string
	env   []string
	ready func() bool // answers on its port

	mu      sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
	says    bytes.Buffer // what it has written to standard error, ever
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.says.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.says.String()
}

// start runs the program until it is ready.
func (p *process) start() {
	p.Helper()
	command, ended := exec.Command(p.path, p.args...), make(chan struct{})
	command.Env, command.Stderr = append(os.Environ(), p.env...), p
	if err := command.Start(); err != nil {
		p.Fatal(err)
	}
	p.command, p.ended = command, ended
	go func() {
		defer close(ended)
		_ = command.Wait() // mostly killed
	}()
	for deadline := time.Now().Add(30 * time.Second); !p.ready(); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			p.Fatalf("%s does not start:\n%s", p.path, p.output())
		default:
		}
		if time.Now().After(deadline) {
			p.Fatalf("%s is never ready:\n%s", p.path, p.output())
		}
	}
}

// signal sends a signal; end waits until the program has ended.
func (p *process) signal(s syscall.Signal) {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.Errorf("signal %s: %v", s, err)
	}
}

func (p *process) end(with syscall.Signal) {
	p.signal(with)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		p.Errorf("%s does not end after %s", p.path, with)
		p.signal(syscall.SIGKILL)
		<-p.ended
	}
}

var appBinary struct {
	once sync.Once
	err  error
}

// buildApp builds the app once, with the race detector if the test has it.
func buildApp(t *testing.T) string {
	t.Helper()
	path := filepath.Join(os.TempDir(), fmt.Sprintf("cognito-soak-%d", os.Getpid()))
	appBinary.once.Do(func() {
		appBinary.err = machine.Build("app", path)
	})
	if appBinary.err != nil {
		t.Fatal(appBinary.err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.Remove(filepath.Join(os.TempDir(), fmt.Sprintf("cognito-soak-%d", os.Getpid())))
	os.Exit(code)
}

// instance is one process of the app.
type instance struct {
	*process
	url     string
	address string
}

func startApp(t *testing.T, pool *cognitotest.Pool, redisURL, lostURL string) *instance {
	t.Helper()
	config := pool.Config()
	port := freeport.Next()
	a := &instance{url: "http://localhost:" + port, address: "127.0.0.1:" + port}
	pool.AllowOrigin(a.url)
	a.process = &process{T: t, path: buildApp(t), env: []string{
		"POOL_DOMAIN=" + config.UserPoolDomain, "CLIENT_ID=" + config.ClientID, "POOL_ID=" + config.UserPoolID,
		"ISSUER=" + config.Issuer, "REDIS_URL=" + redisURL, "ADDR=" + a.address, "LOST_URL=" + lostURL,
		"GORACE=halt_on_error=0",
	}, ready: func() bool {
		answer, err := http.Get(a.url + "/alive")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}}
	a.start()
	t.Cleanup(func() { a.end(syscall.SIGTERM) })
	return a
}

// panics counts what an app should never write.
func (a *instance) panics() int {
	says := a.output()
	return strings.Count(says, "panic") + strings.Count(says, "DATA RACE") + strings.Count(says, "fatal error")
}
