package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/storage/memory/v2"
)

// Our own rows, measured against a bare app that gets the same bytes.

func anonymous(l *lab) (*row, error) {
	s, err := newSite(l.pool())
	if err != nil {
		return nil, err
	}
	sent := always(get("/public"), greeting)
	return against(s.app, sent), nil
}

// othersCookies are what a browser sends along from an app's analytics and
// preferences.
const othersCookies = "_ga=GA1.1.1234567890.1700000000; theme=dark"

// anonymousWithCookies is a visitor who has cookies, but none of ours.
func anonymousWithCookies(l *lab) (*row, error) {
	s, err := newSite(l.pool())
	if err != nil {
		return nil, err
	}
	return against(s.app, always(get("/public", "Cookie", othersCookies), greeting)), nil
}

// readingUsername is what most handlers do: they are behind a guard and ask for
// a name.
func readingUsername(l *lab) (*row, error) {
	s, err := newSite(l.pool())
	if err != nil {
		return nil, err
	}
	id, err := s.signIn(userName(0))
	if err != nil {
		return nil, err
	}
	return against(s.app, always(amongOthers(id), userName(0))), nil
}

// amongOthers is a signed-in visitor's request with two other cookies.
func amongOthers(id string) []byte {
	first, last, _ := strings.Cut(othersCookies, "; ")
	name, value := sessionHeader(id)
	return get("/username", name, first+"; "+value+"; "+last)
}

func signedIn(l *lab) (*row, error) { return l.signedIn(1, "/") }

// signedInByCookie is a visitor whose whole session is in the cookie.
func signedInByCookie(l *lab) (*row, error) { return l.signedIn(1, "/", inCookies) }

func inCookies(c *cognito.Config) {
	c.CookieSessions, c.Keys = true, []string{"8Jq2vX0m5Z3rT7wY1uB6nL9cE4sD0fGh"}
}

func guarded(l *lab) (*row, error) { return l.signedIn(1, "/guarded") }

// answeringClaims is a handler that wants more than the subject. What it answers
// is compared with the first answer, which has the subject in it.
func answeringClaims(l *lab) (*row, error) {
	s, err := newSite(l.pool())
	if err != nil {
		return nil, err
	}
	id, err := s.signIn(userName(0))
	if err != nil {
		return nil, err
	}
	request := asSession("/claims", id)
	answer, err := ask(s.app, request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(answer.Body)
	if err == nil && !strings.Contains(string(body), `"sub":"`+subjectOf(s.pool, 0)+`"`) {
		err = fmt.Errorf("not the user's claims: %.300q", body)
	}
	return against(s.app, always(request, string(body))), err
}

// manySignedIn has a pool of its own, which is gone when it measures: it would
// remember every login.
func manySignedIn(l *lab) (*row, error) {
	own := &lab{options: l.options}
	defer own.close()
	return own.signedIn(l.options.crowd(), "/")
}

func (l *lab) signedIn(sessions int, path string, changes ...func(*cognito.Config)) (*row, error) {
	s, err := newSite(l.pool(), changes...)
	if err != nil {
		return nil, err
	}
	sent, err := s.sessionScript(sessions, path)
	if err != nil {
		return nil, err
	}
	return against(s.app, sent), nil
}

// memoryGet is the part of a signed-in request that is not ours: one read of a
// session's record in the storage that is used by default.
func memoryGet(l *lab) (*row, error) {
	size, err := l.recordSize()
	if err != nil {
		return nil, err
	}
	return reading(l.memory(), 1, size)
}

// memoryGetMany is the same part of a request of one of many sessions, whose
// records the processor's caches do not hold.
func memoryGetMany(l *lab) (*row, error) {
	size, err := l.recordSize()
	if err != nil {
		return nil, err
	}
	return reading(l.memory(), l.options.crowd(), size)
}

// recordSize is the size of the record that every request of a session reads.
func (l *lab) recordSize() (int, error) {
	storage := l.memory()
	s, err := newSite(l.pool(), func(c *cognito.Config) { c.Storage, c.Keys = storage, benchKeys })
	if err != nil {
		return 0, err
	}
	if _, err := s.signIn(userName(0)); err != nil {
		return 0, err
	}
	return smallestRecord(storage), nil
}

// smallestRecord is the size of the smaller one of a session's two.
func smallestRecord(storage *memory.Storage) int {
	smallest := math.MaxInt
	keys, _ := storage.Keys()
	for _, key := range keys {
		value, _ := storage.Get(string(key))
		smallest = min(smallest, len(value))
	}
	return smallest
}

// reading is a row for one Get of a storage driver, of one key after the other,
// and nothing else.
func reading(storage fiber.Storage, records, size int) (*row, error) {
	keys := make([]string, records)
	for i := range keys {
		keys[i] = fmt.Sprintf("the_key_of_a_record_that_is_as_long_as_a_real_one_%d", 100_000+i)
		if err := storage.Set(keys[i], make([]byte, size), time.Hour); err != nil {
			return nil, err
		}
	}
	var turn atomic.Uint64
	app := newApp()
	app.Get("/", func(c *fiber.Ctx) error {
		value, err := storage.Get(keys[turn.Add(1)%uint64(len(keys))])
		if err != nil || len(value) != size {
			return fmt.Errorf("read %d bytes: %w", len(value), err)
		}
		return c.SendString(greeting)
	})
	return against(app, always(get("/"), greeting)), nil
}

// signedInWhileRefreshing holds every renewal at the pool, so that the requests
// measured find one under way.
func signedInWhileRefreshing(l *lab) (*row, error) {
	pool := newPool(time.Hour)
	l.atEnd(pool.Close)
	var renewed, failed atomic.Int64
	s, err := newSite(pool, func(c *cognito.Config) {
		c.Now = pool.Now
		c.AbsoluteTimeout = 30 * 24 * time.Hour // every round moves the clock
		c.OnEvent = countRenewals(&renewed, &failed)
	})
	if err != nil {
		return nil, err
	}
	sent, err := s.sessionScript(1, "/")
	if err != nil {
		return nil, err
	}
	r := against(s.app, sent)
	var gate chan struct{}
	var before int64
	r.prepare = func(int) error {
		gate, before = make(chan struct{}), renewed.Load()
		pool.Break(cognitotest.Token, cognitotest.Fault{Gate: gate})
		pool.Advance(50 * time.Minute) // less than a quarter of their life is left
		calls := pool.Calls(cognitotest.Token)
		if err := r.work(1); err != nil {
			return err
		}
		return eventually("a refresh to begin", func() bool { return pool.Calls(cognitotest.Token) > calls })
	}
	r.finish = func() error {
		if renewed.Load() != before || failed.Load() != 0 {
			return errors.New("the refresh ended while it was measured")
		}
		close(gate)
		pool.Heal(cognitotest.Token)
		return eventually("the refresh to end", func() bool { return renewed.Load() > before })
	}
	return r, nil
}

// countRenewals counts those that ended.
func countRenewals(renewed, failed *atomic.Int64) func(cognito.Event) {
	return func(e cognito.Event) {
		switch {
		case e.Kind != cognito.EventRefresh:
		case e.OK:
			renewed.Add(1)
		default:
			failed.Add(1)
		}
	}
}

// eventually waits for something that happens elsewhere.
func eventually(what string, happened func() bool) error {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if happened() {
			return nil
		}
	}
	return fmt.Errorf("waited in vain for %s", what)
}

func bearerOn(c *cognito.Config) { c.Bearer = true }

func asBearer(token string) []byte { return get("/", "Authorization", "Bearer "+token) }

func bearerSeen(l *lab) (*row, error) {
	s, err := newSite(l.pool(), bearerOn)
	if err != nil {
		return nil, err
	}
	sent := always(asBearer(l.pool().AccessToken("", userName(0), nil)), subjectOf(l.pool(), 0))
	return against(s.app, sent), nil
}

// bearerUnseen sends a new token with every request.
func bearerUnseen(l *lab) (*row, error) {
	s, err := newSite(l.pool(), bearerOn)
	if err != nil {
		return nil, err
	}
	tokens, subject := &freshTokens{pool: l.pool()}, subjectOf(l.pool(), 0)
	sent := script{
		request: func(turn int) []byte { return tokens.requests[turn%len(tokens.requests)] },
		check:   func(_ int, answer []byte) bool { return isOK(answer, subject) },
	}
	r := against(s.app, sent)
	r.prepare, r.most = tokens.renew, mostTokens
	return r, nil
}
