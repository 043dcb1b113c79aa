package userpool

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Applications that register themselves as app clients (RFC 7591). What AWS documents
// are the endpoint, both kinds of registration, their grants and scopes; the answers
// follow the RFC.

// scopeRegister is the scope of an initial access token.
const scopeRegister = "aws.cognito/dcr/register"

// oidcScopes are those that every registered client may have.
var oidcScopes = []string{"openid", "email", "phone", "profile"}

// clientRegistration is who may register what.
type clientRegistration struct {
	on, open bool
	scopes   []string // beside those of OpenID Connect
}

// clientMetadata is the metadata of a client (RFC 7591 §2), of which members that the pool
// does not know are ignored.
type clientMetadata struct {
	RedirectURIs  []string `json:"redirect_uris,omitempty"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
	GrantTypes    []string `json:"grant_types"`
	ResponseTypes []string `json:"response_types"`
	ClientName    string   `json:"client_name,omitempty"`
	Scope         string   `json:"scope"`
}

// registeredClient is the answer: what was registered, which may be more than what was asked.
type registeredClient struct {
	ClientID     string `json:"client_id"`
	IssuedAt     int64  `json:"client_id_issued_at"`
	ClientSecret string `json:"client_secret,omitempty"`
	ExpiresAt    *int64 `json:"client_secret_expires_at,omitempty"` // 0 is never
	clientMetadata
}

// serveRegister creates an app client for an application that may register.
func (p *Pool) serveRegister(w http.ResponseWriter, r *http.Request) {
	open, refused := p.mayRegister(r)
	if refused != nil {
		w.Header().Set("WWW-Authenticate", "Bearer")
		if refused.code != "" {
			w.Header().Set("WWW-Authenticate", `Bearer error="`+refused.code+`"`)
		}
		writeOAuthError(w, refused.status, cmp.Or(refused.code, "invalid_token"), "")
		return
	}
	// A form of another site's page can be sent here without a preflight, but not as JSON.
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	var asked clientMetadata
	if kind != "application/json" || json.NewDecoder(r.Body).Decode(&asked) != nil {
		writeOAuthError(w, http.StatusBadRequest, "invalid_client_metadata", "the body is not a JSON object of client metadata")
		return
	}
	made, refusal := p.clientRegistration.judge(asked, open)
	if refusal != nil {
		writeOAuthError(w, http.StatusBadRequest, refusal.code, refusal.description)
		return
	}
	noStore(w)
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(p.register(made)) // the client may have left
}

// notAllowed is an answer of RFC 6750 §3; without a code nothing was presented.
type notAllowed struct {
	status int
	code   string
}

// mayRegister checks the initial access token, which open registration does not need. An
// invalid token is refused even then, because its sender expects it to work.
func (p *Pool) mayRegister(r *http.Request) (open bool, why *notAllowed) {
	if r.Header.Get("Authorization") == "" {
		if p.clientRegistration.open {
			return true, nil
		}
		return false, &notAllowed{status: http.StatusUnauthorized}
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	claims, err := p.verify(token)
	if !strings.EqualFold(scheme, "Bearer") || err != nil || claims["token_use"] != useAccess || !p.isOwn(claims["iss"]) {
		return false, &notAllowed{http.StatusUnauthorized, "invalid_token"}
	}
	scope, _ := claims["scope"].(string)
	if !slices.Contains(strings.Fields(scope), scopeRegister) {
		return false, &notAllowed{http.StatusForbidden, "insufficient_scope"}
	}
	return false, nil
}

// judge fills in what was left out and says what cannot be registered.
func (c clientRegistration) judge(m clientMetadata, open bool) (clientMetadata, *refusal) {
	m.AuthMethod = cmp.Or(m.AuthMethod, "client_secret_basic")
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{"authorization_code"}
	}
	machine := slices.Contains(m.GrantTypes, grantMachine)
	if len(m.ResponseTypes) == 0 && !machine {
		m.ResponseTypes = []string{"code"}
	}
	if why := judgeGrants(m, machine, open); why != "" {
		return m, &refusal{code: "invalid_client_metadata", description: why}
	}
	if why := judgeRedirectURIs(m.RedirectURIs, machine); why != "" {
		return m, &refusal{code: "invalid_redirect_uri", description: why}
	}
	allowed := c.scopes
	if !machine {
		allowed = slices.Concat(oidcScopes, c.scopes)
	}
	scopes := strings.Fields(m.Scope)
	if len(scopes) == 0 {
		scopes = allowed
	}
	for _, scope := range scopes {
		if !slices.Contains(allowed, scope) {
			return m, &refusal{code: "invalid_client_metadata", description: "the scope is not allowed for registered clients"}
		}
	}
	if len(scopes) == 0 {
		return m, &refusal{code: "invalid_client_metadata", description: "no scope is allowed for registered machine clients"}
	}
	m.Scope = strings.Join(scopes, " ")
	return m, nil
}

// judgeGrants says what is wrong with a client's grants, or "".
func judgeGrants(m clientMetadata, machine, open bool) string {
	known := []string{"authorization_code", "refresh_token", grantMachine}
	for _, grant := range m.GrantTypes {
		if !slices.Contains(known, grant) {
			return "the grant type is not supported"
		}
	}
	wanted := []string{"code"}
	switch {
	case !slices.Contains([]string{"none", "client_secret_basic", "client_secret_post"}, m.AuthMethod):
		return "the authentication method is not supported"
	case machine && open:
		return "client_credentials needs an initial access token"
	case machine && (len(m.GrantTypes) > 1 || m.AuthMethod == "none"):
		return "client_credentials needs a secret, and no other grant beside it"
	case machine:
		wanted = nil
	case !slices.Contains(m.GrantTypes, "authorization_code"):
		return "refresh_token needs authorization_code beside it"
	}
	if !slices.Equal(m.ResponseTypes, wanted) {
		return "the response types do not belong to the grant types"
	}
	return ""
}

// judgeRedirectURIs says what is wrong with redirect URIs, or "".
func judgeRedirectURIs(uris []string, machine bool) string {
	if len(uris) == 0 && !machine {
		return "there is no redirect URI"
	}
	for _, raw := range uris {
		u, err := url.Parse(raw)
		switch {
		case err != nil || !u.IsAbs() || strings.Contains(raw, "#"):
			return "a redirect URI is not an absolute URL without fragment"
		case u.Scheme == "http" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()):
			return "a redirect URI over http is not on loopback"
		case slices.Contains([]string{"javascript", "data", "vbscript"}, u.Scheme):
			return "a redirect URI is a script"
		}
	}
	return ""
}

// register makes the client.
func (p *Pool) register(m clientMetadata) registeredClient {
	client := Client{ID: newClientID(), CallbackURLs: m.RedirectURIs, Scopes: strings.Fields(m.Scope)}
	if slices.Contains(m.GrantTypes, grantMachine) {
		client.Grants = []string{grantMachine}
	}
	answer := registeredClient{ClientID: client.ID, IssuedAt: p.Now().Unix(), clientMetadata: m}
	if m.AuthMethod != "none" {
		client.Secret = randomText(38)
		answer.ClientSecret, answer.ExpiresAt = client.Secret, new(int64)
	}
	if answer.ResponseTypes == nil {
		answer.ResponseTypes = []string{}
	}
	p.SetClient(client)
	p.mu.Lock()
	p.idp.clientNames[client.ID] = m.ClientName
	p.mu.Unlock()
	return answer
}
