package forward

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// lent is a reader of fasthttp's in the hands of net/http, which may go on reading
// when the answer is long complete. fasthttp uses the same memory for the next request,
// so what was lent is taken back.
type lent struct {
	mu   sync.Mutex // held during a read, so it may be held for long
	from io.Reader
	over bool  // it was taken back
	left int64 // of the body, or -1 if its length is not known
	read bool  // to its end
}

// Read ends at the body's length, even if more can be read: that is the next request.
func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.read:
		return 0, io.EOF // what comes next on the connection is another request
	case l.over:
		return 0, io.ErrUnexpectedEOF // net/http gives up the connection to the upstream
	}
	n, err := l.from.Read(p)
	if l.left > 0 {
		l.left -= int64(n)
	}
	if err == io.EOF || l.left == 0 {
		l.read = true
	}
	return n, err
}

// Close leaves the body to fasthttp. net/http closes it as soon as it gives up the call.
func (l *lent) Close() error { return nil }

// withdraw waits until nobody reads any more, after making a read that waits for the
// client return. unblock is nil where no read can wait. It spoils the connection for
// further reads, so it is left out if nobody is reading.
func (l *lent) withdraw(unblock func()) {
	if !l.mu.TryLock() {
		if unblock != nil {
			unblock()
		}
		l.mu.Lock()
	}
	l.over = true
	l.mu.Unlock()
}

// requestOf is a request as net/http knows it: its headers are copies, its body is
// read where it is. The last result makes a read of it return that waits for the
// client.
func requestOf(ctx *fasthttp.RequestCtx, address *url.URL) (*http.Request, *lent, func()) {
	header := http.Header{}
	for name, value := range ctx.Request.Header.All() {
		header.Add(string(name), string(value))
	}
	// Host and Content-Length go, too: net/http has fields of its own for these.
	clean(header, privateToUs, privatePrefixes, nil)
	if !strings.EqualFold(header.Get("Upgrade"), "websocket") {
		header.Del("Upgrade") // with HTTP/2 in the clear (h2c), the visitor would have the upstream's whole connection
	}
	r := &http.Request{
		Method: string(ctx.Method()), URL: address, Host: address.Host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}
	// With StreamRequestBody the body is still on the connection, or some of it.
	if stream := ctx.RequestBodyStream(); stream != nil {
		// fasthttp says -1 for a body in chunks, and -2 for one without any length.
		r.ContentLength = int64(max(ctx.Request.Header.ContentLength(), -1))
		body := &lent{from: stream, left: r.ContentLength, read: r.ContentLength == 0}
		if !body.read {
			r.Body = body
		}
		connection := ctx.Conn() // now: ctx is another request's when unblock is called
		return r, body, func() { _ = connection.SetReadDeadline(time.Unix(1, 0)) }
	}
	// fasthttp has read it, in memory that it uses again: it is lent, too.
	whole := ctx.Request.Body()
	body := &lent{from: bytes.NewReader(whole), left: int64(len(whole)), read: len(whole) == 0}
	if len(whole) > 0 {
		r.Body, r.ContentLength = body, int64(len(whole))
	}
	return r, body, nil
}

// wholly reports whether the body has been read to its end. It never waits.
func (l *lent) wholly() bool {
	if !l.mu.TryLock() {
		return false // somebody waits for more of it
	}
	defer l.mu.Unlock()
	return l.read
}

// lentConn is a connection of fasthttp's in the hands of net/http, which may read and write
// at the same time, and may go on when the other side has ended.
type lentConn struct {
	net.Conn
	in      *lent
	writing sync.Mutex // held during a write; guards over
	over    bool
}

// lendConn lends a connection. A connection has no length.
func lendConn(conn net.Conn) *lentConn {
	return &lentConn{Conn: conn, in: &lent{from: conn, left: -1}}
}

func (c *lentConn) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *lentConn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.over {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

// Close leaves the connection to fasthttp.
func (c *lentConn) Close() error { return nil }

// withdraw takes the connection back. It waits for a read and a write under way, which the
// deadline ends.
func (c *lentConn) withdraw() {
	_ = c.SetDeadline(time.Unix(1, 0)) // whoever reads or writes returns
	c.in.withdraw(nil)
	c.writing.Lock()
	c.over = true
	c.writing.Unlock()
}
