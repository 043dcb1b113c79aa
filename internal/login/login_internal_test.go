package login

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// TestAttemptFlood: strangers begin logins without end. The limit admits no more than
// it may and throws out none that are alive, for then a flood would break everybody's
// login.
func TestAttemptFlood(t *testing.T) {
	l := newAttemptLimit(attemptsStored, attemptBytesStored)
	for i := range 4096 {
		if !l.admit(strconv.Itoa(i), 10, limitStart) {
			t.Fatalf("refused login %d, want room for 4096", i)
		}
	}
	for i := range 1000 {
		if l.admit(fmt.Sprintf("flood %d", i), 10, limitStart.Add(Life-time.Nanosecond)) {
			t.Fatal("admitted more than 4096 logins in progress")
		}
	}
	for _, key := range []string{"0", "4095"} {
		if _, alive := l.live[key]; !alive {
			t.Errorf("login %s was thrown out by the flood", key)
		}
	}
	l.done("0")
	if !l.admit("honest", 10, limitStart.Add(time.Minute)) {
		t.Error("a finished login has not made room")
	}
}

// TestAttemptExpiry: the places of logins that were never finished come free after ten
// minutes, not earlier, and only theirs.
func TestAttemptExpiry(t *testing.T) {
	l := newAttemptLimit(2, 100)
	l.admit("first", 10, limitStart)
	l.admit("second", 10, limitStart.Add(time.Second))
	if l.admit("third", 10, limitStart.Add(Life-time.Nanosecond)) {
		t.Error("a place was given away before its login had expired")
	}
	if !l.admit("third", 10, limitStart.Add(Life)) {
		t.Error("an expired login has not made room")
	}
	if l.admit("fourth", 10, limitStart.Add(Life)) {
		t.Error("a live login was thrown out together with the expired one")
	}
}

// TestAttemptFloodOfFinishedLogins: a stranger who finishes each login at once, with an
// error made up, must not fill the memory either. What is over may leave traces for a
// while, but not without bound.
func TestAttemptFloodOfFinishedLogins(t *testing.T) {
	l := newAttemptLimit(64, 1000)
	for i := range 100_000 {
		key := strconv.Itoa(i)
		if !l.admit(key, 10, limitStart) {
			t.Fatalf("login %d was refused although all before it are finished", i)
		}
		l.done(key)
	}
	if kept := len(l.queue) + len(l.live); kept > 10*64 {
		t.Errorf("%d entries are kept of finished logins, with a limit of 64", kept)
	}
	if !l.admit("honest", 10, limitStart) {
		t.Error("the flood has left no room")
	}
}

// TestAttemptBytes: strangers choose how long a login's record is. The limit counts
// bytes too, and gets them back.
func TestAttemptBytes(t *testing.T) {
	l := newAttemptLimit(100, 1000)
	if !l.admit("long", 990, limitStart) || l.admit("too much", 11, limitStart) {
		t.Error("want room for 1000 bytes and no more")
	}
	l.done("long")
	l.done("long")
	if !l.admit("all", 1000, limitStart) || l.admit("one", 1, limitStart) {
		t.Error("a finished login has not given back its bytes, or twice")
	}
}

// TestOverflowLeavesNothing: a login that finds no room in the storage stores nothing,
// travels in its cookie, and opens there once.
func TestOverflowLeavesNothing(t *testing.T) {
	driver := memory.New()
	t.Cleanup(func() { _ = driver.Close() })
	a := testAttempts(driver, 1)
	begun := Attempt{Verifier: secret.Random(), Nonce: secret.Random(), ReturnTo: "/here", Base: "http://localhost", Silent: true, Fresh: true, Proved: 12, Whose: "sub"}
	for i := range 3 {
		state, mine, err := a.Begin(begun, 0)
		if err != nil || (mine.sealed != "") != (i > 0) {
			t.Fatalf("login %d: %v, in its cookie: %t", i, err, mine.sealed != "")
		}
		read, ok := parseTicket("name", "mark", a.Value(mine))
		if !ok {
			t.Fatalf("login %d: %q is no ticket", i, a.Value(mine))
		}
		opened, err := a.Open(state, read)
		want := begun
		want.Began = limitStart.Unix()
		if err != nil || opened != want {
			t.Errorf("login %d opens as %#v, %v", i, opened.ReturnTo, err)
		}
		if err := a.Consume(state, read); err != nil {
			t.Errorf("login %d: %v", i, err)
		}
		if i > 0 {
			if err := a.Consume(state, read); !errors.Is(err, fault.ErrAttemptExpired) {
				t.Errorf("login %d serves twice: %v", i, err)
			}
			if _, err := a.Open(secret.Random(), read); !errors.Is(err, fault.ErrAttemptExpired) {
				t.Errorf("login %d opens for another state: %v", i, err)
			}
		}
		if i == 0 {
			a.limit.admit("a stranger", 1, limitStart)
		}
	}
	if keys, _ := driver.Keys(); len(keys) != 0 {
		t.Errorf("%d records are left", len(keys))
	}
}

func testAttempts(driver storage.Driver, most int) *Attempts {
	a := New(Settings{
		Store: storage.New(driver), Keys: secret.NewKeys(nil), Binding: "x", Mark: "mark", Slots: "cognito_login_", Now: func() time.Time { return limitStart },
	})
	a.limit = newAttemptLimit(most, 1<<20)
	return a
}

// TestLongestAttemptInItsCookie: a login that has to prove who the visitor is fits into
// its cookie too, on the longest of local addresses, or it could not be finished.
func TestLongestAttemptInItsCookie(t *testing.T) {
	driver := memory.New()
	t.Cleanup(func() { _ = driver.Close() })
	a := testAttempts(driver, 0)
	begun := Attempt{
		Verifier: secret.Random(), Nonce: secret.Random(), Base: "http://localhost:65535", ReturnTo: "/admin?page=2",
		Fresh: true, Proved: 1_900_000_000, Whose: "ninebytes",
	}
	state, mine, err := a.Begin(begun, 1)
	read, ok := parseTicket("name", "mark", a.Value(mine))
	if err != nil || mine.sealed == "" || !ok {
		t.Fatalf("a ticket of %d bytes is written, %v", len(a.Value(mine)), err)
	}
	if opened, err := a.Open(state, read); err != nil || opened.Whose != begun.Whose || opened.Base != begun.Base || opened.ReturnTo != begun.ReturnTo {
		t.Errorf("it opens as %q of %q, %v", opened.ReturnTo, opened.Base, err)
	}
}

// TestAttemptsPrintWithoutSecrets: neither part of a login prints what would finish it.
func TestAttemptsPrintWithoutSecrets(t *testing.T) {
	const canary = "canary-of-a-secret"
	for _, value := range []any{
		Attempt{Verifier: canary}, &Attempt{Nonce: canary}, Ticket{secret: canary}, &Ticket{sealed: canary}, []Ticket{{secret: canary}},
	} {
		if forms := fmt.Sprintf("%v %+v %#v %q %x", value, value, value, value, value); strings.Contains(forms, canary) || strings.Contains(forms, fmt.Sprintf("%x", canary)) {
			t.Errorf("%T prints its secret", value)
		}
	}
}
