// Package machine gives tests what is not Go: programs of this machine,
// and a real Redis server that can be hung, killed and started again.
package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
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
	missing(t, strings.Join(names, " or ")+" on PATH")
	return ""
}

// NeedFile is Need for a file that a command makes.
func NeedFile(t *testing.T, path, command string) string {
	t.Helper()
	absolute, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(absolute); err != nil {
		missing(t, path+", which "+command+" makes")
	}
	return absolute
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI must have %s", what)
	}
	t.Skipf("needs %s", what)
}

// Build builds the program in a directory. If this test looks for races, the
// program shall, too.
func Build(dir, path string) error {
	arguments := []string{"build", "-o", path}
	if raceEnabled() {
		arguments = append(arguments, "-race")
	}
	build := exec.Command("go", append(arguments, ".")...)
	build.Dir = dir
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", dir, err, output)
	}
	return nil
}

func raceEnabled() bool {
	info, _ := debug.ReadBuildInfo()
	for _, setting := range info.Settings {
		if setting.Key == "-race" {
			return setting.Value == "true"
		}
	}
	return false
}
