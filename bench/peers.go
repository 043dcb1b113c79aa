package main

import (
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	jwtware "github.com/gofiber/contrib/jwt"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/session"
	"github.com/gofiber/storage/memory/v2"
	"github.com/golang-jwt/jwt/v5"
	"github.com/markbates/goth"
	gothcognito "github.com/markbates/goth/providers/cognito"
	"github.com/shareed2k/goth_fiber"
)

// The peers: what an app does today to know who sent a request. Each holds what
// a real login at the pool has given it, and answers with the user's subject,
// as ours does. They only read: an app that also saves its session at every
// request, to prolong it, pays for that as well.

// fiberSession is an app that keeps its user in Fiber's session middleware.
type fiberSession struct{ app *fiber.App }

func newFiberSession(storage fiber.Storage) *fiberSession {
	store := session.New(session.Config{Storage: storage})
	gob.Register(map[string]any{})
	gob.Register([]any{})
	app := newApp()
	// Entering is the last step of a login, which was made by hand: here the
	// app is told what has come of it.
	app.Post("/enter", func(c *fiber.Ctx) error {
		var values map[string]any
		if err := json.Unmarshal(c.Body(), &values); err != nil {
			return err
		}
		s, err := store.Get(c)
		if err != nil {
			return err
		}
		for name, value := range values {
			s.Set(name, value)
		}
		return s.Save()
	})
	app.Get("/", func(c *fiber.Ctx) error {
		s, err := store.Get(c)
		if err != nil {
			return err
		}
		claims, ok := s.Get("claims").(map[string]any)
		if !ok {
			return fiber.ErrUnauthorized
		}
		subject, _ := claims["sub"].(string)
		return c.SendString(subject)
	})
	return &fiberSession{app: app}
}

// enter begins a session and returns a request of it.
func (f *fiberSession) enter(values map[string]any) ([]byte, error) {
	body, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	head := fmt.Sprintf("POST /enter HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", appHost, len(body))
	answer, err := ask(f.app, append([]byte(head), body...))
	if err != nil {
		return nil, err
	}
	return asCookies("/", answer)
}

// asCookies is a request with the cookies that an answer has set.
func asCookies(path string, answer *http.Response) ([]byte, error) {
	if answer.StatusCode >= 400 || len(answer.Cookies()) == 0 {
		return nil, fmt.Errorf("status %d and %d cookies", answer.StatusCode, len(answer.Cookies()))
	}
	pairs := ""
	for _, cookie := range answer.Cookies() {
		if pairs != "" {
			pairs += "; "
		}
		pairs += cookie.Name + "=" + cookie.Value
	}
	return get(path, "Cookie", pairs), nil
}

// row logs n visitors in and sends their requests in turn.
func (f *fiberSession) row(l *lab, n int, values func(tokenSet) map[string]any) (*row, error) {
	requests, bodies := make([][]byte, n), make([]string, n)
	held := map[string]map[string]any{}
	for i := range n {
		if held[userName(i)] == nil {
			tokens, err := logIn(l.pool(), userName(i))
			if err != nil {
				return nil, err
			}
			held[userName(i)] = values(tokens)
		}
		var err error
		if requests[i], err = f.enter(held[userName(i)]); err != nil {
			return nil, err
		}
		bodies[i] = subjectOf(l.pool(), i)
	}
	sent := repeated(requests, bodies)
	return against(f.app, sent), nil
}

// onlyClaims is all that most apps keep.
func onlyClaims(t tokenSet) map[string]any {
	claims, err := claimsOf(t.ID)
	if err != nil {
		panic(err)
	}
	return map[string]any{"claims": claims}
}

// claimsAndTokens is what an app keeps that calls other services for its users,
// as ours can.
func claimsAndTokens(t tokenSet) map[string]any {
	values := onlyClaims(t)
	values["access_token"], values["id_token"], values["refresh_token"] = t.Access, t.ID, t.Refresh
	return values
}

func fiberClaims(l *lab) (*row, error) {
	return newFiberSession(l.memory()).row(l, 1, onlyClaims)
}

func fiberTokens(l *lab) (*row, error) {
	return newFiberSession(l.memory()).row(l, 1, claimsAndTokens)
}

func fiberMany(l *lab) (*row, error) {
	return newFiberSession(l.memory()).row(l, l.options.crowd(), onlyClaims)
}

// memory is a storage as we use it by default.
func (l *lab) memory() *memory.Storage {
	storage := memory.New()
	l.atEnd(func() { _ = storage.Close() })
	return storage
}

// gothFiber signs in through goth's own Cognito provider and keeps the user in
// goth_fiber's session, as its examples do.
func gothFiber(l *lab) (*row, error) {
	goth_fiber.SessionStore = session.New(session.Config{Storage: l.memory(), KeyLookup: "cookie:_gothic_session", CookieHTTPOnly: true})
	goth.UseProviders(gothcognito.New(clientID, "", l.pool().URL(), appURL+"/login/redirect", "openid", "email", "profile"))
	app := newApp()
	app.Get("/login", goth_fiber.BeginAuthHandler)
	app.Get("/login/redirect", func(c *fiber.Ctx) error {
		user, err := goth_fiber.CompleteUserAuth(c, goth_fiber.CompleteUserAuthOptions{ShouldLogout: false})
		if err != nil {
			return err
		}
		text, err := json.Marshal(user)
		if err != nil {
			return err
		}
		return goth_fiber.StoreInSession("user", string(text), c)
	})
	app.Get("/", func(c *fiber.Ctx) error {
		text, err := goth_fiber.GetFromSession("user", c)
		if err != nil {
			return fiber.ErrUnauthorized
		}
		var user goth.User
		if err := json.Unmarshal([]byte(text), &user); err != nil {
			return err
		}
		return c.SendString(user.UserID)
	})
	request, err := gothLogin(l, app)
	if err != nil {
		return nil, err
	}
	sent := always(request, subjectOf(l.pool(), 0))
	return against(app, sent), nil
}

// gothLogin signs in and returns a request of the session.
func gothLogin(l *lab, app *fiber.App) ([]byte, error) {
	begun, err := ask(app, get("/login?provider=cognito"))
	if err != nil {
		return nil, err
	}
	path, err := newVisitor(l.pool(), userName(0)).callback(begun.Header.Get("Location"))
	if err != nil {
		return nil, err
	}
	back, err := asCookies(path, begun)
	if err != nil {
		return nil, err
	}
	landed, err := ask(app, back)
	if err != nil {
		return nil, err
	}
	return asCookies("/", landed)
}

// contribJWT verifies the token at every request, with the pool's keys.
func contribJWT(l *lab) (*row, error) {
	app := newApp()
	app.Use(jwtware.New(jwtware.Config{JWKSetURLs: []string{jwksURL(l.pool())}}))
	app.Get("/", func(c *fiber.Ctx) error {
		token, ok := c.Locals("user").(*jwt.Token)
		if !ok {
			return fiber.ErrUnauthorized
		}
		subject, err := token.Claims.GetSubject()
		if err != nil {
			return err
		}
		return c.SendString(subject)
	})
	token := l.pool().AccessToken("", userName(0), nil)
	forged := asBearer(token[:len(token)-40] + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if answer, err := ask(app, forged); err != nil || answer.StatusCode != http.StatusUnauthorized {
		return nil, errors.Join(err, errors.New("contrib/jwt lets a forged token pass"))
	}
	sent := always(asBearer(token), subjectOf(l.pool(), 0))
	return against(app, sent), nil
}
