package cognito

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/tasks"
)

// TestEndings: sessions that wait to be ended are noted once each. Strangers
// cannot take the room of those that were seen, nor those without bound that of
// the process, and whoever is done makes room.
func TestEndings(t *testing.T) {
	var e endings
	fill := func(kind string, known bool, room int) {
		t.Helper()
		for i := range room {
			if under, ok := e.begin(fmt.Sprint(kind, i), known); under || !ok {
				t.Fatalf("%s %d: under way %t, room %t", kind, i, under, ok)
			}
		}
		if under, ok := e.begin(kind+" too many", known); under || ok {
			t.Errorf("one %s more than %d: under way %t, room %t", kind, room, under, ok)
		}
		if under, _ := e.begin(kind+"0", known); !under {
			t.Errorf("the first %s is not known to be under way", kind)
		}
		e.done(kind + "0")
		e.done(kind + "0") // twice takes nothing from others
		if _, ok := e.begin(kind+" next", known); !ok {
			t.Errorf("there is no room in the place of a %s that is done", kind)
		}
		if _, ok := e.begin(kind+" after next", known); ok {
			t.Errorf("one %s has made room for two", kind)
		}
	}
	fill("stranger", false, endingsOfStrangers)
	fill("seen", true, endingsKept)
}

// TestLanes: a kind of call has places of its own and a bounded queue, gives
// back what it took, and nobody waits in it when the app stops.
func TestLanes(t *testing.T) {
	closing := make(chan struct{})
	l := newLane(2, 1, time.Minute, closing)
	var turnsOver []func()
	for range 2 {
		over, err := l.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		turnsOver = append(turnsOver, over)
	}
	third := make(chan error, 1)
	wait := func() {
		over, err := l.take(t.Context())
		if err == nil {
			turnsOver[0] = over
		}
		third <- err
	}
	go wait()
	for len(l.waiting) == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := l.take(t.Context()); !errors.Is(err, errCallsFull) {
		t.Errorf("one more than may wait: %v, want %v", err, errCallsFull)
	}
	turnsOver[0]()
	if err := <-third; err != nil {
		t.Errorf("who has waited gets no place: %v", err)
	}
	go wait()
	for len(l.waiting) == 0 {
		time.Sleep(time.Millisecond)
	}
	close(closing)
	if err := <-third; !errors.Is(err, tasks.ErrClosed) {
		t.Errorf("when the app stops: %v, want %v", err, tasks.ErrClosed)
	}
	turnsOver[0]()
	turnsOver[1]()
	if len(l.places) != 0 || len(l.waiting) != 0 {
		t.Errorf("%d places are taken, and %d wait", len(l.places), len(l.waiting))
	}
	if over, err := l.take(t.Context()); err != nil {
		t.Errorf("a free place, even while closing: %v", err)
	} else {
		over()
	}
	hasty := newLane(0, 1, time.Millisecond, nil)
	if _, err := hasty.take(t.Context()); !errors.Is(err, errCallsFull) {
		t.Errorf("out of patience: %v, want %v", err, errCallsFull)
	}
}
