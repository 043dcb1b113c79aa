package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// CookieSealer seals data that is kept only in a cookie. If it opens, somebody who has
// one of the keys has made it: all that a visitor can do is keep the cookie and send it
// back.
type CookieSealer struct{ keys []Key }

// Format prints no secret.
func (CookieSealer) Format(f fmt.State, _ rune) { Hide(f, "key") }

// NewCookieSealer seals with the first of the app's keys and opens with all. What it
// seals is bound to a purpose and to an app.
func NewCookieSealer(keys Keys, purpose, app string) *CookieSealer {
	s := &CookieSealer{}
	for _, key := range keys.all {
		s.keys = append(s.keys, oneStep(key[:], "cognito/"+purpose+" in a cookie\x00"+app))
	}
	return s
}

// oneStep is the key derivation of NIST SP 800-56C, section 4.1, with SHA-256 and
// one block.
func oneStep(from []byte, info string) Key {
	message := append([]byte{0, 0, 0, 1}, from...)
	return sha256.Sum256(append(message, info...))
}

// cookieVersion is the first byte of what is sealed.
const cookieVersion = 1

const saltSize = 16

// errOtherKey means that a cookie was not sealed with one of our keys, or was changed.
var errOtherKey = errors.New("the cookie was changed, or none of Config.Keys sealed it")

// Seal encrypts plain, in the characters of a cookie. Each has a key of its own,
// derived from a salt: under one key for all, GCM would wear out after some billions
// of random nonces (NIST SP 800-38D section 8.3).
func (s *CookieSealer) Seal(plain []byte) string {
	sealed := make([]byte, 1+saltSize, 1+saltSize+len(plain)+16)
	sealed[0] = cookieVersion
	_, _ = rand.Read(sealed[1:])
	key := oneStep(s.keys[0][:], string(sealed[1:]))
	return base64.RawURLEncoding.EncodeToString(key.aead().Seal(sealed, make([]byte, nonceSize), plain, sealed[:1]))
}

// Open reverses Seal. first tells whether it was sealed with the key that seals now.
func (s *CookieSealer) Open(value []byte) (plain []byte, first bool, err error) {
	sealed := make([]byte, base64.RawURLEncoding.DecodedLen(len(value)))
	n, err := base64.RawURLEncoding.Strict().Decode(sealed, value)
	if err != nil || n < 1+saltSize {
		return nil, false, errOtherKey
	}
	if sealed = sealed[:n]; sealed[0] != cookieVersion {
		return nil, false, ErrUnknownVersion
	}
	for i, each := range s.keys {
		key := oneStep(each[:], string(sealed[1:1+saltSize]))
		plain, err := key.aead().Open(nil, make([]byte, nonceSize), sealed[1+saltSize:], sealed[:1])
		if err == nil {
			return plain, i == 0, nil
		}
	}
	return nil, false, errOtherKey
}
