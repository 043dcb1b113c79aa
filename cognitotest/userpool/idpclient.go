package userpool

import (
	"cmp"
	"crypto/rand"
	"encoding/base32"
	"slices"
	"strings"
	"time"
)

// App clients by the API.

// clientRequest is what the operations on app clients read.
type clientRequest struct {
	ofPool
	ClientID, ClientName, ClientSecret                              string
	GenerateSecret                                                  bool
	CallbackURLs, LogoutURLs, AllowedOAuthFlows, AllowedOAuthScopes []string
	ReadAttributes, SupportedIdentityProviders                      []string
	AccessTokenValidity, IDTokenValidity, RefreshTokenValidity      int
	TokenValidityUnits                                              struct{ AccessToken, IDToken, RefreshToken string }
	EnableTokenRevocation                                           *bool
	RefreshTokenRotation                                            struct {
		Feature                 string
		RetryGracePeriodSeconds int
	}
}

// units are those of a token's validity.
func units(name string, otherwise time.Duration) (time.Duration, error) {
	switch name {
	case "":
		return otherwise, nil
	case "seconds":
		return time.Second, nil
	case "minutes":
		return time.Minute, nil
	case "hours":
		return time.Hour, nil
	case "days":
		return 24 * time.Hour, nil
	}
	return 0, refused("InvalidParameterException", "no unit of time is called "+name)
}

func (p *Pool) createClient(in clientRequest) (any, error) {
	if in.ClientName == "" {
		return nil, missing("ClientName")
	}
	client, err := clientOf(in)
	if err == nil {
		err = p.checkProviders(in.SupportedIdentityProviders)
	}
	if err != nil {
		return nil, err
	}
	p.SetClient(client)
	p.mu.Lock()
	p.idp.clientNames[client.ID] = in.ClientName
	p.mu.Unlock()
	made, _ := p.client(client.ID)
	return map[string]any{"UserPoolClient": p.apiClient(made)}, nil
}

// clientOf is the client that a request describes, once it makes sense.
func clientOf(in clientRequest) (Client, error) {
	client := Client{
		ID: newClientID(), Secret: in.ClientSecret, CallbackURLs: in.CallbackURLs, LogoutURLs: in.LogoutURLs,
		Scopes: in.AllowedOAuthScopes, Grants: in.AllowedOAuthFlows, ReadAttributes: in.ReadAttributes,
		SupportedIdentityProviders: in.SupportedIdentityProviders,
		RevocationOff:              in.EnableTokenRevocation != nil && !*in.EnableTokenRevocation,
		RotateRefreshTokens:        in.RefreshTokenRotation.Feature == "ENABLED",
		RotationGrace:              time.Duration(in.RefreshTokenRotation.RetryGracePeriodSeconds) * time.Second,
	}
	if in.GenerateSecret {
		client.Secret = randomText(38)
	}
	if err := checkURLs(slices.Concat(client.CallbackURLs, client.LogoutURLs)); err != nil {
		return Client{}, err
	}
	if err := checkGrants(client); err != nil {
		return Client{}, err
	}
	for _, life := range []struct {
		n     int
		unit  string
		usual time.Duration
		ttl   *time.Duration
	}{
		{in.AccessTokenValidity, in.TokenValidityUnits.AccessToken, time.Hour, &client.AccessTokenTTL},
		{in.IDTokenValidity, in.TokenValidityUnits.IDToken, time.Hour, &client.IDTokenTTL},
		{in.RefreshTokenValidity, in.TokenValidityUnits.RefreshToken, 24 * time.Hour, &client.RefreshTokenTTL},
	} {
		unit, err := units(life.unit, life.usual)
		if err != nil {
			return Client{}, err
		}
		*life.ttl = time.Duration(life.n) * unit
	}
	return client, nil
}

// checkGrants is the rule of grantsOf, for those who must not panic.
func checkGrants(client Client) error {
	for _, grant := range client.Grants {
		if !slices.Contains([]string{grantCode, grantImplicit, grantMachine}, grant) {
			return refused("InvalidOAuthFlowException", "no grant is called "+grant)
		}
	}
	if slices.Contains(client.Grants, grantMachine) && (len(client.Grants) > 1 || client.Secret == "") {
		return refused("InvalidOAuthFlowException", "client_credentials needs a secret, and no other grant beside it")
	}
	return nil
}

// checkProviders refuses what nobody could sign in at.
func (p *Pool) checkProviders(names []string) error {
	for _, name := range names {
		if _, known := p.provider(name); !known && name != ownDirectory {
			return refused("InvalidParameterException", "The provider "+name+" does not exist for User Pool "+p.id)
		}
	}
	return nil
}

// newClientID looks like a pool's: 26 small letters and digits.
func newClientID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// apiClient is a client in the API's form.
func (p *Pool) apiClient(c Client) map[string]any {
	p.mu.Lock()
	name := cmp.Or(p.idp.clientNames[c.ID], c.ID)
	p.mu.Unlock()
	feature := "DISABLED"
	if c.RotateRefreshTokens {
		feature = "ENABLED"
	}
	shown := map[string]any{
		"UserPoolId": p.id, "ClientId": c.ID, "ClientName": name,
		"CallbackURLs": c.CallbackURLs, "LogoutURLs": c.LogoutURLs,
		"AllowedOAuthFlows": c.Grants, "AllowedOAuthScopes": c.Scopes, "AllowedOAuthFlowsUserPoolClient": true,
		"ReadAttributes": c.ReadAttributes, "SupportedIdentityProviders": p.supportedBy(c),
		"AccessTokenValidity":  int64(c.AccessTokenTTL / time.Second),
		"IdTokenValidity":      int64(c.IDTokenTTL / time.Second),
		"RefreshTokenValidity": int64(c.RefreshTokenTTL / time.Second),
		"TokenValidityUnits": map[string]string{
			"AccessToken": "seconds", "IdToken": "seconds", "RefreshToken": "seconds",
		},
		"EnableTokenRevocation": !c.RevocationOff, "PreventUserExistenceErrors": "ENABLED",
		"RefreshTokenRotation": map[string]any{
			"Feature": feature, "RetryGracePeriodSeconds": int64(c.RotationGrace / time.Second),
		},
	}
	if c.Secret != "" {
		shown["ClientSecret"] = c.Secret
	}
	return shown
}

func (p *Pool) describeClient(in clientRequest) (any, error) {
	client, err := p.idpClient(in.ClientID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"UserPoolClient": p.apiClient(client)}, nil
}

func (p *Pool) listClients(clientRequest) (any, error) {
	p.mu.Lock()
	ids := slices.Clone(p.clients.names)
	p.mu.Unlock()
	list := []map[string]any{}
	for _, id := range ids {
		client, _ := p.client(id)
		list = append(list, map[string]any{"ClientId": id, "UserPoolId": p.id, "ClientName": p.apiClient(client)["ClientName"]})
	}
	return map[string]any{"UserPoolClients": list}, nil
}
