package lab

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// LeakOnPurpose is set for the child process of TestLeakCheckCanFail.
const LeakOnPurpose = "COGNITO_TEST_LEAK_ON_PURPOSE"

// Main is the TestMain of every room. It fails the run if any goroutine outlives
// the tests: after Close nothing of an Auth may run on, and tests clean up after
// themselves.
func Main(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", atOnce())
	}
	status := m.Run()
	patience := 30 * time.Second
	if os.Getenv(LeakOnPurpose) != "" {
		patience = 100 * time.Millisecond
	}
	if status == 0 {
		if left := goroutinesLeft(patience); len(left) > 0 {
			fmt.Printf("%d goroutines left after all tests:\n%s\n", len(left), strings.Join(left, "\n\n"))
			status = 1
		}
	}
	os.Exit(status)
}

// atOnce is how many tests run at once. They wait for time-outs more than they compute,
// unless the race detector makes them compute five times as much.
func atOnce() string {
	info, ok := debug.ReadBuildInfo()
	if ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return "6"
	}
	return "8"
}

// nobodysLeak matches goroutines of the test binary itself, and of libraries
// that start them once and never end them, or end them when they next wake up.
var nobodysLeak = regexp.MustCompile(strings.Join([]string{
	`(?m)^testing\.`,
	`(?m)^internal/fuzz\.`,
	`(?m)^os/signal\.`,
	`fiber/v2/internal/memory\.\(\*Storage\)\.gc`, // of Fiber's own middleware, which nothing closes
	`fiber/v2/middleware/cache\.New`,              // likewise
	`StartTimeStampUpdater`,                       // of Fiber and its memory driver: one a process
	`fasthttp\.updateServerDate`,                  // one a process
	`fasthttp\.\(\*workerPool\)\.Start\.func2`,    // the cleaner of a stopped server sleeps ten seconds
}, "|"))

// goroutinesLeft returns the stacks of goroutines that should have ended. What
// has been told to end may take a moment, so it looks again for a while.
func goroutinesLeft(patience time.Duration) []string {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // one may have become idle since
		var left []string
		for _, stack := range OtherGoroutines() {
			if !nobodysLeak.MatchString(stack) {
				left = append(left, stack)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
	}
}

// OtherGoroutines returns the stack of every goroutine but the caller's.
func OtherGoroutines() []string {
	dump := make([]byte, 1<<20)
	for {
		n := runtime.Stack(dump, true)
		if n < len(dump) {
			return strings.Split(strings.TrimSpace(string(dump[:n])), "\n\n")[1:]
		}
		dump = make([]byte, 2*len(dump))
	}
}
