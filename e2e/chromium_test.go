package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// stepTimeout bounds every step in the browser, so that a page that never
// comes fails its test and not the run.
const stepTimeout = time.Minute

// theBrowser is the one process that all tests use.
var theBrowser struct {
	once  sync.Once
	ctx   context.Context
	close func()
	err   error
}

func startBrowser(path string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.WindowSize(900, 760),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-quic", true), chromedp.Flag("hide-scrollbars", true),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to sandbox root
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	theBrowser.ctx, theBrowser.err = ctx, chromedp.Run(ctx)
	theBrowser.close = func() {
		closeBrowser() // waits for the process
		stop()
	}
}

// visitor is somebody new in front of the browser.
type visitor struct{ *testing.T }

// openBrowser hands the browser to a test, without the cookies of the one
// before. Tests of the browser do not run in parallel.
func openBrowser(t *testing.T) visitor {
	t.Helper()
	path := machine.Need(t, "chromium", "chromium-browser", "google-chrome")
	theBrowser.once.Do(func() { startBrowser(path) })
	if theBrowser.err != nil {
		t.Fatalf("the browser does not start: %v", theBrowser.err)
	}
	if err := chromedp.Run(theBrowser.ctx, network.ClearBrowserCookies()); err != nil {
		t.Fatal(err)
	}
	return visitor{t}
}

// tab is one tab, with all that its console has complained about.
type tab struct {
	*testing.T
	ctx context.Context

	mu         sync.Mutex // guards everything below
	complaints []string
	documents  []string // addresses of pages asked for, redirects included
}

// tab opens a tab. When the test ends its console must be empty but for the
// texts given.
func (b visitor) tab(expected ...string) *tab {
	b.Helper()
	ctx, closeTab := chromedp.NewContext(theBrowser.ctx)
	t := &tab{T: b.T, ctx: ctx}
	chromedp.ListenTarget(ctx, t.watch)
	b.Cleanup(func() {
		for _, complaint := range t.seen() {
			if !containsAny(complaint, expected) {
				b.Errorf("the console says: %s", complaint)
			}
		}
		closeTab()
	})
	t.run()
	return t
}

func containsAny(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// watch collects what developers see in red: exceptions, console errors, failed
// loads and violations of the content security policy.
func (t *tab) watch(event any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		t.complaints = append(t.complaints, event.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.APITypeError || event.Type == runtime.APITypeWarning {
			t.complaints = append(t.complaints, fmt.Sprintf("%s %s", event.Type, said(event.Args)))
		}
	case *log.EventEntryAdded:
		if event.Entry.Level == log.LevelError || event.Entry.Level == log.LevelWarning {
			t.complaints = append(t.complaints, fmt.Sprintf("%s (%s)", event.Entry.Text, event.Entry.URL))
		}
	case *network.EventRequestWillBeSentExtraInfo:
		// A page whose Referrer-Policy is no-referrer makes its forms
		// anonymous, which the app takes for a foreign site's.
		if event.Headers["Origin"] == "null" {
			t.complaints = append(t.complaints, "a form was sent with Origin: null")
		}
	case *network.EventRequestWillBeSent:
		if event.Type == network.ResourceTypeDocument {
			t.documents = append(t.documents, event.Request.URL)
		}
	}
}

func (t *tab) seen() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.complaints...)
}

// callback is the last address that Cognito sent the browser back to.
func (t *tab) callback() string {
	t.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.documents) - 1; i >= 0; i-- {
		if strings.Contains(t.documents[i], "/login/redirect?") {
			return t.documents[i]
		}
	}
	t.Fatal("there was no callback")
	return ""
}

func (t *tab) run(actions ...chromedp.Action) {
	t.Helper()
	if err := t.try(actions...); err != nil {
		address := ""
		_ = chromedp.Run(t.ctx, chromedp.Location(&address))
		t.Fatalf("at %s: %v", address, err)
	}
}

// try runs actions within the time of a step. The tab lives on after it, which
// it would not with a shorter context of the first run.
func (t *tab) try(actions ...chromedp.Action) error {
	if len(actions) == 0 {
		return chromedp.Run(t.ctx)
	}
	ctx, cancel := context.WithTimeout(t.ctx, stepTimeout)
	defer cancel()
	return chromedp.Run(ctx, actions...)
}

// ask evaluates an expression in the page. A page that is just being replaced
// cannot answer, and is asked again.
func (t *tab) ask(expression string, answer any) {
	t.Helper()
	var err error
	for range 100 {
		if err = t.try(chromedp.Evaluate(expression, answer)); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s: %v", expression, err)
}

// open goes to an address, and follow clicks on something that leads to
// another page. Both return when that page has loaded.
func (t *tab) open(address string) {
	t.Helper()
	t.run(chromedp.Navigate(address))
}

func (t *tab) follow(selector string) {
	t.Helper()
	t.must(selector)
	var at struct{ X, Y float64 }
	t.ask(fmt.Sprintf(`{ const e = document.querySelector(%q); e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect();
		({x: r.x + r.width / 2, y: r.y + r.height / 2}) }`, selector), &at)
	ctx, cancel := context.WithTimeout(t.ctx, stepTimeout)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.MouseClickXY(at.X, at.Y)); err != nil {
		t.Fatalf("clicking %s at %s: %v", selector, t.location(), err)
	}
}

// must waits for something to be visible.
func (t *tab) must(selector string) {
	t.Helper()
	eventually(t.T, selector+" at "+t.location(), func() bool {
		visible := false
		t.ask(fmt.Sprintf("document.querySelector(%q)?.checkVisibility() ?? false", selector), &visible)
		return visible
	})
}

func (t *tab) text() string {
	t.Helper()
	var text string
	t.ask("document.body.innerText", &text)
	return text
}

func (t *tab) location() string {
	t.Helper()
	var address string
	t.ask("document.location.href", &address)
	return address
}

// query is the query of the page's address.
func (t *tab) query() url.Values {
	t.Helper()
	u, err := url.Parse(t.location())
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// mustBeAt checks the address and a text on the page.
func (t *tab) mustBeAt(address, text string) {
	t.Helper()
	if got := t.location(); got != address {
		t.Errorf("the browser is at %s, want %s", got, address)
	}
	if got := t.text(); !strings.Contains(got, text) {
		t.Errorf("%s does not say %q but %q", address, text, got)
	}
}

// signIn fills in the pool's form. Without a name, the one that stands there
// is kept.
func (t *tab) signIn(username, password string) {
	t.Helper()
	t.must("#password")
	if username != "" {
		t.fill("#username", username)
	}
	t.fill("#password", password)
	t.follow("#login button")
}

// fill types a text, in place of what the browser may have remembered.
func (t *tab) fill(selector, text string) {
	t.Helper()
	t.ask(fmt.Sprintf("document.querySelector(%q).select()", selector), nil)
	t.run(chromedp.KeyEvent(text))
}

// said is what a page has written to the console.
func said(arguments []*runtime.RemoteObject) string {
	var parts []string
	for _, argument := range arguments {
		if argument.Value != nil {
			parts = append(parts, string(argument.Value))
			continue
		}
		parts = append(parts, argument.Description)
	}
	return strings.Join(parts, " ")
}
