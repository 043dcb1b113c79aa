package userpool

import "time"

// Now returns the pool's time: real time plus what [Pool.Advance] has added.
// Give it to whatever must agree with the pool on what has expired.
func (p *Pool) Now() time.Time {
	return time.Now().Add(time.Duration(p.offset.Load()))
}

// Advance moves the pool's clock, so that a test can see codes, tokens and
// sessions expire without waiting for them. A negative d moves it back.
func (p *Pool) Advance(d time.Duration) {
	p.offset.Add(int64(d))
}
