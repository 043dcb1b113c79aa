package main

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
)

// Verifying an access token that nobody has seen before, without any HTTP. The
// unit is what nobody can do without: SHA-256 and one RSA operation.

// mostTokens bounds the tokens of a round: signing one takes a millisecond.
const mostTokens = 256

// freshTokens are access tokens of one user that nobody has seen before.
type freshTokens struct {
	pool     *cognitotest.Pool
	texts    []string
	requests [][]byte
	seals    [][]byte // the signatures
}

// renew replaces the tokens by n new ones.
func (f *freshTokens) renew(n int) error {
	f.texts, f.requests, f.seals = nil, nil, nil
	for range n {
		text := f.pool.AccessToken("", userName(0), nil)
		_, seal, _ := cutLast(text, ".")
		signature, err := base64.RawURLEncoding.DecodeString(seal)
		if err != nil {
			return err
		}
		f.texts = append(f.texts, text)
		f.requests = append(f.requests, asBearer(text))
		f.seals = append(f.seals, signature)
	}
	return nil
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

// raw is the bare signature check, everything around it being ready.
func (f *freshTokens) raw() work {
	key := &f.pool.SigningKey("access").PublicKey
	return func(n int) error {
		for i := range n {
			signed, _, _ := cutLast(f.texts[i], ".")
			digest := sha256.Sum256([]byte(signed))
			if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], f.seals[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// verifyEach is work that verifies each token once. verify returns the subject.
func (f *freshTokens) verifyEach(verify func(token string) (string, error)) work {
	want := subjectOf(f.pool, 0)
	return func(n int) error {
		for _, text := range f.texts[:n] {
			subject, err := verify(text)
			if err != nil {
				return err
			}
			if subject != want {
				return fmt.Errorf("the token verifies as one of %q", subject)
			}
		}
		return nil
	}
}

// refusesForgery is the other half of the proof that a verifier verifies.
func (f *freshTokens) refusesForgery(verify func(token string) (string, error)) error {
	signed, _, _ := cutLast(f.texts[0], ".")
	_, other, _ := cutLast(f.texts[1], ".")
	if _, err := verify(signed + "." + other); err == nil {
		return errForgeryPasses
	}
	return nil
}

var errForgeryPasses = errors.New("a token with another token's signature passes")

func verifying(verifier func(*lab) (func(token string) (string, error), error)) func(*lab) (*row, error) {
	return func(l *lab) (*row, error) {
		verify, err := verifier(l)
		if err != nil {
			return nil, err
		}
		tokens := &freshTokens{pool: l.pool()}
		if err := tokens.renew(2); err != nil {
			return nil, err
		}
		if err := tokens.refusesForgery(verify); err != nil {
			return nil, err
		}
		return &row{prepare: tokens.renew, most: mostTokens, work: tokens.verifyEach(verify), unit: tokens.raw()}, nil
	}
}

func verifyOurs(l *lab) (func(string) (string, error), error) {
	auth, err := newAuth(l.pool())
	if err != nil {
		return nil, err
	}
	return func(token string) (string, error) {
		payload, err := auth.VerifyAccessToken(context.Background(), token)
		if err != nil {
			return "", err
		}
		return payload.Subject(), nil
	}, nil
}

func verifyGolangJWT(l *lab) (func(string) (string, error), error) {
	ctx, stop := context.WithCancel(context.Background())
	l.atEnd(stop)
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{jwksURL(l.pool())})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(l.pool().Issuer()), jwt.WithExpirationRequired())
	return func(text string) (string, error) {
		token, err := parser.Parse(text, keys.Keyfunc)
		if err != nil {
			return "", err
		}
		return token.Claims.GetSubject()
	}, nil
}

func verifyGoOIDC(l *lab) (func(string) (string, error), error) {
	keys := oidc.NewRemoteKeySet(context.Background(), jwksURL(l.pool()))
	// Cognito's access tokens have no aud.
	verifier := oidc.NewVerifier(l.pool().Issuer(), keys, &oidc.Config{SkipClientIDCheck: true})
	return func(text string) (string, error) {
		token, err := verifier.Verify(context.Background(), text)
		if err != nil {
			return "", err
		}
		return token.Subject, nil
	}, nil
}

func jwksURL(pool *cognitotest.Pool) string { return pool.Issuer() + "/.well-known/jwks.json" }

// claimsOf reads a token without verifying it.
func claimsOf(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, json.Unmarshal(payload, &claims)
}
