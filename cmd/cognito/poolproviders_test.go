package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestAProviderOfTheFile: whoever starts the pool reads who can sign in at its providers,
// the login page leads there, and the control API has one fail, once.
func TestAProviderOfTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pool.json")
	text := `{"providers": [{"name": "Okta", "users": [{"id": "carol", "password": "lutwidge"}]}]}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := begin(t, "-control", "-config", path)
	if said := p.out.String(); !strings.Contains(said, "Users at Okta (ID / password):\n  carol / lutwidge\n") {
		t.Errorf("it says %s", said)
	}
	fail := func(provider string) (int, string) {
		return p.ask("POST", "/_control/failures", `{"provider":"`+provider+`","description":"Read timed out"}`, asJSON, jsonType)
	}
	if status, told := fail("Google"); status != http.StatusBadRequest || !strings.Contains(told, "Okta") {
		t.Errorf("a provider that it does not have: %d %s", status, told)
	}
	if status, told := fail("Okta"); status != http.StatusNoContent {
		t.Errorf("failing Okta: %d %s", status, told)
	}
	if q := p.signInAt("Okta", "carol", "lutwidge"); q.Get("error_description") != "Read timed out" || q.Has("code") {
		t.Errorf("the provider that fails answers %v", q)
	}
	if q := p.signInAt("Okta", "carol", "lutwidge"); !q.Has("code") || q.Get("state") != "s" {
		t.Errorf("the provider answers %v", q)
	}
}

// signInAt signs in at a provider, and returns what the application gets.
func (p *program) signInAt(provider, id, password string) (answer url.Values) {
	p.t.Helper()
	p.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			answer = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}
	transport := p.client.Transport
	defer func() { p.client.CheckRedirect, p.client.Transport = nil, transport }()
	start := "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"1example23456789"}, "redirect_uri": {callback}, "state": {"s"},
		"identity_provider": {provider}, "prompt": {"login"},
	}.Encode()
	var page *url.URL
	p.client.Transport = seeing{transport, func(r *http.Request) { page = r.URL }}
	_, form := p.ask("GET", start, "")
	csrf := regexp.MustCompile(`name="_csrf" value="([^"]+)"`).FindStringSubmatch(form)
	if csrf == nil {
		p.t.Fatalf("there is no form at %s: %s", page, form)
	}
	sent, err := p.client.PostForm(page.String(), url.Values{"_csrf": {csrf[1]}, "username": {id}, "password": {password}})
	if err != nil {
		p.t.Fatal(err)
	}
	_ = sent.Body.Close()
	return answer
}

// seeing tells of every request.
type seeing struct {
	http.RoundTripper
	tell func(*http.Request)
}

func (s seeing) RoundTrip(r *http.Request) (*http.Response, error) {
	s.tell(r)
	return s.RoundTripper.RoundTrip(r)
}

// TestAFederatedUserIsKept: whoever comes from a provider for the first time is in the
// state file before the application has traded the code.
func TestAFederatedUserIsKept(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	settings, state := filepath.Join(folder, "pool.json"), filepath.Join(folder, "pool.state")
	text := `{"providers": [{"name": "Okta", "users": [{"id": "carol", "password": "lutwidge"}]}]}`
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := begin(t, "-config", settings, "-state", state)
	p.signInAt("Okta", "carol", "lutwidge")
	if kept, err := os.ReadFile(state); err != nil || !strings.Contains(string(kept), `"Okta_carol"`) {
		t.Errorf("the file is %.300s, %v", kept, err)
	}
}
