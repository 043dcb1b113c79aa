package web

// AsksServer reports whether a request is for the server itself, and has no path (RFC 9112
// section 3.2.4).
func AsksServer(method string, path []byte) bool {
	return method == "OPTIONS" && string(path) == "*"
}

// IsAmbiguous reports whether a path, as it was sent, is not what it resolves to (RFC
// 3986 section 6.2.2): with empty or dot segments, escaped letters, digits and the
// like, slashes or backslashes that are escaped, or backslashes. Fiber compares
// paths as they were sent, and file servers resolve them first, so a guard on
// "/admin" would not see "//admin", "/x/../admin" or "/%61dmin". Escapes of
// anything else pass: they are the only way to write it, or, as for "@" and ",", one that
// honest clients use. A guard on a prefix with such characters does not see them. It runs
// on every request.
func IsAmbiguous(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return true // a slash comes in front when it is resolved
	}
	for i, c := range path {
		switch rest := path[i+1:]; c {
		case '\\':
			return true
		case '%':
			if escapesPlain(rest) {
				return true
			}
		case '/':
			if len(rest) > 0 && (rest[0] == '/' || rest[0] == '.' && isDotSegment(rest)) {
				return true
			}
		}
	}
	return false
}

// isDotSegment reports whether rest, which begins with a dot, begins with a segment
// that is "." or "..".
func isDotSegment(rest []byte) bool {
	n := 1
	if len(rest) > 1 && rest[1] == '.' {
		n = 2
	}
	return len(rest) == n || rest[n] == '/'
}

// escapesPlain reports whether what follows a "%" stands for a character that needs
// no escape, or for a slash. An escaped "%" counts as one: "%2561" becomes
// "%61" when it is resolved, and a second time "a".
func escapesPlain(rest []byte) bool {
	for len(rest) >= 2 && rest[0] == '2' && rest[1] == '5' {
		rest = rest[2:]
	}
	if len(rest) < 2 || !isHex(rest[0]) || !isHex(rest[1]) {
		return false
	}
	switch c := unhex(rest[0])<<4 | unhex(rest[1]); {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c == '-' || c == '.' || c == '_' || c == '~' || c == '/' || c == '\\'
	}
}

// unhex is the value of a digit that isHex. A letter's low bits count from 1 in either case.
func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&7 + 9 // of a letter in either case
}
