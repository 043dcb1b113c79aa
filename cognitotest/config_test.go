package cognitotest_test

import (
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
)

// TestConfig checks that an application's configuration names this pool and the
// right client.
func TestConfig(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{Clients: []cognitotest.Client{
		{ID: "first"}, {ID: "second", Secret: "s"},
	}})
	defer pool.Close()
	first, second := pool.Config(), pool.Config("second")
	if first.ClientID != "first" || string(second.ClientSecret) != "s" || second.ClientID != "second" {
		t.Errorf("got clients %s and %s", first.ClientID, second.ClientID)
	}
	if first.UserPoolDomain != pool.URL() || first.Issuer != pool.Issuer() ||
		first.UserPoolID != pool.UserPoolID() {
		t.Errorf("got %s, %s, %s", first.UserPoolDomain, first.Issuer, first.UserPoolID)
	}
	wantPanic(t, "no client", func() { pool.Config("stranger") })
	pool.Advance(time.Hour)
	if time.Until(first.Now()) < 59*time.Minute {
		t.Error("the application does not follow the pool's clock")
	}
}
