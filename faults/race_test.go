package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// Several instances renew one session at the same time.

// TestInstancesRaceAtExpiry: requests of many sessions arrive at two instances at once
// when their tokens have expired. Whoever loses a race takes the winner's tokens;
// nobody is logged out or taken for somebody else, and what ends up in the storage can
// be renewed again.
func TestInstancesRaceAtExpiry(t *testing.T) {
	t.Parallel()
	const sessions, requests = 16, 3
	for _, grace := range []time.Duration{0, time.Minute} {
		for name, storage := range map[string]func(*testing.T) lab.Storage{
			"memory": lab.SharedMemory, "with contexts": func(*testing.T) lab.Storage { return lab.ContextStore{Store: lab.NewStore()} },
		} {
			t.Run(fmt.Sprint(name, ", grace ", grace), func(t *testing.T) {
				t.Parallel()
				pool := lab.NewPool(t, lab.Rotating(grace))
				a, b := lab.Pair(t, pool, storage(t))
				users, cookies := [sessions]string{}, [sessions]*http.Cookie{}
				for i := range cookies {
					users[i] = []string{"alice", "bob"}[i%2]
					cookies[i] = []*lab.Site{a, b}[i/2%2].SignIn(users[i])
				}
				for range 3 {
					pool.Advance(lab.JustExpired)
					var round sync.WaitGroup
					for i := range cookies {
						for _, instance := range []*lab.Site{a, b} {
							answers := instance.Later(requests, lab.AsScript("/me", cookies[i]))
							round.Go(func() { mustAllBe(a, users[i], answers()) })
						}
					}
					round.Wait()
				}
			})
		}
	}
}

// TestOneLookIsEnough: whoever finds its own tokens stored writes nothing, or
// every renewal would be written again and again.
func TestOneLookIsEnough(t *testing.T) {
	t.Parallel()
	pool := lab.NewPool(t, lab.Rotating(time.Minute))
	storage := lab.NewStore()
	s := lab.ServeWith(t, pool, lab.On(storage))
	alice := s.SignIn("alice")
	pool.Advance(lab.JustExpired)
	s.MustBe("alice", alice)
	written, read := len(storage.Asked("set")), len(storage.Asked("get"))
	if err := s.Auth.Close(); err != nil { // which makes it look at once
		t.Fatal(err)
	}
	if again := len(storage.Asked("set")); again != written {
		t.Errorf("the look wrote %d times", again-written)
	}
	if len(storage.Asked("get")) == read {
		t.Error("nobody looked")
	}
}

// TestOwnDescendantsAreNoRivals: a script has the tokens renewed several times
// within the pause after which each of these renewals is looked at once more.
// The looks find what has come of theirs, and nobody puts it to the test.
func TestOwnDescendantsAreNoRivals(t *testing.T) {
	t.Parallel()
	const renewals = 12
	for _, grace := range []time.Duration{0, time.Minute} {
		t.Run(fmt.Sprint("grace ", grace), func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(grace))
			storage := lab.NewStore()
			a, b := lab.Pair(t, pool, storage)
			alice := a.SignIn("alice")
			for range renewals {
				pool.Advance(31 * time.Second) // younger tokens are not renewed
				if res := a.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
					t.Errorf("renewing answers %s", lab.StatusLine(res))
				}
			}
			read := len(storage.Asked("get"))
			stop(a)
			if len(storage.Asked("get")) == read {
				t.Error("nobody looked; the test proves nothing")
			}
			a.MustRenew(renewals)
			mustLast(alice, b, a)
		})
	}
}

// tardy loses the first renewal on its way, so that Cognito serves it only when
// it is delivered, long after its repetition.
type tardy struct {
	mu      sync.Mutex // guards deliver
	deliver func() error
}

func (d *tardy) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if d.deliver == nil && bytes.Contains(body, []byte("grant_type=refresh_token")) {
		late := r.Clone(context.Background())
		late.Body = io.NopCloser(bytes.NewReader(body))
		d.deliver = func() error {
			answer, err := http.DefaultTransport.RoundTrip(late)
			if err != nil {
				return err
			}
			return answer.Body.Close()
		}
		return nil, io.ErrUnexpectedEOF
	}
	return http.DefaultTransport.RoundTrip(r)
}

// TestAnswersOutOfOrder: the answer that was lost is that of a call which Cognito
// served after its repetition. The refresh token that arrived is dead, and the living
// one will never come. The session is renewed again while the grace lasts, by whoever
// comes first. A session in a cookie has to wait for its next request.
func TestAnswersOutOfOrder(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		storage lab.Storage
		ask     bool // another instance is told to renew
	}{
		{"alone", nil, false},
		{"with others", lab.NewStore(), false},
		{"another instance comes first", lab.NewStore(), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			lossy := &tardy{}
			var renewed atomic.Int32
			counting := func(c *cognito.Config) { c.OnRefresh = func(*cognito.User) { renewed.Add(1) } }
			a := lab.ServeWith(t, pool, lab.InMemory, lab.On(row.storage), counting, func(c *cognito.Config) { c.HTTPClient = &http.Client{Transport: lossy} })
			alice := a.SignIn("alice")
			pool.Advance(lab.JustExpired)
			a.MustBe("alice", alice)
			if err := lossy.deliver(); err != nil {
				t.Fatal(err)
			}
			if row.ask {
				b := lab.ServeWith(t, pool, lab.On(row.storage), counting)
				if res := b.Send(lab.RenewNow(alice)); res.StatusCode != http.StatusOK {
					t.Errorf("renewing answers %s", lab.StatusLine(res))
				}
			}
			lab.Eventually(t, "the session is renewed once more", func() bool { return renewed.Load() >= 2 })
			if sent := lab.RenewalsAt(pool); len(sent) != 4 || sent[0] != sent[1] || sent[2] == sent[0] || sent[3] != sent[0] {
				t.Error("want the lost call, its repetition, the dead child and its parent again")
			}
			for range 2 {
				pool.Advance(lab.JustExpired)
				a.MustBe("alice", alice)
			}
		})
	}
}

// TestSpareIsTriedAgain: answers arrived out of order, so only the refresh token
// before is of use, for as long as the grace lasts. Cognito is down when it is
// tried, and the visitor's next request has it tried again.
func TestSpareIsTriedAgain(t *testing.T) {
	t.Parallel()
	for name, storage := range map[string]lab.Storage{"own storage": nil, "shared storage": lab.NewStore()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool := lab.NewPool(t, lab.Rotating(time.Minute))
			lossy := &tardy{}
			var renewed atomic.Int32
			s := lab.ServeWith(t, pool, lab.On(storage), func(c *cognito.Config) {
				c.HTTPClient = &http.Client{Transport: lossy}
				c.OnRefresh = func(*cognito.User) { renewed.Add(1) }
			})
			alice := s.SignIn("alice")
			pool.Advance(lab.JustExpired)
			s.MustBe("alice", alice)
			if err := lossy.deliver(); err != nil {
				t.Fatal(err)
			}
			pool.Break(cognitotest.Token, refreshFails(1))
			calls := len(lab.RenewalsAt(pool))
			pool.Advance(4 * time.Second)
			lab.Eventually(t, "the session was to be renewed, in vain", func() bool {
				s.MustBe("alice", alice)
				return len(lab.RenewalsAt(pool)) > calls
			})
			pool.Advance(2 * time.Second)
			lab.Eventually(t, "the session is renewed by a later request", func() bool {
				s.MustBe("alice", alice)
				return renewed.Load() >= 2
			})
			mustLast(alice, s)
		})
	}
}
