package e2e

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/e2e/internal/machine"
	"github.com/gofiber/fiber/v2"
)

// instance is an app of a crowd, without a socket.
type instance struct {
	auth *cognito.Auth
	app  *fiber.App
}

func startInstance(t *testing.T, pool *cognitotest.Pool, server *machine.Redis) instance {
	t.Helper()
	config := pool.Config()
	config.Storage, config.Keys = openDriver(t, server), []string{"m0Xo8sXq5tY2lHqzKc0nZb7dEifiXN3BYT1l8Ij2Bl4="}
	config.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := auth.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadBufferSize: 16 << 10})
	app.Use(auth.Handler())
	app.Get("/me", auth.RequireUser(), func(c *fiber.Ctx) error { return c.SendString(auth.UserFrom(c).Subject()) })
	return instance{auth, app}
}

// who asks for /me with a session, as a script does.
func (i instance) who(t *testing.T, cookies []*http.Cookie) (status int, subject string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost:8021/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range cookies {
		request.AddCookie(cookie)
	}
	answer, err := i.app.Test(request, -1)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(body)
}

// TestThousandUsersEnd: a thousand users have two sessions each, at two instances over
// one Redis. Half of them end all of theirs at one instance, all at once, while the
// others' tokens are renewed: at the very next request the other instance refuses the
// ones, and serves the others.
func TestThousandUsersEnd(t *testing.T) {
	const people, atOnce = 1000, 32
	users := make([]cognitotest.User, people)
	for i := range users {
		users[i] = cognitotest.User{Username: fmt.Sprintf("user-%d", i), Password: "wonderland"}
	}
	pool := cognitotest.New(cognitotest.Options{Users: users})
	t.Cleanup(pool.Close)
	server := machine.StartRedis(t)
	one, two := startInstance(t, pool, server), startInstance(t, pool, server)

	// everybody lets all users do something, so many at a time.
	everybody := func(do func(i int)) {
		var group sync.WaitGroup
		var next atomic.Int32
		for range atOnce {
			group.Go(func() {
				for i := int(next.Add(1)) - 1; i < people; i = int(next.Add(1)) - 1 {
					do(i)
				}
			})
		}
		group.Wait()
	}
	subjects, sessions := make([]string, people), make([][2][]*http.Cookie, people)
	everybody(func(i int) {
		sessions[i] = [2][]*http.Cookie{pool.SignIn(one.app, users[i].Username), pool.SignIn(two.app, users[i].Username)}
		_, subjects[i] = two.who(t, sessions[i][0])
		if _, again := one.who(t, sessions[i][1]); again != subjects[i] {
			t.Errorf("user %d is %q and %q", i, subjects[i], again)
		}
	})
	pool.Advance(time.Hour + time.Second) // all tokens are due
	everybody(func(i int) {
		if i%2 == 0 {
			if n, err := one.auth.EndSessions(t.Context(), subjects[i]); n != 2 || err != nil {
				t.Errorf("user %d ends %d sessions: %v", i, n, err)
			}
		}
		for _, session := range sessions[i] {
			status, subject := two.who(t, session)
			if i%2 == 0 && status != http.StatusUnauthorized {
				t.Errorf("user %d has ended a session, and is answered with %d", i, status)
			}
			if i%2 == 1 && subject != subjects[i] {
				t.Errorf("user %d has a session, and is answered with %d %q", i, status, subject)
			}
		}
	})
	everybody(func(i int) {
		if listed, err := two.auth.Sessions(t.Context(), subjects[i]); err != nil || len(listed) != 2*(i%2) {
			t.Errorf("user %d has %d sessions: %v", i, len(listed), err)
		}
	})
}
