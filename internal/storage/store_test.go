package storage_test

import (
	"context"
	"slices"
	"testing"
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
