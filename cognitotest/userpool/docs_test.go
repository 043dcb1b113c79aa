package userpool_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// handedOut are the structs that the pool fills in. What is required or optional
// is a question for the others, which a test fills in.
var handedOut = []string{"Browser", "Page", "Pool", "Request", "UnsignedToken"}

// TestFieldsSayWhetherTheyAreRequired keeps the grammar of field comments, which
// is that of cognito.Config, in every struct that a test fills in.
func TestFieldsSayWhetherTheyAreRequired(t *testing.T) {
	t.Parallel()
	ending := regexp.MustCompile(`\n(Required\.|Optional\. Default: [^\n]+(\n[^\n]+)*\.)\n$`)
	var seen []string
	for _, spec := range exportedTypes(t) {
		structure, ok := spec.Type.(*ast.StructType)
		if !ok || slices.Contains(handedOut, spec.Name.Name) {
			continue
		}
		seen = append(seen, spec.Name.Name)
		for _, field := range structure.Fields.List {
			if !ending.MatchString(field.Doc.Text()) {
				t.Errorf("the comment of %s.%s does not end in Required or Optional with a default", spec.Name, field.Names[0])
			}
		}
	}
	if want := []string{"Client", "User", "Fault", "Options"}; !slices.Equal(seen, want) {
		t.Errorf("looked at %v, want %v", seen, want)
	}
}

// TestReadmeNamesTests: what the table says is held by a test has one.
func TestReadmeNamesTests(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	table, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`Test[A-Z]\w+`).FindAllString(string(table), -1)
	for _, name := range names {
		if !strings.Contains(all.String(), "func "+name+"(t ") {
			t.Errorf("the README names %s, which does not exist", name)
		}
	}
	if len(names) < 30 {
		t.Errorf("the README names %d tests", len(names))
	}
}

// exportedTypes are those that the package declares, in order of their files
// and places there.
func exportedTypes(t *testing.T) []*ast.TypeSpec {
	t.Helper()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var specs []*ast.TypeSpec
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
				specs = append(specs, spec)
			}
			return true
		})
	}
	return specs
}
