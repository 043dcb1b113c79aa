package cognito

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/bar-tech/cognito/internal/secret"
)

// Format prints the config with the secrets redacted, for every verb.
func (c Config) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "cognito.Config{UserPoolDomain:%q ClientID:%q UserPoolID:%q ClientSecret:%s BaseURL:%q Keys:%s}",
		withoutCredentials(c.UserPoolDomain), c.ClientID, c.UserPoolID, secret.RedactedUnlessEmpty(c.ClientSecret), withoutCredentials(c.BaseURL),
		secret.RedactedUnlessEmpty(strings.Join(c.Keys, "")))
}

// LogValue keeps the secrets out of slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

// MarshalJSON keeps the secrets out of JSON.
func (c Config) MarshalJSON() ([]byte, error) { return secret.MarshalString(fmt.Sprint(c)) }
