package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/valyala/fasthttp"
)

// What honest visitors notice while strangers send requests of one kind without end,
// and Cognito takes 150 ms for a call. Everything shares the processor: the app, the
// pool, the strangers and the visitors.

const (
	floodRate    = 3700 // requests a second that the strangers try for
	floodConns   = 1024
	poolTakes    = 150 * time.Millisecond
	renewingLife = 4 * time.Second // of the tokens of those who renew
	renewing     = 16              // visitors
)

// flood is one kind of request that a stranger may send.
type flood struct {
	title    string
	requests func(*site) ([][]byte, error) // nil: nobody floods
}

func post(path string, headers ...string) []byte {
	request := string(get(path, append(headers, "Content-Length", "0", "Sec-Fetch-Site", "same-origin", "Origin", appURL)...))
	return []byte("POST" + strings.TrimPrefix(request, "GET"))
}

// same is a kind that is the same request every time.
func same(request []byte) func(*site) ([][]byte, error) {
	return func(*site) ([][]byte, error) { return [][]byte{request}, nil }
}

// invented is a session cookie of the right form that nobody was given.
const invented = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

var floods = []flood{
	{title: "nothing"},
	{"`GET /login`", same(get("/login", "Accept", "text/html"))},
	{"callbacks of no login", same(get("/login/redirect?code=junk&state=" + invented))},
	{"callbacks of begun logins, with invented codes", begunLogins},
	{"pages, with an invented session", same(asSession("/", invented))},
	{"`POST /token/refresh`, with an invented session", same(post("/token/refresh", "Cookie", "__Host-"+cookieName+"="+invented))},
	{"`POST /logout`, with an invented session", same(post("/logout", "Cookie", "__Host-"+cookieName+"="+invented))},
	{"bearer tokens with an unknown key", unknownKeys},
}

// begunLogins are callbacks that each cost a call to Cognito: of logins that the
// stranger has begun for the purpose, twice as many as are sent in a second.
func begunLogins(s *site) ([][]byte, error) {
	requests := make([][]byte, 2*floodRate)
	for i := range requests {
		visit := &fasthttp.RequestCtx{}
		visit.Request.SetRequestURI("/login")
		visit.Request.Header.SetHost(appHost)
		s.app.Handler()(visit)
		to, err := url.Parse(string(visit.Response.Header.Peek("Location")))
		if err != nil {
			return nil, err
		}
		cookie := ""
		for _, each := range (&http.Response{Header: http.Header{"Set-Cookie": {string(visit.Response.Header.Peek("Set-Cookie"))}}}).Cookies() {
			cookie = each.Name + "=" + each.Value
		}
		callback := fmt.Sprintf("/login/redirect?code=junk-%d&state=%s", i, url.QueryEscape(to.Query().Get("state")))
		requests[i] = get(callback, "Cookie", cookie)
	}
	return requests, nil
}

// unknownKeys are tokens whose key nobody has published, each under another name.
func unknownKeys(s *site) ([][]byte, error) {
	requests := make([][]byte, 512)
	token := s.pool.AccessToken("", userName(0), nil)
	_, rest, _ := strings.Cut(token, ".")
	for i := range requests {
		header := fmt.Sprintf(`{"alg":"RS256","kid":"unknown-%d"}`, i)
		requests[i] = get("/", "Authorization", "Bearer "+base64.RawURLEncoding.EncodeToString([]byte(header))+"."+rest)
	}
	return requests, nil
}

// endured is what honest visitors noticed of a flood.
type endured struct {
	title     string
	strangers float64 // answered, a second
	renewals  float64 // a second

	signedIn, renewed, logins              outcome
	lostVisits, lostWhileDue, failedLogins int64
}

// floodTable endures each kind in turn.
func floodTable(o options, out io.Writer) error {
	lasting := 8 * time.Second
	if o.quick {
		lasting = 300 * time.Millisecond
	}
	found := make([]endured, 0, len(floods))
	for _, kind := range floods {
		fmt.Fprintf(out, "flood: %s\n", kind.title)
		one, err := endure(kind, lasting)
		if err != nil {
			return fmt.Errorf("flood of %s: %w", kind.title, err)
		}
		found = append(found, one)
	}
	text := floodMarkdown(found)
	fmt.Fprintf(out, "\n%s", text)
	if o.quick {
		return nil
	}
	return os.WriteFile(filepath.Join(ownDirectory(), "FLOOD.md"), []byte(text), 0o644)
}

func endure(kind flood, lasting time.Duration) (found endured, err error) {
	found.title = kind.title
	pool := newPool(24 * time.Hour)
	defer pool.Close()
	s, err := newSite(pool, func(c *cognito.Config) { c.Bearer = true })
	if err != nil {
		return found, err
	}
	defer func() { _ = s.auth.Close() }()
	address, stop, err := s.listen()
	if err != nil {
		return found, err
	}
	defer stop()
	longLived, due, junk, err := s.besieged(pool, kind)
	if err != nil {
		return found, err
	}
	var renewals atomic.Int64
	pool.Break(cognitotest.Token, cognitotest.Fault{Delay: poolTakes, Match: func(r cognitotest.Request) bool {
		if r.Form.Get("grant_type") == "refresh_token" {
			renewals.Add(1)
		}
		return true
	}})
	var all sync.WaitGroup
	if kind.requests != nil {
		all.Go(func() {
			o, _ := load{addr: address, requests: junk, conns: floodConns, lasting: lasting, pace: time.Second * floodConns / floodRate,
				accept: func(int, int, []byte) bool { return true }}.run()
			found.strangers = o.perSecond()
		})
	}
	all.Go(func() { found.signedIn, found.lostVisits = visits(address, longLived, lasting) })
	all.Go(func() { found.renewed, found.lostWhileDue = visits(address, due, lasting) })
	all.Go(func() { found.logins, found.failedLogins = s.honestLogins(lasting) })
	all.Wait()
	found.renewals = float64(renewals.Load()) / lasting.Seconds()
	return found, nil
}

// besieged are the requests of visitors whose tokens last, of those whose tokens are
// always due, and of the strangers.
func (s *site) besieged(pool *cognitotest.Pool, kind flood) (longLived, due, junk [][]byte, err error) {
	if longLived, err = s.sessions(4); err != nil {
		return nil, nil, nil, err
	}
	pool.SetClient(cognitotest.Client{
		ID: clientID, CallbackURLs: []string{appURL + "/login/redirect"}, LogoutURLs: []string{appURL + "/"},
		AccessTokenTTL: renewingLife, IDTokenTTL: renewingLife,
	})
	if due, err = s.sessions(renewing); err != nil {
		return nil, nil, nil, err
	}
	if kind.requests != nil {
		junk, err = kind.requests(s)
	}
	return longLived, due, junk, err
}

// sessions are requests of visitors who have signed in.
func (s *site) sessions(n int) ([][]byte, error) {
	requests := make([][]byte, n)
	for i := range requests {
		id, err := s.signIn(userName(i))
		if err != nil {
			return nil, err
		}
		requests[i] = asSession("/", id)
	}
	return requests, nil
}

// visits opens a page for every visitor, one connection each, ten times a second.
func visits(address string, requests [][]byte, lasting time.Duration) (o outcome, lost int64) {
	var refused atomic.Int64
	o, _ = load{addr: address, requests: requests, conns: len(requests), lasting: lasting, pace: 100 * time.Millisecond,
		accept: func(_, status int, _ []byte) bool {
			if status != http.StatusOK {
				refused.Add(1)
			}
			return true
		}}.run()
	return o, refused.Load()
}

// honestLogins signs one visitor in after the other, from /login to the session.
func (s *site) honestLogins(lasting time.Duration) (o outcome, failed int64) {
	o.statuses = map[int]int{}
	began := time.Now()
	for i := 0; time.Since(began) < lasting; i++ {
		at := time.Now()
		if _, err := s.tryToSignIn(userName(i)); err != nil {
			failed++
			continue
		}
		o.requests++
		o.latencies = append(o.latencies, time.Since(at))
	}
	o.took = time.Since(began)
	slices.Sort(o.latencies)
	return o, failed
}

// tryToSignIn is signIn without its panic at an answer that it does not expect.
func (s *site) tryToSignIn(user string) (id string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return s.signIn(user)
}

// listen serves the app on a socket.
func (s *site) listen() (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	served := make(chan error, 1)
	go func() { served <- s.app.Server().Serve(listener) }()
	return listener.Addr().String(), func() { _ = s.app.Shutdown(); <-served }, nil
}

func floodMarkdown(found []endured) string {
	var b strings.Builder
	m := describeMachine()
	fmt.Fprintf(&b, "# What other visitors notice of a flood\n\nGenerated by `go run ./bench -flood`. %s, %d cores, %s, %s.\n\n", m.processor, m.cores, m.goVersion, m.date)
	fmt.Fprintf(&b, "Strangers attempt %d requests a second of one kind, on %d connections. Cognito's token endpoint takes %d ms for every call. ", floodRate, floodConns, poolTakes.Milliseconds())
	fmt.Fprintf(&b, "Meanwhile 4 visitors with fresh tokens and %d whose tokens live %s open a page ten times a second each, and somebody signs in repeatedly. The app, the pool, the strangers and the visitors share the processors, so all times include waiting for them.\n\n", renewing, renewingLife)
	b.WriteString("| Flood of | answered /s | signed in: p50, p99 | refused | due for renewal: p50, p99 | refused | renewals /s | login: p50, p99 | failed |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, x := range found {
		fmt.Fprintf(&b, "| %s | %.0f | %s | %d of %d | %s | %d of %d | %.1f | %s | %d of %d |\n", x.title, x.strangers,
			percentiles(x.signedIn), x.lostVisits, x.signedIn.requests, percentiles(x.renewed), x.lostWhileDue, x.renewed.requests,
			x.renewals, percentiles(x.logins), x.failedLogins, int(x.failedLogins)+x.logins.requests)
	}
	return b.String()
}

func percentiles(o outcome) string {
	ms := func(p float64) float64 { return float64(o.percentile(p).Microseconds()) / 1000 }
	return fmt.Sprintf("%.1f, %.1f ms", ms(50), ms(99))
}
