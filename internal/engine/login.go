package engine

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/login"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/secret"
)

// Leg 1 of the journey: a visitor opens LoginPath. We note an attempt, give
// the browser a ticket for it, and send it to Cognito's login page.

// serveLogin answers LoginPath. Scripts are refused first: a page could otherwise pile up
// attempts by itself, and a fetch would follow the redirect to Cognito in vain.
func (a *Engine) serveLogin(r Request) error {
	switch {
	case r.asking().IsScript():
		wishes, _ := readWishes(r.QueryArgs())
		return a.refuse(r, a.notByScript(a.linkedPage(r), wishes))
	case a.framedByStranger(r):
		return a.refuse(r, errFramed)
	}
	// This page begins no login, so it counts for no loop and needs no cookie of BaseURL.
	if word := r.QueryArgs().Peek(refusedWord); len(word) > 0 {
		return a.serveRefused(r, string(word))
	}
	wishes, err := readWishes(r.QueryArgs())
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	return a.login(r, a.returnPath(r.returnTo()), wishes)
}

// Login is what LoginPath does, for handlers with a route of their own.
func (a *Engine) Login(r Request, wishes Wishes) error {
	switch {
	case r.asking().IsScript():
		return a.refuse(r, a.notByScript(a.returnPath(wishes.ReturnTo), wishes))
	case a.framedByStranger(r):
		return a.refuse(r, errFramed)
	}
	if err := wishes.check(); err != nil {
		return a.refuse(r, fault.From(err))
	}
	return a.login(r, a.returnPath(wishes.ReturnTo), wishes)
}

// notByScript refuses a script that asks for a login. It is told where to send the browser,
// for that same login: HTMX and Inertia's client do so with every link.
func (a *Engine) notByScript(returnTo string, wishes Wishes) *fault.Error {
	if wishes.check() != nil {
		wishes = Wishes{}
	}
	return fault.New(fault.Details{Reason: fault.ErrNotNavigation, ReturnTo: returnTo, Login: a.loginAddress(returnTo, wishes)})
}

// linkedPage is where a link to LoginPath returns to.
func (a *Engine) linkedPage(r Request) string {
	if r.isHTMX() && !r.QueryArgs().Has("return_to") {
		return a.htmxPage(r)
	}
	return a.returnPath(r.returnTo())
}

// login starts a login that somebody has asked for, at BaseURL's host, and not in a loop.
// Scripts and HTMX also reach a fresh login this way (ways.go). The callback checks that
// the login was as requested: Cognito may ignore the request, and an element that repeats
// it would do so endlessly.
func (a *Engine) login(r Request, returnTo string, wishes Wishes) error {
	if a.isElsewhere(r) {
		sealResponse(r)
		return r.redirect(a.atBaseURL(a.loginAddress(returnTo, wishes)), withoutForm(r))
	}
	// Its own page leads to LoginPath: the count begins again, so that the visitor can try.
	if e := a.judgeLoop(r); e != nil {
		a.cookies.clear(r, a.cookies.loginLoop)
		return a.refuse(r, e)
	}
	begun := requestLevels(wishes.Levels)
	begun.MaxAge = int64(wishes.MaxAge / time.Second)
	// prompt is a list of words (OpenID Connect Core section 3.1.2.1). Only a signed-in
	// user has an auth_time that the new login has to exceed.
	if slices.Contains(strings.Fields(wishes.Prompt), "login") {
		id := a.identifyCookie(r)
		// Reading the session may have renewed it, and no Leave follows on LoginPath.
		a.carry(r, id)
		if user := id.User; user != nil {
			fresh := requireFreshLogin(user)
			begun.Fresh, begun.Proved, begun.Whose = fresh.Fresh, fresh.Proved, fresh.Whose
		}
	}
	return a.sendToCognito(r, returnTo, wishes, begun, 0)
}

// errFramed refuses a login in a frame of another page. Frames of a sibling subdomain
// could start so many logins that the visitor's own loses its slot.
var errFramed = fault.Because(fault.ErrNotNavigation, "the login was opened in a frame; it must be opened at the top level of a window, or in a frame on one of the app's own pages")

// requireFreshLogin is an attempt in which a signed-in user has to enter their
// credentials again.
func requireFreshLogin(user *claims.Set) login.Attempt {
	return login.Attempt{Fresh: true, Proved: user.Time("auth_time").Unix(), Whose: whose(user.Sub())}
}

// whose is a subject in a few bytes, to compare: an attempt has to fit into a cookie.
// Subjects come from the pool alone, so nobody can choose two that are alike.
func whose(subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return string(sum[:9])
}

// sendToCognito begins an attempt and redirects to the authorization endpoint
// (RFC 6749 section 4.1.1, with RFC 7636 and OpenID Connect Core section
// 3.1.2.1). again counts how often this login has restarted by itself. begun holds what
// the login has to prove, and the rest of it is filled in here. State, nonce and verifier
// are 32 random bytes each, new for every login: whoever could guess one could finish
// logins of others.
func (a *Engine) sendToCognito(r Request, returnTo string, wishes Wishes, begun login.Attempt, again int) error {
	base, err := a.baseURL(r)
	if err != nil {
		return a.refuse(r, fault.From(err))
	}
	begun.Verifier, begun.Nonce = secret.Random(), secret.Random()
	// Cloned, because it may be a view into the request, and the app may keep an error
	// that holds it.
	begun.ReturnTo, begun.Base = strings.Clone(returnTo), base
	// "none" together with another word is an error by the standard, so it is no silence.
	begun.Silent = wishes.Prompt == "none"
	state, mine, err := a.attempts.Begin(begun, again)
	if err != nil {
		// A copy, because some errors are made once and shared by all requests.
		failed := *fault.From(err)
		fault.Of(&failed).ReturnTo = begun.ReturnTo // "Try again" leads there too
		return a.refuse(r, &failed)
	}
	a.cookies.set(r, a.attempts.SlotFor(&r.Request.Header), a.attempts.Value(mine), login.TicketLife)
	sealResponse(r)
	return r.redirect(pool.WithQuery(wishes.page(a.endpoints), a.authorization(wishes, begun, state)), withoutForm(r))
}

// withoutForm is the status of a redirect that begins a login. In a handler, the request may be a
// form, which must not go along.
func withoutForm(r Request) int {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return http.StatusSeeOther
	}
	return http.StatusFound
}

// authorization is the query for the authorization endpoint. Our own parameters are set
// last, so neither a link nor the config can set a parameter that protects the login.
func (a *Engine) authorization(wishes Wishes, begun login.Attempt, state string) url.Values {
	parameters := wishes.parameters()
	for name, value := range a.settings.LoginParameters { // what the link says takes precedence
		if parameters.Get(name) == "" {
			parameters.Set(name, value)
		}
	}
	for name, value := range map[string]string{
		"response_type":         "code",
		"client_id":             a.settings.ClientID,
		"redirect_uri":          begun.Base + a.settings.RedirectPath,
		"scope":                 strings.Join(a.settings.Scopes, " "),
		"state":                 state,
		"nonce":                 begun.Nonce,
		"code_challenge":        a.hooks.Challenge(begun.Verifier),
		"code_challenge_method": "S256",
		"resource":              a.settings.Resource,
	} {
		if value != "" {
			parameters.Set(name, value)
		}
	}
	return parameters
}
