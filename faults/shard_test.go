package faults_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// inShard reports whether a key lies in the shard of another. There are two.
func inShard(key, of string) bool { return key[len(key)-1]%2 == of[len(of)-1]%2 }

// TestOneShardHangs: of a storage with shards one hangs, and many requests ask for what
// lies there. The sessions in the other shard go on, renewals too, and when the shard
// is back so are its sessions.
func TestOneShardHangs(t *testing.T) {
	t.Parallel()
	for _, kind := range storageKinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			storage := lab.NewStore()
			s := lab.Serve(t, lab.On(kind.wrap(storage)))
			alice := s.NewSession(storage, "alice")
			bob := s.NewSession(storage, "bob")
			for inShard(bob.Hot, alice.Hot) {
				bob = s.NewSession(storage, "bob")
			}
			gate := lab.NewGate(t)
			storage.Misbehave(func(call lab.StoreCall) *lab.StoreFault {
				if inShard(call.Key, alice.Hot) {
					<-gate.Closed // and no context is heeded
				}
				return nil
			})
			held := []func() []lab.Reply{s.Later(20, lab.AsScript("/me", alice.Cookie))}
			for range 700 {
				invented := &http.Cookie{Name: alice.Cookie.Name, Value: randomID()}
				held = append(held, s.Later(1, lab.AsScript("/me", invented)))
			}
			lab.Eventually(t, "the shard holds many calls", func() bool { return storage.Waiting.Load() > 100 })
			s.MustBe("bob", bob.Cookie)
			s.Pool.Advance(lab.JustExpired)
			// Not always at once: beside so many connections, the machine may refuse the pool's.
			lab.Eventually(t, "bob's tokens are renewed", func() bool {
				return s.Send(lab.AsScript("/me", bob.Cookie)).StatusCode == http.StatusOK
			})
			for _, reply := range held[0]() {
				if reply.Err != nil || reply.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("a request to the shard that hangs is answered %v, want 503", reply)
				}
			}
			for _, replies := range held[1:] {
				replies()
			}
			gate.Open()
			lab.Eventually(t, "all places are back", func() bool { return storage.Waiting.Load() == 0 })
			s.MustBe("alice", alice.Cookie)
			s.MustBe("bob", bob.Cookie)
		})
	}
}

func randomID() string {
	id := make([]byte, 32)
	_, _ = rand.Read(id) // never fails
	return base64.RawURLEncoding.EncodeToString(id)
}

// picky is a driver like those of memcached and Azure: it cannot delete what is not
// there.
type picky struct{ *lab.Store }

var errNotThere = errors.New("memcache: cache miss")

func (p picky) Delete(key string) error {
	if !p.Has(key) {
		return errNotThere
	}
	return p.Store.Delete(key)
}

// pickyContext has the methods of newer drivers, too.
type pickyContext struct{ picky }

func (p pickyContext) GetWithContext(_ context.Context, key string) ([]byte, error) {
	return p.Get(key)
}

func (p pickyContext) SetWithContext(_ context.Context, key string, value []byte, life time.Duration) error {
	return p.Set(key, value, life)
}

func (p pickyContext) DeleteWithContext(_ context.Context, key string) error { return p.Delete(key) }

// TestDeleteOfWhatIsNotThere: for some drivers it is an error. Nobody is alarmed, and
// what was to go is gone.
func TestDeleteOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	store, contextStore := lab.NewStore(), lab.NewStore()
	for name, row := range map[string]struct {
		store  *lab.Store
		driver lab.Storage
	}{"plain": {store, picky{store}}, "with contexts": {contextStore, pickyContext{picky{contextStore}}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := lab.Serve(t, lab.On(row.driver))
			logout := lab.Request{Method: http.MethodPost, Path: "/logout", Header: map[string]string{"Sec-Fetch-Site": "same-origin"}}
			for _, lose := range []func(lab.Session){
				func(lab.Session) {}, // only what a second logout would delete
				func(l lab.Session) { _ = row.store.Delete(l.Hot) },
				func(l lab.Session) { _ = row.store.Delete(l.Cold) },
				func(lab.Session) { _ = row.store.Reset() },
			} {
				alice := s.NewSession(row.store, "alice")
				lose(alice)
				logout.Cookies = []*http.Cookie{alice.Cookie}
				for range 2 {
					if res := s.Send(logout); res.StatusCode != http.StatusSeeOther {
						t.Errorf("the logout answered %s", lab.StatusLine(res))
					}
				}
				s.MustBe("", alice.Cookie)
			}
			if n := warnings(s); n > 0 {
				t.Errorf("%d alarms:\n%s", n, s.Logged.String())
			}
			// A driver that fails for another reason is believed.
			alice := s.NewSession(row.store, "alice")
			row.store.Misbehave(func(call lab.StoreCall) *lab.StoreFault {
				if call.Method == "delete" {
					return &lab.StoreFault{Err: lab.ErrDown}
				}
				return nil
			})
			logout.Cookies = []*http.Cookie{alice.Cookie}
			s.Send(logout)
			if warnings(s) == 0 {
				t.Error("a storage that deletes nothing alarms nobody")
			}
			row.store.Misbehave(nil)
			lab.Eventually(t, "the records go", func() bool { return !row.store.Has(alice.Hot) && !row.store.Has(alice.Cold) })
		})
	}
}

// TestShardOfAnIndexHangs: alice is signed in many times, and the shard hangs that holds the
// list of her sessions. It is written when a session is prolonged, by one request after the
// other. Those do not wait for each other, since the list matters to none of them.
func TestShardOfAnIndexHangs(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.ServeWith(t, lab.NewPool(t, cognitotest.Client{AccessTokenTTL: 24 * time.Hour, IDTokenTTL: 24 * time.Hour}), lab.On(storage))
	var cookies []*http.Cookie
	for range 20 {
		cookies = append(cookies, s.SignIn("alice"))
	}
	s.Pool.Advance(3 * time.Hour) // more than a tenth of IdleTimeout
	hang := lab.Hang(t)
	storage.Misbehave(func(call lab.StoreCall) *lab.StoreFault {
		if strings.HasPrefix(call.Key, "cognito_user_") {
			return hang
		}
		return nil
	})
	began := time.Now()
	var all []func() []lab.Reply
	for _, cookie := range cookies {
		all = append(all, s.Later(1, lab.AsScript("/me", cookie)))
	}
	for _, replies := range all {
		for _, reply := range replies() {
			if reply.Err != nil || reply.StatusCode != http.StatusOK {
				t.Errorf("alice is answered %v", reply)
			}
		}
	}
	// A call to the storage is given up after a second and a half: one request after the
	// other, they would take thirty seconds.
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("the last of %d requests is answered after %s", len(cookies), took)
	}
	storage.Misbehave(nil)
	for _, cookie := range cookies {
		s.MustBe("alice", cookie)
	}
}
