package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// These tests call what /session.js exports, on a page whose policy lets no script run
// but the app's own files.

// do evaluates an expression with the script at hand as auth, and waits for its promise.
func (a *appTab) do(expression string, answer any) {
	a.Helper()
	wait := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	a.run(chromedp.Evaluate(`import("/session.js").then(async (auth) => (`+expression+`))`, answer, wait))
}

// TestScriptKnowsTheUser asks who is there while somebody is, signs out, and asks again.
func TestScriptKnowsTheUser(t *testing.T) {
	a := openApp(t, time.Hour)
	var email, login string
	if a.do(`(await auth.user()).email`, &email); email != "alice@example.com" {
		t.Errorf("the user is %q", email)
	}
	if a.do(`auth.loginURL()`, &login); login != "/login?return_to=%2Fapp" {
		t.Errorf("the login is at %q", login)
	}
	var fresh bool
	if a.do(`Date.parse((await (await auth.renew()).json()).expires_at) > Date.now()`, &fresh); !fresh {
		t.Error("the tokens were not renewed")
	}
	a.do(`void auth.logout()`, nil)
	eventually(t, "the home page", func() bool { return a.location() == a.home+"/" })
	var nobody bool
	if a.do(`await auth.user() === null`, &nobody); !nobody {
		t.Error("somebody is there after the logout")
	}
	a.do(`void auth.login("/app")`, nil)
	a.signIn("alice", "wonderland")
	a.mustKnowAlice()
}

// TestScriptTriesOnceMore answers in the app's place. After a 401 the tokens are renewed,
// by one call for all, and each request is made once more with its body; a renewal that
// is refused leaves the 401, and other origins are none of ours.
func TestScriptTriesOnceMore(t *testing.T) {
	a := openApp(t, time.Hour)
	a.ask(`void (window.real = window.fetch, window.play = async (renewal, times, act) => {
		const seen = [], left = {};
		window.fetch = async (input, init) => {
			const request = new Request(input, init);
			const path = new URL(request.url).pathname;
			seen.push(request.method + " " + path + " " + await request.text());
			if (path === "/token/refresh") return new Response("{}", {status: renewal});
			left[path] ??= times;
			return new Response("", {status: left[path]-- > 0 ? 401 : 200});
		};
		const answers = await Promise.all(act());
		window.fetch = window.real;
		return answers.map((r) => r.status).join() + ": " + seen.sort().join("; ");
	})`, nil)
	for name, row := range map[string]struct{ play, want string }{
		"a body":             {`play(200, 1, () => [auth.fetch("/a", {method: "POST", body: "x"})])`, "200: POST /a x; POST /a x; POST /token/refresh "},
		"two at once":        {`play(200, 1, () => [auth.fetch("/a"), auth.fetch("/b")])`, "200,200: GET /a ; GET /a ; GET /b ; GET /b ; POST /token/refresh "},
		"never mind":         {`play(200, 9, () => [auth.fetch("/a")])`, "401: GET /a ; GET /a ; POST /token/refresh "},
		"signed out":         {`play(401, 9, () => [auth.fetch("/a")])`, "401: GET /a ; POST /token/refresh "},
		"an outage":          {`play(503, 9, () => [auth.fetch("/a")])`, "503: GET /a ; POST /token/refresh "},
		"another origin":     {`play(200, 9, () => [auth.fetch("https://api.example/a")])`, "401: GET /a "},
		"nothing the matter": {`play(200, 0, () => [auth.fetch("/a")])`, "200: GET /a "},
	} {
		var got string
		if a.do("await "+row.play, &got); got != row.want {
			t.Errorf("%s: %s, want %s", name, got, row.want)
		}
	}
	a.mustKnowAlice()
}

// TestFetchSignsOut: a script of the app's own posts to the logout. It is told where to go on,
// and once its page has been there, Cognito asks for the password again.
func TestFetchSignsOut(t *testing.T) {
	a := openApp(t, time.Hour)
	a.do(`void fetch("/logout", {method: "POST", headers: {Accept: "application/json"}}).then((r) => r.json()).then((to) => location.assign(to.continue_url))`, nil)
	eventually(t, "the home page", func() bool { return a.location() == a.home+"/" })
	a.open(a.home + "/login?return_to=/app")
	a.signIn("alice", "wonderland")
	a.mustKnowAlice()
}

// TestScriptUnderAPrefix: behind a proxy that strips a prefix, the login comes back to the
// page, also if it is the prefix alone.
func TestScriptUnderAPrefix(t *testing.T) {
	a := openApp(t, time.Hour)
	var script string
	a.do(`await window.fetch("/session.js").then((r) => r.text())`, &script)
	for _, as := range [][2]string{{`const base = ""`, `const base = "/shop"`}, {"export { send as fetch };", ""}, {"export ", ""}} {
		script = strings.ReplaceAll(script, as[0], as[1])
	}
	for back, want := range map[string]string{
		"/shop":        "/",
		"/shop?sale=1": "/?sale=1",
		"/shop#/cart":  "/#/cart",
		"/shop/cart":   "/cart",
		"/shop/shop":   "/shop",
		"/shopping":    "/shopping",
		"/cart":        "/cart",
	} {
		var got string
		a.ask(fmt.Sprintf("(() => { %s; return loginURL(%q) })()", script, back), &got)
		if want = "/shop/login?return_to=" + url.QueryEscape(want); got != want {
			t.Errorf("from %s the login is at %s, want %s", back, got, want)
		}
	}
}
