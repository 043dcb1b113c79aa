package main

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bar-tech/cognito"
	"github.com/bar-tech/cognito/cognitotest"
)

// TestYourSessions: alice is signed in at two browsers, sees both, ends the other one,
// and then all. Bob cannot end hers.
func TestYourSessions(t *testing.T) {
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	config := pool.Config()
	config.OnLogin = noteBrowser
	auth, err := cognito.NewAuth(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = auth.Close() })
	app := newApp(auth, settings{config: config})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }()
	t.Cleanup(func() {
		_ = app.Shutdown()
		<-served
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	home := "http://localhost:" + port
	pool.AllowOrigin(home)
	at := func(user, password string) *cognitotest.Browser {
		browser := pool.NewBrowser()
		if page := browser.Login(home+"/sessions", user, password); page.Status != http.StatusOK || !strings.Contains(page.Body, "this one") {
			t.Fatalf("the page shows %d %s", page.Status, page.Body)
		}
		return browser
	}
	idOf := func(browser *cognitotest.Browser) string { // of the session that is not this one
		for _, item := range strings.Split(browser.Get(home+"/sessions").Body, "<li>")[1:] {
			if _, rest, _ := strings.Cut(item, `name="id" value="`); !strings.Contains(item, "this one") {
				id, _, _ := strings.Cut(rest, `"`)
				return id
			}
		}
		return ""
	}
	mustBe := func(browser *cognitotest.Browser, sees string) {
		t.Helper()
		if page := browser.Get(home + "/"); !strings.Contains(page.Body, sees) {
			t.Errorf("the home page does not say %q but %s", sees, page.Body)
		}
	}

	here, there, bobs := at("alice", "wonderland"), at("alice", "wonderland"), at("bob", "builder")
	other := idOf(here)
	if page := bobs.Post(home+"/sessions/end", url.Values{"id": {other}}); page.Status != http.StatusOK {
		t.Errorf("bob is answered with %d", page.Status)
	}
	mustBe(there, "Alice Liddell")
	if page := here.Post(home+"/sessions/end", url.Values{"id": {other}}); !strings.HasSuffix(page.URL.Path, "/sessions") || strings.Count(page.Body, "<li>") != 1 {
		t.Errorf("after one has ended, %s shows %s", page.URL, page.Body)
	}
	mustBe(there, "You are not signed in")
	mustBe(here, "Alice Liddell")

	there = at("alice", "wonderland")
	here.Post(home+"/sessions/end-all", nil)
	mustBe(here, "You are not signed in")
	mustBe(there, "You are not signed in")
	mustBe(bobs, "Bob Builder")
}
