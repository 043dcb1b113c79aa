// Package secret holds what must reach Cognito or the storage but never a log, and what
// seals it: texts that are never printed, random texts, and the keys of sealed records.
package secret

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Redacted stands in place of a secret wherever it is printed.
const Redacted = "[redacted]"

// Text is a string that must reach Cognito or the storage but no log: a
// token, a code, a verifier. However it is printed, it prints as redacted;
// Reveal marks the few places that need the value itself.
type Text string

var (
	_ fmt.Formatter  = Text("")
	_ json.Marshaler = Text("")
	_ slog.LogValuer = Text("")
)

// Reveal gives the value itself.
func (s Text) Reveal() string { return string(s) }

// Format, MarshalJSON and LogValue tell whether there is a value, and no more.
func (s Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(RedactedUnlessEmpty(string(s)))) }

// MarshalJSON is like Format.
func (s Text) MarshalJSON() ([]byte, error) { return MarshalString(RedactedUnlessEmpty(string(s))) }

// LogValue is like Format.
func (s Text) LogValue() slog.Value { return slog.StringValue(RedactedUnlessEmpty(string(s))) }

// RedactedUnlessEmpty tells a reader of a log whether a secret was set, and
// nothing more.
func RedactedUnlessEmpty(s string) string {
	if s == "" {
		return `""`
	}
	return Redacted
}

// MarshalString is a text as JSON.
func MarshalString(s string) ([]byte, error) { return json.Marshal(s) }

// Hide prints what something is in place of what is in it. fmt does not ask a
// struct's unexported fields how they want to be printed, so every struct that holds
// a secret calls this for itself.
func Hide(f fmt.State, what string) { fmt.Fprintf(f, "%s %s", what, Redacted) }

// Random returns 32 random bytes as 43 characters of unpadded base64url.
// It is the shape of everything here that must not be guessed: state, nonce,
// PKCE verifier, session id. RFC 7636 section 4.1 suggests just this for the
// verifier. crypto/rand never fails: it ends the process instead.
func Random() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// RandomOf reverses Random, of which every value has one spelling.
func RandomOf(text []byte) (random [32]byte, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(len(random)) {
		return random, false
	}
	n, err := strictBase64URL.Decode(random[:], text)
	return random, err == nil && n == len(random)
}

var strictBase64URL = base64.RawURLEncoding.Strict()
