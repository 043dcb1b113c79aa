package attacks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/golang-jwt/jwt/v5"
)

// The OpenID Foundation's conformance suite tests relying parties by playing a
// provider that misbehaves. These are its modules for what we are, a client of
// the code flow with PKCE, under their own names and with their own verdicts:
// a negative one passes only if the client stops, that is shows an error,
// keeps nothing and does not go on to ask for user info. Where Cognito differs
// from OpenID Connect, Cognito's form is tested.

// conformanceModule is one module of the suite.
type conformanceModule struct {
	name   string
	run    func(l *tokenLab)
	config func(*cognito.Config) // changes to the client, or nil
}

// conformanceModules has the plans "basic certification" (14 modules),
// "config" (5 more), "refresh token profile" (3), "RP-initiated logout" (3),
// "third party initiated login" (1), the modules of the comprehensive plan
// (6) and of FAPI 2 (17) that apply.
var conformanceModules = slices.Concat(basicModules, configModules, refreshModules, logoutModules, comprehensiveModules, fapiModules)

func TestConformance(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, module := range conformanceModules {
		names[module.name] = true
		t.Run(module.name, func(t *testing.T) {
			module.run(newTokenLab(t, func(c *cognito.Config) {
				c.UserInfo = true
				if module.config != nil {
					module.config(c)
				}
			}))
		})
	}
	if len(names) != 49 || len(conformanceModules) != 49 {
		t.Errorf("%d modules of %d names, want 49 of the suite's", len(conformanceModules), len(names))
	}
}

// rejects is a module whose ID token is wrong in one thing.
func rejects(tell func(*cognitotest.UnsignedToken), want error) func(*tokenLab) {
	return func(l *tokenLab) {
		l.lieAtLogin(inIDToken, lie{tell: tell, want: want})
		if calls := l.Pool.Calls(cognitotest.UserInfo); calls != 0 {
			l.Errorf("the client went on to ask %d times for user info", calls)
		}
		l.mustLogIn()
	}
}

// accepts is a module whose ID token is unusual and right.
func accepts(tell func(*cognitotest.UnsignedToken)) func(*tokenLab) {
	return func(l *tokenLab) {
		l.lieAtLogin(inIDToken, lie{tell: tell})
		l.mustLogIn()
	}
}

// acceptsAnswer is a module whose token response is unusual and right.
func acceptsAnswer(change func(map[string]any)) func(*tokenLab) {
	return func(l *tokenLab) {
		l.answerHonestly(change)
		l.mustLogIn()
	}
}

// withoutKid leaves the kid out and has one key sign both tokens.
func withoutKid(key *rsa.PrivateKey) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) {
		t.Key = key
		delete(t.Header, "kid")
	}
}

var basicModules = []conformanceModule{
	{name: "oidcc-client-test", run: func(l *tokenLab) {
		l.mustLogIn()
		for _, endpoint := range []cognitotest.Endpoint{cognitotest.Authorization, cognitotest.Token, cognitotest.UserInfo} {
			if calls := l.Pool.Calls(endpoint); calls != 1 {
				l.Errorf("the %s endpoint was called %d times, want once", endpoint, calls)
			}
		}
	}},
	{name: "oidcc-client-test-invalid-iss", run: rejects(lab.WithClaim("iss", "https://other.example.com"), cognito.ErrTokenIssuer)},
	{name: "oidcc-client-test-missing-sub", run: rejects(lab.WithoutClaim("sub"), cognito.ErrTokenSubject)},
	{name: "oidcc-client-test-invalid-aud", run: rejects(lab.WithClaim("aud", "another-client"), cognito.ErrTokenAudience)},
	{name: "oidcc-client-test-missing-iat", run: rejects(lab.WithoutClaim("iat"), cognito.ErrTokenIssuedAt)},
	{name: "oidcc-client-test-kid-absent-single-jwks", run: func(l *tokenLab) {
		key := l.Pool.SigningKey(inIDToken)
		l.publish(jwk("the-only-one", key))
		l.Pool.Tamper(withoutKid(key))
		// The pool itself would not know such a token at userInfo.
		l.spoil(cognitotest.UserInfo, cognitotest.Fault{Body: toJSON(map[string]any{"sub": l.subject()})})
		l.mustLogIn()
	}},
	{name: "oidcc-client-test-kid-absent-multiple-jwks", run: rejects(withoutHeader("kid"), cognito.ErrTokenKey)},
	{name: "oidcc-client-test-idtoken-sig-rs256", run: accepts(withHeader("alg", "RS256"))},
	{name: "oidcc-client-test-idtoken-sig-none", run: rejects(lab.Unsigned("none"), cognito.ErrTokenAlgorithm)},
	{name: "oidcc-client-test-invalid-sig-rs256", run: rejects(func(t *cognitotest.UnsignedToken) { t.Key = foreignKey() }, cognito.ErrTokenSignature)},
	{name: "oidcc-client-test-userinfo-invalid-sub", run: func(l *tokenLab) {
		l.spoil(cognitotest.UserInfo, cognitotest.Fault{Times: 1, Rewrite: func(claims map[string]any) { claims["sub"] = "another" }})
		l.mustRefuse(l.attempt(), cognito.ErrInvalidToken, cognito.ErrTokenSubject)
		l.mustLogIn()
	}},
	{name: "oidcc-client-test-nonce-invalid", run: rejects(lab.WithClaim("nonce", "another"), cognito.ErrTokenNonce)},
	{name: "oidcc-client-test-scope-userinfo-claims", config: func(c *cognito.Config) {
		c.Scopes = []string{"openid", "email", "phone", "profile"}
	}, run: func(l *tokenLab) {
		l.Pool.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Name: "Alice Liddell",
			Email: "alice@example.com", Attributes: map[string]string{"phone_number": "+441865270000"}})
		l.Pool.Tamper(func(t *cognitotest.UnsignedToken) { // only userInfo tells
			for _, name := range []string{"email", "phone_number", "name"} {
				delete(t.Claims, name)
			}
		})
		p := l.begin()
		if scope := p.Query.Get("scope"); scope != "openid email phone profile" {
			l.Errorf("the client asked for %q", scope)
		}
		me := lab.Decode(l.T, l.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{l.mustAccept(l.deliver(p))}}).Text)
		if me["email"] != "alice@example.com" || me["phone_number"] != "+441865270000" || me["name"] != "Alice Liddell" {
			l.Errorf("the user is %v", me)
		}
	}},
	{name: "oidcc-client-test-client-secret-basic", config: func(c *cognito.Config) { c.ClientSecret = "basic-secret" }, run: func(l *tokenLab) {
		l.Pool.SetClient(cognitotest.Client{ID: l.Pool.Config().ClientID, Secret: "basic-secret"})
		l.mustLogIn()
		sent := l.Pool.Requests(cognitotest.Token)[0]
		if id, secret, ok := lab.BasicAuth(sent.Header); !ok || id != l.Pool.Config().ClientID || secret != "basic-secret" || sent.Form.Has("client_secret") {
			l.Errorf("the client authenticated as %q in %v", id, sent.Form)
		}
	}},
}

// The endpoints follow from the pool's domain and issuer, so the app can start
// while Cognito is down, and discovery is never asked. What is tested is that
// they are the ones that discovery would have named.
var configModules = []conformanceModule{
	{name: "oidcc-client-test-discovery-openid-config", run: func(l *tokenLab) {
		l.mustLogIn()
		published := l.discovery()
		authorize := l.Send(lab.Request{Path: "/login"}).Target()
		authorize.RawQuery = ""
		if authorize.String() != published["authorization_endpoint"] || l.Pool.Config().Issuer != published["issuer"] {
			l.Errorf("logins begin at %s, published is %s", authorize, published["authorization_endpoint"])
		}
		l.mustHaveCalled(cognitotest.Token, published["token_endpoint"])
		l.mustHaveCalled(cognitotest.UserInfo, published["userinfo_endpoint"])
	}},
	{name: "oidcc-client-test-discovery-jwks-uri-keys", run: func(l *tokenLab) {
		l.mustLogIn()
		l.mustHaveCalled(cognitotest.JWKS, l.discovery()["jwks_uri"])
	}},
	{name: "oidcc-client-test-discovery-issuer-mismatch", config: func(c *cognito.Config) {
		// The same server by another name: the keys are there, the tokens
		// are of another issuer.
		c.Issuer = strings.Replace(c.Issuer, "127.0.0.1", "localhost", 1)
	}, run: func(l *tokenLab) {
		l.mustRefuse(l.attempt(), cognito.ErrInvalidToken, cognito.ErrTokenIssuer)
		newTokenLabWith(l.T, l.Pool).mustLogIn()
	}},
	{name: "oidcc-client-test-signing-key-rotation-just-before-signing", run: func(l *tokenLab) {
		l.mustLogIn()
		p := l.begin()
		l.Pool.RotateKeys()
		l.mustAccept(l.deliver(p))
	}},
	{name: "oidcc-client-test-signing-key-rotation", run: func(l *tokenLab) {
		l.mustLogIn()
		l.Pool.RotateKeys()
		l.Pool.DropOldKeys()
		l.mustLogIn()
	}},
}

// discovery is what the pool publishes of itself.
func (l *tokenLab) discovery() map[string]any {
	l.Helper()
	if calls := l.Pool.Calls(cognitotest.Discovery); calls != 0 {
		l.Errorf("discovery was asked %d times", calls)
	}
	res, err := lab.PlainClient.Get(l.Pool.Issuer() + "/.well-known/openid-configuration")
	if err != nil {
		l.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var document map[string]any
	if err := json.NewDecoder(res.Body).Decode(&document); err != nil {
		l.Fatal(err)
	}
	return document
}

// mustHaveCalled wants an address to be that of an endpoint which was called
// once: calling it now makes two.
func (l *tokenLab) mustHaveCalled(endpoint cognitotest.Endpoint, address any) {
	l.Helper()
	before := l.Pool.Calls(endpoint)
	res, err := lab.PlainClient.Get(address.(string))
	if err != nil {
		l.Fatal(err)
	}
	_ = res.Body.Close()
	if after := l.Pool.Calls(endpoint); before != 1 || after != 2 {
		l.Errorf("the %s endpoint was called %d times, and %d times after a call to %s", endpoint, before, after, address)
	}
}

// subject is alice's sub, as it stands in her tokens.
func (l *tokenLab) subject() string {
	l.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(l.Pool.AccessToken("", "alice", nil), claims); err != nil {
		l.Fatal(err)
	}
	return claims["sub"].(string)
}

var refreshModules = []conformanceModule{
	{name: "oidcc-client-test-refresh-token", run: func(l *tokenLab) {
		cookie := l.mustAccept(l.attempt())
		first := l.issued.get("access_token")
		l.Pool.Advance(61 * time.Minute)
		second := l.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{cookie}}).Text
		if second == first || second != l.issued.get("access_token") {
			l.Errorf("an hour later the access token is %.20s…", second)
		}
		sent := l.Pool.Requests(cognitotest.Token)
		if grant := sent[len(sent)-1].Form.Get("grant_type"); len(sent) != 2 || grant != "refresh_token" {
			l.Errorf("of %d token requests the last one was for %q", len(sent), grant)
		}
	}},
	{name: "oidcc-client-test-refresh-token-invalid-issuer", run: endsAtRefresh(lab.WithClaim("iss", "https://other.example.com"))},
	{name: "oidcc-client-test-refresh-token-invalid-sub", run: endsAtRefresh(lab.WithClaim("sub", "another"))},
}

// endsAtRefresh is a module whose renewed ID token is wrong in one thing: the
// session is over and its refresh token of no use to anybody.
func endsAtRefresh(tell func(*cognitotest.UnsignedToken)) func(*tokenLab) {
	return func(l *tokenLab) {
		cookie := l.mustAccept(l.attempt())
		refresh := l.issued.get("refresh_token")
		l.Pool.Tamper(func(t *cognitotest.UnsignedToken) {
			if t.Use == inIDToken && t.Grant == "refresh_token" {
				tell(t)
			}
		})
		l.Pool.Advance(61 * time.Minute)
		for range 2 {
			res := l.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}})
			if res.StatusCode != http.StatusUnauthorized {
				l.Errorf("after a wrong renewal /me answers %s", lab.StatusLine(res))
			}
		}
		l.mustRevoke(refresh)
		l.Pool.Tamper(nil)
		l.mustLogIn()
	}
}

var logoutModules = []conformanceModule{
	{name: "oidcc-client-test-rp-init-logout", run: func(l *tokenLab) {
		cookie := l.mustAccept(l.attempt())
		res := l.Send(lab.Request{Method: http.MethodPost, Path: "/logout", Cookies: []*http.Cookie{cookie}})
		query := res.Target().Query()
		if res.StatusCode != http.StatusSeeOther || !strings.HasPrefix(res.Target().String(), l.Pool.URL()+"/logout?") {
			l.Errorf("logging out answers %d to %s", res.StatusCode, res.Target())
		}
		if len(query) != 2 || query.Get("client_id") != l.Pool.Config().ClientID || query.Get("logout_uri") != l.URL+"/" {
			l.Errorf("the pool is told %v", query)
		}
		if me := l.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}}); me.StatusCode != http.StatusUnauthorized {
			l.Errorf("the old cookie is still good: %s", lab.StatusLine(me))
		}
		l.forget()
		l.mustLogIn()
	}},
	{name: "oidcc-client-test-rp-init-logout-other-state", run: returnsWith("?state=of-nobody")},
	{name: "oidcc-client-test-rp-init-logout-no-state", run: returnsWith("")},
	{name: "oidcc-client-test-3rd-party-init-login", run: func(l *tokenLab) {
		l.heard.take()
		p := l.begin("iss="+url.QueryEscape(l.Pool.Issuer()), "login_hint=alice", "target_link_uri=https%3A%2F%2Fevil.example")
		if p.Query.Get("login_hint") != "alice" || p.Query.Has("target_link_uri") || p.Query.Has("iss") {
			l.Errorf("the authorization request is %v", p.Query)
		}
		l.mustAccept(l.deliver(p)) // which leads home, and not to evil
	}},
}

// returnsWith is a module in which the provider sends the visitor back after a
// logout, with a state that nobody asked for.
func returnsWith(query string) func(*tokenLab) {
	return func(l *tokenLab) {
		v := l.Visitor()
		v.LogIn()
		v.Post(l.URL+"/logout", nil)
		page := v.Get(l.URL + "/" + query)
		if page.Status != http.StatusOK || page.Body != "hello stranger" || len(page.Cookies) != 0 {
			l.Errorf("the visitor comes back to %d %q with cookies %v", page.Status, page.Body, page.Cookies)
		}
		v.LogIn()
	}
}

var comprehensiveModules = []conformanceModule{
	{name: "oidcc-client-test-missing-aud", run: rejects(lab.WithoutClaim("aud"), cognito.ErrTokenAudience)},
	{name: "oidcc-client-test-invalid-athash", run: rejects(lab.WithClaim("at_hash", "AAAAAAAAAAAAAAAAAAAAAA"), cognito.ErrTokenHash)},
	{name: "oidcc-client-test-invalid-sig-hs256", run: rejects(signedWith(jwt.SigningMethodHS256, func(*rsa.PrivateKey) any { return []byte("secret") }), cognito.ErrTokenAlgorithm)},
	{name: "oidcc-client-test-invalid-sig-es256", run: func(l *tokenLab) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			l.Fatal(err)
		}
		rejects(signedWith(jwt.SigningMethodES256, func(*rsa.PrivateKey) any { return key }), cognito.ErrTokenAlgorithm)(l)
	}},
	{name: "oidcc-client-test-userinfo-bearer-header", run: func(l *tokenLab) {
		l.mustLogIn()
		sent := l.Pool.Requests(cognitotest.UserInfo)
		if len(sent) != 1 || sent[0].Header.Get("Authorization") != "Bearer "+l.issued.get("access_token") {
			l.Fatalf("%d requests for user info, and not with the token in the header", len(sent))
		}
		if len(sent[0].Query) != 0 || len(sent[0].Form) != 0 || sent[0].Method != http.MethodGet {
			l.Errorf("the request for user info is a %s with %v and %v", sent[0].Method, sent[0].Query, sent[0].Form)
		}
	}},
	{name: "oidcc-client-test-form-post-error", run: func(l *tokenLab) {
		l.Pool.FailNextLogin("invalid_request", "<script>alert(1)</script>")
		res := l.attempt()
		l.mustRefuse(res, cognito.ErrProvider, cognito.ErrProvider)
		if strings.Contains(res.Text, "script>") {
			l.Error("the page repeats what the query says")
		}
		if calls := l.Pool.Calls(cognitotest.Token); calls != 0 {
			l.Errorf("an error caused %d token requests", calls)
		}
		// Cognito answers in the query alone, so a form is not its answer.
		p := l.begin()
		posted := l.Send(lab.Request{Method: http.MethodPost, Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}})
		if posted.StatusCode != http.StatusMethodNotAllowed {
			l.Errorf("a form that is posted to the callback is answered %s", lab.StatusLine(posted))
		}
		l.mustAccept(l.deliver(p))
	}},
}

// The names of FAPI 2's modules.
const fapi = "fapi2-security-profile-final-client-test-"

var fapiModules = []conformanceModule{
	{name: fapi + "ensure-authorization-response-with-invalid-state-fails", run: func(l *tokenLab) {
		l.turnsAway(cognito.ErrStateMismatch, func(query url.Values) { query.Set("state", strings.Repeat("A", 43)) })
	}},
	{name: fapi + "ensure-authorization-response-with-invalid-missing-state-fails", run: func(l *tokenLab) {
		l.turnsAway(cognito.ErrStateMismatch, func(query url.Values) { query.Del("state") })
	}},
	{name: fapi + "invalid-authorization-response-iss", run: func(l *tokenLab) {
		l.turnsAway(cognito.ErrBadCallback, func(query url.Values) { query.Set("iss", "https://other.example.com") })
	}},
	{name: fapi + "invalid-iss", run: rejects(lab.WithClaim("iss", "https://other.example.com/us-east-1_TestPool1"), cognito.ErrTokenIssuer)},
	{name: fapi + "invalid-aud", run: rejects(lab.WithClaim("aud", "another-client"), cognito.ErrTokenAudience)},
	{name: fapi + "invalid-secondary-aud", run: rejects(func(t *cognitotest.UnsignedToken) {
		t.Claims["aud"] = []any{t.Claims["aud"], "another-client"}
	}, cognito.ErrTokenAudience)},
	{name: fapi + "invalid-missing-aud", run: rejects(lab.WithoutClaim("aud"), cognito.ErrTokenAudience)},
	{name: fapi + "invalid-missing-exp", run: rejects(lab.WithoutClaim("exp"), cognito.ErrTokenExpired)},
	{name: fapi + "invalid-missing-iss", run: rejects(lab.WithoutClaim("iss"), cognito.ErrTokenIssuer)},
	{name: fapi + "invalid-expired-exp", run: rejects(func(t *cognitotest.UnsignedToken) {
		t.Claims["exp"] = t.Claims["iat"].(int64) - 300
	}, cognito.ErrTokenExpired)},
	{name: fapi + "invalid-nonce", run: rejects(lab.WithClaim("nonce", "another"), cognito.ErrTokenNonce)},
	{name: fapi + "invalid-missing-nonce", run: rejects(lab.WithoutClaim("nonce"), cognito.ErrTokenNonce)},
	{name: fapi + "invalid-null-alg", run: rejects(lab.Unsigned(json.RawMessage("null")), cognito.ErrTokenAlgorithm)},
	{name: fapi + "invalid-alternate-alg", run: rejects(signedWith(jwt.SigningMethodPS256, func(key *rsa.PrivateKey) any { return key }), cognito.ErrTokenAlgorithm)},
	{name: fapi + "valid-aud-as-array", run: accepts(func(t *cognitotest.UnsignedToken) { t.Claims["aud"] = []any{t.Claims["aud"]} })},
	{name: fapi + "token-type-case-insensitivity", run: acceptsAnswer(func(answer map[string]any) { answer["token_type"] = "bEARER" })},
	{name: fapi + "token-endpoint-response-without-expires_in", run: acceptsAnswer(func(answer map[string]any) { delete(answer, "expires_in") })},
}

// turnsAway is a module whose answer at the callback is wrong in one thing. The
// code is not spent, and the right answer still signs the visitor in.
func (l *tokenLab) turnsAway(reason error, change func(url.Values)) {
	l.Helper()
	honest := l.begin()
	forged := *honest
	path, raw, _ := strings.Cut(honest.Callback, "?")
	query, err := url.ParseQuery(raw)
	if err != nil {
		l.Fatal(err)
	}
	change(query)
	forged.Callback = path + "?" + query.Encode()
	l.heard.take()
	res := l.deliver(&forged)
	if reason == cognito.ErrStateMismatch {
		// This browser was about to log in, so it begins once more, at the pool and
		// with a state of its own.
		if !leadsToCognito(l.Site, res) || res.Target().Query().Get("state") == query.Get("state") {
			l.Errorf("the callback answered %s to %q, want another login", lab.StatusLine(res), res.Header.Get("Location"))
		}
	} else {
		l.mustExplain(res, reason, reason)
	}
	if cookie := res.Cookie(lab.IsSessionCookie); cookie != nil || l.Pool.Calls(cognitotest.Token) != 0 {
		l.Errorf("the client went on: cookie %v, %d token requests", cookie, l.Pool.Calls(cognitotest.Token))
	}
	l.mustAccept(l.deliver(honest))
}
