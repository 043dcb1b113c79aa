package userpool_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// full is a user with something in every corner.
var full = userpool.User{
	Username: "alice", Password: "wonderland", Email: "alice@example.com", EmailVerified: true,
	Name: "Alice", Groups: []string{"admin", "staff"},
	Attributes: map[string]string{
		"phone_number": "+15550100", "phone_number_verified": "false", "custom:plan": "",
		"sub": "chosen",
	},
}

// protocol are the ID token's claims that come whatever the scopes.
var protocol = []string{
	"at_hash", "aud", "auth_time", "cognito:groups", "cognito:username", "event_id", "exp", "iat",
	"iss", "jti", "nonce", "origin_jti", "sub", "token_use",
}

// TestIDToken checks names and types of its claims, scope by scope, and that
// userInfo gives the same attributes as strings.
func TestIDToken(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{Users: []userpool.User{full}})
	email := []string{"email", "email_verified"}
	phone := []string{"phone_number", "phone_number_verified"}
	profile := []string{"name", "custom:plan"}
	for scope, attributes := range map[string][]string{
		"openid":                               slices.Concat(email, phone, profile),
		"openid aws.cognito.signin.user.admin": slices.Concat(email, phone, profile),
		"openid email":                         email,
		"openid phone":                         phone,
		"openid profile":                       profile,
		"openid email profile":                 slices.Concat(email, profile),
	} {
		tokens := p.tokens(map[string]string{"scope": scope})
		_, claims := decode(t, tokens["id_token"])
		want := slices.Sorted(slices.Values(slices.Concat(protocol, attributes)))
		if got := slices.Sorted(maps.Keys(claims)); !slices.Equal(got, want) {
			t.Errorf("scope %q: got claims %v, want %v", scope, got, want)
		}
		if claims["email_verified"] != nil && claims["email_verified"] != true {
			t.Errorf("scope %q: email_verified is %#v, want true", scope, claims["email_verified"])
		}
		if claims["phone_number_verified"] != nil && claims["phone_number_verified"] != false {
			t.Errorf("scope %q: phone_number_verified is %#v, want false", scope, claims["phone_number_verified"])
		}

		access, _ := tokens["access_token"].(string)
		info := p.get(p.pool.URL()+"/oauth2/userInfo", access)
		want = slices.Sorted(slices.Values(slices.Concat(attributes, []string{"sub", "username"})))
		if got := slices.Sorted(maps.Keys(info.members)); !slices.Equal(got, want) {
			t.Errorf("scope %q: userInfo has %v, want %v", scope, got, want)
		}
		for name, value := range info.members {
			if _, ok := value.(string); !ok {
				t.Errorf("scope %q: userInfo says %s is %#v, want a string", scope, name, value)
			}
		}
	}
}

// TestTokenClaims checks the values, and how the two kinds of token differ.
func TestTokenClaims(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{AccessTokenTTL: 5 * time.Minute, IDTokenTTL: 10 * time.Minute},
		userpool.Options{Users: []userpool.User{full}})
	tokens := p.tokens(nil)
	idHeader, id := decode(t, tokens["id_token"])
	accessHeader, access := decode(t, tokens["access_token"])

	for name, header := range map[string]map[string]any{"id": idHeader, "access": accessHeader} {
		if len(header) != 2 || header["alg"] != "RS256" {
			t.Errorf("%s: got header %v, want kid and alg only", name, header)
		}
	}
	if idHeader["kid"] == accessHeader["kid"] {
		t.Error("one key signs both kinds of token")
	}
	for _, shared := range []string{"sub", "iss", "auth_time", "origin_jti"} {
		if id[shared] != access[shared] {
			t.Errorf("%s differs: %v and %v", shared, id[shared], access[shared])
		}
	}
	wantClaims(t, id, map[string]any{
		"iss": p.pool.Issuer(), "aud": "client1", "token_use": "id", "nonce": "nonce-1",
		"cognito:username": "alice", "cognito:groups": []any{"admin", "staff"}, "email": "alice@example.com",
		"at_hash": halfHash(tokens["access_token"]), "exp": id["iat"].(float64) + 600,
		"username": nil, "client_id": nil, "scope": nil, "phone_number": nil, "custom:plan": "",
	})
	wantClaims(t, access, map[string]any{
		"client_id": "client1", "token_use": "access", "username": "alice", "version": 2.0,
		"scope": "openid email profile", "cognito:groups": []any{"admin", "staff"},
		"exp": access["iat"].(float64) + 300,
		"aud": nil, "email": nil, "cognito:username": nil, "nonce": nil, "at_hash": nil,
	})
	if sub, _ := id["sub"].(string); len(sub) != 36 || strings.Count(sub, "-") != 4 {
		t.Errorf("sub %q does not look like a UUID", sub)
	}
}

// TestTokenClaimsThatMayBeMissing checks the claims that depend on the login.
func TestTokenClaimsThatMayBeMissing(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{
		Users: []userpool.User{{Username: "alice", Password: "wonderland", EmailVerified: true}},
	})
	tokens := p.tokens(map[string]string{
		"nonce": "", "scope": "", "resource": "https://api.example.com",
	})
	_, id := decode(t, tokens["id_token"])
	wantClaims(t, id, map[string]any{
		"nonce": nil, "cognito:groups": nil, "email": nil, "email_verified": nil, "name": nil,
	})
	for _, issued := range []any{
		tokens["access_token"], p.refresh(tokens["refresh_token"]).members["access_token"],
	} {
		_, access := decode(t, issued)
		wantClaims(t, access, map[string]any{
			"aud": "https://api.example.com", "cognito:groups": nil,
			"scope": "openid email profile phone aws.cognito.signin.user.admin",
		})
	}
}

// TestMint checks tokens made without a login.
func TestMint(t *testing.T) {
	t.Parallel()
	p := newParty(t, userpool.Client{}, userpool.Options{})
	raw := p.pool.AccessToken("", "alice", map[string]any{"scope": "openid a/b", "version": nil, "x": 1})
	_, access := decode(t, raw)
	wantClaims(t, access, map[string]any{
		"scope": "openid a/b", "version": nil, "x": 1.0, "client_id": "client1", "username": "alice",
	})
	_, id := decode(t, p.pool.IDToken("client1", "bob", map[string]any{"nonce": "n"}))
	wantClaims(t, id, map[string]any{
		"nonce": "n", "aud": "client1", "email_verified": false, "cognito:groups": nil, "at_hash": nil,
	})
	p.get(p.pool.URL()+"/oauth2/userInfo", raw).wantOK(t)
	wantPanic(t, "no client", func() { p.pool.AccessToken("stranger", "alice", nil) })
	wantPanic(t, "no user", func() { p.pool.IDToken("", "stranger", nil) })
}

// wantClaims checks claims by name; nil means that there must be none.
func wantClaims(t *testing.T, claims, want map[string]any) {
	t.Helper()
	for name, value := range want {
		got, present := claims[name]
		if !reflect.DeepEqual(got, value) || present != (value != nil) {
			t.Errorf("%s is %#v (present: %t), want %#v", name, got, present, value)
		}
	}
}

// wantPanic checks that f panics with a message that contains want.
func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if message, _ := recover().(string); !strings.Contains(message, want) {
			t.Errorf("panicked with %q, want %q in it", message, want)
		}
	}()
	f()
}
