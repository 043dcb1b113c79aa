package engine

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// cookies knows the name and the attributes of every cookie here, so that a
// cookie is always deleted with the attributes that it was set with: browsers
// ignore a deletion that differs.
type cookies struct {
	secure    bool
	sameSite  fasthttp.CookieSameSite
	transient bool   // the session's ends with the browser
	session   []byte // name of the session cookie, compared with raw headers
	loginLoop string // counts logins in a row, whether or not they stick
	attempt   string // of logins in progress, without the slot's number; the same for all clients of a host
	signedOut string // where to go on after the logout; holds the session's name, so that one look finds either
}

// hostPrefix makes browsers accept the cookie only from this very host, over
// https, for all paths (RFC 6265bis section 4.1.3.2): a sibling subdomain can
// neither set nor shadow it.
const hostPrefix = "__Host-"

// framed tells cookies for foreign pages from those that the app had before SameSite was
// changed. Being partitioned, they would not replace those: a browser would keep both under one
// name and send both, which counts as none.
const framed = "_framed"

func newCookies(c Settings) cookies {
	prefix, kind := "", ""
	base, err := url.Parse(c.BaseURL)
	secure := err == nil && base.Scheme == "https"
	if secure {
		prefix = hostPrefix
	}
	sameSite := fasthttp.CookieSameSiteLaxMode
	if c.Embedded {
		kind = framed
		sameSite = fasthttp.CookieSameSiteNoneMode
	}
	session := prefix + c.CookieName + kind
	return cookies{
		secure:    secure,
		sameSite:  sameSite,
		transient: c.BrowserSession,
		session:   []byte(session),
		loginLoop: session + "_trips",
		signedOut: session + "_out",
		attempt:   prefix + "cognito_login" + kind + "_",
	}
}

// mayBeIn reports whether the session cookie's name occurs in a request at all. For
// visitors who have only cookies of other apps, it costs far less than read. It looks in
// the headers as they were sent, and in the cookies, which another handler may have
// changed.
func (k *cookies) mayBeIn(r Request) bool {
	header := &r.Request.Header
	first := r.cookieHeader()
	if len(first) == 0 {
		return false
	}
	if bytes.Contains(first, k.session) {
		return true
	}
	// An adaptor of net/http passes no raw headers on, so then it may be in.
	raw := header.RawHeaders()
	return len(raw) == 0 || bytes.Contains(raw, k.session)
}

// read returns the value of the cookie with this name, or nil if there is none. Two
// different cookies with the same name count as none: one was set by somebody who can
// write cookies for a parent domain (cookie tossing, RFC 6265bis section 8.6), and
// nothing tells which one. Equal cookies count once, because an adaptor for net/http
// duplicates the header. The value is a view into the request.
func (k *cookies) read(r Request, name []byte) []byte {
	header := &r.Request.Header
	first := r.cookieHeader()
	if len(first) == 0 {
		return nil
	}
	// Counting the name in the raw headers is quicker than going through all headers. Any
	// second occurrence is looked at in full, even where it is only part of a value.
	raw := header.RawHeaders()
	times, nameless := inRaw(raw, name)
	if nameless || (len(raw) == 0 && namelessAmong(header, name)) {
		return nil
	}
	value, found := cookieIn(first, name)
	if times != 1 || found != 1 {
		// Not just there, where it was looked for: further headers count too.
		var room [4][]byte // of this request's own: a visitor has more than one for a minute after each login
		all := k.appendAll(room[:0], r, name)
		if found = len(all); found > 0 {
			value = all[0]
		}
	}
	if found != 1 {
		return nil
	}
	return value
}

// mostOfOneName is how many cookies with our name are looked at. A browser has one, and
// whoever tosses more can do so once for each path and domain that the request is below.
// A logout looks each of them up in the storage, so a stranger's request must not hold
// hundreds.
const mostOfOneName = 16

// readAll returns the different values of cookies with this name, as views into the
// request: those that the browser finds most specific, which come first.
func (k *cookies) readAll(r Request, name []byte) [][]byte {
	return k.appendAll(nil, r, name)
}

func (*cookies) appendAll(values [][]byte, r Request, name []byte) [][]byte {
	for _, header := range r.Request.Header.PeekAll("Cookie") {
		for len(header) > 0 {
			value, rest, ok := nextCookie(header, name)
			if ok && !slices.ContainsFunc(values, func(known []byte) bool { return bytes.Equal(known, value) }) {
				if values = append(values, value); len(values) == mostOfOneName {
					return values
				}
			}
			header = rest
		}
	}
	return values
}

// cookieIn returns the value of the last cookie of this name in a Cookie
// header, and how many there are.
func cookieIn(header, name []byte) (value []byte, found int) {
	for len(header) > 0 {
		candidate, rest, ok := nextCookie(header, name)
		if ok {
			value = candidate
			found++
		}
		header = rest
	}
	return value, found
}

// beforeHidden is what fasthttp and adaptors drop between the beginning of a cookie without a
// name and a "name=…" in its value: spaces, quotes around the value and, each time that they
// write the cookie anew, one "=".
const beforeHidden = " \t\"="

// inRaw counts the occurrences of name in the headers as they were sent. It also
// reports whether there is a cookie without a name whose value is "name=…". Once
// another handler has read the cookies, fasthttp writes such a cookie like one with
// that name, and only the raw headers distinguish them. Other headers do not count.
// Otherwise a link that ends in ";=name=" would sign visitors out, through their
// Referer.
func inRaw(raw, name []byte) (times int, nameless bool) {
	line, looked := 0, 0 // where a header begins, of what was looked through for that
	for at := 0; ; times++ {
		i := bytes.Index(raw[at:], name)
		if i < 0 {
			return times, false
		}
		i += at
		at = i + len(name)
		if !isNameOf(raw[at:]) || !beginsNameless(raw[:i]) {
			continue
		}
		if end := bytes.LastIndexByte(raw[looked:i], '\n'); end >= 0 {
			line = looked + end + 1
		}
		if looked = i; isCookieLine(raw[line:i]) {
			return times + 1, true
		}
	}
}

// beginsNameless reports whether what precedes a "name=…" ends with the beginning of a cookie
// without a name, and with nothing else that stays.
func beginsNameless(raw []byte) bool {
	before, equals := len(raw), false
	for before > 0 && strings.IndexByte(beforeHidden, raw[before-1]) >= 0 {
		before--
		equals = equals || raw[before] == '='
	}
	return equals && (before == 0 || raw[before-1] == ';' || raw[before-1] == ':')
}

// isNameOf reports whether what precedes rest is the whole name of a cookie. fasthttp drops
// spaces after it.
func isNameOf(rest []byte) bool {
	for len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	return len(rest) > 0 && rest[0] == '='
}

// isCookieLine reports whether a line of raw headers is one of a Cookie header, or may be.
func isCookieLine(line []byte) bool {
	name, _, named := bytes.Cut(line, []byte(":"))
	return !named || bytes.EqualFold(bytes.TrimSpace(name), headerCookie)
}

// namelessAmong is the same for a request that came from no server, but by an
// adaptor of net/http: it has no raw headers, and its cookies are split.
func namelessAmong(header *fasthttp.RequestHeader, name []byte) bool {
	for key, value := range header.Cookies() {
		value, hidden := bytes.CutPrefix(bytes.TrimLeft(value, beforeHidden), name)
		if len(key) == 0 && hidden && isNameOf(value) {
			return true
		}
	}
	return false
}

// nextCookie looks for name in a Cookie header and returns its value and what
// follows it. Scanning for one name costs a tenth of splitting all cookies,
// and this runs on every request.
func nextCookie(header, name []byte) (value, rest []byte, ok bool) {
	i := bytes.Index(header, name)
	if i < 0 {
		return nil, nil, false
	}
	end := i + len(name)
	before := bytes.TrimRight(header[:i], " \t")
	if (len(before) > 0 && before[len(before)-1] != ';') || end >= len(header) || header[end] != '=' {
		// Part of another name or of a value. On to the next cookie, and not
		// just behind this: whoever chooses a value would choose ours.
		return nil, fromSemicolon(header[end:]), false
	}
	value = header[end+1:]
	rest = fromSemicolon(value)
	return bytes.Trim(value[:len(value)-len(rest)], " \t"), rest, true
}

func fromSemicolon(header []byte) []byte {
	if i := bytes.IndexByte(header, ';'); i >= 0 {
		return header[i:]
	}
	return nil
}

// setSession sends a cookie of the session, which lives for maxAge, or until the
// browser ends.
func (k *cookies) setSession(r Request, name, value string, maxAge time.Duration) {
	if k.transient {
		k.send(r, name, value, func(*fasthttp.Cookie) {})
		return
	}
	k.set(r, name, value, maxAge)
}

// set sends a cookie that lives for maxAge.
func (k *cookies) set(r Request, name, value string, maxAge time.Duration) {
	k.send(r, name, value, func(c *fasthttp.Cookie) { c.SetMaxAge(int(maxAge / time.Second)) })
}

// clear deletes a cookie. Expires does it in every browser and on every
// fasthttp release; a negative Max-Age alone does not.
func (k *cookies) clear(r Request, name string) {
	k.send(r, name, "", func(c *fasthttp.Cookie) { c.SetExpire(time.Unix(1, 0)) })
}

// send writes a cookie. Lax or None, never Strict: a Strict cookie is not sent along
// the redirects that come from Cognito. No Domain: with one, every host below it could
// read the cookie, and browsers would refuse the __Host- prefix that keeps those hosts
// from writing it. A cookie for foreign pages is partitioned: each of them has one of
// its own, so none learns by it whom another one has seen.
func (k *cookies) send(r Request, name, value string, life func(*fasthttp.Cookie)) {
	if r.GivenUp() {
		return
	}
	c := fasthttp.AcquireCookie()
	defer fasthttp.ReleaseCookie(c)
	c.SetKey(name)
	c.SetValue(value)
	c.SetPath("/")
	life(c)
	c.SetSecure(k.secure)
	c.SetHTTPOnly(true)
	c.SetSameSite(k.sameSite)
	c.SetPartitioned(k.sameSite == fasthttp.CookieSameSiteNoneMode)
	r.Response.Header.SetCookie(c)
}

// ShortHash names things in cookies: 12 characters, 72 bits, enough to keep
// the few names of one browser apart.
func ShortHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
