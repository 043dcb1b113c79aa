package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"slices"
	"testing"
)

// testSecret is what a cookie would hold: 32 bytes, here 0 to 31.
func testSecret() []byte {
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i)
	}
	return secret
}

const testKey = "ifiXN3BYT1l8Ij2Bl+m0Xo8sXq5tY2lHqzKc0nZb7dE="

func ringOf(random []byte, purpose, app string) Keyring {
	return NewDeriver(NewKeys([]string{testKey}), purpose, app).Ring(random)
}

// TestRandomTextIsUnguessable: ten thousand texts, all different, of 32 bytes each, in
// the one spelling that they have.
func TestRandomTextIsUnguessable(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		text := Random()
		raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(text) != 43 || len(raw) != 32 {
			t.Fatalf("%q is not 32 bytes in 43 characters: %v", text, err)
		}
		if seen[text] || seen[text[:8]] || seen[text[35:]] {
			t.Fatalf("%q, or a part of it, came before", text)
		}
		seen[text], seen[text[:8]] = true, true
	}
}

// TestKeyringIsOneStepDerivation pins the derivation: an instance of the next
// release must find the sessions of this one. The name is checked against a
// published vector, the key against a computation of its own.
func TestKeyringIsOneStepDerivation(t *testing.T) {
	// RFC 7518 appendix C: Z, OtherInfo, and the first half of the result.
	z := []byte{
		158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156, 251, 49, 110, 163,
		218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
	}
	otherInfo := "\x00\x00\x00\x07A128GCM\x00\x00\x00\x05Alice\x00\x00\x00\x03Bob\x00\x00\x00\x80"
	published, err := base64.RawURLEncoding.DecodeString("VqqN6vgjbSBcIijNcacQGg")
	if err != nil {
		t.Fatal(err)
	}
	derived := (&Deriver{keys: NewKeys(nil), boundTo: otherInfo}).Ring(z).Name
	name, err := base64.RawURLEncoding.DecodeString(string(derived[:]))
	if err != nil || len(name) != sha256.Size || !bytes.HasPrefix(name, published) {
		t.Errorf("the name is %x, want one that begins with %x: %v", name, published, err)
	}

	ring := ringOf(testSecret(), "session", "pool\x00client")
	bound := sha256.Sum256([]byte("cognito/session\x00pool\x00client"))
	server := sha256.Sum256([]byte("cognito/key\x00" + testKey))
	second := sha256.Sum256(slices.Concat([]byte{0, 0, 0, 2}, testSecret(), server[:], bound[:16]))
	nonce := make([]byte, ring.aead().NonceSize())
	other := aesGCM(t, second[:])
	if got, want := ring.aead().Seal(nil, nonce, []byte("text"), nil), other.Seal(nil, nonce, []byte("text"), nil); !bytes.Equal(got, want) {
		t.Error("the key is not the second block")
	}
	if bytes.Contains(ring.Name[:], []byte(base64.RawURLEncoding.EncodeToString(testSecret())[:8])) {
		t.Error("the name shows the secret")
	}
}

// TestKeyringsAreApart: a change of any part of what a key is derived from gives
// another name and another key.
func TestKeyringsAreApart(t *testing.T) {
	ring := ringOf(testSecret(), "session", "pool")
	sealed := ring.Seal("key", []byte("text"))
	altered := testSecret()
	altered[31] ^= 1
	if theirs := NewDeriver(NewKeys(nil), "session", "pool").Ring(testSecret()); theirs.Name != ring.Name {
		t.Error("another key of the app gives another name, so that no key could ever be replaced")
	} else if _, err := theirs.Open("key", sealed); !errors.Is(err, ErrTampered) {
		t.Errorf("another key of the app: open() = %v, want ErrTampered", err)
	}
	for name, other := range map[string]Keyring{
		"secret":              ringOf(altered, "session", "pool"),
		"purpose":             ringOf(testSecret(), "attempt", "pool"),
		"binding":             ringOf(testSecret(), "session", "pool2"),
		"purpose and binding": ringOf(testSecret(), "session\x00pool", ""),
	} {
		if other.Name == ring.Name {
			t.Errorf("another %s gives the same name", name)
		}
		if _, err := other.Open("key", sealed); !errors.Is(err, ErrTampered) {
			t.Errorf("another %s: open() = %v, want ErrTampered", name, err)
		}
	}
	again := ringOf(testSecret(), "session", "pool")
	if plain, err := again.Open("key", sealed); err != nil || string(plain) != "text" {
		t.Errorf("open() = %q, %v", plain, err)
	}
}

// TestSealedRecordsDoNotBend: no bit can be changed, no byte taken away or added, and
// no record moved to another key.
func TestSealedRecordsDoNotBend(t *testing.T) {
	ring := ringOf(testSecret(), "session", "pool")
	sealed := ring.Seal("key", []byte("some claims"))
	mustFail := func(what, key string, record []byte, want error) {
		t.Helper()
		if plain, err := ring.Open(key, record); !errors.Is(err, want) || plain != nil {
			t.Errorf("%s: open() = %q, %v, want %v", what, plain, err, want)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			flipped := slices.Clone(sealed)
			flipped[i] ^= 1 << bit
			want := ErrTampered
			if i == 0 {
				want = ErrUnknownVersion
			}
			mustFail("a flipped bit", "key", flipped, want)
		}
		mustFail("a part", "key", sealed[:i], ErrTampered)
	}
	mustFail("nothing", "key", nil, ErrTampered)
	mustFail("a byte more", "key", append(slices.Clone(sealed), 0), ErrTampered)
	mustFail("another key", "key2", sealed, ErrTampered)
	mustFail("no key", "", sealed, ErrTampered)
	if plain, err := ring.Open("key", sealed); err != nil || string(plain) != "some claims" {
		t.Errorf("open() = %q, %v", plain, err)
	}
	if again := ring.Seal("key", []byte("some claims")); bytes.Equal(again, sealed) || bytes.Contains(again, []byte("claims")) {
		t.Error("sealing twice gives the same bytes, or readable ones")
	}
	if empty, err := ring.Open("key", ring.Seal("key", nil)); err != nil || len(empty) != 0 {
		t.Errorf("an empty record opens as %q, %v", empty, err)
	}
}

func aesGCM(t *testing.T, key []byte) cipher.AEAD {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

// TestKeyRotation: of several keys the first seals and all open.
func TestKeyRotation(t *testing.T) {
	one, two := NewKeys([]string{"one"}), NewKeys([]string{"two"})
	sealed := func(keys Keys) []byte {
		ring := NewDeriver(keys, "session", "pool").Ring(testSecret())
		return ring.Seal("name", []byte("text"))
	}
	both := NewDeriver(NewKeys([]string{"two", "one"}), "session", "pool")
	ring := both.Ring(testSecret())
	if plain, err := ring.Open("name", sealed(two)); err != nil || string(plain) != "text" {
		t.Errorf("the first key opens %q, %v", plain, err)
	}
	if _, err := ring.Open("name", sealed(one)); !errors.Is(err, ErrTampered) || !both.Rotating() {
		t.Errorf("the first key opens what the second sealed: %v", err)
	}
	if plain, err := both.OpenOlder(testSecret(), "name", sealed(one)); err != nil || string(plain) != "text" {
		t.Errorf("the second key opens %q, %v", plain, err)
	}
	if _, err := both.OpenOlder(testSecret(), "name", sealed(NewKeys([]string{"three"}))); !errors.Is(err, ErrTampered) {
		t.Errorf("a key that is not ours opens: %v", err)
	}
}
