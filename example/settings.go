package main

import (
	"errors"
	"fmt"
	"net/url"
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

// required are the three settings of a real pool, and where to find them.
var required = []struct{ name, where string }{
	{"COGNITO_USER_POOL_DOMAIN", `the address of the login pages, from the pool's "Domain" page`},
	{"COGNITO_CLIENT_ID", `the client ID, from the pool's "App clients" page`},
	{"COGNITO_USER_POOL_ID", `the user pool ID, from the pool's "Overview" page`},
}

// optional are the further settings that only make sense with a real pool.
var optional = []string{"COGNITO_CLIENT_SECRET", "COGNITO_ISSUER", "COGNITO_SCOPES", "COGNITO_USERINFO"}

// variables names the environment variable behind a field of cognito.Config,
// since that is what the reader of an error can change.
var variables = map[string]string{
	"UserPoolDomain": "COGNITO_USER_POOL_DOMAIN",
	"ClientID":       "COGNITO_CLIENT_ID",
	"UserPoolID":     "COGNITO_USER_POOL_ID",
	"ClientSecret":   "COGNITO_CLIENT_SECRET",
	"Issuer":         "COGNITO_ISSUER",
	"Scopes":         "COGNITO_SCOPES",
	"BaseURL":        "BASE_URL",
}

// readSettings reads the environment. Any COGNITO_ variable means that a real
// pool is wanted; then all required ones must be there, because falling back
// to the local pool would look like a login that ignores its settings.
func readSettings(getenv func(string) string) (settings, error) {
	get := func(name string) string { return strings.TrimSpace(getenv(name)) }
	s := settings{
		addr:     get("ADDR"),
		redisURL: get("REDIS_URL"),
		local:    true,
		config: cognito.Config{
			UserPoolDomain: get("COGNITO_USER_POOL_DOMAIN"),
			ClientID:       get("COGNITO_CLIENT_ID"),
			UserPoolID:     get("COGNITO_USER_POOL_ID"),
			ClientSecret:   get("COGNITO_CLIENT_SECRET"),
			Issuer:         get("COGNITO_ISSUER"),
			Scopes:         strings.Fields(strings.ReplaceAll(get("COGNITO_SCOPES"), ",", " ")),
			BaseURL:        get("BASE_URL"),
			Bearer:         true, // programs bring a token to /api/me
		},
	}
	if s.addr == "" {
		s.addr = ":8021"
	}
	var missing []string
	for _, r := range required {
		if get(r.name) == "" {
			missing = append(missing, fmt.Sprintf("%s is missing: %s", r.name, r.where))
		} else {
			s.local = false
		}
	}
	for _, name := range optional {
		s.local = s.local && get(name) == ""
	}
	if s.local {
		return s, nil
	}
	if len(missing) > 0 {
		return s, problems("the settings of the user pool are incomplete", append(missing,
			"Set these too, or unset every COGNITO_ variable to try the app with a local pool."))
	}
	if err := s.readUserInfo(get("COGNITO_USERINFO")); err != nil {
		return s, err
	}
	return s, readable(s.config.Validate())
}

func (s *settings) readUserInfo(value string) error {
	if value == "" {
		return nil
	}
	wanted, err := strconv.ParseBool(value)
	if err != nil {
		return problems("the settings are not usable", []string{
			fmt.Sprintf("COGNITO_USERINFO %q: must be 1 or 0", value)})
	}
	s.config.UserInfo = wanted
	return nil
}

// readable rewrites the middleware's verdict on its config in the words of the
// environment.
func readable(err error) error {
	var invalid *cognito.ConfigError
	if !errors.As(err, &invalid) {
		return err
	}
	var lines []string
	for _, p := range invalid.Problems {
		name := p.Field
		if variable, ok := variables[p.Field]; ok {
			name = variable
		}
		lines = append(lines, fmt.Sprintf("%s %q: %s; %s", name, p.Value, p.Rule, p.Remedy))
	}
	return problems("the settings are not usable", lines)
}

// problems is an error of several lines, for a person to read.
func problems(title string, lines []string) error {
	return errors.New(title + ":\n\n  " + strings.Join(lines, "\n  "))
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
