package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
)

// SealVersion is the first byte of every record. A record of another version
// comes from a newer or older release in a rolling deployment: it is treated
// as absent and left where it is.
const SealVersion = 3

const nonceSize = 12 // of GCM

// Why a record does not open.
var (
	ErrUnknownVersion = errors.New("sealed record of another version")
	errTampered       = errors.New("sealed record does not open: changed, swapped, or of another app")
)

// Keyring is what one secret of a visitor's cookie yields: the name under
// which records stand in the storage, and the key that they are sealed with.
// Neither leads back to the cookie, so a dump of the storage signs nobody in,
// and whoever writes to the storage cannot make a record that opens.
type Keyring struct {
	Name Name
	Key
}

// Format prints no secret.
func (Keyring) Format(f fmt.State, _ rune) { Hide(f, "key") }

// Name and Key are arrays and not strings: of a session that is open in memory they are
// in one piece with the rest of it.
type (
	Name [43]byte // 32 bytes in base64url
	Key  [32]byte
)

// Format prints no secret.
func (Key) Format(f fmt.State, _ rune) { Hide(f, "key") }

// BindingOf is what keyrings are bound to: the purpose, and pool and client. So
// the cookie of one app or one kind is nothing in another, even over one shared
// storage. It is a digest, to fit into one block of the hash with the rest.
func BindingOf(purpose, binding string) string {
	sum := sha256.Sum256([]byte("cognito/" + purpose + "\x00" + binding))
	return string(sum[:16])
}

// DeriveKeyring derives both by the one-step key derivation of NIST SP 800-56C
// (section 4.1, with SHA-256), which is also the Concat KDF of RFC 7518: two
// hashes where HKDF takes several HMACs, for which every request of a session
// that is not open in memory would wait. They are enough, since random is 32
// random bytes, always, and nothing is ever appended to what they yield.
func DeriveKeyring(random []byte, boundTo string) Keyring {
	message := make([]byte, 4, 64) // begins with a counter
	message = append(append(message, random...), boundTo...)
	message[3] = 1
	first := sha256.Sum256(message)
	message[3] = 2
	second := sha256.Sum256(message)
	ring := Keyring{Key: second}
	base64.RawURLEncoding.Encode(ring.Name[:], first[:])
	return ring
}

// aead makes the cipher anew. Kept, it would take more than a kilobyte of every
// session that is open, and what is open is seldom sealed or opened again.
func (k *Key) aead() cipher.AEAD {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		panic(err) // only for key sizes that AES does not have
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

// Seal encrypts plain as the record that is stored under key. The key is
// authenticated too, so a record moved to another key does not open.
func (k *Key) Seal(key string, plain []byte) []byte {
	aead := k.aead()
	sealed := make([]byte, 1+nonceSize, 1+nonceSize+len(plain)+aead.Overhead())
	sealed[0] = SealVersion
	_, _ = rand.Read(sealed[1:])
	return aead.Seal(sealed, sealed[1:], plain, []byte(key))
}

// Open reverses seal.
func (k *Key) Open(key string, sealed []byte) ([]byte, error) {
	return k.OpenInto(nil, key, sealed)
}

// SealedStart is where that which is sealed begins in a record.
const SealedStart = 1 + nonceSize

// OpenInto is open with the memory to write to: room for as much as is sealed,
// or none.
func (k *Key) OpenInto(room []byte, key string, sealed []byte) ([]byte, error) {
	if len(sealed) < SealedStart {
		return nil, errTampered
	}
	if sealed[0] != SealVersion {
		return nil, ErrUnknownVersion
	}
	plain, err := k.aead().Open(room, sealed[1:SealedStart], sealed[SealedStart:], []byte(key))
	if err != nil {
		return nil, errTampered
	}
	return plain, nil
}
