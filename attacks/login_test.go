package attacks_test

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
	"github.com/gofiber/fiber/v2"
)

// Attacks on the way to Cognito: the authorization request, who may start one,
// and how many. First, what all the attacks share.

// onTheWire sends bytes as they are, which Go's client would clean up, and
// returns what comes back until the server hangs up.
func onTheWire(s *lab.Site, bytes string) string {
	s.Helper()
	address, _ := url.Parse(s.URL)
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", address.Port()))
	if err != nil {
		s.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, bytes); err != nil {
		s.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		s.Fatalf("no answer to %.100q: %v", bytes, err)
	}
	return string(answer)
}

// wireGet writes a request of a browser that opens a page, with any bytes as its
// target. More header lines may follow.
func wireGet(target, host string, lines ...string) string {
	head := "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nAccept: text/html\r\nConnection: close\r\n"
	for _, line := range lines {
		head += line + "\r\n"
	}
	return head + "\r\n"
}

// fromTheWire reads an answer from the wire.
func fromTheWire(t *testing.T, answer string) *lab.Answer {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil {
		t.Fatalf("not an HTTP answer: %v in %.300q", err, answer)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("the answer breaks off: %v in %.300q", err, answer)
	}
	return &lab.Answer{Response: res, Text: string(body)}
}

// refusals collects the errors that the middleware refuses requests with, so
// that tables can name the sentinel that they expect.
type refusals struct {
	mu   sync.Mutex
	errs []error
}

// hook has the errors collected, and answers with their status and code.
func (r *refusals) hook(c *cognito.Config) {
	c.ErrorHandler = func(ctx *fiber.Ctx, err error) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.errs = append(r.errs, err)
		var refused *cognito.Error
		if !errors.As(err, &refused) {
			return ctx.SendStatus(http.StatusTeapot)
		}
		return ctx.Status(refused.Status()).SendString(refused.Code())
	}
}

// take returns the only error since it was last asked, or nil.
func (r *refusals) take() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.errs = nil }()
	if len(r.errs) > 1 {
		return fmt.Errorf("refused more than once: %v", r.errs)
	}
	if len(r.errs) == 0 {
		return nil
	}
	return r.errs[0]
}

// brittleStorage is a storage of the app's that can be looked into and told to
// fail.
type brittleStorage struct {
	mu      sync.Mutex // guards all below
	records map[string][]byte
	writes  int
	fail    func(operation, key string) error
	lose    string // records whose key begins so are not kept
}

func newBrittleStorage() *brittleStorage { return &brittleStorage{records: map[string][]byte{}} }

func (b *brittleStorage) hook(c *cognito.Config) { lab.On(b)(c) }

func (b *brittleStorage) breakWith(fail func(operation, key string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

func (b *brittleStorage) try(operation, key string) error {
	if b.fail == nil {
		return nil
	}
	return b.fail(operation, key)
}

func (b *brittleStorage) Get(key string) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.records[key]), b.try("get", key)
}

func (b *brittleStorage) Set(key string, value []byte, _ time.Duration) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes++
	if err := b.try("set", key); err != nil {
		return err
	}
	if b.lose == "" || !strings.HasPrefix(key, b.lose) {
		b.records[strings.Clone(key)] = slices.Clone(value)
	}
	return nil
}

func (b *brittleStorage) Delete(key string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes++
	if err := b.try("delete", key); err != nil {
		return err
	}
	delete(b.records, key)
	return nil
}

func (b *brittleStorage) Reset() error { return nil }
func (b *brittleStorage) Close() error { return nil }

// changes counts the writes that were tried.
func (b *brittleStorage) changes() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writes
}

// dump is everything that a thief of the storage would get.
func (b *brittleStorage) dump() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all strings.Builder
	for key, value := range b.records {
		fmt.Fprintf(&all, "%s=%s\n", key, value)
	}
	return all.String()
}

func (b *brittleStorage) count(prefix string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for key := range b.records {
		if strings.HasPrefix(key, prefix) {
			n++
		}
	}
	return n
}

func s256(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestGuessableLogin: an attacker who can guess or derive a state, a nonce, a verifier
// or an attempt's cookie finishes logins of others. Each of them is 32 random bytes of
// its own, fresh at every login.
func TestGuessableLogin(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t, lab.InMemory)
	seen := map[string]string{}
	counts := map[string]*[256]int{}
	const logins = 1000
	for range logins {
		p := s.Begin()
		secret := p.Cookie.Value[strings.LastIndex(p.Cookie.Value, ".")+1:]
		parts := map[string]string{
			"state": p.State, "nonce": p.Query.Get("nonce"),
			"code_challenge": p.Query.Get("code_challenge"), "cookie": secret,
		}
		for name, value := range parts {
			if other, twice := seen[value]; twice {
				t.Fatalf("a %s was a %s before", name, other)
			}
			seen[value] = name
			countBytes(t, counts, name, value)
		}
		mustBeUnrelated(t, parts)
	}
	for name, count := range counts {
		if x := chiSquare(count); x > 420 { // one honest run in 10^9
			t.Errorf("the bytes of %s are not evenly spread: chi-square is %.0f, want 255 or so", name, x)
		}
	}
	if len(seen) != 4*logins {
		t.Errorf("%d different values in %d logins, want %d", len(seen), logins, 4*logins)
	}
	v := s.Visitor()
	v.LogIn()
}

// countBytes adds up the bytes of a value that must be 32 bytes in base64url.
func countBytes(t *testing.T, counts map[string]*[256]int, name, value string) {
	t.Helper()
	random, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil || len(random) != 32 {
		t.Fatalf("%s is %q, want 32 bytes in unpadded base64url", name, value)
	}
	if counts[name] == nil {
		counts[name] = &[256]int{}
	}
	for _, b := range random {
		counts[name][b]++
	}
}

func chiSquare(count *[256]int) (sum float64) {
	total := 0
	for _, n := range count {
		total += n
	}
	want := float64(total) / 256
	for _, n := range count {
		sum += (float64(n) - want) * (float64(n) - want) / want
	}
	return sum
}

// mustBeUnrelated makes sure that no value is the hash of another: whoever
// sees the state in a URL must not know the verifier by it.
func mustBeUnrelated(t *testing.T, parts map[string]string) {
	t.Helper()
	for name, value := range parts {
		for other, derived := range parts {
			if s256(value) == derived {
				t.Fatalf("%s is the hash of %s", other, name)
			}
		}
	}
}

var verifierPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

// TestVerifierInTheOpen: a verifier that travels before the exchange, or lies readable
// in the storage, is worth nothing to PKCE. It is sent at the exchange alone, by public
// and by confidential clients.
func TestVerifierInTheOpen(t *testing.T) {
	t.Parallel()
	for _, client := range []cognitotest.Client{{ID: "public"}, {ID: "confidential", Secret: "s3cret"}} {
		t.Run(client.ID, func(t *testing.T) {
			pool := cognitotest.New(cognitotest.Options{})
			t.Cleanup(pool.Close)
			pool.SetClient(client)
			storage := newBrittleStorage()
			s := lab.ServeWith(t, pool, storage.hook, func(c *cognito.Config) { c.ClientID, c.ClientSecret = client.ID, client.Secret })
			p := lab.Halfway(s, "alice", "return_to=/payload%3Fsecret-page")
			dump, seen := storage.dump(), fmt.Sprint(p.Query, p.Cookie, p.Callback)
			if res := s.Finish(p); res.Target().Path != "/payload" {
				t.Fatalf("the honest login ended with %s", lab.StatusLine(res))
			}
			verifier := pool.Requests(cognitotest.Token)[0].Form.Get("code_verifier")
			if !verifierPattern.MatchString(verifier) {
				t.Errorf("the verifier is %q, want 43 to 128 unreserved characters", verifier)
			}
			if p.Query.Get("code_challenge_method") != "S256" || p.Query.Get("code_challenge") != s256(verifier) {
				t.Errorf("the challenge is %s by %s", p.Query.Get("code_challenge"), p.Query.Get("code_challenge_method"))
			}
			if strings.Contains(seen, verifier) {
				t.Error("the browser has seen the verifier")
			}
			if dump == "" {
				t.Error("the storage held no attempt")
			}
			for _, canary := range []string{verifier, p.State[:12], p.Query.Get("nonce")[:12], "secret-page", "/login/redirect"} {
				if strings.Contains(dump, canary) {
					t.Errorf("the storage shows %s", canary)
				}
			}
		})
	}
}

// oauthParameters is what an authorization request must hold, once each.
var oauthParameters = []string{
	"client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "response_type", "scope", "state",
}

// TestParameterInjection: a link to the login that adds or replaces parameters of the
// authorization request could widen scopes, move the redirect or fix the state. Only
// five wishes of the visitor pass, encoded.
func TestParameterInjection(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	for _, tt := range []struct {
		query string
		want  map[string]string // what passes
	}{
		{"scope=aws.cognito.signin.user.admin", nil},
		{"redirect_uri=https://evil.example/cb&client_id=evil&response_type=token", nil},
		{"state=known&nonce=known&code_challenge=known&code_challenge_method=plain", nil},
		{"response_mode=fragment&request=x&request_uri=https://evil.example&claims={}&resource=https://evil.example", nil},
		{"display=popup&ui_locales=x&id_token_hint=x&audience=x&code_verifier=x", nil},
		{"acr_values=0%26scope%3Dx&max_age=60", map[string]string{"acr_values": "0&scope=x", "max_age": "60"}},
		{"max_age=0", map[string]string{"prompt": "login"}},
		{"Scope=x&LOGIN_HINT=x&Prompt=none&login_hint%5B%5D=x&login_hint%00=x&%20lang=x", nil},
		{"login_hint=a%26client_id%3Devil%26scope%3Dx", map[string]string{"login_hint": "a&client_id=evil&scope=x"}},
		{"login_hint=a%23&lang=en%2526redirect_uri%253Dx", map[string]string{"login_hint": "a#", "lang": "en%26redirect_uri%3Dx"}},
		{"prompt=login;client_id=evil", map[string]string{"prompt": "login;client_id=evil"}},
		{"login_hint=a%3Fstate%3Dknown", map[string]string{"login_hint": "a?state=known"}},
		{
			"login_hint=al%C3%ADce%2B1%40example.com&lang=pt-BR&identity_provider=Sign+in&idp_identifier=a.b&prompt=select_account",
			map[string]string{"login_hint": "alíce+1@example.com", "lang": "pt-BR", "identity_provider": "Sign in", "idp_identifier": "a.b", "prompt": "select_account"},
		},
	} {
		res := s.Send(lab.Request{Path: "/login?" + tt.query})
		mustAskProperly(t, s, tt.query, res, tt.want)
	}
	v := s.Visitor()
	v.LogIn()
}

// mustAskProperly compares an authorization request with the config.
func mustAskProperly(t *testing.T, s *lab.Site, what string, res *lab.Answer, passed map[string]string) {
	t.Helper()
	target, rawQuery, _ := strings.Cut(res.Header.Get("Location"), "?")
	if res.StatusCode != http.StatusFound || target != s.Pool.URL()+"/oauth2/authorize" {
		t.Errorf("%s led to %s, %s", what, target, lab.StatusLine(res))
		return
	}
	var names []string
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, _, _ := strings.Cut(pair, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	want := slices.Concat(oauthParameters, slices.Collect(maps.Keys(passed)))
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%s: the request has the parameters %q, want %q", what, names, want)
	}
	query := res.Target().Query()
	for name, value := range map[string]string{
		"client_id": s.Pool.Config().ClientID, "response_type": "code", "code_challenge_method": "S256",
		"scope": "openid email profile", "redirect_uri": s.URL + "/login/redirect",
	} {
		if query.Get(name) != value {
			t.Errorf("%s: %s is %q, want %q", what, name, query.Get(name), value)
		}
	}
	for name, value := range passed {
		if query.Get(name) != value {
			t.Errorf("%s: %s is %q, want %q", what, name, query.Get(name), value)
		}
	}
}

// TestAmbiguousLoginParameters: of a parameter given twice, two parsers may pick
// different ones. Such a login is not begun, nor one with control characters or without
// end.
func TestAmbiguousLoginParameters(t *testing.T) {
	t.Parallel()
	var refused refusals
	s := lab.Serve(t, refused.hook)
	for _, query := range []string{
		"login_hint=a&login_hint=b", "prompt=none&prompt=login", "lang=en&lang=en", "login_hint=a&login_hint",
		"identity_provider=Google%0d%0aSet-Cookie:%20evil=1", "login_hint=a%00b", "login_hint=%7f",
		"login_hint=" + strings.Repeat("a", 257),
	} {
		res := s.Send(lab.Request{Path: "/login?" + query})
		if err := refused.take(); !errors.Is(err, cognito.ErrBadLogin) {
			t.Errorf("%.60q was answered with %v, %s", query, err, lab.StatusLine(res))
		}
		lab.SetsNothing(t, query, res)
	}
	honest := s.Begin("login_hint=" + strings.Repeat("a", 256))
	if got := honest.Query.Get("login_hint"); len(got) != 256 {
		t.Errorf("an honest login_hint arrived as %q", got)
	}
}

// notNavigations are requests that say of themselves that nobody is looking.
var notNavigations = []map[string]string{
	{"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
	{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
	{"Sec-Fetch-Mode": "same-origin"},
	{"Sec-Fetch-Mode": "websocket", "Upgrade": "websocket"},
	{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch"},
	{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch;prerender"},
	{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "Prefetch;anonymous-client-ip"},
	{"Purpose": "prefetch"},
	{"X-Moz": "prefetch"},
}

// TestLoginByScriptOrPrefetch: requests that a page makes by itself would pile up
// attempts, and a fetch would follow the redirect to Cognito in vain. They get 401 and
// begin nothing.
func TestLoginByScriptOrPrefetch(t *testing.T) {
	t.Parallel()
	var refused refusals
	storage := newBrittleStorage()
	s := lab.Serve(t, refused.hook, storage.hook)
	for _, header := range notNavigations {
		res := s.Send(lab.Request{Path: "/login?return_to=/me", Header: header})
		if err := refused.take(); !errors.Is(err, cognito.ErrNotNavigation) || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("/login with %v is answered with %v, %s", header, err, lab.StatusLine(res))
		}
		lab.SetsNothing(t, fmt.Sprint(header), res)
	}
	if storage.changes() != 0 {
		t.Errorf("the storage was written %d times", storage.changes())
	}
	for _, header := range []map[string]string{
		nil, {"Accept": "*/*"}, {"Sec-Fetch-Mode": "navigate"}, {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"},
	} {
		if res := s.Send(lab.Request{Path: "/login", Header: header}); res.StatusCode != http.StatusFound || res.Cookie(lab.IsLoginCookie) == nil {
			t.Errorf("/login with %v answers %s, want a login", header, lab.StatusLine(res))
		}
	}
}

// TestRoutesByOtherMethods: Fiber runs a GET handler for HEAD too, so a link checker
// would begin logins or spend codes, and a form could post to them. Other methods get
// 405, Allow, and nothing happens.
func TestRoutesByOtherMethods(t *testing.T) {
	t.Parallel()
	storage := newBrittleStorage()
	s := lab.Serve(t, storage.hook)
	p := lab.Halfway(s, "alice")
	v := s.Visitor()
	v.LogIn("bob")
	written, spent := storage.changes(), s.Pool.Calls(cognitotest.Token)
	for _, route := range []struct{ path, allow string }{
		{"/login", "GET"}, {p.Callback, "GET"}, {"/logout", "GET, POST"}, {"/token/refresh", "POST"},
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"} {
			if slices.Contains(strings.Split(route.allow, ", "), method) {
				continue
			}
			res := s.Send(lab.Request{Method: method, Path: route.path, Cookies: []*http.Cookie{p.Cookie, v.SessionCookie()},
				Header: map[string]string{"Sec-Fetch-Mode": "navigate", "X-HTTP-Method-Override": "GET"}})
			if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != route.allow {
				t.Errorf("%s %.20s answers %d and allows %q, want 405 and %q", method, route.path, res.StatusCode, res.Header.Get("Allow"), route.allow)
			}
			lab.SetsNothing(t, method+" "+route.path, res)
		}
	}
	if storage.changes() != written || s.Pool.Calls(cognitotest.Token) != spent {
		t.Errorf("the storage was written %d times, and %d codes were spent", storage.changes()-written, s.Pool.Calls(cognitotest.Token)-spent)
	}
	v.MustBeSignedIn()
	if res := s.Finish(p); res.Cookie(lab.IsSessionCookie) == nil {
		t.Errorf("the honest callback, after all that, answers %s", lab.StatusLine(res))
	}
}

// guardRows is how a guard must answer when nobody is signed in: with a
// redirect to whoever opens a page, and with 401 to everything else.
var guardRows = []struct {
	name     string
	method   string
	header   map[string]string
	redirect bool
}{
	{"address bar", "GET", map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html,*/*;q=0.8"}, true},
	{"link from another site", "GET", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}, true},
	{"old browser", "GET", map[string]string{"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, true},
	{"curl", "GET", map[string]string{"Accept": "*/*"}, false},
	{"no Accept", "GET", nil, false},
	{"API client", "GET", map[string]string{"Accept": "application/json"}, false},
	{"API client that takes pages too", "GET", map[string]string{"Accept": "application/json, text/html;q=0.5"}, false},
	{"fetch", "GET", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "*/*"}, false},
	{"fetch that asks for HTML", "GET", map[string]string{"Sec-Fetch-Mode": "cors", "Accept": "text/html"}, false},
	{"image", "GET", map[string]string{"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image", "Accept": "text/html"}, false},
	{"prefetch", "GET", map[string]string{"Sec-Fetch-Mode": "navigate", "Sec-Purpose": "prefetch", "Accept": "text/html"}, false},
	{"old prefetch", "GET", map[string]string{"Purpose": "prefetch", "Accept": "text/html"}, false},
	{"XMLHttpRequest", "GET", map[string]string{"X-Requested-With": "XMLHttpRequest", "Accept": "text/html"}, false},
	{"HTMX", "GET", map[string]string{"HX-Request": "true", "Accept": "text/html"}, false},
	{"WebSocket", "GET", map[string]string{"Upgrade": "websocket", "Connection": "Upgrade", "Accept": "text/html"}, false},
	{"HEAD", "HEAD", map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}, false},
	{"form", "POST", map[string]string{"Sec-Fetch-Mode": "navigate", "Accept": "text/html", "Sec-Fetch-Site": "same-origin"}, false},
}

// TestGuardMatrix: a redirect makes a fetch chase the login page, a prefetch begin a
// login, a form lose its body. Only somebody who opens a page is sent to log in; the
// others are told, and where.
func TestGuardMatrix(t *testing.T) {
	t.Parallel()
	storage := newBrittleStorage()
	s := lab.Serve(t, storage.hook)
	for _, row := range guardRows {
		t.Run(row.name, func(t *testing.T) {
			res := s.Send(lab.Request{Method: row.method, Path: "/me?tab=2&x=%2F", Header: row.header})
			lab.SetsNothing(t, "the guard", res)
			if row.redirect {
				if want := "/login?return_to=" + url.QueryEscape("/me?tab=2&x=%2F"); res.StatusCode != http.StatusFound || res.Header.Get("Location") != want {
					t.Errorf("answers %d to %q, want 302 to %q", res.StatusCode, res.Header.Get("Location"), want)
				}
				return
			}
			if row.name == "form" { // a page at its own address would be sent again by a reload
				if res.StatusCode != http.StatusSeeOther || res.Target().Query().Get("refused") != "not_signed_in" {
					t.Errorf("answers %s to %q", lab.StatusLine(res), res.Header.Get("Location"))
				}
				return
			}
			if res.StatusCode != http.StatusUnauthorized || res.Header.Get("Location") != "" {
				t.Errorf("answers %s, want 401 and no redirect", lab.StatusLine(res))
			}
			if row.method == "HEAD" {
				return
			}
			if said := res.Problem(t); said["code"] != "not_signed_in" || said["status"] != 401.0 || said["login_url"] != "/login" {
				t.Errorf("says %v", said)
			}
		})
	}
	if storage.changes() != 0 {
		t.Errorf("guards wrote to the storage %d times", storage.changes())
	}
	v := s.Visitor()
	v.LogIn()
	for _, row := range guardRows {
		res := s.Send(lab.Request{Method: row.method, Path: "/me", Header: row.header, Cookies: []*http.Cookie{v.SessionCookie()}})
		if res.StatusCode != http.StatusOK {
			t.Errorf("%s, signed in, answers %s", row.name, lab.StatusLine(res))
		}
	}
}

// TestPostWithExpiredSession: a form sent after the session has ended would lose its
// body to a redirect. It gets 401, which a page can show, and only a page visit is led
// to the login.
func TestPostWithExpiredSession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(*lab.Site)
	}{
		{"absolute timeout", func(s *lab.Site) { s.Pool.Advance(8 * 24 * time.Hour) }},
		{"idle timeout", func(s *lab.Site) { s.Pool.Advance(25 * time.Hour) }},
		{"ended at Cognito", func(s *lab.Site) { s.Pool.EndSessions("alice"); s.Pool.Advance(61 * time.Minute) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := lab.Serve(t)
			v := s.Visitor()
			v.LogIn()
			form := lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{v.SessionCookie()}, Header: map[string]string{
				"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin", "Origin": s.URL,
			}}
			if res := s.Send(form); res.StatusCode != http.StatusOK || res.Text != "changed" {
				t.Fatalf("the honest form is answered with %s", lab.StatusLine(res))
			}
			tt.end(s)
			res := s.Send(form)
			if res.StatusCode != http.StatusSeeOther || !regexp.MustCompile(`^/login\?reference=[A-Z-]{9}&refused=session_ended&return_to=%2Fme$`).MatchString(res.Header.Get("Location")) {
				t.Errorf("the late form is answered with %s to %q", lab.StatusLine(res), res.Header.Get("Location"))
			}
			page := lab.Request{Path: "/me", Cookies: form.Cookies, Header: map[string]string{"Accept": "text/html"}}
			if res := s.Send(page); res.StatusCode != http.StatusFound || res.Target().Path != "/login" {
				t.Errorf("the late page visit is answered with %s", lab.StatusLine(res))
			}
		})
	}
}

// TestParallelLogins: state shared by logins without a lock mixes them up, which the
// race detector would see as well.
func TestParallelLogins(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	var mu sync.Mutex
	states := map[string]bool{}
	var crowd sync.WaitGroup
	for i := range 100 {
		crowd.Go(func() {
			res, err := s.TrySend(lab.Request{Path: fmt.Sprintf("/login?return_to=/public%%3Fn=%d&prompt=none", i)})
			if err != nil {
				t.Error(err)
				return
			}
			state := res.Target().Query().Get("state")
			end, err := s.TrySend(lab.Request{
				Path: "/login/redirect?error=login_required&state=" + state, Cookies: []*http.Cookie{res.Cookie(lab.IsLoginCookie)},
			})
			if want := fmt.Sprintf("/public?n=%d", i); err != nil || end.Header.Get("Location") != want {
				t.Errorf("login %d ended with %v at %v, want %s", i, err, end, want)
			}
			mu.Lock()
			defer mu.Unlock()
			states[state] = true
		})
	}
	crowd.Wait()
	if len(states) != 100 {
		t.Errorf("%d different states in 100 logins", len(states))
	}
}

// TestTenTabs: with one cookie for all tabs the last login breaks the others, and with
// one for each without limit the Cookie header grows until servers refuse it. Eight may
// be in progress; a ninth replaces the oldest.
func TestTenTabs(t *testing.T) {
	t.Parallel()
	for name, pace := range map[string]time.Duration{"in one second": 2 * time.Millisecond, "one after another": time.Second} {
		t.Run(name, func(t *testing.T) {
			s := lab.Serve(t, lab.InMemory)
			v := s.Visitor()
			var tabs []*lab.PendingLogin
			for i := range 10 {
				page := v.Get(fmt.Sprintf("%s/login?return_to=%%2Fpublic%%3Ftab=%d", s.URL, i))
				authorize, _ := url.Parse(page.Trail[1])
				tabs = append(tabs, lab.Answered(s, &lab.PendingLogin{Query: authorize.Query()}, "alice"))
				s.Pool.Advance(pace)
				if live := countLoginCookies(v); live != min(i+1, 8) {
					t.Fatalf("%d logins in progress after %d were begun", live, i+1)
				}
			}
			for i, tab := range slices.Backward(tabs) {
				want := fmt.Sprintf("%s/public?tab=%d", s.URL, i)
				if i < 2 {
					want = s.URL + "/" // dropped; but signed in by now
				}
				if page := v.Get(s.URL + tab.Callback); page.URL.String() != want || page.Status != http.StatusOK {
					t.Errorf("tab %d ended on %s with %d, want %s", i, page.URL, page.Status, want)
				}
				mustSendLittle(t, v)
			}
			if calls := s.Pool.Calls(cognitotest.Token); calls != 8 {
				t.Errorf("%d codes were spent, want 8", calls)
			}
			if left := countLoginCookies(v); left != 0 {
				t.Errorf("%d cookies of finished logins are left", left)
			}
			v.MustBeSignedIn()
		})
	}
}

func countLoginCookies(v *lab.Visitor) int {
	return len(slices.DeleteFunc(v.Cookies(v.Site.URL), func(c *http.Cookie) bool { return !lab.IsLoginCookie(c.Name) }))
}

func mustSendLittle(t *testing.T, v *lab.Visitor) {
	t.Helper()
	size := 0
	for _, cookie := range v.Cookies(v.Site.URL) {
		size += len(cookie.Name) + len(cookie.Value) + len("__Host-=; ")
	}
	if size > 1024 {
		t.Errorf("the browser sends %d bytes of cookies, want at most 1024", size)
	}
}

// TestOldestLoginIsDropped: which login is the oldest is told by its cookie's value,
// whatever order the browser sends its cookies in.
func TestOldestLoginIsDropped(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	var cookies []*http.Cookie
	for range 8 {
		res := s.Send(lab.Request{Path: "/login", Cookies: cookies})
		cookies = append([]*http.Cookie{res.Cookie(lab.IsLoginCookie)}, cookies...) // newest first
		s.Pool.Advance(time.Second)
	}
	res := s.Send(lab.Request{Path: "/login", Cookies: cookies})
	newest := res.Cookie(lab.IsLoginCookie)
	if len(res.Cookies()) != 1 || newest.Name != cookies[7].Name {
		t.Errorf("the ninth login sets %v, want the slot of the oldest, %s", res.Cookies(), cookies[7].Name)
	}
	if res := s.Finish(lab.Answered(s, &lab.PendingLogin{Query: res.Target().Query(), Cookie: newest}, "alice")); res.Cookie(lab.IsSessionCookie) == nil {
		t.Errorf("the newest login ends with %s", lab.StatusLine(res))
	}
}

// TestLoginLinkEndsNoSession: a link on another site that begins a login must not sign
// the visitor out, nor a login that they give up.
func TestLoginLinkEndsNoSession(t *testing.T) {
	t.Parallel()
	s := lab.Serve(t)
	v := s.Visitor()
	v.LogIn()
	res := s.Send(lab.Request{Path: "/login?prompt=login", Cookies: v.Cookies(s.URL), Header: map[string]string{
		"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site",
	}})
	if res.StatusCode != http.StatusFound {
		t.Fatalf("the link answers %s", lab.StatusLine(res))
	}
	for _, cookie := range res.Cookies() {
		if lab.IsSessionCookie(cookie.Name) {
			t.Errorf("the link touches the session's cookie: %s", cookie)
		}
	}
	v.MustBeSignedIn()
	cancelled := "/login/redirect?error=access_denied&state=" + res.Target().Query().Get("state")
	res = s.Send(lab.Request{Path: cancelled, Cookies: append(v.Cookies(s.URL), res.Cookie(lab.IsLoginCookie))})
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("the login that was given up answers %s", lab.StatusLine(res))
	}
	for _, cookie := range res.Cookies() {
		if lab.IsSessionCookie(cookie.Name) {
			t.Errorf("the login that was given up touches the session's cookie: %s", cookie)
		}
	}
	v.MustBeSignedIn()
}

// TestAnswersStayPrivate: an answer of the login that a cache keeps, or whose address
// reaches other sites as Referer, gives codes and states away. Each is no-store and
// no-referrer, whatever it says; redirects are 302, or 303 after a POST, so that no
// body is sent on.
func TestAnswersStayPrivate(t *testing.T) {
	t.Parallel()
	storage := newBrittleStorage()
	s := lab.Serve(t, storage.hook)
	v := s.Visitor()
	v.LogIn()
	mine := []*http.Cookie{v.SessionCookie()}
	page := map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
	foreign := map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "cross-site"}
	good, denied := lab.Halfway(s, "alice"), s.Begin()
	for _, row := range []struct {
		lab.Request
		want int
	}{
		{lab.Request{Path: "/login", Header: page}, 302},
		{lab.Request{Path: "/login", Header: map[string]string{"Sec-Fetch-Mode": "cors"}}, 401},
		{lab.Request{Path: "/login?prompt=a&prompt=b", Header: page}, 400},
		{lab.Request{Path: "/login?refused=cross_origin", Header: page}, 200},
		{lab.Request{Path: "/login", Header: map[string]string{"Host": "evil.example"}}, 500},
		{lab.Request{Path: "/login", Method: "POST", Header: page}, 405},
		{lab.Request{Path: "/login/redirect?error=access_denied&state=" + denied.State, Header: page, Cookies: []*http.Cookie{denied.Cookie}}, 403},
		{lab.Request{Path: good.Callback, Cookies: []*http.Cookie{good.Cookie}}, 302},
		{lab.Request{Path: good.Callback, Cookies: []*http.Cookie{good.Cookie}}, 302}, // a replay: login again
		{lab.Request{Path: good.Callback}, 400},
		{lab.Request{Path: good.Callback, Cookies: mine}, 302},
		{lab.Request{Path: good.Callback, Method: "HEAD"}, 405},
		{lab.Request{Path: "/login/redirect?state=a&state=b", Header: page}, 400},
		{lab.Request{Path: "/token/refresh", Method: "POST", Cookies: mine}, 200},
		{lab.Request{Path: "/token/refresh", Method: "POST"}, 401},
		{lab.Request{Path: "/token/refresh", Method: "POST", Cookies: mine, Header: foreign}, 303},
		{lab.Request{Path: "/token/refresh"}, 405},
		{lab.Request{Path: "/me", Header: page}, 302},
		{lab.Request{Path: "/me"}, 401},
		{lab.Request{Path: "/me", Method: "POST", Cookies: mine, Header: foreign}, 303},
		{lab.Request{Path: "/logout", Header: foreign, Cookies: mine}, 200},
		{lab.Request{Path: "/logout", Header: map[string]string{"Sec-Fetch-Mode": "no-cors"}, Cookies: mine}, 401},
		{lab.Request{Path: "/logout", Method: "POST", Header: foreign, Cookies: mine}, 303},
		{lab.Request{Path: "/logout", Method: "PUT"}, 405},
		{lab.Request{Path: "/logout", Method: "POST"}, 303},
		{lab.Request{Path: "/logout"}, 200},
	} {
		mustStayPrivate(t, s, row.Request, row.want)
	}
	storage.breakWith(func(string, string) error { return errors.New("down") })
	mustStayPrivate(t, s, lab.Request{Path: "/login"}, 503)
	mustStayPrivate(t, s, lab.Request{Path: good.Callback, Cookies: []*http.Cookie{good.Cookie}}, 503)
	mustStayPrivate(t, s, lab.Request{Path: "/me", Header: page, Cookies: mine}, 503)
	storage.breakWith(nil)
	v.MustBeSignedIn()
}

func mustStayPrivate(t *testing.T, s *lab.Site, r lab.Request, want int) {
	t.Helper()
	res := s.Send(r)
	what := cmp.Or(r.Method, "GET") + " " + r.Path
	if res.StatusCode != want {
		t.Errorf("%.60s answers %s, want %d", what, lab.StatusLine(res), want)
	}
	if got := res.Header.Values("Cache-Control"); !slices.Equal(got, []string{"no-store"}) {
		t.Errorf("%.60s (%d) has Cache-Control %q, want no-store", what, res.StatusCode, got)
	}
	if got := res.Header.Values("Referrer-Policy"); !slices.Equal(got, []string{"no-referrer"}) {
		t.Errorf("%.60s (%d) has Referrer-Policy %q, want no-referrer", what, res.StatusCode, got)
	}
}

// TestLoginLoopFromAHandler: a handler that begins logins itself goes round no longer than
// LoginPath.
func TestLoginLoopFromAHandler(t *testing.T) {
	t.Parallel()
	s := lab.ServeApp(t, func(app *fiber.App, auth *cognito.Auth) {
		app.Get("/desk", func(c *fiber.Ctx) error {
			if user := auth.UserFrom(c); user != nil {
				return c.SendString("desk of " + user.Email())
			}
			return auth.Login(c, cognito.LoginOptions{ReturnTo: "/desk"})
		})
	})
	v := s.Visitor()
	v.HTTPClient.Jar = forgetfulJar{v.HTTPClient.Jar.(*cookiejar.Jar)}
	page := v.Login(s.URL+"/desk", "alice", lab.PasswordOf("alice"))
	if page.Err != nil || page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "keep you signed in") {
		t.Errorf("the loop ended on %s with %d, %v: %.200q", page.URL, page.Status, page.Err, page.Body)
	}
	if calls := s.Pool.Calls(cognitotest.Token); calls != 3 {
		t.Errorf("the visitor was logged in %d times, want 3", calls)
	}
	if page := s.Visitor().Login(s.URL+"/desk", "bob", lab.PasswordOf("bob")); page.Body != "desk of bob@example.com" {
		t.Errorf("the honest login ends on %s: %s", page.URL, page.Body)
	}
}

// forgetfulJar never keeps a session's cookie.
type forgetfulJar struct{ *cookiejar.Jar }

func (f forgetfulJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	f.Jar.SetCookies(u, slices.DeleteFunc(slices.Clone(cookies), func(c *http.Cookie) bool { return lab.IsSessionCookie(c.Name) }))
}

// TestLoginLoop: a browser that does not keep the session's cookie, or a storage that
// loses sessions, sends the visitor round and round, with Cognito's own session logging
// them in without a word. After three logins they are told. A browser that keeps what
// it is given is never stopped.
func TestLoginLoop(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*lab.Visitor, *brittleStorage){
		"blocked cookie": func(v *lab.Visitor, _ *brittleStorage) {
			v.HTTPClient.Jar = forgetfulJar{v.HTTPClient.Jar.(*cookiejar.Jar)}
		},
		"lossy storage": func(_ *lab.Visitor, b *brittleStorage) { b.lose = "cognito_hot_" },
	} {
		t.Run(name, func(t *testing.T) {
			storage := newBrittleStorage()
			s := lab.Serve(t, storage.hook)
			v := s.Visitor()
			spoil(v, storage)
			page := v.Login(s.URL+"/me", "alice", lab.PasswordOf("alice"))
			if page.Err != nil || page.Status != http.StatusBadRequest || !strings.Contains(page.Body, "keep you signed in") {
				t.Errorf("the loop ended on %s with %d, %v: %.200q", page.URL, page.Status, page.Err, page.Body)
			}
			if calls := s.Pool.Calls(cognitotest.Token); calls != 3 {
				t.Errorf("the visitor was logged in %d times, want 3", calls)
			}
		})
	}
	s := lab.Serve(t)
	v := s.Visitor()
	v.LogIn()
	for range 5 {
		if page := v.Get(s.URL + "/login?return_to=/me"); page.URL.Path != "/me" || page.Status != http.StatusOK {
			t.Fatalf("a visitor who logs in often ended on %s with %d", page.URL, page.Status)
		}
	}
}
