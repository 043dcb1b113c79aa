package engine

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/web"
)

// Leg 1 of the journey: a visitor opens LoginPath. We note an attempt, give
// the browser a ticket for it, and send it to Cognito's login page.

// loginParameters may be set by whoever links to the login. Everything else of
// the authorization request is ours alone, so a link cannot widen the scopes
// or move the redirect. See
// https://docs.aws.amazon.com/cognito/latest/developerguide/authorization-endpoint.html
var loginParameters = []string{"login_hint", "lang", "identity_provider", "idp_identifier", "prompt"}

const longestLoginParameter = 256

// A browser that logs in time and again within loginLoopLife, and never arrives
// signed in, is in a loop.
const (
	loginLoopLife = time.Minute
	mostLogins    = 3
)

func (a *Engine) serveLogin(r Request) error {
	if web.IsScript(&r.Request.Header) {
		return a.refuse(r, fault.Plain(fault.ErrNotNavigation))
	}
	if a.loginLoop(r) >= mostLogins && a.identify(r).User == nil {
		a.cookies.clear(r, a.cookies.loginLoop)
		return a.refuse(r, fault.Because(fault.ErrLoginLoop, "%d logins within %s did not lead to a session that lasts", mostLogins, loginLoopLife))
	}
	passed, err := passedParameters(r)
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	var begun attempt
	if slices.Contains(strings.Fields(passed.Get("prompt")), "login") {
		// Scripts and HTMX come this way to a fresh login (answer.go). Whoever
		// is signed in must come back with a later one, for the classic hosted
		// UI ignores the wish, and an element that asks again would do so
		// without end.
		if user := a.identifyCookie(r).User; user != nil {
			begun = requireFreshLogin(user)
		}
	}
	return a.sendToCognito(r, a.returnPath(string(r.QueryArgs().Peek("return_to"))), passed, begun, 0)
}

// requireFreshLogin is an attempt in which a user who is signed in has to show anew
// who they are.
func requireFreshLogin(user *claims.Set) attempt {
	return attempt{Fresh: true, Proved: user.Time("auth_time").Unix(), Whose: user.Sub()}
}

// passedParameters picks the allowed parameters out of the query.
func passedParameters(r Request) (url.Values, error) {
	passed := url.Values{}
	for _, name := range loginParameters {
		values := r.QueryArgs().PeekMulti(name)
		switch {
		case len(values) == 0:
			continue
		case len(values) > 1, len(values[0]) > longestLoginParameter, strings.ContainsFunc(string(values[0]), web.IsControl):
			return nil, fault.Because(fault.ErrBadLogin, "login parameter %s is repeated, too long or holds control characters", name)
		}
		passed.Set(name, string(values[0]))
	}
	return passed, nil
}

// sendToCognito begins an attempt and redirects to the authorization endpoint
// (RFC 6749 section 4.1.1, with RFC 7636 and OpenID Connect Core section
// 3.1.2.1). again counts how often this login has restarted by itself.
func (a *Engine) sendToCognito(r Request, returnTo string, passed url.Values, begun attempt, again int) error {
	base, err := a.baseURL(r)
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	begun.Verifier, begun.Nonce = secret.Random(), secret.Random()
	begun.ReturnTo, begun.RedirectURI = strings.Clone(returnTo), base+a.settings.RedirectPath
	begun.Silent = passed.Get("prompt") == "none"
	state, mine, err := a.attempts.begin(begun, again)
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	a.dropOldTickets(r)
	a.cookies.set(r, mine.name, mine.value(), attemptLife)

	parameters := url.Values{
		"response_type":         {"code"},
		"client_id":             {a.settings.ClientID},
		"redirect_uri":          {begun.RedirectURI},
		"scope":                 {strings.Join(a.settings.Scopes, " ")},
		"state":                 {state},
		"nonce":                 {begun.Nonce},
		"code_challenge":        {a.hooks.Challenge(begun.Verifier)},
		"code_challenge_method": {"S256"},
	}
	for name, values := range passed {
		parameters[name] = values
	}
	sealResponse(r)
	return r.redirect(pool.WithQuery(a.endpoints.Authorize, parameters), http.StatusFound)
}

// dropOldTickets keeps the logins in progress of one browser few, so that
// abandoned ones cannot grow the Cookie header beyond what servers accept.
func (a *Engine) dropOldTickets(r Request) {
	tickets := a.attempts.tickets(r)
	oldest := a.settings.Now().Add(-attemptLife).Unix()
	for i, t := range tickets {
		if len(tickets)-i >= attemptsPerBrowser || t.began < oldest {
			a.cookies.clear(r, t.name)
		}
	}
}

// loginLoop is how many logins in a row have brought this browser back here.
func (a *Engine) loginLoop(r Request) int {
	count, err := strconv.Atoi(string(a.cookies.read(r, []byte(a.cookies.loginLoop))))
	if err != nil || count < 0 {
		return 0
	}
	return min(count, mostLogins)
}

func (a *Engine) countLogin(r Request) {
	a.cookies.set(r, a.cookies.loginLoop, strconv.Itoa(a.loginLoop(r)+1), loginLoopLife)
}
