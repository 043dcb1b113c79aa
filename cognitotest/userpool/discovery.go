package userpool

import (
	"encoding/json"
	"net/http"
)

// serveDiscovery tells where everything is. It has the members of a real pool,
// so neither code_challenge_methods_supported, though PKCE works, nor
// grant_types_supported; and end_session_endpoint, though that is not OpenID
// Connect's.
func (p *Pool) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	members := map[string]any{
		"authorization_endpoint":                p.url + "/oauth2/authorize",
		"end_session_endpoint":                  p.url + "/logout",
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"issuer":                                p.Issuer(),
		"jwks_uri":                              p.Home() + "/.well-known/jwks.json",
		"response_types_supported":              []string{"code", "token"},
		"revocation_endpoint":                   p.url + "/oauth2/revoke",
		"scopes_supported":                      []string{"openid", "email", "phone", "profile"},
		"subject_types_supported":               []string{"public"},
		"token_endpoint":                        p.url + "/oauth2/token",
		"token_endpoint_auth_methods_supported": []string{
			"client_secret_basic", "client_secret_post",
		},
		"userinfo_endpoint": p.url + "/oauth2/userInfo",
	}
	if p.clientRegistration.on {
		members["registration_endpoint"] = p.url + "/oauth2/register"
	}
	_ = json.NewEncoder(w).Encode(members) // the client may have left
}
