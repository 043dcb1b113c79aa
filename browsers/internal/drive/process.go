package drive

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Need finds a program by one of its names. Without it the test is skipped, or
// fails in CI, where a skip would hide that nothing was tested.
func Need(t *testing.T, names ...string) string {
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

// Run starts a program that ends with the test, together with all that it has
// started itself.
func Run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A child that outlives its parent would hold its output open.
	command.WaitDelay = time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		group := -command.Process.Pid
		_ = syscall.Kill(group, syscall.SIGTERM) // it may have ended
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = command.Wait() // the signal is its result
		}()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
		}
		_ = syscall.Kill(group, syscall.SIGKILL) // whoever of them is left
		<-ended
	})
}

// WaitFor waits until something listens at an address.
func WaitFor(t *testing.T, address string) {
	t.Helper()
	dial(t, address).Close()
}

// dial connects as soon as somebody listens.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	for deadline := time.Now().Add(patience); err != nil; connection, err = net.Dial("tcp", address) {
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return connection
}

// startDisplay starts a screen that nobody sees and returns its name, for an
// engine that cannot do without.
func startDisplay(t *testing.T) string {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	command := exec.Command(Need(t, "Xvfb"), "-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp")
	command.ExtraFiles = []*os.File{write}
	Run(t, command)
	_ = write.Close() // the program has its own
	line, err := bufio.NewReader(read).ReadString('\n')
	number, bad := strconv.Atoi(strings.TrimSpace(line))
	if (err != nil && err != io.EOF) || bad != nil {
		t.Fatalf("Xvfb says %q: %v", line, err)
	}
	return ":" + strconv.Itoa(number)
}
