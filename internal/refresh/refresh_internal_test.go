package refresh

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
	"github.com/bar-tech/cognito/internal/pool"
	"github.com/bar-tech/cognito/internal/session"
)

// TestPauses: each failure doubles the pause up to half a minute; each is cut by
// up to a half, at random.
func TestPauses(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	const sessions = 200
	r := &Renewals{now: func() time.Time { return now }, states: map[string]*state{}}
	for failure, longest := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30} {
		longest *= time.Second
		seen := map[time.Duration]bool{}
		for i := range sessions {
			name := fmt.Sprint(i)
			r.state(name, now).pause(now)
			length := r.states[name].paused.Sub(now)
			if length < longest/2 || length >= longest {
				t.Fatalf("after failure %d the pause is %s, want between half of %s and all of it", failure+1, length, longest)
			}
			seen[length] = true
		}
		if len(seen) < sessions/2 {
			t.Errorf("after failure %d, %d sessions pause for %d lengths; want them spread", failure+1, sessions, len(seen))
		}
	}
}

// TestPausesAreBounded: an outage that all sessions meet does not fill the
// memory: pauses that are over make room.
func TestPausesAreBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	r := &Renewals{now: func() time.Time { return now }, states: map[string]*state{}}
	for i := range 4 * statesKept {
		if i%1000 == 0 {
			now = now.Add(time.Second)
		}
		r.state(fmt.Sprint(i), now).pause(now)
	}
	// Those of the last seconds are needed still.
	// Room is made once a second.
	if len(r.states) > statesKept+1000 {
		t.Errorf("%d pauses are kept, want at most %d", len(r.states), statesKept)
	}
}

// TestManyWaitingRenewals: when as many renewals wait as there is room for, one
// more is told to come back, and a session whose renewal waits still joins it.
func TestManyWaitingRenewals(t *testing.T) {
	r := &Renewals{now: time.Now, states: map[string]*state{}, flights: pool.RenewalsWaiting}
	waiting := &session.Session{}
	r.state(waiting.Name(), time.Now()).flight = &flight{}
	if joined, err := r.start(waiting); err != nil || joined != r.states[waiting.Name()].flight {
		t.Errorf("a session whose renewal waits does not join it: %v", err)
	}
	other := &session.Session{}
	other.HotKey[len(session.HotPrefix)] = 'x'
	if _, err := r.start(other); !errors.Is(err, fault.ErrUnavailable) || !errors.Is(err, errManyWait) {
		t.Errorf("one more: %v, want %v", err, errManyWait)
	}
	if len(r.states) != 1 {
		t.Errorf("%d sessions are in mind, want the one that waits", len(r.states))
	}
}
