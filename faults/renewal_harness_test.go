package faults_test

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
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// nearlyExpired is when they still work and have long been due for renewal.
const nearlyExpired = 55 * time.Minute

// park holds the next renewal at the pool's door.
func park(t *testing.T, pool *cognitotest.Pool) *lab.Gate {
	g := lab.NewGate(t)
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Gate: g.Closed})
	return g
}

// parkAnswer holds the answer of the next renewal: the pool has done its work,
// and done says so, but nobody knows of it yet.
func parkAnswer(t *testing.T, pool *cognitotest.Pool) (g *lab.Gate, done <-chan struct{}) {
	g, worked := lab.NewGate(t), make(chan struct{})
	pool.Break(cognitotest.Token, cognitotest.Fault{Times: 1, Match: lab.Refreshes, Rewrite: func(map[string]any) {
		close(worked)
		<-g.Closed
	}})
	return g, worked
}

// regroup changes the groups that alice is in at the pool.
func regroup(pool *cognitotest.Pool, groups ...string) {
	pool.SetUser(cognitotest.User{Username: "alice", Password: lab.PasswordOf("alice"), Email: "alice@example.com", EmailVerified: true, Groups: groups})
}

// groupsOf are the groups that an answer of /me shows, or what it says instead.
func groupsOf(res *lab.Answer) string {
	var me struct {
		Groups []string `json:"cognito:groups"`
	}
	if res == nil || res.StatusCode != http.StatusOK || json.Unmarshal([]byte(res.Text), &me) != nil {
		return fmt.Sprint("no groups but ", res)
	}
	return strings.Join(me.Groups, ",")
}

// stampede is later over connections that are open already, so that thousands
// of requests arrive within the patience that a call to Cognito is given.
func stampede(s *lab.Site, times int, r lab.Request) (answers func() []lab.Reply) {
	s.Helper()
	connections := make([]net.Conn, times)
	for i := range connections {
		connection, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { _ = connection.Close() })
		connections[i] = connection
	}
	replies := make([]lab.Reply, times)
	var sent sync.WaitGroup
	for i, connection := range connections {
		sent.Go(func() { replies[i] = exchange(connection, r) })
	}
	return func() []lab.Reply { sent.Wait(); return replies }
}

// exchange sends a GET over a connection and reads the answer.
func exchange(connection net.Conn, r lab.Request) lab.Reply {
	request, err := http.NewRequest(http.MethodGet, "http://localhost"+r.Path, nil)
	if err != nil {
		return lab.Reply{Err: err}
	}
	for _, cookie := range r.Cookies {
		request.AddCookie(cookie)
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	if err := request.Write(connection); err != nil {
		return lab.Reply{Err: err}
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		return lab.Reply{Err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return lab.Reply{Answer: &lab.Answer{Response: answer, Text: string(body)}, Err: err}
}

func asVisitor(path string, cookies ...*http.Cookie) lab.Request {
	return lab.Request{Path: path, Cookies: cookies, Header: map[string]string{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}}
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
	lab.Eventually(t, "a renewal is reported", func() bool { return len(e.all()) > 0 })
	seen := e.all()
	return seen[len(seen)-1].Err
}
