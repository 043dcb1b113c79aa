package web

import (
	"strconv"
	"strings"
)

// LongestReturnPath bounds what one login makes the storage keep: 200 characters of
// a script that takes nine bytes for each, as percent-encoded Chinese does.
const LongestReturnPath = 2048

// LocalPath rebuilds raw as an absolute path with an optional query and fragment that
// a browser cannot but resolve on our own origin, and reports whether it could.
//
// Browsers and servers disagree about what a relative reference is: "//evil"
// and "/\evil" name another host (https://url.spec.whatwg.org/#relative-slash-state),
// tabs and newlines vanish before parsing, and dot segments climb out of a
// path prefix. So these are refused, and every other byte outside the plain
// URL alphabet is percent-encoded, which also closes response splitting.
func LocalPath(raw string) (string, bool) {
	if raw == "" || len(raw) > LongestReturnPath || raw[0] != '/' {
		return "", false
	}
	// The fragment first: a "?" in it begins no query.
	raw, fragment, hasFragment := strings.Cut(raw, "#")
	path, query, hasQuery := strings.Cut(raw, "?")
	if len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "", false
	}
	if strings.ContainsFunc(raw, IsControl) || strings.ContainsFunc(fragment, IsControl) || strings.Contains(path, `\`) || HasDotSegment(path) {
		return "", false
	}
	clean := encodePlain(path)
	if hasQuery {
		clean += "?" + encodePlain(query)
	}
	if hasFragment {
		clean += "#" + encodePlain(fragment)
	}
	return clean, len(clean) <= LongestReturnPath // encoding makes it longer
}

// IsTooLong reports whether raw is no LocalPath because of its length.
func IsTooLong(raw string) bool {
	return len(raw) > LongestReturnPath || len(encodePlain(raw)) > LongestReturnPath
}

// ForQuery is a path of LocalPath's, to be encoded once more as a parameter's value:
// its escapes of other than ASCII are undone, or three bytes would become five.
// LocalPath makes the same path of it again.
func ForQuery(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] == '%' && isEscape(path[i:]) && path[i+1] >= '8' {
			value, _ := strconv.ParseUint(path[i+1:i+3], 16, 8)
			b.WriteByte(byte(value))
			i += 2
			continue
		}
		b.WriteByte(path[i])
	}
	return b.String()
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

// isEscape reports whether s, which begins with "%", begins with a whole escape.
func isEscape(s string) bool { return len(s) >= 3 && isHex(s[1]) && isHex(s[2]) }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
