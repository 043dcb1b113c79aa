// Package drive drives real browsers with the commands of W3C WebDriver. Chromium
// and WebKit get them over HTTP from a driver of their own. Firefox gets the same
// commands over Marionette, which it speaks without any driver.
package drive

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Engine is a kind of browser.
type Engine struct {
	Name  string
	start func(t *testing.T) wire
}

// Engines are all that the stories are told to.
func Engines() []Engine {
	return []Engine{{"Chromium", startChromium}, {"Firefox", startFirefox}, {"WebKit", startWebKit}}
}

// Open starts a browser with an empty profile, which ends with the test. Without
// the program the test is skipped, or fails in CI.
func (e Engine) Open(t *testing.T) *Browser {
	t.Helper()
	return &Browser{T: t, Engine: e.Name, wire: e.start(t)}
}

// command is one of WebDriver's, under its name for Marionette and its method and
// path for HTTP.
type command struct{ name, method, path string }

var (
	navigate   = command{"Navigate", http.MethodPost, "/url"}
	currentURL = command{"GetCurrentURL", http.MethodGet, "/url"}
	back       = command{"Back", http.MethodPost, "/back"}
	forward    = command{"Forward", http.MethodPost, "/forward"}
	reload     = command{"Refresh", http.MethodPost, "/refresh"}
	find       = command{"FindElement", http.MethodPost, "/element"}
	click      = command{"ElementClick", http.MethodPost, "/element/{id}/click"}
	sendKeys   = command{"ElementSendKeys", http.MethodPost, "/element/{id}/value"}
	execute    = command{"ExecuteScript", http.MethodPost, "/execute/sync"}
	getCookies = command{"GetCookies", http.MethodGet, "/cookie"}
)

// parameters are a command's, the id of an element among them.
type parameters map[string]any

// wire carries a command to a browser.
type wire interface {
	send(c command, p parameters) (json.RawMessage, error)
}

// patience bounds every wait for a browser, so that a page that never comes fails
// its test and not the run.
const patience = 30 * time.Second

// Browser is one window.
type Browser struct {
	*testing.T
	Engine string
	wire   wire
}

// In is the same window in another test, such as one within the test that opened
// it.
func (b *Browser) In(t *testing.T) *Browser { return &Browser{T: t, Engine: b.Engine, wire: b.wire} }

// do sends a command and reads the answer into value, unless that is nil.
func (b *Browser) do(c command, p parameters, value any) error {
	answer, err := b.wire.send(c, p)
	if err != nil || value == nil {
		return err
	}
	return json.Unmarshal(answer, value)
}

func (b *Browser) must(c command, p parameters, value any) {
	b.Helper()
	if err := b.do(c, p, value); err != nil {
		b.Fatalf("%s: %s %v: %v", b.Engine, c.name, p, err)
	}
}

// Open goes to an address, as one who types it.
func (b *Browser) Open(address string) {
	b.Helper()
	b.must(navigate, parameters{"url": address}, nil)
}

// Back, Forward and Reload are the window's buttons.
func (b *Browser) Back()    { b.Helper(); b.must(back, parameters{}, nil) }
func (b *Browser) Forward() { b.Helper(); b.must(forward, parameters{}, nil) }
func (b *Browser) Reload()  { b.Helper(); b.must(reload, parameters{}, nil) }

// Location is the page's address.
func (b *Browser) Location() string {
	b.Helper()
	var address string
	b.must(currentURL, parameters{}, &address)
	return address
}

// Eval returns what a script's body returns. A page that is just being replaced
// cannot answer, and is asked again.
func (b *Browser) Eval(script string, value any) {
	b.Helper()
	b.Until("an answer to "+script, func() error {
		return b.do(execute, parameters{"script": script, "args": []any{}}, value)
	})
}

// Text is all that the page says.
func (b *Browser) Text() string {
	b.Helper()
	var text string
	b.Eval(`return document.body ? document.body.innerText : ""`, &text)
	return text
}

// Click clicks on something, as soon as it is there, as a person does.
func (b *Browser) Click(selector string) {
	b.Helper()
	b.Until("a click on "+selector, func() error { return b.touch(click, selector, parameters{}) })
}

// Type types into a field.
func (b *Browser) Type(selector, text string) {
	b.Helper()
	b.Until("typing into "+selector, func() error { return b.touch(sendKeys, selector, parameters{"text": text}) })
}

// touch does something to the first element that a selector finds.
func (b *Browser) touch(c command, selector string, p parameters) error {
	var reference map[string]string
	if err := b.do(find, parameters{"using": "css selector", "value": selector}, &reference); err != nil {
		return err
	}
	for _, id := range reference { // it has one entry
		p["id"] = id
	}
	return b.do(c, p, nil)
}

// Follow clicks on what leads to another page, and returns when that has loaded,
// also if it has the same address.
func (b *Browser) Follow(selector string) {
	b.Helper()
	b.Eval(`window.leaving = true`, nil)
	b.Click(selector)
	b.Until("a page behind "+selector, func() error {
		var there bool
		err := b.do(execute, parameters{"script": `return !window.leaving && document.readyState === "complete"`, "args": []any{}}, &there)
		if err == nil && !there {
			return fmt.Errorf("still at %s", b.Location())
		}
		return err
	})
}

// MustSay waits for a text on the page.
func (b *Browser) MustSay(text string) {
	b.Helper()
	b.Until(fmt.Sprintf("the words %q", text), func() error {
		if said := b.Text(); !strings.Contains(said, text) {
			return fmt.Errorf("%s says %q", b.Location(), said)
		}
		return nil
	})
}

// MustBeAt waits for an address, and then for a text.
func (b *Browser) MustBeAt(address, text string) {
	b.Helper()
	b.Until("arriving at "+address, func() error {
		if at := b.Location(); at != address {
			return fmt.Errorf("at %s, which says %q", at, b.Text())
		}
		return nil
	})
	b.MustSay(text)
}

// Cookie is one that the page's address is sent.
type Cookie struct {
	Name, Path, Domain, SameSite string
	Secure, HTTPOnly             bool
}

// Cookies are the page's, those that scripts cannot see included.
func (b *Browser) Cookies() []Cookie {
	b.Helper()
	var found []Cookie
	b.must(getCookies, parameters{}, &found)
	return found
}

// Until tries something until it succeeds: a browser does things in its own time.
func (b *Browser) Until(what string, try func() error) {
	b.Helper()
	err := try()
	for deadline := time.Now().Add(patience); err != nil; err = try() {
		if time.Now().After(deadline) {
			b.Fatalf("%s: in vain waited for %s: %v", b.Engine, what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
