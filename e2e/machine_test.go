package e2e

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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

// need finds a program by one of its names. Without it the test is skipped, or
// fails in CI, where a skip would hide that nothing was tested.
func need(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no %s on PATH, which CI must have", strings.Join(names, ", "))
	}
	t.Skipf("needs %s on PATH", strings.Join(names, " or "))
	return ""
}

// freePort is a port that nobody listens on, for programs that cannot choose
// one themselves.
func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
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
		arguments := []string{"build", "-o", exampleBinary.path}
		if raceEnabled() {
			arguments = append(arguments, "-race")
		}
		build := exec.Command("go", append(arguments, ".")...)
		build.Dir = "../example"
		if output, err := build.CombinedOutput(); err != nil {
			exampleBinary.err = fmt.Errorf("building the example: %w\n%s", err, output)
		}
	})
	if exampleBinary.err != nil {
		t.Fatal(exampleBinary.err)
	}
	return exampleBinary.path
}

// raceEnabled reports whether this test looks for races. Then the example
// shall, too.
func raceEnabled() bool {
	info, _ := debug.ReadBuildInfo()
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
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

// redisServer is a real Redis server, whose data outlive its process.
type redisServer struct {
	*testing.T
	path, dir string
	port      int
	process   *exec.Cmd
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	s := &redisServer{T: t, path: need(t, "redis-server"), dir: t.TempDir()}
	t.Cleanup(s.kill)
	for range 5 {
		// Somebody may take the port first.
		s.port = freePort(t)
		if s.start() {
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

// start reports whether the server answers on its port.
func (s *redisServer) start() bool {
	s.process = exec.Command(s.path, "--port", fmt.Sprint(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "always")
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
	ended := make(chan struct{})
	go func(process *exec.Cmd) {
		defer close(ended)
		_ = process.Wait() // it is always killed
	}(s.process)
	for {
		select {
		case <-ended:
			return false
		default:
		}
		if s.answers() {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// answers reports whether this server, and not whoever has taken its port, is
// ready.
func (s *redisServer) answers() bool {
	connection, err := net.DialTimeout("tcp", s.address(), time.Second)
	if err != nil {
		return false
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(time.Second))
	if _, err := connection.Write([]byte("CONFIG GET dir\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 512)
	n, _ := connection.Read(answer)
	return bytes.Contains(answer[:n], []byte(s.dir))
}

func (s *redisServer) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *redisServer) url() string { return "redis://" + s.address() + "/0" }

// kill ends the server as a power failure would.
func (s *redisServer) kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // it may have ended
	s.process = nil
	for range 500 {
		connection, err := net.Dial("tcp", s.address())
		if err != nil {
			return
		}
		_ = connection.Close()
		time.Sleep(10 * time.Millisecond)
	}
	s.Error("redis-server does not end")
}

// hang stops the server without closing its connections; resume lets it go on.
func (s *redisServer) hang()   { s.send(syscall.SIGSTOP) }
func (s *redisServer) resume() { s.send(syscall.SIGCONT) }

func (s *redisServer) send(signal os.Signal) {
	s.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.Fatal(err)
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
