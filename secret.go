package cognito

import (
	"encoding/json"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// secret is a string that must reach Cognito or the storage but no log: a
// token, a code, a verifier. However it is printed, it prints as redacted;
// reveal marks the few places that need the value itself.
type secret string

var (
	_ fmt.Formatter  = secret("")
	_ json.Marshaler = secret("")
	_ slog.LogValuer = secret("")
)

func (s secret) reveal() string               { return string(s) }
func (s secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redactedUnlessEmpty(string(s)))) }
func (s secret) MarshalJSON() ([]byte, error) { return marshalString(redactedUnlessEmpty(string(s))) }
func (s secret) LogValue() slog.Value         { return slog.StringValue(redactedUnlessEmpty(string(s))) }

// redactedUnlessEmpty tells a reader of a log whether a secret was set, and
// nothing more.
func redactedUnlessEmpty(s string) string {
	if s == "" {
		return `""`
	}
	return redacted
}

func marshalString(s string) ([]byte, error) { return json.Marshal(s) }

// fmt does not ask a struct's unexported fields how they want to be printed,
// so every struct that holds a secret says so for itself.

func (grant) Format(f fmt.State, _ rune)         { hide(f, "grant") }
func (token) Format(f fmt.State, _ rune)         { hide(f, "token") }
func (ticket) Format(f fmt.State, _ rune)        { hide(f, "ticket") }
func (attempt) Format(f fmt.State, _ rune)       { hide(f, "attempt") }
func (outcome) Format(f fmt.State, _ rune)       { hide(f, "outcome") }
func (cognitoAnswer) Format(f fmt.State, _ rune) { hide(f, "answer") }
func (coldRecord) Format(f fmt.State, _ rune)    { hide(f, "cold record") }
func (tokens) Format(f fmt.State, _ rune)        { hide(f, "tokens") }
func (candidates) Format(f fmt.State, _ rune)    { hide(f, "tokens") }
func (keyring) Format(f fmt.State, _ rune)       { hide(f, "key") }
func (sealingKey) Format(f fmt.State, _ rune)    { hide(f, "key") }
func (sessionHandle) Format(f fmt.State, _ rune) { hide(f, "session") }
func (*openSession) Format(f fmt.State, _ rune)  { hide(f, "session") }
func (identity) Format(f fmt.State, _ rune)      { hide(f, "identity") }
func (tokenEndpoint) Format(f fmt.State, _ rune) { hide(f, "token endpoint") }

func hide(f fmt.State, what string) { fmt.Fprintf(f, "%s %s", what, redacted) }
