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
	dialTimeout   = 10 * time.Second
	headerTimeout = 60 * time.Second
	maxHeader     = 64 << 10
	idlePerHost   = 64
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
		Transport: transport, FlushInterval: -1, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			// Only now: a client that lists Authorization in Connection would have
			// it removed as one connection's.
			r.Out.Header.Set("Authorization", "Bearer "+callOf(r.In).Token.Reveal())
		},
		ModifyResponse: func(res *http.Response) error {
			cleanAnswer(res.Header)
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
}

type callKey struct{}

func callOf(r *http.Request) Call {
	call, _ := r.Context().Value(callKey{}).(Call)
	return call
}

// Serve forwards a request and answers it, unless it returns an error: then nothing
// was answered. The call must own its strings.
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
	head := <-flight.answer.head
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
		go flight.watch(call.Alive, ctx.Done())
	}
	return nil
}

// explain says for the log why there is no answer, and which one to give instead. The
// cause holds no address, whose query may be secret.
func (p *Proxy) explain(cause error) error {
	err := ErrUnreachable
	var timeout net.Error
	if errors.As(cause, &timeout) && timeout.Timeout() {
		err = ErrTooSlow
	}
	p.logger.Error("cognito: a request could not be forwarded", "upstream", p.target.Origin(), "error", cause,
		"remedy", "check that the upstream is running, and that the address given to Forward is right")
	return err
}

// flight is one request on its way.
type flight struct {
	cancel context.CancelFunc
	answer *answer
	body   *lent // the request's
	unread func()
	done   chan struct{} // closed when the proxy is through
}

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
// may be called again.
func (f *flight) end() {
	f.cancel()
	f.answer.reader.Close()
	f.body.withdraw(f.unread)
	<-f.done
}

// watch ends an answer that has no end by itself when the session has one, or the
// server.
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
