package engine

import (
	"errors"
	"io"

	"github.com/valyala/fasthttp"
)

// mostDiscarded is how much of what is left of a body is read for the sake of the
// connection, as much as net/http reads.
const mostDiscarded = 256 << 10

// LeaveBody ends a request of which the server may not have read all. fasthttp takes what
// is left for the next request on the connection. So a form of another site could hold a
// request with any Origin, to which the visitor's own next request lends its cookie
// (request smuggling). Behind a proxy it could be anybody's.
func LeaveBody(ctx *fasthttp.RequestCtx, server *fasthttp.Server) {
	header := &ctx.Request.Header
	length := header.ContentLength()
	if length == 0 || ctx.LastTimeoutErrorResponse() != nil || ctx.Hijacked() || ctx.Response.ConnectionClose() {
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
