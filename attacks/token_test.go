package attacks_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/golang-jwt/jwt/v5"
)

// TestTokenAlgorithmConfusion: the header of a token never chooses how it is verified.
// The attacker leaves the signature out, takes the published key for an HMAC secret, or
// uses an algorithm that we do not; the pool's own key signs where it can, so the
// algorithm alone is at fault.
func TestTokenAlgorithmConfusion(t *testing.T) {
	t.Parallel()
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pooled := func(key *rsa.PrivateKey) any { return key }
	newTokenLab(t).testLies([]lie{
		{name: "none", tell: lab.Unsigned("none"), want: cognito.ErrTokenAlgorithm},
		{name: "None", tell: lab.Unsigned("None"), want: cognito.ErrTokenAlgorithm},
		{name: "NONE", tell: lab.Unsigned("NONE"), want: cognito.ErrTokenAlgorithm},
		{name: "nOnE", tell: lab.Unsigned("nOnE"), want: cognito.ErrTokenAlgorithm},
		{name: "none over a good signature", tell: withHeader("alg", "none"), want: cognito.ErrTokenAlgorithm},
		{name: "HS256 with the public key as PEM", tell: signedWith(jwt.SigningMethodHS256, func(key *rsa.PrivateKey) any { return publicPEM(key) }), want: cognito.ErrTokenAlgorithm},
		{name: "HS256 with the modulus", tell: signedWith(jwt.SigningMethodHS256, func(key *rsa.PrivateKey) any { return key.N.Bytes() }), want: cognito.ErrTokenAlgorithm},
		{name: "HS256 with no key", tell: signedWith(jwt.SigningMethodHS256, func(*rsa.PrivateKey) any { return []byte{} }), want: cognito.ErrTokenAlgorithm},
		{name: "RS384", tell: signedWith(jwt.SigningMethodRS384, pooled), want: cognito.ErrTokenAlgorithm},
		{name: "RS512", tell: signedWith(jwt.SigningMethodRS512, pooled), want: cognito.ErrTokenAlgorithm},
		{name: "PS256", tell: signedWith(jwt.SigningMethodPS256, pooled), want: cognito.ErrTokenAlgorithm},
		{name: "ES256", tell: signedWith(jwt.SigningMethodES256, func(*rsa.PrivateKey) any { return elliptic }), want: cognito.ErrTokenAlgorithm},
		{name: "EdDSA", tell: signedWith(jwt.SigningMethodEdDSA, func(*rsa.PrivateKey) any { return edwards }), want: cognito.ErrTokenAlgorithm},
		{name: "PS256 that calls itself RS256", tell: func(t *cognitotest.UnsignedToken) {
			signedWith(jwt.SigningMethodPS256, pooled)(t)
			t.Header["alg"] = "RS256"
		}, want: cognito.ErrTokenSignature},
		{name: "lower case", tell: withHeader("alg", "rs256"), want: cognito.ErrTokenAlgorithm},
		{name: "blank behind", tell: withHeader("alg", "RS256 "), want: cognito.ErrTokenAlgorithm},
		{name: "unknown", tell: withHeader("alg", "ROT13"), want: cognito.ErrTokenAlgorithm},
		{name: "missing", tell: withoutHeader("alg"), want: cognito.ErrTokenAlgorithm},
		{name: "list", tell: withHeader("alg", []string{"RS256"}), want: cognito.ErrTokenAlgorithm},
		{name: "RS256", tell: withHeader("alg", "RS256")},
	})
}

// TestTokenSignatureForgery: signatures that are missing, bad or of another key are
// refused, also for tokens that came straight from the token endpoint, and each token
// has exactly one spelling.
func TestTokenSignatureForgery(t *testing.T) {
	t.Parallel()
	end := func(s string) func(string) string { return func(part string) string { return part + s } }
	newTokenLab(t).testLies([]lie{
		{name: "stripped", tell: inSegment(2, func(string) string { return "" }), want: cognito.ErrTokenSignature},
		{name: "stripped with its dot", tell: spelled(func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] }), want: cognito.ErrTokenMalformed},
		{name: "zeros", tell: inSegment(2, func(part string) string { return strings.Repeat("A", len(part)) }), want: cognito.ErrTokenSignature},
		{name: "short", tell: inSegment(2, func(part string) string { return part[:len(part)/4*4] }), want: cognito.ErrTokenSignature},
		{name: "long", tell: inSegment(2, func(part string) string { return "AAAA" + part }), want: cognito.ErrTokenSignature},
		{name: "of another key", tell: func(t *cognitotest.UnsignedToken) { t.Key = foreignKey() }, want: cognito.ErrTokenSignature},
		{name: "of other claims", tell: func(t *cognitotest.UnsignedToken) {
			signed, _ := lab.SignJWT(jwt.SigningMethodRS256, t.Key, t.Header, map[string]any{"sub": "mallory"})
			inSegment(2, func(string) string { return signed[strings.LastIndexByte(signed, '.')+1:] })(t)
		}, want: cognito.ErrTokenSignature},
		{name: "claims replaced", tell: inSegment(1, func(part string) string {
			claims, _ := base64.RawURLEncoding.DecodeString(part)
			return base64.RawURLEncoding.EncodeToString(bytes.Replace(claims, []byte(`alice`), []byte(`malle`), 1))
		}), want: cognito.ErrTokenSignature},
		{name: "padding", tell: inSegment(2, end("==")), want: cognito.ErrTokenMalformed},
		{name: "newline behind", tell: inSegment(2, end("\n")), want: cognito.ErrTokenMalformed},
		{name: "newline within", tell: inSegment(2, func(part string) string { return part[:9] + "\n" + part[9:] }), want: cognito.ErrTokenMalformed},
		{name: "newline in the header", tell: inSegment(0, end("\n")), want: cognito.ErrTokenMalformed},
		{name: "carriage return in the claims", tell: inSegment(1, end("\r")), want: cognito.ErrTokenMalformed},
		{name: "blank before", tell: spelled(func(raw string) string { return " " + raw }), want: cognito.ErrTokenMalformed},
		{name: "blank behind", tell: spelled(func(raw string) string { return raw + " " }), want: cognito.ErrTokenMalformed},
		{name: "other tail bits", tell: inSegment(2, otherTailBits), want: cognito.ErrTokenMalformed},
		{name: "standard alphabet", tell: inSegment(2, func(part string) string { return "+/" + part[2:] }), want: cognito.ErrTokenMalformed},
		{name: "four parts", tell: spelled(func(raw string) string { return raw + "." }), want: cognito.ErrTokenMalformed},
		{name: "spelled as it is", tell: spelled(func(raw string) string { return raw })},
	})
}

// otherTailBits spells the same bytes differently: the last character of a 256
// byte signature carries four bits that say nothing.
func otherTailBits(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[last|1])
}

// TestTokenMalleability: of a valid token, no byte can be changed, removed or added.
func TestTokenMalleability(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	raw := l.Pool.AccessToken("", "alice", nil)
	l.mustJudge(raw, nil)
	refused := func(what string, i int, mutant string) {
		t.Helper()
		if _, err := l.Auth.VerifyAccessToken(t.Context(), mutant); !errors.Is(err, cognito.ErrInvalidToken) {
			t.Errorf("%s at byte %d: %v, want ErrInvalidToken", what, i, err)
		}
	}
	for i := range len(raw) {
		for _, other := range []byte{'A', 'B', raw[i] ^ 1, raw[i] ^ 0x20, '.', '\n', 0xff} {
			if other != raw[i] {
				refused("replaced by "+fmt.Sprintf("%q", other), i, raw[:i]+string([]byte{other})+raw[i+1:])
			}
		}
		refused("removed", i, raw[:i]+raw[i+1:])
		refused("newline added", i, raw[:i]+"\n"+raw[i:])
		refused("cut", i, raw[:i])
	}
	for i, last := len(raw)-1, byte(0); last < 255; last++ {
		if last != raw[i] {
			refused(fmt.Sprintf("replaced by %q", last), i, raw[:i]+string([]byte{last}))
		}
	}
	l.mustJudge(raw, nil)
}

// TestTokenOfAnotherIssuer: the issuer is compared letter by letter.
func TestTokenOfAnotherIssuer(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	issuer := l.Pool.Issuer()
	var lies []lie
	for name, value := range map[string]any{
		"another pool":       strings.TrimSuffix(issuer, l.Pool.UserPoolID()) + "us-east-1_Another01",
		"a longer pool id":   issuer + "x",
		"a shorter pool id":  issuer[:len(issuer)-1],
		"another region":     strings.Replace(issuer, "us-east-1", "eu-west-2", 1),
		"another scheme":     "https" + strings.TrimPrefix(issuer, "http"),
		"a slash behind":     issuer + "/",
		"a path behind":      issuer + "/.well-known",
		"upper case":         strings.ToUpper(issuer),
		"a blank":            issuer + " ",
		"without its scheme": strings.TrimPrefix(issuer, "http://"),
		"empty":              "",
		"a list":             []string{issuer},
		"a number":           1,
		"a null":             json.RawMessage("null"),
	} {
		lies = append(lies, lie{name: name, tell: lab.WithClaim("iss", value), want: cognito.ErrTokenIssuer})
	}
	l.testLies(append(lies,
		lie{name: "missing", tell: lab.WithoutClaim("iss"), want: cognito.ErrTokenIssuer},
		lie{name: "our own", tell: lab.WithClaim("iss", issuer)},
	))
}

// TestTokenForAnotherClient: a token that others may use as well was perhaps obtained
// by one of them. A list of us alone is as good as our name.
func TestTokenForAnotherClient(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	us := l.Pool.Config().ClientID
	id, access := cognito.ErrTokenAudience, cognito.ErrTokenClient
	l.testLies([]lie{
		{name: "aud another client", in: inIDToken, tell: lab.WithClaim("aud", "another"), want: id},
		{name: "aud longer", in: inIDToken, tell: lab.WithClaim("aud", us+"0"), want: id},
		{name: "aud shorter", in: inIDToken, tell: lab.WithClaim("aud", us[:4]), want: id},
		{name: "aud empty", in: inIDToken, tell: lab.WithClaim("aud", ""), want: id},
		{name: "aud missing", in: inIDToken, tell: lab.WithoutClaim("aud"), want: id},
		{name: "aud list with an extra", in: inIDToken, tell: lab.WithClaim("aud", []string{us, "another"}), want: id},
		{name: "aud list with an extra first", in: inIDToken, tell: lab.WithClaim("aud", []string{"another", us}), want: id},
		{name: "aud list of us twice", in: inIDToken, tell: lab.WithClaim("aud", []string{us, us}), want: id},
		{name: "aud list of another", in: inIDToken, tell: lab.WithClaim("aud", []string{"another"}), want: id},
		{name: "aud list empty", in: inIDToken, tell: lab.WithClaim("aud", []string{}), want: id},
		{name: "aud list in a list", in: inIDToken, tell: lab.WithClaim("aud", []any{[]string{us}}), want: id},
		{name: "aud object", in: inIDToken, tell: lab.WithClaim("aud", map[string]any{us: true}), want: id},
		{name: "aud number", in: inIDToken, tell: lab.WithClaim("aud", 1), want: id},
		{name: "azp another client", in: inIDToken, tell: lab.WithClaim("azp", "another"), want: id},
		{name: "azp empty", in: inIDToken, tell: lab.WithClaim("azp", ""), want: id},
		{name: "azp list", in: inIDToken, tell: lab.WithClaim("azp", []string{us}), want: id},
		{name: "aud list of us", in: inIDToken, tell: lab.WithClaim("aud", []string{us})},
		{name: "azp us", in: inIDToken, tell: lab.WithClaim("azp", us)},
		{name: "client_id another", in: inAccessToken, tell: lab.WithClaim("client_id", "another"), want: access},
		{name: "client_id missing", in: inAccessToken, tell: lab.WithoutClaim("client_id"), want: access},
		{name: "client_id empty", in: inAccessToken, tell: lab.WithClaim("client_id", ""), want: access},
		{name: "client_id list", in: inAccessToken, tell: lab.WithClaim("client_id", []string{us}), want: access},
		{name: "aud instead of client_id", in: inAccessToken, tell: func(t *cognitotest.UnsignedToken) {
			delete(t.Claims, "client_id")
			t.Claims["aud"] = us
		}, want: access},
		{name: "aud a resource", in: inAccessToken, tell: lab.WithClaim("aud", "https://api.example.com")},
	})
}

// TestTokenTimes has a clock that stands still, so that a minute of leeway can be told
// from a minute and a second.
func TestTokenTimes(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	now := pool.Now().Truncate(time.Second)
	at := func(seconds int64) int64 { return now.Unix() + seconds }
	l := newTokenLabWith(t, pool, func(c *cognito.Config) { c.Now = func() time.Time { return now } })
	expired, issued, early := cognito.ErrTokenExpired, cognito.ErrTokenIssuedAt, cognito.ErrTokenNotYet
	l.testLies([]lie{
		{name: "exp missing", tell: lab.WithoutClaim("exp"), want: expired},
		{name: "exp 61 s ago", tell: lab.WithClaim("exp", at(-61)), want: expired},
		{name: "exp 60 s ago", tell: lab.WithClaim("exp", at(-60)), want: expired},
		{name: "exp a day ago", tell: lab.WithClaim("exp", at(-86400)), want: expired},
		{name: "exp zero", tell: lab.WithClaim("exp", 0), want: expired},
		{name: "exp negative", tell: lab.WithClaim("exp", -at(3600)), want: expired},
		{name: "exp a string", tell: lab.WithClaim("exp", fmt.Sprint(at(3600))), want: expired},
		{name: "exp a list", tell: lab.WithClaim("exp", []int64{at(3600)}), want: expired},
		{name: "exp true", tell: lab.WithClaim("exp", true), want: expired},
		{name: "exp null", tell: lab.WithClaim("exp", json.RawMessage("null")), want: expired},
		{name: "exp forever", tell: lab.WithClaim("exp", json.RawMessage("1e300")), want: expired},
		{name: "exp beyond int64", tell: lab.WithClaim("exp", json.RawMessage("9223372036854775808")), want: expired},
		{name: "exp beyond float64", tell: lab.WithClaim("exp", json.RawMessage("1e400")), want: cognito.ErrTokenMalformed},
		{name: "exp 59 s ago", tell: lab.WithClaim("exp", at(-59))},
		{name: "exp with a fraction", tell: lab.WithClaim("exp", float64(at(3600))+0.5)},
		{name: "iat missing", tell: lab.WithoutClaim("iat"), want: issued},
		{name: "iat a string", tell: lab.WithClaim("iat", fmt.Sprint(at(0))), want: issued},
		{name: "iat null", tell: lab.WithClaim("iat", json.RawMessage("null")), want: issued},
		{name: "iat 61 s ahead in the ID token", in: inIDToken, tell: lab.WithClaim("iat", at(61)), want: issued},
		{name: "iat 60 s ahead in the ID token", in: inIDToken, tell: lab.WithClaim("iat", at(60))},
		{name: "iat a year ahead in the ID token", in: inIDToken, tell: lab.WithClaim("iat", at(31536000)), want: issued},
		{name: "iat 61 s ahead in the access token", in: inAccessToken, tell: lab.WithClaim("iat", at(61)), want: issued, atLoginOnly: true},
		{name: "iat 60 s ahead in the access token", in: inAccessToken, tell: lab.WithClaim("iat", at(60)), atLoginOnly: true},
		{name: "nbf 61 s ahead", tell: lab.WithClaim("nbf", at(61)), want: early},
		{name: "nbf a string", tell: lab.WithClaim("nbf", fmt.Sprint(at(-9))), want: early},
		{name: "nbf null", tell: lab.WithClaim("nbf", json.RawMessage("null")), want: early},
		{name: "nbf 60 s ahead", tell: lab.WithClaim("nbf", at(60))},
		{name: "nbf past", tell: lab.WithClaim("nbf", at(-9))},
	})
}

// TestTokenExpiryOnTheClock: the same token is good until a minute past its exp, and
// then is not.
func TestTokenExpiryOnTheClock(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	raw := l.Pool.AccessToken("", "alice", nil) // for an hour
	l.Pool.Advance(time.Hour + 50*time.Second)
	l.mustJudge(raw, nil)
	l.Pool.Advance(11 * time.Second)
	l.mustJudge(raw, cognito.ErrTokenExpired)
	l.mustLogIn()
}

// TestTokenOfAnotherLogin: the nonce ties an ID token to the login that asked for it,
// so a stolen one cannot be injected into another.
func TestTokenOfAnotherLogin(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	l.testLies([]lie{
		{name: "nonce missing", in: inIDToken, tell: lab.WithoutClaim("nonce"), want: cognito.ErrTokenNonce},
		{name: "nonce empty", in: inIDToken, tell: lab.WithClaim("nonce", ""), want: cognito.ErrTokenNonce},
		{name: "nonce different", in: inIDToken, tell: lab.WithClaim("nonce", strings.Repeat("A", 43)), want: cognito.ErrTokenNonce},
		{name: "nonce longer", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["nonce"] = fmt.Sprint(t.Claims["nonce"], "A")
		}, want: cognito.ErrTokenNonce},
		{name: "nonce shorter", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["nonce"] = t.Claims["nonce"].(string)[:42]
		}, want: cognito.ErrTokenNonce},
		{name: "nonce a list", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["nonce"] = []any{t.Claims["nonce"]}
		}, want: cognito.ErrTokenNonce},
	})
	stolen := l.begin().Query.Get("nonce")
	l.forget()
	l.testLies([]lie{{name: "nonce of a login beside", in: inIDToken, tell: lab.WithClaim("nonce", stolen), want: cognito.ErrTokenNonce}})
}

// TestTokenKindsSwapped: an ID token is no access token, and the other way round,
// whatever slot of the answer they are in.
func TestTokenKindsSwapped(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	us := l.Pool.Config().ClientID
	l.testLies([]lie{
		{name: "token_use access in the ID token", in: inIDToken, tell: lab.WithClaim("token_use", "access"), want: cognito.ErrTokenUse},
		{name: "token_use id in the access token", in: inAccessToken, tell: lab.WithClaim("token_use", "id"), want: cognito.ErrTokenUse},
		{name: "token_use in upper case", in: inAccessToken, tell: lab.WithClaim("token_use", "ACCESS"), want: cognito.ErrTokenUse},
		{name: "token_use missing", tell: lab.WithoutClaim("token_use"), want: cognito.ErrTokenUse},
		{name: "token_use a list", tell: lab.WithClaim("token_use", []string{"id", "access"}), want: cognito.ErrTokenUse},
	})
	swaps := map[string]func(map[string]any){
		"access token as ID token": func(answer map[string]any) { answer["id_token"] = answer["access_token"] },
		"ID token as access token": func(answer map[string]any) { answer["access_token"] = answer["id_token"] },
		"both swapped": func(answer map[string]any) {
			answer["id_token"], answer["access_token"] = answer["access_token"], answer["id_token"]
		},
	}
	for name, swap := range swaps {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			// The tokens have the claims of both kinds, so that the kind alone
			// tells them apart.
			l.Pool.Tamper(func(token *cognitotest.UnsignedToken) {
				token.Claims["aud"], token.Claims["client_id"] = us, us
				delete(token.Claims, "at_hash")
			})
			l.answerHonestly(swap)
			res := l.attempt()
			l.Pool.Tamper(nil)
			l.answerHonestly()
			l.mustRefuse(res, cognito.ErrInvalidToken, cognito.ErrTokenUse)
			l.mustRevoke(l.issued.get("refresh_token"))
			l.mustLogIn()
		})
	}
	l.mustJudge(l.Pool.IDToken("", "alice", map[string]any{"client_id": us}), cognito.ErrTokenUse)
}

// TestTokenOfAnotherUser: both tokens must name the same user, and name one at all.
func TestTokenOfAnotherUser(t *testing.T) {
	t.Parallel()
	subject := cognito.ErrTokenSubject
	newTokenLab(t).testLies([]lie{
		{name: "sub missing", tell: lab.WithoutClaim("sub"), want: subject},
		{name: "sub empty", tell: lab.WithClaim("sub", ""), want: subject},
		{name: "sub null", tell: lab.WithClaim("sub", json.RawMessage("null")), want: subject},
		{name: "sub a number", tell: lab.WithClaim("sub", 7), want: subject},
		{name: "sub a list", tell: lab.WithClaim("sub", []string{"alice"}), want: subject},
		{name: "sub of the access token another", in: inAccessToken, tell: lab.WithClaim("sub", "another"), want: subject, atLoginOnly: true},
		{name: "sub of the ID token another", in: inIDToken, tell: lab.WithClaim("sub", "another"), want: subject},
		{name: "sub of the access token in another case", in: inAccessToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["sub"] = strings.ToUpper(t.Claims["sub"].(string))
		}, want: subject, atLoginOnly: true},
	})
}

// TestTokenPairTorn: an ID token that names another access token is refused. One that
// names none is Cognito's right.
func TestTokenPairTorn(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("another access token"))
	other := base64.RawURLEncoding.EncodeToString(sum[:16])
	newTokenLab(t).testLies([]lie{
		{name: "at_hash of another token", in: inIDToken, tell: lab.WithClaim("at_hash", other), want: cognito.ErrTokenHash},
		{name: "at_hash empty", in: inIDToken, tell: lab.WithClaim("at_hash", ""), want: cognito.ErrTokenHash},
		{name: "at_hash null", in: inIDToken, tell: lab.WithClaim("at_hash", json.RawMessage("null")), want: cognito.ErrTokenHash},
		{name: "at_hash a list", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["at_hash"] = []any{t.Claims["at_hash"]}
		}, want: cognito.ErrTokenHash},
		{name: "at_hash absent", in: inIDToken, tell: lab.WithoutClaim("at_hash")},
	})
}

// TestUserInfoOfAnotherUser: claims about somebody else are not laid over alice's.
func TestUserInfoOfAnotherUser(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t, func(c *cognito.Config) { c.UserInfo = true })
	for name, change := range map[string]func(map[string]any){
		"sub different": func(claims map[string]any) { claims["sub"] = "another" },
		"sub missing":   func(claims map[string]any) { delete(claims, "sub") },
		"sub empty":     func(claims map[string]any) { claims["sub"] = "" },
		"sub a list":    func(claims map[string]any) { claims["sub"] = []any{claims["sub"]} },
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.spoil(cognitotest.UserInfo, cognitotest.Fault{Rewrite: change})
			res := l.attempt()
			l.Pool.Heal(cognitotest.UserInfo)
			l.mustRefuse(res, cognito.ErrInvalidToken, cognito.ErrTokenSubject)
			l.mustRevoke(l.issued.get("refresh_token"))
			l.mustLogIn()
		})
	}
}

// TestUserInfoAbuse: an answer that is none leaves it open who alice is, so she is not
// signed in by half.
func TestUserInfoAbuse(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t, func(c *cognito.Config) { c.UserInfo = true })
	good := map[string]any{"sub": l.subject(), "email": "alice@example.com"}
	down := cognito.ErrUnavailable
	for name, row := range map[string]struct {
		fault  cognitotest.Fault
		reason error // nil: accepted
		want   error
	}{
		"as it should be":             {cognitotest.Fault{Body: toJSON(good)}, nil, nil},
		"500":                         {cognitotest.Fault{Status: 500, Body: toJSON(good)}, down, down},
		"401":                         {cognitotest.Fault{Status: 401, Body: toJSON(good)}, down, down},
		"201":                         {cognitotest.Fault{Status: 201, Body: toJSON(good)}, down, down},
		"HTML":                        {cognitotest.Fault{ContentType: "text/html", Body: "<html>"}, down, down},
		"JSON that calls itself HTML": {cognitotest.Fault{ContentType: "text/html", Body: toJSON(good)}, down, down},
		"a signed answer":             {cognitotest.Fault{ContentType: "application/jwt", Body: toJSON(good)}, down, down},
		"longer than a MiB":           {cognitotest.Fault{Body: padded(maps.Clone(good), mebibyte+1)}, down, down},
		"the connection lost":         {cognitotest.Fault{LoseAnswer: true}, down, down},
		"truncated":                   {cognitotest.Fault{Body: strings.TrimSuffix(toJSON(good), "}")}, cognito.ErrInvalidToken, cognito.ErrTokenSubject},
		"a list":                      {cognitotest.Fault{Body: "[" + toJSON(good) + "]"}, cognito.ErrInvalidToken, cognito.ErrTokenSubject},
		"null":                        {cognitotest.Fault{Body: "null"}, cognito.ErrInvalidToken, cognito.ErrTokenSubject},
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.spoil(cognitotest.UserInfo, row.fault)
			res := l.attempt()
			l.Pool.Heal(cognitotest.UserInfo)
			if row.reason == nil {
				l.mustAccept(res)
				l.forget()
				return
			}
			l.mustRefuse(res, row.reason, row.want)
			l.mustRevoke(l.issued.get("refresh_token"))
			l.mustLogIn()
		})
	}
}

// TestEmailVerifiedByTruthiness: Cognito's userInfo writes booleans as strings, and
// "false" is not true.
func TestEmailVerifiedByTruthiness(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t, func(c *cognito.Config) { c.UserInfo = true })
	for name, row := range map[string]struct{ said, want any }{
		"the string false": {"false", false},
		"the string true":  {"true", true},
		"false":            {false, false},
		"true":             {true, true},
		"a number":         {1, float64(1)},
		"another string":   {"TRUE", "TRUE"},
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.Pool.Tamper(lab.WithoutClaim("email_verified"))
			l.spoil(cognitotest.UserInfo, cognitotest.Fault{Rewrite: func(claims map[string]any) { claims["email_verified"] = row.said }})
			cookie := l.mustAccept(l.attempt())
			l.Pool.Tamper(nil)
			me := lab.Decode(t, l.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}}).Text)
			if me["email_verified"] != row.want {
				t.Errorf("email_verified %v became %v", row.said, me["email_verified"])
			}
			l.forget()
		})
	}
}
