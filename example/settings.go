package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/bar-tech/cognito"
)

// settings are what the environment says about this app.
type settings struct {
	addr     string         // where to listen
	redisURL string         // where sessions live, or "" for this process's memory
	local    bool           // no pool is named: start one in this process
	config   cognito.Config // of the middleware
}

// readSettings reads the environment. Any COGNITO_ variable means that a real pool
// is wanted: falling back to the local one would look like a login that ignores its
// settings.
func readSettings() (settings, error) {
	s := settings{
		addr:     cmp.Or(variable("ADDR"), ":8021"),
		redisURL: variable("REDIS_URL"),
		local:    !slices.ContainsFunc(os.Environ(), namesPool),
	}
	if s.local {
		s.config = furnished(cognito.Config{BaseURL: variable("BASE_URL")})
		return s, notLocal(s.config.BaseURL)
	}
	var err error
	if s.config, err = cognito.FromEnv(); err != nil {
		return s, fmt.Errorf("%w\n\nCorrect these variables, or unset every COGNITO_ variable to try the app with a local pool", err)
	}
	if len(s.config.Keys) == 0 {
		s.config.Keys = strings.Fields(strings.ReplaceAll(variable("SESSION_KEYS"), ",", " "))
	}
	if s.redisURL != "" && len(s.config.Keys) == 0 {
		return s, errors.New("COGNITO_KEYS is required with REDIS_URL: generate one with openssl rand -base64 32, and give all instances the same value")
	}
	s.config = furnished(s.config)
	return s, nil
}

// listsSessions reports whether somewhere there is a list of them: sessions that live in
// their cookies are known to their browsers only.
func (s settings) listsSessions() bool { return !s.config.CookieSessions }

// furnished is a config with what the app itself decides.
func furnished(config cognito.Config) cognito.Config {
	config.AppName = "Cognito example"
	config.UserPath = "/session" // beside it stands the script that app.js begins with
	config.Bearer = true         // programs bring a token to /api/me
	return config
}

// variable is what a variable says.
func variable(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// namesPool reports whether a pair of the environment is a setting of a pool. One
// that is empty counts as unset.
func namesPool(pair string) bool {
	name, value, _ := strings.Cut(pair, "=")
	return strings.HasPrefix(name, "COGNITO_") && strings.TrimSpace(value) != ""
}

// notLocal is what is wrong with the app's address when it has a pool of its
// own. The middleware would refuse it too, but in words about a pool that
// nobody has set.
func notLocal(baseURL string) error {
	u, err := url.Parse(baseURL)
	if baseURL == "" || err == nil && (strings.EqualFold(u.Hostname(), "localhost") || net.ParseIP(u.Hostname()).IsLoopback()) {
		return nil
	}
	return fmt.Errorf("BASE_URL %q: the local test pool works for localhost only; set COGNITO_USER_POOL_DOMAIN, COGNITO_CLIENT_ID and COGNITO_USER_POOL_ID to use a real pool, or unset BASE_URL", baseURL)
}

// origin is the address under which browsers see the app. It is localhost,
// not 127.0.0.1: the local pool is 127.0.0.1, so the two are different sites
// to a browser, as an app and Cognito are in production.
func (s settings) origin(port int) string {
	if s.config.BaseURL != "" {
		return s.config.BaseURL
	}
	return "http://localhost:" + strconv.Itoa(port)
}

// poolOrigin is the address of the pool's pages, for the page's policy.
func poolOrigin(domain string) string {
	if !strings.Contains(domain, "://") {
		domain = "https://" + domain
	}
	u, err := url.Parse(domain)
	if err != nil {
		return "" // Validate has seen to that
	}
	return u.Scheme + "://" + u.Host
}
