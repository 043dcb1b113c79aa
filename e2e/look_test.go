package e2e

import (
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// dark and phone change how the page is seen; plain ends that.
func (t *tab) dark() {
	t.Helper()
	t.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
}

func (t *tab) phone() {
	t.Helper()
	t.run(chromedp.EmulateViewport(390, 700, chromedp.EmulateScale(2)))
}

func (t *tab) plain() {
	t.Helper()
	t.run(emulation.SetEmulatedMedia(), chromedp.EmulateViewport(900, 760))
}

// shoot saves what the tab shows, in the directory SCREENSHOTS if that is set.
func (t *tab) shoot(name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	var picture []byte
	t.run(chromedp.CaptureScreenshot(&picture))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
