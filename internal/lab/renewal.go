package lab

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
)

// Revoked are the refresh tokens that the pool was told to revoke.
func Revoked(pool *cognitotest.Pool) []string {
	var tokens []string
	for _, r := range pool.Requests(cognitotest.Revoke) {
		tokens = append(tokens, r.Form.Get("token"))
	}
	return tokens
}

// NewPoolClientID is the client of every pool here.
const NewPoolClientID = "1example23456789"

// JustExpired is how long after a login its tokens of one hour are dead. A
// verifier would forgive another minute; a session does not.
const JustExpired = time.Hour + time.Second

// SignIn logs a user in and returns the session's cookie.
func (s *Site) SignIn(user string) *http.Cookie {
	s.Helper()
	res := s.Finish(s.Answered(user))
	cookie := res.Cookie(IsSessionCookie)
	if cookie == nil {
		s.Fatalf("the login answered %s", StatusLine(res))
	}
	return cookie
}

// Pair serves two instances of one app over one storage.
func Pair(t *testing.T, pool *cognitotest.Pool, storage Storage, hooks ...func(*cognito.Config)) (a, b *Site) {
	t.Helper()
	hooks = append(hooks, On(storage))
	return ServeWith(t, pool, hooks...), ServeWith(t, pool, hooks...)
}

// NewPool is a pool for a test, whose app client has these properties.
func NewPool(t *testing.T, clients ...cognitotest.Client) *cognitotest.Pool {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	for _, client := range clients {
		client.ID = pool.Config().ClientID
		pool.SetClient(client)
	}
	return pool
}

// Rotating is an app client whose refresh tokens are replaced at every use.
func Rotating(grace time.Duration) cognitotest.Client {
	return cognitotest.Client{RotateRefreshTokens: true, RotationGrace: grace}
}

// Refreshes picks the token requests that renew.
func Refreshes(r cognitotest.Request) bool { return r.Form.Get("grant_type") == "refresh_token" }

// RenewalsAt are the refresh tokens that the pool was sent for renewal.
func RenewalsAt(pool *cognitotest.Pool) []string {
	var sent []string
	for _, r := range pool.Requests(cognitotest.Token) {
		if Refreshes(r) {
			sent = append(sent, r.Form.Get("refresh_token"))
		}
	}
	return sent
}

// MustRenew checks how many renewals the pool was asked for so far.
func (s *Site) MustRenew(times int) {
	s.Helper()
	if calls := len(RenewalsAt(s.Pool)); calls != times {
		s.Errorf("the pool was asked for %d renewals, want %d", calls, times)
	}
}

// Gate holds whoever waits for it, until the test opens it or ends.
type Gate struct {
	Closed chan struct{}
	Open   func()
}

// NewGate is a gate that is closed.
func NewGate(t *testing.T) *Gate {
	closed := make(chan struct{})
	g := &Gate{Closed: closed, Open: sync.OnceFunc(func() { close(closed) })}
	t.Cleanup(g.Open)
	return g
}

// Issued are the refresh tokens that the pool has handed out.
type Issued struct {
	mu     sync.Mutex
	tokens []string
}

// RecordIssued notes them from now on. Faults that come later find this one in
// their place: they have to heal the pool first and note for themselves.
func RecordIssued(pool *cognitotest.Pool) *Issued {
	i := &Issued{}
	pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: i.Note})
	return i
}

// Note keeps the refresh token of an answer.
func (i *Issued) Note(answer map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if token, ok := answer["refresh_token"].(string); ok {
		i.tokens = append(i.tokens, token)
	}
}

// All are those so far, the oldest first.
func (i *Issued) All() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.tokens)
}

// Newest is the latest of them.
func (i *Issued) Newest() string {
	all := i.All()
	return all[len(all)-1]
}

// Patient lets an app wait for Cognito without an end. It is for tests that hold a call
// and have much to do meanwhile: on a busy machine the call would be given up, and made
// once more.
func Patient(t *testing.T) func(*cognito.Config) {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return func(c *cognito.Config) {
		c.HTTPClient = &http.Client{Transport: RoundTripper(func(r *http.Request) (*http.Response, error) {
			return transport.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
		})}
	}
}

// Reply is what came of a request that runs beside the test.
type Reply struct {
	*Answer
	Err error
}

func (r Reply) String() string {
	if r.Err != nil {
		return r.Err.Error()
	}
	return StatusLine(r.Answer)
}

// Later sends requests all at once, and hands over the answers when asked.
func (s *Site) Later(times int, r Request) (answers func() []Reply) {
	replies := make([]Reply, times)
	var sent sync.WaitGroup
	for i := range replies {
		sent.Go(func() { replies[i].Answer, replies[i].Err = s.TrySend(r) })
	}
	return func() []Reply { sent.Wait(); return replies }
}

// AsScript is a request of a script on a page, which is never redirected.
func AsScript(path string, cookies ...*http.Cookie) Request {
	return Request{Path: path, Cookies: cookies, Header: map[string]string{"Accept": "application/json"}}
}

// RenewNow asks for a renewal, from a page of the app itself.
func RenewNow(cookies ...*http.Cookie) Request {
	return Request{Method: http.MethodPost, Path: "/token/refresh", Cookies: cookies, Header: map[string]string{"Sec-Fetch-Site": "same-origin"}}
}

// DeletesSession reports whether an answer deletes the session cookie.
func (r *Answer) DeletesSession() bool {
	return slices.ContainsFunc(r.Cookies(), func(c *http.Cookie) bool {
		return IsSessionCookie(c.Name) && c.Value == "" && !c.Expires.IsZero() && c.Expires.Before(time.Now())
	})
}

// Clock is an app's clock that stands still until it is moved, together with
// the pool's: back-off is measured in seconds that a busy machine might pass.
type Clock struct {
	pool *cognitotest.Pool
	now  atomic.Pointer[time.Time]
}

// StopClock makes a clock that stands at the pool's time.
func StopClock(pool *cognitotest.Pool) *Clock {
	clock := &Clock{pool: pool}
	now := pool.Now()
	clock.now.Store(&now)
	return clock
}

// Hook has an app go by the clock.
func (s *Clock) Hook(c *cognito.Config) { c.Now = func() time.Time { return *s.now.Load() } }

// Advance moves the time of the apps and of the pool.
func (s *Clock) Advance(d time.Duration) {
	now := s.now.Load().Add(d)
	s.now.Store(&now)
	s.pool.Advance(d)
}
