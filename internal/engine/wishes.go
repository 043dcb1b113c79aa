package engine

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/web"
	"github.com/valyala/fasthttp"
)

// Wishes are the options of a login, from a link, a handler or a guard. The root package
// documents them as LoginOptions. check has to pass before a login uses them.
type Wishes struct {
	ReturnTo         string
	Prompt           string
	LoginHint        string
	IdentityProvider string
	IDPIdentifier    string
	Lang             string
	Screen           string
	MaxAge           time.Duration // whole seconds; 0: any
	Levels           []string
}

// The screens that a login may open instead of the sign-in page. They take the
// parameters of the authorization endpoint, and end at the callback like it.
const (
	screenSignUp         = "signup"
	screenForgotPassword = "forgot_password"
)

// loginParameters may be set by anybody who links to the login. All other parameters of
// the authorization request are ours alone, so a link can neither add scopes nor change
// the redirect. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html
var loginParameters = []string{"login_hint", "lang", "identity_provider", "idp_identifier", "prompt", "screen", "max_age", "acr_values"}

// longestLoginParameter bounds what a link can put into the address at Cognito.
const longestLoginParameter = 256

// readWishes reads the query of LoginPath, but for return_to. Of a repeated parameter,
// another parser may take the other value, so such a login does not begin.
func readWishes(query *fasthttp.Args) (Wishes, error) {
	found := map[string]string{}
	for _, name := range loginParameters {
		values := query.PeekMulti(name)
		if len(values) > 1 {
			return Wishes{}, fault.Because(fault.ErrBadLogin, "login parameter %s is repeated", name)
		}
		if len(values) == 1 {
			found[name] = string(values[0])
		}
	}
	w := Wishes{
		LoginHint: found["login_hint"], Lang: found["lang"], IdentityProvider: found["identity_provider"], IDPIdentifier: found["idp_identifier"],
		Prompt: found["prompt"], Screen: found["screen"], Levels: strings.Fields(found["acr_values"]),
	}
	if age, sent := found["max_age"]; sent {
		// 31 bits, because more seconds might not fit into a Duration.
		seconds, err := strconv.ParseUint(age, 10, 31)
		if err != nil {
			return Wishes{}, fault.Because(fault.ErrBadLogin, "login parameter max_age %.20q is not a number of seconds", age)
		}
		w.MaxAge = time.Duration(seconds) * time.Second
		if seconds == 0 && w.Prompt == "" {
			w.Prompt = "login" // which it means (OpenID Connect Core section 3.1.2.1)
		}
	}
	return w, w.check()
}

// check refuses what no login can ask for. The error is ErrBadLogin.
func (w Wishes) check() error {
	for name, values := range w.parameters() {
		if value := values[0]; len(value) > longestLoginParameter || strings.ContainsFunc(value, web.IsControl) {
			return fault.Because(fault.ErrBadLogin, "login parameter %s is too long or contains control characters", name)
		}
	}
	switch {
	case w.Screen != "" && w.Screen != screenSignUp && w.Screen != screenForgotPassword:
		return fault.Because(fault.ErrBadLogin, "there is no screen %.40q; use %s or %s", w.Screen, screenSignUp, screenForgotPassword)
	case w.MaxAge < 0 || (w.MaxAge > 0 && w.MaxAge < time.Second):
		return fault.Because(fault.ErrBadLogin, "MaxAge is %s; it must be at least one second", w.MaxAge)
	case len(w.Levels) > mostLevels:
		return fault.Because(fault.ErrBadLogin, "%d levels were requested; the maximum is %d", len(w.Levels), mostLevels)
	}
	// A space would make two levels of one, and a quote would end the string in which a
	// challenge names them.
	for _, level := range w.Levels {
		if !ScopePattern.MatchString(level) {
			return fault.Because(fault.ErrBadLogin, "%.40q is not a valid level name", level)
		}
	}
	return nil
}

// parameters are the wishes as the authorization endpoint takes them. A MaxAge of 0 means
// that there is no wish: max_age=0 is a prompt instead (readWishes).
func (w Wishes) parameters() url.Values {
	parameters := url.Values{}
	for name, value := range map[string]string{
		"login_hint": w.LoginHint, "lang": w.Lang, "identity_provider": w.IdentityProvider, "idp_identifier": w.IDPIdentifier,
		"prompt": w.Prompt, "acr_values": strings.Join(w.Levels, " "),
	} {
		if value != "" {
			parameters.Set(name, value)
		}
	}
	if seconds := int64(w.MaxAge / time.Second); seconds > 0 {
		parameters.Set("max_age", strconv.FormatInt(seconds, 10))
	}
	return parameters
}

// page is where at Cognito a login with these wishes begins.
func (w Wishes) page(endpoints pool.Endpoints) string {
	switch w.Screen {
	case screenSignUp:
		return endpoints.SignUp
	case screenForgotPassword:
		return endpoints.ForgotPassword
	}
	return endpoints.Authorize
}

// LoginURL is LoginPath with wishes, as a browser reaches it. If a login would not accept
// them, all but ReturnTo are left out.
func (a *Engine) LoginURL(w Wishes) string {
	returnTo := ""
	if w.ReturnTo != "" {
		returnTo = a.returnPath(w.ReturnTo)
	}
	if w.check() != nil {
		w = Wishes{}
	}
	return a.loginAddress(returnTo, w)
}

// loginAddress is LoginPath as a browser reaches it, with where to go afterwards and
// what to ask for. returnTo must be a path of returnPath, or "".
func (a *Engine) loginAddress(returnTo string, w Wishes) string {
	query := w.parameters()
	// A login without return_to ends at AfterLogin anyway.
	if returnTo != "" && returnTo != a.settings.AfterLogin {
		query.Set("return_to", web.ForQuery(returnTo))
	}
	if w.Screen != "" {
		query.Set("screen", w.Screen)
	}
	if len(query) == 0 {
		return a.Address(a.settings.LoginPath)
	}
	return pool.WithQuery(a.Address(a.settings.LoginPath), query)
}

// mending are the options of a login that resolves an error: to sign in as somebody
// else, or to enter the credentials again, although Cognito remembers the visitor.
func mending(e *fault.Error) Wishes {
	switch fault.Of(e).Reason {
	case fault.ErrForbidden, fault.ErrNotAdmitted, fault.ErrStaleLogin:
		return Wishes{Prompt: "login"}
	case fault.ErrLevel:
		return Wishes{Levels: fault.Of(e).Levels}
	}
	return Wishes{}
}
