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

// PeekCanonical returns the first header of a name that is in its canonical form, as all
// names in the header must be. At every look fasthttp would put the name in that form,
// which costs more than the look. It changes the header for the time of the look, so only
// the request's own goroutine may call it.
func PeekCanonical(header *fasthttp.RequestHeader, name []byte) []byte {
	header.DisableNormalizing()
	first := header.PeekBytes(name)
	header.EnableNormalizing()
	return first
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

// text is the value of a request's header. Equal headers count once, because adaptors
// duplicate them. Several different ones are joined (RFC 9110 section 5.3), which is not
// a valid value, so none of them is trusted.
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
