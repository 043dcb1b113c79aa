package engine

import (
	"errors"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
)

// What a handler asks for besides who is there: tokens, a renewal, the session's name.

// AccessToken is the raw token of whoever sent a request, never expired. A bearer token
// that was refused has no payload: then the error says why. Like all methods here, it may
// be called with a nil engine.
func (a *Engine) AccessToken(r Request) (string, error) {
	token, err := a.accessToken(r)
	return token, a.asked(err)
}

// asked is an error of an accessor, which a handler may return (Adopt). It is a copy, because
// some errors are made once and shared by all requests.
func (a *Engine) asked(err error) error {
	if err == nil || a == nil {
		return err
	}
	mine := *fault.From(err)
	fault.Of(&mine).Asked = a
	return &mine
}

func (a *Engine) accessToken(r Request) (string, error) {
	if id := a.Identity(r); id != nil && id.Bearer && id.Payload != nil {
		if err := checkBearerExpiry(id, a.settings.Now()); err != nil {
			return "", err
		}
		return id.Raw.Reveal(), nil
	}
	tokens, err := a.currentTokens(r)
	return tokens.Access.Reveal(), err
}

// IDToken is the raw ID token of whoever is signed in, never expired.
func (a *Engine) IDToken(r Request) (string, error) {
	token, err := a.idToken(r)
	return token, a.asked(err)
}

func (a *Engine) idToken(r Request) (string, error) {
	if id := a.Identity(r); id != nil && id.Bearer && id.Payload != nil {
		return "", errNoIDToken
	}
	tokens, err := a.currentTokens(r)
	if err != nil {
		return "", err
	}
	// A session lasts by its access token if Cognito leaves the ID token out of a renewal
	// (OpenID Connect Core section 12.2). The one of before expires meanwhile.
	if !tokens.IDExpires().After(a.settings.Now()) {
		return "", errOldIDToken
	}
	return tokens.ID.Reveal(), nil
}

var (
	errNoIDToken  = fault.Because(fault.ErrNotSignedIn, "the request has an access token, but no ID token")
	errOldIDToken = fault.Unavailable(errors.New("the ID token has expired, and Cognito has renewed the access token alone"))
)

// currentTokens are those of the session that a request belongs to, renewed first if
// they have expired.
func (a *Engine) currentTokens(r Request) (session.Cold, error) {
	current, err := a.sessionOf(r)
	if err != nil {
		return session.Cold{}, err
	}
	if current.Expires.Passed(a.settings.Now()) {
		if current, err = a.renewNow(current, a.broughtBy(r)); err != nil {
			return session.Cold{}, err
		}
		// The token and what the handler is told of its user must belong together.
		a.replaceIdentity(r, &current.Identity)
	}
	tokens, err := a.tokensOf(current, a.broughtBy(r))
	if err != nil || !current.Outlasts(tokens, a.settings.Now()) {
		return tokens, err
	}
	// This process remembers the last renewal, which the storage has lost, as one does that
	// fails over to a replica which lags.
	if err := a.refresh(r); err != nil {
		return session.Cold{}, err
	}
	if current, err = a.sessionOf(r); err != nil {
		return session.Cold{}, err
	}
	return a.tokensOf(current, a.broughtBy(r))
}

// tokensOf are a session's tokens, wherever they are: the storage does not have the newest
// ones while it fails (Unsaved). Of a session in a cookie, the memory may have forgotten
// them, which were written first, and not who is signed in. Then the cookie that was brought
// has them, unless they were renewed since.
func (a *Engine) tokensOf(s *session.Session, brought *carried) (session.Cold, error) {
	if s.Unsaved != nil {
		return *s.Unsaved, nil
	}
	cold, err := a.sessions.ReadCold(&s.Handle)
	if !errors.Is(err, session.ErrNoSession) || brought == nil || brought.id != s.ID || brought.state.serial != s.Serial {
		return cold, err
	}
	if _, err := a.readAgain(brought, a.settings.Now()); err != nil {
		return session.Cold{}, err
	}
	return a.sessions.ReadCold(&s.Handle)
}

// sessionOf is the session that a request belongs to. It is not nil without an error.
func (a *Engine) sessionOf(r Request) (*session.Session, error) {
	id := a.Identity(r)
	switch {
	case id == nil:
		return nil, errUncovered
	case id.Bearer && id.Payload != nil:
		return nil, errNoSessionOfToken
	case id.Session == nil:
		return nil, id.Refusal()
	}
	return id.Session, nil
}

// renewNow waits for new tokens of a session, which a cookie may have brought.
func (a *Engine) renewNow(s *session.Session, brought *carried) (*session.Session, error) {
	a.recallTokens(s, brought)
	return a.renewals.Wait(s)
}

// recallTokens comes before a renewal that somebody waits for: it would find no refresh token
// if memory has forgotten the tokens of a session in a cookie.
func (a *Engine) recallTokens(s *session.Session, brought *carried) {
	if a.sealed != nil {
		_, _ = a.tokensOf(s, brought)
	}
}

var errNoSessionOfToken = fault.Because(fault.ErrNotSignedIn, "the request has a bearer token, which belongs to no session")

// Refresh renews the signed-in user's tokens now, and gives this request the new
// claims. A renewal under way is not enough: it may have asked Cognito before the handler
// changed something there.
func (a *Engine) Refresh(r Request) error { return a.asked(a.refresh(r)) }

func (a *Engine) refresh(r Request) error {
	current, err := a.sessionOf(r)
	if err != nil {
		return err
	}
	a.recallTokens(current, a.broughtBy(r))
	renewed, err := a.renewals.Anew(current)
	if err != nil {
		if !fault.IsUnknown(err) { // the session has just ended, and guards behind must know
			a.replaceIdentity(r, a.unrenewed(current, err))
		}
		return err
	}
	a.replaceIdentity(r, &renewed.Identity)
	return nil
}

// SessionID names the session that a request belongs to, or is "".
func (a *Engine) SessionID(r Request) string {
	current, err := a.sessionOf(r)
	if err != nil {
		return ""
	}
	return current.Name()
}

// checkBearerExpiry is exact, without the leeway of the verification before: a token
// that is passed on must not be refused at its destination.
func checkBearerExpiry(id *session.Identity, now time.Time) error {
	if now.Before(id.Payload.Time("exp")) {
		return nil
	}
	return fault.Because(fault.ErrInvalidToken, "access token: %w", verify.ErrTokenExpired)
}
