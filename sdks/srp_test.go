package sdks_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	idp "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// srpClient is the client's side of SRP, written from Amplify's and not from the
// pool's: in hexadecimal text throughout.
type srpClient struct {
	n, a, bigA *big.Int
	pool       string // the part of the pool's id behind the Region
}

// primeText is the 3072-bit group of RFC 3526, in its own words:
// 2^3072 - 2^3008 - 1 + 2^64 * ( [2^2942 pi] + 1690314 ).
func primeText() *big.Int {
	power := func(n uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), n) }
	// pi by Machin's formula, to 2942 bits and some to spare.
	const bits = 2942 + 64
	arctan := func(inverse int64) *big.Int {
		x := big.NewInt(inverse)
		term := new(big.Int).Div(power(bits), x)
		sum, square := new(big.Int).Set(term), new(big.Int).Mul(x, x)
		for k := int64(3); term.Sign() != 0; k += 2 {
			term.Div(term, square)
			part := new(big.Int).Div(term, big.NewInt(k))
			if k%4 == 3 {
				sum.Sub(sum, part)
			} else {
				sum.Add(sum, part)
			}
		}
		return sum
	}
	pi := new(big.Int).Mul(big.NewInt(16), arctan(5))
	pi.Sub(pi, new(big.Int).Mul(big.NewInt(4), arctan(239)))
	pi.Rsh(pi, 64)
	p := power(3072)
	p.Sub(p, power(3008)).Sub(p, big.NewInt(1))
	return p.Add(p, new(big.Int).Mul(power(64), pi.Add(pi, big.NewInt(1690314))))
}

func newSRPClient(pool *userpool.Pool) *srpClient {
	secret := make([]byte, 128)
	_, _ = rand.Read(secret)
	c := &srpClient{n: primeText(), a: new(big.Int).SetBytes(secret)}
	c.bigA = new(big.Int).Exp(big.NewInt(2), c.a, c.n)
	_, c.pool, _ = strings.Cut(pool.UserPoolID(), "_")
	return c
}

// padHex is Amplify's function of this name.
func padHex(n *big.Int) string {
	text := n.Text(16)
	if len(text)%2 == 1 {
		return "0" + text
	}
	if strings.ContainsAny(text[:1], "89abcdef") {
		return "00" + text
	}
	return text
}

func hexHash(text string) *big.Int {
	raw, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(raw)
	return new(big.Int).SetBytes(sum[:])
}

func hmacOf(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func unhex(n *big.Int) string {
	raw, _ := hex.DecodeString(padHex(n))
	return string(raw)
}

func number(text string) *big.Int {
	n, _ := new(big.Int).SetString(text, 16)
	return n
}

// responses answers PASSWORD_VERIFIER.
func (c *srpClient) responses(given map[string]string, password, stamp string) map[string]string {
	bigB, username := number(given["SRP_B"]), given["USER_ID_FOR_SRP"]
	k, u := hexHash("00"+c.n.Text(16)+"02"), hexHash(padHex(c.bigA)+padHex(bigB))
	inner := sha256.Sum256([]byte(c.pool + username + ":" + password))
	x := hexHash(padHex(number(given["SALT"])) + hex.EncodeToString(inner[:]))
	base := new(big.Int).Exp(big.NewInt(2), x, c.n)
	base.Sub(bigB, base.Mul(base, k)).Mod(base, c.n)
	s := base.Exp(base, new(big.Int).Add(c.a, new(big.Int).Mul(u, x)), c.n)
	key := hmacOf(hmacOf([]byte(unhex(u)), unhex(s)), "Caldera Derived Key\x01")[:16]
	block, _ := base64.StdEncoding.DecodeString(given["SECRET_BLOCK"])
	return map[string]string{
		"USERNAME": username, "PASSWORD_CLAIM_SECRET_BLOCK": given["SECRET_BLOCK"], "TIMESTAMP": stamp,
		"PASSWORD_CLAIM_SIGNATURE": base64.StdEncoding.EncodeToString(
			hmacOf(key, c.pool+username+string(block)+stamp)),
	}
}

func stamp() string { return time.Now().UTC().Format("Mon Jan 2 15:04:05 UTC 2006") }

// signInSRP goes both steps.
func signInSRP(t *testing.T, pool *userpool.Pool, username, password string) (*idp.RespondToAuthChallengeOutput, error) {
	t.Helper()
	sdk, client := newSDK(t, pool), newSRPClient(pool)
	asked := must(sdk.InitiateAuth(t.Context(), initiate("public", "USER_SRP_AUTH",
		"USERNAME", username, "SRP_A", client.bigA.Text(16))))(t)
	return sdk.RespondToAuthChallenge(t.Context(), &idp.RespondToAuthChallengeInput{
		ClientId: aws.String("public"), ChallengeName: asked.ChallengeName,
		ChallengeResponses: client.responses(asked.ChallengeParameters, password, stamp()),
	})
}

// TestSRP: a proof of the password is as good as the password, time after time, as the
// numbers' lengths differ.
func TestSRP(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	for range 20 {
		got := must(signInSRP(t, pool, "alice", "wonderland"))(t)
		if got.AuthenticationResult == nil || got.AuthenticationResult.RefreshToken == nil {
			t.Fatalf("no tokens: %+v", got)
		}
	}
	must(signInSRP(t, pool, "alice@example.com", "wonderland"))(t)
	for _, username := range []string{"alice", "nobody"} {
		_, err := signInSRP(t, pool, username, "wrong one")
		wantError(t, err, "NotAuthorizedException")
	}
}

// TestSRPZeroKey: an A that the prime divides makes the shared secret zero, which
// takes no password to know (RFC 5054 §2.5.4).
func TestSRPZeroKey(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk := newSDK(t, pool)
	n := primeText()
	for _, a := range []string{"0", n.Text(16), new(big.Int).Lsh(n, 1).Text(16), "-1", "no number"} {
		_, err := sdk.InitiateAuth(t.Context(), initiate("public", "USER_SRP_AUTH", "USERNAME", "alice", "SRP_A", a))
		wantError(t, err, "InvalidParameterException")
	}
	must(signInSRP(t, pool, "alice", "wonderland"))(t)
}

// TestSRPReplay: a proof is good once, for its client, within three minutes.
func TestSRPReplay(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{})
	sdk, ctx := newSDK(t, pool), t.Context()
	answer := func(stamp string) *idp.RespondToAuthChallengeInput {
		client := newSRPClient(pool)
		asked := must(sdk.InitiateAuth(ctx, initiate("public", "USER_SRP_AUTH",
			"USERNAME", "alice", "SRP_A", client.bigA.Text(16))))(t)
		return &idp.RespondToAuthChallengeInput{
			ClientId: aws.String("public"), ChallengeName: asked.ChallengeName,
			ChallengeResponses: client.responses(asked.ChallengeParameters, "wonderland", stamp),
		}
	}
	refuse := func(in *idp.RespondToAuthChallengeInput) {
		t.Helper()
		_, err := sdk.RespondToAuthChallenge(ctx, in)
		wantError(t, err, "NotAuthorizedException")
	}
	refuse(answer("Fri Nov 06 12:00:00 UTC 2026")) // a zero in front of the day
	other := answer(stamp())
	other.ClientId = aws.String("rotating")
	refuse(other)
	bobs := answer(stamp())
	bobs.ChallengeResponses["USERNAME"] = "bob"
	refuse(bobs)
	late := answer(stamp())
	pool.Advance(3 * time.Minute)
	refuse(late)
	honest := answer(stamp())
	must(sdk.RespondToAuthChallenge(ctx, honest))(t)
	refuse(honest)
}

// TestSRPOfFederatedUsers: whoever has a password elsewhere has none here, not even one
// that an administrator has set; they are answered as somebody whom nobody knows.
func TestSRPOfFederatedUsers(t *testing.T) {
	t.Parallel()
	pool := newPool(t, userpool.Options{Providers: []userpool.Provider{{
		Name: "Google", Users: []userpool.ProviderUser{{ID: "1", Password: "lutwidge"}},
	}}})
	user := pool.Federate("Google", "1")
	user.Password = "wonderland"
	pool.SetUser(user)
	_, err := signInSRP(t, pool, user.Username, "wonderland")
	wantError(t, err, "NotAuthorizedException")
	must(signInSRP(t, pool, "alice", "wonderland"))(t)
}
