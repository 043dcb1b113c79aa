package cognito

import (
	"net/url"
	"strings"
)

// longestReturnPath bounds what one login makes the storage keep.
const longestReturnPath = 1024

// returnPath is where a visitor goes after a login that was asked to return
// to raw: raw itself, rebuilt as a path of this app, or AfterLogin when it is
// anything else. A login never returns to a route of ours, which would only
// begin the journey again.
func (a *Auth) returnPath(raw string) string {
	clean, ok := localPath(raw)
	if !ok {
		return a.config.AfterLogin
	}
	path, _, _ := strings.Cut(clean, "?")
	if decoded, err := url.PathUnescape(path); err != nil || a.route(decoded) != nil { // a proxy, or Fiber, may decode it
		return a.config.AfterLogin
	}
	return clean
}

// localPath rebuilds raw as an absolute path with an optional query that a
// browser cannot but resolve on our own origin, and reports whether it could.
//
// Browsers and servers disagree about what a relative reference is: "//evil"
// and "/\evil" name another host (https://url.spec.whatwg.org/#relative-slash-state),
// tabs and newlines vanish before parsing, and dot segments climb out of a
// path prefix. So these are refused, and every other byte outside the plain
// URL alphabet is percent-encoded, which also closes response splitting.
func localPath(raw string) (string, bool) {
	if raw == "" || len(raw) > longestReturnPath || raw[0] != '/' {
		return "", false
	}
	raw, _, _ = strings.Cut(raw, "#")
	path, query, hasQuery := strings.Cut(raw, "?")
	if len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "", false
	}
	if strings.ContainsFunc(raw, isControl) || strings.Contains(path, `\`) || hasDotSegment(path) {
		return "", false
	}
	clean := encodePlain(path)
	if hasQuery {
		clean += "?" + encodePlain(query)
	}
	return clean, len(clean) <= longestReturnPath
}

// hasDotSegment reports whether path has a "." or ".." segment, also in the
// percent-encoded spellings that browsers resolve alike.
func hasDotSegment(path string) bool {
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
