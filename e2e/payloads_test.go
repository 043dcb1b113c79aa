package e2e

import "strings"

// returnPayloads are texts that lead elsewhere, or would if somebody parsed
// them otherwise than a browser does.
var returnPayloads = []string{
	// Another host, by two slashes of any kind.
	"//evil.example", "//evil.example/", "//evil.example/%2f..", "///evil.example", "////evil.example", "/////evil.example/",
	`/\evil.example`, `\/evil.example`, `\\evil.example`, `\evil.example`, `/\/evil.example`, `//\evil.example`, `\\\evil.example`,
	`/\\evil.example`, `//evil.example\@localhost:8021/`, `/\localhost:8021@evil.example`, "//localhost:8021@evil.example/",
	"//localhost:8021.evil.example", "//evil.example:80", "//evil.example?x", "//evil.example#x", "//[::ffff:1.2.3.4]/", "//0x7f000001/", "//2130706433",
	"//127.1/", "//017700000001/", "//evil%E3%80%82example", "//ｅｖｉｌ.example", "//evil。example", "//", "///", `/\`, `\\`,
	// What browsers throw away before they parse.
	"/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\t//evil.example", "\n//evil.example", " //evil.example", "//evil.example\t",
	"/\t\\evil.example", "/\r\n/evil.example", "\x00//evil.example", "\x0b//evil.example", "\x1f//evil.example", "/\x00/evil.example", "/\x7f/evil.example",
	"h\tttps://evil.example", "java\nscript:alert(1)", "\u0000https://evil.example", "\u00a0//evil.example", "\u2028//evil.example", "\ufeff//evil.example",
	// Another scheme, with and without slashes.
	"https://evil.example", "http://evil.example", "HTTPS://evil.example", "https:evil.example", "http:evil.example", "https:/evil.example", "http:\\\\evil.example",
	"http:///evil.example", "ftp://evil.example", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "javascript://localhost:8021/%0aalert(1)", "data:text/html,<script>alert(1)</script>",
	"vbscript:x", "file:///etc/passwd", "blob:https://evil.example/x", "view-source:https://evil.example", "intent://evil.example#Intent;end", "about:blank", "mailto:x@evil.example", "ws://evil.example", "://evil.example", ":evil.example", "http://localhost:8021@evil.example/", "http://localhost:8021.evil.example/", "http://localhost:80210/", "https://localhost:8021/", "http://127.0.0.1:8021/", "http://[::1]:8021/",
	// Dot segments, in every spelling, that may climb or uncover slashes.
	"/..//evil.example", "/.//evil.example", "/./\\evil.example", "/a/..//evil.example", "/%2e%2e//evil.example", "/%2E%2e//evil.example", "/.%2e//evil.example",
	"/../..", "/a/../../b", "/..\\..\\evil", "/;/../..//evil.example", "/%2e/", "..//evil.example", "./", "..", ".", "/..;/evil", "/a/%2e%2e/%2e%2e/%2e%2e/b",
	// Encoded once, twice, and badly.
	"%2f%2fevil.example", "/%2fevil.example", "/%2Fevil.example", "/%5cevil.example", "%5c%5cevil.example", "/%252fevil.example", "%252f%252fevil.example", "/%09/evil.example",
	"/%0a/evil.example", "/%0d%0aLocation:%20https://evil.example", "/%00/evil.example", "/%", "/%2", "/%zz", "/%u002fevil.example", "/%c0%af%c0%afevil.example", "/%E2%80%A8/evil.example",
	"%00//evil.example", "%20//evil.example", "https%3a%2f%2fevil.example", "/%2e%2e%2f%2fevil.example",
	// Slashes that are none.
	"/\u2044evil.example", "/\uff0fevil.example", "/\uff3cevil.example", "\u2044\u2044evil.example", "/\u29f8evil.example", "/\u2215/evil.example", "〱evil.example", "〵evil.example", "ゝevil.example",
	// More than a path: header lines, bodies, markup, parameters.
	"/x\r\nSet-Cookie: a=b", "/x\r\n\r\n<script>alert(1)</script>", "/x\nLocation: //evil.example", "/x\u560d\u560aSet-Cookie:a=b", "/\"><script>alert(1)</script>", "/';alert(1)//",
	"/x?y=\r\nSet-Cookie: a=b", "/x?y=é", "/x?y= z", "/x?y=\"><script>", "/?next=//evil.example", "/&return_to=//evil.example", "/?a=b#//evil.example", "/#//evil.example", "#//evil.example", "?//evil.example", "/x;//evil.example",
	"/\xff\xfe", "\xff//evil.example", "/\xc0\xaf/evil.example", "/{}|^`\"<>", "/ / ", "/\u202e/evil.example",
	// The login's own routes, and too much.
	"/login", "/LOGIN", "/login/", "/login?return_to=//evil.example", "/login/redirect?error=x", "/logout", "/token/refresh", "/shop/../login",
	"/" + strings.Repeat("a", 2047), "/" + strings.Repeat("a", 2048), "/" + strings.Repeat("é", 300), "/" + strings.Repeat("/", 2000) + "evil.example",
	"", "/", "/me", "/me?tab=2", "me",
}
