package pool

import (
	"net/url"
	"strings"
)

// Endpoints are the addresses of one user pool. They follow from its domain,
// so nothing has to be discovered and the app can start while
// Cognito is down. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html
type Endpoints struct {
	Origin    string // of the pool's pages
	Authorize string
	Token     string
	UserInfo  string
	Revoke    string
	Logout    string

	// Pages that take the parameters of Authorize.
	SignUp         string
	ForgotPassword string
}

// NewEndpoints takes the pool's domain, as an address.
func NewEndpoints(domain string) Endpoints {
	domain = strings.TrimRight(domain, "/")
	return Endpoints{
		Origin:    domain,
		Authorize: domain + "/oauth2/authorize",
		Token:     domain + "/oauth2/token",
		UserInfo:  domain + "/oauth2/userInfo",
		Revoke:    domain + "/oauth2/revoke",
		Logout:    domain + "/logout", // not under /oauth2/, unlike the others

		SignUp:         domain + "/signup",
		ForgotPassword: domain + "/forgotPassword",
	}
}

// WithQuery puts parameters behind an address that has none, encoded.
func WithQuery(address string, parameters url.Values) string {
	return address + "?" + parameters.Encode()
}
