package engine

import (
	"context"
	"errors"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/login"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/verify"
)

// signIn turns the response into a session. Everything is verified before anything is
// stored. Once the code is redeemed, none of this can be repeated, so it continues even
// if the request is cancelled.
func (a *Engine) signIn(r Request, answer cognitoAnswer, begun login.Attempt) (*session.Session, error) {
	if answer.err != nil { // even beside a code, which is then left unspent
		return nil, answerError(answer.err)
	}
	if answer.code == "" {
		return nil, fault.Because(fault.ErrBadCallback, "the callback has neither a code nor an error")
	}
	// Without the deadline that a timeout of the app may have set. There are three calls at
	// most: the exchange, the keys and userInfo.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.hooks.Context(r.App)), 3*pool.CallTimeout)
	defer cancel()
	granted, err := a.endpoint.Exchange(ctx, answer.code, secret.Text(begun.Verifier), begun.Base+a.settings.RedirectPath)
	// invalid_grant is the only error that is about the code: it was used, it is too old,
	// or it belongs to another login, whose verifier is not this one's (code injection).
	if errors.Is(err, pool.ErrInvalidGrant) {
		return nil, fault.Because(fault.ErrCodeRefused, "%w", err)
	}
	if err != nil {
		return nil, err
	}
	// From here on there is a refresh token that works, which must not be left behind.
	admitted := false
	defer func() {
		if !admitted { // or the app's hook panicked: nobody will ever use it
			a.renewals.RevokeLater(granted.Refresh)
		}
	}()
	opened, err := a.admit(ctx, r, granted, begun)
	admitted = err == nil
	return opened, err
}

// admit verifies the tokens and stores the session. OnLogin comes after all checks, since
// the app may note the user there. The caller revokes the refresh token if there is an
// error.
func (a *Engine) admit(ctx context.Context, r Request, granted pool.Grant, begun login.Attempt) (*session.Session, error) {
	// The nonce ties the ID token to this login, and at_hash ties the access token to it.
	// So an injected code of another login is refused, even if Cognito did not check PKCE.
	id, err := a.verifier.IDToken(ctx, granted.ID, verify.NotFromFuture, verify.Nonce(secret.Text(begun.Nonce)), verify.AccessTokenHash(granted.Access))
	if err != nil {
		return nil, err
	}
	if e := a.judgeProof(id, begun); e != nil {
		return nil, e
	}
	access, err := a.verifier.AccessToken(ctx, granted.Access, verify.NotFromFuture, verify.SameSubject(id.Text("sub")))
	if err != nil {
		return nil, err
	}
	var userInfo []byte
	if a.settings.UserInfo {
		if userInfo, err = a.readUserInfo(ctx, granted.Access, id.Text("sub")); err != nil {
			return nil, err
		}
		if userInfo, err = claims.OnlyInUserInfo(id.Payload, userInfo); err != nil {
			return nil, fault.Because(fault.ErrInvalidToken, "userInfo: %w", verify.ErrTokenMalformed)
		}
	}
	user, err := claims.OfUser(id.Payload, userInfo)
	if err != nil {
		return nil, fault.Because(fault.ErrInvalidToken, "ID token: %w", verify.ErrTokenMalformed)
	}
	if err := a.hooks.OnLogin(r.App, claims.New(claims.Text{Bytes: user}, "", nil)); err != nil {
		return nil, err
	}
	// Handlers may ask for either token, and must never get one that has expired. So the
	// first expiry counts.
	expires := session.Earlier(access.Expires(), id.Expires())
	record := session.Hot{
		Serial: 1, Moments: session.Moments{Expires: session.MomentOf(expires), RenewAfter: session.MomentOf(session.RenewAfter(a.settings.Now(), expires))},
		Renewable: granted.Refresh != "", Subject: id.Text("sub"),
		User: claims.Text{Bytes: user}, Payload: claims.Text{Bytes: access.Payload}, UserInfo: claims.Text{Bytes: userInfo},
	}
	return a.beginSession(r, record, session.Cold{Access: granted.Access, ID: granted.ID, Nonce: secret.Text(begun.Nonce), Refresh: session.NewCandidates(granted.Refresh)})
}

// readUserInfo fetches further claims, which must be of the same user (OpenID
// Connect Core section 5.3.2).
func (a *Engine) readUserInfo(ctx context.Context, access secret.Text, subject string) ([]byte, error) {
	body, err := a.endpoint.FetchUserInfo(ctx, access)
	if err != nil {
		return nil, err
	}
	if claims.New(claims.Text{Bytes: body}, "", nil).Text("sub") != subject {
		return nil, fault.Because(fault.ErrInvalidToken, "userInfo: %w", verify.ErrTokenSubject)
	}
	return body, nil
}

// replaced is the name of the session that the browser has, which replace ends, or "".
func (a *Engine) replaced(r Request) string {
	if handle, ok := a.sessions.Handle(a.sessionID(r)); ok {
		return handle.Name()
	}
	return ""
}

// beginSession begins a session, unless its cookie would be too large. The description is
// what OnLogin has noted (Describe).
func (a *Engine) beginSession(r Request, record session.Hot, cold session.Cold) (*session.Session, error) {
	description, _ := r.UserValue(descriptionKey{}).(string)
	opened, tooMany, err := a.sessions.BeginListed(record, cold, description, a.replaced(r))
	a.makeRoom(r, record.Subject, tooMany)
	if err != nil || a.sealed == nil {
		return opened, err
	}
	// Sealed now, to see whether it fits while the login can still be refused.
	if _, err := a.sealedValue(opened, nil); err != nil {
		_ = a.sessions.Remove(&opened.Handle)
		return nil, err
	}
	return opened, nil
}
