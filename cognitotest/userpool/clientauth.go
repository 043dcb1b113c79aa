package userpool

import (
	"crypto/subtle"
	"net/http"
)

// authenticate finds out which app client is calling, and whether it is. On
// failure it returns the error code to answer with.
//
// Basic credentials are plain base64 of id:secret, without the form encoding
// that RFC 6749 §2.3.1 asks for: a client that escapes its secret fails. Secrets
// that Cognito generates need no escaping, so many a client gets away with
// either; a [Client] with a Secret such as "a%b+c" tells them apart.
func (p *Pool) authenticate(r *http.Request) (client Client, errorCode string) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if r.Header.Get("Authorization") != "" {
		basicID, basicSecret, ok := r.BasicAuth()
		// A client says who it is once, or says the same twice.
		if !ok || basicSecret == "" || secret != "" || id != "" && id != basicID {
			return Client{}, "invalid_client"
		}
		id, secret = basicID, basicSecret
	}
	if id == "" {
		return Client{}, "invalid_request"
	}
	client, ok := p.client(id)
	if !ok || !client.hasSecret(secret) {
		return Client{}, "invalid_client"
	}
	return client, ""
}

// hasSecret reports whether a secret is one of the client's. A public client has the
// secret "": sending one is an error, as is not sending the one of a confidential client.
func (c Client) hasSecret(secret string) bool {
	second := c.SecondSecret != "" && same(secret, c.SecondSecret)
	return same(secret, c.Secret) || second
}

// same compares secrets without telling by its time how much is right.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
