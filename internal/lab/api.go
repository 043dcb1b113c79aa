package lab

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// TakesBearer lets an app accept bearer tokens.
func TakesBearer(c *cognito.Config) { c.Bearer = true }

// ServeAPI is an app for programs: who is there, as the handler sees it, on
// routes with and without guards.
func ServeAPI(t *testing.T, hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return ServeAPIWith(t, pool, hooks...)
}

// ServeAPIWith is ServeAPI with a pool that the test has prepared.
func ServeAPIWith(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) *Site {
	t.Helper()
	return ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.All("/who", TellWho)
		app.All("/me", cognito.RequireUser(), TellWho)
		app.All("/read", cognito.RequireScope("api/read"), TellWho)
		app.All("/write", auth.RequireScope("api/read", "api/write"), TellWho)
		app.All("/admin", cognito.RequireGroup("admin"), TellWho)
		app.All("/fresh", auth.RequireFreshLogin(10*time.Minute), TellWho)
	}, append([]func(*cognito.Config){TakesBearer}, hooks...)...)
}

// TellWho answers with the username, the scopes, and why there is nobody.
func TellWho(c *fiber.Ctx) error {
	who := fiber.Map{"user": nil, "scope": nil}
	if user := cognito.UserFrom(c); user != nil {
		who["user"] = user.Username()
	}
	if payload := cognito.PayloadFrom(c); payload != nil {
		who["scope"] = strings.Join(payload.Scopes(), " ")
	}
	if err := cognito.Err(c); err != nil {
		who["err"] = err.Error()
	}
	return c.JSON(who)
}

// Bring sends a request with a bearer token.
func (s *Site) Bring(path, token string, cookies ...*http.Cookie) *Answer {
	s.Helper()
	return s.Send(Request{Path: path, Cookies: cookies, Header: map[string]string{"Authorization": "Bearer " + token}})
}

// MustChallenge wants a refusal as RFC 6750 has it, and nothing that would
// lead a program astray: no redirect and no cookie.
func (s *Site) MustChallenge(res *Answer, status int, challenge string) {
	s.Helper()
	if got := res.Header.Values("WWW-Authenticate"); res.StatusCode != status || !slices.Equal(got, []string{challenge}) {
		s.Errorf("%d with challenge %q, want %d with %q", res.StatusCode, got, status, challenge)
	}
	if res.Header.Get("Location") != "" || len(res.Cookies()) != 0 {
		s.Errorf("sent to %q with cookies %v", res.Header.Get("Location"), res.Cookies())
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control is %q, want no-store", got)
	}
}

// InvalidToken is the challenge to a bearer token that is refused.
const InvalidToken = `Bearer error="invalid_token"`

// NoAccessToken is the challenge to one that is none.
const NoAccessToken = InvalidToken + `, error_description="This is not an access token. Send the access token, not the ID token."`

// ChallengeFor is the challenge to a token that is refused for a reason.
func ChallengeFor(reason error) string {
	if errors.Is(reason, cognito.ErrTokenUse) {
		return NoAccessToken
	}
	return InvalidToken
}

// AsPage are the headers of a person who opens a page.
var AsPage = map[string]string{"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}

// AsPageWith adds headers to AsPage.
func AsPageWith(more map[string]string) map[string]string {
	all := maps.Clone(AsPage)
	maps.Copy(all, more)
	return all
}

// MustSay wants answers to a user.
func (s *Site) MustSay(user string, answers ...*Answer) {
	s.Helper()
	for _, res := range answers {
		if res.StatusCode != http.StatusOK || Decode(s.T, res.Text)["user"] != user {
			s.Errorf("got %s, want %s", StatusLine(res), user)
		}
	}
}
