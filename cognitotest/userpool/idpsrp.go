package userpool

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"strings"
	"time"
)

// The Secure Remote Password protocol (RFC 2945, RFC 5054) as Cognito speaks it: the
// 3072-bit group of RFC 3526, SHA-256, numbers in the shortest two's complement form,
// and a session key of 16 bytes.

const srpPrimeHex = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1" +
	"29024E088A67CC74020BBEA63B139B22514A08798E3404DD" +
	"EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245" +
	"E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED" +
	"EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3D" +
	"C2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F" +
	"83655D23DCA3AD961C62F356208552BB9ED529077096966D" +
	"670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B" +
	"E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9" +
	"DE2BCBF6955817183995497CEA956AE515D2261898FA0510" +
	"15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64" +
	"ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7" +
	"ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6B" +
	"F12FFA06D98A0864D87602733EC86A64521F2B18177B200C" +
	"BBE117577A615D6C770988C0BAD946E208E24FA074E5AB31" +
	"43DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"

// srpTime is the form of a client's TIMESTAMP: the day without a leading zero.
const srpTime = "Mon Jan 2 15:04:05 UTC 2006"

// srpAttempt is a login between the two messages of a client.
type srpAttempt struct {
	clientID, username string
	known              bool     // the user exists
	verifier, secret   *big.Int // v and b
	clientsA, serversB *big.Int
	expires            time.Time
}

// srpGroup returns the group's prime and generator, and the multiplier k.
func srpGroup() (n, g, k *big.Int) {
	n, _ = new(big.Int).SetString(srpPrimeHex, 16)
	g = big.NewInt(2)
	return n, g, srpHash(srpBytes(n), srpBytes(g))
}

// srpBytes is a number as Java's BigInteger prints it: with a zero octet in front when
// the first bit is set.
func srpBytes(n *big.Int) []byte {
	raw := n.Bytes()
	if len(raw) == 0 || raw[0]&0x80 != 0 {
		return append([]byte{0}, raw...)
	}
	return raw
}

func srpHash(parts ...[]byte) *big.Int {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	return new(big.Int).SetBytes(h.Sum(nil))
}

// startSRP answers the client's A. It reports false for one that is a multiple of the
// prime: the shared secret would be zero, whatever the password.
func (p *Pool) startSRP(a *srpAttempt, rawA, password string, salt *big.Int) bool {
	n, g, k := srpGroup()
	clients, ok := new(big.Int).SetString(rawA, 16)
	if !ok || clients.Sign() < 0 || new(big.Int).Mod(clients, n).Sign() == 0 {
		return false
	}
	random := make([]byte, 64)
	_, _ = rand.Read(random) // crypto/rand.Read never fails
	_, poolName, _ := strings.Cut(p.id, "_")
	inner := sha256.Sum256([]byte(poolName + a.username + ":" + password))
	x := srpHash(srpBytes(salt), inner[:])

	a.clientsA, a.secret = clients, new(big.Int).SetBytes(random)
	a.verifier = new(big.Int).Exp(g, x, n)
	// B = k·v + g^b
	b := new(big.Int).Exp(g, a.secret, n)
	a.serversB = b.Add(b, new(big.Int).Mul(k, a.verifier)).Mod(b, n)
	return true
}

// srpSignature is what a client sends that knows the password.
func (p *Pool) srpSignature(a *srpAttempt, block []byte, timestamp string) []byte {
	n, _, _ := srpGroup()
	u := srpHash(srpBytes(a.clientsA), srpBytes(a.serversB))
	// S = (A·v^u)^b
	s := new(big.Int).Exp(a.verifier, u, n)
	s.Mul(s, a.clientsA).Exp(s, a.secret, n)
	extracted := mac(srpBytes(u), srpBytes(s))
	key := mac(extracted, []byte("Caldera Derived Key\x01"))[:16]
	_, poolName, _ := strings.Cut(p.id, "_")
	return mac(key, []byte(poolName), []byte(a.username), block, []byte(timestamp))
}

// srpMatches reports whether a client's second message proves the password.
func (p *Pool) srpMatches(a *srpAttempt, responses map[string]string) bool {
	stamp := responses["TIMESTAMP"]
	when, err := time.Parse(srpTime, stamp)
	if err != nil || when.Format(srpTime) != stamp {
		return false
	}
	block, err := base64.StdEncoding.DecodeString(responses["PASSWORD_CLAIM_SECRET_BLOCK"])
	if err != nil {
		return false
	}
	signature, err := base64.StdEncoding.DecodeString(responses["PASSWORD_CLAIM_SIGNATURE"])
	if err != nil {
		return false
	}
	return subtle.ConstantTimeCompare(signature, p.srpSignature(a, block, stamp)) == 1 && a.known
}

// srpSalt is the same at every login of a name, of one that nobody has too: a salt
// that changed would tell who exists.
func (p *Pool) srpSalt(username string) *big.Int {
	return new(big.Int).SetBytes(mac([]byte(p.idp.saltKey), []byte(p.fold(username)))[:16])
}

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

func hexOf(n *big.Int) string { return hex.EncodeToString(srpBytes(n)) }
