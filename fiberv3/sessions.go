// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"context"
	"time"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v3"
)

// Session is one of a user's sessions, for a page on which they see and end them.
type Session struct {
	// ID is what [SessionID] says in a request of that session.
	ID string
	// Began is when the user signed in, and LastSeen when the session was last used,
	// give or take a tenth of IdleTimeout.
	Began, LastSeen time.Time
	// Description is what [DescribeSession] was given at the login.
	Description string
}

// Sessions lists the sessions of a user, by [User.Subject], the one used last first. It
// takes a storage: with [Config.CookieSessions] the error is [ErrMisconfigured]. While
// the storage is out of reach it is [ErrUnavailable].
func (a *Auth) Sessions(ctx context.Context, subject string) ([]Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	listed, err := a.engine.Sessions(subject)
	if err != nil {
		return nil, err
	}
	sessions := make([]Session, len(listed))
	for i, each := range listed {
		began, used := each.Times()
		sessions[i] = Session{ID: each.Name, Began: began, LastSeen: used, Description: each.Description}
	}
	return sessions, nil
}

// EndSession ends one session of a user. When it returns, the next request of that
// session is refused at every instance. A session that is over, or is not this user's,
// is no error. Its refresh token cannot be revoked from here, since it is sealed with
// the visitor's cookie. See [Auth.EndSessions] for what does. [Config.OnEvent] hears of
// each session that was ended, as [EventEnd].
func (a *Auth) EndSession(ctx context.Context, subject, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.engine.EndSession(ctx, subject, id)
}

// EndSessions ends all sessions of a user that have begun until now, and returns how
// many there were. What Cognito has given to the user's sessions elsewhere, and the
// refresh tokens of these, end with a call of Cognito's own besides. It takes the AWS
// SDK and the permission cognito-idp:AdminUserGlobalSignOut, and ends all of the user's
// sessions in all clients of the pool, so it does not fit a single one:
//
//	if _, err := auth.EndSessions(ctx, user.Subject()); err != nil {
//		return err
//	}
//	_, err := client.AdminUserGlobalSignOut(ctx, &cognitoidentityprovider.AdminUserGlobalSignOutInput{
//		UserPoolId: aws.String("eu-west-2_AbCdEfGhI"), Username: aws.String(user.Username()),
//	})
//	return err
//
// In this order: a session that is renewed in between has ended here already.
func (a *Auth) EndSessions(ctx context.Context, subject string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return a.engine.EndSessions(ctx, subject)
}

// DescribeSession says what [Auth.Sessions] is to show of the session that is about to
// begin, such as the browser and where it is. Call it in OnLogin; without it nothing of
// that kind is kept. 256 bytes are, without control characters.
func DescribeSession(c fiber.Ctx, text string) { engine.Describe(requestOf(c), text) }
