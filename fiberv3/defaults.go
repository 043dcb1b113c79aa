// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/bar-tech/cognito/internal/engine"
)

// configPath is a field of the config that holds a path.
type configPath struct{ field, path string }

// paths are those that the middleware answers itself.
func (c Config) paths() []configPath {
	paths := []configPath{
		{"LoginPath", c.LoginPath}, {"RedirectPath", c.RedirectPath},
		{"LogoutPath", c.LogoutPath}, {"RefreshPath", c.RefreshPath},
	}
	if c.UserPath != "" {
		paths = append(paths, configPath{"UserPath", c.UserPath})
	}
	return paths
}

// withDefaults returns a copy with every optional field filled in.
func (c Config) withDefaults() Config {
	fillString := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fillString(&c.LoginPath, "/login")
	fillString(&c.RedirectPath, "/login/redirect")
	fillString(&c.LogoutPath, "/logout")
	fillString(&c.RefreshPath, "/token/refresh")
	fillString(&c.AfterLogin, "/")
	fillString(&c.AfterLogout, "/")
	fillString(&c.SameSite, "Lax")
	fillString(&c.CookieName, "cognito_"+engine.ShortHash(c.ClientID))

	if len(c.Scopes) == 0 {
		c.Scopes = []string{"openid", "email", "profile"}
	}
	c = c.ownLists()
	if c.AbsoluteTimeout == 0 {
		c.AbsoluteTimeout = 7 * 24 * time.Hour
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 24 * time.Hour
		if c.AbsoluteTimeout >= time.Second { // else that is the mistake to name
			c.IdleTimeout = min(c.IdleTimeout, c.AbsoluteTimeout)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// ownLists copies what the caller may change later.
func (c Config) ownLists() Config {
	c.Scopes = slices.Clone(c.Scopes)
	c.Regions = slices.Clone(c.Regions)
	c.LoginParameters = maps.Clone(c.LoginParameters)
	c.AllowedOrigins = slices.Clone(c.AllowedOrigins)
	c.BearerClientIDs = slices.Clone(c.BearerClientIDs)
	c.Keys = slices.Clone(c.Keys)
	return c
}
