package lab

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/golang-jwt/jwt/v5"
)

// MustJudge has a token verified and wants this error, or none for nil.
func MustJudge(t *testing.T, auth *cognito.Auth, raw string, want error) {
	t.Helper()
	payload, err := auth.VerifyAccessToken(t.Context(), raw)
	if !errors.Is(err, want) {
		t.Errorf("VerifyAccessToken() = %v, want %v", err, want)
	}
	if (payload == nil) != (err != nil) {
		t.Errorf("VerifyAccessToken() returns both or neither: %v, %v", payload, err)
	}
	isVerdict := errors.Is(err, cognito.ErrInvalidToken) && !errors.Is(err, cognito.ErrUnavailable)
	if want != nil && !errors.Is(want, cognito.ErrUnavailable) && !isVerdict {
		t.Errorf("VerifyAccessToken() = %v, want ErrInvalidToken", err)
	}
	if err != nil && len(raw) > 16 && strings.Contains(err.Error(), raw[:16]) {
		t.Errorf("the error quotes the token: %v", err)
	}
}

// ClaimsOf reads a JWT, without a look at its signature.
func ClaimsOf(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Errorf("not a JWT: %.200q", token)
		return nil
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Error(err)
	}
	return Decode(t, string(claims))
}

// WithClaim sets a claim before the token is signed.
func WithClaim(name string, value any) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) { t.Claims[name] = value }
}

// WithoutClaim removes one.
func WithoutClaim(name string) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) { delete(t.Claims, name) }
}

// Unsigned leaves the signature out and names an algorithm of choice.
func Unsigned(alg any) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) {
		t.Header["alg"] = alg
		t.Sign = func(header, claims map[string]any) (string, error) {
			return EncodeSegment(header) + "." + EncodeSegment(claims) + ".", nil
		}
	}
}

// SignJWT signs whatever header and claims it is given.
func SignJWT(method jwt.SigningMethod, key any, header, claims map[string]any) (string, error) {
	text := EncodeSegment(header) + "." + EncodeSegment(claims)
	signature, err := method.Sign(text, key)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

// EncodeSegment is a header or a payload as it stands in a token.
func EncodeSegment(members map[string]any) string {
	raw, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}
