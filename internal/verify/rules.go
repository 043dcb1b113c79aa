package verify

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
)

// A Rule is one reason to refuse a token. It sees only tokens that the pool has signed. Its
// error matches one of verify.go's.
type Rule func(v *Verifier, t *Token) error

// commonRules are kept by every token of the pool. Which broken one is reported, judge says.
var commonRules = []Rule{ruleIssuer, ruleSubject, ruleExpiry, ruleIssuedAt, ruleNotBefore}

// ruleIssuer compares exactly: see [pool.Issuers.Has].
func ruleIssuer(v *Verifier, t *Token) error {
	issuer := t.Text("iss")
	if v.issuers.Has(issuer) {
		return nil
	}
	err := fmt.Errorf("%w: iss is %s, which is none of those accepted: %s", ErrTokenIssuer, quoted(issuer), v.issuers)
	if line, could := v.issuers.Missing(issuer); could {
		// The pool's own key has signed it, so it is not forged: the pool's owner has
		// switched the form of its issuer, or another Region has taken over.
		field, _, _ := strings.Cut(line, ":")
		return &operatorsTurn{
			name: "issuer " + issuer, err: err,
			text: "the pool's tokens name an issuer that this app does not accept; sessions are kept, but not renewed, until it is set",
			with: []any{"field", field, "issuer", issuer, "remedy", "set " + line},
		}
	}
	return err
}

// operatorsTurn is a refusal that only the operator can resolve, not the visitor or the
// sender of a token.
type operatorsTurn struct {
	name string // tells one such thing from another
	text string // "" if they have been told by whoever found out
	with []any  // for the log
	err  error
}

func (o *operatorsTurn) Error() string   { return o.err.Error() }
func (o *operatorsTurn) Unwrap() []error { return []error{o.err, fault.ErrTold} }

// ruleSubject requires a subject, which everything here names users by. A machine client's
// token has one, too: the client.
func ruleSubject(_ *Verifier, t *Token) error {
	if t.Text("sub") == "" {
		return ErrTokenSubject
	}
	return nil
}

// ruleExpiry refuses a token when the leeway ends, and not only after that (RFC 7519 section
// 4.1.4: "on or after").
func ruleExpiry(v *Verifier, t *Token) error {
	expires, ok := t.Moment("exp")
	if !ok {
		return ErrTokenExpired
	}
	if late := v.now().Sub(expires); late >= Leeway {
		err := fmt.Errorf("%w: %s ago by this machine's clock", ErrTokenExpired, late.Truncate(time.Second))
		return v.orClock(err, late+v.clock.Skew() < Leeway)
	}
	return nil
}

// ruleIssuedAt requires the time of issue, as OpenID Connect Core section 2 does. Whether
// it is right matters at logins alone; see NotFromFuture.
func ruleIssuedAt(_ *Verifier, t *Token) error {
	if _, ok := t.Moment("iat"); !ok {
		return ErrTokenIssuedAt
	}
	return nil
}

// NotFromFuture applies at login, where the token was issued just now: one from
// the future shows a clock that is wrong.
func NotFromFuture(v *Verifier, t *Token) error {
	issued, _ := t.Moment("iat")
	if ahead := issued.Sub(v.now()); ahead > Leeway {
		err := fmt.Errorf("%w: issued %s ahead of this machine's clock; set the clock (NTP)", ErrTokenIssuedAt, ahead.Truncate(time.Second))
		return v.orClock(err, ahead-v.clock.Skew() <= Leeway)
	}
	return nil
}

// orClock is an error about a token's times, which the operator has to resolve if the
// times are right by Cognito's clock.
func (v *Verifier) orClock(err error, rightByCognito bool) error {
	if !rightByCognito {
		return err
	}
	return &operatorsTurn{name: "clock", err: err} // pool.Clock has told them
}

func ruleNotBefore(v *Verifier, t *Token) error {
	if _, set := t.claims["nbf"]; !set {
		return nil // Cognito sends none
	}
	if begins, ok := t.Moment("nbf"); !ok || begins.Sub(v.now()) > Leeway {
		return ErrTokenNotYet
	}
	return nil
}

// ruleUse keeps ID tokens and access tokens apart, which the keys of one set verify. An ID
// token says who somebody is, and must open no API.
func ruleUse(want string) Rule {
	return func(_ *Verifier, t *Token) error {
		if t.Text("token_use") != want {
			return fmt.Errorf("%w: token_use is not %q", ErrTokenUse, want)
		}
		return nil
	}
}

// ruleAudience requires this client as the only audience: if a token has other
// audiences too, one of them may have obtained it. azp, if it is there, names the client that
// the token was issued to (OpenID Connect Core section 3.1.3.7).
func ruleAudience(v *Verifier, t *Token) error {
	if t.audience() != v.clientID {
		return fmt.Errorf("%w: aud is not ClientID", ErrTokenAudience)
	}
	if party, set := t.claims["azp"]; set && party != v.clientID {
		return fmt.Errorf("%w: azp is not ClientID", ErrTokenAudience)
	}
	return nil
}

// audience is the "aud" of a token, which may be a list of one (RFC 7519 section 4.1.3).
func (t *Token) audience() any {
	if list, ok := t.claims["aud"].([]any); ok && len(list) == 1 {
		return list[0]
	}
	return t.claims["aud"]
}

// ruleClient: Cognito's access tokens name the client in client_id and have no
// aud, unless they are bound to a resource.
func ruleClient(v *Verifier, t *Token) error {
	if t.Text("client_id") != v.clientID {
		return fmt.Errorf("%w: client_id is not ClientID", ErrTokenClient)
	}
	return nil
}

// Nonce binds an ID token to the login that asked for it.
func Nonce(want secret.Text) Rule {
	return func(_ *Verifier, t *Token) error {
		// A token without a nonce is refused even if none was expected: two empty texts are
		// equal.
		got := t.Text("nonce")
		if got == "" || subtle.ConstantTimeCompare([]byte(got), []byte(want.Reveal())) != 1 {
			return ErrTokenNonce
		}
		return nil
	}
}

// SameSubject ties a token to the one it came with or replaces. Otherwise, whoever can swap
// one of two tokens would mix the claims of two users (OpenID Connect Core section 12.2).
func SameSubject(want string) Rule {
	return func(_ *Verifier, t *Token) error {
		if t.Text("sub") != want {
			return ErrTokenSubject
		}
		return nil
	}
}

// AccessTokenHash checks at_hash if it is there (OpenID Connect Core
// section 3.1.3.8): real pools send it, though it is undocumented. It is half of the hash
// that RS256 uses, and ties two tokens together: another access token of the same user, put
// in the place of the one that was issued with this ID token, has another hash.
func AccessTokenHash(access secret.Text) Rule {
	return func(_ *Verifier, t *Token) error {
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

// NonceIfPresent is Nonce for renewals, where the claim may be gone (OpenID Connect Core
// section 12.2).
func NonceIfPresent(want secret.Text) Rule {
	return func(v *Verifier, t *Token) error {
		if _, set := t.claims["nonce"]; !set {
			return nil
		}
		return Nonce(want)(v, t)
	}
}

// AnyClient among the BearerClientIDs stands for every client of the pool. No id of
// Cognito's has a star in it.
const AnyClient = "*"

// bearerRules are those for access tokens, with the clients and the audience
// that the settings admit.
func bearerRules(s Settings) []Rule {
	ofClient := ruleClientAmong(append([]string{s.ClientID}, s.BearerClientIDs...))
	// Never without an audience: nothing else keeps out the token of an arbitrary
	// client, which its user obtained for another purpose.
	if s.Audience != "" && slices.Contains(s.BearerClientIDs, AnyClient) {
		ofClient = ruleSomeClient
	}
	rules := slices.Concat(commonRules, []Rule{ruleUse("access"), ofClient})
	if s.Audience != "" {
		rules = append(rules, ruleResource(s.Audience))
	}
	return rules
}

// ruleClientAmong names the client that it refuses, so that the log says what to set.
func ruleClientAmong(clients []string) Rule {
	return func(_ *Verifier, t *Token) error {
		if !slices.Contains(clients, t.Text("client_id")) {
			return fmt.Errorf("%w: client_id is %s, neither ClientID nor in BearerClientIDs; to accept its tokens, add it to BearerClientIDs", ErrTokenClient, quoted(t.Text("client_id")))
		}
		return nil
	}
}

// ruleSomeClient requires an access token in Cognito's form, of any client.
func ruleSomeClient(_ *Verifier, t *Token) error {
	if t.Text("client_id") == "" {
		return fmt.Errorf("%w: client_id is missing", ErrTokenClient)
	}
	return nil
}

// ruleResource requires a token that is bound to this API. A token without an audience
// is bound to no API, so it is refused too.
func ruleResource(want string) Rule {
	return func(_ *Verifier, t *Token) error {
		audience := t.audience()
		if audience == nil {
			return fmt.Errorf("%w: aud is missing, but Audience is %s; the client must request that as its resource", ErrTokenAudience, want)
		}
		if audience != want {
			return fmt.Errorf("%w: aud is %s, but Audience is %s; the client must request that as its resource", ErrTokenAudience, quoted(fmt.Sprint(audience)), want)
		}
		return nil
	}
}
