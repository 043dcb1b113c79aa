package lab

import (
	"os"

	"github.com/bar-tech/cognito"
)

// InCookies lets sessions travel in their cookies.
func InCookies(c *cognito.Config) {
	c.CookieSessions, c.Keys = true, []string{"kZq3vJ0m5X2rT8wY1uB7nL4cE9sD6fGh"}
}

// everywhere puts all sessions without a storage of their own into cookies: with
// COGNITO_TEST_SESSIONS=cookies the whole suite runs once more that way.
func everywhere(c *cognito.Config) {
	if os.Getenv("COGNITO_TEST_SESSIONS") == "cookies" && c.Storage == nil && !c.CookieSessions {
		InCookies(c)
	}
}
