package userpool_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestLoginChecksThePassword checks who gets in, and that those who do not
// cannot tell why.
func TestLoginChecksThePassword(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.pool.SetUser(userpool.User{Username: "eve", Password: "apple", Disabled: true})
	const wrong = "Incorrect username or password."
	for _, tt := range []struct{ name, username, password, want string }{
		{"wrong password", "alice", "builder", wrong},
		{"no password", "alice", "", wrong},
		{"unknown user", "mallory", "wonderland", wrong},
		{"disabled, wrong password", "eve", "pear", wrong},
		{"disabled", "eve", "apple", "User is disabled."},
		{"by name", "alice", "wonderland", ""},
		{"by e-mail", "Alice@example.com", "wonderland", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := p.pool.NewBrowser()
			page := b.Login(p.authorizeURL(nil), tt.username, tt.password)
			if tt.want == "" {
				if page.Body != "landed" || page.URL.Query().Get("code") == "" {
					t.Errorf("ended at %s, want the application with a code", page.URL)
				}
				return
			}
			if page.Status != http.StatusOK || page.URL.Path != "/login" ||
				!strings.Contains(page.Body, `role="alert">`+tt.want+`<`) {
				t.Errorf("got %d %s, want the login page with %q", page.Status, page.URL, tt.want)
			}
			if len(b.Cookies(p.pool.URL())) != 1 {
				t.Errorf("got cookies %v, want no session", b.Cookies(p.pool.URL()))
			}
		})
	}
}

// TestLoginFormIsForgeryProof checks that another site cannot sign a visitor in
// by submitting the form for them.
func TestLoginFormIsForgeryProof(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	page := b.Get(p.authorizeURL(nil))
	csrf := regexp.MustCompile(`name="_csrf" value="([^"]+)"`).FindStringSubmatch(page.Body)
	attempt := regexp.MustCompile(`name="attempt" value="([^"]+)"`).FindStringSubmatch(page.Body)
	if csrf == nil || attempt == nil {
		t.Fatalf("the form has no hidden fields: %s", page.Body)
	}
	form := map[string][]string{
		"username": {"alice"}, "password": {"wonderland"}, "attempt": attempt[1:], "_csrf": csrf[1:],
	}
	if got := p.pool.NewBrowser().Post(page.URL.String(), form); got.Status != http.StatusForbidden {
		t.Errorf("without the cookie: got %d, want 403", got.Status)
	}
	form["_csrf"] = []string{"guessed"}
	if got := b.Post(page.URL.String(), form); got.Status != http.StatusForbidden {
		t.Errorf("with a guessed token: got %d, want 403", got.Status)
	}
	form["_csrf"] = csrf[1:]
	if got := b.Post(page.URL.String(), form); got.Body != "landed" {
		t.Errorf("the honest form ended at %s with %d", got.URL, got.Status)
	}
}

// TestLoginFormTimesOut checks the five minutes, and that they are counted from
// the first form on.
func TestLoginFormTimesOut(t *testing.T) {
	t.Parallel()
	for _, classic := range []bool{false, true} {
		p := newParty(t, userpool.Client{}, userpool.Options{ClassicHostedUI: classic})
		landing := func(wait time.Duration) *userpool.Page {
			p.pool.Break(userpool.Login, userpool.Fault{
				Times: 1,
				Match: func(r userpool.Request) bool {
					if r.Method != http.MethodPost {
						return false
					}
					p.pool.Advance(wait)
					return true
				},
			})
			return p.pool.NewBrowser().Login(p.authorizeURL(nil), "alice", "wonderland")
		}
		late := landing(5 * time.Minute)
		switch {
		case classic && (late.Status != http.StatusOK || !strings.Contains(late.Body, `id="login"`)):
			t.Errorf("classic: got %d %s, want the form again", late.Status, late.URL)
		case !classic && (late.Status != http.StatusBadRequest ||
			!strings.Contains(late.Body, "Something went wrong")):
			t.Errorf("managed: got %d %s, want the error page", late.Status, late.URL)
		}
		if intime := landing(4*time.Minute + 30*time.Second); intime.Body != "landed" {
			t.Errorf("in time: ended at %s", intime.URL)
		}
	}
}

// TestFailNextLogin checks the error of a failing trigger, and that it comes
// once.
func TestFailNextLogin(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.pool.FailNextLogin("invalid_request", "PreSignUp failed with error no. ")
	b := p.pool.NewBrowser()
	b.Login(p.authorizeURL(nil), "alice", "wrong") // does not use it up
	q := b.Login(p.authorizeURL(nil), "alice", "wonderland").URL.Query()
	if q.Get("error") != "invalid_request" || q.Get("state") != "state-1" || q.Has("code") ||
		q.Get("error_description") != "PreSignUp failed with error no. " {
		t.Errorf("got %v, want the error with the state", q)
	}
	if q := b.Login(p.authorizeURL(nil), "alice", "wonderland").URL.Query(); q.Get("code") == "" {
		t.Errorf("the next login got %v, want a code", q)
	}
}

// TestLoginPage checks what a visitor sees, and that the page allows nothing
// beyond it.
func TestLoginPage(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Name: "Tea & Co"})
	page := p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{
		"login_hint": `"><script>alert(1)</script>`, "lang": "pt-BR",
	}))
	for _, want := range []string{
		`<label for="username">`, `<label for="password">`, "Tea &amp; Co", "us-east-1_TestPool1",
		`name="signInSubmitButton"`, `value="&#34;&gt;&lt;script&gt;`,
	} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, unwanted := range []string{"<script", "wonderland", `role="alert"`} {
		if strings.Contains(page.Body, unwanted) {
			t.Errorf("the page has %s", unwanted)
		}
	}
	style := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page.Body)
	if style == nil {
		t.Fatal("the page has no style sheet")
	}
	sum := sha256.Sum256([]byte(style[1]))
	policy := page.Header.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "frame-ancestors 'none'", "form-action 'self' " + p.origin,
		"style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %s", policy, want)
		}
	}
	if !strings.Contains(page.Header.Get("Cache-Control"), "no-store") {
		t.Error("the page may be cached")
	}
	names := ""
	for _, cookie := range page.Cookies {
		names += cookie.Name + "=" + strings.Repeat("*", min(1, len(cookie.Value))) + " "
		if !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %s is open to scripts or other sites", cookie.Name)
		}
	}
	if names != "lang=* XSRF-TOKEN=* " {
		t.Errorf("got cookies %s", names)
	}
}

// TestShowUsers checks that passwords are only on the page when asked for.
func TestShowUsers(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{ShowUsers: true})
	page := p.pool.NewBrowser().Get(p.authorizeURL(nil))
	for _, want := range []string{"Demo users of this local pool", "alice", "wonderland", "bob", "builder"} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// TestFormTargets checks that the policy names every place a login may end at,
// also those that a policy has no exact name for.
func TestFormTargets(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{CallbackURLs: []string{
		"https://app.example/cb?tenant=1", "http://[::1]:8021/cb", "myapp://signed-in",
	}}, userpool.Options{})
	page := p.pool.NewBrowser().Get(p.authorizeURL(nil))
	want := "form-action 'self' https://app.example http: myapp: " + p.origin
	if got := page.Header.Get("Content-Security-Policy"); !strings.HasSuffix(got, want) {
		t.Errorf("got policy %q, want it to end in %q", got, want)
	}
	a := p.get(p.authorizeURL(map[string]string{
		"redirect_uri": "https://app.example/cb?tenant=1", "prompt": "none",
	}), "")
	if got := a.header.Get("Location"); got != "https://app.example/cb?tenant=1&error=login_required&state=state-1" {
		t.Errorf("got Location %s, want the registered query kept", got)
	}
}

// TestFrontPage checks that it tells whether the pool knows the visitor.
func TestFrontPage(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	b := p.pool.NewBrowser()
	if page := b.Get(p.pool.URL()); !strings.Contains(page.Body, "You are signed out") {
		t.Errorf("a stranger sees %s", page.Body)
	}
	b.Login(p.authorizeURL(nil), "alice", "wonderland")
	if page := b.Get(p.pool.URL()); !strings.Contains(page.Body, "signed in to this pool as alice") {
		t.Errorf("alice sees %s", page.Body)
	}
}

// TestFormForAStranger: a form whose address names a callback that nobody registered
// signs nobody in, as the page would not have been shown.
func TestFormForAStranger(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	address := func(origin string) string {
		return "/login?" + url.Values{
			"response_type": {"code"}, "client_id": {p.client.ID}, "redirect_uri": {origin + "/login/redirect"}, "scope": {"openid"},
		}.Encode()
	}
	form := url.Values{"username": {"alice"}, "password": {"wonderland"}}
	for origin, where := range map[string]string{"https://evil.example": "redirect_mismatch", p.origin: "invalid_csrf"} {
		got := p.post(address(origin), form)
		if said := got.header.Get("Location") + got.body; !strings.Contains(said, where) || strings.Contains(said, "code=") {
			t.Errorf("a form for %s is answered %d %v %s, want %s", origin, got.status, got.header, got.body, where)
		}
	}
}
