package faults_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/internal/lab"
)

// TestCallbackAtTwoInstances: a double click sends one callback to two instances at the
// same moment, and fiber.Storage has no way to get and delete at once. Cognito's code
// serves one of them; the other logs in once more without a word, and both land signed
// in where they were going.
func TestCallbackAtTwoInstances(t *testing.T) {
	t.Parallel()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	storage := lab.NewStore()
	a, b := lab.Pair(t, pool, storage)
	for _, meet := range []string{"get", "delete", ""} {
		for visitor := range 10 {
			p := lab.Halfway(a, "alice", fmt.Sprintf("return_to=/public%%3Fn=%d", visitor))
			if meet != "" {
				storage.Misbehave(bothAt(meet))
			}
			var answers [2]*lab.Answer
			var both sync.WaitGroup
			for i, s := range []*lab.Site{a, b} {
				both.Go(func() {
					answers[i], _ = s.TrySend(lab.Request{Path: p.Callback, Cookies: []*http.Cookie{p.Cookie}})
				})
			}
			both.Wait()
			storage.Misbehave(nil)
			for i, s := range []*lab.Site{a, b} {
				mustLand(t, s, answers[i], fmt.Sprintf("/public?n=%d", visitor))
			}
		}
	}
	a.SignIn("bob")
}

// bothAt holds the first two calls of a method for a login until both are there.
func bothAt(method string) func(lab.StoreCall) *lab.StoreFault {
	var mu sync.Mutex
	seen, met := 0, make(chan struct{})
	return func(call lab.StoreCall) *lab.StoreFault {
		if call.Method != method || !strings.HasPrefix(call.Key, "cognito_attempt_") {
			return nil
		}
		mu.Lock()
		if seen++; seen == 2 {
			close(met)
		}
		mu.Unlock()
		select {
		case <-met:
		case <-time.After(500 * time.Millisecond): // the other found nothing to delete
		}
		return nil
	}
}

// mustLand follows a callback's answer as a browser would, by way of another login
// if it comes to that.
func mustLand(t *testing.T, s *lab.Site, answer *lab.Answer, wanted string) {
	t.Helper()
	if answer == nil {
		t.Fatal("a callback got no answer")
	}
	if cookie := answer.Cookie(lab.IsLoginCookie); cookie != nil {
		query := answer.Target().Query()
		answer = s.Finish(lab.Answered(s, &lab.PendingLogin{State: query.Get("state"), Query: query, Cookie: cookie}, "alice"))
	}
	if answer.StatusCode != http.StatusFound || answer.Header.Get("Location") != wanted {
		t.Errorf("the visitor lands with %s at %q, want %s", lab.StatusLine(answer), answer.Header.Get("Location"), wanted)
	}
	s.MustBe("alice", answer.Cookie(lab.IsSessionCookie))
}
