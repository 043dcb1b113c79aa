package storages

import (
	"path/filepath"
	"testing"
	"time"
)

// TestBboltIgnoresLifetimes keeps a row of the table in docs/deploy.md true: the driver
// keeps what should be gone at once.
func TestBboltIgnoresLifetimes(t *testing.T) {
	driver := openBbolt(filepath.Join(t.TempDir(), "sessions.db"))
	t.Cleanup(func() { _ = driver.Close() })
	if err := driver.Set("key", []byte("value"), -time.Hour); err != nil {
		t.Fatal(err)
	}
	if value, err := driver.Get("key"); err != nil || value == nil {
		t.Errorf("the driver has learned lifetimes (%v): change the table of docs/deploy.md", err)
	}
}
