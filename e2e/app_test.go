package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// These tests stay on /app, whose script goes on calling the API past the life
// of tokens, the end of a session and an outage, and is never loaded anew.

// appClient is an app client whose tokens live so long.
func appClient(life time.Duration) cognitotest.Client {
	return cognitotest.Client{ID: "app", AccessTokenTTL: life, IDTokenTTL: life, RotateRefreshTokens: true}
}

// appTab is a tab on /app.
type appTab struct {
	*tab
	pool *cognitotest.Pool
	home string
}

// openApp signs alice in and takes her to /app, with tokens that live so long.
func openApp(t *testing.T, life time.Duration, expected ...string) *appTab {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{appClient(life)}})
	t.Cleanup(pool.Close)
	e := startExample(t, settingsOf(pool))
	pool.AllowOrigin(e.url)
	a := &appTab{tab: openBrowser(t).tab(expected...), pool: pool, home: e.url}
	a.open(a.home + "/login?return_to=/app")
	a.signIn("alice", "wonderland")
	a.mustKnowAlice()
	a.ask("window.loaded = 'once'", nil)
	return a
}

// press clicks on something that leads nowhere else.
func (a *appTab) press(selector string) {
	a.Helper()
	a.run(chromedp.Click(selector, chromedp.ByQuery))
}

// mustSay waits for a text on the page.
func (a *appTab) mustSay(text string) {
	a.Helper()
	eventually(a.T, text, func() bool { return strings.Contains(a.text(), text) })
}

func (a *appTab) mustKnowAlice() {
	a.Helper()
	a.mustSay("Alice Liddell")
	a.mustBeAt(a.home+"/app", "admin")
}

func (a *appTab) mustNotHaveReloaded() {
	a.Helper()
	var loaded string
	a.ask("window.loaded ?? ''", &loaded)
	if loaded != "once" {
		a.Error("the page was loaded anew")
	}
}

// expiry is the time that the page shows.
func (a *appTab) expiry() time.Time {
	a.Helper()
	var text string
	a.ask(`document.querySelector("#expiry").dateTime`, &text)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		a.Fatal(err)
	}
	return at
}

// mustExpireAfter waits until the page shows a later expiry than this one.
func (a *appTab) mustExpireAfter(at time.Time) {
	a.Helper()
	eventually(a.T, fmt.Sprintf("an expiry after %s", at), func() bool { return a.expiry().After(at) })
}

// logOutElsewhere ends the session as another device with the same cookie
// would, so that neither the browser nor Cognito knows.
func (a *appTab) logOutElsewhere() {
	a.Helper()
	request, err := http.NewRequestWithContext(a.Context(), http.MethodPost, a.home+"/logout", nil)
	if err != nil {
		a.Fatal(err)
	}
	a.run(chromedp.ActionFunc(func(ctx context.Context) error {
		cookies, err := network.GetCookies().WithURLs([]string{a.home}).Do(ctx)
		for _, cookie := range cookies {
			request.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
		}
		return err
	}))
	response, err := plainClient.Do(request)
	if err != nil {
		a.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusSeeOther {
		a.Errorf("the logout answers %d", response.StatusCode)
	}
}

// TestAppOutlivesItsTokens looks on while the tokens expire again and again,
// and then renews them ahead of time.
func TestAppOutlivesItsTokens(t *testing.T) {
	a := openApp(t, 3*time.Second)
	logins := a.pool.Calls(cognitotest.Authorization)
	first := a.expiry()
	a.mustExpireAfter(first)
	a.mustExpireAfter(first.Add(5 * time.Second)) // at least twice
	a.mustSay("The server has renewed the tokens.")

	a.pool.SetClient(appClient(time.Hour))
	a.mustExpireAfter(first.Add(30 * time.Minute))
	a.press("#ask")
	a.mustSay("in 59:")
	shootAll(a.tab, "app-signed-in")

	a.press("#renew") // tokens that are so young are as good as new ones
	a.mustSay("Renewed at")
	a.mustKnowAlice()
	a.mustNotHaveReloaded()
	if a.pool.Calls(cognitotest.Authorization) != logins {
		t.Error("the visitor was sent to Cognito again")
	}
}

// TestAppNobodyLooksAt leaves the tab for another one: then it makes no calls,
// which would keep the session alive, until its user is back.
func TestAppNobodyLooksAt(t *testing.T) {
	a := openApp(t, 3*time.Second)
	show := func(hidden bool) {
		a.ask(fmt.Sprintf(`Object.defineProperty(document, "hidden", {value: %v, configurable: true});
			document.dispatchEvent(new Event("visibilitychange"))`, hidden), nil)
	}
	show(true)
	eventually(t, "the tokens have expired", func() bool {
		var left string
		a.ask(`document.querySelector("#countdown").textContent`, &left)
		return left == "expired"
	})
	expired := a.expiry()
	time.Sleep(3 * time.Second) // longer than the page waits after an expiry
	if !a.expiry().Equal(expired) {
		t.Error("the page calls the API while nobody looks at it")
	}
	show(false)
	a.mustExpireAfter(expired)
	a.mustNotHaveReloaded()
}

// TestAppIsSignedOut ends the session, elsewhere and in another tab. The page
// says so at its next call, and its link leads through the login and back.
func TestAppIsSignedOut(t *testing.T) {
	a := openApp(t, time.Hour, "status of 401")
	a.logOutElsewhere()
	a.press("#ask")
	a.mustSay("You have been signed out")
	a.mustHaveForgottenAlice()
	shootAll(a.tab, "app-signed-out")
	a.follow("#login") // Cognito still knows her
	a.mustKnowAlice()

	other := visitor{t}.tab()
	other.open(a.home + "/")
	other.follow(logoutButton)
	a.press("#renew")
	a.mustSay("You have been signed out")
	a.mustHaveForgottenAlice()
	a.press("#ask")
	a.mustSay("You are not signed in")
	a.follow("#login")
	a.signIn("alice", "wonderland")
	a.mustKnowAlice()
}

// mustHaveForgottenAlice also checks that the page waits for a click.
func (a *appTab) mustHaveForgottenAlice() {
	a.Helper()
	if text := a.text(); strings.Contains(text, "Alice") || strings.Contains(text, "admin") {
		a.Errorf("the page still says %q", text)
	}
	if at := a.location(); at != a.home+"/app" {
		a.Errorf("the page has gone to %s by itself", at)
	}
}

// TestAppOutage breaks Cognito while the tokens expire. Nobody is signed out,
// and the page recovers without a click.
func TestAppOutage(t *testing.T) {
	a := openApp(t, 3*time.Second, "status of 503")
	a.pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusInternalServerError})
	a.mustSay("Temporarily unavailable")
	a.mustKnowAlice()
	shootAll(a.tab, "app-unavailable")
	broken := a.expiry()
	a.pool.Heal()
	a.mustExpireAfter(broken)
	a.mustSay("Asked at")
	if strings.Contains(a.text(), "unavailable") {
		t.Error("the page still speaks of the outage")
	}
	a.mustNotHaveReloaded()
}

// TestAppOffline takes the network away.
func TestAppOffline(t *testing.T) {
	a := openApp(t, time.Hour, "ERR_INTERNET_DISCONNECTED")
	online := func(yes bool) {
		a.run(network.EmulateNetworkConditions(!yes, 0, -1, -1))
	}
	online(false)
	a.press("#ask")
	a.mustSay("No answer came from the app")
	a.mustKnowAlice()
	shootAll(a.tab, "app-offline")
	online(true)
	a.mustSay("Asked at") // the browser tells the page
	a.mustNotHaveReloaded()
}

// TestAppIsRefused answers in the app's place, which has no reason to refuse
// her, and in that of a stranger, such as the login page of a hotel's network.
func TestAppIsRefused(t *testing.T) {
	a := openApp(t, time.Hour)
	for answer, says := range map[string]string{
		`Response.json({title: "Not allowed", detail: "Alice may not do this."}, {status: 403})`: "Not allowed. Alice may not do this.",
		`new Response("<h1>Welcome to our hotel</h1>")`:                                          "No answer came from the app",
	} {
		a.ask("void (window.fetch = async () => "+answer+")", nil)
		a.press("#renew")
		a.mustSay(says)
		a.mustKnowAlice()
	}
	a.mustNotHaveReloaded()
}

// TestAppShowsMarkupAsText has a user whose name and group are markup. The
// console must stay empty as well: not even the page's policy is needed.
func TestAppShowsMarkupAsText(t *testing.T) {
	a := openApp(t, 3*time.Second)
	a.pool.SetUser(cognitotest.User{Username: "alice", Password: "wonderland", Name: `<img src="/no-such.png">`, Groups: []string{"<b>admin</b>"}})
	a.mustExpireAfter(a.expiry())
	a.press("#ask")
	a.mustSay(`<img src="/no-such.png">`)
	a.mustSay("<b>admin</b>")
}

// TestAdminPage opens the page of the admins, as one and as somebody else.
func TestAdminPage(t *testing.T) {
	e := startExample(t, nil)
	tab := openBrowser(t).tab("status of 403")
	tab.open(e.url + "/admin")
	tab.signIn("alice", "wonderland")
	tab.mustBeAt(e.url+"/admin", "Only the group admin sees this")
	shootAll(tab, "admin")
	tab.open(e.url + "/")
	tab.follow(logoutButton)
	tab.open(e.url + "/admin")
	tab.signIn("bob", "builder")
	tab.mustBeAt(e.url+"/admin", "Not allowed")
	tab.shoot("admin-refused")
}
