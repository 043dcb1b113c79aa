package userpool

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
)

// serveJWKS publishes the keys: one for ID tokens, another for access tokens,
// and the old ones after a rotation.
func (p *Pool) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	// The members of a real pool's keys, and no others: x5c in particular is
	// missing.
	type jwk struct {
		Alg string `json:"alg"`
		E   string `json:"e"`
		Kid string `json:"kid"`
		Kty string `json:"kty"`
		N   string `json:"n"`
		Use string `json:"use"`
	}
	keys := []jwk{}
	for _, key := range p.publishedKeys() {
		keys = append(keys, jwk{
			Alg: "RS256", Kty: "RSA", Use: "sig", Kid: key.kid,
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
			N: base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys}) // the client may have left
}
