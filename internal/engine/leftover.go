package engine

import (
	"errors"
	"io"

	"github.com/valyala/fasthttp"
)

// mostDiscarded is how much of what is left of a body is read for the sake of the
// connection, as much as net/http reads.
const mostDiscarded = 256 << 10

// ExpectBody begins a request of which LeaveBody may have to close the connection. If a
// middleware in front may give the request up, which shows in the deadline of its context,
// it answers before LeaveBody runs: then the connection closes in any case. timed reports
// that.
func (a *Engine) ExpectBody(ctx *fasthttp.RequestCtx, server *fasthttp.Server, app any) (timed bool) {
	if !isFromServer(ctx) {
		return false
	}
	// A body that neither streams nor was read as a form in parts has been read in full.
	header := &ctx.Request.Header
	if header.ContentLength() == 0 || !ctx.Request.IsBodyStream() &&
		(server.DisablePreParseMultipartForm || len(header.MultipartFormBoundary()) == 0) {
		return false
	}
	if _, timed = a.hooks.Context(app).Deadline(); timed {
		ctx.SetConnectionClose()
	}
	return timed
}

// LeaveBody ends a request of which the server may not have read all. fasthttp takes what
// is left for the next request on the connection. So a form of another site could hold a
// request with any Origin, to which the visitor's own next request lends its cookie
// (request smuggling). Behind a proxy it could be anybody's.
//
// timed is what ExpectBody reported.
func LeaveBody(ctx *fasthttp.RequestCtx, server *fasthttp.Server, timed bool) {
	header := &ctx.Request.Header
	length := header.ContentLength()
	switch givenUp := ctx.LastTimeoutErrorResponse(); {
	case length == 0, !isFromServer(ctx): // an adaptor has read all, and the connection is net/http's
		return
	case givenUp != nil:
		// The handler may still be reading, so nothing can be said of the body. The
		// answer is a copy that the server sends when this returns. With timed, this is
		// the handler's goroutine, and the copy may be on its way.
		if !timed {
			givenUp.SetConnectionClose()
		}
		return
	case ctx.Hijacked():
		if timed {
			ctx.Response.Header.ResetConnectionClose() // or nobody would take it over
		}
		return
	case ctx.Response.ConnectionClose():
		return // or somebody else may be reading
	}
	switch {
	case ctx.Request.IsBodyStream():
		// StreamRequestBody leaves what the handlers have not read. Not of a body in
		// chunks: after its end, fasthttp would read on in the next request. And not
		// while the answer streams: it may be made of the body.
		if length > 0 && !ctx.Response.IsBodyStream() {
			if _, err := io.CopyN(io.Discard, ctx.RequestBodyStream(), mostDiscarded); errors.Is(err, io.EOF) {
				return
			}
		}
	case length < 0, server.DisablePreParseMultipartForm, len(header.MultipartFormBoundary()) == 0:
		return
	}
	// Of a form in parts, what follows the last part is left, and nobody can read it.
	ctx.SetConnectionClose()
}
