package engine

import (
	"io"

	"github.com/valyala/fasthttp"
)

// mostDiscarded is how much of an unread body is read for the sake of the connection, as
// much as net/http reads.
const mostDiscarded = 256 << 10

// LeaveBody ends a request whose body nobody may have read. With StreamRequestBody,
// fasthttp takes what is left of it for the next request on the connection. So a form of
// another site could hold a request with any Origin, to which the visitor's own next
// request lends its cookie (request smuggling). Behind a proxy it could be anybody's.
func LeaveBody(ctx *fasthttp.RequestCtx) {
	if !ctx.Request.IsBodyStream() || ctx.LastTimeoutErrorResponse() != nil || ctx.Response.ConnectionClose() {
		return
	}
	// Not one in chunks: after its end, fasthttp would read on in the next request.
	if length := ctx.Request.Header.ContentLength(); 0 <= length && length <= mostDiscarded {
		if _, err := io.Copy(io.Discard, ctx.RequestBodyStream()); err == nil {
			return
		}
	}
	ctx.SetConnectionClose()
}
