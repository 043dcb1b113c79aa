package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
)

// anID is of a session that nobody has.
const anID = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

func printedForms(value any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&b, verb+"\n", value)
		fmt.Fprintf(&b, verb+"\n", []any{value})
	}
	text, _ := json.Marshal(value) // what cannot be marshalled tells nothing
	b.Write(text)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("value", "value", value)
	}
	return b.String()
}

// TestInternalsPrintWithoutSecrets: fmt does not ask unexported fields how they want to
// be printed, so a secret inside a struct needs the struct's help.
func TestInternalsPrintWithoutSecrets(t *testing.T) {
	const canary = "canary-of-a-secret"
	handle, _ := session.NewHandle([]byte(anID), secret.NewDeriver(secret.NewKeys(nil), "session", "pool and client"))
	var key secret.Key
	copy(key[:], canary)
	e := &Engine{settings: Settings{ClientSecret: canary}}
	for _, value := range []any{
		secret.Text(canary), []secret.Text{canary}, map[string]secret.Text{"a": canary}, struct{ S secret.Text }{canary},
		pool.Grant{Access: canary, ID: canary, Refresh: canary}, &pool.Grant{Access: canary},
		session.Cold{Access: canary, Refresh: session.NewCandidates(canary)}, &session.Cold{Access: canary},
		session.NewCandidates(canary),
		cognitoAnswer{state: canary, code: canary}, outcome{session: &session.Session{Handle: *handle}},
		pool.TokenEndpoint{ClientSecret: canary}, &pool.TokenEndpoint{ClientSecret: canary},
		e.settings, e, &callback{outcome: outcome{session: &session.Session{Handle: *handle}}}, verifiedToken{identity: session.Identity{Raw: canary}}, &verifiedToken{identity: session.Identity{Raw: canary}}, verify.Token{Raw: canary}, &verify.Token{Raw: canary},
		secret.Keyring{Key: key}, &secret.Keyring{Key: key}, key, &key, *handle, handle, &session.Session{Handle: *handle}, session.Identity{Session: &session.Session{Handle: *handle}},
	} {
		forms := printedForms(value)
		for _, spelling := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), strings.Trim(fmt.Sprint([]byte(canary)), "[]"), anID, fmt.Sprintf("%x", anID)} {
			if strings.Contains(forms, spelling) {
				t.Errorf("%T prints its secret", value)
				break
			}
		}
	}
	if forms := printedForms(secret.Text(canary)); !strings.Contains(forms, "[redacted]") {
		t.Errorf("a secret prints as %s", forms)
	}
	if forms := printedForms(secret.Text("")); strings.Contains(forms, "[redacted]") {
		t.Errorf("no secret prints as %s", forms)
	}
}
