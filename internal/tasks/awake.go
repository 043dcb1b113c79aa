package tasks

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// ticks are what a time is counted in. A tick that comes late counts once, however late
// it is: that is how the time in which the process was stopped is left out.
const ticks = 20

// Awake is like context.WithTimeout, but counts only time in which this process runs. A
// process may be stopped for longer than any timeout: a host suspends it, or a
// container is frozen. When it resumes, the response that it was waiting for is ready. A
// clock that kept running would discard the response unread, with a refresh token in it
// that nobody can get again. At the limit, too, the context's Err is Canceled; only its
// Cause says DeadlineExceeded.
func Awake(parent context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	tick := limit / ticks
	var (
		mu     sync.Mutex // the timer may run before it is assigned
		timer  *time.Timer
		left   = ticks
		last   = time.Now()
		spared bool
	)
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(tick, func() {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		left--
		// Only once: where every tick is late, on a busy machine, it would never end.
		if late := now.Sub(last) > 2*tick; late && !spared {
			left, spared = max(left, 1), true // stopped in the last tick: time to read what came
		}
		last = now
		if left <= 0 {
			cancel(fmt.Errorf("not within %s: %w", limit, context.DeadlineExceeded))
			return
		}
		timer.Reset(tick)
	})
	return ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		left = 0 // a timer that runs just now starts no other
		timer.Stop()
		cancel(context.Canceled)
	}
}
