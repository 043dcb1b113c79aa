// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"crypto/sha256"
	"encoding/base64"
)

// challengeS256 derives the code challenge from a verifier (RFC 7636 section
// 4.2). It is the only method that Cognito accepts, and it is sent at every
// login, although Cognito does not require it and does not announce it in its
// discovery document.
func challengeS256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
