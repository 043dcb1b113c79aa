package cognito

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"
)

func keep[V any](r *recent[string, V], key string, value V) {
	r.put(&recentEntry[string, V]{key: key, value: value})
}

func kept[V any](r *recent[string, V], key string) (value V, ok bool) {
	if found := r.get(key); found != nil {
		return *found, true
	}
	return value, false
}

// entries counts what is there, and checks that the table knows how many.
func entries[V any](t *testing.T, r *recent[string, V]) (held int) {
	t.Helper()
	places := r.table.Load().places
	for i := range places {
		if places[i].Load() != nil {
			held++
		}
	}
	if held != r.count {
		t.Errorf("it holds %d entries and believes they are %d", held, r.count)
	}
	return held
}

// TestRecentForgetsTheIdle: beyond its limit it gives up what was not used, and
// keeps what is busy.
func TestRecentForgetsTheIdle(t *testing.T) {
	const limit = 100
	r := newRecent[string, int](limit)
	keep(r, "busy", -1)
	for i := range 20 * limit {
		if value, ok := kept(r, "busy"); !ok || value != -1 {
			t.Fatalf("after %d others the busy one is gone", i)
		}
		if i+1 >= limit {
			keep(r, fmt.Sprint("idle ", i), i) // it is full, so this is turned away
		}
		keep(r, fmt.Sprint("idle ", i), i)
		if held := entries(t, r); held > limit {
			t.Fatalf("it holds %d entries, want at most %d", held, limit)
		}
	}
	if _, ok := kept(r, "idle 0"); ok {
		t.Error("the first idle one is still there")
	}
	if value, ok := kept(r, fmt.Sprint("idle ", 20*limit-1)); !ok || value != 20*limit-1 {
		t.Error("the last one is not there")
	}
}

// TestRecentTurnsStrangersAway: when it is full, those who come by once cost
// nobody a place, however many they are; who comes again is let in.
func TestRecentTurnsStrangersAway(t *testing.T) {
	const limit = 100
	r := newRecent[string, int](limit)
	for i := range limit {
		keep(r, fmt.Sprint("first ", i), i)
	}
	for i := range 10 * limit {
		keep(r, fmt.Sprint("stranger ", i), i)
	}
	for i := range limit {
		if value, ok := kept(r, fmt.Sprint("first ", i)); !ok || value != i {
			t.Errorf("one of the first is gone: %d, %t", value, ok)
		}
	}
	keep(r, "regular", 1)
	if _, ok := kept(r, "regular"); ok {
		t.Error("it lets in whoever comes by")
	}
	keep(r, "regular", 2)
	if value, ok := kept(r, "regular"); !ok || value != 2 {
		t.Errorf("who comes again is not let in: %d, %t", value, ok)
	}
}

// TestRecentForgetsAndReplaces: places are reused and nothing is found under
// another's key.
func TestRecentForgetsAndReplaces(t *testing.T) {
	r := newRecent[string, string](3)
	for i := range 50 {
		key := fmt.Sprint("key ", i%5)
		keep(r, key, "let me in")
		keep(r, key, fmt.Sprint(key, " round ", i))
		if value, ok := kept(r, key); !ok || value != fmt.Sprint(key, " round ", i) {
			t.Fatalf("get(%q) = %q, %t", key, value, ok)
		}
		r.forget(fmt.Sprint("key ", (i+2)%5))
		r.forget("key never put")
		for other := range 5 {
			wanted := fmt.Sprint("key ", other)
			if value, ok := kept(r, wanted); ok && value[:len(wanted)] != wanted {
				t.Fatalf("get(%q) = %q", wanted, value)
			}
		}
	}
	r.forget("key 4")
	if _, ok := kept(r, "key 4"); ok {
		t.Error("what was forgotten is still there")
	}
}

// TestRecentLosesNobody: whatever is forgotten, in whatever order, all others
// are found, also those that stood behind it because their own place was taken.
func TestRecentLosesNobody(t *testing.T) {
	const limit = 64
	r, want := newRecent[string, int](limit), map[string]int{}
	for i := range 20_000 {
		key := fmt.Sprint("key ", rand.IntN(2*limit))
		if _, there := want[key]; there && rand.IntN(3) > 0 {
			r.forget(key)
			delete(want, key)
		} else if there || len(want) < limit {
			keep(r, key, i)
			want[key] = i
		}
		for key, value := range want {
			if got, ok := kept(r, key); !ok || got != value {
				t.Fatalf("after %d changes %s is %d, %t, want %d", i, key, got, ok, value)
			}
		}
		if held := entries(t, r); held != len(want) {
			t.Fatalf("after %d changes it holds %d entries, want %d", i, held, len(want))
		}
	}
}

// TestRecentKeepsNoView is row O2: what get is asked with is a view into a
// request, whose bytes change.
func TestRecentKeepsNoView(t *testing.T) {
	r := newRecent[string, int](10)
	buffer := []byte("alice")
	view := unsafe.String(&buffer[0], len(buffer)) // as Fiber's strings are
	keep(r, "alice", 1)
	r.get(view)
	copy(buffer, "mallo")
	if value, ok := kept(r, "alice"); !ok || value != 1 {
		t.Error("alice is gone")
	}
	if _, ok := kept(r, view); ok {
		t.Errorf("%s is somebody", view)
	}
}

// TestRecentAtOnce is row O1 for the race detector.
func TestRecentAtOnce(t *testing.T) {
	r := newRecent[string, int](50)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 2000 {
				n := (i*7 + worker) % 120
				switch i % 5 {
				case 0:
					keep(r, fmt.Sprint(n), n)
				case 1:
					r.forget(fmt.Sprint((n + 1) % 120))
				default:
					if value, ok := kept(r, fmt.Sprint(n)); ok && value != n {
						t.Errorf("get(%d) = %d", n, value)
					}
				}
			}
		})
	}
	all.Wait()
}
