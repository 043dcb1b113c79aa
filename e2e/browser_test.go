package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/chromedp/chromedp"
)

const (
	loginLink    = `a[href="/login"]`
	logoutButton = `form[action="/logout"] button`
)

// TestBrowserJourney is what a newcomer does who has just started the example:
// log in, with a slip of the finger, look around, and log out.
func TestBrowserJourney(t *testing.T) {
	e := startExample(t, nil)
	tab := openBrowser(t).tab()

	tab.open(e.url + "/")
	tab.mustBeAt(e.url+"/", "You are not signed in")
	shootAll(tab, "1-signed-out")

	tab.follow(loginLink)
	if !strings.HasPrefix(tab.location(), "http://127.0.0.1:") || !strings.Contains(tab.text(), "wonderland") {
		t.Errorf("the login is at %s and says %q", tab.location(), tab.text())
	}
	tab.shoot("2-login")
	tab.signIn("alice", "looking-glass")
	tab.must("#error")
	tab.shoot("3-wrong-password")
	tab.signIn("", "wonderland")

	tab.mustBeAt(e.url+"/", "Alice Liddell")
	for _, text := range []string{"alice@example.com", "verified", "admin"} {
		if !strings.Contains(tab.text(), text) {
			t.Errorf("the profile does not say %s", text)
		}
	}
	shootAll(tab, "4-signed-in")

	tab.follow(`a[href="/me"]`)
	user := tab.json()
	if user["email"] != "alice@example.com" || user["email_verified"] != true {
		t.Errorf("/me shows %v", user)
	}
	tab.shoot("5-me")
	tab.open(e.url + "/")
	tab.follow(`a[href="/payload"]`)
	if payload := tab.json(); payload["token_use"] != "access" || payload["username"] != "alice" {
		t.Errorf("/payload shows %v", payload)
	}

	tab.open(e.url + "/")
	tab.follow(logoutButton)
	tab.mustBeAt(e.url+"/", "You are not signed in")
	tab.follow(loginLink)
	tab.must("#password") // Cognito has forgotten the visitor, too
}

// shootAll takes a page as it looks by day, by night and on a phone.
func shootAll(tab *tab, name string) {
	tab.Helper()
	tab.shoot(name)
	tab.dark()
	tab.shoot(name + "-dark")
	tab.phone()
	tab.shoot(name + "-phone-dark")
	tab.plain()
}

// json is the page, if it is a JSON object.
func (t *tab) json() map[string]any {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(t.text()), &fields); err != nil {
		t.Errorf("%s shows no JSON: %v", t.location(), err)
	}
	return fields
}

// TestBrowserComesBackToTheGuardedPage opens a page behind the login directly.
func TestBrowserComesBackToTheGuardedPage(t *testing.T) {
	e := startExample(t, nil)
	tab := openBrowser(t).tab()
	tab.open(e.url + "/me?tab=2")
	tab.signIn("bob", "builder")
	tab.mustBeAt(e.url+"/me?tab=2", `"email_verified":false`)
}

// TestBrowserCancels comes back from Cognito without having logged in, as the
// "cancel" of an external identity provider has it, and then tries again.
func TestBrowserCancels(t *testing.T) {
	e := startExample(t, nil)
	tab := openBrowser(t).tab("status of 403")
	tab.open(e.url + "/me")
	tab.must("#password")
	q := tab.query()
	tab.open(q.Get("redirect_uri") + "?error=access_denied&error_description=User+cancelled&state=" + q.Get("state"))
	if text := tab.text(); !strings.Contains(text, "Sign-in was cancelled") || strings.Contains(text, "User cancelled") {
		t.Errorf("after cancelling the page says %q", text)
	}
	tab.shoot("6-cancelled")
	tab.follow("main a")
	tab.signIn("alice", "wonderland")
	tab.mustBeAt(e.url+"/me", "alice@example.com")
}

// TestBrowserReloadsTheCallback opens the address once more that Cognito sent
// the browser to: harmless when signed in, and no way in when not.
func TestBrowserReloadsTheCallback(t *testing.T) {
	e := startExample(t, nil)
	tab := openBrowser(t).tab("status of 400")
	tab.open(e.url + "/login")
	tab.signIn("alice", "wonderland")
	callback := tab.callback()
	tab.open(callback)
	tab.mustBeAt(e.url+"/", "Alice Liddell")
	tab.run(chromedp.Reload())
	tab.mustBeAt(e.url+"/", "Alice Liddell")

	tab.follow(logoutButton)
	tab.open(callback)
	if text := tab.text(); strings.Contains(text, "Alice") || !strings.Contains(text, "sign in again") {
		t.Errorf("the old callback shows %q", text)
	}
	tab.shoot("7-old-callback")
	tab.follow("main a")
	tab.signIn("alice", "wonderland")
	tab.mustBeAt(e.url+"/", "Alice Liddell")
}

// TestBrowserGoesBack uses the back button, to the login form after the login
// and to the profile after the logout.
func TestBrowserGoesBack(t *testing.T) {
	e := startExample(t, nil)
	tab := openBrowser(t).tab()
	tab.open(e.url + "/")
	tab.follow(loginLink)
	tab.signIn("alice", "wonderland")
	tab.mustBeAt(e.url+"/", "Alice Liddell")

	tab.run(chromedp.NavigateBack())
	tab.signIn("alice", "wonderland")
	tab.mustBeAt(e.url+"/", "Alice Liddell")

	tab.follow(logoutButton)
	tab.mustBeAt(e.url+"/", "You are not signed in")
	tab.run(chromedp.NavigateBack())
	if text := tab.text(); strings.Contains(text, "Alice") {
		t.Errorf("after the logout, going back shows %q", text)
	}
}

// TestBrowserTwoTabs logs in in two tabs at once, which must not disturb each
// other, and logs out in one, which ends both.
func TestBrowserTwoTabs(t *testing.T) {
	e := startExample(t, nil)
	browser := openBrowser(t)
	one, two := browser.tab(), browser.tab()
	one.open(e.url + "/me")
	one.must("#password")
	two.open(e.url + "/payload")
	two.signIn("alice", "wonderland")
	two.mustBeAt(e.url+"/payload", `"token_use":"access"`)
	one.signIn("alice", "wonderland")
	one.mustBeAt(e.url+"/me", "alice@example.com")
	two.run(chromedp.Reload())
	two.mustBeAt(e.url+"/payload", `"token_use":"access"`)

	one.open(e.url + "/")
	one.follow(logoutButton)
	two.run(chromedp.Reload())
	two.must("#password")
}

// TestBrowserStaysPastATokensLife uses tokens that live for seconds. The
// visitor sees nothing of it.
func TestBrowserStaysPastATokensLife(t *testing.T) {
	client := cognitotest.Client{ID: "brief", AccessTokenTTL: 3 * time.Second, IDTokenTTL: 3 * time.Second, RotateRefreshTokens: true}
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{client}})
	t.Cleanup(pool.Close)
	e := startExample(t, settingsOf(pool))
	pool.AllowOrigin(e.url)
	tab := openBrowser(t).tab()
	tab.open(e.url + "/login")
	tab.signIn("alice", "wonderland")
	logins := pool.Calls(cognitotest.Authorization)
	eventually(t, "the tokens have been renewed twice", func() bool {
		tab.run(chromedp.Reload())
		tab.mustBeAt(e.url+"/", "Alice Liddell")
		return t.Failed() || pool.Calls(cognitotest.Token) >= 3
	})
	if pool.Calls(cognitotest.Authorization) != logins {
		t.Error("the visitor was sent to Cognito again")
	}
	tab.follow(logoutButton)
	tab.mustBeAt(e.url+"/", "You are not signed in")
	tab.follow(loginLink)
	tab.must("#password")
}

// TestBrowserFollowsAForeignLogoutLink comes from another site (forced logout). The
// link alone signs nobody out; the button on the page does, which the page's own policy
// must let it do.
func TestBrowserFollowsAForeignLogoutLink(t *testing.T) {
	e := startExample(t, nil)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><p><a id="link" href="%s/logout">cute cats</a></p>`, e.url)
	}))
	t.Cleanup(elsewhere.Close)
	tab := openBrowser(t).tab()
	tab.open(e.url + "/login")
	tab.signIn("alice", "wonderland")

	tab.open(elsewhere.URL)
	tab.follow("#link")
	tab.mustBeAt(e.url+"/logout", "Sign out")
	tab.shoot("8-sign-out")
	tab.open(e.url + "/")
	tab.mustBeAt(e.url+"/", "Alice Liddell")

	tab.open(elsewhere.URL)
	tab.follow("#link")
	tab.follow("form button")
	tab.mustBeAt(e.url+"/", "You are not signed in")
}

// TestBrowserHasEyes makes sure that the tests above could fail: the console
// reports what the page's policy forbids, and what is not there.
func TestBrowserHasEyes(t *testing.T) {
	e := startExample(t, nil)
	tab := openBrowser(t).tab("Content Security Policy", "status of 404")
	tab.open(e.url + "/")
	for _, markup := range []string{
		`<style>p { color: red }</style>`,
		`<img src="http://127.0.0.1:1/x.png">`,
		`<form method="post" action="http://127.0.0.1:1/" id="leak"></form>`,
		`<img src="/no-such.png">`,
	} {
		before := len(tab.seen())
		tab.run(chromedp.Evaluate(fmt.Sprintf(`document.body.insertAdjacentHTML("beforeend", %q); document.querySelector("#leak")?.submit()`, markup), nil))
		eventually(t, "a complaint about "+markup, func() bool { return len(tab.seen()) > before })
	}
}
