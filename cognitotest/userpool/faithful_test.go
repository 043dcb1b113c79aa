package userpool_test

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestEventID (FACTS.md §12b): the tokens of one answer share their event_id, those of
// the next have another.
func TestEventID(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	seen := map[any]bool{}
	login := p.tokens(nil)
	for _, answer := range []map[string]any{login, p.refresh(login["refresh_token"]).members, p.tokens(nil)} {
		_, id := decode(t, answer["id_token"])
		_, access := decode(t, answer["access_token"])
		event := id["event_id"]
		if event == "" || event != access["event_id"] || seen[event] {
			t.Errorf("event_id %v and %v, want one of this answer's own", event, access["event_id"])
		}
		seen[event] = true
	}
}

// TestCaseSensitive (FACTS.md §12b): one setting for names and e-mail addresses.
func TestCaseSensitive(t *testing.T) {
	t.Parallel()
	for _, sensitive := range []bool{false, true} {
		p := newParty(t, userpool.Client{}, userpool.Options{CaseSensitive: sensitive})
		for name, same := range map[string]bool{"alice": true, "alice@example.com": true, "ALICE": !sensitive, "Alice@Example.com": !sensitive} {
			page := p.pool.NewBrowser().Login(p.authorizeURL(nil), name, "wonderland")
			if (page.Body == "landed") != same {
				t.Errorf("CaseSensitive %t: %s ended at %s", sensitive, name, page.URL)
			}
		}
	}
	pool := userpool.New(userpool.Options{})
	t.Cleanup(pool.Close)
	pool.SetUser(userpool.User{Username: "BOB"})
	if _, claims := decode(t, pool.AccessToken("", "bob", nil)); claims["username"] != "BOB" {
		t.Errorf("bob is %v after BOB was set in his place", claims["username"])
	}
	pool.RemoveUser("Bob")
	wantPanic(t, "no user", func() { pool.AccessToken("", "bob", nil) })
}

// TestIssuer (FACTS.md §7.3): tokens can say an issuer of AWS, and the pool's own
// endpoints take them. A forged one of another pool they refuse.
func TestIssuer(t *testing.T) {
	t.Parallel()
	const issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1"
	p := newParty(t, userpool.Client{}, userpool.Options{Issuer: issuer})
	_, claims := decode(t, p.tokens(nil)["id_token"])
	if claims["iss"] != issuer || p.pool.FirstIssuer() != issuer {
		t.Errorf("iss is %v", claims["iss"])
	}
	forged := p.pool.AccessToken("", "alice", map[string]any{"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other"})
	if a := p.get(p.pool.URL()+"/oauth2/userInfo", forged); a.status != http.StatusUnauthorized {
		t.Errorf("another pool's token got %d", a.status)
	}
	p.get(p.pool.URL()+"/oauth2/userInfo", p.pool.AccessToken("", "alice", nil)).wantOK(t)
	keys, err := (&http.Client{Transport: p.pool.Transport()}).Get(issuer + "/.well-known/jwks.json")
	if err != nil || keys.StatusCode != http.StatusOK {
		t.Fatal("the keys at AWS's address", err)
	}
	_ = keys.Body.Close()
	p.pool.SetIssuer("https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1")
	p.pool.SetIssuer("")
	if p.pool.Issuer() != issuer {
		t.Errorf("the first issuer is %s now", p.pool.Issuer())
	}
	wantPanic(t, "does not end in the UserPoolID", func() { userpool.New(userpool.Options{Issuer: "https://issuer.example/other"}) })
}

// TestLikeHTTPTest: a pool is started when its author says so, over TLS too.
func TestLikeHTTPTest(t *testing.T) {
	t.Parallel()
	pool := userpool.NewUnstarted(userpool.Options{})
	t.Cleanup(pool.Close)
	if pool.URL() != "" || pool.Certificate() != nil {
		t.Errorf("before the start: URL %q", pool.URL())
	}
	pool.StartTLS()
	wantPanic(t, "already been started", pool.Start)
	pool.AllowOrigin("myapp://phone") // which nobody on this machine listens at
	page := pool.NewBrowser().Get(pool.URL() + "/")
	if !strings.HasPrefix(pool.URL(), "https://127.0.0.1:") || page.Err != nil || page.Status != http.StatusOK {
		t.Errorf("%s answers %d (%v)", pool.URL(), page.Status, page.Err)
	}
	if page := pool.NewBrowser().Login(pool.URL()+"/oauth2/authorize?"+url.Values{
		"client_id": {"1example23456789"}, "redirect_uri": {"myapp://phone/login/redirect"}, "response_type": {"code"},
	}.Encode(), "alice", "wonderland"); page.URL.Query().Get("code") == "" {
		t.Errorf("alice ended at %s (%v)", page.URL, page.Err)
	} else {
		at := slices.IndexFunc(page.Cookies, func(cookie *http.Cookie) bool { return cookie.Name == "cognito" })
		if at < 0 {
			t.Fatalf("the cookies are %v, without the session's", page.Cookies)
		}
		if cookie := page.Cookies[at]; !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.MaxAge != 3600 || cookie.Path != "/" {
			t.Errorf("the session's cookie is %v", cookie)
		}
	}
	strangers := x509.NewCertPool()
	if _, err := pool.Certificate().Verify(x509.VerifyOptions{Roots: strangers}); err == nil {
		t.Error("everybody trusts the certificate")
	}
	userpool.NewUnstarted(userpool.Options{}).Close() // leaves nothing behind
}

// TestUnknownUsers: every helper that names a user says so when there is none.
func TestUnknownUsers(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	t.Cleanup(pool.Close)
	nobody := http.NotFoundHandler()
	for name, help := range map[string]func(){
		"RemoveUser":  func() { pool.RemoveUser("alcie") },
		"EndSessions": func() { pool.EndSessions("alcie") },
		"AccessToken": func() { pool.AccessToken("", "alcie", nil) },
		"IDToken":     func() { pool.IDToken("", "alcie", nil) },
		"Authorize":   func() { pool.Authorize(&http.Request{Header: http.Header{}}, "alcie", nil) },
		"SignIn":      func() { pool.SignIn(nobody, "alcie") },
		"SignInAt":    func() { pool.SignInAt(nobody, "http://localhost/login", "alcie") },
	} {
		t.Run(name, func(t *testing.T) { wantPanic(t, `no user "alcie"`, help) })
	}
	pool.EndSessions("alice")
	pool.RemoveUser("alice")
}

// TestErrorPage: a link puts no words into the pool's mouth.
func TestErrorPage(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	if page := p.get(p.pool.URL()+"/error?error=call+0800+666", ""); strings.Contains(page.body, "0800") || page.status != http.StatusBadRequest {
		t.Errorf("got %d %s", page.status, page.body)
	}
	page := p.pool.NewBrowser().Get(p.authorizeURL(map[string]string{"redirect_uri": "https://app.example/typo"}))
	if !strings.Contains(page.Body, "must match exactly") || !strings.Contains(page.Body, "https://app.example/typo") {
		t.Errorf("the honest page says %s", page.Body)
	}
	if !slices.ContainsFunc(page.Cookies, func(cookie *http.Cookie) bool { return cookie.Name == "page-data" }) {
		t.Errorf("the cookies are %v", page.Cookies)
	}
}
