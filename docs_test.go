package cognito_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
)

func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// documents are what people read, README first.
func documents(t *testing.T) []string {
	t.Helper()
	manual, err := filepath.Glob("docs/*.md")
	if err != nil || len(manual) < 8 {
		t.Fatalf("the manual has %d files: %v", len(manual), err)
	}
	return append([]string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "ROADMAP.md", "CODE_OF_CONDUCT.md"}, manual...)
}

// TestReadmeIsShort: it sells, and leads on.
func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	if words := len(strings.Fields(readFile(t, "README.md"))); words > 900 {
		t.Errorf("the README has %d words, want 900 at most", words)
	}
}

var linkIn = regexp.MustCompile(`(?:\]\(|\bsrc(?:set)?=")([^)\s"]+)[)"]`)

// anchorOf is what GitHub makes of a heading.
func anchorOf(heading string) string {
	kept := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(heading), "")
	return strings.ReplaceAll(kept, " ", "-")
}

// TestLinksLeadSomewhere follows the links of the documents to files and headings.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, document := range documents(t) {
		for _, link := range linkIn.FindAllStringSubmatch(readFile(t, document), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(link[1], "#")
			target := document
			if file != "" {
				target = filepath.Join(filepath.Dir(document), file)
			}
			info, err := os.Stat(target)
			if err != nil {
				t.Errorf("%s links to %s: %v", document, link[1], err)
				continue
			}
			if anchor == "" || info.IsDir() {
				continue
			}
			found := false
			for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(readFile(t, target), -1) {
				found = found || anchorOf(heading[1]) == anchor
			}
			if !found {
				t.Errorf("%s links to %s, and there is no such heading", document, link[1])
			}
		}
	}
}

// TestTroubleshootingListsEveryCode: whatever a visitor may read, an operator finds there.
func TestTroubleshootingListsEveryCode(t *testing.T) {
	t.Parallel()
	manual, source := readFile(t, "docs/troubleshooting.md"), readFile(t, "internal/fault/fault.go")+readFile(t, "internal/fault/page.go")
	reasons := regexp.MustCompile(`&Reason\{"(\w+)", \S+\s+"([^"]+)"`).FindAllStringSubmatch(source, -1)
	if len(reasons) < 20 {
		t.Fatalf("only %d reasons were found", len(reasons))
	}
	for _, reason := range reasons {
		if !strings.Contains(manual, "| `"+reason[1]+"` | "+reason[2]+" |") {
			t.Errorf("docs/troubleshooting.md has no row for %s, %q", reason[1], reason[2])
		}
	}
}

// TestManualListsEveryField keeps the table of settings equal to the struct,
// in its order.
func TestManualListsEveryField(t *testing.T) {
	t.Parallel()
	table := readFile(t, "docs/configuration.md")
	var listed, fields []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(table, -1) {
		listed = append(listed, row[1])
	}
	config := reflect.TypeFor[cognito.Config]()
	for i := range config.NumField() {
		fields = append(fields, config.Field(i).Name)
	}
	if !slices.Equal(listed, fields) {
		t.Errorf("the manual lists\n%v\nand Config has\n%v", listed, fields)
	}
}

// TestFieldsSayWhetherTheyAreRequired keeps the grammar of field comments.
func TestFieldsSayWhetherTheyAreRequired(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	ending := regexp.MustCompile(`\n(Required\.|Optional\. Default: [^\n]+(\n[^\n]+)*\.)\n$`)
	seen := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Config" {
			return true
		}
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			seen++
			if !ending.MatchString(field.Doc.Text()) {
				t.Errorf("the comment of %s does not end in Required or Optional with a default", field.Names[0])
			}
		}
		return false
	})
	if seen < 20 {
		t.Errorf("only %d fields were looked at", seen)
	}
}

// TestReadmeNamesTestsThatExist: promises in the documents name the test that
// keeps them, so the test must be there.
func TestReadmeNamesTestsThatExist(t *testing.T) {
	t.Parallel()
	var sources strings.Builder
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, "_test.go") {
			sources.WriteString(readFile(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range documents(t) {
		for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(readFile(t, document), -1) {
			if !strings.Contains(sources.String(), "func "+name+"(t *testing.T)") {
				t.Errorf("%s names %s, which does not exist", document, name)
			}
		}
	}
}

// TestReadmeProgramCompiles builds the program that the README begins with.
func TestReadmeProgramCompiles(t *testing.T) {
	t.Parallel()
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindStringSubmatch(readFile(t, "README.md"))
	if program == nil {
		t.Fatal("the README has no program")
	}
	if lines := strings.Count(program[1], "\n"); lines > 25 {
		t.Errorf("the README's program has %d lines", lines)
	}
	mustVet(t, program[1])
}

// mustVet compiles a program of the documents. It lies outside of the
// repository, whose files other tests list meanwhile; its imports are found here.
func mustVet(t *testing.T, program string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestProductionImportsNoTestCode keeps the local pool, and what is made for
// tests, out of the programs of those who use the library. (Fiber itself links
// package testing; we add nothing to that.)
func TestProductionImportsNoTestCode(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{".", "./cognitotest"} {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, pkg).CombinedOutput()
		imports := strings.Fields(string(out))
		if err != nil || len(imports) == 0 {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, unwanted := range []string{"testing", "net/http/httptest", "flag", "github.com/bar-tech/cognito/cognitotest"} {
			if slices.Contains(imports, unwanted) {
				t.Errorf("%s imports %s", pkg, unwanted)
			}
		}
	}
}

// TestContributingNamesEveryPackage keeps the drawing of the house complete.
func TestContributingNamesEveryPackage(t *testing.T) {
	t.Parallel()
	contributing := readFile(t, "CONTRIBUTING.md")
	for _, pattern := range []string{"*.go", "internal/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal("nothing matches", pattern, err)
		}
		for _, name := range found {
			if !strings.HasSuffix(name, "_test.go") && !strings.Contains(contributing, strings.TrimSuffix(filepath.Base(name), ".go")) {
				t.Errorf("%s is missing from CONTRIBUTING.md", name)
			}
		}
	}
}

// TestContributingNamesEveryRoom keeps the map of the test rooms complete, and
// has each of them look for goroutines that were left behind.
func TestContributingNamesEveryRoom(t *testing.T) {
	t.Parallel()
	mains, err := filepath.Glob("*/main_test.go")
	if err != nil || len(mains) == 0 {
		t.Fatal("no rooms", err)
	}
	contributing := readFile(t, "CONTRIBUTING.md")
	for _, room := range []string{"attacks", "faults"} {
		if !slices.Contains(mains, filepath.Join(room, "main_test.go")) || !strings.Contains(readFile(t, filepath.Join(room, "main_test.go")), "lab.Main(m)") {
			t.Errorf("%s does not look for goroutines left behind", room)
		}
	}
	for _, main := range mains {
		if room := filepath.ToSlash(filepath.Dir(main)); !strings.Contains(contributing, "`"+room+"/`") {
			t.Errorf("CONTRIBUTING.md does not name the room %s", room)
		}
	}
}

// TestOneLook keeps the colours of the built-in pages, of the example and of the
// local pool the same: a visitor of the example goes from one to the other. Only :root
// counts, because the pages of simulated identity providers have their own brand.
func TestOneLook(t *testing.T) {
	t.Parallel()
	root := regexp.MustCompile(`:root ?\{[^}]*\}`)
	colour := regexp.MustCompile(`--(page|card|text|muted|line|brand|brand-down|on-brand): ?(#[0-9a-f]+)`)
	palette := func(name string) []string {
		var found []string
		for _, block := range root.FindAllString(readFile(t, name), -1) {
			for _, each := range colour.FindAllStringSubmatch(block, -1) {
				found = append(found, each[1]+" "+each[2])
			}
		}
		return found
	}
	want := palette("internal/engine/page.go")
	if len(want) != 16 {
		t.Fatalf("the built-in pages have %d colours, want 8 by day and by night", len(want))
	}
	for _, name := range []string{"example/page.css", "cognitotest/userpool/page.css", "cmd/cognito/poolpage.html"} {
		if got := palette(name); !slices.Equal(got, want) {
			t.Errorf("%s has the colours\n%q, want\n%q", name, got, want)
		}
	}
}
