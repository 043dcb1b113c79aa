package cache_test

import (
	"strconv"
	"testing"

	"github.com/bar-tech/cognito/internal/cache"
)

// TestRecentIsBounded: the newest are remembered, whoever puts how many.
func TestRecentIsBounded(t *testing.T) {
	t.Parallel()
	recent := cache.NewRecent[int](4)
	for i := range 100 {
		recent.Put(strconv.Itoa(i), i)
		for back := range min(4, i+1) {
			if value, ok := recent.Get(strconv.Itoa(i - back)); !ok || value != i-back {
				t.Fatalf("after %d, %d is %d, %v", i, i-back, value, ok)
			}
		}
		if recent.Len() > 8 {
			t.Fatalf("%d are remembered", recent.Len())
		}
	}
	if recent.Has("1") {
		t.Error("an old one is remembered")
	}
	recent.Put("98", -98)
	if value, _ := recent.Get("98"); value != -98 {
		t.Errorf("what was put last counts for less: %d", value)
	}
	recent.Delete("98")
	if recent.Has("98") || !recent.Has("99") {
		t.Error("another was deleted")
	}
	recent.Put("last", 1)
	recent.Turn()
	if !recent.Has("last") {
		t.Error("one turn forgets what was put just before it")
	}
	recent.Turn()
	if recent.Len() != 0 {
		t.Error("two turns leave something")
	}
}

// TestZeroRecent remembers as much as a cache.
func TestZeroRecent(t *testing.T) {
	t.Parallel()
	var recent cache.Recent[struct{}]
	for i := range 3 * cache.Limit {
		recent.Put(strconv.Itoa(i), struct{}{})
	}
	if !recent.Has(strconv.Itoa(2*cache.Limit)) || recent.Len() > 2*cache.Limit {
		t.Errorf("%d are remembered", recent.Len())
	}
}
