package infra_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// TestJourneyWithTheClient signs in, renews the tokens and signs out at a pool
// whose client is as a template says. So the URLs and scopes are those that the
// library sends. The CDK's template takes Node seconds, and is the same anyway
// (TestTemplatesAgree).
func TestJourneyWithTheClient(t *testing.T) {
	for _, template := range templates[:2] {
		for _, in := range kinds {
			t.Run(template.name+"/"+in.clientType, func(t *testing.T) {
				listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
				in := inputs{in.domainPrefix, "http://" + listener.Addr().String(), in.clientType}
				s := template.read(t, in)
				pool := cognitotest.New(cognitotest.Options{UserPoolID: userPoolID, Clients: []cognitotest.Client{clientOf(s)}})
				t.Cleanup(pool.Close)
				config := configOf(s)
				config.UserPoolDomain, config.Issuer, config.Now = pool.URL(), pool.Issuer(), pool.Now
				serve(t, listener, config)

				browser := pool.NewBrowser()
				wants(t, browser.Login(in.baseURL+"/me", "alice", "wonderland"), in.baseURL+"/me", http.StatusOK)
				pool.Advance(50 * time.Hour) // two days without a visit
				wants(t, browser.Get(in.baseURL+"/me"), in.baseURL+"/me", http.StatusOK)
				wants(t, browser.Post(in.baseURL+"/token/refresh", nil), in.baseURL+"/token/refresh", http.StatusOK)
				wants(t, browser.Post(in.baseURL+"/logout", nil), in.baseURL+"/", http.StatusNotFound) // it has no such page
			})
		}
	}
}

func wants(t *testing.T, page *cognitotest.Page, address string, status int) {
	t.Helper()
	if page.Err != nil || page.URL.String() != address || page.Status != status {
		t.Fatalf("the visitor is at %v with %d (%v), not at %s with %d\n%s", page.URL, page.Status, page.Err, address, status, page.Body)
	}
}

// clientOf is the client that the template describes.
func clientOf(s setup) cognitotest.Client {
	client := cognitotest.Client{
		ID:                  s.variables["COGNITO_CLIENT_ID"],
		CallbackURLs:        s.list("Client.CallbackURLs"),
		LogoutURLs:          s.list("Client.LogoutURLs"),
		Scopes:              s.list("Client.AllowedOAuthScopes"),
		AccessTokenTTL:      s.lifetime("AccessToken"),
		IDTokenTTL:          s.lifetime("IdToken"),
		RefreshTokenTTL:     s.lifetime("RefreshToken"),
		RotateRefreshTokens: s.properties["Client.RefreshTokenRotation.Feature"] == "ENABLED",
		RotationGrace:       time.Minute,
	}
	if s.properties["Client.GenerateSecret"] == true {
		client.Secret = secret
	}
	return client
}

func serve(t *testing.T, listener net.Listener, config cognito.Config) {
	t.Helper()
	config.IdleTimeout = 72 * time.Hour
	auth := must(cognito.NewAuth(config))(t)
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	app.Use(auth.Handler())
	app.Get("/me", cognito.RequireUser(), func(c *fiber.Ctx) error { return c.SendString(cognito.UserFrom(c).Email()) })
	go func() { _ = app.Listener(listener) }()
	t.Cleanup(func() { _ = app.Shutdown() })
}
