package cognito_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// A session must neither die too early nor live too long. Here are the ways in
// which renewing its tokens goes wrong in other libraries: stampedes, races
// between instances, refresh tokens that are lost or put back, users who stay
// although they are gone, and tokens that are not what they were.

// TestStampedeAtExpiry is row F1: a thousand requests of one session arrive in
// the instant its tokens have expired. One of them renews, all of them are
// answered, and with what the new tokens say.
func TestStampedeAtExpiry(t *testing.T) {
	t.Parallel()
	const herd = 1000
	for name, storage := range map[string]fiber.Storage{"own storage": nil, "shared storage": newStore()} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Int32
			s := serve(t, on(storage), func(c *cognito.Config) {
				c.Next = func(*fiber.Ctx) bool { arrived.Add(1); return false }
			})
			alice := s.signIn("alice")
			regroup(s.pool, "herd")
			s.pool.Advance(justExpired)
			held := park(t, s.pool)
			arrived.Store(0)
			answers := s.stampede(herd, asScript("/me", alice))
			// All of them wait, unless the machine is too slow to bring them
			// here while a call to Cognito is still waited for.
			for range 30 {
				if arrived.Load() < herd {
					time.Sleep(100 * time.Millisecond)
				}
			}
			if waiting := arrived.Load(); waiting < 50 {
				t.Errorf("only %d requests came while the tokens were being renewed", waiting)
			}
			held.open()
			for _, got := range answers() {
				if groupsOf(got.response) != "herd" {
					t.Fatalf("a request was answered %s; want the new groups", got)
				}
			}
			s.mustRenew(1)
		})
	}
}

// TestRenewalAheadOfTime: tokens are renewed in the background with a quarter
// of their life left, and a Cognito that does not answer then delays nobody.
func TestRenewalAheadOfTime(t *testing.T) {
	s := serve(t)
	alice := s.signIn("alice")
	regroup(s.pool, "new")
	s.pool.Advance(40 * time.Minute)
	s.mustBe("alice", alice)
	s.mustRenew(0)

	held := park(t, s.pool)
	s.pool.Advance(9 * time.Minute)
	for range 3 {
		// Were these to wait, they would wait for ever.
		if groups := groupsOf(s.me(alice)); groups != "admin" {
			t.Errorf("while Cognito hangs, /me shows %s; want what it showed before", groups)
		}
	}
	eventually(t, "the tokens are being renewed", func() bool { return len(renewalsAt(s.pool)) == 1 })
	held.open()
	eventually(t, "the new tokens are used", func() bool { return groupsOf(s.me(alice)) == "new" })
	s.mustRenew(1)
}

// TestRefreshTokenLostOrKept is row F3: an answer without refresh token means
// that the old one stays, one with it that the old one is dead.
func TestRefreshTokenLostOrKept(t *testing.T) {
	for name, client := range map[string]cognitotest.Client{
		"rotation off": {}, "rotation without grace": rotating(0), "rotation with grace": rotating(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, client)
			issued := recordIssued(pool)
			s := serveWith(t, pool)
			alice := s.signIn("alice")
			for range 4 {
				newest := issued.newest()
				pool.Advance(justExpired)
				s.mustBe("alice", alice)
				sent := renewalsAt(pool)
				if len(sent) == 0 || sent[len(sent)-1] != newest {
					t.Fatal("a renewal did not use the refresh token issued last")
				}
			}
			s.mustRenew(4)
			want := 1
			if client.RotateRefreshTokens {
				want = 5
			}
			if all := issued.all(); len(all) != want {
				t.Errorf("the pool issued %d refresh tokens, want %d; the test proves nothing", len(all), want)
			}
		})
	}
}

// TestLostAnswer is row F4: Cognito rotates the refresh token and the answer
// gets lost. Within the grace the old one is tried again at once and works.
// Beyond it nothing can be done but one more login: no loop of calls.
func TestLostAnswer(t *testing.T) {
	for name, storage := range map[string]fiber.Storage{"own storage": nil, "shared storage": newStore()} {
		t.Run("within the grace, "+name, func(t *testing.T) {
			pool := newPool(t, rotating(time.Minute))
			s := serveWith(t, pool, on(storage))
			alice := s.signIn("alice")
			pool.Advance(justExpired)
			pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, LoseAnswer: true})
			s.mustBe("alice", alice)
			s.mustRenew(2)
			pool.Advance(justExpired)
			s.mustBe("alice", alice)
			s.mustRenew(3)
		})
	}
	t.Run("beyond the grace", func(t *testing.T) {
		pool := newPool(t, rotating(0))
		s := serveWith(t, pool)
		alice := s.signIn("alice")
		pool.Advance(justExpired)
		pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, LoseAnswer: true})
		s.mustEndOnce(asScript("/me", alice), 2)
		s.mustBe("alice", s.signIn("alice"))
	})
}

// mustEndOnce sends a request that finds its session ended, after so many
// renewals altogether: it is told so, loses its cookie, and whoever keeps the
// cookie and comes again gets the same answer at no further cost.
func (s *site) mustEndOnce(r request, renewals int) {
	s.Helper()
	res := s.send(r)
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Location") != "" {
		s.Errorf("%s %s answered %s, want 401 and no redirect", r.method, r.path, statusLine(res))
	}
	if code := res.problem(s.T)["code"]; code != "session_ended" {
		s.Errorf("the reason is %v, want session_ended", code)
	}
	if !res.deletesSession() {
		s.Errorf("the answer does not delete the session cookie: %q", res.Header["Set-Cookie"])
	}
	for range 3 {
		s.pool.Advance(time.Minute)
		if res := s.send(r); res.StatusCode != http.StatusUnauthorized {
			s.Errorf("the dead cookie is answered %s, want 401", statusLine(res))
		}
	}
	s.mustRenew(renewals)
}

// TestUserGoneAtCognito is rows F6 and D6: whom Cognito no longer renews is out
// at the next renewal, which is when the tokens expire at the latest, once and
// without a loop.
func TestUserGoneAtCognito(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*cognitotest.Pool){
		"disabled": func(p *cognitotest.Pool) {
			p.SetUser(cognitotest.User{Username: "alice", Password: passwordOf("alice"), Email: "alice@example.com", Disabled: true})
		},
		"signed out everywhere": func(p *cognitotest.Pool) { p.EndSessions("alice") },
		"deleted":               func(p *cognitotest.Pool) { p.RemoveUser("alice") },
		"token revoked":         func(p *cognitotest.Pool) { p.EndSessions("alice") },
	} {
		for way, r := range map[string]func(*http.Cookie) request{
			"script": func(c *http.Cookie) request { return asScript("/me", c) },
			// Row F12: a form that is sent too late keeps its body in the browser.
			"form": func(c *http.Cookie) request {
				return request{method: http.MethodPost, path: "/me", cookies: []*http.Cookie{c},
					header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}}
			},
			"refresh path": func(c *http.Cookie) request { return renewNow(c) },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				var events refreshEvents
				s := serve(t, events.hook)
				alice, bob := s.signIn("alice"), s.signIn("bob")
				leave(s.pool)
				s.mustBe("alice", alice) // until the tokens expire; as documented
				s.pool.Advance(justExpired)
				s.mustEndOnce(r(alice), 1)
				var refused *cognito.ProviderError
				if err := events.last(t); !errors.Is(err, cognito.ErrSessionEnded) || !errors.As(err, &refused) || refused.Code != "invalid_grant" {
					t.Errorf("the renewal is reported as %v, want invalid_grant", err)
				}
				s.mustBe("bob", bob)
			})
		}
	}
}

// TestUserGoneOpensAPage is TestUserGoneAtCognito for a person: they are led to
// the login, once, and are back on the page after it.
func TestUserGoneOpensAPage(t *testing.T) {
	s := serve(t)
	v := s.visitor()
	v.logIn()
	s.pool.EndSessions("alice")
	s.pool.Advance(justExpired)
	page := v.Get(s.url + "/me")
	if !strings.Contains(page.Body, `type="password"`) {
		t.Fatalf("a guarded page led to %s, want the pool's login page", page.URL)
	}
	if v.sessionCookie() != nil {
		t.Error("the browser keeps the cookie of the dead session")
	}
	if page = v.Login(s.url+"/me", "alice", passwordOf("alice")); page.URL.String() != s.url+"/me" {
		t.Errorf("the login ended on %s", page.URL)
	}
	v.mustBeSignedIn()
	s.mustRenew(1)
}

// TestUserGoneInTheBackground: the verdict of a renewal ahead of time counts at
// once, and the request that began it is not delayed.
func TestUserGoneInTheBackground(t *testing.T) {
	s := serve(t)
	alice := s.signIn("alice")
	s.pool.EndSessions("alice")
	s.pool.Advance(nearlyExpired)
	held := park(t, s.pool)
	s.mustBe("alice", alice)
	held.open()
	eventually(t, "the session ends", func() bool { return s.me(alice).StatusCode == http.StatusUnauthorized })
	s.mustRenew(1)
}

// TestInvalidGrantIsJudgedInTime: over a shared storage invalid_grant is not
// believed before every other instance's answer must have arrived. A request
// that waits is then told the verdict, and not to come again.
func TestInvalidGrantIsJudgedInTime(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	a, b := pair(t, pool, newStore())
	alice := a.signIn("alice")
	pool.EndSessions("alice")
	pool.Advance(justExpired)
	a.mustEndOnce(asScript("/me", alice), 1)
	b.mustBe("", alice)
	a.mustRenew(1)
}

// TestGroupTakenAway is row D6: who was put out of a group is refused from the
// next renewal on, and not before the tokens that say otherwise have expired.
func TestGroupTakenAway(t *testing.T) {
	s := serveApp(t, func(app *fiber.App, _ *cognito.Auth) {
		pages(app)
		app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("secret") })
	})
	alice := s.signIn("alice")
	regroup(s.pool, "staff")
	if res := s.send(asScript("/admin", alice)); res.StatusCode != http.StatusOK {
		t.Errorf("before the renewal the page is answered %s", statusLine(res))
	}
	s.pool.Advance(justExpired)
	if res := s.send(asScript("/admin", alice)); res.StatusCode != http.StatusForbidden {
		t.Errorf("after the renewal the page is answered %s, want 403", statusLine(res))
	}
	payload := decode(t, s.send(asScript("/payload", alice)).body)
	if got := fmt.Sprint(payload["cognito:groups"]); got != "[staff]" {
		t.Errorf("the payload's groups are %s, want [staff]", got)
	}
	regroup(s.pool, "staff", "admin")
	s.pool.Advance(justExpired)
	if res := s.send(asScript("/admin", alice)); res.StatusCode != http.StatusOK {
		t.Errorf("back in the group, the page is answered %s", statusLine(res))
	}
}

// TestForeignTokensAtRenewal is row F7: what a renewal brings is verified like
// the first tokens. Tokens of another user, pool, client or key end the session
// and the refresh token that came with them; nothing of them is ever shown.
func TestForeignTokensAtRenewal(t *testing.T) {
	t.Parallel()
	id, access := "id", "access"
	rows := []struct {
		name   string
		use    string
		tamper func(*cognitotest.Pool, *cognitotest.UnsignedToken)
		want   error
	}{
		{"another subject", id, claim("sub", "mallory"), cognito.ErrTokenSubject},
		{"another subject", access, claim("sub", "mallory"), cognito.ErrTokenSubject},
		{"no subject", access, claim("sub", ""), cognito.ErrTokenSubject},
		{"another issuer", id, claim("iss", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other"), cognito.ErrTokenIssuer},
		{"another issuer", access, claim("iss", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Other"), cognito.ErrTokenIssuer},
		{"another client", id, claim("aud", "someone-else"), cognito.ErrTokenAudience},
		{"another client", access, claim("client_id", "someone-else"), cognito.ErrTokenClient},
		{"the other kind", id, claim("token_use", "access"), cognito.ErrTokenUse},
		{"the other kind", access, claim("token_use", "id"), cognito.ErrTokenUse},
		{"another login's nonce", id, claim("nonce", "another"), cognito.ErrTokenNonce},
		{"an empty nonce", id, claim("nonce", ""), cognito.ErrTokenNonce},
		{"another token's hash", id, claim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), cognito.ErrTokenHash},
		{"not valid yet", access, claim("nbf", int64(1<<40)), cognito.ErrTokenNotYet},
		{"another key", id, signedByTheOther, cognito.ErrTokenSignature},
		{"another key", access, signedByTheOther, cognito.ErrTokenSignature},
		{"no signature", access, func(_ *cognitotest.Pool, u *cognitotest.UnsignedToken) { unsigned("none")(u) }, cognito.ErrTokenAlgorithm},
		{"no token", access, func(_ *cognitotest.Pool, u *cognitotest.UnsignedToken) {
			u.Sign = func(map[string]any, map[string]any) (string, error) { return "not.a.token", nil }
		}, cognito.ErrTokenMalformed},
	}
	for _, row := range rows {
		t.Run(row.use+" token: "+row.name, func(t *testing.T) {
			pool := newPool(t, rotating(0))
			issued := recordIssued(pool)
			var events refreshEvents
			s := serveWith(t, pool, events.hook)
			alice := s.signIn("alice")
			pool.Tamper(func(u *cognitotest.UnsignedToken) {
				if u.Grant == "refresh_token" && u.Use == row.use {
					row.tamper(pool, u)
				}
			})
			pool.Advance(justExpired)
			s.mustEndOnce(asScript("/me", alice), 1)
			if err := events.last(t); !errors.Is(err, row.want) {
				t.Errorf("the renewal failed with %v, want %v", err, row.want)
			}
			newest := issued.newest()
			eventually(t, "the new refresh token is revoked", func() bool { return slices.Contains(revoked(pool), newest) })

			pool.Tamper(nil)
			again := s.signIn("alice")
			pool.Advance(justExpired)
			s.mustBe("alice", again)
		})
	}
}

func claim(name string, value any) func(*cognitotest.Pool, *cognitotest.UnsignedToken) {
	return func(_ *cognitotest.Pool, u *cognitotest.UnsignedToken) { withClaim(name, value)(u) }
}

// signedByTheOther signs with the pool's other key under the right one's name.
func signedByTheOther(pool *cognitotest.Pool, u *cognitotest.UnsignedToken) {
	u.Key = pool.SigningKey(map[string]string{"id": "access", "access": "id"}[u.Use])
}

// revoked are the refresh tokens that the pool was told to revoke.
func revoked(pool *cognitotest.Pool) []string {
	var tokens []string
	for _, r := range pool.Requests(cognitotest.Revoke) {
		tokens = append(tokens, r.Form.Get("token"))
	}
	return tokens
}

// TestWhatARenewalMayLeaveOut is row F7's honest half: OpenID Connect Core
// section 12.2 lets a renewal go without an ID token, and its ID token without
// a nonce.
func TestWhatARenewalMayLeaveOut(t *testing.T) {
	for name, leaveOut := range map[string]struct {
		tamper  func(*cognitotest.UnsignedToken)
		rewrite func(map[string]any)
		groups  string
	}{
		"nothing":        {groups: "new"},
		"nonce":          {tamper: withoutClaim("nonce"), groups: "new"},
		"at_hash":        {tamper: withoutClaim("at_hash"), groups: "new"},
		"azp is there":   {tamper: withClaim("azp", newPoolClientID), groups: "new"},
		"ID token":       {rewrite: func(answer map[string]any) { delete(answer, "id_token") }, groups: "admin"},
		"empty ID token": {rewrite: func(answer map[string]any) { answer["id_token"] = "" }, groups: "admin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			alice := s.signIn("alice")
			regroup(s.pool, "new")
			s.pool.Tamper(func(u *cognitotest.UnsignedToken) {
				if leaveOut.tamper != nil && u.Use == "id" {
					leaveOut.tamper(u)
				}
			})
			s.pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: leaveOut.rewrite})
			for range 2 {
				s.pool.Advance(justExpired)
				if groups := groupsOf(s.me(alice)); groups != leaveOut.groups {
					t.Errorf("after the renewal /me shows %s, want %s", groups, leaveOut.groups)
				}
			}
			s.mustRenew(2)
		})
	}
}

// newPoolClientID is the client of every pool here.
const newPoolClientID = "1example23456789"

// TestNonceOfTheLoginAtRenewal: an ID token that does carry the nonce of the
// login is as good as one that does not.
func TestNonceOfTheLoginAtRenewal(t *testing.T) {
	s := serve(t)
	pending := s.answered("alice")
	alice := s.finish(pending).cookie(isSessionCookie)
	s.pool.Tamper(func(u *cognitotest.UnsignedToken) {
		if u.Use == "id" {
			u.Claims["nonce"] = pending.query.Get("nonce")
		}
	})
	s.pool.Advance(justExpired)
	s.mustBe("alice", alice)
}

// TestTokensExpiredOnArrival is row F11: tokens that are hardly valid, or not
// at all, when they arrive. They are not asked for on every request, and the
// session outlasts them.
func TestTokensExpiredOnArrival(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) func(*cognitotest.Pool, *cognitotest.UnsignedToken) {
		return func(p *cognitotest.Pool, u *cognitotest.UnsignedToken) { u.Claims["exp"] = p.Now().Add(-d).Unix() }
	}
	for name, tamper := range map[string]func(*cognitotest.Pool, *cognitotest.UnsignedToken){
		"one second left":     ago(-time.Second),
		"within the leeway":   ago(30 * time.Second),
		"beyond the leeway":   ago(2 * time.Minute),
		"without expiry":      claim("exp", nil),
		"in the last century": claim("exp", int64(1)),
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(t, rotating(0))
			clock := stopClock(pool)
			s := serveWith(t, pool, clock.hook)
			alice := s.signIn("alice")
			pool.Tamper(func(u *cognitotest.UnsignedToken) {
				if u.Grant == "refresh_token" {
					tamper(pool, u)
				}
			})
			clock.advance(justExpired)
			const seconds = 10
			for range 10 * seconds {
				res := s.me(alice)
				unavailable := res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
				if (res.StatusCode != http.StatusOK && !unavailable) || len(res.Cookies()) > 0 {
					t.Fatalf("/me answered %s with cookies %v, want it answered, or 503", statusLine(res), res.Cookies())
				}
				clock.advance(100 * time.Millisecond)
			}
			// A bound for each second that has begun, and proof that there were any.
			if calls := len(renewalsAt(pool)); calls > seconds+1 || calls < 2 {
				t.Errorf("%d renewals in %d seconds, want at most one a second", calls, seconds)
			}
			pool.Tamper(nil)
			clock.advance(time.Minute)
			s.mustBe("alice", alice)
		})
	}
}

// TestSessionOutlivesItsLimits is row D5: a session ends when it was idle for
// too long and when it is too old, by the deadlines inside its record: this
// storage forgets nothing. No renewal moves the second deadline.
func TestSessionOutlivesItsLimits(t *testing.T) {
	t.Parallel()
	limits := func(c *cognito.Config) { c.IdleTimeout, c.AbsoluteTimeout = 10*time.Hour, 48*time.Hour }
	t.Run("idle", func(t *testing.T) {
		s := serve(t, on(newStore()), limits)
		idle, used := s.signIn("alice"), s.signIn("bob")
		s.pool.Advance(9 * time.Hour)
		s.mustBe("bob", used)
		renewals := len(renewalsAt(s.pool))
		s.pool.Advance(time.Hour + time.Second)
		s.mustBe("", idle)
		s.mustRenew(renewals) // and Cognito was not asked about it
		s.mustBe("bob", used)
	})
	t.Run("absolute", func(t *testing.T) {
		s := serve(t, on(newStore()), limits)
		alice := s.signIn("alice")
		for range 47 {
			s.pool.Advance(time.Hour)
			s.mustBe("alice", alice)
		}
		s.pool.Advance(time.Hour)
		s.mustBe("", alice)
		if res := s.send(renewNow(alice)); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("the refresh path answered %s, want 401", statusLine(res))
		}
		if renewals := len(renewalsAt(s.pool)); renewals < 40 {
			t.Errorf("%d renewals in two days; the test proves nothing", renewals)
		}
		s.mustBe("alice", s.signIn("alice"))
	})
}

// TestNothingToRenewWith is row D5: without a refresh token a session ends when
// its tokens expire, and not before, whatever is asked of it.
func TestNothingToRenewWith(t *testing.T) {
	s := serve(t)
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: func(answer map[string]any) { delete(answer, "refresh_token") }})
	alice := s.signIn("alice")
	s.pool.Advance(59 * time.Minute)
	s.mustBe("alice", alice)
	if res := s.send(renewNow(alice)); res.StatusCode >= 500 {
		t.Errorf("the refresh path answered %s", statusLine(res))
	}
	s.mustBe("alice", alice)
	s.pool.Advance(time.Minute + time.Second)
	s.mustBe("", alice)
	s.mustRenew(0)
	s.mustBe("alice", s.signIn("alice"))
}

// TestAccessTokenNeverExpired: AccessToken renews, or fails, rather than hand
// out a token that is of no use, also when it expires while the handler runs.
func TestAccessTokenNeverExpired(t *testing.T) {
	var pool *cognitotest.Pool
	s := serveApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Get("/slow", func(c *fiber.Ctx) error {
			pool.Advance(justExpired)
			regroup(pool, "new")
			token, err := cognito.AccessToken(c)
			if err != nil {
				return c.Status(fiber.StatusTeapot).SendString(err.Error())
			}
			return c.JSON([]any{token, cognito.UserFrom(c).Groups(), cognito.PayloadFrom(c).Groups()})
		})
		pages(app)
	})
	pool = s.pool
	alice := s.signIn("alice")
	var got []any
	if res := s.send(asScript("/slow", alice)); json.Unmarshal([]byte(res.body), &got) != nil {
		t.Fatalf("/slow answered %s", statusLine(res))
	}
	s.mustBeFresh(got[0].(string))
	if fmt.Sprint(got[1:]) != "[[new] [new]]" {
		t.Errorf("with the new token came the groups %v, want the new ones", got[1:])
	}
	s.pool.Advance(justExpired)
	s.mustBeFresh(s.send(asScript("/token", alice)).body)
	s.mustRenew(2)

	s.pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	res := s.send(asScript("/slow", alice))
	if res.StatusCode != http.StatusTeapot || !strings.Contains(res.body, "cognito: unavailable") {
		t.Errorf("while Cognito is down, AccessToken gives %s; want ErrUnavailable", statusLine(res))
	}
}

// mustBeFresh checks that an access token has not expired, without leeway.
func (s *site) mustBeFresh(token string) {
	s.Helper()
	payload, err := s.auth.VerifyAccessToken(s.Context(), token)
	if err != nil {
		s.Errorf("the access token does not verify: %v", err)
		return
	}
	if !s.pool.Now().Before(payload.ExpiresAt()) {
		s.Errorf("the access token expired %s ago", s.pool.Now().Sub(payload.ExpiresAt()))
	}
}

// TestTouchCrossesRenewal: a request that prolongs the session is overtaken by
// a renewal on another instance. It must not put the old refresh token back.
func TestTouchCrossesRenewal(t *testing.T) {
	t.Parallel()
	long := rotating(0)
	long.AccessTokenTTL, long.IDTokenTTL = 4*time.Hour, 4*time.Hour
	pool := newPool(t, long)
	storage := newStore()
	a, b := pair(t, pool, storage)
	alice := a.newSession(storage, "alice")
	pool.Advance(150 * time.Minute) // to be prolonged, and not renewed yet

	writing, held := make(chan struct{}), newGate(t)
	var touched atomic.Bool
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && c.key == alice.hot && touched.CompareAndSwap(false, true) {
			close(writing)
			<-held.closed
		}
		return nil
	})
	touching := a.later(1, asScript("/me", alice.cookie))
	<-writing
	if res := b.send(renewNow(alice.cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answered %s", statusLine(res))
	}
	held.open()
	a.mustAllBe("alice", touching())
	for range 2 {
		pool.Advance(245 * time.Minute)
		a.mustBe("alice", alice.cookie)
		b.mustBe("alice", alice.cookie)
	}
}

// TestProlongedNowAndThen: using a session writes it at most once in a tenth of
// its idle time, however many requests come at once, and never its tokens.
func TestProlongedNowAndThen(t *testing.T) {
	pool := newPool(t, cognitotest.Client{AccessTokenTTL: 24 * time.Hour, IDTokenTTL: 24 * time.Hour})
	storage := newStore()
	s := serveWith(t, pool, on(storage), func(c *cognito.Config) { c.IdleTimeout = 10 * time.Hour })
	alice := s.newSession(storage, "alice")
	writes := func(key string) (n int) {
		for _, c := range storage.asked("set") {
			if c.key == key {
				n++
			}
		}
		return n
	}
	hot, cold := writes(alice.hot), writes(alice.cold)
	for round, want := range []int{0, 1, 1, 2} {
		pool.Advance(31 * time.Minute)
		s.mustAllBe("alice", s.later(20, asScript("/me", alice.cookie))())
		if n := writes(alice.hot) - hot; n != want {
			t.Errorf("after %d half hours of use the session was written %d times, want %d", round+1, n, want)
		}
	}
	if n := writes(alice.cold) - cold; n != 0 {
		t.Errorf("its tokens were written %d times", n)
	}
}

// TestRenewalCrossesTouch is the same the other way round: a renewal that began
// before the session was prolonged must not put the old deadline back, or a
// visitor who has just returned is idle again in no time.
func TestRenewalCrossesTouch(t *testing.T) {
	pool := newPool(t)
	storage := newStore()
	s := serveWith(t, pool, on(storage))
	alice := s.newSession(storage, "alice")
	pool.Advance(23 * time.Hour) // of 24

	reading, held := make(chan struct{}), newGate(t)
	var reads atomic.Int32
	storage.misbehave(func(c storeCall) *storeFault {
		// The second read is that of the first request's touch.
		if c.method == "get" && c.key == alice.hot && reads.Add(1) == 2 {
			close(reading)
			<-held.closed
		}
		return nil
	})
	renewal := park(t, pool)
	first := s.later(1, asScript("/me", alice.cookie))
	<-reading
	second := s.later(1, asScript("/me", alice.cookie))
	eventually(t, "the second request renews", func() bool { return len(renewalsAt(pool)) == 1 })
	held.open()
	eventually(t, "the first one has prolonged", func() bool {
		return slices.ContainsFunc(storage.asked("set"), func(c storeCall) bool { return c.key == alice.hot && c.life > 20*time.Hour })
	})
	renewal.open()
	s.mustAllBe("alice", slices.Concat(first(), second()))
	pool.Advance(20 * time.Hour)
	s.mustBe("alice", alice.cookie)
}

// TestRefreshPath: the table of design §3.
func TestRefreshPath(t *testing.T) {
	var arrived atomic.Int32
	s := serve(t, func(c *cognito.Config) {
		c.AllowedOrigins = []string{"https://admin.example.com"}
		c.Next = func(*fiber.Ctx) bool { arrived.Add(1); return false }
	})
	alice := s.signIn("alice")
	before := s.pool.Now()
	s.pool.Advance(10 * time.Minute)

	res := s.send(renewNow(alice))
	at, err := time.Parse(time.RFC3339, fmt.Sprint(decode(t, res.body)["expires_at"]))
	if res.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("a renewal answered %s: %v", statusLine(res), err)
	}
	if life := at.Sub(before); life < 65*time.Minute || life > 75*time.Minute {
		t.Errorf("the tokens expire %s after the login, want 70 minutes", life)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q, want no-store", got)
	}
	s.mustRenew(1)

	from := func(site, origin string) map[string]string {
		header := map[string]string{}
		if site != "" {
			header["Sec-Fetch-Site"] = site
		}
		if origin != "" {
			header["Origin"] = origin
		}
		return header
	}
	junk := &http.Cookie{Name: alice.Name, Value: strings.Repeat("A", 43)}
	for _, row := range []struct {
		name   string
		method string
		header map[string]string
		cookie *http.Cookie
		status int
		code   string
		renews int
	}{
		{"no cookie", http.MethodPost, nil, nil, 401, "not_signed_in", 0},
		{"a cookie that leads nowhere", http.MethodPost, nil, junk, 401, "session_ended", 0},
		{"another site", http.MethodPost, from("cross-site", "https://evil.example"), alice, 403, "cross_origin", 0},
		{"a sibling subdomain", http.MethodPost, from("same-site", "https://evil.example"), alice, 403, "cross_origin", 0},
		{"another site's origin alone", http.MethodPost, from("", "https://evil.example"), alice, 403, "cross_origin", 0},
		{"an opaque origin", http.MethodPost, from("", "null"), alice, 403, "cross_origin", 0},
		{"another site, and nobody", http.MethodPost, from("cross-site", "https://evil.example"), nil, 403, "cross_origin", 0},
		{"GET", http.MethodGet, nil, alice, 405, "method_not_allowed", 0},
		{"PUT", http.MethodPut, nil, alice, 405, "method_not_allowed", 0},
		{"HEAD", http.MethodHead, nil, alice, 405, "", 0},
		{"OPTIONS", http.MethodOptions, nil, alice, 405, "method_not_allowed", 0},
		{"an allowed origin", http.MethodPost, from("cross-site", "https://admin.example.com"), alice, 200, "", 1},
		{"the own origin", http.MethodPost, from("", s.url), alice, 200, "", 1},
		{"no browser", http.MethodPost, nil, alice, 200, "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := len(renewalsAt(s.pool))
			r := request{method: row.method, path: "/token/refresh", header: row.header}
			if row.cookie != nil {
				r.cookies = []*http.Cookie{row.cookie}
			}
			res := s.send(r)
			if res.StatusCode != row.status {
				t.Errorf("answered %s, want %d", statusLine(res), row.status)
			}
			if row.code != "" && res.problem(t)["code"] != row.code {
				t.Errorf("the reason is %s, want %s", res.body, row.code)
			}
			if row.status == http.StatusMethodNotAllowed && res.Header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q, want POST", res.Header.Get("Allow"))
			}
			if renewed := len(renewalsAt(s.pool)) - before; renewed != row.renews {
				t.Errorf("%d renewals, want %d", renewed, row.renews)
			}
			if len(res.Cookies()) > 0 || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the answer sets %v and allows %q", res.Cookies(), res.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}

	t.Run("expired", func(t *testing.T) {
		before := len(renewalsAt(s.pool))
		s.pool.Advance(justExpired)
		if res := s.send(renewNow(alice)); res.StatusCode != http.StatusOK {
			t.Errorf("answered %s", statusLine(res))
		}
		if calls := len(renewalsAt(s.pool)) - before; calls != 1 {
			t.Errorf("one request for new tokens made %d calls, want 1", calls)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		before := len(renewalsAt(s.pool))
		held := park(t, s.pool)
		first := s.later(1, renewNow(alice))
		eventually(t, "the first one asks", func() bool { return len(renewalsAt(s.pool)) == before+1 })
		arrived.Store(0)
		others := s.later(20, renewNow(alice))
		eventually(t, "all others are there", func() bool { return arrived.Load() == 20 })
		s.mustBe("alice", alice)
		s.mustRenew(before + 1)
		held.open()
		for _, got := range slices.Concat(first(), others()) {
			if got.err != nil || got.StatusCode != http.StatusOK {
				t.Errorf("answered %s", got)
			}
		}
	})
}

// TestTouchPutsClaimsBack: a request prolongs the session, its write is delayed,
// and the tokens are renewed meanwhile, without the group that a guard asks for.
// The write comes last and puts the old claims back, but not for long.
func TestTouchPutsClaimsBack(t *testing.T) {
	t.Parallel()
	pool := newPool(t)
	clock, storage := stopClock(pool), newStore()
	s := serveWith(t, pool, clock.hook, on(storage), func(c *cognito.Config) { c.IdleTimeout = time.Hour })
	alice := s.newSession(storage, "alice")
	clock.advance(7 * time.Minute) // use is noted, and the tokens are not due
	regroup(pool, "new")
	held, delayed := newGate(t), make(chan struct{})
	var touched atomic.Bool
	storage.misbehave(func(c storeCall) *storeFault {
		if c.method == "set" && c.key == alice.hot && touched.CompareAndSwap(false, true) {
			close(delayed)
			<-held.closed
		}
		return nil
	})
	touching := s.later(1, asScript("/me", alice.cookie))
	<-delayed
	if res := s.send(renewNow(alice.cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answers %s", statusLine(res))
	}
	if groups := groupsOf(s.me(alice.cookie)); groups != "new" {
		t.Fatalf("after the renewal /me shows %s", groups)
	}
	held.open()
	s.mustAllBe("alice", touching())
	if groups := groupsOf(s.me(alice.cookie)); groups == "new" {
		t.Error("the delayed write put nothing back; the test proves nothing")
	}
	eventually(t, "the new claims are back", func() bool { return groupsOf(s.me(alice.cookie)) == "new" })
	s.mustRenew(1)
}

// TestUserInfoDoesNotBringClaimsBack is row D6 with UserInfo: what the ID token
// said at login and says no more is gone, whatever userInfo said then.
func TestUserInfoDoesNotBringClaimsBack(t *testing.T) {
	pool := newPool(t)
	s := serveWith(t, pool, func(c *cognito.Config) { c.UserInfo = true })
	carol := cognitotest.User{Username: "carol", Password: passwordOf("carol"), Email: "carol@example.com", Attributes: map[string]string{"custom:role": "owner"}}
	pool.SetUser(carol)
	pool.Break(cognitotest.UserInfo, cognitotest.Fault{Rewrite: func(claims map[string]any) { claims["custom:team"] = "blue" }})
	cookie := s.signIn("carol")
	if me := s.me(cookie).body; !strings.Contains(me, `"custom:role":"owner"`) || !strings.Contains(me, `"custom:team":"blue"`) {
		t.Fatalf("/me shows %s, want claims of the ID token and of userInfo", me)
	}
	carol.Attributes = nil
	pool.SetUser(carol)
	if res := s.send(renewNow(cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answers %s", statusLine(res))
	}
	if me := s.me(cookie).body; strings.Contains(me, "owner") || !strings.Contains(me, `"custom:team":"blue"`) {
		t.Errorf("after the renewal /me shows %s, want no role and still the team", me)
	}
}

// TestLookInVain: a renewal looks again whether its tokens still stand, and the
// storage cannot say. Where no refresh token is at stake there is nothing to
// hold, and nothing to alarm anybody with.
func TestLookInVain(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]cognitotest.Client{"rotating": rotating(0), "not rotating": {}} {
		pool := newPool(t, client)
		storage := newStore()
		s := serveWith(t, pool, on(storage))
		alice := s.newSession(storage, "alice")
		pool.Advance(justExpired)
		s.mustBe("alice", alice.cookie)
		before := len(storage.asked("get"))
		storage.misbehave(func(storeCall) *storeFault { return &storeFault{err: errDown} })
		eventually(t, "it is looked again", func() bool { return len(storage.asked("get")) > before })
		if name == "rotating" {
			eventually(t, "the operator is told", func() bool { return strings.Contains(s.log.String(), "may not be stored") })
		} else if err := s.auth.Close(); err != nil || strings.Contains(s.log.String(), "may not be stored") {
			t.Errorf("%s: Close says %v, and the log %s", name, err, s.log.String())
		}
		storage.misbehave(nil)
		s.mustBe("alice", alice.cookie)
	}
}

// TestCloseLooksForRefreshTokensAlone: a shutdown does not wait for looks at
// which only claims are at stake.
func TestCloseLooksForRefreshTokensAlone(t *testing.T) {
	for name, client := range map[string]cognitotest.Client{"rotating": rotating(0), "not rotating": {}} {
		pool := newPool(t, client)
		storage := newStore()
		s := serveWith(t, pool, on(storage))
		alice := s.signIn("alice")
		pool.Advance(justExpired)
		s.mustBe("alice", alice)
		before := len(storage.asked("get"))
		if err := s.auth.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		if looked := len(storage.asked("get")) > before; looked != (name == "rotating") {
			t.Errorf("%s: looked is %t", name, looked)
		}
	}
}
