package faults_test

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
	"github.com/bar-tech/cognito/internal/lab"
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
	for name, storage := range map[string]lab.Storage{"own storage": nil, "shared storage": lab.NewStore()} {
		t.Run(name, func(t *testing.T) {
			var arrived atomic.Int32
			s := lab.Serve(t, lab.On(storage), func(c *cognito.Config) {
				c.Next = func(*fiber.Ctx) bool { arrived.Add(1); return false }
			})
			alice := s.SignIn("alice")
			regroup(s.Pool, "herd")
			s.Pool.Advance(lab.JustExpired)
			held := park(t, s.Pool)
			arrived.Store(0)
			answers := stampede(s, herd, lab.AsScript("/me", alice))
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
			held.Open()
			for _, got := range answers() {
				if groupsOf(got.Answer) != "herd" {
					t.Fatalf("a request was answered %s; want the new groups", got)
				}
			}
			s.MustRenew(1)
		})
	}
}

// TestRenewalAheadOfTime: tokens are renewed in the background with a quarter
// of their life left, and a Cognito that does not answer then delays nobody.
func TestRenewalAheadOfTime(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	regroup(s.Pool, "new")
	s.Pool.Advance(40 * time.Minute)
	s.MustBe("alice", alice)
	s.MustRenew(0)

	held := park(t, s.Pool)
	s.Pool.Advance(9 * time.Minute)
	for range 3 {
		// Were these to wait, they would wait for ever.
		if groups := groupsOf(s.Me(alice)); groups != "admin" {
			t.Errorf("while Cognito hangs, /me shows %s; want what it showed before", groups)
		}
	}
	lab.Eventually(t, "the tokens are being renewed", func() bool { return len(lab.RenewalsAt(s.Pool)) == 1 })
	held.Open()
	lab.Eventually(t, "the new tokens are used", func() bool { return groupsOf(s.Me(alice)) == "new" })
	s.MustRenew(1)
}

// TestRefreshTokenLostOrKept is row F3: an answer without refresh token means
// that the old one stays, one with it that the old one is dead.
func TestRefreshTokenLostOrKept(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]cognitotest.Client{
		"rotation off": {}, "rotation without grace": lab.Rotating(0), "rotation with grace": lab.Rotating(time.Minute),
	} {
		t.Run(name, func(t *testing.T) {
			pool := lab.NewPool(t, client)
			issued := lab.RecordIssued(pool)
			s := lab.ServeWith(t, pool)
			alice := s.SignIn("alice")
			for range 4 {
				newest := issued.Newest()
				pool.Advance(lab.JustExpired)
				s.MustBe("alice", alice)
				sent := lab.RenewalsAt(pool)
				if len(sent) == 0 || sent[len(sent)-1] != newest {
					t.Fatal("a renewal did not use the refresh token issued last")
				}
			}
			s.MustRenew(4)
			want := 1
			if client.RotateRefreshTokens {
				want = 5
			}
			if all := issued.All(); len(all) != want {
				t.Errorf("the pool issued %d refresh tokens, want %d; the test proves nothing", len(all), want)
			}
		})
	}
}

// TestLostAnswer is row F4: Cognito rotates the refresh token and the answer
// gets lost. Within the grace the old one is tried again at once and works.
// Beyond it nothing can be done but one more login: no loop of calls.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]lab.Storage{"own storage": nil, "shared storage": lab.NewStore()} {
		t.Run("within the grace, "+name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			s := lab.ServeWith(t, pool, lab.On(storage))
			alice := s.SignIn("alice")
			pool.Advance(lab.JustExpired)
			pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, LoseAnswer: true})
			s.MustBe("alice", alice)
			s.MustRenew(2)
			pool.Advance(lab.JustExpired)
			s.MustBe("alice", alice)
			s.MustRenew(3)
		})
	}
	t.Run("beyond the grace", func(t *testing.T) {
		pool := lab.NewPool(t, lab.Rotating(0))
		s := lab.ServeWith(t, pool)
		alice := s.SignIn("alice")
		pool.Advance(lab.JustExpired)
		pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, LoseAnswer: true})
		mustEndOnce(s, lab.AsScript("/me", alice), 2)
		s.MustBe("alice", s.SignIn("alice"))
	})
}

// mustEndOnce sends a request that finds its session ended, after so many
// renewals altogether: it is told so, loses its cookie, and whoever keeps the
// cookie and comes again gets the same answer at no further cost.
func mustEndOnce(s *lab.Site, r lab.Request, renewals int) {
	s.Helper()
	res := s.Send(r)
	want := http.StatusUnauthorized
	if r.Method == http.MethodPost && r.Header["Sec-Fetch-Mode"] == "navigate" {
		// A person's form, which is led to a page (F21).
		want = http.StatusSeeOther
		if word := res.Target().Query().Get("refused"); word != "session_ended" {
			s.Errorf("%s %s answered %s, want a page about the end of the session", r.Method, r.Path, lab.StatusLine(res))
		}
	} else if code := res.Problem(s.T)["code"]; code != "session_ended" {
		s.Errorf("the reason is %v, want session_ended", code)
	}
	if res.StatusCode != want {
		s.Errorf("%s %s answered %s, want %d", r.Method, r.Path, lab.StatusLine(res), want)
	}
	if !res.DeletesSession() {
		s.Errorf("the answer does not delete the session cookie: %q", res.Header["Set-Cookie"])
	}
	for range 3 {
		s.Pool.Advance(time.Minute)
		if res := s.Send(r); res.StatusCode != want {
			s.Errorf("the dead cookie is answered %s, want %d", lab.StatusLine(res), want)
		}
	}
	s.MustRenew(renewals)
}

// TestUserGoneAtCognito is rows F6 and D6: whom Cognito no longer renews is out
// at the next renewal, which is when the tokens expire at the latest, once and
// without a loop.
func TestUserGoneAtCognito(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*cognitotest.Pool){
		"disabled": func(p *cognitotest.Pool) {
			p.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", Disabled: true})
		},
		"signed out everywhere": func(p *cognitotest.Pool) { p.EndSessions("alice") },
		"deleted":               func(p *cognitotest.Pool) { p.RemoveUser("alice") },
		"token revoked":         func(p *cognitotest.Pool) { p.EndSessions("alice") },
	} {
		for way, r := range map[string]func(*http.Cookie) lab.Request{
			"script": func(c *http.Cookie) lab.Request { return lab.AsScript("/me", c) },
			// Row F12: a form that is sent too late keeps its body in the browser.
			"form": func(c *http.Cookie) lab.Request {
				return lab.Request{Method: http.MethodPost, Path: "/me", Cookies: []*http.Cookie{c},
					Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}}
			},
			"refresh path": func(c *http.Cookie) lab.Request { return lab.RenewNow(c) },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				var events refreshEvents
				s := lab.Serve(t, events.hook)
				alice, bob := s.SignIn("alice"), s.SignIn("bob")
				leave(s.Pool)
				s.MustBe("alice", alice) // until the tokens expire; as documented
				s.Pool.Advance(lab.JustExpired)
				mustEndOnce(s, r(alice), 1)
				var refused *cognito.ProviderError
				if err := events.last(t); !errors.Is(err, cognito.ErrSessionEnded) || !errors.As(err, &refused) || refused.Code != "invalid_grant" {
					t.Errorf("the renewal is reported as %v, want invalid_grant", err)
				}
				s.MustBe("bob", bob)
			})
		}
	}
}

// TestUserGoneOpensAPage is TestUserGoneAtCognito for a person: they are led to
// the login, once, and are back on the page after it.
func TestUserGoneOpensAPage(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()
	v.LogIn()
	s.Pool.EndSessions("alice")
	s.Pool.Advance(lab.JustExpired)
	page := v.Get(s.URL + "/me")
	if !strings.Contains(page.Body, `type="password"`) {
		t.Fatalf("a guarded page led to %s, want the pool's login page", page.URL)
	}
	if v.SessionCookie() != nil {
		t.Error("the browser keeps the cookie of the dead session")
	}
	if page = v.Login(s.URL+"/me", "alice", lab.PasswordOf("alice")); page.URL.String() != s.URL+"/me" {
		t.Errorf("the login ended on %s", page.URL)
	}
	v.MustBeSignedIn()
	s.MustRenew(1)
}

// TestUserGoneInTheBackground: the verdict of a renewal ahead of time counts at
// once, and the request that began it is not delayed.
func TestUserGoneInTheBackground(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	alice := s.SignIn("alice")
	s.Pool.EndSessions("alice")
	s.Pool.Advance(nearlyExpired)
	held := park(t, s.Pool)
	s.MustBe("alice", alice)
	held.Open()
	lab.Eventually(t, "the session ends", func() bool { return s.Me(alice).StatusCode == http.StatusUnauthorized })
	s.MustRenew(1)
}

// TestInvalidGrantIsJudgedInTime: over a shared storage invalid_grant is not
// believed before every other instance's answer must have arrived. A request
// that waits is then told the verdict, and not to come again.
func TestInvalidGrantIsJudgedInTime(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	a, b := lab.Pair(t, pool, lab.NewStore())
	alice := a.SignIn("alice")
	pool.EndSessions("alice")
	pool.Advance(lab.JustExpired)
	mustEndOnce(a, lab.AsScript("/me", alice), 1)
	b.MustBe("", alice)
	a.MustRenew(1)
}

// TestGroupTakenAway is row D6: who was put out of a group is refused from the
// next renewal on, and not before the tokens that say otherwise have expired.
func TestGroupTakenAway(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		lab.Pages(app)
		app.Get("/admin", cognito.RequireGroup("admin"), func(c *fiber.Ctx) error { return c.SendString("secret") })
	})
	alice := s.SignIn("alice")
	regroup(s.Pool, "staff")
	if res := s.Send(lab.AsScript("/admin", alice)); res.StatusCode != http.StatusOK {
		t.Errorf("before the renewal the page is answered %s", lab.StatusLine(res))
	}
	s.Pool.Advance(lab.JustExpired)
	if res := s.Send(lab.AsScript("/admin", alice)); res.StatusCode != http.StatusForbidden {
		t.Errorf("after the renewal the page is answered %s, want 403", lab.StatusLine(res))
	}
	payload := lab.Decode(t, s.Send(lab.AsScript("/payload", alice)).Text)
	if got := fmt.Sprint(payload["cognito:groups"]); got != "[staff]" {
		t.Errorf("the payload's groups are %s, want [staff]", got)
	}
	regroup(s.Pool, "staff", "admin")
	s.Pool.Advance(lab.JustExpired)
	if res := s.Send(lab.AsScript("/admin", alice)); res.StatusCode != http.StatusOK {
		t.Errorf("back in the group, the page is answered %s", lab.StatusLine(res))
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
		{"no signature", access, func(_ *cognitotest.Pool, u *cognitotest.UnsignedToken) { lab.Unsigned("none")(u) }, cognito.ErrTokenAlgorithm},
		{"no token", access, func(_ *cognitotest.Pool, u *cognitotest.UnsignedToken) {
			u.Sign = func(map[string]any, map[string]any) (string, error) { return "not.a.token", nil }
		}, cognito.ErrTokenMalformed},
	}
	for _, row := range rows {
		t.Run(row.use+" token: "+row.name, func(t *testing.T) {
			pool := lab.NewPool(t, lab.Rotating(0))
			issued := lab.RecordIssued(pool)
			var events refreshEvents
			s := lab.ServeWith(t, pool, events.hook)
			alice := s.SignIn("alice")
			pool.Tamper(func(u *cognitotest.UnsignedToken) {
				if u.Grant == "refresh_token" && u.Use == row.use {
					row.tamper(pool, u)
				}
			})
			pool.Advance(lab.JustExpired)
			mustEndOnce(s, lab.AsScript("/me", alice), 1)
			if err := events.last(t); !errors.Is(err, row.want) {
				t.Errorf("the renewal failed with %v, want %v", err, row.want)
			}
			newest := issued.Newest()
			lab.Eventually(t, "the new refresh token is revoked", func() bool { return slices.Contains(lab.Revoked(pool), newest) })

			pool.Tamper(nil)
			again := s.SignIn("alice")
			pool.Advance(lab.JustExpired)
			s.MustBe("alice", again)
		})
	}
}

func claim(name string, value any) func(*cognitotest.Pool, *cognitotest.UnsignedToken) {
	return func(_ *cognitotest.Pool, u *cognitotest.UnsignedToken) { lab.WithClaim(name, value)(u) }
}

// signedByTheOther signs with the pool's other key under the right one's name.
func signedByTheOther(pool *cognitotest.Pool, u *cognitotest.UnsignedToken) {
	u.Key = pool.SigningKey(map[string]string{"id": "access", "access": "id"}[u.Use])
}

// TestWhatARenewalMayLeaveOut is row F7's honest half: OpenID Connect Core
// section 12.2 lets a renewal go without an ID token, and its ID token without
// a nonce.
func TestWhatARenewalMayLeaveOut(t *testing.T) {
	t.Parallel()
	for name, leaveOut := range map[string]struct {
		tamper  func(*cognitotest.UnsignedToken)
		rewrite func(map[string]any)
		groups  string
	}{
		"nothing":        {groups: "new"},
		"nonce":          {tamper: lab.WithoutClaim("nonce"), groups: "new"},
		"at_hash":        {tamper: lab.WithoutClaim("at_hash"), groups: "new"},
		"azp is there":   {tamper: lab.WithClaim("azp", lab.NewPoolClientID), groups: "new"},
		"ID token":       {rewrite: func(answer map[string]any) { delete(answer, "id_token") }, groups: "admin"},
		"empty ID token": {rewrite: func(answer map[string]any) { answer["id_token"] = "" }, groups: "admin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := lab.Serve(t)
			alice := s.SignIn("alice")
			regroup(s.Pool, "new")
			s.Pool.Tamper(func(u *cognitotest.UnsignedToken) {
				if leaveOut.tamper != nil && u.Use == "id" {
					leaveOut.tamper(u)
				}
			})
			s.Pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: leaveOut.rewrite})
			for range 2 {
				s.Pool.Advance(lab.JustExpired)
				if groups := groupsOf(s.Me(alice)); groups != leaveOut.groups {
					t.Errorf("after the renewal /me shows %s, want %s", groups, leaveOut.groups)
				}
			}
			s.MustRenew(2)
		})
	}
}

// TestNonceOfTheLoginAtRenewal: an ID token that does carry the nonce of the
// login is as good as one that does not.
func TestNonceOfTheLoginAtRenewal(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	pending := s.Answered("alice")
	alice := s.Finish(pending).Cookie(lab.IsSessionCookie)
	s.Pool.Tamper(func(u *cognitotest.UnsignedToken) {
		if u.Use == "id" {
			u.Claims["nonce"] = pending.Query.Get("nonce")
		}
	})
	s.Pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
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
			pool := lab.NewPool(t, lab.Rotating(0))
			clock := lab.StopClock(pool)
			s := lab.ServeWith(t, pool, clock.Hook)
			alice := s.SignIn("alice")
			pool.Tamper(func(u *cognitotest.UnsignedToken) {
				if u.Grant == "refresh_token" {
					tamper(pool, u)
				}
			})
			clock.Advance(lab.JustExpired)
			const seconds = 10
			for range 10 * seconds {
				res := s.Me(alice)
				unavailable := res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
				if (res.StatusCode != http.StatusOK && !unavailable) || len(res.Cookies()) > 0 {
					t.Fatalf("/me answered %s with cookies %v, want it answered, or 503", lab.StatusLine(res), res.Cookies())
				}
				clock.Advance(100 * time.Millisecond)
			}
			// A bound for each second that has begun, and proof that there were any.
			if calls := len(lab.RenewalsAt(pool)); calls > seconds+1 || calls < 2 {
				t.Errorf("%d renewals in %d seconds, want at most one a second", calls, seconds)
			}
			pool.Tamper(nil)
			clock.Advance(time.Minute)
			// A renewal of before may still be under way, with such a token: the
			// rest after it is over only when this clock says so.
			lab.Eventually(t, "alice is served", func() bool {
				clock.Advance(time.Second)
				return s.Me(alice).StatusCode == http.StatusOK
			})
			s.MustBe("alice", alice)
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
		s := lab.Serve(t, lab.On(lab.NewStore()), limits)
		idle, used := s.SignIn("alice"), s.SignIn("bob")
		s.Pool.Advance(9 * time.Hour)
		s.MustBe("bob", used)
		renewals := len(lab.RenewalsAt(s.Pool))
		s.Pool.Advance(time.Hour + time.Second)
		s.MustBe("", idle)
		s.MustRenew(renewals) // and Cognito was not asked about it
		s.MustBe("bob", used)
	})
	t.Run("absolute", func(t *testing.T) {
		s := lab.Serve(t, lab.On(lab.NewStore()), limits)
		alice := s.SignIn("alice")
		for range 47 {
			s.Pool.Advance(time.Hour)
			s.MustBe("alice", alice)
		}
		s.Pool.Advance(time.Hour)
		s.MustBe("", alice)
		if res := s.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("the refresh path answered %s, want 401", lab.StatusLine(res))
		}
		if renewals := len(lab.RenewalsAt(s.Pool)); renewals < 40 {
			t.Errorf("%d renewals in two days; the test proves nothing", renewals)
		}
		s.MustBe("alice", s.SignIn("alice"))
	})
}

// TestNothingToRenewWith is row D5: without a refresh token a session ends when
// its tokens expire, and not before, whatever is asked of it.
func TestNothingToRenewWith(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: func(answer map[string]any) { delete(answer, "refresh_token") }})
	alice := s.SignIn("alice")
	s.Pool.Advance(59 * time.Minute)
	s.MustBe("alice", alice)
	if res := s.Send(lab.RenewNow(alice)); res.StatusCode >= 500 {
		t.Errorf("the refresh path answered %s", lab.StatusLine(res))
	}
	s.MustBe("alice", alice)
	s.Pool.Advance(time.Minute + time.Second)
	s.MustBe("", alice)
	s.MustRenew(0)
	s.MustBe("alice", s.SignIn("alice"))
}

// TestAccessTokenNeverExpired: AccessToken renews, or fails, rather than hand
// out a token that is of no use, also when it expires while the handler runs.
func TestAccessTokenNeverExpired(t *testing.T) {
	t.Parallel()
	var pool *cognitotest.Pool
	s := lab.ServeApp(t, func(app *fiber.App, _ *cognito.Auth) {
		app.Get("/slow", func(c *fiber.Ctx) error {
			pool.Advance(lab.JustExpired)
			regroup(pool, "new")
			token, err := cognito.AccessToken(c)
			if err != nil {
				return c.Status(fiber.StatusTeapot).SendString(err.Error())
			}
			return c.JSON([]any{token, cognito.UserFrom(c).Groups(), cognito.PayloadFrom(c).Groups()})
		})
		lab.Pages(app)
	})
	pool = s.Pool
	alice := s.SignIn("alice")
	var got []any
	if res := s.Send(lab.AsScript("/slow", alice)); json.Unmarshal([]byte(res.Text), &got) != nil {
		t.Fatalf("/slow answered %s", lab.StatusLine(res))
	}
	mustBeFresh(s, got[0].(string))
	if fmt.Sprint(got[1:]) != "[[new] [new]]" {
		t.Errorf("with the new token came the groups %v, want the new ones", got[1:])
	}
	s.Pool.Advance(lab.JustExpired)
	mustBeFresh(s, s.Send(lab.AsScript("/token", alice)).Text)
	s.MustRenew(2)

	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Status: http.StatusServiceUnavailable})
	res := s.Send(lab.AsScript("/slow", alice))
	if res.StatusCode != http.StatusTeapot || !strings.Contains(res.Text, "cognito: unavailable") {
		t.Errorf("while Cognito is down, AccessToken gives %s; want ErrUnavailable", lab.StatusLine(res))
	}
}

// mustBeFresh checks that an access token has not expired, without leeway.
func mustBeFresh(s *lab.Site, token string) {
	s.Helper()
	payload, err := s.Auth.VerifyAccessToken(s.Context(), token)
	if err != nil {
		s.Errorf("the access token does not verify: %v", err)
		return
	}
	if !s.Pool.Now().Before(payload.ExpiresAt()) {
		s.Errorf("the access token expired %s ago", s.Pool.Now().Sub(payload.ExpiresAt()))
	}
}

// TestTouchCrossesRenewal: a request that prolongs the session is overtaken by
// a renewal on another instance. It must not put the old refresh token back.
func TestTouchCrossesRenewal(t *testing.T) {
	t.Parallel()
	long := lab.Rotating(0)
	long.AccessTokenTTL, long.IDTokenTTL = 4*time.Hour, 4*time.Hour
	pool := lab.NewPool(t, long)
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	alice := a.NewSession(storage, "alice")
	pool.Advance(150 * time.Minute) // to be prolonged, and not renewed yet

	writing, held := make(chan struct{}), lab.NewGate(t)
	var touched atomic.Bool
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Hot && touched.CompareAndSwap(false, true) {
			close(writing)
			<-held.Closed
		}
		return nil
	})
	touching := a.Later(1, lab.AsScript("/me", alice.Cookie))
	<-writing
	if res := b.Send(lab.RenewNow(alice.Cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answered %s", lab.StatusLine(res))
	}
	held.Open()
	mustAllBe(a, "alice", touching())
	for range 2 {
		pool.Advance(245 * time.Minute)
		a.MustBe("alice", alice.Cookie)
		b.MustBe("alice", alice.Cookie)
	}
}

// TestProlongedNowAndThen: using a session writes it at most once in a tenth of
// its idle time, however many requests come at once, and never its tokens.
func TestProlongedNowAndThen(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, cognitotest.Client{AccessTokenTTL: 24 * time.Hour, IDTokenTTL: 24 * time.Hour})
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) { c.IdleTimeout = 10 * time.Hour })
	alice := s.NewSession(storage, "alice")
	writes := func(key string) (n int) {
		for _, c := range storage.Asked("set") {
			if c.Key == key {
				n++
			}
		}
		return n
	}
	hot, cold := writes(alice.Hot), writes(alice.Cold)
	for round, want := range []int{0, 1, 1, 2} {
		pool.Advance(31 * time.Minute)
		mustAllBe(s, "alice", s.Later(20, lab.AsScript("/me", alice.Cookie))())
		if n := writes(alice.Hot) - hot; n != want {
			t.Errorf("after %d half hours of use the session was written %d times, want %d", round+1, n, want)
		}
	}
	if n := writes(alice.Cold) - cold; n != 0 {
		t.Errorf("its tokens were written %d times", n)
	}
}

// TestRenewalCrossesTouch is the same the other way round: a renewal that began
// before the session was prolonged must not put the old deadline back, or a
// visitor who has just returned is idle again in no time.
func TestRenewalCrossesTouch(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.NewSession(storage, "alice")
	pool.Advance(23 * time.Hour) // of 24

	reading, held := make(chan struct{}), lab.NewGate(t)
	var reads atomic.Int32
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		// The second read is that of the first request's touch.
		if c.Method == "get" && c.Key == alice.Hot && reads.Add(1) == 2 {
			close(reading)
			<-held.Closed
		}
		return nil
	})
	renewal := park(t, pool)
	first := s.Later(1, lab.AsScript("/me", alice.Cookie))
	<-reading
	second := s.Later(1, lab.AsScript("/me", alice.Cookie))
	lab.Eventually(t, "the second request renews", func() bool { return len(lab.RenewalsAt(pool)) == 1 })
	held.Open()
	lab.Eventually(t, "the first one has prolonged", func() bool {
		return slices.ContainsFunc(storage.Asked("set"), func(c lab.StoreCall) bool { return c.Key == alice.Hot && c.Life > 20*time.Hour })
	})
	renewal.Open()
	mustAllBe(s, "alice", slices.Concat(first(), second()))
	pool.Advance(20 * time.Hour)
	s.MustBe("alice", alice.Cookie)
}

// TestRefreshPath: the table of design §3.
func TestRefreshPath(t *testing.T) {
	t.Parallel()
	var arrived atomic.Int32
	s := lab.Serve(t, func(c *cognito.Config) {
		c.AllowedOrigins = []string{"https://admin.example.com"}
		c.Next = func(*fiber.Ctx) bool { arrived.Add(1); return false }
	})
	alice := s.SignIn("alice")
	before := s.Pool.Now()
	s.Pool.Advance(10 * time.Minute)

	res := s.Send(lab.RenewNow(alice))
	at, err := time.Parse(time.RFC3339, fmt.Sprint(lab.Decode(t, res.Text)["expires_at"]))
	if res.StatusCode != http.StatusOK || err != nil {
		t.Fatalf("a renewal answered %s: %v", lab.StatusLine(res), err)
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
	s.MustRenew(1)

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
		{"the own origin", http.MethodPost, from("", s.URL), alice, 200, "", 1},
		{"no browser", http.MethodPost, nil, alice, 200, "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
			before := len(lab.RenewalsAt(s.Pool))
			r := lab.Request{Method: row.method, Path: "/token/refresh", Header: row.header}
			if row.cookie != nil {
				r.Cookies = []*http.Cookie{row.cookie}
			}
			res := s.Send(r)
			if res.StatusCode != row.status {
				t.Errorf("answered %s, want %d", lab.StatusLine(res), row.status)
			}
			if row.code != "" && res.Problem(t)["code"] != row.code {
				t.Errorf("the reason is %s, want %s", res.Text, row.code)
			}
			if row.status == http.StatusMethodNotAllowed && res.Header.Get("Allow") != "POST" {
				t.Errorf("Allow is %q, want POST", res.Header.Get("Allow"))
			}
			if renewed := len(lab.RenewalsAt(s.Pool)) - before; renewed != row.renews {
				t.Errorf("%d renewals, want %d", renewed, row.renews)
			}
			if len(res.Cookies()) > 0 || res.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("the answer sets %v and allows %q", res.Cookies(), res.Header.Get("Access-Control-Allow-Origin"))
			}
		})
	}

	t.Run("expired", func(t *testing.T) {
		before := len(lab.RenewalsAt(s.Pool))
		s.Pool.Advance(lab.JustExpired)
		if res := s.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
			t.Errorf("answered %s", lab.StatusLine(res))
		}
		if calls := len(lab.RenewalsAt(s.Pool)) - before; calls != 1 {
			t.Errorf("one request for new tokens made %d calls, want 1", calls)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
		before := len(lab.RenewalsAt(s.Pool))
		held := park(t, s.Pool)
		first := s.Later(1, lab.RenewNow(alice))
		lab.Eventually(t, "the first one asks", func() bool { return len(lab.RenewalsAt(s.Pool)) == before+1 })
		arrived.Store(0)
		others := s.Later(20, lab.RenewNow(alice))
		lab.Eventually(t, "all others are there", func() bool { return arrived.Load() == 20 })
		s.MustBe("alice", alice)
		s.MustRenew(before + 1)
		held.Open()
		for _, got := range slices.Concat(first(), others()) {
			if got.Err != nil || got.StatusCode != http.StatusOK {
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
	pool := lab.NewPool(t)
	clock, storage := lab.StopClock(pool), lab.NewStore()
	s := lab.ServeWith(t, pool, clock.Hook, lab.On(storage), func(c *cognito.Config) { c.IdleTimeout = time.Hour })
	alice := s.NewSession(storage, "alice")
	clock.Advance(7 * time.Minute) // use is noted, and the tokens are not due
	regroup(pool, "new")
	held, delayed := lab.NewGate(t), make(chan struct{})
	var touched atomic.Bool
	storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
		if c.Method == "set" && c.Key == alice.Hot && touched.CompareAndSwap(false, true) {
			close(delayed)
			<-held.Closed
		}
		return nil
	})
	touching := s.Later(1, lab.AsScript("/me", alice.Cookie))
	<-delayed
	if res := s.Send(lab.RenewNow(alice.Cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answers %s", lab.StatusLine(res))
	}
	if groups := groupsOf(s.Me(alice.Cookie)); groups != "new" {
		t.Fatalf("after the renewal /me shows %s", groups)
	}
	held.Open()
	mustAllBe(s, "alice", touching())
	if groups := groupsOf(s.Me(alice.Cookie)); groups == "new" {
		t.Error("the delayed write put nothing back; the test proves nothing")
	}
	lab.Eventually(t, "the new claims are back", func() bool { return groupsOf(s.Me(alice.Cookie)) == "new" })
	s.MustRenew(1)
}

// TestUserInfoDoesNotBringClaimsBack is row D6 with UserInfo: what the ID token
// said at login and says no more is gone, whatever userInfo said then.
func TestUserInfoDoesNotBringClaimsBack(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	s := lab.ServeWith(t, pool, func(c *cognito.Config) { c.UserInfo = true })
	carol := cognitotest.User{Username: "carol", Password: lab.PasswordOf("carol"), Email: "carol@example.com", Attributes: map[string]string{"custom:role": "owner"}}
	pool.SetUser(carol)
	pool.Break(cognitotest.UserInfo, cognitotest.Fault{Rewrite: func(claims map[string]any) { claims["custom:team"] = "blue" }})
	cookie := s.SignIn("carol")
	if me := s.Me(cookie).Text; !strings.Contains(me, `"custom:role":"owner"`) || !strings.Contains(me, `"custom:team":"blue"`) {
		t.Fatalf("/me shows %s, want claims of the ID token and of userInfo", me)
	}
	carol.Attributes = nil
	pool.SetUser(carol)
	pool.Advance(31 * time.Second) // younger tokens are not renewed
	if res := s.Send(lab.RenewNow(cookie)); res.StatusCode != http.StatusOK {
		t.Fatalf("the refresh path answers %s", lab.StatusLine(res))
	}
	if me := s.Me(cookie).Text; strings.Contains(me, "owner") || !strings.Contains(me, `"custom:team":"blue"`) {
		t.Errorf("after the renewal /me shows %s, want no role and still the team", me)
	}
}

// TestLookInVain: a renewal looks again whether its tokens still stand, and the
// storage cannot say. They were stored, so nobody is alarmed; it looks until it
// can, and the session lasts.
func TestLookInVain(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]cognitotest.Client{"rotating": lab.Rotating(0), "not rotating": {}} {
		pool := lab.NewPool(t, client)
		storage := lab.NewStore()
		s := lab.ServeWith(t, pool, lab.On(storage))
		alice := s.NewSession(storage, "alice")
		pool.Advance(lab.JustExpired)
		s.MustBe("alice", alice.Cookie)
		before := len(storage.Asked("get"))
		storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: lab.ErrDown} })
		lab.Eventually(t, "it is looked again", func() bool { return len(storage.Asked("get")) > before })
		storage.Misbehave(nil)
		s.MustBe("alice", alice.Cookie)
		if err := s.Auth.Close(); err != nil || strings.Contains(s.Logged.String(), "may not have been stored") {
			t.Errorf("%s: Close says %v, and the log %s", name, err, s.Logged.String())
		}
		mustLast(alice.Cookie, lab.ServeWith(t, pool, lab.On(storage)))
	}
}

// TestRefusedSessionsLeaveTheirTurns is P10: more sessions than may call Cognito
// at once are refused, and each waits for what another instance might bring. They
// wait without a turn, so others are renewed meanwhile.
func TestRefusedSessionsLeaveTheirTurns(t *testing.T) {
	t.Parallel()
	const gone = 80
	pool := lab.NewPool(t, lab.Rotating(0))
	s := lab.ServeWith(t, pool, lab.On(lab.NewStore()))
	cookies := make([]*http.Cookie, gone)
	for i := range cookies {
		cookies[i] = sessionCookieIn(pool.SignIn(s.App, "alice"))
	}
	bob := s.SignIn("bob")
	pool.EndSessions("alice")
	pool.Advance(lab.JustExpired)
	answered := make(chan lab.Reply, gone)
	for _, cookie := range cookies {
		waiting := s.Later(1, lab.AsScript("/me", cookie))
		go func() { answered <- waiting()[0] }()
	}
	lab.Eventually(t, "all have been refused, or wait for their turn", func() bool { return len(lab.RenewalsAt(pool)) >= 64 })
	s.MustBe("bob", bob)
	if len(answered) > 0 {
		t.Error("bob had to wait for those whom Cognito refuses")
	}
	late := 0 // on a slow machine some wait for their turn in vain, and are told so
	for range gone {
		switch got := <-answered; {
		case got.Err == nil && got.StatusCode == http.StatusServiceUnavailable:
			late++
		case got.Err != nil || got.StatusCode != http.StatusUnauthorized:
			t.Fatalf("a session that Cognito refuses is answered %s, want 401", got)
		}
	}
	for _, cookie := range cookies {
		lab.Eventually(t, "those are told as well", func() bool { return s.Send(lab.AsScript("/me", cookie)).StatusCode == http.StatusUnauthorized })
	}
	if late == 0 {
		s.MustRenew(gone + 1)
	}
}
