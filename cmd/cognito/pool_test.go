package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// program is a `cognito pool` that runs.
type program struct {
	t      *testing.T
	url    string
	client *http.Client
	out    *output
	end    func() int
}

// output is what a program has printed so far, and says when it is there.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	up   chan struct{}
	once sync.Once
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(b)
	if strings.Contains(o.text.String(), "Health:") {
		o.once.Do(func() { close(o.up) })
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// begin runs the command on a free port until the test ends.
func begin(t *testing.T, args ...string) *program {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out := &output{up: make(chan struct{})}
	ended := make(chan int, 1)
	go func() { ended <- servePool(ctx, append([]string{"-addr", "127.0.0.1:0"}, args...), out, out) }()
	select {
	case <-out.up:
	case status := <-ended:
		t.Fatalf("status %d: %s", status, out)
	}
	jar, _ := cookiejar.New(nil)
	p := &program{t: t, out: out, client: &http.Client{Jar: jar, Transport: &http.Transport{}}}
	p.url = regexp.MustCompile(`COGNITO_USER_POOL_DOMAIN=(\S+)`).FindStringSubmatch(out.String())[1]
	p.end = sync.OnceValue(func() int { stop(); p.client.CloseIdleConnections(); return <-ended })
	t.Cleanup(func() { p.end() })
	return p
}

// ask sends a request with headers in pairs.
func (p *program) ask(method, path, body string, headers ...string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		}
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback  = "http://localhost:3000/login/redirect"
)

// login signs a user in on the page and trades the code.
func (p *program) login(username, password string) map[string]any {
	p.t.Helper()
	query := url.Values{
		"response_type": {"code"}, "client_id": {"1example23456789"}, "redirect_uri": {callback}, "state": {"s"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	var landed *url.URL
	p.client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "localhost:3000" {
			landed = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	_, page := p.ask("GET", "/oauth2/authorize?"+query.Encode(), "")
	hidden := func(name string) string {
		found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(page)
		if found == nil {
			p.t.Fatalf("no %s in %s", name, page)
		}
		return found[1]
	}
	form := url.Values{"_csrf": {hidden("_csrf")}, "attempt": {hidden("attempt")}, "username": {username}, "password": {password}}
	p.ask("POST", "/login?"+query.Encode(), form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if landed == nil {
		p.t.Fatal("the login did not come back")
	}
	status, tokens := p.token(url.Values{"grant_type": {"authorization_code"}, "code": {landed.Query().Get("code")},
		"redirect_uri": {callback}, "code_verifier": {verifier}})
	if status != http.StatusOK {
		p.t.Fatalf("status %d, %v", status, tokens)
	}
	return tokens
}

// token asks the token endpoint as the first client.
func (p *program) token(form url.Values) (int, map[string]any) {
	p.t.Helper()
	form.Set("client_id", "1example23456789")
	status, text := p.ask("POST", "/oauth2/token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	var members map[string]any
	_ = json.Unmarshal([]byte(text), &members)
	return status, members
}

func TestALoginWithNothingButDefaults(t *testing.T) {
	t.Parallel()
	p := begin(t)
	if tokens := p.login("alice", "wonderland"); tokens["refresh_token"] == nil {
		t.Errorf("tokens are %v", tokens)
	}
	if status, text := p.ask("GET", "/health", ""); status != http.StatusOK || !strings.Contains(text, "ok") {
		t.Errorf("health is %d %s", status, text)
	}
	if status := p.end(); status != 0 {
		t.Errorf("the end has status %d", status)
	}
}

func TestTLSWithTheWrittenCertificate(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	p := begin(t, "-ca", ca)
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(text) {
		t.Fatal("no certificate was written")
	}
	if !strings.HasPrefix(p.url, "https://") {
		t.Fatalf("the pool is at %s", p.url)
	}
	p.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	p.login("alice", "wonderland")
}

// TestTLSUnderAPlainURL: every address that the pool prints and redirects to would be dead.
func TestTLSUnderAPlainURL(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pool.json")
	if err := os.WriteFile(file, []byte(`{"url": "http://localhost:9"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-url", "http://localhost:9"}, {"-config", file}} {
		var out bytes.Buffer
		ended, end := context.WithCancel(t.Context())
		end()
		if status := servePool(ended, append(args, "-tls", "-addr", "127.0.0.1:0"), &out, &out); status != 1 || !strings.Contains(out.String(), "write https") {
			t.Errorf("%q: status %d, %s", args, status, &out)
		}
	}
	begin(t, "-tls", "-url", "https://localhost:9")
}

func TestOnlyThisMachineUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "example.com:0"} {
		var out bytes.Buffer
		if status := run([]string{"pool", "-addr", addr}, &out, &out); status != 1 || !strings.Contains(out.String(), "-open") {
			t.Errorf("%s: status %d, %s", addr, status, &out)
		}
	}
	p := begin(t, "-addr", "0.0.0.0:0", "-open", "-url", "http://localhost:9")
	if !strings.Contains(p.out.String(), "WARNING") {
		t.Errorf("no warning in %s", p.out)
	}
}

func TestSettingsNameLineAndField(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, want string }{
		{"{\n\"nmae\": \"x\"}", "line 2: nmae: unknown field"},
		{"{\n\"Name\": \"x\"}", "line 2: Name: unknown field"},
		{"{\n\n\"users\": [{\n\"username\": 7}]}", "line 4: users[0].username: is 7, want a text"},
		{"{\"clients\": [\n{\"id\": \"a\",\n\"accessTokenLifetime\": \"soon\"}]}", "line 3: clients[0].accessTokenLifetime"},
		{"{\"clients\": [\n{\"id\": \"a\",\n\"rotationGrace\": 60}]}", "line 3: clients[0].rotationGrace"},
		{"{\"clients\": [\n{}]}", "line 2: clients[0].id"},
		{"{\"clients\": [{\"id\":\"a\"},\n{\"id\":\"a\"}]}", "line 2: clients[1].id"},
		{"{\"clients\": [{\"id\":\"a\",\"callbackUrls\": [\n\"/cb\"]}]}", "line 2: clients[0].callbackUrls[0]"},
		{"{\"clients\": [{\"id\":\"a\",\"logoutUrls\": [\n\"http://localhost:3000/#\"]}]}", "line 2: clients[0].logoutUrls[0]"},
		{"{\"clients\": [{\"id\":\"a\",\"grants\": [\n\"password\"]}]}", "line 2: clients[0].grants[0]"},
		{"{\n\"url\": \"http://a/b\"}", "line 2: url"},
		{"{\n\"poolId\": \"pool\"}", "line 2: poolId"},
		{"{\n\"issuer\": \"https://a/b\"}", "line 2: issuer"},
		{"{\n\"invalidClientStatus\": 403}", "line 2: invalidClientStatus"},
		{"{\n\"registrationScopes\": [\"a/b\"]}", "line 2: registrationScopes"},
		{"{\"classicUi\": true,\n\"unstyled\": true}", "line 2: unstyled"},
		{"{\"classicUi\": true,\n\"levels\": true}", "line 2: levels"},
		{"{\"clients\": [{\"id\":\"a\",\n\"secondSecret\": \"b\"}]}", "line 2: clients[0].secondSecret"},
		{"{\"clients\": [{\"id\":\"a\",\"secret\":\"b\",\n\"secondSecret\": \"b\"}]}", "line 2: clients[0].secondSecret"},
		{"{\"providers\": [\n{\"name\": \"COGNITO\"}]}", "line 2: providers[0].name"},
		{"{\"providers\": [{\"name\": \"A\"},\n{\"name\": \"A\"}]}", "line 2: providers[1].name"},
		{"{\"providers\": [\n{\"name\": \"a/b\"}]}", "line 2: providers[0].name"},
		{"{\"providers\": [{\"name\": \"A\",\n\"type\": \"LDAP\"}]}", "line 2: providers[0].type"},
		{"{\"providers\": [{\"name\": \"A\",\n\"singleLogout\": true}]}", "line 2: providers[0].singleLogout"},
		{"{\"providers\": [{\"name\": \"A\",\n\"unsolicited\": true}]}", "line 2: providers[0].unsolicited"},
		{"{\"providers\": [{\"name\": \"A\", \"users\": [\n{\"password\": \"x\"}]}]}", "line 2: providers[0].users[0].id"},
		{"{\"providers\": [{\"name\": \"A\", \"users\": [{\"id\": \"x\", \"password\": \"x\"},\n{\"id\": \"x\", \"password\": \"x\"}]}]}", "line 2: providers[0].users[1].id"},
		{"{\"providers\": [{\"name\": \"A\", \"users\": [\n{\"id\": \"x\"}]}]}", "line 2: providers[0].users[0].password"},
		{"{\"clients\": [{\"id\": \"a\", \"supportedIdentityProviders\": [\"COGNITO\",\n\"Okta\"]}]}", "line 2: clients[0].supportedIdentityProviders[1]"},
		{"{\n\"name\": null}", "line 2: name"},
		{"{\"name\": \"a\",\n\"name\": \"b\"}", "line 2: name: is given twice"},
		{"{\"users\": [{\"username\":\"Al\"},\n{\"username\":\"al\"}]}", "line 2: users[1].username"},
		{"{\n\"name\": }", "line 2: "},
		{"{\n\"name\": \"a\"", "line 2: unexpected EOF"},
		{"{}\n{}", "line 2: "},
		{"\n[]", "line 2: the whole text: is a list, want an object"},
	} {
		if _, err := readPoolFile([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s\nsays %v, want %s", test.text, err, test.want)
		}
	}
	if _, err := readPoolFile([]byte("{\n\"a\": 1,\n\"b\": 2}")); err == nil || strings.Count(err.Error(), "line ") != 2 {
		t.Errorf("two mistakes give %v", err)
	}
}

// TestHelp: who asks for help gets it, and no error.
func TestHelp(t *testing.T) {
	for _, word := range []string{"-h", "--help", "help"} {
		var stdout, stderr bytes.Buffer
		if status := run([]string{word}, &stdout, &stderr); status != 0 || stderr.Len() > 0 || !strings.Contains(stdout.String(), "doctor") {
			t.Errorf("%s ends with %d: %s%s", word, status, &stdout, &stderr)
		}
	}
}

// TestPoolKnowsTheManualsApp: the README's app, pasted, signs in at a pool without settings.
func TestPoolKnowsTheManualsApp(t *testing.T) {
	p := begin(t)
	for _, address := range []string{"http://localhost:3000/login/redirect", "http://localhost:8021/login/redirect"} {
		if !strings.Contains(p.out.String(), "# callback "+address+"\n") {
			t.Errorf("no callback %s in %s", address, p.out)
		}
	}
}
