package drive

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// marionette is a session with Firefox: messages of JSON on a TCP connection, each
// behind its length and a colon.
type marionette struct {
	connection net.Conn
	reader     *bufio.Reader
	last       int // number of the last message
}

func (m *marionette) send(c command, p parameters) (json.RawMessage, error) {
	m.last++
	text, err := json.Marshal([]any{0, m.last, "WebDriver:" + c.name, p})
	if err != nil {
		return nil, err
	}
	_ = m.connection.SetDeadline(time.Now().Add(2 * patience))
	if _, err := fmt.Fprintf(m.connection, "%d:%s", len(text), text); err != nil {
		return nil, err
	}
	answer, err := m.read()
	if err != nil {
		return nil, err
	}
	return result(answer)
}

// read reads one message.
func (m *marionette) read() ([]byte, error) {
	digits, err := m.reader.ReadString(':')
	if err != nil {
		return nil, err
	}
	length, err := strconv.Atoi(strings.TrimSuffix(digits, ":"))
	if err != nil {
		return nil, err
	}
	text := make([]byte, length)
	_, err = io.ReadFull(m.reader, text)
	return text, err
}

// result reads an answer: [1, number, error, result]. Results are in an object
// under "value" unless they are a list or an object of their own.
func result(text []byte) (json.RawMessage, error) {
	var parts [4]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, err
	}
	if failure := parts[2]; len(failure) > 0 && string(failure) != "null" {
		return nil, fmt.Errorf("%.300s", failure)
	}
	var wrapped struct{ Value json.RawMessage }
	if json.Unmarshal(parts[3], &wrapped) == nil && wrapped.Value != nil {
		return wrapped.Value, nil
	}
	return parts[3], nil
}

// firefoxPreferences make it quiet. The port 0 is one that it chooses, and writes
// into its profile.
const firefoxPreferences = `
user_pref("marionette.port", 0);
user_pref("app.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("datareporting.policy.firstRunURL", "");
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("signon.rememberSignons", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("extensions.update.enabled", false);
`

func startFirefox(t *testing.T) wire {
	t.Helper()
	program := Need(t, "firefox-esr", "firefox")
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o600); err != nil {
		t.Fatal(err)
	}
	firefox := exec.Command(program, "--headless", "--marionette", "--no-remote", "--profile", profile)
	firefox.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	Run(t, firefox)
	m := &marionette{connection: dial(t, "127.0.0.1:"+activePort(t, profile))}
	t.Cleanup(func() { _ = m.connection.Close() })
	m.reader = bufio.NewReader(m.connection)
	if _, err := m.read(); err != nil { // it introduces itself
		t.Fatal(err)
	}
	if _, err := m.send(command{name: "NewSession"}, parameters{"acceptInsecureCerts": true}); err != nil {
		t.Fatalf("Firefox begins no session: %v", err)
	}
	return m
}

// activePort waits for the port that Firefox writes down.
func activePort(t *testing.T, profile string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if port, err := os.ReadFile(filepath.Join(profile, "MarionetteActivePort")); err == nil && len(port) > 0 {
			return strings.TrimSpace(string(port))
		}
	}
	t.Fatal("Firefox does not say where it listens")
	return ""
}
