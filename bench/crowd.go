package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/storage/memory/v2"
)

// What many sessions that are live at the same time cost in memory, and
// whether finding one among them takes longer. All of them come from logins.

// gathering is one number of live sessions.
type gathering struct {
	sessions int
	logins   time.Duration // for all of them
	storage  float64       // bytes a session in the storage driver
	total    float64       // with what the middleware keeps open beside it
	sealed   int           // bytes of one session's records, as they are stored
	lookup   *row          // a request of any of them
}

// gatherings measures a growing number of sessions.
func gatherings(o options, out io.Writer) ([]gathering, error) {
	sizes := []int{1_000, 10_000, 100_000, 1_000_000}
	if o.quick {
		sizes = []int{20, 60}
	}
	var found []gathering
	for _, n := range sizes {
		if n > o.sessions {
			break
		}
		g, err := gather(o, n)
		if err != nil {
			return nil, fmt.Errorf("%d sessions: %w", n, err)
		}
		fmt.Fprintf(out, "%d live sessions, after %s of logins\n", n, g.logins.Round(time.Second))
		found = append(found, g)
	}
	return found, nil
}

// gather logs n visitors in, and measures.
func gather(o options, n int) (g gathering, err error) {
	l := &lab{options: o}
	defer l.close()
	storage := memory.New()
	s, err := newSite(l.pool(), func(c *cognito.Config) { c.Storage, c.Keys = storage, benchKeys })
	if err != nil {
		return g, err
	}
	spareSignatures(l.pool())
	g.sessions = n
	ids := make([]byte, n*idLength)
	began := time.Now()
	err = s.signInMany(n, func(i int, id string) { copy(ids[i*idLength:], id) })
	if err != nil {
		return g, err
	}
	g.logins = time.Since(began)
	sent, err := s.anyOf(ids)
	if err != nil {
		return g, err
	}
	l.close() // the pool remembers every login too
	s.pool, l.main = nil, nil
	if g.sealed, err = sizeOfRecords(storage, n); err != nil {
		return g, err
	}
	if g.lookup, err = lookUp(o, s.app, sent); err != nil {
		return g, err
	}
	err = g.weigh(s, storage, ids)
	return g, err
}

// weigh takes apart what holds the memory: first the middleware, then the storage.
func (g *gathering) weigh(s *site, storage *memory.Storage, ids []byte) error {
	both := heap()
	if err := s.auth.Close(); err != nil {
		return err
	}
	s.auth, s.app = nil, nil
	alone := heap()
	if err := storage.Close(); err != nil { // ends the goroutine that holds it
		return err
	}
	none, n := heap(), float64(g.sessions)
	runtime.KeepAlive(ids)
	g.storage, g.total = float64(alone-none)/n, float64(both-none)/n
	if g.storage < float64(g.sealed) || g.total < g.storage {
		return fmt.Errorf("the memory does not add up: %d, %d and %d bytes in use", both, alone, none)
	}
	return nil
}

// spareSignatures lets the pool give every login of a user the same access
// token. Signing them is most of what a login costs here; the ID token, which
// bears the login's nonce, is a new one each time.
func spareSignatures(pool *cognitotest.Pool) {
	tokens := map[string]string{}
	for i := range people {
		tokens[subjectOf(pool, i)] = pool.AccessToken("", userName(i), nil)
	}
	pool.Tamper(func(t *cognitotest.UnsignedToken) {
		if t.Use == "access" {
			subject, _ := t.Claims["sub"].(string)
			t.Sign = func(_, _ map[string]any) (string, error) { return tokens[subject], nil }
		}
	})
}

const idLength = 43 // 32 bytes in base64url

// anyOf sends requests of all sessions, in no order: a processor's caches
// would see through one.
func (s *site) anyOf(ids []byte) (script, error) {
	n := len(ids) / idLength
	request := asSession("/", string(ids[:idLength]))
	at := bytes.Index(request, ids[:idLength])
	if at < 0 || s.pool == nil {
		return script{}, errors.New("no session to ask for")
	}
	subjects := make([]string, people)
	for i := range subjects {
		subjects[i] = subjectOf(s.pool, i)
	}
	return script{
		request: func(turn int) []byte {
			i := shuffled(turn) % n
			copy(request[at:], ids[i*idLength:][:idLength])
			return request
		},
		check: func(turn int, answer []byte) bool {
			return isOK(answer, subjects[shuffled(turn)%n%people])
		},
	}, nil
}

// shuffled spreads turns evenly and the same way in every run (splitmix64).
func shuffled(turn int) int {
	x := uint64(turn)*0x9e3779b97f4a7c15 + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) >> 1)
}

func lookUp(o options, app app, sent script) (*row, error) {
	r := against(app, sent)
	r.plan, r.bigHeap = plan{id: "look-up"}, true
	err := measure([]*row{r}, o.rounds, o.budget())
	r.work, r.unit, r.app = nil, nil, nil // they hold the app, and it the sessions
	return r, err
}

// sizeOfRecords is how much of the storage is what we put there, a session.
func sizeOfRecords(storage *memory.Storage, n int) (int, error) {
	keys, err := storage.Keys()
	if err != nil {
		return 0, err
	}
	size := 0
	for _, key := range keys {
		value, err := storage.Get(string(key))
		if err != nil {
			return 0, err
		}
		size += len(value)
	}
	return size / n, nil
}

// heap is the memory in use. It is collected more than once, since what lies
// in a sync.Pool survives the first time.
func heap() int64 {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
