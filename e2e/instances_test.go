package e2e

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/bar-tech/cognito/cognitotest"
	"github.com/bar-tech/cognito/e2e/internal/machine"
)

// pool is a user pool outside of the example's process.
func startPool(t *testing.T) *cognitotest.Pool {
	t.Helper()
	pool := cognitotest.New(cognitotest.Options{})
	t.Cleanup(pool.Close)
	return pool
}

// settingsOf are the example's settings for such a pool.
func settingsOf(pool *cognitotest.Pool) map[string]string {
	config := pool.Config()
	return map[string]string{
		"COGNITO_USER_POOL_DOMAIN": config.UserPoolDomain,
		"COGNITO_CLIENT_ID":        config.ClientID,
		"COGNITO_USER_POOL_ID":     config.UserPoolID,
		"COGNITO_ISSUER":           config.Issuer,
	}
}

// TestInstancesShareSessions runs two processes of the example over one Redis,
// as behind a load balancer: a session of one is known to the other, outlives
// the death of the process that began it, and ends everywhere at once.
func TestInstancesShareSessions(t *testing.T) {
	pool := startPool(t)
	settings := settingsOf(pool)
	settings["REDIS_URL"] = machine.StartRedis(t).URL()
	settings["COGNITO_KEYS"] = "vXq3tJ0m5Z3rT7wY1uB6nL9cE4sD0fGh"
	start := func() *example {
		instance := startExample(t, settings)
		pool.AllowOrigin(instance.url)
		return instance
	}
	one, two := start(), start()
	// Cookies do not tell ports apart, so one jar visits all instances.
	s := &site{T: t, pool: pool, url: one.url}
	visitor := s.visitor()
	s.logIn(visitor)
	cookie := s.sessionCookie(visitor)
	logins := pool.Calls(cognitotest.Authorization)
	mustBeAlice(t, visitor, two.url)

	if err := one.signal(syscall.SIGKILL); err == nil {
		t.Error("the killed instance ended well")
	}
	mustBeAlice(t, visitor, two.url)
	three := start()
	mustBeAlice(t, visitor, three.url)
	if pool.Calls(cognitotest.Authorization) != logins {
		t.Error("moving between instances took a login")
	}

	if page := visitor.Post(two.url+"/logout", nil); !strings.Contains(page.Body, "You are not signed in") {
		t.Errorf("the logout ends on %s with %d", page.URL, page.Status)
	}
	for _, instance := range []*example{two, three} {
		if status := scriptStatus(t, instance.url+"/me", cookie); status != http.StatusUnauthorized {
			t.Errorf("after the logout a copied cookie gets %d, want 401", status)
		}
	}
	s.url = three.url
	s.logIn(visitor)
	mustBeAlice(t, visitor, two.url)
}

func mustBeAlice(t *testing.T, visitor *cognitotest.Browser, address string) {
	t.Helper()
	page := visitor.Get(address + "/me")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, `"email":"alice@example.com"`) {
		t.Errorf("%s says %d: %s (%v)", page.URL, page.Status, page.Body, page.Err)
	}
}

// TestExampleStopsOnSignals stops the example by each of the signals that mean
// "please", while a browser keeps its connection open and has opened a spare
// one, on which it has asked for nothing yet.
func TestExampleStopsOnSignals(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			pool := startPool(t)
			e := startExample(t, nil)
			visitor := pool.NewBrowser()
			if page := visitor.Get(e.url + "/"); page.Status != http.StatusOK {
				t.Fatalf("the home page answers %d (%v)", page.Status, page.Err)
			}
			spare, err := net.Dial("tcp", strings.Replace(e.url, "http://localhost", "127.0.0.1", 1))
			if err != nil {
				t.Fatal(err)
			}
			defer spare.Close()
			e.stop(signal)
			if page := visitor.Get(e.url + "/"); page.Err == nil {
				t.Error("the stopped example still answers")
			}
		})
	}
}

// TestExampleRefusesBadSettings starts the example as a newcomer with a typing
// error does. It must end with status 1 and say what to change, in words and
// not in a stack trace.
func TestExampleRefusesBadSettings(t *testing.T) {
	complete := settingsOf(startPool(t))
	with := func(name, value string) map[string]string {
		changed := map[string]string{}
		for n, v := range complete {
			changed[n] = v
		}
		changed[name] = value
		return changed
	}
	tests := []struct {
		name     string
		settings map[string]string
		says     []string
	}{
		{"one of three", map[string]string{"COGNITO_CLIENT_ID": "1example23456789"}, []string{`COGNITO_USER_POOL_DOMAIN "": is required`, `COGNITO_USER_POOL_ID "": is required`}},
		{"secret only", map[string]string{"COGNITO_CLIENT_SECRET": "hunter2"}, []string{`COGNITO_CLIENT_ID "": is required`}},
		{"pool id of another shape", with("COGNITO_USER_POOL_ID", "pool"), []string{`COGNITO_USER_POOL_ID "pool"`, "Overview"}},
		{"http domain", with("COGNITO_USER_POOL_DOMAIN", "http://auth.example.com"), []string{"COGNITO_USER_POOL_DOMAIN", "https"}},
		{"Redis is down", map[string]string{"REDIS_URL": "redis://:hunter2@127.0.0.1:1/0", "ADDR": "127.0.0.1:0"}, []string{"no Redis answers at 127.0.0.1:1"}},
		{"no such address", map[string]string{"ADDR": "nowhere"}, []string{"ADDR", "nowhere"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			command := exampleCommand(t, tt.settings)
			var stderr bytes.Buffer
			command.Stderr = &stderr
			err := command.Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("it ends with %v, want status 1", err)
			}
			for _, text := range tt.says {
				if !strings.Contains(stderr.String(), text) {
					t.Errorf("it does not say %q but:\n%s", text, &stderr)
				}
			}
			for _, text := range []string{"goroutine ", "panic", "hunter2"} {
				if strings.Contains(stderr.String(), text) {
					t.Errorf("it says %q:\n%s", text, &stderr)
				}
			}
		})
	}
}
