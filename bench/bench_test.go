package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
)

// TestMain lets the test binary be the server's process too.
func TestMain(m *testing.M) {
	if os.Getenv(roleVariable) == "" {
		os.Exit(m.Run())
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestEverythingRuns measures next to nothing of everything, so that neither
// rows nor report can rot.
func TestEverythingRuns(t *testing.T) {
	home := t.TempDir()
	if err := run([]string{"-quick", "-rounds", "2", "-out", home, "-cpuprofile", filepath.Join(home, "cpu")}, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(home, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plans {
		if !strings.Contains(string(text), p.title) {
			t.Errorf("the results do not mention %q", p.title)
		}
	}
	headings := []string{"## One request", "## Verifying", "## Logging in", "## Many live sessions", "## Under load"}
	if !strings.Contains(string(text), errNoRedis.Error()) {
		headings = append(headings, "## With sessions in Redis")
	}
	for _, heading := range headings {
		if !strings.Contains(string(text), heading) {
			t.Errorf("the results lack %q", heading)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(string(text), bad) {
			t.Errorf("the results hold %q", bad)
		}
	}
	drawn, err := os.ReadFile(filepath.Join(home, "chart.svg"))
	if err != nil {
		t.Fatal(err)
	}
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(string(drawn))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the chart is no XML: %v", err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 7 {
		t.Errorf("the chart has %d bars, want 7", bars)
	}
}

// TestWrongAnswersAreNoResult: a refusal, or another user's page, is quick to
// make. A run that measured it would report a fine figure.
func TestWrongAnswersAreNoResult(t *testing.T) {
	app := newApp()
	app.Get("/refusal", func(c *fiber.Ctx) error { return c.SendStatus(fiber.StatusUnauthorized) })
	app.Get("/other", func(c *fiber.Ctx) error { return c.SendString("mallory") })
	app.Get("/longer", func(c *fiber.Ctx) error { return c.SendString("not alice") })
	app.Get("/right", func(c *fiber.Ctx) error { return c.SendString("alice") })
	app.Get("/closes", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderConnection, "close")
		return c.SendString("alice")
	})
	for path, right := range map[string]bool{"/refusal": false, "/other": false, "/longer": false, "/closes": false, "/right": true} {
		if err := serving(app, always(get(path), "alice"))(3); (err == nil) != right {
			t.Errorf("%s: %v", path, err)
		}
		one := servingSome(app, always(get(path), "alice"), 2)
		if err := one(6); (err == nil) != right {
			t.Errorf("%s over two connections: %v", path, err)
		}
	}
}

// TestAllocations gates what a request may allocate. It is exact, where times
// are not.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	l := &lab{options: options{quick: true}}
	t.Cleanup(l.close)
	const times = 2000
	for _, p := range plans {
		if !p.goal.allocs.set {
			continue
		}
		r, err := p.build(l)
		if err != nil {
			t.Fatalf("%s: %v", p.id, err)
		}
		var failed error
		each := testing.AllocsPerRun(5, func() { failed = errors.Join(failed, r.work(times)) }) / times
		if failed != nil {
			t.Fatalf("%s: %v", p.id, failed)
		}
		if each > p.goal.allocs.most+0.05 {
			t.Errorf("%s: %.2f allocations a request, want at most %.0f", p.title, each, p.goal.allocs.most)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		sorted []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{1, 3}, 2}, {[]float64{1, 2, 9}, 2}} {
		if got := median(tt.sorted); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.sorted, got, tt.want)
		}
	}
}
