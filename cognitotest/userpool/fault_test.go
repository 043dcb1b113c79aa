package userpool_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestFaultAnswersInstead checks canned answers, how many there are, and that
// the work is not done.
func TestFaultAnswersInstead(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	p.pool.Break(userpool.Token, userpool.Fault{
		Times: 2, Status: 503, ContentType: "text/html", Body: "<h1>Busy</h1>",
		Header: http.Header{"retry-after": {"7"}},
	})
	p.pool.Break(userpool.Token, userpool.Fault{
		Match:    func(r userpool.Request) bool { return r.Form.Get("code") == "huge" },
		BodySize: 3 << 20,
	})
	form := p.codeForm(p.code(nil))
	for range 2 {
		a := p.post("/oauth2/token", form)
		if a.status != 503 || a.body != "<h1>Busy</h1>" || a.header.Get("Content-Type") != "text/html" ||
			a.header.Get("Retry-After") != "7" {
			t.Errorf("got %d %v %q, want the canned answer", a.status, a.header, a.body)
		}
	}
	huge := p.post("/oauth2/token", p.codeForm("huge"))
	if huge.status != 200 || len(huge.body) != 3<<20 || huge.members["filler"] == nil {
		t.Errorf("got %d with %d bytes, want 200 with JSON of 3 MiB", huge.status, len(huge.body))
	}
	p.post("/oauth2/token", form).wantOK(t)

	p.pool.Heal(userpool.JWKS)
	if a := p.post("/oauth2/token", p.codeForm("huge")); len(a.body) != 3<<20 {
		t.Error("healing one endpoint has healed another")
	}
	p.pool.Heal()
	p.post("/oauth2/token", p.codeForm("huge")).wantError(t, 400, "invalid_grant")
	if got := p.pool.Calls(userpool.Token); got != 6 {
		t.Errorf("got %d calls, want 6", got)
	}
}

// TestFaultLosesAnswers checks that the work is done and the connection cut.
func TestFaultLosesAnswers(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{RotateRefreshTokens: true}, userpool.Options{})
	token := p.tokens(nil)["refresh_token"]
	p.pool.Break(userpool.Token, userpool.Fault{Times: 1, LoseAnswer: true})
	_, err := http.PostForm(p.pool.URL()+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {"client1"}, "refresh_token": {token.(string)},
	})
	if err == nil {
		t.Error("the answer has arrived")
	}
	p.refresh(token).wantError(t, http.StatusBadRequest, "invalid_grant") // it was rotated
	p.refresh(p.tokens(nil)["refresh_token"]).wantOK(t)
}

// TestFaultRewrites checks that JSON answers can be changed, and others pass.
func TestFaultRewrites(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	rewrite := userpool.Fault{Rewrite: func(answer map[string]any) {
		delete(answer, "id_token")
		answer["token_type"] = "mac"
	}}
	p.pool.Break(userpool.Token, rewrite)
	p.pool.Break(userpool.Authorization, rewrite)
	tokens := p.tokens(nil)
	if tokens["id_token"] != nil || tokens["token_type"] != "mac" || tokens["access_token"] == nil {
		t.Errorf("got %v, want it rewritten", tokens)
	}
	p.pool.Heal(userpool.Token)
	if tokens := p.tokens(nil); tokens["id_token"] == nil || tokens["token_type"] != "Bearer" {
		t.Errorf("got %v, want it as usual", tokens)
	}
}

// TestFaultWaits checks delay, gate and hanging, and that a client who leaves
// ends each of them.
func TestFaultWaits(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	address := p.pool.Issuer() + "/.well-known/jwks.json"
	// held starts a request and returns once the fault has it.
	held := func(ctx context.Context) <-chan int {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		before := p.pool.Calls(userpool.JWKS)
		status := make(chan int, 1)
		go func() {
			response, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				status <- 0
				return
			}
			_ = response.Body.Close()
			status <- response.StatusCode
		}()
		for p.pool.Calls(userpool.JWKS) == before {
			time.Sleep(time.Millisecond)
		}
		return status
	}
	for name, fault := range map[string]userpool.Fault{
		"delay": {Delay: time.Hour}, "gate": {Gate: make(chan struct{})}, "hang": {Hang: true, Status: 200},
	} {
		p.pool.Break(userpool.JWKS, fault)
		ctx, cancel := context.WithCancel(context.Background())
		status := held(ctx)
		select {
		case got := <-status:
			t.Errorf("%s: answered with %d", name, got)
		case <-time.After(20 * time.Millisecond):
			cancel()
			<-status
		}
		cancel()
		p.pool.Heal(userpool.JWKS)
	}

	gate := make(chan struct{})
	p.pool.Break(userpool.JWKS, userpool.Fault{Delay: time.Millisecond, Gate: gate})
	status := held(context.Background())
	select {
	case got := <-status:
		t.Errorf("answered with %d before the gate was opened", got)
	case <-time.After(20 * time.Millisecond):
		close(gate)
		if got := <-status; got != http.StatusOK {
			t.Errorf("got %d once the gate was open, want 200", got)
		}
	}
}

// TestCloseReleasesHungRequests checks that Close waits for nobody forever, and
// may be called again.
func TestCloseReleasesHungRequests(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	pool.Break(userpool.Discovery, userpool.Fault{Hang: true})
	failed := make(chan error)
	go func() {
		_, err := http.Get(pool.Issuer() + "/.well-known/openid-configuration")
		failed <- err
	}()
	for pool.Calls(userpool.Discovery) == 0 {
		time.Sleep(time.Millisecond)
	}
	pool.Close()
	if err := <-failed; err == nil {
		t.Error("a hung request was answered")
	}
	pool.Close()
	if _, err := http.Get(pool.URL()); err == nil {
		t.Error("a closed pool answers")
	}
}

// TestCloseWaitsForHandlers checks that nothing of a test is called once Close
// has returned.
func TestCloseWaitsForHandlers(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	started := make(chan struct{})
	var ended atomic.Bool
	pool.Break(userpool.Discovery, userpool.Fault{Rewrite: func(map[string]any) {
		close(started)
		time.Sleep(50 * time.Millisecond)
		ended.Store(true)
	}})
	failed := make(chan error)
	go func() {
		_, err := http.Get(pool.Issuer() + "/.well-known/openid-configuration")
		failed <- err
	}()
	<-started
	pool.Close()
	if !ended.Load() {
		t.Error("Close has returned before the handler")
	}
	if err := <-failed; err == nil {
		t.Error("the answer of a closed pool has arrived")
	}
}

// TestTamper checks that tokens can be spoilt in every part.
func TestTamper(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	var seen []string
	p.pool.Tamper(func(token *userpool.UnsignedToken) {
		seen = append(seen, token.Grant+"/"+token.Use)
		token.Header["typ"] = "JWT"
		token.Claims["iss"] = "https://evil.example"
		if token.Use == "access" {
			token.Sign = func(_, claims map[string]any) (string, error) {
				return "signed.for." + claims["username"].(string), nil
			}
		}
	})
	tokens := p.tokens(nil)
	header, claims := decode(t, tokens["id_token"])
	if header["typ"] != "JWT" || claims["iss"] != "https://evil.example" {
		t.Errorf("got %v %v, want them tampered with", header, claims)
	}
	if tokens["access_token"] != "signed.for.alice" {
		t.Errorf("got access token %v, want the hook's", tokens["access_token"])
	}
	p.refresh(tokens["refresh_token"]).wantOK(t)
	p.pool.IDToken("", "alice", nil)
	want := "authorization_code/access authorization_code/id refresh_token/access refresh_token/id /id"
	if got := strings.Join(seen, " "); got != want {
		t.Errorf("the hook saw %s, want %s", got, want)
	}
	p.pool.Tamper(nil)
	if _, claims := decode(t, p.pool.IDToken("", "alice", nil)); claims["iss"] != p.pool.Issuer() {
		t.Errorf("still tampered with: %v", claims)
	}
}
