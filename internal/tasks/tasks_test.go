package tasks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bar-tech/cognito/internal/tasks"
)

func quiet(string, any) {}

func TestCloseTellsAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := tasks.New(2, quiet)
		ended := false
		if err := group.Go("waiting", func(closing <-chan struct{}) {
			<-closing
			time.Sleep(time.Second)
			ended = true
		}); err != nil {
			t.Fatal(err)
		}
		if err := group.Close(2 * time.Second); err != nil || !ended {
			t.Fatalf("closed with %v; the work ended: %v", err, ended)
		}
		if err := group.Go("too late", func(<-chan struct{}) { t.Error("it began after Close") }); !errors.Is(err, tasks.ErrClosed) {
			t.Fatalf("work after Close got %v", err)
		}
		if err := group.Close(time.Second); err != nil {
			t.Fatalf("the second Close: %v", err)
		}
	})
}

func TestCloseGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := tasks.New(1, quiet)
		release := make(chan struct{})
		if err := group.Go("hanging", func(<-chan struct{}) { <-release }); err != nil {
			t.Fatal(err)
		}
		if err := group.Close(time.Second); err == nil {
			t.Fatal("Close did not say that something still runs")
		}
		close(release)
		if err := group.Close(time.Second); err != nil {
			t.Fatalf("after the work has ended: %v", err)
		}
	})
}

func TestAFloodIsBounded(t *testing.T) {
	group := tasks.New(2, quiet)
	release := make(chan struct{})
	hang := func(<-chan struct{}) { <-release }
	for range 2 {
		if err := group.Go("hanging", hang); err != nil {
			t.Fatal(err)
		}
	}
	if err := group.Go("one too many", hang); !errors.Is(err, tasks.ErrFull) {
		t.Fatalf("the third of two got %v", err)
	}
	close(release)
	for began := time.Now(); time.Since(began) < time.Minute; {
		if group.Go("again", func(<-chan struct{}) {}) == nil {
			return
		}
	}
	t.Fatal("there is no room though all have ended")
}

func TestAPanicIsTold(t *testing.T) {
	told := make(chan string, 1)
	group := tasks.New(1, func(doing string, p any) { told <- doing + ": " + p.(string) })
	if err := group.Go("dividing", func(<-chan struct{}) { panic("by zero") }); err != nil {
		t.Fatal(err)
	}
	if got := <-told; got != "dividing: by zero" {
		t.Fatalf("told of %q", got)
	}
	if err := group.Close(time.Minute); err != nil {
		t.Fatalf("the panic is still counted: %v", err)
	}
}

func TestWithinEndsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := tasks.New(1, quiet)
		var err error
		if started := group.Within(time.Minute, "calling", func(ctx context.Context) {
			<-ctx.Done()
			err = context.Cause(ctx)
		}); started != nil {
			t.Fatal(started)
		}
		if closed := group.Close(2 * time.Minute); closed != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Close: %v; the work's context: %v", closed, err)
		}
	})
}

// TestAwake: a time counts what this process runs of it. When it was stopped for
// longer, there is still a moment to read what came meanwhile.
func TestAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, cancel := tasks.Awake(t.Context(), 5*time.Second)
		defer cancel()
		<-ctx.Done()
		if took := time.Since(began); took != 5*time.Second || !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			t.Errorf("it ended after %s: %v", took, context.Cause(ctx))
		}
	})
	ended, cancel := tasks.Awake(t.Context(), time.Hour)
	cancel()
	if !errors.Is(ended.Err(), context.Canceled) {
		t.Errorf("cancelled, it says %v", ended.Err())
	}
}
