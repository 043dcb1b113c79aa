package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"slices"
	"time"
)

// How things are timed: everything in one run, in turn, many times over. What
// else the machine does then hits all rows alike, and the median forgets it.

// work does something n times, and fails unless it did all of it rightly.
type work func(n int) error

// row is one thing that is measured, and the unit it is compared with, which
// is given the very same input.
type row struct {
	plan
	work, unit work
	app        app // what serves, and what it is sent, if it is an app
	sent       script

	// prepare gets n new inputs ready, and finish tidies up after a round.
	// Neither is measured. Optional.
	prepare func(n int) error
	finish  func() error
	most    int  // new inputs in a round, or 0 if the same ones serve again
	bigHeap bool // the collector does not come round by itself within a round

	place  int // in the results
	n      int // times in a turn
	rounds []round
}

// round is what the work and its unit have cost in one round.
type round struct{ work, unit spent }

// spent is what doing something a number of times has cost.
type spent struct {
	times  int
	wall   time.Duration
	cpu    time.Duration // of this process: what others have taken does not count
	allocs uint64
	bytes  uint64
}

func (s *spent) add(more spent) {
	s.times += more.times
	s.wall += more.wall
	s.cpu += more.cpu
	s.allocs += more.allocs
	s.bytes += more.bytes
}

// turns is how often work and unit take turns within a round. Two that follow
// each other closely find the same caches and the same neighbours on the
// processor. Inputs that serve once are not shared out, and what waits for
// others needs longer to get going.
func (r *row) turns() int {
	switch {
	case r.most > 0:
		return 1
	case r.plan.wall:
		return 4
	}
	return 10
}

// measure measures all rows, round by round. The budget is for one round of
// one row.
func measure(rows []*row, rounds int, budget time.Duration) error {
	// One processor, so that nothing is done elsewhere at the same time.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, r := range rows {
		if err := r.calibrate(budget); err != nil {
			return fmt.Errorf("%s: %w", r.id, err)
		}
	}
	for i := range rounds {
		for _, r := range rows {
			spent, err := r.measure(r.n, i%2 == 1)
			if err != nil {
				return fmt.Errorf("%s: %w", r.id, err)
			}
			r.rounds = append(r.rounds, spent)
		}
	}
	return nil
}

// calibrate warms up, and finds out how often the work can be done in a turn.
func (r *row) calibrate(budget time.Duration) error {
	if r.most > 0 {
		r.n = r.most
		_, err := r.measure(r.n, false)
		return err
	}
	// Enough for what connections and goroutines cost at the start not to show.
	fewest := 8
	if r.plan.wall {
		fewest = 256
	}
	for r.n = fewest; ; r.n *= 2 {
		warm, err := r.measure(r.n, false)
		if err != nil {
			return err
		}
		if took := r.took(warm.work); took >= float64(budget)/2 {
			r.n = max(fewest, int(float64(r.n)*float64(budget)/took))
			return nil
		}
	}
}

// measure is one round: n times in each turn.
func (r *row) measure(n int, unitFirst bool) (total round, err error) {
	if r.prepare != nil {
		if err := r.prepare(n); err != nil {
			return total, err
		}
	}
	runtime.GC() // what other rows have left lying about is not this one's
	if r.most == 0 {
		// The runtime has meanwhile given memory back to the system. A server
		// at work has its memory, so the row gets it back before it counts.
		if err := r.work(n * r.turns()); err != nil {
			return total, err
		}
		if r.bigHeap {
			runtime.GC() // or none of that memory would be used again in this round
		}
	}
	for range r.turns() {
		first, second := r.doWork, r.doUnit
		if unitFirst {
			first, second = second, first
		}
		if err := first(n, &total); err != nil {
			return total, err
		}
		if err := second(n, &total); err != nil {
			return total, err
		}
	}
	if r.finish != nil {
		return total, r.finish()
	}
	return total, nil
}

func (r *row) doWork(n int, total *round) error {
	cost, err := measured(r.id, n, r.work)
	total.work.add(cost)
	return err
}

func (r *row) doUnit(n int, total *round) error {
	cost, err := measured("unit", n, r.unit)
	total.unit.add(cost)
	return err
}

// measured does work and counts what it costs. The label tells the rows apart
// in a CPU profile.
func measured(label string, n int, do work) (cost spent, err error) {
	var before, after runtime.MemStats
	pprof.Do(context.Background(), pprof.Labels("row", label), func(context.Context) {
		runtime.ReadMemStats(&before)
		began, cpu := time.Now(), cpuTime()
		err = do(n)
		cost = spent{times: n, cpu: cpuTime() - cpu, wall: time.Since(began)}
		runtime.ReadMemStats(&after)
	})
	cost.allocs, cost.bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return cost, err
}

// took is the time that counts for this row.
func (r *row) took(s spent) float64 {
	if r.plan.wall || s.cpu == 0 {
		return float64(s.wall)
	}
	return float64(s.cpu)
}

// each is the time of one, in nanoseconds.
func (r *row) each() float64 {
	return r.median(func(x round) float64 { return r.took(x.work) / float64(x.work.times) })
}

func (r *row) unitEach() float64 {
	return r.median(func(x round) float64 { return r.took(x.unit) / float64(x.unit.times) })
}

// ratio is how many units the work costs. Each round is a comparison of its
// own, and the median of them is taken.
func (r *row) ratio() float64 {
	return r.median(func(x round) float64 { return r.took(x.work) / r.took(x.unit) })
}

// spread is what half of the rounds' ratios lie between.
func (r *row) spread() (low, high float64) {
	ratios := r.all(func(x round) float64 { return r.took(x.work) / r.took(x.unit) })
	quarter := len(ratios) / 4
	return ratios[quarter], ratios[len(ratios)-1-quarter]
}

// allocs is exact, but for what the runtime itself does now and then.
func (r *row) allocs() float64 {
	return r.median(func(x round) float64 { return float64(x.work.allocs) / float64(x.work.times) })
}

func (r *row) bytes() float64 {
	return r.median(func(x round) float64 { return float64(x.work.bytes) / float64(x.work.times) })
}

func (r *row) median(of func(round) float64) float64 { return median(r.all(of)) }

// all returns a figure of every round, sorted.
func (r *row) all(of func(round) float64) []float64 {
	values := make([]float64, 0, len(r.rounds))
	for _, x := range r.rounds {
		values = append(values, of(x))
	}
	slices.Sort(values)
	return values
}

// median is the middle of sorted values.
func median(sorted []float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
