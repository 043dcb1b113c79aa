// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/verify"
	"github.com/bar-tech/cognito/internal/web"
)

// A ConfigError lists everything that is wrong with a [Config].
type ConfigError struct {
	// Problems holds at least one entry. [Config.Validate] lists them in the order of
	// Config's fields.
	Problems []ConfigProblem
}

// A ConfigProblem is one invalid setting.
type ConfigProblem struct {
	Field  string // the Config field
	Value  string // what it is set to, with secrets redacted
	Rule   string // the rule that it breaks, such as "must be an https URL"
	Remedy string // what to do about it
}

// Error lists every problem with its field, value, rule and remedy.
func (e *ConfigError) Error() string {
	var b strings.Builder
	b.WriteString("cognito: invalid config:")
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s %q: %s; %s", p.Field, p.Value, p.Rule, p.Remedy)
	}
	return b.String()
}

// Is makes errors.Is(err, ErrMisconfigured) true.
func (e *ConfigError) Is(target error) bool { return target == fault.ErrMisconfigured }

var (
	// The published pattern of pool ids.
	poolIDWithRegion = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-\d+_[0-9A-Za-z]+$`)
	poolIDOfAnyKind  = regexp.MustCompile(`^[\w-]+_[0-9A-Za-z]+$`)
	clientIDPattern  = regexp.MustCompile(`^[\w+]{1,128}$`)
	routePath        = regexp.MustCompile(`^(/[0-9A-Za-z._~-]+)+$`)
	issuerAddress    = regexp.MustCompile(`(?i)^(https?://)?(issuer-)?cognito-idp[.-][^/]*\.amazonaws\.(com|eu)`)
	issuerHost       = regexp.MustCompile(`^(?:issuer-)?cognito-idp[.-]([a-z0-9-]+)\.(?:amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu)$`)
	amazonDomain     = regexp.MustCompile(`^[a-z0-9-]+\.auth(-fips)?\.([a-z0-9-]+)\.amazoncognito\.com$`)
)

// Validate reports everything that is wrong with the config at once, as a
// [*ConfigError], or nil. Empty fields are validated with their defaults. It
// makes no network call.
func (c Config) Validate() error {
	full := c.withDefaults()
	check := configCheck{}
	check.pool(full)
	check.login(full)
	check.app(full)
	check.storage(full)
	check.keys(full)
	check.session(c, full)
	check.bearer(full)
	check.calls(full)
	if len(check.problems) == 0 {
		return nil
	}
	return &ConfigError{Problems: check.problems}
}

// addressFields are those in which somebody may have put a password, as in
// https://user:password@staging.example.com. Errors are logged.
var addressFields = []string{"UserPoolDomain", "Issuer", "Resource", "BaseURL", "AllowedOrigins"}

// withoutCredentials is an address, unless it has credentials, or may have: an address with
// an @ that cannot be read.
func withoutCredentials(address string) string {
	u, err := url.Parse(withScheme(address))
	if strings.Contains(address, "@") && (err != nil || u.User != nil) {
		return secret.Redacted
	}
	return address
}

// configCheck collects problems, so that a newcomer can correct all settings at once.
type configCheck struct {
	problems []ConfigProblem
}

func (k *configCheck) add(field, value, rule, remedy string) {
	if slices.Contains(addressFields, field) {
		value = withoutCredentials(value)
	}
	k.problems = append(k.problems, ConfigProblem{Field: field, Value: value, Rule: rule, Remedy: remedy})
}

func (k *configCheck) app(c Config) {
	k.baseURL(c)
	k.paths(c)
	for _, origin := range c.AllowedOrigins {
		if u, err := parseOrigin(origin); err != nil {
			k.add("AllowedOrigins", origin, err.Error(), "use only the scheme and host, such as https://admin.example.com")
		} else if origin != web.OriginOf(u) {
			k.add("AllowedOrigins", origin, "must be written as browsers send it", "use "+web.OriginOf(u))
		}
	}
}

func (k *configCheck) baseURL(c Config) {
	if c.BaseURL == "" {
		return
	}
	const remedy = "use the app's public address, such as https://app.example.com"
	u, err := parseAbsolute(c.BaseURL)
	switch {
	case err != nil:
		k.add("BaseURL", c.BaseURL, err.Error(), remedy)
		return
	case strings.HasSuffix(c.BaseURL, "/"):
		k.add("BaseURL", c.BaseURL, "must not end with a slash, since paths are appended to it", "remove the slash")
	case u.Path != "" && (!routePath.MatchString(u.EscapedPath()) || web.HasDotSegment(u.Path)):
		k.add("BaseURL", c.BaseURL, "must have a plain path without empty or encoded segments", remedy)
	}
	for _, r := range c.paths() {
		if prefix := "/" + strings.Trim(u.Path, "/"); prefix != "/" && strings.HasSuffix(prefix, r.path) {
			k.add("BaseURL", c.BaseURL, "ends with "+r.field+", which is appended to it", "use "+strings.TrimSuffix(c.BaseURL, r.path))
		}
	}
	if isLoopback(u.Hostname()) {
		return
	}
	// A test pool hands out any identity for the asking.
	for _, of := range []struct{ field, address string }{{"UserPoolDomain", withScheme(c.UserPoolDomain)}, {"Issuer", c.Issuer}} {
		if pool, err := parseAbsolute(of.address); err == nil && isLoopback(pool.Hostname()) {
			k.add("BaseURL", c.BaseURL, "is public, but "+of.field+" is a test pool on this machine", "set "+of.field+" to the real pool")
		}
	}
}

func (k *configCheck) paths(c Config) {
	taken := map[string]string{}
	for _, r := range c.paths() {
		switch other, twice := taken[r.path]; {
		case !routePath.MatchString(r.path) || web.HasDotSegment(r.path):
			k.add(r.field, r.path, "must be an absolute path of plain segments, without a query, a pattern or a trailing slash", "use a path such as /login")
		case twice:
			k.add(r.field, r.path, "is the same path as "+other, "give each route its own path")
		default:
			taken[r.path] = r.field
		}
	}
	if script := engine.ScriptPath(c.UserPath); c.UserPath != "" {
		if other, twice := taken[script]; twice {
			k.add(other, script, "is the path of the script that is served next to UserPath", "give each route its own path")
		}
		taken[script] = "UserPath"
	}
	for _, r := range []configPath{{"AfterLogin", c.AfterLogin}, {"AfterLogout", c.AfterLogout}} {
		clean, ok := web.LocalPath(r.path)
		if !ok || clean != r.path || strings.Contains(r.path, "#") {
			k.add(r.field, r.path, "must be a path of this app, with an optional query", "use a path such as /welcome")
			continue
		}
		path, _, _ := strings.Cut(r.path, "?")
		if route, mine := taken[path]; mine {
			k.add(r.field, r.path, "must not lead back to "+route, "choose a page of the app")
		}
	}
}

func (k *configCheck) bearer(c Config) {
	if !c.Bearer && (len(c.BearerClientIDs) > 0 || c.Audience != "") {
		k.add("Bearer", "false", "must be true for BearerClientIDs or Audience to have an effect", "set Bearer to true, or leave the others out")
	}
	for _, id := range c.BearerClientIDs {
		switch {
		case id == verify.AnyClient && c.Audience == "":
			k.add("BearerClientIDs", id, "accepts tokens of every client of the pool, so Audience must be set: nothing else shows that a token is meant for this app", "set Audience, or list the clients")
		case id == verify.AnyClient && len(c.BearerClientIDs) > 1:
			k.add("BearerClientIDs", strings.Join(c.BearerClientIDs, " "), "must contain nothing besides *, which stands for every client", "leave the others out, or leave * out")
		case id != verify.AnyClient && !clientIDPattern.MatchString(id):
			k.add("BearerClientIDs", id, "must be letters, digits, _ or +, at most 128", `copy the client ID from the pool's "App clients" page`)
		}
	}
}

func (k *configCheck) calls(c Config) {
	if c.HTTPClient == nil {
		return
	}
	transport, ok := c.HTTPClient.Transport.(*http.Transport)
	if ok && skipsVerification(transport.TLSClientConfig) {
		k.add("HTTPClient", "InsecureSkipVerify", "must verify Cognito's certificates", "leave InsecureSkipVerify out; to trust a private certificate authority, add it to RootCAs")
	}
}

func skipsVerification(config *tls.Config) bool { return config != nil && config.InsecureSkipVerify }
