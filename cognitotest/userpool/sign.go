package userpool

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// RS256 by hand, rather than with a JWT library: the pool must be able to sign
// what such a library rightly refuses, and must not share its mistakes with the
// application under test.

// sign turns claims into a token, once the tamper hook has seen them. The
// header names kid and alg and nothing else, typ in particular, as a pool's do.
func (p *Pool) sign(use, grantType string, claims map[string]any) string {
	key := p.signingKey(use)
	token := &UnsignedToken{
		Use:    use,
		Grant:  grantType,
		Header: map[string]any{"kid": key.kid, "alg": "RS256"},
		Claims: claims,
		Key:    key.PrivateKey,
	}
	p.mu.Lock()
	tamper := p.tamper
	p.mu.Unlock()
	// Called without the lock, since the hook may ask the pool things.
	if tamper != nil {
		tamper(token)
	}
	signed, err := token.sign()
	if err != nil {
		panic(fmt.Sprintf("userpool: cannot sign the %s token: %v", use, err))
	}
	return signed
}

// sign signs with the token's own Sign, or with RS256 whatever the header says:
// a header that lies about its algorithm is one of the things tests are after.
func (t *UnsignedToken) sign() (string, error) {
	if t.Sign != nil {
		return t.Sign(t.Header, t.Claims)
	}
	header, err := segment(t.Header)
	if err != nil {
		return "", err
	}
	payload, err := segment(t.Claims)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(header + "." + payload))
	signature, err := rsa.SignPKCS1v15(rand.Reader, t.Key, crypto.SHA256, digest[:])
	if err != nil {
		return "", err
	}
	return header + "." + payload + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// segment encodes one part of a token. Cognito's JSON escapes slashes, which breaks
// applications that verify a signature over JSON that they have encoded again.
func segment(members map[string]any) (string, error) {
	raw, err := json.Marshal(members)
	if err != nil {
		return "", err
	}
	raw = bytes.ReplaceAll(raw, []byte("/"), []byte(`\/`))
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// errToken is the pool's error for a token that it does not accept.
var errToken = errors.New("not a valid token of this pool")

// verify returns the claims of a token that is signed with a published key and
// not expired. Everything else is the caller's to check.
func (p *Pool) verify(raw string) (map[string]any, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errToken
	}
	header, err := openSegment(parts[0])
	if err != nil || header["alg"] != "RS256" {
		return nil, errToken
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, errToken
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for _, key := range p.publishedKeys() {
		if key.kid != header["kid"] ||
			rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature) != nil {
			continue
		}
		claims, err := openSegment(parts[1])
		if err != nil {
			return nil, errToken
		}
		if expiry, ok := claims["exp"].(float64); !ok || p.Now().Unix() >= int64(expiry) {
			return nil, errToken
		}
		return claims, nil
	}
	return nil, errToken
}

// openSegment decodes one part of a token.
func openSegment(part string) (map[string]any, error) {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return nil, err
	}
	var members map[string]any
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, err
	}
	return members, nil
}
