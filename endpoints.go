package cognito

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
)

// endpoints are the addresses of one user pool. They follow from its domain
// and its issuer, so nothing has to be discovered and the app can start while
// Cognito is down. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/federation-endpoints.html
type endpoints struct {
	origin    string // of the pool's pages
	authorize string
	token     string
	userInfo  string
	revoke    string
	logout    string
	jwks      string
}

func newEndpoints(c Config) endpoints {
	domain := strings.TrimRight(withScheme(c.UserPoolDomain), "/")
	return endpoints{
		origin:    domain,
		authorize: domain + "/oauth2/authorize",
		token:     domain + "/oauth2/token",
		userInfo:  domain + "/oauth2/userInfo",
		revoke:    domain + "/oauth2/revoke",
		logout:    domain + "/logout", // not under /oauth2/, unlike the others
		jwks:      c.Issuer + "/.well-known/jwks.json",
	}
}

// defaultIssuer derives the issuer from the pool's id. It is the form that
// pools use unless they were moved to issuer-cognito-idp.
func defaultIssuer(poolID string) string {
	return "https://cognito-idp." + regionOr(poolID, "") + ".amazonaws.com/" + poolID
}

// withQuery puts parameters behind an address, encoded.
func withQuery(address string, parameters url.Values) string {
	return address + "?" + parameters.Encode()
}

// shortHash names things in cookies: 12 characters, 72 bits, enough to keep
// the few names of one browser apart.
func shortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
