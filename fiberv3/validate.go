// Code generated from the face for Fiber v2 by fiberv3/generate. DO NOT EDIT.

package cognito

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/bar-tech/cognito/internal/engine"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/verify"
	"github.com/bar-tech/cognito/internal/web"
)

// A ConfigError lists everything that is wrong with a [Config].
type ConfigError struct {
	// Problems holds at least one entry, in the order of Config's fields.
	Problems []ConfigProblem
}

// A ConfigProblem is one invalid setting.
type ConfigProblem struct {
	Field  string // the Config field
	Value  string // what it is set to, with secrets redacted
	Rule   string // what the field must be
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
	check.pool(c, full)
	check.app(full)
	check.session(c, full)
	check.keys(c)
	check.bearer(full)
	check.calls(full)
	if len(check.problems) == 0 {
		return nil
	}
	return &ConfigError{Problems: check.problems}
}

// configCheck collects problems, so that a newcomer mends all settings in one
// go.
type configCheck struct {
	problems []ConfigProblem
}

func (k *configCheck) add(field, value, rule, remedy string) {
	k.problems = append(k.problems, ConfigProblem{Field: field, Value: value, Rule: rule, Remedy: remedy})
}

func (k *configCheck) pool(given, c Config) {
	k.userPoolID(given)
	k.userPoolDomain(c)
	switch {
	case c.ClientID == "":
		k.add("ClientID", "", "is required", `copy the client ID from the pool's "App clients" page`)
	case !clientIDPattern.MatchString(c.ClientID):
		k.add("ClientID", c.ClientID, "must be letters, digits, _ or +, at most 128", `copy the client ID from the pool's "App clients" page`)
	}
	if strings.TrimSpace(c.ClientSecret) != c.ClientSecret || strings.ContainsFunc(c.ClientSecret, web.IsControl) {
		k.add("ClientSecret", secret.Redacted, "must not begin or end with spaces or contain control characters", "copy the secret again, without a line break")
	}
	switch {
	case given.MaxSessions < 0:
		k.add("MaxSessions", strconv.Itoa(given.MaxSessions), "must not be negative", "leave it out to allow any number of sessions")
	case given.MaxSessions > 0 && given.CookieSessions:
		k.add("MaxSessions", strconv.Itoa(given.MaxSessions), "must not be set together with CookieSessions: sessions kept only in cookies cannot be counted", "set Storage instead of CookieSessions, or leave MaxSessions out")
	}
	if given.CookieSessions && given.Storage != nil {
		k.add("CookieSessions", "true", "must not be set together with Storage: sessions are kept in one place or the other", "leave one of the two out")
	}
	if given.Issuer != "" {
		k.issuer(given)
	}
	k.regions(given)
	k.login(given)
	k.scopes(c.Scopes)
}

func (k *configCheck) userPoolID(c Config) {
	const remedy = `copy the User pool ID from the pool's "Overview" page`
	switch {
	case c.UserPoolID == "":
		k.add("UserPoolID", "", "is required", remedy)
	case len(c.UserPoolID) > 55 || !poolIDOfAnyKind.MatchString(c.UserPoolID):
		k.add("UserPoolID", c.UserPoolID, "must be a region, an underscore, then letters and digits, such as eu-west-2_AbCdEfGhI", remedy)
	case c.Issuer == "" && !hasRegion(c.UserPoolID):
		k.add("UserPoolID", c.UserPoolID, "must begin with the pool's region, such as eu-west-2_AbCdEfGhI", remedy+", or set Issuer if the pool is not at AWS or is in an unknown AWS partition")
	}
}

func (k *configCheck) userPoolDomain(c Config) {
	const remedy = `copy the domain from the pool's "Domain" page, such as https://my-app.auth.eu-west-2.amazoncognito.com`
	value := c.UserPoolDomain
	if value == "" {
		k.add("UserPoolDomain", "", "is required", remedy)
		return
	}
	if issuerAddress.MatchString(value) { // before its path, which is not what is wrong with it
		k.add("UserPoolDomain", value, "is the address of the issuer, which has no login pages", remedy)
		return
	}
	u, err := parseOrigin(withScheme(value))
	if err != nil {
		k.add("UserPoolDomain", value, err.Error(), remedy)
		return
	}
	host := u.Hostname()
	if !strings.Contains(host, ".") && !isLoopback(host) {
		k.add("UserPoolDomain", value, "is only the prefix of a domain", prefixRemedy(host, c.UserPoolID, remedy))
	}
	if parts := amazonDomain.FindStringSubmatch(host); parts != nil && hasRegion(c.UserPoolID) && parts[2] != regionOr(c.UserPoolID, "") {
		k.add("UserPoolDomain", value, "is in region "+parts[2]+", but UserPoolID is in "+regionOr(c.UserPoolID, ""), "take both from the same pool")
	}
}

func (k *configCheck) issuer(c Config) {
	const remedy = `copy the "issuer" from the pool's openid-configuration`
	u, err := parseAbsolute(c.Issuer)
	switch {
	case err != nil:
		k.add("Issuer", c.Issuer, err.Error(), remedy)
		return
	case strings.HasSuffix(u.Path, "/"):
		k.add("Issuer", c.Issuer, "must not end with a slash, since it is compared exactly", "remove the slash")
		return
	}
	id := u.Path[strings.LastIndexByte(u.Path, '/')+1:]
	parts := issuerHost.FindStringSubmatch(strings.ToLower(u.Host))
	if region := regionOr(c.UserPoolID, ""); parts != nil && parts[1] != region && poolIDWithRegion.MatchString(c.UserPoolID) {
		k.add("Issuer", c.Issuer, "is in region "+parts[1]+", but UserPoolID is in "+region, "take both from the same pool, or leave Issuer out")
	}
	if id != c.UserPoolID && (parts != nil || poolIDWithRegion.MatchString(id)) {
		k.add("Issuer", c.Issuer, "must end with UserPoolID, "+c.UserPoolID+": this issuer belongs to another pool", "take both from the same pool, or leave Issuer out")
	}
}

func (k *configCheck) regions(c Config) {
	own, known := pool.RegionOf(c.UserPoolID)
	for i, region := range c.Regions {
		switch {
		case c.Issuer != "":
			k.add("Regions", region, "has no effect when Issuer is set, since only that exact issuer is accepted", "remove Issuer or Regions")
		case known && !pool.SamePartition(own, region):
			k.add("Regions", region, "must be a Region that the pool in "+own+" can be replicated to", "use a Region's code, such as eu-central-1")
		case region == own:
			k.add("Regions", region, "is the Region of UserPoolID, which is always accepted", "remove it")
		case slices.Contains(c.Regions[:i], region):
			k.add("Regions", region, "is listed twice", "keep one")
		}
	}
}

func hasRegion(poolID string) bool {
	_, known := pool.RegionOf(poolID)
	return known
}

// prefixRemedy completes the prefix of a domain, where it is documented how.
func prefixRemedy(prefix, poolID, otherwise string) string {
	if region := regionOr(poolID, "REGION"); region == "REGION" || pool.SamePartition(region, "us-east-1") {
		return "use " + prefix + ".auth." + region + ".amazoncognito.com"
	}
	return otherwise
}

func (k *configCheck) scopes(scopes []string) {
	shown := strings.Join(scopes, " ")
	if !slices.Contains(scopes, "openid") {
		k.add("Scopes", shown, `must contain "openid", without which Cognito issues no ID token`, `add "openid"`)
	}
	for i, scope := range scopes {
		if !engine.ScopePattern.MatchString(scope) {
			k.add("Scopes", scope, "must be one scope per entry, without spaces", `use separate strings, such as []string{"openid", "email"}`)
		}
		if slices.Contains(scopes[:i], scope) {
			k.add("Scopes", scope, "is listed twice", "keep one")
		}
	}
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
	for _, of := range []configPath{{"UserPoolDomain", withScheme(c.UserPoolDomain)}, {"Issuer", c.Issuer}} {
		if pool, err := parseAbsolute(of.path); err == nil && isLoopback(pool.Hostname()) {
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

func regionOr(poolID, otherwise string) string {
	if region, _, ok := strings.Cut(poolID, "_"); ok && region != "" {
		return region
	}
	return otherwise
}
