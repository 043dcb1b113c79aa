package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A load generator: connections over real sockets of loopback, each sending
// its next request when the last one was answered.

// load is what to send, and for how long.
type load struct {
	addr     string
	requests [][]byte // in turn, over all connections
	conns    int
	// Either for a time, or so many requests in all.
	lasting time.Duration
	total   int
	pace    time.Duration // between two requests of a connection, or 0
	// accept reports whether an answer will do for the turn-th request.
	accept func(turn, status int, body []byte) bool
}

// outcome is what came of it.
type outcome struct {
	requests  int
	took      time.Duration
	latencies []time.Duration // sorted
	statuses  map[int]int
}

func (o outcome) perSecond() float64 { return float64(o.requests) / o.took.Seconds() }

// percentile is the latency that p of a hundred requests do not exceed.
func (o outcome) percentile(p float64) time.Duration {
	if len(o.latencies) == 0 {
		return 0
	}
	return o.latencies[min(len(o.latencies)-1, int(p/100*float64(len(o.latencies))))]
}

// run sends the load. It stops at the first answer that will not do.
func (l load) run() (outcome, error) {
	var group sync.WaitGroup
	parts := make([]outcome, l.conns)
	failures := make([]error, l.conns)
	began := time.Now()
	for i := range l.conns {
		group.Go(func() { parts[i], failures[i] = l.connection(i, began) })
	}
	group.Wait()
	all := outcome{took: time.Since(began), statuses: map[int]int{}}
	for _, part := range parts {
		all.requests += part.requests
		all.latencies = append(all.latencies, part.latencies...)
		for status, count := range part.statuses {
			all.statuses[status] += count
		}
	}
	slices.Sort(all.latencies)
	for _, err := range failures {
		if err != nil {
			return all, err // the others say the same
		}
	}
	return all, nil
}

// connection is one client. The i-th one sends every conns-th request.
func (l load) connection(i int, began time.Time) (o outcome, err error) {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return o, err
	}
	defer func() { _ = conn.Close() }()
	// Nothing here waits for longer: a server that hangs must not hang this.
	if err := conn.SetDeadline(began.Add(l.lasting + time.Minute)); err != nil {
		return o, err
	}
	o.statuses = map[int]int{}
	answers := answerReader{Reader: bufio.NewReader(conn)}
	for turn := i; l.total > 0 && turn < l.total || l.total == 0 && time.Since(began) < l.lasting; turn += l.conns {
		sent := time.Now()
		if _, err := conn.Write(l.requests[turn%len(l.requests)]); err != nil {
			return o, err
		}
		status, body, err := answers.next()
		if err != nil {
			return o, fmt.Errorf("answer %d: %w", o.requests, err)
		}
		took := time.Since(sent)
		if !l.accept(turn, status, body) {
			return o, fmt.Errorf("answer %d is not the right one: %d %.300q", o.requests, status, body)
		}
		o.requests++
		o.statuses[status]++
		o.latencies = append(o.latencies, took)
		if l.pace > took {
			time.Sleep(l.pace - took)
		}
	}
	return o, nil
}

// answerReader reads HTTP answers that have a Content-Length, and nothing more
// than that of HTTP, to leave the processor to the server.
type answerReader struct {
	*bufio.Reader
	body []byte
}

var lengthHeader = []byte("content-length:")

func (r *answerReader) next() (status int, body []byte, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, fmt.Errorf("not HTTP: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length := 0
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return 0, nil, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if len(line) > len(lengthHeader) && bytes.EqualFold(line[:len(lengthHeader)], lengthHeader) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthHeader):]))); err != nil {
				return 0, nil, err
			}
		}
	}
	r.body = slices.Grow(r.body[:0], length)[:length]
	_, err = io.ReadFull(r.Reader, r.body)
	return status, r.body, err
}
