// Picture draws the journey at the top of the README, docs/journey-light.png and
// docs/journey-dark.png: the pages of the example that a visitor sees, one beside the
// other.
//
//	go run ./e2e/picture
//
// from the top of the repository. It needs Chromium.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// A page is drawn as on a narrow window, twice as fine as it is shown.
const width, height = 460, 600

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	home, end, err := startExample(ctx)
	if err != nil {
		return err
	}
	defer end()

	options := chromedp.DefaultExecAllocatorOptions[:]
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to sandbox root
	}
	if path, err := exec.LookPath("chromium"); err == nil {
		options = append(options, chromedp.ExecPath(path))
	}
	allocator, stop := chromedp.NewExecAllocator(ctx, options...)
	defer stop()
	browser, closeBrowser := chromedp.NewContext(allocator)
	defer closeBrowser()
	for _, theme := range []string{"light", "dark"} {
		picture, err := draw(browser, home, theme)
		if err != nil {
			return fmt.Errorf("%s: %w", theme, err)
		}
		if err := os.WriteFile(filepath.Join("docs", "journey-"+theme+".png"), picture, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// startExample builds and starts the example at a free port, and waits for the line
// that says where it is.
func startExample(ctx context.Context) (home string, end func(), err error) {
	dir, err := os.MkdirTemp("", "picture")
	if err != nil {
		return "", nil, err
	}
	program := filepath.Join(dir, "example")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "./example").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("%w\n%s", err, out)
	}
	example := exec.CommandContext(ctx, program)
	example.Env = append(os.Environ(), "ADDR=localhost:0")
	out, err := example.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := example.Start(); err != nil {
		return "", nil, err
	}
	end = func() {
		_ = example.Process.Signal(os.Interrupt)
		_ = example.Wait()
		_ = os.RemoveAll(dir)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if at, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "Open"); ok {
			return strings.TrimSpace(at), end, nil
		}
	}
	end()
	return "", nil, errors.New("the example does not say where it is")
}

// draw takes a stranger through the login, and lays the three pages side by side.
func draw(browser context.Context, home, theme string) ([]byte, error) {
	tab, closeTab := chromedp.NewContext(browser)
	defer closeTab()
	var shots [3][]byte
	err := chromedp.Run(tab,
		network.ClearBrowserCookies(),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
		chromedp.EmulateViewport(width, height, chromedp.EmulateScale(2)),
		chromedp.Navigate(home), chromedp.CaptureScreenshot(&shots[0]),
		chromedp.Navigate(home+"login"), chromedp.WaitVisible("#password"),
		chromedp.SetValue("#username", "alice"), chromedp.SetValue("#password", "wonderland"), chromedp.CaptureScreenshot(&shots[1]),
		chromedp.Submit("#password"), chromedp.WaitNotPresent("#password"), chromedp.WaitReady("body"), chromedp.CaptureScreenshot(&shots[2]),
	)
	if err != nil {
		return nil, err
	}
	background := map[string]string{"light": "#ffffff", "dark": "#0d1117"}[theme] // GitHub's own
	var html strings.Builder
	fmt.Fprintf(&html, `<style>body{margin:0;display:flex;gap:20px;background:%s}img{width:%dpx;height:%dpx;border-radius:10px;outline:1px solid #8885;outline-offset:-1px}</style>`, background, width, height)
	for _, shot := range shots {
		fmt.Fprintf(&html, `<img src="data:image/png;base64,%s">`, base64.StdEncoding.EncodeToString(shot))
	}
	var picture []byte
	err = chromedp.Run(tab,
		chromedp.Navigate("about:blank"),
		chromedp.EmulateViewport(3*width+40, height),
		chromedp.ActionFunc(func(ctx context.Context) error {
			frames, err := page.GetFrameTree().Do(ctx)
			if err != nil {
				return err
			}
			return page.SetDocumentContent(frames.Frame.ID, html.String()).Do(ctx)
		}),
		chromedp.CaptureScreenshot(&picture),
	)
	return picture, err
}
