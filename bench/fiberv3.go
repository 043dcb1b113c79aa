package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	cognitov3 "github.com/bar-tech/cognito/fiberv3"
	"github.com/gofiber/fiber/v3"
)

// The same rows for Fiber v3, each measured against a bare app of Fiber v3.

// newAppV3 is the site's app on Fiber v3.
func newAppV3(l *lab, bearer bool) (*fiber.App, error) {
	pool := l.pool().Config()
	auth, err := cognitov3.NewAuth(cognitov3.Config{
		UserPoolDomain: pool.UserPoolDomain, ClientID: pool.ClientID, UserPoolID: pool.UserPoolID, Issuer: pool.Issuer,
		BaseURL: appURL, CookieName: cookieName, Bearer: bearer, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	app := fiber.New()
	app.Use("/*", auth.Handler())
	app.Get("/public", greetV3)
	app.Get("/", func(c fiber.Ctx) error {
		user := cognitov3.UserFrom(c)
		if user == nil {
			return fiber.ErrUnauthorized
		}
		return c.SendString(user.Subject())
	})
	app.Get("/username", cognitov3.RequireUser(), func(c fiber.Ctx) error {
		return c.SendString(cognitov3.UserFrom(c).Username())
	})
	return app, nil
}

func greetV3(c fiber.Ctx) error { return c.SendString(greeting) }

// againstV3 is a row that measures an app against a bare one of Fiber v3.
func againstV3(app *fiber.App, sent script) *row {
	bare := fiber.New()
	for _, path := range []string{"/", "/public", "/username"} {
		bare.Get(path, greetV3)
	}
	answered := sent
	answered.check = func(_ int, answer []byte) bool { return isOK(answer, greeting) }
	return &row{app: app, sent: sent, work: serving(app, sent), unit: serving(bare, answered)}
}

func anonymousV3(l *lab) (*row, error) {
	app, err := newAppV3(l, false)
	if err != nil {
		return nil, err
	}
	return againstV3(app, always(get("/public"), greeting)), nil
}

func signedInV3(l *lab) (*row, error) {
	app, id, err := signInV3(l)
	if err != nil {
		return nil, err
	}
	return againstV3(app, always(asSession("/", id), subjectOf(l.pool(), 0))), nil
}

func readingUsernameV3(l *lab) (*row, error) {
	app, id, err := signInV3(l)
	if err != nil {
		return nil, err
	}
	return againstV3(app, always(amongOthers(id), userName(0))), nil
}

func bearerSeenV3(l *lab) (*row, error) {
	app, err := newAppV3(l, true)
	if err != nil {
		return nil, err
	}
	return againstV3(app, always(asBearer(l.pool().AccessToken("", userName(0), nil)), subjectOf(l.pool(), 0))), nil
}

// signInV3 logs a user in and returns the session cookie's value.
func signInV3(l *lab) (*fiber.App, string, error) {
	app, err := newAppV3(l, false)
	if err != nil {
		return nil, "", err
	}
	request, err := readyCallback(app, newVisitor(l.pool(), userName(0)))
	if err != nil {
		return nil, "", err
	}
	answer, err := ask(app, request)
	if err != nil {
		return nil, "", err
	}
	for _, cookie := range answer.Cookies() {
		if cookie.Name == "__Host-"+cookieName {
			return app, strings.Clone(cookie.Value), nil
		}
	}
	return nil, "", fmt.Errorf("the callback answered %d (want %d) without a session", answer.StatusCode, http.StatusFound)
}
