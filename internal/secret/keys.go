package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
)

// Keys are the app's own secrets: the first seals, all open.
type Keys struct{ all []Key }

// Format prints no secret.
func (Keys) Format(f fmt.State, _ rune) { Hide(f, "keys") }

// NewKeys takes what the app was given, or, for want of that, a random key that
// lives with the process.
func NewKeys(texts []string) Keys {
	if len(texts) == 0 {
		var random Key
		_, _ = rand.Read(random[:])
		return Keys{[]Key{random}}
	}
	all := make([]Key, len(texts))
	for i, text := range texts {
		all[i] = sha256.Sum256([]byte("cognito/key\x00" + text))
	}
	return Keys{all}
}
