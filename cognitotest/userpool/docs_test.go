package userpool_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// handedOut are the structs that the pool fills in. What is required or optional
// is a question for the others, which a test fills in.
var handedOut = []string{"Browser", "Page", "Pool", "ProviderProblem", "Request", "UnsignedToken"}

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
	if want := []string{"Client", "User", "Fault", "Options", "Provider", "ProviderUser"}; !slices.Equal(seen, want) {
		t.Errorf("looked at %v, want %v", seen, want)
	}
}

// factLine is a row of FACTS.md: its number, the fact, and what holds it.
var factLine = regexp.MustCompile(`(?m)^\| ([\w.]+)-(\d+) \| ([^|\n]+) \| ([^|\n]+) \|$`)

// sectionsOfFacts are those that FACTS.md has to have, in order.
var sectionsOfFacts = strings.Fields("0 1.1 1.2 1.3 1.4 1.5 2 2.1 2.2 3 4 5 6 7.1 7.2 7.3 7.4 " +
	"8.1 8.2 8.3 8.4 8.5 9 10.1 10.2 10.3 10.4 10.5 11 12 12b api")

// TestFactsAreNumbered: every section is there, and its facts are counted from one.
func TestFactsAreNumbered(t *testing.T) {
	t.Parallel()
	var sections []string
	last := 0
	for _, line := range facts(t) {
		if len(sections) == 0 || sections[len(sections)-1] != line[1] {
			sections, last = append(sections, line[1]), 0
		}
		last++
		if line[2] != strconv.Itoa(last) {
			t.Errorf("%s-%s stands where %s-%d should", line[1], line[2], line[1], last)
		}
	}
	if !slices.Equal(sections, sectionsOfFacts) {
		t.Errorf("the sections are %v, want %v", sections, sectionsOfFacts)
	}
}

// TestFactsAreHeld: every fact names tests that exist, a row of the README's table of
// what is not modelled, or says that it is about something else.
func TestFactsAreHeld(t *testing.T) {
	t.Parallel()
	declared, missing := textOf(t, "*_test.go"), textOf(t, "README.md")
	_, err := os.Stat("../../sdks")
	complete := err == nil // a copy of this module alone lacks the other
	if complete {
		declared += textOf(t, "../../sdks/*_test.go")
	}
	for _, line := range facts(t) {
		where, held := line[1]+"-"+line[2], line[4]
		if row, ok := strings.CutPrefix(held, "not modelled: "); ok {
			if !strings.Contains(missing, "\n| "+row+" |") {
				t.Errorf("%s: the README has no row %q", where, row)
			}
			continue
		}
		names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(held, -1)
		if len(names) == 0 && held != "nothing of the pool" {
			t.Errorf("%s: nothing holds it: %q", where, held)
		}
		for _, name := range names {
			if !strings.Contains(declared, "func "+name[1]+"(t *testing.T) {") && (complete || !strings.Contains(held, "sdks")) {
				t.Errorf("%s names %s, which does not exist", where, name[1])
			}
		}
	}
}

// facts are the rows of FACTS.md.
func facts(t *testing.T) [][]string {
	t.Helper()
	text := textOf(t, "FACTS.md")
	found := factLine.FindAllStringSubmatch(text, -1)
	// A row in another form would go unnoticed.
	if rows := strings.Count(text, "\n| ") - strings.Count(text, "\n| | "); len(found) < 200 || len(found) != rows {
		t.Fatalf("read %d of %d facts", len(found), rows)
	}
	return found
}

// textOf is what the files that match a pattern say.
func textOf(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is called %s (%v)", pattern, err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
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
