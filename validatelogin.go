package cognito

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/web"
)

// What a login sends to Cognito.

var parameterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// protectedParameters are set only by this package, because they bind a response to the
// login and to this app. prompt is checked by its value.
var protectedParameters = map[string]string{
	"client_id": "set ClientID", "redirect_uri": "set BaseURL and RedirectPath", "scope": "set Scopes", "resource": "set Resource",
	"response_type": "leave it out: only the authorization code grant is supported", "response_mode": "leave it out: the response always comes in the query",
	"state": "leave it out: it is new for every login", "nonce": "leave it out: it is new for every login",
	"code_challenge": "leave it out: it is new for every login", "code_challenge_method": "leave it out: it is always S256",
	"request": "leave it out", "request_uri": "leave it out", "logout_uri": "set AfterLogout",
}

func (k *configCheck) scopes(scopes []string) {
	shown := strings.Join(scopes, " ")
	if !slices.Contains(scopes, "openid") {
		k.add("Scopes", shown, `must contain "openid", without which Cognito issues no ID token`, `add "openid"`)
	}
	for i, scope := range scopes {
		if !engine.ScopePattern.MatchString(scope) {
			k.add("Scopes", scope, "must be one scope per entry, without spaces or quotes", `use separate strings, such as []string{"openid", "email"}`)
		}
		if slices.Contains(scopes[:i], scope) {
			k.add("Scopes", scope, "is listed twice", "keep one")
		}
	}
}

func (k *configCheck) login(c Config) {
	k.scopes(c.Scopes)
	if c.Resource != "" && !isResource(c.Resource) {
		k.add("Resource", c.Resource, "must be the absolute URL of an API, with https (or http on localhost) or a custom scheme, and without a fragment (RFC 8707 section 2)", "use a URL such as https://api.example.com")
	}
	for _, name := range slices.Sorted(maps.Keys(c.LoginParameters)) {
		value := c.LoginParameters[name]
		remedy, protected := protectedParameters[name]
		switch {
		case protected:
			k.add("LoginParameters", name, "must not contain a parameter that protects the login", remedy)
		case !parameterName.MatchString(name):
			k.add("LoginParameters", name, "must contain valid parameter names", "use names such as identity_provider")
		case value == "" || len(value) > 256 || strings.ContainsFunc(value, web.IsControl):
			k.add("LoginParameters", name, "must have a value of at most 256 bytes without control characters", "shorten it, or leave the parameter out")
		case name == "prompt" && slices.Contains(strings.Fields(value), "none"):
			k.add("LoginParameters", name, "must not be none for every login: nobody could sign in for the first time", "set it in LoginOptions or in a link instead")
		}
	}
}

// isResource reports whether Cognito accepts a value as a resource.
func isResource(value string) bool {
	u, err := url.Parse(value)
	return err == nil && u.IsAbs() && u.User == nil && !strings.Contains(value, "#") && !strings.ContainsFunc(value, web.IsControl) &&
		(u.Host != "" || u.Scheme != "http" && u.Scheme != "https") && (u.Scheme != "http" || isLoopback(u.Hostname()))
}
