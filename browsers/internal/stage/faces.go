package stage

import (
	"context"
	"log/slog"
	"net"

	"github.com/gofiber/fiber/v2"
)

// Settings are what may differ between apps of Fiber v2.
type Settings struct {
	Storage fiber.Storage
	Asked   func() // called at each request
}

// Face is a version of Fiber, with the face of the library for it. serve starts
// the app and returns where it listens.
type Face struct {
	Name  string
	serve func(s *Scene, settings Settings) string
}

// Faces are both.
func Faces() []Face { return []Face{V2(), V3()} }

// V2 is the face for Fiber v2.
func V2() Face { return Face{"Fiber v2", serveV2} }

// V3 is the face for Fiber v3.
func V3() Face { return Face{"Fiber v3", serveV3} }

// emailOf is a user's address, or "" of nobody.
func emailOf[U any, P interface {
	*U
	Email() string
}](user P) string {
	if user == nil {
		return ""
	}
	return user.Email()
}

// logger writes into what the test says.
func (s *Scene) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s.Output(), nil)) }

func (s *Scene) listen() net.Listener {
	s.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	return listener
}

// run serves an app until the test ends.
func (s *Scene) run(serve func() error, shutdown func(context.Context) error, closeAuth func() error) {
	served := make(chan error, 1)
	go func() { served <- serve() }()
	s.Cleanup(func() {
		// Browsers open spare connections, which a patient shutdown waits for.
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = shutdown(now)
		<-served
		if err := closeAuth(); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
}
