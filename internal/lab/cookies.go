package lab

import (
	"os"

	"github.com/bar-tech/cognito"
)

// InCookies lets sessions travel in their cookies.
func InCookies(c *cognito.Config) {
	c.CookieSessions, c.Keys = true, []string{"kZq3vJ0m5X2rT8wY1uB7nL4cE9sD6fGh"}
}

// InMemory keeps sessions in this process's memory. It is for tests of what only a
// storage has: records, short cookies, sessions that are known to have ended, a code
// that is refused once and for all.
func InMemory(c *cognito.Config) {
	c.CookieSessions, c.Keys = false, nil
}

// begin puts sessions into cookies before a test has its say, with
// COGNITO_TEST_SESSIONS=cookies: then every test that says nothing of sessions is a test
// of those.
func begin(c *cognito.Config) {
	if everywhereInCookies() {
		InCookies(c)
	}
}

// finish keeps them in the storage that a test has chosen.
func finish(c *cognito.Config) {
	if everywhereInCookies() && c.Storage != nil {
		c.CookieSessions = false
	}
}

func everywhereInCookies() bool { return os.Getenv("COGNITO_TEST_SESSIONS") == "cookies" }
