package userpool

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Who else the pool lets sign people in.

// The types of providers that are not social ones, as the API of Cognito names them. A social
// provider's type is its name, such as "Google".
const (
	typeOIDC = "OIDC"
	typeSAML = "SAML"
)

// Provider is an identity provider with which the pool federates: a stand-in that has
// users and a sign-in page of its own. Whoever signs in there is a user of the pool
// called Name_ID, without a password in the pool.
//
// The page stands on the pool's listener, but at another origin where there is one:
// localhost for 127.0.0.1, and the other way round. Between the two travel references to
// what the provider says and no signed tokens or assertions: an application sees neither.
type Provider struct {
	// Name is what an application asks for by identity_provider, with at most 32 letters,
	// digits, dots and hyphens.
	//
	// Required.
	Name string

	// Type is "OIDC", "SAML", or for a social provider its name: "Google", "Facebook",
	// "LoginWithAmazon" or "SignInWithApple". An answer of SAML comes by a form, errors
	// of SAML reach the application without a state, and login_hint reaches
	// OIDC and Google alone.
	//
	// Optional. Default: "OIDC".
	Type string

	// Identifiers are further names of it, for idp_identifier, such as e-mail domains.
	//
	// Optional. Default: none.
	Identifiers []string

	// Users are the people who can sign in there.
	//
	// Optional. Default: none.
	Users []ProviderUser

	// Mapping names for each attribute of the pool the one of the provider that fills it
	// in, at every login anew. What the provider does not say stays as it is.
	//
	// Optional. Default: email, email_verified and name, from those of the same name.
	Mapping map[string]string

	// SingleLogout has /logout of a user of this SAML provider lead through the provider,
	// which ends its own session as well.
	//
	// Optional. Default: false.
	SingleLogout bool

	// Unsolicited accepts from a SAML provider logins that began there and not at an
	// application, which gets a code without a state then.
	//
	// Optional. Default: false.
	Unsolicited bool
}

// ProviderUser is somebody who can sign in at an identity provider.
type ProviderUser struct {
	// ID is what the provider calls them: sub in OpenID Connect, NameID in SAML.
	//
	// Required.
	ID string

	// Password is what the provider's page asks for.
	//
	// Required.
	Password string

	// Attributes are what the provider says of them, by its own names.
	//
	// Optional. Default: none.
	Attributes map[string]string
}

// providerName keeps a name harmless in a path, and in the name of a cookie.
var providerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,31}$`)

// SetProvider adds an identity provider, or replaces the one with the same Name. Whoever
// has signed in through it stays signed in.
func (p *Pool) SetProvider(provider Provider) {
	if err := checkProvider(provider); err != nil {
		panic("userpool: " + err.Error())
	}
	provider.Type = withDefault(provider.Type, typeOIDC)
	provider.Identifiers = slices.Clone(provider.Identifiers)
	provider.Mapping = maps.Clone(provider.Mapping)
	if len(provider.Mapping) == 0 {
		provider.Mapping = map[string]string{"email": "email", "email_verified": "email_verified", "name": "name"}
	}
	provider.Users = slices.Clone(provider.Users)
	for i, user := range provider.Users {
		provider.Users[i].Attributes = maps.Clone(user.Attributes)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.federation.providers.set(provider.Name, provider)
}

// checkProvider finds what could not work.
func checkProvider(provider Provider) error {
	name := provider.Name
	switch {
	case name == ownDirectory || !providerName.MatchString(name):
		return fmt.Errorf("provider %q: want a Name of 1 to 32 letters, digits, dots and hyphens that is not COGNITO", name)
	case !slices.Contains([]string{"", typeOIDC, typeSAML, "Google", "Facebook", "LoginWithAmazon", "SignInWithApple"}, provider.Type):
		return fmt.Errorf("provider %q: there is no Type %q", name, provider.Type)
	case provider.Type != typeSAML && (provider.SingleLogout || provider.Unsolicited):
		return fmt.Errorf("provider %q: only SAML providers can have SingleLogout and Unsolicited", name)
	}
	for _, user := range provider.Users {
		if user.ID == "" || user.Password == "" {
			return fmt.Errorf("provider %q: a user needs an ID and a Password, got %q", name, user.ID)
		}
	}
	return nil
}

// FailProvider makes the next answer of an identity provider reach the application as
// this error, with the state of the login unless the provider is one of SAML. Empty
// texts stand for what Cognito says when a provider refuses to answer. Documented, or
// reported, are invalid_request with
//
//	Google Error - 400 error getting token
//	Timeout occurred in calling IdP token endpoint
//	error_description=Timeout in calling jwks uri
//	Connection reset
//	Read timed out
//
// and server_error with "Invalid SAML response received: …".
func (p *Pool) FailProvider(name, errorCode, description string) {
	provider, ok := p.provider(name)
	if !ok {
		panic(fmt.Sprintf("userpool: FailProvider: the pool has no provider %q", name))
	}
	failure := failureOf(provider)
	failure.code = withDefault(errorCode, failure.code)
	failure.description = withDefault(description, failure.description)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.federation.failing[name] = *failure
}

// failureOf is what an application hears of a provider that does not do its part.
func failureOf(provider Provider) *refusal {
	if provider.Type == typeSAML {
		return &refusal{code: "server_error", description: "Invalid SAML response received: the status is not Success"}
	}
	return &refusal{code: "invalid_request", description: provider.Name + " Error - 400 error getting token"}
}

// Providers returns the identity providers, in the order in which they were added.
func (p *Pool) Providers() []Provider {
	p.mu.Lock()
	defer p.mu.Unlock()
	var providers []Provider
	for _, name := range p.federation.providers.names {
		providers = append(providers, p.federation.providers.byName[name])
	}
	return providers
}

// provider finds an identity provider by its name.
func (p *Pool) provider(name string) (Provider, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	provider, ok := p.federation.providers.byName[name]
	return provider, ok
}

// user finds a user of the provider.
func (provider Provider) user(id string) (ProviderUser, bool) {
	at := slices.IndexFunc(provider.Users, func(u ProviderUser) bool { return u.ID == id })
	if at < 0 {
		return ProviderUser{}, false
	}
	return provider.Users[at], true
}
