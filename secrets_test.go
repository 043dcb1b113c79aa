package cognito_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
)

// TestConfigPrintsWithoutSecrets: neither a config nor what is made of it shows the
// client secret, however it is printed.
func TestConfigPrintsWithoutSecrets(t *testing.T) {
	const canary = "canary-of-a-secret"
	config := cognito.Config{UserPoolDomain: "auth.example.com", ClientID: "client", UserPoolID: "eu-west-2_AbCdEfGhI", ClientSecret: canary}
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	for _, value := range []any{config, &config, auth} {
		var forms strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&forms, verb, value)
		}
		if text, err := json.Marshal(value); err == nil {
			forms.Write(text)
		}
		slog.New(slog.NewTextHandler(&forms, nil)).Info("printed", "value", value)
		slog.New(slog.NewJSONHandler(&forms, nil)).Info("printed", "value", value)
		if text := forms.String(); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) || !strings.Contains(text, "client") {
			t.Errorf("%T prints as %s", value, text)
		}
	}
}

// TestAddressWithPassword: a staging server may want a password, and somebody may put it into
// an address. That is no valid setting, and neither the error, which is logged, nor the
// printed config shows it. A mistake in an address without one is shown.
func TestAddressWithPassword(t *testing.T) {
	const canary = "canary-of-a-secret"
	for _, address := range []string{
		"https://user:" + canary + "@staging.example.com", "https://" + canary + "@staging.example.com", "https://user:%zz" + canary + "@staging.example.com", "user:" + canary + "@staging.example.com",
	} {
		config := cognito.Config{
			UserPoolDomain: address, Issuer: address, Resource: address, BaseURL: address, AllowedOrigins: []string{address},
			ClientID: "client", UserPoolID: "eu-west-2_AbCdEfGhI",
		}
		err := config.Validate()
		for _, field := range []string{"UserPoolDomain", "Issuer", "BaseURL", "AllowedOrigins"} {
			if !strings.Contains(fmt.Sprint(err), field+` "[redacted]": must `) {
				t.Errorf("%s is not refused: %v", field, err)
			}
		}
		if text := fmt.Sprint(err, config); strings.Contains(text, canary) {
			t.Errorf("%q is shown: %s", address, text)
		}
	}
	if err := (cognito.Config{BaseURL: "http://staging.example.com/@x"}).Validate(); !strings.Contains(fmt.Sprint(err), `BaseURL "http://staging.example.com/@x": must be https`) {
		t.Errorf("another mistake: %v", err)
	}
}
