package e2e

import (
	"strings"
	"testing"
)

// TestSessionsPage looks at *Your sessions* and ends the session of another browser
// there, by its button.
func TestSessionsPage(t *testing.T) {
	pool := startPool(t)
	e := startExample(t, settingsOf(pool))
	pool.AllowOrigin(e.url)
	other := pool.NewBrowser()
	other.Login(e.url+"/me", "alice", "wonderland")
	mustBeAlice(t, other, e.url)

	tab := openBrowser(t).tab()
	tab.open(e.url + "/sessions")
	tab.signIn("alice", "wonderland")
	tab.mustBeAt(e.url+"/sessions", "this one")
	shootAll(tab, "sessions")
	tab.follow(`li:not(:has(.tag)) button`)
	eventually(t, "one session is left", func() bool { return strings.Count(tab.text(), "last seen") == 1 })
	if page := other.Get(e.url + "/"); !strings.Contains(page.Body, "You are not signed in") {
		t.Errorf("the other browser sees %s", page.Body)
	}
	tab.follow(`form[action="/sessions/end-all"] button`)
	eventually(t, "nobody is signed in", func() bool { return strings.Contains(tab.text(), "You are not signed in") })
}
