package cognito_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
)

const clientSecret = "canary/of+a=client-secret"

// confidential gives the pool and the app a client with a secret.
func confidential(pool *cognitotest.Pool) func(*cognito.Config) {
	pool.SetClient(cognitotest.Client{ID: "confidential", Secret: clientSecret})
	return func(c *cognito.Config) { c.ClientID, c.ClientSecret, c.UserInfo = "confidential", clientSecret, true }
}

// evidence is all that an app lets out, beside what it answers.
type evidence struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

// note prints a value in every way that a program might.
func (e *evidence) note(values ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, value := range values {
		e.text.WriteString(printed(value))
	}
}

func (e *evidence) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.String()
}

// printed is a value in every form that fmt, log/slog and encoding/json know.
func printed(value any) string {
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		fmt.Fprintf(&b, verb+"\n", value)
		fmt.Fprintf(&b, verb+"\n", []any{value})
		fmt.Fprintf(&b, verb+"\n", struct{ Field any }{value})
	}
	asJSON, _ := json.Marshal(value) // what cannot be marshalled leaks nothing
	b.Write(asJSON)
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("value", "value", value, slog.Group("group", "value", value))
	}
	return b.String()
}

// detector finds secrets in texts. There may be hundreds of secrets and
// megabytes of text, so it looks up each window of a text instead of searching
// for each secret.
type detector map[string][]string // what begins with a window

const detectorWindow = 16

func detect(t *testing.T, secrets []string) detector {
	t.Helper()
	d := detector{}
	for _, secret := range secrets {
		for _, spelling := range spellings(secret) {
			if len(spelling) < detectorWindow {
				t.Fatalf("%q is too short to be told from chance", spelling)
			}
			d[spelling[:detectorWindow]] = append(d[spelling[:detectorWindow]], spelling)
		}
	}
	return d
}

// find returns the first secret in a text but for those that may be there.
func (d detector) find(text string, allowed ...string) string {
	for i := 0; i+detectorWindow <= len(text); i++ {
		for _, spelling := range d[text[i:i+detectorWindow]] {
			if strings.HasPrefix(text[i:], spelling) && !slices.Contains(allowed, spelling) {
				return spelling
			}
		}
	}
	return ""
}

func (d detector) mustFindNone(t *testing.T, where, text string, allowed ...string) {
	t.Helper()
	if found := d.find(text, allowed...); found != "" {
		t.Errorf("%s holds a secret: %.12s…", where, found)
	}
}

// spellings are the forms in which a secret, or the telling parts of a token,
// could turn up.
func spellings(secret string) []string {
	found := []string{secret}
	if parts := strings.Split(secret, "."); len(parts) > 2 && len(parts[1]) > 40 {
		found = append(found, parts[1][:40], parts[len(parts)-1])
	}
	for _, text := range slices.Clone(found) {
		found = append(found, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text),
			strings.Trim(fmt.Sprint([]byte(text)), "[]"), base64.StdEncoding.EncodeToString([]byte(text)))
	}
	return found
}

// TestSecretsStayInside is row M1: codes, tokens, verifiers, the client secret
// and the values of cookies through a run in which everything fails that can.
// None of it is in a log line, an event, an error, a page, an address or a
// header, except where the protocol wants it.
func TestSecretsStayInside(t *testing.T) {
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("journey, own handlers %t", own), func(t *testing.T) {
			t.Parallel()
			s, out, transport := serveSpied(t, own)
			proxy := s.record(s.url)
			tour(s, proxy)
			mustHaveKeptSecrets(t, s, proxy, out, transport)
		})
		t.Run(fmt.Sprintf("faults, own handlers %t", own), func(t *testing.T) {
			t.Parallel()
			storage := newStore()
			s, out, transport := serveSpied(t, own, on(storage))
			proxy := s.record(s.url)
			faultTour(s, proxy, storage, transport)
			mustHaveKeptSecrets(t, s, proxy, out, transport)
		})
	}
}

// serveSpied serves an app of which everything is noted that could hold a
// secret. It may have handlers of its own for errors and events.
func serveSpied(t *testing.T, own bool, hooks ...func(*cognito.Config)) (*site, *evidence, *spyTransport) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	transport, spied := spy(t)
	out := &evidence{}
	s := serveWith(t, pool, append(hooks, confidential(pool), spied, func(c *cognito.Config) {
		c.Bearer = true
		if own {
			c.ErrorHandler = func(c *fiber.Ctx, err error) error {
				out.note(err)
				return err
			}
			c.OnEvent = func(e cognito.Event) { out.note(e, e.Err) }
		}
	})...)
	return s, out, transport
}

func mustHaveKeptSecrets(t *testing.T, s *site, proxy *tape, out *evidence, transport *spyTransport) {
	t.Helper()
	tokens, cookies := transport.tokens(), cookieValues(proxy)
	secrets := append(s.canaries(), tokens...)
	secrets = append(secrets, clientSecret, base64.StdEncoding.EncodeToString([]byte("confidential:"+clientSecret)))
	if len(secrets) < 50 || len(cookies) < 10 || len(tokens) < 10 {
		t.Fatalf("the run made %d secrets, %d tokens and %d cookies, too few to prove much", len(secrets), len(tokens), len(cookies))
	}
	all, butCookies := detect(t, append(slices.Clone(secrets), cookies...)), detect(t, secrets)
	personal := detect(t, append(slices.Clone(secrets), append(cookies, "alice@example.com")...))
	personal.mustFindNone(t, "the log", s.log.String())
	personal.mustFindNone(t, "an error or an event", out.String())
	for _, a := range proxy.all() {
		all.mustFindNone(t, a.request+"'s body", a.body)
		for name, values := range a.header {
			if name == "Set-Cookie" {
				butCookies.mustFindNone(t, a.request+"'s cookies", strings.Join(values, "\n"))
			} else {
				all.mustFindNone(t, a.request+"'s "+name, strings.Join(values, "\n"), allowedIn(name, a)...)
			}
		}
	}
	mustReachPoolInBodiesOnly(t, s, detect(t, append(tokens, clientSecret)))
}

// allowedIn are the secrets that have to be in a header: state and nonce in the
// redirect to the pool.
func allowedIn(header string, a answer) []string {
	if header != "Location" || !strings.Contains(a.header.Get("Location"), "/oauth2/authorize?") {
		return nil
	}
	travels := (&response{Response: &http.Response{Header: a.header}}).location().Query()
	return []string{travels.Get("state"), travels.Get("nonce")}
}

// cookieValues are those of sessions and of logins in progress.
func cookieValues(proxy *tape) []string {
	var values []string
	for _, a := range proxy.all() {
		for _, c := range (&http.Response{Header: a.header}).Cookies() {
			if kind := kindOfCookie(c.Name); kind == "session" && c.Value != "" {
				values = append(values, c.Value)
			} else if kind == "attempt" && c.Value != "" {
				values = append(values, c.Value, c.Value[strings.LastIndex(c.Value, ".")+1:])
			}
		}
	}
	return values
}

// mustReachPoolInBodiesOnly looks at the addresses that were asked for: those
// end up in the logs of proxies.
func mustReachPoolInBodiesOnly(t *testing.T, s *site, secrets detector) {
	t.Helper()
	for _, endpoint := range []cognitotest.Endpoint{
		cognitotest.Authorize, cognitotest.Login, cognitotest.Token, cognitotest.UserInfo, cognitotest.Revoke, cognitotest.Logout, cognitotest.JWKS,
	} {
		for _, sent := range s.pool.Requests(endpoint) {
			secrets.mustFindNone(t, "an address of the "+string(endpoint)+" endpoint", fmt.Sprint(sent.Query, sent.Header["Referer"]))
		}
	}
}

// spyTransport carries calls to the pool and notes the tokens that come back.
// It can be told to panic, with a text that quotes all that it was given.
type spyTransport struct {
	http.Transport
	panics atomic.Pointer[string] // the path at which it does

	mu     sync.Mutex // guards issued
	issued []string
}

// spy lets an app use a spyTransport.
func spy(t *testing.T) (*spyTransport, func(*cognito.Config)) {
	transport := &spyTransport{}
	t.Cleanup(transport.CloseIdleConnections)
	return transport, func(c *cognito.Config) { c.HTTPClient = &http.Client{Transport: transport} }
}

func (s *spyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if path := s.panics.Load(); path != nil && strings.HasSuffix(r.URL.Path, *path) {
		var body []byte
		if r.Body != nil {
			body, _ = io.ReadAll(r.Body)
		}
		panic(fmt.Sprintf("cannot send %v with %s", r.Header, body))
	}
	res, err := s.Transport.RoundTrip(r)
	if err != nil || !strings.HasSuffix(r.URL.Path, "/oauth2/token") {
		return res, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	res.Body = io.NopCloser(bytes.NewReader(body))
	s.note(body)
	return res, err
}

func (s *spyTransport) note(body []byte) {
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range []string{"access_token", "id_token", "refresh_token"} {
		if token, ok := answer[name].(string); ok {
			s.issued = append(s.issued, token)
		}
	}
}

// tokens are those that the pool has issued so far.
func (s *spyTransport) tokens() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.issued)
}

// panicAt makes calls to a path panic; "" ends it.
func (s *spyTransport) panicAt(path string) {
	if path == "" {
		s.panics.Store(nil)
		return
	}
	s.panics.Store(&path)
}

// faultTour sends visitors through what can fail, with causes that quote more
// than they should.
func faultTour(s *site, proxy *tape, storage *store, transport *spyTransport) {
	logIn := func() *visitor {
		v := proxy.visitorOf(s)
		v.Login(proxy.public+"/login", "alice", passwordOf("alice"))
		return v
	}
	for _, fault := range []cognitotest.Fault{
		{Status: 500, ContentType: "text/html", Body: "<h1>stack trace</h1>"},
		{Status: 400, Body: `{"error":"invalid_grant","error_description":"used"}`},
		{Status: 400, Body: `{"error":"invalid_client"}`},
		{Status: 400, Body: `{"error":"unauthorized_client","error_description":"invalid_redirect"}`},
		{Status: 200, Body: `{"access_token":`},
		{LoseAnswer: true},
		{Rewrite: func(answer map[string]any) {
			answer["access_token"], answer["id_token"] = answer["id_token"], answer["access_token"]
		}},
		{Rewrite: func(answer map[string]any) { answer["id_token"] = answer["id_token"].(string) + "A" }},
	} {
		fault.Times = 1
		v := logIn()
		s.pool.Break(cognitotest.Token, fault)
		logIn()
		if strings.Contains(fault.Body, "invalid_grant") {
			continue // at a refresh it is only believed after seconds
		}
		s.pool.Break(cognitotest.Token, fault)
		v.Post(proxy.public+"/token/refresh", nil)
	}
	s.pool.Break(cognitotest.UserInfo, cognitotest.Fault{Times: 1, Rewrite: func(answer map[string]any) { answer["sub"] = "somebody else" }})
	logIn()
	for _, fault := range []*storeFault{{err: errDown}, {panics: "nil map"}, {value: []byte("noise")}} {
		for _, method := range []string{"get", "set", "delete"} {
			if fault.value != nil && method != "get" {
				continue // it would be a write that is lost, and is waited for
			}
			v := logIn()
			storage.misbehave(func(c storeCall) *storeFault {
				if c.method == method {
					return fault
				}
				return nil
			})
			v.Get(proxy.public + "/me")
			v.Post(proxy.public+"/token/refresh", nil)
			logIn()
			v.Post(proxy.public+"/logout", nil)
			storage.misbehave(nil)
		}
	}
	for _, path := range []string{"/oauth2/token", "/oauth2/userInfo"} {
		transport.panicAt(path)
		logIn()
		transport.panicAt("")
	}
	v := logIn()
	access := s.pool.AccessToken("confidential", "alice", nil)
	for _, header := range []string{"Bearer " + access, "Bearer " + access + "A", "Bearer x" + access[1:], "Bearer " + access + " " + access, "Basic " + access, "Bearer " + v.sessionCookie().Value} {
		proxy.send(s.T, request{path: "/me", header: map[string]string{"Authorization": header}})
	}
}

// TestValuesPrintWithoutSecrets is row M2: whatever an app prints of what this
// package hands out, in whatever way, there is no secret in it.
func TestValuesPrintWithoutSecrets(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	out := &evidence{}
	transport, spied := spy(t)
	var users []*cognito.User
	s := serveAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		pages(app)
		app.Get("/print", func(c *fiber.Ctx) error {
			users = append(users, cognito.UserFrom(c))
			out.note(cognito.UserFrom(c), cognito.PayloadFrom(c), cognito.Err(c), auth, c.Locals("user"), c.Locals("payload"))
			return nil
		})
	}, confidential(pool), spied, func(c *cognito.Config) {
		config := *c
		out.note(config, &config, []cognito.Config{config}, map[string]*cognito.Config{"a": &config}, config.Validate())
		broken := config
		broken.ClientSecret, broken.ClientID, broken.BaseURL = clientSecret+"\n", "", "nonsense"
		out.note(broken.Validate())
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			out.note(err, errors.Unwrap(err))
			return err
		}
		c.OnEvent = func(e cognito.Event) { out.note(e, &e) }
	})
	alice := s.finish(s.answered("alice")).cookie(isSessionCookie)
	s.send(request{path: "/print", cookies: []*http.Cookie{alice}})
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, LoseAnswer: true})
	s.finish(s.answered("bob"))
	s.finish(&pendingLogin{callback: "/login/redirect?state=x&code=y", cookie: alice})

	detect(t, append(append(s.canaries(), transport.tokens()...), clientSecret, alice.Value)).mustFindNone(t, "a printed value", out.String())
	for _, seen := range []string{"[redacted]", pool.URL(), "user " + users[0].Subject(), "unavailable", "ClientSecret"} {
		if !strings.Contains(out.String(), seen) {
			t.Errorf("the printed values do not even show %q, so this proves nothing", seen)
		}
	}
}

// TestCausesStayInTheLog is row M3: what went wrong inside is for operators.
// Strangers learn neither from our pages nor from Fiber's error handler, which
// prints the text of whatever error reaches it.
func TestCausesStayInTheLog(t *testing.T) {
	const canary = "canary-of-a-cause"
	for name, handler := range map[string]func(*fiber.Ctx, error) error{
		"our pages":                   nil,
		"ErrorHandler returns it":     func(_ *fiber.Ctx, err error) error { return err },
		"ErrorHandler wraps it":       func(_ *fiber.Ctx, err error) error { return fmt.Errorf("auth: %w", err) },
		"ErrorHandler joins it":       func(_ *fiber.Ctx, err error) error { return errors.Join(err) },
		"ErrorHandler shows Detail()": showDetail,
	} {
		t.Run(name, func(t *testing.T) {
			storage := newStore()
			s := serveApp(t, func(app *fiber.App, auth *cognito.Auth) {
				pages(app)
				app.Get("/handler", func(c *fiber.Ctx) error {
					_, err := cognito.AccessToken(c)
					return err
				})
			}, on(storage), func(c *cognito.Config) { c.ErrorHandler = handler })
			alice := s.finish(s.answered("alice")).cookie(isSessionCookie)

			s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 400, Body: `{"error":"invalid_request","error_description":"` + canary + `"}`})
			s.mustHide(canary, s.finish(s.answered("bob")), http.StatusInternalServerError)
			s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 502, ContentType: "text/html", Body: canary})
			s.mustHide(canary, s.finish(s.answered("bob")), http.StatusServiceUnavailable)
			for where, accept := range map[string]string{
				"error=" + canary: "text/html", "error=server_error&error_description=" + canary: "text/html",
				"error=server_error&x=y&error_description=" + canary: "application/json",
				"error=x&error_uri=" + canary:                        "application/json", "code=" + canary + "&code=" + canary: "text/html",
			} {
				pending := s.begin()
				callback := "/login/redirect?" + where + "&state=" + pending.state
				res := s.send(request{path: callback, cookies: []*http.Cookie{pending.cookie}, header: map[string]string{"Accept": accept}})
				s.mustHide(canary, res, http.StatusBadRequest)
			}
			storage.misbehave(func(storeCall) *storeFault { return &storeFault{err: errors.New(canary)} })
			for _, path := range []string{"/me", "/handler", "/login"} {
				s.mustHide(canary, s.send(request{path: path, cookies: []*http.Cookie{alice}}), http.StatusServiceUnavailable)
			}
			storage.misbehave(nil)
			if !strings.Contains(s.log.String(), canary) {
				t.Error("the log does not say what went wrong either")
			}
			s.mustBe("alice", alice)
		})
	}
}

func showDetail(c *fiber.Ctx, err error) error {
	var e *cognito.Error
	if !errors.As(err, &e) {
		return err
	}
	return c.Status(e.Status()).SendString(e.Detail())
}

func (s *site) mustHide(canary string, res *response, status int) {
	s.Helper()
	if res.StatusCode != status {
		s.Errorf("%s answered %s, want %d", res.Request.URL.Path, statusLine(res), status)
	}
	if strings.Contains(res.body, canary) || strings.Contains(fmt.Sprint(res.Header), canary) {
		s.Errorf("%s tells a stranger the cause: %s %v", res.Request.URL.Path, statusLine(res), res.Header)
	}
}

// TestLogForging is row M3: a stranger writes line breaks into what is logged,
// to fake entries. Every entry stays one line, and so does the text of every
// error, since apps print those by other means.
func TestLogForging(t *testing.T) {
	const forged = "\r\nlevel=ERROR msg=forged"
	var texts evidence
	var mu sync.Mutex
	var errs []error
	s := serve(t, func(c *cognito.Config) {
		c.ErrorHandler = func(ctx *fiber.Ctx, err error) error {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			texts.note(err)
			return showDetail(ctx, err)
		}
	})
	evil := escape(forged)
	pending := s.begin()
	for _, query := range []string{
		"error=server_error&error_description=" + evil, "error=" + evil, "error=" + evil + "&error_description=Already+found+an+entry+for+username" + evil,
		"code=" + evil, "iss=" + evil, "state=" + evil, "state=x&code=" + evil + "&code=" + evil,
	} {
		s.send(request{path: "/login/redirect?state=" + pending.state + "&" + query, cookies: []*http.Cookie{pending.cookie}})
		s.send(request{path: "/login/redirect?" + query, cookies: []*http.Cookie{pending.cookie}})
		pending = s.begin()
	}
	for _, path := range []string{"/login?prompt=" + evil, "/login?return_to=/" + evil, "/login" + evil, "/logout?" + evil, "/me" + evil} {
		s.send(request{path: path})
	}
	for claim, kind := range map[string]string{"iss": "id", "aud": "id", "sub": "access", "token_use": "access", "client_id": "access", "nonce": "id", "exp": "id", "at_hash": "id"} {
		s.pool.Tamper(func(token *cognitotest.UnsignedToken) {
			if token.Use == kind {
				token.Claims[claim] = fmt.Sprint(token.Claims[claim]) + forged
			}
		})
		s.finish(s.answered("alice"))
	}
	s.pool.Tamper(func(token *cognitotest.UnsignedToken) {
		token.Header["kid"], token.Header["alg"] = "k"+forged, "RS256"+forged
	})
	s.finish(s.answered("alice"))
	s.pool.Tamper(nil)
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 400, Body: `{"error":"invalid_grant","error_description":"\r\nlevel=ERROR msg=forged"}`})
	s.finish(s.answered("alice"))
	s.pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 403, ContentType: "text/html\u0085level=ERROR", Body: "x"})
	s.finish(s.answered("alice"))

	for _, line := range strings.Split(strings.TrimSpace(s.log.String()), "\n") {
		if !strings.HasPrefix(line, "time=") {
			t.Errorf("the log has a line that nobody wrote: %q", line)
		}
	}
	if len(errs) < 20 {
		t.Errorf("only %d errors were seen", len(errs))
	}
	for _, err := range errs {
		if strings.ContainsAny(err.Error(), "\r\n\u0085") {
			t.Errorf("an error's text has more than one line: %q", err)
		}
	}
	s.mustBe("alice", s.finish(s.answered("alice")).cookie(isSessionCookie))
}

func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// TestAnswersOfCognitoAreBounded is row L2: an endpoint that answers without
// end fills no memory. What is read of an answer ends at a mebibyte.
func TestAnswersOfCognitoAreBounded(t *testing.T) {
	for _, endpoint := range []cognitotest.Endpoint{cognitotest.Token, cognitotest.UserInfo, cognitotest.JWKS} {
		t.Run(string(endpoint), func(t *testing.T) {
			transport := &countingTransport{}
			s := serve(t, func(c *cognito.Config) {
				c.UserInfo, c.HTTPClient = true, &http.Client{Transport: transport}
			})
			t.Cleanup(transport.CloseIdleConnections)
			s.pool.Break(endpoint, cognitotest.Fault{BodySize: 64 << 20})
			res := s.finish(s.answered("alice"))
			if res.StatusCode != http.StatusServiceUnavailable || res.cookie(isSessionCookie) != nil {
				t.Errorf("the callback answered %s, want 503 and no session", statusLine(res))
			}
			const bound = 1<<20 + 1
			if most := transport.most.Load(); most > bound || most < 1<<20 {
				t.Errorf("%d bytes of an answer were read, want at most %d, and as many to see its length", most, bound)
			}
			s.pool.Heal()
			s.pool.Advance(time.Minute) // past the floor between two fetches of keys
			s.mustBe("alice", s.finish(s.answered("alice")).cookie(isSessionCookie))
		})
	}
}

// countingTransport counts what is read of the longest answer.
type countingTransport struct {
	http.Transport
	most atomic.Int64
}

func (c *countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := c.Transport.RoundTrip(r)
	if err == nil {
		res.Body = &countedBody{ReadCloser: res.Body, most: &c.most}
	}
	return res, err
}

type countedBody struct {
	io.ReadCloser
	read int64
	most *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += int64(n)
	for most := b.most.Load(); b.read > most && !b.most.CompareAndSwap(most, b.read); most = b.most.Load() {
	}
	return n, err
}

// panicsIn is set for the child process of TestPanicsKillNobody.
const panicsIn = "COGNITO_TEST_PANICS_IN"

// panicPlaces are calls that a request waits for, or nobody does.
var panicPlaces = map[string]func(s *site, transport *spyTransport){
	"exchanging the code": func(s *site, transport *spyTransport) {
		pending := s.answered("alice")
		transport.panicAt("/oauth2/token")
		s.mustAnswer(s.finish(pending), http.StatusInternalServerError)
	},
	"reading userInfo": func(s *site, transport *spyTransport) {
		pending := s.answered("alice")
		transport.panicAt("/oauth2/userInfo")
		s.mustAnswer(s.finish(pending), http.StatusInternalServerError)
	},
	"reading the keys": func(s *site, transport *spyTransport) {
		pending := s.answered("alice")
		transport.panicAt("/jwks.json")
		if res := s.finish(pending); res.StatusCode < 500 {
			s.Errorf("the callback answered %s, want 500 or 503", statusLine(res))
		}
		s.pool.Advance(time.Minute) // past the floor between two fetches
	},
	"renewing while the visitor waits": func(s *site, transport *spyTransport) {
		alice := s.finish(s.answered("alice")).cookie(isSessionCookie)
		s.pool.Advance(61 * time.Minute)
		transport.panicAt("/oauth2/token")
		s.mustAnswer(s.me(alice), http.StatusServiceUnavailable)
		transport.panicAt("")
		s.pool.Advance(time.Minute)
		s.mustBe("alice", alice)
	},
	"renewing ahead": func(s *site, transport *spyTransport) {
		alice := s.finish(s.answered("alice")).cookie(isSessionCookie)
		s.pool.Advance(55 * time.Minute)
		transport.panicAt("/oauth2/token")
		s.mustBe("alice", alice)
		eventually(s.T, "the panic is logged", func() bool { return strings.Contains(s.log.String(), "panic") })
		s.mustBe("alice", alice)
	},
	"revoking": func(s *site, transport *spyTransport) {
		alice := s.finish(s.answered("alice")).cookie(isSessionCookie)
		transport.panicAt("/oauth2/revoke")
		s.send(request{path: "/logout", method: http.MethodPost, cookies: []*http.Cookie{alice}})
		s.mustBe("", alice)
		eventually(s.T, "the panic is logged", func() bool { return strings.Contains(s.log.String(), "panic") })
	},
}

func (s *site) mustAnswer(res *response, status int) {
	s.Helper()
	if res.StatusCode != status {
		s.Errorf("%s answered %s, want %d", res.Request.URL.Path, statusLine(res), status)
	}
}

// TestPanicsKillNobody is row L3: fasthttp recovers from nothing, so a panic
// below us would end the process, and one in the background does in any case.
// Each place is tried in a process of its own, for the sake of this one.
func TestPanicsKillNobody(t *testing.T) {
	for place := range panicPlaces {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			child := exec.Command(os.Args[0], "-test.run=^TestPanicsWhenAsked$", "-test.count=1", "-test.v")
			child.Env = append(os.Environ(), panicsIn+"="+place)
			output, err := child.CombinedOutput()
			if err != nil || !strings.Contains(string(output), "--- PASS: TestPanicsWhenAsked") {
				t.Errorf("%v\n%.3000s", err, output)
			}
		})
	}
}

// TestPanicsWhenAsked is the other half of TestPanicsKillNobody.
func TestPanicsWhenAsked(t *testing.T) {
	try, ok := panicPlaces[os.Getenv(panicsIn)]
	if !ok {
		return
	}
	transport, spied := spy(t)
	s := serve(t, spied, func(c *cognito.Config) { c.UserInfo = true })
	try(s, transport)
	if !strings.Contains(s.log.String(), "panic") {
		t.Error("nothing was logged about it")
	}
	transport.panicAt("")
	// Alive, and no lock is held.
	s.mustBe("bob", s.finish(s.answered("bob")).cookie(isSessionCookie))
}

// TestPanicsOfTheApp is row L3's other side: a handler's panic is the app's,
// and passes us by unchanged on its way to the app's own recover middleware.
func TestPanicsOfTheApp(t *testing.T) {
	var caught any
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := serveAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: func(_ *fiber.Ctx, e any) { caught = e }}))
		app.Use(auth.Handler())
		pages(app)
		app.Get("/broken", cognito.RequireUser(), func(*fiber.Ctx) error { panic("the app's own") })
	})
	alice := s.finish(s.answered("alice")).cookie(isSessionCookie)
	s.mustAnswer(s.send(request{path: "/broken", cookies: []*http.Cookie{alice}}), http.StatusInternalServerError)
	if caught != "the app's own" {
		t.Errorf("the app caught %v", caught)
	}
	if strings.Contains(s.log.String(), "panic") {
		t.Error("we logged a panic of the app as ours")
	}
	s.mustBe("alice", alice)
}
