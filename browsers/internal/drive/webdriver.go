package drive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/bar-tech/cognito/internal/freeport"
)

// webDriver is a session of W3C WebDriver over HTTP.
type webDriver struct {
	client  *http.Client
	session string // its address
}

func (w *webDriver) send(c command, p parameters) (json.RawMessage, error) {
	path := c.path
	if id, ok := p["id"].(string); ok {
		path = strings.Replace(path, "{id}", id, 1)
	}
	return w.request(c.method, w.session+path, p)
}

func (w *webDriver) request(method, address string, body any) (json.RawMessage, error) {
	var sent io.Reader
	if method == http.MethodPost {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, address, sent)
	if err != nil {
		return nil, err
	}
	response, err := w.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct{ Value json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s %s answers %s: %w", method, address, response.Status, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%.300s", answer.Value)
	}
	return answer.Value, nil
}

// startSession asks a driver that is being started for a browser.
func startSession(t *testing.T, port string, capabilities map[string]any) wire {
	t.Helper()
	WaitFor(t, "127.0.0.1:"+port)
	transport := &http.Transport{}
	w := &webDriver{client: &http.Client{Transport: transport, Timeout: 2 * patience}}
	t.Cleanup(transport.CloseIdleConnections)
	address := "http://127.0.0.1:" + port + "/session"
	answer, err := w.request(http.MethodPost, address, map[string]any{"capabilities": map[string]any{"alwaysMatch": capabilities}})
	if err != nil {
		t.Fatalf("the driver starts no browser: %v", err)
	}
	var session struct{ SessionID string }
	if err := json.Unmarshal(answer, &session); err != nil {
		t.Fatal(err)
	}
	w.session = address + "/" + session.SessionID
	t.Cleanup(func() { _, _ = w.request(http.MethodDelete, w.session, nil) }) // its process is killed anyhow
	return w
}

func startChromium(t *testing.T) wire {
	t.Helper()
	// The driver knows the browser of its own version, which it must have.
	driver, port := Need(t, "chromedriver"), freeport.Next()
	Run(t, exec.Command(driver, "--port="+port))
	arguments := []string{
		"--headless=new", "--user-data-dir=" + t.TempDir(), "--disable-component-update", "--disable-dev-shm-usage",
		// The driver's own switch does not reach the scripts of service workers.
		"--ignore-certificate-errors",
	}
	if os.Geteuid() == 0 {
		arguments = append(arguments, "--no-sandbox") // it refuses to sandbox root
	}
	return startSession(t, port, map[string]any{
		"acceptInsecureCerts": true,
		"goog:chromeOptions":  map[string]any{"args": arguments},
	})
}

func startWebKit(t *testing.T) wire {
	t.Helper()
	driver, port := Need(t, "WebKitWebDriver"), freeport.Next()
	command := exec.Command(driver, "--port="+port)
	home := t.TempDir()
	command.Env = append(os.Environ(), "DISPLAY="+startDisplay(t), "HOME="+home, "XDG_RUNTIME_DIR="+home,
		"XDG_CACHE_HOME="+home+"/cache", "XDG_DATA_HOME="+home+"/data", "XDG_CONFIG_HOME="+home+"/config",
		"GDK_BACKEND=x11", "NO_AT_BRIDGE=1", "LIBGL_ALWAYS_SOFTWARE=1", "WEBKIT_DISABLE_COMPOSITING_MODE=1")
	Run(t, command)
	return startSession(t, port, map[string]any{"acceptInsecureCerts": true})
}
