package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/cognitotest/userpool"
)

// TestAMachineOfTheNetworkControlsThePool: one that listens for others answers the
// control API to this machine alone, whatever Host a stranger claims.
func TestAMachineOfTheNetworkControlsThePool(t *testing.T) {
	t.Parallel()
	pool := userpool.New(userpool.Options{})
	defer pool.Close()
	c := &control{pool: pool}
	for from, welcome := range map[string]bool{
		"192.0.2.7:40000": false, "[2001:db8::7]:40000": false, "": false,
		"127.0.0.1:40000": true, "[::1]:40000": true,
	} {
		request := httptest.NewRequest("GET", "http://localhost/_control/state", nil)
		request.RemoteAddr = from
		if err := c.judge(request); (err == nil) != welcome {
			t.Errorf("from %q: %v", from, err)
		}
	}
}

// TestAPageThatFramesTheButtons: a visitor of another site would click them unawares.
func TestAPageThatFramesTheButtons(t *testing.T) {
	t.Parallel()
	recorder := httptest.NewRecorder()
	servePoolPage(recorder, nil)
	if got := recorder.Header().Get("X-Frame-Options"); got != "DENY" {
		t.Errorf("X-Frame-Options is %q", got)
	}
}

const asJSON, jsonType = "Content-Type", "application/json"

func TestControlIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	if status, _ := begin(t).ask("GET", "/_control/state", ""); status != http.StatusNotFound {
		t.Errorf("status %d", status)
	}
}

// TestAPageOfAnotherSiteControlsThePool: it is open in the developer's own browser.
func TestAPageOfAnotherSiteControlsThePool(t *testing.T) {
	t.Parallel()
	p := begin(t, "-control")
	const clock, hour = "/_control/clock", `{"advance":"1h"}`
	for name, test := range map[string]struct {
		headers []string
		want    int
	}{
		"a form":                  {[]string{asJSON, "text/plain"}, http.StatusUnsupportedMediaType},
		"a script":                {[]string{asJSON, jsonType, "Origin", "https://evil.example"}, http.StatusForbidden},
		"a sandboxed frame":       {[]string{asJSON, jsonType, "Origin", "null"}, http.StatusForbidden},
		"another port":            {[]string{asJSON, jsonType, "Origin", "http://127.0.0.1:1"}, http.StatusForbidden},
		"a browser's own word":    {[]string{asJSON, jsonType, "Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"DNS rebinding":           {[]string{asJSON, jsonType, "Host", "evil.example"}, http.StatusForbidden},
		"rebinding, same origin":  {[]string{asJSON, jsonType, "Host", "evil.example", "Origin", "http://evil.example"}, http.StatusForbidden},
		"localhost in a name":     {[]string{asJSON, jsonType, "Host", "localhost.evil.example"}, http.StatusForbidden},
		"the page of the pool":    {[]string{asJSON, jsonType, "Origin", p.url, "Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		"a program, by localhost": {[]string{asJSON, jsonType, "Host", "localhost:1"}, http.StatusOK},
	} {
		if status, text := p.ask("POST", clock, hour, test.headers...); status != test.want {
			t.Errorf("%s: status %d, want %d: %s", name, status, test.want, text)
		}
	}
	if status, _ := p.ask("GET", "/_control/state", "", "Host", "evil.example"); status != http.StatusForbidden {
		t.Errorf("reading by rebinding has status %d", status)
	}
}

func TestControlWithoutTheToken(t *testing.T) {
	t.Setenv("POOL_TOKEN", "opensesame")
	p := begin(t, "-control")
	for given, want := range map[string]int{
		"": http.StatusUnauthorized, "Bearer ": http.StatusUnauthorized, "Bearer open": http.StatusUnauthorized,
		"Bearer opensesame": http.StatusOK,
	} {
		if status, _ := p.ask("GET", "/_control/state", "", "Authorization", given); status != want {
			t.Errorf("%q: status %d, want %d", given, status, want)
		}
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	p := begin(t, "-control")
	do := func(method, path, body string, want int) string {
		t.Helper()
		status, text := p.ask(method, "/_control/"+path, body, asJSON, jsonType)
		if status != want {
			t.Errorf("%s %s: status %d, want %d: %s", method, path, status, want, text)
		}
		return text
	}
	do("POST", "users", `{"username":"carol","password":"sesame","groups":["admin"]}`, 204)
	tokens := p.login("carol", "sesame")
	refresh := func(want int) {
		t.Helper()
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}
		if status, answer := p.token(form); status != want {
			t.Errorf("a refresh has status %d, want %d: %v", status, want, answer)
		}
	}
	refresh(200)
	do("POST", "faults", `{"endpoint":"token","status":503,"times":1}`, 204)
	refresh(503)
	do("POST", "faults", `{"endpoint":"token","status":502,"grantType":"refresh_token"}`, 204)
	refresh(502)
	do("DELETE", "faults", "", 204)
	refresh(200)
	do("PUT", "users/carol/groups", `{"groups":["staff"]}`, 204)
	if state := do("GET", "state", "", 200); !strings.Contains(state, `"staff"`) || strings.Contains(state, "sesame") {
		t.Errorf("state is %s", state)
	}
	do("POST", "keys/rotate", `{}`, 204)
	do("POST", "users/carol/revoke", `{}`, 204)
	refresh(400)
	seen := do("GET", "requests", "", 200)
	if !strings.Contains(seen, `"grant_type":"refresh_token"`) || strings.Contains(seen, tokens["refresh_token"].(string)) || strings.Contains(seen, "sesame") {
		t.Errorf("requests are %s", seen)
	}
	do("POST", "clients", `{"id":"another"}`, 204)
	do("POST", "faults", `{"endpoint":"idp","status":503}`, 204)
	do("POST", "reset", `{}`, 204)
	if state := do("GET", "state", "", 200); strings.Contains(state, "another") {
		t.Errorf("after a reset the state is %s", state)
	}
	do("DELETE", "users/carol", "", 404)
	do("POST", "users", `{"usernaem":"x"}`, 400)
	do("POST", "clients", `{"id":"x","callbackUrls":["/cb"]}`, 400)
	do("POST", "clients", `{"id":"x","callbackUrls":["http://localhost:3000/#"]}`, 400)
	do("POST", "clients", `{"id":"x","supportedIdentityProviders":["COGNITO"]}`, 204)
	if why := do("POST", "clients", "{\"id\":\"x\",\n\"supportedIdentityProviders\":[\"COGNITO\",\"Nobody\"]}", 400); !strings.Contains(why, "line 2: supportedIdentityProviders[1]") {
		t.Errorf("a provider that the pool does not have is refused with %s", why)
	}
	do("POST", "faults", `{"endpoint":"everything"}`, 400)
	if status, page := p.ask("GET", "/", ""); status != 200 || !strings.Contains(page, "<title>User pool</title>") {
		t.Errorf("the page has status %d", status)
	}
}

// TestControlTellsTheConfirmationCode: no e-mail brings it, and an application in another
// language has nowhere else to look.
func TestControlTellsTheConfirmationCode(t *testing.T) {
	t.Parallel()
	p := begin(t, "-control")
	api := func(operation, body string) {
		t.Helper()
		status, text := p.ask("POST", "/", body, asJSON, "application/x-amz-json-1.1", "X-Amz-Target", "AWSCognitoIdentityProviderService."+operation)
		if status != http.StatusOK {
			t.Errorf("%s: status %d: %s", operation, status, text)
		}
	}
	api("SignUp", `{"ClientId":"1example23456789","Username":"carol","Password":"sesame"}`)
	_, state := p.ask("GET", "/_control/state", "")
	codes := regexp.MustCompile(`"confirmationCode":"(\d{6})"`).FindAllStringSubmatch(state, -1)
	if len(codes) != 1 {
		t.Fatalf("the state is %s", state)
	}
	api("ConfirmSignUp", `{"ClientId":"1example23456789","Username":"carol","ConfirmationCode":"`+codes[0][1]+`"}`)
	p.login("carol", "sesame")
	if _, state := p.ask("GET", "/_control/state", ""); strings.Contains(state, "confirmationCode") {
		t.Errorf("afterwards the state is %s", state)
	}
}

// TestControlKnowsTheEndpoints: what the pool can be asked can be broken, and is counted.
func TestControlKnowsTheEndpoints(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../cognitotest/userpool/requests.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`Endpoint = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(declared) != len(endpoints) {
		t.Errorf("the control API knows %d endpoints, and the pool %d", len(endpoints), len(declared))
	}
	for _, found := range declared {
		if !slices.Contains(endpoints, userpool.Endpoint(found[1])) {
			t.Errorf("the control API does not know %q", found[1])
		}
	}
}
