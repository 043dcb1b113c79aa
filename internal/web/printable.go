package web

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable copies what a stranger wrote for a log or a list: no more than so many
// bytes, no character cut in two, and none that ends a line, steers a terminal or turns the
// direction of what follows.
func Printable(text string, most int) string {
	if len(text) > 2*most {
		text = text[:2*most] // whoever sends much has no more work done
	}
	kept := strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	// Back to where a character begins.
	for most = min(most, len(kept)); most > 0 && most < len(kept) && !utf8.RuneStart(kept[most]); {
		most--
	}
	return strings.Clone(kept[:most]) // the text may be a view into a request
}

// IsControl reports whether a character is a control character.
func IsControl(r rune) bool { return r < 0x20 || r == 0x7f }
