package web

import (
	"bytes"
	"strings"

	"github.com/valyala/fasthttp"
)

// Headers is what a judgement looks into.
type Headers struct {
	*fasthttp.RequestHeader
	// AnyCase is for a server that keeps names as clients spell them
	// (DisableHeaderNormalizing). They mean the same in any case (RFC 9110 section
	// 5.1), and most of what stands in front of an app writes them in small letters.
	AnyCase bool
}

// Peek returns the first header of a name, or nil.
func (h Headers) Peek(name string) []byte {
	if !h.AnyCase {
		return h.RequestHeader.Peek(name)
	}
	for key, value := range h.RequestHeader.All() {
		if strings.EqualFold(string(key), name) {
			return value
		}
	}
	return nil
}

// PeekAll returns all headers of a name.
func (h Headers) PeekAll(name string) [][]byte {
	if !h.AnyCase {
		return h.RequestHeader.PeekAll(name)
	}
	var found [][]byte
	for key, value := range h.RequestHeader.All() {
		if strings.EqualFold(string(key), name) {
			found = append(found, value)
		}
	}
	return found
}

// text is what a request says under a name. Equal headers count once, for adaptors
// double them; of several that differ none is believed, so they are told together
// (RFC 9110 section 5.3), which is no value that anybody knows.
func (h Headers) text(name string) string {
	all := h.PeekAll(name)
	if len(all) == 0 {
		return ""
	}
	for _, each := range all[1:] {
		if !bytes.Equal(each, all[0]) {
			return string(bytes.Join(all, []byte(", ")))
		}
	}
	return string(all[0])
}
