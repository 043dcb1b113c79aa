package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestASignInOutlivesTheProgram: users of the control API, keys and refresh tokens are
// there after a restart, and a sign-in that was ended stays so.
func TestASignInOutlivesTheProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pool.state")
	const keys = "/" + defaultPoolID + "/.well-known/jwks.json"
	first := begin(t, "-state", file, "-control")
	first.ask("POST", "/_control/users", `{"username":"carol","password":"sesame"}`, asJSON, jsonType)
	kept, ended := first.login("carol", "sesame"), begin(t).login("alice", "wonderland")
	_, published := first.ask("GET", keys, "")
	if status := first.end(); status != 0 {
		t.Fatalf("status %d: %s", status, first.out)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state file is %v, %v", info, err)
	}

	second := begin(t, "-state", file, "-control")
	if _, text := second.ask("GET", keys, ""); text != published {
		t.Errorf("the keys are %s, want %s", text, published)
	}
	refresh := func(p *program, tokens map[string]any) int {
		status, _ := p.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}})
		return status
	}
	if status := refresh(second, kept); status != 200 {
		t.Errorf("a refresh after the restart has status %d", status)
	}
	if status := refresh(second, ended); status != 400 {
		t.Errorf("the refresh token of another pool has status %d", status)
	}
	second.ask("POST", "/_control/users/carol/revoke", `{}`, asJSON, jsonType)
	second.end()
	if status := refresh(begin(t, "-state", file), kept); status != 400 {
		t.Errorf("a revoked sign-in is good again after a restart: status %d", status)
	}
}

// TestAChangeOfADefaultUserOutlivesTheProgram: without a settings file, the first users and the
// first client are there to begin with, and do not come back as they were at every start. A
// reset brings them back.
func TestAChangeOfADefaultUserOutlivesTheProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pool.state")
	const client = `{"id":"1example23456789","callbackUrls":["` + callback + `"],"logoutUrls":["http://localhost:3000/bye"]}`
	const signOut = "/logout?client_id=1example23456789&logout_uri=http%3A%2F%2Flocalhost%3A3000%2Fbye"
	first := begin(t, "-state", file, "-control")
	first.ask("POST", "/_control/users", `{"username":"alice","password":"another"}`, asJSON, jsonType)
	first.ask("DELETE", "/_control/users/bob", "")
	first.ask("POST", "/_control/clients", client, asJSON, jsonType)
	first.end()

	second := begin(t, "-state", file, "-control")
	second.login("alice", "another")
	_, state := second.ask("GET", "/_control/state", "")
	if strings.Contains(state, `"bob"`) || strings.Count(state, `"username"`) != 1 {
		t.Errorf("after the restart the state is %s", state)
	}
	second.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if _, text := second.ask("GET", signOut, ""); !strings.Contains(text, "localhost:3000/bye") {
		t.Errorf("the client has forgotten its sign-out URL: %s", text)
	}
	second.ask("POST", "/_control/reset", `{}`, asJSON, jsonType)
	second.end()
	begin(t, "-state", file).login("bob", "builder")
}

// TestSettingsOverrideTheState: whom the settings file names is as it says, whatever the state
// file has kept. Others are as they were.
func TestSettingsOverrideTheState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state, settings := filepath.Join(dir, "pool.state"), filepath.Join(dir, "pool.json")
	write := func(password, name string) {
		text := `{"users":[{"username":"alice","password":"` + password + `"}],"clients":[{"id":"1example23456789","callbackUrls":["` + callback + `"],"logoutUrls":["http://localhost:3000/` + name + `"]}]}`
		if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first", "first")
	first := begin(t, "-config", settings, "-state", state, "-control")
	first.ask("POST", "/_control/users", `{"username":"carol","password":"sesame"}`, asJSON, jsonType)
	first.end()
	write("second", "second")
	second := begin(t, "-config", settings, "-state", state)
	second.login("alice", "second")
	second.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, name := range []string{"first", "second"} {
		if got, text := second.ask("GET", "/logout?client_id=1example23456789&logout_uri=http%3A%2F%2Flocalhost%3A3000%2F"+name, ""); strings.Contains(text, "localhost:3000/"+name) != (name == "second") {
			t.Errorf("a sign-out to %s is answered %d %s", name, got, text)
		}
	}
	second.end()
	begin(t, "-config", settings, "-state", state).login("carol", "sesame")
}

func TestAStateFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pool.state")
	for _, text := range []string{"", "{}", `{"PoolID":"us-east-1_LocalPool"}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var out output
		if status := run([]string{"pool", "-addr", "127.0.0.1:0", "-state", file}, &out, &out); status != 1 || !strings.Contains(out.String(), file) {
			t.Errorf("%q: status %d, %s", text, status, out.String())
		}
	}
}
