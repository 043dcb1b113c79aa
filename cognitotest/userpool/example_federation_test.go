package userpool_test

import (
	"fmt"
	"net/url"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// newFederatedPool has a provider with one user.
func newFederatedPool() *userpool.Pool {
	pool := userpool.New(userpool.Options{Providers: []userpool.Provider{{
		Name: "Google", Type: "Google",
		Users: []userpool.ProviderUser{{
			ID: "1234", Password: "lutwidge", Attributes: map[string]string{"email": "carol@example.com"},
		}},
	}}})
	pool.AllowOrigin(phoneApp)
	return pool
}

// federatedLogin is where an application sends a visitor who is to sign in with Google.
func federatedLogin(pool *userpool.Pool) string {
	return pool.URL() + "/oauth2/authorize?" + url.Values{
		"response_type":     {"code"},
		"client_id":         {"1example23456789"},
		"redirect_uri":      {phoneApp + "/login/redirect"},
		"state":             {"xyz"},
		"identity_provider": {"Google"},
	}.Encode()
}

// Browser.LoginAt signs a visitor in on the page of an identity provider.
func ExampleBrowser_LoginAt() {
	pool := newFederatedPool()
	defer pool.Close()

	page := pool.NewBrowser().LoginAt("Google", federatedLogin(pool), "1234", "lutwidge")
	fmt.Println(page.URL.Path, page.URL.Query().Get("state"))
	for _, user := range pool.Users() {
		fmt.Println(user.Username, user.Email)
	}
	// Output:
	// /login/redirect xyz
	// alice alice@example.com
	// bob bob@example.com
	// Google_1234 carol@example.com
}

// Browser.CancelAt is a visitor who cancels at the provider.
func ExampleBrowser_CancelAt() {
	pool := newFederatedPool()
	defer pool.Close()

	page := pool.NewBrowser().CancelAt("Google", federatedLogin(pool))
	fmt.Println(page.URL.Query().Get("error"))
	// Output:
	// access_denied
}

// Pool.FailProvider makes a provider fail.
func ExamplePool_FailProvider() {
	pool := newFederatedPool()
	defer pool.Close()

	pool.FailProvider("Google", "", "")
	page := pool.NewBrowser().LoginAt("Google", federatedLogin(pool), "1234", "lutwidge")
	fmt.Println(page.URL.Query().Get("error"), "-", page.URL.Query().Get("error_description"))
	// Output:
	// invalid_request - Google Error - 400 error getting token
}

// Pool.Federate signs a user of a provider in without any pages.
func ExamplePool_Federate() {
	pool := newFederatedPool()
	defer pool.Close()

	user := pool.Federate("Google", "1234")
	user.Groups = []string{"admin"}
	pool.SetUser(user)
	fmt.Println(user.Username, user.Email)
	// Output:
	// Google_1234 carol@example.com
}

// Provider.Problems is for a program that lets its users set providers.
func ExampleProvider_Problems() {
	provider := userpool.Provider{Name: "Okta", Type: "OIDC", SingleLogout: true, Users: []userpool.ProviderUser{{ID: "1234"}}}
	for _, found := range provider.Problems() {
		fmt.Println(found.Field, found.Problem)
	}
	// Output:
	// SingleLogout is true, but only providers of the type SAML have it
	// Users[0].Password is empty, but the provider's page asks for it
}
