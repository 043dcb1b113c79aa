package main

import (
	"net/http/httptest"
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
