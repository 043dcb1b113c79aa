package packed_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/internal/packed"
)

const (
	issuer   = "https://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_tMeCEUTj8"
	clientID = "7ks1311iid23h0cnvg2o3i4g7k"
)

var book = packed.NewBook(clientID, issuer)

// maker makes tokens of the form and the size of Cognito's.
type maker struct{ rand.ChaCha8 }

func newMaker() *maker { return &maker{*rand.NewChaCha8([32]byte{1})} }

func (m *maker) bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = m.Read(b)
	return b
}

func (m *maker) uuid() string {
	h := hex.EncodeToString(m.bytes(16))
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

func part(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (m *maker) jwt(claims string) string {
	header := `{"kid":"` + base64.StdEncoding.EncodeToString(m.bytes(32)) + `","alg":"RS256"}`
	return part([]byte(header)) + "." + part([]byte(claims)) + "." + part(m.bytes(256))
}

// refresh is 1,852 characters, as measured.
func (m *maker) refresh() string {
	header := part([]byte(`{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}`))
	rest := "." + part(m.bytes(256)) + "." + part(m.bytes(12)) + "." + part(m.bytes(1053)) + "." + part(m.bytes(16))
	return header + rest
}

// session is an access, an ID and a refresh token of one login.
func (m *maker) session(groups int, claims string) []string {
	sub, origin, event, list := m.uuid(), m.uuid(), m.uuid(), ""
	if groups > 0 {
		var names []string
		for i := range groups {
			names = append(names, fmt.Sprintf(`"group-%02d-%x"`, i, m.bytes(2)))
		}
		list = `"cognito:groups":[` + strings.Join(names, ",") + `],`
	}
	iss := strings.ReplaceAll(issuer, "/", `\/`)
	common := fmt.Sprintf(`"origin_jti":"%s","event_id":"%s","auth_time":1764000000,"exp":1764003600,"iat":1764000000,"jti":"`, origin, event)
	access := fmt.Sprintf(`{"sub":"%s",%s"iss":"%s","version":2,"client_id":"%s","token_use":"access","scope":"openid email profile",%s%s","username":"%s"}`,
		sub, list, iss, clientID, common, m.uuid(), sub)
	id := fmt.Sprintf(`{"at_hash":"%s","sub":"%s",%s"email_verified":true,"iss":"%s","cognito:username":"%s","nonce":"%s","aud":"%s","token_use":"id",%s%s","email":"alice@example.com"%s}`,
		part(m.bytes(16)), sub, list, iss, sub, part(m.bytes(32)), clientID, common, m.uuid(), claims)
	return []string{m.jwt(access), m.jwt(id), m.refresh()}
}

const profile = `,"name":"Alice Liddell","given_name":"Alice","family_name":"Liddell","phone_number":"+441632960001","phone_number_verified":true,"locale":"en-GB","custom:tenant":"wonderland","custom:plan":"enterprise"`

// TestSizes is what a session in a cookie costs, and the promise that it fits.
func TestSizes(t *testing.T) {
	federated := `,"identities":[{"dateCreated":"1764000000123","userId":"104729384756102938475","providerName":"Google","providerType":"Google","issuer":null,"primary":"true"}]`
	var custom strings.Builder
	for i := range 20 {
		fmt.Fprintf(&custom, `,"custom:attribute%d":"value %x"`, i, newMaker().bytes(8))
	}
	for _, row := range []struct {
		of     string
		groups int
		claims string
		most   int // characters of base64url
	}{
		{"a fresh login", 0, profile, 3300},
		{"three groups", 3, profile, 3400},
		{"a federated user", 1, profile + federated, 3500},
		{"20 custom attributes", 0, profile + custom.String(), 3600},
		{"unicode", 3, `,"name":"ありす・りでる","given_name":"ありす","family_name":"りでる","locale":"ja"`, 3400},
		{"30 groups", 30, profile, 3700},
		{"100 groups", 100, profile, 4400},
	} {
		tokens := newMaker().session(row.groups, row.claims)
		short := book.Pack(tokens...)
		long := len(tokens[0]) + len(tokens[1]) + len(tokens[2])
		size := base64.RawURLEncoding.EncodedLen(len(short))
		t.Logf("%-22s access %4d, ID %4d, refresh %4d: %4d characters become %4d", row.of, len(tokens[0]), len(tokens[1]), len(tokens[2]), long, size)
		if size > row.most {
			t.Errorf("%s: %d characters, want at most %d", row.of, size, row.most)
		}
		mustComeBack(t, tokens...)
	}
}

func mustComeBack(t *testing.T, tokens ...string) {
	t.Helper()
	for _, book := range []*packed.Book{book, nil} {
		got, err := book.Unpack(book.Pack(tokens...), len(tokens))
		if err != nil {
			t.Fatalf("%.200q: %v", tokens, err)
		}
		for i := range tokens {
			if got[i] != tokens[i] {
				t.Errorf("%.300q came back as %.300q", tokens[i], got[i])
			}
		}
	}
}

// TestOtherForms: a token of any other make comes back as well.
func TestOtherForms(t *testing.T) {
	id := newMaker().uuid()
	for _, token := range []string{
		"", ".", "..", "opaque", "a.b", "not base64!.§", "e30", "e30.e30.", "e30=.e30=.", "\x00\x01", "\x00" + id, id, id + id, "e3\n0.x",
		part([]byte("{\x00" + id)), part([]byte(id)), part([]byte(`{"a":"` + id + `"}`)), part([]byte(`{"a":"` + strings.ToUpper(id) + `"}`)), "e31", strings.Repeat(".", 300),
	} {
		mustComeBack(t, token)
		mustComeBack(t, token, newMaker().jwt(`{"sub":"`+id+`"}`), token)
	}
	many := ""
	for m := newMaker(); len(many) < 300*36; {
		many += m.uuid()
	}
	mustComeBack(t, many, many)
}

// TestUnpackNonsense: nothing that was cut or changed unpacks into a panic.
func TestUnpackNonsense(t *testing.T) {
	good := book.Pack(newMaker().session(1, "")...)
	for i := range good {
		_, _ = book.Unpack(good[:i], 3)
		bad := append([]byte(nil), good...)
		bad[i] ^= 0xff
		_, _ = book.Unpack(bad, 3)
	}
	if _, err := book.Unpack(good, 2); err == nil {
		t.Error("three tokens unpack as two")
	}
	if _, err := book.Unpack(good, 4); err == nil {
		t.Error("three tokens unpack as four")
	}
	if got, err := book.Unpack(good, 3); err != nil || len(got) != 3 || !json.Valid([]byte(`"`+got[0]+`"`)) {
		t.Errorf("the honest one: %.100q, %v", got, err)
	}
}

// FuzzPack: tokens come back byte for byte, whatever they are.
func FuzzPack(f *testing.F) {
	tokens := newMaker().session(2, profile)
	f.Add(tokens[0], tokens[1], tokens[2])
	f.Add("opaque", "", "a.b.c")
	f.Fuzz(func(t *testing.T, access, id, refresh string) { mustComeBack(t, access, id, refresh) })
}

// FuzzUnpack: whatever it is, unpacking it ends.
func FuzzUnpack(f *testing.F) {
	f.Add(book.Pack(newMaker().session(1, "")...))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, book := range []*packed.Book{book, nil} {
			if tokens, err := book.Unpack(b, 3); err == nil {
				mustComeBack(t, tokens...)
			}
		}
	})
}
