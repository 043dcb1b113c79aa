package main

import (
	_ "embed" // the page is compiled in
	"html/template"
	"net/http"
	"strings"

	"github.com/bar-tech/cognito"
	"github.com/gofiber/fiber/v2"
)

//go:embed sessions.html
var sessionsHTML string

var sessionsPage = template.Must(template.New("sessions").Parse(sessionsHTML))

// noteBrowser is for OnLogin: what the page shows of a session besides its times.
func noteBrowser(c *fiber.Ctx, _ *cognito.User) error {
	cognito.DescribeSession(c, browserOf(c.Get(fiber.HeaderUserAgent))+", "+c.IP())
	return nil
}

// browserOf names a browser well enough for its own user. Most claim to be others as
// well, so the order counts.
func browserOf(agent string) string {
	for _, known := range [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrom", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(agent, known[0]) {
			return known[1]
		}
	}
	return "Another program"
}

// sessions is the page on which users see where they are signed in, and end it.
type sessions struct{ auth *cognito.Auth }

func (s sessions) register(app *fiber.App) {
	mine := app.Group("/sessions", s.auth.RequireUser())
	mine.Get("/", s.show)
	mine.Post("/end", s.end)
	mine.Post("/end-all", s.endAll)
}

func (s sessions) show(c *fiber.Ctx) error {
	listed, err := s.auth.Sessions(c.UserContext(), s.auth.UserFrom(c).Subject())
	if err != nil {
		return err // the app's error handler: 503 while the storage is out of reach
	}
	return renderPage(c, sessionsPage, map[string]any{"Sessions": listed, "This": s.auth.SessionID(c)})
}

// end ends one of the user's own sessions: whatever id a form brings, another user's is
// left alone.
func (s sessions) end(c *fiber.Ctx) error {
	id := strings.Clone(c.FormValue("id"))
	if id == s.auth.SessionID(c) {
		return s.auth.Logout(c) // here, and at Cognito
	}
	if err := s.auth.EndSession(c.UserContext(), s.auth.UserFrom(c).Subject(), id); err != nil {
		return err
	}
	return c.Redirect("/sessions", http.StatusSeeOther)
}

// endAll signs the user out everywhere, and here as well. Tokens that other devices
// hold themselves are Cognito's: AdminUserGlobalSignOut revokes those.
func (s sessions) endAll(c *fiber.Ctx) error {
	if _, err := s.auth.EndSessions(c.UserContext(), s.auth.UserFrom(c).Subject()); err != nil {
		return err
	}
	return s.auth.Logout(c)
}
