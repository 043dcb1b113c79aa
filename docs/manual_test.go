// Package docs_test keeps the manual true to the code.
package docs_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the README and the manual, by file.
func documents(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("*.md")
	if err != nil || len(names) < 8 {
		t.Fatalf("the manual has %d files: %v", len(names), err)
	}
	texts := map[string]string{}
	for _, name := range append(names, filepath.Join("..", "README.md")) {
		texts[name] = readFile(t, name)
	}
	return texts
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// snippetImports are the packages that snippets of the manual may name.
var snippetImports = map[string]string{
	"cache": "github.com/gofiber/fiber/v2/middleware/cache", "cors": "github.com/gofiber/fiber/v2/middleware/cors",
	"csrf": "github.com/gofiber/fiber/v2/middleware/csrf", "encryptcookie": "github.com/gofiber/fiber/v2/middleware/encryptcookie",
	"healthcheck": "github.com/gofiber/fiber/v2/middleware/healthcheck", "helmet": "github.com/gofiber/fiber/v2/middleware/helmet",
	"limiter": "github.com/gofiber/fiber/v2/middleware/limiter", "requestid": "github.com/gofiber/fiber/v2/middleware/requestid",
	"session": "github.com/gofiber/fiber/v2/middleware/session", "fiber": "github.com/gofiber/fiber/v2",
	"cognito": "github.com/bar-tech/cognito", "cognitotest": "github.com/bar-tech/cognito/cognitotest",
	"context": "context", "errors": "errors", "http": "net/http", "httptest": "net/http/httptest", "log": "log", "os": "os",
	"signal": "os/signal", "slog": "log/slog", "strings": "strings", "sync": "sync", "syscall": "syscall", "time": "time",
}

// snippetNames are what snippets take for given: an app, its settings, its handlers.
const snippetNames = `app *fiber.App, c *fiber.Ctx, config cognito.Config, auth, staff, customers *cognito.Auth, ctx context.Context,
	pool *cognitotest.Pool, request *http.Request, storage fiber.Storage, logger *slog.Logger, err error, token string, raw string,
	home, page, api, admin, reports, remove, payments, beta, save, upload, table, socket, events fiber.Handler,
	newApp func(fiber.Handler) *fiber.App, count func(cognito.EventKind, bool, string), users interface {
		Save(ctx context.Context, subject, email string) error
		Blocked(ctx context.Context, subject string) (bool, error)
	}`

// asFunction makes a file of package docs of a snippet: whatever it declares counts
// as used, and it may declare again what it takes for given.
func asFunction(i int, snippet string) string {
	var used, imports strings.Builder
	for _, declared := range regexp.MustCompile(`(?m)^(\w+)((?:, \w+)*) :?= `).FindAllStringSubmatch(snippet, -1) {
		for _, name := range strings.Split(declared[1]+declared[2], ", ") {
			if name != "_" {
				fmt.Fprintf(&used, "_ = %s\n", name)
			}
		}
	}
	for name, path := range snippetImports {
		if regexp.MustCompile(`\b` + name + `\.[A-Z]`).MatchString(snippet + snippetNames) {
			fmt.Fprintf(&imports, "import %q\n", path)
		}
	}
	return fmt.Sprintf("package docs\n%s\nfunc snippet%d(%s) {\nfunc() {\n%s\n%s}()\n}\n", imports.String(), i, snippetNames, snippet, used.String())
}

// TestManualSnippetsCompile vets every piece of Go that the documents show, as the body
// of a function. The files are an overlay: tests of other packages walk this tree
// meanwhile.
func TestManualSnippetsCompile(t *testing.T) {
	dir, here := t.TempDir(), mustAbs(t, ".")
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for document, text := range documents(t) {
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(block[1], "package ") {
				continue // TestReadmeProgramCompiles
			}
			i := len(overlay.Replace) + 1
			name := fmt.Sprintf("%s_%d.go", strings.ToLower(strings.TrimSuffix(filepath.Base(document), ".md")), i)
			overlay.Replace[filepath.Join(here, name)] = filepath.Join(dir, name)
			mustWrite(t, filepath.Join(dir, name), asFunction(i, block[1]))
		}
	}
	if len(overlay.Replace) < 30 {
		t.Errorf("only %d snippets were found", len(overlay.Replace))
	}
	replace, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, filepath.Join(dir, "overlay.json"), string(replace))
	if out, err := exec.Command("go", "vet", "-overlay", filepath.Join(dir, "overlay.json"), ".").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func mustAbs(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func mustWrite(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestManualNamesEveryExport: whatever an app may use is somewhere in the manual, or in
// an example of the godoc.
func TestManualNamesEveryExport(t *testing.T) {
	var text strings.Builder
	for _, document := range documents(t) {
		text.WriteString(document)
	}
	examples, err := filepath.Glob("../example*_test.go")
	if err != nil || len(examples) == 0 {
		t.Fatal("no examples", err)
	}
	for _, name := range examples {
		text.WriteString(readFile(t, name))
	}
	names := exports(t)
	if len(names) < 70 {
		t.Fatalf("only %d names were found", len(names))
	}
	for _, name := range names {
		if !regexp.MustCompile(`\b` + name + `\b`).MatchString(text.String()) {
			t.Errorf("neither the manual nor an example names %s", name)
		}
	}
}

// exports are the names that package cognito offers: functions, types, methods, errors
// and the kinds of events.
func exports(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	add := func(name *ast.Ident) {
		if name.IsExported() && !slices.Contains([]string{"String", "Error", "Unwrap", "Is", "Format", "MarshalJSON", "LogValue"}, name.Name) {
			names = append(names, name.Name)
		}
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declared := range file.Decls {
			switch declared := declared.(type) {
			case *ast.FuncDecl:
				add(declared.Name)
			case *ast.GenDecl:
				for _, spec := range declared.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						add(spec.Name)
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							add(name)
						}
					}
				}
			}
		}
	}
	return names
}

// TestTroubleshootingNamesEveryError: from the code in a log, to what a program compares.
func TestTroubleshootingNamesEveryError(t *testing.T) {
	manual, source := readFile(t, "troubleshooting.md"), readFile(t, "../internal/fault/fault.go")
	reasons := regexp.MustCompile(`(Err\w+)\s+= &Reason\{"(\w+)"`).FindAllStringSubmatch(source, -1)
	if len(reasons) < 20 {
		t.Fatalf("only %d reasons were found", len(reasons))
	}
	for _, reason := range reasons {
		if !strings.Contains(manual, "| `"+reason[2]+"` | `"+reason[1]+"` |") {
			t.Errorf("troubleshooting.md does not say that %s is %s", reason[2], reason[1])
		}
	}
}

// TestTroubleshootingListsEveryLogLine: whoever searches the manual for a line finds it.
func TestTroubleshootingListsEveryLogLine(t *testing.T) {
	manual, seen := readFile(t, "troubleshooting.md"), 0
	for _, pattern := range []string{"../*.go", "../internal/*/*.go", "../fiberv3/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("nothing matches", pattern, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, line := range logLine.FindAllStringSubmatch(readFile(t, name), -1) {
				seen++
				if text := "`" + line[1] + line[2]; !strings.Contains(manual, text) {
					t.Errorf("troubleshooting.md does not list %s", text)
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d lines were found", seen)
	}
}

// logLine is what the log is told, up to the remedy: in a call of a logger, or by what
// tells operators one thing once.
var logLine = regexp.MustCompile(`\.(?:Error|Warn|Info|Debug)\("cognito: ([^";:]+)|(?:\.Tell\("[^"]+", |\btext: )"([^",;]+)`)
