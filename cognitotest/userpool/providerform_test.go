package userpool_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestBrowserLeavesImitationsAlone: a page elsewhere that looks like a provider's gets no
// password, and its form does not submit itself.
func TestBrowserLeavesImitationsAlone(t *testing.T) {
	t.Parallel()
	p := newFederation(t, userpool.Client{}, userpool.Options{})
	posted := 0
	id := "provider"
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			posted++
		}
		_, _ = io.WriteString(w, `<form id="`+id+`" method="post" action="/providers/Google"><input name="username"><input name="password"></form>`)
	}))
	defer elsewhere.Close()
	b := p.pool.NewBrowser()
	b.LoginAt("Google", elsewhere.URL+"/providers/Google", "123", "lutwidge")
	id = "onward"
	b.Get(elsewhere.URL + "/providers/Google")
	b.HTTPClient.CloseIdleConnections()
	if posted > 0 {
		t.Errorf("the imitation was sent %d forms", posted)
	}
	if page := b.LoginAt("Google", p.authorizeURL(at("Google")), "123", "lutwidge"); !page.URL.Query().Has("code") {
		t.Errorf("the honest page ends at %s", page.URL)
	}
}

// TestStateOfJSON: where a client has a choice of providers, a state that is JSON gets an empty 400; in base64, or
// without the choice, it comes back.
func TestStateOfJSON(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		state  string
		client userpool.Client
		status int
	}{
		{`{"a":1}`, userpool.Client{}, http.StatusBadRequest},
		{`{"a":1}`, userpool.Client{SupportedIdentityProviders: []string{"COGNITO"}}, http.StatusFound},
		{"eyJhIjoxfQ", userpool.Client{}, http.StatusFound},
	} {
		p := newFederation(t, row.client, userpool.Options{})
		a := p.get(p.authorizeURL(map[string]string{"state": row.state}), "")
		if a.status != row.status || a.status == http.StatusBadRequest && a.body != "" {
			t.Errorf("%s for %v: %d %s", row.state, row.client.SupportedIdentityProviders, a.status, a.body)
		}
	}
}
