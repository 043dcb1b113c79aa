package cognito_test

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const internalPath = "github.com/bar-tech/cognito/internal/"

// floors say whom each internal package may call: those further up in this list,
// and of those only the ones that it needs. Whoever adds an arrow adds it here, and
// thinks about it.
var floors = []struct{ name, mayCall string }{
	{"cache", ""},
	{"claims", ""},
	{"fault", ""},
	{"packed", "claims"},
	{"secret", ""},
	{"tasks", ""},
	{"web", ""},
	{"forward", "secret web"},
	{"storage", "cache fault secret"},
	{"pool", "fault secret tasks"},
	{"doctor", "pool secret"},
	{"verify", "claims fault pool secret tasks"},
	{"session", "cache claims fault packed secret storage tasks"},
	{"refresh", "cache claims fault pool secret session storage tasks verify"},
	{"login", "cache fault secret storage"},
	{"engine", "cache claims doctor fault login packed pool refresh secret session storage tasks verify web"},
}

// testOnly are internal packages that no program contains.
var testOnly = []string{"freeport", "lab"}

// TestArrowsPointDown: no internal package calls one above it, the root, or Fiber.
// So what a package does can be read without what uses it, and both versions of
// Fiber can stand on top.
func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	below := []string{}
	for _, floor := range floors {
		allowed := strings.Fields(floor.mayCall)
		for _, name := range allowed {
			if !slices.Contains(below, name) {
				t.Errorf("%s may not call %s, which stands above it", floor.name, name)
			}
		}
		for path, file := range importsOf(t, filepath.Join("internal", floor.name)) {
			name, internal := strings.CutPrefix(path, internalPath)
			switch {
			case internal && !slices.Contains(allowed, name):
				t.Errorf("%s calls %s", file, name)
			case strings.HasPrefix(path, "github.com/gofiber/fiber/"), path == "github.com/bar-tech/cognito":
				t.Errorf("%s calls %s", file, path)
			}
		}
		below = append(below, floor.name)
	}
	rooms, err := os.ReadDir("internal")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms {
		if !slices.Contains(below, room.Name()) && !slices.Contains(testOnly, room.Name()) {
			t.Errorf("internal/%s has no floor", room.Name())
		}
	}
}

// TestPoolNeedsNoFiber: the local pool serves applications without Fiber too, and
// both faces for Fiber's versions stand on it.
func TestPoolNeedsNoFiber(t *testing.T) {
	t.Parallel()
	for path, file := range importsOf(t, filepath.Join("cognitotest", "userpool")) {
		if strings.Contains(strings.SplitN(path, "/", 2)[0], ".") {
			t.Errorf("%s calls %s, want the standard library alone", file, path)
		}
	}
}

// importsOf are the imports of a package's own files, with a file that has each.
func importsOf(t *testing.T, folder string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no files: %v", folder, err)
	}
	imports := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, each := range parsed.Imports {
			path, err := strconv.Unquote(each.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imports[path] = file
		}
	}
	return imports
}
