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
	ErrFull = errors.New("too many background tasks are running")
)

// Group is a set of goroutines. It is safe for concurrent use.
type Group struct {
	limit    int
	panicked func(doing string, p any)

	mu      sync.Mutex      // guards closed, running, begun and idle
	closed  bool            // closing is closed too
	running int             // at most limit
	begun   uint64          // ever
	closing chan struct{}   // closed when nothing begins any more
	told    <-chan struct{} // what work is told of closing by
	idle    chan struct{}   // closed when nothing runs
}

// New makes a group of at most limit goroutines. It hands their panics to
// panicked, with what was being done. panicked runs in the goroutine that panicked, and
// without the group's lock.
func New(limit int, panicked func(doing string, p any)) *Group {
	g := &Group{limit: limit, panicked: panicked, closing: make(chan struct{}), idle: make(chan struct{})}
	g.told = g.closing
	close(g.idle) // nothing runs yet: whoever waits need not
	return g
}

// NewHurried makes a group for a process that may be frozen whenever no request is
// being answered. Its work is told from the first that it has to end soon, and
// requests wait for it. Work that waits between two steps for closing therefore takes one
// step only. Closing itself is still open: new work begins.
func NewHurried(limit int, panicked func(doing string, p any)) *Group {
	g := New(limit, panicked)
	now := make(chan struct{})
	close(now)
	g.told = now
	return g
}

// Wait waits until nothing runs, up to a limit, and reports whether that was enough. Work
// may have begun again when it returns, unless the group is closed.
func (g *Group) Wait(limit time.Duration) bool {
	g.mu.Lock()
	idle := g.idle
	g.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-idle:
		return true
	case <-timer.C:
		return false
	}
}

// Begun is how much work has ever begun. Whoever has seen it grow does not know by whom.
func (g *Group) Begun() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.begun
}

// Go begins work that has no time of its own. doing names it where a panic is told. The work
// has to end soon after closing is closed. The error is ErrClosed or ErrFull, and then
// nothing has begun. Go itself never waits, so it may be called under a lock, which the work
// may take, too.
func (g *Group) Go(doing string, work func(closing <-chan struct{})) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed:
		return ErrClosed
	case g.running >= g.limit:
		return ErrFull
	}
	if g.running == 0 {
		g.idle = make(chan struct{})
	}
	g.running++
	g.begun++
	go func() {
		defer g.ended()
		defer func() {
			if p := recover(); p != nil {
				g.panicked(doing, p)
			}
		}()
		work(g.told)
	}()
	return nil
}

// Within is Go for work that ends by itself within a time. Closing waits for
// it and does not cut it short: it is a call whose outcome matters. The time counts only
// while this process runs; see Awake.
func (g *Group) Within(limit time.Duration, doing string, work func(context.Context)) error {
	return g.Go(doing, func(<-chan struct{}) {
		ctx, cancel := Awake(context.Background(), limit)
		defer cancel()
		work(ctx)
	})
}

// ended is deferred first, so it runs even if telling of a panic panics.
func (g *Group) ended() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running--; g.running == 0 {
		close(g.idle)
	}
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
	if !g.Wait(limit) {
		return fmt.Errorf("background tasks did not end within %s", limit)
	}
	return nil
}
