package cognito

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
)

// sealVersion is the first byte of every record. A record of another version
// comes from a newer or older release in a rolling deployment: it is treated
// as absent and left where it is.
const sealVersion = 1

var (
	errUnknownVersion = errors.New("sealed record of another version")
	errTampered       = errors.New("sealed record does not open: changed, swapped, or of another app")
)

// keyring is what one secret of a visitor's cookie yields: the name under
// which records stand in the storage, and the key that they are sealed with.
// Neither leads back to the cookie, so a dump of the storage signs nobody in,
// and whoever writes to the storage cannot make a record that opens.
type keyring struct {
	name string
	aead cipher.AEAD
}

// deriveKeyring derives both by HKDF-SHA-256 (RFC 5869). The purpose and the
// binding (pool and client) go in, so that the cookie of one app or one kind
// is nothing in another, even over one shared storage.
func deriveKeyring(secret []byte, purpose, binding string) keyring {
	material, err := hkdf.Key(sha256.New, secret, nil, "cognito/"+purpose+"\x00"+binding, 64)
	if err != nil {
		panic(err) // only for lengths that HKDF cannot produce
	}
	block, err := aes.NewCipher(material[32:])
	if err != nil {
		panic(err) // only for key sizes that AES does not have
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return keyring{name: base64.RawURLEncoding.EncodeToString(material[:32]), aead: aead}
}

// seal encrypts plain as the record that is stored under key. The key is
// authenticated too, so a record moved to another key does not open.
func (k keyring) seal(key string, plain []byte) []byte {
	size := k.aead.NonceSize()
	sealed := make([]byte, 1+size, 1+size+len(plain)+k.aead.Overhead())
	sealed[0] = sealVersion
	_, _ = rand.Read(sealed[1:])
	return k.aead.Seal(sealed, sealed[1:], plain, []byte(key))
}

// open reverses seal.
func (k keyring) open(key string, sealed []byte) ([]byte, error) {
	size := k.aead.NonceSize()
	if len(sealed) < 1+size {
		return nil, errTampered
	}
	if sealed[0] != sealVersion {
		return nil, errUnknownVersion
	}
	plain, err := k.aead.Open(nil, sealed[1:1+size], sealed[1+size:], []byte(key))
	if err != nil {
		return nil, errTampered
	}
	return plain, nil
}
