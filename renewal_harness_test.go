package cognito_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
)

// justExpired is how long after a login its tokens of one hour are dead. A
// verifier would forgive another minute; a session does not.
const justExpired = time.Hour + time.Second

// nearlyExpired is when they still work and have long been due for renewal.
const nearlyExpired = 55 * time.Minute

// signIn logs a user in and returns the session's cookie.
func (s *site) signIn(user string) *http.Cookie {
	s.Helper()
	res := s.finish(s.answered(user))
	cookie := res.cookie(isSessionCookie)
	if cookie == nil {
		s.Fatalf("the login answered %s", statusLine(res))
	}
	return cookie
}

// pair serves two instances of one app over one storage.
func pair(t *testing.T, pool *cognitotest.Pool, storage fiber.Storage, hooks ...func(*cognito.Config)) (a, b *site) {
	t.Helper()
	hooks = append(hooks, on(storage))
	return serveWith(t, pool, hooks...), serveWith(t, pool, hooks...)
}

func newPool(t *testing.T, clients ...cognitotest.Client) *cognitotest.Pool {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	for _, client := range clients {
		client.ID = pool.Config().ClientID
		pool.SetClient(client)
	}
	return pool
}

// rotating is an app client whose refresh tokens are replaced at every use.
func rotating(grace time.Duration) cognitotest.Client {
	return cognitotest.Client{RotateRefreshTokens: true, RotationGrace: grace}
}

// refreshes picks the token requests that renew.
func refreshes(r cognitotest.Request) bool { return r.Form.Get("grant_type") == "refresh_token" }

// renewalsAt are the refresh tokens that the pool was sent for renewal.
func renewalsAt(pool *cognitotest.Pool) []string {
	var sent []string
	for _, r := range pool.Requests(cognitotest.Token) {
		if refreshes(r) {
			sent = append(sent, r.Form.Get("refresh_token"))
		}
	}
	return sent
}

// mustRenew checks how many renewals the pool was asked for so far.
func (s *site) mustRenew(times int) {
	s.Helper()
	if calls := len(renewalsAt(s.pool)); calls != times {
		s.Errorf("the pool was asked for %d renewals, want %d", calls, times)
	}
}

// gate holds whoever waits for it, until the test opens it or ends.
type gate struct {
	closed chan struct{}
	open   func()
}

func newGate(t *testing.T) *gate {
	closed := make(chan struct{})
	g := &gate{closed: closed, open: sync.OnceFunc(func() { close(closed) })}
	t.Cleanup(g.open)
	return g
}

// park holds the next renewal at the pool's door.
func park(t *testing.T, pool *cognitotest.Pool) *gate {
	g := newGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Gate: g.closed})
	return g
}

// parkAnswer holds the answer of the next renewal: the pool has done its work,
// and done says so, but nobody knows of it yet.
func parkAnswer(t *testing.T, pool *cognitotest.Pool) (g *gate, done <-chan struct{}) {
	g, worked := newGate(t), make(chan struct{})
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: refreshes, Rewrite: func(map[string]any) {
		close(worked)
		<-g.closed
	}})
	return g, worked
}

// issued are the refresh tokens that the pool has handed out.
type issued struct {
	mu     sync.Mutex
	tokens []string
}

// recordIssued notes them from now on. Faults that come later find this one in
// their place: they have to heal the pool first and note for themselves.
func recordIssued(pool *cognitotest.Pool) *issued {
	i := &issued{}
	pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: i.note})
	return i
}

func (i *issued) note(answer map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if token, ok := answer["refresh_token"].(string); ok {
		i.tokens = append(i.tokens, token)
	}
}

func (i *issued) all() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.tokens)
}

func (i *issued) newest() string {
	all := i.all()
	return all[len(all)-1]
}

// regroup changes the groups that alice is in at the pool.
func regroup(pool *cognitotest.Pool, groups ...string) {
	pool.SetUser(cognitotest.User{Username: "alice", Password: passwordOf("alice"), Email: "alice@example.com", EmailVerified: true, Groups: groups})
}

// groupsOf are the groups that an answer of /me shows, or what it says instead.
func groupsOf(res *response) string {
	var me struct {
		Groups []string `json:"cognito:groups"`
	}
	if res == nil || res.StatusCode != http.StatusOK || json.Unmarshal([]byte(res.body), &me) != nil {
		return fmt.Sprint("no groups but ", res)
	}
	return strings.Join(me.Groups, ",")
}

// reply is what came of a request that runs beside the test.
type reply struct {
	*response
	err error
}

func (r reply) String() string {
	if r.err != nil {
		return r.err.Error()
	}
	return statusLine(r.response)
}

// later sends requests all at once, and hands over the answers when asked.
func (s *site) later(times int, r request) (answers func() []reply) {
	replies := make([]reply, times)
	var sent sync.WaitGroup
	for i := range replies {
		sent.Go(func() { replies[i].response, replies[i].err = s.trySend(r) })
	}
	return func() []reply { sent.Wait(); return replies }
}

// stampede is later over connections that are open already, so that thousands
// of requests arrive within the patience that a call to Cognito is given.
func (s *site) stampede(times int, r request) (answers func() []reply) {
	s.Helper()
	connections := make([]net.Conn, times)
	for i := range connections {
		connection, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { _ = connection.Close() })
		connections[i] = connection
	}
	replies := make([]reply, times)
	var sent sync.WaitGroup
	for i, connection := range connections {
		sent.Go(func() { replies[i] = exchange(connection, r) })
	}
	return func() []reply { sent.Wait(); return replies }
}

// exchange sends a GET over a connection and reads the answer.
func exchange(connection net.Conn, r request) reply {
	request, err := http.NewRequest(http.MethodGet, "http://localhost"+r.path, nil)
	if err != nil {
		return reply{err: err}
	}
	for _, cookie := range r.cookies {
		request.AddCookie(cookie)
	}
	for name, value := range r.header {
		request.Header.Set(name, value)
	}
	if err := request.Write(connection); err != nil {
		return reply{err: err}
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		return reply{err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return reply{&response{answer, string(body)}, err}
}

func asScript(path string, cookies ...*http.Cookie) request {
	return request{path: path, cookies: cookies, header: map[string]string{"Accept": "application/json"}}
}

func renewNow(cookies ...*http.Cookie) request {
	return request{method: http.MethodPost, path: "/token/refresh", cookies: cookies, header: map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

func asVisitor(path string, cookies ...*http.Cookie) request {
	return request{path: path, cookies: cookies, header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}}
}

// deletesSession reports whether an answer deletes the session cookie.
func (r *response) deletesSession() bool {
	return slices.ContainsFunc(r.Cookies(), func(c *http.Cookie) bool {
		return isSessionCookie(c.Name) && c.Value == "" && !c.Expires.IsZero() && c.Expires.Before(time.Now())
	})
}

// refreshEvents collects what the app is told about renewals.
type refreshEvents struct {
	mu   sync.Mutex
	seen []cognito.Event
}

func (e *refreshEvents) hook(c *cognito.Config) {
	c.OnEvent = func(event cognito.Event) {
		if event.Kind == cognito.EventRefresh {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.seen = append(e.seen, event)
		}
	}
}

func (e *refreshEvents) all() []cognito.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen)
}

// last is the error of the latest renewal, which is reported in the background.
func (e *refreshEvents) last(t *testing.T) error {
	t.Helper()
	eventually(t, "a renewal is reported", func() bool { return len(e.all()) > 0 })
	seen := e.all()
	return seen[len(seen)-1].Err
}

// stopped is an app's clock that stands still until it is moved, together with
// the pool's: back-off is measured in seconds that a busy machine might pass.
type stopped struct {
	pool *cognitotest.Pool
	now  atomic.Pointer[time.Time]
}

func stopClock(pool *cognitotest.Pool) *stopped {
	clock := &stopped{pool: pool}
	now := pool.Now()
	clock.now.Store(&now)
	return clock
}

func (s *stopped) hook(c *cognito.Config) { c.Now = func() time.Time { return *s.now.Load() } }

func (s *stopped) advance(d time.Duration) {
	now := s.now.Load().Add(d)
	s.now.Store(&now)
	s.pool.Advance(d)
}
