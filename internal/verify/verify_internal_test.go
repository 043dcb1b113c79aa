package verify

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/tasks"
	"github.com/golang-jwt/jwt/v5"
)

// ruleTime is when the rules are put to the test.
var ruleTime = time.Unix(1_750_000_000, 0)

func ruleVerifier() *Verifier {
	return &Verifier{issuers: pool.NewIssuers("", "https://issuer.example", nil), clientID: "us", now: func() time.Time { return ruleTime }}
}

// claimsOf reads claims written as pairs of name and value.
func claimsOf(pairs ...any) *Token {
	claims := jwt.MapClaims{}
	for i := 0; i < len(pairs); i += 2 {
		claims[pairs[i].(string)] = pairs[i+1]
	}
	return &Token{claims: claims}
}

// TestRules judges by each rule alone, so that none can hide behind another.
func TestRules(t *testing.T) {
	now := float64(ruleTime.Unix())
	for _, row := range []struct {
		name  string
		rule  Rule
		token *Token
		want  error
	}{
		{"issuer ours", ruleIssuer, claimsOf("iss", "https://issuer.example"), nil},
		{"issuer longer", ruleIssuer, claimsOf("iss", "https://issuer.example/"), ErrTokenIssuer},
		{"issuer none", ruleIssuer, claimsOf(), ErrTokenIssuer},
		{"subject", ruleSubject, claimsOf("sub", "alice"), nil},
		{"subject none", ruleSubject, claimsOf(), ErrTokenSubject},
		{"subject no text", ruleSubject, claimsOf("sub", 1.0), ErrTokenSubject},
		{"expiry ahead", ruleExpiry, claimsOf("exp", now+1), nil},
		{"expiry 59 s ago", ruleExpiry, claimsOf("exp", now-59), nil},
		{"expiry 60 s ago", ruleExpiry, claimsOf("exp", now-60), ErrTokenExpired},
		{"expiry none", ruleExpiry, claimsOf(), ErrTokenExpired},
		{"issued at", ruleIssuedAt, claimsOf("iat", now), nil},
		{"issued at none", ruleIssuedAt, claimsOf(), ErrTokenIssuedAt},
		{"fresh 60 s ahead", NotFromFuture, claimsOf("iat", now+60), nil},
		{"fresh 61 s ahead", NotFromFuture, claimsOf("iat", now+61), ErrTokenIssuedAt},
		{"not before none", ruleNotBefore, claimsOf(), nil},
		{"not before 60 s ahead", ruleNotBefore, claimsOf("nbf", now+60), nil},
		{"not before 61 s ahead", ruleNotBefore, claimsOf("nbf", now+61), ErrTokenNotYet},
		{"not before a text", ruleNotBefore, claimsOf("nbf", "0"), ErrTokenNotYet},
		{"use id", ruleUse("id"), claimsOf("token_use", "id"), nil},
		{"use access", ruleUse("id"), claimsOf("token_use", "access"), ErrTokenUse},
		{"use none", ruleUse("id"), claimsOf(), ErrTokenUse},
		{"audience us", ruleAudience, claimsOf("aud", "us"), nil},
		{"audience us alone", ruleAudience, claimsOf("aud", []any{"us"}), nil},
		{"audience us and them", ruleAudience, claimsOf("aud", []any{"us", "them"}), ErrTokenAudience},
		{"audience nobody", ruleAudience, claimsOf("aud", []any{}), ErrTokenAudience},
		{"audience in two lists", ruleAudience, claimsOf("aud", []any{[]any{"us"}}), ErrTokenAudience},
		{"audience none", ruleAudience, claimsOf(), ErrTokenAudience},
		{"party us", ruleAudience, claimsOf("aud", "us", "azp", "us"), nil},
		{"party them", ruleAudience, claimsOf("aud", "us", "azp", "them"), ErrTokenAudience},
		{"party null", ruleAudience, claimsOf("aud", "us", "azp", nil), ErrTokenAudience},
		{"client us", ruleClient, claimsOf("client_id", "us"), nil},
		{"client them", ruleClient, claimsOf("client_id", "them"), ErrTokenClient},
		{"client none", ruleClient, claimsOf("aud", "us"), ErrTokenClient},
		{"nonce", Nonce("n"), claimsOf("nonce", "n"), nil},
		{"nonce another", Nonce("n"), claimsOf("nonce", "m"), ErrTokenNonce},
		{"nonce none", Nonce("n"), claimsOf(), ErrTokenNonce},
		{"nonce none and none wanted", Nonce(""), claimsOf("nonce", ""), ErrTokenNonce},
		{"same subject", SameSubject("alice"), claimsOf("sub", "alice"), nil},
		{"another subject", SameSubject("alice"), claimsOf("sub", "bob"), ErrTokenSubject},
		{"hash none", AccessTokenHash("token"), claimsOf(), nil},
		// The left half of the SHA-256 of "token", worked out elsewhere.
		{"hash", AccessTokenHash("token"), claimsOf("at_hash", "PEaenWxYddN6Q_NT1PiOYQ"), nil},
		{"hash in full", AccessTokenHash("token"), claimsOf("at_hash", "PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A"), ErrTokenHash},
		{"hash null", AccessTokenHash("token"), claimsOf("at_hash", nil), ErrTokenHash},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := row.rule(ruleVerifier(), row.token); !errors.Is(err, row.want) {
				t.Errorf("the rule says %v, want %v", err, row.want)
			}
		})
	}
}

// TestMoment reads NumericDates: a number of seconds that a clock can show.
func TestMoment(t *testing.T) {
	for _, row := range []struct {
		value any
		want  int64
		ok    bool
	}{
		{1.0, 1, true}, {1.9, 1, true}, {0.0, 0, true}, {-5.0, -5, true}, {float64(1 << 40), 1 << 40, true},
		{float64(1<<40 + 1), 0, false}, {-1e300, 0, false}, {1e300, 0, false},
		{"1", 0, false}, {true, 0, false}, {nil, 0, false}, {[]any{1.0}, 0, false}, {int64(1), 0, false},
	} {
		got, ok := claimsOf("exp", row.value).Moment("exp")
		if ok != row.ok || (ok && got.Unix() != row.want) {
			t.Errorf("moment(%v) = %v, %v, want %d, %v", row.value, got, ok, row.want, row.ok)
		}
	}
	if _, ok := claimsOf().Moment("exp"); ok {
		t.Error("a claim that is not there is a moment")
	}
}

// TestTokenCharacters tries every byte: base64url and the dot are all.
func TestTokenCharacters(t *testing.T) {
	const all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	for c := range 256 {
		text := string([]byte{byte(c)})
		if got, want := onlyTokenCharacters("aa"+text+"aa"), strings.Contains(all, text); got != want {
			t.Errorf("onlyTokenCharacters with %q = %v, want %v", text, got, want)
		}
	}
}

// TestQuoted keeps a stranger's text short, on one line and unable to end the
// quotes that it is in.
func TestQuoted(t *testing.T) {
	for given, want := range map[string]string{
		"plain":                  `"plain"`,
		"a\nb\"c":                `"a\nb\"c"`,
		strings.Repeat("x", 999): `"` + strings.Repeat("x", 100) + `"`,
		"":                       `""`,
	} {
		if got := quoted(given); got != want {
			t.Errorf("quoted(%q) = %s, want %s", given, got, want)
		}
	}
}

// TestOutageIsNoVerdict keeps the two answers apart that callers act upon in
// opposite ways: without keys nothing is known of a token.
func TestOutageIsNoVerdict(t *testing.T) {
	v := fuzzVerifier(t)
	raw := signForTest(t, fuzzHeader, fuzzClaims)
	if _, err := v.AccessToken(context.Background(), secret.Text(raw)); err != nil {
		t.Fatalf("with keys: %v", err)
	}
	empty := NewKeys(pool.NewClient(nil, nil), tasks.New(pool.TasksInFlight, nil), []string{"http://127.0.0.1:1/"}, v.now)
	unkeyed, err := New(Settings{Issuers: v.issuers, ClientID: v.clientID, Now: v.now}, empty)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = unkeyed.AccessToken(context.Background(), secret.Text(raw)); !errors.Is(err, fault.ErrUnavailable) || errors.Is(err, fault.ErrInvalidToken) {
		t.Errorf("without keys: %v, want ErrUnavailable alone", err)
	}
}

// TestVerifiedBooleans is strict about e-mail addresses: of all values that
// look true, the boolean alone is, and the one string that Cognito sends.
func TestVerifiedBooleans(t *testing.T) {
	for text, want := range map[string]bool{
		`true`: true, `"true"`: true, `false`: false, `"false"`: false,
		`"TRUE"`: false, `"yes"`: false, `"1"`: false, `1`: false, `null`: false, `[true]`: false, `{}`: false,
	} {
		raw, err := claims.OfUser([]byte(`{"email_verified":`+text+`}`), nil)
		if err != nil {
			t.Fatal(err)
		}
		user := claims.New(claims.Text{Bytes: raw}, "", nil)
		if got := user.Bool("email_verified"); got != want {
			t.Errorf("email_verified %s counts as %v, want %v", text, got, want)
		}
	}
}

// TestRuleNonceIfPresent: a renewal's ID token may leave the nonce out. If it
// has one, in whatever form, it is that of the login.
func TestRuleNonceIfPresent(t *testing.T) {
	rule := NonceIfPresent("right")
	for _, row := range []struct {
		name   string
		claims map[string]any
		want   error
	}{
		{"absent", map[string]any{}, nil},
		{"right", map[string]any{"nonce": "right"}, nil},
		{"wrong", map[string]any{"nonce": "wrong"}, ErrTokenNonce},
		{"empty", map[string]any{"nonce": ""}, ErrTokenNonce},
		{"null", map[string]any{"nonce": nil}, ErrTokenNonce},
		{"number", map[string]any{"nonce": 1.0}, ErrTokenNonce},
		{"list", map[string]any{"nonce": []any{"right"}}, ErrTokenNonce},
	} {
		if err := rule(nil, &Token{claims: row.claims}); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	if err := NonceIfPresent("")(nil, &Token{claims: map[string]any{"nonce": ""}}); !errors.Is(err, ErrTokenNonce) {
		t.Errorf("empty on both sides: %v, want ErrTokenNonce", err)
	}
}

// TestAnyClientNeedsAnAudience: Config.Validate refuses that, and should it not, then
// the star is no client's id.
func TestAnyClientNeedsAnAudience(t *testing.T) {
	token := &Token{claims: jwt.MapClaims{"client_id": "agent", "aud": "https://api.example.com"}}
	judge := func(audience string) error {
		var refused error
		for _, rule := range bearerRules(Settings{ClientID: "app", BearerClientIDs: []string{AnyClient}, Audience: audience})[len(commonRules)+1:] {
			refused = errors.Join(refused, rule(nil, token))
		}
		return refused
	}
	if err := judge(""); !errors.Is(err, ErrTokenClient) {
		t.Errorf("without an audience: %v", err)
	}
	if err := judge("https://api.example.com"); err != nil {
		t.Errorf("with an audience: %v", err)
	}
}
