package doctor

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
)

// What the answers mean. See the developer guide's pages "Authorize endpoint", "Logout
// endpoint" and "Token endpoint", and FACTS.md of package userpool, which says what is
// documented. Errors that Cognito shows on a page of its own (/error) concern the client or
// a URL that is not registered: it tells those to no callback.

// The codes of findings.
const (
	codeDomain            = "domain_unreachable"
	codeClientUnknown     = "client_unknown"
	codeCallbackURL       = "callback_not_registered"
	codeSignOutURL        = "sign_out_url_not_registered"
	codeScope             = "scope_not_allowed"
	codeCodeGrant         = "code_grant_off"
	codeLoginRefused      = "login_refused"
	codeNoStyle           = "no_branding_style"
	codeSecretMissing     = "secret_missing"
	codeSecretWrong       = "secret_wrong"
	codeSecretSuperfluous = "secret_superfluous"
	codeTokenEndpoint     = "token_endpoint_fails"
	codeClock             = "clock_wrong"
	codeIssuer            = "issuer_differs"
	codeIssuerUnreachable = "issuer_unreachable"
	codeAnotherDomain     = "domain_of_another_pool"
	codeIgnored           = "login_parameters_ignored"
	codeKeys              = "keys_unusable"
	codeNotAsked          = "not_asked"
)

func domainUnreachable(origin string, err error) Finding {
	remedy := `copy the domain from the pool's "Domain" page; a new domain takes a minute to respond, a custom one up to an hour`
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errWantsTLS):
		remedy = "write it with https://"
	case errors.Is(err, http.ErrSchemeMismatch):
		remedy = "write it with http:// if it is a test pool on this machine; else copy the domain from the pool's \"Domain\" page"
	case errors.As(err, &untrusted):
		remedy = "have this machine, or the HTTPClient in Config, trust the certificate: that of a test pool is in the file of its -ca, which SSL_CERT_FILE can name"
	}
	return Finding{codeDomain, true, "UserPoolDomain", origin, fmt.Sprintf("it cannot be reached: %v", cause(err)), remedy}
}

// cause leaves out that there was no answer, which the findings say themselves.
func cause(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), pool.ErrNoAnswer.Error()+": "))
}

// judgeAuthorize returns nil if a login can begin. Errors that come to the callback show that
// client and callback are right (RFC 6749 section 4.1.2.1).
func judgeAuthorize(app App, got answer) []Finding {
	if got.err != nil {
		return []Finding{domainUnreachable(app.Endpoints.Origin, got.err)}
	}
	// Cognito answers every request for a login with a redirect. Without one, a firewall has
	// answered, or nothing of Cognito's is there.
	if got.location == nil {
		return []Finding{loginRefused(app, fmt.Sprintf("the authorization endpoint responds with status %d", got.status))}
	}
	// With the question mark: "/callback2" begins like "/callback", too.
	if strings.HasPrefix(got.location.String(), app.RedirectURI+"?") {
		return judgeErrorCode(app, got.location.Query().Get("error"))
	}
	switch word := got.location.Query().Get("error"); {
	case got.location.Path != "/error":
		return judgeClassic(app) // the login page, in spite of prompt=none
	case word == "redirect_mismatch":
		return []Finding{{codeCallbackURL, true, "RedirectPath", app.RedirectURI, "it does not exactly match any of the app client's allowed callback URLs",
			"add it to them, with the same scheme, port, letter case and trailing slash; or correct BaseURL"}}
	case strings.Contains(strings.ToLower(word), "client"):
		return []Finding{clientUnknown(app)}
	default:
		return []Finding{loginRefused(app, fmt.Sprintf("the authorization endpoint reports %.80q", word))}
	}
}

// ignoredByClassic are parameters that the classic hosted UI does not know.
var ignoredByClassic = []string{"acr_values", "lang", "max_age", "prompt"}

// judgeClassic is for a domain that still has the classic hosted UI. A login works there, so
// what it finds breaks nothing.
func judgeClassic(app App) []Finding {
	var ignored []string
	for _, name := range ignoredByClassic {
		if _, set := app.Parameters[name]; set {
			ignored = append(ignored, name)
		}
	}
	if ignored == nil {
		return nil
	}
	return []Finding{{codeIgnored, false, "LoginParameters", strings.Join(ignored, " "), "the domain has the classic hosted UI, which ignores them", "choose managed login on the pool's \"Domain\" page, or leave them out of LoginParameters"}}
}

// judgeErrorCode is for an error that came to the callback.
func judgeErrorCode(app App, code string) []Finding {
	switch code {
	case "login_required":
		return nil // as it should be: nobody is signed in here
	case "invalid_scope":
		return []Finding{{codeScope, true, "Scopes", strings.Join(app.Scopes, " "), "the app client is not allowed to request all of them", `allow them on the app client's "Login pages" tab, or leave them out of Scopes`}}
	case "unauthorized_client":
		return []Finding{{codeCodeGrant, true, "ClientID", app.ClientID, "the app client is not allowed the authorization code grant", `select "Authorization code grant" for it; if you set it up by API, also set AllowedOAuthFlowsUserPoolClient`}}
	}
	return []Finding{loginRefused(app, fmt.Sprintf("the authorization endpoint reports %.80q", code))}
}

func clientUnknown(app App) Finding {
	return Finding{codeClientUnknown, true, "ClientID", app.ClientID, "there is no such app client in the pool of " + app.Endpoints.Origin, `copy the client ID from the pool's "App clients" page, or use the domain of the client's pool`}
}

func loginRefused(app App, what string) Finding {
	return Finding{codeLoginRefused, true, "ClientID", app.ClientID, what, "open /login in a browser, and read Cognito's message there"}
}

// judgePage looks at the sign-in page, by its text and not by its status.
func judgePage(app App, got answer) []Finding {
	text := strings.ToLower(got.body)
	switch {
	case got.err != nil:
		return nil // told by others
	case strings.Contains(text, "login pages unavailable"), strings.Contains(text, "login pages are unavailable"):
		return []Finding{{codeNoStyle, true, "ClientID", app.ClientID, "managed login has no branding style for the app client, so its pages are unavailable", "create one: aws cognito-idp create-managed-login-branding --user-pool-id " + app.PoolID + " --client-id " + app.ClientID + " --use-cognito-provided-values"}}
	}
	return nil
}

// judgeLogout finds the sign-out URL accepted if the pool redirects to it. If it is not
// registered, the pool leads to its error page, or to its login page as if there were none.
func judgeLogout(app App, got answer) []Finding {
	switch {
	case got.err != nil || got.location == nil:
		return nil // told by others
	case got.location.String() == app.LogoutURI:
		return nil
	case strings.Contains(strings.ToLower(got.location.Query().Get("error")), "client"):
		return []Finding{clientUnknown(app)}
	case got.location.Path == "/error", got.location.Path == "/login":
		return []Finding{{codeSignOutURL, true, "AfterLogout", app.LogoutURI, "it does not exactly match any of the app client's allowed sign-out URLs", "add it to them, with the same scheme, port, letter case and trailing slash; or correct AfterLogout"}}
	}
	return nil
}

// judgeToken judges the client by the error about a code that does not exist: the client is
// checked before the code. without asks once more as a public client, only if needed.
func judgeToken(app App, got answer, without func() answer) []Finding {
	if got.err != nil {
		return []Finding{{codeTokenEndpoint, true, "UserPoolDomain", app.Endpoints.Origin, fmt.Sprintf("the token endpoint cannot be reached: %v", cause(got.err)), "allow the app's host to reach it"}}
	}
	switch code := member(got.body, "error"); code {
	case "invalid_grant":
		return nil // of the code, which nobody was given
	case "unauthorized_client":
		return nil // of the redirect URI or of the grant, which the authorization endpoint tells
	case "invalid_client":
		// Whether there is such a client, only the authorization endpoint tells, which takes
		// the app's address.
		or, compare := "", ""
		if app.RedirectURI == "" {
			or, compare = ", or there is no app client with this ClientID", `; compare ClientID with the pool's "App clients" page`
		}
		if app.ClientSecret == "" {
			return []Finding{{codeSecretMissing, true, "ClientSecret", "", "the app client has a secret, but ClientSecret is not set" + or, "copy the secret from the app client's page, or use a public client" + compare}}
		}
		// Without a secret the client was accepted, and something else was wrong.
		if code := member(without().body, "error"); code != "" && code != "invalid_client" {
			return []Finding{{codeSecretSuperfluous, true, "ClientSecret", secret.Redacted, "the app client has no secret", "leave ClientSecret out"}}
		}
		return []Finding{{codeSecretWrong, true, "ClientSecret", secret.Redacted, "it is not the app client's secret" + or, "copy the secret again, without spaces or line breaks" + compare}}
	default:
		return []Finding{{codeTokenEndpoint, true, "UserPoolDomain", app.Endpoints.Origin, fmt.Sprintf("the token endpoint responds with status %d %.80q", got.status, code), "check whether a firewall (AWS WAF) or a proxy in front of it blocks the request"}}
	}
}

// judgeClock compares clocks by an answer to a POST, which no cache has kept; see pool.Clock.
func judgeClock(app App, got answer) []Finding {
	sent, err := http.ParseTime(got.header.Get("Date"))
	if got.err != nil || err != nil {
		return nil
	}
	skew := app.Now().Sub(sent).Round(time.Second)
	if skew.Abs() <= pool.SkewTolerated {
		return nil
	}
	return []Finding{{codeClock, true, "Now", skew.String(), "this machine's clock differs from Cognito's, so valid tokens look as if they had expired or were not valid yet", "set the machine's clock (NTP)"}}
}

// issuerUnreachable is for a pool whose issuer does not respond at any address. Of a test
// pool it is the Issuer that is missing or elsewhere: its ID is right, and AWS's console would
// not help.
func issuerUnreachable(app App, err error) Finding {
	own := app.Endpoints.Origin + "/" + app.PoolID
	isTest := strings.HasPrefix(own, "http://") && !app.Issuers.Has(own) // only a test pool speaks without TLS
	if exact := app.Issuers.Exact(); isTest && exact != "" {
		return Finding{codeIssuerUnreachable, true, "Issuer", exact, fmt.Sprintf("the keys cannot be read there: %v", err), "set it to " + own + ", and leave the issuer out of the test pool's settings; or set an HTTPClient that finds the keys at the test pool"}
	}
	if isTest {
		return Finding{codeIssuerUnreachable, true, "Issuer", "", fmt.Sprintf("it is empty, and a test pool's tokens do not name an AWS issuer: %v", err), "set it to what the test pool says, such as " + own}
	}
	return Finding{codeIssuerUnreachable, true, "UserPoolID", app.PoolID, fmt.Sprintf("no pool with this ID was found at the address of its keys: %v", err), `copy the User pool ID from the pool's "Overview" page, and allow the app's host to reach that address`}
}

// judgeDiscovery compares the issuer in the discovery document (OpenID Connect Discovery
// section 4.3) with those that tokens may name.
func judgeDiscovery(app App, got answer) []Finding {
	if issuer := member(got.body, "issuer"); !app.Issuers.Has(issuer) {
		return []Finding{{codeIssuer, true, "Issuer", app.Issuers.String(), fmt.Sprintf("the pool's tokens name %q", issuer), "leave Issuer out, or set it to the issuer that the tokens name; for a replicated pool, add the Region to Regions"}}
	}
	return nil
}

// judgeDomain compares the domain with the one that the pool names: with the ID of another
// pool everything is right until the first token, which names another issuer.
func judgeDomain(app App, got answer) []Finding {
	named, err := url.Parse(member(got.body, "authorization_endpoint"))
	own, ownErr := url.Parse(app.Endpoints.Origin)
	if err != nil || ownErr != nil || named.Host == "" || isSameHost(named, own) {
		return nil
	}
	found := Finding{codeAnotherDomain, true, "UserPoolDomain", app.Endpoints.Origin, fmt.Sprintf("the pool with the ID %s names another domain, %q", app.PoolID, named.Host),
		`copy the domain from the "Domain" page of the same pool as UserPoolID`}
	// A pool may have one domain of each kind, and names only one.
	if isPrefixDomain(named) != isPrefixDomain(own) {
		found.Breaks = false
		found.Remedy += "; if the pool has both a prefix domain and a custom domain, this is as it should be"
	}
	return []Finding{found}
}

// isSameHost takes the names of this machine for the same: a test pool calls itself by one.
// A prefix domain has a second name, for FIPS, and the pool may mention either.
func isSameHost(a, b *url.URL) bool {
	local := []string{"localhost", "127.0.0.1", "::1"}
	if slices.Contains(local, a.Hostname()) && slices.Contains(local, b.Hostname()) {
		return a.Port() == b.Port()
	}
	plain := func(u *url.URL) string { return strings.Replace(strings.ToLower(u.Host), ".auth-fips.", ".auth.", 1) }
	return plain(a) == plain(b)
}

// isPrefixDomain tells the domains that AWS gives to pools from custom ones.
func isPrefixDomain(u *url.URL) bool {
	return strings.Contains(strings.ToLower(u.Hostname()), ".amazoncognito.")
}

// judgeKeys is content with one key that may verify tokens. Which keys are accepted is for
// package verify; here the question is whether the address is right and can be reached.
func judgeKeys(app App, address string, got answer) []Finding {
	var set struct {
		Keys []struct{ Kty, Kid, Use, N string }
	}
	if got.err == nil && got.status == http.StatusOK && json.Unmarshal([]byte(got.body), &set) == nil {
		for _, key := range set.Keys {
			if key.Kty == "RSA" && key.Kid != "" && key.N != "" {
				return nil
			}
		}
	}
	return []Finding{{codeKeys, true, "UserPoolID", address, fmt.Sprintf("no signing keys can be read there: status %d", got.status), "allow the app's host to reach that address"}}
}
