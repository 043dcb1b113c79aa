package userpool

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The first leg of a login. A visitor arrives here from the application, with its
// parameters in the query. They leave with a code if the pool remembers them, for the
// login page if it does not, and with an error if the application requested something
// that it is not allowed.

// refusal is why a request gets no code. It goes back to the application, or
// onto a page of the pool's own when the application cannot be trusted to be
// the one that asked.
type refusal struct {
	// onPage keeps the visitor here. Sending an error to a URI that nobody
	// registered would make the pool an open redirect.
	onPage bool
	// code and description become error and error_description; a page is chosen by
	// its code alone.
	code, description string
}

// authorization is a request to /oauth2/authorize that has been read.
type authorization struct {
	client      Client
	redirectURI string // as sent, and as registered: the two are equal
	state       string // goes back with every answer
	nonce       string // goes into the ID token; see letIn for one of the pool's own
	challenge   string // of PKCE; "" when the application chose to do without
	resource    string // becomes the access token's aud
	loginHint   string // fills in the username
	provider    string // identity_provider: where to sign in, or ""
	identifier  string // idp_identifier: the same by another name
	classic     bool   // a pool that knows no max_age
	implicit    bool   // tokens instead of a code, in the fragment

	scopes []string
	prompt []string
	maxAge time.Duration // of the session; negative: any
	levels []string      // of acr_values
}

// serveAuthorize decides between a code, the login page and an error.
func (p *Pool) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	request, refused := p.readAuthorization(r.URL.Query())
	if refused != nil {
		p.refuse(w, r, request, refused)
		return
	}
	if p.cannotCarry(request) {
		noStore(w)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	provider, chosen := p.chosenProvider(request)
	session, known := p.session(r)
	// Asking for the password again is not a sign-out: the session stays, and a
	// visitor who turns back is still signed in for other applications.
	tooOld := request.maxAge >= 0 && p.Now().Sub(session.authTime) > request.maxAge
	known = known && !tooOld && p.isHighEnough(session, request) && !slices.Contains(request.prompt, "login")
	switch {
	case known:
		redirectBack(w, r, request, p.grantTo(request, session))
	case slices.Contains(request.prompt, "none"):
		p.refuse(w, r, request, &refusal{code: "login_required"})
	case chosen && provider != "":
		p.toProvider(w, r, request, provider)
	default:
		noStore(w)
		// A path, not a URL: cookies belong to the host name by which the
		// visitor has come, be it localhost or 127.0.0.1.
		http.Redirect(w, r, "/login?"+r.URL.RawQuery, http.StatusFound)
	}
}

// readAuthorization reads and checks the parameters. Client and redirect URI
// come first, because until both are known to belong together nothing may be
// sent to that URI.
func (p *Pool) readAuthorization(q url.Values) (authorization, *refusal) {
	a := parseAuthorization(q)
	// The classic hosted UI knows neither prompt nor resource.
	if p.classic {
		a.resource = ""
	} else {
		a.prompt = strings.Fields(q.Get("prompt"))
		if p.levels {
			a.levels = strings.Fields(q.Get("acr_values"))
		}
	}
	if q.Get("client_id") == "" || a.redirectURI == "" {
		return a, &refusal{onPage: true, code: parametersMissing}
	}
	client, ok := p.client(q.Get("client_id"))
	if !ok {
		return a, &refusal{onPage: true, code: unknownClient}
	}
	if !slices.Contains(client.CallbackURLs, a.redirectURI) {
		return a, &refusal{onPage: true, code: redirectMismatch}
	}
	a.client, a.classic = client, p.classic
	// No scope means all of them, custom ones included.
	if len(a.scopes) == 0 {
		a.scopes = client.Scopes
	}
	return a, a.check(q)
}

// parseAuthorization reads the parameters without checking them.
func parseAuthorization(q url.Values) authorization {
	return authorization{
		redirectURI: q.Get("redirect_uri"),
		state:       q.Get("state"),
		nonce:       q.Get("nonce"),
		challenge:   q.Get("code_challenge"),
		resource:    q.Get("resource"),
		loginHint:   q.Get("login_hint"),
		provider:    q.Get("identity_provider"),
		identifier:  q.Get("idp_identifier"),
		implicit:    q.Get("response_type") == "token",
		scopes:      strings.Fields(q.Get("scope")),
		maxAge:      -1,
	}
}

// challengePattern is a base64url SHA-256 digest without padding (RFC 7636 §4.2).
var challengePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// check finds the errors that are reported to the redirect URI.
func (a *authorization) check(q url.Values) *refusal {
	switch q.Get("response_type") {
	case "code":
		if !slices.Contains(a.client.Grants, grantCode) {
			return &refusal{code: "unauthorized_client"}
		}
	case "token":
		if !slices.Contains(a.client.Grants, grantImplicit) {
			return &refusal{code: "unauthorized_client"}
		}
	default:
		return &refusal{code: "invalid_request"}
	}
	// PKCE is optional, for public clients too. But half of it, or the method
	// "plain", is an error: falling back to no protection would go unnoticed.
	if a.challenge != "" || q.Has("code_challenge_method") {
		if q.Get("code_challenge_method") != "S256" || !challengePattern.MatchString(a.challenge) {
			return &refusal{code: "invalid_request"}
		}
	}
	// Documented as ignored in one place and as an error in two; the error is
	// the one that an application notices.
	if !validScopes(a.scopes, a.client.Scopes) {
		return &refusal{code: "invalid_scope"}
	}
	if a.resource != "" && !validResource(a.resource) {
		return &refusal{code: "invalid_request"}
	}
	if q.Has("max_age") && !a.classic {
		seconds, err := strconv.ParseUint(q.Get("max_age"), 10, 31)
		if err != nil {
			return &refusal{code: "invalid_request"}
		}
		a.maxAge = time.Duration(seconds) * time.Second
	}
	return nil
}

// validScopes reports whether all scopes are allowed to the client. Those that
// open attributes are only valid beside openid.
func validScopes(asked, allowed []string) bool {
	for _, scope := range asked {
		needsOpenID := scope == "email" || scope == "phone" || scope == "profile"
		if !slices.Contains(allowed, scope) || needsOpenID && !slices.Contains(asked, "openid") {
			return false
		}
	}
	return true
}

// validResource reports whether a resource has one of the forms Cognito takes:
// https, http on localhost, or a custom scheme.
func validResource(resource string) bool {
	u, err := url.Parse(resource)
	return err == nil && u.IsAbs() && (u.Scheme != "http" || u.Hostname() == "localhost")
}

// refuse delivers a refusal to where it belongs. The documentation shows state
// only with login_required, but applications report it with the other errors
// too; an application must live with both, and needs it to find its attempt.
func (p *Pool) refuse(w http.ResponseWriter, r *http.Request, a authorization, why *refusal) {
	if why.onPage {
		toErrorPage(w, r, why.code)
		return
	}
	answer := url.Values{"error": {why.code}}
	if why.description != "" {
		answer.Set("error_description", why.description)
	}
	if p.errorsWithoutState && why.code != "login_required" {
		a.state = ""
	}
	redirectBack(w, r, a, answer)
}

// redirectBack sends the visitor to the application with an answer.
func redirectBack(w http.ResponseWriter, r *http.Request, a authorization, answer url.Values) {
	noStore(w)
	http.Redirect(w, r, a.location(answer), http.StatusFound)
}

// location is the redirect URI with an answer and the state. A query that the
// URI was registered with is kept as it is.
func (a authorization) location(answer url.Values) string {
	if a.state != "" {
		answer.Set("state", a.state)
	}
	separator := "?"
	if a.implicit {
		// Which no server sees.
		return a.redirectURI + "#" + answer.Encode()
	}
	if strings.Contains(a.redirectURI, "?") {
		separator = "&"
	}
	return a.redirectURI + separator + answer.Encode()
}

// noStore keeps codes and errors out of caches.
func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate")
}
