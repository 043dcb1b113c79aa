package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// asProgram makes the test's own binary the program.
const asProgram = "COGNITO_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// TestSignalsEndTheProgram: it ends cleanly, as a real process.
func TestSignalsEndTheProgram(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		out := &output{up: make(chan struct{})}
		process := exec.Command(os.Args[0], "pool", "-addr", "127.0.0.1:0")
		process.Env = append(os.Environ(), asProgram+"=1")
		process.Stdout, process.Stderr = out, out
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- process.Wait() }()
		select {
		case <-out.up:
		case err := <-ended:
			t.Fatalf("%v: %s", err, out)
		}
		if err := process.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Errorf("%v: %v: %s", signal, err, out)
		}
	}
}
