// Package verify decides which tokens are accepted: they must be signed by the pool's
// keys and satisfy a list of small rules, each with its own error.
package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/golang-jwt/jwt/v5"
)

// Why a token was refused. A [Verifier]'s error also matches [fault.ErrInvalidToken], or
// [fault.ErrMisconfigured] if the operator has to act. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
// for Cognito's rules, RFC 7519 and OpenID Connect Core section 3.1.3.7 for
// the others.
var (
	ErrTokenMalformed = errors.New("token is not a signed JWT")
	ErrTokenAlgorithm = errors.New("token is not signed with RS256")
	ErrTokenKey       = errors.New("token names no signing key of this pool")
	ErrTokenSignature = errors.New("token has an invalid signature")
	ErrTokenIssuer    = errors.New("token was issued by another issuer")
	ErrTokenSubject   = errors.New("token has no subject, or not the expected one")
	ErrTokenExpired   = errors.New("token has expired, or has no expiry")
	ErrTokenIssuedAt  = errors.New("token has no time of issue, or one in the future")
	ErrTokenNotYet    = errors.New("token is not valid yet")
	ErrTokenAudience  = errors.New("token is for another audience")
	ErrTokenClient    = errors.New("token was issued to another client")
	ErrTokenUse       = errors.New("token is of the wrong kind")
	ErrTokenNonce     = errors.New("token does not belong to this login")
	ErrTokenHash      = errors.New("token does not match its access token")
)

const (
	// Leeway allows for clocks that differ. It applies only to verification: sessions
	// end and tokens are renewed at the exact times.
	Leeway = pool.SkewTolerated
	// longestToken is refused before it is split or decoded. AWS promises no
	// limit; a hundred groups and fifty attributes stay well below.
	longestToken = 256 << 10
)

// Token is a JWT whose signature has been verified.
type Token struct {
	Raw     secret.Text
	Payload []byte        // the claims' JSON as it was signed
	claims  jwt.MapClaims // the same, parsed; shared with ClaimSet, so never changed
}

// Format prints no secret.
func (Token) Format(f fmt.State, _ rune) { secret.Hide(f, "token") }

// Settings are what a verifier has to know of the app.
type Settings struct {
	Issuers  pool.Issuers
	ClientID string
	// BearerClientIDs and Audience are for tokens that come from outside.
	BearerClientIDs []string
	Audience        string
	Now             func() time.Time
	Clock           *pool.Clock // or nil
	Operator        *fault.Operator
}

// Verifier decides whether a token is accepted.
type Verifier struct {
	issuers  pool.Issuers
	clientID string
	now      func() time.Time
	clock    *pool.Clock
	operator *fault.Operator
	parser   *jwt.Parser
	keys     keyfunc.Keyfunc // finds a key by the kid of a token's header, in Keys

	bearerRules []Rule
}

// New makes a verifier.
func New(s Settings, keys *Keys) (*Verifier, error) {
	k, err := keyfunc.New(keyfunc.Options{Storage: keys})
	if err != nil {
		return nil, err
	}
	return &Verifier{
		issuers: s.Issuers, clientID: s.ClientID, now: s.Now, clock: s.Clock, operator: s.Operator, keys: k, bearerRules: bearerRules(s),
		// The algorithm is ours to choose, never the header's (RFC 8725
		// section 3.1): a header that says HS256 would have the public key taken for a shared
		// secret. Strict decoding refuses other spellings of one token, whose last characters
		// have bits that say nothing. Claims are judged by the rules below.
		parser: jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation(), jwt.WithStrictDecoding()),
	}, nil
}

// IDToken verifies an ID token. Further rules may say more of it. The error is
// ErrInvalidToken, ErrUnavailable if there are no keys, or ErrMisconfigured.
func (v *Verifier) IDToken(ctx context.Context, raw secret.Text, further ...Rule) (*Token, error) {
	t, err := v.verify(ctx, "ID token", raw, slices.Concat(commonRules, []Rule{ruleUse("id"), ruleAudience}, further))
	if errors.Is(err, ErrTokenKey) {
		err = v.ofAnotherPool(raw, err)
	}
	return t, err
}

// ofAnotherPool is for an ID token whose key is unknown. It came from the token endpoint
// itself, so if it says that it is from another pool, UserPoolID and UserPoolDomain do
// not belong together. It is refused in any case, so it does no harm that this
// claim is not verified.
func (v *Verifier) ofAnotherPool(raw secret.Text, refused error) error {
	claims := jwt.MapClaims{}
	if _, _, err := v.parser.ParseUnverified(raw.Reveal(), claims); err != nil {
		return refused
	}
	issuer, _ := claims["iss"].(string)
	id, is := v.issuers.AnotherPool(issuer)
	if !is {
		return refused
	}
	v.operator.Tell("another pool", "UserPoolDomain and UserPoolID belong to different pools, so no login can succeed",
		"field", "UserPoolID", "tokens_of", id, "remedy", "take UserPoolDomain, UserPoolID and ClientID from the same pool")
	return fault.Because(fault.ErrMisconfigured, "%w: %w", fault.ErrTold, fault.Of(fault.From(refused)).Cause)
}

// AccessToken verifies an access token that came from the token endpoint, so it must be of
// this client. Its errors are those of IDToken.
func (v *Verifier) AccessToken(ctx context.Context, raw secret.Text, further ...Rule) (*Token, error) {
	return v.verify(ctx, "access token", raw, slices.Concat(commonRules, []Rule{ruleUse("access"), ruleClient}, further))
}

// BearerToken verifies an access token that came from outside. If the cause is the
// operator's mistake, the sender is told that the token cannot be checked for now.
func (v *Verifier) BearerToken(ctx context.Context, raw secret.Text) (*Token, error) {
	t, err := v.verify(ctx, "access token", raw, v.bearerRules)
	if errors.Is(err, fault.ErrTold) {
		err = fault.AsUnknown(err)
	}
	return t, err
}

// verify gives each refusal the reason that says who has to act: the sender, nobody (an
// outage), or the operator, who is told once.
func (v *Verifier) verify(ctx context.Context, kind string, raw secret.Text, rules []Rule) (*Token, error) {
	// The signature first: an operator is told nothing that a forger has made up.
	t, err := v.signed(ctx, raw)
	if err == nil {
		err = v.judge(t, rules)
	}
	var theirs *operatorsTurn
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, fault.ErrUnavailable):
		return nil, err // no keys: nothing is known of the token
	case errors.As(err, &theirs):
		if theirs.text != "" {
			v.operator.Tell(theirs.name, theirs.text, theirs.with...)
		}
		return nil, fault.Because(fault.ErrMisconfigured, "%s: %w", kind, err)
	}
	return nil, fault.Because(fault.ErrInvalidToken, "%s: %w", kind, err)
}

// judge applies the rules. A mistake of the operator is reported only if nothing else is
// wrong: a token of another user is refused as such.
func (v *Verifier) judge(t *Token, rules []Rule) error {
	var theirs *operatorsTurn
	var later error
	for _, rule := range rules {
		err := rule(v, t)
		if err != nil && !errors.As(err, &theirs) {
			return err
		}
		if later == nil {
			later = err
		}
	}
	return later
}

// signed verifies the signature, and nothing else.
func (v *Verifier) signed(ctx context.Context, raw secret.Text) (*Token, error) {
	text := raw.Reveal()
	if len(text) > longestToken || !onlyTokenCharacters(text) {
		return nil, ErrTokenMalformed
	}
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(text, claims, v.keys.KeyfuncCtx(ctx))
	if err != nil {
		return nil, signatureError(parsed, err)
	}
	if _, critical := parsed.Header["crit"]; critical {
		// We understand no extension, so we must refuse (RFC 7515 section
		// 4.1.11).
		return nil, ErrTokenMalformed
	}
	// The bytes that were signed: written anew, long numbers would lose digits.
	_, rest, _ := strings.Cut(text, ".")
	segment, _, _ := strings.Cut(rest, ".")
	payload, err := v.parser.DecodeSegment(segment)
	if err != nil || parsed.Claims == nil || len(claims) == 0 { // "null" and "{}" are no claims
		return nil, ErrTokenMalformed
	}
	return &Token{Raw: raw, Payload: payload, claims: claims}, nil
}

// onlyTokenCharacters reports whether text is made of base64url and dots. Go's
// base64 skips newlines even when strict, so one token would have many
// spellings without this.
func onlyTokenCharacters(text string) bool {
	for i := range len(text) {
		if !tokenCharacters[text[i]] {
			return false
		}
	}
	return true
}

// tokenCharacters is a table because it is asked for each character of each token.
var tokenCharacters = func() (allowed [256]bool) {
	for c := range len(allowed) {
		allowed[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	return allowed
}()

// signatureError classifies the errors of the JWT library. Their texts quote the token,
// so they are dropped. Errors of ours come first: the library wraps what Keys returned, and
// an outage must not be taken for a missing key.
func signatureError(parsed *jwt.Token, err error) error {
	var outage *fault.Error
	var theirs *operatorsTurn
	switch {
	case errors.As(err, &outage):
		return outage
	case errors.As(err, &theirs):
		return theirs
	case errors.Is(err, jwt.ErrTokenMalformed):
		return ErrTokenMalformed
	case parsed == nil || parsed.Method == nil || parsed.Method.Alg() != "RS256":
		return ErrTokenAlgorithm
	case errors.Is(err, keyfunc.ErrKeyfunc):
		return ErrTokenKey
	}
	return ErrTokenSignature
}

// ClaimSet shares the claims as they were parsed, so that they need not be parsed again.
// Nobody changes them.
func (t *Token) ClaimSet() *claims.Set {
	return claims.New(claims.Text{Bytes: t.Payload}, t.Text("sub"), t.claims)
}

// Text is a claim that is a string, or "".
func (t *Token) Text(name string) string {
	value, _ := t.claims[name].(string)
	return value
}

// Moment reads a NumericDate (RFC 7519 section 2). A string is none, and neither is a number
// so large that Go would not say what integer it becomes.
func (t *Token) Moment(name string) (time.Time, bool) {
	seconds, ok := t.claims[name].(float64)
	if !ok || math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// Expires is the token's exact end.
func (t *Token) Expires() time.Time {
	expires, _ := t.Moment("exp")
	return expires
}
