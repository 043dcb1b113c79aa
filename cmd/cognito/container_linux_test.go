package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/bar-tech/cognito/internal/freeport"
)

// containerLine is what follows a word in a container's file.
func containerLine(t *testing.T, file, pattern string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\s*` + pattern + `(.*)$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s has no line %s", file, pattern)
	}
	return string(found[1])
}

// containerArgs is a list of words in a container's file.
func containerArgs(t *testing.T, file, pattern string) (args []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(containerLine(t, file, pattern)), &args); err != nil {
		t.Fatal(err)
	}
	return args
}

// TestTheContainersCommands: the program understands what the Containerfile and the
// compose example say to it.
func TestTheContainersCommands(t *testing.T) {
	t.Parallel()
	entry := containerArgs(t, "Containerfile", "ENTRYPOINT ")
	for _, more := range [][]string{containerArgs(t, "Containerfile", "CMD "), containerArgs(t, "compose.example.yaml", "command: ")} {
		args := strings.Split(strings.ReplaceAll(strings.Join(append(entry[2:len(entry):len(entry)], more...), " "), "/pool.json", "pool.example.json"), " ")
		flags, err := readPoolFlags(args, io.Discard)
		if err == nil {
			_, err = readSettings(flags)
		}
		if err != nil || !flags.open || entry[1] != "pool" {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestTheImageWithoutAContainer builds what the Containerfile builds, and starts it as
// its image would: as process 1, alone in a file system that nobody can write to, as a
// user without rights. It takes root, and minutes for the first build.
func TestTheImageWithoutAContainer(t *testing.T) {
	if os.Getenv("COGNITO_TEST_CONTAINER") == "" {
		t.Skip("takes root and minutes: set COGNITO_TEST_CONTAINER")
	}
	if os.Getuid() != 0 {
		t.Fatal("COGNITO_TEST_CONTAINER is set, and this is not root")
	}
	image := t.TempDir()
	build := exec.Command("sh", "-ec", strings.ReplaceAll(containerLine(t, "Containerfile", "RUN "), " /cognito", " "+filepath.Join(image, "cognito")))
	build.Dir = "../.."
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	port := freeport.Next()
	command := append(containerArgs(t, "Containerfile", "ENTRYPOINT "), containerArgs(t, "Containerfile", "CMD ")...)
	for i, word := range command {
		command[i] = strings.ReplaceAll(word, "9229", port)
	}
	const into = `mount --make-rprivate /; mount --bind "$0" "$0"; mount -o remount,bind,ro "$0"; user=$1; shift; exec chroot --userspec="$user" "$0" "$@"`
	out := &output{up: make(chan struct{})}
	process := exec.Command("sh", append([]string{"-ec", into, image, containerLine(t, "Containerfile", "USER ")}, command...)...)
	process.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	process.Stdout, process.Stderr = out, out
	if err := process.Start(); err != nil {
		t.Fatal("no namespaces here: ", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	select {
	case <-out.up:
	case err := <-ended:
		t.Fatalf("%v: %s", err, out)
	}
	answer, err := http.Get("http://localhost:" + port + "/health")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("health is %d", answer.StatusCode)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Process.Pid))
	if err != nil || regexp.MustCompile(`(?m)^Uid:.*\b0\b|^CapEff:.*[1-9a-f]`).Match(status) {
		t.Errorf("it runs with rights: %v %s", err, status)
	}
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || !strings.Contains(out.String(), "The pool has stopped.") {
		t.Errorf("it ends with %v: %s", err, out)
	}
}
