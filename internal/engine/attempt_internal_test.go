package engine

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/secret"
	"github.com/bar-tech/cognito/internal/storage"
	"github.com/gofiber/storage/memory/v2"
)

// The limit of logins in progress is proved here, where ten minutes cost nothing;
// flood_test.go of the root proves over sockets that the login heeds it.

var limitStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestAttemptFlood is row A6: strangers begin logins without end. The limit
// refuses new ones at its limit and throws out none that are alive, for then a
// flood would break everybody's login.
func TestAttemptFlood(t *testing.T) {
	l := newAttemptLimit(attemptsInMemory)
	for i := range 65536 {
		if !l.admit(strconv.Itoa(i), limitStart) {
			t.Fatalf("refused login %d, want room for 65536", i)
		}
	}
	for i := range 1000 {
		if l.admit(fmt.Sprintf("flood %d", i), limitStart.Add(attemptLife-time.Nanosecond)) {
			t.Fatal("admitted more than 65536 logins in progress")
		}
	}
	for _, key := range []string{"0", "65535"} {
		if _, alive := l.live[key]; !alive {
			t.Errorf("login %s was thrown out by the flood", key)
		}
	}
	l.done("0")
	if !l.admit("honest", limitStart.Add(time.Minute)) {
		t.Error("a finished login has not made room")
	}
}

// TestAttemptExpiry is row A6: the places of logins that were never finished
// come free after ten minutes, not earlier, and only theirs.
func TestAttemptExpiry(t *testing.T) {
	l := newAttemptLimit(2)
	l.admit("first", limitStart)
	l.admit("second", limitStart.Add(time.Second))
	if l.admit("third", limitStart.Add(attemptLife-time.Nanosecond)) {
		t.Error("a place was given away before its login had expired")
	}
	if !l.admit("third", limitStart.Add(attemptLife)) {
		t.Error("an expired login has not made room")
	}
	if l.admit("fourth", limitStart.Add(attemptLife)) {
		t.Error("a live login was thrown out together with the expired one")
	}
}

// TestAttemptFloodOfFinishedLogins is row A6: a stranger who finishes each
// login at once, with an error made up, must not fill the memory either. What
// is over may leave traces for a while, but not without bound.
func TestAttemptFloodOfFinishedLogins(t *testing.T) {
	l := newAttemptLimit(64)
	for i := range 100_000 {
		key := strconv.Itoa(i)
		if !l.admit(key, limitStart) {
			t.Fatalf("login %d was refused although all before it are finished", i)
		}
		l.done(key)
	}
	if kept := len(l.queue) + len(l.live); kept > 10*64 {
		t.Errorf("%d entries are kept of finished logins, with a limit of 64", kept)
	}
	if !l.admit("honest", limitStart) {
		t.Error("the flood has left no room")
	}
}

// TestRefusedLoginLeavesNothing: a login that finds no room stores nothing.
func TestRefusedLoginLeavesNothing(t *testing.T) {
	driver := memory.New()
	t.Cleanup(func() { _ = driver.Close() })
	a := &attempts{store: storage.New(driver), rings: secret.NewDeriver(secret.NewKeys(nil), "attempt", "app"), now: time.Now, attemptLimit: newAttemptLimit(1)}
	for i, want := range []error{nil, fault.ErrBusy, fault.ErrBusy} {
		if _, _, err := a.begin(attempt{}, 0); !errors.Is(err, want) {
			t.Errorf("login %d: %v, want %v", i, err, want)
		}
	}
	if keys, _ := driver.Keys(); len(keys) != 1 {
		t.Errorf("%d records are stored, want the first login's", len(keys))
	}
}
