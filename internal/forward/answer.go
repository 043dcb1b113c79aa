package forward

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// head is how an answer begins.
type head struct {
	status   int
	header   http.Header
	hijacked bool  // it is no answer, but another protocol
	err      error // instead: there is none
}

// endless reports whether an answer goes on until somebody ends it.
func (h head) endless() bool {
	return h.hijacked || strings.HasPrefix(strings.ToLower(h.header.Get("Content-Type")), "text/event-stream")
}

// answer is what the proxy writes to, in its own goroutine. It begins once, with a status,
// with another protocol, or with an error in place of both, and then has a body, a
// connection, or nothing. It does not touch fasthttp's memory: the handler takes the head,
// and fasthttp reads the body as it sends it, so that a slow visitor slows the upstream
// down. (fasthttpadaptor would hold back what comes before the first flush, and end a
// response that was cut off as if it were complete.)
type answer struct {
	header http.Header   // the proxy's; the handler gets a copy in the head
	begun  bool          // only the proxy's goroutine looks at it
	head   chan head     // exactly one, for which there is room: the proxy need not wait
	conn   chan net.Conn // the visitor's, after a head that says hijacked
	reader *io.PipeReader
	writer *io.PipeWriter
}

func newAnswer() *answer {
	a := &answer{header: http.Header{}, head: make(chan head, 1), conn: make(chan net.Conn)}
	a.reader, a.writer = io.Pipe()
	return a
}

// begin sends the head. Only the first one counts, as with net/http.
func (a *answer) begin(h head) {
	if !a.begun {
		a.begun = true
		a.head <- h
	}
}

// Header is the answer's header.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader begins the answer. What comes before one (1xx) stays here.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.begin(head{status: status, header: a.header.Clone()})
	}
}

// Write sends a part of the body, and returns when fasthttp has taken it.
func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.writer.Write(p)
}

// Flush has nothing to do: fasthttp flushes what it takes.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }

// fail says that there will be no answer.
func (a *answer) fail(err error) { a.begin(head{err: err}) }

// Hijack hands out the visitor's connection, once fasthttp has let it go, which it does when
// the handlers have returned.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if a.begun {
		return nil, nil, http.ErrHijacked
	}
	a.begin(head{hijacked: true})
	select {
	case conn := <-a.conn:
		return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
	case <-time.After(dialTimeout):
		return nil, nil, errors.New("the visitor disconnected")
	}
}

// finish ends the answer: as broken off, if the proxy could not copy all of it.
func (a *answer) finish(panicked any, logger *slog.Logger) {
	switch {
	case panicked == nil:
		a.fail(errors.New("no response was written")) // unless one was
		a.writer.Close()
	default:
		if panicked != http.ErrAbortHandler { //nolint:errorlint // it is compared as net/http does
			logger.Error("cognito: the proxy panicked", "panic", fmt.Sprint(panicked))
		}
		// fasthttp closes the connection after a body that ends with an error, so the visitor
		// sees that the answer is not whole.
		a.fail(errors.New("the response was cut off"))
		a.writer.CloseWithError(io.ErrUnexpectedEOF)
	}
}

// giveAnswer makes the answer fasthttp's, which sends it when the handlers are through.
func (f *flight) giveAnswer(ctx *fasthttp.RequestCtx, h head) {
	response := &ctx.Response
	length := -1 // not known: the body is sent in chunks
	f.leaveConnection(ctx)
	response.SetStatusCode(h.status)
	for name, values := range h.header {
		value := strings.Join(values, ", ") // as RFC 9110 section 5.3 allows for all but Set-Cookie
		switch noted := string(response.Header.Peek(name)); {
		case name == "Trailer":
			// The proxy announces trailers anew, after cleanAnswer. fasthttp would make
			// trailers of the headers with these names, and no browser or cache heeds them
			// there: Cache-Control, nosniff, the app's own policy.
		case name == "Content-Length": // SetBodyStream writes it
			if n, err := strconv.Atoi(value); err == nil && n >= 0 {
				length = n
			}
		case name == "Vary" && noted != "": // the app's own stays
			response.Header.Set(name, noted+", "+value)
		default:
			response.Header.Set(name, value)
		}
	}
	if h.status == http.StatusNoContent || h.status == http.StatusNotModified {
		f.end() // such an answer has no body that fasthttp would close
		return
	}
	// An event stream may have nothing to say for long, and the page waits for its head.
	if response.ImmediateHeaderFlush = h.endless(); h.endless() {
		f.endWithVisitor(ctx)
	}
	response.SetBodyStream(&stream{f.answer.reader, f}, length)
}

// leaveConnection closes the connection after the answer if some of the request is
// unread: it must not be taken for the next one.
func (f *flight) leaveConnection(ctx *fasthttp.RequestCtx) {
	switch {
	case f.unread == nil: // fasthttp has read all of it, before the handlers
	case f.body.wholly():
		f.unread = nil // nobody waits for the client, and its next request must not fail
		_ = ctx.Request.CloseBodyStream()
	default:
		// Request smuggling: another site's form could have a request of its own in its body.
		ctx.SetConnectionClose()
	}
}

// endWithVisitor ends an answer without an end when the visitor disconnects. fasthttp would
// notice when it next has something to send: a page that opens a silent stream would leave
// one behind at each visit, until the session ends. After such an answer the connection is
// closed, so what comes on it belongs to nobody.
func (f *flight) endWithVisitor(ctx *fasthttp.RequestCtx) {
	conn := ctx.Conn()
	switch conn.(type) {
	case *net.TCPConn, *net.UnixConn, *tls.Conn:
	default:
		return // an adaptor's or a test's, which ends at once or cannot be read
	}
	if f.unread != nil {
		return // somebody may still be reading the request
	}
	ctx.SetConnectionClose()
	_ = conn.SetReadDeadline(time.Time{}) // the server's was for the request
	go func() {
		if _, err := conn.Read(make([]byte, 1)); err != nil { // also when the answer is through
			f.cancel()
		}
	}()
}

// stream is an answer's body. fasthttp closes it when it is sent, or cannot be.
type stream struct {
	*io.PipeReader
	flight *flight
}

// Close ends the call.
func (s *stream) Close() error {
	s.flight.end()
	return nil
}

// giveConnection makes the visitor's connection the proxy's, which writes the answer
// itself, until it is through with it.
func (f *flight) giveConnection(ctx *fasthttp.RequestCtx) {
	ctx.HijackSetNoResponse(true) // or fasthttp would write a 200 first
	ctx.Hijack(func(raw net.Conn) {
		conn := lendConn(raw)
		// The proxy may have stopped waiting for the connection before it is there.
		select {
		case f.answer.conn <- conn:
			<-f.done
		case <-f.done:
		}
		// Taken back in any case: fasthttp closes the connection when this returns, and may
		// use the memory behind it again.
		conn.withdraw()
		f.end()
	})
}
