// Package forward sends requests on to another service, with a user's access token in
// the place of the cookie. The proxy itself is net/http's; this package decides where
// a request may go, what of it goes there, and carries bodies between fasthttp and
// net/http without keeping them.
package forward

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/bar-tech/cognito/internal/secret"
	"github.com/valyala/fasthttp"
)

// Bounds of a call. An answer may take as long as it likes once it has begun, as
// events do.
const (
	dialTimeout   = 10 * time.Second // for TLS, too, and for fasthttp to hand a connection over
	headerTimeout = 60 * time.Second
	maxHeader     = 64 << 10
	idlePerHost   = 64              // nearly all calls go to one host, and net/http keeps two
	lookEvery     = 2 * time.Second // after the session behind an answer without an end
)

// Errors of a call, besides ErrPath.
var (
	ErrUnreachable = errors.New("the upstream did not respond")
	ErrTooSlow     = errors.New("the upstream took too long to respond")
	ErrMethod      = errors.New("the method is not forwarded")
)

// NewTransport makes the connections that the forwards of one middleware share.
func NewTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	// HTTP/2 has to be asked for: net/http leaves it off where it is given a dialer.
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: headerTimeout, IdleConnTimeout: 90 * time.Second,
		MaxIdleConnsPerHost: idlePerHost, MaxResponseHeaderBytes: maxHeader,
		DisableCompression: true, // what the visitor's browser accepts passes as it is
	}
}

// Proxy forwards requests to one target.
type Proxy struct {
	target Target
	proxy  *httputil.ReverseProxy
	logger *slog.Logger
}

// New makes a proxy for a target.
func New(target Target, transport http.RoundTripper, logger *slog.Logger) *Proxy {
	return &Proxy{target: target, logger: logger, proxy: &httputil.ReverseProxy{
		// Flushed at once (-1), so that an event arrives when it happens.
		Transport: transport, FlushInterval: -1, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			// Only now, after the proxy has removed what belongs to one connection: a client
			// that lists Authorization in Connection would have it removed, too.
			r.Out.Header.Set("Authorization", "Bearer "+callOf(r.In).Token.Reveal())
		},
		ModifyResponse: func(res *http.Response) error {
			cleanAnswer(res.Header) // also of a 101, before the connection is handed over
			if location := res.Header.Get("Location"); location != "" {
				res.Header.Set("Location", target.public(location, res.Request.URL, callOf(res.Request).Prefix))
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) { w.(*answer).fail(err) },
	}}
}

// Call is what a handler knows of a request.
type Call struct {
	Token  secret.Text
	Rest   string       // what the route's wildcard matched, as it was sent
	Prefix string       // what stands before it in a browser, or ""
	Alive  func() error // tells whether the session behind an endless answer lives; nil says yes
	// GivenUp tells whether a timeout has answered in the meantime; nil says no.
	GivenUp func() bool
}

type callKey struct{}

func callOf(r *http.Request) Call {
	call, _ := r.Context().Value(callKey{}).(Call)
	return call
}

// Serve forwards a request and answers it, unless it returns an error: then nothing
// was answered. The call must own its strings: the proxy may use them when fasthttp has
// overwritten the request. Serve returns when the answer begins, and its body is sent
// after the handlers; see flight.
func (p *Proxy) Serve(ctx *fasthttp.RequestCtx, call Call) error {
	switch string(ctx.Method()) {
	case http.MethodTrace, http.MethodConnect: // TRACE would send the token back to a script
		return ErrMethod
	}
	address, err := p.target.at(call.Rest, string(ctx.URI().QueryString()))
	if err != nil {
		return err
	}
	flight := p.begin(ctx, address, call)
	head := <-flight.answer.head // there always is one: finish sees to that
	if call.GivenUp != nil && call.GivenUp() {
		flight.end() // nobody would: the answer would never be read, or by another visitor
		return nil
	}
	if head.err != nil {
		flight.leaveConnection(ctx)
		flight.end()
		return p.explain(head.err)
	}
	if head.hijacked {
		flight.giveConnection(ctx)
	} else {
		flight.giveAnswer(ctx, head)
	}
	if head.endless() {
		go flight.watch(call.Alive, ctx.Done()) // Done tells of the server's end, not the request's
	}
	return nil
}

// explain says for the log why there is no answer, and which one to give instead. The
// cause holds no address, whose query may be secret.
func (p *Proxy) explain(cause error) error {
	err := ErrUnreachable // also for an answer that was no HTTP, or whose head was too long
	var timeout net.Error
	if errors.As(cause, &timeout) && timeout.Timeout() {
		err = ErrTooSlow
	}
	p.logger.Error("cognito: a request could not be forwarded", "upstream", p.target.Origin(), "error", cause,
		"remedy", "check that the upstream is running, and that the address given to Forward is right")
	return err
}

// flight is one request on its way. Two goroutines take part in it. The proxy's own runs
// from begin until done is closed: it reads the request's body and writes to the answer.
// fasthttp's runs the handler, and then reads the answer's body. What belongs to fasthttp,
// the body and the connection, may be used for another request when fasthttp is through.
// So end takes it back, and waits until the proxy has let go of it. A third goroutine,
// watch, can only cancel.
type flight struct {
	cancel context.CancelFunc
	answer *answer
	body   *lent         // the request's
	unread func()        // makes a read that waits for the client return; nil if none can wait
	done   chan struct{} // closed when the proxy is through
}

// begin sends a request on its way, in a goroutine of its own. Whoever begins a flight sees
// to it that end is called.
func (p *Proxy) begin(ctx *fasthttp.RequestCtx, address *url.URL, call Call) *flight {
	// A context of its own: fasthttp's is another request's after the answer. With a
	// server in it the proxy tells of an answer that breaks off.
	background, cancel := context.WithCancel(context.WithValue(context.Background(), http.ServerContextKey, &http.Server{}))
	r, body, unread := requestOf(ctx, address)
	f := &flight{cancel: cancel, answer: newAnswer(), body: body, unread: unread, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		defer func() { f.answer.finish(recover(), p.logger) }()
		p.proxy.ServeHTTP(f.answer, r.WithContext(context.WithValue(background, callKey{}, call)))
	}()
	return f
}

// end stops whatever is still going on, and takes back what belongs to fasthttp. It
// may be called again. The order matters: without cancel and a closed pipe, the proxy could
// wait for the upstream or the visitor for ever, and end for the proxy.
func (f *flight) end() {
	f.cancel()
	f.answer.reader.Close()
	f.body.withdraw(f.unread)
	<-f.done
}

// watch ends an answer that has no end by itself when the session has one, or the
// server. It only cancels: end is for the goroutine that fasthttp sends the answer in.
func (f *flight) watch(alive func() error, closing <-chan struct{}) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-f.done:
			return
		case <-closing:
			f.cancel()
			return
		case <-ticker.C:
			if alive != nil && alive() != nil {
				f.cancel()
				return
			}
		}
	}
}
