package cognito

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/bar-tech/cognito/internal/secret"
)

// A rule is one reason to refuse a token.
type rule func(v *verifier, t *token) error

// Every token of the pool keeps these.
var commonRules = []rule{ruleIssuer, ruleSubject, ruleExpiry, ruleIssuedAt, ruleNotBefore}

func ruleIssuer(v *verifier, t *token) error {
	if t.text("iss") != v.issuer {
		return fmt.Errorf("%w: iss is %s, the issuer configured is %q", ErrTokenIssuer, quoted(t.text("iss")), v.issuer)
	}
	return nil
}

func ruleSubject(_ *verifier, t *token) error {
	if t.text("sub") == "" {
		return ErrTokenSubject
	}
	return nil
}

func ruleExpiry(v *verifier, t *token) error {
	expires, ok := t.moment("exp")
	if !ok {
		return ErrTokenExpired
	}
	if late := v.now().Sub(expires); late >= leeway {
		return fmt.Errorf("%w: %s ago by this machine's clock", ErrTokenExpired, late.Truncate(time.Second))
	}
	return nil
}

func ruleIssuedAt(_ *verifier, t *token) error {
	if _, ok := t.moment("iat"); !ok {
		return ErrTokenIssuedAt
	}
	return nil
}

// ruleNotFromFuture applies at login, where the token was issued just now: one from
// the future shows a clock that is wrong.
func ruleNotFromFuture(v *verifier, t *token) error {
	issued, _ := t.moment("iat")
	if ahead := issued.Sub(v.now()); ahead > leeway {
		return fmt.Errorf("%w: issued %s ahead of this machine's clock; set the clock (NTP)", ErrTokenIssuedAt, ahead.Truncate(time.Second))
	}
	return nil
}

func ruleNotBefore(v *verifier, t *token) error {
	if _, set := t.claims["nbf"]; !set {
		return nil // Cognito sends none
	}
	if begins, ok := t.moment("nbf"); !ok || begins.Sub(v.now()) > leeway {
		return ErrTokenNotYet
	}
	return nil
}

func ruleUse(want string) rule {
	return func(_ *verifier, t *token) error {
		if t.text("token_use") != want {
			return fmt.Errorf("%w: token_use is not %q", ErrTokenUse, want)
		}
		return nil
	}
}

// ruleAudience wants this client and nobody else: a token that others may use
// too was perhaps obtained by one of them.
func ruleAudience(v *verifier, t *token) error {
	audience := t.claims["aud"]
	if list, ok := audience.([]any); ok && len(list) == 1 {
		audience = list[0]
	}
	if audience != v.clientID {
		return fmt.Errorf("%w: aud is not ClientID", ErrTokenAudience)
	}
	if party, set := t.claims["azp"]; set && party != v.clientID {
		return fmt.Errorf("%w: azp is not ClientID", ErrTokenAudience)
	}
	return nil
}

// ruleClient: Cognito's access tokens name the client in client_id and have no
// aud, unless they are bound to a resource.
func ruleClient(v *verifier, t *token) error {
	if t.text("client_id") != v.clientID {
		return fmt.Errorf("%w: client_id is not ClientID", ErrTokenClient)
	}
	return nil
}

// ruleNonce binds an ID token to the login that asked for it.
func ruleNonce(want secret.Text) rule {
	return func(_ *verifier, t *token) error {
		got := t.text("nonce")
		if got == "" || subtle.ConstantTimeCompare([]byte(got), []byte(want.Reveal())) != 1 {
			return ErrTokenNonce
		}
		return nil
	}
}

// ruleSameSubject ties a token to the one it came with or replaces.
func ruleSameSubject(want string) rule {
	return func(_ *verifier, t *token) error {
		if t.text("sub") != want {
			return ErrTokenSubject
		}
		return nil
	}
}

// ruleAccessTokenHash checks at_hash if it is there (OpenID Connect Core
// section 3.1.3.8): real pools send it, though it is undocumented.
func ruleAccessTokenHash(access secret.Text) rule {
	return func(_ *verifier, t *token) error {
		hash, set := t.claims["at_hash"]
		if !set {
			return nil
		}
		sum := sha256.Sum256([]byte(access.Reveal()))
		if hash != base64.RawURLEncoding.EncodeToString(sum[:sha256.Size/2]) {
			return ErrTokenHash
		}
		return nil
	}
}

// quoted shows a stranger's text in a log, short and on one line.
func quoted(s string) string { return fmt.Sprintf("%q", s[:min(len(s), 100)]) }

// ruleNonceIfPresent is ruleNonce for renewals, where the claim may be gone.
func ruleNonceIfPresent(want secret.Text) rule {
	return func(v *verifier, t *token) error {
		if _, set := t.claims["nonce"]; !set {
			return nil
		}
		return ruleNonce(want)(v, t)
	}
}
