//go:build soak

package soak

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
)

// ledger knows what the pool has issued to whom and what became of it. With it
// a session that is gone can be judged: lost, or ended for a reason.
type ledger struct {
	pool  *cognitotest.Pool
	grace time.Duration

	mu      sync.Mutex
	newest  map[string]minted    // subject → refresh token that was delivered last
	owner   map[string]string    // refresh token → subject
	askedBy map[string]string    // subject → address of the instance that asked last
	lost    map[string]time.Time // subject → when an answer was first lost after a rotation
	killed  minted               // which instance was last killed, and when

	renewals atomic.Int64
}

// minted is a refresh token, with the instance that it went to.
type minted struct {
	token    string
	instance string
	at       time.Time
}

// verdict is why a session is gone.
type verdict string

const (
	lostSession verdict = "lost, though Cognito would still renew it"
	unexplained verdict = "ended by Cognito for no reason"
	lostAnswer  verdict = "answer lost beyond the grace"
	hardKill    verdict = "killed in mid-rotation"
)

func newLedger(pool *cognitotest.Pool, grace time.Duration) *ledger {
	return &ledger{pool: pool, grace: grace, newest: map[string]minted{}, owner: map[string]string{}, askedBy: map[string]string{}, lost: map[string]time.Time{}}
}

// note records an answer of the token endpoint that is about to be delivered.
func (l *ledger) note(answer map[string]any) {
	token, _ := answer["refresh_token"].(string)
	access, _ := answer["access_token"].(string)
	if token == "" || access == "" {
		return
	}
	subject := claimsOf(access).Subject
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest[subject] = minted{token, l.askedBy[subject], time.Now()}
	l.owner[token] = subject
}

// see counts a renewal that has arrived.
func (l *ledger) see(r cognitotest.Request) {
	if r.Form.Get("grant_type") != "refresh_token" || r.Form.Has("audit") {
		return
	}
	l.renewals.Add(1)
	subject := l.ownerOf(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.newest[subject]; r.Form.Get("refresh_token") == last.token && last.at.After(l.lost[subject]) {
		delete(l.lost, subject) // an answer has arrived since
	}
	l.askedBy[subject] = r.Header.Get("Instance")
}

// ownerOf says whose refresh token a request presents.
func (l *ledger) ownerOf(r cognitotest.Request) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owner[r.Form.Get("refresh_token")]
}

// ServeHTTP hears of calls that got no answer, from the instances that made
// them: what they brought about is lost beyond the grace, and nobody's fault.
func (l *ledger) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	subject := l.owner[r.PostFormValue("refresh_token")]
	if l.lost[subject].IsZero() {
		l.lost[subject] = time.Now()
	}
}

func (l *ledger) isKilled(instance string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.killed = minted{"", instance, time.Now()}
}

// midRotation is how long before an instance is killed, or while it is, a new
// refresh token must have been sent to it, to have died with it unstored.
const midRotation = 2 * time.Second

// judge says why a subject's session is gone. What Cognito would still renew is
// asked of the pool itself, with the refresh token it delivered last.
func (l *ledger) judge(subject string) verdict {
	l.mu.Lock()
	last, lostAt := l.newest[subject], l.lost[subject]
	killed := last.instance == l.killed.instance && l.killed.at.Sub(last.at).Abs() < midRotation
	l.mu.Unlock()
	switch {
	case l.grace == 0 && killed:
		return hardKill
	case !lostAt.IsZero() && time.Since(lostAt) > l.grace:
		return lostAnswer
	case l.renewable(last.token):
		return lostSession
	}
	return unexplained
}

// begin forgets what befell a subject before a new login.
func (l *ledger) begin(subject string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.lost, subject)
}

func (l *ledger) renewable(token string) bool {
	answer, err := http.PostForm(l.pool.URL()+"/oauth2/token", url.Values{
		"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}, "audit": {"1"},
	})
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

type claims struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
}

// claimsOf reads a token of the pool, which need not be verified here.
func claimsOf(token string) claims {
	var c claims
	parts := strings.Split(token, ".")
	if len(parts) == 3 {
		raw, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err == nil && json.Unmarshal(raw, &c) == nil {
			return c
		}
	}
	return claims{}
}

// tally counts what happened in a run. It is what the test is about.
type tally struct {
	mu       sync.Mutex
	verdicts map[verdict]int
	examples []string
	figures  map[string]int
}

func newTally() *tally { return &tally{verdicts: map[verdict]int{}, figures: map[string]int{}} }

func (t *tally) count(figure string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.figures[figure]++
}

func (t *tally) get(figure string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.figures[figure]
}

// gone counts a session that ended without being asked to.
func (t *tally) gone(v verdict, format string, arguments ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.verdicts[v]++
	if v == lostSession || v == unexplained {
		t.examples = append(t.examples, string(v)+": "+fmt.Sprintf(format, arguments...))
	}
}

func (t *tally) verdict(v verdict) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.verdicts[v]
}

func body(answer *http.Response) string {
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return "unreadable: " + err.Error()
	}
	return string(b)
}
