package e2e

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/gofiber/storage/memory/v2"
	"go.uber.org/goleak"
)

// TestMain builds the example for all tests, and looks for what they leave
// behind.
func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "cognito-e2e-")
	if err != nil {
		panic(err)
	}
	exampleBinary.path = filepath.Join(dir, "example")
	_ = memory.New().Close() // starts the clock that the driver has one of
	lasting := []goleak.Option{
		goleak.IgnoreCurrent(),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"), // another such clock
		// It looks up every ten seconds whether its server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
	code := m.Run()
	if theBrowser.close != nil {
		theBrowser.close()
	}
	_ = os.RemoveAll(dir)
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; code == 0 && !fuzzing {
		if err := goleak.Find(lasting...); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines are left behind:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// eventually asks until the answer is yes. It is for what other processes do
// in their own time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 600 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("in vain: %s", what)
}

// exampleBinary is the example app, built when it is first needed.
var exampleBinary struct {
	once sync.Once
	path string
	err  error
}

func buildExample(t *testing.T) string {
	t.Helper()
	exampleBinary.once.Do(func() {
		exampleBinary.err = machine.Build("../example", exampleBinary.path)
	})
	if exampleBinary.err != nil {
		t.Fatal(exampleBinary.err)
	}
	return exampleBinary.path
}

// exampleCommand is the example with exactly these settings, whatever the
// environment of the test has.
func exampleCommand(t *testing.T, settings map[string]string) *exec.Cmd {
	t.Helper()
	command := exec.Command(buildExample(t))
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "COGNITO_") && name != "BASE_URL" && name != "ADDR" && name != "REDIS_URL" {
			command.Env = append(command.Env, pair)
		}
	}
	for name, value := range settings {
		command.Env = append(command.Env, name+"="+value)
	}
	return command
}

// example is a running example app.
type example struct {
	*testing.T
	command *exec.Cmd
	url     string
	says    string // on standard output
	stderr  *lockedBuffer
	ended   chan error
	stopped bool
}

// startExample runs the example on a free port until the test ends. Then it
// must stop by itself, without complaint.
func startExample(t *testing.T, settings map[string]string) *example {
	t.Helper()
	all := map[string]string{"ADDR": "127.0.0.1:0"}
	for name, value := range settings {
		all[name] = value
	}
	e := &example{T: t, command: exampleCommand(t, all), stderr: &lockedBuffer{}, ended: make(chan error, 1)}
	e.command.Stderr = e.stderr
	stdout, err := e.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.command.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		e.says += lines.Text() + "\n"
		if _, address, found := strings.Cut(lines.Text(), "Open"); found {
			e.url = strings.TrimSuffix(strings.TrimSpace(address), "/")
		}
		if strings.Contains(lines.Text(), "Ctrl+C") {
			break
		}
	}
	go func() { e.ended <- e.command.Wait() }()
	t.Cleanup(func() {
		if !e.stopped {
			e.stop(syscall.SIGTERM)
		}
		if log := e.stderr.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic") {
			t.Errorf("the example complains:\n%s", log)
		}
	})
	if e.url == "" {
		t.Fatalf("the example does not say where it is: %s%s", e.says, e.stderr)
	}
	return e
}

// stop sends a signal and expects the example to end well.
func (e *example) stop(signal os.Signal) {
	e.Helper()
	if err := e.signal(signal); err != nil {
		e.Errorf("after %s the example ended with: %v\n%s", signal, err, e.stderr)
	}
}

// signal sends a signal and waits for the end.
func (e *example) signal(signal os.Signal) error {
	e.Helper()
	e.stopped = true
	if err := e.command.Process.Signal(signal); err != nil {
		return err
	}
	select {
	case err := <-e.ended:
		return err
	case <-time.After(time.Minute):
		_ = e.command.Process.Kill()
		return fmt.Errorf("it does not end: %w", <-e.ended)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
