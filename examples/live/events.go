package main

import (
	"bufio"
	"fmt"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

// events sends who the user is, and a comment now and then, until the session is over.
// The writer runs when the handler has returned and its context is another request's:
// it uses the watch, and nothing of c.
func events(auth *cognito.Auth, every time.Duration) fiber.Handler {
	return func(c *fiber.Ctx) error {
		watch := auth.Watch(c)
		closing := c.Context().Done() // when the server stops
		c.Set("Content-Type", "text/event-stream")
		c.Set("X-Accel-Buffering", "no") // nginx sends events on at once
		c.Response().ImmediateHeaderFlush = true
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) { tell(w, watch, closing, every) })
		return nil
	}
}

func tell(w *bufio.Writer, watch *cognito.Watch, closing <-chan struct{}, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	told := ""
	for {
		user, err := watch.User()
		switch {
		case ended(err):
			_, _ = fmt.Fprint(w, "event: end\ndata: signed out\n\n")
			_ = w.Flush()
			return
		case err == nil && user.Email() != told: // as a renewal has found them
			told = user.Email()
			_, _ = fmt.Fprintf(w, "event: user\ndata: %s\n\n", told)
		default:
			_, _ = fmt.Fprint(w, ": still there\n\n")
		}
		if w.Flush() != nil {
			return // the page has gone
		}
		select {
		case <-closing:
			return
		case <-ticker.C:
		}
	}
}
