package userpool

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
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

var providerTypes = []string{typeOIDC, typeSAML, "Google", "Facebook", "LoginWithAmazon", "SignInWithApple"}

// ProviderProblem is a field of a [Provider] that cannot work as it is set.
type ProviderProblem struct {
	Field   string // such as "Type" or "Users[1].ID"
	Problem string // what the field is, and what it should be
}

// Problems lists what [Pool.SetProvider] panics for. Use it for settings that somebody
// else has written.
func (provider Provider) Problems() []ProviderProblem {
	var problems []ProviderProblem
	complain := func(field, format string, values ...any) {
		problems = append(problems, ProviderProblem{field, fmt.Sprintf(format, values...)})
	}
	if provider.Name == ownDirectory || !providerName.MatchString(provider.Name) {
		complain("Name", "is %q, want 1 to 32 letters, digits, dots and hyphens, and not %s", provider.Name, ownDirectory)
	}
	if provider.Type != "" && !slices.Contains(providerTypes, provider.Type) {
		complain("Type", "is %q, want one of %s", provider.Type, strings.Join(providerTypes, ", "))
	}
	for _, only := range []struct {
		field string
		set   bool
	}{{"SingleLogout", provider.SingleLogout}, {"Unsolicited", provider.Unsolicited}} {
		if only.set && provider.Type != typeSAML {
			complain(only.field, "is true, but only providers of the type %s have it", typeSAML)
		}
	}
	seen := map[string]bool{}
	for i, user := range provider.Users {
		if user.ID == "" || seen[user.ID] {
			complain(fmt.Sprintf("Users[%d].ID", i), "is %q, want one that no other user of the provider has", user.ID)
		}
		if user.Password == "" {
			complain(fmt.Sprintf("Users[%d].Password", i), "is empty, but the provider's page asks for it")
		}
		seen[user.ID] = true
	}
	return problems
}

// SetProvider adds an identity provider, or replaces the one with the same Name. Users
// who have signed in through it stay signed in.
func (p *Pool) SetProvider(provider Provider) {
	if problems := provider.Problems(); len(problems) > 0 {
		panic(fmt.Sprintf("userpool: provider %q: %s %s", provider.Name, problems[0].Field, problems[0].Problem))
	}
	provider.Type = cmp.Or(provider.Type, typeOIDC)
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
	failure.code = cmp.Or(errorCode, failure.code)
	failure.description = cmp.Or(description, failure.description)
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
