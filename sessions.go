package cognito

import (
	"context"
	"time"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v2"
)

// Session is one of a user's sessions, for a page where users list and end them.
type Session struct {
	// ID is what [SessionID] returns in a request of that session.
	ID string
	// Began is when the user signed in. LastSeen is when the session was last used,
	// accurate to a tenth of IdleTimeout.
	Began, LastSeen time.Time
	// Description is the text that [DescribeSession] was given at the login.
	Description string
}

// Sessions lists the sessions of a user, by [User.Subject], most recently used first. It
// needs a storage: with [Config.CookieSessions], the error is [ErrMisconfigured]. If the
// storage cannot be reached, it is [ErrUnavailable]. It lists at most 200 sessions, or
// [Config.MaxSessions] if that is more.
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

// EndSession ends one session of a user. Once it has returned, every instance refuses
// the session's next request. It is not an error if the session has already ended or is
// not this user's. EndSession cannot revoke the refresh token, because only the
// visitor's cookie opens it; [Auth.EndSessions] shows what can. [Config.OnEvent] receives
// an [EventEnd] for each session that was ended.
func (a *Auth) EndSession(ctx context.Context, subject, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return a.engine.EndSession(ctx, subject, id)
}

// EndSessions ends all sessions that a user has now, and returns how many [Auth.Sessions]
// lists. Those beyond that end too, but an instance where one is open may serve it until its
// tokens are renewed or its idle timeout is extended. Somebody with a stolen password could
// sign in 200 times to hide a session so. With [Config.MaxSessions] there is none beyond.
//
// It does not revoke their refresh tokens, and does not end the user's sessions in other
// apps. To do both, also call AdminUserGlobalSignOut. This takes the AWS SDK and the
// permission cognito-idp:AdminUserGlobalSignOut. It signs the user out of all clients of
// the pool, so it is not suitable for ending a single session:
//
//	if _, err := auth.EndSessions(ctx, user.Subject()); err != nil {
//		return err
//	}
//	_, err := client.AdminUserGlobalSignOut(ctx, &cognitoidentityprovider.AdminUserGlobalSignOutInput{
//		UserPoolId: aws.String("eu-west-2_AbCdEfGhI"), Username: aws.String(user.Username()),
//	})
//	return err
//
// Keep this order: a session that is renewed in between has already ended here.
func (a *Auth) EndSessions(ctx context.Context, subject string) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return a.engine.EndSessions(ctx, subject)
}

// DescribeSession sets the Description that [Auth.Sessions] returns for the session that
// is about to begin, such as the browser and its location. Call it in OnLogin; otherwise
// there is no description. At most 256 bytes are kept, and control characters are
// removed.
func DescribeSession(c *fiber.Ctx, text string) { engine.Describe(requestOf(c), text) }
