package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/bar-tech/cognito/internal/freeport"
)

// guarded is an app that knows nothing of logins, behind oauth2-proxy and a pool.
type guarded struct {
	*testing.T
	pool *userpool.Pool
	url  string // of the proxy
	logs *lockedBuffer
}

// startGuarded lets in whoever is in the group admin and has a verified address, and
// renews tokens once a second, which is as often as oauth2-proxy does.
func startGuarded(t *testing.T) *guarded {
	t.Helper()
	path := machine.Need(t, "oauth2-proxy")
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header) // the proxy reads it
	}))
	t.Cleanup(app.Close)
	g := &guarded{T: t, pool: userpool.New(userpool.Options{}), logs: &lockedBuffer{}}
	t.Cleanup(g.pool.Close)
	// By name, since cookies do not tell ports apart, and the pool is at 127.0.0.1.
	address := "localhost:" + freeport.Next()
	g.url = "http://" + address
	g.start(exec.Command(path, append(g.atPool(), "--http-address="+address, "--upstream="+app.URL,
		"--cookie-secret=0123456789abcdef0123456789abcdef", "--cookie-secure=false", "--cookie-refresh=1ms",
		"--pass-access-token", "--skip-jwt-bearer-tokens", "--skip-provider-button", "--request-logging=false")...))
	return g
}

// atPool registers the proxy at the pool, and returns what it must know of it.
func (g *guarded) atPool() []string {
	const secret = "a secret of 24 characters"
	callback := g.url + "/oauth2/callback"
	g.pool.SetClient(userpool.Client{
		ID: "proxy", Secret: secret, RotateRefreshTokens: true,
		CallbackURLs: []string{callback}, LogoutURLs: []string{g.url + "/"},
	})
	return []string{
		"--provider=oidc", "--oidc-issuer-url=" + g.pool.Issuer(), "--redirect-url=" + callback,
		"--client-id=proxy", "--client-secret=" + secret, "--scope=openid email profile", "--code-challenge-method=S256",
		"--oidc-groups-claim=cognito:groups", "--allowed-group=admin", "--email-domain=*",
		"--whitelist-domain=" + strings.TrimPrefix(g.pool.URL(), "http://"), // where sign-outs go
	}
}

// start runs the proxy until the test ends.
func (g *guarded) start(proxy *exec.Cmd) {
	g.Helper()
	proxy.Stdout, proxy.Stderr = g.logs, g.logs
	if err := proxy.Start(); err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() {
		_ = proxy.Process.Kill() // it may have ended
		_ = proxy.Wait()
		if g.Failed() {
			g.Logf("oauth2-proxy says:\n%s", g.logs)
		}
	})
	visitor := g.pool.NewBrowser()
	eventually(g.T, "oauth2-proxy starts", func() bool { return visitor.Get(g.url+"/ping").Status == http.StatusOK })
}

// app is what the app was sent, by a page of it.
func (g *guarded) app(page *userpool.Page) http.Header {
	g.Helper()
	var header http.Header
	if err := json.Unmarshal([]byte(page.Body), &header); err != nil || page.Status != http.StatusOK {
		g.Fatalf("at %s: no page of the app but %d %s %v", page.URL, page.Status, page.Body, page.Err)
	}
	return header
}

// atLogin checks that a visitor ended at the pool's page.
func (g *guarded) atLogin(page *userpool.Page) {
	g.Helper()
	if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), g.pool.URL()+"/login") {
		g.Errorf("got %d at %s, want the login page", page.Status, page.URL)
	}
}

// TestOAuth2ProxySignsIn tells the app who is there, renews the tokens, and signs out
// at both.
func TestOAuth2ProxySignsIn(t *testing.T) {
	g := startGuarded(t)
	alice := g.pool.NewBrowser()
	first := g.app(alice.Login(g.url+"/page", "alice", "wonderland"))
	for name, want := range map[string]string{
		"X-Forwarded-User": subject(g.pool, "alice"), "X-Forwarded-Email": "alice@example.com", "X-Forwarded-Groups": "admin",
	} {
		if got := first.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	const accessToken = "X-Forwarded-Access-Token"
	eventually(t, "other tokens, twice", func() bool {
		return g.app(alice.Get(g.url)).Get(accessToken) != first.Get(accessToken) && g.pool.Calls(userpool.Token) > 2
	})
	leave := g.pool.URL() + "/logout?" + url.Values{"client_id": {"proxy"}, "logout_uri": {g.url + "/"}}.Encode()
	g.atLogin(alice.Get(g.url + "/oauth2/sign_out?" + url.Values{"rd": {leave}}.Encode()))
	g.app(alice.Login(g.url, "alice", "wonderland"))
}

// TestOAuth2ProxyNoticesTheEnd ends sign-ins at the pool, which the next renewal finds.
func TestOAuth2ProxyNoticesTheEnd(t *testing.T) {
	g := startGuarded(t)
	alice := g.pool.NewBrowser()
	g.app(alice.Login(g.url, "alice", "wonderland"))
	g.pool.EndSessions("alice")
	// The pool's page still knows her, so nobody sees the other login.
	eventually(t, "the proxy asks anew", func() bool {
		g.app(alice.Get(g.url))
		return g.pool.Calls(userpool.Authorization) == 2
	})
}

// TestOAuth2ProxyRefuses keeps out who is in no group, and a token for another use.
func TestOAuth2ProxyRefuses(t *testing.T) {
	g := startGuarded(t)
	bob := g.pool.NewBrowser()
	if page := bob.Login(g.url, "bob", "builder"); page.Status < 400 {
		t.Errorf("bob gets %d %s", page.Status, page.Body)
	}
	call := func(token string) *userpool.Page {
		r, _ := http.NewRequest(http.MethodGet, g.url, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return g.pool.NewBrowser().Do(r)
	}
	// Cognito's access tokens have no aud.
	g.atLogin(call(g.pool.AccessToken("proxy", "alice", nil)))
	g.app(call(g.pool.IDToken("proxy", "alice", nil)))
}

func subject(pool *userpool.Pool, username string) string {
	for _, user := range pool.Users() {
		if user.Username == username {
			return user.Subject
		}
	}
	return ""
}
