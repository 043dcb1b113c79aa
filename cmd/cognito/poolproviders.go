package main

import (
	"fmt"
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

const localUsers = "COGNITO" // what a client calls the pool itself among its providers

// checkProviders finds what is wrong with identity providers, and with what clients
// say of them.
func (f poolFile) checkProviders(complain func(path, format string, values ...any)) {
	known := []string{localUsers}
	for i, provider := range f.Providers {
		path := fmt.Sprintf("providers[%d].", i)
		for _, found := range provider.provider().Problems() {
			complain(path+inFile(found.Field), "%s", found.Problem)
		}
		if provider.Name != localUsers && slices.Contains(known, provider.Name) {
			complain(path+"name", "is %q, which another provider has", provider.Name)
		}
		known = append(known, provider.Name)
	}
	for i, client := range f.Clients {
		client.checkProviders(fmt.Sprintf("clients[%d]", i), known, complain)
	}
}

// checkProviders finds the providers of a client where nobody could sign in.
func (c clientFile) checkProviders(path string, known []string, complain func(path, format string, values ...any)) {
	for i, name := range c.Providers {
		if !slices.Contains(known, name) {
			complain(fmt.Sprintf("%s.supportedIdentityProviders[%d]", path, i), "is %q, want one of %s", name, strings.Join(known, ", "))
		}
	}
}

// inFile is what the settings file calls a field of a provider.
func inFile(field string) string {
	parts := strings.Split(field, ".")
	for i, part := range parts {
		parts[i] = strings.ToLower(part[:1]) + part[1:]
	}
	return strings.ReplaceAll(strings.Join(parts, "."), "iD", "id")
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
