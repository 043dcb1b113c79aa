package web_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bar-tech/cognito/internal/web"
)

func TestPrintable(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"", ""}, {"Mozilla (X11)", "Mozilla (X11)"}, {"0123456789abcdef", "0123456789abcdef"},
		{"0123456789abcdefg", "0123456789abcdef"},
		{"a\r\nlevel=ERROR", "alevel=ERROR"}, {"\x1b[2J", "[2J"}, {"\u0085\u2028\u202ex", "x"}, {"a\xffb", "ab"},
		{"0123456789abcdé", "0123456789abcdé"}, {"0123456789abcde" + "é", "0123456789abcde"}, {"0123456789abcd東", "0123456789abcd"},
		{strings.Repeat("\x00", 1000) + "x", ""},
	} {
		if got := web.Printable(row.text, 16); got != row.want || !utf8.ValidString(got) {
			t.Errorf("Printable(%q) is %q, want %q", row.text, got, row.want)
		}
	}
}
