// Generate writes the face for Fiber v3 from the one for Fiber v2, which is the
// root of the repository: the same declarations in the same words, but for the names
// that Fiber has changed. From the folder above:
//
//	go generate
//
// A test fails when what is committed differs from what this would write.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	from := flag.String("from", "..", "the folder of the face for Fiber v2")
	to := flag.String("to", ".", "where to write")
	tests := flag.Bool("tests", false, "write the tests too, which are not committed")
	flag.Parse()
	err := generate(*from, *to, "", isSource)
	if err == nil {
		err = generate(*from, *to, "cognitotest", isSource)
	}
	if err == nil && *tests {
		err = generateTests(*from, *to)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// rules are applied in this order.
var rules = []struct{ old, new string }{
	{"github.com/gofiber/fiber/v2", "github.com/gofiber/fiber/v3"},
	{"*fiber.Ctx", "fiber.Ctx"},
	// In v2 Context is fasthttp's, in v3 the user's.
	{"c.Context()", "c.RequestCtx()"},
	{".UserContext()", ".Context()"},
	{".SetUserContext(", ".SetContext("},
	{"Method: c.Method(), App: c,", "Method: methodOf(c), App: c,"}, // method.go says why
	{"a.reportUnreachable(c.App(), c.Route().Path)", "a.reportUnreachable(c.App(), c.Route().Path)\n\ta.reportPassedBy(c.App(), c.Route().Path) // slash.go says why"},
	{"app.Hooks().OnShutdown(func() error { return a.unmount(app) })", "app.Hooks().OnPostShutdown(func(error) error { return a.unmount(app) })"},
	{"Fiber v2", "Fiber v3"},
	{"\"github.com/bar-tech/cognito\"", "\"github.com/bar-tech/cognito/fiberv3\""},
	// In quotes: the pool itself, below, is for both.
	{"\"github.com/bar-tech/cognito/cognitotest\"", "\"github.com/bar-tech/cognito/fiberv3/cognitotest\""},
	{"github.com/bar-tech/cognito/internal/lab", "github.com/bar-tech/cognito/fiberv3/internal/lab"},
	{"fiber/v2", "fiber/v3"},
	{").Mount(\"", ").Use(\""},
	{"app.Mount(", "app.Use("},
}

// patterns come after the rules.
var patterns = []struct {
	old *regexp.Regexp
	new string
}{
	{regexp.MustCompile(`([aA]pp)\.Test\((.*), -1\)`), "$1.Test($2, fiber.TestConfig{Timeout: 0})"}, // no limit
	{regexp.MustCompile(`(Allow(?:Origins|Methods|Headers)): ("[^"]*")`), "$1: []string{$2}"},       // of CORS
	{regexp.MustCompile(`DisableStartupMessage: true(, )?`), ""},
	{regexp.MustCompile(`(?m)^.*\.DisableStartupMessage = true\n`), ""},
	{regexp.MustCompile(`(\w)\.Listener\((listener)\)`), "$1.Listener($2, fiber.ListenConfig{DisableStartupMessage: true})"},
}

const header = "// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.\n\n"

// byHand are files that no rule could write.
var byHand = []string{"doc.go", "cognitotest/doc.go", "internal/lab/fiber.go"}

func isSource(name string) bool { return !strings.HasSuffix(name, "_test.go") }

// isStory picks the tests that know no more than the API, and leaves out those that
// are about the repository.
func isStory(name string) bool {
	return strings.HasSuffix(name, "_test.go") && name != "docs_test.go" && name != "layers_test.go" && !strings.HasPrefix(name, "example_")
}

// generateTests writes the tests of the rooms and of the root, and what they share.
func generateTests(from, to string) error {
	everything := func(string) bool { return true }
	// The root holds the face as well, which has just been written.
	both := func(name string) bool { return isSource(name) || isStory(name) }
	for folder, pick := range map[string]func(string) bool{
		"": both, "attacks": everything, "faults": everything, "internal/lab": everything,
	} {
		if err := generate(from, to, folder, pick); err != nil {
			return err
		}
	}
	return nil
}

// generate writes the files of a folder that are picked.
func generate(from, to, folder string, pick func(name string) bool) error {
	files, err := filepath.Glob(filepath.Join(from, folder, "*"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no files in %s: %w", filepath.Join(from, folder), err)
	}
	if err := os.MkdirAll(filepath.Join(to, folder), 0o755); err != nil {
		return err
	}
	if err := clean(filepath.Join(to, folder)); err != nil {
		return err
	}
	for _, file := range files {
		name := filepath.Base(file)
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		embedded := folder != "" && !strings.HasSuffix(name, ".go")
		if info.IsDir() || !embedded && (!strings.HasSuffix(name, ".go") || !pick(name)) || slices.Contains(byHand, path.Join(folder, name)) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if !embedded {
			if text, err = rewritten(text); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if err := os.WriteFile(filepath.Join(to, folder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// clean removes what was generated before: its source may have moved.
func clean(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(text, []byte(header)) {
			if err := os.Remove(file); err != nil {
				return err
			}
		}
	}
	return nil
}

func rewritten(text []byte) ([]byte, error) {
	for _, rule := range rules {
		text = bytes.ReplaceAll(text, []byte(rule.old), []byte(rule.new))
	}
	for _, pattern := range patterns {
		text = pattern.old.ReplaceAll(text, []byte(pattern.new))
	}
	return format.Source(append([]byte(header), text...))
}
