package main

import (
	"fmt"
	"slices"
	"time"
)

// throughput is what an app serves when it is asked as fast as it answers.
type throughput struct {
	id        string
	perSecond float64
	ofBare    float64 // as a share of what a bare app serves of the same bytes
	perCPU    float64 // requests in a second of the server's processor
	cpuOfBare float64
	p50, p99  time.Duration
	bareP99   time.Duration
}

func (t tester) throughput() ([]throughput, error) {
	ids := []string{"session", "bearer", "fiber", "contrib"}
	measured := map[string][]throughput{}
	for range t.size.rounds {
		for _, id := range ids {
			one, err := t.throughputOf(id)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}
			measured[id] = append(measured[id], one)
		}
	}
	var found []throughput
	for _, id := range ids {
		found = append(found, middle(id, measured[id]))
	}
	return found, nil
}

// throughputOf asks an app as fast as it answers, and then a bare one.
func (t tester) throughputOf(id string) (found throughput, err error) {
	one, bare := t.targets[id], t.targets["bare"]
	here, cpu, err := t.full(one.Addr, one.Requests, one.rightly)
	if err != nil {
		return found, err
	}
	there, bareCPU, err := t.full(bare.Addr, one.Requests, bare.rightly)
	return throughput{
		perSecond: here.perSecond(), ofBare: here.perSecond() / there.perSecond(),
		perCPU: cpu, cpuOfBare: cpu / bareCPU,
		p50: here.percentile(50), p99: here.percentile(99), bareP99: there.percentile(99),
	}, err
}

func (t tester) full(addr string, requests [][]byte, accept func(int, int, []byte) bool) (o outcome, perCPU float64, err error) {
	before, err := t.server.ask(command{Do: "cpu"})
	if err != nil {
		return o, 0, err
	}
	o, err = load{addr: addr, requests: requests, accept: accept, conns: t.size.conns, lasting: t.size.window}.run()
	if err != nil {
		return o, 0, err
	}
	after, err := t.server.ask(command{Do: "cpu"})
	return o, float64(o.requests) / (after.CPU - before.CPU).Seconds(), err
}

// middle is the median of every figure.
func middle(id string, rounds []throughput) throughput {
	of := func(figure func(throughput) float64) float64 {
		values := make([]float64, 0, len(rounds))
		for _, x := range rounds {
			values = append(values, figure(x))
		}
		slices.Sort(values)
		return median(values)
	}
	return throughput{
		id:        id,
		perSecond: of(func(x throughput) float64 { return x.perSecond }),
		ofBare:    of(func(x throughput) float64 { return x.ofBare }),
		perCPU:    of(func(x throughput) float64 { return x.perCPU }),
		cpuOfBare: of(func(x throughput) float64 { return x.cpuOfBare }),
		p50:       time.Duration(of(func(x throughput) float64 { return float64(x.p50) })),
		p99:       time.Duration(of(func(x throughput) float64 { return float64(x.p99) })),
		bareP99:   time.Duration(of(func(x throughput) float64 { return float64(x.bareP99) })),
	}
}
