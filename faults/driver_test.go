package faults_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/internal/lab"
)

// TestLifetimesAndValues: drivers take "no time" for "for ever", cut fractions of a
// second to nothing and drop empty values silently. None of that is ever passed, also
// not close to a session's end.
func TestLifetimesAndValues(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	pool := lab.NewPool(t)
	clock := lab.StopClock(pool)
	s := lab.ServeWith(t, pool, lab.On(storage), clock.Hook, func(c *cognito.Config) { c.IdleTimeout, c.AbsoluteTimeout = 2*time.Second, 3*time.Hour })
	sessions := []lab.Session{s.NewSession(storage, "alice"), s.NewSession(storage, "bob")}
	for range 30 {
		clock.Advance(900 * time.Millisecond)
		for _, each := range sessions {
			s.Me(each.Cookie)
			s.Send(lab.Request{Path: "/token/refresh", Method: http.MethodPost, Cookies: []*http.Cookie{each.Cookie}})
		}
	}
	s.MustBe("alice", sessions[0].Cookie)
	s.Send(lab.Request{Path: "/logout", Method: http.MethodPost, Cookies: []*http.Cookie{sessions[0].Cookie}})
	clock.Advance(time.Hour)
	s.MustBe("", sessions[1].Cookie)

	sets := storage.Asked("set")
	if len(sets) < 50 {
		t.Fatalf("only %d writes were seen", len(sets))
	}
	for _, call := range sets {
		if call.Life <= time.Second || call.Life > 3*time.Hour {
			t.Errorf("%s is stored for %s", call.Key, call.Life)
		}
		if call.Life%time.Second != 0 {
			t.Errorf("%s is stored for %s, which drivers cut off", call.Key, call.Life)
		}
		if len(call.Value) == 0 || call.Key == "" {
			t.Errorf("%q is stored with %d bytes", call.Key, len(call.Value))
		}
	}
}

// tenantStore is a driver within a storage of the app's own: Get, Set and Delete
// put a prefix before every key, and all the driver's other methods shine
// through.
type tenantStore struct {
	lab.ContextStore
	prefix string
}

func (s tenantStore) Get(key string) ([]byte, error) { return s.Store.Get(s.prefix + key) }

func (s tenantStore) Set(key string, value []byte, life time.Duration) error {
	return s.Store.Set(s.prefix+key, value, life)
}

func (s tenantStore) Delete(key string) error { return s.Store.Delete(s.prefix + key) }

// TestStorageAroundADriver: a storage that embeds a driver and adds something of
// its own, such as a prefix or encryption, is never passed by.
func TestStorageAroundADriver(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(*lab.Store) lab.Storage{
		"by value":   func(s *lab.Store) lab.Storage { return tenantStore{lab.ContextStore{Store: s}, "tenant_"} },
		"by pointer": func(s *lab.Store) lab.Storage { return &tenantStore{lab.ContextStore{Store: s}, "tenant_"} },
	} {
		t.Run(name, func(t *testing.T) {
			storage := lab.NewStore()
			s := lab.Serve(t, lab.On(wrap(storage)))
			alice := s.SignIn("alice")
			s.MustBe("alice", alice)
			s.MustLogOut(s.Send(lab.LogOut(alice)))
			for _, call := range storage.Asked("") {
				if !strings.HasPrefix(call.Key, "tenant_") {
					t.Errorf("%s of %s went to the driver itself", call.Method, call.Key)
				}
			}
		})
	}
}

// TestDriverThatCanBeCalledBack: calls that take a context are ended when nobody waits
// for them any more.
func TestDriverThatCanBeCalledBack(t *testing.T) {
	t.Parallel()
	storage := lab.NewStore()
	s := lab.Serve(t, lab.On(lab.ContextStore{Store: storage}))
	alice := s.SignIn("alice")
	hung := lab.Hang(t)
	storage.Misbehave(func(lab.StoreCall) *lab.StoreFault { return hung })
	s.MustBeUnavailable(lab.AsScript("/me", alice))
	s.MustBeUnavailable(lab.RenewNow(alice))
	lab.Eventually(t, "no call is in the driver", func() bool { return storage.Waiting.Load() == 0 })
	storage.Misbehave(nil)
	s.MustBe("alice", alice)
}
