package cognito

import (
	"errors"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/tasks"
)

// blockedLog is an operator's log whose sink hangs.
type blockedLog struct {
	renewalObserver
	reached, release chan struct{}
}

func (b *blockedLog) unsaved(string, error) {
	close(b.reached)
	<-b.release
}

// TestBlockedLog is P13: while alice's renewal is being told of to a log that
// hangs, nobody else waits. Once the log moves again alice's renewal goes on.
func TestBlockedLog(t *testing.T) {
	log := &blockedLog{reached: make(chan struct{}), release: make(chan struct{})}
	r := &renewals{
		observer: log, tasks: tasks.New(4, nil),
		held: map[string]*unsaved{}, looks: map[string]*unsaved{}, rescuing: map[string]bool{},
	}
	alice, ok := newHandle([]byte(randomText()), "test")
	if !ok {
		t.Fatal("an id of our own making is malformed")
	}
	held := make(chan bool, 1)
	go func() { held <- r.hold(alice, &unsaved{}, errors.New("the storage hangs")) }()
	<-log.reached

	bob := make(chan *unsaved, 1)
	go func() { bob <- r.peek("bob") }()
	select {
	case <-bob:
	case <-time.After(10 * time.Second):
		t.Error("bob waits for the log")
	}
	close(log.release)
	if !<-held || r.take(alice.name()) == nil {
		t.Error("alice's tokens are not held")
	}
	if err := r.tasks.Close(10 * time.Second); err != nil {
		t.Error(err)
	}
}
