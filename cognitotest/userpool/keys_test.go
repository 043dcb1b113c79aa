package userpool_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/MicahParks/jwkset"
	"github.com/bar-tech/cognito/cognitotest/userpool"
	"github.com/golang-jwt/jwt/v5"
)

// TestKeys checks the published keys with somebody else's code: they are two,
// they verify the tokens, and they follow a rotation.
func TestKeys(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	published := func() map[string]any {
		t.Helper()
		var set jwkset.JWKSMarshal
		body := p.get(p.pool.Issuer()+"/.well-known/jwks.json", "").body
		if err := json.Unmarshal([]byte(body), &set); err != nil {
			t.Fatal(err)
		}
		keys := map[string]any{}
		for _, marshalled := range set.Keys {
			key, err := jwkset.NewJWKFromMarshal(marshalled, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			keys[marshalled.KID] = key.Key()
			if !strings.Contains(marshalled.KID, "+") || !strings.Contains(marshalled.KID, "/") ||
				!strings.HasSuffix(marshalled.KID, "=") {
				t.Errorf("kid %q is not plain base64 with its special characters", marshalled.KID)
			}
			if marshalled.ALG != "RS256" || marshalled.USE != "sig" || len(marshalled.X5C) != 0 {
				t.Errorf("got key %+v, want RS256 for sig and no certificates", marshalled)
			}
		}
		return keys
	}
	verifies := func(raw string, keys map[string]any) bool {
		_, err := jwt.Parse(raw, func(token *jwt.Token) (any, error) {
			return keys[token.Header["kid"].(string)], nil
		}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(p.pool.Issuer()), jwt.WithExpirationRequired())
		return err == nil
	}

	first := published()
	old := p.tokens(nil)["id_token"].(string)
	if len(first) != 2 || !verifies(old, first) || !verifies(p.pool.AccessToken("", "bob", nil), first) {
		t.Fatalf("%d keys, or they do not verify the tokens", len(first))
	}
	before := p.pool.SigningKey("access")
	p.pool.RotateKeys()
	fresh := p.pool.AccessToken("", "bob", nil)
	if verifies(fresh, first) || p.pool.SigningKey("access").Equal(before) {
		t.Error("tokens are signed with the old key after a rotation")
	}
	if both := published(); len(both) != 4 || !verifies(old, both) || !verifies(fresh, both) {
		t.Errorf("%d keys, or they do not verify old and new tokens", len(both))
	}
	p.pool.DropOldKeys()
	if last := published(); len(last) != 2 || verifies(old, last) || !verifies(fresh, last) {
		t.Errorf("%d keys, or they verify old tokens", len(last))
	}
	wantPanic(t, "id or access", func() { p.pool.SigningKey("refresh") })
}

// TestTokensEscapeSlashes checks the habit that breaks whoever encodes JSON
// again before verifying.
func TestTokensEscapeSlashes(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	header, _, _ := strings.Cut(p.pool.AccessToken("", "alice", nil), ".")
	raw, err := jwt.NewParser().DecodeSegment(header)
	if err != nil || !strings.Contains(string(raw), `\/`) {
		t.Errorf("header %s (%v), want an escaped slash in the kid", raw, err)
	}
}

// TestDiscovery (FACTS.md §7.1) checks the members, and above all the missing ones.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{UserPoolID: "eu-west-2_Abc123"})
	if want := p.pool.URL() + "/eu-west-2_Abc123"; p.pool.Issuer() != want || p.pool.UserPoolID() != "eu-west-2_Abc123" {
		t.Errorf("issuer %s, want %s", p.pool.Issuer(), want)
	}
	a := p.get(p.pool.Issuer()+"/.well-known/openid-configuration", "")
	a.wantOK(t)
	wantClaims(t, a.members, map[string]any{
		"issuer":                           p.pool.Issuer(),
		"authorization_endpoint":           p.pool.URL() + "/oauth2/authorize",
		"token_endpoint":                   p.pool.URL() + "/oauth2/token",
		"userinfo_endpoint":                p.pool.URL() + "/oauth2/userInfo",
		"revocation_endpoint":              p.pool.URL() + "/oauth2/revoke",
		"end_session_endpoint":             p.pool.URL() + "/logout",
		"jwks_uri":                         p.pool.Issuer() + "/.well-known/jwks.json",
		"code_challenge_methods_supported": nil,
		"grant_types_supported":            nil,
	})
	if kind := a.header.Get("Content-Type"); kind != "application/json" || len(a.members) != 12 {
		t.Errorf("%d members as %q", len(a.members), kind)
	}
	for name, want := range map[string][]any{
		"id_token_signing_alg_values_supported": {"RS256"}, "response_types_supported": {"code", "token"},
		"scopes_supported": {"openid", "email", "phone", "profile"}, "subject_types_supported": {"public"},
	} {
		if got, _ := a.members[name].([]any); !slices.Equal(got, want) {
			t.Errorf("%s is %v, want %v", name, a.members[name], want)
		}
	}
	methods, _ := a.members["token_endpoint_auth_methods_supported"].([]any)
	if !slices.Equal(methods, []any{"client_secret_basic", "client_secret_post"}) {
		t.Errorf("got authentication methods %v", methods)
	}
}
