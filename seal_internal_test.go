package cognito

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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

// TestRandomTextIsUnguessable is row D1: ten thousand texts, all different, of
// 32 bytes each, in the one spelling that they have.
func TestRandomTextIsUnguessable(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		text := randomText()
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
	derived := deriveKeyring(z, otherInfo).name
	name, err := base64.RawURLEncoding.DecodeString(string(derived[:]))
	if err != nil || len(name) != sha256.Size || !bytes.HasPrefix(name, published) {
		t.Errorf("the name is %x, want one that begins with %x: %v", name, published, err)
	}

	ring := deriveKeyring(testSecret(), sealedFor("session", "issuer\x00pool\x00client"))
	bound := sha256.Sum256([]byte("cognito/session\x00issuer\x00pool\x00client"))
	second := sha256.Sum256(slices.Concat([]byte{0, 0, 0, 2}, testSecret(), bound[:16]))
	nonce := make([]byte, ring.aead().NonceSize())
	other := aesGCM(t, second[:])
	if got, want := ring.aead().Seal(nil, nonce, []byte("text"), nil), other.Seal(nil, nonce, []byte("text"), nil); !bytes.Equal(got, want) {
		t.Error("the key is not the second block")
	}
	if bytes.Contains(ring.name[:], []byte(base64.RawURLEncoding.EncodeToString(testSecret())[:8])) {
		t.Error("the name shows the secret")
	}
}

// TestKeyringsAreApart is row D4: a change of any part of what a key is derived
// from gives another name and another key.
func TestKeyringsAreApart(t *testing.T) {
	ring := deriveKeyring(testSecret(), sealedFor("session", "pool"))
	sealed := ring.seal("key", []byte("text"))
	altered := testSecret()
	altered[31] ^= 1
	for name, other := range map[string]keyring{
		"secret":              deriveKeyring(altered, sealedFor("session", "pool")),
		"purpose":             deriveKeyring(testSecret(), sealedFor("attempt", "pool")),
		"binding":             deriveKeyring(testSecret(), sealedFor("session", "pool2")),
		"purpose and binding": deriveKeyring(testSecret(), sealedFor("session\x00pool", "")),
	} {
		if other.name == ring.name {
			t.Errorf("another %s gives the same name", name)
		}
		if _, err := other.open("key", sealed); !errors.Is(err, errTampered) {
			t.Errorf("another %s: open() = %v, want errTampered", name, err)
		}
	}
	again := deriveKeyring(testSecret(), sealedFor("session", "pool"))
	if plain, err := again.open("key", sealed); err != nil || string(plain) != "text" {
		t.Errorf("open() = %q, %v", plain, err)
	}
}

// TestSealedRecordsDoNotBend is rows D4 and K3: no bit can be changed, no byte
// taken away or added, and no record moved to another key.
func TestSealedRecordsDoNotBend(t *testing.T) {
	ring := deriveKeyring(testSecret(), sealedFor("session", "pool"))
	sealed := ring.seal("key", []byte("some claims"))
	mustFail := func(what, key string, record []byte, want error) {
		t.Helper()
		if plain, err := ring.open(key, record); !errors.Is(err, want) || plain != nil {
			t.Errorf("%s: open() = %q, %v, want %v", what, plain, err, want)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			flipped := slices.Clone(sealed)
			flipped[i] ^= 1 << bit
			want := errTampered
			if i == 0 {
				want = errUnknownVersion
			}
			mustFail("a flipped bit", "key", flipped, want)
		}
		mustFail("a part", "key", sealed[:i], errTampered)
	}
	mustFail("nothing", "key", nil, errTampered)
	mustFail("a byte more", "key", append(slices.Clone(sealed), 0), errTampered)
	mustFail("another key", "key2", sealed, errTampered)
	mustFail("no key", "", sealed, errTampered)
	if plain, err := ring.open("key", sealed); err != nil || string(plain) != "some claims" {
		t.Errorf("open() = %q, %v", plain, err)
	}
	if again := ring.seal("key", []byte("some claims")); bytes.Equal(again, sealed) || bytes.Contains(again, []byte("claims")) {
		t.Error("sealing twice gives the same bytes, or readable ones")
	}
	if empty, err := ring.open("key", ring.seal("key", nil)); err != nil || len(empty) != 0 {
		t.Errorf("an empty record opens as %q, %v", empty, err)
	}
}

// TestHandlesOfWellFormedIDsOnly is row D2: an id has one spelling, and nothing
// else names a record.
func TestHandlesOfWellFormedIDsOnly(t *testing.T) {
	good := base64.RawURLEncoding.EncodeToString(testSecret())
	for _, bad := range []string{
		"", "A", good[:42], good + "A", good[:42] + "=", good[:42] + "9", good[:42] + "*", good[:42] + "+", good[:42] + "\n", "\x00" + good[1:], good[:42] + "é",
	} {
		if handle, ok := newHandle([]byte(bad), "pool"); ok {
			t.Errorf("%q names the records %s", bad, handle.hot())
		}
	}
	handle, ok := newHandle([]byte(good), "pool")
	if !ok {
		t.Fatalf("%q is refused", good)
	}
	names := []string{handle.hot(), handle.cold(), handle.tomb(), handle.lease()}
	slices.Sort(names)
	if len(slices.Compact(names)) != 4 {
		t.Errorf("records share a key: %q", names)
	}
}

// TestGoldenRecords is row D7: records that this release wrote, as bytes. Every
// later release that writes this version must read them; one that cannot must
// count its version up.
func TestGoldenRecords(t *testing.T) {
	handle, ok := newHandle([]byte(goldenID), sealedFor("session", goldenBinding))
	if !ok {
		t.Fatal("the golden id is refused")
	}
	if handle.hot() != goldenHotKey || handle.cold() != goldenColdKey {
		t.Errorf("the records are called %s and %s, want %s and %s", handle.hot(), handle.cold(), goldenHotKey, goldenColdKey)
	}
	for sealed, want := range map[string]hotRecord{goldenWholeSealed: goldenWholeRecord(), goldenShortSealed: goldenShortRecord()} {
		if got, err := decodeHot(openGolden(t, handle, handle.hot(), sealed), goldenBook); err != nil || !equalHot(got, want) {
			t.Errorf("the hot record holds %s, want %s: %v", shown(got), shown(want), err)
		}
	}
	if got, err := decodeCold(openGolden(t, handle, handle.cold(), goldenColdSealed)); err != nil || got != goldenColdRecord {
		t.Errorf("the cold record does not hold what was put in: %v", err)
	}
}

func openGolden(t *testing.T, handle *sessionHandle, key, sealed string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := handle.key.open(key, raw)
	if err != nil {
		t.Fatalf("open() = %v", err)
	}
	return plain
}
