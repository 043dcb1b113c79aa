package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// readCookie has cookies.read look for a name in Cookie headers. They may have
// been split by somebody else already, after which fasthttp joins them anew.
func readCookie(t testing.TB, name string, split bool, headers ...string) (value string, found bool) {
	t.Helper()
	raw := "GET / HTTP/1.1\r\nHost: localhost\r\n"
	for _, header := range headers {
		raw += "Cookie: " + header + "\r\n"
	}
	sent := &fasthttp.RequestCtx{}
	if err := sent.Request.Header.Read(bufioReader(raw + "\r\n")); err != nil {
		t.Skip("no header that could arrive")
	}
	if split {
		_ = sent.Request.Header.Cookie("another")
	}
	k := &cookies{}
	got := k.read(Request{RequestCtx: sent}, []byte(name))
	return string(got), got != nil
}

// cookieOracle splits Cookie headers as RFC 6265 section 4.2 writes them, with
// no eye to speed, and returns the value that all cookies of this name have.
func cookieOracle(name string, headers ...string) (value string, found bool) {
	values := slices.Compact(cookieValues(name, headers...))
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

func cookieValues(name string, headers ...string) (values []string) {
	for _, header := range headers {
		for _, pair := range strings.Split(header, ";") {
			key, value, ok := strings.Cut(strings.Trim(pair, " \t"), "=")
			if ok && key == name {
				values = append(values, strings.Trim(value, " \t"))
			}
		}
	}
	return values
}

// cookieHeaders are tricky ones, for the table and as seeds of the fuzz target.
// The name is N.
var cookieHeaders = []string{
	"", "N=v", "N=", "N", "N=v;", ";N=v", " N=v", "N=v ", "N= v", "\tN=v\t;", "a=b; N=v", "N=v; a=b", "a=b;N=v;c=d", "a=b;;N=v", "a; N=v",
	"N=v; N=w", "N=v; N=v", "N=v; N=", "N; N=v", "xN=v", "Nx=v", "N_trips=1", "N_trips=1; N=v", "a=N", "a=N=v", "a=N; N=v", "a=N=w; N=v",
	"xNN=v", "xN N=v", "a=NN=v", "a=N N=v", "NN=v", "NNN=v; N=w", "a=xN;N=v", "=N=v", "=v; N=w", "==N=v", "N==v", "N=a=b", "N=v,w", "n=v", "N =v", `N="v"`, `a=";N=v"`,
	"= N=v", "=\tN=v", `="N=v"`, `=" N=v"`, `a=b;= "N=v"`, "a=;N=v", "=; N=v", "a= N=v",
}

// TestReadingCookies: what is read is what a plain split of the header finds.
func TestReadingCookies(t *testing.T) {
	const name = "__Host-cognito_0"
	for _, header := range cookieHeaders {
		header = strings.ReplaceAll(header, "N", name)
		mustReadAlike(t, name, false, header)
		mustReadAlike(t, name, false, header, "other=cookie")
		mustReadAlike(t, name, false, header, header)
	}
}

// TestReadingCookiesAfterAnother: below a middleware that has read cookies too, they
// are read alike. A cookie without a name must not turn into one of ours then. By that
// time fasthttp has taken quotes off values, and blanks off the ends of names, where
// browsers send none.
func TestReadingCookiesAfterAnother(t *testing.T) {
	const name = "__Host-cognito_0"
	for _, header := range cookieHeaders {
		header = strings.ReplaceAll(header, "N", name)
		want, wanted := cookieOracle(name, strings.NewReplacer(`"v"`, "v", " =", "=").Replace(header))
		got, found := readCookie(t, name, true, header)
		if found && (!wanted || got != want) {
			t.Errorf("Cookie: %s reads as %q, want %q, %t", header, got, want, wanted)
		}
	}
	if got, _ := readCookie(t, name, true, "a=b; "+name+"=v"); got != "v" {
		t.Errorf("the honest cookie reads as %q", got)
	}
}

// TestHiddenNames tries every short header of the characters that count: whatever reads the
// cookies before us, or writes them anew as an adaptor does, no cookie becomes ours that the
// browser has under another name, or under none.
func TestHiddenNames(t *testing.T) {
	const name, characters, longest = "N", "N=; \t\"a", 5
	isOurs := func(pair string) bool {
		key, _, named := strings.Cut(pair, "=")
		return named && strings.Trim(key, " \t") == name // as browsers trim names
	}
	var try func(header string)
	try = func(header string) {
		if sent := strings.Trim(header, " \t"); !slices.ContainsFunc(strings.Split(sent, ";"), isOurs) {
			for rewrites := range 3 {
				if got, found := readRewritten(t, name, sent, rewrites); found {
					t.Errorf("Cookie: %q, written anew %d times, reads as %q", sent, rewrites, got)
				}
			}
		}
		if len(header) == longest {
			return
		}
		for _, next := range characters {
			try(header + string(next))
		}
	}
	try("")
}

// readRewritten is readCookie after somebody has read the cookies and written them anew.
func readRewritten(t *testing.T, name, header string, times int) (value string, found bool) {
	t.Helper()
	sent := &fasthttp.RequestCtx{}
	if err := sent.Request.Header.Read(bufioReader("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + header + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = sent.Request.Header.Cookie("another")
	for range times {
		sent.Request.Header.Set("Cookie", string(sent.Request.Header.Peek("Cookie")))
	}
	got := (&cookies{}).read(Request{RequestCtx: sent}, []byte(name))
	return string(got), got != nil
}

// mustReadAlike wants the only cookie of a name found, and nothing else ever
// taken for it. What needs quotes or tabs is none of ours, so it need not be
// found.
func mustReadAlike(t testing.TB, name string, split bool, headers ...string) {
	t.Helper()
	want, wanted := cookieOracle(name, headers...)
	got, found := readCookie(t, name, split, headers...)
	ours := wanted && want != "" && !strings.ContainsAny(strings.Join(headers, ""), "\t\"")
	if found && got != "" && (!wanted || got != want) || ours && !found {
		t.Errorf("Cookie: %q reads as %q, %t, want %q, %t", headers, got, found, want, wanted)
	}
}

// TestCookieNamesOfTwoClients: by default no two clients share a cookie, but for the
// slots of logins in progress.
func TestCookieNamesOfTwoClients(t *testing.T) {
	var names []string
	for _, client := range []string{"first", "second"} {
		for _, base := range []string{"", "https://app.example.com"} {
			k := newCookies(Settings{CookieName: "cognito_" + ShortHash(client), BaseURL: base, RedirectPath: "/login/redirect"})
			names = append(names, string(k.session), k.loginLoop)
		}
	}
	slices.Sort(names)
	if got := len(slices.Compact(names)); got != 8 {
		t.Errorf("%d names of 8 differ", got)
	}
}
