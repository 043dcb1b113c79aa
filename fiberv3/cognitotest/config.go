// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognitotest

import (
	"fmt"
	"net/http"

	"github.com/bar-tech/cognito/fiberv3"
)

// Config returns the configuration of an application that uses this pool, with
// one of its clients: the given one, or the first. Set the other fields as in
// production.
//
// It includes Issuer, which cannot be derived from the pool's ID here, and Now, so
// that the application has the pool's clock: after an Advance, both agree on which
// tokens have expired.
func (p *Pool) Config(clientID ...string) cognito.Config {
	id := ""
	if len(clientID) > 0 {
		id = clientID[0]
	}
	client, ok := p.ClientByID(id)
	if !ok {
		panic(fmt.Sprintf("cognitotest: the pool has no client %q", id))
	}
	config := cognito.Config{
		UserPoolDomain: p.URL(),
		ClientID:       client.ID,
		ClientSecret:   client.Secret,
		UserPoolID:     p.UserPoolID(),
		Issuer:         p.FirstIssuer(),
		Now:            p.Now,
	}
	// Where the keys cannot be had from the issuer's address, or only by who trusts the
	// pool's certificate.
	if p.FirstIssuer() != p.Home() || p.Certificate() != nil {
		config.HTTPClient = &http.Client{Transport: p.Transport()}
	}
	return config
}
