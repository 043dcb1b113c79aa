package storage_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bar-tech/cognito/internal/storage"
)

// plain is a driver without contexts, and cancelable one that has them.
type plain struct{ asked []string }

func (p *plain) Get(string) ([]byte, error) { p.asked = append(p.asked, "Get"); return nil, nil }
func (p *plain) Set(string, []byte, time.Duration) error {
	p.asked = append(p.asked, "Set")
	return nil
}
func (p *plain) Delete(string) error { p.asked = append(p.asked, "Delete"); return nil }
func (p *plain) Reset() error        { return nil }
func (p *plain) Close() error        { return nil }

type cancelable struct{ plain }

func (c *cancelable) note(ctx context.Context, method string) {
	if _, bounded := ctx.Deadline(); bounded {
		c.asked = append(c.asked, method)
	}
}
func (c *cancelable) GetWithContext(ctx context.Context, _ string) ([]byte, error) {
	c.note(ctx, "GetWithContext")
	return nil, nil
}
func (c *cancelable) SetWithContext(ctx context.Context, _ string, _ []byte, _ time.Duration) error {
	c.note(ctx, "SetWithContext")
	return nil
}
func (c *cancelable) DeleteWithContext(ctx context.Context, _ string) error {
	c.note(ctx, "DeleteWithContext")
	return nil
}
func (c *cancelable) ResetWithContext(context.Context) error { return nil }

// TestContexts: a driver that takes contexts gets one with a deadline, so that a call
// which nobody waits for any more ends; others are asked as they can be.
func TestContexts(t *testing.T) {
	with, without := &cancelable{}, &plain{}
	for _, s := range []*storage.Store{storage.New(with), storage.New(without)} {
		if _, err := s.Get("key"); err != nil {
			t.Error(err)
		}
		if err := s.Set("key", []byte("value"), time.Minute); err != nil {
			t.Error(err)
		}
		if err := s.Delete("key"); err != nil {
			t.Error(err)
		}
	}
	if want := []string{"GetWithContext", "SetWithContext", "DeleteWithContext"}; !slices.Equal(with.asked, want) {
		t.Errorf("the driver with contexts was asked %q, want %q", with.asked, want)
	}
	if want := []string{"Get", "Set", "Delete"}; !slices.Equal(without.asked, want) {
		t.Errorf("the driver without was asked %q, want %q", without.asked, want)
	}
}

// stuck is a driver that hangs for one key.
type stuck struct {
	plain
	key  string
	gate chan struct{}
}

func (s *stuck) Get(key string) ([]byte, error) {
	if key == s.key {
		<-s.gate
	}
	return nil, nil
}

// TestBusyKeyHangs: many requests wait for one key, and others find a place. A key with
// one stripe alone would share it with 15 of these 8,000; both stripes of a key are taken
// for one in 65,536.
func TestBusyKeyHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		driver := &stuck{key: "busy", gate: make(chan struct{})}
		s := storage.New(driver)
		for range 40 {
			go func() { _, _ = s.Get(driver.key) }()
		}
		synctest.Wait()
		refused := 0
		for i := range 8000 {
			if _, err := s.Get(strconv.Itoa(i)); err != nil {
				refused++
			}
		}
		if refused > 2 {
			t.Errorf("%d of 8,000 other keys were refused", refused)
		}
		if _, err := s.Get(driver.key); !storage.IsSlow(err) {
			t.Errorf("one more request for the busy key got %v", err)
		}
		close(driver.gate)
		synctest.Wait()
		if _, err := s.Get(driver.key); err != nil {
			t.Errorf("the driver answers again, and the key got %v", err)
		}
	})
}
