package attacks_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/internal/lab"
)

// TestForgeryInTheLog: a page of another site writes with the visitor's cookie. The log
// tells an operator whose own page it was what to set, and no more of the sender than a
// bounded origin: a Referer's query may be anybody's secret.
func TestForgeryInTheLog(t *testing.T) {
	t.Parallel()
	var log eventLog
	s := lab.Serve(t, log.hook)
	cookie := mustSignIn(t, "alice", s.Finish(lab.Halfway(s, "alice")))
	log.take()
	for _, path := range []string{"/me", "/token/refresh", "/logout"} {
		header := lab.AsPageWith(map[string]string{
			"Sec-Fetch-Site": "cross-site", "Origin": "https://www.example.com", "Referer": "https://www.example.com/x?token=hunter2",
		})
		s.Send(lab.Request{Method: "POST", Path: path, Cookies: []*http.Cookie{cookie}, Header: header})
		event := log.mustTell(t, path)
		text := event.Err.Error()
		for _, want := range []string{`Origin "https://www.example.com"`, `Referer at "https://www.example.com"`, "AllowedOrigins", "set BaseURL", s.URL} {
			if event.Reason != "cross_origin" || !strings.Contains(text, want) {
				t.Errorf("%s is logged as %s: %s, without %s", path, event.Reason, text, want)
			}
		}
		if strings.Contains(text, "hunter2") {
			t.Errorf("the log repeats the query: %s", text)
		}
	}
	ugly := "\u202e" + strings.Repeat("x", 3000)
	s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{cookie}, Header: map[string]string{"Origin": ugly, "Sec-Fetch-Site": ugly}})
	if text := log.mustTell(t, "an ugly origin").Err.Error(); len(text) > 700 || strings.Contains(text, "\u202e") {
		t.Errorf("the log repeats %d bytes: %s", len(text), text)
	}
	honest := s.Send(lab.Request{Method: "POST", Path: "/me", Cookies: []*http.Cookie{cookie}, Header: lab.From("same-origin", s.URL)})
	if honest.StatusCode == http.StatusForbidden {
		t.Errorf("the app's own page is answered %s", lab.StatusLine(honest))
	}
}
