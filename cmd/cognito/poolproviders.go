package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// The identity providers of the settings file.

type providerFile struct {
	Name         string             `json:"name"`
	Type         string             `json:"type"`
	Identifiers  []string           `json:"identifiers"`
	Users        []providerUserFile `json:"users"`
	Mapping      map[string]string  `json:"mapping"`
	SingleLogout bool               `json:"singleLogout"`
	Unsolicited  bool               `json:"unsolicited"`
}

type providerUserFile struct {
	ID         string            `json:"id"`
	Password   string            `json:"password"`
	Attributes map[string]string `json:"attributes"`
}

const (
	localUsers   = "COGNITO" // what a client calls the pool itself among its providers
	samlProvider = "SAML"
)

var (
	providerName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,31}$`)
	providerTypes = []string{"OIDC", samlProvider, "Google", "Facebook", "LoginWithAmazon", "SignInWithApple"}
)

// checkProviders finds what is wrong with identity providers, and with what clients
// say of them.
func (f poolFile) checkProviders(complain func(path, format string, values ...any)) {
	known := []string{localUsers}
	for i, provider := range f.Providers {
		path := fmt.Sprintf("providers[%d]", i)
		if slices.Contains(known, provider.Name) || !providerName.MatchString(provider.Name) {
			complain(path+".name", "is %q, want 1 to 32 letters, digits, dots and hyphens that no other provider has, and not %s", provider.Name, localUsers)
		}
		known = append(known, provider.Name)
		provider.check(path, complain)
	}
	for i, client := range f.Clients {
		for j, name := range client.Providers {
			if !slices.Contains(known, name) {
				complain(fmt.Sprintf("clients[%d].supportedIdentityProviders[%d]", i, j), "is %q, want one of %s", name, strings.Join(known, ", "))
			}
		}
	}
}

func (p providerFile) check(path string, complain func(path, format string, values ...any)) {
	if p.Type != "" && !slices.Contains(providerTypes, p.Type) {
		complain(path+".type", "is %q, want one of %s", p.Type, strings.Join(providerTypes, ", "))
	}
	if p.SingleLogout && p.Type != samlProvider {
		complain(path+".singleLogout", "is true, but only providers of the type %s have it", samlProvider)
	}
	if p.Unsolicited && p.Type != samlProvider {
		complain(path+".unsolicited", "is true, but only providers of the type %s have it", samlProvider)
	}
	seen := map[string]bool{}
	for i, user := range p.Users {
		if user.ID == "" || seen[user.ID] {
			complain(fmt.Sprintf("%s.users[%d].id", path, i), "is %q, want one that no other user of the provider has", user.ID)
		}
		seen[user.ID] = true
		if user.Password == "" {
			complain(fmt.Sprintf("%s.users[%d].password", path, i), "is empty, but the provider's page asks for it")
		}
	}
}

func (p providerFile) provider() userpool.Provider {
	made := userpool.Provider{
		Name: p.Name, Type: p.Type, Identifiers: p.Identifiers, Mapping: p.Mapping,
		SingleLogout: p.SingleLogout, Unsolicited: p.Unsolicited,
	}
	for _, user := range p.Users {
		made.Users = append(made.Users, userpool.ProviderUser{ID: user.ID, Password: user.Password, Attributes: user.Attributes})
	}
	return made
}
