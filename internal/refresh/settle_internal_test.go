package refresh

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/cache"
	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/session"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/bar-tech/cognito/internal/tasks"
)

// blockedLog is an operator's log whose sink hangs.
type blockedLog struct {
	Observer
	reached, release chan struct{}
}

func (b *blockedLog) Unsaved(string, error) {
	close(b.reached)
	<-b.release
}

// downDriver is a storage that is down.
type downDriver struct{}

var errDown = errors.New("connection refused")

func (downDriver) Get(string) ([]byte, error)              { return nil, errDown }
func (downDriver) Set(string, []byte, time.Duration) error { return errDown }
func (downDriver) Delete(string) error                     { return errDown }

// TestBlockedLog: while alice's renewal is being told of to a log that
// hangs, nobody else waits. Once the log moves again alice's renewal goes on.
func TestBlockedLog(t *testing.T) {
	log := &blockedLog{reached: make(chan struct{}), release: make(chan struct{})}
	background := tasks.New(4, nil)
	r := &Renewals{
		now: time.Now, observer: log, tasks: background,
		// On a busy machine the loop may come to the tokens before they are forgotten.
		sessions: session.New(session.Settings{Keys: secret.NewKeys(nil), Binding: "test", Now: time.Now}, storage.New(downDriver{}), background, nil),
		states:   map[string]*state{},
	}
	alice, ok := session.NewHandle([]byte(secret.Random()), secret.NewDeriver(secret.NewKeys(nil), "session", "test"))
	if !ok {
		t.Fatal("an id of our own making is malformed")
	}
	held := make(chan error, 1)
	go func() { held <- r.settleLater(alice, &tokens{}, errors.New("the storage hangs")) }()
	<-log.reached

	bob := make(chan *tokens, 1)
	go func() { bob <- r.unsettled("bob") }()
	select {
	case <-bob:
	case <-time.After(time.Minute):
		t.Error("bob waits for the log")
	}
	close(log.release)
	if <-held != nil || r.unsettled(alice.Name()) == nil {
		t.Error("alice's tokens are not held")
	}
	r.Forget(alice.Name())
	if err := r.tasks.Close(time.Minute); err != nil {
		t.Error(err)
	}
	if len(r.states) != 0 {
		t.Errorf("%d sessions are still in mind, with nothing to do for them", len(r.states))
	}
}

// TestEndedNameWins: tokens of a renewal that was under way when the
// session ended are not held, a copy of the cookie renews nothing, and a flood of
// logouts does not fill the memory. Who has not logged out is not touched.
func TestEndedNameWins(t *testing.T) {
	r := &Renewals{now: time.Now, tasks: tasks.New(4, nil), states: map[string]*state{}}
	handle, ok := session.NewHandle([]byte(secret.Random()), secret.NewDeriver(secret.NewKeys(nil), "session", "test"))
	if !ok {
		t.Fatal("an id of our own making is malformed")
	}
	alice := &session.Session{Handle: *handle, Renewable: true}
	r.Forget(alice.Name())
	if err := r.settleLater(handle, &tokens{}, errors.New("the storage hangs")); !errors.Is(err, fault.ErrSessionEnded) {
		t.Errorf("tokens of an ended session: %v, want %v", err, fault.ErrSessionEnded)
	}
	if r.unsettled(alice.Name()) != nil {
		t.Error("tokens came back after the session ended")
	}
	if _, err := r.start(alice); !errors.Is(err, fault.ErrSessionEnded) {
		t.Errorf("renewing an ended session: %v, want %v", err, fault.ErrSessionEnded)
	}
	for i := range 4 * cache.Limit {
		r.ended.Put(fmt.Sprint(i), struct{}{})
	}
	if kept := r.ended.Len(); kept > 2*cache.Limit || !r.ended.Has(fmt.Sprint(3*cache.Limit)) {
		t.Errorf("%d ended sessions are remembered", kept)
	}
	bob, _ := session.NewHandle([]byte(secret.Random()), secret.NewDeriver(secret.NewKeys(nil), "session", "test"))
	if _, err := r.toSettle(bob, &tokens{due: time.Now().Add(time.Hour)}); err != nil || r.unsettled(bob.Name()) == nil {
		t.Error("bob's tokens are not held")
	}
	r.Forget(bob.Name()) // before the loop comes to them
	if err := r.tasks.Close(time.Minute); err != nil {
		t.Error(err)
	}
}

// TestTokensPrintWithoutSecrets: what is to be settled holds living tokens.
func TestTokensPrintWithoutSecrets(t *testing.T) {
	const canary = "canary-Zq8"
	mine := tokens{cold: session.Cold{Access: canary, Refresh: session.NewCandidates(canary)}}
	for _, form := range []string{"%v", "%+v", "%#v", "%q", "%x"} {
		for _, value := range []any{mine, &mine} {
			if text := fmt.Sprintf(form, value); strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
				t.Errorf("with %s they print as %s", form, text)
			}
		}
	}
}
