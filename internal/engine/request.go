package engine

import (
	"encoding/json"
	"strings"
	"unsafe"

	"github.com/bar-tech/cognito/internal/web"
	"github.com/valyala/fasthttp"
)

// Request is one request as the engine sees it, whichever Fiber it came through.
// It is passed by value. Its strings are views that end with the request.
type Request struct {
	*fasthttp.RequestCtx
	// Path and Method are Fiber's: other middleware may have rewritten them.
	Path, Method string
	App          any // what the app's hooks get: the context of its Fiber
	// AnyCase: names of headers are as the client spelled them.
	AnyCase bool
}

// GivenUp reports whether a timeout has answered the request while its handler still runs.
// Then nothing may be written: fasthttp sends a copy, but Fiber v3's adaptor for net/http
// lends the same memory to the next request, which may be somebody else's. There, what
// fasthttp remembers may be the answer to a request before this one.
func (r Request) GivenUp() bool {
	c, ok := r.App.(interface{ IsAbandoned() bool })
	// A handler may also have kept its context for a stream, as Fiber's sse does. fasthttp's
	// server sends that, with what is written here.
	if ok && c.IsAbandoned() && !(r.fromServer() && r.Response.IsBodyStream()) {
		return true
	}
	return r.fromServer() && r.LastTimeoutErrorResponse() != nil
}

// isLost reports whether what is read from a request may be another one's by now: it was given
// up, and an adaptor has lent its memory to the next one.
func (r Request) isLost() bool { return !r.fromServer() && r.GivenUp() }

// returnTo is where a request's query asks to end, which anybody may have written.
func (r Request) returnTo() string { return string(r.QueryArgs().Peek("return_to")) }

// mark marks a request while the app's own code runs, which may lead back here. again reports
// that it is marked already.
func (r Request) mark(key any) (unmark func(), again bool) {
	if r.UserValue(key) != nil {
		return nil, true
	}
	r.SetUserValue(key, true)
	return func() {
		if !r.isLost() {
			r.RemoveUserValue(key)
		}
	}, false
}

// fromServer reports whether fasthttp's server has read the request, and no adaptor brought
// it.
func (r Request) fromServer() bool { return isFromServer(r.RequestCtx) }

func isFromServer(ctx *fasthttp.RequestCtx) bool { return ctx.ConnRequestNum() > 0 }

// header is the value of a header of the request, or "". Of several headers with the name
// it is the first. What decides about access therefore asks web.Asking or bearerOf, which
// look at all of them.
func (r Request) header(name string) string { return view(r.headers().Peek(name)) }

func (r Request) headers() web.Headers {
	return web.Headers{RequestHeader: &r.Request.Header, AnyCase: r.AnyCase}
}

// cookieHeader is the request's first Cookie header. When a server keeps names as they
// were sent, fasthttp finds it in any case all the same (see Enter).
func (r Request) cookieHeader() []byte {
	if r.AnyCase {
		return r.Request.Header.PeekBytes(headerCookie)
	}
	return web.PeekCanonical(&r.Request.Header, headerCookie)
}

// noted is the value of a header of the response. The name has to be in its canonical
// form.
func (r Request) noted(name []byte) []byte {
	header := &r.Response.Header
	if r.AnyCase {
		return header.PeekBytes(name)
	}
	header.DisableNormalizing() // as web.PeekCanonical does
	first := header.PeekBytes(name)
	header.EnableNormalizing()
	return first
}

// asking is what the request says about who sent it, and for what purpose.
func (r Request) asking() web.Asking { return web.Ask(r.Method, r.headers()) }

// originalURL is the request's target as it was sent.
func (r Request) originalURL() string { return view(r.Request.Header.RequestURI()) }

// view is b as a string without a copy. It changes when b does, which is when the
// request ends at the latest. What outlives the request has to be cloned.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// vary notes that the answer depends on a header of the request (RFC 9110 section
// 12.5.5).
func (r Request) vary(field string) {
	noted := string(r.noted(headerVary))
	for each := range strings.SplitSeq(noted, ",") {
		if each = strings.TrimSpace(each); each == "*" || strings.EqualFold(each, field) {
			return
		}
	}
	if noted != "" {
		field = noted + ", " + field
	}
	r.Response.Header.Set("Vary", field) // Set, for what the app noted may hold a line break
}

// redirect sends the browser on. Inertia's client and HTMX get the address in their own ways,
// because a script cannot follow a redirect to Cognito.
func (r Request) redirect(location string, status int) error {
	if r.GivenUp() {
		return nil
	}
	switch {
	case r.isInertia():
		return r.leaveInertia(location)
	case r.isHTMX():
		return r.leaveHTMX(location)
	}
	r.Response.Header.Set("Location", location)
	r.SetStatusCode(status)
	return nil
}

// json answers with a value.
func (r Request) json(status int, mediaType string, value any) error {
	body, err := json.Marshal(value)
	if err != nil || r.GivenUp() {
		return err
	}
	r.SetStatusCode(status)
	r.SetContentType(mediaType)
	r.SetBody(body)
	return nil
}
