package browsers

import (
	"testing"

	"github.com/bar-tech/cognito/browsers/internal/drive"
	"github.com/bar-tech/cognito/browsers/internal/stage"
)

// TestBehindNginx takes the journey through nginx, which ends TLS, strips the
// prefix of BaseURL, and sends each request to the other of two instances.
func TestBehindNginx(t *testing.T) {
	browser := drive.Engines()[0].Open(t)
	v := &visitor{Browser: browser, scene: stage.SetBehindNginx(browser)}
	v.journey()
	if got := v.scene.Instances(); got != 2 {
		t.Errorf("%d instances have seen the visitor, want 2", got)
	}
}
