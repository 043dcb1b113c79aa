//go:build soak

package soak

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/e2e/internal/machine"
)

const clientID = "1example23456789"

// size is how much of everything a run has.
type size struct {
	sessions int           // for each grace
	life     time.Duration // of tokens
	pause    time.Duration // between two requests of a visitor
	scene    time.Duration // how long a fault lasts
}

func sizeOfRun(t *testing.T) size {
	t.Helper()
	s := size{sessions: 100, life: 5 * time.Second, pause: 500 * time.Millisecond, scene: time.Second}
	if full() {
		s = size{sessions: 1000, life: 20 * time.Second, pause: 3 * time.Second, scene: 6 * time.Second}
	}
	s.sessions = number(t, "SOAK_SESSIONS", s.sessions)
	return s
}

func full() bool { return os.Getenv("SOAK") == "full" }

func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is %q, want a number", name, text)
	}
	return n
}

// run is one pool, one storage, two instances and their visitors.
type run struct {
	*testing.T
	size   size
	pool   *cognitotest.Pool
	redis  *machine.Redis // nil: sessions travel in their cookies
	apps   []*instance
	ledger *ledger
	tally  *tally
	client *http.Client

	visitors []*visitor
	scene    atomic.Value // string: what is going wrong
	calm     atomic.Bool  // nothing is that a logout could suffer from
	fault    atomic.Pointer[tokenFault]
	dice     *dice
	breached map[string]int // invariants whose breach has been reported
}

// dice is randomness for many goroutines.
type dice struct {
	mu     sync.Mutex
	random *rand.Rand
}

func (d *dice) below(chance float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.random.Float64() < chance
}

// tokenFault is what the token endpoint does to renewals, with what chance.
// Whoever escapes one kind may meet the next.
type tokenFault struct{ chances map[string]float64 }

// TestSoak is the whole of it: for a client that lets replaced refresh tokens
// live for a minute, and for one that does not.
func TestSoak(t *testing.T) {
	seed := uint64(number(t, "SOAK_SEED", int(time.Now().UnixNano()%1_000_000)))
	machine.Need(t, "redis-server")
	buildApp(t)
	for i, grace := range []time.Duration{0, time.Minute} {
		for _, cookies := range []bool{false, true} {
			name := fmt.Sprint("grace ", grace)
			if cookies {
				name += ", sessions in cookies"
			}
			t.Run(name, func(t *testing.T) {
				if !full() {
					t.Parallel()
				}
				newRun(t, sizeOfRun(t), grace, cookies, seed+uint64(i)).soak(seed)
			})
		}
	}
}

func newRun(t *testing.T, size size, grace time.Duration, cookies bool, seed uint64) *run {
	t.Helper()
	r := &run{T: t, size: size, tally: newTally(), breached: map[string]int{}, dice: &dice{random: rand.New(rand.NewPCG(seed, 1))}}
	r.scene.Store("nothing")
	r.pool = cognitotest.New(cognitotest.Options{
		Users: users(size.sessions),
		Clients: []cognitotest.Client{{
			ID: clientID, RotateRefreshTokens: true, RotationGrace: grace, AccessTokenTTL: size.life, IDTokenTTL: size.life,
		}},
	})
	t.Cleanup(r.pool.Close)
	r.ledger = newLedger(r.pool, grace)
	r.breakTokenEndpoint()
	redisURL := ""
	if !cookies {
		r.redis = machine.StartRedis(t)
		redisURL = r.redis.URL()
	}
	lost := httptest.NewServer(r.ledger)
	t.Cleanup(lost.Close)
	for range 2 {
		r.apps = append(r.apps, startApp(t, r.pool, redisURL, lost.URL))
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 2 * size.sessions}
	t.Cleanup(transport.CloseIdleConnections)
	r.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for i, user := range users(size.sessions) {
		r.visitors = append(r.visitors, &visitor{
			run: r, name: user.Username, subject: user.Subject, random: rand.New(rand.NewPCG(seed, uint64(i+2))),
		})
	}
	return r
}

// breakTokenEndpoint has the token endpoint ask for each renewal what is going
// wrong. Whatever it answers is noted.
func (r *run) breakTokenEndpoint() {
	r.pool.Break(cognitotest.Token, cognitotest.Fault{Match: func(q cognitotest.Request) bool {
		r.ledger.see(q)
		return false
	}})
	strikes := func(kind string) func(cognitotest.Request) bool {
		return func(q cognitotest.Request) bool {
			fault := r.fault.Load()
			if fault == nil || q.Form.Has("audit") || q.Form.Get("grant_type") != "refresh_token" {
				return false
			}
			chance := fault.chances[kind]
			return chance > 0 && r.dice.below(chance)
		}
	}
	for _, broken := range []struct {
		kind  string
		fault cognitotest.Fault
	}{
		{"500", cognitotest.Fault{Status: 500, ContentType: "text/plain", Body: "oops"}},
		{"429", cognitotest.Fault{Status: 429, Body: `{"error":"TooManyRequestsException"}`}},
		{"HTML", cognitotest.Fault{Status: 403, ContentType: "text/html", Body: "<h1>Forbidden</h1>"}},
		{"slow", cognitotest.Fault{Delay: 4 * time.Second, Rewrite: r.ledger.note}},
	} {
		broken.fault.Match = strikes(broken.kind)
		r.pool.Break(cognitotest.Token, broken.fault)
	}
	r.pool.Break(cognitotest.Token, cognitotest.Fault{LoseAnswer: true, Match: strikes("lost answers")})
	r.pool.Break(cognitotest.Token, cognitotest.Fault{Rewrite: r.ledger.note})
}

// soak lets the visitors live through all scenes, in an order that the seed
// decides, and then says how it went.
func (r *run) soak(seed uint64) {
	began := time.Now()
	ctx, stop := context.WithCancel(context.Background())
	var living sync.WaitGroup
	defer living.Wait()
	defer stop()
	for _, v := range r.visitors {
		living.Go(func() { v.live(ctx) })
	}
	r.settle("everybody logs in")
	scenes := r.scenes()
	names := slices.Sorted(maps.Keys(scenes))
	r.dice.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, name := range names {
		r.scene.Store(name)
		r.calm.Store(strings.HasPrefix(name, "Cognito") || name == "nothing")
		scenes[name]()
		r.fault.Store(nil)
		r.scene.Store("after " + name)
		r.settle(name)
		r.Logf("%6s  %s", time.Since(began).Round(100*time.Millisecond), name)
	}
	stop()
	living.Wait()
	r.report(seed, time.Since(began))
}

// scenes are what goes wrong. Each leaves everything well behind it.
func (r *run) scenes() map[string]func() {
	cognito := func(chances map[string]float64) func() {
		return func() {
			r.fault.Store(&tokenFault{chances})
			time.Sleep(r.size.scene)
		}
	}
	all := map[string]func(){
		"nothing":               func() { time.Sleep(r.size.scene) },
		"Cognito: slow":         cognito(map[string]float64{"slow": 1}),
		"Cognito: refuses":      cognito(map[string]float64{"500": 0.3, "429": 0.5, "HTML": 1}),
		"Cognito: lost answers": cognito(map[string]float64{"lost answers": 0.1}),
		"Cognito: anything":     cognito(map[string]float64{"500": 0.05, "429": 0.05, "HTML": 0.05, "slow": 0.1, "lost answers": 0.05}),
		"app: killed":           r.appIsKilled,
		"app: restarted":        r.appIsRestarted,
	}
	if r.redis != nil {
		all["Redis: hangs"], all["Redis: killed"] = r.redisHangs, r.redisIsKilled
	}
	if full() {
		for _, kind := range []string{"500", "429", "HTML"} {
			all["Cognito: "+kind] = cognito(map[string]float64{kind: 1})
		}
	}
	return all
}

func (r *run) redisHangs() {
	r.redis.Hang()
	time.Sleep(r.size.scene + 2*time.Second) // longer than a call is waited for
	r.redis.Resume()
}

func (r *run) redisIsKilled() {
	r.redis.Kill()
	time.Sleep(r.size.scene)
	r.redis.Restart()
}

func (r *run) appIsKilled() {
	victim := r.apps[r.dice.random.IntN(len(r.apps))]
	time.Sleep(r.size.scene / 2)
	r.ledger.isKilled(victim.address)
	victim.end(syscall.SIGKILL)
	time.Sleep(r.size.scene / 2)
	victim.start()
}

func (r *run) appIsRestarted() {
	old := r.apps[r.dice.random.IntN(len(r.apps))]
	time.Sleep(r.size.scene / 2)
	old.end(syscall.SIGTERM)
	time.Sleep(r.size.scene / 2)
	old.start()
}

// settle waits until everybody has been served again: longer than the longest
// back-off is a failure to recover.
func (r *run) settle(after string) {
	r.Helper()
	since := time.Now().UnixNano()
	waiting := func() (n int) {
		for _, v := range r.visitors {
			if v.well.Load() < since {
				n++
			}
		}
		return n
	}
	deadline := time.Now().Add(time.Minute + time.Duration(r.size.sessions)*100*time.Millisecond)
	for waiting() > 0 {
		if time.Now().After(deadline) {
			r.Errorf("after %q, %d of %d visitors are not served again", after, waiting(), len(r.visitors))
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	r.invariants(after)
}

// invariants hold at every moment. Each breach is reported once, after the
// scene that brought it about.
func (r *run) invariants(after string) {
	r.Helper()
	breaches := map[string]int{}
	for _, figure := range []string{"users mixed up", "expired tokens handed out", "logouts undone", "requests that hung", "unexpected answers"} {
		breaches[figure] = r.tally.get(figure)
	}
	if r.redis != nil {
		// Instances that know nothing of each other lose to rotation what two of
		// them have renewed at once, or one just before it was killed.
		for _, v := range []verdict{lostSession, unexplained} {
			breaches["sessions "+string(v)] = r.tally.verdict(v)
		}
	}
	// Few are in mid-rotation at any moment. Many would be a fault of ours.
	if n := r.tally.verdict(hardKill); n > len(r.visitors)/4 {
		breaches["sessions said to be "+string(hardKill)] = n
	}
	for _, app := range r.apps {
		breaches["panics at "+app.url] = app.panics()
	}
	for what, n := range breaches {
		if n > r.breached[what] {
			r.Errorf("after %q: %d %s", after, n-r.breached[what], what)
			r.breached[what] = n
		}
	}
}

// report prints the figures that the run was made for.
func (r *run) report(seed uint64, took time.Duration) {
	panics := 0
	for _, app := range r.apps {
		panics += app.panics()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "soak: seed %d, grace %s, in cookies: %v, %d sessions, 2 instances, %s\n", seed, r.ledger.grace, r.redis == nil, len(r.visitors), took.Round(time.Second))
	for _, line := range []struct {
		name  string
		count int
	}{
		{"sessions lost that Cognito would still renew", r.tally.verdict(lostSession)},
		{"users mixed up", r.tally.get("users mixed up")},
		{"logins needed for no reason", r.tally.verdict(unexplained)},
		{"panics", panics},
		{"logins needed after a hard kill in mid-rotation", r.tally.verdict(hardKill)},
		{"logins needed after an answer lost beyond the grace", r.tally.verdict(lostAnswer)},
		{"logouts, of which undone: " + fmt.Sprint(r.tally.get("logouts undone")), r.tally.get("logouts")},
		{"renewals asked of the pool", int(r.ledger.renewals.Load())},
		{"requests served", r.tally.get("status 200")},
		{"requests told to come again", r.tally.get("status 503")},
		{"requests that met no instance", r.tally.get("status 0")},
	} {
		fmt.Fprintf(&b, "%8d  %s\n", line.count, line.name)
	}
	r.tally.mu.Lock()
	for _, example := range r.tally.examples[:min(len(r.tally.examples), 10)] {
		fmt.Fprintln(&b, "   ", example)
	}
	r.tally.mu.Unlock()
	fmt.Print(b.String())
}
