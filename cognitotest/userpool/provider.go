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

// Provider is a simulated identity provider that the pool federates with. It has its
// own users and its own sign-in page. Someone who signs in there is a user of the pool
// with the username Name_ID, and has no password in the pool.
//
// The page is served by the pool's listener, at another origin if there is one: localhost
// for 127.0.0.1, and the other way round. The pool and the provider exchange references
// instead of signed tokens or assertions. Applications would see neither.
type Provider struct {
	// Name is the value of identity_provider that an application sends: at most 32
	// letters, digits, dots and hyphens.
	//
	// Required.
	Name string

	// Type is "OIDC", "SAML", or for a social provider its name: "Google", "Facebook",
	// "LoginWithAmazon" or "SignInWithApple". SAML responses are sent with a form, errors
	// of SAML providers reach the application without a state, and login_hint is passed
	// only to OIDC and Google.
	//
	// Optional. Default: "OIDC".
	Type string

	// Identifiers are further names of the provider, for idp_identifier, such as e-mail
	// domains.
	//
	// Optional. Default: none.
	Identifiers []string

	// Users are the people who can sign in there.
	//
	// Optional. Default: none.
	Users []ProviderUser

	// Mapping maps attributes of the pool to the provider's attributes that set them, at
	// every login. An attribute that the provider does not send is not changed.
	//
	// Optional. Default: email, email_verified and name, from the attributes of the same
	// name.
	Mapping map[string]string

	// SingleLogout makes /logout send users of this SAML provider through the provider,
	// which also ends its own session.
	//
	// Optional. Default: false.
	SingleLogout bool

	// Unsolicited accepts logins that start at a SAML provider instead of an application.
	// The application then gets a code without a state.
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

	// Password is the password for the provider's page.
	//
	// Required.
	Password string

	// Attributes are the provider's attributes of the user, by the provider's names.
	//
	// Optional. Default: none.
	Attributes map[string]string
}

// providerName keeps a name harmless in a path, and in the name of a cookie.
var providerName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,31}$`)

// SetProvider adds an identity provider, or replaces the one with the same Name. Users
// who have signed in through it stay signed in.
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

// FailProvider makes the next response of an identity provider reach the application as
// this error, with the state of the login unless it is a SAML provider. If the texts are
// empty, the error is Cognito's for a provider that refuses. Documented, or reported, are
// invalid_request with
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
