package faults_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// TestForeignTokensAtRenewal: what a renewal brings is verified like the first tokens.
// Tokens of another user, pool, client or key end the session and the refresh token
// that came with them; nothing of them is ever shown.
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

// TestWhatARenewalMayLeaveOut: OpenID Connect Core section 12.2 lets a renewal go
// without an ID token, and its ID token without a nonce.
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

// TestTokensExpiredOnArrival: tokens that are hardly valid, or not at all, when they
// arrive. They are not asked for on every request, and the session outlasts them.
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
			s := lab.ServeWith(t, pool, clock.Hook, lab.InMemory)
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
