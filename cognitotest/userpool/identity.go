package userpool

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Users who have their password elsewhere.

// statusExternal is the state of their accounts.
const statusExternal = "EXTERNAL_PROVIDER"

// identity is who a user is at an identity provider. These are the members that Cognito
// keeps, as JSON, in the user's attribute identities.
type identity struct {
	UserID       string  `json:"userId"`
	ProviderName string  `json:"providerName"`
	ProviderType string  `json:"providerType"`
	Issuer       *string `json:"issuer"`
	Primary      bool    `json:"primary"`
	DateCreated  int64   `json:"dateCreated"` // in milliseconds
}

// claim is the identity in an ID token, where all is text.
func (i identity) claim() map[string]any {
	var issuer any
	if i.Issuer != nil {
		issuer = *i.Issuer
	}
	return map[string]any{
		"userId": i.UserID, "providerName": i.ProviderName, "providerType": i.ProviderType, "issuer": issuer,
		"primary": strconv.FormatBool(i.Primary), "dateCreated": strconv.FormatInt(i.DateCreated, 10),
	}
}

// identityOf returns who a user is elsewhere.
func (p *Pool) identityOf(username string) (identity, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.federation.identities[p.fold(username)]
	return found, ok
}

// isFederated reports whether a user has a password elsewhere. None of the pool's is ever theirs.
func (p *Pool) isFederated(username string) bool {
	_, federated := p.identityOf(username)
	return federated
}

// identitiesText is the attribute of a federated user, or "".
func (p *Pool) identitiesText(username string) string {
	found, ok := p.identityOf(username)
	if !ok {
		return ""
	}
	text, err := json.Marshal([]identity{found})
	if err != nil {
		panic("userpool: identities: " + err.Error()) // impossible: these are texts and numbers
	}
	return string(text)
}

// Federate signs a user of an identity provider in without a page, and returns the
// user as the pool has them after their first login. Use it before [Pool.SignIn] or
// [Pool.AccessToken], or to set groups.
func (p *Pool) Federate(provider, id string) User {
	from, ok := p.provider(provider)
	if !ok {
		panic("userpool: Federate: the pool has no provider " + strconv.Quote(provider))
	}
	user, ok := from.user(id)
	if !ok {
		panic("userpool: Federate: " + provider + " has no user " + strconv.Quote(id))
	}
	return p.federate(from, user)
}

// federate is what a login at a provider does to the pool's users: it adds one at the
// first time, and maps the attributes at every time. An administrator's changes of
// them are lost, of other attributes and groups not.
func (p *Pool) federate(provider Provider, from ProviderUser) User {
	now := p.Now()
	username := provider.Name + "_" + from.ID
	p.mu.Lock()
	defer p.mu.Unlock()
	key := p.fold(username)
	user, known := p.users.byName[key]
	if !known {
		user = User{Username: username, Subject: subjectOf(username)}
	}
	mapAttributes(&user, provider.Mapping, from.Attributes)
	p.users.set(key, user)
	p.setAccount(user.Username, statusExternal)
	if _, again := p.federation.identities[key]; !again {
		p.federation.identities[key] = newIdentity(provider, from, now)
	}
	return user
}

func newIdentity(provider Provider, from ProviderUser, now time.Time) identity {
	made := identity{
		UserID: from.ID, ProviderName: provider.Name, ProviderType: provider.Type,
		Primary: true, DateCreated: now.UnixMilli(),
	}
	// Only SAML's have one: the provider's entity id.
	if provider.Type == typeSAML {
		entity := "urn:userpool:" + provider.Name
		made.Issuer = &entity
	}
	return made
}

// mapAttributes fills in a user's attributes with what a provider says.
func mapAttributes(user *User, mapping, said map[string]string) {
	user.Attributes = maps.Clone(user.Attributes)
	if user.Attributes == nil {
		user.Attributes = map[string]string{}
	}
	for _, name := range slices.Sorted(maps.Keys(mapping)) {
		value, ok := said[mapping[name]]
		if !ok {
			continue
		}
		switch name {
		case "email":
			user.Email = value
		case "email_verified":
			user.EmailVerified = value == "true"
		case "name":
			user.Name = value
		default:
			user.Attributes[name] = value
		}
	}
}
