package pool

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bar-tech/cognito/internal/fault"
)

// SkewTolerated is how far the app's clock and Cognito's may be apart. It is the leeway
// that tokens are given; beyond it, somebody has to act.
const SkewTolerated = time.Minute

// Clock compares the app's clock with Cognito's. If the app's clock is wrong, a token
// that has expired on arrival, or was issued in the future, says nothing about its
// bearer.
type Clock struct {
	now      func() time.Time
	operator *fault.Operator
	skew     atomic.Int64 // how far Cognito's is ahead, in nanoseconds; 0 within what is tolerated
}

// NewClock tells the operator if the clock is wrong.
func NewClock(now func() time.Time, operator *fault.Operator) *Clock {
	return &Clock{now: now, operator: operator}
}

// Skew is how far Cognito's clock is ahead of the app's: 0 if it is not known to be. A nil
// Clock knows nothing.
func (c *Clock) Skew() time.Duration {
	if c == nil {
		return 0
	}
	return time.Duration(c.skew.Load())
}

// heard reads the time of a response from its Date header (RFC 9110 section 6.6.1). It
// must be the response to a POST: others may come from a cache and be old.
func (c *Clock) heard(header http.Header) {
	sent, err := http.ParseTime(header.Get("Date"))
	if c == nil || err != nil {
		return
	}
	skew := sent.Sub(c.now()).Round(time.Second)
	if skew.Abs() <= SkewTolerated {
		c.skew.Store(0)
		// One that is nearly wrong may be wrong again at the next response, which is no news.
		if skew.Abs() <= SkewTolerated/2 {
			c.operator.Mended("clock")
		}
		return
	}
	c.skew.Store(int64(skew))
	side := "behind"
	if skew < 0 {
		side = "ahead of"
	}
	c.operator.Tell("clock", "this machine's clock is "+side+" Cognito's, so valid tokens look as if they had expired or were not valid yet",
		"field", "Now", "by", skew.Abs().String(), "remedy", "set the machine's clock (NTP), or have Config.Now return the right time")
}
