package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/bar-tech/cognito/internal/pool"
)

// answer is what the pool says, without following where it leads. Either err is set, or the
// first fields are.
type answer struct {
	status   int
	header   http.Header
	location *url.URL // or nil
	body     string
	err      error
}

// longestBody is enough of a page to know it by.
const longestBody = 256 << 10

// send needs no place in a lane of the client's: there is one round of questions at a
// time, and each asks one thing after another.
func send(app App, request *http.Request) answer {
	status, header, body, err := app.Client.Do(request, longestBody)
	// Of a page that is too long, the beginning is enough.
	if err != nil && !errors.Is(err, pool.ErrTooLong) {
		return answer{err: err}
	}
	got := answer{status: status, header: header, body: string(body)}
	if to, err := request.URL.Parse(header.Get("Location")); err == nil && header.Get("Location") != "" {
		got.location = to
	}
	return got
}

func get(ctx context.Context, app App, address string) answer {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{err: err}
	}
	request.Header.Set("Accept", "text/html,application/json")
	return send(app, request)
}

// askDomain asks whether anybody is there at all. Any answer will do, also a refusal.
func askDomain(ctx context.Context, app App) []Finding {
	got := get(ctx, app, app.Endpoints.Authorize)
	if got.err == nil && wantsTLS(got) {
		got.err = errWantsTLS
	}
	if got.err != nil {
		return []Finding{domainUnreachable(app.Endpoints.Origin, got.err)}
	}
	return nil
}

var errWantsTLS = errors.New("the server there responds to https only")

// wantsTLS reports whether a server was asked without the TLS that it speaks. Those of Go and
// nginx say so in a page; every later answer would be the same, and look like another mistake.
func wantsTLS(got answer) bool {
	return got.status == http.StatusBadRequest && strings.Contains(got.body, "HTTP request") && strings.Contains(got.body, "HTTPS")
}

// authorize is the address at which a login of the app begins, with a prompt or without.
func (app App) authorize(prompt string) string {
	parameters := url.Values{
		"response_type": {"code"}, "client_id": {app.ClientID}, "redirect_uri": {app.RedirectURI}, "scope": {strings.Join(app.Scopes, " ")},
		"state": {"doctor"}, "code_challenge": {app.Challenge}, "code_challenge_method": {"S256"},
	}
	if prompt != "" {
		parameters.Set("prompt", prompt)
	}
	if app.Resource != "" {
		parameters.Set("resource", app.Resource)
	}
	return pool.WithQuery(app.Endpoints.Authorize, parameters)
}

// askAuthorize begins a login that asks for no page (prompt=none): managed login answers
// at the callback, and the classic hosted UI, which knows no prompt, with its page.
func askAuthorize(ctx context.Context, app App) []Finding {
	if app.RedirectURI == "" {
		return nil
	}
	got := get(ctx, app, app.authorize("none"))
	if found := judgeAuthorize(app, got); found != nil {
		return found
	}
	return judgePage(app, get(ctx, app, app.loginPage()))
}

// loginPage is the page that a visitor would see. authorize leads there with the same
// parameters, in a redirect that the client does not follow.
func (app App) loginPage() string {
	return strings.Replace(app.authorize(""), app.Endpoints.Authorize, app.Endpoints.Origin+"/login", 1)
}

// askLogout opens the address that a sign-out leads to. Nobody is signed in here, so
// nothing ends.
func askLogout(ctx context.Context, app App) []Finding {
	if app.LogoutURI == "" {
		return nil
	}
	return judgeLogout(app, get(ctx, app, pool.WithQuery(app.Endpoints.Logout, url.Values{
		"client_id": {app.ClientID}, "logout_uri": {app.LogoutURI},
	})))
}

// askToken redeems a code that nobody was given: what comes back is of the client and
// not of the code. If the client is refused it is asked once more the other way round, to
// tell a wrong secret from one too many. The secret goes to the domain in app: whoever asks
// about a domain that they have only been told leaves it out.
func askToken(ctx context.Context, app App) []Finding {
	got := redeem(ctx, app, app.ClientSecret.Reveal())
	found := judgeToken(app, got, func() answer { return redeem(ctx, app, "") })
	return append(found, judgeClock(app, got)...)
}

// redeem sends a code that looks like one of Cognito's, and a verifier of the shortest length
// that is allowed (RFC 7636 section 4.1), so that nothing is wrong but the code itself. With
// an empty secret it asks as a public client.
func redeem(ctx context.Context, app App, secret string) answer {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {"00000000-0000-0000-0000-000000000000"},
		"redirect_uri": {cmp.Or(app.RedirectURI, "http://localhost/")}, "client_id": {app.ClientID}, "code_verifier": {strings.Repeat("0", 43)},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, app.Endpoints.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return answer{err: err}
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret != "" {
		request.SetBasicAuth(app.ClientID, secret)
	}
	return send(app, request)
}

// askIssuer reads what the pool calls itself, and its keys, at the first address that has
// them: it is normal that the others do not respond.
func askIssuer(ctx context.Context, app App) []Finding {
	var failed error
	// The discovery document stands beside the keys, below the issuer (OpenID Connect
	// Discovery section 4).
	for _, keys := range app.Issuers.KeyAddresses() {
		home := strings.TrimSuffix(keys, "/.well-known/jwks.json")
		got := get(ctx, app, home+"/.well-known/openid-configuration")
		if got.err != nil {
			failed = cause(got.err)
			continue
		}
		if got.status != http.StatusOK {
			failed = fmt.Errorf("%s responds with status %d", home, got.status)
			continue
		}
		if found := judgeDiscovery(app, got); len(found) > 0 {
			return found
		}
		return append(judgeDomain(app, got), judgeKeys(app, keys, get(ctx, app, keys))...)
	}
	return []Finding{issuerUnreachable(app, failed)}
}

// member reads one text of a JSON object, or "" from anything else, such as a page.
func member(body, name string) string {
	var object map[string]any
	if json.Unmarshal([]byte(body), &object) != nil {
		return ""
	}
	text, _ := object[name].(string)
	return text
}
