package engine

import (
	"fmt"
	"testing"
)

// TestEndings: sessions that wait to be ended are noted once each. Strangers
// cannot take the room of those that were seen, nor those without bound that of
// the process, and whoever is done makes room.
func TestEndings(t *testing.T) {
	var e pendingLogouts
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
