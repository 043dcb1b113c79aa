package web

import "strings"

// longestReturnPath bounds what one login makes the storage keep.
const longestReturnPath = 1024

// LocalPath rebuilds raw as an absolute path with an optional query that a
// browser cannot but resolve on our own origin, and reports whether it could.
//
// Browsers and servers disagree about what a relative reference is: "//evil"
// and "/\evil" name another host (https://url.spec.whatwg.org/#relative-slash-state),
// tabs and newlines vanish before parsing, and dot segments climb out of a
// path prefix. So these are refused, and every other byte outside the plain
// URL alphabet is percent-encoded, which also closes response splitting.
func LocalPath(raw string) (string, bool) {
	if raw == "" || len(raw) > longestReturnPath || raw[0] != '/' {
		return "", false
	}
	raw, _, _ = strings.Cut(raw, "#")
	path, query, hasQuery := strings.Cut(raw, "?")
	if len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "", false
	}
	if strings.ContainsFunc(raw, IsControl) || strings.Contains(path, `\`) || HasDotSegment(path) {
		return "", false
	}
	clean := encodePlain(path)
	if hasQuery {
		clean += "?" + encodePlain(query)
	}
	return clean, len(clean) <= longestReturnPath
}

// HasDotSegment reports whether path has a "." or ".." segment, also in the
// percent-encoded spellings that browsers resolve alike.
func HasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

// encodePlain percent-encodes what may not stand in a path or query (RFC 3986
// section 3.3) and leaves existing escapes alone.
func encodePlain(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?"
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case strings.IndexByte(plain, c) >= 0, c == '%' && isEscape(s[i:]):
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

func isEscape(s string) bool { return len(s) >= 3 && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
