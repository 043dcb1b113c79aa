package verify

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/MicahParks/jwkset"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/tasks"
	"github.com/golang-jwt/jwt/v5"
)

// fuzzKey signs what the fuzzer writes. Making it takes a moment, so it is
// made once.
var fuzzKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

const (
	fuzzIssuer = "https://issuer.example/pool"
	fuzzHeader = `{"kid":"k1","alg":"RS256"}`
	fuzzClaims = `{"iss":"https://issuer.example/pool","sub":"alice","token_use":"access","client_id":"us","iat":1750000000,"exp":1750003600}`
)

var fuzzTime = time.Unix(1_750_000_000, 0)

// fuzzVerifier has the one key, and nobody to ask for others.
func fuzzVerifier(t testing.TB) *Verifier {
	t.Helper()
	keys, err := usableKeys([]byte(`{"keys":[` + keyJSON(t, nil) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return fuzzTime }
	set := NewKeys(pool.NewClient(nil, nil), tasks.New(pool.TasksInFlight, nil), []string{"http://127.0.0.1:1/"}, now)
	set.allowed = 0
	set.current.Store(&Snapshot{keys: keys, fetched: fuzzTime})
	v, err := New(Settings{Issuers: pool.NewIssuers("", fuzzIssuer, nil), ClientID: "us", Now: now}, set)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signForTest(t testing.TB, header, claims string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	signature, err := jwt.SigningMethodRS256.Sign(text, fuzzKey())
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

// unsignedToken is well spelled and has a signature of nobody.
func unsignedToken(header, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(header)) + "." + encode([]byte(claims)) + "." + encode(make([]byte, 256))
}

// FuzzVerifyToken signs headers and claims that the fuzzer makes up. What our
// verifier accepts, golang-jwt accepts as well under the same conditions, and
// reads the same claims in it; and of a token that is accepted no byte can be
// changed.
func FuzzVerifyToken(f *testing.F) {
	v := fuzzVerifier(f)
	other := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithStrictDecoding(), jwt.WithIssuer(fuzzIssuer),
		jwt.WithExpirationRequired(), jwt.WithLeeway(time.Minute), jwt.WithTimeFunc(func() time.Time { return fuzzTime }))
	accepted := 0
	headers := []string{
		fuzzHeader, `{"alg":"RS256"}`, `{"alg":"none"}`, `{"alg":"HS256","kid":"k1"}`, `{"alg":"RS256","kid":["k1"]}`,
		`{"alg":"RS256","kid":"k1","crit":["b64"],"b64":false}`, `null`, ``,
	}
	bodies := []string{
		fuzzClaims, strings.Replace(fuzzClaims, "1750003600", "1749999941", 1), strings.Replace(fuzzClaims, "1750003600", "1e400", 1),
		strings.Replace(fuzzClaims, "alice", "", 1), `{}`, `null`, `[]`,
	}
	for _, header := range headers {
		for _, claims := range bodies {
			f.Add(header, claims, uint(7), byte('A'))
			if _, err := v.AccessToken(context.Background(), secret.Text(signForTest(f, header, claims))); err == nil {
				accepted++
			}
		}
	}
	// With the kid and, as there is one key, without; each before its expiry
	// and 59 seconds after it.
	if accepted != 4 {
		f.Fatalf("%d seeds are accepted, want 4", accepted)
	}
	f.Fuzz(func(t *testing.T, header, claims string, at uint, with byte) {
		for _, unsigned := range []string{header, claims, header + "." + claims, unsignedToken(header, claims)} {
			if _, err := v.AccessToken(context.Background(), secret.Text(unsigned)); err == nil {
				t.Fatalf("%q is accepted", unsigned)
			}
		}
		if !json.Valid([]byte(header)) || !json.Valid([]byte(claims)) {
			return // signatures are dear, and no signature makes this a token
		}
		raw := signForTest(t, header, claims)
		ours, err := v.AccessToken(context.Background(), secret.Text(raw))
		if err != nil {
			if !errors.Is(err, fault.ErrInvalidToken) {
				t.Fatalf("a token is refused with %v, which is no verdict", err)
			}
			return
		}
		theirs, err := other.Parse(raw, func(*jwt.Token) (any, error) { return &fuzzKey().PublicKey, nil })
		if err != nil {
			t.Fatalf("golang-jwt refuses what we accept: %v", err)
		}
		if !reflect.DeepEqual(theirs.Claims, jwt.Claims(ours.claims)) {
			t.Fatalf("golang-jwt reads %v, we read %v", theirs.Claims, ours.claims)
		}
		mutant := []byte(raw)
		if i := at % uint(len(mutant)); mutant[i] != with {
			mutant[i] = with
			if _, err := v.AccessToken(context.Background(), secret.Text(mutant)); err == nil {
				t.Fatalf("byte %d can be changed to %q", i, with)
			}
		}
	})
}

// FuzzTokenResponse judges token responses. A grant comes of a 200 alone that
// is JSON and holds an access token of type Bearer and no error; every error
// says whose turn it is, on one line.
func FuzzTokenResponse(f *testing.F) {
	const good = `{"access_token":"a.b.c","id_token":"d.e.f","refresh_token":"g","token_type":"Bearer","expires_in":3600}`
	bodies := []string{
		good, strings.Replace(good, "Bearer", "bEARER", 1), `{"error":"invalid_grant"}`,
		`{"error":"invalid_grant","error_description":"a\nb",` + good[1:], `{"error":"` + strings.Repeat("x", 99) + `"}`,
		`{`, `[]`, `null`, ``, `{"access_token":1}`,
	}
	granted := 0
	for _, status := range []int{200, 201, 302, 400, 401, 429, 500} {
		for _, contentType := range []string{"application/json", "application/json;charset=UTF-8", "text/html", "", "application/json; a=\"\xff"} {
			for _, body := range bodies {
				f.Add(status, contentType, []byte(body))
				if _, err := pool.ReadGrant(status, contentType, []byte(body)); err == nil {
					granted++
				}
			}
		}
	}
	if granted != 4 { // two bodies under two content types
		f.Fatalf("%d seeds are granted, want 4", granted)
	}
	f.Fuzz(func(t *testing.T, status int, contentType string, body []byte) {
		got, err := pool.ReadGrant(status, contentType, body)
		if err == nil {
			mustDeserve(t, got, status, contentType, body)
			return
		}
		if got != (pool.Grant{}) {
			t.Fatal("an error comes with tokens")
		}
		turn := errors.Is(err, fault.ErrUnavailable) || errors.Is(err, fault.ErrMisconfigured) || errors.Is(err, pool.ErrInvalidGrant)
		if !turn || strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Fatalf("the error is %q", err)
		}
		if errors.Is(err, pool.ErrInvalidGrant) && (status < 400 || status > 499) {
			t.Fatalf("a status of %d says that the grant is dead", status)
		}
	})
}

// mustDeserve is what a grant takes, read in another way than readGrant does.
func mustDeserve(t *testing.T, got pool.Grant, status int, contentType string, body []byte) {
	t.Helper()
	if mediaType, _, _ := mime.ParseMediaType(contentType); status != 200 || mediaType != "application/json" {
		t.Fatalf("a grant comes of status %d and type %q", status, contentType)
	}
	var members map[string]any
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatalf("a grant comes of %q: %v", body, err)
	}
	said := func(name, value string, same func(a, b string) bool) bool {
		for member, text := range members {
			if text, ok := text.(string); ok && strings.EqualFold(member, name) && same(text, value) {
				return true
			}
		}
		return false
	}
	equal := func(a, b string) bool { return a == b }
	if got.Access == "" || !said("access_token", got.Access.Reveal(), equal) || !said("token_type", "Bearer", strings.EqualFold) {
		t.Fatalf("a grant comes of %q", body)
	}
}

// FuzzJWKS reads key sets. Every key that comes of one is a public RSA key for
// RS256, of 2048 to 8192 bits, under its own name; none is an error.
func FuzzJWKS(f *testing.F) {
	good := keyJSON(f, nil)
	usable := 0
	for _, set := range []string{
		`{"keys":[` + good + `]}`,
		`{"keys":[` + good + "," + good + "," + keyJSON(f, map[string]any{"kid": "k2"}) + `]}`,
		`{"keys":[` + keyJSON(f, map[string]any{"n": modulus(8192), "e": "Aw"}) + `]}`,
		`{"keys":[` + keyJSON(f, map[string]any{"n": modulus(2047)}) + `]}`,
		`{"keys":[{"kty":"EC","kid":"k","crv":"P-256","x":"AQ","y":"AQ"}]}`,
		`{"keys":[{"kty":"oct","kid":"k","k":"AAAA"}]}`,
		`{"keys":[{"kty":"OKP","kid":"k","crv":"Ed25519","x":"AQ","d":"AQ"}]}`,
		`{"keys":[{"kty":"RSA","kid":"k","n":"AQ","e":"AQAB","x5c":["AQ"],"x5u":"http://127.0.0.1:1/"}]}`,
		`{"keys":[1,null,"x",[],{}]}`, `{"keys":{}}`, `{"keys":null}`, `{}`, `[]`, `null`, `{`, ``,
	} {
		f.Add([]byte(set))
		if _, err := usableKeys([]byte(set)); err == nil {
			usable++
		}
	}
	if usable != 3 {
		f.Fatalf("%d seeds hold usable keys, want 3", usable)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := usableKeys(document)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
		for kid, key := range keys {
			if problem := unfit(kid, key); problem != "" {
				t.Fatalf("key %q %s", kid, problem)
			}
		}
	})
}

// unfit says what is wrong with a key that was called usable.
func unfit(kid string, key jwkset.JWK) string {
	public, ok := key.Key().(*rsa.PublicKey)
	switch {
	case !ok:
		return fmt.Sprintf("is a %T", key.Key())
	case public.N.BitLen() < 2048 || public.N.BitLen() > 8192:
		return fmt.Sprintf("has %d bits", public.N.BitLen())
	case public.E < 3 || public.E%2 == 0:
		return fmt.Sprintf("has exponent %d", public.E)
	case kid == "" || key.Marshal().KID != kid:
		return fmt.Sprintf("is called %q", key.Marshal().KID)
	case key.Marshal().ALG != jwkset.AlgRS256 || key.Marshal().USE != jwkset.UseSig:
		return fmt.Sprintf("is for %s, %s", key.Marshal().ALG, key.Marshal().USE)
	}
	return ""
}
