// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"github.com/bar-tech/cognito/internal/engine"
	"github.com/gofiber/fiber/v3"
)

// Watch looks after the session behind a connection that stays open. A request is
// judged once, when it comes; a WebSocket or a stream that it opens goes on after its
// user has signed out, unless somebody looks.
//
//	watch := auth.Watch(c) // before the connection is upgraded
//	...
//	if _, err := watch.User(); errors.Is(err, cognito.ErrSessionEnded) {
//		return // and close the connection
//	}
//
// Every call reads the session, as a request does. Ask every few seconds, or before
// whatever matters: messages that change something, messages that tell something. It
// does not count as use: a session that has nothing but an open connection ends when
// IdleTimeout is over.
type Watch struct{ inner *engine.Watch }

// Watch begins to look after whoever sent this request. It is never nil, and it may be
// used when the request is long over, by several goroutines.
func (a *Auth) Watch(c fiber.Ctx) *Watch { return &Watch{a.engine.Watch(requestOf(c))} }

// User is who is signed in now, as Cognito described them at the last renewal. The
// error is [ErrSessionEnded] once the session is over, wherever it was ended,
// [ErrNotSignedIn] if there never was one, and [ErrUnavailable] if that cannot be known
// at the moment: the connection may stay. After a request with a bearer token it is
// [ErrInvalidToken] once the token has expired.
func (w *Watch) User() (*User, error) {
	user, err := w.inner.User()
	return (*User)(user), err
}

// AccessToken is the user's access token, never expired, as [AccessToken] is for a
// request. The errors are those of [Watch.User].
func (w *Watch) AccessToken() (string, error) {
	token, err := w.inner.AccessToken()
	return token.Reveal(), err
}
