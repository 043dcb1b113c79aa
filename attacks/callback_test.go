package attacks_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// Attacks on the way back from Cognito.

// mustNotSignIn reports an answer that begins a session.
func mustNotSignIn(t *testing.T, what string, r *lab.Answer) {
	t.Helper()
	if cookie := r.Cookie(lab.IsSessionCookie); cookie != nil {
		t.Errorf("%.80s begins a session: %s", what, lab.StatusLine(r))
	}
}

// mustSignIn reports an honest login that failed.
func mustSignIn(t *testing.T, what string, r *lab.Answer) *http.Cookie {
	t.Helper()
	cookie := r.Cookie(lab.IsSessionCookie)
	if r.StatusCode != http.StatusFound || cookie == nil {
		t.Fatalf("%s does not sign in: %s", what, lab.StatusLine(r))
	}
	return cookie
}

// whoIs is who the home page takes a request with these cookies for.
func whoIs(s *lab.Site, cookies ...*http.Cookie) string {
	s.Helper()
	return strings.TrimPrefix(s.Send(lab.Request{Path: "/", Cookies: cookies}).Text, "hello ")
}

// leadsToCognito reports whether an answer begins a login.
func leadsToCognito(s *lab.Site, r *lab.Answer) bool {
	return r.StatusCode == http.StatusFound && strings.HasPrefix(r.Header.Get("Location"), s.Pool.URL()+"/oauth2/authorize?") && r.Cookie(lab.IsLoginCookie) != nil
}

// onward is the login that an answer begins.
func onward(r *lab.Answer) *lab.PendingLogin {
	query := r.Target().Query()
	return &lab.PendingLogin{State: query.Get("state"), Query: query, Cookie: r.Cookie(lab.IsLoginCookie)}
}

// waitFor waits until something has come to pass that other goroutines do.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// arrivals counts the callbacks that have reached the middleware.
type arrivals struct{ atomic.Int64 }

func (a *arrivals) hook(c *cognito.Config) {
	c.Next = func(ctx *fiber.Ctx) bool {
		if ctx.Path() == "/login/redirect" {
			a.Add(1)
		}
		return false
	}
}

// TestLoginCSRF: the attacker logs in as themselves, keeps the callback from being
// sent, and has the victim's browser open it. The victim would go on in the attacker's
// account. Only the browser that began a login has the cookie to finish it.
func TestLoginCSRF(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	attack := lab.Halfway(s, "bob")
	victim := s.Visitor()
	page := victim.Get(s.URL + attack.Callback)
	if page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "Try again") || page.URL.Path != "/login/redirect" {
		t.Errorf("the victim lands on %s with %d: %.200s", page.URL, page.Status, page.Body)
	}
	victim.MustBeStranger()

	// Nor with a login of the victim's own in progress, nor with its cookie
	// under the name of the attacker's.
	own := lab.Halfway(s, "alice")
	forged := &http.Cookie{Name: attack.Cookie.Name, Value: own.Cookie.Value}
	patched := &http.Cookie{Name: own.Cookie.Name, Value: attack.Cookie.Value[:len(attack.Cookie.Value)-43] + own.Cookie.Value[len(own.Cookie.Value)-43:]}
	// A ticket with a foreign secret belongs to the attacker's login and is refused. A
	// login that travels in its cookie looks as if a key that is gone had sealed it, so it
	// starts again.
	travels := strings.HasSuffix(attack.Cookie.Value, ".")
	for name, row := range map[string]struct {
		cookies  []*http.Cookie
		restarts bool // the victim's own login, at Cognito, as the victim
	}{
		"own login": {[]*http.Cookie{own.Cookie}, true}, "own cookie renamed": {[]*http.Cookie{forged}, true}, "own secret": {[]*http.Cookie{patched}, travels},
		"tossed": {[]*http.Cookie{forged, attack.Cookie}, false}, "tossed in front": {[]*http.Cookie{attack.Cookie, forged}, false},
	} {
		res := s.Send(lab.Request{Path: attack.Callback, Cookies: row.cookies})
		mustNotSignIn(t, name, res)
		if leadsToCognito(s, res) != row.restarts || (!row.restarts && res.StatusCode != http.StatusBadRequest) {
			t.Errorf("with %s the callback answers %s", name, lab.StatusLine(res))
		}
		if !row.restarts {
			lab.SetsNothing(t, name, res)
		} else if anew := onward(res); anew.State == attack.State || anew.Query.Get("nonce") == attack.Query.Get("nonce") {
			t.Errorf("with %s the attacker's login goes on: %s", name, lab.StatusLine(res))
		}
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d of the attacker's codes were spent", calls)
	}
	if who := whoIs(s, mustSignIn(t, "the victim's own login", s.Finish(own))); who != "alice@example.com" {
		t.Errorf("the victim is %s", who)
	}
	if who := whoIs(s, mustSignIn(t, "the attacker's own browser", s.Finish(attack))); who != "bob@example.com" {
		t.Errorf("the attacker is %s", who)
	}
}

// TestStrayCallbackWhileSignedIn is the fifth row of the table: whoever is
// signed in and opens a callback that is none of theirs just goes home, and
// nothing else changes.
func TestStrayCallbackWhileSignedIn(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, func(c *cognito.Config) { c.AfterLogin = "/public" })
	attack, own := lab.Halfway(s, "bob"), lab.Halfway(s, "alice")
	session := mustSignIn(t, "alice", s.Finish(lab.Halfway(s, "alice")))
	spent := s.Pool.Calls(cognitotest.Token)
	for _, query := range []string{"", "?code=x&state=y", "?error=access_denied", "?error=access_denied&state=" + own.State[1:], strings.TrimPrefix(attack.Callback, "/login/redirect")} {
		res := s.Send(lab.Request{Path: "/login/redirect" + query, Cookies: []*http.Cookie{session, own.Cookie}})
		if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/public" {
			t.Errorf("%.30q answers %s, want 302 to /public", query, lab.StatusLine(res))
		}
		lab.SetsNothing(t, query, res)
	}
	if s.Pool.Calls(cognitotest.Token) != spent || whoIs(s, session) != "alice@example.com" {
		t.Errorf("%d codes were spent, and alice is %s", s.Pool.Calls(cognitotest.Token)-spent, whoIs(s, session))
	}
	mustSignIn(t, "the login in progress", s.Finish(own, session))
}

// TestStateMissingOrWrong: a callback whose state is missing, wrong, or empty where
// nothing was stored either, must match no login.
func TestStateMissingOrWrong(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	p := lab.Halfway(s, "alice")
	code := url.QueryEscape(callbackQuery(p, "code"))
	swapped := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 32
		}
		return r
	}, p.State)
	// Another login of this browser would begin again, once: that has been.
	cookies := []*http.Cookie{p.Cookie, restarted(s, p).Cookie}
	for _, tt := range []struct {
		query string
		want  error
	}{
		{"", cognito.ErrStateMismatch},
		{"code=" + code, cognito.ErrStateMismatch},
		{"state&code=" + code, cognito.ErrStateMismatch},
		{"state=&code=" + code, cognito.ErrStateMismatch},
		{"state=%00&code=" + code, cognito.ErrStateMismatch},
		{"state=wrong&code=" + code, cognito.ErrStateMismatch},
		{"state=" + swapped + "&code=" + code, cognito.ErrStateMismatch},
		{"state=" + p.State[:42] + "&code=" + code, cognito.ErrStateMismatch},
		{"state=" + p.State + "%00&code=" + code, cognito.ErrStateMismatch},
		{"state=" + p.State + "+&code=" + code, cognito.ErrStateMismatch},
		{"STATE=" + p.State + "&code=" + code, cognito.ErrStateMismatch},
		{"state%5B%5D=" + p.State + "&code=" + code, cognito.ErrStateMismatch},
		{"state=" + p.Query.Get("nonce") + "&code=" + code, cognito.ErrStateMismatch},
		{"state=" + strings.Repeat("a", 4096) + "&code=" + code, cognito.ErrBadCallback},
	} {
		res := s.Send(lab.Request{Path: "/login/redirect?" + tt.query, Cookies: cookies})
		if err := refused.take(); !errors.Is(err, tt.want) {
			t.Errorf("%.60q is answered with %v, %s, want %v", tt.query, err, lab.StatusLine(res), tt.want)
		}
		lab.SetsNothing(t, tt.query, res)
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d codes were spent", calls)
	}
	mustSignIn(t, "the honest callback", s.Finish(p))
	res := s.Send(lab.Request{Path: "/login/redirect?state=&code=" + code, Cookies: cookies})
	if err := refused.take(); !errors.Is(err, cognito.ErrStateMismatch) {
		t.Errorf("an empty state after the login is answered with %v, %s", err, lab.StatusLine(res))
	}
}

func callbackQuery(p *lab.PendingLogin, name string) string {
	u, _ := url.Parse(p.Callback)
	return u.Query().Get(name)
}

// TestDoubleClick: the same callback arrives fifty times at once. The code is spent
// once, and everybody gets what it has earned, cookie included; a duplicate that claims
// an error instead changes nothing.
func TestDoubleClick(t *testing.T) {
	t.Parallel()
	var arrived arrivals
	s := lab.Serve(t, arrived.hook)
	p := lab.Halfway(s, "alice", "return_to=/me")
	gate := make(chan struct{})
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Gate: gate})

	answers := make([]*lab.Answer, 50)
	var clicks sync.WaitGroup
	click := func(i int, path string) {
		clicks.Go(func() {
			res, err := s.TrySend(lab.Request{Path: path, Cookies: []*http.Cookie{p.Cookie}})
			if err != nil {
				t.Errorf("click %d: %v", i, err)
			}
			answers[i] = res
		})
	}
	click(0, p.Callback)
	waitFor(t, "the exchange", func() bool { return s.Pool.Calls(cognitotest.Token) == 1 })
	for i := 1; i < 49; i++ {
		click(i, p.Callback)
	}
	click(49, "/login/redirect?error=access_denied&state="+p.State)
	waitFor(t, "fifty clicks", func() bool { return arrived.Load() == 50 })
	close(gate)
	clicks.Wait()

	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("%d token calls for one code, want 1", calls)
	}
	sessions := map[string]bool{}
	for i, res := range answers {
		if res == nil || res.Header.Get("Location") != "/me" {
			t.Fatalf("click %d ended with %v", i, res)
		}
		sessions[mustSignIn(t, "a click", res).Value] = true
	}
	if len(sessions) != 1 {
		t.Errorf("%d sessions were begun, want 1", len(sessions))
	}
	if who := whoIs(s, answers[49].Cookie(lab.IsSessionCookie)); who != "alice@example.com" {
		t.Errorf("the session is %s", who)
	}
}

// TestDoubleClickFails: duplicates share a failure as well, and the code is not tried
// again for them.
func TestDoubleClickFails(t *testing.T) {
	t.Parallel()
	var arrived arrivals
	s := lab.Serve(t, arrived.hook)
	p := lab.Halfway(s, "alice")
	gate := make(chan struct{})
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Gate: gate, Status: http.StatusInternalServerError, Body: "{}"})
	var clicks sync.WaitGroup
	for range 10 {
		clicks.Go(func() {
			res, err := s.TrySend(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}})
			if err != nil || res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("a click on a login that fails ended with %v, %v", res, err)
			}
		})
	}
	waitFor(t, "ten clicks", func() bool { return arrived.Load() == 10 && s.Pool.Calls(cognitotest.Token) > 0 })
	close(gate)
	clicks.Wait()
	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("%d token calls for one code, want 1", calls)
	}
	s.Pool.Heal()
	mustSignIn(t, "the next login", s.Finish(lab.Halfway(s, "alice")))
}

// dialApp opens a connection without using it, as browsers do ahead of time.
func dialApp(s *lab.Site) net.Conn {
	s.Helper()
	address, _ := url.Parse(s.URL)
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", address.Port()))
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	for range 3 { // connections are served in order, so by then it is open on both sides
		s.Send(lab.Request{Path: "/public"})
	}
	return conn
}

// askOn sends one request on a connection that stays open.
func askOn(s *lab.Site, conn net.Conn, target string, cookies ...*http.Cookie) *lab.Answer {
	s.Helper()
	lines := "GET " + target + " HTTP/1.1\r\nHost: " + strings.TrimPrefix(s.URL, "http://") + "\r\n"
	for _, cookie := range cookies {
		lines += "Cookie: " + cookie.Name + "=" + cookie.Value + "\r\n"
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, lines+"\r\n"); err != nil {
		s.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	return &lab.Answer{Response: res, Text: string(body)}
}

// TestLateDoubleClick: a duplicate that was on its way before the answer existed still
// gets it. One that sets out later is a replay, be it on a new connection or on one
// that has served before; and only the cookie's owner gets anything at all.
func TestLateDoubleClick(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	p := lab.Halfway(s, "alice", "return_to=/me")
	early, thief := dialApp(s), dialApp(s)
	session := mustSignIn(t, "the first click", s.Finish(p))
	forged := &http.Cookie{Name: p.Cookie.Name, Value: p.Cookie.Value[:len(p.Cookie.Value)-43] + s256("a guess")}
	mustNotSignIn(t, "a thief's duplicate", askOn(s, thief, p.Callback, forged))
	res := askOn(s, early, p.Callback, p.Cookie)
	if late := mustSignIn(t, "the late click", res); late.Value != session.Value || res.Header.Get("Location") != "/me" {
		t.Errorf("the late click got another session, or led to %s", res.Header.Get("Location"))
	}
	mustNotSignIn(t, "a second request on the connection", askOn(s, early, p.Callback, p.Cookie))
	mustNotSignIn(t, "a request on a new connection", s.Finish(p))
	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("%d token calls for one code, want 1", calls)
	}
	if who := whoIs(s, session); who != "alice@example.com" {
		t.Errorf("the session is %s", who)
	}
}

// TestStolenFlight: the attacker has seen the callback's address, but not the cookie,
// and sends it while the victim's own request is being dealt with. Sharing the answer
// with that would hand over the session.
func TestStolenFlight(t *testing.T) {
	t.Parallel()
	var arrived arrivals
	s := lab.Serve(t, arrived.hook)
	p := lab.Halfway(s, "alice")
	gate := make(chan struct{})
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Gate: gate})
	var both sync.WaitGroup
	both.Go(func() {
		res, err := s.TrySend(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}})
		if err != nil || res.Cookie(lab.IsSessionCookie) == nil {
			t.Errorf("the victim's own request ended with %v, %v", res, err)
		}
	})
	waitFor(t, "the exchange", func() bool { return s.Pool.Calls(cognitotest.Token) == 1 })
	known := p.Cookie.Value[:len(p.Cookie.Value)-43]
	for _, forged := range []string{known + s256("a guess"), p.Cookie.Value + "x", known + s256(p.State)} {
		both.Go(func() {
			res, err := s.TrySend(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{{Name: p.Cookie.Name, Value: forged}}})
			if err != nil || res.Cookie(lab.IsSessionCookie) != nil || res.Header.Get("Location") == "/" {
				t.Errorf("the attacker got %v, %v", res, err)
			}
		})
	}
	waitFor(t, "the attacker's requests", func() bool { return arrived.Load() == 4 })
	close(gate)
	both.Wait()
	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("%d token calls for one code, want 1", calls)
	}
}

// TestCallbackReplay: a callback that was used before, as the back button sends it.
// Whoever is signed in goes home; whoever is not logs in again, once, and then sees the
// page. No code is ever sent to Cognito twice.
func TestCallbackReplay(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook, func(c *cognito.Config) { c.AfterLogin = "/public" })
	p := lab.Halfway(s, "alice", "return_to=/me")
	session := mustSignIn(t, "the login", s.Finish(p))

	res := s.Finish(p, session)
	if res.Header.Get("Location") != "/public" || res.StatusCode != http.StatusFound {
		t.Errorf("a replay while signed in answers %s to %s, want /public", lab.StatusLine(res), res.Header.Get("Location"))
	}
	mustNotSignIn(t, "the replay", res)

	res = s.Finish(p)
	if !leadsToCognito(s, res) {
		t.Fatalf("a replay while signed out answers %s, want a login", lab.StatusLine(res))
	}
	again := lab.Answered(s, onward(res), "alice")
	s.Pool.Advance(11 * time.Minute)
	res = s.Finish(again)
	if err := refused.take(); !errors.Is(err, cognito.ErrAttemptExpired) || leadsToCognito(s, res) {
		t.Errorf("the second failure in a row is answered with %v, %s", err, lab.StatusLine(res))
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("%d token calls, want 1", calls)
	}
	mustSignIn(t, "a login afresh", s.Finish(lab.Halfway(s, "alice")))
}

// TestCallbackTooLate: a login must be finished within ten minutes, by the record's own
// clock, for not every storage forgets in time.
func TestCallbackTooLate(t *testing.T) {
	t.Parallel()
	storage := newBrittleStorage() // forgets nothing
	s := lab.Serve(t, storage.hook)
	for _, tt := range []struct {
		after time.Duration
		late  bool
	}{{10*time.Minute - 30*time.Second, false}, {10*time.Minute + time.Second, true}} {
		p := s.Begin("return_to=/me")
		s.Pool.Advance(tt.after)
		lab.Answered(s, p, "alice") // a code is good for five minutes
		res := s.Finish(p)
		if !tt.late {
			mustSignIn(t, "a login just in time", res)
			continue
		}
		mustNotSignIn(t, "a login too late", res)
		if !leadsToCognito(s, res) {
			t.Fatalf("a login too late answers %s, want a login afresh", lab.StatusLine(res))
		}
		mustSignIn(t, "the login afresh", s.Finish(lab.Answered(s, onward(res), "alice")))
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 2 {
		t.Errorf("%d token calls, want 2", calls)
	}
}

// TestCodeInjection: the attacker has got hold of a victim's code and puts it into a
// login of their own. The code is bound to the victim's verifier, so Cognito refuses
// it.
func TestCodeInjection(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook, lab.InMemory)
	victim, attacker := lab.Halfway(s, "alice"), lab.Halfway(s, "bob")
	stolen := "/login/redirect?state=" + attacker.State + "&code=" + url.QueryEscape(callbackQuery(victim, "code"))
	res := s.Send(lab.Request{Path: stolen, Cookies: []*http.Cookie{attacker.Cookie}})
	if err := refused.take(); !errors.Is(err, cognito.ErrCodeRefused) {
		t.Errorf("a stolen code is answered with %v, %s", err, lab.StatusLine(res))
	}
	mustNotSignIn(t, "a stolen code", res)
	if got := whoIs(s, mustSignIn(t, "an honest login", s.Finish(lab.Halfway(s, "bob")))); got != "bob@example.com" {
		t.Errorf("bob is %s", got)
	}
}

// TestCodeOfAnotherNonce: should Cognito not check PKCE, the nonce still tells that the
// tokens were made for another login.
func TestCodeOfAnotherNonce(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	s.Pool.Tamper(func(token *cognitotest.UnsignedToken) {
		if token.Use == "id" {
			token.Claims["nonce"] = "of another login"
		}
	})
	res := s.Finish(lab.Halfway(s, "alice"))
	if err := refused.take(); !errors.Is(err, cognito.ErrInvalidToken) {
		t.Errorf("a foreign nonce is answered with %v, %s", err, lab.StatusLine(res))
	}
	mustNotSignIn(t, "a foreign nonce", res)
	s.Pool.Tamper(nil)
	mustSignIn(t, "an honest login", s.Finish(lab.Halfway(s, "alice")))
	if err := s.Auth.Close(); err != nil { // waits for what runs in the background
		t.Fatal(err)
	}
	if calls := s.Pool.Calls(cognitotest.Revoke); calls != 1 {
		t.Errorf("%d refresh tokens were revoked, want the one that nobody will use", calls)
	}
}

// TestMalformedCallback: of a parameter given twice Fiber returns the first and others
// the last; bytes outside the protocol's alphabet, and sizes without end, are no
// answers of Cognito. The login in progress stays.
func TestMalformedCallback(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	p := lab.Halfway(s, "alice")
	state, code := "state="+p.State, "code="+url.QueryEscape(callbackQuery(p, "code"))
	for _, query := range []string{
		state + "&" + code + "&code=b", state + "&code=b&" + code, state + "&" + code + "&" + code, state + "&" + code + "&code",
		state + "&" + state + "&" + code, state + "&state=b&" + code, "state=b&" + state + "&" + code, state + "&" + code + "&state=",
		state + "&" + code + "&error=a&error=b", state + "&error=a&error_description=b&error_description=c", state + "&" + code + "&iss=a&iss=b",
		state + "&" + code + "%00", state + "&" + code + "%0a", state + "&" + code + "%0d%0aX:%20y", state + "&" + code + "%7f",
		state + "&" + code + "%ff", state + "&" + code + "%e2%80%a8", state + "&code=" + strings.Repeat("a", 4096),
		state + strings.Repeat("a", 100) + "&" + code,
	} {
		res := s.Send(lab.Request{Path: "/login/redirect?" + query, Cookies: []*http.Cookie{p.Cookie}})
		if err := refused.take(); !errors.Is(err, cognito.ErrBadCallback) {
			t.Errorf("%.100q is answered with %v, %s", query, err, lab.StatusLine(res))
		}
		lab.SetsNothing(t, query, res)
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d codes were spent", calls)
	}
	many := "&" + strings.Repeat("x[]=1&", 1000)
	mustSignIn(t, "the honest callback among a thousand parameters that mean nothing", s.Send(lab.Request{Path: p.Callback + many, Cookies: []*http.Cookie{p.Cookie}}))
}

// TestUselessCallback: well-formed callbacks that hold no code of Cognito's end their
// login without a session.
func TestUselessCallback(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook, lab.InMemory)
	for _, tt := range []struct {
		query string
		want  error
	}{
		{"", cognito.ErrBadCallback},
		{"&code=", cognito.ErrBadCallback},
		{"&" + strings.Repeat("x=1&", 1000), cognito.ErrBadCallback},
		{"&CODE=a&code%5B%5D=a", cognito.ErrBadCallback},
		{"&access_token=a&id_token=b&token_type=bearer&expires_in=3600", cognito.ErrBadCallback},
		{"&code=a;code=b", cognito.ErrCodeRefused},
		{"&code=%zz%", cognito.ErrCodeRefused},
		{"&code=a%26grant_type%3Drefresh_token", cognito.ErrCodeRefused},
		{"&code=" + strings.Repeat("a", 2048), cognito.ErrCodeRefused},
	} {
		p := s.Begin()
		res := s.Send(lab.Request{Path: "/login/redirect?state=" + p.State + tt.query, Cookies: []*http.Cookie{p.Cookie}})
		if err := refused.take(); !errors.Is(err, tt.want) {
			t.Errorf("%.60q is answered with %v, %s, want %v", tt.query, err, lab.StatusLine(res), tt.want)
		}
		mustNotSignIn(t, tt.query, res)
	}
	for _, sent := range s.Pool.Requests(cognitotest.Token) {
		if got := sent.Form["grant_type"]; !slices.Equal(got, []string{"authorization_code"}) {
			t.Errorf("a code has changed the grant to %q", got)
		}
	}
	mustSignIn(t, "an honest login", s.Finish(lab.Halfway(s, "alice")))
}

// sessionSet finds the cookie of a session, whose name is shorter than that of
// a login's.
var sessionSet = regexp.MustCompile(`(?i)set-cookie: (__host-)?cognito_[a-z0-9_-]{12}=[a-z0-9_-]`)

// TestRawCallback sends bytes that no client library would send. The process lives on,
// and nobody is signed in.
func TestRawCallback(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	p := lab.Halfway(s, "alice")
	host, cookie := strings.TrimPrefix(s.URL, "http://"), "Cookie: "+p.Cookie.Name+"="+p.Cookie.Value
	code := callbackQuery(p, "code")
	good := "/login/redirect?state=" + p.State + "&code=" + code
	for _, target := range []string{
		good + "\x00",
		good + "\xff\xfe",
		strings.Replace(good, "&", "\x00&", 1),
		good + "\rX: y",
		good + "\x0b",
		good + "&code=%",
		"/login/redirect?" + strings.Repeat("&", 3000) + "state=" + p.State + "&state=" + p.State,
		"/login/redirect?" + strings.Repeat("a", 20<<10),
		"/login/redirect??state=" + p.State + "&code=" + code,
		"/login/redirect#?state=" + p.State + "&code=" + code,
		"/login/redirect;state=" + p.State + "?code=" + code,
		"?state=" + p.State + "&code=" + code,
	} {
		if answer := onTheWire(s, wireGet(target, host, cookie)); sessionSet.MatchString(answer) {
			t.Errorf("%.80q signs in: %.300q", target, answer)
		}
	}
	// A second request smuggled in is a request of its own, without cookies.
	if answer := onTheWire(s, wireGet(good+" HTTP/1.1\r\nHost: x\r\n\r\nGET /", host)); sessionSet.MatchString(answer) {
		t.Errorf("a smuggled request signs in: %.300q", answer)
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d codes were spent", calls)
	}
	if answer := onTheWire(s, wireGet(good, host, cookie)); !sessionSet.MatchString(answer) {
		t.Errorf("the honest callback does not sign in: %.300q", answer)
	}
}

// TestCallbackXSS: the query of a callback is anybody's. Nothing of it comes back,
// neither in a page nor in JSON nor in a header, however the app answers for errors.
func TestCallbackXSS(t *testing.T) {
	t.Parallel()
	echo := func(c *cognito.Config) { c.ErrorHandler = func(_ *fiber.Ctx, err error) error { return err } }
	for name, tt := range map[string]struct {
		hook   func(*cognito.Config)
		accept string
	}{
		"page": {func(*cognito.Config) {}, "text/html"}, "JSON": {func(*cognito.Config) {}, "application/json"}, "Fiber's own": {echo, "text/html"},
	} {
		t.Run(name, func(t *testing.T) {
			s := lab.Serve(t, tt.hook, lab.InMemory)
			for _, payload := range []string{
				"<script>zqxj()</script>", `"><img src=x onerror=zqxj()>`, "'-zqxj()-'", "javascript:zqxj()", "zqxj\r\nSet-Cookie: zqxj=1\r\n\r\n<zqxj>",
				"zqxj\x00", "{{zqxj}}", "%3Czqxj%3E", "\u2028zqxj", "zqxj&lt;", "zqxj" + strings.Repeat("A", 1000), "＜zqxj＞", "zqxj_as_a_word",
			} {
				for _, query := range []string{
					"error=%s", "error=access_denied&error_description=%s", "error=invalid_request&error_uri=%s&error_description=%[1]s",
					"error=access_denied&iss=%s", "error=access_denied&%s=1", "code=code-%s",
				} {
					mustNotEcho(t, s, fmt.Sprintf(query, url.QueryEscape(payload)), tt.accept)
				}
			}
			mustSignIn(t, "an honest login", s.Finish(lab.Halfway(s, "alice")))
		})
	}
}

// mustNotEcho sends a query with a login's own state and with a made-up one.
func mustNotEcho(t *testing.T, s *lab.Site, query, accept string) {
	t.Helper()
	p := s.Begin()
	for _, state := range []string{p.State, "zqxj"} {
		cookies := []*http.Cookie{p.Cookie}
		if state != p.State {
			cookies = nil // or the login of this browser would begin again
		}
		res := s.Send(lab.Request{Path: "/login/redirect?" + query + "&state=" + state, Cookies: cookies, Header: map[string]string{"Accept": accept}})
		if res.StatusCode < 400 {
			t.Errorf("%s answers %s", query, lab.StatusLine(res))
		}
		if strings.Contains(strings.ToLower(res.Text+fmt.Sprint(res.Header)), "zqxj") {
			t.Errorf("%s comes back: %v %s", query, res.Header, res.Text)
		}
	}
}

// TestErrorAnswers: an error that Cognito reports ends the login by its meaning, also
// when a code came with it. What looks like tokens is not read.
func TestErrorAnswers(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	for _, tt := range []struct {
		query string
		want  error
	}{
		{"error=access_denied", cognito.ErrDenied},
		{"error=login_required", cognito.ErrLoginRequired},
		{"error=invalid_scope", cognito.ErrMisconfigured},
		{"error=unauthorized_client", cognito.ErrMisconfigured},
		{"error=server_error", cognito.ErrProvider},
		{"error=temporarily_unavailable", cognito.ErrProvider},
		{"error=invalid_request&error_description=PreSignUp+failed+with+error+no.", cognito.ErrProvider},
		{"error=Something+else", cognito.ErrProvider},
		{"error=", cognito.ErrProvider},
		{"error", cognito.ErrProvider},
	} {
		p := lab.Halfway(s, "alice")
		path := p.Callback + "&" + tt.query
		res := s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{p.Cookie}})
		if err := refused.take(); !errors.Is(err, tt.want) {
			t.Errorf("%s beside a code is answered with %v, %s, want %v", tt.query, err, lab.StatusLine(res), tt.want)
		}
		mustNotSignIn(t, tt.query, res)
		if cleared := res.Cookies(); len(cleared) != 1 || cleared[0].Name != p.Cookie.Name || cleared[0].Value != "" {
			t.Errorf("%s leaves the login's cookie: %v", tt.query, cleared)
		}
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d codes were spent that came with an error", calls)
	}
	p := lab.Halfway(s, "alice")
	bob := "&access_token=" + s.Pool.AccessToken("", "bob", nil) + "&id_token=" + s.Pool.IDToken("", "bob", nil)
	res := s.Send(lab.Request{Path: p.Callback + bob, Cookies: []*http.Cookie{p.Cookie}})
	if who := whoIs(s, mustSignIn(t, "a code beside tokens", res)); who != "alice@example.com" {
		t.Errorf("the tokens in the query made alice %s", who)
	}
}

// TestUnmatchedError: anybody can send an error to the callback, so one that matches no
// login must not end one.
func TestUnmatchedError(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	p := lab.Halfway(s, "alice")
	again := restarted(s, p)
	for _, r := range []lab.Request{
		{Path: "/login/redirect?error=access_denied"},
		{Path: "/login/redirect?error=access_denied", Cookies: []*http.Cookie{p.Cookie, again.Cookie}},
		{Path: "/login/redirect?error=access_denied&state=", Cookies: []*http.Cookie{p.Cookie, again.Cookie}},
		{Path: "/login/redirect?error=access_denied&state=wrong", Cookies: []*http.Cookie{p.Cookie, again.Cookie}},
		{Path: "/login/redirect?error=access_denied&state=" + p.State},
		{Path: "/login/redirect?error=access_denied&state=" + p.State, Cookies: []*http.Cookie{{Name: p.Cookie.Name, Value: p.Cookie.Value[:len(p.Cookie.Value)-43] + s256("a guess")}}},
	} {
		res := s.Send(r)
		if err := refused.take(); !errors.Is(err, cognito.ErrStateMismatch) {
			t.Errorf("%s is answered with %v, %s", r.Path, err, lab.StatusLine(res))
		}
		lab.SetsNothing(t, r.Path, res)
	}
	mustSignIn(t, "the login in progress", s.Finish(p))
}

// TestAnswerOfAnotherIssuer: an answer that says to come from another provider is a
// mix-up. Cognito says nothing, which is fine.
func TestAnswerOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	p := lab.Halfway(s, "alice")
	issuer := s.Pool.Issuer()
	for _, iss := range []string{"https://evil.example", "", issuer + "/", strings.ToUpper(issuer), issuer + "%00"} {
		res := s.Send(lab.Request{Path: p.Callback + "&iss=" + iss, Cookies: []*http.Cookie{p.Cookie}})
		if err := refused.take(); !errors.Is(err, cognito.ErrBadCallback) {
			t.Errorf("the issuer %q is answered with %v, %s", iss, err, lab.StatusLine(res))
		}
		lab.SetsNothing(t, iss, res)
	}
	mustSignIn(t, "the pool's own issuer", s.Send(lab.Request{Path: p.Callback + "&iss=" + url.QueryEscape(issuer), Cookies: []*http.Cookie{p.Cookie}}))
	mustSignIn(t, "no issuer", s.Finish(lab.Halfway(s, "alice")))
}

// TestHeadSpendsNoCode: mail scanners and link previews send HEAD to every link they
// see. The visitor's own click must still work.
func TestHeadSpendsNoCode(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	p := lab.Halfway(s, "alice")
	for _, method := range []string{"HEAD", "OPTIONS", "POST"} {
		if res := s.Send(lab.Request{Method: method, Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}}); res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s answers %s, want 405", method, lab.StatusLine(res))
		}
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d codes were spent", calls)
	}
	mustSignIn(t, "the visitor's click", s.Finish(p))
}

// TestSessionFixation: a session id that is known before the login must be worth
// nothing after it, whether the attacker made it up, planted a session of their own, or
// read the visitor's earlier one.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	name := mustSignIn(t, "a login", s.Finish(lab.Halfway(s, "alice"))).Name
	invented := &http.Cookie{Name: name, Value: s256("known to the attacker")}
	attackers := mustSignIn(t, "the attacker", s.Finish(lab.Halfway(s, "bob")))
	earlier := mustSignIn(t, "an earlier login", s.Finish(lab.Halfway(s, "alice")))
	for what, planted := range map[string]*http.Cookie{"invented": invented, "the attacker's": attackers, "the earlier": earlier} {
		session := mustSignIn(t, "the login over "+what, s.Finish(lab.Halfway(s, "alice"), planted))
		if session.Value == planted.Value {
			t.Errorf("the login keeps %s id", what)
		}
		if who := whoIs(s, planted); who != "stranger" {
			t.Errorf("after the login %s id is %s", what, who)
		}
		if who := whoIs(s, session); who != "alice@example.com" {
			t.Errorf("after the login over %s id alice is %s", what, who)
		}
	}
	if err := s.Auth.Close(); err != nil { // waits for what runs in the background
		t.Fatal(err)
	}
	if calls := s.Pool.Calls(cognitotest.Revoke); calls != 2 {
		t.Errorf("%d refresh tokens were revoked, want those of the two sessions that were replaced", calls)
	}
}

// TestCookieConfusion: a login's cookie is no session's and the other way round, whole
// or in parts.
func TestCookieConfusion(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	p := lab.Halfway(s, "alice")
	session := mustSignIn(t, "bob", s.Finish(lab.Halfway(s, "bob")))
	secret := p.Cookie.Value[strings.LastIndex(p.Cookie.Value, ".")+1:]
	for _, value := range []string{p.Cookie.Value, secret, p.State, p.Query.Get("nonce"), strings.TrimPrefix(p.Cookie.Name, "cognito_login_")} {
		if who := whoIs(s, &http.Cookie{Name: session.Name, Value: value}); who != "stranger" {
			t.Errorf("a part of a login, as a session, is %s", who)
		}
	}
	for _, value := range []string{session.Value, strings.TrimSuffix(p.Cookie.Value, secret) + session.Value} {
		res := s.Send(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{session, {Name: p.Cookie.Name, Value: value}}})
		mustNotSignIn(t, "a session, as a login's cookie,", res)
		lab.SetsNothing(t, "a session, as a login's cookie,", res)
	}
	swapped := []*http.Cookie{{Name: session.Name, Value: p.Cookie.Value}, {Name: p.Cookie.Name, Value: session.Value}}
	mustNotSignIn(t, "swapped cookies", s.Send(lab.Request{Path: p.Callback, Cookies: swapped}))
	if calls := s.Pool.Calls(cognitotest.Token); calls != 1 {
		t.Errorf("%d token calls for one login, want 1", calls)
	}
	mustSignIn(t, "the login in progress", s.Finish(p))
	if who := whoIs(s, session); who != "bob@example.com" {
		t.Errorf("bob is %s", who)
	}
}

// TestMixUp: two clients share a storage, and so the browser's cookies. A login that
// began at one is not finished at the other.
func TestMixUp(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "other"})
	storage := newBrittleStorage()
	first := lab.ServeWith(t, pool, storage.hook)
	other := lab.ServeWith(t, pool, storage.hook, func(c *cognito.Config) { c.ClientID = "other" })
	p := lab.Halfway(first, "alice")
	_, rest, _ := strings.Cut(p.Cookie.Value, ".")
	mark, _, _ := strings.Cut(other.Begin().Cookie.Value, ".")
	remarked := &http.Cookie{Name: "cognito_login_7", Value: mark + "." + rest}
	if remarked.Value == p.Cookie.Value {
		t.Error("the cookies of both clients cannot be told apart")
	}
	for name, cookies := range map[string][]*http.Cookie{"its own mark": {p.Cookie}} {
		res := other.Send(lab.Request{Path: p.Callback, Cookies: cookies})
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("with the cookie under %s the other client answers %s", name, lab.StatusLine(res))
		}
		lab.SetsNothing(t, name, res)
	}
	// Marked as the other's it is an expired login, which begins again with a state
	// of the other's own.
	res := other.Send(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{remarked}})
	mustNotSignIn(t, "a cookie marked anew", res)
	if calls := pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d codes were spent", calls)
	}
	session := mustSignIn(t, "the client it began at", first.Finish(p))
	if who := whoIs(other, session, &http.Cookie{Name: visitorCookieName(other), Value: session.Value}); who != "stranger" {
		t.Errorf("the session of one client is %s at the other", who)
	}
	mustSignIn(t, "the other client", other.Finish(lab.Halfway(other, "bob")))
}

// visitorCookieName is what this site calls the cookie of a session.
func visitorCookieName(s *lab.Site) string {
	s.Helper()
	v := s.Visitor()
	v.LogIn()
	return v.SessionCookie().Name
}

// TestAccountLinkedJustNow is the second row of the table: after a trigger has
// linked a federated account, Cognito reports an error though all is well. The
// login starts again by itself, once, and ends where it was going.
func TestAccountLinkedJustNow(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	linked := "/login/redirect?error=invalid_request&error_description=" + url.QueryEscape("Already found an entry for username google_123. ") + "&state="
	first := s.Begin("return_to=/me%3Ftab=3", "identity_provider=COGNITO")
	res := s.Send(lab.Request{Path: linked + first.State, Cookies: []*http.Cookie{first.Cookie}})
	if !leadsToCognito(s, res) {
		t.Fatalf("the error is answered with %s, want a login", lab.StatusLine(res))
	}
	second := onward(res)
	if second.State == first.State {
		t.Error("the login goes on under its old state")
	}
	res = s.Finish(lab.Answered(s, onward(res), "alice"))
	if mustSignIn(t, "the login again", res); res.Header.Get("Location") != "/me?tab=3" {
		t.Errorf("the login again led to %s", res.Header.Get("Location"))
	}

	third := onward(s.Send(lab.Request{Path: linked + second.State, Cookies: []*http.Cookie{second.Cookie}}))
	if third.Cookie != nil {
		t.Error("a login that has restarted once restarts again")
	}
	if err := refused.take(); !errors.Is(err, cognito.ErrAttemptExpired) {
		t.Errorf("a replay of the login again is refused with %v", err)
	}
	// Whoever is signed in may be linking an account just now.
	session := mustSignIn(t, "bob", s.Finish(lab.Halfway(s, "bob")))
	first = s.Begin()
	if res = s.Send(lab.Request{Path: linked + first.State, Cookies: []*http.Cookie{first.Cookie, session}}); !leadsToCognito(s, res) {
		t.Errorf("for bob the error is answered with %s, want a login", lab.StatusLine(res))
	}
	first = s.Begin()
	second = onward(s.Send(lab.Request{Path: linked + first.State, Cookies: []*http.Cookie{first.Cookie}}))
	res = s.Send(lab.Request{Path: linked + second.State, Cookies: []*http.Cookie{second.Cookie}})
	if err := refused.take(); !errors.Is(err, cognito.ErrProvider) || leadsToCognito(s, res) {
		t.Errorf("the same error twice in a row is answered with %v, %s", err, lab.StatusLine(res))
	}
}

// TestSilentLogin is the second row of the table: a page asks with prompt=none
// whether Cognito knows the visitor. If not, they are back where they were,
// not signed in; but only if the login was begun so.
func TestSilentLogin(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	silent := lab.Halfway(s, "", "prompt=none", "return_to=/public%3Fx=1")
	if callbackQuery(silent, "error") != "login_required" {
		t.Fatalf("the pool answers %s", silent.Callback)
	}
	res := s.Finish(silent)
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/public?x=1" {
		t.Errorf("a stranger's silent login answers %s to %q", lab.StatusLine(res), res.Header.Get("Location"))
	}
	mustOnlyClear(t, res, silent.Cookie.Name)

	for _, query := range []string{"", "prompt=login", "prompt=none+login"} {
		loud := s.Begin(query, "return_to=/public")
		res = s.Send(lab.Request{Path: "/login/redirect?error=login_required&state=" + loud.State, Cookies: []*http.Cookie{loud.Cookie}})
		if err := refused.take(); !errors.Is(err, cognito.ErrLoginRequired) || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("login_required after %q is answered with %v, %s", query, err, lab.StatusLine(res))
		}
	}
	v := s.Visitor()
	v.LogIn()
	if page := v.Get(s.URL + "/login?prompt=none&return_to=/me"); page.URL.Path != "/me" || page.Status != http.StatusOK {
		t.Errorf("a known visitor's silent login ended on %s with %d", page.URL, page.Status)
	}
}

// restarted is a login that has begun again by itself. A callback that matches no
// login is answered with a page while there is one.
func restarted(s *lab.Site, open *lab.PendingLogin) *lab.PendingLogin {
	s.Helper()
	again := onward(s.Send(lab.Request{Path: "/login/redirect?code=x&state=lost", Cookies: []*http.Cookie{open.Cookie}}))
	if again.Cookie == nil {
		s.Fatal("a lost login does not begin again")
	}
	return again
}
