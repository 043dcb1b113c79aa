package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net"
	"net/url"
	"regexp"
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

// variables names the environment variable behind a field of cognito.Config,
// since that is what the reader of an error can change.
var variables = map[string]string{
	"UserPoolDomain": "COGNITO_USER_POOL_DOMAIN",
	"ClientID":       "COGNITO_CLIENT_ID",
	"UserPoolID":     "COGNITO_USER_POOL_ID",
	"ClientSecret":   "COGNITO_CLIENT_SECRET",
	"Issuer":         "COGNITO_ISSUER",
	"Scopes":         "COGNITO_SCOPES",
	"UserInfo":       "COGNITO_USERINFO",
	"BaseURL":        "BASE_URL",
	"Keys":           "SESSION_KEYS",
	"Storage":        "REDIS_URL",
}

// required are the variables that every real pool needs.
var required = []string{"COGNITO_USER_POOL_DOMAIN", "COGNITO_CLIENT_ID", "COGNITO_USER_POOL_ID"}

// fieldNames finds the fields that have a variable, as whole words.
var fieldNames = regexp.MustCompile(`\b(` + strings.Join(slices.Sorted(maps.Keys(variables)), "|") + `)\b`)

// readSettings reads the environment, in the form of os.Environ. A variable
// that is empty counts as unset. Any COGNITO_ variable means that a real pool
// is wanted; then all required ones must be there, and none that nobody reads,
// because falling back to the local pool would look like a login that ignores
// its settings.
func readSettings(environ []string) (settings, error) {
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if value = strings.TrimSpace(value); value != "" {
			env[name] = value
		}
	}
	given := poolVariables(maps.Keys(env))
	s := settings{
		addr:     cmp.Or(env["ADDR"], ":8021"),
		redisURL: env["REDIS_URL"],
		local:    len(given) == 0,
		config:   configFrom(env),
	}
	if s.local {
		return s, problems(notLocal(env["BASE_URL"]))
	}
	lines := slices.Concat(unknown(given), notABool(env["COGNITO_USERINFO"]), unusable(s.config.Validate()))
	if slices.ContainsFunc(required, func(name string) bool { return env[name] == "" }) {
		lines = append(lines, "Set what is missing, or unset every COGNITO_ variable to try the app with a local pool.")
	}
	return s, problems(lines)
}

// poolVariables are the COGNITO_ variables among names.
func poolVariables(names iter.Seq[string]) []string {
	return slices.DeleteFunc(slices.Sorted(names), func(name string) bool { return !strings.HasPrefix(name, "COGNITO_") })
}

// configFrom takes the values as they are. Whether they make sense is judged
// afterwards, all at once.
func configFrom(env map[string]string) cognito.Config {
	userInfo, _ := strconv.ParseBool(env["COGNITO_USERINFO"]) // see notABool
	return cognito.Config{
		UserPoolDomain: env["COGNITO_USER_POOL_DOMAIN"],
		ClientID:       env["COGNITO_CLIENT_ID"],
		UserPoolID:     env["COGNITO_USER_POOL_ID"],
		ClientSecret:   env["COGNITO_CLIENT_SECRET"],
		Issuer:         env["COGNITO_ISSUER"],
		Scopes:         strings.Fields(strings.ReplaceAll(env["COGNITO_SCOPES"], ",", " ")),
		UserInfo:       userInfo,
		BaseURL:        env["BASE_URL"],
		AppName:        "Cognito example",
		Keys:           strings.Fields(strings.ReplaceAll(env["SESSION_KEYS"], ",", " ")),
		UserPath:       "/session", // beside it stands the script that app.js begins with
		Bearer:         true,       // programs bring a token to /api/me
	}
}

// notLocal is what is wrong with the app's address when it has a pool of its
// own. The middleware would refuse it too, but in words about a pool that
// nobody has set.
func notLocal(baseURL string) []string {
	u, err := url.Parse(baseURL)
	if baseURL == "" || err == nil && (strings.EqualFold(u.Hostname(), "localhost") || net.ParseIP(u.Hostname()).IsLoopback()) {
		return nil
	}
	return []string{fmt.Sprintf("BASE_URL %q: the local test pool works for localhost only; name a real pool by %s, %s and %s, or unset BASE_URL",
		baseURL, required[0], required[1], required[2])}
}

// unknown finds typing errors. It does not show values, as one may be a secret.
func unknown(given []string) []string {
	known := poolVariables(maps.Values(variables))
	var lines []string
	for _, name := range given {
		if !slices.Contains(known, name) {
			lines = append(lines, fmt.Sprintf("%s is unknown: correct or unset it; the known ones are %s", name, strings.Join(known, ", ")))
		}
	}
	return lines
}

// notABool is what is wrong with COGNITO_USERINFO.
func notABool(value string) []string {
	if _, err := strconv.ParseBool(value); value == "" || err == nil {
		return nil
	}
	return []string{fmt.Sprintf("COGNITO_USERINFO %q: must be 1 or 0; write 1 to read /oauth2/userInfo too, or unset it", value)}
}

// unusable is the middleware's verdict on its config, in the words of the
// environment.
func unusable(err error) []string {
	var invalid *cognito.ConfigError
	if !errors.As(err, &invalid) {
		return nil
	}
	var lines []string
	for _, p := range invalid.Problems {
		line := fmt.Sprintf("%s %q: %s; %s", named(p.Field), p.Value, named(p.Rule), named(p.Remedy))
		if p.Value == "" {
			line = fmt.Sprintf("%s is missing: %s", named(p.Field), named(p.Remedy))
		}
		lines = append(lines, line)
	}
	return lines
}

// named puts variables in place of fields.
func named(text string) string {
	return fieldNames.ReplaceAllStringFunc(text, func(field string) string { return variables[field] })
}

// readable makes an error of the middleware one for a person who has set
// variables.
func readable(err error) error {
	if lines := unusable(err); len(lines) > 0 {
		return problems(lines)
	}
	return err
}

// problems is an error of several lines, for a person to read, or nil.
func problems(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	return errors.New("the settings are not usable:\n\n  " + strings.Join(lines, "\n  "))
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
