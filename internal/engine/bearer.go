package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
)

// Requests of programs have an access token instead of a cookie (RFC 6750). They get
// the same User and Payload.

// bearerMemory is how long a verified token is accepted without verifying it again. Only
// verifying has an old key set read again. So a key that the pool has withdrawn may be
// accepted for so much longer than a key set is used, which is an hour.
const bearerMemory = 5 * time.Minute

// verifiedToken is a bearer token that was verified in full. A token is
// remembered whole, so a hit means the very same bytes; its expiry is checked
// at every hit.
type verifiedToken struct {
	identity session.Identity
	expires  time.Time        // exact, without the leeway of verification
	recheck  time.Time        // or a token that comes alone would never have the keys read again
	keys     *verify.Snapshot // what it was verified with: a new set may lack its key
}

// Format prints no secret.
func (verifiedToken) Format(f fmt.State, _ rune) { secret.Hide(f, "token") }

// bearerOf returns the token of a request's Authorization header, which may be
// a view into the request. sent is false if the request brings no bearer token
// at all. A header that occurs twice, or has more than one token, is malformed: another
// program that reads the other token would see another user.
func bearerOf(r Request) (token []byte, sent bool, err error) {
	// Not Peek: it returns nil for an empty header too, now and then.
	headers := r.headers().PeekAll("Authorization")
	for _, header := range headers {
		if rest, bearer := afterScheme(header); bearer {
			sent, token = true, rest
		}
	}
	if !sent {
		return nil, false, nil
	}
	if len(headers) > 1 {
		return nil, true, errTwoHeaders
	}
	if len(token) == 0 || token[0] != ' ' {
		return nil, true, errNotOneToken
	}
	return bytes.TrimLeft(token, " "), true, nil
}

// afterScheme returns what follows "Bearer". Any byte that cannot belong to a
// scheme's name ends it, so "Bearer\tx" is a malformed bearer header and not
// somebody else's scheme, with which the request might fall back to a cookie.
func afterScheme(header []byte) (rest []byte, bearer bool) {
	const scheme = "Bearer"
	if len(header) < len(scheme) || !strings.EqualFold(string(header[:len(scheme)]), scheme) {
		return nil, false
	}
	rest = header[len(scheme):]
	return rest, len(rest) == 0 || !isTokenCharacter(rest[0])
}

// isTokenCharacter reports whether c may stand in a scheme's name (RFC 9110
// section 5.6.2).
func isTokenCharacter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

var (
	errTwoHeaders  = fault.Because(fault.ErrBearerMalformed, "more than one Authorization header")
	errNotOneToken = fault.Because(fault.ErrBearerMalformed, "the Authorization header does not contain exactly one token")
)

// identifyBearer finds out who sent a bearer token. raw may be a view into the request. All
// requests with the same token share the identity, so nobody may change it.
func (a *Engine) identifyBearer(raw []byte, now time.Time) *session.Identity {
	keys := a.keys.Loaded()
	if known := a.tokens.Get(view(raw)); known != nil && known.keys == keys && now.Before(known.expires) && now.Before(known.recheck) {
		return &known.identity
	}
	if len(raw) == 0 || bytes.ContainsAny(raw, " \t,") {
		return &session.Identity{Bearer: true, Err: errNotOneToken}
	}
	// A copy: the header's bytes change when the request ends.
	text := strings.Clone(string(raw))
	// For the pool's keys, if they have to be fetched. Nothing else needs a call.
	ctx, cancel := context.WithTimeout(context.Background(), pool.CallTimeout)
	defer cancel()
	verified, err := a.verifier.BearerToken(ctx, secret.Text(text))
	if err != nil {
		return &session.Identity{Bearer: true, Err: forProgram(err)}
	}
	if keys == nil {
		keys = a.keys.Loaded() // this very token made them load
	}
	entry := &cache.Entry[string, verifiedToken]{
		Key:   text,
		Value: verifiedToken{identity: bearerIdentity(verified), expires: verified.Expires(), recheck: now.Add(bearerMemory), keys: keys},
	}
	if now.Before(entry.Value.expires) { // not within the leeway
		a.tokens.Put(entry)
	}
	return &entry.Value.identity
}

// forProgram words the refusal of a token for a program, which has no login to repeat.
func forProgram(err error) error {
	refused := *fault.From(err)
	if fault.Of(&refused).Reason == fault.ErrInvalidToken {
		fault.Of(&refused).Message = "The access token is not valid for this app, or it has expired. Request a new one."
	}
	return &refused
}

// bearerIdentity is that of an access token. A machine client's token has no user
// in it (RFC 6749 section 4.4): its subject is the client itself. If such a token had a
// user, it would pass RequireUser.
func bearerIdentity(verified *verify.Token) session.Identity {
	id := session.Identity{Bearer: true, Raw: verified.Raw, Payload: verified.ClaimSet()}
	if verified.Text("username") == "" || verified.Text("sub") == verified.Text("client_id") {
		return id
	}
	raw, err := claims.OfUser(verified.Payload, nil, "client_id", "scope", "version")
	if err == nil {
		id.User = claims.New(claims.Text{Bytes: raw}, verified.Text("sub"), nil)
	}
	return id
}

// challenge tells a program what is wrong with its token (RFC 6750 section 3). A request
// without a token gets the name of the scheme alone (section 3.1), unless a guard wants
// more of a signed-in user: then it gets the code, too. The order of the cases counts: a
// reason has to come before the status that it has.
func (a *Engine) challenge(r Request, e *fault.Error) {
	if !a.settings.Bearer {
		a.challengeUnheard(r, e)
		return
	}
	value := "Bearer"
	switch {
	case errors.Is(e, verify.ErrTokenUse):
		a.idTokens.Do(func() {
			a.settings.Logger.Warn("cognito: a bearer token is not an access token; clients must send the access token, not the ID token")
		})
		value = `Bearer error="invalid_token", error_description="This is not an access token. Send the access token, not the ID token."`
	case fault.Of(e).Reason == fault.ErrBearerMalformed:
		value = `Bearer error="invalid_request"`
	case fault.Of(e).Reason == fault.ErrInvalidToken:
		value = `Bearer error="invalid_token"`
	// Step-up (RFC 9470 section 3). Levels and scopes have no quotes (ScopePattern).
	case fault.Of(e).Reason == fault.ErrStaleLogin:
		value = fmt.Sprintf(`Bearer error="insufficient_user_authentication", max_age="%d"`, int(fault.Of(e).MaxAge.Seconds()))
	case fault.Of(e).Reason == fault.ErrLevel:
		value = fmt.Sprintf(`Bearer error="insufficient_user_authentication", acr_values="%s"`, strings.Join(fault.Of(e).Levels, " "))
	case fault.Of(e).Reason == fault.ErrForbidden && fault.Of(e).Scope != "":
		value = fmt.Sprintf(`Bearer error="insufficient_scope", scope="%s"`, fault.Of(e).Scope)
	case fault.Of(e).Reason == fault.ErrForbidden:
		value = `Bearer error="insufficient_scope"`
	case e.Status() != http.StatusUnauthorized && e.Status() != http.StatusForbidden:
		return
	}
	r.Response.Header.Set("WWW-Authenticate", a.resource.named(value))
}

// challengeUnheard tells a program that its token is ignored. Otherwise it would look for
// the mistake in its token.
func (a *Engine) challengeUnheard(r Request, e *fault.Error) {
	if e.Status() != http.StatusUnauthorized {
		return
	}
	if _, sent, _ := bearerOf(r); !sent {
		return
	}
	a.unheardTokens.Do(func() {
		a.settings.Logger.Warn("cognito: a bearer token was sent, but Bearer is off; set Bearer to true to accept the access tokens of programs", "field", "Bearer", "path", strings.Clone(r.Path))
	})
	r.Response.Header.Set("WWW-Authenticate", `Bearer error="invalid_request", error_description="This app does not accept bearer tokens."`)
}

// VerifyAccessToken verifies an access token that came outside of HTTP requests. It
// remembers nothing, so it is judged anew at every call.
func (a *Engine) VerifyAccessToken(ctx context.Context, raw string) (*claims.Set, error) {
	verified, err := a.verifier.BearerToken(ctx, secret.Text(raw))
	if err != nil {
		return nil, err
	}
	return verified.ClaimSet(), nil
}
