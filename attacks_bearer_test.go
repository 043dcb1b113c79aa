package cognito_test

import (
	"bufio"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"
)

// Bearer tokens come from strangers, with every request, in a header that
// proxies, caches and other middleware read too. These are the attacks on
// them; what a token itself may say is attacked in attacks_token_test.go and
// attacks_keys_test.go.

// takesBearer lets an app accept bearer tokens.
func takesBearer(c *cognito.Config) { c.Bearer = true }

// serveAPI is an app for programs: who is there, as the handler sees it, on
// routes with and without guards.
func serveAPI(t *testing.T, hooks ...func(*cognito.Config)) *site {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return serveAPIWith(t, pool, hooks...)
}

func serveAPIWith(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) *site {
	t.Helper()
	return serveAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		app.All("/who", tellWho)
		app.All("/me", cognito.RequireUser(), tellWho)
		app.All("/read", cognito.RequireScope("api/read"), tellWho)
		app.All("/write", auth.RequireScope("api/read", "api/write"), tellWho)
		app.All("/admin", cognito.RequireGroup("admin"), tellWho)
		app.All("/fresh", auth.RequireFreshLogin(10*time.Minute), tellWho)
	}, append([]func(*cognito.Config){takesBearer}, hooks...)...)
}

// tellWho answers with the username, the scopes, and why there is nobody.
func tellWho(c *fiber.Ctx) error {
	who := fiber.Map{"user": nil, "scope": nil}
	if user := cognito.UserFrom(c); user != nil {
		who["user"] = user.Username()
	}
	if payload := cognito.PayloadFrom(c); payload != nil {
		who["scope"] = strings.Join(payload.Scopes(), " ")
	}
	if err := cognito.Err(c); err != nil {
		who["err"] = err.Error()
	}
	return c.JSON(who)
}

// bring sends a request with a bearer token.
func (s *site) bring(path, token string, cookies ...*http.Cookie) *response {
	s.Helper()
	return s.send(request{path: path, cookies: cookies, header: map[string]string{"Authorization": "Bearer " + token}})
}

// mustAdmit wants a token to be taken for a user's.
func (s *site) mustAdmit(user, token string) {
	s.Helper()
	res := s.bring("/me", token)
	if res.StatusCode != http.StatusOK || decode(s.T, res.body)["user"] != user {
		s.Errorf("the token of %s got %s", user, statusLine(res))
	}
}

// mustChallenge wants a refusal as RFC 6750 has it, and nothing that would
// lead a program astray: no redirect and no cookie.
func (s *site) mustChallenge(res *response, status int, challenge string) {
	s.Helper()
	if got := res.Header.Values("WWW-Authenticate"); res.StatusCode != status || !slices.Equal(got, []string{challenge}) {
		s.Errorf("%d with challenge %q, want %d with %q", res.StatusCode, got, status, challenge)
	}
	if res.Header.Get("Location") != "" || len(res.Cookies()) != 0 {
		s.Errorf("sent to %q with cookies %v", res.Header.Get("Location"), res.Cookies())
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		s.Errorf("Cache-Control is %q, want no-store", got)
	}
}

const (
	noToken      = `Bearer`
	badRequest   = `Bearer error="invalid_request"`
	invalidToken = `Bearer error="invalid_token"`
)

// asPage are the headers of a person who opens a page.
var asPage = map[string]string{"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}

// asPageWith adds headers to asPage.
func asPageWith(more map[string]string) map[string]string {
	all := maps.Clone(asPage)
	maps.Copy(all, more)
	return all
}

// TestBearerTokenIsAVisit is what Bearer promises: the same user and payload
// as behind a cookie, by every accessor, and answers that no cache may give to
// somebody else.
func TestBearerTokenIsAVisit(t *testing.T) {
	var auth *cognito.Auth
	s := serveApp(t, func(app *fiber.App, a *cognito.Auth) {
		auth = a
		app.Get("/locals", func(c *fiber.Ctx) error {
			user, payload := cognito.UserFrom(c), cognito.PayloadFrom(c)
			if c.Locals("user") != any(user) || c.Locals("payload") != any(payload) || auth.UserFrom(c) != user || auth.PayloadFrom(c) != payload {
				return fiber.NewError(http.StatusTeapot, "the accessors disagree")
			}
			return c.JSON(fiber.Map{"user": user, "payload": payload})
		})
	}, takesBearer)
	token := s.pool.AccessToken("", "alice", nil)
	res := s.bring("/locals", token)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %s", statusLine(res))
	}
	if got := res.Header.Get("Vary"); got != "Authorization" {
		t.Errorf("Vary is %q, want Authorization", got)
	}
	// What a cache keeps for strangers is not for those who bring a token.
	if got := s.send(request{path: "/locals"}).Header.Get("Vary"); got != "Cookie, Authorization" {
		t.Errorf("for a stranger Vary is %q, want Cookie, Authorization", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if len(res.Cookies()) != 0 {
		t.Errorf("cookies were set: %v", res.Cookies())
	}
	var brought struct{ User, Payload map[string]any }
	if err := json.Unmarshal([]byte(res.body), &brought); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(slices.Sorted(maps.Keys(brought.User))); got != "[auth_time cognito:groups sub username]" {
		t.Errorf("the user has the claims %s", got)
	}
	verified, err := s.auth.VerifyAccessToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := json.Marshal(verified); toJSON(brought.Payload) != toJSON(decode(t, string(want))) {
		t.Errorf("the payload is %s, want %s", toJSON(brought.Payload), want)
	}

	v := s.visitor()
	v.Login(s.url+"/login", "alice", passwordOf("alice"))
	var signedIn struct{ User map[string]any }
	if err := json.Unmarshal([]byte(v.Get(s.url+"/locals").Body), &signedIn); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sub", "cognito:groups"} {
		if toJSON(brought.User[name]) != toJSON(signedIn.User[name]) {
			t.Errorf("%s is %v by token and %v by cookie", name, brought.User[name], signedIn.User[name])
		}
	}
}

// TestBearerAccessToken proves that a handler can pass the caller's own token
// on to other APIs, but never one that has expired, even while the leeway of
// verification still lets its owner in.
func TestBearerAccessToken(t *testing.T) {
	s := serve(t, takesBearer)
	token := s.pool.AccessToken("", "alice", nil)
	if res := s.bring("/token", token); res.body != token {
		t.Errorf("AccessToken gave %s, want the token that was brought", statusLine(res))
	}
	expired := s.pool.AccessToken("", "alice", map[string]any{"exp": s.pool.Now().Unix() - 10})
	if res := s.bring("/me", expired); res.StatusCode != http.StatusOK {
		t.Errorf("within the leeway: %s", statusLine(res))
	}
	if res := s.bring("/token", expired); res.StatusCode != http.StatusTeapot || strings.Contains(res.body, expired) {
		t.Errorf("AccessToken gave an expired token: %d", res.StatusCode)
	}
}

// bearerForgeries are tokens that no API of this client may accept, rows H1
// and C1 to C4. Every one but the first few is signed with the pool's own key.
var bearerForgeries = []struct {
	name string
	tell func(*cognitotest.UnsignedToken)
	want error
}{
	{"signed by a stranger", func(t *cognitotest.UnsignedToken) { t.Key = foreignKey() }, cognito.ErrTokenSignature},
	{"no signature", inSegment(2, func(string) string { return "" }), cognito.ErrTokenSignature},
	{"other tail bits", inSegment(2, otherTailBits), cognito.ErrTokenMalformed},
	{"unknown key", withHeader("kid", "unknown"), cognito.ErrTokenKey},
	{"no key named", withoutHeader("kid"), cognito.ErrTokenKey},
	{"alg none", unsigned("none"), cognito.ErrTokenAlgorithm},
	{"alg NONE", unsigned("NONE"), cognito.ErrTokenAlgorithm},
	{"alg HS256 with the public key", signedWith(jwt.SigningMethodHS256, publicBytes), cognito.ErrTokenAlgorithm},
	{"alg RS384", signedWith(jwt.SigningMethodRS384, ownKey), cognito.ErrTokenAlgorithm},
	{"alg PS256", signedWith(jwt.SigningMethodPS256, ownKey), cognito.ErrTokenAlgorithm},
	{"ID token", func(t *cognitotest.UnsignedToken) { t.Claims["token_use"] = "id" }, cognito.ErrTokenUse},
	{"no token_use", withoutClaim("token_use"), cognito.ErrTokenUse},
	{"another client's", withClaim("client_id", "another"), cognito.ErrTokenClient},
	{"no client", withoutClaim("client_id"), cognito.ErrTokenClient},
	{"clients in a list", func(t *cognitotest.UnsignedToken) { t.Claims["client_id"] = []any{t.Claims["client_id"]} }, cognito.ErrTokenClient},
	{"another pool's", func(t *cognitotest.UnsignedToken) { t.Claims["iss"] = t.Claims["iss"].(string) + "2" }, cognito.ErrTokenIssuer},
	{"no issuer", withoutClaim("iss"), cognito.ErrTokenIssuer},
	{"expired", func(t *cognitotest.UnsignedToken) { t.Claims["exp"] = t.Claims["iat"].(int64) - 61 }, cognito.ErrTokenExpired},
	{"never expires", withoutClaim("exp"), cognito.ErrTokenExpired},
	{"expires as a string", withClaim("exp", "9999999999"), cognito.ErrTokenExpired},
	{"no iat", withoutClaim("iat"), cognito.ErrTokenIssuedAt},
	{"not yet", func(t *cognitotest.UnsignedToken) { t.Claims["nbf"] = t.Claims["iat"].(int64) + 300 }, cognito.ErrTokenNotYet},
	{"no subject", withoutClaim("sub"), cognito.ErrTokenSubject},
	{"empty subject", withClaim("sub", ""), cognito.ErrTokenSubject},
	{"claims in a list", signedRaw(`[{"sub":"alice"}]`), cognito.ErrTokenMalformed},
	{"claims null", signedRaw(`null`), cognito.ErrTokenMalformed},
	{"claims a string", signedRaw(`"sub"`), cognito.ErrTokenMalformed},
	{"claims empty", signedRaw(`{}`), cognito.ErrTokenMalformed},
	{"claims twice", signedRaw(`{"sub":"a"}{"sub":"b"}`), cognito.ErrTokenMalformed},
	{"unknown crit", func(t *cognitotest.UnsignedToken) { t.Header["crit"], t.Header["exp"] = []string{"exp"}, 1 }, cognito.ErrTokenMalformed},
	{"crit empty", withHeader("crit", []string{}), cognito.ErrTokenMalformed},
	{"unencoded payload", func(t *cognitotest.UnsignedToken) { t.Header["b64"], t.Header["crit"] = false, []string{"b64"} }, cognito.ErrTokenMalformed},
	{"encrypted", spelled(func(string) string { return "eyJhbGciOiJkaXIifQ..AAAA.AAAA.AAAA" }), cognito.ErrTokenMalformed},
	{"two parts", spelled(func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] }), cognito.ErrTokenMalformed},
	{"only dots", spelled(func(string) string { return ".." }), cognito.ErrTokenMalformed},
}

// ownKey and publicBytes turn the pool's key against us.
func ownKey(key *rsa.PrivateKey) any      { return key }
func publicBytes(key *rsa.PrivateKey) any { return publicPEM(key) }

// TestBearerForgeries proves row H1: whatever is not an access token of this
// pool and client is answered 401 with the challenge that makes a program get
// a new one; neither a good cookie nor a browser's headers change that (H6).
func TestBearerForgeries(t *testing.T) {
	s := serveAPI(t)
	v := s.visitor()
	v.Login(s.url+"/login", "bob", passwordOf("bob"))
	for _, row := range bearerForgeries {
		t.Run(row.name, func(t *testing.T) {
			s := &site{T: t, pool: s.pool, auth: s.auth, url: s.url}
			s.pool.Tamper(row.tell)
			token := s.pool.AccessToken("", "alice", nil)
			s.pool.Tamper(nil)
			mustJudge(t, s.auth, token, row.want)

			res := s.bring("/me", token)
			s.mustChallenge(res, http.StatusUnauthorized, invalidToken)
			if problem := res.problem(t); problem["code"] != "invalid_token" {
				t.Errorf("the problem is %v", problem)
			}
			s.mustChallenge(s.bring("/me", token, v.sessionCookie()), http.StatusUnauthorized, invalidToken)
			page := s.send(request{path: "/me", cookies: []*http.Cookie{v.sessionCookie()}, header: asPageWith(map[string]string{"Authorization": "Bearer " + token})})
			s.mustChallenge(page, http.StatusUnauthorized, invalidToken)
			if who := decode(t, s.bring("/who", token, v.sessionCookie()).body); who["user"] != nil || who["scope"] != nil || who["err"] == nil {
				t.Errorf("an open page sees %v", who)
			}
		})
	}
	s.mustAdmit("alice", s.pool.AccessToken("", "alice", nil))
	if res := s.me(v.sessionCookie()); decode(t, res.body)["user"] != "bob" {
		t.Errorf("the cookie alone gets %s", statusLine(res))
	}
}

// TestBearerTokensOfOthers is row H1 with tokens that others really hold: an
// ID token of the same user, tokens of another client and of another pool.
func TestBearerTokensOfOthers(t *testing.T) {
	s := serveAPI(t)
	s.pool.SetClient(cognitotest.Client{ID: "another"})
	other := cognitotest.New(cognitotest.Options{})
	t.Cleanup(other.Close)
	for name, row := range map[string]struct {
		token string
		want  error
	}{
		"ID token":                {s.pool.IDToken("", "alice", nil), cognito.ErrTokenUse},
		"ID token that names us":  {s.pool.IDToken("", "alice", map[string]any{"client_id": s.pool.Config().ClientID}), cognito.ErrTokenUse},
		"another client's":        {s.pool.AccessToken("another", "alice", nil), cognito.ErrTokenClient},
		"another pool's":          {other.AccessToken("", "alice", nil), cognito.ErrTokenKey},
		"another pool's, our iss": {other.AccessToken("", "alice", map[string]any{"iss": s.pool.Issuer()}), cognito.ErrTokenKey},
	} {
		t.Run(name, func(t *testing.T) {
			mustJudge(t, s.auth, row.token, row.want)
			(&site{T: t, url: s.url}).mustChallenge(s.bring("/me", row.token), http.StatusUnauthorized, invalidToken)
		})
	}
	s.mustAdmit("alice", s.pool.AccessToken("", "alice", nil))
}

// TestBearerHeaderSpellings proves row H4 on the wire: the header holds one
// scheme, blanks and one token, or the request is malformed. Readers disagree
// about everything else, so a proxy and we might see two different users. What
// names another scheme is not ours to judge. The visitor's cookie is bob's:
// only where no bearer token was sent does it count.
func TestBearerHeaderSpellings(t *testing.T) {
	s := serveAPI(t)
	v := s.visitor()
	v.Login(s.url+"/login", "bob", passwordOf("bob"))
	cookie := "Cookie: " + v.sessionCookie().String() + "\r\n"
	token := s.pool.AccessToken("", "alice", nil)
	for _, row := range []struct{ header, want string }{
		{"Authorization: Bearer TOKEN", "alice"},
		{"authorization: bearer TOKEN", "alice"},
		{"AUTHORIZATION: bEARER TOKEN", "alice"},
		{"Authorization:Bearer TOKEN", "alice"},
		{"Authorization: Bearer   TOKEN", "alice"},
		{"Authorization:\t Bearer TOKEN \t", "alice"},

		{"Authorization: Bearer", "malformed"},
		{"Authorization: Bearer  ", "malformed"},
		{"Authorization: Bearer\tTOKEN", "malformed"},
		{"Authorization: Bearer\t TOKEN", "malformed"},
		{"Authorization: Bearer \tTOKEN", "malformed"},
		{"Authorization: Bearer\xa0TOKEN", "malformed"},
		{"Authorization: Bearer,TOKEN", "malformed"},
		{"Authorization: Bearer:TOKEN", "malformed"},
		{"Authorization: Bearer=TOKEN", "malformed"},
		{"Authorization: Bearer TOKEN,", "malformed"},
		{"Authorization: Bearer ,TOKEN", "malformed"},
		{"Authorization: Bearer TOKEN TOKEN", "malformed"},
		{"Authorization: Bearer TOKEN\tTOKEN", "malformed"},
		{"Authorization: Bearer TOKEN, Bearer TOKEN", "malformed"},
		{"Authorization: Bearer TOKEN,Basic Ym9iOmI=", "malformed"},
		{"Authorization: Bearer TOKEN\r\nAuthorization: Bearer TOKEN", "malformed"},
		{"Authorization: Bearer TOKEN\r\nauthorization: Basic Ym9iOmI=", "malformed"},
		{"Authorization: Basic Ym9iOmI=\r\nAUTHORIZATION: Bearer TOKEN", "malformed"},
		{"Authorization: Bearer TOKEN\r\nAuthorization:", "malformed"},
		{"Authorization:\r\nAuthorization: Bearer TOKEN", "malformed"},
		{"Authorization: Bearer junk\r\nX: y\r\nAuthorization: Bearer TOKEN", "malformed"},

		{"Authorization: Bearer \"TOKEN\"", "invalid"},
		{"Authorization: Bearer TOKEN=", "invalid"},
		{"Authorization: Bearer TOKEN\xa0", "invalid"},
		{"Authorization: Bearer Bearer.TOKEN", "invalid"},
		{"Authorization: Bearer token=TOKEN", "invalid"},

		{"Authorization:", "cookie"},
		{"Authorization: TOKEN", "cookie"},
		{"Authorization: Basic TOKEN", "cookie"},
		{"Authorization: BearerX TOKEN", "cookie"},
		{"Authorization: Bearer-X TOKEN", "cookie"},
		{"Authorization: \"Bearer\" TOKEN", "cookie"},
		{"Proxy-Authorization: Bearer TOKEN", "cookie"},
		{"X-Authorization: Bearer TOKEN", "cookie"},
		{"X-Forwarded-Authorization: Bearer TOKEN", "cookie"},

		{"Authorization : Bearer TOKEN", "no HTTP"},
		{"Authorization: Bearer TOKEN\x00", "no HTTP"},
		{"Authorization: Bearer\x0bTOKEN", "no HTTP"},
	} {
		t.Run(row.header, func(t *testing.T) {
			s := &site{T: t, url: s.url}
			header := strings.ReplaceAll(row.header, "TOKEN", token) + "\r\n"
			alone, both := s.exchange("GET /me", header), s.exchange("GET /me", cookie+header)
			switch row.want {
			case "alice":
				s.mustSay("alice", alone, both)
			case "cookie":
				s.mustChallenge(alone, http.StatusUnauthorized, noToken)
				s.mustSay("bob", both)
			case "malformed":
				s.mustChallenge(alone, http.StatusBadRequest, badRequest)
				s.mustChallenge(both, http.StatusBadRequest, badRequest)
			case "invalid":
				s.mustChallenge(alone, http.StatusUnauthorized, invalidToken)
				s.mustChallenge(both, http.StatusUnauthorized, invalidToken)
			case "no HTTP":
				if alone.StatusCode != http.StatusBadRequest || both.StatusCode != http.StatusBadRequest {
					t.Errorf("%d and %d, want 400", alone.StatusCode, both.StatusCode)
				}
			}
		})
	}
}

// TestEmptyHeaderHidesABearer is rows H4 and H6: an empty Authorization header in
// front of the real one. Where it lands in a server's memory decides whether
// fasthttp tells it from none, so every place is tried, on servers that have
// used none of them yet. It must not make the request the cookie's.
func TestEmptyHeaderHidesABearer(t *testing.T) {
	pool := newPool(t)
	storage := newStore()
	v := serveAPIWith(t, pool, on(storage)).visitor()
	v.Login(v.site.url+"/login", "bob", passwordOf("bob"))
	cookie := "Cookie: " + v.sessionCookie().String() + "\r\n"
	for n := range 16 {
		s := serveAPIWith(t, pool, on(storage))
		headers := strings.Repeat("X-Filler: 1\r\n", n) + cookie
		s.mustChallenge(s.exchange("GET /me", headers+"Authorization:\r\nAuthorization: Bearer junk\r\n"), http.StatusBadRequest, badRequest)
		s.mustSay("bob", s.exchange("GET /me", headers), s.exchange("GET /me", headers+"Authorization:\r\n"))
	}
}

// exchange sends a request of a spelling that no client would, and reads the
// answer.
func (s *site) exchange(line, headers string) *response {
	s.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", line, strings.TrimPrefix(s.url, "http://"), headers)
	res, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		s.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return &response{res, string(body)}
}

// mustSay wants answers to a user.
func (s *site) mustSay(user string, answers ...*response) {
	s.Helper()
	for _, res := range answers {
		if res.StatusCode != http.StatusOK || decode(s.T, res.body)["user"] != user {
			s.Errorf("got %s, want %s", statusLine(res), user)
		}
	}
}

// TestBearerTokenOutsideOfTheHeader proves the rest of row H4: tokens in
// addresses and forms end up in logs and histories, so they count for nothing.
func TestBearerTokenOutsideOfTheHeader(t *testing.T) {
	s := serveAPI(t)
	token := s.pool.AccessToken("", "alice", nil)
	query := url.Values{"access_token": {token}, "token": {token}, "authorization": {"Bearer " + token}}.Encode()
	s.mustChallenge(s.exchange("GET /me?"+query, ""), http.StatusUnauthorized, noToken)
	form := "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + fmt.Sprint(len(query)) + "\r\n\r\n" + query
	s.mustChallenge(s.exchange("POST /me", form), http.StatusUnauthorized, noToken)
	s.mustChallenge(s.exchange("GET /me", "Cookie: access_token="+token+"; Authorization=Bearer "+token+"\r\n"), http.StatusUnauthorized, noToken)
	s.mustAdmit("alice", token)
}

// TestBearerSwitchedOff proves that the header means nothing without Bearer,
// neither a user nor a challenge.
func TestBearerSwitchedOff(t *testing.T) {
	s := serveAPI(t, func(c *cognito.Config) { c.Bearer = false })
	v := s.visitor()
	v.Login(s.url+"/login", "bob", passwordOf("bob"))
	token := s.pool.AccessToken("", "alice", nil)
	res := s.bring("/me", token)
	if res.StatusCode != http.StatusUnauthorized || res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("%d with challenge %q, want 401 without", res.StatusCode, res.Header.Get("WWW-Authenticate"))
	}
	s.mustSay("bob", s.bring("/me", token, v.sessionCookie()))
}

// TestBearerChallenges is row H5: each way to be refused has its status and
// its challenge, so that a program knows whether to get a token, another
// token, or none.
func TestBearerChallenges(t *testing.T) {
	s := serveAPI(t)
	v := s.visitor()
	v.Login(s.url+"/login", "bob", passwordOf("bob"))
	token := func(claims map[string]any) string { return "Bearer " + s.pool.AccessToken("", "bob", claims) }
	reader := token(map[string]any{"scope": "api/read"})
	for _, row := range []struct {
		name, path, authorization string
		status                    int
		challenge, code           string
	}{
		{"nothing", "/me", "", 401, noToken, "not_signed_in"},
		{"another scheme", "/me", "Basic Ym9iOmI=", 401, noToken, "not_signed_in"},
		{"malformed", "/me", "Bearer", 400, badRequest, "invalid_request"},
		{"invalid", "/me", "Bearer x", 401, invalidToken, "invalid_token"},
		{"invalid for a scope", "/read", "Bearer x", 401, invalidToken, "invalid_token"},
		{"invalid for a group", "/admin", "Bearer x", 401, invalidToken, "invalid_token"},
		{"no scope", "/read", token(map[string]any{"scope": "openid"}), 403, `Bearer error="insufficient_scope", scope="api/read"`, "forbidden"},
		{"one scope of two", "/write", reader, 403, `Bearer error="insufficient_scope", scope="api/read api/write"`, "forbidden"},
		{"no group", "/admin", reader, 403, `Bearer error="insufficient_scope"`, "forbidden"},
		{"stale", "/fresh", token(map[string]any{"auth_time": s.pool.Now().Unix() - 601}), 401,
			`Bearer error="insufficient_user_authentication", max_age="600"`, "fresh_login_required"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &site{T: t, url: s.url}
			r := request{path: row.path, header: map[string]string{}}
			if row.authorization != "" {
				r.header["Authorization"] = row.authorization
			}
			res := s.send(r)
			s.mustChallenge(res, row.status, row.challenge)
			if problem := res.problem(t); problem["code"] != row.code || problem["status"] != float64(row.status) {
				t.Errorf("the problem is %v, want %s", problem, row.code)
			}
		})
	}
	foreign := s.send(request{method: "POST", path: "/me", cookies: []*http.Cookie{v.sessionCookie()}, header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	s.mustChallenge(foreign, http.StatusForbidden, noToken)
	if res := s.bring("/read", strings.TrimPrefix(reader, "Bearer ")); res.StatusCode != http.StatusOK {
		t.Errorf("the scope asked for: %s", statusLine(res))
	}
}

// TestChallengeIsForPrograms proves that pages about a failed login carry no
// challenge: browsers may open a password box for one.
func TestChallengeIsForPrograms(t *testing.T) {
	s := serveAPI(t)
	res := s.send(request{path: "/login/redirect?state=x&code=y", header: asPage})
	if res.StatusCode != http.StatusBadRequest || res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("a stray callback got %d with challenge %q", res.StatusCode, res.Header.Get("WWW-Authenticate"))
	}
}

// TestBearerNeverFallsBack is row H6 in all directions: a request with a token
// is the token's, whatever its cookie would say.
func TestBearerNeverFallsBack(t *testing.T) {
	s := serveAPI(t)
	v := s.visitor()
	v.Login(s.url+"/login", "bob", passwordOf("bob"))
	bob := v.sessionCookie()
	token := s.pool.AccessToken("", "alice", nil)
	dead := &http.Cookie{Name: bob.Name, Value: strings.Repeat("A", 43)}

	s.mustSay("alice", s.bring("/me", token, bob), s.bring("/me", token, dead))
	for _, bad := range []string{"x", "", token + "x", token + " " + token} {
		res := s.send(request{path: "/who", cookies: []*http.Cookie{bob}, header: map[string]string{"Authorization": "Bearer " + bad}})
		if who := decode(t, res.body); who["user"] != nil || who["scope"] != nil {
			t.Errorf("with the token %.20q the open page sees %v", bad, who)
		}
		page := s.send(request{path: "/me", cookies: []*http.Cookie{dead}, header: asPageWith(map[string]string{"Authorization": "Bearer " + bad})})
		if page.StatusCode == http.StatusFound || page.StatusCode == http.StatusOK || len(page.Cookies()) != 0 {
			t.Errorf("a page visit with the token %.20q got %d and %v", bad, page.StatusCode, page.Cookies())
		}
	}
	s.mustSay("bob", s.me(bob))
}

// TestBearerEveryByteChanged is the sharpest form of row C2 for bearer tokens:
// no byte of a valid token, though it is remembered, can be exchanged for any
// other. Under the race detector, which makes it slow, single bits are flipped.
func TestBearerEveryByteChanged(t *testing.T) {
	t.Parallel()
	s := serveAPI(t)
	raw := s.pool.AccessToken("", "alice", map[string]any{
		"cognito:groups": nil, "scope": nil, "event_id": nil, "origin_jti": nil, "jti": nil, "version": nil,
	})
	s.mustAdmit("alice", raw)
	var others []byte
	for difference := 1; difference < 256; difference++ {
		if single := difference&(difference-1) == 0; single || !underRace() {
			others = append(others, byte(difference))
		}
	}
	var all sync.WaitGroup
	for start := range 4 {
		all.Go(func() {
			mutant := []byte(raw)
			for i := start; i < len(raw); i += 4 {
				for _, difference := range others {
					mutant[i] = raw[i] ^ difference
					if _, err := s.auth.VerifyAccessToken(t.Context(), string(mutant)); !errors.Is(err, cognito.ErrInvalidToken) {
						t.Errorf("byte %d as %q: %v, want ErrInvalidToken", i, mutant[i], err)
					}
				}
				mutant[i] = raw[i]
			}
		})
	}
	all.Wait()
	for i := 0; i < len(raw); i += 5 {
		mutant := raw[:i] + string(raw[i]^1) + raw[i+1:]
		s.mustChallenge(s.bring("/me", url.PathEscape(mutant)), http.StatusUnauthorized, invalidToken)
	}
	s.mustAdmit("alice", raw)
}

// underRace reports whether this binary looks for data races.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestBearerClientIDs proves that tokens of further clients are accepted when
// they are listed, and of no others, by their exact ids.
func TestBearerClientIDs(t *testing.T) {
	listed := []string{"mobile", "machine"}
	s := serveAPI(t, func(c *cognito.Config) { c.BearerClientIDs = listed })
	listed[0] = "intruder" // ours no more
	for client, want := range map[string]error{
		"mobile": nil, "machine": nil, s.pool.Config().ClientID: nil,
		"intruder": cognito.ErrTokenClient, "MOBILE": cognito.ErrTokenClient, "mobil": cognito.ErrTokenClient,
		"mobile ": cognito.ErrTokenClient, "mobile machine": cognito.ErrTokenClient,
	} {
		token := s.pool.AccessToken("", "alice", map[string]any{"client_id": client})
		mustJudge(t, s.auth, token, want)
		if want == nil {
			s.mustAdmit("alice", token)
		} else {
			s.mustChallenge(s.bring("/me", token), http.StatusUnauthorized, invalidToken)
		}
	}
}

// TestLoginWithAnotherListedClient proves that BearerClientIDs widen bearer
// requests alone: a login answered with a token of another client is refused.
func TestLoginWithAnotherListedClient(t *testing.T) {
	l := newTokenLab(t, takesBearer, func(c *cognito.Config) { c.BearerClientIDs = []string{"mobile"} })
	l.testLies([]lie{{name: "mobile", in: inAccessToken, tell: withClaim("client_id", "mobile"), want: cognito.ErrTokenClient, atLoginOnly: true}})
	l.mustJudge(l.minted(map[string]any{"client_id": "mobile"}), nil)
}

// TestBearerAudience proves that an API with an Audience takes only tokens
// that are bound to it: not those of another API, nor those bound to none.
func TestBearerAudience(t *testing.T) {
	const api = "https://api.example.com"
	s := serveAPI(t, func(c *cognito.Config) { c.Audience = api })
	open := serveAPIWith(t, s.pool)
	for _, row := range []struct {
		audience any
		want     error
	}{
		{api, nil},
		{[]string{api}, nil},
		{nil, cognito.ErrTokenAudience},
		{"", cognito.ErrTokenAudience},
		{api + "/", cognito.ErrTokenAudience},
		{"https://API.example.com", cognito.ErrTokenAudience},
		{"https://billing.example.com", cognito.ErrTokenAudience},
		{[]string{}, cognito.ErrTokenAudience},
		{[]string{"https://billing.example.com"}, cognito.ErrTokenAudience},
		{[]string{"https://billing.example.com", api}, cognito.ErrTokenAudience},
		{[]any{[]string{api}}, cognito.ErrTokenAudience},
		{map[string]any{api: true}, cognito.ErrTokenAudience},
		{7, cognito.ErrTokenAudience},
	} {
		token := s.pool.AccessToken("", "alice", map[string]any{"aud": row.audience})
		mustJudge(t, s.auth, token, row.want)
		mustJudge(t, open.auth, token, nil) // which does not ask
		if row.want == nil {
			s.mustAdmit("alice", token)
		} else {
			s.mustChallenge(s.bring("/me", token), http.StatusUnauthorized, invalidToken)
		}
	}
}

// TestMachineToken is the last part of row H11: a machine client's token has
// no user in it, so it passes no guard that wants one, whatever it claims, and
// passes those that ask for scopes.
func TestMachineToken(t *testing.T) {
	s := serveAPI(t, func(c *cognito.Config) { c.BearerClientIDs = []string{"machine"} })
	machine := func(claims map[string]any) string {
		all := map[string]any{"client_id": "machine", "sub": "machine", "username": nil, "scope": "api/read", "auth_time": s.pool.Now().Unix()}
		maps.Copy(all, claims)
		return s.pool.AccessToken("", "alice", all)
	}
	for name, token := range map[string]string{
		"usual":           machine(nil),
		"with a subject":  machine(map[string]any{"sub": "someone"}),
		"with a username": machine(map[string]any{"username": "alice"}),
		"with groups":     machine(map[string]any{"cognito:groups": []string{"admin"}}),
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{T: t, url: s.url}
			for _, path := range []string{"/me", "/admin", "/fresh"} {
				res := s.bring(path, token)
				s.mustChallenge(res, http.StatusForbidden, `Bearer error="insufficient_scope"`)
			}
			res := s.bring("/read", token)
			if who := decode(t, res.body); res.StatusCode != http.StatusOK || who["user"] != nil || who["scope"] != "api/read" || who["err"] != nil {
				t.Errorf("with the scope: %s", statusLine(res))
			}
			s.mustChallenge(s.bring("/write", token), http.StatusForbidden, `Bearer error="insufficient_scope", scope="api/read api/write"`)
		})
	}
	s.mustAdmit("alice", s.pool.AccessToken("", "alice", nil))
}

// TestBearerKeysOutOfReach proves that an outage is no verdict: a program that
// is told 401 throws its good token away. It gets 503, and once the keys can
// be had the same token is good.
func TestBearerKeysOutOfReach(t *testing.T) {
	for name, fault := range map[string]cognitotest.Fault{
		"503":     {Status: http.StatusServiceUnavailable},
		"no keys": {Body: `{"keys":[]}`},
		"cut":     {LoseAnswer: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveAPI(t)
			s.pool.Break(cognitotest.JWKS, fault)
			token := s.pool.AccessToken("", "alice", nil)
			for range 4 { // more than may be fetched at once
				res := s.bring("/me", token)
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get("WWW-Authenticate") != "" {
					t.Fatalf("got %s with Retry-After %q", statusLine(res), res.Header.Get("Retry-After"))
				}
				if problem := res.problem(t); problem["code"] != "unavailable" {
					t.Errorf("the problem is %v", problem)
				}
				if who := decode(t, s.bring("/who", token).body); who["user"] != nil || who["err"] == nil {
					t.Errorf("an open page sees %v", who)
				}
			}
			mustJudge(t, s.auth, token, cognito.ErrUnavailable)
			mustJudge(t, s.auth, "x.y.z", cognito.ErrTokenMalformed) // needs no key to be refused
			if calls := s.pool.Calls(cognitotest.JWKS); calls > 2 {
				t.Errorf("the keys were asked for %d times at once", calls)
			}
			s.pool.Heal()
			s.pool.Advance(10 * time.Second)
			s.mustAdmit("alice", token)
		})
	}
}

// TestRememberedTokenExpires is the heart of row H8: a token that was verified
// is not verified again, but its expiry counts at every request.
func TestRememberedTokenExpires(t *testing.T) {
	s := serveAPI(t)
	token := s.pool.AccessToken("", "alice", map[string]any{"exp": s.pool.Now().Add(2 * time.Minute).Unix()})
	for range 3 {
		s.mustAdmit("alice", token)
	}
	s.pool.Advance(time.Minute)
	s.mustAdmit("alice", token)
	s.pool.Advance(2*time.Minute + time.Second) // the leeway included
	s.mustChallenge(s.bring("/me", token), http.StatusUnauthorized, invalidToken)
	s.mustAdmit("alice", s.pool.AccessToken("", "alice", nil))
}

// TestRememberedTokenOfAWithdrawnKey is row H10: what is remembered of tokens
// does not outlive the key that signed them, neither when the new key set is
// read for another token, nor when nobody but the old token ever comes.
func TestRememberedTokenOfAWithdrawnKey(t *testing.T) {
	s := serveAPI(t)
	lasting := map[string]any{"exp": s.pool.Now().Add(24 * time.Hour).Unix()}
	old := s.pool.AccessToken("", "alice", lasting)
	s.mustAdmit("alice", old)

	s.pool.RotateKeys()
	s.mustAdmit("bob", s.pool.AccessToken("", "bob", lasting)) // the new kid at first sight
	s.mustAdmit("alice", old)                                  // which is published still

	s.pool.DropOldKeys()
	s.pool.Advance(61 * time.Minute)
	eventually(t, "the withdrawn key's token is refused", func() bool {
		return s.bring("/me", old).StatusCode == http.StatusUnauthorized
	})
	s.mustChallenge(s.bring("/me", old), http.StatusUnauthorized, invalidToken)
	mustJudge(t, s.auth, old, cognito.ErrTokenKey)
	s.mustAdmit("bob", s.pool.AccessToken("", "bob", nil))
}

// TestRememberedTokenAndANewKeySet is row H10 at the moment of the change: the
// key set that another token made us read decides about remembered ones too.
func TestRememberedTokenAndANewKeySet(t *testing.T) {
	s := serveAPI(t)
	old := s.pool.AccessToken("", "alice", nil)
	s.mustAdmit("alice", old)
	s.pool.Break(cognitotest.JWKS, cognitotest.Fault{Body: fmt.Sprintf(
		`{"keys":[{"kty":"RSA","kid":"next","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(foreignKey().N.Bytes()))})
	s.pool.Tamper(func(t *cognitotest.UnsignedToken) { t.Header["kid"], t.Key = "next", foreignKey() })
	next := s.pool.AccessToken("", "bob", nil)
	s.mustAdmit("bob", next)
	s.mustChallenge(s.bring("/me", old), http.StatusUnauthorized, invalidToken)
	s.mustAdmit("bob", next)
}

// TestTokenRememberedElsewhere is row H8 between middlewares: what one has
// verified is nothing to another with other rules.
func TestTokenRememberedElsewhere(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "second"})
	first := serveAPIWith(t, pool)
	second := serveAPIWith(t, pool, func(c *cognito.Config) { c.ClientID = "second" })
	bound := serveAPIWith(t, pool, func(c *cognito.Config) { c.Audience = "https://api.example.com" })
	token := pool.AccessToken("", "alice", nil)
	for range 2 {
		first.mustAdmit("alice", token)
		second.mustChallenge(second.bring("/me", token), http.StatusUnauthorized, invalidToken)
		bound.mustChallenge(bound.bring("/me", token), http.StatusUnauthorized, invalidToken)
	}
	second.mustAdmit("alice", pool.AccessToken("second", "alice", nil))
}

// TestRememberedTokensOfManyUsers is row O1 for bearer tokens: with hundreds
// of users at once, each answer is the bearer's own, also while the key set
// changes and tokens are forgotten.
func TestRememberedTokensOfManyUsers(t *testing.T) {
	s := serveAPI(t)
	tokens := map[string]string{}
	for i := range 120 {
		name := fmt.Sprintf("user-%03d", i)
		s.pool.SetUser(cognitotest.User{Username: name})
		tokens[name] = s.pool.AccessToken("", name, map[string]any{"exp": s.pool.Now().Add(24 * time.Hour).Unix()})
	}
	names := slices.Collect(maps.Keys(tokens))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 250 {
				name := names[rand.N(len(names))]
				if got, err := bringBy(client, s.url+"/me", tokens[name]); err != nil || got != name {
					t.Errorf("the token of %s got %q (%v)", name, got, err)
				}
			}
		})
	}
	all.Go(func() {
		for range 4 {
			s.pool.Advance(61 * time.Minute)
		}
	})
	all.Wait()
}

// bringBy is bring over connections that are kept, whose buffers are reused.
func bringBy(client *http.Client, address, token string) (user string, err error) {
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var who struct{ User string }
	err = json.NewDecoder(res.Body).Decode(&who)
	return who.User, err
}

// TestBearerPastTheDoor proves row E6's exception: a token is not sent by the
// browser on its own, so a request that brings one may come from anywhere, and
// the cookie's rule does not touch it.
func TestBearerPastTheDoor(t *testing.T) {
	s := serveAPI(t)
	v := s.visitor()
	v.Login(s.url+"/login", "bob", passwordOf("bob"))
	foreign := map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
	without := s.send(request{method: "POST", path: "/me", cookies: []*http.Cookie{v.sessionCookie()}, header: foreign})
	if without.StatusCode != http.StatusForbidden {
		t.Errorf("the cookie alone got %s, want 403", statusLine(without))
	}
	foreign["Authorization"] = "Bearer " + s.pool.AccessToken("", "alice", nil)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET"} {
		s.mustSay("alice",
			s.send(request{method: method, path: "/me", header: foreign}),
			s.send(request{method: method, path: "/me", cookies: []*http.Cookie{v.sessionCookie()}, header: foreign}))
	}
}

// TestBearerIsNoVisitor: whoever brings a bearer token gets a problem to read,
// whatever it says that it accepts, and words that are not about a login.
func TestBearerIsNoVisitor(t *testing.T) {
	s := serve(t, takesBearer)
	for _, token := range []string{"Bearer x.y.z", "Bearer", "Bearer a b"} {
		for _, header := range []map[string]string{{"Accept": "text/html"}, {"Sec-Fetch-Mode": "navigate"}, {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}} {
			header["Authorization"] = token
			for _, path := range []string{"/me", "/login/redirect"} {
				res := s.send(request{path: path, header: header})
				if kind := res.Header.Get("Content-Type"); kind != "application/problem+json" || strings.Contains(res.body, "verified") {
					t.Errorf("%s with %v: %s of type %s", path, header, statusLine(res), kind)
				}
			}
		}
	}
	res := s.send(request{path: "/login/redirect", header: asPage})
	if kind := res.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("a visitor gets %s", kind)
	}
}
