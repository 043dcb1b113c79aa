package userpool_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestNewStaysOnLoopback checks that nobody else can reach a pool.
func TestNewStaysOnLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0"} {
		wantPanic(t, "not a loopback address", func() { userpool.New(userpool.Options{Addr: addr}) })
	}
	wantPanic(t, "Addr", func() { userpool.New(userpool.Options{Addr: "127.0.0.1"}) })
	for _, addr := range []string{"", "127.0.0.1:0", "localhost:0"} {
		pool := userpool.New(userpool.Options{Addr: addr})
		u, err := url.Parse(pool.URL())
		if err != nil || u.Scheme != "http" || u.Port() == "0" || u.Port() == "" {
			t.Errorf("Addr %q: got URL %q, %v", addr, pool.URL(), err)
		}
		pool.Close()
	}
}

// TestProgrammerErrorsPanic checks that a wrong test hears about it.
func TestProgrammerErrorsPanic(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	defer pool.Close()
	wantPanic(t, "UserPoolID", func() { userpool.New(userpool.Options{UserPoolID: "a/b"}) })
	wantPanic(t, "cannot listen", func() {
		userpool.New(userpool.Options{Addr: strings.TrimPrefix(pool.URL(), "http://")})
	})
	wantPanic(t, "needs an ID", func() { pool.SetClient(userpool.Client{}) })
	wantPanic(t, "needs a Username", func() { pool.SetUser(userpool.User{}) })
	wantPanic(t, "not an origin", func() { pool.AllowOrigin("localhost:8021") })
	wantPanic(t, "not an origin", func() { pool.AllowOrigin("//localhost:8021") })
	wantPanic(t, "absolute URL", func() {
		pool.SetClient(userpool.Client{ID: "x", CallbackURLs: []string{"/login/redirect"}})
	})
}

// TestEmptyOptions checks that an empty list of clients is the default one, and
// an empty list of users nobody.
func TestEmptyOptions(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{Clients: []userpool.Client{}, Users: []userpool.User{}})
	defer pool.Close()
	if client, ok := pool.ClientByID(""); !ok || client.ID != "1example23456789" {
		t.Errorf("the client is %q, want the default one", client.ID)
	}
	wantPanic(t, `no user "alice"`, func() { pool.AccessToken("", "alice", nil) })
}

// TestAdvance checks that the clock goes on from where it was put.
func TestAdvance(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	defer pool.Close()
	pool.Advance(time.Hour)
	pool.Advance(-time.Minute)
	ahead := time.Until(pool.Now())
	if ahead > 59*time.Minute || ahead < 58*time.Minute {
		t.Errorf("the clock is %v ahead, want 59m", ahead)
	}
}

// TestRequests checks what is remembered, and how much.
func TestRequests(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.post("/oauth2/token?x=1", url.Values{"grant_type": {"g"}}, "id", "secret")
	seen := p.pool.Requests(userpool.Token)
	if len(seen) != 1 {
		t.Fatalf("got %d requests, want 1", len(seen))
	}
	r := seen[0]
	if r.Method != http.MethodPost || r.Form.Get("grant_type") != "g" || r.Query.Get("x") != "1" ||
		r.Form.Has("x") || !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") || r.At.IsZero() {
		t.Errorf("got %+v", r)
	}
	for range 2100 {
		p.post("/oauth2/token?x=2", nil)
	}
	seen = p.pool.Requests(userpool.Token)
	if p.pool.Calls(userpool.Token) != 2101 || len(seen) != 1000 || seen[0].Query.Get("x") != "2" {
		t.Errorf("got %d calls and %d requests, want 2101 and the last 1000",
			p.pool.Calls(userpool.Token), len(seen))
	}
}

// TestManyAtOnce gives the race detector something to look at.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{RotateRefreshTokens: true}, userpool.Options{})
	var busy sync.WaitGroup
	for range 8 {
		busy.Go(func() {
			b := p.pool.NewBrowser()
			code := b.Login(p.authorizeURL(nil), "alice", "wonderland").URL.Query().Get("code")
			a := p.post("/oauth2/token", p.codeForm(code))
			a.wantOK(t)
			p.refresh(a.members["refresh_token"]).wantOK(t)
		})
		busy.Go(func() {
			p.pool.SetUser(userpool.User{Username: "alice", Password: "wonderland"})
			p.pool.SetClient(p.client)
			p.pool.AllowOrigin("http://localhost:1")
			p.pool.Tamper(func(token *userpool.UnsignedToken) { token.Claims["x"] = 1 })
			p.pool.Break(userpool.JWKS, userpool.Fault{Times: 1, Status: 500})
			p.get(p.pool.Issuer()+"/.well-known/jwks.json", "")
			p.pool.Requests(userpool.Token)
			p.pool.Heal()
		})
	}
	busy.Wait()
}
