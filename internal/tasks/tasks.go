// Package tasks runs work apart from any request. It counts every goroutine,
// so that closing can wait for it; it bounds their number; it recovers their
// panics; and it tells them when the app stops.
package tasks

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var (
	// ErrClosed says that nothing begins any more.
	ErrClosed = errors.New("closed")
	// ErrFull says that as much runs as may run at the same time.
	ErrFull = errors.New("too much runs in the background")
)

// Group is a set of goroutines. It is safe for concurrent use.
type Group struct {
	limit    int
	panicked func(doing string, p any)

	mu      sync.Mutex    // guards closed and running, and Add against Wait
	closed  bool          // closing is closed too
	running int           // at most limit
	closing chan struct{} // closed when nothing begins any more
	work    sync.WaitGroup
}

// New makes a group of at most limit goroutines. It hands their panics to
// panicked, with what was being done.
func New(limit int, panicked func(doing string, p any)) *Group {
	return &Group{limit: limit, panicked: panicked, closing: make(chan struct{})}
}

// Go begins work that has no time of its own. The work has to end soon after
// closing is closed. The error is ErrClosed or ErrFull, and then nothing has
// begun.
func (g *Group) Go(doing string, work func(closing <-chan struct{})) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return ErrClosed
	case g.running >= g.limit:
		return ErrFull
	}
	g.running++
	g.work.Go(func() {
		defer g.ended()
		defer func() {
			if p := recover(); p != nil {
				g.panicked(doing, p)
			}
		}()
		work(g.closing)
	})
	return nil
}

// Within is Go for work that ends by itself within a time. Closing waits for
// it and does not cut it short.
func (g *Group) Within(limit time.Duration, doing string, work func(context.Context)) error {
	return g.Go(doing, func(<-chan struct{}) {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		work(ctx)
	})
}

// ended is deferred first, so it runs even if telling of a panic panics.
func (g *Group) ended() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
}

// Closing is closed when nothing begins any more.
func (g *Group) Closing() <-chan struct{} { return g.closing }

// Close lets nothing begin any more, tells what runs, and waits for it up to a
// limit. It may be called again.
func (g *Group) Close(limit time.Duration) error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.closing)
	}
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.work.Wait()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return fmt.Errorf("work in the background did not end within %s", limit)
	}
}
