package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// growthLimit is what a bare Fiber app may grow by, stripped.
const growthLimit = 2_500_000

// TestGrowth builds a bare app and the same with this library. What a program
// carries around counts too: one package that looks up methods by name, such as
// html/template, makes the linker keep every exported method of every type.
func TestGrowth(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to build with")
	}
	bare, ours := strippedSize(t, "./size/bare"), strippedSize(t, "./size/ours")
	t.Logf("an app grows from %d to %d bytes, by %d", bare, ours, ours-bare)
	if ours <= bare {
		t.Errorf("the library takes %d bytes: the test proves nothing", ours-bare)
	}
	if ours-bare > growthLimit {
		t.Errorf("an app grows by %d bytes, more than %d", ours-bare, growthLimit)
	}
}

func strippedSize(t *testing.T, program string) int64 {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "app")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", binary, program).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", program, err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
