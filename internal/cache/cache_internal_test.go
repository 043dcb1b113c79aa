package cache

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"unsafe"
)

func keep[V any](r *Cache[string, V], key string, value V) {
	r.Put(&Entry[string, V]{Key: key, Value: value})
}

func kept[V any](r *Cache[string, V], key string) (value V, ok bool) {
	if found := r.Get(key); found != nil {
		return *found, true
	}
	return value, false
}

// entries counts what is there, and checks that the table knows how many.
func entries[V any](t *testing.T, r *Cache[string, V]) (held int) {
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

// TestCacheForgetsTheIdle: beyond its limit it gives up what was not used, and
// keeps what is busy.
func TestCacheForgetsTheIdle(t *testing.T) {
	const limit = 100
	r := New[string, int](limit)
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

// TestCacheTurnsStrangersAway: when it is full, those who come by once cost
// nobody a place, however many they are; who comes again is let in.
func TestCacheTurnsStrangersAway(t *testing.T) {
	const limit = 100
	r := New[string, int](limit)
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

// TestCacheForgetsAndReplaces: places are reused and nothing is found under
// another's key.
func TestCacheForgetsAndReplaces(t *testing.T) {
	r := New[string, string](3)
	for i := range 50 {
		key := fmt.Sprint("key ", i%5)
		keep(r, key, "let me in")
		keep(r, key, fmt.Sprint(key, " round ", i))
		if value, ok := kept(r, key); !ok || value != fmt.Sprint(key, " round ", i) {
			t.Fatalf("get(%q) = %q, %t", key, value, ok)
		}
		r.Forget(fmt.Sprint("key ", (i+2)%5))
		r.Forget("key never put")
		for other := range 5 {
			wanted := fmt.Sprint("key ", other)
			if value, ok := kept(r, wanted); ok && value[:len(wanted)] != wanted {
				t.Fatalf("get(%q) = %q", wanted, value)
			}
		}
	}
	r.Forget("key 4")
	if _, ok := kept(r, "key 4"); ok {
		t.Error("what was forgotten is still there")
	}
}

// TestCacheLosesNobody: whatever is forgotten, in whatever order, all others
// are found, also those that stood behind it because their own place was taken.
func TestCacheLosesNobody(t *testing.T) {
	const limit = 64
	r, want := New[string, int](limit), map[string]int{}
	for i := range 20_000 {
		key := fmt.Sprint("key ", rand.IntN(2*limit))
		if _, there := want[key]; there && rand.IntN(3) > 0 {
			r.Forget(key)
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

// TestCacheKeepsNoView: what get is asked with is a view into a request, whose bytes
// change.
func TestCacheKeepsNoView(t *testing.T) {
	r := New[string, int](10)
	buffer := []byte("alice")
	view := unsafe.String(&buffer[0], len(buffer)) // as Fiber's strings are
	keep(r, "alice", 1)
	r.Get(view)
	copy(buffer, "mallo")
	if value, ok := kept(r, "alice"); !ok || value != 1 {
		t.Error("alice is gone")
	}
	if _, ok := kept(r, view); ok {
		t.Errorf("%s is somebody", view)
	}
}

// TestCacheAtOnce is for the race detector.
func TestCacheAtOnce(t *testing.T) {
	r := New[string, int](50)
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 2000 {
				n := (i*7 + worker) % 120
				switch i % 5 {
				case 0:
					keep(r, fmt.Sprint(n), n)
				case 1:
					r.Forget(fmt.Sprint((n + 1) % 120))
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

// TestCacheIsBounded: what is remembered of tokens and sessions has a limit, whoever
// sends how many; those in use outlast those seen once, and a key is only ever its own.
func TestCacheIsBounded(t *testing.T) {
	r := New[string, int](8)
	keep(r, "busy", -1)
	for i := range 1000 {
		key := fmt.Sprint("key ", i)
		keep(r, key, -1) // or it is turned away
		keep(r, key, i)
		if value, ok := kept(r, key); !ok || value != i {
			t.Fatalf("just put, %s is %d (%t)", key, value, ok)
		}
		if held := entries(t, r); held > 8 {
			t.Fatalf("it holds %d keys", held)
		}
	}
	if _, ok := kept(r, "key 0"); ok {
		t.Error("the oldest is still there")
	}
	r = New[string, int](8)
	keep(r, "busy", -1)
	for i := range 1000 {
		if value, ok := kept(r, "busy"); !ok || value != -1 {
			t.Fatalf("after %d others, one in use is %d (%t)", i, value, ok)
		}
		if i+1 >= 8 {
			keep(r, fmt.Sprint("key ", i), i) // it is full, so this is turned away
		}
		keep(r, fmt.Sprint("key ", i), i)
	}
	keep(r, "busy", 7)
	if value, _ := kept(r, "busy"); value != 7 {
		t.Errorf("put again, it is %d", value)
	}
	for _, other := range []string{"", "bus", "busy ", "BUSY", "busy\x00"} {
		if _, ok := kept(r, other); ok {
			t.Errorf("%q was found", other)
		}
	}
	r.Forget("busy")
	r.Forget("never there")
	if _, ok := kept(r, "busy"); ok {
		t.Error("forgotten, it was found")
	}
	for i := range 100 {
		keep(r, fmt.Sprint("more ", i), i)
	}
	if held := entries(t, r); held > 8 {
		t.Errorf("it holds %d keys", held)
	}
}
