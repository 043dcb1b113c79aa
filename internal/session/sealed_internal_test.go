package session

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/claims"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// slowOnce is a storage whose first write of tokens takes long.
type slowOnce struct {
	storage.Driver
	writes        atomic.Int32
	writing, held chan struct{}
}

func (s *slowOnce) Set(key string, value []byte, life time.Duration) error {
	if strings.HasPrefix(key, "cognito_cold_") && s.writes.Add(1) == 1 {
		close(s.writing)
		<-s.held
	}
	return s.Driver.Set(key, value, life)
}

// carriedStore keeps sessions that travel in their cookies.
func carriedStore(driver storage.Driver) (*Store, Carried) {
	s := New(Settings{
		Keys: secret.NewKeys(nil), Binding: "test", CookieSessions: true, IdleTimeout: time.Hour, AbsoluteTimeout: 6 * time.Hour,
		Dictionary: claims.NewDictionary("client", "issuer"), Now: time.Now,
	}, storage.New(driver), tasks.New(1, nil), nil)
	in := MomentOf(time.Now().Add(time.Hour))
	return s, Carried{
		ID:   ID([]byte(secret.Random())),
		Hot:  Hot{Renewable: true, Moments: Moments{Began: MomentOf(time.Now()), Used: MomentOf(time.Now()), IdleUntil: in, until: in, Expires: in}},
		Cold: Cold{Refresh: NewCandidates("spent")},
	}
}

// TestAdoptedOnce: requests bring the same cookie at the same time, to a process that has
// just started. The one that is slow does not put back what another one has renewed.
func TestAdoptedOnce(t *testing.T) {
	memory := &slowOnce{Driver: storage.NewBounded(16, time.Now), writing: make(chan struct{}), held: make(chan struct{})}
	s, brought := carriedStore(memory)
	handle, _ := s.Handle(brought.ID[:])
	slow, renewed := make(chan error, 1), make(chan error, 1)
	go func() { slow <- s.Adopt(brought, time.Now()) }()
	<-memory.writing
	go func() {
		err := s.Adopt(brought, time.Now())
		if err == nil {
			_, err = s.Save(handle, brought.Hot, &Cold{Refresh: NewCandidates("valid")})
		}
		renewed <- err
	}()
	select {
	case err := <-renewed:
		renewed <- err
	case <-time.After(100 * time.Millisecond): // it waits for the slow one
	}
	close(memory.held)
	if err := <-slow; err != nil {
		t.Error(err)
	}
	if err := <-renewed; err != nil {
		t.Error(err)
	}
	if cold, err := s.ReadCold(handle); err != nil || cold.Refresh.First() != "valid" {
		t.Errorf("the valid refresh token is lost: %v", err)
	}
}

// TestForgottenTokens: the memory was full, and forgot one of the two records. The other
// one goes, too, so that the cookie brings both again. Otherwise nothing could renew the
// session for as long as it is in use.
func TestForgottenTokens(t *testing.T) {
	memory := storage.NewBounded(16, time.Now)
	s, brought := carriedStore(memory)
	handle, _ := s.Handle(brought.ID[:])
	if err := s.Adopt(brought, time.Now()); err != nil {
		t.Fatal(err)
	}
	_ = memory.Delete(handle.cold())
	if hot, _, err := s.Fresh(handle); err == nil || hot != nil {
		t.Errorf("there are tokens, or a session without: %v", err)
	}
	if _, err := s.Read(brought.ID[:], time.Now()); err == nil {
		t.Error("the session is not taken from its cookie again")
	}
}

// TestEndedWhileAdopted: a sign-out ends a session while another request takes it in from its
// cookie. It does not live again: a copy of the cookie would work here.
func TestEndedWhileAdopted(t *testing.T) {
	s, brought := carriedStore(storage.NewBounded(16, time.Now))
	handle, _ := s.Handle(brought.ID[:])
	// The other request has asked before whether it has ended.
	if err := s.MarkEnded(handle); err != nil {
		t.Fatal(err)
	}
	_ = s.Remove(handle)
	_ = s.Adopt(brought, time.Now())
	if _, err := s.Read(brought.ID[:], time.Now()); err == nil {
		t.Error("the session lives again")
	}
	brought.ID = ID([]byte(secret.Random()))
	if err := s.Adopt(brought, time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(brought.ID[:], time.Now()); err != nil {
		t.Errorf("another session is not taken in: %v", err)
	}
}
