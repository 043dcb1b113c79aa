package cognito

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

var cookieName = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// Browsers cap every cookie's life at 400 days (RFC 6265bis section 5.5).
const longestCookie = 400 * 24 * time.Hour

// storage checks where sessions are kept, and how many.
func (k *configCheck) storage(c Config) {
	if c.CookieSessions && c.Storage != nil {
		k.add("CookieSessions", "true", "must not be set together with Storage: sessions are kept in one place or the other", "leave one of the two out")
	}
	switch {
	case c.MaxSessions < 0:
		k.add("MaxSessions", strconv.Itoa(c.MaxSessions), "must not be negative", "leave it out to allow any number of sessions")
	case c.MaxSessions > 0 && c.CookieSessions:
		k.add("MaxSessions", strconv.Itoa(c.MaxSessions), "must not be set together with CookieSessions: sessions kept only in cookies cannot be counted", "set Storage instead of CookieSessions, or leave MaxSessions out")
	}
}

// session checks the session's cookie and its timeouts. given has no defaults.
func (k *configCheck) session(given, c Config) {
	if !cookieName.MatchString(c.CookieName) || strings.HasPrefix(c.CookieName, "__") {
		k.add("CookieName", c.CookieName, "must be letters, digits, _ and -, at most 64, without a __Host- or __Secure- prefix", "leave the prefix out: it is added when BaseURL is https")
	}
	if strings.HasPrefix(c.CookieName, "cognito_login") {
		k.add("CookieName", c.CookieName, "must not begin with cognito_login, as the cookies of logins in progress do", "choose another name, or leave it out")
	}
	k.sameSite(c)
	k.atLeastASecond("IdleTimeout", c.IdleTimeout)
	k.atLeastASecond("AbsoluteTimeout", c.AbsoluteTimeout)
	if c.AbsoluteTimeout > longestCookie {
		k.add("AbsoluteTimeout", c.AbsoluteTimeout.String(), "must be at most 9600h (400 days), which is how long browsers keep a cookie", "shorten it")
	}
	if given.IdleTimeout > 0 && c.AbsoluteTimeout > 0 && c.IdleTimeout > c.AbsoluteTimeout {
		k.add("IdleTimeout", c.IdleTimeout.String(), "must not be longer than AbsoluteTimeout, "+c.AbsoluteTimeout.String(), "shorten it or leave it out")
	}
}

func (k *configCheck) sameSite(c Config) {
	switch {
	case c.SameSite == "Lax", c.SameSite == "None" && strings.HasPrefix(strings.ToLower(c.BaseURL), "https://"):
	case c.SameSite == "None":
		k.add("SameSite", c.SameSite, "needs an https BaseURL, since browsers reject such cookies unless they are Secure", `set BaseURL, or leave SameSite out for "Lax"`)
	case strings.EqualFold(c.SameSite, "Strict"):
		k.add("SameSite", c.SameSite, "must not be Strict: browsers would not send the cookies when Cognito redirects back, so no login could be completed", `leave it out for "Lax"`)
	default:
		k.add("SameSite", c.SameSite, `must be "Lax" or "None"`, `leave it out for "Lax"`)
	}
}

func (k *configCheck) atLeastASecond(field string, d time.Duration) {
	if d < time.Second {
		k.add(field, d.String(), "must be at least 1s", "use a duration such as 24 * time.Hour, or leave it out")
	}
}
