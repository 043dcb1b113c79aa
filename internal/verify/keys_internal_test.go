package verify

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
)

// keyJSON is a public key as pools publish it, with members laid over it.
func keyJSON(t testing.TB, changes map[string]any) string {
	t.Helper()
	key := fuzzKey()
	members := map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1",
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()), "e": "AQAB",
	}
	for name, value := range changes {
		members[name] = value
		if value == nil {
			delete(members, name)
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// modulus is a number of exactly so many bits.
func modulus(bits int) string {
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return base64.RawURLEncoding.EncodeToString(n.SetBit(n, 0, 1).Bytes())
}

// TestUsableKey tries one key at a time: what is usable is for RS256
// signatures, of 2048 to 8192 bits, and has a name and an odd exponent.
func TestUsableKey(t *testing.T) {
	for _, row := range []struct {
		name    string
		changes map[string]any
		want    bool
	}{
		{"as pools publish it", nil, true},
		{"without use", map[string]any{"use": nil}, true},
		{"without alg", map[string]any{"alg": nil}, true},
		{"with an unknown member", map[string]any{"iat": 1}, true},
		{"of 2048 bits", map[string]any{"n": modulus(2048)}, true},
		{"of 2047 bits", map[string]any{"n": modulus(2047)}, false},
		{"of 8192 bits", map[string]any{"n": modulus(8192)}, true},
		{"of 8193 bits", map[string]any{"n": modulus(8193)}, false},
		{"exponent 3", map[string]any{"e": "Aw"}, true},
		{"exponent 2", map[string]any{"e": "Ag"}, false},
		{"exponent 1", map[string]any{"e": "AQ"}, false},
		{"exponent 0", map[string]any{"e": "AA"}, false},
		{"exponent 65536", map[string]any{"e": "AQAA"}, false},
		{"for encryption", map[string]any{"use": "enc"}, false},
		{"for RS384", map[string]any{"alg": "RS384"}, false},
		{"for HS256", map[string]any{"alg": "HS256"}, false},
		{"of type EC", map[string]any{"kty": "EC"}, false},
		{"of type oct", map[string]any{"kty": "oct", "k": "AAAA"}, false},
		{"without kid", map[string]any{"kid": nil}, false},
		{"with an empty kid", map[string]any{"kid": ""}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			key, got := usableKey([]byte(keyJSON(t, row.changes)))
			if got != row.want {
				t.Fatalf("usableKey() = %v, want %v", got, row.want)
			}
			if _, public := key.Key().(*rsa.PublicKey); got && !public {
				t.Errorf("the key is a %T", key.Key())
			}
		})
	}
}

// TestPublishedPrivateKey proves that a key whose private half is in the set
// is not one to trust: everybody who can read the set can sign with it.
func TestPublishedPrivateKey(t *testing.T) {
	key := fuzzKey()
	text := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	if _, usable := usableKey([]byte(keyJSON(t, map[string]any{"d": text(key.D)}))); usable {
		t.Error("a key is usable whose private exponent is published")
	}
	if _, usable := usableKey([]byte(keyJSON(t, map[string]any{"p": text(key.Primes[0])}))); usable {
		t.Error("a key is usable of which a prime is published")
	}
}

// TestUsableKeys keeps the first bearer of a name, and calls a set without a
// usable key broken.
func TestUsableKeys(t *testing.T) {
	one := keyJSON(t, nil)
	two := keyJSON(t, map[string]any{"kid": "k2"})
	twin := keyJSON(t, map[string]any{"e": "Aw"})
	bad := keyJSON(t, map[string]any{"use": "enc"})
	for _, row := range []struct {
		name, document string
		want           int // 0: an error
	}{
		{"one", `{"keys":[` + one + `]}`, 1},
		{"two", `{"keys":[` + one + "," + two + `]}`, 2},
		{"one and a bad one of its name", `{"keys":[` + bad + "," + one + `]}`, 1},
		{"one and no keys", `{"keys":[1,null,"x",[],{},` + one + `]}`, 1},
		{"twins", `{"keys":[` + one + "," + twin + `]}`, 1},
		{"bad ones", `{"keys":[` + bad + `]}`, 0},
		{"none", `{"keys":[]}`, 0},
		{"no list", `{"keys":` + one + `}`, 0},
		{"no object", `[` + one + `]`, 0},
		{"nothing", ``, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			keys, err := usableKeys([]byte(row.document))
			if len(keys) != row.want || (err == nil) != (row.want > 0) {
				t.Fatalf("usableKeys() = %d keys, %v, want %d", len(keys), err, row.want)
			}
			if key, ok := keys["k1"]; ok && key.Key().(*rsa.PublicKey).E != 65537 {
				t.Error("the second bearer of a name took the place of the first")
			}
		})
	}
}

// TestKeyTurns plays with the clock of the token bucket: two fetches at once,
// then one per ten seconds, none saved up beyond two, and no standstill when
// the clock is set back.
func TestKeyTurns(t *testing.T) {
	now := time.Unix(1_750_000_000, 0)
	set := NewKeys(nil, nil, nil, func() time.Time { return now })
	for i, step := range []struct {
		wait  time.Duration
		turns string // y and n, in order
	}{
		{0, "yynn"},
		{9 * time.Second, "n"},
		{time.Second, "yn"},
		{25 * time.Second, "yyn"},
		{9 * time.Second, "n"}, // what was left of the 25 seconds is not owed
		{time.Second, "yn"},
		{time.Hour, "yyn"},
		{-time.Hour, "n"},
		{10 * time.Second, "yn"},
	} {
		now = now.Add(step.wait)
		var got strings.Builder
		for range step.turns {
			turn := "n"
			if set.takeTurn() {
				turn = "y"
			}
			got.WriteString(turn)
		}
		if got.String() != step.turns {
			t.Fatalf("step %d: turns %s, want %s", i, got.String(), step.turns)
		}
	}
}
