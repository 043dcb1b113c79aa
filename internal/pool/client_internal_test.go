package pool

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bar-tech/cognito/internal/tasks"
)

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

// TestAnEndlessAnswer fills no memory: what is beyond the bound stays unread, and the
// caller learns that it has the beginning alone.
func TestAnEndlessAnswer(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 1<<10)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	client := NewClient(nil, nil)
	defer client.CloseIdle()
	ask := func(longest int) ([]byte, error) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, endless.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, body, err := client.Do(request, longest)
		return body, err
	}
	for _, longest := range []int{10, 1 << 12} {
		if body, err := ask(longest); !errors.Is(err, ErrTooLong) || len(body) != longest {
			t.Errorf("%d bytes, %v, want %d and %v", len(body), err, longest, ErrTooLong)
		}
	}
	honest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "0123456789") }))
	defer honest.Close()
	endless.URL = honest.URL
	if body, err := ask(10); err != nil || string(body) != "0123456789" {
		t.Errorf("the honest answer is %q, %v", body, err)
	}
}
