package cognito_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/internal/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// TestLeakCheckCanFail runs this very binary with a test that leaks, and wants
// it to fail for that reason and no other.
func TestLeakCheckCanFail(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		leak   string
		passes bool
	}{
		{leak: "", passes: true},
		{leak: "yes", passes: false},
	} {
		child := exec.Command(os.Args[0], "-test.run=^TestLeaksWhenAsked$", "-test.count=1")
		child.Env = append(os.Environ(), lab.LeakOnPurpose+"="+row.leak)
		output, err := child.CombinedOutput()
		if passed := err == nil; passed != row.passes {
			t.Errorf("with %s=%q the run passes: %t, want %t\n%s", lab.LeakOnPurpose, row.leak, passed, row.passes, output)
		}
		if named := strings.Contains(string(output), "leakyFunction"); named == row.passes {
			t.Errorf("with %s=%q the report names the leak: %t\n%s", lab.LeakOnPurpose, row.leak, named, output)
		}
	}
}

// TestLeaksWhenAsked is the other half of TestLeakCheckCanFail.
func TestLeaksWhenAsked(*testing.T) {
	if os.Getenv(lab.LeakOnPurpose) != "" {
		go leakyFunction()
	}
}

func leakyFunction() { select {} }
