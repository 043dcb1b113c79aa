package cognito

import (
	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v2"
)

// Watch checks the session of a connection that stays open. A request is checked once,
// when it arrives. A WebSocket or a stream that it opens continues after its user has
// signed out, unless your code checks.
//
//	watch := auth.Watch(c) // before the connection is upgraded
//	...
//	if _, err := watch.User(); errors.Is(err, cognito.ErrSessionEnded) {
//		return // and close the connection
//	}
//
// Every call reads the session, as a request does. Call it every few seconds, or before
// each message that changes something or reveals something. It does not count as use:
// a session with nothing but an open connection ends after IdleTimeout. With
// [Config.CookieSessions], a sign-out at another instance shows when the tokens expire.
type Watch struct{ inner *engine.Watch }

// Watch returns a Watch for the user who sent this request. It is never nil. It may be
// used after the request has ended, and by several goroutines.
func (a *Auth) Watch(c *fiber.Ctx) *Watch { return &Watch{a.engine.Watch(requestOf(c))} }

// User returns the signed-in user, with the claims of the last renewal. The error is
// [ErrSessionEnded] once the session has ended, on whichever instance (see above),
// [ErrNotSignedIn] if there never was one, as with a machine client's token, and
// [ErrUnavailable] if that cannot be known at the moment, in which case the connection may
// stay open. For a request with a bearer token, it is [ErrInvalidToken] once the token has
// expired.
func (w *Watch) User() (*User, error) {
	user, err := w.inner.User()
	return (*User)(user), err
}

// AccessToken returns the user's access token, which is never expired, as [AccessToken]
// does for a request. The errors are those of [Watch.User], but a machine client has a
// token.
func (w *Watch) AccessToken() (string, error) {
	token, err := w.inner.AccessToken()
	return token.Reveal(), err
}
