package machine

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/freeport"
)

// Redis is a real Redis server, which writes down whatever it acknowledges, so
// that its data outlive its process. It leaves it to the system when that comes to the
// disk: one that is busy would have Redis acknowledge first, or answer late.
type Redis struct {
	t         *testing.T
	path, dir string
	port      string
	process   *exec.Cmd
}

// StartRedis starts a server that ends with the test.
func StartRedis(t *testing.T) *Redis {
	t.Helper()
	s := &Redis{t: t, path: Need(t, "redis-server"), dir: t.TempDir()}
	t.Cleanup(s.Kill)
	for range 5 {
		// Somebody may take the port first.
		s.port = freeport.Next()
		if s.start() {
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

// Restart starts a killed server again, on its port and with its data.
func (s *Redis) Restart() {
	s.t.Helper()
	if !s.start() {
		s.t.Fatal("redis-server does not start again")
	}
}

// start reports whether the server answers on its port.
func (s *Redis) start() bool {
	s.t.Helper()
	s.process = exec.Command(s.path, "--port", s.port, "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "yes", "--appendfsync", "no")
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
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
func (s *Redis) answers() bool {
	connection, err := net.DialTimeout("tcp", s.Address(), time.Second)
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

// Address is the server's host and port.
func (s *Redis) Address() string { return "127.0.0.1:" + s.port }

// URL is the address as drivers want it.
func (s *Redis) URL() string { return "redis://" + s.Address() + "/0" }

// Kill ends the server's process without a word, also one that hangs.
func (s *Redis) Kill() {
	s.t.Helper()
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill() // it may have ended
	s.process = nil
	for range 500 {
		connection, err := net.Dial("tcp", s.Address())
		if err != nil {
			return
		}
		_ = connection.Close()
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Error("redis-server does not end")
}

// Hang stops the server without closing its connections.
func (s *Redis) Hang() { s.send(syscall.SIGSTOP) }

// Resume lets a hung server go on.
func (s *Redis) Resume() { s.send(syscall.SIGCONT) }

func (s *Redis) send(signal os.Signal) {
	s.t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}
