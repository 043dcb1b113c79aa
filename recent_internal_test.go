package cognito

import (
	"fmt"
	"sync"
	"testing"
	"unsafe"
)

// TestRecentForgetsTheIdle: beyond its limit it gives up what was not used, and
// keeps what is busy.
func TestRecentForgetsTheIdle(t *testing.T) {
	const limit = 100
	r := newRecent[int](limit)
	r.put("busy", -1)
	for i := range 20 * limit {
		if value, ok := r.get([]byte("busy")); !ok || value != -1 {
			t.Fatalf("after %d others the busy one is gone", i)
		}
		if i+1 >= limit {
			r.put(fmt.Sprint("idle ", i), i) // it is full, so this is turned away
		}
		r.put(fmt.Sprint("idle ", i), i)
		if len(r.byKey) > limit || len(r.keys) > limit {
			t.Fatalf("it holds %d entries in %d places, want at most %d", len(r.byKey), len(r.keys), limit)
		}
	}
	if _, ok := r.get([]byte("idle 0")); ok {
		t.Error("the first idle one is still there")
	}
	if value, ok := r.get([]byte(fmt.Sprint("idle ", 20*limit-1))); !ok || value != 20*limit-1 {
		t.Error("the last one is not there")
	}
}

// TestRecentTurnsStrangersAway: when it is full, those who come by once cost
// nobody a place, however many they are; who comes again is let in.
func TestRecentTurnsStrangersAway(t *testing.T) {
	const limit = 100
	r := newRecent[int](limit)
	for i := range limit {
		r.put(fmt.Sprint("first ", i), i)
	}
	for i := range 10 * limit {
		r.put(fmt.Sprint("stranger ", i), i)
	}
	for i := range limit {
		if value, ok := r.get([]byte(fmt.Sprint("first ", i))); !ok || value != i {
			t.Errorf("one of the first is gone: %d, %t", value, ok)
		}
	}
	r.put("regular", 1)
	if _, ok := r.get([]byte("regular")); ok {
		t.Error("it lets in whoever comes by")
	}
	r.put("regular", 2)
	if value, ok := r.get([]byte("regular")); !ok || value != 2 {
		t.Errorf("who comes again is not let in: %d, %t", value, ok)
	}
}

// TestRecentForgetsAndReplaces: places are reused and nothing is found under
// another's key.
func TestRecentForgetsAndReplaces(t *testing.T) {
	r := newRecent[string](3)
	for i := range 50 {
		key := fmt.Sprint("key ", i%5)
		r.put(key, "let me in")
		r.put(key, fmt.Sprint(key, " round ", i))
		if value, ok := r.get([]byte(key)); !ok || value != fmt.Sprint(key, " round ", i) {
			t.Fatalf("get(%q) = %q, %t", key, value, ok)
		}
		r.forget(fmt.Sprint("key ", (i+2)%5))
		r.forget("key never put")
		for other := range 5 {
			wanted := fmt.Sprint("key ", other)
			if value, ok := r.get([]byte(wanted)); ok && value[:len(wanted)] != wanted {
				t.Fatalf("get(%q) = %q", wanted, value)
			}
		}
	}
	r.forget("key 4")
	if _, ok := r.get([]byte("key 4")); ok {
		t.Error("what was forgotten is still there")
	}
}

// TestRecentKeepsNoView is row O2: what get is asked with is a view into a
// request, whose bytes change.
func TestRecentKeepsNoView(t *testing.T) {
	r := newRecent[int](10)
	buffer := []byte("alice")
	view := unsafe.String(&buffer[0], len(buffer)) // as Fiber's strings are
	r.put("alice", 1)
	r.get(buffer)
	copy(buffer, "mallo")
	if value, ok := r.get([]byte("alice")); !ok || value != 1 {
		t.Error("alice is gone")
	}
	if _, ok := r.get(buffer); ok {
		t.Errorf("%s is somebody", view)
	}
}

// TestRecentAtOnce is row O1 for the race detector.
func TestRecentAtOnce(t *testing.T) {
	r := newRecent[int](50)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 2000 {
				n := (i*7 + worker) % 120
				switch i % 5 {
				case 0:
					r.put(fmt.Sprint(n), n)
				case 1:
					r.forget(fmt.Sprint((n + 1) % 120))
				default:
					if value, ok := r.get([]byte(fmt.Sprint(n))); ok && value != n {
						t.Errorf("get(%d) = %d", n, value)
					}
				}
			}
		})
	}
	all.Wait()
}
