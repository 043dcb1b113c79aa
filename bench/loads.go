package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"time"
)

// What happens under load, over real sockets of loopback, in good times and
// in bad ones.

// underLoad is all that is found out there.
type underLoad struct {
	throughput []throughput
	hanging    hanging
	forged     forged
	flood      loginFlood
	expiry     expiry
}

// hanging is the latency of signed-in users whose tokens are due, while
// Cognito answers and while it does not.
type hanging struct {
	calm, hung time.Duration // the 99th percentile
	requests   int
	calls      int // to the token endpoint, all of which hung
}

// loginFlood is one of logins that nobody ends.
type loginFlood struct {
	logins, begun, refused int
	before, halfway, after int64 // bytes of heap in use
}

// expiry is many requests of one session at the instant its tokens expire.
type expiry struct {
	requests, calls int
}

type loadSizes struct {
	window   time.Duration // of each measurement
	rounds   int
	conns    int
	sessions int
	tokens   int
	logins   int
	atOnce   int
}

func (o options) loadSizes() loadSizes {
	if o.quick {
		return loadSizes{window: 30 * time.Millisecond, rounds: 1, conns: 4, sessions: 8, tokens: 200, logins: 400, atOnce: 50}
	}
	return loadSizes{window: time.Second, rounds: 7, conns: 32, sessions: 256, tokens: 10_000, logins: 200_000, atOnce: 1000}
}

// loads runs them all.
func loads(o options, out io.Writer) (found underLoad, err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the rest is the server's
	size := o.loadSizes()
	server, err := startChild()
	if err != nil {
		return found, err
	}
	defer server.stop()
	started, err := server.ask(command{Do: "start", Sessions: size.sessions})
	if err != nil {
		return found, err
	}
	t := tester{server: server, targets: started.Targets, size: size}
	for _, step := range []struct {
		what string
		run  func() error
	}{
		{"requests per second", func() (err error) { found.throughput, err = t.throughput(); return err }},
		{"tokens expire", func() (err error) { found.expiry, err = t.expiry(); return err }},
		{"Cognito hangs", func() (err error) { found.hanging, err = t.hanging(); return err }},
		{"forged tokens", func() (err error) { found.forged, err = t.forged(); return err }},
		{"login flood", func() (err error) { found.flood, err = t.loginFlood(); return err }},
	} {
		fmt.Fprintf(out, "under load: %s\n", step.what)
		if err := step.run(); err != nil {
			return found, fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return found, nil
}

type tester struct {
	server  *child
	targets map[string]target
	size    loadSizes
}

// rightly accepts status 200 with the body that belongs to the request.
func (t target) rightly(turn, status int, body []byte) bool {
	return status == http.StatusOK && string(body) == t.Bodies[turn%len(t.Bodies)]
}

// steady is signed-in users who come back every now and then: what they wait
// is what an app makes them wait, and no queue of our own making.
func (t tester) steady(lasting time.Duration) (outcome, error) {
	users := t.targets["faulty"]
	return load{
		addr: users.Addr, requests: users.Requests, accept: users.rightly,
		conns: 16, pace: 8 * time.Millisecond, lasting: lasting,
	}.run()
}

func (t tester) hanging() (found hanging, err error) {
	if _, err := t.steady(t.size.window); err != nil { // all get new tokens
		return found, err
	}
	calm, err := t.steady(4 * t.size.window)
	if err != nil {
		return found, err
	}
	before, err := t.server.ask(command{Do: "calls"})
	if err != nil {
		return found, err
	}
	if _, err := t.server.ask(command{Do: "hang"}); err != nil {
		return found, err
	}
	// Longer than a call may take, so that calls are given up in it too.
	hung, err := t.steady(8 * t.size.window)
	if err != nil {
		return found, err
	}
	after, err := t.server.ask(command{Do: "calls"})
	if err != nil {
		return found, err
	}
	if _, err := t.server.ask(command{Do: "heal"}); err != nil {
		return found, err
	}
	found = hanging{
		calm: calm.percentile(99), hung: hung.percentile(99),
		requests: hung.requests, calls: after.Calls["token"] - before.Calls["token"],
	}
	if found.calls == 0 {
		return found, errors.New("no refresh was tried, so nothing hung")
	}
	return found, t.settle()
}

// settle waits until a window passes in which no session asks for tokens: making
// and checking those that could not be had would disturb what is measured next.
func (t tester) settle() error {
	calls := -1
	for range 20 {
		if _, err := t.steady(4 * t.size.window); err != nil {
			return err
		}
		now, err := t.server.ask(command{Do: "calls"})
		if err != nil || now.Calls["token"] == calls {
			return err
		}
		calls = now.Calls["token"]
	}
	return errors.New("the sessions do not come to rest")
}

func (t tester) expiry() (found expiry, err error) {
	before, err := t.server.ask(command{Do: "calls"})
	if err != nil {
		return found, err
	}
	if _, err := t.server.ask(command{Do: "expire"}); err != nil {
		return found, err
	}
	users := t.targets["faulty"]
	users.Requests, users.Bodies = users.Requests[:1], users.Bodies[:1]
	o, err := load{addr: users.Addr, requests: users.Requests, total: t.size.atOnce, conns: t.size.atOnce, accept: users.rightly}.run()
	if err != nil {
		return found, err
	}
	after, err := t.server.ask(command{Do: "calls"})
	if err != nil {
		return found, err
	}
	found = expiry{requests: o.requests, calls: after.Calls["token"] - before.Calls["token"]}
	if found.calls != 1 {
		return found, fmt.Errorf("%d calls to the token endpoint, want 1", found.calls)
	}
	return found, nil
}

func (t tester) loginFlood() (found loginFlood, err error) {
	flood := load{
		addr: t.targets["faulty"].Addr, requests: [][]byte{get("/login")}, total: t.size.logins / 2, conns: t.size.conns,
		accept: func(_, status int, _ []byte) bool {
			return status == http.StatusFound || status == http.StatusServiceUnavailable
		},
	}
	for _, heap := range []*int64{&found.before, &found.halfway, &found.after} {
		if heap != &found.before {
			o, err := flood.run()
			if err != nil {
				return found, err
			}
			found.logins += o.requests
			found.begun += o.statuses[http.StatusFound]
			found.refused += o.statuses[http.StatusServiceUnavailable]
		}
		answer, err := t.server.ask(command{Do: "heap"})
		if err != nil {
			return found, err
		}
		*heap = answer.Heap
	}
	if found.refused > 0 && found.after > found.halfway+found.halfway/4 {
		return found, fmt.Errorf("the heap grows on, from %d to %d bytes, although logins are refused", found.halfway, found.after)
	}
	_, err = t.steady(t.size.window) // the signed-in are served all the same
	return found, err
}
