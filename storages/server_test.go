package storages

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/freeport"
)

// server is a program that a driver talks to, on a port of its own.
type server struct {
	*testing.T
	arguments func(port string) []string
	ready     func(port string) bool
	signal    syscall.Signal // ends it at once, with what it has forked
	dir, port string
	process   *exec.Cmd
	ended     chan struct{}
}

// need finds a program. Without it the test is skipped, or fails in CI, where a
// skip would hide that nothing was tested.
func need(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	// Debian keeps Postgres's programs off the PATH, a directory for each version.
	if paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(paths) > 0 {
		return paths[len(paths)-1]
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no %s on this machine, which CI must have", name)
	}
	t.Skipf("needs %s", name)
	return ""
}

// begin starts the server, which ends with the test.
func (s *server) begin() *server {
	s.Helper()
	s.Cleanup(s.stop)
	for range 5 {
		s.port = freeport.Next() // somebody may take it first
		if s.start() {
			return s
		}
	}
	s.Fatal("the server does not start")
	return nil
}

// start reports whether the server is ready before it ends.
func (s *server) start() bool {
	s.Helper()
	arguments := s.arguments(s.port)
	process := command(s.T, s.dir, arguments[0], arguments[1:]...)
	if err := process.Start(); err != nil {
		s.Fatal(err)
	}
	s.process = process
	s.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		_ = process.Wait() // it is always stopped by a signal
		close(ended)
	}(s.process, s.ended)
	for range 3000 {
		select {
		case <-s.ended:
			return false
		case <-time.After(20 * time.Millisecond):
		}
		if s.ready(s.port) {
			return true
		}
	}
	s.Fatal("the server runs and is not ready")
	return false
}

func (s *server) stop() {
	if s.process != nil {
		_ = s.process.Process.Signal(s.signal) // it may have ended
		<-s.ended
	}
	s.process = nil
}

func (s *server) restart() {
	s.Helper()
	if !s.start() {
		s.Fatal("the server does not start again")
	}
}

// command is one that does not run as root, which Postgres and memcached refuse. It
// runs in dir, which it owns.
func command(t *testing.T, dir, path string, arguments ...string) *exec.Cmd {
	t.Helper()
	made := exec.Command(path, arguments...)
	made.Dir = dir
	if os.Geteuid() != 0 {
		return made
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	// The directory above is closed to all but its owner.
	if err := errors.Join(os.Chown(dir, uid, gid), os.Chmod(filepath.Dir(dir), 0o711)); err != nil {
		t.Fatal(err)
	}
	made.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return made
}

// greets reports whether a server answers a line with what only it would say.
func greets(port, line, answer string) bool {
	connection, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second)
	if err != nil {
		return false
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(connection, "%s\r\n", line)
	said := make([]byte, 4096)
	n, _ := connection.Read(said)
	return strings.Contains(string(said[:n]), answer)
}
