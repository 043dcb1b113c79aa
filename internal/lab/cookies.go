package lab

import (
	"os"

	"github.com/bar-tech/cognito"
)

// InCookies lets sessions travel in their cookies.
func InCookies(c *cognito.Config) {
	c.CookieSessions, c.Keys = true, []string{"kZq3vJ0m5X2rT8wY1uB7nL4cE9sD6fGh"}
}

// everywhere puts all sessions without a storage of their own into cookies, with
// COGNITO_TEST_SESSIONS=cookies: to look for what goes wrong that way. Some tests of
// attacks and faults fail then, because they look at what only a storage has: records,
// short cookies, a code that is refused once and for all.
func everywhere(c *cognito.Config) {
	if os.Getenv("COGNITO_TEST_SESSIONS") == "cookies" && c.Storage == nil && !c.CookieSessions {
		InCookies(c)
	}
}
