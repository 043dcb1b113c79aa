package cognito

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// randomText returns 32 random bytes as 43 characters of unpadded base64url.
// It is the shape of everything here that must not be guessed: state, nonce,
// PKCE verifier, session id. RFC 7636 section 4.1 suggests just this for the
// verifier. crypto/rand never fails: it ends the process instead.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// randomOf reverses randomText, of which every value has one spelling.
func randomOf(text []byte) (random [32]byte, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(len(random)) {
		return random, false
	}
	n, err := strictBase64URL.Decode(random[:], text)
	return random, err == nil && n == len(random)
}

var strictBase64URL = base64.RawURLEncoding.Strict()

// challengeS256 derives the code challenge from a verifier (RFC 7636 section
// 4.2). It is the only method that Cognito accepts, and it is sent at every
// login: Cognito demands it of nobody and does not announce it in its
// discovery document either.
func challengeS256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
