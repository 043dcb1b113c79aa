package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
)

// What the answers mean. See the developer guide's pages "Authorize endpoint", "Logout
// endpoint" and "Token endpoint", and the reports that are named beside them.

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
	codeKeys              = "keys_unusable"
	codeNotAsked          = "not_asked"
)

func domainUnreachable(origin string, err error) Finding {
	return Finding{codeDomain, true, "UserPoolDomain", origin, fmt.Sprintf("nobody answers there: %v", cause(err)),
		`copy the domain from the pool's "Domain" page; a new one takes up to five minutes to answer`}
}

// cause leaves out that there was no answer, which the findings say themselves.
func cause(err error) error {
	return errors.New(strings.TrimPrefix(err.Error(), pool.ErrNoAnswer.Error()+": "))
}

// judgeAuthorize returns nil if a login can begin.
func judgeAuthorize(app App, got answer) []Finding {
	if got.err != nil {
		return []Finding{domainUnreachable(app.Endpoints.Origin, got.err)}
	}
	if got.location == nil {
		return []Finding{loginRefused(app, fmt.Sprintf("the authorization endpoint answers %d", got.status))}
	}
	if strings.HasPrefix(got.location.String(), app.RedirectURI+"?") {
		return judgeErrorCode(app, got.location.Query().Get("error"))
	}
	switch word := got.location.Query().Get("error"); {
	case got.location.Path != "/error":
		return nil // the login page
	case word == "redirect_mismatch":
		return []Finding{{codeCallbackURL, true, "RedirectPath", app.RedirectURI, "it is none of the app client's allowed callback URLs, letter by letter",
			"add it to them, with the same scheme, port, letter case and trailing slash; or mend BaseURL"}}
	case strings.Contains(strings.ToLower(word), "client"):
		return []Finding{clientUnknown(app)}
	default:
		return []Finding{loginRefused(app, fmt.Sprintf("the authorization endpoint says %.80q", word))}
	}
}

func judgeErrorCode(app App, code string) []Finding {
	switch code {
	case "login_required":
		return nil // as it should be: nobody is signed in here
	case "invalid_scope":
		return []Finding{{codeScope, true, "Scopes", strings.Join(app.Scopes, " "), "the app client is not allowed all of them", `allow them on the app client's "Login pages" tab, or leave them out of Scopes`}}
	case "unauthorized_client":
		return []Finding{{codeCodeGrant, true, "ClientID", app.ClientID, "the app client is not allowed the authorization code grant", `switch "Authorization code grant" on for it, and OAuth flows at all (AllowedOAuthFlowsUserPoolClient)`}}
	}
	return []Finding{loginRefused(app, fmt.Sprintf("the authorization endpoint says %.80q", code))}
}

func clientUnknown(app App) Finding {
	return Finding{codeClientUnknown, true, "ClientID", app.ClientID, "there is no such app client in the pool of " + app.Endpoints.Origin, `copy the id from the pool's "App clients" page, or the domain of the pool that the client is in`}
}

func loginRefused(app App, what string) Finding {
	return Finding{codeLoginRefused, true, "ClientID", app.ClientID, what, "open /login in a browser, and read what Cognito says there"}
}

// judgePage looks at the sign-in page.
func judgePage(app App, got answer) []Finding {
	text := strings.ToLower(got.body)
	switch {
	case got.err != nil:
		return nil // told by others
	case strings.Contains(text, "login pages unavailable"), strings.Contains(text, "login pages are unavailable"):
		return []Finding{{codeNoStyle, true, "ClientID", app.ClientID, "managed login has no branding style for the app client, so it shows no page", "create one: aws cognito-idp create-managed-login-branding --user-pool-id " + app.PoolID + " --client-id " + app.ClientID + " --use-cognito-provided-values"}}
	}
	return nil
}

func judgeLogout(app App, got answer) []Finding {
	switch {
	case got.err != nil || got.location == nil:
		return nil // told by others
	case got.location.String() == app.LogoutURI:
		return nil
	case strings.Contains(strings.ToLower(got.location.Query().Get("error")), "client"):
		return []Finding{clientUnknown(app)}
	case got.location.Path == "/error", got.location.Path == "/login":
		return []Finding{{codeSignOutURL, true, "AfterLogout", app.LogoutURI, "it is none of the app client's allowed sign-out URLs, letter by letter", "add it to them, with the same scheme, port, letter case and trailing slash; or mend AfterLogout"}}
	}
	return nil
}

func judgeToken(app App, got answer, without func() answer) []Finding {
	if got.err != nil {
		return []Finding{{codeTokenEndpoint, true, "UserPoolDomain", app.Endpoints.Origin, fmt.Sprintf("the token endpoint does not answer: %v", cause(got.err)), "let the app's host reach it"}}
	}
	switch code := member(got.body, "error"); code {
	case "invalid_grant":
		return nil // of the code, which nobody was given
	case "unauthorized_client":
		return nil // of the redirect URI or of the grant, which the authorization endpoint tells
	case "invalid_client":
		if app.ClientSecret == "" {
			return []Finding{{codeSecretMissing, true, "ClientSecret", "", "the app client has a secret, and none is set", `copy the secret from the app client's page, or use a public client`}}
		}
		if code := member(without().body, "error"); code != "" && code != "invalid_client" {
			return []Finding{{codeSecretSuperfluous, true, "ClientSecret", secret.Redacted, "the app client has no secret", "leave ClientSecret out"}}
		}
		return []Finding{{codeSecretWrong, true, "ClientSecret", secret.Redacted, "it is not the app client's", "copy the secret again, without spaces or line breaks"}}
	default:
		return []Finding{{codeTokenEndpoint, true, "UserPoolDomain", app.Endpoints.Origin, fmt.Sprintf("the token endpoint answers %d %.80q", got.status, code), "a firewall (AWS WAF) or a proxy may stand in front of it"}}
	}
}

// clockTolerance is the leeway that tokens are given.
const clockTolerance = time.Minute

func judgeClock(app App, got answer) []Finding {
	sent, err := http.ParseTime(got.header.Get("Date"))
	if got.err != nil || err != nil {
		return nil
	}
	skew := app.Now().Sub(sent).Round(time.Second)
	if skew.Abs() <= clockTolerance {
		return nil
	}
	return []Finding{{codeClock, true, "Now", skew.String(), "the clock of this machine differs from Cognito's, so good tokens are taken for expired, or for not issued yet", "set the machine's clock (NTP)"}}
}

func issuerUnreachable(app App, err error) Finding {
	return Finding{codeIssuerUnreachable, true, "UserPoolID", app.PoolID, fmt.Sprintf("there is no pool of this id where its keys should be: %v", err), `copy the id from the pool's "Overview" page, and let the app's host reach that address`}
}

func judgeDiscovery(app App, got answer) []Finding {
	if issuer := member(got.body, "issuer"); !app.Issuers.Has(issuer) {
		return []Finding{{codeIssuer, true, "Issuer", app.Issuers.String(), fmt.Sprintf("the pool's tokens name %q", issuer), "leave Issuer out, or set it to what the tokens name; a Region of a replicated pool belongs into Regions"}}
	}
	return nil
}

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
	return []Finding{{codeKeys, true, "UserPoolID", address, fmt.Sprintf("there are no keys to verify tokens with: status %d", got.status), "let the app's host reach that address"}}
}
