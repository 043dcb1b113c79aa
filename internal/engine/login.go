package engine

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"

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

func (a *Engine) serveLogin(r Request) error {
	switch {
	case r.asking().IsScript():
		return a.refuse(r, fault.Plain(fault.ErrNotNavigation))
	case a.framedByStranger(r):
		return a.refuse(r, framed)
	}
	if word := r.QueryArgs().Peek(refusedWord); len(word) > 0 {
		return a.serveRefused(r, string(word))
	}
	if away := a.onBaseURL(r); away != "" {
		sealResponse(r)
		return r.redirect(away, http.StatusFound)
	}
	if e := a.judgeLoop(r); e != nil {
		a.cookies.clear(r, a.cookies.loginLoop)
		return a.refuse(r, e)
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

// framed refuses a login inside of another page. Frames of a sibling subdomain
// could begin so many that the visitor's own falls out of its slot.
var framed = fault.Because(fault.ErrNotNavigation, "the login was opened in a frame; it needs the window's top, or a frame of the app's own pages")

// requireFreshLogin is an attempt in which a user who is signed in has to show anew
// who they are.
func requireFreshLogin(user *claims.Set) attempt {
	return attempt{Fresh: true, Proved: user.Time("auth_time").Unix(), Whose: whose(user.Sub())}
}

// whose is a subject in a few bytes, to compare: an attempt has to fit into a cookie.
func whose(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return string(sum[:9])
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
	begun.ReturnTo, begun.Base = strings.Clone(returnTo), base
	begun.Silent = passed.Get("prompt") == "none"
	state, mine, err := a.attempts.begin(begun, again)
	if err != nil {
		failed := *fault.From(err)
		fault.Of(&failed).ReturnTo = begun.ReturnTo // "Try again" leads there too
		return a.refuse(r, &failed)
	}
	a.cookies.set(r, a.attempts.slotFor(r), mine.value(a.attempts.mark), ticketLife)

	parameters := url.Values{
		"response_type":         {"code"},
		"client_id":             {a.settings.ClientID},
		"redirect_uri":          {base + a.settings.RedirectPath},
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
