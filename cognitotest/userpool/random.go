package userpool

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"math/big"
)

// newUUID returns a random UUID, the form of Cognito's codes and token ids.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails
	return formatUUID(b)
}

// formatUUID prints b as a version 4 UUID (RFC 9562 §5.4).
func formatUUID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

// randomText returns n random bytes as unpadded base64url.
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// newConfirmationCode is a code as pools send them to an address: six digits.
func newConfirmationCode() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic("userpool: no random numbers: " + err.Error())
	}
	return fmt.Sprintf("%06d", n)
}
