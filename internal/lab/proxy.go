package lab

import (
	"bytes"
	"io"
	"net/http"
)

// ReadWhole reads each request to its end before next has it. A reverse proxy of
// net/http that still reads the request when it begins to write the answer may cut
// the answer off (ErrBodyReadAfterClose).
func ReadWhole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has hung up
		}
		r.Body = io.NopCloser(bytes.NewReader(whole))
		next.ServeHTTP(w, r)
	})
}
