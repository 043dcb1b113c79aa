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
