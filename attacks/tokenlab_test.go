package attacks_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/storage/memory/v2"
	"github.com/golang-jwt/jwt/v5"
)

// tokenLab is a site whose pool is about to lie: it sees what the app keeps,
// what it logs, and which tokens it was given.
type tokenLab struct {
	*lab.Site
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
		lab.On(l.storage)(c)
		l.heard.Handler = c.Logger.Handler()
		c.Logger = slog.New(l.heard)
	}
	l.Site = lab.ServeWith(t, pool, append([]func(*cognito.Config){observe}, hooks...)...)
	l.answerHonestly()
	return l
}

// in is the lab for a subtest.
func (l *tokenLab) in(t *testing.T) *tokenLab {
	inner, outer := *l, *l.Site
	outer.T = t
	inner.Site = &outer
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
		if event, ok := a.Value.Any().(cognito.Event); ok && !event.OK && (event.Kind == cognito.EventRefuse || event.Kind == cognito.EventLogin) {
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
	l.Pool.Heal(endpoint)
	l.Pool.Break(endpoint, fault)
}

// begin starts a login at the app and has alice sign in at the pool. The
// callback is ready, but not sent.
func (l *tokenLab) begin(parameters ...string) *lab.PendingLogin {
	l.Helper()
	res := l.Send(lab.Request{Path: "/login?" + strings.Join(parameters, "&")})
	if res.StatusCode != http.StatusFound {
		l.Fatalf("GET /login answered %s", lab.StatusLine(res))
	}
	authorize := res.Target()
	begun := &lab.PendingLogin{State: authorize.Query().Get("state"), Cookie: res.Cookie(lab.IsLoginCookie), Query: authorize.Query()}
	// The app may know the pool by another address, of a proxy in front of it.
	authorize.Scheme, authorize.Host = "http", strings.TrimPrefix(l.Pool.URL(), "http://")
	door := &doorstep{Transport: &http.Transport{}, app: strings.TrimPrefix(l.URL, "http://")}
	browser := l.Pool.NewBrowser()
	browser.HTTPClient.Transport = door
	browser.Login(authorize.String(), "alice", lab.PasswordOf("alice"))
	if door.wanted == "" {
		l.Fatal("the pool did not send alice back to the app")
	}
	begun.Callback = door.wanted
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
func (l *tokenLab) deliver(p *lab.PendingLogin) *lab.Answer {
	l.Helper()
	return l.Send(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}, Header: map[string]string{
		"Accept":         "text/html,application/xhtml+xml,*/*;q=0.8",
		"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site",
	}})
}

// attempt goes through a login up to the app's answer to the callback.
func (l *tokenLab) attempt() *lab.Answer {
	l.Helper()
	l.heard.take()
	return l.deliver(l.begin())
}

// refusalPages are what a visitor reads on each kind of refusal, letter by letter:
// nothing else may be on it.
var refusalPages = map[error]struct {
	status int
	text   string
}{
	cognito.ErrInvalidToken: {http.StatusUnauthorized,
		"Sign-in failed Sign-in failed We couldn't verify your sign-in. Please try again. Try again Back to the app Reference: ****-****"},
	cognito.ErrUnavailable: {http.StatusServiceUnavailable,
		"Temporarily unavailable Temporarily unavailable Sign-in isn't available right now. You haven't been signed out. Please try again in a moment. Try again Back to the app Reference: ****-****"},
	cognito.ErrCodeRefused: {http.StatusBadRequest,
		"Sign-in failed Sign-in failed We couldn't complete your sign-in. Please try again. Try again Back to the app Reference: ****-****"},
	cognito.ErrMisconfigured: {http.StatusInternalServerError,
		"Sign-in is not set up correctly Sign-in is not set up correctly Something is wrong with this site's settings. The site's administrators can find the reason in the server log. Try again Back to the app Reference: ****-****"},
	cognito.ErrProvider: {http.StatusBadRequest,
		"Sign-in failed Sign-in failed The sign-in service couldn't sign you in. Please try again. Try again Back to the app Reference: ****-****"},
	cognito.ErrBadCallback: {http.StatusBadRequest,
		"Sign-in failed Sign-in failed We couldn't read the sign-in service's response. Please try again. Try again Back to the app Reference: ****-****"},
	cognito.ErrStateMismatch: {http.StatusBadRequest,
		"We couldn't complete your sign-in We couldn't complete your sign-in It wasn't started in this browser, or it was started too long ago. Please sign in again. Try again Back to the app Reference: ****-****"},
}

var notText = regexp.MustCompile(`(?s)<style>.*?</style>|<[^>]*>`)

// mustRefuse wants a login to have come to nothing: no cookie, no session, a
// bland page for the visitor, and the whole cause in the log.
func (l *tokenLab) mustRefuse(res *lab.Answer, reason error, want error) {
	l.Helper()
	l.mustHoldNothing(res)
	l.mustExplain(res, reason, want)
}

// mustExplain wants the visitor to be told little and the log everything.
func (l *tokenLab) mustExplain(res *lab.Answer, reason error, want error) {
	l.Helper()
	page := refusalPages[reason]
	if res.StatusCode != page.status || res.Header.Get("Location") != "" {
		l.Errorf("the callback answered %d to %q, want %d", res.StatusCode, res.Header.Get("Location"), page.status)
	}
	text := strings.Join(strings.Fields(strings.ReplaceAll(notText.ReplaceAllString(res.Text, " "), "&#39;", "'")), " ")
	reference := regexp.MustCompile(`[A-Z]{4}-[A-Z]{4}`).FindString(text)
	text = strings.ReplaceAll(text, reference, "****-****")
	if text != page.text {
		l.Errorf("the page reads %q, want %q", text, page.text)
	}
	l.NoSecretsIn(res.Text, "the page")
	causes := l.heard.take()
	if len(causes) != 1 {
		l.Fatalf("%d refusals were logged, want 1", len(causes))
	}
	var e *cognito.Error
	if cause := causes[0]; !errors.As(cause, &e) || !errors.Is(cause, reason) || !errors.Is(cause, want) {
		l.Errorf("the log says %q, want %q because of %q", cause, reason, want)
	}
	if !strings.Contains(l.Logged.String(), want.Error()) {
		l.Errorf("the log does not say %q", want)
	}
	if reference == "" || !strings.Contains(l.Logged.String(), reference) {
		l.Errorf("the log does not know the reference %q", reference)
	}
	for _, name := range []string{"access_token", "id_token", "refresh_token"} {
		if token := l.issued.get(name); token != "" && strings.Contains(l.Logged.String()+res.Text, token) {
			l.Errorf("the %s is in the log or on the page", name)
		}
	}
}

// mustHoldNothing wants neither a session cookie nor anything in the storage:
// the login's own record is gone too.
func (l *tokenLab) mustHoldNothing(res *lab.Answer) {
	l.Helper()
	if cookie := res.Cookie(lab.IsSessionCookie); cookie != nil {
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
		return slices.ContainsFunc(l.Pool.Requests(cognitotest.Revoke), func(r cognitotest.Request) bool {
			return r.Form.Get("token") == refresh
		})
	})
}

// soon waits for what happens in the background.
func (l *tokenLab) soon(otherwise string, happened func() bool) {
	l.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.Error(otherwise)
			return
		}
	}
}

// mustAccept wants a login to have led home with a session.
func (l *tokenLab) mustAccept(res *lab.Answer) *http.Cookie {
	l.Helper()
	cookie := res.Cookie(lab.IsSessionCookie)
	if res.StatusCode != http.StatusFound || res.Header.Get("Location") != "/" || cookie == nil {
		l.Fatalf("the callback answered %d to %q: %v", res.StatusCode, res.Header.Get("Location"), l.heard.take())
	}
	return cookie
}

// mustLogIn is the honest case that every attack ends with.
func (l *tokenLab) mustLogIn() *http.Cookie {
	l.Helper()
	cookie := l.mustAccept(l.attempt())
	me := l.Send(lab.Request{Path: "/me", Cookies: []*http.Cookie{cookie}})
	if me.StatusCode != http.StatusOK || lab.Decode(l.T, me.Text)["email"] != "alice@example.com" {
		l.Errorf("after an honest login /me answers %s", lab.StatusLine(me))
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
	l.Pool.Tamper(func(t *cognitotest.UnsignedToken) {
		if t.Use == in {
			row.tell(t)
		}
	})
	res := l.attempt()
	l.Pool.Tamper(nil)
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
	l.Pool.Tamper(func(t *cognitotest.UnsignedToken) {
		for _, change := range changes {
			change(t)
		}
	})
	defer l.Pool.Tamper(nil)
	return l.Pool.AccessToken("", "alice", claims)
}

// mustJudge wants VerifyAccessToken's verdict to be want, nil for accepted.
func (l *tokenLab) mustJudge(raw string, want error) {
	l.Helper()
	lab.MustJudge(l.T, l.Auth, raw, want)
}

// The lies. Each takes a token about to be signed and changes one thing.

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
			raw, err := lab.SignJWT(jwt.SigningMethodRS256, key, header, claims)
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
			return lab.SignJWT(method, signer, header, claims)
		}
	}
}

// signedRaw signs a payload that need not be an object, nor JSON.
func signedRaw(payload string) func(*cognitotest.UnsignedToken) {
	return func(t *cognitotest.UnsignedToken) {
		key := t.Key
		t.Sign = func(header, _ map[string]any) (string, error) {
			text := lab.EncodeSegment(header) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
			signature, err := jwt.SigningMethodRS256.Sign(text, key)
			return text + "." + base64.RawURLEncoding.EncodeToString(signature), err
		}
	}
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
