package cognito_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// serveFederated is an app whose pool has a social provider and one of SAML.
func serveFederated(t *testing.T, hooks ...func(*cognito.Config)) *lab.Site {
	t.Helper()
	carol := []cognitotest.ProviderUser{{ID: "carol", Password: "lutwidge", Attributes: map[string]string{"email": "carol@example.com", "email_verified": "true"}}}
	pool := cognitotest.New(cognitotest.Options{Providers: []cognitotest.Provider{
		{Name: "Google", Type: "Google", Users: carol},
		{Name: "ADFS", Type: "SAML", Users: carol, SingleLogout: true, Unsolicited: true},
	}})
	t.Cleanup(pool.Close)
	return lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.Get("/elsewhere", auth.RequireUser(), func(c *fiber.Ctx) error {
			user := auth.UserFrom(c)
			var claims struct {
				Identities []struct{ UserID, ProviderName, ProviderType string }
			}
			if err := user.Decode(&claims); err != nil || len(claims.Identities) != 1 {
				return fiber.NewError(fiber.StatusTeapot, "no identities")
			}
			who := claims.Identities[0]
			return c.SendString(strings.Join([]string{user.Username(), user.Email(), who.UserID, who.ProviderName, who.ProviderType}, " "))
		})
		lab.Pages(app)
	}, hooks...)
}

// TestFederatedLogin: a visitor who has their password elsewhere gets in by the link that
// names the provider and by the pool's button, and the app learns where it was. So it
// does after a renewal, and from userInfo, which says it in another form.
func TestFederatedLogin(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(*cognito.Config){"ID token": func(*cognito.Config) {}, "userInfo": func(c *cognito.Config) { c.UserInfo = true }} {
		for provider, kind := range map[string]string{"Google": "Google", "ADFS": "SAML"} {
			t.Run(name+" "+provider, func(t *testing.T) {
				s := serveFederated(t, hook)
				want := provider + "_carol carol@example.com carol " + provider + " " + kind
				for _, link := range []string{"/login?return_to=/elsewhere&identity_provider=" + provider, "/elsewhere"} {
					v := s.Visitor()
					if page := v.LoginAt(provider, s.URL+link, "carol", "lutwidge"); page.URL.Path != "/elsewhere" || page.Body != want {
						t.Fatalf("%s ends at %s: %d %s", link, page.URL, page.Status, page.Body)
					}
					s.Pool.Advance(lab.JustExpired)
					if page := v.Get(s.URL + "/elsewhere"); page.Body != want {
						t.Errorf("after the renewal: %d %s", page.Status, page.Body)
					}
				}
			})
		}
	}
}

// TestProviderFails: whoever cancels at the provider, or whom it fails, reads a page that
// says nothing of the cause and leads on, and the log has the cause; also when the error
// comes without the login's state, which is tried once more first. Nobody is signed in.
func TestProviderFails(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		provider, description string // of the error, or "" to cancel
		status                int
		page, told            string
	}{
		"cancelled":           {"Google", "", http.StatusForbidden, "cancelled", "User cancelled"},
		"failed":              {"Google", "Google Error - 400 error getting token", http.StatusBadRequest, "Sign-in failed", "Google Error - 400 error getting token"},
		"cancelled, no state": {"ADFS", "", http.StatusBadRequest, "complete your sign-in", "Invalid SAML response received"},
		"failed, no state":    {"ADFS", "Invalid SAML response received: Audience", http.StatusBadRequest, "complete your sign-in", "Invalid SAML response received: Audience"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveFederated(t)
			v := s.Visitor()
			try := func() *cognitotest.Page {
				start := s.URL + "/login?identity_provider=" + row.provider
				if row.description == "" {
					return v.CancelAt(row.provider, start)
				}
				s.Pool.FailProvider(row.provider, "", row.description)
				return v.LoginAt(row.provider, start, "carol", "lutwidge")
			}
			page := try()
			if row.provider == "ADFS" {
				if page.URL.Path != "/login" || !strings.HasPrefix(page.URL.String(), s.Pool.URL()) {
					t.Fatalf("the first error without a state ends at %s, want the pool's page", page.URL)
				}
				page = try()
			}
			if page.Status != row.status || !strings.Contains(page.Body, row.page) || !strings.Contains(page.Body, `href="/login`) || strings.Contains(page.Body, row.told) {
				t.Errorf("the visitor reads %d %s", page.Status, page.Body)
			}
			if !strings.Contains(s.Logged.String(), row.told) {
				t.Errorf("the log does not tell %q: %s", row.told, s.Logged.String())
			}
			v.MustBeStranger()
			v.LoginAt(row.provider, s.URL+"/login?identity_provider="+row.provider, "carol", "lutwidge")
			v.MustBeSignedIn()
		})
	}
}

// TestSingleLogout: signing out leads through the pool to the SAML provider and back to
// the app, and leaves a session at none of the three.
func TestSingleLogout(t *testing.T) {
	t.Parallel()
	s := serveFederated(t)
	v := s.Visitor()
	v.LoginAt("ADFS", s.URL+"/login?identity_provider=ADFS", "carol", "lutwidge")
	v.MustBeSignedIn()
	copied := v.SessionCookie()
	page := v.Get(s.URL + "/logout")
	if form := regexp.MustCompile(`<form method="post" action="([^"]*)"`).FindStringSubmatch(page.Body); form != nil {
		page = v.Post(s.URL+form[1], nil)
	}
	if page.URL.String() != s.URL+"/" || page.Body != "hello stranger" || s.Pool.Calls(cognitotest.SAMLLogout) != 1 {
		t.Errorf("the sign-out ends at %s by way of %v", page.URL, page.Trail)
	}
	v.MustBeStranger()
	s.MustBe("", copied)
	if page := v.Get(s.URL + "/login"); page.URL.Path != "/login" {
		t.Errorf("the pool still knows the visitor: %s", page.URL)
	}
	if page := v.Get(s.URL + "/login?identity_provider=ADFS"); page.URL.Path != "/providers/ADFS" {
		t.Errorf("the provider still knows the visitor: %s", page.URL)
	}
}

// TestLoginThatTheProviderBegan: a code that no login of this browser asked for signs nobody in,
// even one from the pool's own provider: an attacker could have it begin as well. The page leads
// to a login, which the pool then answers at once. Whoever is signed in stays who they are.
func TestLoginThatTheProviderBegan(t *testing.T) {
	t.Parallel()
	s := serveFederated(t)
	start := s.Pool.URL() + "/providers/ADFS?redirect_uri=" + url.QueryEscape(s.URL+"/login/redirect")
	v := s.Visitor()
	page := v.LoginAt("ADFS", start, "carol", "lutwidge")
	if page.URL.Path != "/login/redirect" || page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "Please sign in again") || s.Pool.Calls(cognitotest.Token) != 0 {
		t.Errorf("the provider's login ends at %s: %d %s", page.URL, page.Status, page.Body)
	}
	v.MustBeStranger()
	if told := s.Logged.String(); !strings.Contains(told, "state_mismatch") || !strings.Contains(told, "IdP-initiated), link from there to /login?identity_provider=") {
		t.Errorf("the log does not tell why: %s", s.Logged.String())
	}
	way := regexp.MustCompile(`href="(/login[^"]*)"`).FindStringSubmatch(page.Body)
	if way == nil {
		t.Fatalf("the page has no way to sign in: %s", page.Body)
	}
	if page := v.Get(s.URL + way[1]); page.Body != "hello carol@example.com" {
		t.Errorf("the page's way ends at %s: %s", page.URL, page.Body)
	}
	alice := s.Visitor()
	alice.LogIn()
	if page := alice.LoginAt("ADFS", start, "carol", "lutwidge"); page.Body != "hello alice@example.com" {
		t.Errorf("alice ends at %s: %s", page.URL, page.Body)
	}
}
