package attacks_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/golang-jwt/jwt/v5"
)

// jwk is a public key as a pool publishes it (RFC 7517), with some members
// changed.
func jwk(kid string, key *rsa.PrivateKey, changes ...map[string]any) map[string]any {
	members := map[string]any{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
	for _, change := range changes {
		maps.Copy(members, change)
	}
	return members
}

// publish replaces the pool's key set.
func (l *tokenLab) publish(keys ...any) {
	l.spoil(cognitotest.JWKS, cognitotest.Fault{Body: keySetOf(keys...)})
}

func keySetOf(keys ...any) string {
	if keys == nil {
		keys = []any{}
	}
	return toJSON(map[string]any{"keys": keys})
}

// signedBy has another key sign, under another name.
func signedBy(key *rsa.PrivateKey, kid any) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) { t.Key, t.Header["kid"] = key, kid }
}

// longLived is an access token for ten hours, so that it outlives a key.
func (l *tokenLab) longLived(changes ...func(*cognitotest.UnsignedToken)) string {
	return l.minted(map[string]any{"exp": l.Pool.Now().Add(10 * time.Hour).Unix()}, changes...)
}

// newVerifierOf is another app of the same pool, which has no keys yet.
func newVerifierOf(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) *cognito.Auth {
	t.Helper()
	config := pool.Config()
	for _, hook := range hooks {
		hook(&config)
	}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := auth.Close(); err != nil {
			t.Error(err)
		}
	})
	return auth
}

// awaitKeys returns when the fetch of keys that is under way has ended: a token
// that names an unknown key waits for it, or fetches once more.
func (l *tokenLab) awaitKeys() {
	l.Helper()
	if _, err := l.Auth.VerifyAccessToken(l.Context(), l.minted(nil, withHeader("kid", "unknown"))); err == nil {
		l.Error("a token of an unknown key is accepted")
	}
}

// TestKeysAreFetchedLazily proves that an app starts, and serves strangers,
// without asking for keys: it would otherwise be down whenever Cognito is. The
// first login fetches them, and no other does.
func TestKeysAreFetchedLazily(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	l.Send(lab.Request{Path: "/"})
	l.begin()
	if calls := l.Pool.Calls(cognitotest.JWKS) + l.Pool.Calls(cognitotest.Discovery); calls != 0 {
		t.Errorf("%d requests for keys before the first token", calls)
	}
	l.forget()
	l.mustLogIn()
	l.mustLogIn()
	if keys, discovery := l.Pool.Calls(cognitotest.JWKS), l.Pool.Calls(cognitotest.Discovery); keys != 1 || discovery != 0 {
		t.Errorf("two logins asked %d times for keys and %d times for discovery, want 1 and 0", keys, discovery)
	}
}

// TestKeysStampede: a hundred first tokens at once, half of them in logins, fetch the
// keys once. Whoever started the fetch may leave without taking it from the others.
func TestKeysStampede(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	raw := l.Pool.AccessToken("", "alice", nil)
	var logins []*lab.PendingLogin
	for range 50 {
		logins = append(logins, l.begin())
	}
	gate := make(chan struct{})
	l.spoil(cognitotest.JWKS, cognitotest.Fault{Gate: gate})

	asked := time.Now()
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := l.Auth.VerifyAccessToken(impatient, raw)
		left <- err
	}()
	l.soon("nobody asked for the keys", func() bool { return l.Pool.Calls(cognitotest.JWKS) == 1 })
	leave()
	if err := <-left; !errors.Is(err, cognito.ErrUnavailable) || errors.Is(err, cognito.ErrInvalidToken) {
		t.Errorf("whoever did not wait was told %v, want ErrUnavailable", err)
	}

	var waiting sync.WaitGroup
	for _, p := range logins {
		waiting.Go(func() {
			res, err := l.TrySend(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}})
			if err != nil || res.StatusCode != http.StatusFound || res.Cookie(lab.IsSessionCookie) == nil {
				t.Errorf("a login ended with %v, %v", res, err)
			}
		})
		waiting.Go(func() {
			if _, err := l.Auth.VerifyAccessToken(t.Context(), raw); err != nil {
				t.Errorf("a verification ended with %v", err)
			}
		})
	}
	l.soon("the logins did not get as far as their tokens", func() bool { return l.Pool.Calls(cognitotest.Token) == len(logins) })
	// On a slow machine a fetch ends before that, after five seconds.
	want := 1 + int(time.Since(asked)/(5*time.Second))
	close(gate)
	waiting.Wait()
	if calls := l.Pool.Calls(cognitotest.JWKS); calls > want {
		t.Errorf("the keys were fetched %d times, want %d", calls, want)
	}
}

// badKeys are keys that must not verify anything, for all that they are well
// written. The key itself would be good for RS256 where it is RSA.
func badKeys(t *testing.T, key *rsa.PrivateKey) map[string]any {
	t.Helper()
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := curve.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	with := func(name string, value any) map[string]any { return jwk("bad", key, map[string]any{name: value}) }
	private := jwk("bad", key)
	maps.Copy(private, map[string]any{
		"d": text(key.D.Bytes()), "p": text(key.Primes[0].Bytes()), "q": text(key.Primes[1].Bytes()),
		"dp": text(key.Precomputed.Dp.Bytes()), "dq": text(key.Precomputed.Dq.Bytes()), "qi": text(key.Precomputed.Qinv.Bytes()),
	})
	unnamed := jwk("", key)
	delete(unnamed, "kid")
	return map[string]any{
		"EC":                     map[string]any{"kty": "EC", "kid": "bad", "use": "sig", "alg": "ES256", "crv": "P-256", "x": text(point[1:33]), "y": text(point[33:])},
		"EC off its curve":       map[string]any{"kty": "EC", "kid": "bad", "crv": "P-256", "x": "AQ", "y": "AQ"},
		"oct":                    map[string]any{"kty": "oct", "kid": "bad", "alg": "HS256", "k": text([]byte("a secret that everybody may read"))},
		"OKP":                    map[string]any{"kty": "OKP", "kid": "bad", "alg": "EdDSA", "crv": "Ed25519", "x": text(edwards)},
		"for encryption":         with("use", "enc"),
		"for another use":        with("use", "SIG"),
		"for RS512":              with("alg", "RS512"),
		"for PS256":              with("alg", "PS256"),
		"for RSA-OAEP":           with("alg", "RSA-OAEP"),
		"of 1024 bits":           jwk("bad", small),
		"of 2047 bits":           with("n", text(new(big.Int).Rsh(key.N, 1).Bytes())),
		"of 16384 bits":          with("n", text(append([]byte{0x80}, make([]byte, 2047)...))),
		"with an even exponent":  with("e", text([]byte{1, 0, 2})),
		"with exponent 1":        with("e", "AQ"),
		"with exponent 0":        with("e", "AA"),
		"with a huge exponent":   with("e", text([]byte{1, 0, 0, 0, 0, 0, 0, 0, 3})),
		"without exponent":       with("e", ""),
		"without modulus":        with("n", ""),
		"with junk for modulus":  with("n", "!!!"),
		"with a list as modulus": with("n", []string{"AQ"}),
		"of unknown type":        with("kty", "XYZ"),
		"of lower case type":     with("kty", "rsa"),
		"without type":           with("kty", nil),
		"with a number as kid":   with("kid", 1),
		"without kid":            unnamed,
		"with its private part":  private,
		"that is a number":       5,
		"that is a string":       "key",
		"that is null":           nil,
		"that is a list":         []any{},
		"that is empty":          map[string]any{},
	}
}

// TestKeySetOfEverySort: of a set with strange keys the usable ones are kept, the rest
// is skipped, and nothing panics.
func TestKeySetOfEverySort(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	good := jwk("good", l.Pool.SigningKey(inAccessToken))
	forged := l.minted(nil, signedBy(foreignKey(), "bad"))
	honest := l.minted(nil, withHeader("kid", "good"))
	for name, bad := range badKeys(t, foreignKey()) {
		t.Run(name, func(t *testing.T) {
			for _, set := range [][]any{{bad, good}, {good, bad}} {
				l.publish(set...)
				auth := newVerifierOf(t, l.Pool)
				lab.MustJudge(t, auth, honest, nil)
				lab.MustJudge(t, auth, forged, cognito.ErrTokenKey)
				lab.MustJudge(t, auth, honest, nil)
			}
		})
	}
	// A key of its own use and strength is what the forger lacks.
	l.publish(good, jwk("bad", foreignKey()))
	lab.MustJudge(t, newVerifierOf(t, l.Pool), forged, nil)
}

// TestKeyIDTwice proves that the second of two keys of one name cannot push the first
// aside: of a name twice taken, the first bearer counts.
func TestKeyIDTwice(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	mine := jwk("twice", l.Pool.SigningKey(inAccessToken))
	l.publish(mine, jwk("twice", foreignKey()))
	l.mustJudge(l.minted(nil, signedBy(foreignKey(), "twice")), cognito.ErrTokenSignature)
	l.mustJudge(l.minted(nil, withHeader("kid", "twice")), nil)

	l.publish(map[string]any{"kty": "oct", "kid": "twice", "k": "AAAA"}, mine)
	lab.MustJudge(t, newVerifierOf(t, l.Pool), l.minted(nil, withHeader("kid", "twice")), nil)
}

// TestBrokenKeySet: an answer that is no key set, or holds no usable key, never
// replaces good keys, and what it holds beyond the size limit is never adopted.
func TestBrokenKeySet(t *testing.T) {
	t.Parallel()
	foreign := jwk("foreign", foreignKey())
	huge := strings.TrimSuffix(keySetOf(foreign), "}") + `,"filler":"` + strings.Repeat("x", mebibyte) + `"}`
	for name, fault := range map[string]cognitotest.Fault{
		"an empty set":         {Body: `{"keys":[]}`},
		"no keys":              {Body: `{}`},
		"keys null":            {Body: `{"keys":null}`},
		"keys an object":       {Body: toJSON(map[string]any{"keys": foreign})},
		"a list":               {Body: toJSON([]any{foreign})},
		"null":                 {Body: `null`},
		"nothing":              {Status: 200},
		"only unusable keys":   {Body: keySetOf(jwk("foreign", foreignKey(), map[string]any{"use": "enc"}))},
		"HTML":                 {ContentType: "text/html", Body: "<html>Sorry</html>"},
		"truncated":            {Body: strings.TrimSuffix(keySetOf(foreign), "}")},
		"followed by junk":     {Body: keySetOf(foreign) + "x"},
		"longer than a MiB":    {Body: huge},
		"100 MB":               {BodySize: 100e6},
		"a good set with 500":  {Status: 500, Body: keySetOf(foreign)},
		"a good set with 404":  {Status: 404, Body: keySetOf(foreign)},
		"a good set with 203":  {Status: 203, Body: keySetOf(foreign)},
		"the connection lost":  {LoseAnswer: true},
		"nested without end":   {Body: strings.Repeat(`{"keys":[`, 50000)},
		"a redirect to nobody": {Status: 302, Header: http.Header{"Location": {"http://127.0.0.1:1/"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTokenLab(t)
			l.mustJudge(l.minted(nil), nil)
			l.spoil(cognitotest.JWKS, fault)
			l.Pool.Advance(2 * time.Hour) // the keys are due
			l.mustJudge(l.minted(nil), nil)
			l.awaitKeys()
			if calls := l.Pool.Calls(cognitotest.JWKS); calls < 2 {
				t.Fatalf("the keys were fetched %d times, so nothing was tried", calls)
			}
			l.mustJudge(l.minted(nil), nil)
			if _, err := l.Auth.VerifyAccessToken(t.Context(), l.minted(nil, signedBy(foreignKey(), "foreign"))); err == nil {
				t.Error("a key of the broken set was adopted")
			}
			l.mustLogIn()
		})
	}
	l := newTokenLab(t)
	l.publish(foreign)
	l.mustJudge(l.minted(nil, signedBy(foreignKey(), "foreign")), nil)
}

// TestKeySetFloodsMemory: a key set without end fills no memory.
func TestKeySetFloodsMemory(t *testing.T) {
	l := newTokenLab(t)
	l.spoil(cognitotest.JWKS, cognitotest.Fault{BodySize: 100e6})
	raw := l.minted(nil)
	if grown := allocatedBy(func() { l.mustJudge(raw, cognito.ErrUnavailable) }); grown > 32*mebibyte {
		t.Errorf("%d bytes were allocated for a set of 100 MB", grown)
	}
	l.Pool.Heal()
	l.Pool.Advance(10 * time.Second)
	l.mustJudge(raw, nil)
}

// TestKeyRotatedJustBeforeSigning: a key that is new is accepted at first sight, in a
// login and outside, and the old one as long as it is published.
func TestKeyRotatedJustBeforeSigning(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	old := l.longLived()
	l.mustLogIn()
	l.Pool.RotateKeys()
	l.mustLogIn()
	l.mustJudge(l.minted(nil), nil)
	l.mustJudge(old, nil)
	if calls := l.Pool.Calls(cognitotest.JWKS); calls != 2 {
		t.Errorf("the keys were fetched %d times, want twice", calls)
	}
}

// TestKeyRemoved: a key that the pool has withdrawn, perhaps because it was stolen,
// stops working. It is noticed when the keys are next read, an hour later or when a new
// key appears.
func TestKeyRemoved(t *testing.T) {
	t.Parallel()
	t.Run("noticed in time", func(t *testing.T) {
		l := newTokenLab(t)
		old := l.longLived()
		l.mustJudge(old, nil)
		l.publish(jwk("new", foreignKey()))
		l.Pool.Advance(61 * time.Minute)
		l.mustForget(old, cognito.ErrTokenKey)
		l.mustJudge(l.minted(nil, signedBy(foreignKey(), "new")), nil)
	})
	t.Run("noticed by its successor", func(t *testing.T) {
		l := newTokenLab(t)
		old := l.longLived()
		l.mustJudge(old, nil)
		l.publish(jwk("new", foreignKey()))
		l.mustJudge(l.minted(nil, signedBy(foreignKey(), "new")), nil)
		l.mustJudge(old, cognito.ErrTokenKey)
	})
	t.Run("its token without kid", func(t *testing.T) {
		l := newTokenLab(t)
		l.publish(jwk("old", l.Pool.SigningKey(inAccessToken)))
		old := l.longLived(withoutHeader("kid"))
		l.mustJudge(old, nil)
		l.publish(jwk("new", foreignKey()))
		l.Pool.Advance(61 * time.Minute)
		l.mustForget(old, cognito.ErrTokenSignature)
		l.mustJudge(l.minted(nil, signedBy(foreignKey(), "new"), withoutHeader("kid")), nil)
	})
}

// mustForget wants a token to be refused soon: the keys are read again in the
// background, by the request that finds them old.
func (l *tokenLab) mustForget(raw string, want error) {
	l.Helper()
	l.soon("a key that is not published any more is still trusted", func() bool {
		_, err := l.Auth.VerifyAccessToken(l.Context(), raw)
		return err != nil
	})
	l.mustJudge(raw, want)
}

// outages are the ways in which keys are out of reach.
var outages = map[string]cognitotest.Fault{
	"500":             {Status: http.StatusInternalServerError},
	"429":             {Status: http.StatusTooManyRequests},
	"HTML":            {ContentType: "text/html", Body: "<html>"},
	"connection lost": {LoseAnswer: true},
}

// TestKeysOutageWithKeys proves that an outage logs nobody out and refuses
// nobody: the keys at hand go on being used, for hours if need be.
func TestKeysOutageWithKeys(t *testing.T) {
	t.Parallel()
	for name, fault := range outages {
		t.Run(name, func(t *testing.T) {
			l := newTokenLab(t)
			l.mustJudge(l.minted(nil), nil)
			l.spoil(cognitotest.JWKS, fault)
			for range 5 {
				l.Pool.Advance(61 * time.Minute)
				l.mustJudge(l.minted(nil), nil)
				l.awaitKeys()
				l.mustLogIn()
			}
			// Whether the pool has a key of this name cannot be known now.
			unknown := l.minted(nil, withHeader("kid", "unknown"))
			l.Pool.Advance(time.Minute)
			l.mustJudge(unknown, cognito.ErrUnavailable)
			l.Pool.Heal()
			l.Pool.Advance(time.Minute)
			l.mustJudge(unknown, cognito.ErrTokenKey)
		})
	}
}

// TestKeysOutageWithoutKeys proves that nothing is concluded from having no
// keys: it is a 503 and no verdict on the token, and it passes by itself.
func TestKeysOutageWithoutKeys(t *testing.T) {
	t.Parallel()
	for name, fault := range outages {
		t.Run(name, func(t *testing.T) {
			l := newTokenLab(t)
			l.spoil(cognitotest.JWKS, fault)
			for range 4 { // more often than fetches are allowed
				_, err := l.Auth.VerifyAccessToken(t.Context(), l.minted(nil))
				if !errors.Is(err, cognito.ErrUnavailable) || errors.Is(err, cognito.ErrInvalidToken) {
					t.Errorf("VerifyAccessToken() = %v, want ErrUnavailable alone", err)
				}
			}
			res := l.attempt()
			if res.Header.Get("Retry-After") == "" {
				t.Error("the 503 has no Retry-After")
			}
			l.mustRefuse(res, cognito.ErrUnavailable, cognito.ErrUnavailable)
			l.mustRevoke(l.issued.get("refresh_token"))
			if calls := l.Pool.Calls(cognitotest.JWKS); calls > 2 {
				t.Errorf("the keys were asked for %d times at once", calls)
			}
			l.Pool.Heal(cognitotest.JWKS)
			l.Pool.Advance(10 * time.Second)
			l.mustLogIn()
		})
	}
}

// TestUnknownKeyFlood: forged tokens that name keys nobody has cost two fetches at once
// and then one per ten seconds, however many they are. Honest tokens do not notice.
func TestUnknownKeyFlood(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	start, elapsed := pool.Now(), atomic.Int64{}
	l := newTokenLabWith(t, pool, func(c *cognito.Config) {
		c.Now = func() time.Time { return start.Add(time.Duration(elapsed.Load())) }
	})
	honest := l.minted(nil)
	l.mustJudge(honest, nil)
	elapsed.Add(int64(time.Minute))
	for _, row := range []struct {
		after   time.Duration
		tokens  int
		fetches int
	}{
		{0, 10_000, 2},
		{0, 1000, 0},
		{9 * time.Second, 1000, 0},
		{time.Second, 1000, 1},
		{10 * time.Second, 1000, 1},
		{5 * time.Minute, 1000, 2}, // unused turns do not add up
	} {
		elapsed.Add(int64(row.after))
		before := l.Pool.Calls(cognitotest.JWKS)
		l.flood(honest, row.tokens)
		if got := l.Pool.Calls(cognitotest.JWKS) - before; got != row.fetches {
			t.Errorf("after %s, %d forged tokens caused %d fetches, want %d", row.after, row.tokens, got, row.fetches)
		}
		l.mustJudge(honest, nil)
	}
}

var forgeries atomic.Int64

// flood sends forged tokens, each of which names another key.
func (l *tokenLab) flood(honest string, tokens int) {
	l.Helper()
	_, rest, _ := strings.Cut(honest, ".")
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for range tokens / 4 {
				header := fmt.Sprintf(`{"alg":"RS256","kid":"%d"}`, forgeries.Add(1))
				raw := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + rest
				if _, err := l.Auth.VerifyAccessToken(l.Context(), raw); !errors.Is(err, cognito.ErrTokenKey) || !errors.Is(err, cognito.ErrInvalidToken) {
					l.Errorf("VerifyAccessToken() = %v, want ErrTokenKey", err)
					return
				}
			}
		})
	}
	senders.Wait()
}

// TestTokenWithoutKeyID proves that a token cannot shop for a key: without a kid it is
// acceptable only while the pool has a single key.
func TestTokenWithoutKeyID(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	l.testLies([]lie{
		{name: "absent", tell: withoutHeader("kid"), want: cognito.ErrTokenKey},
		{name: "empty", tell: withHeader("kid", ""), want: cognito.ErrTokenKey},
		{name: "null", tell: withHeader("kid", json.RawMessage("null")), want: cognito.ErrTokenKey},
	})
	only := l.Pool.SigningKey(inAccessToken)
	l.publish(jwk("only", only))
	auth := newVerifierOf(t, l.Pool)
	lab.MustJudge(t, auth, l.minted(nil, withoutHeader("kid")), nil)
	lab.MustJudge(t, auth, l.minted(nil, signedBy(foreignKey(), nil), withoutHeader("kid")), cognito.ErrTokenSignature)
	lab.MustJudge(t, auth, l.minted(nil, withHeader("kid", "")), cognito.ErrTokenKey)
}

// TestHostileKeyID: a kid is looked up in the set that we have and nowhere else,
// whatever is written in it.
func TestHostileKeyID(t *testing.T) {
	t.Parallel()
	address, hits := canary(t)
	l := newTokenLab(t)
	pooled := func(t *cognitotest.UnsignedToken) []any { return []any{t.Header["kid"]} }
	var lies []lie
	for name, kid := range map[string]any{
		"a path":       "../../../../dev/null",
		"SQL":          "' UNION SELECT 'secret' --",
		"a URL":        address,
		"a shell line": "|/usr/bin/id",
		"NUL":          "\x00",
		"10 KB":        strings.Repeat("k", 10<<10),
		"a number":     1,
		"true":         true,
		"an object":    map[string]any{"kid": "x"},
		"a list":       []string{},
	} {
		lies = append(lies, lie{name: name, tell: withHeader("kid", kid), want: cognito.ErrTokenKey})
	}
	l.testLies(append(lies,
		lie{name: "a list of the right one", tell: func(t *cognitotest.UnsignedToken) { t.Header["kid"] = pooled(t) }, want: cognito.ErrTokenKey},
		lie{name: "the other key's", tell: func(t *cognitotest.UnsignedToken) { t.Key = l.otherKey(t.Use) }, want: cognito.ErrTokenSignature},
	))
	if hits() != 0 {
		t.Errorf("%d requests went to the host that the kid names", hits())
	}
}

// otherKey is the key that the pool signs the other kind of token with.
func (l *tokenLab) otherKey(use string) *rsa.PrivateKey {
	if use == inIDToken {
		return l.Pool.SigningKey(inAccessToken)
	}
	return l.Pool.SigningKey(inIDToken)
}

// TestTokenBringsItsOwnKey: keys that a token brings along, or points to, are not
// looked at. No request goes to where it points, and a token of the pool is good
// whatever else its header says.
func TestTokenBringsItsOwnKey(t *testing.T) {
	t.Parallel()
	address, hits := canary(t)
	l := newTokenLab(t)
	for name, value := range map[string]any{
		"jku": address + "/jwks.json",
		"x5u": address + "/chain.pem",
		"jwk": jwk("own", foreignKey()),
		"x5c": []string{base64.StdEncoding.EncodeToString(foreignKey().N.Bytes())},
		"x5t": "AAAA",
	} {
		own := withHeader(name, value)
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.testLies([]lie{
				{name: "under the pool's kid", tell: func(t *cognitotest.UnsignedToken) {
					own(t)
					t.Key = foreignKey()
				}, want: cognito.ErrTokenSignature},
				{name: "under its own kid", tell: func(t *cognitotest.UnsignedToken) {
					own(t)
					signedBy(foreignKey(), "own")(t)
				}, want: cognito.ErrTokenKey},
				{name: "without kid", tell: func(t *cognitotest.UnsignedToken) {
					own(t)
					t.Key = foreignKey()
					delete(t.Header, "kid")
				}, want: cognito.ErrTokenKey},
				{name: "signed by the pool", tell: own},
			})
		})
	}
	if hits() != 0 {
		t.Errorf("%d requests went to where the tokens point", hits())
	}
}

// TestCriticalHeader proves that extensions which we do not understand are not passed
// over (RFC 7515 section 4.1.11).
func TestCriticalHeader(t *testing.T) {
	t.Parallel()
	newTokenLab(t).testLies([]lie{
		{name: "unknown", tell: withHeader("crit", []string{"http://example.com/x"}), want: cognito.ErrTokenMalformed},
		{name: "of a registered name", tell: withHeader("crit", []string{"exp"}), want: cognito.ErrTokenMalformed},
		{name: "b64", tell: func(t *cognitotest.UnsignedToken) {
			t.Header["crit"], t.Header["b64"] = []string{"b64"}, false
		}, want: cognito.ErrTokenMalformed},
		{name: "empty", tell: withHeader("crit", []string{}), want: cognito.ErrTokenMalformed},
		{name: "null", tell: withHeader("crit", json.RawMessage("null")), want: cognito.ErrTokenMalformed},
		{name: "typ at+jwt", tell: withHeader("typ", "at+jwt")},
	})
}

// TestTokenOfMonstrousSize: a token of a megabyte is refused before anything of it is
// split or decoded.
func TestTokenOfMonstrousSize(t *testing.T) {
	l := newTokenLab(t)
	filled := func(size int) string { return l.minted(map[string]any{"custom:filler": strings.Repeat("x", size)}) }
	valid := filled(mebibyte)
	for name, raw := range map[string]string{
		"dots":                strings.Repeat(".", mebibyte),
		"a letter":            strings.Repeat("A", mebibyte),
		"two dots in letters": strings.Repeat("A", mebibyte/2) + "." + strings.Repeat("A", mebibyte/2) + ".A",
		"a valid token":       valid,
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.mustJudge(raw, cognito.ErrTokenMalformed)
			grown := allocatedBy(func() {
				for range 100 {
					_, _ = l.Auth.VerifyAccessToken(t.Context(), raw)
				}
			})
			if each := grown / 100; each > 16<<10 {
				t.Errorf("%d bytes were allocated to refuse a token of %d", each, len(raw))
			}
		})
	}
	l.mustJudge(filled(200<<10), cognito.ErrTokenMalformed) // 267 KiB in base64
	l.mustJudge(filled(180<<10), nil)
}

// TestTokenOfOddShape: claims that are no object, are nested without end, occur twice,
// or are called by other names.
func TestTokenOfOddShape(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	malformed := cognito.ErrTokenMalformed
	nested := `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "}"
	// spliced signs the claims with some text put before or behind them.
	spliced := func(before, behind string) func(*cognitotest.UnsignedToken) {
		return func(t *cognitotest.UnsignedToken) {
			signedRaw("{" + before + strings.Trim(toJSON(t.Claims), "{}") + behind + "}")(t)
		}
	}
	l.testLies([]lie{
		{name: "a list", tell: signedRaw(`[]`), want: malformed},
		{name: "a string", tell: signedRaw(`"claims"`), want: malformed},
		{name: "a number", tell: signedRaw(`1`), want: malformed},
		{name: "null", tell: signedRaw(`null`), want: malformed},
		{name: "no claims", tell: signedRaw(`{}`), want: malformed},
		{name: "nothing", tell: signedRaw(``), want: malformed},
		{name: "no JSON", tell: signedRaw(`claims`), want: malformed},
		{name: "two objects", tell: signedRaw(`{"a":1}{"a":1}`), want: malformed},
		{name: "nested without end", tell: signedRaw(nested), want: malformed},
		{name: "five parts", tell: spelled(func(raw string) string { return raw + ".AAAA.AAAA" }), want: malformed},
		{name: "a header that is no object", tell: inSegment(0, func(string) string { return "W10" }), want: malformed},
		{name: "iss in upper case", tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["ISS"] = t.Claims["iss"]
			delete(t.Claims, "iss")
		}, want: cognito.ErrTokenIssuer},
		{name: "iss twice, the last one foreign", tell: spliced("", `,"iss":"https://evil.example"`), want: cognito.ErrTokenIssuer},
		{name: "iss twice, the last one ours", tell: spliced(`"iss":"https://evil.example",`, "")},
		{name: "nested somewhat", tell: lab.WithClaim("custom:deep", json.RawMessage(strings.Repeat("[", 100)+strings.Repeat("]", 100)))},
	})
	l.mustReadLikeItsVerifier(spliced(`"username":"mallory",`, ""))
}

// mustReadLikeItsVerifier wants the app to see the very claims that were
// verified: of a name that occurs twice, the last one.
func (l *tokenLab) mustReadLikeItsVerifier(change func(*cognitotest.UnsignedToken)) {
	l.Helper()
	payload, err := l.Auth.VerifyAccessToken(l.Context(), l.minted(nil, change))
	if err != nil || payload.Username() != "alice" {
		l.Errorf("the payload is of %v: %v", payload, err)
	}
}

// TestKeysOfTwoPools: keys belong to an issuer, not to a name. A key of one pool does
// not verify tokens of another, though both call theirs the same and serve one process.
func TestKeysOfTwoPools(t *testing.T) {
	t.Parallel()
	ours := newTokenLab(t)
	theirs := newTokenLab(t)
	ours.publish(jwk("shared", ours.Pool.SigningKey(inAccessToken)))
	theirs.publish(jwk("shared", foreignKey()))

	foreign := theirs.minted(nil, signedBy(foreignKey(), "shared"))
	theirs.mustJudge(foreign, nil)
	ours.mustJudge(foreign, cognito.ErrTokenSignature)
	posing := ours.minted(nil, signedBy(foreignKey(), "shared"))
	theirs.mustJudge(posing, cognito.ErrTokenIssuer)
	ours.mustJudge(posing, cognito.ErrTokenSignature)
	ours.mustJudge(ours.minted(nil, withHeader("kid", "shared")), nil)
}

// TestKeyOfAnotherAlgorithm proves that a good key is used for RS256 alone, whatever
// the token would like it to be used for, also if the set does not say what the key is
// for and the token not which key it means.
func TestKeyOfAnotherAlgorithm(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	plain := jwk("plain", l.Pool.SigningKey(inAccessToken))
	delete(plain, "alg")
	delete(plain, "use")
	l.publish(plain)
	pooled := func(key *rsa.PrivateKey) any { return key }
	for _, naming := range []func(*cognitotest.UnsignedToken){withHeader("kid", "plain"), withoutHeader("kid")} {
		for _, method := range []jwt.SigningMethod{jwt.SigningMethodRS384, jwt.SigningMethodRS512, jwt.SigningMethodPS256} {
			l.mustJudge(l.minted(nil, naming, signedWith(method, pooled)), cognito.ErrTokenAlgorithm)
		}
		secret := func(key *rsa.PrivateKey) any { return publicPEM(key) }
		l.mustJudge(l.minted(nil, naming, signedWith(jwt.SigningMethodHS256, secret)), cognito.ErrTokenAlgorithm)
		l.mustJudge(l.minted(nil, naming, lab.Unsigned("none")), cognito.ErrTokenAlgorithm)
		l.mustJudge(l.minted(nil, naming), nil)
	}
}
