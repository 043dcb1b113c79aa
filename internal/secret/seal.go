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
// comes from a newer or older release in a rolling deployment: what it says is
// unknown here, and it is left where it is.
const SealVersion = 4

const nonceSize = 12 // of GCM

// Why a record does not open.
var (
	ErrUnknownVersion = errors.New("sealed record has an unknown version")
	ErrTampered       = errors.New("sealed record cannot be opened: it was changed, swapped or forged, or none of Config.Keys sealed it")
)

// Keyring is derived from one secret in a visitor's cookie: the name of records in the
// storage, and the key that they are sealed with. Neither leads back to the cookie, so a
// dump of the storage signs nobody in.
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

// Deriver yields the keyrings of one kind of record.
type Deriver struct {
	keys    Keys
	boundTo string
}

// Format prints no secret.
func (*Deriver) Format(f fmt.State, _ rune) { Hide(f, "keys") }

// NewDeriver derives keyrings from the app's keys. They are bound to the purpose
// and to the app: the cookie of one app or one kind is nothing in another, even
// over one shared storage. The binding is a digest, so that the derivation of a
// name fits into one block of the hash.
func NewDeriver(keys Keys, purpose, app string) *Deriver {
	sum := sha256.Sum256([]byte("cognito/" + purpose + "\x00" + app))
	return &Deriver{keys: keys, boundTo: string(sum[:16])}
}

// Ring derives by the one-step key derivation of NIST SP 800-56C (section 4.1,
// with SHA-256), which is also the Concat KDF of RFC 7518: two hashes where HKDF
// takes several HMACs, for which every request of a session that is not open in
// memory would wait. They are enough, since random is 32 random bytes, always,
// and nothing is ever appended to what they yield.
//
// The name depends only on the cookie, so it stays the same when the app's keys change.
// The key depends on two secrets. With only the cookie's, somebody who can write to the
// storage could choose their own cookie and seal anything. With only the app's, it
// and a dump would open everything.
func (d *Deriver) Ring(random []byte) Keyring {
	ring := Keyring{Key: d.key(0, random)}
	name := d.derive(1, random, nil)
	base64.RawURLEncoding.Encode(ring.Name[:], name[:])
	return ring
}

func (d *Deriver) key(i int, random []byte) Key { return d.derive(2, random, d.keys.all[i][:]) }

func (d *Deriver) derive(counter byte, random, key []byte) [32]byte {
	message := make([]byte, 4, 96)
	message[3] = counter
	message = append(append(append(message, random...), key...), d.boundTo...)
	return sha256.Sum256(message)
}

// Private derives keyrings of which the name, too, takes a key of the app: one for
// each of them, the first first. They are for what is named by something that others
// may know.
func (d *Deriver) Private(random []byte) []Keyring {
	rings := make([]Keyring, len(d.keys.all))
	for i := range rings {
		name := d.derive(3, random, d.keys.all[i][:])
		rings[i].Key = d.derive(4, random, d.keys.all[i][:])
		base64.RawURLEncoding.Encode(rings[i].Name[:], name[:])
	}
	return rings
}

// Rotating reports whether records may be sealed under an older key than ours.
func (d *Deriver) Rotating() bool { return len(d.keys.all) > 1 }

// OpenOlder opens a record that the key of its ring does not open, with the
// app's other keys.
func (d *Deriver) OpenOlder(random []byte, name string, sealed []byte) ([]byte, error) {
	for i := 1; i < len(d.keys.all); i++ {
		key := d.key(i, random)
		if plain, err := key.Open(name, sealed); err == nil {
			return plain, nil
		}
	}
	return nil, ErrTampered
}

// aead creates the cipher each time. Keeping it would take more than a kilobyte for
// every open session, which is seldom sealed or opened again.
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

// Open reverses Seal.
func (k *Key) Open(key string, sealed []byte) ([]byte, error) {
	return k.OpenInto(nil, key, sealed)
}

// SealedStart is where that which is sealed begins in a record.
const SealedStart = 1 + nonceSize

// OpenInto is Open with the memory to write to: room for as much as is sealed,
// or none.
func (k *Key) OpenInto(room []byte, key string, sealed []byte) ([]byte, error) {
	if len(sealed) < SealedStart {
		return nil, ErrTampered
	}
	if sealed[0] != SealVersion {
		return nil, ErrUnknownVersion
	}
	plain, err := k.aead().Open(room, sealed[1:SealedStart], sealed[SealedStart:], []byte(key))
	if err != nil {
		return nil, ErrTampered
	}
	return plain, nil
}
