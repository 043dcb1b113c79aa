package cognitotest_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails the run if a closed pool has left a goroutine behind.
func TestMain(m *testing.M) {
	status := m.Run()
	if left := leftovers(); status == 0 && left != "" {
		fmt.Println("goroutines left after all pools were closed:\n" + left)
		status = 1
	}
	os.Exit(status)
}

// leftovers returns the stacks of goroutines that serve or make requests, or keep
// sessions. Those of closed connections may take a moment to end.
func leftovers() string {
	var left []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // one may have become idle since
		left = nil
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, stack := range strings.Split(string(stacks), "\n\n") {
			if strings.Contains(stack, "net/http.") || strings.Contains(stack, "cognitotest.(*") ||
				strings.Contains(stack, "cognito.(*") || strings.Contains(stack, "memory/v2.(*Storage)") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
		time.Sleep(time.Millisecond)
	}
	return strings.Join(left, "\n\n")
}
