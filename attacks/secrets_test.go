package attacks_test

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
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"
)

// confidential gives the pool and the app a client with a secret.
func confidential(pool *cognitotest.Pool) func(*cognito.Config) {
	pool.SetClient(cognitotest.Client{ID: "confidential", Secret: lab.ClientSecret})
	return func(c *cognito.Config) {
		c.ClientID, c.ClientSecret, c.UserInfo = "confidential", lab.ClientSecret, true
	}
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

// TestSecretsStayInside: codes, tokens, verifiers, the client secret and the values of
// cookies through a run in which everything fails that can. None of it is in a log
// line, an event, an error, a page, an address or a header, except where the protocol
// wants it.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		t.Run(fmt.Sprintf("journey, own handlers %t", own), func(t *testing.T) {
			t.Parallel()
			s, out, transport := serveSpied(t, own, lab.InMemory)
			proxy := record(s, s.URL)
			tour(s, proxy)
			mustHaveKeptSecrets(t, s, proxy, out, transport)
		})
		t.Run(fmt.Sprintf("faults, own handlers %t", own), func(t *testing.T) {
			t.Parallel()
			storage := lab.NewStore()
			s, out, transport := serveSpied(t, own, lab.On(storage))
			proxy := record(s, s.URL)
			faultTour(s, proxy, storage, transport)
			mustHaveKeptSecrets(t, s, proxy, out, transport)
		})
	}
}

// serveSpied serves an app of which everything is noted that could hold a
// secret. It may have handlers of its own for errors and events.
func serveSpied(t *testing.T, own bool, hooks ...func(*cognito.Config)) (*lab.Site, *evidence, *lab.SpyTransport) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	transport, spied := lab.Spy(t)
	out := &evidence{}
	s := lab.ServeWith(t, pool, append(hooks, confidential(pool), spied, func(c *cognito.Config) {
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

func mustHaveKeptSecrets(t *testing.T, s *lab.Site, proxy *tape, out *evidence, transport *lab.SpyTransport) {
	t.Helper()
	tokens, cookies := transport.Tokens(), cookieValues(proxy)
	secrets := append(s.Canaries(), tokens...)
	secrets = append(secrets, lab.ClientSecret, base64.StdEncoding.EncodeToString([]byte("confidential:"+lab.ClientSecret)))
	if len(secrets) < 50 || len(cookies) < 10 || len(tokens) < 10 {
		t.Fatalf("the run made %d secrets, %d tokens and %d cookies, too few to prove much", len(secrets), len(tokens), len(cookies))
	}
	all, butCookies := detect(t, append(slices.Clone(secrets), cookies...)), detect(t, secrets)
	personal := detect(t, append(slices.Clone(secrets), append(cookies, "alice@example.com")...))
	personal.mustFindNone(t, "the log", s.Logged.String())
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
	mustReachPoolInBodiesOnly(t, s, detect(t, append(tokens, lab.ClientSecret)))
}

// allowedIn are the secrets that have to be in a header: state and nonce in the
// redirect to the pool.
func allowedIn(header string, a answer) []string {
	if header != "Location" || !strings.Contains(a.header.Get("Location"), "/oauth2/authorize?") {
		return nil
	}
	travels := (&lab.Answer{Response: &http.Response{Header: a.header}}).Target().Query()
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
func mustReachPoolInBodiesOnly(t *testing.T, s *lab.Site, secrets detector) {
	t.Helper()
	for _, endpoint := range []cognitotest.Endpoint{
		cognitotest.Authorization, cognitotest.Login, cognitotest.Token, cognitotest.UserInfo, cognitotest.Revoke, cognitotest.Logout, cognitotest.JWKS,
	} {
		for _, sent := range s.Pool.Requests(endpoint) {
			secrets.mustFindNone(t, "an address of the "+string(endpoint)+" endpoint", fmt.Sprint(sent.Query, sent.Header["Referer"]))
		}
	}
}

// panicAt makes calls to a path panic; "" ends it.
func panicAt(s *lab.SpyTransport, path string) {
	if path == "" {
		s.Panics.Store(nil)
		return
	}
	s.Panics.Store(&path)
}

// faultTour sends visitors through what can fail, with causes that quote more
// than they should.
func faultTour(s *lab.Site, proxy *tape, storage *lab.Store, transport *lab.SpyTransport) {
	logIn := func() *lab.Visitor {
		v := proxy.visitorOf(s)
		v.Login(proxy.public+"/login", "alice", lab.PasswordOf("alice"))
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
		s.Pool.Break(cognitotest.Token, fault)
		logIn()
		if strings.Contains(fault.Body, "invalid_grant") {
			continue // at a refresh it is only believed after seconds
		}
		s.Pool.Break(cognitotest.Token, fault)
		s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
		v.Post(proxy.public+"/token/refresh", nil)
	}
	s.Pool.Break(cognitotest.UserInfo, cognitotest.Fault{Times: 1, Rewrite: func(answer map[string]any) { answer["sub"] = "somebody else" }})
	logIn()
	for _, fault := range []*lab.StoreFault{{Err: lab.ErrDown}, {Panics: "nil map"}, {Value: []byte("noise")}} {
		for _, method := range []string{"get", "set", "delete"} {
			if fault.Value != nil && method != "get" {
				continue // it would be a write that is lost, and is waited for
			}
			v := logIn()
			storage.Misbehave(func(c lab.StoreCall) *lab.StoreFault {
				if c.Method == method {
					return fault
				}
				return nil
			})
			v.Get(proxy.public + "/me")
			s.Pool.Advance(31 * time.Second) // younger tokens are not renewed
			v.Post(proxy.public+"/token/refresh", nil)
			logIn()
			v.Post(proxy.public+"/logout", nil)
			storage.Misbehave(nil)
		}
	}
	for _, path := range []string{"/oauth2/token", "/oauth2/userInfo"} {
		panicAt(transport, path)
		logIn()
		panicAt(transport, "")
	}
	v := logIn()
	access := s.Pool.AccessToken("confidential", "alice", nil)
	for _, header := range []string{"Bearer " + access, "Bearer " + access + "A", "Bearer x" + access[1:], "Bearer " + access + " " + access, "Basic " + access, "Bearer " + v.SessionCookie().Value} {
		proxy.send(s.T, lab.Request{Path: "/me", Header: map[string]string{"Authorization": header}})
	}
}

// TestValuesPrintWithoutSecrets: whatever an app prints of what this package hands out,
// in whatever way, there is no secret in it.
func TestValuesPrintWithoutSecrets(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	out := &evidence{}
	transport, spied := lab.Spy(t)
	var users []*cognito.User
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Get("/print", func(c *fiber.Ctx) error {
			users = append(users, cognito.UserFrom(c))
			out.note(cognito.UserFrom(c), cognito.PayloadFrom(c), cognito.Err(c), auth, c.Locals("user"), c.Locals("payload"))
			return nil
		})
	}, confidential(pool), spied, func(c *cognito.Config) {
		config := *c
		out.note(config, &config, []cognito.Config{config}, map[string]*cognito.Config{"a": &config}, config.Validate())
		broken := config
		broken.ClientSecret, broken.ClientID, broken.BaseURL = lab.ClientSecret+"\n", "", "nonsense"
		out.note(broken.Validate())
		c.ErrorHandler = func(c *fiber.Ctx, err error) error {
			out.note(err, errors.Unwrap(err))
			return err
		}
		c.OnEvent = func(e cognito.Event) { out.note(e, &e) }
	})
	alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
	s.Send(lab.Request{Path: "/print", Cookies: []*http.Cookie{alice}})
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, LoseAnswer: true})
	s.Finish(s.Answered("bob"))
	s.Finish(&lab.PendingLogin{Callback: "/login/redirect?state=x&code=y", Cookie: alice})

	detect(t, append(append(s.Canaries(), transport.Tokens()...), lab.ClientSecret, alice.Value)).mustFindNone(t, "a printed value", out.String())
	for _, seen := range []string{"[redacted]", pool.URL(), "user " + users[0].Subject(), "unavailable", "ClientSecret"} {
		if !strings.Contains(out.String(), seen) {
			t.Errorf("the printed values do not even show %q, so this proves nothing", seen)
		}
	}
}

// TestCausesStayInTheLog: what went wrong inside is for operators. Strangers learn
// neither from our pages nor from Fiber's error handler, which prints the text of
// whatever error reaches it.
func TestCausesStayInTheLog(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-a-cause"
	for name, handler := range map[string]func(*fiber.Ctx, error) error{
		"our pages":                   nil,
		"ErrorHandler returns it":     func(_ *fiber.Ctx, err error) error { return err },
		"ErrorHandler wraps it":       func(_ *fiber.Ctx, err error) error { return fmt.Errorf("auth: %w", err) },
		"ErrorHandler joins it":       func(_ *fiber.Ctx, err error) error { return errors.Join(err) },
		"ErrorHandler shows Detail()": lab.ShowDetail,
	} {
		t.Run(name, func(t *testing.T) {
			storage := lab.NewStore()
			s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
				lab.Pages(app)
				app.Get("/handler", func(c *fiber.Ctx) error {
					_, err := cognito.AccessToken(c)
					return err
				})
			}, lab.On(storage), func(c *cognito.Config) { c.ErrorHandler = handler })
			alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)

			s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 400, Body: `{"error":"invalid_request","error_description":"` + canary + `"}`})
			mustHide(s, canary, s.Finish(s.Answered("bob")), http.StatusInternalServerError)
			s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 502, ContentType: "text/html", Body: canary})
			mustHide(s, canary, s.Finish(s.Answered("bob")), http.StatusServiceUnavailable)
			for where, accept := range map[string]string{
				"error=" + canary: "text/html", "error=server_error&error_description=" + canary: "text/html",
				"error=server_error&x=y&error_description=" + canary: "application/json",
				"error=x&error_uri=" + canary:                        "application/json", "code=" + canary + "&code=" + canary: "text/html",
			} {
				pending := s.Begin()
				callback := "/login/redirect?" + where + "&state=" + pending.State
				res := s.Send(lab.Request{Path: callback, Cookies: []*http.Cookie{pending.Cookie}, Header: map[string]string{"Accept": accept}})
				mustHide(s, canary, res, http.StatusBadRequest)
			}
			storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return &lab.StoreFault{Err: errors.New(canary)} })
			for _, path := range []string{"/me", "/handler", "/login"} {
				mustHide(s, canary, s.Send(lab.Request{Path: path, Cookies: []*http.Cookie{alice}}), http.StatusServiceUnavailable)
			}
			storage.Misbehave(nil)
			if !strings.Contains(s.Logged.String(), canary) {
				t.Error("the log does not say what went wrong either")
			}
			s.MustBe("alice", alice)
		})
	}
}

func mustHide(s *lab.Site, canary string, res *lab.Answer, status int) {
	s.Helper()
	if res.StatusCode != status {
		s.Errorf("%s answered %s, want %d", res.Request.URL.Path, lab.StatusLine(res), status)
	}
	if strings.Contains(res.Text, canary) || strings.Contains(fmt.Sprint(res.Header), canary) {
		s.Errorf("%s tells a stranger the cause: %s %v", res.Request.URL.Path, lab.StatusLine(res), res.Header)
	}
}

// TestLogForging: a stranger writes line breaks into what is logged, to fake entries.
// Every entry stays one line, and so does the text of every error, since apps print
// those by other means.
func TestLogForging(t *testing.T) {
	t.Parallel()
	const forged = "\r\nlevel=ERROR msg=forged"
	var texts evidence
	var mu sync.Mutex
	var errs []error
	s := lab.Serve(t, func(c *cognito.Config) {
		c.ErrorHandler = func(ctx *fiber.Ctx, err error) error {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
			texts.note(err)
			return lab.ShowDetail(ctx, err)
		}
	})
	evil := escape(forged)
	pending := s.Begin()
	for _, query := range []string{
		"error=server_error&error_description=" + evil, "error=" + evil, "error=" + evil + "&error_description=Already+found+an+entry+for+username" + evil,
		"code=" + evil, "iss=" + evil, "state=" + evil, "state=x&code=" + evil + "&code=" + evil,
	} {
		s.Send(lab.Request{Path: "/login/redirect?state=" + pending.State + "&" + query, Cookies: []*http.Cookie{pending.Cookie}})
		s.Send(lab.Request{Path: "/login/redirect?" + query, Cookies: []*http.Cookie{pending.Cookie}})
		pending = s.Begin()
	}
	for _, path := range []string{"/login?prompt=" + evil, "/login?return_to=/" + evil, "/login" + evil, "/logout?" + evil, "/me" + evil} {
		s.Send(lab.Request{Path: path})
	}
	for claim, kind := range map[string]string{"iss": "id", "aud": "id", "sub": "access", "token_use": "access", "client_id": "access", "nonce": "id", "exp": "id", "at_hash": "id"} {
		s.Pool.Tamper(func(token *cognitotest.UnsignedToken) {
			if token.Use == kind {
				token.Claims[claim] = fmt.Sprint(token.Claims[claim]) + forged
			}
		})
		s.Finish(s.Answered("alice"))
	}
	s.Pool.Tamper(func(token *cognitotest.UnsignedToken) {
		token.Header["kid"], token.Header["alg"] = "k"+forged, "RS256"+forged
	})
	s.Finish(s.Answered("alice"))
	s.Pool.Tamper(nil)
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 400, Body: `{"error":"invalid_grant","error_description":"\r\nlevel=ERROR msg=forged"}`})
	s.Finish(s.Answered("alice"))
	s.Pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Status: 403, ContentType: "text/html\u0085level=ERROR", Body: "x"})
	s.Finish(s.Answered("alice"))

	for _, line := range strings.Split(strings.TrimSpace(s.Logged.String()), "\n") {
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
	s.MustBe("alice", s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie))
}

func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// TestAnswersOfCognitoAreBounded: an endpoint that answers without end fills no memory.
// What is read of an answer ends at a mebibyte.
func TestAnswersOfCognitoAreBounded(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []cognitotest.Endpoint{cognitotest.Token, cognitotest.UserInfo, cognitotest.JWKS} {
		t.Run(string(endpoint), func(t *testing.T) {
			transport := &countingTransport{}
			s := lab.Serve(t, func(c *cognito.Config) {
				c.UserInfo, c.HTTPClient = true, &http.Client{Transport: transport}
			})
			t.Cleanup(transport.CloseIdleConnections)
			s.Pool.Break(endpoint, cognitotest.Fault{BodySize: 64 << 20})
			res := s.Finish(s.Answered("alice"))
			if res.StatusCode != http.StatusServiceUnavailable || res.Cookie(lab.IsSessionCookie) != nil {
				t.Errorf("the callback answered %s, want 503 and no session", lab.StatusLine(res))
			}
			const bound = 1<<20 + 1
			if most := transport.most.Load(); most > bound || most < 1<<20 {
				t.Errorf("%d bytes of an answer were read, want at most %d, and as many to see its length", most, bound)
			}
			s.Pool.Heal()
			s.Pool.Advance(time.Minute) // past the floor between two fetches of keys
			s.MustBe("alice", s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie))
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
var panicPlaces = map[string]func(s *lab.Site, transport *lab.SpyTransport){
	"exchanging the code": func(s *lab.Site, transport *lab.SpyTransport) {
		pending := s.Answered("alice")
		panicAt(transport, "/oauth2/token")
		s.MustAnswer(s.Finish(pending), http.StatusInternalServerError)
	},
	"reading userInfo": func(s *lab.Site, transport *lab.SpyTransport) {
		pending := s.Answered("alice")
		panicAt(transport, "/oauth2/userInfo")
		s.MustAnswer(s.Finish(pending), http.StatusInternalServerError)
	},
	"reading the keys": func(s *lab.Site, transport *lab.SpyTransport) {
		pending := s.Answered("alice")
		panicAt(transport, "/jwks.json")
		if res := s.Finish(pending); res.StatusCode < 500 {
			s.Errorf("the callback answered %s, want 500 or 503", lab.StatusLine(res))
		}
		s.Pool.Advance(time.Minute) // past the floor between two fetches
	},
	"renewing while the visitor waits": func(s *lab.Site, transport *lab.SpyTransport) {
		alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
		s.Pool.Advance(61 * time.Minute)
		panicAt(transport, "/oauth2/token")
		s.MustAnswer(s.Me(alice), http.StatusServiceUnavailable)
		panicAt(transport, "")
		s.Pool.Advance(time.Minute)
		s.MustBe("alice", alice)
	},
	"renewing ahead": func(s *lab.Site, transport *lab.SpyTransport) {
		alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
		s.Pool.Advance(55 * time.Minute)
		panicAt(transport, "/oauth2/token")
		s.MustBe("alice", alice)
		lab.Eventually(s.T, "the panic is logged", func() bool { return strings.Contains(s.Logged.String(), "panic") })
		s.MustBe("alice", alice)
	},
	"revoking": func(s *lab.Site, transport *lab.SpyTransport) {
		alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
		panicAt(transport, "/oauth2/revoke")
		s.Send(lab.Request{Path: "/logout", Method: http.MethodPost, Cookies: []*http.Cookie{alice}})
		s.MustBe("", alice)
		lab.Eventually(s.T, "the panic is logged", func() bool { return strings.Contains(s.Logged.String(), "panic") })
	},
}

// TestPanicsKillNobody: fasthttp recovers from nothing, so a panic below us would end
// the process, and one in the background does in any case. Each place is tried in a
// process of its own, for the sake of this one.
func TestPanicsKillNobody(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
	try, ok := panicPlaces[os.Getenv(panicsIn)]
	if !ok {
		return
	}
	transport, spied := lab.Spy(t)
	s := lab.Serve(t, spied, func(c *cognito.Config) { c.UserInfo = true })
	try(s, transport)
	if !strings.Contains(s.Logged.String(), "panic") {
		t.Error("nothing was logged about it")
	}
	panicAt(transport, "")
	// Alive, and no lock is held.
	s.MustBe("bob", s.Finish(s.Answered("bob")).Cookie(lab.IsSessionCookie))
}

// TestPanicsOfTheApp: a handler's panic is the app's, and passes us by unchanged on its
// way to the app's own recover middleware.
func TestPanicsOfTheApp(t *testing.T) {
	t.Parallel()
	var caught any
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	s := lab.ServeAppWith(t, pool, func(app *fiber.App, auth *cognito.Auth) {
		app.Use(recover.New(recover.Config{EnableStackTrace: true, StackTraceHandler: func(_ *fiber.Ctx, e any) { caught = e }}))
		app.Use(auth.Handler())
		lab.Pages(app)
		app.Get("/broken", cognito.RequireUser(), func(*fiber.Ctx) error { panic("the app's own") })
	})
	alice := s.Finish(s.Answered("alice")).Cookie(lab.IsSessionCookie)
	s.MustAnswer(s.Send(lab.Request{Path: "/broken", Cookies: []*http.Cookie{alice}}), http.StatusInternalServerError)
	if caught != "the app's own" {
		t.Errorf("the app caught %v", caught)
	}
	if strings.Contains(s.Logged.String(), "panic") {
		t.Error("we logged a panic of the app as ours")
	}
	s.MustBe("alice", alice)
}
