package main

import (
	"errors"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
)

// signedOut is the close code that tells the page to offer the login (RFC 6455 section
// 7.4.2: 4000 to 4999 are the app's own).
const signedOut = 4401

// upgrade opens a WebSocket. The watch is taken while there is a request: the
// connection that comes after it has none, so UserFrom and AccessToken cannot help.
// RequireUser in front has refused other sites' pages, which may open sockets anywhere
// with the visitor's cookie.
func upgrade(auth *cognito.Auth, every time.Duration) fiber.Handler {
	return func(c *fiber.Ctx) error {
		watch := auth.Watch(c)
		return websocket.New(func(conn *websocket.Conn) { converse(conn, watch, every) })(c)
	}
}

// converse answers messages until the session is over. Two things end it: a look now
// and then, for a user who only listens, and the one before each message, so that
// nothing happens in the name of somebody who has left.
func converse(conn *websocket.Conn, watch *cognito.Watch, every time.Duration) {
	over, looked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looked)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-over:
				return
			case <-ticker.C:
				if _, err := watch.User(); ended(err) {
					hangUp(conn)
					return
				}
			}
		}
	}()
	defer func() {
		close(over)
		<-looked // it writes to the connection, which is another's when we return
	}()
	for {
		_, message, err := conn.ReadMessage()
		if err != nil {
			return
		}
		reply, err := answer(watch, string(message))
		if ended(err) {
			hangUp(conn)
			return
		}
		if err != nil {
			reply = "try again later" // it cannot be known at the moment who is there
		}
		if err := conn.WriteMessage(websocket.TextMessage, []byte(reply)); err != nil {
			return
		}
	}
}

// answer does what a message asks for, for whoever the user is now.
func answer(watch *cognito.Watch, message string) (string, error) {
	user, err := watch.User()
	if err != nil {
		return "", err
	}
	if message == "call" {
		token, err := watch.AccessToken() // fresh, however long ago the connection was opened
		if err != nil {
			return "", err
		}
		return callService(token), nil
	}
	return user.Username() + " said " + message, nil
}

// callService stands for a call of another service in the user's name.
var callService = func(token string) string {
	if token == "" {
		return "no token"
	}
	return "called"
}

// ended reports whether a session is over. Not to know it, while the storage or
// Cognito is out of reach, is no reason to hang up.
func ended(err error) bool { return err != nil && !errors.Is(err, cognito.ErrUnavailable) }

// hangUp says why, and ends the read that waits for the next message.
func hangUp(conn *websocket.Conn) {
	deadline := time.Now().Add(time.Second)
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(signedOut, "signed out"), deadline)
	_ = conn.SetReadDeadline(deadline)
}
