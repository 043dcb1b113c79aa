package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"
)

// amplifyPage is what sdks/js/amplify.page.js finds, with the settings.
const amplifyPage = `<!doctype html><html lang="en"><title>An app with Amplify</title><link rel="icon" href="data:,">
<p id="who"></p><input id="typed" type="password" aria-label="Password">
<button id="password">Sign in here</button> <button id="redirect">Sign in there</button>
<button id="renew">Renew</button> <button id="leave">Sign out</button>
<script id="settings" type="application/json">%s</script><script type="module" src="/page.js"></script>`

// amplifyApp is an app without a server of its own, with a pool behind TLS, since
// Amplify knows no other.
type amplifyApp struct {
	*tab
	pool *userpool.Pool
	url  string
}

func startAmplify(t *testing.T) *amplifyApp {
	t.Helper()
	script := bundle(t, "amplify.page.js")
	pool := userpool.NewUnstarted(userpool.Options{})
	pool.StartTLS()
	t.Cleanup(pool.Close)
	app := httptest.NewUnstartedServer(nil)
	t.Cleanup(app.Close)
	url := "http://" + app.Listener.Addr().String() + "/"
	page := fmt.Sprintf(amplifyPage, amplifySettings(t, pool, url))
	app.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, text := "text/html", page
		if r.URL.Path == "/page.js" {
			kind, text = "text/javascript", script
		}
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, text) // a browser that has gone away needs no answer
	})
	app.Start()
	pool.SetClient(userpool.Client{ID: "page", RotateRefreshTokens: true, CallbackURLs: []string{url}, LogoutURLs: []string{url}})
	// A wrong password is an answer with status 400, and Amplify warns of every pool
	// that is not at AWS.
	a := &amplifyApp{tab: openBrowser(t).tab("status of 400", "a custom Amazon"), pool: pool, url: url}
	a.run(security.SetIgnoreCertificateErrors(true)) // the pool has signed its own
	a.open(url)
	a.reads("nobody")
	return a
}

// bundle makes one script of a page and what it imports.
func bundle(t *testing.T, page string) string {
	t.Helper()
	const dir = "../sdks/js"
	path := machine.NeedFile(t, filepath.Join(dir, "node_modules/.bin/esbuild"), "npm ci in sdks/js")
	build := exec.CommandContext(t.Context(), path, page, "--bundle", "--format=esm", "--log-level=error")
	build.Dir = dir
	var stderr strings.Builder
	build.Stderr = &stderr
	script, err := build.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	return string(script)
}

// amplifySettings are what Amplify.configure gets.
func amplifySettings(t *testing.T, pool *userpool.Pool, app string) []byte {
	t.Helper()
	settings, err := json.Marshal(map[string]any{"Auth": map[string]any{"Cognito": map[string]any{
		"userPoolId": pool.UserPoolID(), "userPoolClientId": "page", "userPoolEndpoint": pool.URL(),
		"loginWith": map[string]any{"oauth": map[string]any{
			"domain": strings.TrimPrefix(pool.URL(), "https://"), "responseType": "code",
			"scopes":         []string{"openid", "email", "aws.cognito.signin.user.admin"},
			"redirectSignIn": []string{app}, "redirectSignOut": []string{app},
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// reads waits until the page says this, and is the id of its access token.
func (a *amplifyApp) reads(text string) (token string) {
	a.Helper()
	said := ""
	defer func() {
		if a.Failed() {
			a.Logf("the page says %q at %s", said, a.location())
		}
	}()
	eventually(a.T, text, func() bool {
		a.ask(`document.getElementById("who")?.textContent ?? ""`, &said)
		if strings.HasPrefix(said, "failed") {
			a.Fatalf("the page says %q", said)
		}
		return said == text
	})
	a.ask(`document.body.dataset.token`, &token)
	return token
}

// renewTwice spends the refresh token of the login, and the one that came for it.
func (a *amplifyApp) renewTwice(text string) {
	a.Helper()
	for range 2 {
		before := a.reads(text)
		a.click("#renew")
		eventually(a.T, "another token", func() bool { return a.reads(text) != before })
	}
}

func (a *amplifyApp) click(selector string) {
	a.Helper()
	a.run(chromedp.Click(selector, chromedp.ByQuery))
}

// TestAmplifySignsInByPassword proves the password without sending it, renews the
// tokens and signs out.
func TestAmplifySignsInByPassword(t *testing.T) {
	a := startAmplify(t)
	a.fill("#typed", "looking-glass")
	a.click("#password")
	a.reads("NotAuthorizedException: Incorrect username or password.")
	a.fill("#typed", "wonderland")
	a.click("#password")
	const alice = "alice@example.com, with aws.cognito.signin.user.admin"
	a.renewTwice(alice)
	a.open(a.url)
	a.reads(alice)
	a.click("#leave")
	a.reads("nobody")
	calls := a.pool.Requests(userpool.IDP)
	if last := calls[len(calls)-1].Header.Get("X-Amz-Target"); !strings.HasSuffix(last, ".RevokeToken") {
		t.Errorf("a sign-out ends with %s", last)
	}
	a.open(a.url)
	a.reads("nobody")
}

// TestAmplifySignsInByRedirect goes to the pool's page with PKCE and comes back, and
// out again by /logout.
func TestAmplifySignsInByRedirect(t *testing.T) {
	a := startAmplify(t)
	a.follow("#redirect")
	if asked := a.pool.Requests(userpool.Authorization)[0].Query; asked.Get("code_challenge_method") != "S256" {
		t.Errorf("without PKCE this proves less: %v", asked)
	}
	a.signIn("alice", "wonderland")
	const alice = "alice@example.com, with openid email aws.cognito.signin.user.admin"
	a.renewTwice(alice)
	if at := a.location(); at != a.url {
		t.Errorf("the code stays in the address: %s", at)
	}
	a.follow("#leave")
	a.reads("nobody")
	a.follow("#redirect")
	a.must("#password") // the pool has forgotten the visitor, too
}
