package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
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
	headings := []string{"## One request", "## Verifying", "## Signing in", "## Many live sessions", "## Under load"}
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

// pages are right and wrong answers to whoever wants to see alice.
func pages() (app *fiber.App, right map[string]bool) {
	app = newApp()
	page := func(status int, body string, header ...string) fiber.Handler {
		return func(c *fiber.Ctx) error {
			if len(header) > 0 {
				c.Set(header[0], header[1])
			}
			return c.Status(status).SendString(body)
		}
	}
	app.Get("/right", page(fiber.StatusOK, "alice"))
	app.Get("/refused", page(fiber.StatusUnauthorized, "alice"))
	app.Get("/other", page(fiber.StatusOK, "clara"))
	app.Get("/longer", page(fiber.StatusOK, "not alice"))
	app.Get("/closes", page(fiber.StatusOK, "alice", fiber.HeaderConnection, "close"))
	return app, map[string]bool{"/right": true, "/refused": false, "/other": false, "/longer": false, "/closes": false}
}

// TestWrongAnswersAreNoResult: a refusal, or another user's page, is quick to
// make. A run that measured it would report a fine figure.
func TestWrongAnswersAreNoResult(t *testing.T) {
	app, right := pages()
	for path, right := range right {
		if err := serving(app, always(get(path), "alice"))(3); (err == nil) != right {
			t.Errorf("%s: %v", path, err)
		}
		if err := servingSome(app, always(get(path), "alice"), 2)(6); (err == nil) != right {
			t.Errorf("%s, over two connections: %v", path, err)
		}
	}
}

// TestWrongAnswersAreNoLoad is the same over sockets.
func TestWrongAnswersAreNoLoad(t *testing.T) {
	app, right := pages()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(listener) }()
	t.Cleanup(func() { _ = app.Shutdown() })
	wanted := target{Bodies: []string{"alice"}}
	for path, right := range right {
		o, err := load{addr: listener.Addr().String(), requests: [][]byte{get(path)}, conns: 2, total: 6, accept: wanted.rightly}.run()
		if (err == nil) != right {
			t.Errorf("%s: %v", path, err)
		}
		if right && (o.requests != 6 || len(o.latencies) != 6 || o.statuses[fiber.StatusOK] != 6) {
			t.Errorf("%s: %d requests, %d latencies and %v, want 6 of each", path, o.requests, len(o.latencies), o.statuses)
		}
	}
}

// TestVerifierThatVerifiesNothing must not make it into the results.
func TestVerifierThatVerifiesNothing(t *testing.T) {
	l := &lab{}
	t.Cleanup(l.close)
	_, err := verifying(func(*lab) (func(string) (string, error), error) {
		return func(string) (string, error) { return subjectOf(l.pool(), 0), nil }, nil
	})(l)
	if !errors.Is(err, errForgeryPasses) {
		t.Errorf("a verifier that accepts everything: %v, want %v", err, errForgeryPasses)
	}
	r, err := verifying(verifyOurs)(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.prepare(2); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.work(2), r.unit(2)); err != nil {
		t.Errorf("the honest one: %v", err)
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

// TestFloodQuickly shows that every kind of flood can be endured.
func TestFloodQuickly(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"-flood", "-quick"}, &out); err != nil {
		t.Fatal(err)
	}
	for _, kind := range floods {
		if !strings.Contains(out.String(), "| "+kind.title+" |") {
			t.Errorf("the table has no line about %s", kind.title)
		}
	}
}
