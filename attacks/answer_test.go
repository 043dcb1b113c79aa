package attacks_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// Attacks on what Cognito's endpoints answer, and on the way there.

// cannedAnswer is a good token response to a login, for its envelope to be
// spoilt.
func (l *tokenLab) cannedAnswer(p *lab.PendingLogin) map[string]any {
	return map[string]any{
		"access_token": l.Pool.AccessToken("", "alice", nil),
		"id_token":     l.Pool.IDToken("", "alice", map[string]any{"nonce": p.Query.Get("nonce")}),
		// Not the pool's, and it does not have to be.
		"refresh_token": "canned-refresh-token-" + p.State,
		"token_type":    "Bearer", "expires_in": 3600,
	}
}

func toJSON(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// edited is an answer with one member changed, or left out if value is nil.
func edited(name string, value any) func(map[string]any) cognitotest.Fault {
	return func(good map[string]any) cognitotest.Fault {
		good[name] = value
		if value == nil {
			delete(good, name)
		}
		return cognitotest.Fault{Body: toJSON(good)}
	}
}

// retyped is a good answer under another content type.
func retyped(contentType string) func(map[string]any) cognitotest.Fault {
	return func(good map[string]any) cognitotest.Fault {
		return cognitotest.Fault{Body: toJSON(good), Header: http.Header{"Content-Type": {contentType}}}
	}
}

// restated is a good answer with another status.
func restated(status int) func(map[string]any) cognitotest.Fault {
	return func(good map[string]any) cognitotest.Fault {
		return cognitotest.Fault{Status: status, Body: toJSON(good)}
	}
}

// around is a good answer put into other text.
func around(before, after string) func(map[string]any) cognitotest.Fault {
	return func(good map[string]any) cognitotest.Fault {
		return cognitotest.Fault{Body: before + toJSON(good) + after}
	}
}

// padded is a good answer of exactly so many bytes.
func padded(good map[string]any, size int) string {
	good["filler"] = ""
	good["filler"] = strings.Repeat("x", size-len(toJSON(good)))
	return toJSON(good)
}

// zipped is a good answer of so many bytes, compressed.
func zipped(size int) func(map[string]any) cognitotest.Fault {
	return func(good map[string]any) cognitotest.Fault {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(padded(good, size)))
		_ = w.Close()
		return cognitotest.Fault{Body: b.String(), Header: http.Header{"Content-Encoding": {"gzip"}}}
	}
}

const mebibyte = 1 << 20

// TestTokenResponseAbuse: the tokens in each of these answers are good, so what is
// refused is the envelope. One request is made each time, whatever comes of it, and
// nothing of the answer is kept.
func TestTokenResponseAbuse(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	down, bad := cognito.ErrUnavailable, cognito.ErrInvalidToken
	for _, row := range []struct {
		name   string
		answer func(good map[string]any) cognitotest.Fault
		reason error // nil: accepted
		want   error
	}{
		{"as it should be", edited("scope", "openid"), nil, nil},
		{"200 with an error", edited("error", "invalid_grant"), down, down},
		{"201", restated(http.StatusCreated), down, down},
		{"206", restated(http.StatusPartialContent), down, down},
		{"500", restated(http.StatusInternalServerError), down, down},
		{"400 without an error", restated(http.StatusBadRequest), down, down},
		{"HTML", func(map[string]any) cognitotest.Fault {
			return cognitotest.Fault{ContentType: "text/html", Body: "<html>blocked</html>"}
		}, down, down},
		{"JSON that calls itself HTML", retyped("text/html"), down, down},
		{"plain text", retyped("text/plain"), down, down},
		{"no content type", retyped(""), down, down},
		{"a type that only begins well", retyped("application/jsonp"), down, down},
		{"a content type in two parts", retyped("application/json, text/html"), down, down},
		{"a content type with a charset", retyped("application/json;charset=UTF-8"), nil, nil},
		{"no token_type", edited("token_type", nil), down, down},
		{"token_type mac", edited("token_type", "mac"), down, down},
		{"token_type bEARER", edited("token_type", "bEARER"), nil, nil},
		{"no expires_in", edited("expires_in", nil), nil, nil},
		{"expires_in a string", edited("expires_in", "3600"), nil, nil},
		{"expires_in negative", edited("expires_in", -1), nil, nil},
		{"expires_in 2^63", edited("expires_in", json.RawMessage("9223372036854775808")), nil, nil},
		{"expires_in 1e400", edited("expires_in", json.RawMessage("1e400")), nil, nil},
		{"no access_token", edited("access_token", nil), down, down},
		{"access_token empty", edited("access_token", ""), down, down},
		{"access_token a number", edited("access_token", 1), down, down},
		{"access_token junk", edited("access_token", "junk"), bad, cognito.ErrTokenMalformed},
		{"no id_token", edited("id_token", nil), bad, cognito.ErrTokenMalformed},
		{"id_token empty", edited("id_token", ""), bad, cognito.ErrTokenMalformed},
		{"id_token a list", edited("id_token", []string{"a.b.c"}), down, down},
		{"no refresh_token", edited("refresh_token", nil), nil, nil},
		{"repeated members, the last one junk", func(good map[string]any) cognitotest.Fault {
			return cognitotest.Fault{Body: strings.TrimSuffix(toJSON(good), "}") + `,"id_token":"junk"}`}
		}, bad, cognito.ErrTokenMalformed},
		{"repeated members, the last one good", func(good map[string]any) cognitotest.Fault {
			return cognitotest.Fault{Body: `{"id_token":"junk",` + strings.TrimPrefix(toJSON(good), "{")}
		}, nil, nil},
		{"truncated", func(good map[string]any) cognitotest.Fault {
			return cognitotest.Fault{Body: strings.TrimSuffix(toJSON(good), "}")}
		}, down, down},
		{"in a list", around("[", "]"), down, down},
		{"twice", around("", "{}"), down, down},
		{"null", func(map[string]any) cognitotest.Fault { return cognitotest.Fault{Body: "null"} }, down, down},
		{"empty", func(map[string]any) cognitotest.Fault { return cognitotest.Fault{Status: 200} }, down, down},
		{"nested deeply", func(good map[string]any) cognitotest.Fault {
			depths := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
			return cognitotest.Fault{Body: `{"filler":` + depths + "," + strings.TrimPrefix(toJSON(good), "{")}
		}, down, down},
		{"nested deeply and left open", func(map[string]any) cognitotest.Fault {
			return cognitotest.Fault{Body: strings.Repeat(`{"a":`, 100000)}
		}, down, down},
		{"1 MiB", func(good map[string]any) cognitotest.Fault { return cognitotest.Fault{Body: padded(good, mebibyte)} }, nil, nil},
		{"1 MiB and a byte", func(good map[string]any) cognitotest.Fault {
			return cognitotest.Fault{Body: padded(good, mebibyte+1)}
		}, down, down},
		{"gzip", zipped(mebibyte), nil, nil},
		{"gzip bomb", zipped(8 * mebibyte), down, down},
		{"50 MB", func(map[string]any) cognitotest.Fault { return cognitotest.Fault{BodySize: 50e6} }, down, down},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := l.in(t)
			res, posts := l.attemptAnswered(row.answer)
			if posts != 1 {
				t.Errorf("%d requests were sent to the token endpoint, want 1", posts)
			}
			if row.reason == nil {
				l.mustAccept(res)
				l.forget()
				return
			}
			l.mustRefuse(res, row.reason, row.want)
			l.mustLogIn()
		})
	}
}

// attemptAnswered is attempt with a token response made for it. It counts the
// requests that the answer was fetched with.
func (l *tokenLab) attemptAnswered(answer func(good map[string]any) cognitotest.Fault) (*lab.Answer, int) {
	l.Helper()
	p := l.begin()
	l.spoil(cognitotest.Token, answer(l.cannedAnswer(p)))
	defer l.answerHonestly()
	l.heard.take()
	before := l.Pool.Calls(cognitotest.Token)
	res := l.deliver(p)
	return res, l.Pool.Calls(cognitotest.Token) - before
}

// TestTokenResponseFloodsMemory: a body of 200 MB is not read to its end, let alone
// kept.
func TestTokenResponseFloodsMemory(t *testing.T) {
	l := newTokenLab(t)
	p := l.begin()
	l.spoil(cognitotest.Token, cognitotest.Fault{BodySize: 200e6})
	l.heard.take()
	var res *lab.Answer
	if grown := allocatedBy(func() { res = l.deliver(p) }); grown > 32*mebibyte {
		t.Errorf("%d bytes were allocated for an answer of 200 MB", grown)
	}
	l.answerHonestly()
	l.mustRefuse(res, cognito.ErrUnavailable, cognito.ErrUnavailable)
	l.mustLogIn()
}

// allocatedBy is how many bytes the process allocates while work runs.
func allocatedBy(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestTokensForever: whatever expires_in says, the tokens' own exp decides, and then
// they are renewed.
func TestTokensForever(t *testing.T) {
	t.Parallel()
	for _, said := range []any{nil, "3600", -1, json.RawMessage("9223372036854775808")} {
		t.Run(fmt.Sprintf("%s", said), func(t *testing.T) {
			l := newTokenLab(t)
			l.answerHonestly(func(answer map[string]any) {
				answer["expires_in"] = said
				if said == nil {
					delete(answer, "expires_in")
				}
			})
			cookie := l.mustAccept(l.attempt())
			first := l.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{cookie}}).Text
			l.Pool.Advance(61 * time.Minute)
			second := l.Send(lab.Request{Path: "/token", Cookies: []*http.Cookie{cookie}}).Text
			if first == second || l.Pool.Calls(cognitotest.Token) != 2 {
				t.Errorf("an hour later the token was not renewed, after %d token calls", l.Pool.Calls(cognitotest.Token))
			}
			l.mustJudge(second, nil)
		})
	}
}

// TestCodeSpentTwice: a code is sent once, in one style, whatever the answer; a second
// try would hide why the first one failed.
func TestCodeSpentTwice(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	const secret = "a+b/c=d%e&f"
	pool.SetClient(cognitotest.Client{ID: "confidential", Secret: secret})
	l := newTokenLabWith(t, pool, func(c *cognito.Config) { c.ClientID, c.ClientSecret = "confidential", secret })
	oauth := func(status int, code string) cognitotest.Fault {
		return cognitotest.Fault{Status: status, Body: toJSON(map[string]string{"error": code})}
	}
	for _, row := range []struct {
		name   string
		fault  cognitotest.Fault
		reason error
	}{
		{"400 invalid_grant", oauth(400, "invalid_grant"), cognito.ErrCodeRefused},
		{"400 invalid_client", oauth(400, "invalid_client"), cognito.ErrMisconfigured},
		{"401 invalid_client", oauth(401, "invalid_client"), cognito.ErrMisconfigured},
		{"400 unauthorized_client", oauth(400, "unauthorized_client"), cognito.ErrMisconfigured},
		{"400 invalid_request", oauth(400, "invalid_request"), cognito.ErrMisconfigured},
		{"401 without JSON", cognitotest.Fault{Status: 401, ContentType: "text/html"}, cognito.ErrUnavailable},
		{"403 of a firewall", cognitotest.Fault{Status: 403, ContentType: "text/html", Body: "<html>"}, cognito.ErrUnavailable},
		{"429", oauth(429, "slow_down"), cognito.ErrUnavailable},
		{"500", oauth(500, "server_error"), cognito.ErrUnavailable},
		{"503", cognitotest.Fault{Status: 503}, cognito.ErrUnavailable},
		{"connection lost after the work", cognitotest.Fault{LoseAnswer: true}, cognito.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := l.in(t)
			res, posts := l.attemptAnswered(func(map[string]any) cognitotest.Fault { return row.fault })
			if posts != 1 {
				t.Errorf("%d requests were sent to the token endpoint, want 1", posts)
			}
			if row.reason == cognito.ErrCodeRefused {
				// With a storage that instances share, another one may have been
				// faster: the login begins again, once.
				if !leadsToCognito(l.Site, res) {
					t.Fatalf("the code's refusal is answered with %s, want another login", lab.StatusLine(res))
				}
				_ = l.storage.Reset()
				l.mustLogIn()
				return
			}
			l.mustRefuse(res, row.reason, row.reason)
			if retry := res.Header.Get("Retry-After"); (retry != "") != (row.reason == cognito.ErrUnavailable) {
				t.Errorf("Retry-After is %q", retry)
			}
			l.mustLogIn()
		})
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("confidential:"+secret))
	for _, sent := range pool.Requests(cognitotest.Token) {
		if sent.Header.Get("Authorization") != want || sent.Form.Has("client_secret") || sent.Form.Has("client_id") {
			t.Fatalf("the client authenticated with %q and %v", sent.Header.Get("Authorization"), sent.Form)
		}
	}
}

// TestRefreshTokenSpentTwice: an answer is an answer, also a bad one. The session
// outlives all but the definite refusal.
func TestRefreshTokenSpentTwice(t *testing.T) {
	t.Parallel()
	oauth := func(status int, code string) cognitotest.Fault {
		return cognitotest.Fault{Status: status, Body: toJSON(map[string]string{"error": code})}
	}
	for name, row := range map[string]struct {
		fault  cognitotest.Fault
		status int // of a guarded page meanwhile
	}{
		"400 invalid_grant":       {oauth(400, "invalid_grant"), http.StatusUnauthorized},
		"400 invalid_client":      {oauth(400, "invalid_client"), http.StatusServiceUnavailable},
		"401 invalid_client":      {oauth(401, "invalid_client"), http.StatusServiceUnavailable},
		"400 unauthorized_client": {oauth(400, "unauthorized_client"), http.StatusServiceUnavailable},
		"429":                     {oauth(429, "slow_down"), http.StatusServiceUnavailable},
		"500":                     {oauth(500, "server_error"), http.StatusServiceUnavailable},
		"403 of a firewall":       {cognitotest.Fault{Status: 403, ContentType: "text/html"}, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			// In a storage of its own no other instance is waited for.
			l := newTokenLab(t, func(c *cognito.Config) { c.Storage = nil }, lab.InMemory)
			cookie := l.mustAccept(l.attempt())
			l.Pool.Advance(61 * time.Minute)
			l.spoil(cognitotest.Token, row.fault)
			me := l.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}})
			if me.StatusCode != row.status {
				t.Errorf("/me answers %s, want %d", lab.StatusLine(me), row.status)
			}
			if posts := l.Pool.Calls(cognitotest.Token) - 1; posts != 1 {
				t.Errorf("%d requests were sent to the token endpoint, want 1", posts)
			}
			l.answerHonestly()
			l.Pool.Advance(time.Minute)
			me = l.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}})
			if (me.StatusCode == http.StatusOK) != (row.status == http.StatusServiceUnavailable) {
				t.Errorf("afterwards /me answers %s", lab.StatusLine(me))
			}
		})
	}
}

// canary is a host that must never hear of us.
func canary(t *testing.T) (address string, hits func() int) {
	t.Helper()
	var mu sync.Mutex
	count := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		count++
	}))
	t.Cleanup(server.Close)
	return server.URL, func() int {
		mu.Lock()
		defer mu.Unlock()
		return count
	}
}

// TestEndpointsRedirectAway: an endpoint that answers with a redirect to another host
// does not get the code, the verifier, the refresh token or the client secret sent
// there.
func TestEndpointsRedirectAway(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []cognitotest.Endpoint{cognitotest.Token, cognitotest.JWKS, cognitotest.UserInfo} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			t.Run(fmt.Sprint(endpoint, " ", status), func(t *testing.T) {
				address, hits := canary(t)
				l := newTokenLab(t, func(c *cognito.Config) { c.UserInfo = true })
				l.spoil(endpoint, cognitotest.Fault{Status: status, Header: http.Header{"Location": {address + "/"}}})
				l.mustRefuse(l.attempt(), cognito.ErrUnavailable, cognito.ErrUnavailable)
				if endpoint != cognitotest.Token {
					l.mustRevoke(l.issued.get("refresh_token"))
				}
				if hits() != 0 {
					t.Errorf("%d requests went to another host", hits())
				}
				l.Pool.Heal(endpoint)
				l.Pool.Advance(10 * time.Second)
				l.mustLogIn()
			})
		}
	}
}

// TestRevocationRedirectsAway: the refresh token of a login that was refused does not
// follow a redirect.
func TestRevocationRedirectsAway(t *testing.T) {
	t.Parallel()
	address, hits := canary(t)
	l := newTokenLab(t)
	l.spoil(cognitotest.Revoke, cognitotest.Fault{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {address}}})
	l.lieAtLogin(inIDToken, lie{tell: lab.WithoutClaim("nonce"), want: cognito.ErrTokenNonce})
	l.soon("the failure is not in the log", func() bool { return strings.Contains(l.Logged.String(), "could not be revoked") })
	if hits() != 0 {
		t.Errorf("%d requests went to another host", hits())
	}
	l.mustLogIn()
}

// disguised puts a TLS server with a certificate of nobody in front of a pool.
func disguised(t *testing.T, pool *cognitotest.Pool) *httptest.Server {
	t.Helper()
	behind, err := url.Parse(pool.URL())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(lab.ReadWhole(httputil.NewSingleHostReverseProxy(behind)))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // refused handshakes
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestTokenEndpointWithForgedCertificate: a host that cannot prove its name gets
// neither code nor verifier. With its certificate among the trusted ones the same login
// succeeds.
func TestTokenEndpointWithForgedCertificate(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	server := disguised(t, pool)

	wary := newTokenLabWith(t, pool, func(c *cognito.Config) { c.UserPoolDomain = server.URL })
	var unknown x509.UnknownAuthorityError
	res := wary.attempt()
	causes := wary.heard.causes
	if len(causes) != 1 || !errors.As(causes[0], &unknown) {
		t.Errorf("the cause is %v, want an unknown authority", causes)
	}
	wary.mustRefuse(res, cognito.ErrUnavailable, cognito.ErrUnavailable)
	if calls := pool.Calls(cognitotest.Token); calls != 0 {
		t.Errorf("%d requests reached the token endpoint", calls)
	}
	trusting := newTokenLabWith(t, pool, func(c *cognito.Config) {
		c.UserPoolDomain, c.HTTPClient = server.URL, server.Client()
	})
	trusting.mustLogIn()
}

// TestKeysWithForgedCertificate: the signing keys, which decide everything else, are
// taken from no host that cannot prove its name.
func TestKeysWithForgedCertificate(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	server := disguised(t, pool)
	issuer := server.URL + "/" + pool.UserPoolID()
	raw := pool.AccessToken("", "alice", map[string]any{"iss": issuer})

	wary := newTokenLabWith(t, pool, func(c *cognito.Config) { c.Issuer = issuer })
	wary.mustJudge(raw, cognito.ErrUnavailable)
	if calls := pool.Calls(cognitotest.JWKS); calls != 0 {
		t.Errorf("%d requests reached the keys", calls)
	}
	trusting := newTokenLabWith(t, pool, func(c *cognito.Config) { c.Issuer, c.HTTPClient = issuer, server.Client() })
	trusting.mustJudge(raw, nil)
}

// TestUnsafeTransportConfigured: settings that would switch these checks off are
// refused before the first request, by the name of the field.
func TestUnsafeTransportConfigured(t *testing.T) {
	t.Parallel()
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	private := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}
	for _, row := range []struct {
		name, field string
		set         func(*cognito.Config)
	}{
		{"InsecureSkipVerify", "HTTPClient", func(c *cognito.Config) { c.HTTPClient = trusting }},
		{"http domain", "UserPoolDomain", func(c *cognito.Config) { c.UserPoolDomain = "http://auth.example.com" }},
		{"http issuer", "Issuer", func(c *cognito.Config) { c.Issuer = "http://cognito-idp.eu-west-2.amazonaws.com/eu-west-2_AbCdEfGhI" }},
		{"issuer with a slash", "Issuer", func(c *cognito.Config) { c.Issuer = "https://issuer.example.com/" }},
		{"no client", "ClientID", func(c *cognito.Config) { c.ClientID = "" }},
		{"no pool", "UserPoolID", func(c *cognito.Config) { c.UserPoolID, c.Issuer = "", "" }},
	} {
		t.Run(row.name, func(t *testing.T) {
			config := cognito.Config{UserPoolDomain: "https://auth.example.com", ClientID: "client", UserPoolID: "eu-west-2_AbCdEfGhI"}
			row.set(&config)
			_, err := cognito.NewAuth(config)
			var refused *cognito.ConfigError
			if !errors.Is(err, cognito.ErrMisconfigured) || !errors.As(err, &refused) {
				t.Fatalf("NewAuth() = %v, want ErrMisconfigured", err)
			}
			if len(refused.Problems) != 1 || refused.Problems[0].Field != row.field {
				t.Errorf("the problems are %+v, want one of %s", refused.Problems, row.field)
			}
		})
	}
	honest := cognito.Config{UserPoolDomain: "auth.example.com", ClientID: "client", UserPoolID: "eu-west-2_AbCdEfGhI", HTTPClient: private}
	auth, err := cognito.NewAuth(honest)
	if err != nil {
		t.Fatalf("NewAuth() = %v for a private authority", err)
	}
	if err := auth.Close(); err != nil {
		t.Error(err)
	}
}
