package cognito_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/storage/memory/v2"
	"github.com/golang-jwt/jwt/v5"
)

// tokenLab is a site whose pool is about to lie: it sees what the app keeps,
// what it logs, and which tokens it was given.
type tokenLab struct {
	*site
	storage *memory.Storage // everything that the app keeps
	heard   *refusalLog     // why it refused
	issued  *tokenAnswer    // what the pool's token endpoint last gave out
}

func newTokenLab(t *testing.T, hooks ...func(*cognito.Config)) *tokenLab {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return newTokenLabWith(t, pool, hooks...)
}

func newTokenLabWith(t *testing.T, pool *cognitotest.Pool, hooks ...func(*cognito.Config)) *tokenLab {
	t.Helper()
	l := &tokenLab{storage: memory.New(), heard: &refusalLog{}, issued: &tokenAnswer{}}
	t.Cleanup(func() { _ = l.storage.Close() })
	observe := func(c *cognito.Config) {
		c.Storage = l.storage
		l.heard.Handler = c.Logger.Handler()
		c.Logger = slog.New(l.heard)
	}
	l.site = serveWith(t, pool, append([]func(*cognito.Config){observe}, hooks...)...)
	l.answerHonestly()
	return l
}

// in is the lab for a subtest.
func (l *tokenLab) in(t *testing.T) *tokenLab {
	inner, outer := *l, *l.site
	outer.T = t
	inner.site = &outer
	return &inner
}

// refusalLog is a log that remembers the causes of refusals as values.
type refusalLog struct {
	slog.Handler
	mu     sync.Mutex // guards causes
	causes []error
}

func (r *refusalLog) Handle(ctx context.Context, record slog.Record) error {
	record.Attrs(func(a slog.Attr) bool {
		if event, ok := a.Value.Any().(cognito.Event); ok && event.Kind == cognito.EventRefuse {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.causes = append(r.causes, event.Err)
		}
		return true
	})
	return r.Handler.Handle(ctx, record)
}

// take returns the causes since the last call.
func (r *refusalLog) take() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	causes := r.causes
	r.causes = nil
	return causes
}

// tokenAnswer is an answer of the token endpoint.
type tokenAnswer struct {
	mu      sync.Mutex // guards members
	members map[string]string
}

func (a *tokenAnswer) keep(answer map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.members = map[string]string{}
	for _, name := range []string{"access_token", "id_token", "refresh_token"} {
		a.members[name], _ = answer[name].(string)
	}
}

func (a *tokenAnswer) get(name string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.members[name]
}

// answerHonestly has the token endpoint answer as it is, or changed a bit, and
// notes what it answered.
func (l *tokenLab) answerHonestly(changes ...func(map[string]any)) {
	l.spoil(cognitotest.Token, cognitotest.Fault{Rewrite: func(answer map[string]any) {
		l.issued.keep(answer)
		for _, change := range changes {
			change(answer)
		}
	}})
}

// spoil puts a fault in the place of those that an endpoint has.
func (l *tokenLab) spoil(endpoint cognitotest.Endpoint, fault cognitotest.Fault) {
	l.pool.Heal(endpoint)
	l.pool.Break(endpoint, fault)
}

// begin starts a login at the app and has alice sign in at the pool. The
// callback is ready, but not sent.
func (l *tokenLab) begin(parameters ...string) *pendingLogin {
	l.Helper()
	res := l.send(request{path: "/login?" + strings.Join(parameters, "&")})
	if res.StatusCode != http.StatusFound {
		l.Fatalf("GET /login answered %s", statusLine(res))
	}
	authorize := res.location()
	begun := &pendingLogin{state: authorize.Query().Get("state"), cookie: res.cookie(isLoginCookie), query: authorize.Query()}
	// The app may know the pool by another address, of a proxy in front of it.
	authorize.Scheme, authorize.Host = "http", strings.TrimPrefix(l.pool.URL(), "http://")
	door := &doorstep{Transport: &http.Transport{}, app: strings.TrimPrefix(l.url, "http://")}
	browser := l.pool.NewBrowser()
	browser.Client.Transport = door
	browser.Login(authorize.String(), "alice", passwordOf("alice"))
	if door.wanted == "" {
		l.Fatal("the pool did not send alice back to the app")
	}
	begun.callback = door.wanted
	return begun
}

// doorstep stops a browser in front of the app and notes where it was going.
type doorstep struct {
	*http.Transport
	app, wanted string
}

func (d *doorstep) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != d.app {
		return d.Transport.RoundTrip(r)
	}
	d.wanted = r.URL.RequestURI()
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// deliver sends the callback as alice's browser does.
func (l *tokenLab) deliver(p *pendingLogin) *response {
	l.Helper()
	return l.send(request{path: p.callback, cookies: []*http.Cookie{p.cookie}, header: map[string]string{
		"Accept":         "text/html,application/xhtml+xml,*/*;q=0.8",
		"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site",
	}})
}

// attempt goes through a login up to the app's answer to the callback.
func (l *tokenLab) attempt() *response {
	l.Helper()
	l.heard.take()
	return l.deliver(l.begin())
}

// refusalPages are what a visitor reads on each kind of refusal, letter by letter:
// nothing else may be on it.
var refusalPages = map[*cognito.Reason]struct {
	status int
	text   string
}{
	cognito.ErrInvalidToken: {http.StatusUnauthorized,
		"Sign-in failed Sign-in failed Your sign-in could not be verified. Please try again. Try again"},
	cognito.ErrUnavailable: {http.StatusServiceUnavailable,
		"Temporarily unavailable Temporarily unavailable Sign-in is not available at the moment. You have not been signed out; please try again shortly. Try again"},
	cognito.ErrCodeRefused: {http.StatusBadRequest,
		"Sign-in failed Sign-in failed The sign-in could not be completed. Please try again. Try again"},
	cognito.ErrMisconfigured: {http.StatusInternalServerError,
		"Sign-in is not set up correctly Sign-in is not set up correctly Something is wrong with this site's settings. Its operators find the reason in their log. Try again"},
	cognito.ErrProvider: {http.StatusBadRequest,
		"Sign-in failed Sign-in failed The sign-in service could not sign you in. Please try again. Try again"},
	cognito.ErrBadCallback: {http.StatusBadRequest,
		"Sign-in failed Sign-in failed The answer of the sign-in service could not be read. Please try again. Try again"},
	cognito.ErrStateMismatch: {http.StatusBadRequest,
		"This sign-in link is not yours to finish This sign-in link is not yours to finish It was not started in this browser, or too long ago. Please sign in again. Try again"},
}

var notText = regexp.MustCompile(`(?s)<style>.*?</style>|<[^>]*>`)

// mustRefuse wants a login to have come to nothing: no cookie, no session, a
// bland page for the visitor, and the whole cause in the log.
func (l *tokenLab) mustRefuse(res *response, reason *cognito.Reason, want error) {
	l.Helper()
	l.mustHoldNothing(res)
	l.mustExplain(res, reason, want)
}

// mustExplain wants the visitor to be told little and the log everything.
func (l *tokenLab) mustExplain(res *response, reason *cognito.Reason, want error) {
	l.Helper()
	page := refusalPages[reason]
	if res.StatusCode != page.status || res.Header.Get("Location") != "" {
		l.Errorf("the callback answered %d to %q, want %d", res.StatusCode, res.Header.Get("Location"), page.status)
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(notText.ReplaceAllString(res.body, " "), "&#39;", "'")), " ")
	if text != page.text {
		l.Errorf("the page reads %q, want %q", text, page.text)
	}
	l.noSecretsIn(res.body, "the page")
	causes := l.heard.take()
	if len(causes) != 1 {
		l.Fatalf("%d refusals were logged, want 1", len(causes))
	}
	var e *cognito.Error
	if cause := causes[0]; !errors.As(cause, &e) || !errors.Is(cause, reason) || !errors.Is(cause, want) {
		l.Errorf("the log says %q, want %q because of %q", cause, reason, want)
	}
	if !strings.Contains(l.log.String(), want.Error()) {
		l.Errorf("the log does not say %q", want)
	}
	for _, name := range []string{"access_token", "id_token", "refresh_token"} {
		if token := l.issued.get(name); token != "" && strings.Contains(l.log.String()+res.body, token) {
			l.Errorf("the %s is in the log or on the page", name)
		}
	}
}

// mustHoldNothing wants neither a session cookie nor anything in the storage:
// the login's own record is gone too.
func (l *tokenLab) mustHoldNothing(res *response) {
	l.Helper()
	if cookie := res.cookie(isSessionCookie); cookie != nil {
		l.Errorf("a session cookie %s was set", cookie.Name)
	}
	if keys, err := l.storage.Keys(); err != nil || len(keys) != 0 {
		l.Errorf("the storage holds %q (%v), want nothing", keys, err)
	}
}

// mustRevoke wants the refresh token of a refused login to be revoked: nobody
// will ever use it.
func (l *tokenLab) mustRevoke(refresh string) {
	l.Helper()
	if refresh == "" {
		l.Fatal("no refresh token was issued")
	}
	l.soon("the refresh token is not revoked", func() bool {
		return slices.ContainsFunc(l.pool.Requests(cognitotest.Revoke), func(r cognitotest.Request) bool {
			return r.Form.Get("token") == refresh
		})
	})
}

// soon waits for what happens in the background.
func (l *tokenLab) soon(otherwise string, happened func() bool) {
	l.Helper()
	for range 1000 {
		if happened() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	l.Error(otherwise)
}

// mustAccept wants a login to have led home with a session.
func (l *tokenLab) mustAccept(res *response) *http.Cookie {
	l.Helper()
	cookie := res.cookie(isSessionCookie)
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/" || cookie == nil {
		l.Fatalf("the callback answered %d to %q: %v", res.StatusCode, res.Header.Get("Location"), l.heard.take())
	}
	return cookie
}

// mustLogIn is the honest case that every attack ends with.
func (l *tokenLab) mustLogIn() *http.Cookie {
	l.Helper()
	cookie := l.mustAccept(l.attempt())
	me := l.send(request{path: "/me", cookies: []*http.Cookie{cookie}})
	if me.StatusCode != http.StatusOK || decode(l.T, me.body)["email"] != "alice@example.com" {
		l.Errorf("after an honest login /me answers %s", statusLine(me))
	}
	l.forget()
	return cookie
}

// forget empties the storage, for the next attempt to start from nothing.
func (l *tokenLab) forget() { _ = l.storage.Reset() }

// Which token of an answer lies.
const (
	inIDToken     = "id"
	inAccessToken = "access"
	inEither      = "" // both are tried, one after the other
)

// lie is one way in which a token is not what it should be.
type lie struct {
	name string
	in   string
	tell func(*cognitotest.UnsignedToken)
	// want is why the token is refused, nil if it is to be accepted.
	want error
	// atLoginOnly: nothing is wrong with the token, but with what it came with.
	atLoginOnly bool
}

// testLies tells every lie once, in a login and to VerifyAccessToken.
func (l *tokenLab) testLies(lies []lie) {
	for _, row := range lies {
		l.Run(row.name, func(t *testing.T) {
			l := l.in(t)
			if row.in != inAccessToken {
				l.lieAtLogin(inIDToken, row)
			}
			if row.in == inAccessToken {
				l.lieAtLogin(inAccessToken, row)
			}
			if row.in != inIDToken && !row.atLoginOnly {
				l.lieToVerifier(row)
			}
			l.mustLogIn()
		})
	}
}

func (l *tokenLab) lieAtLogin(in string, row lie) {
	l.Helper()
	l.pool.Tamper(func(t *cognitotest.UnsignedToken) {
		if t.Use == in {
			row.tell(t)
		}
	})
	res := l.attempt()
	l.pool.Tamper(nil)
	if row.want == nil {
		l.mustAccept(res)
		l.forget()
		return
	}
	l.mustRefuse(res, cognito.ErrInvalidToken, row.want)
	l.mustRevoke(l.issued.get("refresh_token"))
}

func (l *tokenLab) lieToVerifier(row lie) {
	l.Helper()
	l.mustJudge(l.minted(nil, row.tell), row.want)
	l.mustJudge(l.minted(nil), nil)
}

// minted is an access token of alice that the pool signed after some changes.
func (l *tokenLab) minted(claims map[string]any, changes ...func(*cognitotest.UnsignedToken)) string {
	l.pool.Tamper(func(t *cognitotest.UnsignedToken) {
		for _, change := range changes {
			change(t)
		}
	})
	defer l.pool.Tamper(nil)
	return l.pool.AccessToken("", "alice", claims)
}

// mustJudge wants VerifyAccessToken's verdict to be want, nil for accepted.
func (l *tokenLab) mustJudge(raw string, want error) {
	l.Helper()
	mustJudge(l.T, l.auth, raw, want)
}

func mustJudge(t *testing.T, auth *cognito.Auth, raw string, want error) {
	t.Helper()
	payload, err := auth.VerifyAccessToken(t.Context(), raw)
	if !errors.Is(err, want) {
		t.Errorf("VerifyAccessToken() = %v, want %v", err, want)
	}
	if (payload == nil) != (err != nil) {
		t.Errorf("VerifyAccessToken() returns both or neither: %v, %v", payload, err)
	}
	isVerdict := errors.Is(err, cognito.ErrInvalidToken) && !errors.Is(err, cognito.ErrUnavailable)
	if want != nil && !errors.Is(want, cognito.ErrUnavailable) && !isVerdict {
		t.Errorf("VerifyAccessToken() = %v, want ErrInvalidToken", err)
	}
	if err != nil && len(raw) > 16 && strings.Contains(err.Error(), raw[:16]) {
		t.Errorf("the error quotes the token: %v", err)
	}
}

// The lies. Each takes a token about to be signed and changes one thing.

func withClaim(name string, value any) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) { t.Claims[name] = value }
}

func withoutClaim(name string) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) { delete(t.Claims, name) }
}

func withHeader(name string, value any) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) { t.Header[name] = value }
}

func withoutHeader(name string) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) { delete(t.Header, name) }
}

// spelled changes the spelling of a token after it was signed.
func spelled(change func(raw string) string) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) {
		key := t.Key
		t.Sign = func(header, claims map[string]any) (string, error) {
			raw, err := signJWT(jwt.SigningMethodRS256, key, header, claims)
			return change(raw), err
		}
	}
}

// inSegment changes the spelling of the nth part of a token.
func inSegment(n int, change func(string) string) func(*cognitotest.UnsignedToken) {
	return spelled(func(raw string) string {
		parts := strings.Split(raw, ".")
		parts[n] = change(parts[n])
		return strings.Join(parts, ".")
	})
}

// signedWith signs by another algorithm, and says so in the header.
func signedWith(method jwt.SigningMethod, key func(*rsa.PrivateKey) any) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) {
		t.Header["alg"] = method.Alg()
		signer := key(t.Key)
		t.Sign = func(header, claims map[string]any) (string, error) {
			return signJWT(method, signer, header, claims)
		}
	}
}

func unsigned(alg any) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) {
		t.Header["alg"] = alg
		t.Sign = func(header, claims map[string]any) (string, error) {
			return encodeSegment(header) + "." + encodeSegment(claims) + ".", nil
		}
	}
}

// signedRaw signs a payload that need not be an object, nor JSON.
func signedRaw(payload string) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) {
		key := t.Key
		t.Sign = func(header, _ map[string]any) (string, error) {
			text := encodeSegment(header) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
			signature, err := jwt.SigningMethodRS256.Sign(text, key)
			return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
		}
	}
}

func signJWT(method jwt.SigningMethod, key any, header, claims map[string]any) (string, error) {
	text := encodeSegment(header) + "." + encodeSegment(claims)
	signature, err := method.Sign(text, key)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
}

func encodeSegment(members map[string]any) string {
	raw, err := json.Marshal(members)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// foreignKey is a key that no pool has ever had.
var foreignKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func publicPEM(key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// TestTokenAlgorithmConfusion proves row C1: the header of a token never
// chooses how it is verified. The attacker leaves the signature out, takes the
// published key for an HMAC secret, or uses an algorithm that we do not; the
// pool's own key signs where it can, so the algorithm alone is at fault.
func TestTokenAlgorithmConfusion(t *testing.T) {
	elliptic, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pooled := func(key *rsa.PrivateKey) any { return key }
	newTokenLab(t).testLies([]lie{
		{name: "none", tell: unsigned("none"), want: cognito.ErrTokenAlgorithm},
		{name: "None", tell: unsigned("None"), want: cognito.ErrTokenAlgorithm},
		{name: "NONE", tell: unsigned("NONE"), want: cognito.ErrTokenAlgorithm},
		{name: "nOnE", tell: unsigned("nOnE"), want: cognito.ErrTokenAlgorithm},
		{name: "none over a good signature", tell: withHeader("alg", "none"), want: cognito.ErrTokenAlgorithm},
		{name: "HS256 with the public key as PEM", tell: signedWith(jwt.SigningMethodHS256, func(key *rsa.PrivateKey) any { return publicPEM(key) }), want: cognito.ErrTokenAlgorithm},
		{name: "HS256 with the modulus", tell: signedWith(jwt.SigningMethodHS256, func(key *rsa.PrivateKey) any { return key.N.Bytes() }), want: cognito.ErrTokenAlgorithm},
		{name: "HS256 with no key", tell: signedWith(jwt.SigningMethodHS256, func(*rsa.PrivateKey) any { return []byte{} }), want: cognito.ErrTokenAlgorithm},
		{name: "RS384", tell: signedWith(jwt.SigningMethodRS384, pooled), want: cognito.ErrTokenAlgorithm},
		{name: "RS512", tell: signedWith(jwt.SigningMethodRS512, pooled), want: cognito.ErrTokenAlgorithm},
		{name: "PS256", tell: signedWith(jwt.SigningMethodPS256, pooled), want: cognito.ErrTokenAlgorithm},
		{name: "ES256", tell: signedWith(jwt.SigningMethodES256, func(*rsa.PrivateKey) any { return elliptic }), want: cognito.ErrTokenAlgorithm},
		{name: "EdDSA", tell: signedWith(jwt.SigningMethodEdDSA, func(*rsa.PrivateKey) any { return edwards }), want: cognito.ErrTokenAlgorithm},
		{name: "PS256 that calls itself RS256", tell: func(t *cognitotest.UnsignedToken) {
			signedWith(jwt.SigningMethodPS256, pooled)(t)
			t.Header["alg"] = "RS256"
		}, want: cognito.ErrTokenSignature},
		{name: "lower case", tell: withHeader("alg", "rs256"), want: cognito.ErrTokenAlgorithm},
		{name: "blank behind", tell: withHeader("alg", "RS256 "), want: cognito.ErrTokenAlgorithm},
		{name: "unknown", tell: withHeader("alg", "ROT13"), want: cognito.ErrTokenAlgorithm},
		{name: "missing", tell: withoutHeader("alg"), want: cognito.ErrTokenAlgorithm},
		{name: "list", tell: withHeader("alg", []string{"RS256"}), want: cognito.ErrTokenAlgorithm},
		{name: "RS256", tell: withHeader("alg", "RS256")},
	})
}

// TestTokenSignatureForgery proves row C2: signatures that are missing, bad or
// of another key are refused, also for tokens that came straight from the
// token endpoint, and each token has exactly one spelling.
func TestTokenSignatureForgery(t *testing.T) {
	end := func(s string) func(string) string { return func(part string) string { return part + s } }
	newTokenLab(t).testLies([]lie{
		{name: "stripped", tell: inSegment(2, func(string) string { return "" }), want: cognito.ErrTokenSignature},
		{name: "stripped with its dot", tell: spelled(func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] }), want: cognito.ErrTokenMalformed},
		{name: "zeros", tell: inSegment(2, func(part string) string { return strings.Repeat("A", len(part)) }), want: cognito.ErrTokenSignature},
		{name: "short", tell: inSegment(2, func(part string) string { return part[:len(part)/4*4] }), want: cognito.ErrTokenSignature},
		{name: "long", tell: inSegment(2, func(part string) string { return "AAAA" + part }), want: cognito.ErrTokenSignature},
		{name: "of another key", tell: func(t *cognitotest.UnsignedToken) { t.Key = foreignKey() }, want: cognito.ErrTokenSignature},
		{name: "of other claims", tell: func(t *cognitotest.UnsignedToken) {
			signed, _ := signJWT(jwt.SigningMethodRS256, t.Key, t.Header, map[string]any{"sub": "mallory"})
			inSegment(2, func(string) string { return signed[strings.LastIndexByte(signed, '.')+1:] })(t)
		}, want: cognito.ErrTokenSignature},
		{name: "claims replaced", tell: inSegment(1, func(part string) string {
			claims, _ := base64.RawURLEncoding.DecodeString(part)
			return base64.RawURLEncoding.EncodeToString(bytes.Replace(claims, []byte(`alice`), []byte(`malle`), 1))
		}), want: cognito.ErrTokenSignature},
		{name: "padding", tell: inSegment(2, end("==")), want: cognito.ErrTokenMalformed},
		{name: "newline behind", tell: inSegment(2, end("\n")), want: cognito.ErrTokenMalformed},
		{name: "newline within", tell: inSegment(2, func(part string) string { return part[:9] + "\n" + part[9:] }), want: cognito.ErrTokenMalformed},
		{name: "newline in the header", tell: inSegment(0, end("\n")), want: cognito.ErrTokenMalformed},
		{name: "carriage return in the claims", tell: inSegment(1, end("\r")), want: cognito.ErrTokenMalformed},
		{name: "blank before", tell: spelled(func(raw string) string { return " " + raw }), want: cognito.ErrTokenMalformed},
		{name: "blank behind", tell: spelled(func(raw string) string { return raw + " " }), want: cognito.ErrTokenMalformed},
		{name: "other tail bits", tell: inSegment(2, otherTailBits), want: cognito.ErrTokenMalformed},
		{name: "standard alphabet", tell: inSegment(2, func(part string) string { return "+/" + part[2:] }), want: cognito.ErrTokenMalformed},
		{name: "four parts", tell: spelled(func(raw string) string { return raw + "." }), want: cognito.ErrTokenMalformed},
		{name: "spelled as it is", tell: spelled(func(raw string) string { return raw })},
	})
}

// otherTailBits spells the same bytes differently: the last character of a 256
// byte signature carries four bits that say nothing.
func otherTailBits(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, part[len(part)-1])
	return part[:len(part)-1] + string(alphabet[last|1])
}

// TestTokenMalleability proves the rest of row C2: of a valid token, no byte
// can be changed, removed or added.
func TestTokenMalleability(t *testing.T) {
	l := newTokenLab(t)
	raw := l.pool.AccessToken("", "alice", nil)
	l.mustJudge(raw, nil)
	refused := func(what string, i int, mutant string) {
		t.Helper()
		if _, err := l.auth.VerifyAccessToken(t.Context(), mutant); !errors.Is(err, cognito.ErrInvalidToken) {
			t.Errorf("%s at byte %d: %v, want ErrInvalidToken", what, i, err)
		}
	}
	for i := range len(raw) {
		for _, other := range []byte{'A', 'B', raw[i] ^ 1, raw[i] ^ 0x20, '.', '\n', 0xff} {
			if other != raw[i] {
				refused("replaced by "+fmt.Sprintf("%q", other), i, raw[:i]+string([]byte{other})+raw[i+1:])
			}
		}
		refused("removed", i, raw[:i]+raw[i+1:])
		refused("newline added", i, raw[:i]+"\n"+raw[i:])
		refused("cut", i, raw[:i])
	}
	for i, last := len(raw)-1, byte(0); last < 255; last++ {
		if last != raw[i] {
			refused(fmt.Sprintf("replaced by %q", last), i, raw[:i]+string([]byte{last}))
		}
	}
	l.mustJudge(raw, nil)
}

// TestTokenOfAnotherIssuer proves the issuer part of row C3: it is compared
// letter by letter.
func TestTokenOfAnotherIssuer(t *testing.T) {
	l := newTokenLab(t)
	issuer := l.pool.Issuer()
	var lies []lie
	for name, value := range map[string]any{
		"another pool":       strings.TrimSuffix(issuer, l.pool.UserPoolID()) + "us-east-1_Another01",
		"a longer pool id":   issuer + "x",
		"a shorter pool id":  issuer[:len(issuer)-1],
		"another region":     strings.Replace(issuer, "us-east-1", "eu-west-2", 1),
		"another scheme":     "https" + strings.TrimPrefix(issuer, "http"),
		"a slash behind":     issuer + "/",
		"a path behind":      issuer + "/.well-known",
		"upper case":         strings.ToUpper(issuer),
		"a blank":            issuer + " ",
		"without its scheme": strings.TrimPrefix(issuer, "http://"),
		"empty":              "",
		"a list":             []string{issuer},
		"a number":           1,
		"a null":             json.RawMessage("null"),
	} {
		lies = append(lies, lie{name: name, tell: withClaim("iss", value), want: cognito.ErrTokenIssuer})
	}
	l.testLies(append(lies,
		lie{name: "missing", tell: withoutClaim("iss"), want: cognito.ErrTokenIssuer},
		lie{name: "our own", tell: withClaim("iss", issuer)},
	))
}

// TestTokenForAnotherClient proves the audience part of row C3: a token that
// others may use as well was perhaps obtained by one of them. A list of us
// alone is as good as our name.
func TestTokenForAnotherClient(t *testing.T) {
	l := newTokenLab(t)
	us := l.pool.Config().ClientID
	id, access := cognito.ErrTokenAudience, cognito.ErrTokenClient
	l.testLies([]lie{
		{name: "aud another client", in: inIDToken, tell: withClaim("aud", "another"), want: id},
		{name: "aud longer", in: inIDToken, tell: withClaim("aud", us+"0"), want: id},
		{name: "aud shorter", in: inIDToken, tell: withClaim("aud", us[:4]), want: id},
		{name: "aud empty", in: inIDToken, tell: withClaim("aud", ""), want: id},
		{name: "aud missing", in: inIDToken, tell: withoutClaim("aud"), want: id},
		{name: "aud list with an extra", in: inIDToken, tell: withClaim("aud", []string{us, "another"}), want: id},
		{name: "aud list with an extra first", in: inIDToken, tell: withClaim("aud", []string{"another", us}), want: id},
		{name: "aud list of us twice", in: inIDToken, tell: withClaim("aud", []string{us, us}), want: id},
		{name: "aud list of another", in: inIDToken, tell: withClaim("aud", []string{"another"}), want: id},
		{name: "aud list empty", in: inIDToken, tell: withClaim("aud", []string{}), want: id},
		{name: "aud list in a list", in: inIDToken, tell: withClaim("aud", []any{[]string{us}}), want: id},
		{name: "aud object", in: inIDToken, tell: withClaim("aud", map[string]any{us: true}), want: id},
		{name: "aud number", in: inIDToken, tell: withClaim("aud", 1), want: id},
		{name: "azp another client", in: inIDToken, tell: withClaim("azp", "another"), want: id},
		{name: "azp empty", in: inIDToken, tell: withClaim("azp", ""), want: id},
		{name: "azp list", in: inIDToken, tell: withClaim("azp", []string{us}), want: id},
		{name: "aud list of us", in: inIDToken, tell: withClaim("aud", []string{us})},
		{name: "azp us", in: inIDToken, tell: withClaim("azp", us)},
		{name: "client_id another", in: inAccessToken, tell: withClaim("client_id", "another"), want: access},
		{name: "client_id missing", in: inAccessToken, tell: withoutClaim("client_id"), want: access},
		{name: "client_id empty", in: inAccessToken, tell: withClaim("client_id", ""), want: access},
		{name: "client_id list", in: inAccessToken, tell: withClaim("client_id", []string{us}), want: access},
		{name: "aud instead of client_id", in: inAccessToken, tell: func(t *cognitotest.UnsignedToken) {
			delete(t.Claims, "client_id")
			t.Claims["aud"] = us
		}, want: access},
		{name: "aud a resource", in: inAccessToken, tell: withClaim("aud", "https://api.example.com")},
	})
}

// TestTokenTimes proves row C4 with a clock that stands still, so that a
// minute of leeway can be told from a minute and a second.
func TestTokenTimes(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	now := pool.Now().Truncate(time.Second)
	at := func(seconds int64) int64 { return now.Unix() + seconds }
	l := newTokenLabWith(t, pool, func(c *cognito.Config) { c.Now = func() time.Time { return now } })
	expired, issued, early := cognito.ErrTokenExpired, cognito.ErrTokenIssuedAt, cognito.ErrTokenNotYet
	l.testLies([]lie{
		{name: "exp missing", tell: withoutClaim("exp"), want: expired},
		{name: "exp 61 s ago", tell: withClaim("exp", at(-61)), want: expired},
		{name: "exp 60 s ago", tell: withClaim("exp", at(-60)), want: expired},
		{name: "exp a day ago", tell: withClaim("exp", at(-86400)), want: expired},
		{name: "exp zero", tell: withClaim("exp", 0), want: expired},
		{name: "exp negative", tell: withClaim("exp", -at(3600)), want: expired},
		{name: "exp a string", tell: withClaim("exp", fmt.Sprint(at(3600))), want: expired},
		{name: "exp a list", tell: withClaim("exp", []int64{at(3600)}), want: expired},
		{name: "exp true", tell: withClaim("exp", true), want: expired},
		{name: "exp null", tell: withClaim("exp", json.RawMessage("null")), want: expired},
		{name: "exp forever", tell: withClaim("exp", json.RawMessage("1e300")), want: expired},
		{name: "exp beyond int64", tell: withClaim("exp", json.RawMessage("9223372036854775808")), want: expired},
		{name: "exp beyond float64", tell: withClaim("exp", json.RawMessage("1e400")), want: cognito.ErrTokenMalformed},
		{name: "exp 59 s ago", tell: withClaim("exp", at(-59))},
		{name: "exp with a fraction", tell: withClaim("exp", float64(at(3600))+0.5)},
		{name: "iat missing", tell: withoutClaim("iat"), want: issued},
		{name: "iat a string", tell: withClaim("iat", fmt.Sprint(at(0))), want: issued},
		{name: "iat null", tell: withClaim("iat", json.RawMessage("null")), want: issued},
		{name: "iat 61 s ahead in the ID token", in: inIDToken, tell: withClaim("iat", at(61)), want: issued},
		{name: "iat 60 s ahead in the ID token", in: inIDToken, tell: withClaim("iat", at(60))},
		{name: "iat a year ahead in the ID token", in: inIDToken, tell: withClaim("iat", at(31536000)), want: issued},
		{name: "iat 61 s ahead in the access token", in: inAccessToken, tell: withClaim("iat", at(61)), want: issued, atLoginOnly: true},
		{name: "iat 60 s ahead in the access token", in: inAccessToken, tell: withClaim("iat", at(60)), atLoginOnly: true},
		{name: "nbf 61 s ahead", tell: withClaim("nbf", at(61)), want: early},
		{name: "nbf a string", tell: withClaim("nbf", fmt.Sprint(at(-9))), want: early},
		{name: "nbf null", tell: withClaim("nbf", json.RawMessage("null")), want: early},
		{name: "nbf 60 s ahead", tell: withClaim("nbf", at(60))},
		{name: "nbf past", tell: withClaim("nbf", at(-9))},
	})
}

// TestTokenExpiryOnTheClock proves row C4 once more with a clock that moves:
// the same token is good until a minute past its exp, and then is not.
func TestTokenExpiryOnTheClock(t *testing.T) {
	l := newTokenLab(t)
	raw := l.pool.AccessToken("", "alice", nil) // for an hour
	l.pool.Advance(time.Hour + 50*time.Second)
	l.mustJudge(raw, nil)
	l.pool.Advance(11 * time.Second)
	l.mustJudge(raw, cognito.ErrTokenExpired)
	l.mustLogIn()
}

// TestTokenOfAnotherLogin proves row C5: the nonce ties an ID token to the
// login that asked for it, so a stolen one cannot be injected into another.
func TestTokenOfAnotherLogin(t *testing.T) {
	l := newTokenLab(t)
	l.testLies([]lie{
		{name: "nonce missing", in: inIDToken, tell: withoutClaim("nonce"), want: cognito.ErrTokenNonce},
		{name: "nonce empty", in: inIDToken, tell: withClaim("nonce", ""), want: cognito.ErrTokenNonce},
		{name: "nonce different", in: inIDToken, tell: withClaim("nonce", strings.Repeat("A", 43)), want: cognito.ErrTokenNonce},
		{name: "nonce longer", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["nonce"] = fmt.Sprint(t.Claims["nonce"], "A")
		}, want: cognito.ErrTokenNonce},
		{name: "nonce shorter", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["nonce"] = t.Claims["nonce"].(string)[:42]
		}, want: cognito.ErrTokenNonce},
		{name: "nonce a list", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["nonce"] = []any{t.Claims["nonce"]}
		}, want: cognito.ErrTokenNonce},
	})
	stolen := l.begin().query.Get("nonce")
	l.forget()
	l.testLies([]lie{{name: "nonce of a login beside", in: inIDToken, tell: withClaim("nonce", stolen), want: cognito.ErrTokenNonce}})
}

// TestTokenKindsSwapped proves row C6: an ID token is no access token, and the
// other way round, whatever slot of the answer they are in.
func TestTokenKindsSwapped(t *testing.T) {
	l := newTokenLab(t)
	us := l.pool.Config().ClientID
	l.testLies([]lie{
		{name: "token_use access in the ID token", in: inIDToken, tell: withClaim("token_use", "access"), want: cognito.ErrTokenUse},
		{name: "token_use id in the access token", in: inAccessToken, tell: withClaim("token_use", "id"), want: cognito.ErrTokenUse},
		{name: "token_use in upper case", in: inAccessToken, tell: withClaim("token_use", "ACCESS"), want: cognito.ErrTokenUse},
		{name: "token_use missing", tell: withoutClaim("token_use"), want: cognito.ErrTokenUse},
		{name: "token_use a list", tell: withClaim("token_use", []string{"id", "access"}), want: cognito.ErrTokenUse},
	})
	swaps := map[string]func(map[string]any){
		"access token as ID token": func(answer map[string]any) { answer["id_token"] = answer["access_token"] },
		"ID token as access token": func(answer map[string]any) { answer["access_token"] = answer["id_token"] },
		"both swapped": func(answer map[string]any) {
			answer["id_token"], answer["access_token"] = answer["access_token"], answer["id_token"]
		},
	}
	for name, swap := range swaps {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			// The tokens have the claims of both kinds, so that the kind alone
			// tells them apart.
			l.pool.Tamper(func(token *cognitotest.UnsignedToken) {
				token.Claims["aud"], token.Claims["client_id"] = us, us
				delete(token.Claims, "at_hash")
			})
			l.answerHonestly(swap)
			res := l.attempt()
			l.pool.Tamper(nil)
			l.answerHonestly()
			l.mustRefuse(res, cognito.ErrInvalidToken, cognito.ErrTokenUse)
			l.mustRevoke(l.issued.get("refresh_token"))
			l.mustLogIn()
		})
	}
	l.mustJudge(l.pool.IDToken("", "alice", map[string]any{"client_id": us}), cognito.ErrTokenUse)
}

// TestTokenOfAnotherUser proves row C7 for tokens: both must name the same
// user, and name one at all.
func TestTokenOfAnotherUser(t *testing.T) {
	subject := cognito.ErrTokenSubject
	newTokenLab(t).testLies([]lie{
		{name: "sub missing", tell: withoutClaim("sub"), want: subject},
		{name: "sub empty", tell: withClaim("sub", ""), want: subject},
		{name: "sub null", tell: withClaim("sub", json.RawMessage("null")), want: subject},
		{name: "sub a number", tell: withClaim("sub", 7), want: subject},
		{name: "sub a list", tell: withClaim("sub", []string{"alice"}), want: subject},
		{name: "sub of the access token another", in: inAccessToken, tell: withClaim("sub", "another"), want: subject, atLoginOnly: true},
		{name: "sub of the ID token another", in: inIDToken, tell: withClaim("sub", "another"), want: subject},
		{name: "sub of the access token in another case", in: inAccessToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["sub"] = strings.ToUpper(t.Claims["sub"].(string))
		}, want: subject, atLoginOnly: true},
	})
}

// TestTokenPairTorn proves the at_hash part of row C8: an ID token that names
// another access token is refused. One that names none is Cognito's right.
func TestTokenPairTorn(t *testing.T) {
	sum := sha256.Sum256([]byte("another access token"))
	other := base64.RawURLEncoding.EncodeToString(sum[:16])
	newTokenLab(t).testLies([]lie{
		{name: "at_hash of another token", in: inIDToken, tell: withClaim("at_hash", other), want: cognito.ErrTokenHash},
		{name: "at_hash empty", in: inIDToken, tell: withClaim("at_hash", ""), want: cognito.ErrTokenHash},
		{name: "at_hash null", in: inIDToken, tell: withClaim("at_hash", json.RawMessage("null")), want: cognito.ErrTokenHash},
		{name: "at_hash a list", in: inIDToken, tell: func(t *cognitotest.UnsignedToken) {
			t.Claims["at_hash"] = []any{t.Claims["at_hash"]}
		}, want: cognito.ErrTokenHash},
		{name: "at_hash absent", in: inIDToken, tell: withoutClaim("at_hash")},
	})
}

// TestUserInfoOfAnotherUser proves the userInfo part of row C8: claims about
// somebody else are not laid over alice's.
func TestUserInfoOfAnotherUser(t *testing.T) {
	l := newTokenLab(t, func(c *cognito.Config) { c.UserInfo = true })
	for name, change := range map[string]func(map[string]any){
		"sub different": func(claims map[string]any) { claims["sub"] = "another" },
		"sub missing":   func(claims map[string]any) { delete(claims, "sub") },
		"sub empty":     func(claims map[string]any) { claims["sub"] = "" },
		"sub a list":    func(claims map[string]any) { claims["sub"] = []any{claims["sub"]} },
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.spoil(cognitotest.UserInfo, cognitotest.Fault{Rewrite: change})
			res := l.attempt()
			l.pool.Heal(cognitotest.UserInfo)
			l.mustRefuse(res, cognito.ErrInvalidToken, cognito.ErrTokenSubject)
			l.mustRevoke(l.issued.get("refresh_token"))
			l.mustLogIn()
		})
	}
}

// TestUserInfoAbuse proves row C9 for userInfo: an answer that is none leaves
// it open who alice is, so she is not signed in by half.
func TestUserInfoAbuse(t *testing.T) {
	l := newTokenLab(t, func(c *cognito.Config) { c.UserInfo = true })
	good := map[string]any{"sub": l.subject(), "email": "alice@example.com"}
	down := cognito.ErrUnavailable
	for name, row := range map[string]struct {
		fault  cognitotest.Fault
		reason *cognito.Reason // nil: accepted
		want   error
	}{
		"as it should be":             {cognitotest.Fault{Body: toJSON(good)}, nil, nil},
		"500":                         {cognitotest.Fault{Status: 500, Body: toJSON(good)}, down, down},
		"401":                         {cognitotest.Fault{Status: 401, Body: toJSON(good)}, down, down},
		"201":                         {cognitotest.Fault{Status: 201, Body: toJSON(good)}, down, down},
		"HTML":                        {cognitotest.Fault{ContentType: "text/html", Body: "<html>"}, down, down},
		"JSON that calls itself HTML": {cognitotest.Fault{ContentType: "text/html", Body: toJSON(good)}, down, down},
		"a signed answer":             {cognitotest.Fault{ContentType: "application/jwt", Body: toJSON(good)}, down, down},
		"longer than a MiB":           {cognitotest.Fault{Body: padded(maps.Clone(good), mebibyte+1)}, down, down},
		"the connection lost":         {cognitotest.Fault{LoseAnswer: true}, down, down},
		"truncated":                   {cognitotest.Fault{Body: strings.TrimSuffix(toJSON(good), "}")}, cognito.ErrInvalidToken, cognito.ErrTokenSubject},
		"a list":                      {cognitotest.Fault{Body: "[" + toJSON(good) + "]"}, cognito.ErrInvalidToken, cognito.ErrTokenSubject},
		"null":                        {cognitotest.Fault{Body: "null"}, cognito.ErrInvalidToken, cognito.ErrTokenSubject},
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.spoil(cognitotest.UserInfo, row.fault)
			res := l.attempt()
			l.pool.Heal(cognitotest.UserInfo)
			if row.reason == nil {
				l.mustAccept(res)
				l.forget()
				return
			}
			l.mustRefuse(res, row.reason, row.want)
			l.mustRevoke(l.issued.get("refresh_token"))
			l.mustLogIn()
		})
	}
}

// TestEmailVerifiedByTruthiness proves the rest of row C7: Cognito's userInfo
// writes booleans as strings, and "false" is not true.
func TestEmailVerifiedByTruthiness(t *testing.T) {
	l := newTokenLab(t, func(c *cognito.Config) { c.UserInfo = true })
	for name, row := range map[string]struct{ said, want any }{
		"the string false": {"false", false},
		"the string true":  {"true", true},
		"false":            {false, false},
		"true":             {true, true},
		"a number":         {1, float64(1)},
		"another string":   {"TRUE", "TRUE"},
	} {
		t.Run(name, func(t *testing.T) {
			l := l.in(t)
			l.pool.Tamper(withoutClaim("email_verified"))
			l.spoil(cognitotest.UserInfo, cognitotest.Fault{Rewrite: func(claims map[string]any) { claims["email_verified"] = row.said }})
			cookie := l.mustAccept(l.attempt())
			l.pool.Tamper(nil)
			me := decode(t, l.send(request{path: "/me", cookies: []*http.Cookie{cookie}}).body)
			if me["email_verified"] != row.want {
				t.Errorf("email_verified %v became %v", row.said, me["email_verified"])
			}
			l.forget()
		})
	}
}

// cannedAnswer is a good token response to a login, for its envelope to be
// spoilt.
func (l *tokenLab) cannedAnswer(p *pendingLogin) map[string]any {
	return map[string]any{
		"access_token": l.pool.AccessToken("", "alice", nil),
		"id_token":     l.pool.IDToken("", "alice", map[string]any{"nonce": p.query.Get("nonce")}),
		// Not the pool's, and it does not have to be.
		"refresh_token": "canned-refresh-token-" + p.state,
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

// TestTokenResponseAbuse proves row C9: the tokens in each of these answers
// are good, so what is refused is the envelope. One request is made each time,
// whatever comes of it, and nothing of the answer is kept.
func TestTokenResponseAbuse(t *testing.T) {
	t.Parallel()
	l := newTokenLab(t)
	down, bad := cognito.ErrUnavailable, cognito.ErrInvalidToken
	for _, row := range []struct {
		name   string
		answer func(good map[string]any) cognitotest.Fault
		reason *cognito.Reason // nil: accepted
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
func (l *tokenLab) attemptAnswered(answer func(good map[string]any) cognitotest.Fault) (*response, int) {
	l.Helper()
	p := l.begin()
	l.spoil(cognitotest.Token, answer(l.cannedAnswer(p)))
	defer l.answerHonestly()
	l.heard.take()
	before := l.pool.Calls(cognitotest.Token)
	res := l.deliver(p)
	return res, l.pool.Calls(cognitotest.Token) - before
}

// TestTokenResponseFloodsMemory proves the cap of rows C9 and L2: a body of
// 200 MB is not read to its end, let alone kept.
func TestTokenResponseFloodsMemory(t *testing.T) {
	l := newTokenLab(t)
	p := l.begin()
	l.spoil(cognitotest.Token, cognitotest.Fault{BodySize: 200e6})
	l.heard.take()
	var res *response
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

// TestTokensForever proves the rest of row C9: whatever expires_in says, the
// tokens' own exp decides, and then they are renewed.
func TestTokensForever(t *testing.T) {
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
			first := l.send(request{path: "/token", cookies: []*http.Cookie{cookie}}).body
			l.pool.Advance(61 * time.Minute)
			second := l.send(request{path: "/token", cookies: []*http.Cookie{cookie}}).body
			if first == second || l.pool.Calls(cognitotest.Token) != 2 {
				t.Errorf("an hour later the token was not renewed, after %d token calls", l.pool.Calls(cognitotest.Token))
			}
			l.mustJudge(second, nil)
		})
	}
}

// TestCodeSpentTwice proves row C11: a code is sent once, in one style,
// whatever the answer; a second try would hide why the first one failed.
func TestCodeSpentTwice(t *testing.T) {
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
		reason *cognito.Reason
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

// TestRefreshTokenSpentTwice proves row C11 for renewals: an answer is an
// answer, also a bad one. The session outlives all but the definite refusal.
func TestRefreshTokenSpentTwice(t *testing.T) {
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
			l := newTokenLab(t, func(c *cognito.Config) { c.Storage = nil })
			cookie := l.mustAccept(l.attempt())
			l.pool.Advance(61 * time.Minute)
			l.spoil(cognitotest.Token, row.fault)
			me := l.send(request{path: "/me", cookies: []*http.Cookie{cookie}})
			if me.StatusCode != row.status {
				t.Errorf("/me answers %s, want %d", statusLine(me), row.status)
			}
			if posts := l.pool.Calls(cognitotest.Token) - 1; posts != 1 {
				t.Errorf("%d requests were sent to the token endpoint, want 1", posts)
			}
			l.answerHonestly()
			l.pool.Advance(time.Minute)
			me = l.send(request{path: "/me", cookies: []*http.Cookie{cookie}})
			if (me.StatusCode == http.StatusOK) != (row.status == http.StatusServiceUnavailable) {
				t.Errorf("afterwards /me answers %s", statusLine(me))
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

// TestEndpointsRedirectAway proves row C10: an endpoint that answers with a
// redirect to another host does not get the code, the verifier, the refresh
// token or the client secret sent there.
func TestEndpointsRedirectAway(t *testing.T) {
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
				l.pool.Heal(endpoint)
				l.pool.Advance(10 * time.Second)
				l.mustLogIn()
			})
		}
	}
}

// TestRevocationRedirectsAway proves row C10 for the refresh token of a login
// that was refused.
func TestRevocationRedirectsAway(t *testing.T) {
	address, hits := canary(t)
	l := newTokenLab(t)
	l.spoil(cognitotest.Revoke, cognitotest.Fault{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {address}}})
	l.lieAtLogin(inIDToken, lie{tell: withoutClaim("nonce"), want: cognito.ErrTokenNonce})
	l.soon("the failure is not in the log", func() bool { return strings.Contains(l.log.String(), "could not be revoked") })
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
	server := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(behind))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0) // refused handshakes
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// TestTokenEndpointWithForgedCertificate proves row C12: a host that cannot
// prove its name gets neither code nor verifier. With its certificate among
// the trusted ones the same login succeeds.
func TestTokenEndpointWithForgedCertificate(t *testing.T) {
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

// TestKeysWithForgedCertificate proves row C12 for the signing keys, which
// decide everything else.
func TestKeysWithForgedCertificate(t *testing.T) {
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

// TestUnsafeTransportConfigured proves the rest of row C12: settings that
// would switch these checks off are refused before the first request, by the
// name of the field.
func TestUnsafeTransportConfigured(t *testing.T) {
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
