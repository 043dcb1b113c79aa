//go:build soak

package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
)

const password = "correct horse"

// visitor is one person with one session. They keep coming, to either instance
// or to both at once, until the run is over.
type visitor struct {
	run     *run
	name    string
	subject string
	random  *rand.Rand

	cookie atomic.Pointer[http.Cookie]
	well   atomic.Int64 // when they were last served, in Unix nanoseconds
}

// logIn goes through the whole login at any instance that works, and reports
// whether it succeeded.
func (v *visitor) logIn(ctx context.Context) bool {
	instance := v.run.apps[v.random.IntN(len(v.run.apps))]
	browser := v.run.pool.NewBrowser()
	defer browser.HTTPClient.CloseIdleConnections()
	browser.HTTPClient.Timeout = 20 * time.Second
	if ctx.Err() != nil {
		return false
	}
	browser.Login(instance.url+"/login?return_to=/alive", v.name, password)
	for _, cookie := range browser.Cookies(instance.url) {
		if strings.HasPrefix(cookie.Name, "cognito_") && len(cookie.Value) >= 43 && !strings.HasPrefix(cookie.Name, "cognito_login_") {
			v.run.ledger.begin(v.subject)
			v.cookie.Store(cookie)
			return true
		}
	}
	return false
}

// live is a visitor's day.
func (v *visitor) live(ctx context.Context) {
	for ctx.Err() == nil {
		if v.cookie.Load() == nil {
			if !v.logIn(ctx) {
				v.pause(ctx)
			}
			continue
		}
		switch chance := v.random.Float64(); {
		case chance < 0.2:
			v.everywhereAtOnce(ctx)
		case chance < 0.3:
			v.visit(ctx, v.anyApp(), http.MethodGet, "/token")
		case chance < 0.33:
			v.visit(ctx, v.anyApp(), http.MethodPost, "/token/refresh")
		case chance < 0.335 && v.run.calm.Load():
			v.leave(ctx)
		default:
			v.visit(ctx, v.anyApp(), http.MethodGet, "/me")
		}
		v.pause(ctx)
	}
}

func (v *visitor) anyApp() *instance { return v.run.apps[v.random.IntN(len(v.run.apps))] }

func (v *visitor) pause(ctx context.Context) {
	length := time.Duration((0.5 + v.random.Float64()) * float64(v.run.size.pause))
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// everywhereAtOnce asks both instances in the same moment.
func (v *visitor) everywhereAtOnce(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		v.visit(ctx, v.run.apps[0], http.MethodGet, "/me")
	}()
	v.visit(ctx, v.run.apps[1], http.MethodGet, "/me")
	<-done
}

// visit sends one request and judges the answer.
func (v *visitor) visit(ctx context.Context, at *instance, method, path string) {
	cookie := v.cookie.Load()
	if cookie == nil {
		return
	}
	status, text := v.send(ctx, at, method, path, cookie)
	if ctx.Err() != nil {
		return
	}
	v.run.tally.count(fmt.Sprint("status ", status))
	switch status {
	case http.StatusOK:
		v.served(path, text)
	case 0: // the instance is down; a load balancer would know another
	case http.StatusServiceUnavailable:
	case http.StatusUnauthorized:
		// Two requests may hear of it; one of them counts.
		if v.cookie.CompareAndSwap(cookie, nil) {
			v.run.tally.gone(v.run.ledger.judge(v.subject), "%s during %q, at %s: %s", v.name, v.run.scene.Load(), at.url, text)
		}
	default:
		v.run.tally.count("unexpected answers")
		v.run.tally.gone(unexplained, "%s %s answered %d during %q: %s", method, path, status, v.run.scene.Load(), text)
	}
}

func (v *visitor) send(ctx context.Context, at *instance, method, path string, cookie *http.Cookie) (status int, text string) {
	// A request must come to an end whatever happens behind it.
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, at.url+path, nil)
	if err != nil {
		panic(err)
	}
	r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	r.Header.Set("Accept", "application/json")
	answer, err := v.run.client.Do(r)
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			v.run.tally.count("requests that hung")
		}
		return 0, err.Error()
	}
	for _, set := range answer.Cookies() {
		if current := v.cookie.Load(); set.Name == cookie.Name && set.Value != "" && current != nil {
			v.cookie.CompareAndSwap(current, set) // as a browser keeps what came last
		}
	}
	return answer.StatusCode, body(answer)
}

// served checks that an answer is for this visitor and no other, and that no
// token in it has expired.
func (v *visitor) served(path, text string) {
	v.well.Store(time.Now().UnixNano())
	switch path {
	case "/me":
		var who struct{ Sub, Payload string }
		if json.Unmarshal([]byte(text), &who) != nil || who.Sub != v.subject || who.Payload != v.subject {
			v.run.tally.count("users mixed up")
		}
	case "/token":
		token := claimsOf(text)
		if token.Subject != v.subject {
			v.run.tally.count("users mixed up")
		}
		// It was good when the app looked; a second may have passed since.
		if time.Now().Unix() > token.Expires+2 {
			v.run.tally.count("expired tokens handed out")
		}
	}
}

// leave logs out at one instance. From then on the cookie is worth nothing at
// any.
func (v *visitor) leave(ctx context.Context) {
	cookie := v.cookie.Swap(nil)
	if cookie == nil {
		return
	}
	at := v.anyApp()
	status, _ := v.send(ctx, at, http.MethodPost, "/logout", cookie)
	if status != http.StatusSeeOther || !v.run.calm.Load() {
		return
	}
	v.run.tally.count("logouts")
	apps := v.run.apps
	if v.run.redis == nil {
		apps = []*instance{at} // the others have not heard of it
	}
	for range 2 {
		for _, app := range apps {
			if status, _ := v.send(ctx, app, http.MethodGet, "/me", cookie); status == http.StatusOK {
				v.run.tally.count("logouts undone")
			}
		}
		v.pause(ctx)
	}
}

// users are the accounts of the visitors at the pool.
func users(n int) []cognitotest.User {
	all := make([]cognitotest.User, n)
	for i := range all {
		name := fmt.Sprintf("visitor%d", i)
		all[i] = cognitotest.User{Username: name, Password: password, Subject: "subject-of-" + name, Email: name + "@example.com"}
	}
	return all
}
