package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// How requests reach an app without a network: fasthttp serves a connection
// that exists in memory only. What is left is the work of the server.

// script is what a client sends and what it wants to be answered.
type script struct {
	// request is the bytes of the turn-th request. They are sent before it
	// is called again.
	request func(turn int) []byte
	// check reports whether an answer is the right one for that request.
	check func(turn int, answer []byte) bool
}

// repeated sends requests one after the other, again and again, and wants
// status 200 and the body that belongs to each.
func repeated(requests [][]byte, bodies []string) script {
	return script{
		request: func(turn int) []byte { return requests[turn%len(requests)] },
		check:   func(turn int, answer []byte) bool { return isOK(answer, bodies[turn%len(bodies)]) },
	}
}

// always sends one request all the time.
func always(request []byte, body string) script { return repeated([][]byte{request}, []string{body}) }

var (
	okLine = []byte("HTTP/1.1 200 ")
	blank  = []byte("\r\n\r\n")
)

// isOK reports whether an answer has status 200 and just this body. Both sides
// of every comparison pay for it alike.
func isOK(answer []byte, body string) bool {
	start := len(answer) - len(body)
	return bytes.HasPrefix(answer, okLine) && start > len(blank) &&
		string(answer[start:]) == body && bytes.Equal(answer[start-len(blank):start], blank)
}

// client is the far end of a connection in memory. It sends a request only
// after the last one was answered, as browsers and proxies do.
type client struct {
	script
	turn, left int    // the next request, and how many remain
	rest       []byte // of the request being sent
	answered   int
	wrong      []byte // the first answer that was not the right one
}

var _ net.Conn = (*client)(nil)

// Read gives out the next request.
func (c *client) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		if c.left == 0 {
			return 0, io.EOF
		}
		c.rest = c.request(c.turn)
		c.turn++
		c.left--
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// Write takes an answer. The server buffers more than any answer here holds,
// so each comes in one piece.
func (c *client) Write(p []byte) (int, error) {
	if c.check(c.turn-1, p) {
		c.answered++
	} else if c.wrong == nil {
		c.wrong = bytes.Clone(p)
	}
	return len(p), nil
}

// What else a net.Conn has to have means nothing in memory.

func (c *client) Close() error                     { return nil }
func (c *client) LocalAddr() net.Addr              { return memoryAddr{} }
func (c *client) RemoteAddr() net.Addr             { return memoryAddr{} }
func (c *client) SetDeadline(time.Time) error      { return nil }
func (c *client) SetReadDeadline(time.Time) error  { return nil }
func (c *client) SetWriteDeadline(time.Time) error { return nil }

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }

// app is an app of either Fiber.
type app interface {
	Handler() fasthttp.RequestHandler // starts it up
	Server() *fasthttp.Server
}

// serving is the work of answering what s sends. It fails if a single answer
// is not the right one: a refusal is quick, and measuring it would flatter.
func serving(app app, s script) work {
	app.Handler() // starts the app up
	c := &client{script: s}
	return func(n int) error {
		c.left, c.answered, c.wrong = n, 0, nil
		if err := app.Server().ServeConn(c); err != nil {
			return err
		}
		switch {
		case c.wrong != nil:
			return fmt.Errorf("an answer is not the right one: %.600q", c.wrong)
		case c.answered != n:
			return fmt.Errorf("%d of %d requests were answered", c.answered, n)
		}
		return nil
	}
}

// servingSome is serving over several connections at a time, for apps that
// wait for something.
func servingSome(app app, s script, conns int) work {
	works := make([]work, conns)
	for i := range works {
		works[i] = serving(app, s)
	}
	return func(n int) error {
		failures := make([]error, conns)
		var group sync.WaitGroup
		for i := range conns {
			group.Go(func() { failures[i] = works[i]((n + i) / conns) })
		}
		group.Wait()
		return errors.Join(failures...)
	}
}

// ask sends one request and returns the answer, outside of any measurement.
func ask(app app, request []byte) (*http.Response, error) {
	app.Handler()
	var answer []byte
	c := &client{left: 1, script: script{
		request: func(int) []byte { return request },
		check:   func(_ int, p []byte) bool { answer = append(answer, p...); return true },
	}}
	if err := app.Server().ServeConn(c); err != nil {
		return nil, err
	}
	if len(answer) == 0 {
		return nil, errors.New("no answer")
	}
	return http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
}

// get writes a request with few headers: the more there are, the more a bare
// app has to do too, and the smaller everything else looks beside it.
func get(path string, headers ...string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n", path, appHost)
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	b.WriteString("\r\n")
	return b.Bytes()
}
