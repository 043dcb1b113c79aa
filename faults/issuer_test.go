package faults_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// A pool has several names: two forms of its issuer in every Region that it is
// replicated to. Which one its tokens bear is the pool's owner's choice, or the
// choice of whoever fails over at night. No visitor is to notice.

// atAmazon configures an app as in production, without Issuer.
func atAmazon(t *testing.T, pool *cognitotest.Pool) func(*cognito.Config) {
	client := &http.Client{Transport: pool.Transport()}
	t.Cleanup(client.CloseIdleConnections)
	return func(c *cognito.Config) { c.Issuer, c.HTTPClient = "", client }
}

// original and updated are the two forms in a Region of the partition "aws".
func original(pool *cognitotest.Pool, region string) string {
	return "https://cognito-idp." + region + ".amazonaws.com/" + pool.UserPoolID()
}

func updated(pool *cognitotest.Pool, region string) string {
	return "https://issuer-cognito-idp." + region + ".amazonaws.com/" + pool.UserPoolID()
}

// mustRevokeNothing wants no refresh token to have been ended at the pool.
func mustRevokeNothing(t *testing.T, pool *cognitotest.Pool) {
	t.Helper()
	if revoked := lab.Revoked(pool); len(revoked) > 0 {
		t.Errorf("%d refresh tokens were revoked", len(revoked))
	}
}

// TestIssuerSwitched: the owner of the pool switches to the form that AWS recommends,
// and back. All stay signed in, and logins go on.
func TestIssuerSwitched(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	pool.SetIssuer(original(pool, "us-east-1"))
	s := lab.ServeWith(t, pool, atAmazon(t, pool), lab.TakesBearer)
	alice := s.SignIn("alice")
	for _, issuer := range []string{updated(pool, "us-east-1"), original(pool, "us-east-1"), updated(pool, "us-east-1")} {
		pool.SetIssuer(issuer)
		pool.Advance(lab.JustExpired)
		s.MustBe("alice", alice)
		s.MustBe("bob", s.SignIn("bob"))
		s.MustAnswer(s.Bring("/me", pool.AccessToken("", "alice", nil)), http.StatusOK)
	}
	mustRevokeNothing(t, pool)
}

// TestFailover: a Region goes down, the pool's tokens come from another, and its keys
// have to as well. Afterwards all returns.
func TestFailover(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(0))
	pool.SetIssuer(original(pool, "us-east-1"))
	storage := lab.SharedMemory(t)
	replicated := func(c *cognito.Config) { c.Regions = []string{"eu-west-1", "eu-central-1"} }
	before := lab.ServeWith(t, pool, atAmazon(t, pool), replicated, lab.On(storage))
	alice := before.SignIn("alice")

	pool.SetRegionDown("us-east-1", true)
	pool.SetRegionDown("eu-west-1", true)
	for _, issuer := range []string{original(pool, "eu-central-1"), updated(pool, "us-east-1"), updated(pool, "eu-central-1")} {
		pool.SetIssuer(issuer)
		pool.Advance(lab.JustExpired)
		before.MustBe("alice", alice)
	}
	// An instance that starts now has no keys yet.
	during := lab.ServeWith(t, pool, atAmazon(t, pool), replicated, lab.On(storage))
	during.MustBe("bob", during.SignIn("bob"))

	pool.SetRegionDown("us-east-1", false)
	pool.SetIssuer(original(pool, "us-east-1"))
	pool.Advance(lab.JustExpired)
	for _, s := range []*lab.Site{before, during} {
		s.MustBe("alice", alice)
		s.MustBe("bob", s.SignIn("bob"))
	}
	mustRevokeNothing(t, pool)
}

// TestIssuerNotExpected: the pool's tokens bear a name that it can have and the app was
// not told of. That is no forgery: sessions are kept, the operator is told once what to
// set, and both what they set and the way back bring everybody back.
func TestIssuerNotExpected(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name      string
		old, next func(*cognitotest.Pool) string
		before    func(*cognito.Config, *cognitotest.Pool)
		after     func(*cognito.Config, *cognitotest.Pool)
		line      string
	}{
		{"another Region", inRegion(original, "us-east-1"), inRegion(original, "eu-west-1"),
			func(*cognito.Config, *cognitotest.Pool) {},
			func(c *cognito.Config, _ *cognitotest.Pool) { c.Regions = []string{"eu-west-1"} },
			`Regions: []string{\"eu-west-1\"}`},
		{"another Region, the other form", inRegion(updated, "us-east-1"), inRegion(updated, "ap-southeast-4"),
			func(c *cognito.Config, _ *cognitotest.Pool) { c.Regions = []string{"eu-west-1"} },
			func(c *cognito.Config, _ *cognitotest.Pool) { c.Regions = []string{"eu-west-1", "ap-southeast-4"} },
			`Regions: []string{\"ap-southeast-4\"}`},
		{"another form than Issuer", inRegion(original, "us-east-1"), inRegion(updated, "us-east-1"),
			func(c *cognito.Config, p *cognitotest.Pool) { c.Issuer = original(p, "us-east-1") },
			func(c *cognito.Config, p *cognitotest.Pool) { c.Issuer = updated(p, "us-east-1") },
			`Issuer: \"https://issuer-cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1\"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(0))
			pool.SetIssuer(row.old(pool))
			storage := lab.SharedMemory(t)
			serve := func(set func(*cognito.Config, *cognitotest.Pool)) *lab.Site {
				return lab.ServeWith(t, pool, atAmazon(t, pool), func(c *cognito.Config) { set(c, pool) }, lab.On(storage))
			}
			s := serve(row.before)
			alice, bob := s.SignIn("alice"), s.SignIn("bob")
			pool.SetIssuer(row.next(pool))
			pool.Advance(lab.JustExpired)
			for _, cookie := range []*http.Cookie{alice, bob} {
				s.MustBeUnavailable(lab.AsScript("/me", cookie))
			}
			mustRevokeNothing(t, pool)
			field, _, _ := strings.Cut(row.line, ":")
			if told := s.Logged.String(); strings.Count(told, "level=ERROR") != 1 || !strings.Contains(told, row.line) || !strings.Contains(told, " field="+field+" ") || !strings.Contains(told, " remedy=") {
				t.Errorf("want one ERROR with the field and %s as the remedy, got:\n%s", row.line, told)
			}
			set := serve(row.after)
			set.MustBe("alice", alice)
			pool.SetIssuer(row.old(pool))
			pool.Advance(lab.JustExpired)
			s.MustBe("bob", bob)
			mustRevokeNothing(t, pool)
		})
	}
}

func inRegion(form func(*cognitotest.Pool, string) string, region string) func(*cognitotest.Pool) string {
	return func(pool *cognitotest.Pool) string { return form(pool, region) }
}

// TestLoginUnderAnIssuerNotExpected: whoever logs in then is told that the site is at
// fault, and not that their sign-in was not genuine.
func TestLoginUnderAnIssuerNotExpected(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	s := lab.ServeWith(t, pool, atAmazon(t, pool), lab.TakesBearer)
	pool.SetIssuer(original(pool, "eu-west-1"))
	if res := s.Finish(s.Answered("alice")); res.StatusCode != http.StatusInternalServerError || res.Cookie(lab.IsSessionCookie) != nil {
		t.Errorf("the login answered %s, want 500 and no session", lab.StatusLine(res))
	}
	s.MustAnswer(s.Bring("/me", pool.AccessToken("", "alice", nil)), http.StatusServiceUnavailable)
	// What no pool of this id can have is refused as ever.
	for _, issuer := range []string{
		"https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_Another01", "https://cognito-idp.eu-west-1.amazonaws.com.evil.example/us-east-1_TestPool1",
		"https://cognito-idp.cn-north-1.amazonaws.com.cn/us-east-1_TestPool1", "https://cognito-idp.eu-west-1.amazonaws.eu/us-east-1_TestPool1",
		"http://cognito-idp.eu-west-1.amazonaws.com/us-east-1_TestPool1", "https://cognito-idp.us-gov-west-1.amazonaws.com/us-east-1_TestPool1",
		"https://cognito-idp-fips.us-east-1.amazonaws.com/us-east-1_TestPool1", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_TestPool1/",
	} {
		token := pool.AccessToken("", "alice", map[string]any{"iss": issuer})
		s.MustChallenge(s.Bring("/me", token), http.StatusUnauthorized, lab.InvalidToken)
		lab.MustJudge(t, s.Auth, token, cognito.ErrTokenIssuer)
	}
	pool.SetIssuer(original(pool, "us-east-1"))
	s.MustBe("alice", s.SignIn("alice"))
}

// TestPartitions: pools outside of the commercial Regions have issuers of other hosts.
func TestPartitions(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ id, host string }{
		{"eu-west-2_AbCdEfGhI", "eu-west-2.amazonaws.com"},
		{"ap-southeast-4_AbCdEfGhI", "ap-southeast-4.amazonaws.com"},
		{"us-gov-west-1_AbCdEfGhI", "us-gov-west-1.amazonaws.com"},
		{"cn-north-1_AbCdEfGhI", "cn-north-1.amazonaws.com.cn"},
		{"eusc-de-east-1_AbCdEfGhI", "eusc-de-east-1.amazonaws.eu"},
	} {
		t.Run(row.id, func(t *testing.T) {
			t.Parallel()
			pool := cognitotest.New(cognitotest.Options{UserPoolID: row.id})
			t.Cleanup(pool.Close)
			s := lab.ServeWith(t, pool, atAmazon(t, pool))
			for _, form := range []string{"https://cognito-idp.", "https://issuer-cognito-idp."} {
				pool.SetIssuer(form + row.host + "/" + row.id)
				s.MustBe("alice", s.SignIn("alice"))
			}
		})
	}
}
