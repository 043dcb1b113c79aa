package attacks_test

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
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"
)

// Bearer tokens come from strangers, with every request, in a header that
// proxies, caches and other middleware read too. These are the attacks on
// them; what a token itself may say is attacked in token_test.go and
// keys_test.go.

// mustAdmit wants a token to be taken for a user's.
func mustAdmit(s *lab.Site, user, token string) {
	s.Helper()
	res := s.Bring("/me", token)
	if res.StatusCode != http.StatusOK || lab.Decode(s.T, res.Text)["user"] != user {
		s.Errorf("the token of %s got %s", user, lab.StatusLine(res))
	}
}

const (
	noToken    = `Bearer`
	badRequest = `Bearer error="invalid_request"`
)

// TestBearerTokenIsAVisit is what Bearer promises: the same user and payload
// as behind a cookie, by every accessor, and answers that no cache may give to
// somebody else.
func TestBearerTokenIsAVisit(t *testing.T) {
	t.Parallel()
	var auth *cognito.Auth
	s := lab.ServeApp(t, func(app *fiber.App, a *cognito.Auth) {
		auth = a
		app.Get("/locals", func(c *fiber.Ctx) error {
			user, payload := cognito.UserFrom(c), cognito.PayloadFrom(c)
			if c.Locals("user") != any(user) || c.Locals("payload") != any(payload) || auth.UserFrom(c) != user || auth.PayloadFrom(c) != payload {
				return fiber.NewError(http.StatusTeapot, "the accessors disagree")
			}
			return c.JSON(fiber.Map{"user": user, "payload": payload})
		})
	}, lab.TakesBearer)
	token := s.Pool.AccessToken("", "alice", nil)
	res := s.Bring("/locals", token)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %s", lab.StatusLine(res))
	}
	if got := res.Header.Get("Vary"); got != "Authorization" {
		t.Errorf("Vary is %q, want Authorization", got)
	}
	// What a cache keeps for strangers is not for those who bring a token.
	if got := s.Send(lab.Request{Path: "/locals"}).Header.Get("Vary"); got != "Cookie, Authorization" {
		t.Errorf("for a stranger Vary is %q, want Cookie, Authorization", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if len(res.Cookies()) != 0 {
		t.Errorf("cookies were set: %v", res.Cookies())
	}
	var brought struct{ User, Payload map[string]any }
	if err := json.Unmarshal([]byte(res.Text), &brought); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(slices.Sorted(maps.Keys(brought.User))); got != "[auth_time cognito:groups sub username]" {
		t.Errorf("the user has the claims %s", got)
	}
	verified, err := s.Auth.VerifyAccessToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := json.Marshal(verified); toJSON(brought.Payload) != toJSON(lab.Decode(t, string(want))) {
		t.Errorf("the payload is %s, want %s", toJSON(brought.Payload), want)
	}

	v := s.Visitor()
	v.Login(s.URL+"/login", "alice", lab.PasswordOf("alice"))
	var signedIn struct{ User map[string]any }
	if err := json.Unmarshal([]byte(v.Get(s.URL+"/locals").Body), &signedIn); err != nil {
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
	t.Parallel()
	s := lab.Serve(t, lab.TakesBearer)
	token := s.Pool.AccessToken("", "alice", nil)
	if res := s.Bring("/token", token); res.Text != token {
		t.Errorf("AccessToken gave %s, want the token that was brought", lab.StatusLine(res))
	}
	expired := s.Pool.AccessToken("", "alice", map[string]any{"exp": s.Pool.Now().Unix() - 10})
	if res := s.Bring("/me", expired); res.StatusCode != http.StatusOK {
		t.Errorf("within the leeway: %s", lab.StatusLine(res))
	}
	if res := s.Bring("/token", expired); res.StatusCode != http.StatusTeapot || strings.Contains(res.Text, expired) {
		t.Errorf("AccessToken gave an expired token: %d", res.StatusCode)
	}
}

// bearerForgeries are tokens that no API of this client may accept. Every one but the
// first few is signed with the pool's own key.
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
	{"alg none", lab.Unsigned("none"), cognito.ErrTokenAlgorithm},
	{"alg NONE", lab.Unsigned("NONE"), cognito.ErrTokenAlgorithm},
	{"alg HS256 with the public key", signedWith(jwt.SigningMethodHS256, publicBytes), cognito.ErrTokenAlgorithm},
	{"alg RS384", signedWith(jwt.SigningMethodRS384, ownKey), cognito.ErrTokenAlgorithm},
	{"alg PS256", signedWith(jwt.SigningMethodPS256, ownKey), cognito.ErrTokenAlgorithm},
	{"ID token", func(t *cognitotest.UnsignedToken) { t.Claims["token_use"] = "id" }, cognito.ErrTokenUse},
	{"no token_use", lab.WithoutClaim("token_use"), cognito.ErrTokenUse},
	{"another client's", lab.WithClaim("client_id", "another"), cognito.ErrTokenClient},
	{"no client", lab.WithoutClaim("client_id"), cognito.ErrTokenClient},
	{"clients in a list", func(t *cognitotest.UnsignedToken) { t.Claims["client_id"] = []any{t.Claims["client_id"]} }, cognito.ErrTokenClient},
	{"another pool's", func(t *cognitotest.UnsignedToken) { t.Claims["iss"] = t.Claims["iss"].(string) + "2" }, cognito.ErrTokenIssuer},
	{"no issuer", lab.WithoutClaim("iss"), cognito.ErrTokenIssuer},
	{"expired", func(t *cognitotest.UnsignedToken) { t.Claims["exp"] = t.Claims["iat"].(int64) - 61 }, cognito.ErrTokenExpired},
	{"never expires", lab.WithoutClaim("exp"), cognito.ErrTokenExpired},
	{"expires as a string", lab.WithClaim("exp", "9999999999"), cognito.ErrTokenExpired},
	{"no iat", lab.WithoutClaim("iat"), cognito.ErrTokenIssuedAt},
	{"not yet", func(t *cognitotest.UnsignedToken) { t.Claims["nbf"] = t.Claims["iat"].(int64) + 300 }, cognito.ErrTokenNotYet},
	{"no subject", lab.WithoutClaim("sub"), cognito.ErrTokenSubject},
	{"empty subject", lab.WithClaim("sub", ""), cognito.ErrTokenSubject},
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

// TestBearerForgeries: whatever is not an access token of this pool and client is
// answered 401 with the challenge that makes a program get a new one; neither a good
// cookie nor a browser's headers change that.
func TestBearerForgeries(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	v := s.Visitor()
	v.Login(s.URL+"/login", "bob", lab.PasswordOf("bob"))
	for _, row := range bearerForgeries {
		t.Run(row.name, func(t *testing.T) {
			s := &lab.Site{T: t, Pool: s.Pool, Auth: s.Auth, URL: s.URL}
			s.Pool.Tamper(row.tell)
			token := s.Pool.AccessToken("", "alice", nil)
			s.Pool.Tamper(nil)
			lab.MustJudge(t, s.Auth, token, row.want)

			res := s.Bring("/me", token)
			s.MustChallenge(res, http.StatusUnauthorized, lab.ChallengeFor(row.want))
			if problem := res.Problem(t); problem["code"] != "invalid_token" {
				t.Errorf("the problem is %v", problem)
			}
			s.MustChallenge(s.Bring("/me", token, v.SessionCookie()), http.StatusUnauthorized, lab.ChallengeFor(row.want))
			page := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{v.SessionCookie()}, Header: lab.AsPageWith(map[string]string{"Authorization": "Bearer " + token})})
			s.MustChallenge(page, http.StatusUnauthorized, lab.ChallengeFor(row.want))
			if who := lab.Decode(t, s.Bring("/who", token, v.SessionCookie()).Text); who["user"] != nil || who["scope"] != nil || who["err"] == nil {
				t.Errorf("an open page sees %v", who)
			}
		})
	}
	mustAdmit(s, "alice", s.Pool.AccessToken("", "alice", nil))
	if res := s.Me(v.SessionCookie()); lab.Decode(t, res.Text)["user"] != "bob" {
		t.Errorf("the cookie alone gets %s", lab.StatusLine(res))
	}
}

// TestBearerTokensOfOthers has tokens that others really hold: an ID token of the same
// user, tokens of another client and of another pool.
func TestBearerTokensOfOthers(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	s.Pool.SetClient(cognitotest.Client{ID: "another"})
	other := cognitotest.New(cognitotest.Options{})
	t.Cleanup(other.Close)
	for name, row := range map[string]struct {
		token string
		want  error
	}{
		"ID token":                {s.Pool.IDToken("", "alice", nil), cognito.ErrTokenUse},
		"ID token that names us":  {s.Pool.IDToken("", "alice", map[string]any{"client_id": s.Pool.Config().ClientID}), cognito.ErrTokenUse},
		"another client's":        {s.Pool.AccessToken("another", "alice", nil), cognito.ErrTokenClient},
		"another pool's":          {other.AccessToken("", "alice", nil), cognito.ErrTokenKey},
		"another pool's, our iss": {other.AccessToken("", "alice", map[string]any{"iss": s.Pool.Issuer()}), cognito.ErrTokenKey},
	} {
		t.Run(name, func(t *testing.T) {
			lab.MustJudge(t, s.Auth, row.token, row.want)
			(&lab.Site{T: t, URL: s.URL}).MustChallenge(s.Bring("/me", row.token), http.StatusUnauthorized, lab.ChallengeFor(row.want))
		})
	}
	mustAdmit(s, "alice", s.Pool.AccessToken("", "alice", nil))
}

// TestBearerHeaderSpellings: the header holds one scheme, blanks and one token, or the
// request is malformed. Readers disagree about everything else, so a proxy and we might
// see two different users. What names another scheme is not ours to judge. The
// visitor's cookie is bob's: only where no bearer token was sent does it count.
func TestBearerHeaderSpellings(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	v := s.Visitor()
	v.Login(s.URL+"/login", "bob", lab.PasswordOf("bob"))
	cookie := "Cookie: " + v.SessionCookie().String() + "\r\n"
	token := s.Pool.AccessToken("", "alice", nil)
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

		{"Authorization : Bearer TOKEN", "no HTTP or no token"}, // fasthttp refuses it from 1.70 on
		{"Authorization: Bearer TOKEN\x00", "no HTTP"},
		{"Authorization: Bearer\x0bTOKEN", "no HTTP"},
	} {
		t.Run(row.header, func(t *testing.T) {
			s := &lab.Site{T: t, URL: s.URL}
			header := strings.ReplaceAll(row.header, "TOKEN", token) + "\r\n"
			alone, both := exchange(s, "GET /me", header), exchange(s, "GET /me", cookie+header)
			switch row.want {
			case "alice":
				s.MustSay("alice", alone, both)
			case "cookie":
				s.MustChallenge(alone, http.StatusUnauthorized, noToken)
				s.MustSay("bob", both)
			case "malformed":
				s.MustChallenge(alone, http.StatusBadRequest, badRequest)
				s.MustChallenge(both, http.StatusBadRequest, badRequest)
			case "invalid":
				s.MustChallenge(alone, http.StatusUnauthorized, lab.InvalidToken)
				s.MustChallenge(both, http.StatusUnauthorized, lab.InvalidToken)
			case "no HTTP or no token":
				if alone.StatusCode == http.StatusOK || both.StatusCode != http.StatusBadRequest && lab.Decode(t, both.Text)["user"] != "bob" {
					t.Errorf("%d, and with bob's cookie %d: %s", alone.StatusCode, both.StatusCode, both.Text)
				}
			case "no HTTP":
				if alone.StatusCode != http.StatusBadRequest || both.StatusCode != http.StatusBadRequest {
					t.Errorf("%d and %d, want 400", alone.StatusCode, both.StatusCode)
				}
			}
		})
	}
}

// TestEmptyHeaderHidesABearer: an empty Authorization header in front of the real one.
// Where it lands in a server's memory decides whether fasthttp tells it from none, so
// every place is tried, on servers that have used none of them yet. It must not make
// the request the cookie's.
func TestEmptyHeaderHidesABearer(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t)
	storage := lab.NewStore()
	v := lab.ServeAPIWith(t, pool, lab.On(storage)).Visitor()
	v.Login(v.Site.URL+"/login", "bob", lab.PasswordOf("bob"))
	cookie := "Cookie: " + v.SessionCookie().String() + "\r\n"
	for n := range 16 {
		s := lab.ServeAPIWith(t, pool, lab.On(storage))
		headers := strings.Repeat("X-Filler: 1\r\n", n) + cookie
		s.MustChallenge(exchange(s, "GET /me", headers+"Authorization:\r\nAuthorization: Bearer junk\r\n"), http.StatusBadRequest, badRequest)
		s.MustSay("bob", exchange(s, "GET /me", headers), exchange(s, "GET /me", headers+"Authorization:\r\n"))
	}
}

// exchange sends a request of a spelling that no client would, and reads the
// answer.
func exchange(s *lab.Site, line, headers string) *lab.Answer {
	s.Helper()
	connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.Fatal(err)
	}
	defer connection.Close()
	fmt.Fprintf(connection, "%s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n", line, strings.TrimPrefix(s.URL, "http://"), headers)
	res, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		s.Fatalf("no answer: %v", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return &lab.Answer{Response: res, Text: string(body)}
}

// TestBearerTokenOutsideOfTheHeader: tokens in addresses and forms end up in logs and
// histories, so they count for nothing.
func TestBearerTokenOutsideOfTheHeader(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	token := s.Pool.AccessToken("", "alice", nil)
	query := url.Values{"access_token": {token}, "token": {token}, "authorization": {"Bearer " + token}}.Encode()
	s.MustChallenge(exchange(s, "GET /me?"+query, ""), http.StatusUnauthorized, noToken)
	form := "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " + fmt.Sprint(len(query)) + "\r\n\r\n" + query
	s.MustChallenge(exchange(s, "POST /me", form), http.StatusUnauthorized, noToken)
	s.MustChallenge(exchange(s, "GET /me", "Cookie: access_token="+token+"; Authorization=Bearer "+token+"\r\n"), http.StatusUnauthorized, noToken)
	mustAdmit(s, "alice", token)
}

// TestBearerSwitchedOff proves that the header means nothing without Bearer, neither a
// user nor another session. Whoever sends it anyway is told.
func TestBearerSwitchedOff(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t, func(c *cognito.Config) { c.Bearer = false })
	v := s.Visitor()
	v.Login(s.URL+"/login", "bob", lab.PasswordOf("bob"))
	token := s.Pool.AccessToken("", "alice", nil)
	res := s.Bring("/me", token)
	s.MustChallenge(res, http.StatusUnauthorized, `Bearer error="invalid_request", error_description="This app does not accept bearer tokens."`)
	s.MustSay("bob", s.Bring("/me", token, v.SessionCookie()))
}

// TestBearerChallenges: each way to be refused has its status and its challenge, so
// that a program knows whether to get a token, another token, or none.
func TestBearerChallenges(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	v := s.Visitor()
	v.Login(s.URL+"/login", "bob", lab.PasswordOf("bob"))
	token := func(claims map[string]any) string { return "Bearer " + s.Pool.AccessToken("", "bob", claims) }
	reader := token(map[string]any{"scope": "api/read"})
	for _, row := range []struct {
		name, path, authorization string
		status                    int
		challenge, code           string
	}{
		{"nothing", "/me", "", 401, noToken, "not_signed_in"},
		{"another scheme", "/me", "Basic Ym9iOmI=", 401, noToken, "not_signed_in"},
		{"malformed", "/me", "Bearer", 400, badRequest, "invalid_request"},
		{"invalid", "/me", "Bearer x", 401, lab.InvalidToken, "invalid_token"},
		{"invalid for a scope", "/read", "Bearer x", 401, lab.InvalidToken, "invalid_token"},
		{"invalid for a group", "/admin", "Bearer x", 401, lab.InvalidToken, "invalid_token"},
		{"no scope", "/read", token(map[string]any{"scope": "openid"}), 403, `Bearer error="insufficient_scope", scope="api/read"`, "forbidden"},
		{"one scope of two", "/write", reader, 403, `Bearer error="insufficient_scope", scope="api/read api/write"`, "forbidden"},
		{"no group", "/admin", reader, 403, `Bearer error="insufficient_scope"`, "forbidden"},
		{"stale", "/fresh", token(map[string]any{"auth_time": s.Pool.Now().Unix() - 601}), 401,
			`Bearer error="insufficient_user_authentication", max_age="600"`, "fresh_login_required"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &lab.Site{T: t, URL: s.URL}
			r := lab.Request{Path: row.path, Header: map[string]string{}}
			if row.authorization != "" {
				r.Header["Authorization"] = row.authorization
			}
			res := s.Send(r)
			s.MustChallenge(res, row.status, row.challenge)
			if problem := res.Problem(t); problem["code"] != row.code || problem["status"] != float64(row.status) {
				t.Errorf("the problem is %v, want %s", problem, row.code)
			}
		})
	}
	foreign := s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{v.SessionCookie()}, Header: map[string]string{"Sec-Fetch-Site": "cross-site"}})
	s.MustChallenge(foreign, http.StatusForbidden, noToken)
	if res := s.Bring("/read", strings.TrimPrefix(reader, "Bearer ")); res.StatusCode != http.StatusOK {
		t.Errorf("the scope asked for: %s", lab.StatusLine(res))
	}
}

// TestChallengeIsForPrograms proves that pages about a failed login carry no
// challenge: browsers may open a password box for one.
func TestChallengeIsForPrograms(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	res := s.Send(lab.Request{Path: "/login/redirect?state=x&code=y", Header: lab.AsPage})
	if res.StatusCode != http.StatusBadRequest || res.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("a stray callback got %d with challenge %q", res.StatusCode, res.Header.Get("WWW-Authenticate"))
	}
}

// TestBearerNeverFallsBack: a request with a token is the token's, whatever its cookie
// would say.
func TestBearerNeverFallsBack(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	v := s.Visitor()
	v.Login(s.URL+"/login", "bob", lab.PasswordOf("bob"))
	bob := v.SessionCookie()
	token := s.Pool.AccessToken("", "alice", nil)
	dead := &http.Cookie{Name: bob.Name, Value: strings.Repeat("A", 43)}

	s.MustSay("alice", s.Bring("/me", token, bob), s.Bring("/me", token, dead))
	for _, bad := range []string{"x", "", token + "x", token + " " + token} {
		res := s.Send(lab.Request{Path: "/who", Cookies: []*http.Cookie{bob}, Header: map[string]string{"Authorization": "Bearer " + bad}})
		if who := lab.Decode(t, res.Text); who["user"] != nil || who["scope"] != nil {
			t.Errorf("with the token %.20q the open page sees %v", bad, who)
		}
		page := s.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{dead}, Header: lab.AsPageWith(map[string]string{"Authorization": "Bearer " + bad})})
		if page.StatusCode == http.StatusFound || page.StatusCode == http.StatusOK || len(page.Cookies()) != 0 {
			t.Errorf("a page visit with the token %.20q got %d and %v", bad, page.StatusCode, page.Cookies())
		}
	}
	s.MustSay("bob", s.Me(bob))
}

// TestBearerEveryByteChanged: no byte of a valid token, though it is remembered, can be
// exchanged for any other. Under the race detector, which makes it slow, single bits
// are flipped.
func TestBearerEveryByteChanged(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	raw := s.Pool.AccessToken("", "alice", map[string]any{
		"cognito:groups": nil, "scope": nil, "event_id": nil, "origin_jti": nil, "jti": nil, "version": nil,
	})
	mustAdmit(s, "alice", raw)
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
					if _, err := s.Auth.VerifyAccessToken(t.Context(), string(mutant)); !errors.Is(err, cognito.ErrInvalidToken) {
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
		s.MustChallenge(s.Bring("/me", url.PathEscape(mutant)), http.StatusUnauthorized, lab.InvalidToken)
	}
	mustAdmit(s, "alice", raw)
}

// underRace reports whether this binary looks for data races.
func underRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// TestBearerClientIDs proves that tokens of further clients are accepted when
// they are listed, and of no others, by their exact ids.
func TestBearerClientIDs(t *testing.T) {
	t.Parallel()
	listed := []string{"mobile", "machine"}
	s := lab.ServeAPI(t, func(c *cognito.Config) { c.BearerClientIDs = listed })
	listed[0] = "intruder" // ours no more
	for client, want := range map[string]error{
		"mobile": nil, "machine": nil, s.Pool.Config().ClientID: nil,
		"intruder": cognito.ErrTokenClient, "MOBILE": cognito.ErrTokenClient, "mobil": cognito.ErrTokenClient,
		"mobile ": cognito.ErrTokenClient, "mobile machine": cognito.ErrTokenClient,
	} {
		token := s.Pool.AccessToken("", "alice", map[string]any{"client_id": client})
		lab.MustJudge(t, s.Auth, token, want)
		if want == nil {
			mustAdmit(s, "alice", token)
		} else {
			s.MustChallenge(s.Bring("/me", token), http.StatusUnauthorized, lab.InvalidToken)
		}
	}
}

// TestLoginWithAnotherListedClient proves that BearerClientIDs widen bearer
// requests alone: a login answered with a token of another client is refused.
func TestLoginWithAnotherListedClient(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t, lab.TakesBearer, func(c *cognito.Config) { c.BearerClientIDs = []string{"mobile"} })
	l.testLies([]lie{{name: "mobile", in: inAccessToken, tell: lab.WithClaim("client_id", "mobile"), want: cognito.ErrTokenClient, atLoginOnly: true}})
	l.mustJudge(l.minted(map[string]any{"client_id": "mobile"}), nil)
}

// TestBearerAudience proves that an API with an Audience takes only tokens
// that are bound to it: not those of another API, nor those bound to none.
func TestBearerAudience(t *testing.T) {
	t.Parallel()
	const api = "https://api.example.com"
	s := lab.ServeAPI(t, func(c *cognito.Config) { c.Audience = api })
	open := lab.ServeAPIWith(t, s.Pool)
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
		token := s.Pool.AccessToken("", "alice", map[string]any{"aud": row.audience})
		lab.MustJudge(t, s.Auth, token, row.want)
		lab.MustJudge(t, open.Auth, token, nil) // which does not ask
		if row.want == nil {
			mustAdmit(s, "alice", token)
		} else {
			s.MustChallenge(s.Bring("/me", token), http.StatusUnauthorized, lab.InvalidToken)
		}
	}
}

// TestMachineToken: a machine client's token has no user in it, so it passes no guard
// that wants one, whatever it claims, and passes those that ask for scopes.
func TestMachineToken(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t, func(c *cognito.Config) { c.BearerClientIDs = []string{"machine"} })
	machine := func(claims map[string]any) string {
		all := map[string]any{"client_id": "machine", "sub": "machine", "username": nil, "scope": "api/read", "auth_time": s.Pool.Now().Unix()}
		maps.Copy(all, claims)
		return s.Pool.AccessToken("", "alice", all)
	}
	for name, token := range map[string]string{
		"usual":           machine(nil),
		"with a subject":  machine(map[string]any{"sub": "someone"}),
		"with a username": machine(map[string]any{"username": "alice"}),
		"with groups":     machine(map[string]any{"cognito:groups": []string{"admin"}}),
	} {
		t.Run(name, func(t *testing.T) {
			s := &lab.Site{T: t, URL: s.URL}
			for _, path := range []string{"/me", "/admin", "/fresh"} {
				res := s.Bring(path, token)
				s.MustChallenge(res, http.StatusForbidden, `Bearer error="insufficient_scope"`)
			}
			res := s.Bring("/read", token)
			if who := lab.Decode(t, res.Text); res.StatusCode != http.StatusOK || who["user"] != nil || who["scope"] != "api/read" || who["err"] != nil {
				t.Errorf("with the scope: %s", lab.StatusLine(res))
			}
			s.MustChallenge(s.Bring("/write", token), http.StatusForbidden, `Bearer error="insufficient_scope", scope="api/read api/write"`)
		})
	}
	mustAdmit(s, "alice", s.Pool.AccessToken("", "alice", nil))
}

// TestBearerKeysOutOfReach proves that an outage is no verdict: a program that
// is told 401 throws its good token away. It gets 503, and once the keys can
// be had the same token is good.
func TestBearerKeysOutOfReach(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]cognitotest.Fault{
		"503":     {Status: http.StatusServiceUnavailable},
		"no keys": {Body: `{"keys":[]}`},
		"cut":     {LoseAnswer: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := lab.ServeAPI(t)
			s.Pool.Break(cognitotest.JWKS, fault)
			token := s.Pool.AccessToken("", "alice", nil)
			for range 4 { // more than may be fetched at once
				res := s.Bring("/me", token)
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get("WWW-Authenticate") != "" {
					t.Fatalf("got %s with Retry-After %q", lab.StatusLine(res), res.Header.Get("Retry-After"))
				}
				if problem := res.Problem(t); problem["code"] != "unavailable" {
					t.Errorf("the problem is %v", problem)
				}
				if who := lab.Decode(t, s.Bring("/who", token).Text); who["user"] != nil || who["err"] == nil {
					t.Errorf("an open page sees %v", who)
				}
			}
			lab.MustJudge(t, s.Auth, token, cognito.ErrUnavailable)
			lab.MustJudge(t, s.Auth, "x.y.z", cognito.ErrTokenMalformed) // needs no key to be refused
			if calls := s.Pool.Calls(cognitotest.JWKS); calls > 2 {
				t.Errorf("the keys were asked for %d times at once", calls)
			}
			s.Pool.Heal()
			s.Pool.Advance(10 * time.Second)
			mustAdmit(s, "alice", token)
		})
	}
}

// TestRememberedTokenExpires: a token that was verified is not verified again, but its
// expiry counts at every request.
func TestRememberedTokenExpires(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	token := s.Pool.AccessToken("", "alice", map[string]any{"exp": s.Pool.Now().Add(2 * time.Minute).Unix()})
	for range 3 {
		mustAdmit(s, "alice", token)
	}
	s.Pool.Advance(time.Minute)
	mustAdmit(s, "alice", token)
	s.Pool.Advance(2*time.Minute + time.Second) // the leeway included
	s.MustChallenge(s.Bring("/me", token), http.StatusUnauthorized, lab.InvalidToken)
	mustAdmit(s, "alice", s.Pool.AccessToken("", "alice", nil))
}

// TestRememberedTokenOfAWithdrawnKey: what is remembered of tokens does not outlive the
// key that signed them, neither when the new key set is read for another token, nor
// when nobody but the old token ever comes.
func TestRememberedTokenOfAWithdrawnKey(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	lasting := map[string]any{"exp": s.Pool.Now().Add(24 * time.Hour).Unix()}
	old := s.Pool.AccessToken("", "alice", lasting)
	mustAdmit(s, "alice", old)

	s.Pool.RotateKeys()
	mustAdmit(s, "bob", s.Pool.AccessToken("", "bob", lasting)) // the new kid at first sight
	mustAdmit(s, "alice", old)                                  // which is published still

	s.Pool.DropOldKeys()
	s.Pool.Advance(61 * time.Minute)
	lab.Eventually(t, "the withdrawn key's token is refused", func() bool {
		return s.Bring("/me", old).StatusCode == http.StatusUnauthorized
	})
	s.MustChallenge(s.Bring("/me", old), http.StatusUnauthorized, lab.InvalidToken)
	lab.MustJudge(t, s.Auth, old, cognito.ErrTokenKey)
	mustAdmit(s, "bob", s.Pool.AccessToken("", "bob", nil))
}

// TestRememberedTokenAndANewKeySet: the key set that another token made us read decides
// about remembered ones too.
func TestRememberedTokenAndANewKeySet(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	old := s.Pool.AccessToken("", "alice", nil)
	mustAdmit(s, "alice", old)
	s.Pool.Break(cognitotest.JWKS, cognitotest.Fault{Body: fmt.Sprintf(
		`{"keys":[{"kty":"RSA","kid":"next","e":"AQAB","n":%q}]}`, base64.RawURLEncoding.EncodeToString(foreignKey().N.Bytes()))})
	s.Pool.Tamper(func(t *cognitotest.UnsignedToken) { t.Header["kid"], t.Key = "next", foreignKey() })
	next := s.Pool.AccessToken("", "bob", nil)
	mustAdmit(s, "bob", next)
	s.MustChallenge(s.Bring("/me", old), http.StatusUnauthorized, lab.InvalidToken)
	mustAdmit(s, "bob", next)
}

// TestTokenRememberedElsewhere: what one has verified is nothing to another with other
// rules.
func TestTokenRememberedElsewhere(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	pool.SetClient(cognitotest.Client{ID: "second"})
	first := lab.ServeAPIWith(t, pool)
	second := lab.ServeAPIWith(t, pool, func(c *cognito.Config) { c.ClientID = "second" })
	bound := lab.ServeAPIWith(t, pool, func(c *cognito.Config) { c.Audience = "https://api.example.com" })
	token := pool.AccessToken("", "alice", nil)
	for range 2 {
		mustAdmit(first, "alice", token)
		second.MustChallenge(second.Bring("/me", token), http.StatusUnauthorized, lab.InvalidToken)
		bound.MustChallenge(bound.Bring("/me", token), http.StatusUnauthorized, lab.InvalidToken)
	}
	mustAdmit(second, "alice", pool.AccessToken("second", "alice", nil))
}

// TestRememberedTokensOfManyUsers: with hundreds of users at once, each answer is the
// bearer's own, also while the key set changes and tokens are forgotten.
func TestRememberedTokensOfManyUsers(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	tokens := map[string]string{}
	for i := range 120 {
		name := fmt.Sprintf("user-%03d", i)
		s.Pool.SetUser(cognitotest.User{Username: name})
		tokens[name] = s.Pool.AccessToken("", name, map[string]any{"exp": s.Pool.Now().Add(24 * time.Hour).Unix()})
	}
	names := slices.Collect(maps.Keys(tokens))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 250 {
				name := names[rand.N(len(names))]
				if got, err := bringBy(client, s.URL+"/me", tokens[name]); err != nil || got != name {
					t.Errorf("the token of %s got %q (%v)", name, got, err)
				}
			}
		})
	}
	all.Go(func() {
		for range 4 {
			s.Pool.Advance(61 * time.Minute)
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

// TestBearerPastTheDoor: a token is not sent by the browser on its own, so a request
// that brings one may come from anywhere, and the cookie's rule does not touch it.
func TestBearerPastTheDoor(t *testing.T) {
	t.Parallel()
	s := lab.ServeAPI(t)
	v := s.Visitor()
	v.Login(s.URL+"/login", "bob", lab.PasswordOf("bob"))
	foreign := map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
	without := s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{v.SessionCookie()}, Header: foreign})
	if without.StatusCode != http.StatusForbidden {
		t.Errorf("the cookie alone got %s, want 403", lab.StatusLine(without))
	}
	foreign["Authorization"] = "Bearer " + s.Pool.AccessToken("", "alice", nil)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "GET"} {
		s.MustSay("alice",
			s.Send(lab.Request{Method: method, Path: "/me", Header: foreign}),
			s.Send(lab.Request{Method: method, Path: "/me", Cookies: []*http.Cookie{v.SessionCookie()}, Header: foreign}))
	}
}

// TestBearerIsNoVisitor: whoever brings a bearer token gets a problem to read,
// whatever it says that it accepts, and words that are not about a login.
func TestBearerIsNoVisitor(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.TakesBearer)
	for _, token := range []string{"Bearer x.y.z", "Bearer", "Bearer a b"} {
		for _, header := range []map[string]string{{"Accept": "text/html"}, {"Sec-Fetch-Mode": "navigate"}, {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}} {
			header["Authorization"] = token
			for _, path := range []string{"/me", "/login/redirect"} {
				res := s.Send(lab.Request{Path: path, Header: header})
				if kind := res.Header.Get("Content-Type"); kind != "application/problem+json" || strings.Contains(res.Text, "verified") {
					t.Errorf("%s with %v: %s of type %s", path, header, lab.StatusLine(res), kind)
				}
			}
		}
	}
	res := s.Send(lab.Request{Path: "/login/redirect", Header: lab.AsPage})
	if kind := res.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/html") {
		t.Errorf("a visitor gets %s", kind)
	}
}
